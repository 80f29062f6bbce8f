"""Multiply and accumulate: the loops over kept blocks, four groups of four pixels at a time.

A *period* is one kept block: its offset comes from the table, its 64 bytes from the packet, and each of four pointers
gives a group of inputs at that offset, multiplied the cycle it lands.  Modulo scheduling finds 4 cycles for it, one
multiply in each.  Periods of one set run in a zero-overhead loop; between two sets lies peeled code in which the old
set's last periods and the new set's first overlap, with the old results going out in the gaps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from compiler.encoding.work import MIN_PERIODS, NARROW_PERIODS, SET
from compiler.kernels.programs.parts import BANKS, op, ops
from compiler.kernels.schedule import LoopSchedule, Op, Row, ScheduleError, Timeline, modulo_schedule

GROUPS = range(SET)
QUARTERS = ("amll", "amlh", "amhl", "amhh")
BIAS = 8  # the accumulator that holds the bias in every row
ZERO = 7  # the accumulator that holds the zero point of narrow results, shifted

# Periods of the old and of the new set that a boundary shows: more than are in flight.
_SHOWN = 9
MOST_GAP = 64
# Where the searches begin, in cycles: a shorter piece was searched for in vain.  A test searches again from nothing.
KNOWN = {
    ("boundary", "bias_raw"): 11,
    ("boundary", "scratch_raw"): 31,
    ("opening", "bias_raw"): 19,
    ("opening", "scratch_raw"): 35,
}
NODES = 3000

Known = Mapping[tuple[str, str], int]


@dataclass(frozen=True)
class Variant:
    """Where sums start (the bias, or the scratch) and what becomes of them.

    `end` is `direct` (a shift makes bytes of them), `narrow` (a shift to 16 bits, a factor of 16 bits for each
    channel, and a shift to bytes) or `raw` (they go to the scratch).  Narrow code that `clips` makes int8 only, of 16
    bits with or without a sign: without one no result is below the zero point.
    """

    name: str
    from_scratch: bool
    end: str
    least_periods: int
    clips: bool = False

    @property
    def peeled(self) -> int:
        """Periods of a set that are not run by its loop, which runs once at least."""
        return self.least_periods - 1


DIRECT = Variant("direct", False, "direct", MIN_PERIODS)
NARROW = Variant("narrow", False, "narrow", NARROW_PERIODS)
CLIPPED = Variant("narrow", False, "narrow", NARROW_PERIODS, clips=True)
BIAS_RAW = Variant("bias_raw", False, "raw", MIN_PERIODS)
SCRATCH_RAW = Variant("scratch_raw", True, "raw", MIN_PERIODS)


@cache
def period() -> LoopSchedule:
    """One period at its interval of 4 cycles."""
    body = ops("lda.2d dj0, [p0], d2", "vlda wl8, [p5], #32", "vlda.2d wh8, [p5], d1", "vmov x10, x8")
    for group in GROUPS:
        body += ops(f"vldb wl0, [p{group + 1}, dj0]", memory="act")
        body += ops(f"vmac cm{group}, cm{group}, x0, x10, r0")
    return modulo_schedule(body, BANKS)


def steady_at(cycle: int) -> list[Row]:
    """The bundles of the loop over periods, from that of a cycle on."""
    loop = period()
    found: list[list[Op]] = [[] for _ in range(loop.interval)]
    for one, time in zip(loop.ops, loop.times, strict=True):
        found[(time - cycle) % loop.interval].append(one)
    return [tuple(row) for row in found]


def ramp(variant: Variant) -> int:
    """Cycles from the start of a set's first period until its loop is entered."""
    loop = period()
    steady = -(-(max(loop.times) + 1) // loop.interval) * loop.interval
    return steady + (variant.least_periods - MIN_PERIODS) * loop.interval


def lead() -> int:
    """Cycles after the start of a set from which the old set's pointers may change: the loop must have ended."""
    loop = period()
    last = [time for one, time in zip(loop.ops, loop.times, strict=True) if one.memory == "act"]
    # The first pointer may be moved in the cycle of its last load.
    return (min(last) - loop.interval + 1) // loop.interval * loop.interval


def first_sums(variant: Variant) -> dict[str, Op]:
    """What ops of a set's first period are replaced by, by text."""
    if variant.from_scratch:
        return {}
    return {f"vmac cm{g}, cm{g}, x0, x10, r0": op(f"vmac cm{g}, cm{BIAS}, x0, x10, r0") for g in GROUPS}


def stores(variant: Variant) -> list[Op]:
    """The results of a set: four groups to the out slot, or sixteen accumulator quarters to the scratch."""
    if variant.end == "direct":
        return [op(f"vst.2d.srs.d8.s32 cm{g}, s0, [p6], d3", "out") for g in GROUPS]
    if variant.end == "narrow":
        # Instructions of the d form go by crSRSSign, and only one of the two may here.
        halves, byte = ("d16", "s8") if variant.clips else ("s16", "d8")
        return [
            *(op(f"vsrs.{halves}.s32 x{g + 1}, cm{g}, s0") for g in GROUPS),
            # Accumulators 4 to 6 in turn: 7 and 8 hold the zero point and the bias.
            *(
                one
                for g in GROUPS
                for one in (
                    op(f"vmac cm{4 + g % 3}, cm{ZERO}, x{g + 1}, x5, r12"),
                    op(f"vst.2d.srs.{byte}.s32 cm{4 + g % 3}, s1, [p6], d3", "out"),
                )
            ),
        ]
    quarters = [f"{name}{g}" for g in GROUPS for name in QUARTERS]
    if not variant.from_scratch:
        return [op(f"vst {name}, [p6], #32", "scratch") for name in quarters]
    # In place: pointer increments would have to keep step with the loads, so the pointer moves once a set.
    return [op(f"vst {name}, [p6, #{32 * i}]", "scratch", independent=True) for i, name in enumerate(quarters)]


def loads(variant: Variant, ahead: int) -> list[Op]:
    """The sums that a set starts from, `ahead` bytes behind the pointer."""
    if not variant.from_scratch:
        return []
    quarters = [f"{name}{g}" for g in GROUPS for name in QUARTERS]
    return [op(f"vlda {name}, [p6, #{ahead + 32 * i}]", "scratch", independent=True) for i, name in enumerate(quarters)]


def move_pointers() -> list[Op]:
    """The four input pointers to the next set, and the steps to the one after."""
    return [
        *(op(f"padds [p{g + 1}], m{g + 4}") for g in GROUPS),
        *(op(f"lda m{g + 4}, [p7], #4", "work") for g in GROUPS),
    ]


def _new_set(line: Timeline, variant: Variant, start: int, pause: tuple[int, int] = (0, 0)) -> None:
    """The periods of a set from `start` on; those from the number pause[0] on come pause[1] cycles later."""
    sums = first_sums(variant)

    def replace(number: int, one: Op) -> Op:
        return sums.get(one.ins.text(), one) if number == 0 else one

    line.iterations(period(), 0, pause[0], start=start, replace=replace)
    line.iterations(period(), pause[0], _SHOWN, start=start + pause[1], replace=replace)


def _pauses(gap: int) -> list[tuple[int, tuple[int, int]]]:
    """Ways to hold up a set's stream by `gap` cycles: (before its first period, or before a later one)."""
    return [(gap, (0, 0)), *((0, (late, gap)) for late in (1, 2, 3) if gap)]


def _lines(least: int) -> Iterator[tuple[Timeline, int, tuple[int, int], int]]:
    for gap in range(least, MOST_GAP):
        for start, pause in _pauses(gap):
            yield Timeline(BANKS), start, pause, gap


@dataclass(frozen=True)
class Boundary:
    """Bundles from one set's loop to the next one's, and the cycles they hold up; the solved time line behind them."""

    rows: tuple[Row, ...]
    gap: int
    line: Timeline


def solved(line: Timeline) -> bool:
    try:
        line.solve(NODES)
    except ScheduleError:
        return False
    return True


def boundary(variant: Variant, label: str, known: Known = KNOWN) -> Boundary:
    """From one set to the next of an output block: a jump to the loop `label` while r1, which counts the set, lasts."""
    start, end = lead(), ramp(variant)
    for line, begin, pause, gap in _lines(known.get(("boundary", variant.name), 0)):
        window = (start, end + gap - 1)
        line.iterations(period(), -_SHOWN, 0)
        for one in (*stores(variant), *loads(variant, 512), *move_pointers()):
            line.add(one, window)
        if variant.from_scratch:
            line.add(op("padds [p6], #512"), window)
        line.add(op(f"add.nc lc, r2, #-{variant.peeled}"), window)
        line.add(op("add r1, r1, #-1"), window)
        _new_set(line, variant, begin, pause)
        line.place(op(f"jnz r1, #.L{label}"), end + gap - 6)
        if solved(line):
            return Boundary(line.bundles(start, end + gap), gap, line)
    raise ScheduleError(f"no boundary between two sets holds up less than {MOST_GAP} cycles")


def opening(variant: Variant, setup: list[Op], known: Known = KNOWN) -> tuple[Row, ...]:
    """The setup of an output block with the first periods of its first set."""
    for start in range(known.get(("opening", variant.name), 0), 4 * len(setup)):
        end = start + ramp(variant)
        line = Timeline(BANKS)
        for one in (*setup, *loads(variant, 0)):
            line.add(one, (0, end - 1))
        _new_set(line, variant, start)
        if solved(line):
            return line.bundles(0, end)
    raise ScheduleError("no opening of an output block was found")
