"""The search for issue cycles: difference constraints and resources, with backtracking.

Every op has a domain, a bit mask of the cycles where it may still issue.  The longest paths between all ops make the
bounds exact; placing an op takes the cycles that its resources block out of the other domains.  The op with the
fewest cycles left goes first, or in every other try of straight code the one with the earliest last cycle; ops that
failed before go earlier still (weights, restarts).  Effort is counted in nodes and not in seconds, so that the result
is the same on every machine.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from compiler.kernels.schedule.edges import Edge
from compiler.kernels.schedule.ops import Use

Usage = tuple[Use, ...]
Matrix = NDArray[np.int64]
NONE = -(10**9)  # no path


def longest_paths(size: int, edges: Iterable[Edge], interval: int) -> Matrix | None:
    """Least issue distance between all pairs of ops, in cycles; None if a recurrence does not fit the interval."""
    paths = np.full((size, size), NONE, np.int64)
    np.fill_diagonal(paths, 0)
    for edge in edges:
        distance = edge.distance - interval * edge.omega
        paths[edge.source, edge.sink] = max(paths[edge.source, edge.sink], distance)
    return close(paths)


def close(paths: Matrix) -> Matrix | None:
    """Transitive closure of least distances; None if a cycle is positive."""
    for middle in range(len(paths)):
        np.maximum(paths, paths[:, middle : middle + 1] + paths[middle : middle + 1, :], out=paths)
    if (np.diagonal(paths) > 0).any():
        return None
    paths[paths < NONE // 2] = NONE
    return paths


@dataclass
class Problem:
    """Ops to place: what each occupies, least distances between them, inclusive bounds, and what is taken already.

    With an `interval` resources repeat every so many cycles.  Bounds and taken cycles count from zero.
    """

    uses: Sequence[Usage]
    paths: Matrix
    low: Sequence[int]
    high: Sequence[int]
    late: Sequence[bool]
    interval: int = 0
    taken: Sequence[Use] = ()


@dataclass
class Search:
    """One search; afterwards `failures` counts how often each op was left without a cycle."""

    problem: Problem
    failures: list[int] = field(init=False)
    proved_infeasible: bool = field(init=False, default=False)
    nodes_used: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        problem = self.problem
        self._size = len(problem.uses)
        self._horizon = max(problem.high, default=0) + 1
        self.failures = [0] * self._size
        self._weights = [1.0] * self._size
        self._combs: dict[int, int] = {}
        classes: dict[Usage, int] = {}
        self._class = [classes.setdefault(use, len(classes)) for use in problem.uses]
        self._gaps = [[_gaps(first, second) for second in classes] for first in classes]
        self._blocked: dict[tuple[int, int, int], int] = {}
        self._users = _users(problem)

    def solve(self, nodes: int) -> list[int] | None:
        """Issue cycles of all ops, or None after so many nodes or after a proof that there are none."""
        domains = self._initial()
        if domains is None or not self._propagate(domains, [False] * self._size):
            self.proved_infeasible = True
            return None
        limit = 60 + self._size
        self._by_deadline = False
        rng = random.Random(0)
        while self.nodes_used < nodes:
            self._left = min(limit, nodes - self.nodes_used)
            done = [False] * self._size
            self._by_deadline = not self.problem.interval and not self._by_deadline
            result = self._descend(list(domains), done, rng)
            if result is not None:
                return [_low(domain) for domain in result]
            if self._left > 0:
                self.proved_infeasible = True
                return None
            limit += limit // 2
        return None

    def _initial(self) -> list[int] | None:
        problem = self.problem
        taken: dict[str, list[Use]] = {}
        for use in problem.taken:
            taken.setdefault(use.resource, []).append(use)
        domains = []
        for index, (low, high) in enumerate(zip(problem.low, problem.high, strict=True)):
            domain = (1 << (high + 1)) - (1 << low) if high >= low else 0
            for use in problem.uses[index]:
                for other in taken.get(use.resource, ()):
                    if use.takes or other.takes:
                        domain &= ~self._comb(other.after - use.after)
            if not domain:
                self.failures[index] += 1
                return None
            domains.append(domain)
        return domains

    def _descend(self, domains: list[int], done: list[bool], rng: random.Random) -> list[int] | None:
        if not self._propagate(domains, done):
            return None
        index = self._choose(domains, done, rng)
        if index < 0:
            return domains
        for cycle in _cycles(domains[index], self.problem.late[index]):
            if self._left <= 0:
                return None
            self._left -= 1
            self.nodes_used += 1
            trial = list(domains)
            trial[index] = 1 << cycle
            result = self._descend(trial, list(done), rng)
            if result is not None:
                return result
        return None

    def _choose(self, domains: list[int], done: list[bool], rng: random.Random) -> int:
        """The open op that is hardest to place: by its cycles for its weight, with some chance, or by its deadline."""
        best, index = 0.0, -1
        for candidate, domain in enumerate(domains):
            if not done[candidate]:
                weight = self._weights[candidate]
                if self._by_deadline:
                    score = domain.bit_length() - 0.5 * weight
                else:
                    score = domain.bit_count() / weight * (1 + 0.05 * rng.random())
                if index < 0 or score < best:
                    best, index = score, candidate
        return index

    def _fail(self, index: int) -> bool:
        self.failures[index] += 1
        self._weights[index] += 1.0
        return False

    def _propagate(self, domains: list[int], done: list[bool]) -> bool:
        """Shrink domains to a fixpoint; False if one runs empty."""
        while True:
            if not self._place_singles(domains, done) or not self._tighten(domains):
                return False
            if any(not done[index] and not domain & (domain - 1) for index, domain in enumerate(domains)):
                continue
            return self._enough_room(domains)

    def _tighten(self, domains: list[int]) -> bool:
        """Bounds that follow from the bounds of the others, until they stay."""
        paths = self.problem.paths
        while True:
            low = np.array([_low(domain) for domain in domains], np.int64)
            high = np.array([domain.bit_length() - 1 for domain in domains], np.int64)
            new_low = (low[:, None] + paths).max(axis=0)
            new_high = (high[None, :] - paths).min(axis=1)
            changed = np.nonzero((new_low > low) | (new_high < high))[0]
            if not len(changed):
                return True
            for index in changed.tolist():
                first, last = int(new_low[index]), int(new_high[index])
                domains[index] &= (1 << (last + 1)) - (1 << first) if last >= first else 0
                if not domains[index]:
                    return self._fail(index)

    def _place_singles(self, domains: list[int], done: list[bool]) -> bool:
        """Ops with one cycle left take their resources away from all others."""
        ready = [index for index in range(self._size) if not done[index] and not domains[index] & (domains[index] - 1)]
        while ready:
            index = ready.pop()
            if done[index]:
                continue
            done[index] = True
            cycle = _low(domains[index])
            for other in range(self._size):
                if done[other] and other != index:
                    if self._blocks(index, other, cycle) & domains[other]:
                        return self._fail(other)
                elif other != index:
                    rest = domains[other] & ~self._blocks(index, other, cycle)
                    if rest != domains[other]:
                        domains[other] = rest
                        if not rest:
                            return self._fail(other)
                        if not rest & (rest - 1):
                            ready.append(other)
        return True

    def _enough_room(self, domains: list[int]) -> bool:
        """The users of one resource together need as many cycles as they are (pigeonholes)."""
        interval = self.problem.interval
        for users in self._users:
            union = 0
            for index, after in users:
                union |= domains[index] << after
            if interval:
                union = _fold(union, interval)
            if union.bit_count() < len(users):
                return self._fail(max(users, key=lambda user: self._weights[user[0]])[0])
        return True

    def _blocks(self, index: int, other: int, cycle: int) -> int:
        """Cycles that `other` may not have when `index` is placed at `cycle`."""
        first, second = self._class[index], self._class[other]
        interval = self.problem.interval
        key = (first, second, cycle % interval if interval else cycle)
        mask = self._blocked.get(key)
        if mask is None:
            mask = 0
            for gap in self._gaps[first][second]:
                mask |= self._comb(cycle + gap)
            self._blocked[key] = mask
        return mask

    def _comb(self, cycle: int) -> int:
        """A cycle as a bit mask, with all its repetitions if resources repeat."""
        interval = self.problem.interval
        if not interval:
            return 1 << cycle if cycle >= 0 else 0
        phase = cycle % interval
        if phase not in self._combs:
            self._combs[phase] = sum(1 << at for at in range(phase, self._horizon, interval))
        return self._combs[phase]


def _gaps(first: Usage, second: Usage) -> tuple[int, ...]:
    """Differences issue(second) - issue(first) at which the two want one resource in one cycle."""
    return tuple(
        sorted({a.after - b.after for a in first for b in second if a.resource == b.resource and (a.takes or b.takes)})
    )


def _users(problem: Problem) -> list[list[tuple[int, int]]]:
    """The (op, cycles after issue) that want a resource, for resources that may become scarce."""
    users: dict[str, list[tuple[int, int]]] = {}
    for index, use in enumerate(problem.uses):
        for one in use:
            if one.takes:
                users.setdefault(one.resource, []).append((index, one.after))
    scarce = problem.interval // 2 if problem.interval else 3
    return [found for found in users.values() if len(found) > max(1, scarce)]


def _fold(mask: int, interval: int) -> int:
    folded, window = 0, (1 << interval) - 1
    while mask:
        folded |= mask & window
        mask >>= interval
    return folded


def _low(mask: int) -> int:
    return (mask & -mask).bit_length() - 1


def _cycles(mask: int, late: bool) -> list[int]:
    found = []
    while mask:
        bit = mask & -mask
        found.append(bit.bit_length() - 1)
        mask ^= bit
    return found[::-1] if late else found
