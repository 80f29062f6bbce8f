"""The reference agrees with itself after every pass, and with onnxruntime as docs/numerics.md promises."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from compiler.errors import NumericalMismatch, UsageError
from compiler.ir import Rewriter
from compiler.reference import ValueCheck, run, run_traced
from compiler.reference.check import random_inputs
from compiler.reference.kernels import convolve, exact_ranges
from dialects import bsp, nn
from passes.fold_quantization import FoldQuantization
from tests.models import Case, feeds, named_cases, qlinear_model, random_qdq_model
from tests.netbuilder import Style, Tensor
from tests.netlayers import Layers
from tests.reference_tools import (
    PASSES,
    Array,
    imported,
    onnxruntime_outputs,
    run_passes,
    steps_apart,
    to_device,
    to_host,
)


def agree(model: onnx.ModelProto, directory: Path, seed: int, *, exact: bool) -> None:
    """Values stay the same from pass to pass; onnxruntime's are equal, or at most a step per layer apart."""
    fed = feeds(model, seed)
    module = run_passes(imported(model, directory), PASSES[0])
    inputs = to_device(module, fed)
    check = ValueCheck(module, inputs)
    for one in PASSES[1:]:
        run_passes(module, one)
        check(one.name, module)
    expected = onnxruntime_outputs(model, fed)
    results = to_host(module, run(module, inputs))
    assert list(results) == list(expected)
    for name, result in results.items():
        apart = steps_apart(result, expected[name])
        assert result.array.shape == expected[name].shape and result.array.dtype == expected[name].dtype
        assert apart.max() == 0 if exact else apart.max() <= 3, f"{name}: {apart.max()} steps"
        assert np.sum(apart > 1) <= max(1, 0.02 * apart.size)


@pytest.mark.parametrize("seed", range(48))
def test_random_models_with_powers_of_two(seed: int, tmp_path: Path) -> None:
    agree(random_qdq_model(seed, pow2=True), tmp_path, seed, exact=True)


@pytest.mark.parametrize("seed", range(48))
def test_random_models(seed: int, tmp_path: Path) -> None:
    agree(random_qdq_model(seed), tmp_path, seed, exact=False)


@pytest.mark.parametrize("pow2", [True, False])
@pytest.mark.parametrize("seed", range(12))
def test_qlinear_models(seed: int, pow2: bool, tmp_path: Path) -> None:
    agree(qlinear_model(seed, pow2=pow2), tmp_path, seed, exact=pow2)


@pytest.mark.parametrize("pow2", [True, False])
@pytest.mark.parametrize("case", named_cases(), ids=lambda case: case.name)
def test_named_models(case: Case, pow2: bool, tmp_path: Path) -> None:
    agree(case.build(pow2=pow2), tmp_path, 5, exact=pow2)


def per_operator(model: onnx.ModelProto, directory: Path, seed: int) -> tuple[int, int]:
    """onnxruntime's own integers go into each layer of `nn`: how many numbers differ, of how many.

    Layers are compared by the QuantizeLinear nodes, whose results are made outputs of the model.
    """
    wide = onnx.ModelProto.FromString(model.SerializeToString())
    known = {one.name for one in wide.graph.output}
    quantised = [one.output[0] for one in wide.graph.node if one.op_type == "QuantizeLinear"]
    kinds = {
        one.output[0]: next(t for t in wide.graph.initializer if t.name == one.input[2]).data_type
        for one in wide.graph.node
        if one.op_type == "QuantizeLinear"
    }
    for name in quantised:
        if name not in known:
            wide.graph.output.append(onnx.helper.make_tensor_value_info(name, kinds[name], None))
    fed = feeds(model, seed)
    expected = onnxruntime_outputs(wide, fed)
    differing = total = 0
    for name in quantised:
        part = onnx.ModelProto.FromString(wide.SerializeToString())
        part_names = boundary(part, name, set(quantised))
        if not part_names:
            continue
        result = run_part(part, name, {one: expected[one] for one in part_names}, directory)
        apart = np.abs(result.astype(np.int64) - expected[name].astype(np.int64))
        assert apart.max() <= 1, f"{name}: {apart.max()} steps with the same inputs"
        differing, total = differing + int((apart > 0).sum()), total + apart.size
    return differing, total


