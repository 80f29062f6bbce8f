"""ConvTranspose: one convolution for each place of a result's pixel among the strides, interleaved.

Output o adds x[i] * w[k] for all o = s * i + k - p.  Those with o mod s = f have taps k = r, r + s, ... for
r = (f + p) mod s, so they are a convolution of stride 1 by every s-th tap, backwards.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from compiler.frontend.dense import bias_value, integers, optional_constant, wrong_channels
from compiler.frontend.graph import Node
from compiler.frontend.moves import picked
from compiler.frontend.reasons import Code, Refusal
from compiler.frontend.values import Build, Tensor, image, spread
from dialects import nn
from dialects.nn import Layout


class Phase(NamedTuple):
    """Along one axis: which taps a convolution has, -1 for a zero, and the pads before and behind its image."""

    taps: tuple[int, ...]
    pads: tuple[int, int]


def phase_of(size: int, count: int, kernel: int, stride: int, before: int, number: int) -> Phase:
    """The convolution that makes `count` pixels, every `stride`-th from pixel `number` on, of an image of `size`.

    `before` are the pads that the result loses in front.
    """
    shift, first = divmod(number + before, stride)
    taps = list(range(first, kernel, stride))[::-1] or [-1]
    front = len(taps) - 1 - shift
    behind = count - size - front + len(taps) - 1
    # Where pixels at an edge take no part, taps of zeros pass over them.
    taps = [-1] * max(0, -front) + taps + [-1] * max(0, -behind)
    return Phase(tuple(taps), (max(0, front), max(0, behind)))


def conv_transpose(build: Build, node: Node) -> None:
    """ConvTranspose of floats with weights [I, O, KH, KW]."""
    x = build.tensor(node, 0)
    constant = build.constant(node, 1, "weight")
    if constant.array.ndim != 4:
        help = "make a transposed convolution in one dimension one of an image of one row"
        raise Refusal(Code.SHAPE, "weight rank", "4, [I, O, KH, KW]", constant.array.ndim, help=help)
    group, dilations = node.integer("group", 1), node.integers("dilations", (1, 1))
    if group != 1:
        help = "leave group at 1, with zeros for the weights between groups; or Resize of mode nearest and a Conv"
        raise Refusal(Code.ATTRIBUTE, "group", 1, group, help=help)
    if dilations != (1, 1):
        help = "leave dilations at 1, with zeros for the weights between"
        raise Refusal(Code.ATTRIBUTE, "dilations", (1, 1), dilations, help=help)
    weight, scales = integers(constant, 1)
    value = image(x)
    if weight.shape[0] != x.nhwc[2]:
        raise wrong_channels(x.nhwc[2], f"{weight.shape[0]}, as its weights have")
    out, kernel = weight.shape[1], (weight.shape[2], weight.shape[3])
    shape = build.shape_of(node)
    strides = node.integers("strides", (1, 1))
    if len(shape) != 4:
        help = "onnx's shape inference is of another mind: check output_shape, which has all of [H, W], and the pads"
        raise Refusal(Code.SHAPE, "result rank", 4, len(shape), help=help)
    if len(strides) != 2 or min(strides) < 1:
        raise Refusal(Code.ATTRIBUTE, "strides", "two, and both 1 or more", strides, help="give two positive strides")
    ends, size = cut_before(node, x.shape[2:], shape[2:], kernel, strides), x.shape[2:]
    counts = [-(-result // step) for result, step in zip(shape[2:], strides, strict=True)]
    turned = np.moveaxis(weight, 0, -1)
    added = bias_value(build, node, optional_constant(build, node, 2, "bias"), out)
    parts = []
    for i in range(strides[0]):
        for j in range(strides[1]):
            down, across = (
                phase_of(size[axis], counts[axis], kernel[axis], strides[axis], ends[axis], number)
                for axis, number in enumerate((i, j))
            )
            stored = build.stored("weight", taps_of(turned, down.taps, across.taps), node, spread(scales, out))
            pads = (down.pads[0], across.pads[0], down.pads[1], across.pads[1])
            window = (len(down.taps), len(across.taps)), (1, 1), pads, (1, 1)
            parts.append(build.rw.insert(nn.Conv2dOp(value, stored, added, *window, loc=node.loc)).y)
    y = build.insert(lambda: nn.InterleaveOp(tuple(parts), strides, loc=node.loc))
    y = picked(build, node, y, range(shape[2]), range(shape[3]))
    build.define(node, Tensor(y, shape, Layout.NCHW))


def taps_of(weight: NDArray[np.int8], rows: tuple[int, ...], columns: tuple[int, ...]) -> NDArray[np.int8]:
    """Some taps of weights [O, KH, KW, I], zeros for those that are -1."""
    part = weight[:, np.array(rows)][:, :, np.array(columns)].copy()
    part[:, np.array(rows) < 0] = 0
    part[:, :, np.array(columns) < 0] = 0
    return np.ascontiguousarray(part)


def cut_before(
    node: Node, size: tuple[int, ...], result: tuple[int, ...], kernel: tuple[int, int], strides: tuple[int, ...]
) -> tuple[int, ...]:
    """Rows and columns that the full result loses in front: its pads, or what auto_pad or output_shape make of them."""
    auto = node.word("auto_pad", "NOTSET")
    sized = "output_shape" in node.attributes
    if auto in ("NOTSET", "VALID") and not sized:
        found = node.integers("pads", (0, 0, 0, 0)) if auto == "NOTSET" else (0, 0, 0, 0)
        if len(found) != 4 or min(found) < 0:
            help = "use output_padding for a larger result"
            raise Refusal(Code.ATTRIBUTE, "pads", "4 and none negative", found, help=help)
        return found[:2]
    extra = node.integers("output_padding", (0, 0))
    totals = [
        max(0, step * (count - 1) + more + taps - made)
        for step, count, more, taps, made in zip(strides, size, extra, kernel, result, strict=True)
    ]
    return tuple(total // 2 if auto == "SAME_UPPER" else total - total // 2 for total in totals)
