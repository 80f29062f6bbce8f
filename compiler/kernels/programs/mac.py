"""Multiply and accumulate: the loops over kept blocks, four groups of four pixels at a time.

A *period* is one kept block: its offset comes from the table, its 64 bytes from the packet, and each of four pointers
gives a group of inputs at that offset, multiplied the cycle it lands.  Modulo scheduling finds 4 cycles for it, one
multiply in each.  Periods of one set run in a zero-overhead loop; between two sets lies peeled code in which the old
set's last periods and the new set's first overlap, with the old results going out in the gaps.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from compiler.encoding.work import MIN_PERIODS, NARROW_PERIODS, RAW_PERIODS, SET
from compiler.kernels.programs.parts import BANKS, op, ops
from compiler.kernels.schedule import LoopSchedule, Op, Row, modulo_schedule

GROUPS = range(SET)
QUARTERS = ("amll", "amlh", "amhl", "amhh")
SET_BYTES = 32 * len(QUARTERS) * SET  # of sums in the scratch
SUMS = 4  # the first of the four accumulators from which sums go to the scratch, and into which they come from there
BIAS = 8  # the accumulator that holds the bias in every row
ZERO = 7  # the accumulator that holds the zero point of narrow results, shifted

MOST_GAP = 64


@dataclass(frozen=True)
class Variant:
    """Where sums start (the bias, or the scratch) and what becomes of them.

    `end` is `direct` (a shift makes bytes of them), `narrow` (a shift to 16 bits, a factor of 15 bits for each
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
BIAS_RAW = Variant("bias_raw", False, "raw", RAW_PERIODS)
SCRATCH_RAW = Variant("scratch_raw", True, "raw", RAW_PERIODS)


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


def _multiply(group: int) -> str:
    return f"vmac cm{group}, cm{group}, x0, x10, r0"


def first_sums(variant: Variant, *, loaded: bool = False) -> dict[str, Op]:
    """What ops of a set's first period are replaced by, by text.

    Unless what the scratch holds is `loaded` by then it is added later, see `additions`.
    """
    if not variant.from_scratch:
        return {_multiply(g): op(f"vmac cm{g}, cm{BIAS}, x0, x10, r0") for g in GROUPS}
    if loaded:
        return {_multiply(g): op(f"vmac cm{g}, cm{SUMS + g}, x0, x10, r0") for g in GROUPS}
    return {_multiply(g): op(f"vmul cm{g}, x0, x10, r0") for g in GROUPS}


def last_sums(variant: Variant) -> dict[str, Op]:
    """The same of its last period: sums that take long to store get out of the next set's way."""
    if variant.end != "raw":
        return {}
    return {_multiply(g): op(f"vmac cm{SUMS + g}, cm{g}, x0, x10, r0") for g in GROUPS}


def additions() -> list[Op]:
    """What the scratch held joins a set's sums; r12 says that lanes have 32 bits."""
    return ops(*(f"vadd cm{g}, cm{g}, cm{SUMS + g}, r12" for g in GROUPS))


def stores(variant: Variant) -> list[Op]:
    """The results of a set: four groups to the out slot, or sixteen accumulator quarters to the scratch."""
    if variant.end == "direct":
        return [op(f"vst.2d.srs.d8.s32 cm{g}, s0, [p6], d3", "out") for g in GROUPS]
    if variant.end == "narrow":
        return _narrow_stores(variant)
    if not variant.from_scratch:
        return [op(f"vst {quarter}, [p6], #32", "scratch") for quarter in _quarters()]
    # Pointer increments would have to keep step with the loads, so the pointer moves once a set.
    return [_in_place(f"vst {quarter}, [p6, #{32 * i}]") for i, quarter in enumerate(_quarters())]


def reloads(variant: Variant) -> list[Op]:
    """What the next set adds to, into the accumulators that the stores leave."""
    return [*loads(SET_BYTES), op(f"padds [p6], #{SET_BYTES}")] if variant.from_scratch else []


def _narrow_stores(variant: Variant) -> list[Op]:
    # Instructions of the d form go by crSRSSign, and only one of the two may here.
    halves, byte = ("d16", "s8") if variant.clips else ("s16", "d8")
    found = [op(f"vsrs.{halves}.s32 x{g + 1}, cm{g}, s0") for g in GROUPS]
    for g in GROUPS:
        # Accumulators 4 to 6 in turn: 7 and 8 hold the zero point and the bias.
        found.append(op(f"vmac cm{4 + g % 3}, cm{ZERO}, x{g + 1}, x5, r12"))
        found.append(op(f"vst.2d.srs.{byte}.s32 cm{4 + g % 3}, s1, [p6], d3", "out"))
    return found


def _quarters() -> list[str]:
    return [f"{name}{SUMS + g}" for g in GROUPS for name in QUARTERS]


def _in_place(text: str) -> Op:
    return op(text, "scratch", independent=True)


def loads(ahead: int = 0) -> list[Op]:
    """What a set adds to, `ahead` bytes behind the pointer."""
    return [_in_place(f"vlda {quarter}, [p6, #{ahead + 32 * i}]") for i, quarter in enumerate(_quarters())]
