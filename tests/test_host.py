"""Models that run on the array and the host by turns: the same numbers as onnxruntime, plans, sessions, errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import bscc
from compiler.cli.compile import main as bscc_main
from compiler.errors import BsccError, UnsupportedModel
from compiler.plan import ArrayPart, HostPart, PartedPlan
from tests.bad_cases import bad_cases
from tests.bad_models import Bad
from tests.hostnets import NETS, HostLayers, begun, with_host_nodes
from tests.models import feeds, random_qdq_model
from tests.netbuilder import session

FAST = bscc.Options(target="aie2-2x2", compare_dense=False)
FLOAT_TAILS = ("classifier", "depthwise", "layer_norms", "both_forms")
"""Nets whose outputs are floats of the host's own arithmetic."""


def written(model: onnx.ModelProto, place: Path) -> Path:
    path = place / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def compiled(name: str, place: Path, options: bscc.Options = FAST, *, pow2: bool = True) -> bscc.Plan:
    return bscc.compile(written(NETS[name](pow2), place), place / "plan", options)[0]


def kinds(plan: bscc.Plan) -> list[str]:
    assert isinstance(plan, PartedPlan)
    return ["array" if isinstance(part, ArrayPart) else "host" for part in plan.parts]


@pytest.mark.parametrize("name", NETS)
def test_powers_of_two_give_every_byte(name: str, tmp_path: Path) -> None:
    options = bscc.Options(target="aie2-2x2", compare_dense=False, verify_each=True)
    plan = compiled(name, tmp_path, options)
    model = onnx.load(tmp_path / "model.onnx")
    reference, ours = session(model), bscc.Session(plan)
    names = [one.name for one in model.graph.output]
    for seed in (1, 2):
        fed = feeds(model, seed)
        for one, other in zip(ours.run(names, fed), reference.run(names, dict(fed)), strict=True):
            assert (one.dtype, one.shape) == (other.dtype, other.shape)
            assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("seed", [1, 3, 5, 8, 11, 15, 17, 20, 22, 28])
def test_random_networks_with_host_nodes(seed: int, tmp_path: Path) -> None:
    """Operators of the host at random places, some of them without integers around."""
    model = with_host_nodes(random_qdq_model(seed, pow2=True), np.random.default_rng(seed))
    plan, _ = bscc.compile(written(model, tmp_path), tmp_path / "plan", FAST)
    fed = feeds(model, seed)
    assert "host" in kinds(plan)
    for one, other in zip(bscc.Session(plan).run(None, fed), session(model).run(None, dict(fed)), strict=True):
        assert one.tobytes() == other.tobytes() and one.dtype == other.dtype


@pytest.mark.parametrize("name", NETS)
def test_other_scales_stay_near(name: str, tmp_path: Path) -> None:
    """The array's steps may be one apart; behind a normalisation floats are as far apart as it makes them."""
    plan = compiled(name, tmp_path, pow2=False)
    model = onnx.load(tmp_path / "model.onnx")
    fed = feeds(model, 1)
    for one, other in zip(bscc.Session(plan).run(None, fed), session(model).run(None, dict(fed)), strict=True):
        apart = np.abs(one.astype(np.float64) - other.astype(np.float64))
        assert apart.max() <= (0.25 if one.dtype == np.float32 else 3) and np.median(apart) <= 0.01


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("classifier", ["array", "host"]),
        ("first_on_host", ["host", "array"]),
        ("norm_between", ["array", "host", "array"]),
        ("island", ["array", "host", "array"]),
        ("two_heads", ["array", "host"]),
        ("both_forms", ["array", "host", "array"]),
        ("pixel_products", ["array", "host"] * 3 + ["array"]),
        ("pixel_products_without_matrix", ["array", "host"] * 3 + ["array"]),
    ],
)
def test_parts(name: str, parts: list[str], tmp_path: Path) -> None:
    """As few as there are changes of side on the longest way through the model."""
    plan = compiled(name, tmp_path)
    assert kinds(plan) == parts


@pytest.mark.parametrize("name", ["pixel_products", "pixel_products_without_matrix"])
def test_only_norms_leave_the_array(name: str, tmp_path: Path) -> None:
    """What the host gives back is seen as the image whose pixels the dense layers multiply."""
    rows = compiled(name, tmp_path).json("host.json")
    assert {one["operator"] for one in rows if one["code"] != "border"} == {"LayerNormalization"}


def test_integers_cross_the_borders(tmp_path: Path) -> None:
    plan = compiled("norm_between", tmp_path)
    assert isinstance(plan, PartedPlan)
    inner = [port for part in plan.parts[1:] for port in part.inputs]
    assert inner and {port.host_type for port in inner} == {"int8"}


