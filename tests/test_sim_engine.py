"""The simulated machine on control streams built by hand: data, time, and every fault it knows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from compiler.encoding import overlay
from compiler.encoding.descriptors import ShimBd
from compiler.encoding.registers import SlotWord
from compiler.encoding.switch import Bundle, Port
from compiler.encoding.tiles import Side
from tests.sim_columns import TARGET, column, ddr, refused
from tests.sim_streams import (
    MEMTILE,
    MM2S,
    S2MM,
    SHIM,
    Script,
    core,
    memtile_bd,
)


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
    control = replace(TARGET.control, mhz=TARGET.clock_mhz, write_cycles=100.0)
    result = loopback(1024, 64).run(replace(TARGET, control=control), ddr(4096))
    assert result.control_cycles >= 20 * 100
    assert result.cycles > result.control_cycles


def test_a_deadlock_names_everyone_who_waits() -> None:
    text = refused(loopback(1024, 64, free=0), ddr(4096), "deadlock")
    assert "control op" in text and "shim(0,0) s2mm0" in text
    script = Script()
    script.column_routes()
    script.bd(MEMTILE, 24, memtile_bd(0, 8, acquire=(3, 2)))
    script.push(MEMTILE, MM2S, 5, 24)
    assert "memtile(0,1) lock 3 >= 2, which is 0" in refused(script, ddr(64), "deadlock")


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
