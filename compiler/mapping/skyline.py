# mypy: disable-error-code="no-untyped-def, no-untyped-call"
"""Whether buffers with live ranges fit a capacity: a depth-first search over the skyline, compiled by numba.

Time is cut into sections so that buffers that are alive at once share one.  The skyline is the height up to which
each section is settled; a valley is a run of sections at one height between higher neighbours.  If there is a
placement, then also one in which every buffer rests on the floor, on a buffer or on a hole (bytes that are taken from
the start).  In it each byte at the bottom of a valley belongs to a buffer that lies at that height within the valley,
or to none; and if no buffer lies there, none starts below the lower neighbour, to which the valley can rise.  A node
takes one section at the bottom of one valley, and tries each buffer that can cover it, and then none.  Only rising
wastes bytes, and no section may waste more than it has to spare.

The section with the fewest choices comes first.  Sections where branches failed weigh more, also after a restart:
without this memory of what is hard, the search spends itself on what is easy.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]

# The search allocates nothing: without that possibility numba does not count references.
compiled: Any = partial(njit, _nrt=False, no_cfunc_wrapper=True)
inner: Any = partial(compiled, no_cpython_wrapper=True)

FOUND, IMPOSSIBLE, STOPPED = 1, 0, -1
UNDECIDED = -1
"""The section of a node that has yet to choose one."""

KEPT = 100.0
"""What the heaviest section weighs at a restart, beside at least 1 of each: new failures must soon count, too."""


class Problem(NamedTuple):
    """Buffers in the order of their first section, and the holes of each section from the bottom up, in one unit.

    Buffer j is alive in sections `start[j]` to `end[j] - 1`; `twin[j]` is the one before it that is its equal, or -1;
    buffers `begin[s]` to `begin[s + 1] - 1` start in section s; holes `hole[s]` to `hole[s + 1] - 1` are section s's.
    """

    size: Ints
    start: Ints
    end: Ints
    twin: Ints
    begin: Ints
    hole: Ints
    hole_low: Ints
    hole_high: Ints


class State(NamedTuple):
    """Per section its height, bytes it may waste, bytes to come, buffers to come across its start, and next hole;
    per buffer the height at which it may not lie (or -1), and whether it is yet to be placed.  Rows are nodes.
    """

    top: Ints
    spare: Ints
    rest: Ints
    across: Ints
    hole: Ints
    barred: Ints
    free: Ints


class Runs(NamedTuple):
    """Sections at one height that belong together: of each section its run; of each run where it starts, how far it can
    rise, and its number of candidates and their smallest size; of each section, how many candidates cover it.
    """

    of: Ints
    first: Ints
    rise: Ints
    number: Ints
    least: Ints
    cover: Ints


class Parts(NamedTuple):
    """Ranges of sections that share no buffer to come: from, to, the node that made them, what is to be solved next."""

    low: Ints
    high: Ints
    maker: Ints
    then: Ints


class Room(NamedTuple):
    """Everything that a search writes: per node its part, the parts in use and the section it decides."""

    state: State
    runs: Runs
    parts: Parts
    part: Ints
    used: Ints
    section: Ints
    weight: NDArray[np.float64]


def room_for(problem: Problem) -> Room:
    """Memory for a search: a node places a buffer, and there are never more than twice as many parts."""
    buffers, sections = problem.size.size, problem.begin.size - 1
    columns = [sections] * 5 + [buffers] * 2
    part, used, section = (np.zeros(buffers + 1, np.int64) for _ in range(3))
    return Room(
        State(*(np.zeros((buffers + 1, each), np.int64) for each in columns)),
        Runs(*(np.zeros(sections + 1, np.int64) for _ in range(6))),
        Parts(*(np.zeros(2 * buffers + 2, np.int64) for _ in range(4))),
        part,
        used,
        section,
        np.ones(sections),
    )


@inner
def _ceiling(problem, hole, section, capacity):
    """Where the room above the skyline ends."""
    if hole[section] == problem.hole[section + 1]:
        return capacity
    return min(capacity, problem.hole_low[hole[section]])


@inner
def _lift(problem, top, hole, section, height):
    """Raise the skyline, past holes that start there."""
    while hole[section] < problem.hole[section + 1] and problem.hole_low[hole[section]] == height:
        height = problem.hole_high[hole[section]]
        hole[section] += 1
    top[section] = height


@inner
def _begin(problem, state, capacity):
    """The empty skyline; the first section that can never fit, or -1."""
    state.rest[0] = 0
    state.across[0] = 0
    for j in range(problem.size.size):
        state.barred[0, j], state.free[0, j] = -1, 1
        for s in range(problem.start[j], problem.end[j]):
            state.rest[0, s] += problem.size[j]
            state.across[0, s] += s > problem.start[j]
    for s in range(problem.begin.size - 1):
        state.spare[0, s] = capacity - state.rest[0, s]
        state.hole[0, s] = problem.hole[s]
        for k in range(problem.hole[s], problem.hole[s + 1]):
            state.spare[0, s] -= max(0, min(capacity, problem.hole_high[k]) - problem.hole_low[k])
        _lift(problem, state.top[0], state.hole[0], s, 0)
        if state.spare[0, s] < 0:
            return s
    return -1


@inner
def _copy(state, node):
    """Let the next node begin where this one is."""
    for s in range(state.top.shape[1]):
        state.top[node + 1, s] = state.top[node, s]
        state.spare[node + 1, s] = state.spare[node, s]
        state.rest[node + 1, s] = state.rest[node, s]
        state.across[node + 1, s] = state.across[node, s]
        state.hole[node + 1, s] = state.hole[node, s]
    for j in range(state.free.shape[1]):
        state.barred[node + 1, j] = state.barred[node, j]
        state.free[node + 1, j] = state.free[node, j]


@inner
def _fits(problem, state, node, j, height, capacity):
    """Whether no hole is in the way of a buffer at the height of its sections."""
    for s in range(problem.start[j], problem.end[j]):
        if height + problem.size[j] > _ceiling(problem, state.hole[node], s, capacity):
            return False
    return True


@inner
def _may_lie(problem, state, node, j, capacity):
    """Whether a buffer that has a level place may take it; equals go in their order."""
    height = state.top[node, problem.start[j]]
    twin = problem.twin[j]
    if state.barred[node, j] == height or (twin >= 0 and state.free[node, twin]):
        return False
    return problem.hole_low.size == 0 or _fits(problem, state, node, j, height, capacity)


@inner
def _survey(problem, state, runs, node, low, high, capacity):
    """Find the runs of a range and their candidates; the number of runs."""
    top, across = state.top[node], state.across[node]
    count = 0
    for s in range(low, high):
        if s == low or across[s] == 0 or top[s] != top[s - 1]:
            runs.first[count], runs.number[count], runs.least[count] = s, 0, capacity
            runs.rise[count] = capacity if s == low or across[s] == 0 else top[s - 1]
            if s > low and across[s] > 0:
                runs.rise[count - 1] = min(runs.rise[count - 1], top[s])
            count += 1
        runs.of[s], runs.cover[s] = count - 1, 0
        runs.rise[count - 1] = min(runs.rise[count - 1], _ceiling(problem, state.hole[node], s, capacity))
    runs.first[count] = high
    for j in range(problem.begin[low], problem.begin[high]):
        run = runs.of[problem.start[j]]
        if state.free[node, j] and run == runs.of[problem.end[j] - 1] and _may_lie(problem, state, node, j, capacity):
            runs.number[run] += 1
            runs.least[run] = min(runs.least[run], problem.size[j])
            for s in range(problem.start[j], problem.end[j]):
                runs.cover[s] += 1
    return count


@inner
def _rise(problem, state, runs, node, count):
    """Raise the valleys that no buffer fills: (whether any rose, a section that has not so much to spare, or -1)."""
    rose = False
    for run in range(count):
        first, last = runs.first[run], runs.first[run + 1]
        waste = runs.rise[run] - state.top[node, first]
        if runs.number[run] or waste <= 0 or state.rest[node, first] == 0:
            continue
        rose = True
        for s in range(first, last):
            state.spare[node, s] -= waste
            _lift(problem, state.top[node], state.hole[node], s, runs.rise[run])
            if state.spare[node, s] < 0:
                return True, s
    return rose, -1


@inner
def _choose(state, runs, node, count, weight):
    """(the section to decide, -1 or a section that nothing covers and that must be covered)."""
    chosen, best = -1, np.inf
    for run in range(count):
        waste = min(runs.rise[run] - state.top[node, runs.first[run]], runs.least[run])
        if waste <= 0 or runs.number[run] == 0:
            continue
        for s in range(runs.first[run], runs.first[run + 1]):
            may_stay_empty = state.spare[node, s] >= waste
            if runs.cover[s] == 0:
                if not may_stay_empty:
                    return -1, s
                continue
            score = (runs.cover[s] - 1 + may_stay_empty) / weight[s]
            if score < best or (score == best and state.spare[node, s] < state.spare[node, chosen]):
                chosen, best = s, score
    return chosen, -1


@inner
def _open(problem, state, runs, node, low, high, capacity, weight):
    """Follow what is forced, then choose: as `_choose`."""
    while True:
        count = _survey(problem, state, runs, node, low, high, capacity)
        rose, failed = _rise(problem, state, runs, node, count)
        if failed >= 0:
            return -1, failed
        if not rose:
            return _choose(state, runs, node, count, weight)


@inner
def _level(state, node, section, low, high):
    """The run that holds a section."""
    top, across = state.top[node], state.across[node]
    first, last = section, section + 1
    while first > low and across[first] > 0 and top[first - 1] == top[section]:
        first -= 1
    while last < high and across[last] > 0 and top[last] == top[section]:
        last += 1
    return first, last


@inner
def _candidate(problem, state, rank, node, section, low, high, capacity):
    """The first buffer by rank that may cover the section at its height, or -1."""
    first, last = _level(state, node, section, low, high)
    found = -1
    for j in range(problem.begin[first], problem.begin[section + 1]):
        covers = state.free[node, j] and section < problem.end[j] <= last
        if covers and (found < 0 or rank[j] < rank[found]) and _may_lie(problem, state, node, j, capacity):
            found = j
    return found


@inner
def _put(problem, state, node, j):
    """Lay a buffer on the skyline."""
    height = state.top[node, problem.start[j]] + problem.size[j]
    state.free[node, j] = 0
    for s in range(problem.start[j], problem.end[j]):
        state.rest[node, s] -= problem.size[j]
        state.across[node, s] -= s > problem.start[j]
        _lift(problem, state.top[node], state.hole[node], s, height)


@inner
def _split(state, parts, node, part, used):
    """Cut what is left of a part where no buffer crosses: (the part to go on with or -1, parts in use)."""
    first = used
    s, high = parts.low[part], parts.high[part]
    while s < high:
        end = s + 1
        while end < high and state.across[node, end] > 0:
            end += 1
        if state.rest[node, s] > 0:
            parts.low[used], parts.high[used], parts.maker[used], parts.then[used] = s, end, node - 1, used + 1
            used += 1
        s = end
    if used == first:
        return parts.then[part], used
    parts.then[used - 1] = parts.then[part]
    return first, used


@inner
def _scale(weight):
    """Keep what an earlier search learnt."""
    most = 0.0
    for s in range(weight.size):
        most = max(most, weight[s])
    for s in range(weight.size):
        weight[s] = 1.0 + KEPT * weight[s] / most


@compiled(cache=True)
def search(problem, room, rank, capacity, limit, offsets):
    """(FOUND, IMPOSSIBLE or STOPPED, nodes): fill `offsets`, trying buffers by rank.

    `room` is written; of an earlier search it keeps the weights of sections.
    """
    state, runs, parts, weight = room.state, room.runs, room.parts, room.weight
    part, used, section = room.part, room.used, room.section
    if _begin(problem, state, capacity) >= 0:
        return IMPOSSIBLE, 0
    parts.low[0], parts.high[0], parts.maker[0], parts.then[0] = 0, problem.begin.size - 1, -1, -1
    part[0], used[0], section[0] = 0, 1, UNDECIDED
    _scale(weight)
    node, count = 0, 0
    while True:
        here = part[node]
        low, high = parts.low[here], parts.high[here]
        if section[node] == UNDECIDED:
            if count == limit:
                return STOPPED, count
            count += 1
            section[node], failed = _open(problem, state, runs, node, low, high, capacity, weight)
            if failed >= 0:
                weight[failed] += 1.0
                node = parts.maker[here]
                if node < 0:
                    return IMPOSSIBLE, count
                continue
        j = _candidate(problem, state, rank, node, section[node], low, high, capacity)
        if j < 0:
            # All that could cover it are barred by now: nothing does.
            section[node] = UNDECIDED
            continue
        offsets[j] = state.barred[node, j] = state.top[node, problem.start[j]]
        _copy(state, node)
        node += 1
        _put(problem, state, node, j)
        section[node] = UNDECIDED
        part[node], used[node] = _split(state, parts, node, here, used[node - 1])
        if part[node] < 0:
            return FOUND, count
