"""Cuts cover what they divide, descriptors touch what they stand for, folding loses no transfer."""

from __future__ import annotations

from itertools import pairwise, product

from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.encoding.descriptors import LIMITS
from compiler.encoding.tiles import TileKind
from compiler.mapping.memory import Request, lower_bound, place, round_up
from compiler.mapping.patterns import LONG_CHAIN, MAX_CHAIN, Spec, Task, Transfer, coalesce, fit, packet_of
from compiler.mapping.program import Extent, chunks, divide
from compiler.mapping.shapes import Storage, even_share, share

KINDS = st.sampled_from([TileKind.MEMTILE, TileKind.SHIM])


def addresses(spec: Spec) -> list[int]:
    """The words a descriptor touches, in order."""
    found = []
    for index in range(spec.length):
        address, rest = spec.address, index
        for step, wrap in zip(spec.steps, (*spec.wraps, 0), strict=True):
            address += (rest % wrap if wrap else rest) * step
            rest = rest // wrap if wrap else 0
        found.append(address)
    return found


def executed(task: Task) -> list[Spec]:
    """The descriptors of a task as they run, one after another."""
    runs = []
    for turn in range(task.repeat):
        for spec in task.chain:
            step, wrap, current = spec.iteration or (0, 1, 0)
            runs.append(Spec(spec.address + (turn + current) % wrap * step, spec.length, spec.steps, spec.wraps))
    return runs


@given(KINDS, st.integers(0, 500), st.integers(1, 40), st.integers(1, 9), st.integers(1, 9), st.integers(0, 3))
def test_descriptors_touch_the_box(kind: TileKind, start: int, wide: int, blocks: int, rows: int, slack: int) -> None:
    pitch = wide + slack
    dims = [(wide, 1), (blocks, pitch), (rows, pitch * (blocks + slack))]
    expected = [start + sum(i * step for i, (_, step) in zip(index[::-1], dims, strict=True))
                for index in product(*(range(count) for count, _ in dims[::-1]))]  # fmt: skip
    specs = fit(kind, start, dims)
    assert [address for spec in specs for address in addresses(spec)] == expected


@settings(max_examples=60)
@given(KINDS, st.integers(1, 3000), st.integers(1, 40), st.integers(1, 3))
def test_descriptors_keep_to_the_fields(kind: TileKind, wide: int, blocks: int, rows: int) -> None:
    limits = LIMITS[kind]
    specs = fit(kind, 0, [(wide, 1), (blocks, wide + 7), (rows, (wide + 7) * (blocks + 1))])
    assert sum(spec.length for spec in specs) == wide * blocks * rows
    for spec in specs:
        assert len(spec.wraps) <= limits.wrapped_dims and all(wrap <= limits.max_wrap for wrap in spec.wraps)
        assert spec.length <= limits.max_length and max(spec.steps) <= limits.max_step


@given(
    st.lists(
        st.one_of(
            st.tuples(st.integers(0, 90), st.integers(1, 40), st.integers(1, 80)),  # start, step, count
            st.tuples(st.integers(0, 90), st.just(0), st.integers(1, 20)),
        ),
        max_size=5,
    ),
    st.integers(1, 4),
    st.lists(st.integers(1, 3), min_size=1, max_size=3),
    st.sampled_from([MAX_CHAIN, LONG_CHAIN]),
)
def test_folding_loses_nothing(runs: list[tuple[int, int, int]], ring: int, lengths: list[int], longest: int) -> None:
    places = [start + i % (ring * 7) * step for start, step, count in runs for i in range(count)]
    transfers = [
        Transfer(i, packet_of((Spec(place, 4 * lengths[i % len(lengths)]),), packet=i % 2 if ring == 2 else None))
        for i, place in enumerate(places)
    ]
    tasks = coalesce(TileKind.MEMTILE, transfers, longest)
    plain = [(spec.address, spec.length) for one in transfers for spec in one.specs]
    assert [(spec.address, spec.length) for task in tasks for spec in executed(task)] == plain
    assert [task.first for task in tasks] == sorted(task.first for task in tasks)
    for task in tasks:
        assert task.repeat <= LIMITS[TileKind.MEMTILE].max_repeat
        assert all(one.iteration is None or one.iteration[1] <= 64 for one in task.chain)


