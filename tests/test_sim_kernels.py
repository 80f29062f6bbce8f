"""Kernel calls against images convolved tap by tap, their cycles against docs/plan-format.md, and what is refused."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from compiler.encoding.costs import KernelCosts
from compiler.encoding.records import BlockRecords, Chain, decode_bias, decode_narrow, decode_wide
from compiler.encoding.work import (
    CallRecord,
    Kernel,
    Step,
    WorkHeader,
    halves,
    with_steps,
)
from compiler.errors import SimulationFault
from runtime_sim.cycles import phase_cycles
from runtime_sim.kernels import run_call
from tests.packets import Case, random_call

SEEDS = range(60)
KERNELS = pytest.mark.parametrize("kernel", Kernel, ids=lambda kernel: kernel.name)
# Every cost its own, so that no two can be mixed up.
COSTS = KernelCosts(**{one.name: 1009 + 101 * number for number, one in enumerate(fields(KernelCosts))})


def check(case: Case) -> None:
    """Run a call and compare all bytes that are defined."""
    out, scratch = run(case)
    np.testing.assert_array_equal(out[case.out_defined], case.expected_out[case.out_defined])
    np.testing.assert_array_equal(scratch[case.scratch_defined], case.expected_scratch[case.scratch_defined])


def run(case: Case) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    out, scratch = case.out.copy(), case.scratch.copy()
    run_call(case.packet, case.header, case.call, case.act, scratch, out)
    return out, scratch


def refused(case: Case) -> str:
    """The code of the fault."""
    with pytest.raises(SimulationFault) as caught:
        run(case)
    return caught.value.diagnostic.code


def headed(case: Case, **changes: Any) -> Case:
    """The case with its header changed, in the packet as well."""
    header = replace(case.header, **changes)
    packet = case.packet.copy()
    packet[: 4 * WorkHeader.WORDS] = np.array(header.encode(), np.uint32).view(np.uint8)
    return replace(case, header=header, packet=packet)


def poked(case: Case, offset: int, value: int) -> Case:
    """The case with one byte of its packet changed."""
    packet = case.packet.copy()
    packet[offset] = value
    return replace(case, packet=packet)


@KERNELS
@pytest.mark.parametrize("seed", SEEDS)
def test_as_the_images_say(kernel: Kernel, seed: int) -> None:
    check(random_call(kernel, seed))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("last", [False, True])
def test_accumulators_wrap(seed: int, first: bool, last: bool) -> None:
    check(random_call(Kernel.CONV, seed, wild=True, direct=False, first=first, last=last))


@pytest.mark.parametrize("window", [(1, 1), (3, 1), (1, 3), (3, 3)])
def test_both_orders_of_pixels(window: tuple[int, int]) -> None:
    for kernel in (Kernel.CONV, Kernel.MAX_POOL, Kernel.AVG_POOL, Kernel.DEPTHWISE):
        for seed in range(5):
            check(random_call(kernel, seed, window=window))


def test_the_random_calls_are_of_every_sort() -> None:
    cases = {kernel: [random_call(kernel, seed) for seed in SEEDS] for kernel in Kernel}
    convs = cases[Kernel.CONV]
    flags = ("direct", "clipped", "combine", "combine_narrow", "q_odd", "y_odd")
    for name in (*flags, "x_signed", "q_signed", "y_signed", "r_signed"):
        assert len({getattr(case.header, name) for case in convs}) == 2, name
    for name in ("first", "last"):
        assert len({getattr(case.call, name) for case in convs}) == 2, name
    assert {case.call.pad_bytes > 0 for case in convs} == {False, True}
    assert {case.call.groups % 4 for case in convs} == {0, 1, 2, 3}
    assert {case.header.scale_step for case in cases[Kernel.AVG_POOL] if case.header.mean} == {0, 128}
    assert {case.header.fold for case in cases[Kernel.AVG_POOL] if case.header.mean} == {False, True}
    for several in cases.values():
        assert np.median([len(np.unique(case.expected_out[case.out_defined])) for case in several]) > 16


def test_large_sums_are_exact() -> None:
    """Sums beyond 2^24 that are odd, which float32 would round."""
    one = {"in_blocks": 80, "window": (1, 1), "kept": 80, "first": True, "last": False}
    case = random_call(Kernel.CONV, 4, x_signed=False, direct=False, narrow=False, **one)
    case = replace(case, act=np.full_like(case.act, 255))
    start = case.header.blocks_offset
    case.packet[start : start + 64 * 80] = 127
    case.packet[start : start + 8] = 126
    _, scratch = run(case)
    sums = scratch[:8] - case.packet[case.header.bias_offset :][:32].view(np.int32)
    assert sums.tolist() == [80 * 8 * 127 * 255 - 255] * 8
    assert sums[0] > 1 << 24


@KERNELS
@pytest.mark.parametrize("seed", range(20))
def test_cycles(kernel: Kernel, seed: int) -> None:
    case, cost = random_call(kernel, seed), COSTS
    h, call = case.header, case.call
    blocks, groups, sets = h.out_blocks, call.groups, -(-call.groups // 4)
    expected = 0
    if kernel in (Kernel.CONV, Kernel.AVG_POOL, Kernel.DEPTHWISE):
        raw = "bias_raw" if call.first else "scratch_raw"
        variant = "direct" if h.direct else "narrow" if h.narrow else raw
        each = {name: getattr(cost, f"mac_{name}_{variant}") for name in ("call", "block", "set")}
        expected += each["call"]
        expected += sum(each["block"] + sets * (4 * periods + each["set"]) for periods in case.periods)
        if call.last and variant == raw:
            expected += (cost.fold_call + 4 * sets * blocks * cost.fold_group) * h.fold
            way = "mean" if h.mean else "staged" if h.staged else "scale"
            each = {name: getattr(cost, f"{way}_{name}") for name in ("call", "block", "group")}
            expected += each["call"] + blocks * (each["block"] + 4 * sets * each["group"])
    if kernel is Kernel.MAX_POOL:
        expected += cost.max_call + blocks * (cost.max_block + sets * (4 * h.taps + cost.max_set))
    if kernel is Kernel.LOOKUP:
        expected += cost.lookup_call + groups * blocks * cost.lookup_group
    if kernel is Kernel.EXPAND:
        expected += cost.expand_call + groups * blocks * cost.expand_group
    if call.last and h.multiply:
        expected += cost.multiply_call + groups * blocks * cost.multiply_group
    elif call.last and h.combine:
        wide = cost.combine_call + cost.combine_group * 4 * -(-groups * blocks // 4)
        narrow = cost.combine_narrow_call + cost.combine_narrow_pair * -(-groups * blocks // 2)
        expected += narrow if h.combine_narrow else wide
    if call.last and call.pad_bytes:
        expected += cost.fill_call + cost.fill_group * -(-call.pad_bytes // 32)
    assert phase_cycles(case.packet, h, call, cost) == expected


@pytest.mark.parametrize(
    ("code", "part", "size"),
    [
        ("kernel-read", "act", 32),
        ("kernel-scratch", "scratch", 3),
        ("kernel-write", "out", 8),
        ("work-table", "packet", 200),
    ],
)
def test_what_leaves_its_buffer_is_a_fault(code: str, part: str, size: int) -> None:
    case = random_call(Kernel.CONV, 2, direct=False, narrow=False, last=True, combine=False, rows=3)
    assert refused(replace(case, **{part: getattr(case, part)[:size]})) == code


def test_a_call_at_odds_with_itself_is_a_fault() -> None:
    conv = random_call(Kernel.CONV, 1, direct=True, q_odd=False)
    assert refused(replace(conv, call=replace(conv.call, groups=conv.call.groups + 1))) == "kernel-groups"
    assert refused(replace(conv, call=replace(conv.call, first=False))) == "kernel-direct"
    assert refused(replace(conv, call=replace(conv.call, x_offset=16))) == "kernel-alignment"
    pool = random_call(Kernel.MAX_POOL, 1)
    assert refused(replace(pool, call=replace(pool.call, last=False))) == "kernel-last"
    assert refused(headed(pool, taps=4)) == "work-table"


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("kernel-conf", {"conf": 777}),
        ("work-header", {"taps": 9}),
        ("work-header", {"blocks_back": 9}),
        ("work-header", {"q_max": 256}),
        ("work-header", {"q_min": -129}),
        ("kernel-alignment", {"jumps_offset": 2}),
        ("kernel-alignment", {"blocks_offset": 16}),
        ("work-table", {"bias_offset": 1 << 20}),
        ("work-table", {"factors_offset": 1 << 20}),
        ("work-table", {"jumps_offset": 4}),
    ],
)
def test_a_header_that_cannot_be_is_a_fault(code: str, changes: dict[str, int]) -> None:
    case = random_call(Kernel.CONV, 1, direct=False, narrow=False, staged=False, last=True)
    assert refused(headed(case, **changes)) == code


@pytest.mark.parametrize("name", ["taps", "blocks_back", "result_sign", "rounding"])
def test_words_that_contradict_the_header_are_faults(name: str) -> None:
    case = random_call(Kernel.DEPTHWISE, 1, direct=True)
    assert refused(headed(case, **{name: getattr(case.header, name) ^ 1})) == "work-header"


@pytest.mark.parametrize(
    "changes",
    [
        {"add_a": 1 << 15},
        {"add_b": -(1 << 15)},
        {"add_shift": 23},
        {"add_start": -(1 << 31)},
        {"ready_x": 2},
        {"ready_round": 9},
        {"y_min": 1, "y_max": 0},
    ],
)
def test_a_narrow_combination_that_cannot_be_is_a_fault(changes: dict[str, int]) -> None:
    assert refused(headed(random_call(Kernel.ADD, 1, combine_narrow=True), **changes)) == "work-header"


@pytest.mark.parametrize(
    "changes",
    [
        {"add_a": 1 << 15},
        {"add_a": -1},
        {"add_shift": 23},
        {"add_start": 1 << 30},
        {"product_shift": 41},
        {"product_x_zero": 256},
        {"product_r_less": -256},
        {"ready_round": 13},
        {"y_min": 1, "y_max": 0},
    ],
)
def test_a_product_that_cannot_be_is_a_fault(changes: dict[str, int]) -> None:
    assert refused(headed(random_call(Kernel.MULTIPLY, 1, power=False), **changes)) == "work-header"


def test_a_pixel_outside_its_slot_is_a_fault() -> None:
    case = random_call(Kernel.EXPAND, 1)
    behind = replace(case, call=replace(case.call, x_offset=case.act.size))
    assert refused(behind) == "kernel-read"


def test_only_int8_is_clipped_and_around_no_more_than_zero() -> None:
    case = random_call(Kernel.CONV, 1, direct=False, narrow=True, q_signed=True, clipped=True)
    for changes in ({"q_zero": 1}, {"q_signed": False}):
        assert refused(headed(case, **changes)) == "work-header"


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("work-header", {"add_a": 1 << 30}),
        ("work-header", {"add_shift": 63}),
        ("work-header", {"y_min": 1, "y_max": 0}),
        ("kernel-alignment", {"constants_offset": 4}),
    ],
)
def test_a_combination_that_cannot_be_is_a_fault(code: str, changes: dict[str, int]) -> None:
    assert refused(headed(random_call(Kernel.ADD, 1, combine_narrow=False), **changes)) == code


def test_tables_that_cannot_be_are_faults() -> None:
    conv = random_call(Kernel.CONV, 3, direct=True)
    first = conv.header.jumps_offset - 4 * (conv.header.out_blocks + 1)
    assert refused(poked(conv, first, 3)) == "work-records"  # periods
    assert refused(poked(conv, first + 3, 3)) == "kernel-shift"
    assert refused(poked(conv, first + 3, 4)) == "work-records"  # a second shift, where no sum is shifted twice
    assert refused(poked(conv, conv.header.jumps_offset - 4, 6)) == "work-records"  # the word behind the last
    scaled = random_call(Kernel.CONV, 3, direct=False, narrow=False, staged=False, last=True)
    assert refused(poked(scaled, scaled.header.factors_offset + 1, 0x70)) == "work-factors"
    narrow = random_call(Kernel.CONV, 3, direct=False, narrow=True)
    factors = narrow.header.factors_offset
    assert refused(poked(narrow, factors + 17, 1 + narrow.packet[factors + 17])) == "work-records"  # zero point
    assert refused(poked(narrow, factors + 31, 1)) == "work-records"  # what is behind it
    assert refused(poked(narrow, factors + 1, 0x80)) == "work-factors"
    assert refused(headed(narrow, factors_offset=factors + 32)) == "work-header"
    add = random_call(Kernel.ADD, 1, combine_narrow=False)
    assert refused(poked(add, add.header.constants_offset + 8 + 5, 0x55)) == "work-table"
    depthwise = random_call(Kernel.DEPTHWISE, 1)
    assert refused(poked(depthwise, depthwise.header.blocks_offset + 40, 1)) == "work-table"
    mean = random_call(Kernel.AVG_POOL, 1, direct=False, mean=True, last=True)
    assert refused(poked(mean, mean.call.scales_offset + 1, 0x7F)) == "work-factors"
    folded = random_call(Kernel.AVG_POOL, 1, direct=False, narrow=False, mean=True, last=True, fold=True, combine=False)
    assert folded.header.fold
    assert refused(headed(folded, combine=True)) == "work-header"
    assert refused(headed(folded, mean=False)) == "work-header"


def test_halves_make_the_factor_again() -> None:
    factors = np.array([0, 1, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x18000, (1 << 30) - 1], np.int32)
    high, low = halves(factors)
    assert (high.astype(np.int64) * 65536 + low == factors).all()


def random_records(*, narrow: bool) -> BlockRecords:
    rng = np.random.default_rng(1)
    return BlockRecords(
        bias=rng.integers(-9, 9, (3, 8)).astype(np.int32),
        multiplier=rng.integers(0, 1 << (15 if narrow else 30), (3, 8)).astype(np.int32),
        periods=np.array([5, 6, 7]),
        shift=np.array([0, 30, 62]),
        second_shift=np.array([0, 3, 22]) if narrow else None,
        zero=np.array([-5, -40, -5 << 22]) if narrow else None,
    )


def test_wide_records_come_back() -> None:
    made = random_records(narrow=False)
    found = Chain.decode(made.chain.encode())
    assert (found.periods.tolist(), found.shift.tolist(), found.second.tolist()) == ([5, 6, 7], [0, 30, 62], [0] * 3)
    data = made.encode(bias=True, factors=True, by_turns=False)
    assert np.array_equal(decode_bias(data[:96]), made.bias) and np.array_equal(decode_wide(data[96:]), made.multiplier)
    assert np.array_equal(made.encode(bias=True, factors=False, by_turns=False), data[:96])
    assert np.array_equal(made.encode(bias=False, factors=True, by_turns=False), data[96:])
    assert not made.encode(bias=False, factors=False, by_turns=False).size


def test_narrow_records_take_turns() -> None:
    made = random_records(narrow=True)
    assert Chain.decode(made.chain.encode()).second.tolist() == [0, 3, 22]
    data = made.encode(bias=True, factors=True, by_turns=True).reshape(3, 2, 32)
    factors, zeros = decode_narrow(data[:, 1])
    assert np.array_equal(decode_bias(data[:, 0]), made.bias)
    assert np.array_equal(factors, made.multiplier) and zeros.tolist() == [-5, -40, -5 << 22]


def test_lanes_are_folded_before_a_mean_is_scaled() -> None:
    header = WorkHeader(kernel=Kernel.AVG_POOL, mean=True, fold=True)
    last, inner = (with_steps(header, CallRecord(last=last, pad_bytes=32 * last)) for last in (True, False))
    assert (last.start, last.then) == (Step.SCRATCH_RAW, Step.FOLD)
    assert (last.after_combine, last.after_rescale) == (Step.MEAN, Step.FILL)
    assert (inner.start, inner.then) == (Step.SCRATCH_RAW, Step.END)


@pytest.mark.parametrize(
    ("flags", "way"), [({}, Step.SCALE), ({"staged": True}, Step.STAGED), ({"mean": True}, Step.MEAN)]
)
def test_steps_of_calls_that_sum_up_a_tile(flags: dict[str, bool], way: Step) -> None:
    header = WorkHeader(kernel=Kernel.CONV, combine=True, **flags)
    found = [
        (call.start, call.then, call.after_rescale, call.after_combine)
        for call in (
            with_steps(header, CallRecord(first=True)),
            with_steps(header, CallRecord(last=True, pad_bytes=32)),
            with_steps(replace(header, combine=False), CallRecord(last=True, pad_bytes=32)),
        )
    ]
    assert found == [
        (Step.BIAS_RAW, Step.END, Step.END, Step.END),
        (Step.SCRATCH_RAW, way, Step.COMBINE, Step.FILL),
        (Step.SCRATCH_RAW, way, Step.FILL, Step.END),
    ]
