"""Placing the free ops of a straight piece of code between fixed ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from compiler.kernels.schedule.edges import Edge, dependences
from compiler.kernels.schedule.ops import Banks, Op, Row, ScheduleError, Use, usage
from compiler.kernels.schedule.search import NONE, Problem, Search, close

Window = tuple[int, int]


@dataclass
class Piece:
    """Straight code in program order: ops at `fixed` cycles, the others within their inclusive `windows`."""

    ops: Sequence[Op]
    fixed: Mapping[int, int]
    windows: Mapping[int, Window]
    banks: Banks
    edges: tuple[Edge, ...] = field(init=False)
    uses: list[tuple[Use, ...]] = field(init=False)
    failed: str = field(init=False, default="")

    def __post_init__(self) -> None:
        self.edges = dependences(self.ops)
        self.uses = [usage(op, self.banks) for op in self.ops]

    def text(self, index: int) -> str:
        at = f" at {self.fixed[index]}" if index in self.fixed else ""
        return f"'{self.ops[index].text()}'{at}"

    def check_fixed(self) -> None:
        """Raise if two fixed ops contradict each other."""
        faults = []
        for edge in self.edges:
            if edge.source in self.fixed and edge.sink in self.fixed:
                gap = self.fixed[edge.sink] - self.fixed[edge.source]
                if gap < edge.distance:
                    names = f"{self.text(edge.source)} and {self.text(edge.sink)}"
                    faults.append(f"{names}: {gap} cycles apart, {edge.why} needs {edge.distance}")
        taken: dict[tuple[str, int], list[tuple[int, bool]]] = {}
        for index, cycle in self.fixed.items():
            for use in self.uses[index]:
                others = taken.setdefault((use.resource, cycle + use.after), [])
                for other, takes in others:
                    if other != index and (takes or use.takes):
                        names = f"{self.text(other)} and {self.text(index)}"
                        faults.append(f"{names}: both use {use.resource} in cycle {cycle + use.after}")
                others.append((index, use.takes))
        if faults:
            raise ScheduleError("\n".join(["fixed ops contradict each other", *faults]))

    def windows_of_all(self, windows: Mapping[int, Window]) -> tuple[list[int], list[int]]:
        """Earliest and latest cycles by the edges alone, which all lead forward in program order."""
        all_windows = [windows.get(index, (0, 0)) for index in range(len(self.ops))]
        low = [self.fixed.get(index, window[0]) for index, window in enumerate(all_windows)]
        high = [self.fixed.get(index, window[1]) for index, window in enumerate(all_windows)]
        for edge in sorted(self.edges, key=lambda edge: edge.source):
            if edge.sink not in self.fixed:
                low[edge.sink] = max(low[edge.sink], low[edge.source] + edge.distance)
        for edge in sorted(self.edges, key=lambda edge: -edge.sink):
            if edge.source not in self.fixed:
                high[edge.source] = min(high[edge.source], high[edge.sink] - edge.distance)
        return low, high

    def solve(self, nodes: int, windows: Mapping[int, Window] | None = None) -> list[int] | None:
        """Cycles of all ops, or None, and then `failed` says why."""
        self.failed = ""
        windows = self.windows if windows is None else windows
        low, high = self.windows_of_all(windows)
        free = [index for index in range(len(self.ops)) if index not in self.fixed]
        if not free:
            return [self.fixed[index] for index in range(len(self.ops))]
        for index in free:
            if low[index] > high[index]:
                self.failed = self._empty(index, low, high)
                return None
        search = self._search(free, low, high)
        found = search.solve(nodes)
        if found is None:
            self.failed = self._why(search, free, low, high)
            return None
        base = min(low[index] for index in free)
        times = dict(self.fixed) | {index: base + at for index, at in zip(free, found, strict=True)}
        return [times[index] for index in range(len(self.ops))]

    def _search(self, free: Sequence[int], low: Sequence[int], high: Sequence[int]) -> Search:
        base = min(low[index] for index in free)
        position = {index: number for number, index in enumerate(free)}
        paths = np.full((len(free), len(free)), NONE, np.int64)
        np.fill_diagonal(paths, 0)
        for edge in self.edges:
            if edge.source in position and edge.sink in position:
                place = position[edge.source], position[edge.sink]
                paths[place] = max(paths[place], edge.distance)
        closed = close(paths)
        assert closed is not None, "edges lead forward, so there is no cycle"
        taken: list[Use] = []
        for index, cycle in self.fixed.items():
            taken += [Use(use.resource, use.after + cycle - base, use.takes) for use in self.uses[index]]
        problem = Problem(
            [self.uses[index] for index in free],
            closed,
            [low[index] - base for index in free],
            [high[index] - base for index in free],
            [False] * len(free),
            taken=taken,
        )
        return Search(problem)

    def _empty(self, index: int, low: Sequence[int], high: Sequence[int]) -> str:
        """Why an op has no cycle between what precedes and what follows it."""
        before = max(
            (edge for edge in self.edges if edge.sink == index),
            key=lambda edge: low[edge.source] + edge.distance,
            default=None,
        )
        after = min(
            (edge for edge in self.edges if edge.source == index),
            key=lambda edge: high[edge.sink] - edge.distance,
            default=None,
        )
        parts = [f"{self.text(index)} must issue at {low[index]} or later and at {high[index]} or earlier"]
        if before is not None:
            parts.append(f"{edge_text(before)} after {self.text(before.source)}")
        if after is not None:
            parts.append(f"{edge_text(after)} before {self.text(after.sink)}")
        return "; ".join(parts)

    def _why(self, search: Search, free: Sequence[int], low: Sequence[int], high: Sequence[int]) -> str:
        kind = "no schedule exists" if search.proved_infeasible else f"none found in {search.nodes_used} nodes"
        worst = sorted(range(len(free)), key=lambda number: -search.failures[number])[:3]
        named = [
            f"{self.text(free[number])} (window {low[free[number]]}..{high[free[number]]}) "
            f"had no cycle left ({search.failures[number]} times)"
            for number in worst
            if search.failures[number]
        ]
        return "; ".join([kind, *named])


def edge_text(edge: Edge) -> str:
    return f"{edge.why}: {edge.distance} cycles"


def rows(ops: Sequence[Op], times: Sequence[int], first: int, last: int) -> tuple[Row, ...]:
    """Bundles of the cycles first..last, that excluded; ops of one bundle in program order."""
    found: list[list[Op]] = [[] for _ in range(last - first)]
    for op, time in zip(ops, times, strict=True):
        if first <= time < last:
            found[time - first].append(op)
    return tuple(tuple(row) for row in found)