def test_rows_of_a_packet_fold_over_many_packets() -> None:
    """Each row is a descriptor; the packets' headers tell the first of them from the others."""
    rows = 9
    packets = [packet_of([Spec(1000 * part + 100 * row, 40) for row in range(rows)], 17) for part in range(20)]
    transfers = [Transfer(i, (spec,)) for i, packet in enumerate(packets) for spec in packet]
    assert len(coalesce(TileKind.MEMTILE, transfers)) > 20
    (one,) = coalesce(TileKind.MEMTILE, transfers, LONG_CHAIN)
    assert (len(one.chain), one.repeat) == (rows, 20)
    assert [spec.address for spec in executed(one)] == [spec.address for packet in packets for spec in packet]


def test_two_slots_in_turn_fold_from_either() -> None:
    for first in (0, 1):
        slots = [100 + 50 * ((i + first) % 2) for i in range(9)]
        tasks = coalesce(TileKind.CORE, [Transfer(i, (Spec(place, 8),)) for i, place in enumerate(slots)])
        assert len(tasks) == 1 and [one.address for one in executed(tasks[0])] == slots


@given(st.integers(0, 60), st.integers(1, 9))
def test_shares_cover(count: int, parts: int) -> None:
    edges = [share(count, parts, index) for index in range(parts)]
    assert [i for first, last in edges for i in range(first, last)] == list(range(count))


@given(st.integers(1, 60), st.integers(1, 9))
def test_even_shares_cover_and_are_of_one_size(count: int, parts: int) -> None:
    edges = [even_share(count, parts, index) for index in range(parts)]
    assert {i for first, last in edges for i in range(first, last)} == set(range(count))
    assert {last - first for first, last in edges} == {-(-count // parts)}
    assert all(first >= 0 and last <= count for first, last in edges)
    assert all(before[1] >= after[0] for before, after in pairwise(edges)), "neighbours touch"


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 8), st.sampled_from(["rows", "channels"]))
def test_extents_cover(rows: int, blocks: int, parts: int, by: str) -> None:
    whole = Extent((0, rows), (0, blocks))
    cells = {
        (r, b)
        for index in range(parts)
        for part in [divide(whole, by, parts, index)]
        for r in range(*part.rows)
        for b in range(*part.blocks)
    }
    assert cells == set(product(range(rows), range(blocks)))


@given(st.integers(1, 30), st.integers(0, 3), st.integers(0, 3), st.integers(1, 8))
def test_stored_rows_bring_the_border(height: int, top: int, bottom: int, parts: int) -> None:
    storage = Storage(height, 4, 8, top, bottom, 0, 0, 0, 0, True)
    found = [storage.stored_rows(*share(height, parts, index)) for index in range(parts)]
    assert [row for first, last in found for row in range(first, last)] == list(range(storage.rows))


@given(st.integers(0, 9), st.integers(1, 9), st.integers(1, 4))
def test_chunks_cover(first: int, count: int, size: int) -> None:
    pieces = chunks(first, first + count, size)
    assert [i for a, b in pieces for i in range(a, b)] == list(range(first, first + count))


@given(st.lists(st.tuples(st.integers(1, 5000), st.integers(0, 9), st.integers(0, 4)), max_size=12))
def test_placement_is_sound(buffers: list[tuple[int, int, int]]) -> None:
    requests = [Request(str(i), size, first, first + more) for i, (size, first, more) in enumerate(buffers)]
    offsets, used = place(requests)
    assert used >= lower_bound(requests)[0]
    for i, one in enumerate(requests):
        assert offsets[i] + round_up(one.bytes) <= used
        for j, other in enumerate(requests[:i]):
            together = one.first <= other.last and other.first <= one.last
            apart = offsets[i] + one.bytes <= offsets[j] or offsets[j] + other.bytes <= offsets[i]
            assert apart or not together
