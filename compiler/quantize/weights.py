"""Layers with weights, as blocks see them: [O, KH, KW, I], in float models and in integer ones alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import onnx
from numpy.typing import NDArray

from compiler.blocks import nonzero_blocks
from compiler.quantize.network import Array, Network, attribute, integers

MIN_CHANNELS = 16
"""Layers with fewer channels on either side stay dense: two blocks or less are no choice."""

_MOVES = ("Flatten", "Reshape", "Squeeze", "Identity", "Dropout", "QuantizeLinear", "DequantizeLinear")
_PRODUCTS = ("Gemm", "MatMul", "QLinearMatMul")


@dataclass(frozen=True)
class Layer:
    """A layer and where its weights are stored.

    `axes` and `split` make [O, KH, KW, I] of the stored array: it is reshaped to `split`, then transposed.
    `reason` says why its blocks are left alone; empty if they may be zeroed.  `nodes` are all that read the weights,
    of which the first gives the layer its name.
    """

    name: str
    op_type: str
    tensor: str
    split: tuple[int, ...]
    axes: tuple[int, ...]
    scales: tuple[str, int]
    zero: str
    groups: int = 1
    reason: str = ""
    nodes: tuple[str, ...] = ()

    def view(self, array: Array) -> Array:
        """The stored array as [O, KH, KW, I], without copying it: what is written there is written to it."""
        return array.reshape(self.split).transpose(self.axes)

    def real(self, network: Network) -> NDArray[np.float32]:
        """The weights as floats, [O, KH, KW, I]."""
        array = network.constant(self.tensor)
        assert array is not None
        if array.dtype == np.float32:
            return self.view(array)
        numbers = array.astype(np.float32) - zero_point(network, self.zero)
        name, axis = self.scales
        scale = network.constant(name)
        assert scale is not None
        if scale.size > 1:
            scale = scale.reshape([-1 if one == axis % array.ndim else 1 for one in range(array.ndim)])
        return self.view(np.asarray(numbers * scale, np.float32))

    def nonzero(self, network: Network) -> NDArray[np.bool_]:
        """Which 8x8 blocks are not zero: [O/8, I/8, KH, KW]."""
        array = network.constant(self.tensor)
        assert array is not None
        return nonzero_blocks(self.view(array != zero_point(network, self.zero)))


def zero_point(network: Network, name: str) -> int:
    """The one zero point of some weights; unequal ones are for the front end to refuse."""
    zero = network.constant(name)
    return int(zero.ravel()[0]) if zero is not None and zero.size else 0


def layers(network: Network) -> Iterator[Layer]:
    """Every convolution and matrix product with stored weights, in order; weights that several share come once."""
    found: dict[str, Layer] = {}
    for node in network.graph.node:
        one = _layer(network, node, first=not found)
        if one is not None:
            known = found.setdefault(one.tensor, one)
            found[one.tensor] = replace(known, nodes=(*known.nodes, one.name))
    yield from found.values()


def count_blocks(network: Network) -> tuple[int, int]:
    """How many 8x8 blocks the layers with one group have, and how many of them are zero."""
    parts = [one.nonzero(network) for one in layers(network) if one.groups == 1]
    total = sum(one.size for one in parts)
    return total, total - sum(int(one.sum()) for one in parts)


def _layer(network: Network, node: onnx.NodeProto, first: bool) -> Layer | None:
    if node.op_type not in ("Conv", "QLinearConv", *_PRODUCTS):
        return None
    linear = node.op_type.startswith("QLinear")
    tensor, scales, zero = _stored(network, node, linear)
    if tensor not in network.stored:
        return None
    shape = tuple(network.stored[tensor].dims)
    if node.op_type in _PRODUCTS:
        if len(shape) != 2:
            return None
        split, axes = _product(network, node, shape)
        groups = 1
    else:
        if len(shape) not in (3, 4):
            return None
        split = shape if len(shape) == 4 else (*shape[:2], 1, shape[2])
        axes, groups = (0, 2, 3, 1), attribute(node, "group", 1)
    out, channels = split[axes[0]], split[axes[3]]
    if groups != 1:
        reason = f"it has {groups} groups"
    elif first:
        reason = "it is the first layer"
    elif min(out, channels) < MIN_CHANNELS:
        reason = f"{channels} input and {out} output channels: fewer than {MIN_CHANNELS}"
    else:
        reason = ""
    return Layer(node.name, node.op_type, tensor, split, axes, scales, zero, groups, reason)


def _stored(network: Network, node: onnx.NodeProto, linear: bool) -> tuple[str, tuple[str, int], str]:
    """The initializer with the weights, its scales with their axis, and its zero point."""
    if linear:
        axis = 0 if node.op_type == "QLinearConv" else 1
        return node.input[3], (node.input[4], axis), node.input[5]
    name = node.input[1]
    maker = network.makers.get(name)
    if maker is None or maker.op_type != "DequantizeLinear":
        return name, ("", 0), ""
    zero = maker.input[2] if len(maker.input) > 2 else ""
    return maker.input[0], (maker.input[1], attribute(maker, "axis", 1)), zero


def _product(
    network: Network, node: onnx.NodeProto, shape: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, int, int, int]]:
    """A matrix as a convolution over the image that was flattened for it: how to split and to transpose it."""
    transposed = node.op_type == "Gemm" and bool(attribute(node, "transB", 0))
    out, inner = shape if transposed else shape[::-1]
    channels, last = _flattened(network, node.input[0], inner)
    pixels = inner // channels
    parts = (pixels, channels) if last else (channels, pixels)
    if transposed:
        return (out, *parts, 1), (0, 3, 1, 2) if last else (0, 3, 2, 1)
    return (*parts, out, 1), (2, 3, 0, 1) if last else (2, 3, 1, 0)


def _flattened(network: Network, name: str, inner: int) -> tuple[int, bool]:
    """The channels of the image that a vector was made from, and whether they come last, behind the pixels."""
    while len(network.shape(name)) != 4 and name in network.makers and network.makers[name].op_type in _MOVES:
        name = network.makers[name].input[0]
    shape = network.shape(name)
    if len(shape) != 4 or shape[1] * shape[2] * shape[3] != inner:
        return inner, False
    while name in network.makers and network.makers[name].op_type in _MOVES:
        name = network.makers[name].input[0]
    maker = network.makers.get(name)
    last = maker is not None and maker.op_type == "Transpose" and integers(maker, "perm") == (0, 2, 3, 1)
    return (shape[3], True) if last else (shape[1], False)
