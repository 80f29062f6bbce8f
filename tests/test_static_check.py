"""The static check refuses what hangs, and what the hardware has no room for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from compiler.backend import static_check
from compiler.encoding.tiles import Side, memtile_lock, memtile_word
from compiler.encoding.work import CONFIG_ADDRESS, CoreConfig
from compiler.errors import InternalError
from compiler.ir import FuncOp, Rewriter
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
    ProgramOp,
    PushOp,
    SyncOp,
)
from tests.control_modules import OWN, TARGET, module_of


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
