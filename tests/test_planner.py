"""A plan that is a little too large for the memory tiles gives way where it is too large, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from compiler.mapping.cores import core_layouts
from compiler.mapping.planner import Planner
from compiler.target import Target
from passes.assign_layout import AssignLayout
from tests.model_cases import PAD1, Case
from tests.netbuilder import Tensor
from tests.netlayers import Layers
from tests.reference_tools import PASSES, imported, run_passes

STAGE_BYTES, WORK_BYTES = 144 * 1024, 8 * 1024


def narrowing(net: Layers, x: Tensor) -> Tensor:
    """A layer with a large input and a larger result, then small ones."""
    y = net.quant(net.conv(x, 64, pads=PAD1, strides=(2, 2)))
    for _ in range(3):
        y = net.quant(net.conv(y, 16, pads=PAD1, strides=(2, 2)))
    return y


TARGET = Target.load("aie2-2x2")

Settled = Callable[[Target], Planner]
"""The settled plan of the network on a target."""


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Settled:
    directory: Path = tmp_path_factory.mktemp("planner")
    model = Case("narrowing", narrowing, (16, 64, 64)).build()
    module = run_passes(imported(model, directory), *PASSES, AssignLayout())

    def planner(target: Target) -> Planner:
        found = Planner(module, target, core_layouts(target)[0], STAGE_BYTES, WORK_BYTES)
        found.choose()
        assert used_bytes(found) <= target.memory_tile.bytes
        return found

    return planner


def with_memory(size: int) -> Target:
    """Memory tiles of so many bytes."""
    return replace(TARGET, memory_tile=replace(TARGET.memory_tile, bytes=size))


def used_bytes(planner: Planner) -> int:
    """Bytes of a memory tile that a plan needs."""
    return planner.footprint.peak(planner.work_bytes).bytes


def test_only_the_layer_at_the_peak_is_cut(settled: Settled) -> None:
    planner = settled(TARGET)
    assert [node.pieces for node in planner.nodes] == [1, 1, 1, 1]
    used = used_bytes(planner)
    for percent, most in ((94, 3), (80, 6), (60, 6)):
        first, second, *rest = [node.pieces for node in settled(with_memory(used * percent // 100)).nodes]
        assert first <= most and second <= most and rest == [1, 1], percent


def test_less_room_never_makes_a_plan_cheaper(settled: Settled) -> None:
    cycles = [settled(with_memory(size * 1024)).cycles for size in (512, 160, 96, 48)]
    assert cycles == sorted(cycles)


def test_ddr_is_no_faster_than_the_streams_to_it(settled: Settled) -> None:
    """As in the simulator, where a channel moves a word a cycle at most."""

    def cycles(rate: float) -> float:
        ddr = replace(TARGET.ddr, read_channel_bytes_per_cycle=rate, write_channel_bytes_per_cycle=rate)
        return settled(replace(TARGET, ddr=ddr)).cycles

    assert cycles(2.0) > cycles(4.0) == cycles(8.0)
