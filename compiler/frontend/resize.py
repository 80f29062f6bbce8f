"""Resize and Upsample: by the nearest pixel repeated pixels, or some of them; linear ones are averages of those."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from compiler.frontend.graph import Node
from compiler.frontend.moves import NONE, picked
from compiler.frontend.reasons import Code, Refusal
from compiler.frontend.simple import floats
from compiler.frontend.values import Build, Tensor, image
from compiler.ir import TensorType, Value
from dialects import nn
from dialects.nn import Layout

ENLARGE = "enlarge by whole factors, and shrink to every s-th pixel, by asymmetric coordinates and rounding to floor"
LINEAR = "enlarge linearly by 2, 4 or 8; else use mode nearest, or a ConvTranspose, and train the model so"
MODES = ("nearest", "linear")
COPIES = (1, 2, 4, 8)
"""How often a linear Resize may repeat each row and each pixel: the mean behind goes over as many of either, so others
than powers of two would not round as onnxruntime's products do."""
MOST_UNLIKE = 4
"""How many times the pixels of the smallest mean the largest may have, so that ties are seen (docs/numerics.md)."""


def resize(build: Build, node: Node) -> None:
    """Resize of opset 10 and later, Upsample before."""
    x = build.tensor(node, 0)
    value, shape = image(x), build.shape_of(node)
    mode = node.word("mode", "nearest")
    if mode not in MODES:
        raise Refusal(Code.ATTRIBUTE, "mode", " or ".join(MODES), mode, help=LINEAR)
    if node.integer("antialias"):
        raise Refusal(Code.ATTRIBUTE, "antialias", 0, 1, help=LINEAR)
    if len(shape) != 4 or shape[:2] != x.shape[:2]:
        of_images = f"[{x.shape[0]}, {x.shape[1]}, H, W]"
        allowed = of_images if len(x.shape) == 4 else "of an image of four dimensions"
        raise Refusal(Code.SHAPE, "result shape", allowed, shape, help="change height and width only")
    scales = scales_of(build, node, x.shape, shape)
    if mode == "linear":
        value = between(build, node, floats(build, node).value, shape[2:], scales[2:])
    else:
        for axis, (size, result) in enumerate(zip(x.shape[2:], shape[2:], strict=True), 2):
            value = resized(build, node, value, axis - 2, sources(build, node, size, result, scales[axis]))
    build.define(node, Tensor(value, shape, Layout.NCHW))


