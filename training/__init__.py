"""Training of block-sparse networks with PyTorch (`pip install 'bscc[train]'`)."""
