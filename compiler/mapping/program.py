"""What each core of a mapped layer does, step by step: the packets it is sent, computes and sends back.

Everything is in tensor coordinates (rows, pixels, blocks); buffers and descriptors come later.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import NamedTuple

from compiler.encoding.overlay import shares_rows
from compiler.encoding.work import BLOCK, CallRecord
from compiler.mapping.lanes import Walk, lanes_of
from compiler.mapping.shapes import Layer, Mapping, Storage, groups_of, share
from compiler.target import Target


@dataclass(frozen=True)
class Region:
    """Part of a stored activation as a transfer walks it: rows, in each its blocks, in each pixels from `start` on.

    Rows, blocks (half open) and pixels are counted in storage with its border.
    """

    rows: tuple[int, int]
    blocks: tuple[int, int]
    start: int
    walk: Walk

    @property
    def bytes(self) -> int:
        """Bytes of the part."""
        pixels = math.prod(count for count, _ in self.walk)
        return (self.rows[1] - self.rows[0]) * (self.blocks[1] - self.blocks[0]) * pixels * BLOCK


def columns_of(rows: tuple[int, int], blocks: tuple[int, int], first: int, last: int) -> Region:
    """Neighbouring pixels [first, last) of some rows."""
    return Region(rows, blocks, first, ((last - first, 1),))


@dataclass(frozen=True)
class ActPacket:
    """One activation packet: parts of operands (number, region) one after another."""

    parts: tuple[tuple[int, Region], ...]

    @property
    def bytes(self) -> int:
        """Bytes of the packet without its header word."""
        return sum(part.bytes for _, part in self.parts)


@dataclass(frozen=True)
class OutPacket:
    """What a core sends back: a tile, and behind it bytes that fill the border around it.

    What is `spare` would be border in another column, which gets the same work; its rows count from the end of what the
    column holds.
    """

    tile: Region
    border: tuple[Region, ...]
    spare: tuple[Region, ...] = ()

    @property
    def border_bytes(self) -> int:
        """Bytes behind the tile."""
        return sum(part.bytes for part in (*self.border, *self.spare))

    @property
    def bytes(self) -> int:
        """Bytes of the packet."""
        return self.tile.bytes + self.border_bytes


@dataclass(frozen=True)
class Call:
    """A kernel call: its record, the packet that comes for it (if a new one does), the tile it sends (if it does)."""

    record: CallRecord
    act: ActPacket | None
    out: OutPacket | None
    rows: tuple[int, int]


class Part(NamedTuple):
    """What of the input one call multiplies: blocks of channels, rows of the window, and pixels of these rows."""

    blocks: tuple[int, int]
    window: tuple[int, int]
    across: tuple[int, int]


@dataclass(frozen=True)
class Step:
    """The calls of one work packet, and what the first of them multiplies; all have the same table and weights."""

    out_blocks: tuple[int, int]
    part: Part
    columns: tuple[int, int]
    calls: tuple[Call, ...]


@dataclass(frozen=True)
class Extent:
    """The share of a layer's output that one core or column computes: valid rows and blocks."""

    rows: tuple[int, int]
    blocks: tuple[int, int]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return self.rows[0] >= self.rows[1] or self.blocks[0] >= self.blocks[1]


def chunks(first: int, last: int, size: int) -> list[tuple[int, int]]:
    """[first, last) in pieces of `size`."""
    return [(start, min(start + size, last)) for start in range(first, last, size)]


def divide(extent: Extent, by: str, parts: int, index: int) -> Extent:
    """The index-th share of an extent, divided by rows or by channels."""
    if by == "rows":
        first, last = share(extent.rows[1] - extent.rows[0], parts, index)
        return Extent((extent.rows[0] + first, extent.rows[0] + last), extent.blocks)
    first, last = share(extent.blocks[1] - extent.blocks[0], parts, index)
    return Extent(extent.rows, (extent.blocks[0] + first, extent.blocks[0] + last))


