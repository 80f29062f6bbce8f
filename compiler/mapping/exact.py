"""The smallest memory for buffers with live ranges: greedy placements first, and a search where they may be beaten.

The search and what it is based on are in `compiler.mapping.skyline`.  Sections of time, independent
parts and several preferences in turn are ideas of MiniMalloc (Moffitt, ASPLOS 2023); its way of branching is not used.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from compiler.mapping.memory import ALIGN_BYTES, Request, Window, greedy, lower_bound, orders, round_up, used
from compiler.mapping.sections import Item, Part, cut

NODES = 100_000
"""Nodes that a search may visit: some tenths of a second."""

FIRST_LIMIT = 500
"""Nodes of the shortest attempt; others take so many times more as Luby's sequence says."""

MOST_BUFFERS = 2048
"""Of more buffers that meet only greedy placements are tried: memory for the search grows with the square."""


@dataclass(frozen=True)
class Placement:
    """Offsets in the order of the requests, bytes used, bytes that any placement provably needs, and nodes visited."""

    offsets: tuple[int, ...]
    peak: int
    bound: int
    nodes: int

    @property
    def optimal(self) -> bool:
        """Whether no placement uses less; otherwise the search stopped at what it was asked for, or at its limit."""
        return self.peak == self.bound

    @property
    def gap(self) -> float:
        """Share of the bytes used that a better placement might save."""
        return (self.peak - self.bound) / self.peak if self.peak else 0.0


@dataclass(frozen=True)
class Shortage:
    """Why requests do not fit: bytes there are, the fewest found to do, their bound, when most is alive, and what."""

    capacity: int
    peak: int
    bound: int
    epoch: int
    alive: tuple[Request, ...]


def shortage(
    requests: Sequence[Request], placement: Placement, capacity: int, align: int = ALIGN_BYTES
) -> Shortage | None:
    """What to tell when a placement is larger than a memory; None if it fits.  The largest buffer alive comes first."""
    if placement.peak <= capacity:
        return None
    epoch = lower_bound(requests, align)[1]
    alive = sorted((one for one in requests if one.first <= epoch <= one.last), key=lambda one: -one.bytes)
    return Shortage(capacity, placement.peak, placement.bound, epoch, tuple(alive))


