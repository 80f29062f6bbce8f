"""Every record survives the way to words and back, and refuses what its bits cannot hold."""

from collections.abc import Callable
from dataclasses import MISSING, Field, fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.encoding import registers, transaction
from compiler.encoding.descriptors import LIMITS, CoreBd, MemTileBd, ShimBd, bds_of_channel, check_bd_channel
from compiler.encoding.fields import Record, encode_all
from compiler.encoding.packets import ControlPacketHeader, PacketHeader, has_odd_parity
from compiler.encoding.tiles import (
    Side,
    TileKind,
    memtile_lock,
    memtile_word,
    split_address,
    split_memtile_lock,
    split_memtile_word,
    tile_address,
)
from compiler.errors import BsccError


def records_in(module: object) -> list[type[Record]]:
    found = [item for item in vars(module).values() if isinstance(item, type) and issubclass(item, Record)]
    return [item for item in found if item is not Record]


RECORDS = [CoreBd, MemTileBd, ShimBd, PacketHeader, ControlPacketHeader]
RECORDS += [*records_in(registers), *records_in(transaction)]


def values_of(record: type[Record], item: "Field[object]") -> "st.SearchStrategy[object]":
    declared = record.declaration(item.name)
    if isinstance(item.default, bool):
        return st.booleans()
    if declared.choices:
        return st.sampled_from(declared.choices)
    low, high = declared.limits()
    steps = (high - low) // declared.scale
    return st.integers(0, steps).map(lambda step: low + step * declared.scale)


def any_of(record: type[Record]) -> "st.SearchStrategy[Record]":
    items = fields(record)  # type: ignore[arg-type]
    return st.builds(record, **{item.name: values_of(record, item) for item in items})


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
@settings(max_examples=40)
@given(data=st.data())
def test_round_trip(record: type[Record], data: st.DataObject) -> None:
    value = data.draw(any_of(record))
    words = value.encode()
    assert len(words) == record.WORDS and all(0 <= word < 2**32 for word in words)
    assert record.decode(words) == value
    assert encode_all([value, value]).tolist() == [*words, *words]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
@settings(max_examples=40)
@given(data=st.data())
def test_words_that_are_accepted_come_back_unchanged(record: type[Record], data: st.DataObject) -> None:
    words = list(data.draw(any_of(record)).encode())
    position = data.draw(st.integers(0, record.WORDS - 1))
    words[position] ^= 1 << data.draw(st.integers(0, 31))
    try:
        value = record.decode(words)
    except BsccError as error:
        codes = {"field-range", "field-reserved", "field-fixed", "packet-parity"}
        assert error.diagnostic.code in codes
    else:
        assert value.encode() == tuple(words)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_one_past_each_limit_is_refused(record: type[Record]) -> None:
    for item in fields(record):  # type: ignore[arg-type]
        assert item.default is not MISSING
        low, high = record.limits(item.name)
        for value in (low - 1, high + 1):
            with pytest.raises(BsccError) as caught:
                record(**{item.name: value})
            found = caught.value.diagnostic
            assert found.code == "field-range"
            assert found.message.startswith(f"{record.__name__}.{item.name} is {value}, allowed: ")


def test_range_error_names_record_field_value_and_limits() -> None:
    with pytest.raises(BsccError) as caught:
        CoreBd(length=16384)
    assert str(caught.value) == (
        "error[field-range]: CoreBd.length is 16384, allowed: 0..16383\n  help: the field has 14 bits"
    )
    with pytest.raises(BsccError, match=r"ShimBd.burst_bytes is 100, allowed: one of 64, 128, 256"):
        ShimBd(burst_bytes=100)
    with pytest.raises(BsccError, match=r"ShimBd.address is 6, allowed: 0\.\.281474976710652 in steps of 4"):
        ShimBd(address=6)


def test_replacing_an_attribute_checks_it_again() -> None:
    with pytest.raises(BsccError, match=r"MemTileBd.wrap2 is 1024, allowed: 0\.\.1023"):
        replace(MemTileBd(length=4), wrap2=1024)


def test_decode_refuses_stray_bits_wrong_constants_and_wrong_counts() -> None:
    cases: tuple[tuple[type[Record], tuple[int, ...], str], ...] = (
        (registers.LockWord, (0x40,), "field-reserved"),
        (registers.CircuitMaster, (0xC0000001,), "field-fixed"),
        (registers.SlotWord, (0x106,), "field-range"),
        (ShimBd, (0, 0, 0, 0, 3 << 30, 0, 0, 0), "field-range"),
        (CoreBd, (0,) * 8, "field-words"),
        (registers.LockWord, (-1,), "field-words"),
        (PacketHeader, (0,), "packet-parity"),
    )
    for record, words, code in cases:
        with pytest.raises(BsccError) as caught:
            record.decode(words)
        assert caught.value.diagnostic.code == code


