"""Interleaved tensors: where the pixels of a part lie in the whole, and how they get there.

A part is a tensor of its own in the memory tiles while it is stored, and nowhere else.  Its border and its slack are
those pixels of the whole's that lie in its rows and columns, so that the parts together fill all of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from compiler.encoding.tiles import TileKind
from compiler.encoding.work import BLOCK, LANES
from compiler.mapping.patterns import Spec, Task, Transfer, coalesce, fit
from compiler.mapping.program import Region, columns_of
from compiler.mapping.shapes import Storage, groups_of

WORDS = BLOCK // 4
"""Words of 8 channels of a pixel."""


@dataclass(frozen=True)
class Spread:
    """Pixel (y, x) of a part is pixel (sy * y + i, sx * x + j) of the whole, `steps` (sy, sx) and `phase` (i, j)."""

    steps: tuple[int, int]
    phase: tuple[int, int]


class Frame(NamedTuple):
    """Rows, or pixels of a row, that a stored part has before and behind its `size` valid ones."""

    before: int
    size: int
    behind: int


def part_frame(before: int, stored: int, size: int, step: int, phase: int) -> Frame:
    """The frame of a part of `size` rows in a whole of `stored` rows of which `before` are border; or of pixels."""
    last = (stored - 1 - before - phase) // step
    return Frame((before + phase) // step, size, last - size + 1)


def part_storage(whole: Storage, spreads: tuple[Spread, ...], channels: int) -> Storage:
    """How a part is staged that is stored with these spreads: with the widest frame that any of them takes."""
    down, across = spreads[0].steps
    height, width = whole.height // down, whole.width // across
    rows = [part_frame(whole.top, whole.rows, height, down, one.phase[0]) for one in spreads]
    columns = [part_frame(whole.left, whole.pitch, width, across, one.phase[1]) for one in spreads]
    right = max(one.behind for one in columns)
    return Storage(
        height=height,
        width=width,
        channels=channels,
        top=max(one.before for one in rows),
        bottom=max(one.behind for one in rows),
        left=max(one.before for one in columns),
        right=right,
        slack=max(0, LANES * groups_of(width) - width - right),
        pad=whole.pad,
        signed=whole.signed,
    )


def clipped(part: Storage, whole: Storage, share: Region, spread: Spread) -> Region:
    """What of a share of a staged part has a place in the whole."""
    rows, pixels = (
        part_frame(before, stored, size, step, phase)
        for before, stored, size, step, phase in zip(
            (whole.top, whole.left),
            (whole.rows, whole.pitch),
            (part.height, part.width),
            spread.steps,
            spread.phase,
            strict=True,
        )
    )
    first, last = part.top - rows.before, part.top + rows.size + rows.behind
    own = min(max(share.rows[0], first), last), max(min(share.rows[1], last), first)
    return columns_of(own, share.blocks, part.left - pixels.before, part.left + pixels.size + pixels.behind)


def spread_tasks(
    part: Storage, whole: Storage, region: Region, at_block: int, spread: Spread, start: int
) -> list[Task]:
    """What a shim does to write a region of a part, as `clipped` gives it, to the whole that starts at word `start`.

    Bursts of 8 bytes lie apart; rows that one descriptor cannot hold take turns, with an iteration.
    """
    (down, across), (i, j) = spread.steps, spread.phase
    row = whole.top + i + down * (region.rows[0] - part.top)
    pixel = whole.left + j + across * (region.start - part.left)
    block = at_block + region.blocks[0]
    address = start + ((row * whole.blocks + block) * whole.pitch + pixel) * WORDS
    dims = [
        (WORDS, 1),
        (region.walk[0][0], across * WORDS),
        (region.blocks[1] - region.blocks[0], whole.pitch * WORDS),
        (region.rows[1] - region.rows[0], down * whole.blocks * whole.pitch * WORDS),
    ]
    specs = fit(TileKind.SHIM, address, dims)
    return coalesce(TileKind.SHIM, [Transfer(0, (spec,)) for spec in specs])


def of_argument(task: Task, argument: int) -> Task:
    """A task whose descriptors count from the start of a DDR argument."""
    chain: tuple[Spec, ...] = tuple(replace(one, argument=argument) for one in task.chain)
    return replace(task, chain=chain)
