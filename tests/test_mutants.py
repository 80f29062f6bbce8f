"""Hundreds of single faults in programs, in packets and in the schedulers' tables: the checker or a core notices each,
or it is proved to do no harm.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import pytest

from compiler.encoding.work import Kernel
from compiler.kernels.programs.resident import Feature
from tests.packet_mutants import PacketBench, packet_mutants
from tests.program_calls import CALLS, FIFTH, FIRST, FOURTH, SECOND, THIRD, Wanted, telling
from tests.program_mutants import (
    Bench,
    Mutant,
    Verdict,
    calls_for,
    code_mutants,
    judge,
    judge_latency,
    opcodes_of,
    tally,
)
from tests.program_pieces import recorded

PROGRAMS = {"first": FIRST, "second": SECOND, "third": THIRD, "fourth": FOURTH, "fifth": FIFTH}
EACH = 2  # calls of every kind
SAMPLED, SWEPT = 110, 700  # faults of a program beside those of its locks
# Opcodes of a program whose result or access to memory comes later than in their own cycle.
LATE = {"first": 28, "second": 31, "third": 30, "fourth": 18, "fifth": 30}
PACKET_SAMPLED, PACKET_SWEPT = 40, 1000
ALONE: dict[str, Any] = {"combine": False}
QUICK: dict[frozenset[Feature], list[Wanted]] = {
    frozenset({Feature.COMBINE}): [(Kernel.ADD, {}), (Kernel.REQUANTIZE, {})],
    frozenset({Feature.COMBINE_NARROW}): [(Kernel.ADD, {}), (Kernel.REQUANTIZE, {})],
    frozenset({Feature.MULTIPLY}): [(Kernel.MULTIPLY, {"power": power}) for power in (False, True)],
    frozenset({Feature.EXPAND}): [(Kernel.EXPAND, ALONE), (Kernel.EXPAND, ALONE | {"rows": 3})],
    frozenset({Feature.MAX}): [(Kernel.MAX_POOL, ALONE), (Kernel.MAX_POOL, ALONE | {"window": (2, 3)})],
}


@cache
def bench(features: frozenset[Feature]) -> Bench:
    wanted = CALLS.get(features) or QUICK[features]
    return Bench(recorded(features), calls_for(features, wanted, EACH))


def settle(verdicts: Sequence[Verdict], least: int) -> None:
    """Print the table; nothing may be open, and no proof may stand against a run."""
    print(f"\n{tally(verdicts)}")
    assert len(verdicts) >= least
    assert not [one for one in verdicts if one.proof and (one.run or one.checker)], "the checker missed a fault"
    assert not [one for one in verdicts if not (one.proof or one.run or one.checker)], "nobody caught these"


def sampled(mutants: Sequence[Mutant], count: int, seed: int) -> Iterator[Mutant]:
    """Some mutants, and all of the kinds that are few."""
    few = [one for one in mutants if one.kind in ("lock", "jump")]
    rest = [one for one in mutants if one.kind not in ("lock", "jump")]
    yield from few
    yield from random.Random(seed).sample(rest, min(count, len(rest)))


@pytest.mark.parametrize("name", PROGRAMS)
def test_calls_of_the_benches_end_well(name: str) -> None:
    found = bench(PROGRAMS[name])
    assert {one.end for one in found.sound} == {"waits"}
    for call, sound in zip(found.calls, found.sound, strict=True):
        # Whatever registers hold at reset makes no difference.
        assert not sound.difference(call.run(found.code, 1 << 20, seed=99), call.watched)


@pytest.mark.parametrize("name", PROGRAMS)
def test_faults_in_programs(name: str) -> None:
    found = bench(PROGRAMS[name])
    settle([judge(found, one) for one in sampled(code_mutants(found.made), SAMPLED, 1)], 140)


FEW_SHOW = {
    "third": "add.nc lc, r10, #-4 -> add.nc lc, r11, #-4",  # harmless where both hold 12
    "fourth": "rel.cond r2, r25, r26",  # one later, it meets the next piece's request, which no piece's proof sees
    "fifth": "add r10, r10, #3 -> add r10, r10, #4",  # the same unless groups are whole fours
}


@pytest.mark.parametrize("name", FEW_SHOW)
def test_faults_that_take_a_telling_call(name: str) -> None:
    found = bench(PROGRAMS[name])
    settle([judge(found, one) for one in code_mutants(found.made) if FEW_SHOW[name] in one.text], 1)


def test_a_request_too_near_to_what_the_next_piece_reads() -> None:
    """A step begins to read as soon as the request before it allows: one bundle later the core stops."""
    found, request = bench(FIFTH), "acq.cond r22, r24, r26"
    swaps = [one for one in code_mutants(found.made) if one.kind == "bundles swapped"]
    late = [one for one in swaps if any(op.text() == request for op in one.changed[max(one.changed)])]
    (verdict,) = [judge(found, one) for one in late]
    assert f"accesses memory before '{request}' is done" in verdict.checker and verdict.run == "fault"


@pytest.mark.sweep
@pytest.mark.parametrize("name", PROGRAMS)
def test_many_faults_in_programs(name: str) -> None:
    found = bench(PROGRAMS[name])
    settle([judge(found, one) for one in sampled(code_mutants(found.made), SWEPT, 2)], SWEPT)


def packet_verdicts(features: frozenset[Feature], count: int) -> Iterator[Verdict]:
    names = frozenset(one.name for one in features)
    for call in telling(features):
        packets = PacketBench(call.case, bench(features).made.program, names)
        mutants = list(packet_mutants(call.case))
        for one in random.Random(3).sample(mutants, min(count, len(mutants))):
            yield packets.judge(one)


def test_faults_in_packets() -> None:
    settle([one for features in PROGRAMS.values() for one in packet_verdicts(features, PACKET_SAMPLED)], 300)


@pytest.mark.parametrize("name", ["first", "fifth"])
def test_places_of_factors_and_borders_matter_to_who_reads_them(name: str) -> None:
    """Reads beyond the last weights touch both words in calls that have no mean and no border to make, too."""
    features = PROGRAMS[name]
    for call in telling(features):
        packets = PacketBench(call.case, bench(features).made.program, frozenset(one.name for one in features))
        faults = [one for one in packet_mutants(call.case) if one.place in ("scales_offset", "pad_bytes")]
        verdicts = [packets.judge(one) for one in faults]
        settle(verdicts, 4)
        seen = [one.run for one in verdicts if "scales_offset" in one.text]
        assert seen == ["fault" if call.case.header.mean else ""] * 2


def test_what_rounding_hides_from_few_numbers_is_seen_in_more() -> None:
    """A step of one group to the next ones in a mean of many sums: most activations do not show it."""
    call = telling(FIFTH)[1]
    packets = PacketBench(call.case, bench(FIFTH).made.program, frozenset(one.name for one in FIFTH))
    step = next(one for one in packet_mutants(call.case) if one.text == "jumps[5]")
    assert not packets.caught(step) and not packets.reason(step)
    assert packets.judge(step).run == "bytes"


@pytest.mark.sweep
def test_all_faults_in_packets() -> None:
    settle([one for features in PROGRAMS.values() for one in packet_verdicts(features, PACKET_SWEPT)], 1000)


def latency_verdicts(features: frozenset[Feature]) -> list[Verdict]:
    found = bench(features)
    return [judge_latency(found, features, opcode) for opcode in opcodes_of(found.made)]


def test_latencies_that_are_one_too_short() -> None:
    settle([one for features in QUICK for one in latency_verdicts(features)], 20)


@pytest.mark.parametrize("name", PROGRAMS)
def test_opcodes_with_latencies_are_as_many_as_the_sweep_expects(name: str) -> None:
    assert len(opcodes_of(recorded(PROGRAMS[name]))) >= LATE[name]


@pytest.mark.sweep
@pytest.mark.parametrize("name", PROGRAMS)
def test_all_latencies_that_are_one_too_short(name: str) -> None:
    settle(latency_verdicts(PROGRAMS[name]), LATE[name])
