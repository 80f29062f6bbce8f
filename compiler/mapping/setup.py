"""What every core gets once, before the first run: receiving rings, locks, its configuration record, its program."""

from __future__ import annotations

from collections.abc import Set

import numpy as np
from numpy.typing import NDArray

from compiler.encoding.overlay import (
    ACT_FREE,
    ACT_FULL,
    OUT_FREE,
    OUT_FULL,
    UPPER_FREE,
    UPPER_FULL,
    WORK_FREE,
    WORK_FULL,
    own_lock,
    shares_output,
    south_lock,
)
from compiler.encoding.registers import FinishOnTlast
from compiler.encoding.tiles import CORE_MEMORY_BYTES, Direction, TileKind
from compiler.encoding.work import CallRecord, CoreConfig, WorkHeader
from compiler.ir import Module, Rewriter
from compiler.kernels.programs.parts import bit
from compiler.kernels.programs.resident import Feature, features_of, resident
from compiler.mapping.control import Channel, Controller
from compiler.mapping.shapes import CoreLayout
from compiler.plan import COSTS, PROGRAM, PROGRAM_LISTING, json_bytes
from compiler.target import Target
from dialects import aie2

SLOTS = 2


def config(layout: CoreLayout, target: Target, row: int) -> CoreConfig:
    """The configuration of a core in row `row`; an upper core of a pair writes its results to the one below."""
    own, south = CORE_MEMORY_BYTES["own"], CORE_MEMORY_BYTES["south"]
    upper = shares_output(target.core_rows) and row % 2 == 1
    window, shift = (south, SLOTS * layout.out_bytes) if upper else (own, 0)
    return CoreConfig(
        act_slot0=own + layout.act[0],
        act_slot1=own + layout.act[1],
        act_bytes=layout.act_bytes,
        work_slot0=own + layout.work[0],
        work_slot1=own + layout.work[1],
        work_bytes=layout.work_bytes,
        out_slot0=window + layout.out[0] + shift,
        out_slot1=window + layout.out[1] + shift,
        out_bytes=layout.out_bytes,
        acc_address=own + layout.acc,
        acc_bytes=layout.acc_bytes,
        act_free_lock=own_lock(ACT_FREE),
        act_full_lock=own_lock(ACT_FULL),
        work_free_lock=own_lock(WORK_FREE),
        work_full_lock=own_lock(WORK_FULL),
        out_free_lock=south_lock(UPPER_FREE) if upper else own_lock(OUT_FREE),
        out_full_lock=south_lock(UPPER_FULL) if upper else own_lock(OUT_FULL),
        row=row,
    )


def set_up_cores(control: Controller, target: Target, layout: CoreLayout) -> None:
    """Rings, locks and configuration of all cores, then let them run."""
    cores = [(c, r) for c in range(target.columns) for r in range(target.core_rows)]
    for column, row in cores:
        control.emit(aie2.CoreResetOp(column, target.first_core_row + row))
        _set_up_core(control, target, layout, column, row)
    for column, row in cores:
        control.emit(aie2.CoreEnableOp(column, target.first_core_row + row))


def features_in(packet: NDArray[np.uint8]) -> frozenset[Feature]:
    """What a core must be able to do to run a packet."""
    words = packet.view(np.dtype("<u4"))
    header = WorkHeader.decode(words[: WorkHeader.WORDS].tolist())
    calls = words[header.calls_offset // 4 :][: header.call_lists * header.calls * CallRecord.WORDS]
    flags = calls[:: CallRecord.WORDS]
    whole, skip = bit(CallRecord, "first") | bit(CallRecord, "last"), bit(CallRecord, "skip")
    parts = (flags & skip == 0) & (flags & whole != whole)
    return features_of(header, bool(parts.any()))


def load_programs(module: Module, features: Set[Feature]) -> None:
    """Give every core a program that can do so much, right before it is let run."""
    made, store = resident(features), module.store
    files = {
        PROGRAM: made.program.bytes,
        PROGRAM_LISTING: made.program.text().encode(),
        COSTS: json_bytes(made.costs.to_dict()),
    }
    for name, data in files.items():
        store[name] = np.frombuffer(data, np.uint8)
    digest, rw = store.digest(PROGRAM), Rewriter()
    for record in list(module.walk(aie2.CoreConfigOp)):
        words = made.configured(CoreConfig.decode(record.words)).encode()
        rw.replace(record, aie2.CoreConfigOp(record.column, record.row, words, loc=record.loc))
    for enable in list(module.walk(aie2.CoreEnableOp)):
        rw.insert_before(enable, aie2.ProgramOp(enable.column, enable.row, PROGRAM, digest, loc=enable.loc))


def _set_up_core(control: Controller, target: Target, layout: CoreLayout, column: int, row: int) -> None:
    tile_row = target.first_core_row + row
    for lock, value in ((ACT_FREE, SLOTS), (ACT_FULL, 0), (WORK_FREE, SLOTS), (WORK_FULL, 0)):
        control.emit(aie2.LockOp(column, tile_row, lock, value))
    for lock, value in ((OUT_FREE, SLOTS), (OUT_FULL, 0), (UPPER_FREE, SLOTS), (UPPER_FULL, 0)):
        control.emit(aie2.LockOp(column, tile_row, lock, value))
    control.emit(aie2.CoreConfigOp(column, tile_row, config(layout, target, row).encode()))
    rings = (
        (0, layout.act, layout.act_bytes, (ACT_FREE, ACT_FULL)),
        (1, layout.work, layout.work_bytes, (WORK_FREE, WORK_FULL)),
    )
    for number, slots, size, (free, full) in rings:
        channel = Channel(column, tile_row, TileKind.CORE, Direction.S2MM, number)
        bds = control.reserve(channel, SLOTS)
        for index, bd in enumerate(bds):
            control.emit(
                aie2.BdOp(
                    column=column,
                    row=tile_row,
                    bd=bd,
                    address=slots[index] // 4,
                    length=size // 4,
                    steps=(1,),
                    wraps=(),
                    acquire=(free, 1),
                    release=(full, 1),
                    next_bd=bds[(index + 1) % SLOTS],
                )
            )
        control.emit(aie2.ChannelOp(column, tile_row, "S2MM", number, int(FinishOnTlast.NO_COUNTS)))
        control.emit(
            aie2.PushOp(
                column=column,
                row=tile_row,
                direction="S2MM",
                channel=number,
                bd=bds[0],
                repeat=1,
                token=False,
            )
        )