@dataclass(frozen=True)
class Work:
    """A layer with how its operands and its result are stored, and the row where each begins there (none: all at 0)."""

    layer: Layer
    inputs: tuple[Storage, ...]
    output: Storage
    at_rows: tuple[int, ...] | None = None

    def _row(self, number: int) -> int:
        """The row where an operand, or last the result, begins."""
        return self.at_rows[number] if self.at_rows else 0

    def in_region(self, rows: tuple[int, int], columns: tuple[int, int], part: Part) -> Region:
        """What of the first operand output rows and pixels need."""
        source, layer = self.inputs[0], self.layer
        top, bottom = (source.top + self._row(0) + edge * layer.dilations[0] for edge in part.window)
        first_row = rows[0] * layer.strides[0] - layer.pads[0] + top
        last_row = (rows[1] - 1) * layer.strides[0] - layer.pads[0] + bottom - layer.dilations[0] + 1
        start = source.left + columns[0] * layer.strides[1] - layer.pads[1] + part.across[0] * layer.dilations[1]
        lanes = lanes_of(layer.narrowed(part.across), columns[1] - columns[0])
        return Region((first_row, last_row), part.blocks, start, lanes.input)

    def own_region(
        self, storage: Storage, rows: tuple[int, int], columns: tuple[int, int], blocks: tuple[int, int]
    ) -> Region:
        """Pixels that are placed as those of the result; rows are counted in the storage."""
        walk = lanes_of(self.layer, columns[1] - columns[0]).own
        return Region((rows[0] + storage.top, rows[1] + storage.top), blocks, storage.left + columns[0], walk)

    def second_region(self, rows: tuple[int, int], columns: tuple[int, int], blocks: tuple[int, int]) -> Region:
        """What of the second operand output rows and pixels need."""
        return self.own_region(self.inputs[1], (rows[0] + self._row(1), rows[1] + self._row(1)), columns, blocks)

    def out_packet(
        self,
        rows: tuple[int, int],
        columns: tuple[int, int],
        blocks: tuple[int, int],
        ends: tuple[int, int] | None,
    ) -> OutPacket:
        """What these pixels fill of the stored result: edge tiles bring the border with them.

        At the `ends` of a column's rows, if such are named, as many bytes as at those of the image.
        """
        first = self._row(-1)
        rows = (rows[0] + first, rows[1] + first)
        border = tuple(border_of(self.output, rows, columns, blocks))
        spare: tuple[Region, ...] = ()
        if ends is not None:
            spare = tuple(_spare_of(self.output, rows, columns, blocks, (ends[0] + first, ends[1] + first)))
        return OutPacket(self.own_region(self.output, rows, columns, blocks), border, spare)


def border_of(
    storage: Storage, rows: tuple[int, int], columns: tuple[int, int], blocks: tuple[int, int]
) -> Iterator[Region]:
    """The border that a tile of valid rows and columns must fill; its right part overwrites pixels past the last."""
    if not storage.bordered:
        return
    inner = (rows[0] + storage.top, rows[1] + storage.top)
    past = storage.left + storage.width
    left = storage.left if columns[0] == 0 else 0
    right = storage.pitch - past if columns[1] == storage.width else 0
    if left == right > 0:
        yield Region(inner, blocks, 0, ((left, 1), (2, past)))
    else:
        if left:
            yield columns_of(inner, blocks, 0, left)
        if right:
            yield columns_of(inner, blocks, past, storage.pitch)
    first, last = _bordered_pixels(storage, columns)
    if rows[0] == 0 and storage.top:
        yield columns_of((0, storage.top), blocks, first, last)
    if rows[1] == storage.height and storage.bottom:
        yield columns_of((storage.top + storage.height, storage.rows), blocks, first, last)


def _bordered_pixels(storage: Storage, columns: tuple[int, int]) -> tuple[int, int]:
    """Stored pixels that belong to valid ones: the border goes with those at the edge."""
    first = 0 if columns[0] == 0 else storage.left + columns[0]
    return first, storage.pitch if columns[1] == storage.width else storage.left + columns[1]


def _spare_of(
    storage: Storage,
    rows: tuple[int, int],
    columns: tuple[int, int],
    blocks: tuple[int, int],
    ends: tuple[int, int],
) -> Iterator[Region]:
    """What a tile at the ends of a column's rows sends as if these were the ends of the image."""
    first, last = _bordered_pixels(storage, columns)
    above = storage.top if ends[0] > 0 else 0
    if rows[0] == ends[0] and above:
        yield columns_of((0, above), blocks, first, last)
    if rows[1] == ends[1] < storage.height and storage.bottom:
        yield columns_of((above, above + storage.bottom), blocks, first, last)


def core_steps(work: Work, mapping: Mapping, extent: Extent, slots: int, tiles: int) -> list[Step]:
    """The steps of a core.

    All cores of a column go through `slots` chunks of output and `tiles` row tiles in step, those without one idly.
    """
    layer = work.layer
    outs = chunks(*extent.blocks, mapping.out_blocks) if not extent.empty else []
    columns = chunks(0, layer.out_width, mapping.width)
    steps: list[Step] = []
    for across in columns:
        for index in range(slots):
            blocks = outs[index] if index < len(outs) else None
            steps += _chunk_steps(work, mapping, extent.rows, across, blocks, (index, slots), tiles)
    return steps


def column_steps(work: Work, mapping: Mapping, extent: Extent, core_rows: int) -> list[list[Step]]:
    """The steps of each core of a column, equally many for each.

    Where the same activations go to all cores, those without output skip; where each core gets its own, what it
    skips is not sent.
    """
    shares = [divide(extent, mapping.rows_by, core_rows, row) for row in range(core_rows)]
    slots = max(len(chunks(*share.blocks, mapping.out_blocks)) for share in shares)
    tiles = max(len(chunks(*share.rows, mapping.rows)) for share in shares)
    steps = [core_steps(work, mapping, share, slots, tiles) for share in shares]
    if broadcasts_acts(work.layer, mapping):
        return steps
    return [[replace(step, calls=tuple(_idle(call) for call in step.calls)) for step in row] for row in steps]


