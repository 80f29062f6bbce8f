"""Modulo schedules: known loops at their bounds, random ones against the checker."""

from __future__ import annotations

import pytest

from compiler.encoding.isa import encode, ins
from compiler.kernels.schedule import Op, Row, ScheduleError, bundles, expand, modulo_schedule
from compiler.kernels.schedule.checker import check_loop
from compiler.kernels.schedule.report import loop_report
from tests.test_schedule_support import BANKS, RANDOM_BANKS, Judge, op, random_program, scaling, sparse_conv, spread


def test_sparse_convolution_at_full_rate() -> None:
    """Four products in four cycles: every unit that multiplies or loads activations is busy in each of them."""
    loop = modulo_schedule(sparse_conv(), BANKS)
    assert (loop.interval, loop.stages) == (4, 5)
    assert loop.bounds.resource == 4
    code = expand(loop)
    assert [sum(one.ins.opcode.mnemonic == "vmac" for one in row) for row in code.kernel] == [1, 1, 1, 1]
    assert check_loop(code) == []
    assert Judge(code.rows(8)).outcome() == Judge(spread(list(loop.ops) * 8)).outcome()
    assert all(len(encode(bundle)) == 16 for bundle in bundles(code.rows(code.least_trips)))


def test_one_bank_for_both_costs_cycles() -> None:
    """Seven accesses of one bank need seven cycles, and no schedule may hide a stall."""
    loop = modulo_schedule(sparse_conv(), {"act": "A", "work": "A"})
    assert loop.bounds.resource_names == ("bank A",)
    assert loop.interval >= loop.bounds.resource == 7
    assert check_loop(expand(loop)) == []


def test_stores_bind() -> None:
    """vector_scalar_mul of the published guide: two stores per iteration, hence II 2."""
    loop = modulo_schedule(scaling())
    assert loop.interval == loop.bounds.interval == 2
    assert "ST" in loop.bounds.resource_names
    assert check_loop(expand(loop)) == []


def test_recurrence_binds() -> None:
    """A sum through one accumulator: a product needs the one before it after two cycles."""
    body = [op("vlda wl0, [p0], #32", "a"), op("vldb wl1, [p1], #32", "b"), op("vmac cm0, cm0, x0, x1, r0")]
    loop = modulo_schedule(body)
    assert (loop.bounds.resource, loop.bounds.recurrence, loop.interval) == (1, 2, 2)
    assert "RAW amll0, 2, 1" in loop.bounds.recurrence_text
    assert check_loop(expand(loop)) == []


def test_reason_for_more_cycles_is_told() -> None:
    """A load, an add and a store of the same location: the next iteration must wait for memory."""
    body = [op("lda r0, [p0, #0]", "x"), op("add r0, r0, r1"), op("st r0, [p0, #0]", "x")]
    loop = modulo_schedule(body)
    assert loop.bounds.recurrence == loop.interval == 9
    assert "order of x" in loop.bounds.recurrence_text
    text = loop_report(loop)
    assert "recurrence bound 9" in text and "at the bound" in text


def test_no_schedule_within_the_limit() -> None:
    with pytest.raises(ScheduleError, match=r"no schedule up to II 3 \(bounds: resources 4"):
        modulo_schedule(sparse_conv(), BANKS, max_ii=3)


def test_memory_needs_a_name() -> None:
    with pytest.raises(ScheduleError, match="name the object"):
        op("vlda wl0, [p0], #32")


@pytest.mark.parametrize(("interval", "stages"), [(4, 5), (5, 4), (6, 3), (9, 2), (18, 1)])
def test_fewer_iterations_in_flight_cost_cycles(interval: int, stages: int) -> None:
    """What a loop that runs only a few times asks for: a longer interval."""
    loop = modulo_schedule(sparse_conv(), BANKS, min_ii=interval)
    assert (loop.interval, loop.stages) == (interval, stages)
    assert check_loop(expand(loop), 2) == []


def test_loop_with_its_own_jump() -> None:
    """The counter and the jump run once per kernel pass; five delay slots end the kernel."""
    counter = Op(ins("add r8, r8, #-1"), control=True)
    jump = op("jnz r8, #64")
    loop = modulo_schedule([*scaling(), counter, jump])
    code = expand(loop, zol=False)
    assert loop.interval == 7, "the counter is tested one cycle after it is written, then come five delay slots"
    assert loop.reasons == ("II 6: the counters do not fit in front of the jump and its delay slots",)
    assert counter in code.kernel[0] and jump in code.kernel[1]
    assert not any(one.is_control for row in (*code.prologue, *code.epilogue) for one in row)
    assert check_loop(code) == []
    with pytest.raises(ScheduleError, match="zero-overhead"):
        expand(loop)


def test_setup_of_a_hardware_loop() -> None:
    """Seven bundles from the last setup to the end of the loop."""
    code = expand(modulo_schedule(scaling()))
    setup: list[Row] = [(op("movxm ls, #64"),), (op("movxm le, #96"),), (op("add.nc lc, r0, #-6"),)]
    assert check_loop(code, 1, setup) == []
    assert [fault.reason for fault in check_loop(code, 1, setup[:2])] == ["lc is not set before the loop"]


@pytest.mark.parametrize("seed", range(40))
def test_random_loops_are_proved(seed: int) -> None:
    program = random_program(seed, 4 + seed % 23, 3 + seed % 4)
    loop = modulo_schedule(program, RANDOM_BANKS, max_ii=120)
    assert loop.interval >= loop.bounds.interval
    code = expand(loop)
    assert check_loop(code, 3) == []
    trips = code.least_trips + 1
    assert Judge(code.rows(trips)).outcome() == Judge(spread(program * trips)).outcome()
