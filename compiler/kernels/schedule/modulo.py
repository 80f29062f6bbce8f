"""Modulo scheduling of a loop body: the smallest interval between iterations, then the fewest stages.

Registers stay as they are (no variable expansion): every reuse is an edge, many with negative distances.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from compiler.kernels.schedule.edges import Edge, dependences
from compiler.kernels.schedule.ops import DELAY_SLOTS, Banks, Op, ScheduleError, Use, usage
from compiler.kernels.schedule.search import Matrix, Problem, Search, close, longest_paths

# Search effort in nodes: for one interval and span, and for making the span of a found schedule smaller.
NODES, NODES_SHORTER = 8000, 600
# Stages tried above the fewest that the longest path needs.
MORE_STAGES = 3


@dataclass(frozen=True)
class Bounds:
    """Lower bounds of the interval in cycles, and what binds them."""

    resource: int
    resource_names: tuple[str, ...]
    recurrence: int
    recurrence_text: str

    @property
    def interval(self) -> int:
        return max(self.resource, self.recurrence)


@dataclass(frozen=True)
class LoopSchedule:
    """Issue cycles of one iteration's ops, from zero; iteration k issues `interval` * k later."""

    ops: tuple[Op, ...]
    times: tuple[int, ...]
    interval: int
    bounds: Bounds
    banks: Banks
    reasons: tuple[str, ...] = ()

    @property
    def stages(self) -> int:
        """Iterations in flight; the loop must run at least so often."""
        return max(self.times, default=0) // self.interval + 1

    def time(self, op: Op) -> int:
        return self.times[self.ops.index(op)]


def modulo_schedule(
    ops: Sequence[Op],
    banks: Banks | None = None,
    max_ii: int = 40,
    min_ii: int = 1,
) -> LoopSchedule:
    """The schedule of the smallest interval from `min_ii` to `max_ii` that the search finds.

    A jump is placed so that its delay slots end the kernel.
    """
    body, banks = tuple(ops), dict(banks or {})
    if not body:
        raise ScheduleError("a loop needs at least one op")
    uses = [usage(op, banks) for op in body]
    edges = dependences(body, loop=True)
    bounds = find_bounds(body, uses, edges)
    reasons: list[str] = []
    jump = next((index for index, op in enumerate(body) if op.is_branch), None)
    least = bounds.interval if jump is None else max(bounds.interval, DELAY_SLOTS + 1)
    for interval in range(max(least, min_ii), max_ii + 1):
        here = (*edges, *_one_pass(body, jump, interval))
        times, reason = _at_interval(body, uses, here, interval)
        if times is not None:
            return LoopSchedule(body, _phase(times, jump, interval), interval, bounds, banks, tuple(reasons))
        reasons.append(f"II {interval}: {reason}")
    known = f"bounds: resources {bounds.resource}, recurrences {bounds.recurrence}"
    raise ScheduleError("\n".join([f"no schedule up to II {max_ii} ({known})", *reasons]))


def _phase(times: list[int], jump: int | None, interval: int) -> tuple[int, ...]:
    """Start at zero, or so that the jump stands exactly before the last delay slots of the kernel."""
    first = min(times, default=0)
    shift = 0 if jump is None else (interval - DELAY_SLOTS - 1 - (times[jump] - first)) % interval
    return tuple(time - first + shift for time in times)


def _one_pass(ops: Sequence[Op], jump: int | None, interval: int) -> list[Edge]:
    """What runs once a pass runs in that of the jump: between the kernel's first bundle and its last delay slot."""
    if jump is None:
        return []
    control = [index for index, op in enumerate(ops) if op.is_control and index != jump]
    first = interval - DELAY_SLOTS - 1
    return [
        edge
        for index in control
        for edge in (Edge(jump, index, -first, 0, "kernel pass"), Edge(index, jump, -DELAY_SLOTS, 0, "kernel pass"))
    ]


def find_bounds(ops: Sequence[Op], uses: Sequence[tuple[Use, ...]], edges: Sequence[Edge]) -> Bounds:
    """Resource and recurrence bound of the interval."""
    counts: dict[str, int] = {}
    for use in uses:
        for one in use:
            if one.takes:
                counts[one.resource] = counts.get(one.resource, 0) + 1
    resource = max(counts.values(), default=1)
    while any(_hits_itself(use, resource) for use in uses):
        resource += 1
    names = tuple(name for name, count in counts.items() if count == resource)
    recurrence, text = 1, "none"
    while longest_paths(len(ops), edges, recurrence) is None:
        text = _cycle_text(ops, edges, recurrence)
        recurrence += 1
        if recurrence > 1000:
            raise ScheduleError(f"a recurrence fits no interval: {text}")
    return Bounds(resource, names, recurrence, text)


