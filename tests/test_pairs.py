"""Sums, differences and products of two tensors or of one and a constant, from ONNX to the simulator's bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from compiler.cli.compile import main as bscc
from compiler.driver import Options, compile_model
from compiler.errors import UnsupportedModel
from compiler.pipeline import DEFAULT_PIPELINE
from compiler.plan import LAYERS, Plan
from runtime_sim.instruction_core import InstructionCore
from runtime_sim.session import Session
from tests.model_cases import Case, Draw
from tests.models import feeds
from tests.netbuilder import Style, Tensor
from tests.netlayers import Layers
from tests.pair_cases import PAIR_CASES, pair, pixel_of, quantised, with_numbers
from tests.reference_tools import imported, onnxruntime_outputs
from tests.test_end_to_end import outputs_of
from tests.test_instruction_level import checked, same
from tests.test_reference import agree, per_operator

every_case = pytest.mark.parametrize("case", PAIR_CASES, ids=lambda case: case.name)
both_scales = pytest.mark.parametrize("pow2", [True, False], ids=["pow2", "ordinary"])


@every_case
@both_scales
def test_each_pass_keeps_the_values_and_onnxruntime_has_them(case: Case, pow2: bool, tmp_path: Path) -> None:
    agree(case.build(pow2=pow2), tmp_path, 5, exact=pow2)


@every_case
@both_scales
def test_the_simulator_gives_these_bytes(case: Case, pow2: bool, tmp_path: Path) -> None:
    outputs = outputs_of(case.build(pow2=pow2), "aie2-2x2" if pow2 else "aie2-3x3", 5, tmp_path)
    outputs.check_bytes()
    outputs.check_onnxruntime(exact=pow2)


@pytest.mark.parametrize("name", ["squeeze_and_excitation", "products_signed", "sums_with_a_pixel"])
def test_both_levels_of_simulation_agree(name: str, tmp_path: Path) -> None:
    """The same bytes in the same cycles, and each call by itself."""
    model = case_of(name).build()
    plan = compiled(model, tmp_path)
    session, fed = Session(plan), feeds(model, 5)
    fine, coarse = session.execute(fed, InstructionCore), session.execute(fed)
    assert same(fine.outputs, coarse.outputs)
    assert fine.result.cycles == coarse.result.cycles
    assert checked(session, fed) > 0


def case_of(name: str) -> Case:
    return next(one for one in PAIR_CASES if one.name == name)


def compiled(model: onnx.ModelProto, place: Path, pipeline: str = DEFAULT_PIPELINE) -> Plan:
    (place / "model.onnx").write_bytes(model.SerializeToString())
    options = Options(target="aie2-2x2", compare_dense=False, pipeline=pipeline)
    return compile_model(place / "model.onnx", place / "plan", options)[0]


def test_one_step_for_each_operator_given_the_same_inputs(tmp_path: Path) -> None:
    """The share that docs/numerics.md tells, of all that these models compute."""
    found = np.array([per_operator(case.build(), tmp_path, seed) for case in PAIR_CASES for seed in range(2)])
    differing, total = found.sum(axis=0).tolist()
    assert total > 100_000
    assert 0 < differing < 3e-3 * total


def test_each_pass_on_the_command_line(tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(case_of("squeeze_and_excitation").build().SerializeToString())
    words = [str(model), "-o", str(tmp_path / "plan"), "--target", "aie2-2x2", "--no-compare-dense", "--verify-each"]
    words += ["--cost-model", "paper"]
    assert bscc([*words, "-q"]) == 0


@pytest.mark.parametrize("name", ["squeeze_of_odd_channels", "sums_with_a_pixel", "differences"])
def test_in_strips(name: str, tmp_path: Path) -> None:
    """Each strip of the whole tensor meets the same pixel."""
    model = case_of(name).build(pow2=True)
    pipeline = DEFAULT_PIPELINE.replace("depthwise-tiling", "depthwise-tiling{strips=3}")
    plan = compiled(model, tmp_path, pipeline)
    names = [layer["name"] for layer in plan.json(LAYERS)]
    assert max(map(names.count, names)) == 3
    fed = feeds(model, 5)
    assert same(Session(plan).execute(fed).outputs, onnxruntime_outputs(model, fed))


@pytest.mark.parametrize("name", ["sums_with_a_pixel", "differences_unsigned", "stored"])
def test_by_exact_factors(name: str, tmp_path: Path) -> None:
    """Sums by 30-bit factors of either sign; products have 15 bits in any case."""
    model = case_of(name).build(pow2=True)
    pipeline = DEFAULT_PIPELINE.replace("fold-quantization", "fold-quantization{requantize=exact}")
    plan = compiled(model, tmp_path, pipeline)
    fed = feeds(model, 5)
    assert same(Session(plan).execute(fed).outputs, onnxruntime_outputs(model, fed))


# What is refused


def rows(net: Layers, x: Tensor) -> Tensor:
    """One number for each row of the image."""
    y = net.quant(net.average_pool(x, {"kernel_shape": (1, x.shape[3])}))
    return pair(net, "Mul", x, y)


def outer(net: Layers, x: Tensor) -> Tensor:
    """A pixel and a channel: neither has the shape of the result."""
    gate = net.quant(net.conv(x, 1, (1, 1)))
    return pair(net, "Mul", gate, pixel_of(net, x))


def quotient(net: Layers, x: Tensor) -> Tensor:
    return pair(net, "Div", x, net.quant(net.clip(net.conv(x, x.channels, (1, 1)), 1.0, 2.0)))


def float_image(net: Layers, x: Tensor) -> Tensor:
    numbers = net.rng.standard_normal((1, *x.shape[1:])).astype(np.float32)
    return net.quant(with_numbers(net, "Add", x, numbers))


def larger(net: Layers, x: Tensor) -> Tensor:
    """A constant that makes a pixel an image."""
    y = net.quant(net.global_average_pool(x))
    return net.quant(quantised(net, "Add", y, np.ones((1, 1, 3, 3), np.float32)))


def norm_without_spread(net: Layers, x: Tensor) -> Tensor:
    parts = [net.const(np.full(x.channels, one, np.float32), "norm") for one in (1, 0, 0, -1)]
    y = net.emit("BatchNormalization", [net.read(x), *parts])
    return net.quant(replace(x, float_name=y, int_name=""))


@pytest.mark.parametrize(
    ("draw", "code", "says"),
    [
        (rows, "unsupported-shape", "its smaller input shape is [1, 8, 6, 1], for [1, 8, 6, 6], expected [1, C, 1, 1]"),
        (
            outer,
            "unsupported-shape",
            "its input shapes are [1, 1, 6, 6] and [1, 8, 1, 1], expected one that is the result's",
        ),
        (quotient, "unsupported-input", "its divisor is computed from the inputs, expected a constant"),
        (float_image, "float-op", "its constant of float32 differs from pixel to pixel and is not quantised"),
        (larger, "unsupported-shape", "its result shape is [1, 8, 3, 3], expected [1, 8, 1, 1], as its input"),
        (norm_without_spread, "unsupported-input", "its variance plus epsilon is -0.99999, expected more than 0"),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_what_is_refused_names_its_node_and_the_reason(draw: Draw, code: str, says: str, tmp_path: Path) -> None:
    net = Layers(3, (8, 6, 6), Style())
    model = net.finish(draw(net, net.x))
    with pytest.raises(UnsupportedModel) as caught:
        imported(model, tmp_path)
    (found,) = caught.value.diagnostics
    kind = next(
        one.name for one in reversed(model.graph.node) if one.op_type in ("Add", "Mul", "Div", "BatchNormalization")
    )
    assert found.code == code and says in found.message
    assert kind in str(found.place)


def test_a_product_whose_factor_saturates(tmp_path: Path) -> None:
    """Scales of 2^10 and 2^10 into one of 2^-10: any product but 0 leaves the type."""
    net = Layers(3, (8, 4, 4), Style(float_io=False))
    given = [net.const(np.array(2.0**exponent, np.float32), "scale") for exponent in (10, -10)]
    zero = net.const(np.array(100, np.uint8), "zero")
    x = replace(net.x, scale=given[0], zero=zero)
    y = net.emit("Mul", [net.read(x), net.read(x)])
    z = Tensor(x.value, int_name=net.emit("QuantizeLinear", [y, given[1], zero]), scale=given[1], zero=zero)
    model = net.finish(z)
    fed = {"input": (100 + np.arange(128).reshape(1, 8, 4, 4) % 3 - 1).astype(np.uint8)}
    outputs = Session(compiled(model, tmp_path)).execute(fed).outputs
    assert same(outputs, onnxruntime_outputs(model, fed))
    assert {np.unique(one).tobytes() for one in outputs.values()} == {bytes((100, 255))}
