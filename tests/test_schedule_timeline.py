"""The region between two inner loops: outputs leave and the next sums begin without a lost cycle."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from compiler.encoding.isa import ins
from compiler.kernels.schedule import LoopSchedule, Op, Row, ScheduleError, Timeline, expand, modulo_schedule
from compiler.kernels.schedule.checker import check_timeline, prove
from tests.test_schedule_support import BANKS, op, sparse_conv

GROUPS = 4


def starts_at(first: int) -> Callable[[int, Op], Op]:
    """The products of iteration `first` begin with the bias in cm8."""
    variants: dict[str, Op] = {}

    def replace(iteration: int, one: Op) -> Op:
        text = one.ins.text()
        if iteration != first or one.ins.opcode.mnemonic != "vmac":
            return one
        return variants.setdefault(text, Op(ins(text.replace(f"{one.ins.value('acc')}, x0", "cm8, x0"))))

    return replace


def stores() -> list[Op]:
    return [op(f"vst.srs.s8.s32 cm{group}, s0, [p7], #32", "out") for group in range(GROUPS)]


def region_start(loop: LoopSchedule, iteration: int) -> int:
    """The kernel pass in which the products of an iteration begin."""
    products = [loop.time(one) for one in loop.ops if one.ins.opcode.mnemonic == "vmac"]
    return (iteration + min(products) // loop.interval) * loop.interval


def boundary(loop: LoopSchedule, results: list[Op]) -> tuple[Timeline, tuple[Row, ...]]:
    """Two kernel passes that end one sum and begin the next, with the counter and the jump back."""
    before = loop.stages
    line = Timeline(BANKS)
    line.iterations(loop, 0, before)
    for one in results:
        line.add(one)
    line.iterations(loop, before, 3 * before, replace=starts_at(before))
    begin = region_start(loop, before)
    line.add(Op(ins("add.nc lc, r5, #0"), control=True), (begin, begin + loop.interval))
    line.place(op("jnzd r6, r6, p6"), begin + 2 * loop.interval - 6)
    line.solve()
    return line, line.bundles(begin, begin + 2 * loop.interval)


def test_outputs_leave_during_the_next_products() -> None:
    loop = modulo_schedule(sparse_conv(), BANKS)
    line, region = boundary(loop, stores())
    assert check_timeline(line) == []
    assert [sum(one.ins.opcode.mnemonic == "vmac" for one in row) for row in region] == [1] * 8
    assert sum(one.memory == "out" for row in region for one in row) == GROUPS
    kernel = expand(loop).kernel
    begin = region_start(loop, loop.stages)
    around = (*line.bundles(begin - 4, begin), *line.bundles(begin + 8, begin + 12))
    assert [set(row) for row in around] == [set(row) for row in (*kernel, *kernel)]


@pytest.mark.parametrize("trips", (3, 4, 7))
def test_a_whole_nest_is_proved(trips: int) -> None:
    """Prologue, two passes peeled per output, the rest in the kernel; compared with the nest run sequentially."""
    loop = modulo_schedule(sparse_conv(), BANKS)
    outputs, kernel = 3, expand(loop).kernel
    results = stores()
    _, region = boundary(loop, results)
    program: list[Op] = []
    for _ in range(outputs):
        first = starts_at(0)
        program += [first(iteration, one) for iteration in range(trips) for one in loop.ops]
        program += results
    start = Timeline(BANKS)
    start.iterations(loop, 0, 3 * loop.stages, replace=starts_at(0))
    peeled = region_start(loop, 0) + 2 * loop.interval
    rows = [*start.bundles(0, peeled), *kernel * (trips - 2)]
    for _ in range(outputs - 1):
        rows += [*region, *kernel * (trips - 2)]
    end = Timeline(BANKS)
    end.iterations(loop, 0, loop.stages)
    for one in results:
        end.add(one)
    end.solve()
    rows += end.bundles(region_start(loop, loop.stages), region_start(loop, loop.stages) + 20)
    plain = [tuple(one for one in row if not one.is_control) for row in rows]
    # The loads of the next iterations have begun when the last sum ends, in the program they have not.
    assert_same_outputs(program, plain)


def assert_same_outputs(program: list[Op], rows: list[Row]) -> None:
    faults = prove(program, rows, BANKS, live_out=())
    assert faults == []


def test_order_of_the_program_is_not_that_of_time() -> None:
    """An op behind another in the program reads what that one wrote, though a later one writes it again before."""
    line = Timeline()
    line.place(op("add r0, r0, #1"), 0)
    read = line.add(op("add r1, r0, r0"))
    line.place(op("add r0, r0, #2"), 5)
    line.solve()
    assert 1 <= read.at <= 5
    assert check_timeline(line) == []


def test_old_value_is_read_after_the_new_one_is_under_way() -> None:
    """The product lands at the end of its cycle 5, so the store may issue up to four cycles behind it."""
    for late in range(6):
        line = Timeline()
        line.place(op("vst.srs.s8.s32 cm0, s0, [p0], #32", "out"), late)
        line.place(op("vmul cm0, x0, x1, r0"), 0)
        if late <= 4:
            line.solve()
            assert check_timeline(line) == []
        else:
            with pytest.raises(ScheduleError, match="WAR amll0 needs -4"):
                line.solve()


def test_one_bank_is_accessed_once_a_cycle() -> None:
    """A store that accesses memory in its cycle 7 meets a load that does so in its cycle 5."""
    line = Timeline({"out": "C", "act": "B"})
    line.place(op("vst.srs.s8.s32 cm0, s0, [p0], #32", "out"), 0)
    line.place(op("vldb wl0, [p1], #32", "act"), 2)
    line.solve()
    assert check_timeline(line) == []
    line.banks = {"out": "B", "act": "B"}
    with pytest.raises(ScheduleError, match="both use bank B in cycle 6"):
        line.solve()


def test_too_early_fixed_op_is_explained() -> None:
    line = Timeline(BANKS)
    line.place(op("lda r0, [p0], #4", "act"), 0)
    line.place(op("add r1, r0, r0"), 4)
    with pytest.raises(ScheduleError, match=r"4 cycles apart, RAW r0 needs 7"):
        line.solve()


def test_what_does_not_fit_is_explained() -> None:
    line = Timeline(BANKS)
    line.place(op("lda r0, [p0], #4", "act"), 0)
    line.add(op("add r1, r0, r0"), (0, 5))
    with pytest.raises(ScheduleError, match=r"must issue at 7 or later and at 5 or earlier; RAW r0: 7 cycles after"):
        line.solve()


def test_fixed_ops_that_contradict() -> None:
    line = Timeline(BANKS)
    line.place(op("add r0, r0, #1"), 3)
    line.place(op("add r1, r1, #1"), 3)
    with pytest.raises(ScheduleError, match="both use ALU in cycle 3"):
        line.solve()


def test_unsolved_marks_have_no_cycle() -> None:
    mark = Timeline().add(op("add r0, r0, #1"))
    with pytest.raises(ScheduleError, match="call solve"):
        _ = mark.at
