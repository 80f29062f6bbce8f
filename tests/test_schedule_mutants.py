"""Several hundred faults put into good schedules: the checker catches them, or a second judge agrees that they do no
harm.  Faults in time are also compared with what the dependence graph says, which the checker does not know.
"""

from __future__ import annotations

from functools import cache

import pytest

from compiler.kernels.schedule import BlockSchedule, LoopCode, LoopSchedule, modulo_schedule, schedule_block
from compiler.kernels.schedule.checker import by_cycle
from compiler.kernels.schedule.edges import dependences
from tests.schedule_mutants import Mutant, mutants, tally
from tests.test_schedule_support import BANKS, RANDOM_BANKS, Judge, op, random_program, scaling, sparse_conv, spread

Schedule = LoopSchedule | BlockSchedule


@cache
def schedules() -> dict[str, Schedule]:
    sums = [op("vlda wl0, [p0], #32", "a"), op("vldb wl1, [p1], #32", "b"), op("vmac cm0, cm0, x0, x1, r0")]
    found: dict[str, Schedule] = {
        "sparse convolution": modulo_schedule(sparse_conv(), BANKS),
        "scaling": modulo_schedule(scaling()),
        "sum": modulo_schedule(sums),
        "one block of the convolution": schedule_block(sparse_conv(), banks=BANKS),
    }
    for seed in (1, 2):
        found[f"random loop {seed}"] = modulo_schedule(random_program(seed, 12), RANDOM_BANKS)
        found[f"random block {seed}"] = schedule_block(random_program(seed, 14), banks=RANDOM_BANKS)
    return found


def allowed_by_edges(schedule: Schedule, times: tuple[int, ...]) -> bool:
    """Whether all dependences hold; resources and the end of a block are another matter."""
    loop = isinstance(schedule, LoopSchedule)
    interval = schedule.interval if isinstance(schedule, LoopSchedule) else 0
    return all(
        times[edge.sink] - times[edge.source] + edge.omega * interval >= edge.distance
        for edge in dependences(schedule.ops, loop)
    )


def harmless(schedule: Schedule, mutant: Mutant) -> bool:
    """What the second judge says."""
    if isinstance(mutant.code, LoopCode):
        trips = mutant.code.least_trips + 2
        return Judge(mutant.code.rows(trips)).outcome() == Judge(spread(list(schedule.ops) * trips)).outcome()
    block = mutant.code
    begin, end = min((0, *block.times)), max(block.times) + 20
    return Judge(by_cycle(block.ops, block.times, begin, end)).outcome() == Judge(spread(schedule.ops)).outcome()


def meaning(reasons: list[str]) -> bool:
    """Whether faults were found in what the code computes, and not only in slots, ports, banks and drained ends."""
    marks = ("last value", "never done so", "does not", "at once", "jumps and locks")
    return any(mark in reason for reason in reasons for mark in marks)


@pytest.mark.parametrize("name", list(schedules()))
def test_mutants(name: str) -> None:
    schedule = schedules()[name]
    found = []
    for mutant in mutants(schedule):
        faults = [str(fault) for fault in mutant.check()]
        found.append((mutant.kind, bool(faults)))
        text = f"{mutant.kind} {mutant.text}: {faults[:3]}"
        if not faults:
            assert harmless(schedule, mutant), text
        if mutant.times is not None:
            legal = allowed_by_edges(schedule, mutant.times)
            assert not (legal and meaning(faults)), f"the edges allow what the checker refuses: {text}"
            if not legal and not faults:
                assert harmless(schedule, mutant), f"the checker allows what the edges refuse: {text}"
    print(f"{name}: {tally(found)}")
    assert len(found) > 20


def test_enough_mutants_and_most_do_harm() -> None:
    verdicts = [(mutant.kind, bool(mutant.check())) for one in schedules().values() for mutant in mutants(one)]
    print(tally(verdicts))
    assert len(verdicts) >= 200
    assert sum(caught for _, caught in verdicts) > 0.8 * len(verdicts)


def test_every_lost_op_of_a_loop_is_noticed() -> None:
    """In these loops all results matter, so that there is no harmless loss."""
    for name in ("sparse convolution", "scaling", "sum"):
        lost = [mutant for mutant in mutants(schedules()[name]) if mutant.kind == "dropped"]
        assert lost and all(mutant.check() for mutant in lost)
