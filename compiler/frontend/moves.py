"""Slice, Split, Gather, Pad, DepthToSpace and SpaceToDepth: numbers move, none of them changes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from compiler.frontend.graph import Node
from compiler.frontend.reasons import Code, Refusal
from compiler.frontend.values import Build, Tensor, image, reordered, unknown_shape
from compiler.ir import TensorType, Value
from dialects import nn
from dialects.nn import Layout
from dialects.quant import Quant

NONE = (0, 0, 0, 0)


def axes_of(x: Tensor) -> str:
    """What each dimension of a tensor is: N, C, H or W; in three dimensions an image has one row and no H."""
    height, width, channels = x.nhwc
    if x.shape == (1, channels, height, width) and x.has(Layout.NCHW):
        return "NCHW"
    if x.shape == (1, height, width, channels) and x.has(Layout.NHWC):
        return "NHWC"
    if height == 1 and x.shape == (1, channels, width) and x.has(Layout.NCHW):
        return "NCW"
    if height == 1 and x.shape == (1, width, channels) and x.has(Layout.NHWC):
        return "NWC"
    if x.shape[-1:] == (channels,) and height * width == 1:
        return "N" * (len(x.shape) - 1) + "C"
    raise reordered(x, "[1, C, H, W] or [1, H, W, C] in that order, or [1, C]")


def wrong_axis(attribute: str, x: Tensor, axis: int) -> Refusal:
    """Of a Slice or Split along the batch, or along an axis that is no part of an image."""
    help = "cut along channels, rows or columns of an image"
    return Refusal(Code.ATTRIBUTE, attribute, "the channels, rows or columns", f"{axis} of {list(x.shape)}", help=help)


def numbers(build: Build, node: Node, index: int, name: str, what: str) -> tuple[int, ...] | None:
    """Integers that an input says, or, before it was one, an attribute; None if neither is there."""
    if node.input(index):
        return tuple(int(one) for one in build.constant(node, index, what).array.reshape(-1))
    return node.integers(name) if name in node.attributes else None


def picked(build: Build, node: Node, x: Value[TensorType], rows: range, columns: range) -> Value[TensorType]:
    """Every s-th row and column of an image, by a window of one pixel."""
    _, height, width, _ = x.type.shape
    if (len(rows), len(columns)) == (height, width):
        return x
    pads = (-rows[0], -columns[0], rows[-1] + 1 - height, columns[-1] + 1 - width)
    return build.insert(lambda: nn.MaxPoolOp(x, (1, 1), (rows.step, columns.step), pads, (1, 1), loc=node.loc))


def taken(build: Build, node: Node, x: Value[TensorType], index: Sequence[int]) -> Value[TensorType]:
    """Some channels in some order."""
    return build.insert(lambda: nn.ChannelsOp(x, tuple(index), loc=node.loc))


def slice_of(build: Build, node: Node) -> None:
    """Slice of channels, rows and columns; backwards of channels only."""
    x = build.tensor(node, 0)
    kinds = axes_of(x)
    starts = numbers(build, node, 1, "starts", "starts")
    ends = numbers(build, node, 2, "ends", "ends")
    if starts is None or ends is None or len(starts) != len(ends):
        counts = " and ".join("none" if one is None else str(len(one)) for one in (starts, ends))
        help = "give a start and an end for each axis"
        raise Refusal(Code.INPUT, "numbers of starts and ends", "equal", counts, help=help)
    axes = numbers(build, node, 3, "axes", "axes") or tuple(range(len(starts)))
    steps = numbers(build, node, 4, "steps", "steps") or (1,) * len(starts)
    if len(axes) != len(starts) or len(steps) != len(starts) or 0 in steps:
        given = f"axes {list(axes)} and steps {list(steps)}"
        help = "give an axis and a step for each start"
        raise Refusal(Code.INPUT, "slices", f"{len(starts)} axes, and as many steps but 0", given, help=help)
    found = {kind: range(size) for kind, size in zip(kinds, x.shape, strict=True)}
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        size = x.shape[axis]
        kept = range(*slice(start, end, step).indices(size))
        kind = kinds[axis]
        if not kept:
            help = "give a start and an end with something between them"
            raise Refusal(Code.SHAPE, f"slice along axis {axis}", f"one or more of {size} numbers", "empty", help=help)
        if kind == "N" and size > 1:
            raise wrong_axis("axes", x, axis)
        if kind in "HW" and step < 0:
            help = "an image cannot be turned round: train or feed it the other way round"
            raise Refusal(Code.ATTRIBUTE, f"step along axis {axis}", "1 or more", step, help=help)
        found[kind] = kept
    height, width, channels = x.nhwc
    value = picked(build, node, x.value, found.get("H", range(height)), found.get("W", range(width)))
    index = found["C"]
    if index != range(channels):
        value = taken(build, node, value, index)
    build.define(node, Tensor(value, build.shape_of(node), x.layout))


def split(build: Build, node: Node) -> None:
    """Split along channels, rows or columns: one slice for each result."""
    x = build.tensor(node, 0)
    axis = node.integer("axis") % len(x.shape)
    kind = axes_of(x)[axis]
    if kind == "N":
        raise wrong_axis("axis", x, axis)
    start = 0
    _, height, width, _ = x.value.type.shape
    for name in node.outputs:
        shape = build.graph.shapes.get(name)
        if shape is None:
            raise unknown_shape()
        part = range(start, start + shape[axis])
        start = part.stop
        if kind == "C":
            value = taken(build, node, x.value, part)
        else:
            rows, columns = (part, range(width)) if kind == "H" else (range(height), part)
            value = picked(build, node, x.value, rows, columns)
        if name:
            build.env[name] = Tensor(value, shape, x.layout)


def gather(build: Build, node: Node) -> None:
    """Gather of channels by a list that never changes."""
    x = build.tensor(node, 0)
    axis = node.integer("axis") % len(x.shape)
    indices = build.constant(node, 1, "list of indices").array
    kinds = axes_of(x)
    if kinds[axis] != "C":
        help = "gather channels; rows and columns by Slice"
        raise Refusal(Code.ATTRIBUTE, "axis", f"{kinds.index('C')}, the channels", axis, help=help)
    if indices.ndim != 1:
        help = "give a list of indices, [i] in place of i; a Squeeze may follow"
        raise Refusal(Code.SHAPE, "rank of indices", 1, indices.ndim, help=help)
    count = x.nhwc[2]
    index = [one + count if one < 0 else one for one in map(int, indices)]
    build.define(node, Tensor(taken(build, node, x.value, index), build.shape_of(node), x.layout))


def shuffled(build: Build, node: Node, x: Tensor, perm: tuple[int, ...]) -> Tensor | None:
    """A Transpose among dimensions that channels were cut into, as ShuffleNet has it; None if it is another."""
    height, width, channels = x.nhwc
    inner = len(x.shape) - 2
    cut = x.shape[:inner]
    if (
        x.layout is not Layout.NCHW
        or inner < 2
        or x.shape[inner:] != (height, width)
        or perm[inner:] != (inner, inner + 1)
    ):
        return None
    index = np.arange(channels).reshape(cut).transpose(perm[:inner]).reshape(-1).tolist()
    return Tensor(taken(build, node, x.value, index), build.shape_of(node), Layout.NCHW)


def squares(build: Build, node: Node, x: Tensor, perm: tuple[int, ...]) -> Tensor | None:
    """A Transpose of images cut into squares, as PixelShuffle and PixelUnshuffle are written; None if it is another."""
    height, width, channels = x.nhwc
    if len(x.shape) != 6 or x.shape[0] != 1 or x.layout is not Layout.NCHW:
        return None
    _, first, second, third, *last = x.shape
    channels_first = perm == (0, 1, 3, 5, 2, 4)
    if (channels_first or perm == (0, 3, 5, 1, 2, 4)) and (first, second * third) == (channels, height):
        y = pixels_to_channels(build, node, x.value, third, last[1])
        if channels_first:
            y = taken(build, node, y, np.arange(y.type.shape[3]).reshape(-1, channels).T.reshape(-1).tolist())
    elif (perm, (*last,)) == ((0, 1, 4, 2, 5, 3), (height, width)):
        y = channels_to_pixels(build, node, x.value, second, third, inner=False)
    elif (perm, (*last,)) == ((0, 3, 4, 1, 5, 2), (height, width)):
        y = channels_to_pixels(build, node, x.value, first, second, inner=True)
    else:
        return None
    return Tensor(y, build.shape_of(node), Layout.NCHW)


def pad(build: Build, node: Node) -> None:
    """Pad with zeros around images and channels; negative pads cut."""
    x = build.tensor(node, 0)
    kinds = axes_of(x)
    mode = node.word("mode", "constant")
    if mode != "constant":
        raise Refusal(Code.ATTRIBUTE, "mode", "constant", mode, help="pad with zeros")
    given = numbers(build, node, 1, "pads", "pads") or ()
    axes = numbers(build, node, 3, "axes", "axes") or tuple(range(len(x.shape)))
    if len(given) != 2 * len(axes):
        help = "give a pad before and a pad behind for each axis"
        raise Refusal(Code.INPUT, "number of pads", f"{2 * len(axes)} for {len(axes)} axes", len(given), help=help)
    ends = {kinds[axis]: (given[number], given[number + len(axes)]) for number, axis in enumerate(axes)}
    if any(ends.get("N", ())):
        raise Refusal(Code.INPUT, "pads of the batch", "0, 0", ends["N"], help="pad channels, rows and columns only")
    check_value(build, node, x)
    value = x.value
    (top, bottom), (left, right) = ends.get("H", (0, 0)), ends.get("W", (0, 0))
    _, height, width, channels = value.type.shape
    rows, columns = range(max(0, -top), height + min(0, bottom)), range(max(0, -left), width + min(0, right))
    first, last = ends.get("C", (0, 0))
    if not rows or not columns or channels + min(0, first) + min(0, last) < 1:
        help = "cut off less"
        raise Refusal(Code.INPUT, "pads", f"ones that leave something of {list(x.shape)}", given, help=help)
    value = picked(build, node, value, rows, columns)
    around = tuple(max(0, one) for one in (top, left, bottom, right))
    if any(around):
        inner = value
        value = build.insert(lambda: nn.PadOp(inner, around, loc=node.loc))
    if first or last:
        kept = range(max(0, -first), channels + min(0, last))
        value = taken(build, node, value, [-1] * max(0, first) + list(kept) + [-1] * max(0, last))
    build.define(node, Tensor(value, build.shape_of(node), x.layout))


def check_value(build: Build, node: Node, x: Tensor) -> None:
    """What is padded with must mean 0, the only border that a tensor of any quantisation can have."""
    found: float = node.number("value", 0.0)
    if node.input(2):
        constant = build.constant(node, 2, "value")
        array = constant.array.reshape(-1).astype(np.float64)
        scale = 1.0 if constant.scales is None else float(constant.scales[0])
        found = float((array[0] - constant.zero) * scale) if array.size else 0.0
    encoding = x.value.type.encoding
    zero = encoding.zero if isinstance(encoding, Quant) else 0
    if found != zero:
        help = "pad with zeros; -inf before a MaxPool is what its own pads are"
        raise Refusal(Code.INPUT, "pad value", f"{zero}, which means 0", found, help=help)


def depth_to_space(build: Build, node: Node) -> None:
    """DepthToSpace: pixel (i, j) of each square has its own channels."""
    x, size = build.tensor(node, 0), node.integer("blocksize")
    value, mode = image(x), node.word("mode", "DCR")
    channels = x.nhwc[2]
    if size < 1 or channels % (size * size):
        allowed = f"one whose square divides the {channels} channels"
        raise Refusal(Code.ATTRIBUTE, "blocksize", allowed, size, help="make its input of as many channels")
    y = channels_to_pixels(build, node, value, size, size, inner=mode == "DCR")
    build.define(node, Tensor(y, build.shape_of(node), Layout.NCHW))


def space_to_depth(build: Build, node: Node) -> None:
    """SpaceToDepth: pixels (i, j) of all squares, one image of them behind another."""
    x, size = build.tensor(node, 0), node.integer("blocksize")
    value = image(x)
    height, width, _ = x.nhwc
    if size < 1 or height % size or width % size:
        allowed = f"one that divides the {height} x {width} pixels"
        raise Refusal(Code.ATTRIBUTE, "blocksize", allowed, size, help="pad its input to whole squares")
    y = pixels_to_channels(build, node, value, size, size)
    build.define(node, Tensor(y, build.shape_of(node), Layout.NCHW))


def channels_to_pixels(
    build: Build, node: Node, x: Value[TensorType], rows: int, columns: int, *, inner: bool
) -> Value[TensorType]:
    """Each pixel a rectangle; `inner` says whether channels of a pixel lie behind one another, else its pixels do."""
    channels, phases = x.type.shape[3], rows * columns
    count = channels // phases
    index = [range(at * count, (at + 1) * count) if inner else range(at, channels, phases) for at in range(phases)]
    parts = [taken(build, node, x, one) for one in index]
    return build.insert(lambda: nn.InterleaveOp(tuple(parts), (rows, columns), loc=node.loc))


def pixels_to_channels(build: Build, node: Node, x: Value[TensorType], rows: int, columns: int) -> Value[TensorType]:
    """Each rectangle a pixel: pixels (i, j) of all of them, one image of them behind another."""
    _, height, width, _ = x.type.shape
    places = [(range(i, height, rows), range(j, width, columns)) for i in range(rows) for j in range(columns)]
    parts = [picked(build, node, x, *one) for one in places]
    return build.insert(lambda: nn.ConcatOp(tuple(parts), loc=node.loc))
