"""Quantisation, clamps, pools, joins and what only changes the view of a tensor."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from compiler.errors import IRError
from compiler.frontend.check import text
from compiler.frontend.graph import Node
from compiler.frontend.moves import shuffled, squares
from compiler.frontend.reasons import Code, Refusal
from compiler.frontend.values import (
    PER_TENSOR,
    Build,
    Constant,
    Tensor,
    bad_scale,
    check_scale_type,
    image,
    not_an_image,
    plane,
    quant_from,
)
from compiler.frontend.windows import Window, window, with_ceil
from compiler.ir import F32, TensorType, Value
from dialects import nn
from dialects.nn import Layout
from dialects.quant import Quant

MOST_SHOWN = 4
"""Shapes that a message lists."""

NHWC_TO_NCHW = (0, 3, 1, 2)
"""Between [N, C, W] and [N, W, C]."""


def floats(build: Build, node: Node, index: int = 0) -> Tensor:
    """An input that must be float."""
    x = build.tensor(node, index)
    if x.value.type.element != F32:
        help = "put a DequantizeLinear before it and a QuantizeLinear behind it"
        found = build.graph.dtypes.get(node.input(index), "integers")
        raise Refusal(Code.TYPE, "input type", "float32, between DequantizeLinear and QuantizeLinear", found, help=help)
    return x


def quantize(build: Build, node: Node) -> None:
    """QuantizeLinear of an activation."""
    x = floats(build, node)
    scale = build.constant(node, 1, "scale").array
    zero = build.constant(node, 2, "zero point").array if node.input(2) else None
    quant = quant_from(scale, zero, node.input(1), build.graph.dtypes.get(node.outputs[0]))
    y = build.rw.insert(nn.QuantizeOp(x.value, quant, *quant.limits, loc=node.loc)).y
    build.define(node, x.with_value(y))


def dequantize(build: Build, node: Node) -> None:
    """DequantizeLinear: of an activation, or of a constant, which keeps its integers."""
    scale = build.constant(node, 1, "scale")
    zero = build.constant(node, 2, "zero point").array if node.input(2) else None
    if node.integer("block_size"):
        help = "quantise per tensor, weights per tensor or per output channel"
        raise Refusal(Code.QUANTISATION, "block_size", 0, node.integer("block_size"), help=help)
    given = build.env.get(node.input(0))
    if isinstance(given, Constant):
        if given.array.dtype.name not in ("int8", "uint8", "int16", "int32"):
            help = "quantise weights to 8 bits, biases to 32"
            raise Refusal(Code.TYPE, "input type", "int8, uint8, int16 or int32", given.array.dtype.name, help=help)
        check_scale_type(scale.array)
        wrong = ~(np.isfinite(scale.array) & (scale.array >= 0))
        if wrong.any():
            raise bad_scale(f"{float(scale.array[wrong][0])} ('{text(node.input(1))}')")
        axis = node.integer("axis", 1) % max(given.array.ndim, 1)
        zero_value = int(zero.reshape(-1)[0]) if zero is not None and zero.size else 0
        if zero is not None and zero.size > 1 and np.ptp(zero):
            found = f"{zero.min()} to {zero.max()}"
            raise Refusal(Code.QUANTISATION, "zero points", "all equal", found, help="quantise weights symmetrically")
        build.define(node, Constant(given.array, scale.array.reshape(-1), axis, zero_value, given.name))
        return
    x = build.tensor(node, 0)
    quant = quant_from(scale.array, zero, node.input(1), build.graph.dtypes.get(node.input(0)))
    if x.value.type.encoding != quant:
        made = x.value.type.encoding
        found = f"{made.scale!r}, {made.zero}" if isinstance(made, Quant) else "none"
        allowed = f"{quant.scale!r}, {quant.zero}, as its input is read"
        help = "dequantise with the scale and zero point of the QuantizeLinear before"
        raise Refusal(Code.QUANTISATION, "scale and zero point", allowed, found, help=help)
    build.define(node, x.with_value(build.rw.insert(nn.DequantizeOp(x.value, loc=node.loc)).y))


def relu(build: Build, node: Node) -> None:
    """Relu of floats."""
    x = floats(build, node)
    build.define(node, x.with_value(build.rw.insert(nn.ReluOp(x.value, loc=node.loc)).y))


def clip(build: Build, node: Node) -> None:
    """Clip of floats with constant bounds."""
    x = floats(build, node)
    bounds: list[float | None] = []
    for index, what in ((1, "lower bound"), (2, "upper bound")):
        found = build.env.get(node.input(index)) if node.input(index) else None
        if node.input(index) and (not isinstance(found, Constant) or found.array.size != 1):
            given = f"of {found.array.size} numbers" if isinstance(found, Constant) else "computed from the inputs"
            help = f"give it one {what} as a constant"
            raise Refusal(Code.INPUT, what, "one constant number", given, help=help)
        value = float(_real(found).reshape(())) if isinstance(found, Constant) else None
        if value is not None and np.isnan(value):
            raise Refusal(Code.INPUT, what, "a number", "nan", help=f"give it a {what} that is a number, or none")
        bounds.append(value)
    low, high = bounds
    if low is not None and high is not None:
        low = min(low, high)  # ONNX: all numbers become the upper bound if the lower one is above it
    build.define(node, x.with_value(build.rw.insert(nn.ClipOp(x.value, low, high, loc=node.loc)).y))


def _real(constant: Constant) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """The numbers that a constant means."""
    array = constant.array.astype(np.float64)
    return array if constant.scales is None else array * constant.scales.astype(np.float64)


def same(build: Build, node: Node) -> None:
    """Identity, and Dropout, which does nothing in inference."""
    build.define(node, build.env[node.inputs[0]])


def cast(build: Build, node: Node) -> None:
    """Cast to the type that the tensor has; a byte cast to float is dequantised in steps of 1."""
    dtypes = build.graph.dtypes
    given, wanted = (dtypes.get(name, "unknown") for name in (node.inputs[0], node.outputs[0]))
    if given == wanted:
        same(build, node)
        return
    if given not in ("int8", "uint8") or wanted != "float32":
        help = "QuantizeLinear and DequantizeLinear change types; leave the Cast out"
        raise Refusal(Code.TYPE, "conversion", "int8 or uint8 to float32, or none", f"{given} to {wanted}", help=help)
    x = build.tensor(node, 0)
    quant = x.value.type.encoding
    if not isinstance(quant, Quant) or (quant.scale, quant.zero) != (1.0, 0):
        found = f"{quant.scale!r}, {quant.zero}" if isinstance(quant, Quant) else "none"
        help = "use DequantizeLinear in place of the Cast"
        raise Refusal(Code.QUANTISATION, "input's scale and zero point", "1.0, 0", found, help=help)
    build.define(node, x.with_value(build.rw.insert(nn.DequantizeOp(x.value, loc=node.loc)).y))


def pool_window(build: Build, node: Node, x: Tensor) -> tuple[Window, Window]:
    """The window of a pool, with what ceil_mode adds and without."""
    kernel = node.integers("kernel_shape")
    if len(x.shape) not in (3, 4) or len(kernel) != len(x.shape) - 2:
        raise not_an_image(x)
    plain = window(node, plane(x.shape), kernel)
    return with_ceil(plane(x.shape), plane(build.shape_of(node)), plain), plain


def max_pool(build: Build, node: Node) -> None:
    """MaxPool of floats or integers."""
    x = build.tensor(node, 0)
    shape, _ = pool_window(build, node, x)
    define_image(build, node, nn.MaxPoolOp(image(x), *shape, loc=node.loc).y)


def average_pool(build: Build, node: Node) -> None:
    """AveragePool of floats."""
    x = floats(build, node)
    shape, plain = pool_window(build, node, x)
    if max(shape.dilations) > 1:
        help = "take the average of a smaller window, or of an image of which pixels were dropped before"
        raise Refusal(Code.ATTRIBUTE, "dilations", (1, 1), shape.dilations, help=help)
    counted = bool(node.integer("count_include_pad"))
    parts = (shape.kernel, shape.strides, shape.pads, plain.pads, counted)
    define_image(build, node, nn.AveragePoolOp(image(x), *parts, loc=node.loc).y)


def global_average_pool(build: Build, node: Node) -> None:
    """GlobalAveragePool: a window as large as the image."""
    x = floats(build, node)
    value, none = image(x), (0, 0, 0, 0)
    pool = nn.AveragePoolOp(value, plane(x.shape), (1, 1), none, none, False, loc=node.loc)
    define_image(build, node, pool.y)


def global_max_pool(build: Build, node: Node) -> None:
    """GlobalMaxPool of floats or integers: a window as large as the image."""
    x = build.tensor(node, 0)
    pool = nn.MaxPoolOp(image(x), plane(x.shape), (1, 1), (0, 0, 0, 0), (1, 1), loc=node.loc)
    define_image(build, node, pool.y)


def define_image(build: Build, node: Node, y: Value[TensorType]) -> None:
    """Insert the operation of a value and say that it is a node's result [1, C, H, W] or [1, C, W]."""
    shape, op = build.shape_of(node), y.op
    assert op is not None
    build.rw.insert(op)
    _, height, width, channels = y.type.shape
    if (shape[:2], plane(shape)) != ((1, channels), (height, width)):
        help = "onnx's shape inference is of another mind: check ceil_mode and the pads of this node"
        raise Refusal(Code.SHAPE, "result shape", (1, channels, height, width), shape, help=help)
    build.define(node, Tensor(y, shape, Layout.NCHW))


