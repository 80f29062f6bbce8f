"""The control stream as text: one line per operation, with register names and decoded words."""

from collections.abc import Callable, Iterator
from hashlib import sha256

import numpy as np

from compiler.encoding.descriptors import DESCRIPTORS
from compiler.encoding.fields import Record
from compiler.encoding.isa import BUNDLE_BYTES
from compiler.encoding.register_map import BdWord, ProgramMemory, Register, decode_word, find_register
from compiler.encoding.tiles import Direction, TileKind, split_address
from compiler.encoding.transaction import (
    BlockWrite,
    DdrPatch,
    LoadPdi,
    MaskPoll,
    MaskWrite,
    Noop,
    Op,
    Preempt,
    Sync,
    TransactionHeader,
    Transactions,
    Write32,
)
from compiler.errors import BsccError

Comment = Callable[[int, Op], str]
SHOWN_ITEMS = 4
_COMMENT_COLUMN = 72


class _Target:
    """What an absolute address means in an array with such rows."""

    def __init__(self, address: int, header: TransactionHeader) -> None:
        column, row, self.offset = split_address(address)
        self.tile = f"tile({column},{row})"
        self.kind = header.kind(row)
        self.register = find_register(self.kind, self.offset)

    def __str__(self) -> str:
        return f"{self.tile} {self.register or f'0x{self.offset:05x}'}"

    def read(self, word: int) -> str:
        """The fields of a word written here, the bare number where it has no record or no meaning."""
        record = None
        if self.register is not None:
            try:
                record = decode_word(self.kind, self.register, word)
            except BsccError:
                record = None
        return _fields(record) if record is not None else f"0x{word:08x}"


def _fields(record: Record) -> str:
    """The fields that are set, or a bare 0 where none is."""
    return record.summary() or "0"


def _bd_fields(kind: TileKind, words: tuple[int, ...]) -> str | None:
    try:
        return _fields(DESCRIPTORS[kind].decode(words))
    except BsccError:
        return None


def _items(kind: TileKind, offset: int, data: tuple[int, ...]) -> Iterator[str]:
    """The words of a block write, gathered into whole descriptors where they are."""
    position, length = 0, DESCRIPTORS[kind].WORDS
    while position < len(data):
        register: Register | None = find_register(kind, offset + 4 * position)
        if isinstance(register, BdWord) and register.word == 0 and position + length <= len(data):
            text = _bd_fields(kind, data[position : position + length])
            if text is not None:
                yield f"bd{register.bd}{{{text}}}"
                position += length
                continue
        yield _item(kind, register, data[position])
        position += 1


def _item(kind: TileKind, register: Register | None, word: int) -> str:
    """One word of a block write, named if it decodes."""
    try:
        record = None if register is None else decode_word(kind, register, word)
    except BsccError:
        record = None
    return f"0x{word:08x}" if record is None else f"{register}{{{_fields(record)}}}"


def _block(op: BlockWrite, header: TransactionHeader) -> str:
    target = _Target(op.address, header)
    if isinstance(target.register, ProgramMemory):
        data = np.array(op.data, "<u4").tobytes()
        bundles = len(data) // BUNDLE_BYTES
        return f"blockwrite {target} words={len(op.data)} bundles={bundles} sha256={sha256(data).hexdigest()[:16]}"
    items = list(_items(target.kind, target.offset, op.data))
    more = f" ... {len(items) - SHOWN_ITEMS} more" if len(items) > SHOWN_ITEMS else ""
    return f"blockwrite {target} words={len(op.data)} {' '.join(items[:SHOWN_ITEMS])}{more}"


def _text(op: Op, header: TransactionHeader) -> str:
    match op:
        case Write32():
            target = _Target(op.address, header)
            return f"write32 {target} {target.read(op.value)}"
        case BlockWrite():
            return _block(op, header)
        case MaskWrite():
            return f"maskwrite {_Target(op.address, header)} value=0x{op.value:08x} mask=0x{op.mask:08x}"
        case MaskPoll():
            return f"maskpoll {_Target(op.address, header)} value=0x{op.value:08x} mask=0x{op.mask:08x}"
        case Sync():
            channel = f"{Direction(op.direction).name.lower()}{op.channel}"
            return f"sync tile({op.column},{op.row}) {channel} columns={op.columns} rows={op.rows}"
        case DdrPatch():
            target = _Target(op.address, header)
            return f"ddr_patch {target} argument={op.argument} offset=0x{op.offset_bytes:x}"
        case LoadPdi():
            return f"load_pdi id={op.id} size={op.size} address=0x{op.address:x}"
        case Preempt():
            return f"preempt level={op.level}"
        case Noop():
            return "noop"


def disassemble(op: Op, header: TransactionHeader | None = None, comment: str = "") -> str:
    """One line for one operation; the header says which rows are memory tiles."""
    text = _text(op, header or TransactionHeader())
    return f"{text:<{_COMMENT_COLUMN}} ; {comment}" if comment else text


def listing(stream: Transactions, comment: Comment | None = None) -> Iterator[str]:
    """One line per operation with its number in front; the comment may name the ONNX node it came from."""
    for number, op in enumerate(stream.ops):
        note = comment(number, op) if comment else ""
        yield f"{number:6d}  {disassemble(op, stream.header, note)}"
