"""Orders of output blocks whose contiguous shares have equal work, and how even a mapped layer is.

A mapping divides a layer's output blocks over columns, core rows or both, always contiguously, and each share into
calls of equally many blocks.  The cores of a division go through their calls in step, so the heaviest call sets the
pace; packets are filled up to the largest, so the heaviest of all sets what is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from compiler.mapping.program import Extent, divide
from compiler.mapping.shapes import share

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SWAPS = 64
"""Exchanges of two blocks that are tried at a time, of which the best is made."""

PATIENCE = 6
"""Rounds without a better exchange that end the search."""

ROUNDS = 120
"""Rounds that end it at the latest."""


@dataclass(frozen=True)
class Cuts:
    """Every call of every division that a mapping may take, sorted by division, call and core.

    A call is blocks [low, high); `steps` and `divisions` are where calls of one moment, and of one division, start;
    the weights are what the heaviest of them counts.
    """

    low: Ints
    high: Ints
    steps: Ints
    divisions: Ints
    step_weights: Floats
    division_weights: Floats

    def cost(self, works: Floats) -> Floats:
        """The mean over divisions of cores * busiest core, in blocks, for works `[..., blocks]`."""
        sums = np.concatenate([np.zeros((*works.shape[:-1], 1)), works.cumsum(axis=-1)], axis=-1)
        calls = sums[..., self.high] - sums[..., self.low]
        # Added up by numpy, whose order of additions is the same everywhere, as that of a matrix product is not.
        pace = (np.maximum.reduceat(calls, self.steps, axis=-1) * self.step_weights).sum(axis=-1)
        sent = (np.maximum.reduceat(calls, self.divisions, axis=-1) * self.division_weights).sum(axis=-1)
        return np.asarray(pace + sent)


def shares_of(blocks: int, outer: int, inner: int) -> list[tuple[int, int]]:
    """The blocks of each core where columns and then core rows divide them."""
    whole = Extent((0, 1), (0, blocks))
    columns = [divide(whole, "channels", outer, number) for number in range(outer)]
    return [divide(one, "channels", inner, number).blocks for one in columns for number in range(inner)]


@cache
def output_cuts(blocks: int, columns: int, rows: int) -> Cuts:
    """The divisions of so many blocks over columns, core rows and both; calls of a whole share, a half, a quarter...

    The whole share of a core counts as much as all smaller calls together; of these, half is for the heaviest of a
    moment and half for the heaviest of all.
    """
    low: list[int] = []
    high: list[int] = []
    steps: list[int] = []
    divisions: list[int] = []
    step_weights: list[float] = []
    division_weights: list[float] = []
    ways = sorted({(columns, 1), (1, rows), (columns, rows)} - {(1, 1)})
    for outer, inner in ways:
        shares = [one for one in shares_of(blocks, outer, inner) if one[0] < one[1]]
        size = max(last - first for first, last in shares)
        sizes = sorted({-(-size // (1 << power)) for power in range((size - 1).bit_length() + 1)}, reverse=True)
        weight = len(shares) / (2 * len(ways))
        for chunk in sizes:
            divisions.append(len(low))
            count = -(-size // chunk)
            part = weight if chunk == size else weight / (2 * (len(sizes) - 1))
            for turn in range(count):
                steps.append(len(low))
                step_weights.append(part)
                low += [min(first + turn * chunk, last) for first, last in shares]
                high += [min(first + (turn + 1) * chunk, last) for first, last in shares]
            division_weights.append(0.0 if chunk == size else part * count)
    return Cuts(
        np.array(low),
        np.array(high),
        np.array(steps),
        np.array(divisions),
        np.array(step_weights),
        np.array(division_weights),
    )


MOST_PARTS = 16
"""Calls that a tile is summed up by, at most, where the order of input blocks is weighed."""


@cache
def input_cuts(blocks: int) -> Cuts:
    """The packets of weights that a call for all of so many input blocks, or for a half, a third... of them takes.

    Nothing waits for another; but the largest counts half of what a share of output blocks counts.
    """
    sizes = sorted({-(-blocks // parts) for parts in range(2, min(MOST_PARTS, blocks) + 1)}, reverse=True)
    edges = [[(first, min(first + size, blocks)) for first in range(0, blocks, size)] for size in sizes]
    low, high = (np.array([edge[side] for one in edges for edge in one]) for side in range(2))
    starts = np.cumsum([0, *map(len, edges[:-1])])
    weights = np.array([len(one) / (2 * len(sizes)) for one in edges])
    return Cuts(low, high, starts, starts, np.zeros(len(starts)), weights)


@dataclass(frozen=True)
class Row:
    """The work of a layer by block that it writes, or that it reads, where in it the blocks lie whose order is sought,
    and how it is cut."""

    works: Floats
    places: Ints
    cuts: Cuts

    def with_order(self, orders: Ints) -> Floats:
        """The work by output block for orders `[..., movable blocks]`."""
        found = np.broadcast_to(self.works, (*orders.shape[:-1], len(self.works))).copy()
        found[..., self.places] = self.works[self.places[orders]]
        return found


@dataclass(frozen=True)
class Balancer:
    """Seeks one order of blocks for all layers that write or read them, on an array of some columns and core rows."""

    rows: Sequence[Row]
    columns: int
    core_rows: int

    def cost(self, orders: Ints) -> Floats:
        """What all layers cost together, for orders `[..., movable blocks]`."""
        total = np.zeros(orders.shape[:-1])
        for row in self.rows:
            total += row.cuts.cost(row.with_order(orders))
        return total

    def best(self) -> Ints | None:
        """A cheaper order than the one there is, None if none is found: dealt out, then better by exchanges."""
        given = np.arange(len(self.rows[0].places))
        starts = [given]
        first = self.rows[0]
        if all(len(one.works) == len(first.works) and np.array_equal(one.places, first.places) for one in self.rows):
            starts.append(self._dealt())
        order = min(starts, key=lambda one: float(self.cost(one)))
        order = self._exchanged(order)
        return order if self.cost(order) < self.cost(given) else None

    def _dealt(self) -> Ints:
        """Blocks dealt to the columns, of each to its core rows, then to halves: always to where least is like them."""
        works = np.array([row.works for row in self.rows])
        apart = works - works.mean(axis=1, keepdims=True)
        order = np.arange(works.shape[1])
        movable = np.zeros(works.shape[1], bool)
        movable[self.rows[0].places] = True
        self._deal(apart, order, movable, (0, works.shape[1]), (self.columns, self.core_rows))
        # From blocks of the layer to numbers of the movable ones.
        numbers = np.full(works.shape[1], -1)
        numbers[self.rows[0].places] = np.arange(len(self.rows[0].places))
        return np.asarray(numbers[order[self.rows[0].places]])

    def _deal(
        self, apart: Floats, order: Ints, movable: NDArray[np.bool_], span: tuple[int, int], levels: tuple[int, ...]
    ) -> None:
        """Deal the blocks at places [span) to its parts, and in each part again; `apart` is work less its mean."""
        first, last = span
        if last - first < 2:
            return
        parts, rest = (levels[0], levels[1:]) if levels else (2, ())
        spans = [(first + a, first + b) for a, b in (share(last - first, parts, n) for n in range(parts)) if a < b]
        if len(spans) > 1:
            loads = np.array([apart[:, a:b][:, ~movable[a:b]].sum(axis=1) for a, b in spans])
            free = [[place for place in range(a, b) if movable[place]] for a, b in spans]
            items = order[first:last][movable[first:last]]
            weights = np.square(apart[:, items]).sum(axis=0)
            for item in items[np.argsort(-weights, kind="stable")]:
                like = (loads * apart[:, item]).sum(axis=1)
                part = min((n for n, own in enumerate(free) if own), key=lambda n: (float(like[n]), n))
                order[free[part].pop(0)] = item
                loads[part] += apart[:, item]
        for one in spans:
            self._deal(apart, order, movable, one, rest)

    def _exchanged(self, order: Ints) -> Ints:
        """The best of some exchanges of two blocks, again and again while one helps."""
        rng = np.random.default_rng(0)
        count, least, idle = len(order), float(self.cost(order)), 0
        every = np.array(np.triu_indices(count, 1)).T
        for _ in range(ROUNDS):
            pairs = every if len(every) <= SWAPS else every[rng.integers(0, len(every), SWAPS)]
            tried = np.repeat(order[None], len(pairs), axis=0)
            turn = np.arange(len(pairs))
            tried[turn, pairs[:, 0]], tried[turn, pairs[:, 1]] = order[pairs[:, 1]], order[pairs[:, 0]]
            costs = self.cost(tried)
            best = int(costs.argmin())
            if costs[best] < least:
                order, least, idle = tried[best], float(costs[best]), 0
                continue
            idle += 1
            if idle == PATIENCE or len(pairs) == len(every):
                break
        return order


def imbalance(kept: Floats, extents: Iterable[Sequence[Extent]], rows_by: str, core_rows: int) -> float:
    """Kept work of the busiest core over the mean of all cores, 1 if there is none.

    `kept` is work of a row by output block; `extents` are what each column computes, pass by pass.
    """
    sums = np.concatenate([[0], kept.cumsum()])
    total: Floats | None = None
    for columns in extents:
        cores = [divide(one, rows_by, core_rows, row) for one in columns for row in range(core_rows)]
        work = np.array([(c.rows[1] - c.rows[0]) * (sums[c.blocks[1]] - sums[c.blocks[0]]) for c in cores])
        total = work if total is None else total + work
    return float(total.max() / total.mean()) if total is not None and total.any() else 1.0
