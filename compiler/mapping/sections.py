"""Requests in the form in which a search wants them: sections of time instead of epochs, one unit instead of bytes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from compiler.errors import Diagnostic, InternalError
from compiler.mapping.memory import Request, Window, round_up


@dataclass(frozen=True)
class Item:
    """A buffer to place: its index among the requests, its size in units, and its sections first..last - 1."""

    index: int
    size: int
    first: int
    last: int
    epochs: int


@dataclass(frozen=True)
class Part:
    """Buffers to place that meet, directly or through others; `holes` are the taken ranges of each section, sorted."""

    items: tuple[Item, ...]
    holes: tuple[tuple[Window, ...], ...]

    @property
    def sections(self) -> int:
        """Stretches of time that are told apart."""
        return len(self.holes)

    def loads(self) -> list[int]:
        """Units to place in each section."""
        found = [0] * self.sections
        for one in self.items:
            for section in range(one.first, one.last):
                found[section] += one.size
        return found

    def bound(self) -> int:
        """Units below which some section has no room for what it must hold."""
        return max(map(_level, self.loads(), self.holes))


@dataclass(frozen=True)
class Cut:
    """Parts that can be placed one by one; a unit is so many bytes."""

    parts: tuple[Part, ...]
    unit: int


def cut(requests: Sequence[Request], align: int, windows: Sequence[Window]) -> Cut:
    """All that is to be placed.  `InternalError` for a request that cannot be, and for pinned ones that overlap."""
    _check(requests)
    taken = [(a // align * align, round_up(b, align)) for a, b in windows]
    pins = {i: _pin(one, align) for i, one in enumerate(requests) if one.offset is not None and one.bytes}
    sizes = {i: round_up(one.bytes, align) for i, one in enumerate(requests) if one.offset is None and one.bytes}
    unit = math.gcd(*sizes.values(), *(edge for hole in (*taken, *pins.values()) for edge in hole)) or 1
    spans, count = _spans(requests, [*sizes, *pins])
    holes = [
        _joined([*taken, *(hole for i, hole in pins.items() if spans[i][0] <= section < spans[i][1])], unit)
        for section in range(count)
    ]
    items = [Item(i, sizes[i] // unit, *spans[i], requests[i].last - requests[i].first + 1) for i in sizes]
    return Cut(tuple(_parts(sorted(items, key=lambda one: (one.first, one.last, one.size, one.index)), holes)), unit)


def _check(requests: Sequence[Request]) -> None:
    for one in requests:
        if one.bytes < 0 or one.last < one.first or (one.offset or 0) < 0:
            raise InternalError(Diagnostic("memory-request", f"no memory can be found for {one}"))
    pinned = sorted((one.offset, i) for i, one in enumerate(requests) if one.offset is not None and one.bytes)
    for (low, i), (high, j) in combinations(pinned, 2):
        one, other = requests[i], requests[j]
        if high < low + one.bytes and one.first <= other.last and other.first <= one.last:
            raise InternalError(
                Diagnostic("memory-pinned", f"'{one.name}' and '{other.name}' are pinned to the same bytes")
            )


def _pin(request: Request, align: int) -> Window:
    assert request.offset is not None
    return request.offset // align * align, round_up(request.offset + request.bytes, align)


def _spans(requests: Sequence[Request], chosen: Sequence[int]) -> tuple[dict[int, tuple[int, int]], int]:
    """Sections of each chosen request, and their number.

    A section begins where a buffer begins after another ended: what meets at all meets in a section.
    """
    events = sorted([(requests[i].last + 1, 0, i) for i in chosen] + [(requests[i].first, 1, i) for i in chosen])
    first, last, section, begins = dict[int, int](), dict[int, int](), -1, False
    for _, kind, index in events:
        if kind == 0:
            last[index] = section + 1
        else:
            section += not begins
            first[index] = section
        begins = kind == 1
    return {i: (first[i], last[i]) for i in chosen}, section + 1


def _joined(holes: Sequence[Window], unit: int) -> tuple[Window, ...]:
    """Holes from the bottom up, in units; those that overlap or touch are one."""
    found: list[Window] = []
    for low, high in sorted(holes):
        if found and low <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return tuple((low // unit, high // unit) for low, high in found)


def _parts(items: Sequence[Item], holes: Sequence[tuple[Window, ...]]) -> Iterator[Part]:
    """Cut items, sorted by their first section, where none is alive across."""
    group: list[Item] = []
    end = 0
    for one in [*items, None]:
        if group and (one is None or one.first >= end):
            start = group[0].first
            moved = [Item(x.index, x.size, x.first - start, x.last - start, x.epochs) for x in group]
            yield Part(tuple(moved), tuple(holes[start:end]))
            group = []
        if one is not None:
            group.append(one)
            end = max(end, one.last)


def _level(load: int, holes: Sequence[Window]) -> int:
    """Where a section ends that is filled from the bottom with so much beside its holes."""
    level = 0
    for low, high in holes:
        if low - level >= load:
            break
        load, level = load - (low - level), high
    return level + load if load else 0
