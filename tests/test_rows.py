"""Long rows: wrapped where layers look at single pixels; where they cannot be, the layer that is too large is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

import bscc
from compiler.errors import Diagnostic, DoesNotFit, NodeLocation, Reason
from compiler.frontend import import_onnx
from compiler.ir import Op
from compiler.kernels.programs.resident import Feature, resident
from compiler.mapping import planner
from compiler.plan import HOST, ArrayPlan, PartedPlan
from dialects import aie2
from passes.wrap_rows import wrapped
from tests.hostnets import HostLayers
from tests.models import feeds
from tests.netbuilder import Style, Tensor, session
from tests.netlayers import Layers

TARGET = "aie2-4x4"
STYLE = Style(dtype="int8", pow2=True)


class Tokens(HostLayers):
    """Sequences [1, T, C], each token by itself."""

    def project(self, x: Tensor, out: int) -> Tensor:
        """x @ W over the last axis."""
        weight = self.draw_weight((x.shape[-1], out), 0.0)
        return self.quant(self._dense("MatMul", x, weight, {}, False, 1, None))


def sequence() -> onnx.ModelProto:
    """A dense layer, a table, a product and a sum: none looks at a neighbour; a row has 540,672 bytes."""
    net = Tokens(5, (2048, 257), STYLE)
    x = net.project(net.x, 16)
    y = net.quant(net.pointwise("Sigmoid", x))
    y = net.quant(net.pointwise("Mul", x, y))
    return net.finish(net.quant(net.add(net.project(y, 16), x)))


def rows() -> onnx.ModelProto:
    """Images [1, C, W] of one row, and windows of one pixel."""
    net = Layers(6, (257, 2048), STYLE)
    return net.finish(net.quant(net.conv_row(net.quant(net.conv_row(net.x, 16, 1)), 8, 1)))


def windowed() -> onnx.ModelProto:
    """The first layer looks at three pixels of a row that fits no memory tile, the second at one of few channels."""
    net = Layers(7, (257, 2048), STYLE)
    x = net.quant(net.conv_row(net.x, 16, 3, pads=(1, 1)))
    return net.finish(net.quant(net.conv_row(x, 16, 3, pads=(1, 1))))


def windowed_only() -> onnx.ModelProto:
    net = Layers(10, (16, 64), STYLE)
    return net.finish(net.quant(net.conv_row(net.quant(net.conv_row(net.x, 16, 3)), 8, 3)))


def written(model: onnx.ModelProto, place: Path) -> Path:
    path = place / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def options(**more: object) -> bscc.Options:
    return bscc.Options(target=TARGET, compare_dense=False, **more)  # type: ignore[arg-type]


def same_as_onnxruntime(plan: bscc.Plan, model: onnx.ModelProto) -> None:
    fed = feeds(model, 3)
    for one, other in zip(bscc.Session(plan).run(None, fed), session(model).run(None, dict(fed)), strict=True):
        assert one.dtype == other.dtype and one.tobytes() == other.tobytes()


@pytest.mark.parametrize("draw", [sequence, rows])
def test_a_long_row_fits_when_it_is_wrapped(draw: Callable[[], onnx.ModelProto], tmp_path: Path) -> None:
    """Every pass keeps all values, and onnxruntime's bytes come out, in both layouts of the host's arrays."""
    model = draw()
    plan, _ = bscc.compile(written(model, tmp_path), tmp_path / "plan", options(verify_each=True))
    whole = ArrayPlan.of(plan)
    assert [(one.storage.rows, one.storage.width) for one in (*whole.inputs, *whole.outputs)] == [(32, 64)] * 2
    same_as_onnxruntime(plan, model)


def test_a_long_row_that_stays_is_refused_by_the_name_of_its_layer(tmp_path: Path) -> None:
    path = written(sequence(), tmp_path)
    pipeline = bscc.PassPipeline.parse(bscc.DEFAULT_PIPELINE.replace("wrap-rows", "wrap-rows{mode=off}"), bscc.PASSES)
    with pytest.raises(DoesNotFit) as caught:
        bscc.compile(path, tmp_path / "plan", options(pipeline=pipeline.text(), host="off"))
    found = caught.value.diagnostic
    assert isinstance(found.place, NodeLocation) and found.place.op_type == "MatMul"
    assert found.code == "does-not-fit" and "of a memory tile of 524,288" in found.message
    assert any(note.startswith("at the peak, 540,672 bytes: operand of 'matmul") for note in found.notes)


def test_a_layer_whose_row_is_too_long_runs_on_the_host(tmp_path: Path) -> None:
    model = windowed()
    plan, _ = bscc.compile(written(model, tmp_path), tmp_path / "plan", options())
    assert isinstance(plan, PartedPlan)
    first = next(node.name for node in model.graph.node if node.op_type == "Conv")
    reasons = {row["node"]: (row["code"], row["reason"]) for row in plan.json(HOST)}
    code, reason = reasons[first]
    assert code == "does-not-fit" and "of them are for this layer" in reason
    assert sum(row["operator"] == "Conv" for row in plan.json(HOST)) == 1
    same_as_onnxruntime(plan, model)


def test_layers_whose_code_has_no_room_run_on_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the feature that the fewest layers need, with what they need as the reason."""

    def small(features: frozenset[Feature]) -> object:
        if Feature.LOOKUP in features:
            raise DoesNotFit(Reason.of(Diagnostic("program-memory", "the program is too large")))
        return resident(features)

    monkeypatch.setattr(planner, "resident", small)
    net = Layers(8, (16, 12, 12), STYLE)
    x = net.quant(net.conv(net.quant(net.conv(net.x, 32)), 32))
    x = net.quant(net.pointwise("Sigmoid", x))
    model = net.finish(net.quant(net.conv(net.quant(net.conv(x, 32)), 32)))
    plan, _ = bscc.compile(written(model, tmp_path), tmp_path / "plan", options())
    reasons = {row["operator"]: row for row in plan.json(HOST) if row["code"] == "program-memory"}
    assert "Sigmoid" in reasons and "this layer needs LOOKUP" in reasons["Sigmoid"]["reason"]
    assert all(row["operator"] != "Conv" for row in plan.json(HOST))
    same_as_onnxruntime(plan, model)


