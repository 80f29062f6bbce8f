"""The smallest memory: placements are sound, no larger than they must be, and the same each time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.minimalloc import FRAGMENTED, is_sound, read, table
from compiler.errors import InternalError
from compiler.mapping import exact
from compiler.mapping.exact import Placement, luby, shortage, smallest
from compiler.mapping.memory import Request, Window, lower_bound, merge, place


def request(name: str, size: int, first: int, length: int, offset: int | None = None) -> Request:
    return Request(name, size, first, first + length, offset)


TINY = st.lists(st.builds(request, st.just("b"), st.integers(1, 3), st.integers(0, 3), st.integers(0, 2)), max_size=5)
WINDOWS = st.lists(st.builds(lambda low, size: (low, low + size), st.integers(0, 4), st.integers(1, 2)), max_size=2)


def overlap(one: Request, at: int, other: Request, there: int) -> bool:
    together = one.first <= other.last and other.first <= one.last
    return together and at < there + other.bytes and there < at + one.bytes


def clear(one: Request, at: int, windows: Sequence[Window]) -> bool:
    return one.offset is not None or all(at >= high or at + one.bytes <= low for low, high in windows)


def fits(requests: Sequence[Request], windows: Sequence[Window], height: int, placed: tuple[int, ...] = ()) -> bool:
    """Whether any placement has its peak at `height` bytes at most: tries all offsets."""
    if len(placed) == len(requests):
        return True
    here = requests[len(placed)]
    return any(
        clear(here, at, windows)
        and not any(overlap(here, at, other, there) for other, there in zip(requests, placed, strict=False))
        and fits(requests, windows, height, (*placed, at))
        for at in range(height - here.bytes + 1)
        if here.offset in (None, at)
    )


def check(requests: Sequence[Request], found: Placement, align: int, windows: Sequence[Window] = ()) -> None:
    for i, (one, at) in enumerate(zip(requests, found.offsets, strict=True)):
        assert at == one.offset if one.offset is not None else at % align == 0
        assert clear(one, at, windows) and at + one.bytes <= found.peak
        assert not any(overlap(one, at, requests[j], found.offsets[j]) for j in range(i))
    assert found.peak >= found.bound and found.optimal == (found.peak == found.bound)


def crowd(seed: int, count: int) -> list[Request]:
    """Buffers of many sizes and lives, which greedy placements waste room on."""
    random = Random(seed)
    return [
        request(f"b{i}", random.randint(1, 2000), random.randint(0, 60), random.choice([0, 1, 2, 5, 20]))
        for i in range(count)
    ]


@settings(max_examples=150, deadline=None)
@given(TINY, WINDOWS)
def test_as_small_as_any(requests: list[Request], windows: list[Window]) -> None:
    found = smallest(requests, align=1, windows=windows)
    check(requests, found, 1, windows)
    assert found.optimal and not (requests and fits(requests, windows, found.peak - 1))


@settings(max_examples=100, deadline=None)
@given(TINY, st.integers(0, 4), WINDOWS)
def test_pinned_requests_stay(requests: list[Request], offset: int, windows: list[Window]) -> None:
    requests = [request("pinned", 2, 1, 1, offset), *requests]
    found = smallest(requests, align=1, windows=windows)
    check(requests, found, 1, windows)
    assert found.optimal and not fits(requests, windows, found.peak - 1)


@pytest.mark.parametrize("seed", range(6))
def test_crowds(seed: int) -> None:
    requests = crowd(seed, 40 + 20 * seed)
    windows = [(5000, 5100), (64, 100)] if seed % 2 else []
    found = smallest(requests, windows=windows, nodes=20_000)
    check(requests, found, 64, windows)
    assert lower_bound(requests)[0] <= found.bound
    assert found.peak <= place(requests, windows=windows)[1]
    assert found == smallest(requests, windows=windows, nodes=20_000)
    assert found.optimal or found.nodes == 20_000


def test_a_search_finds_what_greedy_orders_miss() -> None:
    assert place(FRAGMENTED, align=1)[1] == 9
    found = smallest(FRAGMENTED, capacity=8, align=1)
    assert (found.peak, found.bound, found.optimal, found.gap) == (8, 8, True, 0.0)
    assert found.nodes > 0
    unsearched = smallest(FRAGMENTED, align=1, nodes=0)
    assert (unsearched.peak, unsearched.bound, unsearched.nodes) == (9, 8, 0) and unsearched.gap == 1 / 9


def test_what_fits_is_not_searched() -> None:
    assert smallest(FRAGMENTED, capacity=9, align=1).nodes == 0
    assert smallest([]) == Placement((), 0, 0, 0)


@pytest.mark.parametrize(
    ("live", "buffers"),
    [
        (
            5,
            [
                (2, 0, 0),
                (3, 0, 1),
                (1, 1, 2),
                (1, 1, 4),
                (1, 2, 3),
                (1, 2, 3),
                (1, 2, 4),
                (1, 3, 3),
                (3, 4, 5),
                (2, 5, 5),
            ],
        ),
        (
            4,
            [
                (2, 0, 0),
                (2, 0, 2),
                (1, 1, 1),
                (1, 1, 3),
                (1, 2, 4),
                (1, 3, 3),
                (1, 3, 5),
                (2, 4, 7),
                (1, 5, 5),
                (2, 6, 7),
            ],
        ),
    ],
)
def test_a_search_proves_that_more_is_needed(live: int, buffers: list[tuple[int, int, int]]) -> None:
    requests = [Request("b", *one) for one in buffers]
    assert lower_bound(requests, 1)[0] == live and not fits(requests, [], live)
    found = smallest(requests, capacity=live, align=1)
    assert (found.peak, found.bound, found.optimal) == (live + 1, live + 1, True)


def test_empty_buffers_need_nothing() -> None:
    requests = [request("a", 0, 0, 5), request("b", 100, 0, 5), request("c", 0, 2, 0, 640)]
    assert smallest(requests) == Placement((0, 0, 640), 640, 640, 0)
    assert smallest(requests[:2], windows=[(0, 200), (400, 500)]) == Placement((0, 256), 384, 384, 0)


def test_merged_requests_share_an_offset() -> None:
    requests = [request("x", 100, 0, 1), request("y", 60, 2, 1), request("z", 100, 3, 0), request("w", 8, 4, 0, 256)]
    merged, where = merge(requests, [(1, 0)])
    assert merged == [request("x+y", 100, 0, 3), *requests[2:]] and where == [0, 0, 1, 2]
    found = smallest(merged)
    assert found.peak == 320 and found.offsets[where[0]] == found.offsets[where[1]]
    assert merge(requests, [(0, 1), (1, 3)])[0][0] == request("x+y+w", 100, 0, 4, 256)
    with pytest.raises(InternalError, match="memory-pinned"):
        merge([request("a", 1, 0, 0, 0), request("b", 1, 1, 0, 64)], [(0, 1)])


@pytest.mark.parametrize(
    ("code", "requests"),
    [
        ("memory-pinned", [request("a", 65, 0, 1, 0), request("b", 8, 1, 1, 64)]),
        ("memory-request", [request("a", -1, 0, 1)]),
        ("memory-request", [request("a", 1, 1, -1)]),
        ("memory-request", [request("a", 1, 1, 0, -64)]),
    ],
)
def test_requests_that_make_no_sense(code: str, requests: list[Request]) -> None:
    with pytest.raises(InternalError, match=code):
        smallest(requests)


def test_pinned_requests_may_meet_in_place_or_time() -> None:
    requests = [
        request("a", 64, 0, 1, 0),
        request("b", 64, 2, 1, 0),
        request("c", 32, 0, 1, 64),
        request("d", 64, 0, 3),
    ]
    found = smallest(requests, windows=[(0, 64)])
    assert found.offsets == (0, 0, 64, 128) and found.optimal


def test_why_it_does_not_fit() -> None:
    requests = [request("small", 64, 0, 1), request("large", 256, 1, 1), request("later", 512, 3, 0)]
    found = smallest(requests, capacity=256)
    short = shortage(requests, found, 256)
    assert short is not None
    assert (short.capacity, short.peak, short.bound, short.epoch) == (256, 512, 512, 3)
    assert [one.name for one in short.alive] == ["later"]
    assert shortage(requests, found, 512) is None


def test_a_clock_ends_a_search() -> None:
    requests = crowd(3, 100)
    found = smallest(requests, seconds=0.0)
    check(requests, found, 64)
    assert found.nodes == 0


def test_of_too_many_buffers_only_greedy_orders_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "MOST_BUFFERS", len(FRAGMENTED) - 1)
    assert smallest(FRAGMENTED, align=1) == smallest(FRAGMENTED, align=1, nodes=0)


def test_luby() -> None:
    assert list(islice(luby(), 15)) == [1, 1, 2, 1, 1, 2, 4, 1, 1, 2, 1, 1, 2, 4, 8]


def test_the_benchmark_reads_and_prints(tmp_path: Path) -> None:
    file = tmp_path / "ring.8.csv"
    rows = [f"{one.name},{one.first},{one.last + 1},{one.bytes}" for one in FRAGMENTED]
    file.write_text("\n".join(["id,lower,upper,size", *rows]), encoding="utf-8")
    assert read(file) == (FRAGMENTED, 8)
    row = list(table([file], 1000, 60.0))[-1]
    assert row.startswith("| ring | 5 | 8 | 9 | yes |")
    assert not is_sound(FRAGMENTED, Placement((0, 0, 0, 0, 0), 3, 3, 0))
