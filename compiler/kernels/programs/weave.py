"""The peeled code of multiply-accumulates: time lines in which one set ends and another begins, and their searches.

Cycles count from the start of the stream of the set that follows in the same output block.  All boundaries begin at
`LEAD`, and the jump of those who leave for the next block stands there; what runs up to `LEFT` both share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import NamedTuple

from compiler.kernels.programs import parts
from compiler.kernels.programs.chain import (
    COUNTED,
    LOWER,
    OPENING,
    TABLE,
    UPPER,
    Reads,
    Wraps,
    added,
    counters,
    opening,
    pointers,
    replaced,
    results,
    setup,
    setup_behind,
    shared,
    spare,
    steps,
    together,
    wraps,
)
from compiler.kernels.programs.mac import MOST_GAP, Variant, last_sums, period, steady_at
from compiler.kernels.programs.parts import BANKS, op
from compiler.kernels.schedule import Mark, Op, Row, ScheduleError, Timeline
from compiler.kernels.schedule.ops import DELAY_SLOTS

LEAD = 3
LEFT = LEAD + 1 + DELAY_SLOTS
_SHOWN = 9  # periods of the old and of the new set: more than are in flight
_SPARE_AT = 1  # cycle within a pass of the loop in which slot lda is free
# Periods from which on a stream is held up, and places of the steps at a set's end: what the searches go through.
_PAUSES = (1, 2, 3, 4)
_WRAPS = (Wraps(2, 2), Wraps(3, 3), Wraps(2, 3), Wraps(4, 4))


class Choice(NamedTuple):
    """What a search found: a stream held up by `gap` cycles from the period `pause` on."""

    gap: int
    pause: int = 0
    wraps: Wraps = _WRAPS[0]

    def start(self, number: int) -> int:
        """The cycle in which a period begins, from that of the first if it is not held up."""
        return number * period().interval + (self.gap if number >= self.pause else 0)


# Where the searches begin: what precedes was searched in vain.  A test searches again from nothing.
KNOWN: Mapping[tuple[str, str], Choice] = {
    ("set", "direct"): Choice(0, 0, Wraps(3, 3)),
    ("set", "narrow"): Choice(4, 2, Wraps(2, 2)),
    ("set", "bias_raw"): Choice(0, 0, Wraps(2, 2)),
    ("set", "scratch_raw"): Choice(21, 4, Wraps(2, 2)),
    ("block", "direct"): Choice(1, 1, Wraps(2, 2)),
    ("block", "narrow"): Choice(5, 1, Wraps(4, 4)),
    ("block", "bias_raw"): Choice(0, 0, Wraps(2, 2)),
    ("block", "scratch_raw"): Choice(17, 4, Wraps(2, 2)),
    ("opening", "direct"): Choice(23),
    ("opening", "narrow"): Choice(21),
    ("opening", "bias_raw"): Choice(17),
    ("opening", "scratch_raw"): Choice(30),
}


def _choices(variant: Variant, first: Choice, pauses: tuple[int, ...] = _PAUSES) -> Iterator[Choice]:
    """All that may be tried, shortest first, from one of them on."""
    found, length = False, max(period().times) + 1
    for gap in range(first.gap, MOST_GAP):
        for pause, at in product(pauses if gap else (0,), _WRAPS):
            one = Choice(gap, pause, at)
            found = found or one == first or first == Choice(0)
            # The loop goes by what is held up, and begins when nothing is left of what is not.
            over = not pause or (pause - 1) * period().interval + length <= ramp(variant)
            if found and over:
                yield one


def ramp(variant: Variant) -> int:
    """Cycles from the start of a set that is not held up until its loop is entered."""
    return LEAD + (variant.least_periods - 1) * period().interval


def steady(variant: Variant) -> list[Row]:
    """The bundles of the loop over periods."""
    rows = steady_at(LEAD)
    place = (_SPARE_AT - LEAD) % len(rows)
    rows[place] = (*rows[place], *spare(variant))
    return rows


def _texts(row: Row) -> list[str]:
    return sorted(one.ins.text() for one in row)


Tag = tuple[str, int]


@dataclass
class Weave:
    """A time line, and what its marks belong to: a `period` or what comes `behind` it, by number, or `between` sets."""

    variant: Variant
    line: Timeline = field(default_factory=lambda: Timeline(BANKS))
    tags: list[tuple[Mark, Tag, Op]] = field(default_factory=list)

    def old_set(self) -> None:
        """A set that ends."""
        last = last_sums(self.variant)

        def replace(number: int, one: Op) -> Op:
            return last.get(one.ins.text(), one) if number == -1 else one

        self.line.iterations(period(), -_SHOWN, 0, replace=replace)
        for number in range(-_SHOWN // 4, 1):
            self._spare(_SPARE_AT + number * period().interval)

    def _spare(self, cycle: int) -> None:
        for one in spare(self.variant):
            self.line.place(one, cycle)

    def add(self, ops: list[Op], window: tuple[int, int], tag: Tag = ("between", 0)) -> None:
        """Ops that may be anywhere in a window."""
        self.tags += [(self.line.add(one, window), tag, one) for one in ops]

    def place(self, one: Op, cycle: int, tag: Tag, base: Op | None = None) -> None:
        """An op at its cycle, which stands for `base`."""
        self.tags.append((self.line.place(one, cycle), tag, base or one))

    def passes(self, end: int) -> None:
        """What the loop does beside the periods, behind the end of the peeled code."""
        for number in (0, 1):
            self._spare(end + _SPARE_AT - LEAD + (1 + number) * period().interval)

    def solve(self, end: int) -> bool:
        """Find cycles for everything that has none; behind the end must come what the loop is made of."""
        if not parts.solved(self.line):
            return False
        behind = self.line.bundles(end, end + period().interval)
        loop = steady(self.variant)
        assert [_texts(row) for row in behind] == [_texts(row) for row in loop], "the loop goes on otherwise"
        return True


@dataclass(frozen=True)
class Peeled:
    """Bundles between two loops with the choice that gave them; the solved time line behind them."""

    rows: tuple[Row, ...]
    choice: Choice
    weave: Weave

    def common(self) -> Iterator[tuple[Mark, Tag, Op]]:
        """What those who leave have run too, and begun."""
        return ((mark, tag, one) for mark, tag, one in self.weave.tags if 0 <= mark.at < LEFT and not mark.op.is_branch)

    def begun(self) -> list[Op]:
        """Of that, in program order, what belongs to no period that counts."""
        return [mark.op for mark, tag, _ in self.common() if not _counts(tag)]


def _counts(tag: Tag) -> bool:
    """Whether an op that is common belongs to the next block's stream, which begins a period late."""
    kind, number = tag
    return number == 1 or (kind == "period" and number > 1)


