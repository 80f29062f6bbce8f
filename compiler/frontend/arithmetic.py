"""Sums, differences and products of two activations, or of one and a constant; batch normalisation.

What meets an activation may be of its shape, or broadcast to it: one number, one for each channel, one for each pixel.
A quantised constant is an activation that never changes.  Any other makes a * x + b with numbers for each channel:
the convolution before takes it in, or a 1x1 convolution of its own computes it, whose only weights are on its diagonal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.errors import fuse
from compiler.frontend.dense import QUANTISE, bias_value
from compiler.frontend.graph import Array, Node
from compiler.frontend.reasons import Code, Refusal
from compiler.frontend.simple import floats
from compiler.frontend.values import PER_TENSOR, Build, Constant, Tensor, quant_from, unordered_pair
from compiler.ir import Op, TensorType, Value
from compiler.numerics import decompose
from dialects import nn
from dialects.nn import Layout
from dialects.quant import Quant, quant_of

Floats = NDArray[np.float64]
Pair = Callable[..., Op]

DIAGONAL = 64
"""The weight on the diagonal of a convolution that scales channels: a power of two, so that scales stay what they are,
and large, because what is added is rounded to x_scale * scale / 64."""

SMALLER = "[1, C, 1, 1], one pixel, or [1, 1, H, W], one channel"
ONE_PIXEL = "bring one input to the shape of the result before; the other may be one pixel or one channel"

EQUAL = 1.0
"""The scale of weights that copy one channel to several."""


def add(build: Build, node: Node) -> None:
    """Add; a constant for each channel may be the bias of a convolution or matrix product before."""
    met = _unless_paired(build, node, nn.AddOp)
    if met is None:
        return
    conv = met.x.value.op
    if met.folds and isinstance(conv, nn.Conv2dOp) and conv.bias is None:
        new = build.rw.copy(conv, bias=_as_bias(build, node, met.x, met.constant), loc=fuse(conv.loc, node.loc))
        build.define(node, met.x.with_value(build.rw.insert(new).y))
    else:
        _affine(build, node, met.index, np.ones(1), _channels(met))


def subtract(build: Build, node: Node) -> None:
    """Sub, of which either operand may be constant."""
    met = _unless_paired(build, node, nn.SubOp)
    if met is not None:
        sign = 1.0 if met.index == 0 else -1.0
        _affine(build, node, met.index, np.array([sign]), -sign * _channels(met))


def multiply(build: Build, node: Node) -> None:
    """Mul."""
    met = _unless_paired(build, node, nn.MulOp)
    if met is not None:
        _affine(build, node, met.index, _channels(met), np.zeros(1))


def divide(build: Build, node: Node) -> None:
    """Div by a constant: a multiplication by its reciprocal."""
    found = _constant_operand(build, node)
    if found is None or found[0] != 0:
        help = "multiply by a reciprocal: Reciprocal of one quantised tensor becomes a table"
        raise Refusal(Code.INPUT, "divisor", "a constant", "computed from the inputs", help=help)
    numbers = _channels(_met(build, node, *found))
    if not numbers.all():
        raise Refusal(Code.INPUT, "divisor", "other than 0 everywhere", "0 somewhere", help="divide by other numbers")
    _affine(build, node, 0, 1.0 / numbers, np.zeros(1))


def batch_normalization(build: Build, node: Node) -> None:
    """BatchNormalization in inference: (x - mean) * scale / sqrt(variance + epsilon) + bias."""
    if node.integer("training_mode"):
        raise Refusal(Code.ATTRIBUTE, "training_mode", 0, 1, help="export the model for inference (model.eval())")
    names = "scale", "bias", "mean", "variance"
    scale, bias, mean, variance = (
        _real(build.constant(node, index, name)).reshape(-1) for index, name in enumerate(names, 1)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        factor = scale / np.sqrt(variance + node.number("epsilon", 1e-5))
    if not np.isfinite(factor).all():
        least = float((variance + node.number("epsilon", 1e-5)).min())
        what = "variance plus epsilon"
        raise Refusal(Code.INPUT, what, "more than 0 in every channel", least, help="give it a larger epsilon")
    _affine(build, node, 0, factor, bias - mean * factor)


# Two activations


def _pair(build: Build, node: Node, kind: Pair) -> None:
    """An operation of two activations, one of which may be broadcast to the other's shape."""
    a, b = floats(build, node, 0), floats(build, node, 1)
    shape = build.shape_of(node)
    full = a if a.shape == shape else b
    if full.shape != shape:
        allowed, found = f"one that is the result's, {list(shape)}", f"{list(a.shape)} and {list(b.shape)}"
        raise Refusal(Code.SHAPE, "input shapes", allowed, found, help=ONE_PIXEL)
    values = [_fitted(build, node, one, full) for one in (a, b)]
    layout = b.layout if a.shape == b.shape and a.flat else full.layout
    build.define(node, Tensor(build.insert(lambda: kind(*values, loc=node.loc)), shape, layout))