def test_a_plan_says_who_does_what(tmp_path: Path) -> None:
    path = written(NETS["island"](True), tmp_path)
    plan, summary = bscc.compile(path, tmp_path / "plan", FAST)
    rows = plan.json("host.json")
    assert rows == summary["host"]["reasons"]
    assert {one["operator"]: one["code"] for one in rows if one["operator"] != "QuantizeLinear"} == {
        "InstanceNormalization": "unsupported-op",
        "MaxPool": "island",
        "LayerNormalization": "unsupported-op",
    }
    assert isinstance(plan, PartedPlan)
    held = [len(onnx.load_from_string(one.model).graph.node) for one in plan.parts if isinstance(one, HostPart)]
    assert sum(held) >= len(rows) == summary["host"]["nodes"]
    timing = plan.json("timing.json")
    own = [part.plan.json("timing.json") for part in plan.parts if isinstance(part, ArrayPart)]
    assert timing["cycles"] == sum(one["cycles"] for one in own) and timing["host_us"] is None
    assert summary["time_us"] == pytest.approx(timing["us"]) and "host" in timing["notes"][-1]
    assert set(summary) - {"host"} == set(bscc.compile(path, tmp_path / "again", FAST)[1]) - {"host"}
    first, again = ((tmp_path / one / "manifest.json").read_bytes() for one in ("plan", "again"))
    assert first == again


def test_a_limit_is_told_as_data(tmp_path: Path) -> None:
    net = begun(True, (8, 6, 6))
    x = net.block(net.x, 8)
    integers = helper.make_node("Reshape", [x.int_name, net.const(np.array([2, 4, 6, 6], np.int64), "shape")], ["two"])
    net.nodes.append(integers)
    folded = HostLayers.info(net, x)
    pooled = helper.make_tensor_value_info("pooled", TensorProto.INT8, (2, 4, 5, 5))
    net.nodes.append(helper.make_node("MaxPool", ["two"], ["pooled"], "pool", kernel_shape=[2, 2]))
    plan, _ = bscc.compile(written(net.model([folded, pooled]), tmp_path), tmp_path / "plan", FAST)
    row = next(one for one in plan.json("host.json") if one["node"] == "pool")
    assert (row["attribute"], row["limit"], row["found"]) == ("batch size", "1", "2")
    assert row["help"] == "give the model batch size 1"


def test_macs_of_the_host_count(tmp_path: Path) -> None:
    path = written(NETS["float_conv"](True), tmp_path)
    plan, summary = bscc.compile(path, tmp_path / "plan", FAST)
    macs = {"array": summary["macs"], "host": 8 * 16 * 9 * 8 * 8}
    assert kinds(plan) == ["array", "host"]
    assert summary["host"]["model_macs"] == sum(macs.values())
    assert summary["host"]["array_macs_share"] == pytest.approx(macs["array"] / sum(macs.values()))


def test_an_unused_input_is_taken_and_noted(tmp_path: Path) -> None:
    plan, summary = bscc.compile(written(NETS["foreign"](True), tmp_path), tmp_path / "plan", FAST)
    assert "'extra'" in summary["notes"][-1]
    ours, fed = bscc.Session(plan), feeds(onnx.load(tmp_path / "model.onnx"), 1)
    assert [(one.name, one.shape) for one in ours.get_inputs()][-1] == ("extra", [1, 3])
    (with_it,) = ours.run(None, fed)
    (without,) = ours.run(None, {name: one for name, one in fed.items() if name != "extra"})
    assert with_it.tobytes() == without.tobytes()


@pytest.mark.parametrize("kind", ["int32", "int64", "bool"])
def test_the_host_takes_what_the_array_cannot(kind: str, tmp_path: Path) -> None:
    """Indices of an embedding, bytes as int32: a node of the host makes floats of them."""
    net = begun(True)
    model = net.model([net.info(net.block(net.x, 8))])
    model.graph.node.insert(0, helper.make_node("Cast", ["counts"], ["input"], "floats", to=TensorProto.FLOAT))
    given = model.graph.input[0]
    given.name, given.type.tensor_type.elem_type = "counts", helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    plan, _ = bscc.compile(written(model, tmp_path), tmp_path / "plan", FAST)
    assert kinds(plan) == ["host", "array"]
    shape = [one.dim_value for one in given.type.tensor_type.shape.dim]
    fed = {"counts": np.random.default_rng(1).integers(0, 2, shape).astype(kind)}
    (one,), (other,) = bscc.Session(plan).run(None, fed), session(model).run(None, dict(fed))
    assert one.tobytes() == other.tobytes()


def test_an_unused_input_of_a_plan_without_host(tmp_path: Path) -> None:
    net = begun(True)
    model = net.model([net.info(net.block(net.x, 8))], unused=["extra"])
    plan, summary = bscc.compile(written(model, tmp_path), tmp_path / "plan", FAST)
    assert isinstance(plan, bscc.ArrayPlan) and "'extra'" in summary["notes"][-1]
    assert [one.name for one in bscc.Session(plan).get_inputs()] == ["input", "extra"]
    fed = feeds(model, 1)
    (one,), (other,) = bscc.Session(plan).run(None, fed), session(model).run(None, dict(fed))
    assert one.tobytes() == other.tobytes()


