"""The control stream reads back as the operations it came from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from compiler.backend import emit_control
from compiler.encoding.descriptors import (
    DESCRIPTORS,
    Acquire,
    CoreBd,
    Descriptor,
    Dim,
    MemTileBd,
    Release,
    ShimBd,
)
from compiler.encoding.register_map import (
    BdWord,
    ChannelControl,
    DataMemory,
    LockValue,
    Master,
    Register,
    Slave,
    Slot,
    Special,
    StartQueue,
    decode_address,
    decode_word,
)
from compiler.encoding.registers import (
    ChannelControlWord,
    CircuitMaster,
    CoreControlWord,
    DemuxWord,
    LockWord,
    MemTileTaskWord,
    MuxWord,
    PacketMaster,
    SlaveWord,
    SlotWord,
    TaskWord,
)
from compiler.encoding.switch import Bundle, Port
from compiler.encoding.tiles import Direction, Side, TileKind, memtile_lock, split_address
from compiler.encoding.transaction import BlockWrite, DdrPatch, Op, Sync, Write32, read_transactions
from compiler.encoding.work import CONFIG_ADDRESS, CoreConfig
from compiler.errors import InternalError, NodeLocation
from compiler.ir import FuncOp, IRError, Rewriter
from compiler.ir import Op as IrOp
from dialects.aie2 import (
    BdOp,
    ChannelOp,
    CircuitOp,
    CoreConfigOp,
    CoreEnableOp,
    LayerOp,
    LockOp,
    PacketMasterOp,
    PacketSlaveOp,
    PushOp,
    ShimMuxOp,
    SyncOp,
    port_of,
)
from tests.control_modules import OWN, TARGET, module_of


def emitted(*ops: IrOp) -> tuple[Op, ...]:
    return read_transactions(emit_control(module_of(*ops), TARGET)[0]).ops


def place(address: int, kind: TileKind) -> tuple[int, int, Register]:
    column, row, offset = split_address(address)
    return column, row, decode_address(kind, offset)


def words(*ops: IrOp, kind: TileKind) -> list[tuple[int, int, Register, Any]]:
    found = []
    for op in emitted(*ops):
        assert isinstance(op, Write32)
        column, row, register = place(op.address, kind)
        found.append((column, row, register, decode_word(kind, register, op.value)))
    return found


def test_switch_and_core_registers() -> None:
    core, dma0, north3 = TileKind.CORE, Port(Bundle.DMA), Port(Bundle.NORTH, 3)
    assert words(CircuitOp(1, 2, "DMA0", "North3"), kind=core) == [
        (1, 2, Slave(dma0), SlaveWord(enable=True)),
        (1, 2, Master(north3), CircuitMaster(enable=True, slave=1)),
    ]
    assert words(PacketMasterOp(0, 3, "DMA0", 4, 3, True), kind=core) == [
        (0, 3, Master(dma0), PacketMaster(enable=True, drop_header=True, msels=3, arbiter=4)),
    ]
    assert words(ShimMuxOp(1), kind=TileKind.SHIM) == [
        (1, 0, Special.MUX, MuxWord(south3=1, south7=1)),
        (1, 0, Special.DEMUX, DemuxWord(south2=1, south3=1)),
    ]
    assert words(CoreEnableOp(1, 3), LockOp(1, 3, 5, 2), kind=core) == [
        (1, 3, Special.CORE_CONTROL, CoreControlWord(enable=True)),
        (1, 3, LockValue(5), LockWord(value=2)),
    ]
    assert words(ChannelOp(1, 2, "S2MM", 1, 1), kind=core) == [
        (1, 2, ChannelControl(Direction.S2MM, 1), ChannelControlWord(finish_on_tlast=1)),
    ]


def test_packet_slave() -> None:
    block, mode = emitted(PacketSlaveOp(0, 2, "South4", (16, 31, 0, 4, 0, 16, 2, 4)))
    port = Port(Bundle.SOUTH, 4)
    assert isinstance(block, BlockWrite) and isinstance(mode, Write32)
    assert (block.column, block.row) == (0, 2)
    assert place(block.address, TileKind.CORE) == (0, 2, Slot(port, 0))
    assert [SlotWord.decode((word,)) for word in block.data] == [
        SlotWord(id=16, mask=31, enable=True, msel=0, arbiter=4),
        SlotWord(id=0, mask=16, enable=True, msel=2, arbiter=4),
    ]
    assert place(mode.address, TileKind.CORE) == (0, 2, Slave(port))
    assert SlaveWord.decode((mode.value,)) == SlaveWord(enable=True, packet=True)


def test_core_config() -> None:
    (op,) = emitted(CoreConfigOp(1, 3, tuple(range(CoreConfig.WORDS))))
    assert isinstance(op, BlockWrite) and op.data == tuple(range(CoreConfig.WORDS))
    assert place(op.address, TileKind.CORE) == (1, 3, DataMemory(CONFIG_ADDRESS))


def test_push_and_sync() -> None:
    push = words(PushOp(0, 1, "MM2S", 4, 40, 3, True), kind=TileKind.MEMTILE)
    assert push == [(0, 1, StartQueue(Direction.MM2S, 4), MemTileTaskWord(bd=40, repeat=3, token=True))]
    push = words(PushOp(1, 0, "S2MM", 0, 7, 1, False), kind=TileKind.SHIM)
    assert push == [(1, 0, StartQueue(Direction.S2MM, 0), TaskWord(bd=7))]
    (sync,) = emitted(SyncOp(1, 0, "S2MM", 1))
    assert sync == Sync(column=1, row=0, direction=0, channel=1)


def bd_words(op: IrOp, kind: TileKind, number: int) -> Descriptor:
    block = emitted(op)[0]
    assert isinstance(block, BlockWrite)
    assert place(block.address, kind)[2] == BdWord(number, 0)
    return DESCRIPTORS[kind].decode(block.data)


def test_memory_tile_bd() -> None:
    op = BdOp(
        0, 1, 30, OWN + 64, 48, (1, 4, 100), (4, 3),
        iteration=(12, 5, 2), acquire=(memtile_lock(Side.OWN, 3), 2), release=(memtile_lock(Side.OWN, 4), 1),
        next_bd=31, packet=17, keep_open=True,
    )  # fmt: skip
    bd = bd_words(op, TileKind.MEMTILE, 30)
    assert isinstance(bd, MemTileBd)
    assert (bd.base_words, bd.length, bd.valid, bd.tlast_suppress) == (OWN + 64, 48, True, True)
    assert bd.dims() == (Dim(1, 4), Dim(4, 3), Dim(100, 0), Dim(1, 0))
    assert (bd.iteration(), bd.iteration_current) == (Dim(12, 5), 2)
    assert bd.acquire() == Acquire(67, 2, at_least=True)
    assert bd.release() == Release(68, 1)
    assert (bd.following(), bd.packet, bd.packet_id) == (31, True, 17)


def test_core_bd() -> None:
    bd = bd_words(BdOp(1, 2, 3, 256, 1024, (1,), (), acquire=(0, 1), next_bd=2), TileKind.CORE, 3)
    assert isinstance(bd, CoreBd)
    assert (bd.base_words, bd.length, bd.packet, bd.tlast_suppress) == (256, 1024, False, False)
    assert (bd.acquire(), bd.release(), bd.following()) == (Acquire(0, 1, True), None, 2)
    assert bd.dims() == (Dim(1, 0), Dim(1, 0), Dim(1, 0))


def test_shim_bd_is_patched_right_after() -> None:
    block, patch = emitted(BdOp(1, 0, 2, 25, 64, (1, 200), (16,), argument=3))
    assert isinstance(block, BlockWrite) and isinstance(patch, DdrPatch)
    bd = ShimBd.decode(block.data)
    assert (bd.length, bd.address, bd.valid, bd.dims()[:2]) == (64, 0, True, (Dim(1, 16), Dim(200, 0)))
    assert place(patch.address, TileKind.SHIM) == (1, 0, BdWord(2, 1))
    assert (patch.argument, patch.offset_bytes) == (3, 100)


def test_header_layers_and_listing() -> None:
    node = NodeLocation("Conv_7", "Conv")
    stream, text, layers = emit_control(
        module_of(
            LockOp(0, 1, 0, 1),
            LayerOp(0, "conv7", loc=node),
            BdOp(0, 0, 0, 0, 4, (1,), (), argument=1),
            LayerOp(1, "pool8"),
            SyncOp(0, 0, "S2MM", 0, loc=node),
            LayerOp(0, "conv7", loc=node),
            SyncOp(0, 0, "S2MM", 0),
        ),
        TARGET,
    )
    read = read_transactions(stream)
    assert (read.header.rows, read.header.columns, read.header.operations) == (4, 2, 5)
    assert layers == [[(1, 3), (4, 5)], [(3, 4)]]
    lines = text.splitlines()
    assert [line.split(";")[1].strip() for line in lines] == [
        "set-up", f"conv7 [{node}]", f"conv7 [{node}]", f"pool8: {node}", f"conv7 [{node}]",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "make"),
    [
        ("emit-layer", lambda: LayerOp(1, "late")),
        ("emit-op", lambda: FuncOp.make("inner", [], [])),
        ("bd-argument", lambda: BdOp(0, 0, 0, 0, 4, (1,), ())),
        ("bd-argument", lambda: BdOp(0, 2, 0, 0, 4, (1,), (), argument=0)),
        ("field-unknown", lambda: BdOp(0, 2, 0, 0, 4, (1, 1, 1, 1), (1, 1, 1))),
        ("field-range", lambda: BdOp(0, 2, 0, 0, 1 << 14, (1,), ())),
        ("register-unknown", lambda: LockOp(0, 2, 16, 0)),
    ],
)
def test_what_cannot_be_emitted(code: str, make: Callable[[], IrOp]) -> None:
    module = module_of()
    Rewriter.at_start(module.function().body.block).insert(make())
    with pytest.raises(InternalError) as caught:
        emit_control(module, TARGET)
    assert caught.value.diagnostic.code == code


def test_the_dialect_refuses_what_has_no_meaning() -> None:
    for code, op in (
        ("port-name", CircuitOp(0, 1, "dma0", "North0")),
        ("slot-fields", PacketSlaveOp(0, 1, "DMA0", (1, 2, 3))),
        ("dma-direction", SyncOp(0, 1, "mm2s", 0)),
        ("bd-dims", BdOp(0, 1, 0, 0, 4, (1,), (1,))),
        ("bd-fields", BdOp(0, 1, 0, 0, 4, (1,), (), acquire=(1,))),
    ):
        with pytest.raises(IRError) as caught:
            op.verify()
        assert caught.value.diagnostic.code == code


@pytest.mark.parametrize("name", ["dma0", "North", "Up1", ""])
def test_no_port(name: str) -> None:
    assert port_of(name) is None