def boundary(variant: Variant, label: str, leave: str, known: Mapping[tuple[str, str], Choice] = KNOWN) -> Peeled:
    """From one set to the next of an output block; r27 counts the sets that follow, and without any it jumps away."""
    for choice in _choices(variant, known.get(("set", variant.name), Choice(0))):
        weave, end = Weave(variant), ramp(variant) + choice.gap
        window, common, behind = (LEAD, end - 1), (LEAD, LEFT - 1), (LEFT, end - 1)
        weave.old_set()
        weave.place(op(f"jz r27, #.L{leave}"), LEAD, ("between", 0))
        weave.add(results(variant), behind if variant.from_scratch else window)
        weave.add(pointers(), window)
        weave.add(shared(variant), common)
        weave.add(steps(), behind)
        _periods(weave, variant, choice, window, common)
        weave.place(op(f"j #.L{label}"), end - 1 - DELAY_SLOTS, ("between", 0))
        weave.passes(end)
        if weave.solve(end):
            return Peeled(weave.line.bundles(LEAD, end), choice, weave)
    raise ScheduleError(f"no boundary between two sets holds up less than {MOST_GAP} cycles")


def _periods(weave: Weave, variant: Variant, choice: Choice, window: tuple[int, int], common: tuple[int, int]) -> None:
    """The periods of a set that follows another one, with their counters set behind the first two."""
    late = together(wraps(choice.wraps), added(variant, choice.pause))
    for number in range(_SHOWN):
        for one, time in zip(period().ops, period().times, strict=True):
            new = replaced(variant, COUNTED, number, one)
            weave.place(new, choice.start(number) + time, ("period", number), one)
        if number < len(counters()):
            weave.add(counters()[number], common, ("behind", number))
        weave.add(list(late.get(number, ())), window, ("behind", number))


