"""A plan that is a little too large for the memory tiles gives way where it is too large, and nowhere else."""

from __future__ import annotations

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


@pytest.fixture(scope="module")
def planner(tmp_path_factory: pytest.TempPathFactory) -> Planner:
    directory: Path = tmp_path_factory.mktemp("planner")
    model = Case("narrowing", narrowing, (16, 64, 64)).build()
    module = run_passes(imported(model, directory), *PASSES, AssignLayout())
    target = Target.load("aie2-2x2")
    return Planner(module, target, core_layouts(target)[0], STAGE_BYTES, WORK_BYTES)


def with_memory(planner: Planner, size: int) -> list[int]:
    """Passes of each layer with memory tiles of so many bytes."""
    planner.target = replace(planner.target, memory_tile=replace(planner.target.memory_tile, bytes=size))
    planner.choose()
    assert planner._overflow()[0] <= size
    return [node.pieces for node in planner.nodes]


def test_only_the_layer_at_the_peak_is_cut(planner: Planner) -> None:
    planner.choose()
    assert [node.pieces for node in planner.nodes] == [1, 1, 1, 1]
    used = planner._overflow()[0]
    for percent, most in ((94, 3), (80, 6), (60, 6)):
        first, second, *rest = with_memory(planner, used * percent // 100)
        assert first <= most and second <= most and rest == [1, 1], percent


def test_less_room_never_makes_a_plan_cheaper(planner: Planner) -> None:
    cycles = []
    for size in (512, 160, 96, 48):
        with_memory(planner, size * 1024)
        cycles.append(planner.cycles)
    assert cycles == sorted(cycles)
