"""Buffers with live ranges in one memory: what is asked, the bound no placement can beat, and a cheap greedy placement.

`compiler.mapping.exact` looks for the smallest memory, which takes longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from compiler.errors import Diagnostic, InternalError
from compiler.kernels.numbers import Number

ALIGN_BYTES = 64
"""Buffers start on 64-byte boundaries: two 256-bit words, and a DDR burst."""

Window = tuple[int, int]
"""Bytes first..last - 1, as (first, last)."""


@dataclass(frozen=True)
class Request:
    """A buffer alive in epochs first..last, both included; with `offset` it lies there, in bytes, and nowhere else."""

    name: str
    bytes: int
    first: int
    last: int
    offset: int | None = None


def round_up(value: Number, to: int = ALIGN_BYTES) -> Number:
    """The next multiple."""
    return -(-value // to) * to


def lower_bound(requests: Sequence[Request], align: int = ALIGN_BYTES) -> tuple[int, int]:
    """(bytes, epoch): the most that is alive at once, which no placement can beat, and when."""
    events: dict[int, int] = {}
    for one in requests:
        size = round_up(one.bytes, align)
        events[one.first] = events.get(one.first, 0) + size
        events[one.last + 1] = events.get(one.last + 1, 0) - size
    alive, best = 0, (0, 0)
    for epoch in sorted(events):
        alive += events[epoch]
        best = max(best, (alive, -epoch))
    return best[0], -best[1]


def merge(requests: Sequence[Request], pairs: Iterable[tuple[int, int]]) -> tuple[list[Request], list[int]]:
    """(requests, and for each given one its place among them): each pair of indices shares one offset.

    A pair is, for example, an operation that writes its result over its operand.  What is joined is as large as the
    largest and alive from the first epoch of all to the last.  `InternalError` if two are pinned to different offsets.
    """
    root = list(range(len(requests)))

    def top(index: int) -> int:
        while root[index] != index:
            index = root[index]
        return index

    for one, other in pairs:
        a, b = sorted((top(one), top(other)))
        root[b] = a
    groups: dict[int, list[Request]] = {}
    for index, request in enumerate(requests):
        groups.setdefault(top(index), []).append(request)
    place_of = {index: number for number, index in enumerate(groups)}
    return [_joined(group) for group in groups.values()], [place_of[top(index)] for index in range(len(requests))]


def _joined(group: Sequence[Request]) -> Request:
    pinned = {one.offset for one in group if one.offset is not None}
    name = "+".join(one.name for one in group)
    if len(pinned) > 1:
        raise InternalError(
            Diagnostic("memory-pinned", f"'{name}' share an offset, but are pinned to {sorted(pinned)}")
        )
    ends = max(one.bytes for one in group), min(one.first for one in group), max(one.last for one in group)
    return Request(name, *ends, *pinned)


def place(
    requests: Sequence[Request], align: int = ALIGN_BYTES, windows: Sequence[Window] = ()
) -> tuple[list[int], int]:
    """Offsets in the order of the requests, and the bytes used: the lower peak of two greedy orders.

    Offsets are multiples of `align`, and no buffer that is not pinned has bytes in `windows`.
    """
    tried = (greedy(requests, order, align, windows) for order in islice(orders(requests), 2))
    return min(tried, key=lambda found: found[1])


def orders(requests: Sequence[Request]) -> Iterator[list[int]]:
    """Indices in which to place greedily, the best rules first: the largest, the longest alive, both, the earliest."""
    indices = range(len(requests))
    sizes, lives = [one.bytes for one in requests], [one.last - one.first + 1 for one in requests]
    yield sorted(indices, key=lambda i: (-sizes[i], requests[i].first, i))
    yield sorted(indices, key=lambda i: (-lives[i], -sizes[i], i))
    yield sorted(indices, key=lambda i: (-sizes[i] * lives[i], i))
    yield sorted(indices, key=lambda i: (requests[i].first, -sizes[i], i))


def greedy(
    requests: Sequence[Request], order: Sequence[int], align: int, windows: Sequence[Window]
) -> tuple[list[int], int]:
    """Best fit in an order, pinned requests first: as `place`.  What has no bytes starts at 0."""
    offsets = [one.offset or 0 for one in requests]
    placed = [i for i, one in enumerate(requests) if one.offset is not None and one.bytes]
    for index in order:
        wanted = requests[index]
        if wanted.offset is not None or not wanted.bytes:
            continue
        taken = [
            (offsets[other], round_up(offsets[other] + requests[other].bytes, align))
            for other in placed
            if requests[other].first <= wanted.last and wanted.first <= requests[other].last
        ]
        offsets[index] = _gap(sorted([*taken, *windows]), round_up(wanted.bytes, align), align)
        placed.append(index)
    return offsets, used(requests, offsets, align)


def used(requests: Sequence[Request], offsets: Sequence[int], align: int) -> int:
    """Bytes up to the end of the last buffer."""
    return max((round_up(at + one.bytes, align) for one, at in zip(requests, offsets, strict=True)), default=0)


def _gap(taken: Sequence[Window], size: int, align: int) -> int:
    """The start of the tightest hole that holds `size`, else the end of what is taken."""
    best: Window | None = None
    end = 0
    for first, last in taken:
        if first - end >= size and (best is None or first - end < best[0]):
            best = (first - end, end)
        end = max(end, round_up(last, align))
    return end if best is None else best[1]