def reads_behind(inner: Peeled) -> Reads:
    """The reads of a block's first set that do not count, for those that were begun and belong to no set."""
    begun = [(number, one.ins.text()) for _, (kind, number), one in inner.common() if kind == "period"]
    first = [sum(text == read and number > 0 for number, text in begun) for read in (TABLE, UPPER)]
    assert all((0, read) in begun for read in (TABLE, LOWER, UPPER)), "one whole period is begun for nothing"
    return Reads(first[0], first[1], 1)


def block_boundary(
    variant: Variant, label: str, inner: Peeled, known: Mapping[tuple[str, str], Choice] = KNOWN
) -> Peeled:
    """From the last set of an output block to the first of the next, behind the jump out of `boundary`."""
    for choice in _choices(variant, known.get(("block", variant.name), Choice(0))):
        base = inner.choice.start(1)
        weave, end = Weave(variant), ramp(variant) + base + choice.gap
        window = (LEFT, end - 1)
        weave.old_set()
        for mark, tag, one in inner.common():
            if not _counts(tag):
                weave.place(mark.op, mark.at, tag, one)
        weave.add([*results(variant), *setup(variant)], window)
        if not _begun_block(weave, variant, choice, inner, window):
            continue
        weave.place(op(f"jnz r9, #.L{label}"), end - 1 - DELAY_SLOTS, ("between", 0))
        weave.passes(end)
        if weave.solve(end):
            return Peeled(weave.line.bundles(LEFT, end), choice, weave)
    raise ScheduleError("no boundary between two output blocks was found")


def _begun_block(weave: Weave, variant: Variant, choice: Choice, inner: Peeled, window: tuple[int, int]) -> bool:
    """Place the periods of a block's first set; False if more would have to be begun."""
    reads = reads_behind(inner)
    late = together(setup_behind(variant, choice.wraps), added(variant, choice.pause))
    begun = {(number - 1, one): mark for mark, (kind, number), one in inner.common() if kind == "period" and number}
    behind = [mark for mark, tag, _ in inner.common() if tag == ("behind", 1)]
    for number in range(_SHOWN):
        for one, time in zip(period().ops, period().times, strict=True):
            cycle = inner.choice.start(1) + choice.start(number) + time
            mark = begun.get((number, one))
            if mark is None and cycle < LEFT:
                return False
            # What has begun may be earlier than the rest of its period.
            new = mark.op if mark else replaced(variant, reads, number, one)
            weave.place(new, mark.at if mark else cycle, ("period", number), one)
        if number == 0:
            for mark in behind:
                weave.place(mark.op, mark.at, ("behind", 1))
        weave.add(list(late.get(number, ())), window, ("behind", number))
    return True


def opened(variant: Variant, label: str, known: Mapping[tuple[str, str], Choice] = KNOWN) -> Peeled:
    """From the dispatcher's registers into the first loop."""
    code = opening(variant, label)
    for choice in _choices(variant, known.get(("opening", variant.name), Choice(0)), (0,)):
        weave, end = Weave(variant), ramp(variant) + choice.gap
        for one in code:
            sets_up = one.ins.text().startswith(("movxm l", "add.nc lc"))
            weave.add([one], (0, end - 5 if sets_up else end - 1))
        for number in range(_SHOWN):
            for one, time in zip(period().ops, period().times, strict=True):
                new = replaced(variant, OPENING, number, one)
                weave.place(new, choice.start(number) + time, ("period", number), one)
        weave.passes(end)
        if weave.solve(end):
            return Peeled(weave.line.bundles(0, end), choice, weave)
    raise ScheduleError("no opening of a call was found")
