"""Straight code: lengths, jumps, what may be in flight at the end, fixed ops and resources."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compiler.kernels.schedule import ScheduleError, schedule_block
from compiler.kernels.schedule.checker import check_block
from tests.test_schedule_support import BANKS, RANDOM_BANKS, Judge, op, random_program, sparse_conv, spread


def test_longest_path_is_the_length() -> None:
    """Table 7, activations 7, four products one cycle apart, and the last result lands in cycle 5: 7 + 7 + 3 + 5."""
    block = schedule_block(sparse_conv(), banks=BANKS)
    assert block.length == 22
    assert check_block(block) == []


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


def test_results_land_within_the_block() -> None:
    block = schedule_block([op("lda r0, [p0], #4", "in")])
    assert block.length == 7
    assert "is not done when the bundles end" in check_block(replace(block, length=6))[0].reason


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
