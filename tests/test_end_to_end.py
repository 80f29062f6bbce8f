"""From ONNX bytes to the simulator's outputs: the same numbers as the reference and as onnxruntime."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest

from compiler.driver import Options, compile_model
from compiler.reference import run
from compiler.target import target_names
from runtime_sim.session import Session
from tests.models import Case, feeds, named_cases, random_qdq_model
from tests.reference_tools import (
    PASSES,
    Array,
    Result,
    imported,
    onnxruntime_outputs,
    run_passes,
    steps_apart,
    to_device,
    to_host,
)

ROOT = Path(__file__).parents[1]
MODELS = ROOT / "examples/models"
TARGETS = ("aie2-4x4", *(f"aie2-{n}x{n}" for n in (2, 3, 5, 6, 7, 8)), "npu1", "ve2802-2x4", "ve2802-2x8")
CASES = [
    pytest.param(
        case,
        pow2,
        TARGETS[(number + 3 * pow2) % len(TARGETS)],
        id=f"{case.name}-{'pow2' if pow2 else 'ordinary'}",
    )
    for number, case in enumerate(named_cases())
    for pow2 in (True, False)
]


@dataclass(frozen=True)
class Outputs:
    """One model's outputs by the simulator, by the reference and by onnxruntime."""

    simulated: Mapping[str, Array]
    reference: Mapping[str, Result]
    onnxruntime: Mapping[str, Array]

    def check_bytes(self) -> None:
        """The simulator gives every byte of the reference."""
        assert list(self.simulated) == list(self.reference) == list(self.onnxruntime)
        for name, result in self.reference.items():
            same(self.simulated[name], result.array, name)

    def check_onnxruntime(self, *, exact: bool) -> None:
        """onnxruntime gives the same bytes, or numbers few steps of the output's scale apart."""
        for name, array in self.onnxruntime.items():
            if exact:
                same(self.simulated[name], array, name)
                continue
            apart = steps_apart(self.reference[name], array)
            assert apart.max() <= 3 and np.mean(apart > 1) <= 0.02, f"{name}: {apart.max()} steps apart"


def same(one: Array, other: Array, name: str) -> None:
    """Two arrays of the same type, shape and bytes."""
    assert (one.dtype, one.shape) == (other.dtype, other.shape), name
    differing = np.flatnonzero((one != other).reshape(-1))
    assert one.tobytes() == other.tobytes(), (
        f"{name}: {len(differing)} of {one.size} numbers differ, the first at {differing[:1]}"
    )


def outputs_of(model: onnx.ModelProto, target: str, seed: int, directory: Path, mapping: str = "") -> Outputs:
    """Compile and simulate a model for a target; compute it by the reference and by onnxruntime, too."""
    module = run_passes(imported(model, directory), PASSES[0])
    options = Options(target=target, compare_dense=False, mapping=mapping)
    plan, _ = compile_model(directory / "model.onnx", directory / "plan", options)
    fed = feeds(model, seed)
    simulated = Session(plan).execute(fed).outputs
    reference = to_host(module, run(module, to_device(module, fed)))
    return Outputs(simulated, reference, onnxruntime_outputs(model, fed))


def test_every_target_has_its_turn() -> None:
    assert sorted(TARGETS) == sorted(target_names())
    assert {one.values[2] for one in CASES} == set(TARGETS)


@pytest.mark.parametrize(("case", "pow2", "target"), CASES)
def test_named_models(case: Case, pow2: bool, target: str, tmp_path: Path) -> None:
    outputs = outputs_of(case.build(pow2=pow2), target, 5, tmp_path)
    outputs.check_bytes()
    outputs.check_onnxruntime(exact=pow2)