def concat(build: Build, node: Node) -> None:
    """Concat on channels."""
    parts = [build.tensor(node, index) for index in range(len(node.inputs))]
    rank = len(parts[0].shape)
    axis = node.integer("axis") % rank
    nchw = all(one.has(Layout.NCHW) and len(one.shape) == 4 for one in parts)
    nhwc = all(one.has(Layout.NHWC) and one.nhwc[2] == one.shape[-1] for one in parts)
    if not (nchw and axis == 1) and not (nhwc and axis == rank - 1):
        place = f"{1 if nchw else rank - 1}, " if nchw or nhwc else ""
        shapes = ", ".join(str(list(one.shape)) for one in parts[:MOST_SHOWN]) + ", ..." * (len(parts) > MOST_SHOWN)
        help = "join along the channels, or make each input an output of its own (--output) and join them behind"
        raise Refusal(Code.ATTRIBUTE, "axis", f"{place}the channels of images", f"{axis} of {shapes}", help=help)
    layout = Layout.NCHW if nchw and axis == 1 else Layout.NHWC
    try:
        y = build.rw.insert(nn.ConcatOp(tuple(one.value for one in parts), loc=node.loc)).y
    except IRError as error:
        types = " and ".join(dict.fromkeys(str(one.value.type) for one in parts))
        help = "join images of one height and width and one type; integers of one scale and zero point"
        raise Refusal(Code.SHAPE, "inputs", "equal but for the channels", types, help=help) from error
    build.define(node, Tensor(y, build.shape_of(node), layout))