@pytest.mark.parametrize(
    ("record", "length", "wrap", "step"),
    [(CoreBd, 16383, 255, 8192), (MemTileBd, 131071, 1023, 131072), (ShimBd, 2**32 - 1, 1023, 1048576)],
)
def test_reach_of_each_dma(record: type[Record], length: int, wrap: int, step: int) -> None:
    """The numbers of AIETargetModel.h:674-701."""
    assert record.limits("length") == (0, length)
    assert record.limits("wrap0") == record.limits("wrap1") == (0, wrap)
    assert record.limits("step0") == record.limits("step2") == (1, step)
    assert record.limits("iteration_wrap") == (1, 64)
    assert record.limits("acquire_value") == record.limits("release_value") == (-64, 63)


def test_memory_tile_padding_and_lock_readings() -> None:
    bd = MemTileBd(pad_before0=63, pad_after0=1, pad_before1=31, pad_after2=15, acquire_value=-3, acquire_enable=True)
    assert bd.padding() == ((63, 1), (31, 0), (0, 15))
    acquire = bd.acquire()
    assert acquire is not None and (acquire.amount, acquire.at_least) == (3, True)
    assert MemTileBd(acquire_value=-3).acquire() is None and MemTileBd().release() is None
    assert MemTileBd(next_bd=5).following() is None


def test_memory_tile_channels_own_descriptors_by_parity() -> None:
    for channel in range(LIMITS[TileKind.MEMTILE].channels):
        assert bds_of_channel(TileKind.MEMTILE, channel) == (range(24, 48) if channel % 2 else range(24))
    assert bds_of_channel(TileKind.SHIM, 1) == range(16)
    with pytest.raises(BsccError, match=r"memtile DMA channel 2 cannot use BD 24, allowed: 0\.\.23"):
        check_bd_channel(TileKind.MEMTILE, 24, 2)
    with pytest.raises(BsccError, match=r"core DMA channel is 2, allowed: 0\.\.1"):
        bds_of_channel(TileKind.CORE, 2)


@given(st.integers(0, 127), st.integers(0, 31), st.integers(0, 2**20 - 1))
def test_tile_addresses_come_apart_again(column: int, row: int, offset: int) -> None:
    assert split_address(tile_address(column, row, offset)) == (column, row, offset)


@given(st.sampled_from(Side), st.integers(0, 0x1FFFF), st.integers(0, 63))
def test_memory_tile_neighbour_windows(side: Side, word: int, lock: int) -> None:
    assert split_memtile_word(memtile_word(side, word * 4)) == (side, word * 4)
    assert split_memtile_lock(memtile_lock(side, lock)) == (side, lock)
    MemTileBd(base_words=memtile_word(side, word * 4), acquire_id=memtile_lock(side, lock))


def test_own_memory_and_locks_of_a_memory_tile_start_where_silicon_has_them() -> None:
    assert (memtile_word(Side.OWN, 0), memtile_lock(Side.OWN, 0)) == (0x20000, 64)


def test_addresses_outside_their_tile_are_refused() -> None:
    wrong: tuple[Callable[[], object], ...] = (
        lambda: memtile_word(Side.OWN, 0x80000),
        lambda: memtile_word(Side.OWN, 2),
        lambda: memtile_lock(Side.EAST, 64),
        lambda: tile_address(128, 0),
        lambda: split_memtile_word(0x60000),
        lambda: split_memtile_lock(192),
    )
    for call in wrong:
        with pytest.raises(BsccError) as caught:
            call()
        assert caught.value.diagnostic.code == "tile-address"


def test_packet_header_bits_and_parity() -> None:
    header = PacketHeader(id=5, type=3, source_row=2, source_column=7)
    assert header.encode() == (0x00E23005 | (0x80000000 if (0x00E23005).bit_count() % 2 == 0 else 0),)
    assert PacketHeader().encode() == (1 << 31,)
    assert has_odd_parity(ControlPacketHeader(address=0x1D000, beats=4, operation=1).encode()[0])
    assert ControlPacketHeader(beats=4).encode()[0] & ~(1 << 31) == 3 << 20
