"""Train a model that is an ONNX file: `read_module` makes it a module, `write_weights` puts the weights back.

Written here because neither library that reads ONNX into PyTorch does it (tried in 2026-11, with onnx 1.23): onnx2torch
1.5.15 and onnx2pytorch 0.6.0 need torchvision to be imported, keep a literal batch as it is, and fail on weights that
are Constant nodes.
"""

from training.onnx_reader.module import Function, OnnxModule
from training.onnx_reader.read import read_module
from training.onnx_reader.write import write_weights

__all__ = ["Function", "OnnxModule", "read_module", "write_weights"]
