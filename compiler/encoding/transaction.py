"""The control stream: a header and operations, as the NPU's firmware reads them.

Layouts and opcodes: mlir-aie TxnEncoding.h:37-239; NOOP and MASKPOLL as aie-rt xaie_txn.h.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import numpy as np

from compiler.encoding.faults import damaged, fault
from compiler.encoding.fields import WORD_LIMIT, Fixed, Record, bits, joined
from compiler.encoding.register_map import BdWord, Register, register_offset
from compiler.encoding.tiles import Tile, TileKind, tile_address
from compiler.errors import BsccError, UnreadableInput

WORD_BYTES = 4
NPU1_GENERATION = 3  # Phoenix and Hawk Point (TxnEncoding.h:118)
STREAM = "control stream"


def _opcode(number: int, words: int = 0, size_word: int = 0) -> tuple[Fixed, ...]:
    """A 32-bit opcode in word 0 and, where the op carries one, its size in bytes in another word."""
    size = (Fixed(size_word, 31, 0, words * WORD_BYTES),) if words else ()
    return (Fixed(0, 31, 0, number), *size)


@dataclass(frozen=True, kw_only=True)
class TransactionHeader(Record):
    """Four words before the operations; rows count the shim's and the memory tiles'."""

    WORDS: ClassVar[int] = 4

    rows: int = bits(0, 31, 24, default=6)
    generation: int = bits(0, 23, 16, default=NPU1_GENERATION)
    minor: int = bits(0, 15, 8, default=1)
    major: int = bits(0, 7, 0)
    memtile_rows: int = bits(1, 15, 8, default=1)
    columns: int = bits(1, 7, 0, default=4)
    operations: int = bits(2, 31, 0)
    size_bytes: int = bits(3, 31, 0)

    def kind(self, row: int) -> TileKind:
        """Rows from the south: one shim, then memory tiles, then cores."""
        if row == 0:
            return TileKind.SHIM
        return TileKind.MEMTILE if row <= self.memtile_rows else TileKind.CORE

    def tile(self, column: int, row: int) -> Tile:
        """The tile of such an array at a place."""
        return Tile(column, row, self.kind(row))


@dataclass(frozen=True, kw_only=True)
class Write32(Record):
    """Write one register."""

    WORDS: ClassVar[int] = 6
    FIXED: ClassVar[tuple[Fixed, ...]] = _opcode(0, 6, size_word=5)

    address: int = bits(2, 31, 0)
    value: int = bits(4, 31, 0)


@dataclass(frozen=True, kw_only=True)
class MaskWrite(Record):
    """Write those bits of a register that the mask has set."""

    WORDS: ClassVar[int] = 7
    FIXED: ClassVar[tuple[Fixed, ...]] = _opcode(3, 7, size_word=6)

    address: int = bits(2, 31, 0)
    value: int = bits(4, 31, 0)
    mask: int = bits(5, 31, 0)


@dataclass(frozen=True, kw_only=True)
class MaskPoll(Record):
    """Wait until register & mask == value; shaped as MaskWrite (mlir-aie npu_maskpoll.mlir)."""

    WORDS: ClassVar[int] = 7
    FIXED: ClassVar[tuple[Fixed, ...]] = _opcode(4, 7, size_word=6)

    address: int = bits(2, 31, 0)
    value: int = bits(4, 31, 0)
    mask: int = bits(5, 31, 0)


@dataclass(frozen=True, kw_only=True)
class Noop(Record):
    """Do nothing."""

    FIXED: ClassVar[tuple[Fixed, ...]] = _opcode(5)


@dataclass(frozen=True, kw_only=True)
class Preempt(Record):
    """A point where the firmware may switch to other work."""

    FIXED: ClassVar[tuple[Fixed, ...]] = (Fixed(0, 7, 0, 6),)

    level: int = bits(0, 15, 8)


@dataclass(frozen=True, kw_only=True)
class LoadPdi(Record):
    """Load a device image from a DDR address."""

    WORDS: ClassVar[int] = 4
    FIXED: ClassVar[tuple[Fixed, ...]] = (Fixed(0, 15, 0, 8),)

    id: int = bits(0, 31, 16)
    size: int = bits(1, 31, 0)
    address: int = joined((2, 31, 0), (3, 31, 0))


@dataclass(frozen=True, kw_only=True)
class Sync(Record):
    """Wait for the task-complete token of one channel in each of a rectangle of tiles."""

    WORDS: ClassVar[int] = 4
    FIXED: ClassVar[tuple[Fixed, ...]] = _opcode(0x80, 4, size_word=1)

    column: int = bits(2, 23, 16)
    row: int = bits(2, 15, 8)
    direction: int = bits(2, 7, 0, maximum=1)
    channel: int = bits(3, 31, 24)
    columns: int = bits(3, 23, 16, default=1)
    rows: int = bits(3, 15, 8, default=1)


@dataclass(frozen=True, kw_only=True)
class DdrPatch(Record):
    """Put a host buffer's address plus offset_bytes into the two address words of a shim BD (BD + 4).

    Firmware translates only the first five arguments; later ones add 0x80000000 (AIETargetNPU.cpp:116-148).
    """

    WORDS: ClassVar[int] = 12
    FIXED: ClassVar[tuple[Fixed, ...]] = _opcode(0x81, 12, size_word=1)

    action: int = bits(5, 31, 0)
    address: int = bits(6, 31, 0)
    argument: int = bits(8, 31, 0)
    offset_bytes: int = bits(10, 31, 0)


@dataclass(frozen=True, kw_only=True)
class BlockWriteHead(Record):
    """The four words before a block write's data; mlir-aie repeats the tile of the address in word 1."""

    WORDS: ClassVar[int] = 4
    FIXED: ClassVar[tuple[Fixed, ...]] = _opcode(1)

    row: int = bits(1, 15, 8)
    column: int = bits(1, 7, 0)
    address: int = bits(2, 31, 0)
    size_bytes: int = bits(3, 31, 0)


