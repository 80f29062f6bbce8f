"""Offsets for buffers with live ranges in one memory: best fit, largest first, with the bound it is measured by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ALIGN_BYTES = 64
"""Buffers start on 64-byte boundaries: two 256-bit words, and a DDR burst."""


@dataclass(frozen=True)
class Request:
    """A buffer alive in epochs first..last, both included."""

    name: str
    bytes: int
    first: int
    last: int


def round_up(value: int, to: int = ALIGN_BYTES) -> int:
    """The next multiple."""
    return -(-value // to) * to


def lower_bound(requests: Sequence[Request]) -> tuple[int, int]:
    """(bytes, epoch): the most that is alive at once, which no placement can beat, and when."""
    events: dict[int, int] = {}
    for one in requests:
        events[one.first] = events.get(one.first, 0) + round_up(one.bytes)
        events[one.last + 1] = events.get(one.last + 1, 0) - round_up(one.bytes)
    alive, best = 0, (0, 0)
    for epoch in sorted(events):
        alive += events[epoch]
        best = max(best, (alive, -epoch))
    return best[0], -best[1]


def place(requests: Sequence[Request]) -> tuple[list[int], int]:
    """Offsets in the order of the requests, and the bytes used: the lower peak of two greedy orders."""
    by_size = sorted(range(len(requests)), key=lambda i: (-requests[i].bytes, requests[i].first, i))
    by_life = sorted(range(len(requests)), key=lambda i: (requests[i].first - requests[i].last, -requests[i].bytes, i))
    return min((_greedy(requests, order) for order in (by_size, by_life)), key=lambda found: found[1])


def _greedy(requests: Sequence[Request], order: Sequence[int]) -> tuple[list[int], int]:
    offsets = [0] * len(requests)
    placed: list[int] = []
    peak = 0
    for index in order:
        wanted = requests[index]
        size = round_up(wanted.bytes)
        taken = sorted(
            (offsets[other], offsets[other] + round_up(requests[other].bytes))
            for other in placed
            if requests[other].first <= wanted.last and wanted.first <= requests[other].last
        )
        offsets[index] = _gap(taken, size)
        placed.append(index)
        peak = max(peak, offsets[index] + size)
    return offsets, peak


def _gap(taken: Sequence[tuple[int, int]], size: int) -> int:
    """The start of the tightest hole that holds `size`, else the end of what is taken."""
    best: tuple[int, int] | None = None
    end = 0
    for first, last in taken:
        if first - end >= size and (best is None or first - end < best[0]):
            best = (first - end, end)
        end = max(end, last)
    return end if best is None else best[1]
