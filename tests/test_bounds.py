"""Bounds of a model: what must cross DDR, and at which rate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import bscc
from compiler.frontend import import_onnx
from compiler.ir import Module
from compiler.summary import LayerInfo, bounds_of, layers_of
from compiler.target import MemoryTile, Target

DIGITS = Path(__file__).parents[1] / "examples/models/digits_int8.onnx"
TARGET = Target.load("aie2-2x2")
PASSES = "fold-quantization,canonicalize,block-compaction,fuse-epilogue,assign-layout,choose-tiles,memory-planning"


@pytest.fixture(scope="module")
def planned() -> Module:
    module = import_onnx(DIGITS)
    bscc.PassManager(bscc.PassPipeline.parse(PASSES, bscc.PASSES), TARGET).run(module)
    return module


def layers(planned: Module, room: int) -> list[LayerInfo]:
    return layers_of(planned, replace(TARGET, memory_tile=MemoryTile(room // TARGET.columns, 1)))


def test_activations_that_fit_stay_on_chip(planned: Module) -> None:
    first, *_ = layers(planned, 28 * 28 * 32)
    assert (first.read_bytes, first.written_bytes) == (64 * 9 * 4 + 4 * 32 + 28 * 28, 0)


def test_of_larger_activations_the_excess_crosses_ddr_both_ways(planned: Module) -> None:
    fits, small = layers(planned, 1 << 20), layers(planned, 28 * 28 * 32 - 1000)
    assert small[0].written_bytes == 1000
    assert small[1].read_bytes == fits[1].read_bytes + 1000
    assert [one.read_bytes for one in small[2:]] == [one.read_bytes for one in fits[2:]]
    assert sum(one.written_bytes for one in fits) == 10, "the outputs"


def test_each_direction_has_its_rate() -> None:
    channel = TARGET.columns * 2 * 4
    assert TARGET.ddr_cycles(800, 0) == 800 / channel
    assert TARGET.ddr_cycles(800, 1600) == 1600 / channel
    shared = replace(TARGET, ddr=replace(TARGET.ddr, total_gb_per_s=2.0))
    assert shared.ddr_cycles(800, 1600) == 2400 / 2
    reading = replace(TARGET, ddr=replace(TARGET.ddr, read_gb_per_s=1.0))
    assert reading.ddr_cycles(800, 1600) == 800


def test_the_sum_of_larger_ones_and_the_larger_sum(planned: Module) -> None:
    found = layers(planned, 1 << 20)
    compute, ddr = [one.compute_us(TARGET) for one in found], [one.ddr_us(TARGET) for one in found]
    assert {c > d for c, d in zip(compute, ddr, strict=True)} == {True, False}, "or the two bounds would be one"
    bounds = bounds_of(found, {}, TARGET)
    assert bounds["layer_us"] == sum(map(max, compute, ddr)) > bounds["network_us"] == max(sum(compute), sum(ddr))
