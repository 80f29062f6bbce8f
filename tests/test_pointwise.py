"""Functions of one tensor as tables: the same bytes as onnxruntime for all 256 values."""

from __future__ import annotations

from pathlib import Path

import pytest

from compiler.driver import Options, compile_model
from compiler.ir import Module
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


@pytest.mark.parametrize(("case", "strips"), [(NETWORKS[0], 0), (NETWORKS[0], 3), (NETWORKS[2], 0)], ids=str)
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