def reshape(build: Build, node: Node) -> None:
    """Flatten, Reshape, Squeeze, Unsqueeze: the same numbers in the same order."""
    shape, given = build.shape_of(node), build.env[node.inputs[0]]
    if isinstance(given, Tensor):
        build.define(node, Tensor(given.value, shape, given.layout))
    elif given.scales is None or given.scales.size == 1:
        build.define(node, replace(given, array=given.array.reshape(shape)))
    else:
        raise Refusal(Code.QUANTISATION, "number of scales", "1 for a constant", given.scales.size, help=PER_TENSOR)


def _swapped(shape: tuple[int, ...], axes: list[int]) -> tuple[int, int] | None:
    """Of a tensor whose first axes change places with its last ones: how many numbers both have, else None.

    `axes` are the axes that are not of size 1, in the order of the result.
    """
    cut = axes.index(min(axes))
    if [*axes[cut:], *axes[:cut]] != sorted(axes):
        return None
    return math.prod(shape[one] for one in axes[cut:]), math.prod(shape[one] for one in axes[:cut])


def transpose(build: Build, node: Node) -> None:
    """Transpose between NCHW and NHWC, or of dimensions of size 1."""
    given, shape = build.env[node.inputs[0]], build.shape_of(node)
    perm = node.integers("perm", tuple(reversed(range(len(shape)))))
    if isinstance(given, Constant):
        axis = perm.index(given.axis) if given.axis in perm else 0
        build.define(node, replace(given, array=given.array.transpose(perm), axis=axis))
        return
    x, (height, width, channels) = given, given.nhwc
    moved = [axis for axis in perm if x.shape[axis] != 1]
    if moved == sorted(moved):
        build.define(node, Tensor(x.value, shape, x.layout))
    elif x.has(Layout.NCHW) and _swapped(x.shape, moved) == (channels, height * width):
        build.define(node, Tensor(x.value, shape, Layout.NHWC))
    elif x.has(Layout.NHWC) and _swapped(x.shape, moved) == (height * width, channels):
        build.define(node, Tensor(x.value, shape, Layout.NCHW))
    elif (mixed := shuffled(build, node, x, perm) or squares(build, node, x, perm)) is not None:
        build.define(node, mixed)
    else:
        help = "order axes so from the start, so that only NHWC and NCHW change places, or parts of the channels"
        found = f"{list(perm)} of {list(x.shape)}"
        raise Refusal(
            Code.ATTRIBUTE, "perm", "one between NCHW and NHWC, or of parts of the channels", found, help=help
        )
