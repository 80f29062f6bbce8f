"""How busy cores and channels were in any span of a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compiler.encoding.tiles import TileKind
from compiler.target import Target
from runtime_sim.record import Result

CONTROL_TILE = "control"
STREAM_BYTES_PER_CYCLE = 4.0

CORE, MEMORY_TILE, DDR, CONTROL = RESOURCES = ("core", "memory_tile", "ddr", "control")
"""Kinds of resource, each charged with the busy cycles of its busiest member."""

MEANING = {
    CORE: "kernel calls of the busiest core",
    MEMORY_TILE: "words moved by the busiest memory tile channel, at one a cycle",
    DDR: "bytes moved by the busiest shim channel at its rate, or by all at the rate of the DDR",
    CONTROL: "operations of the control stream",
}
_KINDS = {TileKind.MEMTILE.value: MEMORY_TILE, TileKind.SHIM.value: DDR}

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
        add(CORE, str(call.core), call.start, call.end, call.cycles)
    ddr_rate = min(target.ddr.channel_bytes_per_cycle, STREAM_BYTES_PER_CYCLE)
    rates = {MEMORY_TILE: STREAM_BYTES_PER_CYCLE, DDR: ddr_rate}
    for event in result.events:
        kind = _KINDS.get(event.tile.partition("(")[0])
        if kind is not None:
            work = min(float(event.end - event.start), event.bytes / rates[kind])
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


def _shared_ddr(channels: Mapping[str, Lane], target: Target) -> dict[str, list[Lane]]:
    """The shim channels, each charged besides with its part of the DDR's own rate, if it has one."""
    lanes = list(channels.values())
    total = target.ddr.total_gb_per_s * 1000 / target.clock_mhz
    if not total or not lanes:
        return {DDR: lanes}
    share = target.ddr.channel_bytes_per_cycle / total
    return {DDR: [*lanes, _Sum(lanes, share)]}


@dataclass
class _Sum(Lane):
    """Several lanes as one, their work weighted."""

    lanes: Sequence[Lane]
    weight: float

    def __init__(self, lanes: Sequence[Lane], weight: float) -> None:
        super().__init__([], [], [])
        self.lanes, self.weight = lanes, weight

    def until(self, times: Cycles) -> Cycles:
        """Weighted sum of the work of all lanes."""
        total: Cycles = np.sum([lane.until(times) for lane in self.lanes], axis=0) * self.weight
        return total


def busiest(lanes: Iterable[Lane], edges: Cycles) -> Cycles:
    """For each span of time the work of the lane that does most in it."""
    most = np.zeros(len(edges))
    for lane in lanes:
        done = lane.until(edges)
        most = np.maximum(most, done[:, 1] - done[:, 0])
    return most
