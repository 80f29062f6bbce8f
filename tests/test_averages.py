"""Means over many pixels: windows cut by rows and by pixels, passes of some channels each, and what is too long."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import parser

from compiler.driver import Host, Options, compile_model
from compiler.errors import DoesNotFit, NodeLocation, UnsupportedModel
from compiler.mapping.program import packets_of, parts_of
from compiler.mapping.shapes import WINDOW_TAPS, Mapping
from dialects import nn
from runtime_sim.instruction_core import InstructionCore
from runtime_sim.session import Session
from tests.models import Case, feeds
from tests.netbuilder import Attributes, session
from tests.reference_tools import imported, onnxruntime_outputs
from tests.test_blocks import LAYER
from tests.test_end_to_end import outputs_of


@pytest.mark.parametrize("wide", [1, 2, WINDOW_TAPS, WINDOW_TAPS + 1, 1000, 40_001])
def test_pixels_of_a_window_are_shared_out_evenly(wide: int) -> None:
    layer = replace(LAYER, kernel="avg_pool", window=(3, wide))
    edges = layer.across
    assert edges[0][0] == 0 and edges[-1][1] == wide
    assert all(one[1] == other[0] for one, other in pairwise(edges))
    sizes = [last - first for first, last in edges]
    assert max(sizes) <= WINDOW_TAPS and max(sizes) - min(sizes) <= 1
    assert layer.of_a_call.window == (3, max(sizes)) and not layer.folds
    folded = replace(layer, out_width=1)
    assert folded.folds == (wide > 1)
    shares = [folded.narrowed(edge).row_taps for edge in folded.across]
    assert max(shares) <= WINDOW_TAPS and len(shares) == -(-folded.row_taps // WINDOW_TAPS)
    assert replace(layer, kernel="conv").across == ((0, wide),)


def mean(shape: tuple[int, int, int]) -> Case:
    return Case("mean", lambda net, x: net.quant(net.global_average_pool(x)), shape)


@pytest.mark.parametrize(
    "shape", [(11, 3, 330), (20, 2, 1000), (5, 1, 113), (9, 5, 2), (16, 7, 7), (8, 13, 6)], ids=str
)
@pytest.mark.parametrize("pow2", [True, False])
def test_wide_averages_are_cut_by_pixels(shape: tuple[int, int, int], pow2: bool, tmp_path: Path) -> None:
    outputs = outputs_of(mean(shape).build(pow2=pow2), "aie2-2x2", 5, tmp_path)
    outputs.check_bytes()
    outputs.check_onnxruntime(exact=pow2)


@pytest.mark.parametrize("size, factor", [(7, 1029 / 1024), (3, 63 / 64), (5, 1.75)])
def test_a_factor_behind_a_mean_joins_it(size: int, factor: float, tmp_path: Path) -> None:
    """Sums from the least to the largest, as channels; with scales that are powers of two all is onnxruntime's."""
    count = size * size
    sums = np.arange(-128 * count, 127 * count + 1, max(1, 255 * count // 2048))
    pixels = sums[:, None] // count + (np.arange(count) < (sums % count)[:, None])
    text = f"""<ir_version: 8, opset_import: ["" : 13]>
        mean (int8[1, {len(sums)}, {size}, {size}] x) => (int8[1, {len(sums)}, 1, 1] y)
        <float s = {{0.125}}, float half = {{0.0625}}, float c = {{{factor}}}, int8 z = {{0}}> {{
            f = DequantizeLinear(x, s, z)
            p = GlobalAveragePool(f)
            m = Mul(p, c)
            y = QuantizeLinear(m, half, z)
        }}"""
    path = tmp_path / "mean.onnx"
    path.write_bytes(parser.parse_model(text).SerializeToString())
    options = Options(target="aie2-2x2", compare_dense=False, host=Host.OFF, verify_each=True)
    plan, summary = compile_model(path, tmp_path / "plan", options)
    assert [one["kind"] for one in summary["layers"]] == ["avg_pool"]
    fed = {"x": pixels.astype(np.int8).reshape(1, -1, size, size)}
    found, expected = Session(plan).run(None, fed)[0], session(onnx.load(path)).run(None, fed)[0]
    assert len(np.unique(expected)) == 256 and np.array_equal(found, expected)


def test_a_window_that_moves_is_cut_by_pixels_too(tmp_path: Path) -> None:
    """Its pads count or do not, at both ends, and its calls begin elsewhere in each row."""
    window: Attributes = {"kernel_shape": (2, 120), "strides": (1, 3), "pads": (1, 7, 0, 5), "count_include_pad": 0}
    case = Case("moving_mean", lambda net, x: net.quant(net.average_pool(x, window)), (8, 4, 140))
    outputs = outputs_of(case.build(pow2=False), "aie2-2x2", 5, tmp_path)
    outputs.check_bytes()
    outputs.check_onnxruntime(exact=False)


@pytest.mark.parametrize("counted", [0, 1])
@pytest.mark.parametrize("wide", [2, 3, 6])
def test_lanes_share_rows_of_a_window_with_pads(wide: int, counted: int, tmp_path: Path) -> None:
    """One pixel a row, of several rows; a lane's share ends in the pads, or behind them."""
    window: Attributes = {"kernel_shape": (3, wide + 3), "pads": (1, 2, 0, 1), "count_include_pad": counted}
    case = Case("narrow_mean", lambda net, x: net.quant(net.average_pool(x, window)), (12, 9, wide))
    outputs = outputs_of(case.build(pow2=True), "aie2-2x2", 5, tmp_path)
    outputs.check_bytes()
    outputs.check_onnxruntime(exact=True)


def test_calls_of_a_mean_share_a_packet() -> None:
    """Parts of one size have one table; those before and behind another size do not meet in one packet."""
    layer = replace(LAYER, kernel="avg_pool", window=(8, 4), out_width=1)
    mapping = Mapping("rows", "rows", 1, 1, 1, 1, window_rows=3, finish="mean")
    parts = parts_of(layer, mapping, (0, 1))
    assert [[part.window for part in several] for several in packets_of(layer, parts)] == [[(0, 3), (3, 6)], [(6, 8)]]
    conv = replace(layer, kernel="conv")
    assert [len(several) for several in packets_of(conv, parts)] == [1, 1, 1]


def test_a_large_mean_is_bound_by_its_image(tmp_path: Path) -> None:
    """Cores take 4 bytes a cycle, of 8 channels each: 56 x 56 x 2 cycles; tables and sums are cheaper than that."""
    (tmp_path / "model.onnx").write_bytes(mean((64, 56, 56)).build(pow2=True).SerializeToString())
    options = Options(target="aie2-4x4", compare_dense=False)
    compile_model(tmp_path / "model.onnx", tmp_path / "plan", options)
    (layer,) = json.loads((tmp_path / "plan" / "timing.json").read_text())["layers"]
    loaded = 56 * 56 * 2  # of the host's image, which is there before a core begins
    assert layer["cycles"] < 2 * (56 * 56 * 2 + loaded)


def test_channels_of_a_mean_take_turns_in_the_memory_tiles(tmp_path: Path) -> None:
    """17 blocks of channels, of which a column's share is larger than its memory tile."""
    outputs = outputs_of(mean((130, 90, 85)).build(pow2=True), "aie2-2x2", 5, tmp_path)
    outputs.check_bytes()
    outputs.check_onnxruntime(exact=True)
    (layer,) = json.loads((tmp_path / "plan" / "mapping.json").read_text())["layers"]
    assert (layer["columns_by"], layer["passes"]) == ("channels", 3)


@pytest.mark.parametrize("shape", [(12, 2, 250), (20, 45, 50)], ids=str)
def test_cut_windows_on_machine_code(shape: tuple[int, int, int], tmp_path: Path) -> None:
    model = mean(shape).build(pow2=True)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    options = Options(target="aie2-2x2", compare_dense=False)
    plan, _ = compile_model(tmp_path / "model.onnx", tmp_path / "plan", options)
    session, fed = Session(plan), feeds(model, 5)
    coarse, fine = session.execute(fed), session.execute(fed, InstructionCore)
    assert {name: one.tobytes() for name, one in coarse.outputs.items()} == {
        name: one.tobytes() for name, one in fine.outputs.items()
    }
    assert coarse.result.cycles == fine.result.cycles


def integer_mean(shape: str, result: str, node: str) -> onnx.ModelProto:
    """A mean between DequantizeLinear and QuantizeLinear, by its text."""
    return parser.parse_model(f"""
        <ir_version: 9, opset_import: ["" : 18]>
        main (uint8[{shape}] x) => (uint8[{result}] y) <float s = {{0.5}}, uint8 z = {{7}}> {{
            f = DequantizeLinear(x, s, z)
            {node}
            y = QuantizeLinear(g, s, z)
        }}""")


@pytest.mark.parametrize("target", ["aie2-2x2", "aie2-4x4"])
@pytest.mark.parametrize("pooled", [False, True])
def test_too_long_a_mean_is_refused_at_its_node(pooled: bool, target: str, tmp_path: Path) -> None:
    """An image that a layer before leaves in the memory tiles may be as large as two of them, if there are no more."""
    side, tiles = (390, 2) if pooled and target == "aie2-2x2" else (300, 1)
    before = "e = MaxPool<kernel_shape = [2, 1]>(f)" if pooled else "e = Identity(f)"
    model = integer_mean(f"1,8,{side + pooled},{side}", "1,8,1,1", f"{before}  g = GlobalAveragePool(e)")
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    said = f"reads {side} x {side} = {side * side:,} pixels, there is room for {tiles * 65536:,}"
    with pytest.raises(DoesNotFit, match=said) as caught:
        compile_model(
            tmp_path / "model.onnx", tmp_path / "plan", Options(target=target, compare_dense=False, host="off")
        )
    place = caught.value.diagnostic.place
    assert isinstance(place, NodeLocation) and place.op_type == "GlobalAveragePool"


AXES = "axes = Constant<value = int64[{count}] {{{axes}}}> ()  g = ReduceMean<keepdims = {keep}>(f, axes)"


@pytest.mark.parametrize(
    ("shape", "axes", "keep", "result"),
    [
        ("1,3,6,5", "2, 3", 1, "1,3,1,1"),
        ("1,3,6,5", "-1, -2", 0, "1,3"),
        ("1,3,6,5", "2", 1, "1,3,1,5"),
        ("1,3,6,5", "3", 0, "1,3,6"),
        ("1,9,1,1", "2, 3", 0, "1,9"),
    ],
)
def test_reduce_mean(shape: str, axes: str, keep: int, result: str, tmp_path: Path) -> None:
    node = AXES.format(count=axes.count(",") + 1, axes=axes, keep=keep)
    model = integer_mean(shape, result, node)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    plan, _ = compile_model(
        tmp_path / "model.onnx", tmp_path / "plan", Options("aie2-2x2", compare_dense=False, verify_each=True)
    )
    size = tuple(map(int, shape.split(",")))
    fed = {"x": np.random.default_rng(1).integers(0, 256, size).astype(np.uint8)}
    expected, found = onnxruntime_outputs(model, fed)["y"], Session(plan).execute(fed).outputs["y"]
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_a_mean_over_channels_is_refused(tmp_path: Path) -> None:
    model = integer_mean("1,3,6,5", "1,1,6,5", AXES.format(count=1, axes="1", keep=1))
    with pytest.raises(UnsupportedModel, match=r"its axes are \[1\] of \[1, 3, 6, 5\]") as caught:
        imported(model, tmp_path)
    place = caught.value.diagnostic.place
    assert isinstance(place, NodeLocation) and place.op_type == "ReduceMean"


def test_a_mean_of_tokens(tmp_path: Path) -> None:
    """Rows and pixels may have become one axis before."""
    view = "shape = Constant<value = int64[3] {1, 3, 30}> ()  r = Reshape(f, shape) "
    model = integer_mean("1,3,6,5", "1,3", view + AXES.format(count=1, axes="2", keep=0).replace("(f,", "(r,"))
    module = imported(model, tmp_path)
    assert [op.kernel for op in module.walk(nn.AveragePoolOp)] == [(6, 5)]
