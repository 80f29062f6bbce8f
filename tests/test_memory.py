"""The memory planner's placements, and a checker of its own that refuses every kind of wrong plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.backend.memory import (
    BufferRecord,
    Memory,
    buffers_of,
    lower_bound,
    memory_json,
    used_bytes,
    with_packets,
)
from compiler.backend.memory_check import check_buffers, check_memory, touched
from compiler.errors import UNKNOWN, DoesNotFit, FusedLocation, InternalError, NodeLocation
from compiler.frontend import import_onnx
from compiler.ir import Module, Rewriter
from compiler.mapping import memory as planner
from compiler.mapping.exact import Shortage
from compiler.pass_manager import Instrument, Pass, PassManager, PassPipeline
from compiler.pipeline import DEFAULT_PIPELINE, PASSES
from compiler.target import Target, target_names
from dialects.aie2 import BdOp, CoreConfigOp
from dialects.tile import RunOp
from passes.memory_planning import MemoryPlanning

DIGITS = Path(__file__).parents[1] / "examples/models/digits_int8.onnx"
TARGET = Target.load("aie2-2x2")
TILE = Memory("mem", 0, 1)
TILED = DEFAULT_PIPELINE.partition(",memory-planning")[0]


@dataclass
class Buffers(Instrument):
    """Keeps the buffers as memory planning leaves them."""

    target: Target
    found: list[BufferRecord] = field(default_factory=list)

    def after(self, one: Pass, module: Module) -> None:
        if one.name == "memory-planning":
            self.found = buffers_of(module, self.target)


def compiled(name: str) -> tuple[list[BufferRecord], Module, Target]:
    """Buffers and finished operations of the digits model."""
    target = Target.load(name)
    module = import_onnx(str(DIGITS))
    buffers = Buffers(target)
    PassManager(PassPipeline.parse(DEFAULT_PIPELINE, PASSES), target, (buffers,)).run(module)
    return with_packets(buffers.found, module.store["weights.bin"].size), module, target


@cache
def digits() -> tuple[list[BufferRecord], Module, Target]:
    """Shared by tests that change nothing in the module."""
    return compiled("aie2-4x4")


def refused(buffers: Sequence[BufferRecord], module: Module, target: Target) -> InternalError:
    with pytest.raises(InternalError) as caught:
        check_memory(buffers, module, target)
    return caught.value


REQUESTS = st.lists(
    st.builds(
        lambda size, first, length: planner.Request("b", size, first, first + length),
        st.integers(1, 5000),
        st.integers(0, 12),
        st.integers(0, 6),
    ),
    max_size=40,
)


def records(requests: Sequence[planner.Request], offsets: Sequence[int]) -> list[BufferRecord]:
    return [
        BufferRecord(TILE, "act", f"{one.name}{i}", offset, one.bytes, one.first, one.last)
        for i, (one, offset) in enumerate(zip(requests, offsets, strict=True))
    ]


@settings(max_examples=200, deadline=None)
@given(REQUESTS)
def test_the_planner_pleases_the_checker(requests: list[planner.Request]) -> None:
    offsets, used = planner.place(requests)
    placed = records(requests, offsets)
    check_buffers(placed, TARGET)
    assert used == used_bytes(placed) >= lower_bound(placed)
    assert lower_bound(placed) == planner.lower_bound(requests)[0]


@settings(max_examples=200, deadline=None)
@given(REQUESTS, st.lists(st.integers(0, 100), min_size=40, max_size=40))
def test_the_checker_finds_exactly_the_overlaps(requests: list[planner.Request], places: list[int]) -> None:
    placed = records(requests, [64 * one for one in places[: len(requests)]])
    cells = [
        (epoch, byte)
        for one in placed
        for epoch in range(one.first, one.last + 1)
        for byte in range(one.offset, one.end)
    ]
    if len(set(cells)) == len(cells):
        check_buffers(placed, TARGET)
    else:
        with pytest.raises(InternalError, match="memory-overlap"):
            check_buffers(placed, TARGET)


@pytest.mark.parametrize("name", target_names())
def test_a_real_model_passes(name: str) -> None:
    buffers, module, target = compiled(name)
    sizes = [max((one.end for one in buffers if one.memory.argument == i), default=0) for i in range(4)]
    check_memory(buffers, module, target, sizes)
    found = memory_json(buffers, target)
    tiles = {(one["column"], one["row"]) for one in found["memories"] if one["level"] == "core"}
    assert len(tiles) == target.cores
    for one in found["memories"]:
        assert one["size"] >= one["bound"] > 0 and one["gap"] == one["size"] - one["bound"]
        assert one["capacity"] is None or one["size"] <= one["capacity"]
    assert sum(len(one["buffers"]) for one in found["memories"]) == len(buffers)


def test_every_buffer_of_data_names_its_node() -> None:
    buffers, _, _ = digits()
    named = [one for one in buffers if one.memory.level == "mem" or one.memory.argument in (1, 2, 3)]
    assert named and all(one.node for one in named)
    assert "conv1" in next(one.node for one in buffers if one.owner == "t1")


def swapped(change: Callable[[BufferRecord], BufferRecord], level: str, role: str, number: int = 0) -> str:
    """The error when one buffer of the real plan is changed; it must name that buffer."""
    buffers, module, target = digits()
    places = [i for i, one in enumerate(buffers) if one.memory.level == level and one.role == role]
    wrong = list(buffers)
    wrong[places[number]] = change(wrong[places[number]])
    error = refused(wrong, module, target)
    assert wrong[places[number]].owner in str(error)
    return error.diagnostic.code


@pytest.mark.parametrize(
    ("code", "level", "role", "change"),
    [
        ("memory-align", "mem", "act", lambda one: replace(one, offset=one.offset + 32)),
        ("memory-align", "ddr", "input", lambda one: replace(one, offset=8)),
        ("memory-align", "core", "acc", lambda one: replace(one, offset=one.offset + 4)),
        ("memory-bounds", "mem", "act", lambda one: replace(one, size=1 << 20)),
        ("memory-bounds", "mem", "work", lambda one: replace(one, offset=(1 << 19) - 64)),
        ("memory-bounds", "core", "stack", lambda one: replace(one, size=4096)),
        ("memory-bounds", "mem", "work", lambda one: replace(one, first=5, last=4)),
        ("memory-overlap", "core", "acc", lambda one: replace(one, size=one.size + 1024)),
        ("memory-overlap", "core", "stack", lambda one: replace(one, offset=one.offset + 32)),
        ("memory-overlap", "core", "work", lambda one: replace(one, size=one.size + 32)),
        ("memory-bank", "core", "work", lambda one: replace(one, bank=one.bank + 1)),
        ("memory-outside", "mem", "act", lambda one: replace(one, offset=1 << 18)),
        ("memory-outside", "mem", "act", lambda one: replace(one, size=one.size - 64)),
        ("memory-outside", "mem", "work", lambda one: replace(one, size=64)),
        ("memory-outside", "ddr", "input", lambda one: replace(one, size=one.size - 64)),
        ("memory-outside", "ddr", "packets", lambda one: replace(one, size=one.size - 64)),
    ],
)
def test_a_changed_buffer_is_refused(
    code: str, level: str, role: str, change: Callable[[BufferRecord], BufferRecord]
) -> None:
    assert swapped(change, level, role) == code


def test_an_alias_names_both_buffers() -> None:
    buffers, module, target = digits()
    work, act = (next(one for one in buffers if one.memory == TILE and one.role == i) for i in ("work", "act"))
    wrong = [replace(one, offset=work.offset, first=0, last=work.last) if one is act else one for one in buffers]
    error = refused(wrong, module, target)
    assert error.diagnostic.code == "memory-overlap"
    assert f"'{act.owner}'" in str(error) and f"'{work.owner}'" in str(error)


def test_buffers_of_other_epochs_may_share_bytes() -> None:
    one = BufferRecord(TILE, "act", "a", 0, 100, 0, 1)
    check_buffers([one, replace(one, owner="b", first=2, last=3)], TARGET)
    with pytest.raises(InternalError, match="epoch 1"):
        check_buffers([one, replace(one, owner="b", offset=64, first=1, last=3)], TARGET)


@pytest.mark.parametrize("role", ["act", "work", "out"])
def test_slots_of_different_kinds_need_different_banks(role: str) -> None:
    memory = Memory("core", 0, 2)
    slot = BufferRecord(memory, role, "one", 0, 8192, 0, 3, bank=0)
    other = {"act": "work", "work": "out", "out": "act"}[role]
    check_buffers([slot, replace(slot, owner="two", offset=8192)], TARGET)
    with pytest.raises(InternalError, match=r"'one'.*'two'.* share bank 0"):
        check_buffers([slot, replace(slot, role=other, owner="two", offset=8192)], TARGET)


@pytest.mark.parametrize("row", [0, 1, 2])
def test_a_moved_descriptor_is_refused(row: int) -> None:
    buffers, module, target = compiled("aie2-2x2")
    bd = next(one for one in module.walk(BdOp) if one.row == row)
    Rewriter.at(bd).change(bd, address=bd.address + (1 << 20, 1 << 16, 1)[row])
    assert refused(buffers, module, target).diagnostic.code == "memory-outside"


def test_a_longer_descriptor_is_refused() -> None:
    buffers, module, target = compiled("aie2-2x2")
    bd = next(one for one in module.walk(BdOp) if one.row == 2)
    Rewriter.at(bd).change(bd, length=bd.length + 1)
    assert refused(buffers, module, target).diagnostic.code == "memory-outside"


def test_a_core_told_of_another_slot_is_refused() -> None:
    buffers, module, target = compiled("aie2-2x2")
    op = next(iter(module.walk(CoreConfigOp)))
    Rewriter.at(op).change(op, words=(op.words[0], op.words[1] + 64, *op.words[2:]))
    error = refused(buffers, module, target)
    assert error.diagnostic.code == "memory-outside" and "tile(0,2) is told of" in str(error)


def test_a_full_memory_tile_says_what_fills_it() -> None:
    module = import_onnx(str(DIGITS))
    PassManager(PassPipeline.parse(TILED, PASSES), TARGET).run(module)
    for run in module.walk(RunOp):
        Rewriter.at(run).change(run, packet_bytes=100_000, senders=1, slots=6)
    with pytest.raises(DoesNotFit, match="memory-tile-full") as caught:
        PassManager(PassPipeline.parse("memory-planning", PASSES), TARGET).run(module)
    text = str(caught.value)
    assert text.count(": 600000 bytes") == 2 and "note: work of conv" in text
    # The place is the layer of the largest buffer, which the driver can move to the host.
    largest = next(note.split(":")[0] for note in caught.value.diagnostic.notes if note.endswith(": 600000 bytes"))
    assert isinstance(caught.value.diagnostic.place, NodeLocation | FusedLocation)
    assert largest.removeprefix("work of ") in str(caught.value.diagnostic.place)
    # Alive at once is more than there is, so a longer search would not help.
    assert "are the fewest that were found to do, and fewer than" in text and "search-nodes" not in text


def test_room_that_is_only_scattered_asks_for_a_longer_search() -> None:
    short = Shortage(capacity=640, peak=704, bound=640, epoch=3, alive=(planner.Request("t1", 320, 0, 3),))
    text = str(MemoryPlanning(search_nodes=10_000)._too_much(short, UNKNOWN))
    assert "704 bytes of a memory tile, it has 640" in text and "fewer than 640 cannot" in text
    assert "memory-planning{search-nodes=160000}" in text and "t1: 320 bytes" in text


def test_unplanned_buffers_are_refused() -> None:
    module = import_onnx(str(DIGITS))
    PassManager(PassPipeline.parse(TILED, PASSES), TARGET).run(module)
    with pytest.raises(InternalError, match="memory-unplanned"):
        buffers_of(module, TARGET)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 50),
    st.integers(1, 30),
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 4)), max_size=3),
    st.tuples(st.integers(1, 20), st.integers(1, 5), st.integers(0, 4)),
    st.integers(1, 8),
)
def test_touched_bounds_what_a_dma_would_do(
    address: int, length: int, dims: list[tuple[int, int]], iteration: tuple[int, int, int], repeat: int
) -> None:
    step, wrap, current = iteration
    current %= wrap
    bd = BdOp(
        column=0,
        row=1,
        bd=0,
        address=address,
        length=length,
        steps=(*(one for one, _ in dims), 3),
        wraps=tuple(one for _, one in dims),
        iteration=(step, wrap, current),
    )
    spans = touched(bd, repeat)
    for one in range(repeat):
        start = address + step * ((current + one) % wrap)
        for position in range(length):
            place, left = start, position
            for stride, count in dims:
                place, left = place + left % count * stride, left // count
            place += left * 3
            assert any(first <= 4 * place and 4 * place + 4 <= past for first, past in spans)