def test_what_runs_finds_no_room_for_carries_the_place_of_its_layer(tmp_path: Path) -> None:
    """Errors behind `choose-tiles`, of full memory tiles and of descriptors, take the place from there."""
    module = import_onnx(written(windowed_only(), tmp_path))
    passes = bscc.DEFAULT_PIPELINE.removesuffix(",route-streams")
    bscc.PassManager(bscc.PassPipeline.parse(passes, bscc.PASSES), bscc.Target.load(TARGET)).run(module)
    ops = list(module.walk(Op))
    behind = ops[ops.index(next(module.walk(aie2.LayerOp))) :]
    places = [one.loc for one in behind if isinstance(one, aie2.PushOp | aie2.BdOp)]
    assert places and all(isinstance(one, NodeLocation) and one.op_type == "Conv" for one in places)
    assert len(set(places)) == 2


@pytest.mark.parametrize("columns", [1, 2, 4, 8])
@pytest.mark.parametrize("most", [4, 15, 64])
def test_wrapped_rows_are_as_long_as_all_columns_get_some(columns: int, most: int) -> None:
    for height in (1, 2, 5):
        for width in (3, 8, 64, 65, 96, 100, 251, 256, 2048):
            size = wrapped(height, width, columns, most)
            fit = [one for one in range(4, most + 1, 4) if width % one == 0 and height * width >= columns * one]
            if height >= columns or width <= most or not fit:
                assert size is None
            else:
                assert size == (height * width // fit[-1], fit[-1])