def step_count(layer: Layer, mapping: Mapping, extent: Extent, core_rows: int) -> int:
    """The number of steps that `column_steps` finds."""
    shares = [divide(extent, mapping.rows_by, core_rows, row) for row in range(core_rows)]
    slots = max(len(chunks(*share.blocks, mapping.out_blocks)) for share in shares)
    tiles = max(len(chunks(*share.rows, mapping.rows)) for share in shares)
    parts = parts_of(layer, mapping, (0, 0))
    turns = tiles * len(packets_of(layer, parts)) if len(parts) > 1 else 1
    return len(chunks(0, layer.out_width, mapping.width)) * slots * turns


def broadcasts_acts(layer: Layer, mapping: Mapping) -> bool:
    """Whether all cores of a column read the same activation packets."""
    return layer.is_conv and layer.operands == 1 and mapping.rows_by == "channels"


def shares_work(layer: Layer, columns_by: str, rows_by: str, target: Target) -> bool:
    """Whether a row of cores can do the same in all columns; means have factors that depend on the place."""
    divided = columns_by == "rows" and rows_by == "channels"
    return divided and layer.kernel != "avg_pool" and shares_rows(target.columns, target.core_rows)


def _idle(call: Call) -> Call:
    """A skipped call that is sent nothing."""
    if not call.record.skip:
        return call
    return replace(call, act=None, record=replace(call.record, acquire_act=False, release_act=False))


def _chunk_steps(
    work: Work,
    mapping: Mapping,
    rows: tuple[int, int],
    columns: tuple[int, int],
    blocks: tuple[int, int] | None,
    turn: tuple[int, int],
    most: int,
) -> Iterator[Step]:
    """The steps of one chunk of output blocks over all its rows; `blocks` None computes nothing."""
    layer = work.layer
    tiles = chunks(*rows, mapping.rows)
    ends = rows if mapping.shared else None
    out_blocks = blocks or (0, 0)
    parts = parts_of(layer, mapping, out_blocks)
    if len(parts) == 1:
        held = turn if len(tiles) == 1 and layer.is_conv and layer.operands == 1 else (0, 1)
        calls = tuple(
            _call(work, tile, columns, out_blocks, parts[0], blocks is None, ends, held=held) for tile in tiles
        )
        yield Step(out_blocks, parts[0], columns, calls)
        return
    packets = packets_of(layer, parts)
    for tile in tiles:
        for several in packets:
            calls = tuple(
                _call(
                    work,
                    tile,
                    columns,
                    out_blocks,
                    part,
                    blocks is None,
                    ends,
                    edge=(part is parts[0], part is parts[-1]),
                )
                for part in several
            )
            yield Step(out_blocks, several[0], columns, calls)
    for _ in range(len(tiles), most):
        yield from (Step(out_blocks, several[0], columns, ()) for several in packets)


def parts_of(layer: Layer, mapping: Mapping, out_blocks: tuple[int, int]) -> list[Part]:
    """What the calls that make one tile read of the input, in order; more than one are summed up."""
    windows = chunks(0, layer.window[0], mapping.window_rows if layer.sums else layer.window[0])
    inputs = chunks(0, layer.in_blocks, mapping.in_blocks) if layer.is_conv else [out_blocks]
    return [Part(blocks, window, across) for window in windows for across in layer.across for blocks in inputs]


def packets_of(layer: Layer, parts: list[Part]) -> list[list[Part]]:
    """The parts of a tile that come in one packet: of an average those that follow each other and are of one size, as
    they have the same table and weights; else each by itself."""
    if layer.kernel != "avg_pool":
        return [[part] for part in parts]
    return [list(several) for _, several in groupby(parts, key=_size)]


def _size(part: Part) -> tuple[int, int]:
    (top, bottom), (left, right) = part.window, part.across
    return bottom - top, right - left


def _call(
    work: Work,
    rows: tuple[int, int],
    columns: tuple[int, int],
    out_blocks: tuple[int, int],
    part: Part,
    skip: bool,
    ends: tuple[int, int] | None,
    held: tuple[int, int] = (0, 1),
    edge: tuple[bool, bool] = (True, True),
) -> Call:
    """One call; `held` = (turn, turns) keeps one act packet over several packets of weights.

    `ends` are the rows of the column where all columns do the same.
    """
    region = work.in_region(rows, columns, part)
    parts = [(0, region)]
    second = work.layer.operands == 2 and edge[1]
    if second:
        parts.append((1, work.second_region(rows, columns, out_blocks)))
    packet = ActPacket(tuple(parts))
    out = work.out_packet(rows, columns, out_blocks, ends) if edge[1] and not skip else None
    fresh, done = held[0] == 0, held[0] == held[1] - 1
    high = rows[1] - rows[0]
    record = CallRecord(
        acquire_act=fresh,
        release_act=done,
        first=edge[0] and not skip,
        last=edge[1] and not skip,
        skip=skip,
        rows=high,
        groups=high * groups_of(columns[1] - columns[0]),
        pad_bytes=0 if out is None else out.border_bytes,
        r_offset=region.bytes if second else 0,
        act_bytes=packet.bytes,
    )
    return Call(record, packet if fresh else None, out, rows)
