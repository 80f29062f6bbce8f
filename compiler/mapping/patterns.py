"""From transfers to descriptors: address patterns that fit the hardware, and runs of transfers folded into one.

Addresses, lengths and steps are 32-bit words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from compiler.encoding.descriptors import LIMITS
from compiler.encoding.tiles import TileKind, split_memtile_word

MAX_CHAIN = 4
"""Descriptors of a chain; more would leave too few for the other channels."""

LONG_CHAIN = 12
"""The same where a column's channels are few, so that more packets fold into one task."""


CALLS_A_STEP = 1 << 12
"""A step of work has fewer calls."""


def order_of(step: int, call: int = 0) -> int:
    """One number that orders calls of all steps."""
    return step * CALLS_A_STEP + call


@dataclass(frozen=True)
class Spec:
    """One descriptor before it has a number; `iteration` is (step, wrap, current)."""

    address: int
    length: int
    steps: tuple[int, ...] = (1,)
    wraps: tuple[int, ...] = ()
    iteration: tuple[int, int, int] | None = None
    acquire: tuple[int, int] | None = None
    release: tuple[int, int] | None = None
    packet: int | None = None
    keep_open: bool = False
    argument: int | None = None


@dataclass(frozen=True)
class Task:
    """A chain of descriptors and how often it runs; it spans the work from `first` to `last`, see `order_of`."""

    chain: tuple[Spec, ...]
    repeat: int
    first: int
    last: int


@dataclass(frozen=True)
class Transfer:
    """What one call asks of a channel: descriptors in turn; `step` is its place in the work, see `order_of`."""

    step: int
    specs: tuple[Spec, ...]


def fit(kind: TileKind, address: int, dims: Sequence[tuple[int, int]]) -> tuple[Spec, ...]:
    """Descriptors for a pattern of (count, step), innermost first, whose innermost step is one word.

    Neighbouring dimensions that join are joined; a pattern with too many dimensions or too wide ones becomes
    several descriptors.
    """
    limits = LIMITS[kind]
    merged = _fold(_join(dims), limits.max_wrap, limits.wrapped_dims)
    if merged is None:
        merged = _fold([one for one in dims if one[0] > 1] or [(1, 1)], limits.max_wrap, limits.wrapped_dims)
    if merged is None:
        return _several(kind, address, dims)
    length = 1
    for count, _ in merged:
        length *= count
    steps = tuple(step for _, step in merged)
    if length > limits.max_length or max(steps) > limits.max_step:
        return _several(kind, address, dims)
    return (Spec(address, length, steps, tuple(count for count, _ in merged[:-1])),)


def packet_of(
    specs: Sequence[Spec],
    packet: int | None = None,
    acquire: tuple[int, int] | None = None,
    release: tuple[int, int] | None = None,
) -> tuple[Spec, ...]:
    """The descriptors as one packet: its header and wait at the first, its end and release at the last."""
    end = len(specs) - 1
    return tuple(
        replace(
            spec,
            packet=packet if position == 0 else None,
            acquire=acquire if position == 0 else None,
            release=release if position == end else None,
            keep_open=position < end,
        )
        for position, spec in enumerate(specs)
    )


def transfers_of(step: int, specs: Sequence[Spec]) -> list[Transfer]:
    """One transfer; where the chain would be too long one for each descriptor, so that like ones fold."""
    if len(specs) <= MAX_CHAIN:
        return [Transfer(step, tuple(specs))]
    return [Transfer(step, (spec,)) for spec in specs]