def _fitted(build: Build, node: Node, x: Tensor, full: Tensor) -> Value[TensorType]:
    """An operand that meets another one of the result's shape: as it is, or its one channel copied to all."""
    if x.shape == full.shape:
        if x.nhwc != full.nhwc or (not x.has(full.layout) and not full.has(x.layout)):
            raise unordered_pair(x, full)
        return x.value
    wanted = _as_nhwc_shape(x.shape, full)
    if x.nhwc != wanted or not x.has(full.layout):
        raise unordered_pair(x, full)
    pixels, channels = wanted[:2], wanted[2]
    if pixels not in ((1, 1), full.nhwc[:2]):
        raise Refusal(
            Code.SHAPE, "smaller input shape", SMALLER, f"{list(x.shape)}, for {list(full.shape)}", help=ONE_PIXEL
        )
    return x.value if channels == full.nhwc[2] else _copied(build, node, x, full.nhwc[2])


def _as_nhwc_shape(shape: tuple[int, ...], full: Tensor) -> tuple[int, int, int]:
    """Height, width and channels that a shape means beside another one, whose rank it may be short of."""
    sizes = (1,) * (len(full.shape) - len(shape)) + shape
    if len(full.shape) == 4 and full.shape[0] == 1:
        for layout in (full.layout, *Layout):
            if full.has(layout) and _image_sizes(full.shape, layout) == full.nhwc:
                return _image_sizes(sizes, layout)
    help = "broadcast to images only: make its inputs of one shape before, or images [1, C, H, W]"
    raise Refusal(
        Code.SHAPE, "result shape", "[1, C, H, W] or [1, H, W, C] of what is broadcast", full.shape, help=help
    )


def _image_sizes(shape: tuple[int, ...], layout: Layout) -> tuple[int, int, int]:
    _, *sizes = shape
    height, width, channels = (*sizes[1:], sizes[0]) if layout is Layout.NCHW else sizes
    return height, width, channels


def _copied(build: Build, node: Node, x: Tensor, channels: int) -> Value[TensorType]:
    """A tensor of one channel as one of many, by a convolution with ones whose result has the scale of its input."""
    source = x.value.op
    if not isinstance(source, nn.DequantizeOp):
        what = f"input {list(x.shape)}, which is broadcast to {channels} channels,"
        raise Refusal(Code.FLOAT, what, "the result of a DequantizeLinear", "another", help=QUANTISE)
    weights = np.ones((channels, 1, 1, 1), np.int8)
    y = _conv(build, node, x.value, weights, np.full(channels, EQUAL, np.float32), None)
    quant = quant_of(source, source.x.type)
    again = build.rw.insert(nn.QuantizeOp(y, quant, *quant.limits, loc=node.loc)).y
    return build.rw.insert(nn.DequantizeOp(again, loc=node.loc)).y


# One activation and a constant


@dataclass(frozen=True)
class _Met:
    """The activation of a node, its operand `index`, and a constant: its number for each of the activation's, NHWC, and
    whether a convolution before could take it in."""

    index: int
    x: Tensor
    constant: Constant
    numbers: Floats
    folds: bool


def _unless_paired(build: Build, node: Node, kind: Pair) -> _Met | None:
    """The constant that is left to be worked into an activation; None where `kind`, of two activations, is made."""
    found = _constant_operand(build, node)
    if found is None:
        _pair(build, node, kind)
        return None
    met = _met(build, node, *found)
    if met.folds or not _is_quantised(met.constant):
        return met
    _with_stored(build, node, kind, met.x, met.constant, first=met.index == 0 or kind is not nn.SubOp)
    return None


