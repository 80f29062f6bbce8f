"""The program of the cores, piece by piece; `resident` puts them together (docs/kernels.md)."""
