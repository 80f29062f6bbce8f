"""Windows of convolutions and pools: strides, dilations and pads as ONNX says them, auto_pad worked out."""

from __future__ import annotations

from typing import NamedTuple

from compiler.frontend.graph import Node
from compiler.frontend.reasons import Code, Refusal


class Window(NamedTuple):
    """In the order in which the operations of `nn` take it; pads are top, left, bottom, right."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...] = (1, 1)
    pads: tuple[int, ...] = (0, 0, 0, 0)
    dilations: tuple[int, ...] = (1, 1)


def window(node: Node, size: tuple[int, ...], kernel: tuple[int, ...]) -> Window:
    """The window of a node on an image of this height and width; one of a single dimension lies in a row."""
    rank = len(kernel)
    one, none = (1,) * rank, (0,) * (2 * rank)
    strides, dilations, pads = (
        node.integers("strides", one),
        node.integers("dilations", one),
        node.integers("pads", none),
    )
    if rank not in (1, 2) or [len(each) for each in (strides, dilations, pads)] != [rank, rank, 2 * rank]:
        found = f"{rank}, {len(strides)}, {len(dilations)} and {len(pads)}"
        what, allowed = "numbers of kernel sizes, strides, dilations and pads", "1, 1, 1 and 2, or 2, 2, 2 and 4"
        help = "windows have one or two dimensions: do three in several operators of two"
        raise Refusal(Code.SHAPE, what, allowed, found, help=help)
    if rank == 1:
        kernel, strides, dilations = ((1, *each) for each in (kernel, strides, dilations))
        pads = (0, pads[0], 0, pads[1])
    if min(*kernel, *strides, *dilations) < 1:
        found = f"{list(kernel)}, {list(strides)} and {list(dilations)}"
        help = "give positive numbers"
        raise Refusal(Code.ATTRIBUTE, "kernel, strides and dilations", "all 1 or more", found, help=help)
    auto = node.word("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        pads = same_pads(size, kernel, strides, dilations, upper=auto == "SAME_UPPER")
    elif auto == "VALID":
        pads = (0, 0, 0, 0)
    if min(pads) < 0:
        raise Refusal(Code.ATTRIBUTE, "pads", "0 or more", pads, help="cut the image by a Slice before")
    return Window(kernel, strides, pads, dilations)


def same_pads(
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    dilations: tuple[int, ...],
    *,
    upper: bool,
) -> tuple[int, int, int, int]:
    """Pads for ceil(size / stride) results; an odd one goes behind with `upper`."""
    before, after = [], []
    for axis in range(2):
        reach = dilations[axis] * (kernel[axis] - 1) + 1
        count = -(-size[axis] // strides[axis])
        total = max((count - 1) * strides[axis] + reach - size[axis], 0)
        less, more = total // 2, total - total // 2
        before.append(less if upper else more)
        after.append(more if upper else less)
    return before[0], before[1], after[0], after[1]


def with_ceil(size: tuple[int, ...], result: tuple[int, ...], shape: Window) -> Window:
    """The window with the pads behind that ceil_mode adds, so that it has a result of this size."""
    behind = []
    for axis in range(2):
        reach = shape.dilations[axis] * (shape.kernel[axis] - 1) + 1
        needed = (result[axis] - 1) * shape.strides[axis] + reach - size[axis] - shape.pads[axis]
        behind.append(max(needed, shape.pads[axis + 2]))
    return shape._replace(pads=(*shape.pads[:2], *behind))


def idle_ends(window: Window, size: tuple[int, ...]) -> tuple[Window, tuple[slice, slice]]:
    """A window without its outer rows and columns that meet nothing but pads, and which taps of either axis are left.

    Strong dilation makes such taps: DeepLab's of 36 on an image of 33 by 33 pixels have one tap of nine that meets it.
    """
    kernel, dilations, pads, kept = list(window.kernel), list(window.dilations), list(window.pads), []
    for axis, (extent, step) in enumerate(zip(size, window.strides, strict=True)):
        before, behind, first, last, gap = pads[axis], pads[2 + axis], 0, kernel[axis], dilations[axis]
        reach = (extent + before + behind - gap * (last - 1) - 1) // step * step
        while last - first > 1 and before >= gap and reach - before < 0:
            before, first = before - gap, first + 1
        while last - first > 1 and behind >= gap and gap * (last - 1 - first) - before >= extent:
            behind, last = behind - gap, last - 1
        kernel[axis], pads[axis], pads[2 + axis] = last - first, before, behind
        dilations[axis] = gap if last - first > 1 else 1
        kept.append(slice(first, last))
    return Window(tuple(kernel), window.strides, tuple(pads), tuple(dilations)), (kept[0], kept[1])
