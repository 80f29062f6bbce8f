"""Addresses and names of registers are inverses and agree with AM025; switches know their wires."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.encoding import register_map as rm
from compiler.encoding.registers import (
    ChannelControlWord,
    CircuitMaster,
    CoreControlWord,
    DemuxWord,
    FinishOnTlast,
    MuxWord,
    PacketMaster,
    ShimChannelControlWord,
    ShimRoute,
    SlaveWord,
    SlotWord,
    decode_master,
)
from compiler.encoding.switch import (
    Bundle,
    Port,
    check_connection,
    is_legal,
    master_index,
    master_ports,
    slave_index,
    slave_ports,
)
from compiler.encoding.tiles import Direction, TileKind
from compiler.errors import BsccError

CORE, MEMTILE, SHIM = TileKind.CORE, TileKind.MEMTILE, TileKind.SHIM
S2MM, MM2S = Direction.S2MM, Direction.MM2S
KINDS = list(TileKind)


@pytest.mark.parametrize("kind", KINDS)
def test_every_register_is_found_at_its_own_address(kind: TileKind) -> None:
    registers = rm.registers_of(kind)
    assert len(set(registers.values())) == len(registers), "two registers share an address"
    for register, offset in registers.items():
        assert rm.register_offset(kind, register) == offset
        assert rm.decode_address(kind, offset) == register
        assert offset % 4 == 0 and offset < 1 << 20


@pytest.mark.parametrize("kind", KINDS)
@given(offset=st.integers(0, (1 << 20) - 1))
def test_any_address_is_nothing_or_comes_back(kind: TileKind, offset: int) -> None:
    register = rm.find_register(kind, offset)
    if register is not None:
        assert rm.register_offset(kind, register) == offset


KNOWN: tuple[tuple[TileKind, rm.Register, int], ...] = (
    (CORE, rm.BdWord(3, 5), 0x1D074),
    (CORE, rm.StartQueue(MM2S, 1), 0x1DE1C),
    (CORE, rm.ChannelStatus(MM2S, 1), 0x1DF14),
    (CORE, rm.LockValue(15), 0x1F0F0),
    (CORE, rm.Special.CORE_CONTROL, 0x32000),
    (CORE, rm.ProgramMemory(0x3FFC), 0x23FFC),
    (CORE, rm.Master(Port(Bundle.EAST, 3)), 0x3F058),
    (CORE, rm.Slot(Port(Bundle.TRACE, 1), 0), 0x3F380),
    (CORE, rm.LockRequest(3, True, -1), 0x40FFC),
    (MEMTILE, rm.BdWord(47, 7), 0xA05FC),
    (MEMTILE, rm.ChannelControl(S2MM, 5), 0xA0628),
    (MEMTILE, rm.StartQueue(MM2S, 5), 0xA065C),
    (MEMTILE, rm.ChannelStatus(MM2S, 5), 0xA0694),
    (MEMTILE, rm.LockValue(63), 0xC03F0),
    (MEMTILE, rm.Slot(Port(Bundle.CTRL), 0), 0xB0260),
    (MEMTILE, rm.Slot(Port(Bundle.TRACE), 0), 0xB0310),
    (MEMTILE, rm.DataMemory(0x7FFFF), 0x7FFFF),
    (SHIM, rm.BdWord(15, 7), 0x1D1FC),
    (SHIM, rm.StartQueue(S2MM, 1), 0x1D20C),
    (SHIM, rm.ChannelStatus(MM2S, 1), 0x1D22C),
    (SHIM, rm.LockValue(2), 0x14020),
    (SHIM, rm.Slot(Port(Bundle.SOUTH, 7), 2), 0x3F298),
    (SHIM, rm.Special.DEMUX, 0x1F004),
)


@pytest.mark.parametrize(("kind", "register", "offset"), KNOWN, ids=str)
def test_addresses_of_am025(kind: TileKind, register: rm.Register, offset: int) -> None:
    assert rm.register_offset(kind, register) == offset
    assert rm.decode_address(kind, offset) == register


@pytest.mark.parametrize(
    ("kind", "register"),
    [
        (CORE, rm.BdWord(16, 0)),
        (CORE, rm.BdWord(0, 6)),
        (SHIM, rm.DataMemory(0)),
        (MEMTILE, rm.ProgramMemory(0)),
        (CORE, rm.DataMemory(0x10000)),
        (MEMTILE, rm.Master(Port(Bundle.EAST))),
        (CORE, rm.LockRequest(16, False, 0)),
        (MEMTILE, rm.Special.MUX),
    ],
    ids=str,
)
def test_registers_that_a_tile_lacks(kind: TileKind, register: rm.Register) -> None:
    with pytest.raises(BsccError) as caught:
        rm.register_offset(kind, register)
    assert caught.value.diagnostic.code == "register-unknown"


def test_holes_in_the_map_are_errors() -> None:
    for kind, offset in ((CORE, 0x1D018), (SHIM, 0x00000), (MEMTILE, 0x80000), (CORE, 0x1F004)):
        with pytest.raises(BsccError, match=f"0x{offset:05x}"):
            rm.decode_address(kind, offset)


def test_words_decode_by_the_register_they_are_written_to() -> None:
    master = rm.Master(Port(Bundle.DMA, 0))
    assert rm.decode_word(CORE, master, 0x80000005) == CircuitMaster(enable=True, slave=5)
    packet = PacketMaster(enable=True, drop_header=True, msels=0b0101, arbiter=2)
    assert rm.decode_word(CORE, master, 0xC0000080 | 0b0101 << 3 | 2) == packet
    control = ChannelControlWord(finish_on_tlast=FinishOnTlast.COUNTS_WITH_TOKENS, controller_id=7, reset=True)
    assert rm.decode_word(MEMTILE, rm.ChannelControl(S2MM, 0), 0x20702) == control
    paused = ShimChannelControlWord(controller_id=7, pause_memory=True)
    assert rm.decode_word(SHIM, rm.ChannelControl(S2MM, 0), 0x702) == paused
    assert rm.decode_word(CORE, rm.Special.CORE_CONTROL, 2) == CoreControlWord(reset=True)
    assert rm.decode_word(SHIM, rm.Special.MUX, 1 << 10) == MuxWord(south3=ShimRoute.DMA)
    assert rm.decode_word(SHIM, rm.Special.DEMUX, 1 << 4) == DemuxWord(south2=ShimRoute.DMA)
    assert rm.decode_word(CORE, rm.Slave(Port(Bundle.DMA)), 3 << 30) == SlaveWord(enable=True, packet=True)
    assert rm.decode_word(CORE, rm.DataMemory(0), 1) is None


def test_task_words_name_as_many_descriptors_as_the_tile_has() -> None:
    queue = rm.StartQueue(MM2S, 0)
    for kind, last in ((CORE, 15), (MEMTILE, 47), (SHIM, 15)):
        push = rm.task_word(kind, last, repeat=256, token=True)
        assert rm.decode_word(kind, queue, push.encode()[0]) == push
        assert push.encode() == (1 << 31 | 255 << 16 | last,)
        with pytest.raises(BsccError, match=f"TaskWord.bd is {last + 1}"):
            rm.task_word(kind, last + 1)


def test_disabled_master_reads_as_a_disabled_circuit() -> None:
    assert decode_master(0) == CircuitMaster()


def test_slots_match_under_their_mask() -> None:
    slot = SlotWord(enable=True, id=0b00100, mask=0b11100)
    assert [packet for packet in range(32) if slot.matches(packet)] == [4, 5, 6, 7]
    assert not SlotWord(id=4, mask=31).matches(4)


@pytest.mark.parametrize(("kind", "masters", "slaves"), [(CORE, 23, 25), (MEMTILE, 17, 18), (SHIM, 22, 23)])
def test_port_counts_of_am020(kind: TileKind, masters: int, slaves: int) -> None:
    assert (len(master_ports(kind)), len(slave_ports(kind))) == (masters, slaves)


def test_port_numbers_of_the_toolchain() -> None:
    """Offsets of aie2_port_id in AIETargetModel.cpp."""
    assert slave_index(CORE, Port(Bundle.NORTH)) == 15 and master_index(CORE, Port(Bundle.NORTH)) == 13
    assert slave_index(MEMTILE, Port(Bundle.NORTH)) == 13 and master_index(MEMTILE, Port(Bundle.NORTH)) == 11
    assert slave_index(SHIM, Port(Bundle.EAST)) == 18 and master_index(SHIM, Port(Bundle.NORTH)) == 12


def port(text: str) -> Port:
    return Port(Bundle(text[:-1]), int(text[-1]))


@pytest.mark.parametrize(
    ("kind", "slave", "master", "legal"),
    [
        (MEMTILE, "north1", "south1", True),
        (MEMTILE, "north1", "south2", False),
        (MEMTILE, "south1", "north1", True),
        (MEMTILE, "south3", "south3", True),
        (MEMTILE, "south0", "north5", False),
        (MEMTILE, "dma4", "dma4", True),
        (MEMTILE, "dma4", "dma3", False),
        (MEMTILE, "dma4", "north0", True),
        (MEMTILE, "south5", "dma0", True),
        (MEMTILE, "trace0", "dma5", True),
        (MEMTILE, "trace0", "dma0", False),
        (MEMTILE, "trace0", "north0", False),
        (MEMTILE, "ctrl0", "dma5", True),
        (CORE, "south5", "north2", True),
        (CORE, "south1", "south1", True),
        (CORE, "south1", "south2", False),
        (CORE, "core0", "core0", False),
        (CORE, "core0", "dma1", True),
        (CORE, "ctrl0", "dma0", False),
        (CORE, "trace1", "dma0", True),
        (CORE, "trace1", "dma1", False),
        (CORE, "trace0", "north0", False),
        (SHIM, "south3", "south2", True),
        (SHIM, "west0", "west1", False),
        (SHIM, "trace0", "east0", True),
        (SHIM, "trace0", "east1", False),
        (SHIM, "trace0", "north0", False),
    ],
)
def test_wires_of_the_switches(kind: TileKind, slave: str, master: str, legal: bool) -> None:
    """Rules of AIETargetModel.cpp, isLegalTileConnection."""
    assert is_legal(kind, port(slave), port(master)) is legal
    if legal:
        check_connection(kind, port(slave), port(master))
        return
    with pytest.raises(BsccError) as caught:
        check_connection(kind, port(slave), port(master))
    assert caught.value.diagnostic.code == "switch-connection"
    assert f"cannot connect {slave} to {master}" in caught.value.diagnostic.message


def test_connections_to_missing_ports_say_how_many_there_are() -> None:
    with pytest.raises(BsccError, match="a memtile tile has 0 east master ports, no east0"):
        check_connection(MEMTILE, Port(Bundle.DMA), Port(Bundle.EAST))
    with pytest.raises(BsccError, match="a core tile has 4 south master ports, no south4"):
        is_legal(CORE, Port(Bundle.DMA), Port(Bundle.SOUTH, 4))
