"""Nodes that have parameters, as the layers of torch.nn; their numbers are put in by the reader of the graph."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn
from torch.nn import functional

from training.onnx_reader.node import Call, Constant, Node, Operation, Reader, Refusal, Source
from training.onnx_reader.windows import Window, window_of

META = torch.device("meta")  # the numbers come from the file: none need be drawn


def conv(node: Node) -> Operation:
    """Conv -> nn.Conv1d or nn.Conv2d."""
    shape = node.constant(1).shape
    window = window_of(node, shape[2:])
    group = node.integer("group", 1)
    kind: Call = nn.Conv1d if len(window.kernel) == 1 else nn.Conv2d
    layer = kind(
        *(shape[1] * group, shape[0], window.kernel, window.strides),
        padding=window.begin if window.symmetric else 0,
        dilation=window.dilations,
        groups=group,
        bias=node.given(2),
        device=META,
    )
    before = None if window.symmetric else partial(functional.pad, pad=window.torch_pads)
    return Operation(layer, weights=_weight_and_bias(node), before=before)


def conv_transpose(node: Node) -> Operation:
    """ConvTranspose -> nn.ConvTranspose1d or 2d; pads that differ are cut off behind it."""
    shape = node.constant(1).shape
    kernel = shape[2:]
    window = _transposed_pads(node, window_of(node, kernel))
    extra = node.integers("output_padding") or (0,) * len(kernel)
    group = node.integer("group", 1)
    kind: Call = nn.ConvTranspose1d if len(kernel) == 1 else nn.ConvTranspose2d
    layer = kind(
        *(shape[0], shape[1] * group, kernel, window.strides),
        padding=window.begin if window.symmetric else 0,
        output_padding=extra,
        dilation=window.dilations,
        groups=group,
        bias=node.given(2),
        device=META,
    )
    cut = [-one for one in window.torch_pads]
    after = None if window.symmetric else partial(functional.pad, pad=cut)
    return Operation(layer, weights=_weight_and_bias(node), after=after)


def _transposed_pads(node: Node, window: Window) -> Window:
    """The pads of a ConvTranspose: they follow from the shape of the output, if that is what is given."""
    sizes = node.integers("output_shape")
    auto = node.word("auto_pad", "NOTSET")
    if sizes is None and not auto.startswith("SAME"):
        return window
    asked = (
        sizes[-len(window.kernel) :]
        if sizes
        else tuple(size * stride for size, stride in zip(node.spatial, window.strides, strict=True))
    )
    extra = node.integers("output_padding") or (0,) * len(window.kernel)
    begin, end = [], []
    for size, out, stride, kernel, dilation, more in zip(
        *(node.spatial, asked, window.strides, window.kernel, window.dilations, extra), strict=True
    ):
        total = max(0, stride * (size - 1) + more + (kernel - 1) * dilation + 1 - out)
        half = total // 2
        begin.append(half if auto == "SAME_UPPER" else total - half)
        end.append(total - begin[-1])
    return Window(window.kernel, window.strides, window.dilations, tuple(begin), tuple(end))


def _weight_and_bias(node: Node) -> dict[str, Source]:
    named = {"weight": node.weight(1)}
    return named | {"bias": node.weight(2)} if node.given(2) else named


def gemm(node: Node) -> Operation:
    """Gemm -> nn.Linear."""
    for name in ("alpha", "beta"):
        if node.number(name, 1.0) != 1.0:
            raise Refusal(name, "1", str(node.number(name, 1.0)))
    if node.integer("transA", 0):
        raise Refusal("transA", "0", "1")
    weight = node.weight(1, transposed=not node.integer("transB", 0))
    outputs, inputs = weight.shape[::-1] if weight.transposed else weight.shape
    named = {"weight": weight}
    if node.given(2):
        named["bias"] = node.weight(2)
        if named["bias"].shape not in ((outputs,), (1, outputs)):
            raise Refusal("shape of C", f"[{outputs}]", str(list(named["bias"].shape)))
    return Operation(nn.Linear(inputs, outputs, bias=node.given(2), device=META), weights=named)


def matmul(node: Node) -> Operation:
    """MatMul by a constant matrix -> nn.Linear without a bias; of other tensors it is the function."""
    if not isinstance(node.inputs[1], Constant) or len(node.shape(1)) != 2:
        return Operation(torch.matmul, (0, 1))
    inputs, outputs = node.shape(1)
    layer = nn.Linear(inputs, outputs, bias=False, device=META)
    return Operation(layer, weights={"weight": node.weight(1, transposed=True)})


def batch_norm(node: Node) -> Operation:
    """BatchNormalization -> nn.BatchNorm1d or 2d; in training mode it counts its own mean and variance."""
    node.only_first_output() if not node.integer("training_mode", 0) else None
    if not node.integer("spatial", 1):
        raise Refusal("spatial", "1", "0")
    rank = len(node.shape())
    if rank not in (2, 3, 4):
        raise Refusal("number of axes", "2 to 4", str(rank))
    kind: Call = nn.BatchNorm2d if rank == 4 else nn.BatchNorm1d
    # ONNX weighs the old mean, PyTorch the new one.
    momentum = 1 - node.number("momentum", 0.9)
    layer = kind(node.shape()[1], eps=node.number("epsilon", 1e-5), momentum=momentum, device=META)
    names = ("weight", "bias", "running_mean", "running_var")
    return Operation(layer, weights={name: node.weight(position) for position, name in enumerate(names, 1)})


def instance_norm(node: Node) -> Operation:
    """InstanceNormalization -> nn.InstanceNorm1d or 2d."""
    kind: Call = nn.InstanceNorm2d if len(node.spatial) == 2 else nn.InstanceNorm1d
    layer = kind(node.shape()[1], eps=node.number("epsilon", 1e-5), affine=True, device=META)
    return Operation(layer, weights=_weight_and_bias(node))


def layer_norm(node: Node) -> Operation:
    """LayerNormalization -> nn.LayerNorm."""
    node.only_first_output()
    shape = node.shape()
    sizes = shape[node.axis(-1) :]
    layer = nn.LayerNorm(sizes, eps=node.number("epsilon", 1e-5), bias=node.given(2), device=META)
    return Operation(layer, weights=_weight_and_bias(node))


def prelu(node: Node) -> Operation:
    """PRelu -> nn.PReLU if there is one slope or one for each channel, else a function of fixed slopes."""
    rank, shape = len(node.shape()), node.constant(1).shape
    aligned = (1,) * (rank - len(shape)) + shape
    if any(size != 1 for axis, size in enumerate(aligned) if axis != 1):
        return Operation(_prelu, (0, 1))
    layer = nn.PReLU(node.constant(1).size, device=META)
    return Operation(layer, weights={"weight": node.weight(1)})


def _prelu(x: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
    return torch.where(x < 0, x * slope, x)


def dropout(node: Node) -> Operation:
    """Dropout -> nn.Dropout, which works in training mode."""
    node.only_first_output()
    return Operation(nn.Dropout(node.number("ratio", 0.5, 1)))


READERS: dict[str, Reader] = {
    "BatchNormalization": batch_norm,
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "Dropout": dropout,
    "Gemm": gemm,
    "InstanceNormalization": instance_norm,
    "LayerNormalization": layer_norm,
    "MatMul": matmul,
    "PRelu": prelu,
}
