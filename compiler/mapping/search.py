"""A mapping for each layer: weigh all cuts as arrays, weigh the best again by their real blocks, keep the cheapest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from compiler.kernels.numbers import Ints
from compiler.mapping.cuts import Cuts, cuts, enumerate_cuts
from compiler.mapping.estimate import Entries, Facts, Terms, Trial
from compiler.mapping.kept import Kept
from compiler.mapping.program import Extent, divide, shares_work
from compiler.mapping.shapes import CoreLayout, Layer, Mapping, Storage
from compiler.target import Target

NEARLY = 0.01
"""Estimates that differ by so little say nothing: then the tiles that cores are better at are taken."""


class Effort(Enum):
    """How much of the space of mappings is looked at."""

    FAST = "fast"
    FULL = "full"


@dataclass(frozen=True)
class Budget:
    """How far to look, in counts, as a clock would make plans differ from run to run.

    `candidates` are mappings of a layer that are weighed for one division by columns and core rows, `refined` those of
    the best that are weighed again by their real blocks; `windows` cuts windows where they need not be cut, too.
    """

    candidates: int
    refined: int
    windows: bool


FAST = Budget(4096, 32, windows=False)


def budget_of(effort: Effort, candidates: int) -> Budget:
    """What an effort stands for, with at most so many candidates."""
    if effort is Effort.FULL:
        return Budget(candidates, 256, windows=True)
    return replace(FAST, candidates=min(candidates, FAST.candidates))


@dataclass(frozen=True)
class Choice:
    """A mapping with the cycles it was estimated at, those of the slowest of all but its work packets, those in which
    these come from DDR, and of these the ones of the first step."""

    mapping: Mapping
    cycles: float
    busy: float
    work: float
    step: float


@dataclass(frozen=True)
class Space:
    """Where to look: a layer's rows and blocks of one pass, whose columns are divided as told."""

    layer: Layer
    output: Storage
    target: Target
    core: CoreLayout
    whole: Extent
    columns_by: str
    facts: Facts

    def trials(self, window: int, most: int) -> Iterator[Trial]:
        """All cuts whose calls multiply so many rows of the window."""
        column = self.share(self.whole)
        for rows_by in ("channels", "rows"):
            extent = divide(column, rows_by, self.target.core_rows, 0)
            shared, direct = shares_work(self.layer, self.columns_by, rows_by, self.target), self.facts.direct
            for found in enumerate_cuts(self.layer, extent, self.columns_by, rows_by, window, direct, shared, most):
                yield Trial(self.layer, found, self.output, self.target, extent, self.facts)

    def trial(self, mapping: Mapping) -> Trial:
        """One mapping on trial."""
        column = self.share(self.whole)
        extent = divide(column, mapping.rows_by, self.target.core_rows, 0)
        return Trial(self.layer, Cuts.of(mapping), self.output, self.target, extent, self.facts)

    def share(self, whole: Extent) -> Extent:
        """What the first column, of those with most to do, computes of a layer or a pass of it."""
        return divide(whole, self.columns_by, self.target.columns, 0)

    def windows(self) -> list[int]:
        """Rows of the window that a call may multiply, all of them first."""
        return cuts(self.layer.window[0]) if self.layer.sums else [self.layer.window[0]]


@dataclass(frozen=True)
class Weighed:
    """A trial with its table entries, their real number where they are real, and what it costs."""

    trial: Trial
    entries: Entries
    terms: Terms

    @classmethod
    def of(cls, trial: Trial, kept: Kept | None) -> Weighed:
        """By the real blocks if they are given, else by their mean."""
        entries = trial.mean_entries() if kept is None or not trial.layer.weighted else kept.entries(trial.cuts)
        return cls(trial, entries, trial.terms(entries))

    def excess(self, index: int, core: CoreLayout) -> list[str]:
        """What of one of them does not fit a core, with both numbers."""
        limits = self.trial.needs(self.entries, core)
        return [f"{what} {need[index]:,} > {have:,} bytes" for what, need, have in limits if need[index] > have]

    def choice(self, index: int) -> Choice:
        """One of them."""
        terms = self.terms
        busy = max(float(getattr(terms, name)[index]) for name in terms.names() if name != "work")
        work = float(self.trial.work(self.trial.packet_bytes(self.entries) / 4)[index])
        step = work / float(self.trial.packets[index])
        return Choice(self.trial.cuts[index], float(terms.cycles[index]), busy, work, step)


def search(space: Space, kept: Kept, budget: Budget) -> Choice | None:
    """The cheapest mapping; None if nothing fits.

    Among those that are `NEARLY` as cheap it is the one that keeps cores busy for the fewest cycles.  Unless the budget
    says otherwise a window is cut by its rows only when no tile of the whole window fits.
    """
    found: list[tuple[float, float, Choice]] = []
    for window in space.windows():
        weighed = [Weighed.of(one, None) for one in space.trials(window, budget.candidates)]
        found += refined(weighed, space.core, kept, budget.refined)
        if found and not budget.windows:
            break
    if not found:
        return None
    most = (1 + NEARLY) * min(cycles for cycles, _, _ in found)
    return min((one for one in found if one[0] <= most), key=lambda one: (one[1], one[0]))[2]


def refined(weighed: list[Weighed], core: CoreLayout, kept: Kept, count: int) -> list[tuple[float, float, Choice]]:
    """The best of what fits by its real blocks: (cycles, cycles of cores, choice); the first `count` that do fit."""
    cycles = np.concatenate([np.where(one.trial.fits(one.entries, core), one.terms.cycles, np.inf) for one in weighed])
    owner = np.repeat(np.arange(len(weighed)), [len(one.trial.cuts) for one in weighed])
    place = np.concatenate([np.arange(len(one.trial.cuts)) for one in weighed])
    order = np.argsort(cycles, kind="stable")
    order = order[np.isfinite(cycles[order])]
    found: list[tuple[float, float, Choice]] = []
    while len(order) and not found:
        batch, order = order[:count], order[count:]
        for number, one in enumerate(weighed):
            chosen: Ints = place[batch[owner[batch] == number]]
            if len(chosen):
                found += _fitting(one.trial, chosen, core, kept)
    return found


def _fitting(trial: Trial, chosen: Ints, core: CoreLayout, kept: Kept) -> list[tuple[float, float, Choice]]:
    again = Weighed.of(trial.take(chosen), kept)
    good = again.trial.fits(again.entries, core)
    cycles, compute = again.terms.cycles, again.terms.compute
    return [(float(cycles[i]), float(compute[i]), again.choice(i)) for i in np.flatnonzero(good).tolist()]