def between(
    build: Build, node: Node, x: Value[TensorType], results: tuple[int, ...], scales: list[float]
) -> Value[TensorType]:
    """A linear Resize: each pixel repeated so often that every place between pixels is one of a copy, then a mean.

    Of r copies of each pixel those from r * p on are, r of them, pixel floor(p) and the next one in the shares of
    linear interpolation at place p. Copies outside the image do not count, so that the pixels at its edges do alone.
    """
    _, *sizes, _ = x.type.shape
    both = [
        places(build, node, size, result, scale) for size, result, scale in zip(sizes, results, scales, strict=True)
    ]
    for axis, (one, size) in enumerate(zip(both, sizes, strict=True)):
        x = resized(build, node, x, axis, np.arange(size * one.copies) // one.copies)
    kernel, strides = tuple(one.window for one in both), tuple(one.step for one in both)
    if kernel == (1, 1):
        return x
    ends = [one.first + (result - 1) * one.step + one.window for one, result in zip(both, results, strict=True)]
    behind = [end - size * one.copies for end, size, one in zip(ends, sizes, both, strict=True)]
    pads = (*(-one.first for one in both), *behind)
    least = math.prod(one.window - max(-one.first, end) for one, end in zip(both, behind, strict=True))
    if math.prod(kernel) > MOST_UNLIKE * least:
        found, allowed = f"{least} to {math.prod(kernel)}", f"at most {MOST_UNLIKE} times as many in one as in another"
        raise Refusal(Code.ATTRIBUTE, "size of means", allowed, found, help=LINEAR)
    return build.insert(lambda: nn.AveragePoolOp(x, kernel, strides, pads, NONE, False, loc=node.loc))


class Places(NamedTuple):
    """Where a linear Resize along one axis takes its means: places are counted in copies of pixels."""

    copies: int
    window: int
    first: int
    step: int


def places(build: Build, node: Node, size: int, result: int, factor: float) -> Places:
    """The places of all results, if they are as far from each other and binary: others float32 would miss.

    A single pixel is copied as often as there are results: there is nothing between it and another one.
    """
    found = coordinates(build, node, size, result, factor)
    if size == 1:
        return Places(result, 1, 0, 1)
    if result < size:
        allowed = f"at least {size}, a linear Resize may not shrink"
        raise Refusal(Code.ATTRIBUTE, "result size", allowed, result, help=LINEAR)
    for copies in COPIES:
        first, step = np.rint(found[0] * copies), np.rint((found[1] - found[0]) * copies)
        if np.array_equal(found * copies, first + step * np.arange(result)):
            return Places(copies, copies, int(first), int(step))
    between, allowed = f"{result} made of {size}", "each at halves, quarters or eighths of one"
    raise Refusal(Code.ATTRIBUTE, "pixels", allowed, between, help=LINEAR)


def tile(build: Build, node: Node) -> None:
    """Tile of an axis of size 1 behind one of the image: each row or pixel several times, as Keras enlarges images."""
    x = build.tensor(node, 0)
    repeats = [int(one) for one in build.constant(node, 1, "list of repeats").array.reshape(-1)]
    tiled = [axis for axis, times in enumerate(repeats) if times != 1]
    (height, width, channels), found = x.nhwc, f"{repeats} of {list(x.shape)}"
    help = "enlarge images by Resize of mode nearest"
    if len(tiled) != 1 or x.shape[tiled[0]] != 1 or repeats[tiled[0]] < 1:
        raise Refusal(Code.INPUT, "repeats", "more than 1 for one axis only, which has size 1", found, help=help)
    inner = x.shape[: tiled[0]] + x.shape[tiled[0] + 1 :]
    place = tiled[0] - 1
    if x.has(Layout.NCHW) and inner == (1, channels, height, width) and place in (2, 3):
        layout, axis = Layout.NCHW, place - 2
    elif x.has(Layout.NHWC) and inner == (1, height, width, channels) and place in (1, 2):
        layout, axis = Layout.NHWC, place - 1
    else:
        raise Refusal(Code.INPUT, "repeats", "of an axis behind the rows or columns of an image", found, help=help)
    size, times = x.nhwc[axis], repeats[tiled[0]]
    value = resized(build, node, x.value, axis, np.arange(size * times) // times)
    build.define(node, Tensor(value, build.shape_of(node), layout))


def expand(build: Build, node: Node) -> None:
    """Expand of one row or one column of pixels, or of one pixel: each as often as there are places."""
    x, shape = build.tensor(node, 0), build.shape_of(node)
    value = image(x)
    if len(x.shape) != 4 or len(shape) != 4 or x.shape[:2] != shape[:2]:
        help = "expand rows and columns of images only"
        found = f"{list(shape)} made of {list(x.shape)}"
        allowed = "[N, C, H, W] made of four dimensions with that N and C"
        raise Refusal(Code.SHAPE, "result shape", allowed, found, help=help)
    for axis, (size, result) in enumerate(zip(x.shape[2:], shape[2:], strict=True)):
        value = resized(build, node, value, axis, np.arange(result) // (result // size))
    build.define(node, Tensor(value, shape, Layout.NCHW))


def scales_of(build: Build, node: Node, given: tuple[int, ...], result: tuple[int, ...]) -> list[float]:
    """The factor of each dimension, as the node says it or as the sizes have it."""
    index = 1 if _old(build, node) else 2
    if node.input(index):
        found = [float(one) for one in build.constant(node, index, "scales").array.reshape(-1)]
    else:
        numbers = node.attributes.get("scales")
        found = [float(str(one)) for one in numbers] if isinstance(numbers, tuple) else []
    scales = [size / before for size, before in zip(result, given, strict=True)]
    axes = node.integers("axes", tuple(range(len(given))))
    for axis, scale in zip(axes, found, strict=len(found) > 0):
        scales[axis] = scale
    return scales


def coordinates(build: Build, node: Node, size: int, result: int, factor: float) -> NDArray[np.float32]:
    """Where in the input each pixel of the result is, along one axis, by ONNX's rules in float32, as in onnxruntime.

    https://onnx.ai/onnx/operators/onnx__Resize.html, `coordinate_transformation_mode`.
    """
    rule = "asymmetric" if _old(build, node) else node.word("coordinate_transformation_mode", "half_pixel")
    at, scale, half = np.arange(result, dtype=np.float32), np.float32(factor), np.float32(0.5)
    if rule == "asymmetric":
        return at / scale
    if rule == "align_corners":
        return at * np.float32(size - 1) / np.float32(result - 1) if result > 1 else 0 * at
    if rule in ("half_pixel", "pytorch_half_pixel"):
        return 0 * at if rule == "pytorch_half_pixel" and result == 1 else (at + half) / scale - half
    allowed = "asymmetric, align_corners, half_pixel or pytorch_half_pixel"
    raise Refusal(Code.ATTRIBUTE, "coordinate_transformation_mode", allowed, rule, help=ENLARGE)


def _old(build: Build, node: Node) -> bool:
    """Whether the node is of an opset that knew one rule."""
    return node.op_type == "Upsample" or build.graph.opset < 11


def sources(build: Build, node: Node, size: int, result: int, factor: float) -> NDArray[np.int64]:
    """The pixel that each pixel of the result is, along one axis, by `nearest_mode`."""
    place, half = coordinates(build, node, size, result, factor), np.float32(0.5)
    rounding = "floor" if _old(build, node) else node.word("nearest_mode", "round_prefer_floor")
    rounds = {
        "round_prefer_floor": np.ceil(place - half),
        "round_prefer_ceil": np.floor(place + half),
        "floor": np.floor(place),
        "ceil": np.ceil(place),
    }
    if rounding not in rounds:
        raise Refusal(Code.ATTRIBUTE, "nearest_mode", " or ".join(rounds), rounding, help=ENLARGE)
    found: NDArray[np.int64] = np.clip(rounds[rounding], 0, size - 1).astype(np.int64)
    return found


def resized(build: Build, node: Node, x: Value[TensorType], axis: int, index: NDArray[np.int64]) -> Value[TensorType]:
    """The pixels at these rows, or columns: each several times, or every s-th."""
    size = x.type.shape[1 + axis]
    times, rest = divmod(len(index), size)
    if not rest and np.array_equal(index, np.arange(len(index)) // times):
        steps = (times, 1) if axis == 0 else (1, times)
        return x if times == 1 else build.insert(lambda: nn.InterleaveOp((x,) * times, steps, loc=node.loc))
    step = int(index[1] - index[0]) if len(index) > 1 else 1
    if step > 0 and np.array_equal(index, index[0] + step * np.arange(len(index))):
        kept, all_of = range(int(index[0]), int(index[-1]) + 1, step), range(x.type.shape[2 - axis])
        return picked(build, node, x, *((kept, all_of) if axis == 0 else (all_of, kept)))
    found = f"{len(index)} made of {size}, the first {index[:6].tolist()}"
    allowed = "each of them equally often, or every s-th of them"
    axis_name = "rows" if axis == 0 else "columns"
    raise Refusal(Code.ATTRIBUTE, axis_name, allowed, found, help=ENLARGE)
