"""The control stream reads back as the operations it came from, and the static check refuses what hangs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from compiler.backend import emit_control, static_check
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
from compiler.encoding.tiles import Direction, Side, TileKind, memtile_lock, memtile_word, split_address
from compiler.encoding.transaction import BlockWrite, DdrPatch, Op, Sync, Write32, read_transactions
from compiler.encoding.work import CONFIG_ADDRESS, CoreConfig
from compiler.errors import InternalError, NodeLocation
from compiler.ir import FuncOp, IRError, Module, ReturnOp, Rewriter, verify
from compiler.ir import Op as IrOp
from compiler.target import Target
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
    ProgramOp,
    PushOp,
    ShimMuxOp,
    SyncOp,
    port_of,
)

TARGET = Target.load("aie2-2x2")
OWN = memtile_word(Side.OWN, 0)


def module_of(*ops: IrOp) -> Module:
    module = Module()
    module.store["program"] = np.zeros(32, np.uint8)
    main = Rewriter.at_end(module.body.block).insert(FuncOp.make("main", [], []))
    rewriter = Rewriter.at_end(main.body.block)
    for op in (*ops, ReturnOp(())):
        rewriter.insert(op)
    verify(module)
    return module


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


def bd(number: int = 0, **changes: Any) -> BdOp:
    """A plain descriptor of the memory tile (0,1)."""
    given: dict[str, Any] = {"address": OWN, "length": 8, "steps": (1,), "wraps": ()}
    given |= changes
    return BdOp(given.pop("column", 0), given.pop("row", 1), number, **given)


def core_bd(**changes: Any) -> BdOp:
    return bd(row=2, **({"address": 0} | changes))


def shim_bd(**changes: Any) -> BdOp:
    return bd(row=0, **({"address": 0, "argument": 0} | changes))


def push(number: int = 0, channel: int = 0, token: bool = True, repeat: int = 1) -> PushOp:
    return PushOp(0, 1, "MM2S", channel, number, repeat, token)


def sync(channel: int = 0) -> SyncOp:
    return SyncOp(0, 1, "MM2S", channel)


def running() -> list[IrOp]:
    return [ProgramOp(0, 2, "program", module_of().store.digest("program")), CoreEnableOp(0, 2)]


LOCKED: dict[str, Any] = {"acquire": (memtile_lock(Side.OWN, 3), 1)}

GOOD: list[Callable[[], list[IrOp]]] = [
    lambda: [bd(), push(), sync(), bd(), push()],
    lambda: [bd(), push(token=False), bd(1), push(1), sync(), bd()],  # a later task is done too
    lambda: [bd(), *(push() for _ in range(4)), sync(), push()],
    lambda: [bd(**LOCKED), push(), sync(), LockOp(0, 1, 3, 0)],
    lambda: [bd(next_bd=1), bd(1, next_bd=0), push(token=False)],
    lambda: [bd(address=memtile_word(Side.EAST, 0)), push()],
    lambda: [bd(length=16, steps=(1, 1000), wraps=(4,), iteration=(8, 64, 63))],
    lambda: [core_bd(length=16352), shim_bd(length=1 << 20)],
    lambda: [LockOp(0, 2, 0, 2), CoreConfigOp(0, 2, (0,) * CoreConfig.WORDS), *running()],
]


@pytest.mark.parametrize("number", range(len(GOOD)))
def test_good_streams_pass(number: int) -> None:
    static_check(module_of(*GOOD[number]()), TARGET)


BAD: list[tuple[str, Callable[[], list[IrOp]]]] = [
    ("check-tile", lambda: [bd(column=2)]),
    ("check-tile", lambda: [LockOp(0, 4, 0, 0)]),
    ("check-tile", lambda: [CoreEnableOp(0, 1)]),
    ("check-tile", lambda: [bd(address=0)]),  # west of column 0
    ("check-tile", lambda: [bd(acquire=(0, 1))]),
    ("check-channel", lambda: [PushOp(0, 2, "MM2S", 2, 0, 1, False)]),
    ("check-channel", lambda: [ChannelOp(0, 2, "MM2S", 0, 1)]),
    ("check-channel", lambda: [bd(), push(), ChannelOp(0, 1, "MM2S", 0, 0)]),
    ("check-bd-channel", lambda: [bd(24), push(24)]),
    ("check-bd-channel", lambda: [bd(0), push(0, channel=1)]),
    ("check-bd-channel", lambda: [bd(next_bd=24), bd(24), push()]),
    ("check-bd-unwritten", lambda: [push()]),
    ("check-bd-unwritten", lambda: [bd(next_bd=1), push()]),
    ("check-bd-busy", lambda: [bd(), push(), bd()]),
    ("check-bd-busy", lambda: [bd(next_bd=1), bd(1), push(), bd(1)]),
    ("check-bd-busy", lambda: [bd(), push(), push(token=False), sync(), bd()]),
    ("check-bd-busy", lambda: [bd(), push(), push(channel=2), sync(channel=0), bd()]),
    ("check-lock-busy", lambda: [bd(**LOCKED), push(), LockOp(0, 1, 3, 0)]),
    ("check-lock-busy", lambda: [bd(release=(memtile_lock(Side.EAST, 3), 1)), push(), LockOp(1, 1, 3, 0)]),
    ("check-running", lambda: [*running(), LockOp(0, 2, 0, 0)]),
    ("check-running", lambda: [*running(), CoreConfigOp(0, 2, (0,) * CoreConfig.WORDS)]),
    ("check-config", lambda: [CoreConfigOp(0, 2, (0,) * 15)]),
    ("check-queue", lambda: [bd(), *(push() for _ in range(5))]),
    ("check-queue", lambda: [bd(), push(), *(push(token=False) for _ in range(4)), sync(), push()]),
    ("check-repeat", lambda: [bd(), push(repeat=257)]),
    ("check-repeat", lambda: [bd(), push(repeat=0)]),
    ("check-token", lambda: [bd(), push(), sync(), sync()]),
    ("check-token", lambda: [bd(), push(token=False), sync()]),
    ("check-bd", lambda: [bd(48)]),
    ("check-bd", lambda: [core_bd(next_bd=16)]),
    ("check-length", lambda: [bd(length=0)]),
    ("check-length", lambda: [core_bd(length=1 << 14)]),
    ("check-dims", lambda: [core_bd(steps=(1, 1, 1, 1), wraps=(1, 1, 1))]),
    ("check-step", lambda: [core_bd(steps=(0,))]),
    ("check-step", lambda: [bd(steps=(1 << 18,))]),
    ("check-wrap", lambda: [core_bd(steps=(1, 1), wraps=(256,))]),
    ("check-wrap", lambda: [bd(steps=(1, 1), wraps=(0,))]),
    ("check-iteration", lambda: [bd(iteration=(1, 65, 0))]),
    ("check-iteration", lambda: [bd(iteration=(1, 4, 4))]),
    ("check-iteration", lambda: [bd(iteration=(0, 4, 0))]),
    ("check-lock", lambda: [bd(acquire=(192, 1))]),
    ("check-lock", lambda: [core_bd(release=(16, 1))]),
    ("check-lock", lambda: [core_bd(acquire=(0, 64))]),
    ("check-lock", lambda: [LockOp(0, 1, 64, 0)]),
    ("check-lock", lambda: [LockOp(0, 1, 0, 64)]),
    ("check-packet", lambda: [bd(packet=32)]),
    ("check-memory", lambda: [bd(address=memtile_word(Side.OWN, 0x7FFF0))]),
    ("check-memory", lambda: [bd(address=memtile_word(Side.OWN, 0x70000), iteration=(2000, 64, 0))]),
    ("check-memory", lambda: [core_bd(address=CONFIG_ADDRESS // 4)]),
    ("check-memory", lambda: [core_bd(length=8, steps=(1, 8192), wraps=(3,))]),
    ("check-memory", lambda: [core_bd(argument=1)]),
    ("check-memory", lambda: [shim_bd(argument=None)]),
    ("check-memory", lambda: [shim_bd(argument=4)]),
    ("check-neighbour", lambda: [bd(address=memtile_word(Side.EAST, 0)), push(channel=4)]),
    ("check-neighbour", lambda: [bd(acquire=(memtile_lock(Side.EAST, 0), 1)), push(channel=4)]),
    ("check-connection", lambda: [CircuitOp(0, 1, "South0", "North1")]),
    ("check-port", lambda: [CircuitOp(0, 1, "DMA6", "North1")]),
    ("check-port", lambda: [CircuitOp(0, 1, "DMA0", "West0")]),
    ("check-port", lambda: [CircuitOp(0, 1, "DMA0", "North0"), CircuitOp(0, 1, "DMA1", "North0")]),
    ("check-port", lambda: [CircuitOp(0, 1, "DMA0", "North0"), PacketSlaveOp(0, 1, "DMA0", (0, 0, 0, 0))]),
    ("check-slots", lambda: [PacketSlaveOp(0, 1, "DMA0", (1, 31, 0, 0, 0, 0, 0, 0))]),
    ("check-slots", lambda: [PacketSlaveOp(0, 1, "DMA0", (1, 31, 0, 0) * 5)]),
    ("check-slots", lambda: [PacketMasterOp(0, 1, "North0", 6, 1, False)]),
    ("check-op", lambda: [FuncOp.make("inner", [], [])]),
]


@pytest.mark.parametrize("number", range(len(BAD)), ids=[code for code, _ in BAD])
def test_bad_streams_are_refused(number: int) -> None:
    code, make = BAD[number]
    module = module_of(LayerOp(0, "first"))
    rewriter = Rewriter.at_end(module.function().body.block)
    for op in make():
        rewriter.insert(op)
    with pytest.raises(InternalError) as caught:
        static_check(module, TARGET)
    assert caught.value.diagnostic.code == code


def test_the_place_is_named() -> None:
    with pytest.raises(InternalError, match=r"op 2 'aie2.sync' at tile\(0,1\) MM2S 2: no token will come"):
        static_check(module_of(bd(), push(), sync(2)), TARGET)


def test_sizes_of_arguments() -> None:
    static_check(module_of(shim_bd(address=2)), TARGET, (40,))
    with pytest.raises(InternalError, match=r"bytes 8..39 of argument 0, 36 are there"):
        static_check(module_of(shim_bd(address=2)), TARGET, (36,))


def test_memory_of_the_target_counts() -> None:
    small = replace(TARGET, memory_tile=replace(TARGET.memory_tile, bytes=16))
    with pytest.raises(InternalError, match=r"bytes 0..31 of the memory tile, 16 are there"):
        static_check(module_of(bd()), small)


@pytest.mark.parametrize("name", ["dma0", "North", "Up1", ""])
def test_no_port(name: str) -> None:
    assert port_of(name) is None
