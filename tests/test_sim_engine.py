"""The simulated machine on control streams built by hand: data, time, and every fault it knows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from compiler.encoding import overlay
from compiler.encoding.descriptors import CoreBd, ShimBd
from compiler.encoding.register_map import ChannelControl
from compiler.encoding.registers import ChannelControlWord, SlotWord
from compiler.encoding.switch import Bundle, Port
from compiler.encoding.tiles import Side
from compiler.errors import SimulationFault
from compiler.target import Target
from tests.sim_streams import (
    MEMTILE,
    MM2S,
    OUT_SLOTS,
    S2MM,
    SHIM,
    UPPER_SLOTS,
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


def loopback(words: int, chunk: int, load: ShimBd | None = None, free: int = 2) -> Script:
    """DDR to memory tile to DDR, `chunk` words at a time through two buffers guarded by two locks."""
    script = Script()
    script.column_routes()
    script.lock(MEMTILE, 0, free)
    for number, offset in enumerate((0, 4 * chunk)):
        other = 1 - number
        fill = memtile_bd(offset, chunk, acquire=(0, 1), release=(1, 1), use_next_bd=True, next_bd=other)
        drain = memtile_bd(offset, chunk, acquire=(1, 1), release=(0, 1), use_next_bd=True, next_bd=24 + other)
        script.bd(MEMTILE, number, fill)
        script.bd(MEMTILE, 24 + number, drain)
    script.push(MEMTILE, S2MM, 4, 0)
    script.push(MEMTILE, MM2S, 5, 24)
    script.shim_bd(0, 1, 0, ShimBd(length=words) if load is None else load)
    script.shim_bd(1, 2, 0, ShimBd(length=words))
    script.push(SHIM, MM2S, 0, 0)
    script.push(SHIM, S2MM, 0, 1, token=True)
    script.sync(SHIM, S2MM, 0)
    return script


def test_loopback_copies_through_a_ring_of_locks() -> None:
    arguments = ddr(4096)
    result = loopback(1024, 64).run(TARGET, arguments)
    assert np.array_equal(arguments[1], arguments[2])
    assert result.ddr_read == result.ddr_written == 4096
    assert result.moved["memtile(0,1) s2mm4"] == 4096
    assert 1024 < result.cycles < 1024 + 64 * 3 + 2000
    assert result.events[0].lane in result.busy


def test_a_strided_load_gathers_what_its_dimensions_say() -> None:
    arguments = ddr(4096)
    bd = ShimBd(length=512, step0=1, wrap0=8, step1=64, wrap1=16, step2=8)
    arguments[2] = np.zeros(2048, np.uint8)
    loopback(512, 64, bd).run(TARGET, arguments)
    words = arguments[1].view(np.uint32).reshape(16, 8, 8)
    assert np.array_equal(arguments[2].view(np.uint32), words.transpose(1, 0, 2)[:4].reshape(-1))


def test_iteration_moves_the_base_at_each_execution_and_wraps() -> None:
    script = Script()
    script.column_routes()
    bd = ShimBd(length=16, iteration_step=32, iteration_wrap=3)
    script.shim_bd(0, 1, 0, bd)
    script.shim_bd(1, 2, 0, ShimBd(length=64))
    script.lock(MEMTILE, 0, 1)
    script.bd(MEMTILE, 0, memtile_bd(0, 64, acquire=(0, 1), release=(1, 1)))
    script.bd(MEMTILE, 24, memtile_bd(0, 64, acquire=(1, 1)))
    script.push(MEMTILE, S2MM, 4, 0)
    script.push(MEMTILE, MM2S, 5, 24)
    script.push(SHIM, MM2S, 0, 0, repeat=4)
    script.push(SHIM, S2MM, 0, 1)
    arguments = ddr(1024)
    script.run(TARGET, arguments)
    expected = np.concatenate([arguments[1][128 * k : 128 * k + 64] for k in (0, 1, 2, 0)])
    assert np.array_equal(arguments[2][:256], expected)


def test_a_repeated_run_takes_the_same_time_and_the_clock_needs_no_data() -> None:
    times = {loopback(1024, 64).run(TARGET, ddr(4096), compute=data).cycles for data in (True, True, False)}
    assert len(times) == 1


def test_shared_ddr_bandwidth_slows_a_copy() -> None:
    slow = replace(TARGET, ddr=replace(TARGET.ddr, total_gb_per_s=TARGET.clock_mhz / 1000))
    fast = loopback(4096, 256).run(TARGET, ddr(16384)).cycles
    assert loopback(4096, 256).run(slow, ddr(16384)).cycles >= 2 * 16384 > fast


def test_a_control_operation_costs_its_time() -> None:
    timing = replace(TARGET.timing, control_op_ns=100.0)
    result = loopback(1024, 64).run(replace(TARGET, timing=timing), ddr(4096))
    assert result.control_cycles >= 20 * 100 * TARGET.clock_mhz / 1000
    assert result.cycles > result.control_cycles


def column(rows: int, packets: list[tuple[int, int]], *, share: bool = False) -> tuple[Script, Arguments]:
    """Send (packet id, shift) pieces of work to a column; each halves the activations of its own id."""
    script = Script()
    script.column_routes()
    script.core_routes(rows, 1 if share else rows)
    size = len(requantize_packet(PIXELS, 0))
    constants = np.concatenate([requantize_packet(PIXELS, shift) for _, shift in packets])
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


def one_core(**changes: int) -> tuple[Script, Arguments]:
    """One piece of work on one core, its header or call changed before it is sent."""
    script, arguments = column(1, [(overlay.ROW_IDS[0], 1)])
    words = arguments[0].view("<u4")
    for position, value in changes.items():
        words[int(position.removeprefix("w"))] = value
    script.core_program(core(0))
    outputs(script, 0)
    collect(script, [0])
    return script, arguments


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"w0": 9 | 1 << 8}, "work-kernel"),
        ({"w0": 5 | 2 << 8}, "work-version"),
        ({"w1": 4}, "work-size"),
        ({"w2": 50}, "work-size"),
        ({"w37": 8}, "act-size"),
        ({"w32": 600}, "out-size"),
        ({"w34": 64}, "kernel-read"),
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


def test_a_deadlock_names_everyone_who_waits() -> None:
    text = refused(loopback(1024, 64, free=0), ddr(4096), "deadlock")
    assert "control op" in text and "shim(0,0) s2mm0" in text
    script = Script()
    script.column_routes()
    script.bd(MEMTILE, 24, memtile_bd(0, 8, acquire=(3, 2)))
    script.push(MEMTILE, MM2S, 5, 24)
    assert "memtile(0,1) lock 3 >= 2, which is 0" in refused(script, ddr(64), "deadlock")


def test_a_core_without_activations_is_a_deadlock() -> None:
    script, arguments = column(1, [(overlay.ROW_IDS[0], 1)])
    script.core_program(core(0))
    script.push(MEMTILE, MM2S, 4, 10)
    assert "core(0,2) waits for core(0,2) lock 1" in refused(script, arguments, "deadlock")


def test_the_fifth_outstanding_task_overflows_the_queue() -> None:
    script = Script()
    script.column_routes()
    script.bd(MEMTILE, 24, memtile_bd(0, 8, acquire=(3, 1)))
    for _ in range(5):
        script.push(MEMTILE, MM2S, 5, 24)
    assert "memtile(0,1) mm2s5" in refused(script, ddr(64), "queue-overflow")


def drain(offset: int = 0, words: int = 8, **fields: Any) -> Script:
    """Send memory tile words to DDR."""
    script = Script()
    script.column_routes()
    script.bd(MEMTILE, 24, memtile_bd(offset, words, **fields))
    script.shim_bd(0, 2, 0, ShimBd(length=words))
    script.push(SHIM, S2MM, 0, 0)
    script.push(MEMTILE, MM2S, 5, 24)
    return script


def test_a_read_of_bytes_that_nobody_wrote() -> None:
    assert "nobody wrote byte 0x40" in refused(drain(0x40), ddr(64), "unwritten-read")
    script = loopback(16, 16)
    script.shim_bd(0, 2, 2048, ShimBd(length=16))
    script.push(SHIM, MM2S, 0, 0)
    assert "DDR argument 2" in refused(script, ddr(4096), "unwritten-read")


def test_descriptors_that_leave_their_memory() -> None:
    refused(drain(0x7FFF0), ddr(64), "descriptor-range")
    script = loopback(64, 64, ShimBd(length=2000))
    assert "DDR argument 1" in refused(script, ddr(4096), "descriptor-range")


def test_channels_4_and_5_do_not_reach_neighbours() -> None:
    script = Script()
    script.column_routes()
    script.bd(MEMTILE, 24, memtile_bd(0, 8, side=Side.EAST))
    script.push(MEMTILE, MM2S, 5, 24)
    refused(script, ddr(64), "neighbour-reach")
    script = Script()
    script.bd(MEMTILE, 0, memtile_bd(0, 8, side=Side.WEST))
    script.push(MEMTILE, S2MM, 0, 0)
    assert "no west neighbour" in refused(script, ddr(64), "neighbour-reach")


def test_descriptors_that_may_not_run() -> None:
    script = Script()
    script.push(MEMTILE, MM2S, 5, 24)
    refused(script, ddr(64), "bd-invalid")
    script = Script()
    script.bd(MEMTILE, 0, memtile_bd(0, 8))
    script.push(MEMTILE, MM2S, 5, 0)
    refused(script, ddr(64), "bd-channel")
    refused(drain(pad_before0=1), ddr(64), "padding-unsupported")


def test_a_descriptor_in_use_is_not_rewritten() -> None:
    script = drain(acquire=(3, 1))
    script.bd(MEMTILE, 24, memtile_bd(0, 8, acquire=(3, 1)))
    script.bd(MEMTILE, 24, memtile_bd(0, 16, acquire=(3, 1)))
    assert "bd 24" in refused(script, ddr(64), "bd-busy")


def test_overlapping_accesses() -> None:
    script = Script()
    script.column_routes()
    script.shim_bd(0, 1, 0, ShimBd(length=64))
    script.shim_bd(1, 1, 0, ShimBd(length=64))
    script.bd(MEMTILE, 0, memtile_bd(0, 64))
    script.bd(MEMTILE, 24, memtile_bd(64, 64))
    for channel, bd in ((4, 0), (5, 24)):
        script.push(MEMTILE, S2MM, channel, bd)
        script.push(SHIM, MM2S, channel - 4, channel - 4)
    assert "memtile(0,1) s2mm4" in refused(script, ddr(256), "overwrite")


def test_interleaved_accesses_are_no_overlap() -> None:
    script = Script()
    script.column_routes()
    script.shim_bd(0, 1, 0, ShimBd(length=64))
    script.shim_bd(1, 1, 0, ShimBd(length=64))
    script.bd(MEMTILE, 0, memtile_bd(0, 64, step0=2))
    script.bd(MEMTILE, 24, memtile_bd(4, 64, step0=2))
    for channel, bd in ((4, 0), (5, 24)):
        script.push(MEMTILE, S2MM, channel, bd)
        script.push(SHIM, MM2S, channel - 4, channel - 4)
    script.run(TARGET, ddr(256))


def test_packets_without_one_matching_slot() -> None:
    script, arguments = column(1, [(9, 1)])
    script.push(MEMTILE, MM2S, 4, 10)
    assert "packet id 9" in refused(script, arguments, "packet-unrouted")
    script, arguments = column(1, [(overlay.ROW_IDS[0], 1)])
    everything = SlotWord(id=0, mask=0, enable=True, arbiter=2)
    script.slot(core(0), Port(Bundle.SOUTH, 4), 3, everything)
    script.push(MEMTILE, MM2S, 4, 10)
    assert "slots [0, 3]" in refused(script, arguments, "packet-ambiguous")


def test_a_stream_without_a_way() -> None:
    script = Script()
    script.shim_bd(0, 1, 0, ShimBd(length=8))
    script.push(SHIM, MM2S, 0, 0)
    assert "multiplexer" in refused(script, ddr(64), "stream-unrouted")


def test_addresses_outside_the_array() -> None:
    script = Script()
    script.lock(core(5), 0, 1)
    assert "tile(0,7)" in refused(script, ddr(64), "control-address")