def _hits_itself(use: tuple[Use, ...], interval: int) -> bool:
    """Whether an op and its own copy of another iteration want one thing in one cycle."""
    return any(
        a.resource == b.resource and (a.takes or b.takes) and a.after != b.after and (a.after - b.after) % interval == 0
        for a in use
        for b in use
    )


def _cycle_text(ops: Sequence[Op], edges: Sequence[Edge], interval: int) -> str:
    """The edges of one recurrence that does not fit the interval."""
    length = [0] * len(ops)
    parent: list[Edge | None] = [None] * len(ops)
    grown = None
    for _ in range(len(ops) + 1):
        grown = None
        for edge in edges:
            reach = length[edge.source] + edge.distance - interval * edge.omega
            if reach > length[edge.sink]:
                length[edge.sink], parent[edge.sink], grown = reach, edge, edge.sink
    assert grown is not None, "called for a positive cycle only"
    came = {index: edge for index, edge in enumerate(parent) if edge is not None}
    node = grown
    for _ in range(len(ops)):  # walk back until the walk is surely inside the cycle
        node = came[node].source
    cycle: list[Edge] = []
    while not cycle or node != cycle[0].sink:
        cycle.append(came[node])
        node = came[node].source
    steps = [f"{ops[edge.source].text()} -({edge.why}, {edge.distance}, {edge.omega})-> " for edge in reversed(cycle)]
    return "".join(steps) + ops[cycle[0].sink].text()


def _at_interval(
    ops: Sequence[Op], uses: Sequence[tuple[Use, ...]], edges: Sequence[Edge], interval: int
) -> tuple[list[int] | None, str]:
    """Times at one interval with as few stages as found, or the reason why there are none."""
    if any(_hits_itself(use, interval) for use in uses):
        return None, "an op needs one resource twice in an interval"
    paths = longest_paths(len(ops), edges, interval)
    if paths is None:
        return None, "the counters do not fit in front of the jump and its delay slots"
    late = [_late(index, edges) for index in range(len(ops))]
    fewest = ceil((int(paths.max(initial=0)) + 1) / interval)
    reason = f"the longest path needs {fewest} stages"
    for stages in range(fewest, fewest + MORE_STAGES + 1):
        search = _search(uses, paths, late, interval, stages * interval)
        if search is None:
            continue
        times = search.solve(NODES)
        if times is not None:
            return _shorter(times, uses, paths, late, interval), ""
        reason = _why(ops, search, stages)
    return None, reason


def _search(
    uses: Sequence[tuple[Use, ...]], paths: Matrix, late: Sequence[bool], interval: int, span: int
) -> Search | None:
    """All ops within `span` cycles of each other; the first op is fixed, since a schedule may be moved in time."""
    within = close(_within(paths, 1 - span))
    if within is None:
        return None
    size, middle = len(uses), span - 1
    low, high = [0] * size, [middle + span] * size
    low[0] = high[0] = middle
    return Search(Problem(uses, within, low, high, late, interval))


def _within(paths: Matrix, least: int) -> Matrix:
    """Paths with a least distance between all pairs."""
    copy = paths.copy()
    copy[copy < least] = least
    np.fill_diagonal(copy, 0)
    return copy


def _shorter(
    times: list[int], uses: Sequence[tuple[Use, ...]], paths: Matrix, late: Sequence[bool], interval: int
) -> list[int]:
    """Fewer cycles between the first and the last op of an iteration, as far as little effort finds them."""
    best = times
    low, high = int(paths.max(initial=0)) + 1, max(times, default=0) - min(times, default=0)
    while low <= high:
        span = (low + high) // 2
        search = _search(uses, paths, late, interval, span)
        found = search.solve(NODES_SHORTER) if search is not None else None
        if found is None:
            low = span + 1
        else:
            best, high = found, max(found) - min(found)
    return best


def _late(index: int, edges: Sequence[Edge]) -> bool:
    """Loads and other first ops go close to their users, all others close to what feeds them."""
    return not any(edge.sink == index and not edge.omega and edge.why.startswith("RAW") for edge in edges)


def _why(ops: Sequence[Op], search: Search, stages: int) -> str:
    """The ops that most often had no cycle left."""
    kind = "no schedule exists" if search.proved_infeasible else f"none found in {search.nodes_used} nodes"
    worst = sorted(range(len(ops)), key=lambda index: -search.failures[index])[:3]
    named = "; ".join(
        f"'{ops[index].text()}' had no cycle left ({search.failures[index]} times)"
        for index in worst
        if search.failures[index]
    )
    return f"{kind} within {stages} stages; {named}"
