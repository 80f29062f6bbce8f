"""Which pixels lie side by side in a core: groups of 4 pixels of 8 channels, one vector each.

A window one pixel wide takes neighbours: lane j of group g is pixel 4 g + j.  A wider one takes pixels a stretch
apart, so that the same tap of 4 pixels is one aligned group: of G groups, lane j of group g is pixel j G + g.  Where a
mean has one pixel a row, the lanes take a quarter of its window's row each, and are added up in the end.
"""

from __future__ import annotations

from dataclasses import dataclass

from compiler.encoding.work import GROUP_BYTES, LANES
from compiler.kernels.numbers import Number
from compiler.mapping.shapes import Layer, groups_of

Walk = tuple[tuple[int, int], ...]
"""Pixels in the order of a transfer: (count, step) pairs, innermost first."""


@dataclass(frozen=True)
class Lanes:
    """A tile's groups a row: of the result and of a second operand, and of the input with its halo.

    `step` is the groups of the input from one group of the result to the next.
    """

    wide: int
    own: Walk
    input_wide: int
    input: Walk
    step: int

    @property
    def row_bytes(self) -> int:
        """Bytes of a row of one block of the input tile."""
        return self.input_wide * GROUP_BYTES


def lanes_of(layer: Layer, width: int) -> Lanes:
    """The lanes of a tile that computes so many pixels a row."""
    wide, stride = groups_of(width), layer.strides[1]
    if stride == 0:  # one pixel, and what happens to lie behind it
        return Lanes(wide, ((LANES, 1), (wide, LANES)), 1, ((LANES, 1),), 0)
    if layer.window[1] == 1:
        own, source = ((LANES, 1), (wide, LANES)), ((LANES, stride), (wide, LANES * stride))
        return Lanes(wide, own, wide, source, 1)
    input_wide = input_groups(layer, wide)
    if layer.folds:
        return Lanes(1, ((LANES, 1), (1, LANES)), input_wide, ((LANES, input_wide), (input_wide, 1)), 1)
    return Lanes(wide, ((LANES, wide), (wide, 1)), input_wide, ((LANES, wide * stride), (input_wide, 1)), stride)


def input_groups(layer: Layer, wide: Number) -> Number:
    """Groups of a row of the input, with its halo, from which so many groups of the result come."""
    if layer.strides[1] == 0:
        return wide - wide + 1
    if layer.window[1] == 1:
        return wide
    if layer.folds:
        return wide - wide + layer.row_taps
    return (wide - 1) * layer.strides[1] + (layer.window[1] - 1) * layer.dilations[1] + 1


def reach(layer: Layer) -> int:
    """Pixels of an input row, from its first valid one, up to the last that any tile fetches."""
    if layer.folds:
        return (
            max(first + LANES * layer.narrowed((first, past)).row_taps for first, past in layer.across) - layer.pads[1]
        )
    last = LANES * groups_of(layer.out_width) - 1
    return last * layer.strides[1] - layer.pads[1] + (layer.window[1] - 1) * layer.dilations[1] + 1