def smallest(
    requests: Sequence[Request],
    *,
    capacity: int | None = None,
    align: int = ALIGN_BYTES,
    windows: Sequence[Window] = (),
    nodes: int = NODES,
    seconds: float | None = None,
) -> Placement:
    """A placement in as few bytes as `nodes` nodes of search find, the same each time.

    With `capacity` (bytes) it may use so many, and stops there.  Offsets are multiples of `align` bytes, and only
    pinned requests have bytes in `windows`.  `seconds` is for benchmarks: with it the result depends on the machine.
    `InternalError` if pinned requests overlap, or a request is malformed.
    """
    whole = cut(requests, align, windows)
    pinned = max((round_up(one.offset + one.bytes, align) for one in requests if one.offset is not None), default=0)
    bound = max([pinned, *(part.bound() * whole.unit for part in whole.parts)])
    enough = max(bound, capacity or 0)
    offsets, peak = _greedy(requests, align, windows, enough)
    if peak <= enough:
        return Placement(tuple(offsets), peak, bound, 0)
    budget = _Budget(nodes, None if seconds is None else time.monotonic() + seconds)
    descents = [_Descent(part, [offsets[one.index] // whole.unit for one in part.items]) for part in whole.parts]
    level = enough // whole.unit
    for number, one in enumerate(descents):
        one.run(level, budget, budget.left // (len(descents) - number))
        level = max(level, one.peak)
        for item, offset in zip(one.part.items, one.offsets, strict=True):
            offsets[item.index] = offset * whole.unit
    bound = max([bound, *(one.bound * whole.unit for one in descents)])
    return Placement(tuple(offsets), used(requests, offsets, align), bound, budget.spent)


def _greedy(requests: Sequence[Request], align: int, windows: Sequence[Window], enough: int) -> tuple[list[int], int]:
    """The best greedy placement, or the first that is good enough."""
    best: tuple[list[int], int] | None = None
    for order in orders(requests):
        found = greedy(requests, order, align, windows)
        if best is None or found[1] < best[1]:
            best = found
        if found[1] <= enough:
            break
    assert best is not None
    return best


@dataclass
class _Budget:
    """Nodes that are left, and a time by the clock to stop at."""

    left: int
    until: float | None
    spent: int = 0

    def take(self, count: int) -> None:
        self.left -= count
        self.spent += count

    @property
    def over(self) -> bool:
        return self.left <= 0 or (self.until is not None and time.monotonic() > self.until)


@dataclass
class _Descent:
    """Makes the placement of a part smaller; `bound` is what it is proved to need.  All is in units."""

    part: Part
    offsets: list[int]
    peak: int = field(init=False)
    bound: int = field(init=False)

    def __post_init__(self) -> None:
        self.bound = self.part.bound()
        self.peak = self._top()

    def _top(self) -> int:
        return max(at + one.size for at, one in zip(self.offsets, self.part.items, strict=True))

    def run(self, enough: int, budget: _Budget, share: int) -> None:
        """Get down to `enough` if so many nodes will do: the bound first, then by halves.

        A capacity that half of what is left does not settle is given up until all above it are settled or given up.
        """
        if self.peak <= enough or len(self.part.items) > MOST_BUFFERS:
            return
        search, end = _Search(self.part, budget), budget.left - share
        low = goal = target = max(enough, self.bound)
        while self.peak > goal and budget.left > end and not budget.over:
            found = search.attempt(target, -(-(budget.left - end) // 2))
            if found is not None:
                self.offsets = found
                self.peak = self._top()
            elif search.impossible:
                self.bound = target + 1
                goal = max(goal, self.bound)
            low = max(low if found is not None else target + 1, goal)
            if low >= self.peak:
                low = target = goal
            else:
                target = (low + self.peak - 1) // 2


class _Search:
    """Attempts to place a part, which learn from each other."""

    def __init__(self, part: Part, budget: _Budget) -> None:
        # numba takes its time to load, and most placements need no search.
        from compiler.mapping import skyline

        self._skyline, self._part, self._budget = skyline, part, budget
        holes = [hole for each in part.holes for hole in each]
        firsts = [one.first for one in part.items]
        self._problem = skyline.Problem(
            size=_ints([one.size for one in part.items]),
            start=_ints(firsts),
            end=_ints([one.last for one in part.items]),
            twin=_ints([i - 1 if i and _equal(one, part.items[i - 1]) else -1 for i, one in enumerate(part.items)]),
            begin=np.searchsorted(_ints(firsts), np.arange(part.sections + 1)).astype(np.int64),
            hole=_ints([0, *np.cumsum([len(each) for each in part.holes])]),
            hole_low=_ints([low for low, _ in holes]),
            hole_high=_ints([high for _, high in holes]),
        )
        self._room = skyline.room_for(self._problem)
        self._ranks = [_ranks(part.items, rule) for rule in _rules(part)]
        self._limits = luby()
        self._turn = 0
        self.impossible = False

    def attempt(self, capacity: int, nodes: int) -> list[int] | None:
        """Offsets within the capacity, or None: `impossible` says whether there are none, or the nodes were spent."""
        self.impossible = False
        offsets = np.zeros(len(self._part.items), np.int64)
        end = self._budget.left - nodes
        while self._budget.left > end and not self._budget.over:
            limit = min(next(self._limits) * FIRST_LIMIT, self._budget.left - end)
            rank = self._ranks[self._turn % len(self._ranks)]
            self._turn += 1
            result, count = self._skyline.search(self._problem, self._room, rank, capacity, limit, offsets)
            self._budget.take(max(1, count))
            self.impossible = result == self._skyline.IMPOSSIBLE
            if result != self._skyline.STOPPED:
                return None if self.impossible else [int(at) for at in offsets]
        return None


def luby() -> Iterator[int]:
    """1 1 2 1 1 2 4 ...: no sequence of restarts is much better if nothing is known of how long success takes."""
    done: list[int] = []
    while True:
        done += [*done, len(done) + 1]
        yield from done[len(done) // 2 :]


def _ints(values: Sequence[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, np.int64)


def _equal(one: Item, other: Item) -> bool:
    return (one.size, one.first, one.last) == (other.size, other.first, other.last)


def _rules(part: Part) -> list[Callable[[Item], tuple[int, ...]]]:
    """Which buffers are tried first: those alive long, of much size times time, in full sections."""
    loads = part.loads()

    def full(one: Item) -> int:
        return max(loads[one.first : one.last])

    return [
        lambda one: (one.epochs, one.epochs * one.size, full(one)),
        lambda one: (full(one), one.epochs * one.size, one.epochs),
        lambda one: (full(one), one.epochs, one.epochs * one.size),
    ]


def _ranks(
    items: Sequence[Item], rule: Callable[[Item], tuple[int, ...]]
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    order = sorted(range(len(items)), key=lambda i: rule(items[i]), reverse=True)
    return np.argsort(order)
