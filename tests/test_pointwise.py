"""Functions of one tensor as tables: the same bytes as onnxruntime for all 256 values."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from compiler.driver import Options, compile_model
from compiler.errors import NodeLocation, UnsupportedModel
from compiler.ir import Module
from compiler.paper.reader import network_of
from compiler.pipeline import DEFAULT_PIPELINE
from compiler.reference import run
from dialects import bsp, nn
from runtime_sim.instruction_core import InstructionCore
from runtime_sim.session import Session
from tests.byte_models import BODIES, byte_model, every_byte
from tests.models import Case, feeds
from tests.pointwise_cases import MEANS, NETWORKS
from tests.reference_tools import PASSES, imported, onnxruntime_outputs, run_passes, to_device, to_host
from tests.test_end_to_end import outputs_of


def lookups(module: Module) -> int:
    return len(list(module.walk(nn.LookupOp))) + len(list(module.walk(bsp.LookupOp)))


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("name", BODIES)
def test_every_byte_is_that_of_onnxruntime(name: str, dtype: str, tmp_path: Path) -> None:
    model = byte_model(BODIES[name], dtype)
    module = imported(model, tmp_path)
    assert [op.name for op in module.function().body.ops] == ["nn.input", "nn.lookup", "nn.output", "func.return"]
    fed = {"x": every_byte(dtype)}
    expected = onnxruntime_outputs(model, fed)["y"]
    for one in PASSES:
        run_passes(module, one)
        found = to_host(module, run(module, to_device(module, fed)))["y"].array
        assert found.tobytes() == expected.tobytes(), one.name


@pytest.mark.parametrize("name", ["silu", "gelu_by_erf", "log"])
@pytest.mark.parametrize("shape", [(1, 20, 9, 13), (1, 300), (1, 3, 1, 128)], ids=str)
def test_cores_look_bytes_up(name: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    dtype = "uint8" if name == "log" else "int8"
    model = byte_model(BODIES[name], dtype, shape=shape)
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    plan, _ = compile_model(path, tmp_path / "plan", Options(target="aie2-2x2", compare_dense=False, verify_each=True))
    fed = {"x": every_byte(dtype, shape)}
    assert Session(plan).execute(fed).outputs["y"].tobytes() == onnxruntime_outputs(model, fed)["y"].tobytes()


@pytest.mark.parametrize("case", [*NETWORKS, *MEANS], ids=lambda case: case.name)
@pytest.mark.parametrize("pow2", [True, False])
def test_networks(case: Case, pow2: bool, tmp_path: Path) -> None:
    outputs = outputs_of(case.build(pow2=pow2), "aie2-2x2", 5, tmp_path)
    outputs.check_bytes()
    outputs.check_onnxruntime(exact=pow2)


@pytest.mark.parametrize(
    ("case", "strips"), [(NETWORKS[0], 0), (NETWORKS[0], 3), (NETWORKS[2], 0)], ids=["silu", "in strips", "tail"]
)
def test_networks_on_machine_code(case: Case, strips: int, tmp_path: Path) -> None:
    """Both levels of simulation give the same bytes and cycles, also where layers run in strips."""
    model = case.build(pow2=True)
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    pipeline = DEFAULT_PIPELINE.replace("depthwise-tiling", f"depthwise-tiling{{strips={strips}}}")
    options = Options(target="aie2-2x2", compare_dense=False, pipeline=pipeline, verify_each=True)
    plan, _ = compile_model(path, tmp_path / "plan", options)
    session, fed = Session(plan), feeds(model, 5)
    coarse, fine = session.execute(fed), session.execute(fed, InstructionCore)
    for name, array in onnxruntime_outputs(model, fed).items():
        assert coarse.outputs[name].tobytes() == fine.outputs[name].tobytes() == array.tobytes()
    assert coarse.result.cycles == fine.result.cycles


CHEAP = (
    "g = Relu(f)",
    "low = Constant<value = float {-1.0}> ()  high = Constant<value = float {1.5}> ()  g = Clip(f, low, high)",
    "g = Identity(f)",
)


@pytest.mark.parametrize("body", CHEAP)
def test_clamps_stay_clamps(body: str, tmp_path: Path) -> None:
    assert not lookups(imported(byte_model(body), tmp_path))


@pytest.mark.parametrize("body", [BODIES["min"], BODIES["max"], "a = Neg(f) g = Neg(a)"])
def test_a_table_that_only_rescales_becomes_that(body: str, tmp_path: Path) -> None:
    """By a cheaper operation, with the same bytes: a scale that is the same, and a clamp."""
    model = byte_model(body, scales=(0.25, 0.25))
    module = run_passes(imported(model, tmp_path), PASSES[0])
    assert lookups(module) == 1
    run_passes(module, PASSES[1])
    assert not lookups(module) and not [name for name in module.store if name.startswith("table")]
    fed = {"x": every_byte("int8")}
    found = to_host(module, run(module, to_device(module, fed)))["y"].array
    assert found.tobytes() == onnxruntime_outputs(model, fed)["y"].tobytes()


REFUSED = {
    "one slope for each row": (
        "c = Constant<value = float[16,1] {0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15}> ()  g = PRelu(f, c)",
        "PRelu",
        "its constant size is 16 ('c'), expected 1",
    ),
    "a sum over the image": (
        "a = Softmax(f)  g = Sigmoid(a)",
        "Softmax",
        "the operator Softmax is not supported",
    ),
    "another shape": (
        "c = Constant<value = float[1,1,1,1,1] {2}> ()  a = Sub(f, c)  b = Constant<value = int64[4] {1,1,16,16}> () "
        "g = Reshape(a, b)",
        "Sub",
        "its result shape is [1, 1, 1, 16, 16], expected [1, 1, 16, 16], as its input",
    ),
    "a function that is read as float": (
        "a = Sigmoid(f)  b = MaxPool<kernel_shape = [1, 1]> (a)  g = Identity(b)",
        "Sigmoid",
        "its result type is float32, expected int8 or uint8, of a QuantizeLinear behind it",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_function_of_one_tensor_is_refused(name: str, tmp_path: Path) -> None:
    body, kind, said = REFUSED[name]
    with pytest.raises(UnsupportedModel) as caught:
        imported(byte_model(body), tmp_path)
    told = {one.place.op_type: one.message for one in caught.value.diagnostics if isinstance(one.place, NodeLocation)}
    assert said in told[kind]


def test_two_tensors_are_named(tmp_path: Path) -> None:
    model = byte_model("a = Sigmoid(f)  e = DequantizeLinear(w, s0, z0)  g = Max(a, e)")
    model.graph.input.append(onnx.helper.make_tensor_value_info("w", onnx.TensorProto.INT8, (1, 1, 16, 16)))
    with pytest.raises(UnsupportedModel, match="it depends on 'x' and 'w', only a function of 1 quantised tensor"):
        imported(model, tmp_path)


def test_a_function_at_the_end_is_refused_with_a_way_out(tmp_path: Path) -> None:
    model = byte_model("g = Sigmoid(f)")
    del model.graph.output[:], model.graph.node[-1]
    model.graph.output.append(onnx.helper.make_tensor_value_info("g", onnx.TensorProto.FLOAT, (1, 1, 16, 16)))
    with pytest.raises(UnsupportedModel, match="expected int8 or uint8, of a QuantizeLinear behind it") as caught:
        imported(model, tmp_path)
    assert "'--output f'" in caught.value.diagnostic.help


def test_what_onnxruntime_cannot_compute_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> object:
        raise RuntimeError("NOT_IMPLEMENTED: no kernel for Sigmoid\nand more")

    monkeypatch.setattr("onnxruntime.InferenceSession", fails)
    with pytest.raises(UnsupportedModel, match="onnxruntime cannot compute its values: NOT_IMPLEMENTED") as caught:
        imported(byte_model(BODIES["silu"]), tmp_path)
    place = caught.value.diagnostic.place
    assert isinstance(place, NodeLocation) and place.op_type == "Sigmoid"


def test_the_longest_stretch_is_one_table(tmp_path: Path) -> None:
    """Bytes between that others read are tables of their own, of the same source; nothing is left of floats."""
    model = byte_model(BODIES["quantised_silu"])
    model.graph.output.append(onnx.helper.make_tensor_value_info("b", onnx.TensorProto.UINT8, (1, 1, 16, 16)))
    module = run_passes(imported(model, tmp_path), PASSES[0], PASSES[1])
    (source,) = module.walk(nn.InputOp)
    assert [op.x is source.y for op in module.walk(nn.LookupOp)] == [True, True]
    fed = {"x": every_byte("int8")}
    found = to_host(module, run(module, to_device(module, fed)))
    for name, array in onnxruntime_outputs(model, fed).items():
        assert found[name].array.tobytes() == array.tobytes()


def test_the_papers_estimate_passes_tables_by(tmp_path: Path) -> None:
    module = run_passes(imported(NETWORKS[0].build(), tmp_path), *PASSES)
    count = sum(isinstance(op, bsp.Conv2dOp | bsp.AddOp | bsp.MaxPoolOp | bsp.AvgPoolOp) for op in module.walk())
    assert lookups(module) and len(network_of(module).layers) == count