@pytest.mark.parametrize("shape", [(1, 28, 28), (8, 20, 20), (3, 32, 32)], ids=str)
def test_large_windows_are_cut_by_rows(shape: tuple[int, int, int], tmp_path: Path) -> None:
    """A dense layer behind a Flatten is a convolution whose weights of one block fill several work packets."""
    case = Case("mlp", lambda net, x: net.quant(net.gemm(net.flatten(x), 40)), shape)
    outputs = outputs_of(case.build(pow2=True), "aie2-3x3", 5, tmp_path)
    outputs.check_bytes()
    outputs.check_onnxruntime(exact=True)


@pytest.mark.parametrize("shape", [(11, 40, 37), (8, 90, 70)], ids=str)
@pytest.mark.parametrize("pow2", [True, False])
def test_large_averages_are_cut_by_rows(shape: tuple[int, int, int], pow2: bool, tmp_path: Path) -> None:
    """The window of one global average is larger than an activation slot, its taps fill several work packets."""
    case = Case("average", lambda net, x: net.quant(net.global_average_pool(x)), shape)
    outputs = outputs_of(case.build(pow2=pow2), "aie2-2x2", 5, tmp_path)
    outputs.check_bytes()
    outputs.check_onnxruntime(exact=pow2)


@pytest.mark.parametrize("seed", range(48))
def test_random_models(seed: int, tmp_path: Path) -> None:
    pow2 = seed % 2 == 0
    outputs = outputs_of(random_qdq_model(seed, pow2=pow2), TARGETS[seed % len(TARGETS)], seed, tmp_path)
    outputs.check_bytes()
    outputs.check_onnxruntime(exact=pow2)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ["digits_int8", "digits_int8_half"])
def test_real_digits(name: str, target: str, tmp_path: Path) -> None:
    model = onnx.load(MODELS / f"{name}.onnx")
    images = np.load(ROOT / "examples/images/digits.npz")
    x, labels = images["x"], images["labels"]
    plan, _ = compile_model(MODELS / f"{name}.onnx", tmp_path / "plan", Options(target, compare_dense=False))
    session = Session(plan)
    module = run_passes(imported(model, tmp_path), PASSES[0])
    for number in range(len(x)) if target == "aie2-4x4" else (0,):
        fed = {"image": x[number : number + 1]}
        outputs = Outputs(
            session.execute(fed).outputs,
            to_host(module, run(module, to_device(module, fed))),
            onnxruntime_outputs(model, fed),
        )
        outputs.check_bytes()
        outputs.check_onnxruntime(exact=False)
        guess = outputs.simulated["logits"].argmax()
        assert guess == outputs.onnxruntime["logits"].argmax() == labels[number]


COMPILE = "import sys; from compiler.cli.compile import main; sys.exit(main(sys.argv[1:]))"


@pytest.mark.parametrize("name", ["digits_int8", "digits_int8_half"])
def test_bytes_do_not_depend_on_the_hash_seed(name: str, tmp_path: Path) -> None:
    plans = []
    for seed in ("1", "4242"):
        place = tmp_path / seed
        subprocess.run(
            [sys.executable, "-c", COMPILE, str(MODELS / f"{name}.onnx"), "-o", str(place), "-q"],
            check=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        plans.append({str(one.relative_to(place)): one.read_bytes() for one in place.rglob("*") if one.is_file()})
    assert sorted(plans[0]) == sorted(plans[1])
    assert [one for one in plans[0] if plans[0][one] != plans[1][one]] == []


def test_an_output_that_is_read_again(tmp_path: Path) -> None:
    """A tensor may be an output of the model and the input of its next layer."""
    case = Case("two_ends", lambda net, x: net.quant(net.conv(net.quant(net.conv(x, 8)), 16)), (8, 9, 9))
    model = case.build(pow2=True)
    last = [node for node in model.graph.node if node.op_type == "Conv"][-1]
    between = onnx.helper.make_tensor_value_info(last.input[0], onnx.TensorProto.FLOAT, (1, 8, 7, 7))
    model.graph.output.append(between)
    outputs = outputs_of(model, "aie2-3x3", 5, tmp_path)
    outputs.check_bytes()
    outputs.check_onnxruntime(exact=True)