@dataclass(frozen=True, kw_only=True)
class BlockWrite:
    """Write consecutive words; column and row repeat the tile of the address, or are 0 for a flat one."""

    address: int
    data: tuple[int, ...]
    column: int = 0
    row: int = 0

    def __post_init__(self) -> None:
        if not self.data:
            raise fault("field-range", "BlockWrite.data has 0 words, allowed: 1 and more")
        if not (min(self.data) >= 0 and max(self.data) <= WORD_LIMIT):
            wrong = next(word for word in self.data if not 0 <= word <= WORD_LIMIT)
            raise fault("field-range", f"BlockWrite.data holds {wrong}, allowed: 0..{WORD_LIMIT}")

    def encode(self) -> tuple[int, ...]:
        """The operation as words."""
        size = (BlockWriteHead.WORDS + len(self.data)) * WORD_BYTES
        head = BlockWriteHead(column=self.column, row=self.row, address=self.address, size_bytes=size)
        return (*head.encode(), *self.data)


Op = Write32 | BlockWrite | MaskWrite | MaskPoll | Noop | Preempt | LoadPdi | Sync | DdrPatch
_FixedOp = Write32 | MaskWrite | MaskPoll | Noop | Preempt | LoadPdi | Sync | DdrPatch

_OPS: dict[int, type[_FixedOp]] = {
    op.FIXED[0].value: op for op in (Write32, MaskWrite, MaskPoll, Noop, Preempt, LoadPdi, Sync, DdrPatch)
}
_BLOCKWRITE = BlockWriteHead.FIXED[0].value


class Encodable(Protocol):
    """Anything that has words: a record, a descriptor."""

    def encode(self) -> tuple[int, ...]: ...


def write_register(tile: Tile, register: Register, *contents: Encodable | int) -> Write32 | BlockWrite:
    """The operation that writes records or plain words from a register on, a block write if several."""
    words = [word for item in contents for word in ((item,) if isinstance(item, int) else item.encode())]
    address = tile.address(register_offset(tile.kind, register))
    if len(words) == 1:
        return Write32(address=address, value=words[0])
    return BlockWrite(address=address, data=tuple(words), column=tile.column, row=tile.row)


def patch_bd(tile: Tile, bd: int, argument: int, offset_bytes: int) -> DdrPatch:
    """The patch of a shim BD's address words, which begin at its word 1 (AIETargetModel.cpp:848-852)."""
    address = tile_address(tile.column, tile.row, register_offset(tile.kind, BdWord(bd, 1)))
    return DdrPatch(address=address, argument=argument, offset_bytes=offset_bytes)