def _constant_operand(build: Build, node: Node) -> tuple[int, Constant] | None:
    """Which operand is the activation, and the constant that meets it; None if both are activations."""
    for index in (0, 1):
        found = build.env.get(node.input(1 - index))
        if isinstance(found, Constant):
            return index, found
    return None


def _is_quantised(constant: Constant) -> bool:
    """Whether it is what an activation is: bytes of one scale."""
    one = constant.scales is not None and constant.scales.size == 1
    return one and constant.array.dtype.name in ("int8", "uint8")


def _real(constant: Constant) -> Floats:
    """The numbers that a constant means."""
    if constant.scales is None:
        return constant.array.astype(np.float64)
    scales = _along(constant, constant.scales.astype(np.float64))
    numbers: Floats = (constant.array.astype(np.float64) - constant.zero) * scales
    return numbers


def _along(constant: Constant, scales: NDArray[Any]) -> NDArray[Any]:
    """Scales where they meet the numbers of a constant."""
    if scales.size == 1:
        return scales.reshape(())
    shape = [1] * constant.array.ndim
    if not shape or constant.array.shape[constant.axis] != scales.size:
        found = f"{scales.size} along axis {constant.axis} of {list(constant.array.shape)}"
        raise Refusal(Code.QUANTISATION, "scales of the constant", "1, or one for each index", found, help=PER_TENSOR)
    shape[constant.axis] = scales.size
    return scales.reshape(shape)


def _met(build: Build, node: Node, index: int, constant: Constant) -> _Met:
    x = floats(build, node, index)
    if build.shape_of(node) != x.shape:
        help = "let the constant have at most the shape of the other input"
        raise Refusal(Code.SHAPE, "result shape", f"{list(x.shape)}, as its input", build.shape_of(node), help=help)
    numbers = np.asarray(as_nhwc(_real(constant), x), np.float64)
    folds = isinstance(x.value.op, nn.Conv2dOp) and _per_channel(numbers) and _read_once(build, node.input(index))
    return _Met(index, x, constant, numbers, folds)


def _per_channel(numbers: NDArray[Any]) -> bool:
    return bool((numbers == numbers[:, :1, :1]).all())


def _channels(met: _Met) -> Floats:
    """The number of each channel."""
    numbers = met.numbers
    if not _per_channel(numbers):
        kind = met.constant.array.dtype.name
        reason = f"its constant of {kind} differs from pixel to pixel and is not quantised"
        allowed = "int8 or uint8 of one scale where it differs from pixel to pixel"
        raise Refusal(Code.FLOAT, "constant type", allowed, kind, help=QUANTISE, reason=reason)
    if not np.isfinite(numbers).all():
        found = float(numbers[~np.isfinite(numbers)][0])
        raise Refusal(Code.INPUT, "constant", "finite numbers", found, help="give it finite numbers")
    return np.asarray(numbers[0, 0, 0], np.float64)


def _as_bias(build: Build, node: Node, x: Tensor, constant: Constant) -> Value[TensorType] | None:
    """A constant as the bias of what makes `x`, its integers as they are."""
    numbers = as_nhwc(constant.array, x)[0, 0, 0]
    scales = constant.scales
    if scales is not None and scales.size > 1:
        scales = as_nhwc(_along(constant, scales), x)[0, 0, 0]
    return bias_value(build, node, replace(constant, array=numbers, scales=scales), numbers.size)


def as_nhwc(array: NDArray[Any], x: Tensor) -> NDArray[Any]:
    """A constant broadcast to the shape of an activation, in the order of its value."""
    full = np.broadcast_to(array, x.shape)
    height, width, channels = x.nhwc
    if x.layout is Layout.NCHW:
        full = full.reshape(1, channels, height, width).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(full.reshape(1, height, width, channels))


def _with_stored(build: Build, node: Node, kind: Pair, x: Tensor, constant: Constant, *, first: bool) -> None:
    """An activation that never changes as one operand, the first one or not being `x`; one pixel if all are equal."""
    numbers: Array = as_nhwc(constant.array, x)
    if _per_channel(numbers):
        numbers = np.ascontiguousarray(numbers[:, :1, :1])
    assert constant.scales is not None
    quant: Quant = quant_from(constant.scales, np.array(constant.zero, numbers.dtype), constant.name)
    stored = build.stored("constant", numbers, node, quant=quant)
    other = build.rw.insert(nn.DequantizeOp(stored, loc=node.loc)).y
    values = (x.value, other) if first else (other, x.value)
    build.define(node, x.with_value(build.insert(lambda: kind(*values, loc=node.loc))))


