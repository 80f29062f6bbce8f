# mypy: ignore-errors
"""Writes residual_quark.onnx: what AMD's quantiser Quark makes of a small network for XDNA, scales powers of two.

python tests/data/make_quark.py       needs amd-quark (0.13 was used), torch, onnx, onnxruntime; no test runs it
"""

from __future__ import annotations

import sys

import onnx
import torch
from make_exports import HERE, Reader, Residual, exported
from quark.onnx import ModelQuantizer, QConfig


def main() -> None:
    torch.manual_seed(0)
    source = exported("residual", Residual().eval(), (torch.randn(1, 3, 16, 16),), dynamo=False)
    name = sys.argv[1] if len(sys.argv) > 1 else "XINT8"
    target = HERE / "residual_quark.onnx"
    config = QConfig.get_default_config(name)
    ModelQuantizer(config).quantize_model(str(source), str(target), Reader(source))
    source.unlink()
    model = onnx.load(target)
    del model.graph.value_info[:]
    onnx.save(model, target)


if __name__ == "__main__":
    main()
