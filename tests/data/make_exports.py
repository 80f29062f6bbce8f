# mypy: ignore-errors
"""Writes the models of this folder: what PyTorch's two exporters and onnxruntime's quantiser make of small networks.

    python tests/data/make_exports.py       needs torch, torchao, onnx, onnxscript, onnxruntime; no test runs it

`script` is torch.onnx.export(dynamo=False), `dynamo` the exporter that is the default since PyTorch 2.9.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from torch import nn
from torch.nn import functional

HERE = Path(__file__).parent


class Residual(nn.Module):
    """BatchNorm, an addition, a ReLU6, and a flatten by the batch that the input has."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(16)
        self.second = nn.Conv2d(16, 16, 3, padding=1)
        self.third = nn.Conv2d(16, 24, 3, stride=2, padding=1)
        self.pool, self.mean = nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1)
        self.drop, self.last = nn.Dropout(0.5), nn.Linear(24, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.first(x)))
        x = self.pool(torch.relu(self.second(x)) + x)
        x = self.mean(functional.relu6(self.third(x)))
        return self.last(self.drop(x.view(x.size(0), -1)))


class Siamese(nn.Module):
    """Two inputs through the same weights, two outputs, one of them read inside."""

    def __init__(self) -> None:
        super().__init__()
        self.both, self.join = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(16, 8, 1)
        self.mean, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(8, 4)

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = torch.cat([torch.relu(self.both(left)), torch.relu(self.both(right))], 1)
        x = self.join(x)
        return x, self.head(torch.flatten(self.mean(x), 1))


class FakeQuantised(nn.Module):
    """As quantisation-aware training leaves a model: weights are floats that go through fake_quantize."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = rounded(x, 0.03125)
        x = functional.conv2d(x, weight(self.first), self.first.bias, padding=1)
        x = functional.conv2d(rounded(torch.relu(x), 0.03125), weight(self.second), self.second.bias)
        return rounded(x, 0.0625)


def rounded(x: torch.Tensor, scale: float) -> torch.Tensor:
    return torch.fake_quantize_per_tensor_affine(x, scale, 0, -128, 127)


def weight(conv: nn.Conv2d) -> torch.Tensor:
    scale = conv.weight.detach().abs().amax((1, 2, 3)) / 127
    zero = torch.zeros(conv.weight.shape[0], dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(conv.weight, scale, zero, 0, -128, 127)


class Reader(CalibrationDataReader):
    """Eight seeded Gaussian samples of each input."""

    def __init__(self, model: Path) -> None:
        rng = np.random.default_rng(0)
        inputs = onnx.load(model).graph.input
        shapes = {one.name: [max(1, d.dim_value) for d in one.type.tensor_type.shape.dim] for one in inputs}
        samples = [{n: rng.standard_normal(s).astype(np.float32) for n, s in shapes.items()} for _ in range(8)]
        self.samples = iter(samples)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.samples, None)


def exported(name: str, net: nn.Module, inputs: tuple[torch.Tensor, ...], dynamo: bool) -> Path:
    path = HERE / f"{name}_{'dynamo' if dynamo else 'script'}.onnx"
    names = ["left", "right"][: len(inputs)]
    if dynamo:
        fixed = isinstance(net, FakeQuantised)  # whose scales torch.export cannot trace with a free batch
        batch = None if fixed else tuple({0: torch.export.Dim("batch", min=1)} for _ in inputs)
        torch.onnx.export(
            net, inputs, path, dynamo=True, dynamic_shapes=batch, input_names=names, external_data=False, verbose=False
        )
    else:
        axes = {one: {0: "batch"} for one in names}
        torch.onnx.export(net, inputs, str(path), dynamo=False, opset_version=13, input_names=names, dynamic_axes=axes)
    return bare(path)


def bare(path: Path) -> Path:
    model = onnx.load(path)
    for node in model.graph.node:
        del node.metadata_props[:]  # places in the files of whoever exported
        node.doc_string = ""
    for one in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        del one.metadata_props[:]
    del model.graph.metadata_props[:], model.metadata_props[:], model.graph.value_info[:]
    onnx.save(model, path)
    return path


def quantised_by_pytorch() -> None:
    """Quantisation of an exported program, PT2E, by the quantiser of torchao that quantises results, too."""
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.testing.pt2e._xnnpack_quantizer import XNNPACKQuantizer, get_symmetric_quantization_config

    image = torch.randn(1, 3, 16, 16)
    program = torch.export.export(Residual().eval(), (image,)).module()
    quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
    watched = prepare_pt2e(program, quantizer)
    for seed in range(8):
        watched(torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(seed)))
    path = HERE / "residual_pt2e.onnx"
    torch.onnx.export(convert_pt2e(watched), (image,), path, dynamo=True, external_data=False, verbose=False)
    bare(path)


def quantised(path: Path, form: QuantFormat) -> None:
    target = path.with_name(f"{path.stem}_{'qdq' if form is QuantFormat.QDQ else 'qoperator'}.onnx")
    kinds = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
    quantize_static(path, target, Reader(path), quant_format=form, per_channel=True, **kinds)


def main() -> None:
    torch.manual_seed(0)
    image, small = torch.randn(1, 3, 16, 16), torch.randn(1, 3, 8, 8)
    for dynamo in (False, True):
        for name, net, inputs in (("residual", Residual(), (image,)), ("siamese", Siamese(), (small, small + 1))):
            path = exported(name, net.eval(), inputs, dynamo)
            for form in (QuantFormat.QDQ, QuantFormat.QOperator):
                quantised(path, form)
            path.unlink()
        exported("fake_quantised", FakeQuantised().eval(), (small,), dynamo)
    quantised_by_pytorch()


if __name__ == "__main__":
    main()