def _read_once(build: Build, name: str) -> bool:
    return len(build.readers.get(name, ())) == 1 and name not in build.graph.outputs


def _affine(build: Build, node: Node, index: int, factor: Floats, term: Floats) -> None:
    """factor * x + term, with numbers for each channel or one for all."""
    x = floats(build, node, index)
    channels = x.nhwc[2]
    if factor.size not in (1, channels) or term.size not in (1, channels):
        help = "give one number, or one for each channel"
        raise Refusal(Code.SHAPE, "constant size", f"1 or {channels}", max(factor.size, term.size), help=help)
    factor, term = (np.ascontiguousarray(np.broadcast_to(one, (channels,))) for one in (factor, term))
    maker, alone = x.value.op, _read_once(build, node.input(index))
    if isinstance(maker, nn.Conv2dOp) and alone:
        build.define(node, x.with_value(_folded(build, node, maker, factor, term)))
        return
    same = factor[0] > 0 and (factor == factor[0]).all() and not term.any()
    if isinstance(maker, nn.AveragePoolOp) and maker.factor is None and alone and same:
        # AMD's quantiser writes means with such a factor, which imitates the integers of a machine.
        mean = build.rw.copy(maker, factor=decompose(float(factor[0])), loc=fuse(maker.loc, node.loc))
        build.define(node, x.with_value(build.rw.insert(mean).y))
        return
    signs = np.sign(factor)
    weights = np.zeros((channels, 1, 1, channels), np.int8)
    weights[np.arange(channels), 0, 0, np.arange(channels)] = DIAGONAL * signs
    scales = np.where(signs != 0, np.abs(factor) / DIAGONAL, 1.0).astype(np.float32)
    _check_scales(scales)
    bias = _bias(build, node, term) if term.any() else None
    build.define(node, x.with_value(_conv(build, node, x.value, weights, scales, bias)))


def _check_scales(scales: NDArray[np.float32]) -> None:
    if not np.isfinite(scales).all() or not (scales > 0).all():
        found = f"{scales.min()} to {scales.max()}"
        help = "multiply by numbers that are neither so small nor so large"
        raise Refusal(Code.SCALE, "scales", "positive numbers that float32 holds", found, help=help)


def _folded(build: Build, node: Node, conv: nn.Conv2dOp, factor: Floats, term: Floats) -> Value[TensorType]:
    """The same of a convolution's result: its scales and its bias change, of negative factors the weights' signs."""
    store, weight = build.module.store, conv.weight.op
    assert isinstance(weight, nn.ConstantOp) and weight.scales is not None
    bias = Constant(np.zeros(factor.size, np.float32))
    if conv.bias is not None:
        assert isinstance(conv.bias.op, nn.ConstantOp)
        old = conv.bias.op
        bias = Constant(store[old.symbol], None if old.scales is None else store[old.scales])
    value = conv.weight
    if (factor != 1).any():
        signs = np.sign(factor).astype(np.int8)
        numbers = store[weight.symbol] * signs.reshape(-1, 1, 1, 1)
        scales = store[weight.scales].astype(np.float64) * np.where(signs != 0, np.abs(factor), 1.0)
        _check_scales(scales.astype(np.float32))
        value = build.stored("weight", numbers, node, scales=scales.astype(np.float32))
    made = _bias(build, node, _real(bias) * factor + term)
    new = build.rw.copy(conv, weight=value, bias=made, loc=fuse(conv.loc, node.loc))
    return build.rw.insert(new).y


def _bias(build: Build, node: Node, numbers: Floats) -> Value[TensorType]:
    made = bias_value(build, node, Constant(numbers.astype(np.float32)), numbers.size)
    assert made is not None
    return made


def _conv(
    build: Build,
    node: Node,
    x: Value[TensorType],
    weights: NDArray[np.int8],
    scales: NDArray[np.float32],
    bias: Value[TensorType] | None,
) -> Value[TensorType]:
    """A 1x1 convolution."""
    weight = build.stored("weight", weights, node, scales=scales)
    return build.rw.insert(nn.Conv2dOp(x, weight, bias, (1, 1), (1, 1), (0, 0, 0, 0), (1, 1), loc=node.loc)).y
