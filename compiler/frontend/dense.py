"""Conv, Gemm and MatMul."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from compiler.blocks import Weights, as_int8
from compiler.frontend.graph import Array, Node
from compiler.frontend.reasons import Code, Refusal
from compiler.frontend.values import PER_CHANNEL, Build, Constant, Tensor, bad_scale, image, plane, reordered, spread
from compiler.frontend.windows import Window, idle_ends, window
from compiler.ir import TensorType, Value
from dialects import nn
from dialects.nn import Layout

QUANTISE = "quantise the model: weights through DequantizeLinear, QuantizeLinear behind each operator"


def integers(weight: Constant, axis: int) -> tuple[Weights, NDArray[np.float32]]:
    """Weights without their zero point, int16 if they do not fit int8, and scales: one, or one a channel of `axis`."""
    if weight.scales is None:
        raise float_weights(weight)
    if weight.scales.size > 1 and weight.axis != axis:
        allowed = f"{axis}, the output channels"
        raise Refusal(Code.QUANTISATION, "axis of the weight scales", allowed, weight.axis, help=PER_CHANNEL)
    if weight.array.dtype.name not in ("int8", "uint8"):
        kind = weight.array.dtype.name
        raise Refusal(Code.TYPE, "weight type", "int8 or uint8", kind, help="quantise weights to 8 bits")
    array = without_zero(weight)
    if array.dtype != np.int8:
        array = as_int8(array.astype(np.int16))
    return array, weight.scales


def float_weights(weight: Constant) -> Refusal:
    """Weights that no DequantizeLinear made."""
    kind = weight.array.dtype.name
    reason = f"it runs in float32: its weights are {kind}"
    return Refusal(Code.FLOAT, "weight type", "int8 or uint8, dequantised", kind, help=QUANTISE, reason=reason)


def wrong_channels(given: int, allowed: str) -> Refusal:
    """An image of other channels than the weights are for."""
    help = "give it weights for these channels, or --shape the channels that it has weights for"
    return Refusal(Code.SHAPE, "number of input channels", allowed, given, help=help)


def bias_value(build: Build, node: Node, bias: Constant | None, count: int) -> Value[TensorType] | None:
    """The bias as int32 with scales, or as floats."""
    if bias is None:
        return None
    if bias.array.size == 1 and count != 1:
        array: Array = np.full(count, bias.array.reshape(()))
    else:
        array = bias.array.reshape(-1)
    if array.size != count:
        help = "give one number for each output channel; one that differs from row to row is an Add behind it"
        raise Refusal(Code.SHAPE, "bias size", f"{count}, one for each output channel", array.size, help=help)
    kind = array.dtype.name
    help = "quantise it to int32 in steps of x_scale * w_scale, through DequantizeLinear, or leave it float32"
    if kind not in ("int32", "float32", "int8", "uint8", "int16"):
        raise Refusal(Code.TYPE, "bias type", "int32 or float32", kind, help=help)
    if bias.scales is None:
        if array.dtype != np.float32:
            raise Refusal(Code.QUANTISATION, "bias type", "float32 where it has no scale", kind, help=help)
        return build.stored("bias", array, node)
    numbers = array.astype(np.int64) - bias.zero
    return build.stored("bias", numbers.astype(np.int32), node, spread(bias.scales, count))


def optional_constant(build: Build, node: Node, index: int, what: str) -> Constant | None:
    return build.constant(node, index, what) if node.input(index) else None


def conv_window(node: Node, x: Tensor, weight: Array) -> Window:
    """Kernel, strides, pads and dilations, checked against the weights [O, I / groups, KH, KW]."""
    group, (out, inner, *taps) = node.integer("group", 1), weight.shape
    kernel, channels = tuple(taps), inner * group
    if group < 1 or out % group:
        help = "make as many output channels in each group"
        raise Refusal(Code.ATTRIBUTE, "group", f"a divisor of its {out} output channels", group, help=help)
    given = node.integers("kernel_shape", kernel)
    if given != kernel:
        help = "leave kernel_shape out: the weights say it"
        raise Refusal(Code.ATTRIBUTE, "kernel_shape", f"{list(kernel)}, as its weights have", given, help=help)
    if len(x.shape) != weight.ndim:
        help = "reshape its input to [1, C, H, W], or [1, C, W] for weights [O, I, KW]"
        raise Refusal(Code.SHAPE, "input rank", f"{weight.ndim}, as its weights have", len(x.shape), help=help)
    if x.shape[1] != channels:
        groups = f" in {group} groups" * (group > 1)
        raise wrong_channels(x.shape[1], f"{channels}{groups}, as its weights have")
    return window(node, plane(x.shape), kernel)


def check_rank(weight: Array) -> None:
    """Weights are [O, I, KH, KW], or [O, I, KW]."""
    if weight.ndim not in (3, 4):
        help = "convolutions go over one or two dimensions: split one over three, or leave it to the host"
        raise Refusal(Code.SHAPE, "weight rank", "3 or 4", weight.ndim, help=help)


def channels_last(weight: Weights) -> Weights:
    """[O, I, KH, KW] or [O, I, KW] as [O, KH, KW, I]."""
    out, inner, *kernel = weight.shape
    return np.moveaxis(weight.reshape(out, inner, *([1] * (2 - len(kernel))), *kernel), 1, -1)


def conv(build: Build, node: Node) -> None:
    """Conv of floats in one or two dimensions."""
    x = build.tensor(node, 0)
    constant = build.constant(node, 1, "weight")
    check_rank(constant.array)
    weight, scales = integers(constant, 0)
    found = conv_window(node, x, weight)
    if weight.shape[:2] == (1, 1) and x.nhwc == (1, 1, math.prod(x.shape)) and len(x.shape) == 3:
        bias = optional_constant(build, node, 2, "bias")
        band = along_channels(weight, found, x.shape[2], build.shape_of(node)[2])
        emit(build, node, x.value, band, spread(scales, 1).repeat(len(band)), bias, Window((1, 1)), Layout.NHWC)
        return
    shape, kept = idle_ends(found, plane(x.shape))
    value, taps = image(x), channels_last(weight)[:, *kept]
    bias = optional_constant(build, node, 2, "bias")
    spreaded = spread(scales, weight.shape[0])
    emit(build, node, value, taps, spreaded, bias, shape, Layout.NCHW, group_of(node))


def along_channels(weight: Weights, window: Window, channels: int, count: int) -> Weights:
    """A convolution [1, 1, K] of the channels of one pixel, as of channel attention (ECA-Net), as a matrix of bands."""
    band = np.zeros((count, 1, 1, channels), weight.dtype)
    for tap in range(window.kernel[1]):
        at = np.arange(count) * window.strides[1] + tap * window.dilations[1] - window.pads[1]
        inside = (at >= 0) & (at < channels)
        band[inside.nonzero()[0], 0, 0, at[inside]] = weight[0, 0, tap]
    return band


def group_of(node: Node) -> int | None:
    """The groups of a Conv, None if it has but one."""
    group = node.integer("group", 1)
    return None if group == 1 else group


def emit(
    build: Build,
    node: Node,
    x: Value[TensorType],
    weight: Weights,
    scales: NDArray[np.float32],
    bias: Constant | None,
    shape: Window,
    layout: Layout,
    group: int | None = None,
) -> None:
    """A float convolution with weights [O, KH, KW, I / group]."""
    if np.any(~np.isfinite(scales)) or np.any(scales < 0):
        wrong = ~(np.isfinite(scales) & (scales >= 0))
        raise bad_scale(f"{float(scales[wrong][0])} for output channel {int(np.argmax(wrong))}")
    stored = build.stored("weight", np.ascontiguousarray(weight), node, scales)
    added = bias_value(build, node, bias, weight.shape[0])
    y = build.rw.insert(nn.Conv2dOp(x, stored, added, *shape, group=group, loc=node.loc)).y
    build.define(node, Tensor(y, build.shape_of(node), layout))


def product(x: Tensor, weight: Weights) -> tuple[Weights, tuple[int, int]]:
    """[K, N] as convolution weights [N, KH, KW, C]: 1x1 along the last dimension, or over a whole image."""
    inner, out = weight.shape
    height, width, channels = x.nhwc
    if x.shape[-1] != inner:
        help = "give the matrix as many rows as its input has columns"
        raise Refusal(Code.SHAPE, "number of columns", f"{inner}, the rows of its matrix", x.shape[-1], help=help)
    if channels == inner and x.has(Layout.NHWC):
        return weight.T.reshape(out, 1, 1, inner), (1, 1)
    if height * width * channels != inner:
        raise reordered(x, f"an image of {inner} numbers flattened whole, or pixels of {inner} channels")
    if x.has(Layout.NHWC):
        return weight.T.reshape(out, height, width, channels), (height, width)
    by_channel = weight.T.reshape(out, channels, height, width)
    return by_channel.transpose(0, 2, 3, 1), (height, width)


def matrix_product(
    build: Build, node: Node, x: Tensor, transposed: bool, bias: Constant | None, alpha: float = 1.0
) -> None:
    """Gemm and MatMul with a constant matrix: alpha * x @ W + bias."""
    constant = build.constant(node, 1, "second factor")
    if constant.array.ndim != 2:
        help = "multiply by one matrix [K, N]; a stack of them is as many MatMul"
        raise Refusal(Code.SHAPE, "weight rank", 2, constant.array.ndim, help=help)
    matrix, scales = integers(constant, 0 if transposed else 1)
    matrix = matrix.T if transposed else matrix
    if alpha < 0:
        matrix = as_int8(-matrix.astype(np.int16))
    scales = scales * np.float32(abs(alpha))
    weight, kernel = product(x, matrix)
    shape = Window(kernel)
    emit(build, node, x.value, weight, spread(scales, matrix.shape[1]), bias, shape, Layout.NHWC)


def gemm(build: Build, node: Node) -> None:
    """alpha * x @ W + beta * b; x may be transposed if it is a row or a column."""
    x, alpha, beta = build.tensor(node, 0), node.number("alpha", 1.0), node.number("beta", 1.0)
    for name, factor in (("alpha", alpha), ("beta", beta)):
        if not np.isfinite(factor):
            raise Refusal(Code.ATTRIBUTE, name, "a finite number", factor, help="leave it at 1")
    if node.integer("transA"):
        if 1 not in x.shape:
            help = "leave transA at 0 and give it the other factor in front"
            raise Refusal(Code.ATTRIBUTE, "transA", "0, or 1 for a row or column", f"1 of {list(x.shape)}", help=help)
        x = Tensor(x.value, x.shape[::-1], x.layout)
    bias = optional_constant(build, node, 2, "bias") if beta else None
    if bias is not None and beta != 1.0:
        bias = times(bias, beta)
    matrix_product(build, node, x, bool(node.integer("transB")), bias, alpha)


def times(constant: Constant, factor: float) -> Constant:
    """A constant multiplied by a number: its scales, or its floats."""
    if constant.scales is not None:
        return replace(constant, scales=constant.scales * np.float32(factor))
    return replace(constant, array=constant.array * np.float32(factor))


def matmul(build: Build, node: Node) -> None:
    """x @ W."""
    matrix_product(build, node, build.tensor(node, 0), False, None)


def without_zero(weight: Constant) -> Array:
    """Integers without their zero point, in 16 bits where that is needed."""
    return weight.array.astype(np.int16) - np.int16(weight.zero) if weight.zero else weight.array
