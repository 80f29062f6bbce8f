"""Conv, Gemm and MatMul."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compiler.errors import IRError
from compiler.frontend.graph import Array, Node
from compiler.frontend.values import Build, Constant, Refusal, Tensor, image, spread
from compiler.frontend.windows import Window, window
from compiler.ir import TensorType, Value
from dialects import nn
from dialects.nn import Layout

QUANTISE = "quantise the model: weights through DequantizeLinear, QuantizeLinear behind each operator"


def integers(weight: Constant, axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """int8 weights and their scales, one per tensor or per channel of `axis`."""
    if weight.scales is None:
        raise Refusal(f"it runs in float32: its weights are {weight.array.dtype.name}", QUANTISE)
    if weight.scales.size > 1 and weight.axis != axis:
        raise Refusal(f"its weights have scales along axis {weight.axis}, expected the output channels, {axis}")
    if weight.array.dtype.name not in ("int8", "uint8"):
        raise Refusal(f"its weights are {weight.array.dtype.name}, expected int8")
    array = without_zero(weight)
    if array.dtype != np.int8:
        if array.size and (array.min() < -128 or array.max() > 127):
            raise Refusal("its weights are asymmetric: without their zero point they do not fit int8")
        array = array.astype(np.int8)
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


def conv_window(node: Node, x: Tensor, kernel: tuple[int, ...], channels: int) -> Window:
    """Kernel, strides, pads and dilations, checked against the weights."""
    group = node.integer("group", 1)
    if group != 1:
        raise Refusal(f"it has {group} groups, only dense convolutions are supported")
    if len(kernel) != 2:
        raise Refusal(f"it is {len(kernel)}-dimensional, only 2-dimensional convolutions are supported")
    given = node.integers("kernel_shape", kernel)
    if given != kernel:
        raise Refusal(f"its kernel_shape is {list(given)}, its weights have {list(kernel)}")
    if len(x.shape) == 4 and x.shape[1] != channels:
        raise Refusal(f"it reads {x.shape[1]} channels, its weights have {channels}")
    return window(node, x.shape[2:], kernel)


def check_rank(weight: Array) -> None:
    """Weights of a 2-dimensional convolution are [O, I, KH, KW]."""
    if weight.ndim != 4:
        raise Refusal(f"its weights have {weight.ndim} dimensions, only 2-dimensional convolutions are supported")


def conv(build: Build, node: Node) -> None:
    """Conv of floats: [O, I, KH, KW] becomes [O, KH, KW, I]."""
    x = build.tensor(node, 0)
    constant = build.constant(node, 1, "weight")
    check_rank(constant.array)
    weight, scales = integers(constant, 0)
    out, channels, *kernel = weight.shape
    shape = conv_window(node, x, tuple(kernel), channels)
    value = image(x)
    bias = optional_constant(build, node, 2, "bias")
    emit(build, node, value, np.moveaxis(weight, 1, -1), spread(scales, out), bias, shape, Layout.NCHW)


def emit(
    build: Build,
    node: Node,
    x: Value[TensorType],
    weight: NDArray[np.int8],
    scales: NDArray[np.float32],
    bias: Constant | None,
    shape: Window,
    layout: Layout,
) -> None:
    """A float convolution with weights [O, KH, KW, I]."""
    if np.any(~np.isfinite(scales)) or np.any(scales < 0):
        raise Refusal("its weights have a scale that is no positive number")
    stored = build.stored("weight", np.ascontiguousarray(weight), node, scales)
    added = bias_value(build, node, bias, weight.shape[0])
    try:
        y = build.rw.insert(nn.Conv2dOp(x, stored, added, *shape, loc=node.loc)).y
    except IRError as error:
        raise Refusal(error.diagnostic.message) from None
    build.define(node, Tensor(y, build.shape_of(node), layout))


def product(x: Tensor, weight: NDArray[np.int8]) -> tuple[NDArray[np.int8], tuple[int, int]]:
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


def matrix_product(build: Build, node: Node, transposed: bool, bias: Constant | None) -> None:
    """Gemm and MatMul with a constant matrix."""
    x = build.tensor(node, 0)
    constant = build.constant(node, 1, "second factor")
    if constant.array.ndim != 2:
        raise Refusal(f"its weights have {constant.array.ndim} dimensions, expected 2")
    matrix, scales = integers(constant, 0 if transposed else 1)
    matrix = matrix.T if transposed else matrix
    weight, kernel = product(x, matrix)
    shape = Window(kernel)
    emit(build, node, x.value, weight, spread(scales, matrix.shape[1]), bias, shape, Layout.NHWC)


def gemm(build: Build, node: Node) -> None:
    """x @ W + b, with alpha = beta = 1."""
    if node.integer("transA") or node.number("alpha", 1.0) != 1.0:
        raise Refusal("transA or alpha is set")
    bias = optional_constant(build, node, 2, "bias")
    if bias is not None and node.number("beta", 1.0) != 1.0:
        raise Refusal("beta is set")
    matrix_product(build, node, bool(node.integer("transB")), bias)


def matmul(build: Build, node: Node) -> None:
    """x @ W."""
    matrix_product(build, node, False, None)


def without_zero(weight: Constant) -> Array:
    """Integers without their zero point, in 16 bits where that is needed."""
    return weight.array.astype(np.int16) - np.int16(weight.zero) if weight.zero else weight.array
