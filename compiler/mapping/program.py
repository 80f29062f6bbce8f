"""What each core of a mapped layer does, step by step: the packets it is sent, computes and sends back.

Everything is in tensor coordinates (rows, pixels, blocks); buffers and descriptors come later.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from compiler.encoding.work import CallRecord
from compiler.mapping.shapes import BLOCK, Layer, Mapping, Storage, share


@dataclass(frozen=True)
class Box:
    """Part of a stored activation: rows, blocks and pixels, half open, counted in storage with its border."""

    rows: tuple[int, int]
    blocks: tuple[int, int]
    columns: tuple[int, int]

    @property
    def bytes(self) -> int:
        """Bytes of the part."""
        sizes = [last - first for first, last in (self.rows, self.blocks, self.columns)]
        return sizes[0] * sizes[1] * sizes[2] * BLOCK


@dataclass(frozen=True)
class ActPacket:
    """One activation packet: parts of operands (number, box) one after another."""

    parts: tuple[tuple[int, Box], ...]

    @property
    def bytes(self) -> int:
        """Bytes of the packet without its header word."""
        return sum(box.bytes for _, box in self.parts)


@dataclass(frozen=True)
class Call:
    """A kernel call: its record, the packet that comes for it (if a new one does), the tile it sends (if it does)."""

    record: CallRecord
    act: ActPacket | None
    out: Box | None
    valid_rows: tuple[int, int]


class Part(NamedTuple):
    """What of the input one call multiplies: blocks of channels, and rows of the window."""

    blocks: tuple[int, int]
    window: tuple[int, int]


@dataclass(frozen=True)
class Step:
    """The calls of one work packet: blocks of the output and the input, rows of the window, pixels of a row."""

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
    """A layer with how its operands and its result are stored."""

    layer: Layer
    inputs: tuple[Storage, ...]
    output: Storage

    def in_box(self, rows: tuple[int, int], columns: tuple[int, int], part: Part) -> Box:
        """What of the first operand output rows and pixels need, in storage coordinates."""
        source, layer = self.inputs[0], self.layer
        top, bottom = (source.top + edge * layer.dilations[0] for edge in part.window)
        first_row = rows[0] * layer.strides[0] - layer.pads[0] + top
        last_row = (rows[1] - 1) * layer.strides[0] - layer.pads[0] + bottom - layer.dilations[0] + 1
        first, last = layer.in_columns(*columns)
        return Box((first_row, last_row), part.blocks, (first + source.left, last + source.left))

    def second_box(self, rows: tuple[int, int], columns: tuple[int, int], blocks: tuple[int, int]) -> Box:
        """What of the second operand (a residual) the same pixels need."""
        source = self.inputs[1]
        return Box(
            (rows[0] + source.top, rows[1] + source.top),
            blocks,
            (columns[0] + source.left, columns[1] + source.left),
        )

    def out_box(self, rows: tuple[int, int], columns: tuple[int, int], blocks: tuple[int, int]) -> Box:
        """What these pixels fill of the stored result: edge tiles bring the border with them."""
        y = self.output
        left = 0 if columns[0] == 0 else y.left + columns[0]
        right = y.pitch if columns[1] == y.width else y.left + columns[1]
        return Box(y.stored_rows(*rows), blocks, (left, right))


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


def broadcasts_acts(layer: Layer, mapping: Mapping) -> bool:
    """Whether all cores of a column read the same activation packets."""
    return layer.is_conv and layer.operands == 1 and mapping.rows_by == "channels"


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
    out_blocks = blocks or (0, 0)
    if not layer.is_conv:
        whole = Part(out_blocks, (0, layer.window[0]))
        calls = tuple(_call(work, tile, columns, out_blocks, whole, blocks is None) for tile in tiles)
        yield Step(out_blocks, whole, columns, calls)
        return
    ins = input_parts(layer, mapping)
    if len(ins) == 1:
        held = turn if len(tiles) == 1 and layer.operands == 1 else (0, 1)
        calls = tuple(_call(work, tile, columns, out_blocks, ins[0], blocks is None, held=held) for tile in tiles)
        yield Step(out_blocks, ins[0], columns, calls)
        return
    for tile in tiles:
        for number, part in enumerate(ins):
            edge = (number == 0, number == len(ins) - 1)
            call = _call(work, tile, columns, out_blocks, part, blocks is None, edge=edge)
            yield Step(out_blocks, part, columns, (call,))
    for _ in range(len(tiles), most):
        yield from (Step(out_blocks, part, columns, ()) for part in ins)


def input_parts(layer: Layer, mapping: Mapping) -> list[Part]:
    """What the calls that sum up one tile of a convolution multiply, in order."""
    windows = chunks(0, layer.window[0], mapping.window_rows)
    return [Part(blocks, window) for window in windows for blocks in chunks(0, layer.in_blocks, mapping.in_blocks)]


def _call(
    work: Work,
    rows: tuple[int, int],
    columns: tuple[int, int],
    out_blocks: tuple[int, int],
    part: Part,
    skip: bool,
    held: tuple[int, int] = (0, 1),
    edge: tuple[bool, bool] = (True, True),
) -> Call:
    """One call; `held` = (turn, turns) keeps one act packet over several packets of weights."""
    box = work.in_box(rows, columns, part)
    parts = [(0, box)]
    second = work.layer.operands == 2 and edge[1]
    if second:
        parts.append((1, work.second_box(rows, columns, out_blocks)))
    packet = ActPacket(tuple(parts))
    out = work.out_box(rows, columns, out_blocks) if edge[1] and not skip else None
    fresh, done = held[0] == 0, held[0] == held[1] - 1
    top = work.output.top if rows[0] == 0 else 0
    record = CallRecord(
        out_rows=0 if out is None else out.rows[1] - out.rows[0],
        top=top,
        valid_rows=rows[1] - rows[0],
        acquire_act=fresh,
        release_act=done,
        first=edge[0],
        last=edge[1],
        residual=second and work.layer.is_conv,
        skip=skip,
        x_offset=0,
        r_offset=box.bytes if second else 0,
        act_bytes=packet.bytes,
    )
    return Call(record, packet if fresh else None, out, rows)