def _join(dims: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for count, step in dims:
        if count == 1:
            continue
        if joined and joined[-1][0] * joined[-1][1] == step:
            joined[-1] = (joined[-1][0] * count, joined[-1][1])
        else:
            joined.append((count, step))
    return joined or [(1, 1)]


def _fold(dims: list[tuple[int, int]], max_wrap: int, wrapped: int) -> list[tuple[int, int]] | None:
    """Split dimensions wider than a wrap field in two; None if that needs too many dimensions."""
    result: list[tuple[int, int]] = []
    for position, (count, step) in enumerate(dims):
        if count <= max_wrap or position == len(dims) - 1:
            result.append((count, step))
            continue
        inner = next((one for one in range(max_wrap, 1, -1) if count % one == 0), 0)
        if not inner or count // inner > max_wrap:
            return None
        result += [(inner, step), (count // inner, step * inner)]
    return result if len(result) <= wrapped + 1 else None


def _several(kind: TileKind, address: int, dims: Sequence[tuple[int, int]]) -> tuple[Spec, ...]:
    """One pattern per index of the outermost dimension."""
    *inner, (count, step) = dims
    assert inner, f"a pattern {dims} cannot be cut further"
    return tuple(one for index in range(count) for one in fit(kind, address + index * step, inner))


Shape = tuple[Spec, ...]
"""The descriptors of a transfer without their addresses."""


def coalesce(kind: TileKind, transfers: Sequence[Transfer], longest: int = MAX_CHAIN) -> list[Task]:
    """Fold runs of transfers that differ only by evenly spaced addresses into repeated chains with iteration.

    Chains of several transfers have at most `longest` descriptors.
    """
    tasks: list[Task] = []
    shapes = [tuple(_shape(kind, spec) for spec in one.specs) for one in transfers]
    position = 0
    while position < len(transfers):
        period, count, chain = _best(kind, transfers, shapes, position, longest)
        end = position + period * count
        tasks.append(Task(chain, count, transfers[position].step, transfers[end - 1].step))
        position = end
    return tasks


def _best(
    kind: TileKind, transfers: Sequence[Transfer], shapes: Sequence[Shape], position: int, longest: int
) -> tuple[int, int, tuple[Spec, ...]]:
    """The period, the count and the chain that fold most transfers from here."""
    best = (1, 1, transfers[position].specs)
    for period in range(1, LONG_CHAIN + 1):
        window = transfers[position : position + period]
        long = period > 1 and sum(len(one.specs) for one in window) > longest
        if len(window) < period or long:
            break
        count, chain = _repeats(kind, transfers, shapes, position, period)
        if count >= 2 and count * period > best[0] * best[1]:
            best = (period, count, chain)
    return best


def _repeats(
    kind: TileKind, transfers: Sequence[Transfer], shapes: Sequence[Shape], position: int, period: int
) -> tuple[int, tuple[Spec, ...]]:
    """How often the chain of `period` transfers recurs from here, and the chain with its iterations."""
    limits = LIMITS[kind]
    chain = [spec for one in transfers[position : position + period] for spec in one.specs]
    wanted = shapes[position : position + period]
    addresses: list[list[int]] = [[spec.address] for spec in chain]
    count = 1
    while count < limits.max_repeat:
        start = position + count * period
        if shapes[start : start + period] != wanted:
            break
        window = [spec for one in transfers[start : start + period] for spec in one.specs]
        for known, spec in zip(addresses, window, strict=True):
            known.append(spec.address)
        count += 1
    while count > 1:
        found = [_iteration(known[:count], limits.max_iterations, limits.max_step) for known in addresses]
        good = min(reach for reach, _, _ in found)
        if good == count:
            folded = (
                replace(spec, iteration=rule, address=base) for spec, (_, base, rule) in zip(chain, found, strict=True)
            )
            return count, tuple(folded)
        count = good
    return 1, tuple(chain)


def _shape(kind: TileKind, spec: Spec) -> Spec:
    """A descriptor but for its place in a memory: an iteration stays in one memory tile."""
    side = split_memtile_word(spec.address)[0] if kind is TileKind.MEMTILE else 0
    return replace(spec, address=side)


def _iteration(addresses: Sequence[int], max_wrap: int, max_step: int) -> tuple[int, int, tuple[int, int, int] | None]:
    """(how many of the addresses follow, base, rule): base + ((i + current) mod wrap) * step."""
    first = addresses[0]
    step = addresses[1] - first if len(addresses) > 1 else 0
    if step == 0:
        same = next((i for i, one in enumerate(addresses) if one != first), len(addresses))
        return same, first, None
    if not -max_step <= step <= max_step:
        return 1, first, None
    if step < 0:  # two slots in turn, the second first
        pair = (first, addresses[1])
        odd = (i for i, one in enumerate(addresses) if one != pair[i % 2])
        return next(odd, len(addresses)), addresses[1], (-step, 2, 1)
    even = (i for i, one in enumerate(addresses) if one != first + i * step)
    wrap = min(next(even, len(addresses)), max_wrap)
    odd = (i for i, one in enumerate(addresses) if one != first + i % wrap * step)
    return next(odd, len(addresses)), first, (step, wrap, 0)