def test_ir_of_each_part(tmp_path: Path) -> None:
    options = bscc.Options("aie2-2x2", compare_dense=False, dump_ir=tmp_path / "ir", verify_each=True)
    compiled("norm_between", tmp_path, options)
    assert [one.name for one in sorted((tmp_path / "ir/array").iterdir())] == ["0", "2"]
    assert all(list(one.glob("*.mlir")) for one in (tmp_path / "ir/array").iterdir())


def test_nothing_left_for_the_array(tmp_path: Path) -> None:
    """Without a convolution it is no work for an array: the reasons are listed."""
    net = begun(True)
    path = written(net.model([net.info(net.softmax(net.max_pool(net.x, {"kernel_shape": (2, 2)})))]), tmp_path)
    with pytest.raises(UnsupportedModel) as caught:
        bscc.compile(path, tmp_path / "plan", FAST)
    assert [one.code for one in caught.value.diagnostics] == ["unsupported-op"]
    assert str(path) in str(caught.value)


def test_names_of_any_length(tmp_path: Path) -> None:
    """Converters make names of hundreds of letters, which begin alike."""
    model = NETS["norm_between"](True)
    kept = {one.name for one in (*model.graph.input, *model.graph.initializer)}
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = [one if one in kept else f"{'long/' * 60}{one}" for one in names]
    model.graph.output[0].name = f"{'long/' * 60}{model.graph.output[0].name}"
    plan, _ = bscc.compile(written(model, tmp_path), tmp_path / "plan", FAST)
    fed = feeds(model, 1)
    (one,), (other,) = bscc.Session(plan).run(None, fed), session(model).run(None, dict(fed))
    assert one.tobytes() == other.tobytes()
    assert bscc.Session(plan).get_outputs()[0].name == model.graph.output[0].name


def test_what_neither_side_runs(tmp_path: Path) -> None:
    """An operator of an unknown domain behind a convolution."""
    net = begun(True)
    x = net.quant(net.with_constants("Odd", net.block(net.x, 8), [], domain="com.example"))
    with pytest.raises(UnsupportedModel) as caught:
        bscc.compile(written(net.model([net.info(x)]), tmp_path), tmp_path / "plan", FAST)
    first, *_, last = caught.value.diagnostics
    assert (first.code, last.code) == ("unsupported-op", "host-refused") and "com.example.Odd" in first.message
    assert not (tmp_path / "plan").exists()


def test_options_for_one_array_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(NETS["norm_between"](True), tmp_path)
    words = [str(path), "-o", str(tmp_path / "plan"), "--target", "aie2-2x2", "--no-compare-dense"]
    for more in (["--cost-model", "paper"], ["--mapping-out", str(tmp_path / "own.json")]):
        assert bscc_main([*words, *more]) == 2
        assert "error[several-parts]" in capsys.readouterr().err
    assert not (tmp_path / "plan").exists() and not (tmp_path / "own.json").exists()
    written(NETS["classifier"](True), tmp_path)
    assert bscc_main([*words, "-q", "--mapping-out", str(tmp_path / "own.json")]) == 0
    assert bscc_main([*words, "-q", "--mapping", str(tmp_path / "own.json")]) == 0
    plan = compiled("classifier", tmp_path, bscc.Options("aie2-2x2", compare_dense=False, cost_model="paper"))
    assert any(name.endswith("paper.json") for name in plan.files)


@pytest.mark.parametrize("bad", [one for one in bad_cases() if one.exit_code == 4], ids=lambda bad: bad.name)
def test_models_that_the_array_refuses(bad: Bad, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the host's help they compile, and run as onnxruntime has it, or end in the documented error."""
    path = bad.write(tmp_path)
    code = bscc_main([str(path), "-o", str(tmp_path / "plan"), "-q", "--no-compare-dense", "--target", "aie2-2x2"])
    said = capsys.readouterr().err
    assert code in (0, 4) and "Traceback" not in said
    assert (tmp_path / "plan").exists() == (code == 0)
    if code:
        assert "error[" in said
        return
    model = onnx.load(path)
    fed = feeds(model, 1)
    for one, other in zip(bscc.Session(tmp_path / "plan").run(None, fed), session(model).run(None, fed), strict=True):
        assert np.abs(one - other).max() <= 0.1 * np.abs(other).max()


def test_no_host_is_the_error_of_the_array(tmp_path: Path) -> None:
    for name in ("classifier", "norm_between", "too_large"):
        path = written(NETS[name](True), tmp_path)
        with pytest.raises(BsccError) as caught:
            bscc.compile(path, tmp_path / "plan", bscc.Options("aie2-2x2", compare_dense=False, host="off"))
        assert caught.value.exit_code == (5 if name == "too_large" else 4)
        assert not (tmp_path / "plan").exists()