class TransactionWriter:
    """Collects operations and writes them behind a header that counts them."""

    def __init__(self, header: TransactionHeader | None = None) -> None:
        self.header = header or TransactionHeader()
        self.operations = 0
        self._words: list[int] = []

    @property
    def size_bytes(self) -> int:
        """Bytes of the stream so far, header included."""
        return (TransactionHeader.WORDS + len(self._words)) * WORD_BYTES

    def append(self, op: Op) -> int:
        """Add an operation and return its number."""
        self._words.extend(op.encode())
        self.operations += 1
        return self.operations - 1

    def finish(self) -> bytes:
        """The whole stream, little endian."""
        header = replace(self.header, operations=self.operations, size_bytes=self.size_bytes)
        return np.array([*header.encode(), *self._words], dtype="<u4").tobytes()


@dataclass(frozen=True)
class Transactions:
    """A stream that was read: its header, its operations, and the byte where each begins."""

    header: TransactionHeader
    ops: tuple[Op, ...]
    starts: tuple[int, ...]


def operations_of(stream: bytes, place: str = STREAM) -> int:
    """The number of operations that the header of a stream says; `read_transactions` checks it."""
    words = _words_of(stream[: TransactionHeader.WORDS * WORD_BYTES], place)
    try:
        return TransactionHeader.decode(words).operations
    except BsccError as error:
        raise _at(place, 0, error) from error


def read_transactions(stream: bytes, place: str = STREAM) -> Transactions:
    """Read a whole stream; whatever is missing, surplus or unknown is an error that names the operation."""
    words = _words_of(stream, place)
    try:
        header = TransactionHeader.decode(words[: TransactionHeader.WORDS])
    except BsccError as error:
        raise _at(place, 0, error) from error
    if header.size_bytes != len(stream):
        text = f"the header says {header.size_bytes} bytes, the stream has {len(stream)}"
        raise damaged("txn-size", text, place, help="the stream was cut or added to; compile again")
    ops: list[Op] = []
    starts: list[int] = []
    position = TransactionHeader.WORDS
    while position < len(words):
        where = f"{place}: op {len(ops)} at byte {position * WORD_BYTES}"
        op, length = _read_op(words, position, where)
        ops.append(op)
        starts.append(position * WORD_BYTES)
        position += length
    if len(ops) != header.operations:
        raise damaged("txn-count", f"the header says {header.operations} operations, found {len(ops)}", place)
    return Transactions(header, tuple(ops), tuple(starts))


def _words_of(stream: bytes, place: str) -> list[int]:
    head = TransactionHeader.WORDS * WORD_BYTES
    if len(stream) < head or len(stream) % WORD_BYTES:
        text = f"{len(stream)} bytes are no stream of 32-bit words with a header of {head} bytes"
        raise damaged("txn-truncated", text, place)
    words: list[int] = np.frombuffer(stream, dtype="<u4").tolist()
    return words


def _read_op(words: Sequence[int], position: int, where: str) -> tuple[Op, int]:
    """The operation at a word position and its length in words."""
    opcode = words[position] & 0xFF
    if opcode == _BLOCKWRITE:
        return _read_block(words, position, where)
    record = _OPS.get(opcode)
    if record is None:
        known = ", ".join(f"0x{number:02x}" for number in sorted((*_OPS, _BLOCKWRITE)))
        raise damaged("txn-opcode", f"unknown opcode 0x{opcode:02x}", where, help=f"known: {known}")
    piece = _take(words, position, record.WORDS, where)
    try:
        return record.decode(piece), record.WORDS
    except BsccError as error:
        raise _at(where, position, error) from error


def _read_block(words: Sequence[int], position: int, where: str) -> tuple[BlockWrite, int]:
    piece = _take(words, position, BlockWriteHead.WORDS, where)
    try:
        head = BlockWriteHead.decode(piece)
    except BsccError as error:
        raise _at(where, position, error) from error
    length, rest = divmod(head.size_bytes, WORD_BYTES)
    if rest or length <= BlockWriteHead.WORDS:
        text = f"a block write of {head.size_bytes} bytes, expected a multiple of 4 greater than 16"
        raise damaged("txn-size", text, where)
    data = _take(words, position, length, where)[BlockWriteHead.WORDS :]
    return BlockWrite(address=head.address, data=tuple(data), column=head.column, row=head.row), length


def _take(words: Sequence[int], position: int, length: int, where: str) -> Sequence[int]:
    piece = words[position : position + length]
    if len(piece) < length:
        raise damaged("txn-truncated", f"the operation has {length} words, {len(piece)} are left", where)
    return piece


def _at(where: str, position: int, error: BsccError) -> UnreadableInput:
    """The same complaint about words that were read rather than made."""
    found = error.diagnostic
    return damaged(found.code, found.message, where, help=f"word {position} of the stream; {found.help}".rstrip("; "))