def boundary(model: onnx.ModelProto, name: str, quantised: set[str]) -> list[str]:
    """The quantised tensors from which the one named is computed; the nodes between are all that is kept."""
    makers = {output: node for node in model.graph.node for output in node.output}
    stack, kept, found = [name], [], []
    while stack:
        node = makers.get(stack.pop())
        if node is None or node in kept:
            continue
        kept.append(node)
        for one in node.input:
            if one in quantised:
                found.append(one)
            else:
                stack.append(one)
    names = list(dict.fromkeys(found))
    ordered = [node for node in model.graph.node if node in kept]
    del model.graph.node[:]
    model.graph.node.extend(ordered)
    return names


def run_part(model: onnx.ModelProto, name: str, given: dict[str, Array], directory: Path) -> Array:
    """One layer by the reference."""
    del model.graph.input[:], model.graph.output[:]
    for one, array in given.items():
        kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
        model.graph.input.append(onnx.helper.make_tensor_value_info(one, kind, array.shape))
        output = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
    model.graph.output.append(onnx.helper.make_tensor_value_info(name, output, None))
    model.graph.output[0].type.tensor_type.ClearField("shape")
    module = run_passes(imported(model, directory), *PASSES)
    return to_host(module, run(module, to_device(module, given)))[name].array


def test_one_step_per_operator(tmp_path: Path) -> None:
    differing = total = 0
    for seed in range(40):
        one, count = per_operator(random_qdq_model(seed), tmp_path, seed)
        differing, total = differing + one, total + count
    assert total > 20_000
    assert differing <= 2e-3 * total, f"{differing} of {total} numbers are one step apart"


def test_value_check_names_the_node(tmp_path: Path) -> None:
    model = next(case for case in named_cases() if case.name == "add_residual").build()
    module = run_passes(imported(model, tmp_path), *PASSES[:3])
    check = ValueCheck(module, to_device(module, feeds(model, 0)))
    conv = next(op for op in module.walk(bsp.Conv2dOp) if op.y_max > op.y_min)
    Rewriter.at(conv).change(conv, y_max=conv.y_min)
    with pytest.raises(NumericalMismatch) as caught:
        check("broken-pass", module)
    text = str(caught.value)
    assert str(conv.loc) in text and "'broken-pass'" in text and "numbers differ" in text
    assert caught.value.exit_code == 6


def test_value_check_of_integer_and_float_inputs(tmp_path: Path) -> None:
    """The float one has integers only after the first pass: what flows is compared from there on."""
    net = Layers(0, (8, 4, 4), Style(float_io=False))
    net.inputs.append(onnx.helper.make_tensor_value_info("other", onnx.TensorProto.FLOAT, (1, 8, 4, 4)))
    model = net.finish(net.quant(net.add(net.x, net.quant(Tensor(net.x.value, float_name="other")))))
    module = imported(model, tmp_path)
    check = ValueCheck(module, random_inputs(module))
    run_passes(module, FoldQuantization())
    check("fold-quantization", module)
    assert check.before is not None
    (add,) = module.walk(nn.QAddOp)
    Rewriter(module.function().body.block).change(add, y_max=add.y_max - 100)
    with pytest.raises(NumericalMismatch, match="broken"):
        check("broken", module)


def test_inputs_are_checked(tmp_path: Path) -> None:
    module = run_passes(imported(random_qdq_model(0), tmp_path), *PASSES)
    with pytest.raises(UsageError, match="no array is given"):
        run(module, {})
    with pytest.raises(UsageError, match="expects"):
        run(module, {op.onnx_name: np.zeros(3, np.int8) for op in module.walk(nn.InputOp)})


def test_trace_holds_every_activation(tmp_path: Path) -> None:
    model = random_qdq_model(1)
    module = run_passes(imported(model, tmp_path), *PASSES)
    trace = run_traced(module, to_device(module, feeds(model, 0)))
    for value, array in trace.values.items():
        shape = getattr(value.type, "shape", ())
        assert array.shape == shape or isinstance(value.type, bsp.BlockMatrixType)


def test_convolution_is_exact_beyond_float32() -> None:
    x = np.full((1, 1, 1, 5000), 255, np.int32)
    weight = np.full((8, 1, 1, 5000), 127, np.int8)
    weight[1:, 0, 0, ::2] = -127
    weight[2, 0, 0, 0] = 126
    total = convolve(x, weight, (1, 1), (0, 0, 0, 0), (1, 1))
    expected = (x.reshape(1, -1).astype(np.int64) @ weight.reshape(8, -1).T.astype(np.int64)).reshape(1, 1, 1, 8)
    assert np.array_equal(total, expected)
    assert len(exact_ranges(255, weight.reshape(8, -1))) > 1
