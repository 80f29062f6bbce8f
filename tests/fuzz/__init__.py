"""Random small CNNs of all operators: compiled, simulated and compared with onnxruntime.

    python -m tests.fuzz --graphs 5000 --seed 0 --jobs 2 -o failures/

A graph on which something differs or breaks is reduced by hypothesis; the least one is kept as an ONNX file.
"""
