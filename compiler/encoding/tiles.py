"""Names that the whole encoding shares: tiles, their addresses, and what a core or DMA sees of neighbours."""

from dataclasses import dataclass
from enum import Enum, IntEnum

from compiler.encoding.faults import fault

# mlir-aie AIETargetModel.h:751-752, REGDB `base_address_formula`.
COLUMN_SHIFT = 25
ROW_SHIFT = 20
OFFSET_LIMIT = (1 << ROW_SHIFT) - 1
ROW_LIMIT = (1 << (COLUMN_SHIFT - ROW_SHIFT)) - 1
COLUMN_LIMIT = (1 << (32 - COLUMN_SHIFT)) - 1


PROGRAM_MEMORY_BYTES = 0x4000
"""Program memory of a core (AM020, "AIE-ML Tile Architecture"): 1024 bundles of 16 bytes."""


class TileKind(Enum):
    """The three register maps of an AIE2 array."""

    CORE = "core"
    MEMTILE = "memtile"
    SHIM = "shim"


class Direction(IntEnum):
    """DMA direction with the number the TCT sync op uses (mlir-aie TxnEncoding.h)."""

    S2MM = 0
    MM2S = 1


class Side(IntEnum):
    """Which memory tile a memory tile's DMA touches, in the order of its address and lock windows."""

    WEST = 0
    OWN = 1
    EAST = 2


@dataclass(frozen=True)
class Tile:
    """One tile of the partition: column, row (0 is the shim) and kind."""

    column: int
    row: int
    kind: TileKind

    def address(self, offset: int = 0) -> int:
        """The absolute register address that transactions carry."""
        return tile_address(self.column, self.row, offset)

    def __str__(self) -> str:
        return f"tile({self.column},{self.row})"


def tile_address(column: int, row: int, offset: int = 0) -> int:
    """(column << 25) | (row << 20) | offset (mlir-aie AIETargetModel.h:751-752)."""
    parts = (("column", column, COLUMN_LIMIT), ("row", row, ROW_LIMIT), ("offset", offset, OFFSET_LIMIT))
    for name, value, limit in parts:
        if not 0 <= value <= limit:
            raise fault("tile-address", f"{name} of a tile address is {value}, allowed: 0..{limit}")
    return column << COLUMN_SHIFT | row << ROW_SHIFT | offset


def split_address(address: int) -> tuple[int, int, int]:
    """The column, row and offset of an absolute register address."""
    return address >> COLUMN_SHIFT, address >> ROW_SHIFT & ROW_LIMIT, address & OFFSET_LIMIT


# AIETargetModel.cpp:1592-1598 and AIERT.cpp:430-439: west, own, east lie 512 KB apart, own at byte 0x80000.
MEMTILE_WINDOW_BYTES = 0x80000
# AIETargetModel.cpp:1566-1573: west locks 0-63, own 64-127, east 128-191.
MEMTILE_WINDOW_LOCKS = 64

# AIETargetModel.h:645-652: where a core sees the four data memories, 64 KB each.
CORE_MEMORY_BYTES = {"south": 0x40000, "west": 0x50000, "north": 0x60000, "own": 0x70000}
# AIETargetModel.cpp:1553-1564: the first of 16 locks of each neighbour as a core numbers them.
CORE_LOCKS = {"south": 0, "west": 16, "north": 32, "own": 48}


def memtile_word(side: Side, byte_offset: int) -> int:
    """The word address a memory tile's BD needs to reach a byte offset of its own or a neighbour's memory."""
    if byte_offset % 4 or not 0 <= byte_offset < MEMTILE_WINDOW_BYTES:
        text = f"byte offset {byte_offset} is not a word of a {MEMTILE_WINDOW_BYTES}-byte memory tile"
        raise fault("tile-address", text)
    return (side * MEMTILE_WINDOW_BYTES + byte_offset) // 4


def split_memtile_word(word: int) -> tuple[Side, int]:
    """The side and byte offset that a word address in a memory tile's BD means, inverse of memtile_word."""
    side, offset = divmod(word * 4, MEMTILE_WINDOW_BYTES)
    if not 0 <= side <= Side.EAST:
        raise fault("tile-address", f"word address {word} lies past the eastern memory tile")
    return Side(side), offset


def memtile_lock(side: Side, lock: int) -> int:
    """The lock id a memory tile's BD needs to reach a lock of its own or a neighbour's tile."""
    if not 0 <= lock < MEMTILE_WINDOW_LOCKS:
        raise fault("tile-address", f"memory tile lock is {lock}, allowed: 0..{MEMTILE_WINDOW_LOCKS - 1}")
    return side * MEMTILE_WINDOW_LOCKS + lock


def split_memtile_lock(lock: int) -> tuple[Side, int]:
    """The side and local lock that a lock id in a memory tile's BD means, the inverse of memtile_lock."""
    side, local = divmod(lock, MEMTILE_WINDOW_LOCKS)
    if not 0 <= side <= Side.EAST:
        raise fault("tile-address", f"memory tile lock id is {lock}, allowed: 0..{3 * MEMTILE_WINDOW_LOCKS - 1}")
    return Side(side), local
