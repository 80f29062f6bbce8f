"""Conv, Gemm and MatMul."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from compiler.blocks import Weights, as_int8
from compiler.errors import IRError
from compiler.frontend.graph import Array, Node
from compiler.frontend.values import Build, Constant, Refusal, Tensor, image, plane, spread
from compiler.frontend.windows import Window, idle_ends, window
from compiler.ir import TensorType, Value
from dialects import nn
from dialects.nn import Layout

QUANTISE = "quantise the model: weights through DequantizeLinear, QuantizeLinear behind each operator"


def integers(weight: Constant, axis: int) -> tuple[Weights, NDArray[np.float32]]:
    """Weights without their zero point, int16 if they do not fit int8, and scales: one, or one a channel of `axis`."""
    if weight.scales is None:
        raise Refusal(f"it runs in float32: its weights are {weight.array.dtype.name}", QUANTISE)
    if weight.scales.size > 1 and weight.axis != axis:
        raise Refusal(f"its weights have scales along axis {weight.axis}, expected the output channels, {axis}")
    if weight.array.dtype.name not in ("int8", "uint8"):
        raise Refusal(f"its weights are {weight.array.dtype.name}, expected int8")
    array = without_zero(weight)
    if array.dtype != np.int8:
        array = as_int8(array.astype(np.int16))
    return array, weight.scales


def bias_value(build: Build, node: Node, bias: Constant | None, count: int) -> Value[TensorType] | None:
    """The bias as int32 with scales, or as floats."""
    if bias is None:
        return None
    if bias.array.size == 1 and count != 1:
        array: Array = np.full(count, bias.array.reshape(()))
    else:
        array = bias.array.reshape(-1)
    if array.size != count:
        raise Refusal(f"its bias has {array.size} numbers for {count} output channels")
    if array.dtype.name not in ("int32", "float32", "int8", "uint8", "int16"):
        raise Refusal(f"its bias is {array.dtype.name}, expected int32 or float32")
    if bias.scales is None:
        if array.dtype != np.float32:
            raise Refusal(f"its bias is {array.dtype.name} without a scale")
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
        raise Refusal(f"its group is {group}, expected a divisor of its {out} output channels")
    given = node.integers("kernel_shape", kernel)
    if given != kernel:
        raise Refusal(f"its kernel_shape is {list(given)}, its weights have {list(kernel)}")
    if len(x.shape) != weight.ndim:
        raise Refusal(f"its input has {len(x.shape)} dimensions, its weights have {weight.ndim}")
    if x.shape[1] != channels:
        groups = f" in {group} groups" * (group > 1)
        raise Refusal(f"it reads {x.shape[1]} channels, its weights have {channels}{groups}")
    return window(node, plane(x.shape), kernel)


def check_rank(weight: Array) -> None:
    """Weights are [O, I, KH, KW], or [O, I, KW]."""
    if weight.ndim not in (3, 4):
        raise Refusal(
            f"its weights have {weight.ndim} dimensions, only convolutions in 1 and 2 dimensions are supported"
        )


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
        raise Refusal("its weights have a scale that is no positive number")
    stored = build.stored("weight", np.ascontiguousarray(weight), node, scales)
    added = bias_value(build, node, bias, weight.shape[0])
    try:
        y = build.rw.insert(nn.Conv2dOp(x, stored, added, *shape, group=group, loc=node.loc)).y
    except IRError as error:
        raise Refusal(error.diagnostic.message) from None
    build.define(node, Tensor(y, build.shape_of(node), layout))


def product(x: Tensor, weight: Weights) -> tuple[Weights, tuple[int, int]]:
    """[K, N] as convolution weights [N, KH, KW, C]: 1x1 along the last dimension, or over a whole image."""
    inner, out = weight.shape
    height, width, channels = x.nhwc
    if x.shape[-1] != inner:
        raise Refusal(f"it multiplies rows of {x.shape[-1]} by a matrix of {inner} rows")
    if channels == inner and x.has(Layout.NHWC):
        return weight.T.reshape(out, 1, 1, inner), (1, 1)
    if height * width * channels != inner:
        raise Refusal(f"its input {list(x.shape)} is an image that was not flattened whole")
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
        raise Refusal(f"its weights have {constant.array.ndim} dimensions, expected 2")
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
    if not np.isfinite([alpha, beta]).all():
        raise Refusal(f"its alpha is {alpha} and its beta {beta}, expected finite numbers")
    if node.integer("transA"):
        if 1 not in x.shape:
            raise Refusal(f"its transA is set, and its input {list(x.shape)} is neither a row nor a column")
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
