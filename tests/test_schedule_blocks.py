"""Straight code: lengths, jumps, what may be in flight at the end, fixed ops and resources."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compiler.kernels.schedule import ScheduleError, schedule_block
from compiler.kernels.schedule.checker import check_block
from compiler.kernels.schedule.report import block_report
from tests.test_schedule_support import BANKS, RANDOM_BANKS, Judge, op, random_program, sparse_conv, spread


def test_longest_path_is_the_length() -> None:
    """Table 7, activations 7, four products one cycle apart, and the last result lands in cycle 5: 7 + 7 + 3 + 5."""
    block = schedule_block(sparse_conv(), banks=BANKS)
    assert block.length == 22
    assert check_block(block) == []
    assert "22 bundles, 12 ops" in block_report(block)


def test_old_value_is_read_after_the_new_one_is_under_way() -> None:
    """The product lands at the end of its cycle 5, so the store may issue up to four cycles behind it."""
    store, product = op("vst.srs.s8.s32 cm0, s0, [p0], #32", "out"), op("vmul cm0, x0, x1, r0")
    for late in range(6):
        if late <= 4:
            block = schedule_block([store, product], {product: 0, store: late}, length=20)
            assert check_block(block) == []
        else:
            with pytest.raises(ScheduleError, match="WAR amll0 needs -4"):
                schedule_block([store, product], {product: 0, store: late}, length=20)


def test_jump_has_five_delay_slots_that_work() -> None:
    ops = [*(op(f"add r{number}, r{number}, #1") for number in range(6)), op("jnz r9, #64")]
    block = schedule_block(ops)
    assert block.length == 7
    assert block.time(ops[-1]) == 1
    assert check_block(block) == []


def test_jump_waits_for_its_condition() -> None:
    ops = [op("lda r9, [p0], #4", "in"), op("jnz r9, #64")]
    block = schedule_block(ops)
    assert (block.time(ops[1]), block.length) == (7, 13)
    assert check_block(block) == []


def test_jump_in_the_middle_is_refused() -> None:
    with pytest.raises(ScheduleError, match="must be the last op"):
        schedule_block([op("jnz r9, #64"), op("add r0, r0, #1")])


def test_results_that_land_later() -> None:
    load = op("lda r0, [p0], #4", "in")
    assert schedule_block([load]).length == 7
    block = schedule_block([load], live_out=[load])
    assert block.length == 1
    assert check_block(block, in_flight=[load]) == []
    assert "is not done when the bundles end" in check_block(block)[0].reason


def test_ops_fixed_before_the_block() -> None:
    load, use = op("lda r0, [p0], #4", "in"), op("add r1, r0, r0")
    block = schedule_block([load, use], {load: -3})
    assert block.time(use) == 4
    assert [len(row) for row in block.rows] == [0, 0, 0, 0, 1]
    assert check_block(block) == []


def test_windows_lengths_and_reserved_units() -> None:
    first, second = op("add r0, r0, #1"), op("add r1, r1, #1")
    block = schedule_block([first, second], windows={first: (3, 5)}, length=8, fixed_units=[("ALU", 3), ("ALU", 0)])
    assert (block.time(first), block.length) == (4, 8)
    assert block.time(second) in (1, 2, 5, 6, 7)
    with pytest.raises(ScheduleError, match="no schedule of 1 bundles"):
        schedule_block([first, second], length=1)


def test_too_early_fixed_op_is_explained() -> None:
    load, use = op("lda r0, [p0], #4", "in"), op("add r1, r0, r0")
    with pytest.raises(ScheduleError, match=r"4 cycles apart, RAW r0 needs 7"):
        schedule_block([load, use], {load: 0, use: 4})


def test_one_bank_is_accessed_once_a_cycle() -> None:
    """A store that accesses memory in its cycle 7 meets a load that does so in its cycle 5."""
    ops = [op("vst.srs.s8.s32 cm0, s0, [p0], #32", "out"), op("vldb wl0, [p1], #32", "act")]
    apart = dict(zip(ops, (0, 2), strict=True))
    assert check_block(schedule_block(ops, apart, {"out": "C", "act": "B"}, length=20)) == []
    with pytest.raises(ScheduleError, match="both use bank B in cycle 6"):
        schedule_block(ops, apart, {"out": "B", "act": "B"}, length=20)


def test_locks_keep_their_distances() -> None:
    """AIE2 LockDelays: acquire to load 4, plain store to release 4, store with SRS to release 6."""
    ops = [
        op("acq #48, r1"),
        op("vldb wl0, [p0], #32", "in"),
        op("vst.srs.s8.s32 cm0, s0, [p1], #32", "out"),
        op("rel #49, r2"),
    ]
    block = schedule_block(ops)
    assert block.time(ops[1]) >= block.time(ops[0]) + 4
    assert block.time(ops[2]) >= block.time(ops[0]) + 2
    assert block.time(ops[3]) == block.time(ops[2]) + 6
    assert check_block(block) == []


@pytest.mark.parametrize("seed", range(40))
def test_random_blocks_are_proved(seed: int) -> None:
    program = random_program(seed, 3 + seed, 3 + seed % 5)
    block = schedule_block(program, banks=RANDOM_BANKS)
    assert check_block(block) == []
    assert Judge(block.rows).outcome() == Judge(spread(program)).outcome()


def test_the_same_schedule_every_time() -> None:
    program = random_program(7, 60, 8)
    assert schedule_block(program).times == schedule_block([replace(one) for one in program]).times
