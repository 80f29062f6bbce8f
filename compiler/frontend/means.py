"""ReduceMean over rows and pixels: an average whose window is as large as what it goes over."""

from __future__ import annotations

from compiler.frontend.graph import Node
from compiler.frontend.reasons import Code, Refusal
from compiler.frontend.simple import floats
from compiler.frontend.values import Build, Tensor
from compiler.ir import TensorType, Value
from dialects import nn
from dialects.nn import Layout

ROWS, PIXELS = 0, 1


def reduce_mean(build: Build, node: Node) -> None:
    """ReduceMean of an image, or of one whose rows and pixels a Reshape has made one axis."""
    x = floats(build, node)
    axes = _axes(build, node, len(x.shape))
    over = [axis for axis in axes if x.shape[axis] != 1]
    window = _window(x, over)
    if window is None:
        help = "take the mean over rows and columns; one over channels is a 1x1 convolution with equal weights"
        found = f"{list(axes)} of {list(x.shape)}"
        raise Refusal(Code.ATTRIBUTE, "axes", "rows and columns of an image", found, help=help)
    kernel = x.nhwc[0] if ROWS in window else 1, x.nhwc[1] if PIXELS in window else 1
    none = (0, 0, 0, 0)
    y: Value[TensorType] = x.value
    if over:
        y = build.rw.insert(nn.AveragePoolOp(y, kernel, (1, 1), none, none, False, loc=node.loc)).y
    build.define(node, Tensor(y, build.shape_of(node), x.layout))


def _axes(build: Build, node: Node, rank: int) -> tuple[int, ...]:
    """The axes that a mean goes over, an attribute up to opset 17 and an input from 18 on; none are all or nothing."""
    axes = node.integers("axes")
    if node.input(1):
        axes = tuple(int(one) for one in build.constant(node, 1, "list of axes").array.reshape(-1))
    if not axes and not node.integer("noop_with_empty_axes"):
        axes = tuple(range(rank))
    return tuple(sorted(one % rank for one in axes))


def _window(x: Tensor, over: list[int]) -> frozenset[int] | None:
    """Which of rows and pixels these axes of an ONNX tensor are; None if one is something else."""
    height, width, channels = x.nhwc
    forms: tuple[tuple[Layout, tuple[int, ...], tuple[tuple[int, ...], ...]], ...] = (
        (Layout.NCHW, (1, channels, height, width), ((), (), (ROWS,), (PIXELS,))),
        (Layout.NHWC, (1, height, width, channels), ((), (ROWS,), (PIXELS,), ())),
        (Layout.NCHW, (1, channels, height * width), ((), (), (ROWS, PIXELS))),
        (Layout.NHWC, (1, height * width, channels), ((), (ROWS, PIXELS), ())),
    )
    for layout, shape, axes in forms:
        if x.has(layout) and x.shape == shape and all(axes[one] for one in over):
            return frozenset(part for one in over for part in axes[one])
    return None if over else frozenset()
