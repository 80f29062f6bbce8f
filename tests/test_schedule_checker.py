"""The checker finds each kind of fault by itself: no dependence graph, no scheduler."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compiler.kernels.schedule import Op, Row, expand, modulo_schedule, schedule_block
from compiler.kernels.schedule.checker import check_block, check_loop, prove
from compiler.kernels.schedule.rules import zero_overhead_faults
from tests.test_schedule_support import BANKS, op, scaling, sparse_conv

LOAD, USE = op("lda r0, [p0], #4", "in"), op("add r1, r0, r0")
STORE, PRODUCT = op("vst.srs.s8.s32 cm0, s0, [p1], #32", "out"), op("vmul cm0, x0, x1, r0")
FIRST, SECOND = op("st r0, [p0, #0]", "out"), op("st r1, [p1, #0]", "out")
READ = op("lda r2, [p2, #0]", "out")


def at(*cycles: tuple[Op, int]) -> list[Row]:
    """Rows of ops at given cycles, and enough empty ones behind them."""
    last = max(cycle for _, cycle in cycles) + 12
    return [tuple(one for one, cycle in cycles if cycle == now) for now in range(last)]


def reasons(program: list[Op], rows: list[Row]) -> str:
    return "\n".join(str(fault) for fault in prove(program, rows, BANKS))


def test_exposed_latency() -> None:
    """Six cycles after a load its register still holds the old value."""
    assert reasons([LOAD, USE], at((LOAD, 0), (USE, 7))) == ""
    assert reasons([LOAD, USE], at((LOAD, 0), (USE, 6))) == "register r1: its last value is not the program's"
    assert reasons([USE, LOAD], at((LOAD, 0), (USE, 6))) == ""


def test_bypass_saves_a_cycle() -> None:
    """A vector move feeds one of its own slot after one cycle, but a product only after two."""
    move, again, product = op("vmov x1, x0"), op("vmov x2, x1"), op("vmul cm0, x1, x3, r0")
    assert reasons([move, again], at((move, 0), (again, 1))) == ""
    assert "register amll0" in reasons([move, product], at((move, 0), (product, 1)))
    assert reasons([product, move], at((move, 0), (product, 1))) == ""


def test_stores_in_order() -> None:
    assert reasons([FIRST, SECOND], at((FIRST, 0), (SECOND, 1))) == ""
    assert "is never done so" in reasons([FIRST, SECOND], at((FIRST, 1), (SECOND, 0)))
    free = [replace(one, independent=True) for one in (FIRST, SECOND)]
    assert reasons(free, at((free[0], 1), (free[1], 0))) == ""
    apart = [replace(FIRST, span=(0, 4)), replace(SECOND, span=(4, 8))]
    assert reasons(apart, at((apart[0], 1), (apart[1], 0))) == ""


def test_loads_see_the_stores_before_them() -> None:
    assert reasons([FIRST, READ], at((FIRST, 0), (READ, 1))) == ""
    assert "register r2" in reasons([FIRST, READ], at((FIRST, 1), (READ, 0)))
    assert "access one object at once" in reasons([FIRST, READ], at((FIRST, 0), (READ, 0)))


def test_old_accumulator_is_stored_until_the_new_one_lands() -> None:
    assert reasons([STORE, PRODUCT], at((PRODUCT, 0), (STORE, 4))) == ""
    assert "is never done so" in reasons([STORE, PRODUCT], at((PRODUCT, 0), (STORE, 5)))


@pytest.mark.parametrize(
    ("first", "second", "cycle", "reason"),
    [
        (USE, op("add r3, r4, r4"), 0, "both need slot ALU"),
        (op("movxm p3, #4096"), op("mov p4, r1"), 0, "both need slot MV"),
        (op("vst wl0, [p2], #32", "a"), STORE, -2, "both need STORE_UNIT in cycle 3"),
        (op("vlda wl0, [p2], #32", "act"), op("vldb wl1, [p3], #32", "act"), 0, "both access bank B in cycle 4"),
        (op("vmul cm0, x0, x1, r0"), op("vmac cm0, cm1, x0, x1, r0"), 0, "both need slot VEC"),
        (op("lda r5, [p0], #4", "a"), op("vlda amll0, [p1], #32", "b"), 0, "both need slot LDA"),
    ],
)
def test_one_thing_for_two(first: Op, second: Op, cycle: int, reason: str) -> None:
    start = max(0, -cycle)
    assert reason in reasons([first, second], at((first, start), (second, start + cycle)))


def test_two_results_land_at_once() -> None:
    load, add = op("lda r0, [p0], #4", "in"), op("add r0, r1, r1")
    assert "write one register at once" in reasons([load, add], at((load, 0), (add, 6)))


def test_lost_and_doubled_ops() -> None:
    assert "is never done so" in reasons([FIRST], [()] * 12)
    assert "stores what the program does not" in reasons([FIRST], at((FIRST, 0), (FIRST, 1)))


def test_locks() -> None:
    acquire, load = op("acq #48, r1"), op("vldb wl0, [p0], #32", "in")
    assert reasons([acquire, load], at((acquire, 0), (load, 4))) == ""
    assert "while a lock is being taken" in reasons([acquire, load], at((acquire, 0), (load, 3)))
    assert "register wl0" in reasons([acquire, load], at((acquire, 8), (load, 0)))
    release = op("rel #49, r2")
    assert "jumps and locks" in reasons([acquire, release], at((release, 0), (acquire, 4)))
    assert "less than 4 cycles" in reasons([acquire, release], at((acquire, 0), (release, 3)))


def test_jump_needs_its_delay_slots() -> None:
    block = schedule_block([op("add r0, r0, #1"), op("jnz r9, #64")])
    assert check_block(block) == []
    first, second = op("jnz r9, #64"), op("jnz r8, #64")
    assert reasons([first, second], at((first, 0), (second, 6))) == ""
    assert "lies in the delay slots of the jump in cycle 0" in reasons([first, second], at((first, 0), (second, 5)))
    assert "followed by 6 bundles" in str(check_block(replace(block, length=block.length + 1))[0])


def test_loop_that_lost_an_op_in_its_epilogue() -> None:
    code = expand(modulo_schedule(sparse_conv(), BANKS))
    epilogue = ((), *code.epilogue[1:])
    assert check_loop(code) == []
    assert check_loop(replace(code, epilogue=epilogue))


def test_control_shares_no_register_with_the_body() -> None:
    loop = modulo_schedule([*scaling(), op("jnzd r0, r0, p6")])
    assert "shares r0 between the loop's control and its body" in str(check_loop(expand(loop, zol=False)))


def test_rules_of_hardware_loops() -> None:
    setup: list[Row] = [(op("movxm ls, #64"),), (op("movxm le, #96"),), (op("add.nc lc, r0, #0"),)]
    body: list[Row] = [()] * 7
    assert list(zero_overhead_faults([*setup, *body], 3, 9)) == []
    assert list(zero_overhead_faults([*setup, *body], 3, 8)) == [
        (2, "lc is set 6 bundles before the loop's end, not 7")
    ]
    byte = op("st.s8 r0, [p0, #0]", "out")
    assert "partial store" in next(zero_overhead_faults([*setup, *body, (byte,)], 3, 10))[1]
    jump: Row = (op("jnz r1, #64"),)
    assert "a jump or its delay slots" in next(zero_overhead_faults([*setup, jump, *body], 4, 10))[1]
