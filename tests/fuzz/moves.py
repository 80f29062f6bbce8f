"""Operators that only move data, and those around them that a model has in front of its layers.

Each takes a quantised image [1, C, H, W] and gives one, or None where it does not fit.
"""

from __future__ import annotations

import numpy as np

from tests.fuzz.sketch import Operator, Sketch, integers
from tests.netbuilder import Tensor

__all__ = ["MOVES"]


def resize(net: Sketch, x: Tensor) -> Tensor | None:
    high, wide = net.choices.integer(1, 3), net.choices.integer(1, 3)
    if max(x.shape[2] * high, x.shape[3] * wide) > 40:
        return None
    if net.choices.flag():
        settings = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    else:
        settings = {
            "mode": net.choices.one_of(("nearest", "linear")),
            "coordinate_transformation_mode": net.choices.one_of(("half_pixel", "asymmetric", "align_corners")),
        }
    if net.style.opset >= 18 and net.choices.flag():
        sizes = integers(x.shape[2] * high, x.shape[3] * wide)
        return net.moved("Resize", x, None, None, sizes, axes=(2, 3), **settings)
    return net.moved("Resize", x, None, np.array([1, 1, high, wide], np.float32), **settings)


def depth_to_space(net: Sketch, x: Tensor) -> Tensor | None:
    if x.channels % 4:
        return None
    return net.moved("DepthToSpace", x, blocksize=2, mode=net.choices.one_of(("DCR", "CRD")))


def space_to_depth(net: Sketch, x: Tensor) -> Tensor | None:
    size = net.choices.one_of((2, 3))
    if x.shape[2] % size or x.shape[3] % size or x.channels * size * size > 64:
        return None
    return net.moved("SpaceToDepth", x, blocksize=size)


def pad(net: Sketch, x: Tensor) -> Tensor | None:
    sizes = [net.choices.integer(0, 2) for _ in range(4)]
    mode = net.choices.one_of(("constant", "constant", "edge"))
    channels = net.choices.integer(0, 1) if mode == "constant" else 0
    return net.moved("Pad", x, integers(0, channels, *sizes[:2], 0, 0, *sizes[2:]), mode=mode)


def sliced(net: Sketch, x: Tensor) -> Tensor | None:
    axis = net.choices.integer(1, 3)
    first = net.choices.integer(0, x.shape[axis] - 1)
    last = net.choices.integer(first + 1, x.shape[axis])
    step = net.choices.one_of((1, 2))
    return net.moved("Slice", x, *(integers(one) for one in (first, last, axis, step)))


def split(net: Sketch, x: Tensor) -> Tensor | None:
    axis = net.choices.integer(1, 3)
    if x.shape[axis] < 2:
        return None
    first = net.choices.integer(1, x.shape[axis] - 1)
    parts = net.several("Split", 2, x, integers(first, x.shape[axis] - first), axis=axis)
    one, other = (net.quant(part, like=x) for part in parts)
    if axis > 1 or net.choices.flag():
        return one
    return net.quant(net.concat(other, one), like=x)


def gather(net: Sketch, x: Tensor) -> Tensor | None:
    """Some channels, perhaps twice or counted from the end, or one row of pixels."""
    if net.choices.flag():
        return net.moved("Gather", x, integers(net.choices.integer(0, x.shape[2] - 1)), axis=2)
    index = [net.choices.integer(-x.channels, x.channels - 1) for _ in range(net.choices.integer(1, 12))]
    return net.moved("Gather", x, integers(*index), axis=1)


def shuffle(net: Sketch, x: Tensor) -> Tensor | None:
    """Channels in groups, transposed: as ShuffleNet has it."""
    groups = [one for one in (2, 3, 4, 5) if x.channels % one == 0]
    if not groups:
        return None
    count = net.choices.one_of(groups)
    cut = net.moved("Reshape", x, integers(0, count, x.channels // count, *x.shape[2:]))
    return net.moved("Reshape", net.moved("Transpose", cut, perm=(0, 2, 1, 3, 4)), integers(0, *x.shape[1:]))


def reshaped(net: Sketch, x: Tensor) -> Tensor | None:
    """There and back through a vector."""
    flat = net.moved("Reshape", x, integers(0, -1))
    return net.moved("Reshape", flat, integers(0, *x.shape[1:]))


def tokens(net: Sketch, x: Tensor) -> Tensor | None:
    """Pixels in a row with their channels last, a dense layer on each, and back."""
    pixels = x.shape[2] * x.shape[3]
    row = net.moved("Transpose", net.moved("Reshape", x, integers(0, x.channels, pixels)), perm=(0, 2, 1))
    out = net.choices.one_of((8, 5, 16))
    weight = np.ascontiguousarray(net.draw_weight((out, x.channels), 0.0).T)
    y = net.quant(net.weighted("MatMul", row, weight, 1, bias=0))
    return net.moved("Reshape", net.moved("Transpose", y, perm=(0, 2, 1)), integers(0, out, *x.shape[2:]))


def turned(net: Sketch, x: Tensor) -> Tensor | None:
    """Something between two Transposes of channels first and channels last."""
    y = net.moved("Transpose", x, perm=(0, 2, 3, 1))
    y = net.quant(net.apply(net.choices.one_of(("Relu", "Sigmoid")), y))
    return net.moved("Transpose", y, perm=(0, 3, 1, 2))


def same(net: Sketch, x: Tensor) -> Tensor | None:
    return net.moved(net.choices.one_of(("Identity", "Dropout")), x)


MOVES: tuple[Operator, ...] = (
    resize, depth_to_space, pad, sliced, split, reshaped, space_to_depth, gather, shuffle, tokens, turned, same,
)  # fmt: skip
