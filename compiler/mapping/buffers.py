"""Where parts of buffers lie: shares of columns, and descriptors that read and write them in memory tiles and DDR."""

from __future__ import annotations

from dataclasses import replace

from compiler.encoding.tiles import Side, TileKind, memtile_word
from compiler.encoding.work import BLOCK
from compiler.ir import Value
from compiler.mapping.patterns import Spec, fit
from compiler.mapping.program import Region, columns_of
from dialects import tile


def alloc_of(value: Value[tile.BufferType]) -> tile.AllocOp:
    """The op that a buffer comes from, which knows where it lies."""
    op = value.op
    assert isinstance(op, tile.AllocOp)
    return op


def shifted(part: Region, by: int) -> Region:
    """A part of an activation where its first block is block `by` of the buffer."""
    return replace(part, blocks=(part.blocks[0] + by, part.blocks[1] + by))


def share_of(alloc: tile.AllocOp, column: int) -> Region:
    """What a column holds of a buffer."""
    rows = (alloc.rows[2 * column], alloc.rows[2 * column + 1])
    blocks = (alloc.blocks[2 * column], alloc.blocks[2 * column + 1])
    return columns_of(rows, blocks, 0, alloc.storage.pitch)


def unshared_of(alloc: tile.AllocOp, column: int) -> Region:
    """What a column holds of a buffer that the column before does not hold, too."""
    own = share_of(alloc, column)
    before = share_of(alloc, column - 1) if column else None
    if before is None or before.blocks != own.blocks or before.rows[1] <= own.rows[0]:
        return own
    return replace(own, rows=(min(before.rows[1], own.rows[1]), own.rows[1]))


def local_bytes(alloc: tile.AllocOp, column: int, part: Region) -> int:
    """Byte address in a column's memory tile of a part's first byte."""
    share = share_of(alloc, column)
    row, block = part.rows[0] - share.rows[0], part.blocks[0] - share.blocks[0]
    return alloc.offset + ((row * _blocks(share) + block) * alloc.storage.pitch + part.start) * BLOCK


def local_specs(alloc: tile.AllocOp, side: Side, owner: int, part: Region) -> tuple[Spec, ...]:
    """Descriptors for a part in the memory tile of column `owner`, which lies at `side` of the one that moves it."""
    dims = _dims(part, alloc.storage.pitch, _blocks(share_of(alloc, owner)))
    return fit(TileKind.MEMTILE, memtile_word(side, local_bytes(alloc, owner, part)), dims)


def reachable_specs(alloc: tile.AllocOp, column: int, part: Region) -> list[Spec]:
    """Descriptors by which a column's memory tile reads a part, from itself and the two beside it."""
    specs: list[Spec] = []
    row = part.rows[0]
    while row < part.rows[1]:
        side, owner = _holder(alloc, column, row)
        end = min(part.rows[1], alloc.rows[2 * owner + 1])
        specs += local_specs(alloc, side, owner, replace(part, rows=(row, end)))
        row = end
    return specs


def ddr_specs(alloc: tile.AllocOp, part: Region) -> tuple[Spec, ...]:
    """Descriptors of a shim for a part in DDR."""
    storage = alloc.storage
    start = alloc.offset // 4 + ((part.rows[0] * storage.blocks + part.blocks[0]) * storage.pitch) * BLOCK // 4
    dims = _dims(part, storage.pitch, storage.blocks)
    return tuple(replace(one, argument=alloc.argument) for one in fit(TileKind.SHIM, start, dims))


def _holder(alloc: tile.AllocOp, column: int, row: int) -> tuple[Side, int]:
    """Which memory tile, seen from a column, holds a stored row: its own if it does."""
    for side, owner in ((Side.OWN, column), (Side.WEST, column - 1), (Side.EAST, column + 1)):
        if 0 <= owner < len(alloc.rows) // 2 and alloc.rows[2 * owner] <= row < alloc.rows[2 * owner + 1]:
            return side, owner
    raise AssertionError(f"{alloc.owner}: row {row} is out of reach of column {column}")


def _blocks(share: Region) -> int:
    return share.blocks[1] - share.blocks[0]


def _dims(part: Region, pitch: int, held: int) -> list[tuple[int, int]]:
    """(count, step in words) of a part, innermost first, among `held` blocks of rows of `pitch` pixels."""
    words = BLOCK // 4
    return [
        (words, 1),
        *((count, step * words) for count, step in part.walk),
        (_blocks(part), pitch * words),
        (part.rows[1] - part.rows[0], held * pitch * words),
    ]
