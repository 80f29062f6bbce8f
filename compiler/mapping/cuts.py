"""The ways to cut a layer, as a structure of arrays: what divides it and how sums end are alike, sizes differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np

from compiler.encoding.work import LANES
from compiler.kernels.numbers import Ints, Number, ceil_div
from compiler.mapping.program import Extent
from compiler.mapping.shapes import Layer, Mapping, groups_of, least_periods

Numbers = TypeVar("Numbers", int, Ints, covariant=True)


class Cut(Protocol[Numbers]):
    """The sizes of a `Mapping`, or of many of them."""

    @property
    def rows(self) -> Numbers:
        """Output rows of a tile."""

    @property
    def width(self) -> Numbers:
        """Its pixels of a row."""

    @property
    def out_blocks(self) -> Numbers:
        """Its blocks of output channels."""

    @property
    def in_blocks(self) -> Numbers:
        """Blocks of input channels that a call multiplies."""

    @property
    def window_rows(self) -> int:
        """Rows of the window that a call multiplies."""

    @property
    def shared(self) -> bool:
        """Whether all columns are sent the same work."""


@dataclass(frozen=True)
class Cuts:
    """Mappings with all but their sizes in common; see `Mapping` for the fields."""

    columns_by: str
    rows_by: str
    rows: Ints
    width: Ints
    out_blocks: Ints
    in_blocks: Ints
    window_rows: int
    finish: str
    shared: bool

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Mapping:
        rows, width, out, inner = (int(one[index]) for one in (self.rows, self.width, self.out_blocks, self.in_blocks))
        return Mapping(
            self.columns_by, self.rows_by, rows, width, out, inner, self.window_rows, self.finish, self.shared
        )

    def take(self, chosen: Ints) -> Cuts:
        """Some of them, by index."""
        rows, width, out, inner = (one[chosen] for one in (self.rows, self.width, self.out_blocks, self.in_blocks))
        return replace(self, rows=rows, width=width, out_blocks=out, in_blocks=inner)

    @property
    def least_periods(self) -> int:
        """Fewest table entries of an output block."""
        return least_periods(self.finish)

    @classmethod
    def of(cls, one: Mapping) -> Cuts:
        """A single mapping."""
        rows, width, out, inner = (np.array([size]) for size in (one.rows, one.width, one.out_blocks, one.in_blocks))
        return cls(one.columns_by, one.rows_by, rows, width, out, inner, one.window_rows, one.finish, one.shared)


def cuts(size: int) -> list[int]:
    """size, ceil(size / 2), ceil(size / 3), ... without repeats, down to 1."""
    return sorted({-(-size // parts) for parts in range(1, size + 1)}, reverse=True)


def finish_of(layer: Layer, whole: bool, direct: bool) -> str:
    """How sums become bytes; a shift alone, or factors on the way, only in a call that makes a tile by itself."""
    if not layer.weighted:
        return "mean" if layer.sums else ""
    if whole and direct:
        return "direct"
    return "scale" if layer.exact else "narrow" if whole else "staged"


def window_count(layer: Layer, window_rows: int) -> int:
    """Parts that a window is cut into."""
    return ceil_div(layer.window[0], window_rows) if layer.sums else 1


def part_count(layer: Layer, cut: Cut[Number]) -> Number:
    """Calls that a tile is summed up by."""
    inner = layer.in_blocks + 0 * cut.in_blocks
    inputs = ceil_div(inner, cut.in_blocks) if layer.is_conv else 1 + 0 * inner
    return window_count(layer, cut.window_rows) * len(layer.across) * inputs


def enumerate_cuts(
    layer: Layer, extent: Extent, columns_by: str, rows_by: str, window: int, direct: bool, shared: bool, most: int
) -> Iterator[Cuts]:
    """Cuts in time of what one core computes, at most `most` and by many sizes alike; rows are cut between groups.

    Those that make a tile in one call come first, then those that sum it up by several.
    """
    rows = max(1, extent.rows[1] - extent.rows[0])
    blocks = max(1, extent.blocks[1] - extent.blocks[0])
    widths = [min(LANES * groups, layer.out_width) for groups in cuts(groups_of(layer.out_width))]
    inner = cuts(layer.in_blocks) if layer.is_conv else [1]
    lists = _thinned([widths, cuts(blocks), inner, cuts(rows)], most)
    width, out, inside, high = (
        one.reshape(-1) for one in np.meshgrid(*(np.array(one) for one in lists), indexing="ij")
    )
    if not layer.is_conv:
        inside = out
    whole = (inside >= layer.in_blocks) if layer.is_conv else np.ones(len(out), bool)
    if layer.sums and window < layer.window[0]:
        whole = np.zeros(len(out), bool)
    for chosen in (np.flatnonzero(whole), np.flatnonzero(~whole)):
        if len(chosen):
            finish = finish_of(layer, bool(whole[chosen[0]]), direct)
            yield Cuts(columns_by, rows_by, high, width, out, inside, window, finish, shared).take(chosen)


def _thinned(lists: Sequence[list[int]], most: int) -> list[list[int]]:
    """Every second size of the longest list, its ends kept, until there are few enough of each with each."""
    found = list(lists)
    while np.prod([len(one) for one in found]) > most:
        longest = max(range(len(found)), key=lambda i: len(found[i]))
        if len(found[longest]) <= 2:
            break
        one = found[longest]
        found[longest] = sorted({*one[::2], one[-1]}, reverse=True)
    return found
