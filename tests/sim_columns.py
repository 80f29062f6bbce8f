"""A column of the simulated machine at work: packets and activations in, outputs out, all by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from compiler.encoding import overlay
from compiler.encoding.descriptors import ShimBd
from compiler.errors import SimulationFault
from compiler.target import Target
from tests.sim_streams import (
    MEMTILE,
    MM2S,
    OUT_SLOTS,
    S2MM,
    SHIM,
    Script,
    core,
    memtile_bd,
    requantize_packet,
)

TARGET = Target.load("aie2-2x2")
PIXELS = 16
ACT_BYTES = 8 * PIXELS
Arguments = dict[int, npt.NDArray[np.uint8]]


def ddr(size: int, constants: npt.NDArray[np.uint8] | None = None) -> Arguments:
    """Four arguments: constants, an input that counts, outputs and scratch of zeros."""
    inputs = (np.arange(size) % 251).astype(np.uint8)
    none = np.zeros(0, np.uint8)
    return {0: none if constants is None else constants, 1: inputs, 2: np.zeros(size, np.uint8), 3: none}


def refused(script: Script, arguments: Arguments, code: str, target: Target = TARGET) -> str:
    """The text of the fault, which must have this code."""
    with pytest.raises(SimulationFault) as caught:
        script.run(target, arguments)
    assert caught.value.diagnostic.code == code, str(caught.value)
    return str(caught.value)


def column(
    rows: int, packets: list[tuple[int, int]], *, share: bool = False, calls: int = 1
) -> tuple[Script, Arguments]:
    """Send (packet id, shift) pieces of work to a column; each halves the activations of its own id."""
    script = Script()
    script.column_routes()
    script.core_routes(rows, 1 if share else rows)
    size = len(requantize_packet(PIXELS, 0, calls))
    constants = np.concatenate([requantize_packet(PIXELS, shift, calls) for _, shift in packets])
    words = len(constants) // 4
    script.lock(MEMTILE, 0, 0)
    script.bd(MEMTILE, 0, memtile_bd(0, ACT_BYTES * len(packets) // 4, release=(0, 1)))
    script.bd(MEMTILE, 24, memtile_bd(0x4000, words, release=(1, 1)))
    script.push(MEMTILE, S2MM, 4, 0)
    script.push(MEMTILE, S2MM, 5, 24)
    script.shim_bd(0, 1, 0, ShimBd(length=ACT_BYTES * len(packets) // 4))
    script.shim_bd(1, 0, 0, ShimBd(length=words))
    script.push(SHIM, MM2S, 0, 0)
    script.push(SHIM, MM2S, 1, 1)
    last = len(packets) - 1
    for number, (packet_id, _) in enumerate(packets):
        chain: dict[str, Any] = {"use_next_bd": number != last, "packet": 1, "packet_id": packet_id}
        wait = number == 0
        act = memtile_bd(
            ACT_BYTES * number, ACT_BYTES // 4, acquire=(0, 1) if wait else None, next_bd=number + 2, **chain
        )
        work = memtile_bd(
            0x4000 + size * number,
            size // 4,
            acquire=(1, 1) if wait else None,
            next_bd=number + 11,
            **chain,
        )
        script.bd(MEMTILE, 1 + number, act)
        script.bd(MEMTILE, 10 + number, work)
    return script, ddr(ACT_BYTES * len(packets), constants)


def collect(script: Script, streams: list[int]) -> None:
    """Send the outputs of the streams to DDR argument 2, one after another."""
    words = ACT_BYTES // 4
    for number, stream in enumerate(streams):
        first = 36 if stream % 2 else 12
        offset = 0x8000 + ACT_BYTES * number
        script.bd(MEMTILE, first + stream, memtile_bd(offset, words, release=(2 + number, 1)))
        script.push(MEMTILE, S2MM, stream, first + stream)
        send = memtile_bd(offset, words, acquire=(2 + number, 1))
        script.bd(MEMTILE, 40 + number, send)
        script.push(MEMTILE, MM2S, 5, 40 + number)
        script.shim_bd(4 + number, 2, ACT_BYTES * number, ShimBd(length=words))
        script.push(SHIM, S2MM, 0, 4 + number, token=True)
    script.push(MEMTILE, MM2S, 0, 1)
    script.push(MEMTILE, MM2S, 4, 10)
    for _ in streams:
        script.sync(SHIM, S2MM, 0)


def halved(data: npt.NDArray[np.uint8], shift: int) -> npt.NDArray[np.uint8]:
    return np.rint(data.view(np.int8) / 2.0**shift).astype(np.int8).view(np.uint8)


def outputs(script: Script, row: int) -> None:
    locks = overlay.OUT_FREE, overlay.OUT_FULL
    script.ring(core(row), 4, MM2S, 0, OUT_SLOTS, (locks[1], locks[0]), ACT_BYTES // 4)


def one_core(calls: int = 1, **changes: int) -> tuple[Script, Arguments]:
    """One piece of work on one core, its header or call changed before it is sent."""
    script, arguments = column(1, [(overlay.ROW_IDS[0], 1)], calls=calls)
    words = arguments[0].view("<u4")
    for position, value in changes.items():
        words[int(position.removeprefix("w"))] = value
    script.core_program(core(0))
    outputs(script, 0)
    collect(script, [0])
    return script, arguments
