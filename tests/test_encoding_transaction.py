"""Control streams come back as they were written; damaged ones are refused with the place."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.encoding.descriptors import MemTileBd
from compiler.encoding.disassembly import disassemble
from compiler.encoding.register_map import BdWord, LockValue
from compiler.encoding.registers import LockWord
from compiler.encoding.tiles import Tile, TileKind
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
    TransactionWriter,
    Write32,
    read_transactions,
    write_register,
)
from compiler.errors import BsccError, UnreadableInput

WORD = st.integers(0, 2**32 - 1)
BYTE = st.integers(0, 255)
ANY_OP: "st.SearchStrategy[Op]" = st.one_of(
    st.builds(Write32, address=WORD, value=WORD),
    st.builds(
        BlockWrite,
        address=WORD,
        data=st.lists(WORD, min_size=1, max_size=20).map(tuple),
        column=BYTE,
        row=BYTE,
    ),
    st.builds(MaskWrite, address=WORD, value=WORD, mask=WORD),
    st.builds(MaskPoll, address=WORD, value=WORD, mask=WORD),
    st.just(Noop()),
    st.builds(Preempt, level=BYTE),
    st.builds(LoadPdi, id=st.integers(0, 65535), size=WORD, address=st.integers(0, 2**64 - 1)),
    st.builds(Sync, column=BYTE, row=BYTE, direction=st.integers(0, 1), channel=BYTE, columns=BYTE, rows=BYTE),
    st.builds(DdrPatch, address=WORD, argument=WORD, offset_bytes=WORD),
)


def written(*ops: Op) -> bytes:
    writer = TransactionWriter()
    for number, op in enumerate(ops):
        assert writer.append(op) == number
    stream = writer.finish()
    assert len(stream) == writer.size_bytes
    return stream


def with_word(stream: bytes, position: int, word: int) -> bytes:
    return stream[: 4 * position] + struct.pack("<I", word) + stream[4 * position + 4 :]


@given(st.lists(ANY_OP, max_size=12))
def test_streams_round_trip_and_every_op_has_one_line(ops: list[Op]) -> None:
    read = read_transactions(written(*ops))
    assert list(read.ops) == ops
    assert read.header.operations == len(ops)
    for op in ops:
        line = disassemble(op, read.header, "node")
        assert "\n" not in line and line.endswith("; node")


@given(st.lists(ANY_OP, min_size=1, max_size=6), st.data())
def test_a_cut_stream_is_refused(ops: list[Op], data: st.DataObject) -> None:
    stream = written(*ops)
    with pytest.raises(UnreadableInput) as caught:
        read_transactions(stream[: data.draw(st.integers(0, len(stream) - 1))])
    assert caught.value.diagnostic.code in {"txn-truncated", "txn-size"}


@given(st.lists(ANY_OP, min_size=1, max_size=6), st.data())
def test_a_flipped_bit_is_refused_or_read_as_another_stream(ops: list[Op], data: st.DataObject) -> None:
    stream = bytearray(written(*ops))
    stream[data.draw(st.integers(0, len(stream) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        read = read_transactions(bytes(stream))
    except UnreadableInput as error:
        assert error.diagnostic.place
    else:
        writer = TransactionWriter(read.header)
        for op in read.ops:
            writer.append(op)
        assert writer.finish() == bytes(stream)


STREAM = written(Write32(address=0x100, value=7), BlockWrite(address=0x200, data=(1, 2, 3)))
DAMAGE: tuple[tuple[bytes, str, str], ...] = (
    (STREAM[:8], "txn-truncated", "control.bin"),
    (STREAM + b"\0", "txn-truncated", "control.bin"),
    (STREAM[:-4], "txn-size", "control.bin"),
    (STREAM + bytes(4), "txn-size", "control.bin"),
    (with_word(STREAM, 2, 3), "txn-count", "control.bin"),
    (with_word(STREAM, 4, 0x7F), "txn-opcode", "control.bin: op 0 at byte 16"),
    (with_word(STREAM, 9, 20), "field-fixed", "control.bin: op 0 at byte 16"),
    (with_word(STREAM, 7, 1), "field-reserved", "control.bin: op 0 at byte 16"),
    (with_word(STREAM, 13, 30), "txn-size", "control.bin: op 1 at byte 40"),
    (with_word(STREAM, 13, 16), "txn-size", "control.bin: op 1 at byte 40"),
    (with_word(STREAM, 13, 32), "txn-truncated", "control.bin: op 1 at byte 40"),
    (with_word(STREAM, 1, 1 << 31), "field-reserved", "control.bin"),
)


@pytest.mark.parametrize(("stream", "code", "place"), DAMAGE)
def test_damage_is_named_and_placed(stream: bytes, code: str, place: str) -> None:
    with pytest.raises(UnreadableInput) as caught:
        read_transactions(stream, "control.bin")
    assert (caught.value.diagnostic.code, str(caught.value.diagnostic.place)) == (code, place)


def test_header_tells_rows_apart() -> None:
    vek280 = TransactionHeader(rows=11, memtile_rows=2, columns=38)
    assert [vek280.kind(row) for row in (0, 1, 2, 3)] == [
        TileKind.SHIM,
        TileKind.MEMTILE,
        TileKind.MEMTILE,
        TileKind.CORE,
    ]
    assert disassemble(Write32(address=Tile(0, 2, TileKind.MEMTILE).address(0xC0000), value=1), vek280) == (
        "write32 tile(0,2) lock0 value=1"
    )


def test_neighbouring_descriptors_are_listed_each() -> None:
    tile = Tile(2, 1, TileKind.MEMTILE)
    first, second = MemTileBd(length=64, valid=True), MemTileBd(length=32, step0=8, valid=True)
    write = write_register(tile, BdWord(24, 0), first, second)
    assert isinstance(write, BlockWrite) and (write.column, write.row) == (2, 1)
    assert disassemble(write) == (
        "blockwrite tile(2,1) bd24.0 words=16 bd24{length=64 valid} bd25{length=32 step0=8 valid}"
    )


def test_single_words_become_single_writes() -> None:
    tile = Tile(0, 2, TileKind.CORE)
    assert write_register(tile, LockValue(3), LockWord(value=2)) == Write32(address=0x21F030, value=2)
    assert write_register(tile, LockValue(3), 2) == write_register(tile, LockValue(3), LockWord(value=2))


def test_block_writes_hold_words() -> None:
    for data in ((), (1 << 32,), (-1, 0)):
        with pytest.raises(BsccError, match=r"BlockWrite.data"):
            BlockWrite(address=0, data=data)
