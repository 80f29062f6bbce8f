"""Cores of the simulated machine: what reaches them, what they cost, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.encoding import overlay
from compiler.encoding.descriptors import CoreBd
from compiler.encoding.register_map import ChannelControl, DataMemory, ProgramMemory, Special
from compiler.encoding.registers import ChannelControlWord, CoreControlWord
from compiler.encoding.tiles import CORE_MEMORY_BYTES
from compiler.encoding.work import CONFIG_ADDRESS, WORK_VERSION, CoreConfig, Step
from tests.plans import COSTS
from tests.sim_columns import ACT_BYTES, PIXELS, TARGET, collect, column, halved, one_core, outputs, refused
from tests.sim_streams import MEMTILE, MM2S, S2MM, UPPER_SLOTS, core


def test_packets_reach_two_cores_which_compute() -> None:
    script, arguments = column(2, [(overlay.ROW_IDS[0], 1), (overlay.ROW_IDS[1], 2)])
    for row in range(2):
        script.core_program(core(row))
        outputs(script, row)
    collect(script, [0, 1])
    result = script.run(TARGET, arguments)
    data = arguments[1]
    assert np.array_equal(arguments[2][:ACT_BYTES], halved(data[:ACT_BYTES], 1))
    assert np.array_equal(arguments[2][ACT_BYTES:], halved(data[ACT_BYTES:], 2))
    assert [call.core for call in result.calls] == [(0, 2), (0, 3)]
    assert all(call.end - call.start >= call.cycles > 0 for call in result.calls)
    assert result.busy["core(0,2)"] > 0 and 0 in result.layers


def test_a_broadcast_packet_reaches_all_cores() -> None:
    script, arguments = column(2, [(overlay.BROADCAST_ID, 1)])
    for row in range(2):
        script.core_program(core(row))
        outputs(script, row)
    arguments[2] = np.zeros(2 * ACT_BYTES, np.uint8)
    collect(script, [0, 1])
    script.run(TARGET, arguments)
    assert np.array_equal(arguments[2], np.tile(halved(arguments[1], 1), 2))


def test_the_upper_core_writes_through_its_south_window() -> None:
    script, arguments = column(2, [(overlay.ROW_IDS[1], 3)], share=True)
    script.core_program(core(0))
    script.core_program(core(1), south_output=True)
    locks = overlay.UPPER_FULL, overlay.UPPER_FREE
    script.ring(core(0), 4, MM2S, 0, UPPER_SLOTS, locks, ACT_BYTES // 4)
    collect(script, [0])
    script.run(TARGET, arguments)
    assert np.array_equal(arguments[2], halved(arguments[1], 3))


STARTING = TARGET.timing.lock_cycles + COSTS.call_run  # from having room for results to the kernel
KERNEL_CYCLES = COSTS.combine_call + PIXELS // 4 * COSTS.combine_group


def test_a_core_takes_what_the_costs_say() -> None:
    script, arguments = one_core()
    (call,) = script.run(TARGET, arguments).calls
    assert call.cycles == KERNEL_CYCLES
    assert call.end - call.start == STARTING + KERNEL_CYCLES


def test_a_skipped_call_takes_the_activations_of_the_next() -> None:
    skip, rest = 0b10001, 0b01110 | Step.COMBINE << 8  # acquire and skip; release, first and last
    script, arguments = one_core(calls=2, w32=skip, w40=rest)
    (call,) = script.run(TARGET, arguments).calls
    assert np.array_equal(arguments[2], halved(arguments[1], 1))
    assert call.end - call.start == STARTING + KERNEL_CYCLES
    before = COSTS.boot + COSTS.packet + COSTS.call + COSTS.call_act + COSTS.call_out
    assert call.start >= before + 3 * TARGET.timing.lock_cycles


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"w0": 10 | WORK_VERSION << 8}, "work-kernel"),
        ({"w0": 5 | 1 << 8}, "work-version"),
        ({"w1": 4 | 1 << 28}, "work-size"),
        ({"w2": 50}, "work-size"),
        ({"w39": 8}, "act-size"),
        ({"w34": 600}, "out-size"),
        ({"w36": 64}, "kernel-read"),
    ],
)
def test_wrong_work_is_refused(change: dict[str, int], code: str) -> None:
    text = refused(*one_core(**change), code)
    assert text.startswith("core(0,2): ")


def test_a_work_packet_larger_than_its_slot() -> None:
    script, arguments = column(1, [(overlay.ROW_IDS[0], 1)])
    script.write(core(0), ChannelControl(S2MM, 1), ChannelControlWord(finish_on_tlast=1))
    script.bd(core(0), 2, CoreBd(base_words=0, length=8))
    script.push(core(0), S2MM, 1, 2)
    script.push(MEMTILE, MM2S, 4, 10)
    assert "slot of 32 bytes" in refused(script, arguments, "packet-too-large")


def test_a_core_without_activations_is_a_deadlock() -> None:
    script, arguments = column(1, [(overlay.ROW_IDS[0], 1)])
    script.core_program(core(0))
    script.push(MEMTILE, MM2S, 4, 10)
    assert "core(0,2) waits for core(0,2) lock 1" in refused(script, arguments, "deadlock")


def test_buffers_that_no_vector_load_reads() -> None:
    script, arguments = one_core()
    own = CORE_MEMORY_BYTES["own"]
    script.write(core(1), DataMemory(CONFIG_ADDRESS), CoreConfig(act_slot0=own + 0x48, act_bytes=64))
    script.write(core(1), ProgramMemory(0), 0, 0, 0, 0)
    script.write(core(1), Special.CORE_CONTROL, CoreControlWord(enable=True))
    assert "no multiple of the 32 bytes" in refused(script, arguments, "core-config")
