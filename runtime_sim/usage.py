"""How busy cores and channels were in any span of a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compiler.encoding.tiles import Direction, TileKind
from compiler.target import Target
from runtime_sim.ddr import STREAM_BYTES_PER_CYCLE, channel_rates
from runtime_sim.record import Result

CONTROL_TILE = "control"
RESOURCES = COMPUTE, CORE_STREAMS, DDR, MEMORY_TILE, CONTROL = (
    "compute",
    "core_streams",
    "ddr",
    "memory_tile",
    "control",
)
"""Kinds of resource, each charged with the busy cycles of its busiest member.

Of equals the first binds: the memory tile has the other end of every stream of a core and of the DDR, and binds only if
a channel of it has more to move than any of these.
"""

WAITING = "waiting"
"""What binds a layer in which even the busiest resource does not work for more than half of the time."""

ALIKE = 0.95
"""Busy cycles from this part of the most on count as the same: a packet has its header in one stream, not in all."""

MEANING = {
    COMPUTE: "kernel calls of the busiest core",
    CORE_STREAMS: "words through the busiest DMA channel of a core, at one a cycle",
    DDR: "bytes moved by the busiest shim channel at its rate, or by all at the rate of the DDR",
    MEMORY_TILE: "words moved by the busiest memory tile channel, at one a cycle",
    CONTROL: "operations of the control stream",
}
_KINDS = {TileKind.CORE.value: CORE_STREAMS, TileKind.MEMTILE.value: MEMORY_TILE, TileKind.SHIM.value: DDR}


def binding(busy: Mapping[str, int], cycles: int) -> str:
    """What binds a layer of so many cycles: waiting, or the first of the resources that are busiest."""
    most = max(busy.values())
    if 2 * most <= cycles:
        return WAITING
    return next(kind for kind in RESOURCES if busy[kind] >= ALIKE * most)


Cycles = NDArray[np.float64]


@dataclass
class Lane:
    """Busy work of one core or channel: spans of time and the cycles of work spread over each."""

    starts: list[int]
    ends: list[int]
    work: list[float]

    def until(self, times: Cycles) -> Cycles:
        """Cycles of work done until each time."""
        order = np.argsort(self.starts, kind="stable")
        starts, ends = np.array(self.starts)[order], np.array(self.ends)[order]
        done = np.cumsum(np.array(self.work, np.float64)[order])
        # Spans of one lane follow each other; should two overlap, the later counts from where the first ends.
        ends = np.maximum.accumulate(ends)
        starts = np.maximum(starts, np.concatenate([[0], ends[:-1]]))
        knots = np.stack([starts, ends], axis=1).reshape(-1)
        levels = np.stack([np.concatenate([[0.0], done[:-1]]), done], axis=1).reshape(-1)
        level: Cycles = np.interp(times, knots, levels)
        return level


def busy_lanes(result: Result, target: Target) -> dict[str, list[Lane]]:
    """The lanes of each kind of resource."""
    found: dict[str, dict[str, Lane]] = {kind: {} for kind in RESOURCES}

    def add(kind: str, lane: str, start: int, end: int, work: float) -> None:
        kept = found[kind].setdefault(lane, Lane([], [], []))
        kept.starts.append(start)
        kept.ends.append(end)
        kept.work.append(work)

    for call in result.calls:
        add(COMPUTE, str(call.core), call.start, call.end, call.cycles)
    ddr_rates = channel_rates(target)
    for event in result.events:
        kind = _KINDS.get(event.tile.partition("(")[0])
        if kind is not None and event.lane != event.tile:  # a core's own lane holds its kernel calls
            rate = ddr_rates[_direction(event.lane)] if kind == DDR else STREAM_BYTES_PER_CYCLE
            work = min(float(event.end - event.start), event.bytes / rate)
            add(kind, event.lane, event.start, event.end, work)
    for start, end in _control_spans(result):
        add(CONTROL, CONTROL, start, end, end - start)
    return {kind: list(lanes.values()) for kind, lanes in found.items()} | _shared_ddr(found[DDR], target)


def _control_spans(result: Result) -> Iterator[tuple[int, int]]:
    """When the control processor works: from the start to its last operation, but for its waits."""
    reached, last = 0, result.control_cycles + result.sync_wait_cycles
    for event in sorted(result.events, key=lambda one: one.start):
        if event.tile == CONTROL_TILE and reached < event.start:
            yield reached, min(event.start, last)
        if event.tile == CONTROL_TILE:
            reached = event.end
    if reached < last:
        yield reached, last


def _direction(lane: str) -> Direction:
    """The direction of a DMA channel, which its lane is named after."""
    return Direction.MM2S if Direction.MM2S.name.lower() in lane else Direction.S2MM


def _shared_ddr(channels: Mapping[str, Lane], target: Target) -> dict[str, list[Lane]]:
    """The shim channels, each charged besides with its part of whatever rates they share."""
    ddr, rates = target.ddr, channel_rates(target)
    shared = {Direction.MM2S: ddr.read_gb_per_s, Direction.S2MM: ddr.write_gb_per_s}
    lanes = list(channels.values())
    for direction, gb_per_s in shared.items():
        same = [lane for name, lane in channels.items() if _direction(name) is direction]
        if gb_per_s and same:
            weights = [rates[direction] / target.bytes_per_cycle(gb_per_s)] * len(same)
            lanes.append(_Sum(same, weights))
    if ddr.total_gb_per_s and channels:
        weights = [rates[_direction(name)] / target.bytes_per_cycle(ddr.total_gb_per_s) for name in channels]
        lanes.append(_Sum(list(channels.values()), weights))
    return {DDR: lanes}


@dataclass
class _Sum(Lane):
    """Several lanes as one, their work weighted."""

    lanes: Sequence[Lane]
    weights: Sequence[float]

    def __init__(self, lanes: Sequence[Lane], weights: Sequence[float]) -> None:
        super().__init__([], [], [])
        self.lanes, self.weights = lanes, weights

    def until(self, times: Cycles) -> Cycles:
        """Weighted sum of the work of all lanes."""
        done = [lane.until(times) * weight for lane, weight in zip(self.lanes, self.weights, strict=True)]
        total: Cycles = np.sum(done, axis=0)
        return total


def busiest(lanes: Iterable[Lane], edges: Cycles) -> Cycles:
    """For each span of time the work of the lane that does most in it."""
    most = np.zeros(len(edges))
    for lane in lanes:
        done = lane.until(edges)
        most = np.maximum(most, done[:, 1] - done[:, 0])
    return most
