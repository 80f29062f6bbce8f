"""Operators that hold their quantisation inside, against onnxruntime's own kernels for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from compiler.errors import UnsupportedModel
from compiler.frontend import import_onnx
from compiler.frontend.graph import Graph
from tests.formats import static
from tests.netbuilder import session

MS = "com.microsoft"
Array = NDArray[Any]
X, Y = (0.5, 120), (0.25, 128)


def of_node(
    node: onnx.NodeProto,
    constants: Mapping[str, Array],
    result: int = TensorProto.UINT8,
    *,
    shape: Sequence[int] = (1, 4, 6, 6),
    inputs: Sequence[str] = ("x",),
    opset: int = 17,
) -> onnx.ModelProto:
    """A model of one node that reads uint8 images; scales and zero points are named after their tensors."""
    parameters = {
        f"{name}_{what}": np.array(value, kind)
        for name, given in (("x", X), ("z", Y), ("y", Y))
        for what, value, kind in (("scale", given[0], np.float32), ("zero", given[1], np.uint8))
    }
    used = {name: one for name, one in {**parameters, **constants}.items() if name in node.input}
    given = [helper.make_tensor_value_info(name, TensorProto.UINT8, shape) for name in inputs]
    stored = [numpy_helper.from_array(one, name) for name, one in used.items()]
    graph = helper.make_graph([node], "one", given, [helper.make_tensor_value_info("y", result, None)], stored)
    imports = [helper.make_opsetid("", opset), helper.make_opsetid(MS, 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def same(model: onnx.ModelProto, directory: Path) -> Graph:
    """onnxruntime gives the same integers for the model and for what it became, or one more or less."""
    graph = static(model, directory)
    rng = np.random.default_rng(0)
    fed = {one: rng.integers(0, 256, graph.shapes[one]).astype(np.uint8) for one in graph.inputs}
    (expected,), (found,) = (session(one).run(None, fed) for one in (model, graph.model()))
    assert found.dtype == expected.dtype and found.shape == expected.shape
    assert np.ptp(found.astype(np.float64)) > 0
    assert np.abs(found.astype(np.float64) - expected.astype(np.float64)).max() <= (
        1 if found.dtype != np.float32 else 0
    )
    assert all(not one.domain for one in graph.nodes)
    assert [one.op_type for one in graph.nodes].count("DequantizeLinear") >= 1
    return graph


def node(kind: str, inputs: Sequence[str], domain: str = MS, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, inputs, ["y"], "it", domain=domain, **attributes)


X3, Y2, Z3 = ["x", "x_scale", "x_zero"], ["y_scale", "y_zero"], ["z", "z_scale", "z_zero"]


@pytest.mark.parametrize("kind", ["QLinearAdd", "QLinearMul"])
def test_two_activations(kind: str, tmp_path: Path) -> None:
    same(of_node(node(kind, [*X3, *Z3, *Y2]), {}, inputs=("x", "z")), tmp_path)


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("QLinearSigmoid", {}),
        ("QLinearLeakyRelu", {"alpha": 0.1}),
        ("QLinearGlobalAveragePool", {"channels_last": 0}),
        ("QLinearAveragePool", {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("QLinearSoftmax", {"axis": 1, "opset": 12}),
        ("QLinearSoftmax", {"axis": 3, "opset": 13}),
    ],
)
def test_one_activation(kind: str, attributes: dict[str, Any], tmp_path: Path) -> None:
    result = (
        {"y_scale": np.float32(1 / 256), "y_zero": np.uint8(0)} if kind in ("QLinearSoftmax", "QLinearSigmoid") else {}
    )
    same(of_node(node(kind, [*X3, *Y2], **attributes), {name: np.array(one) for name, one in result.items()}), tmp_path)


def test_concat(tmp_path: Path) -> None:
    same(of_node(node("QLinearConcat", [*Y2, *X3, *Z3], axis=1), {}, inputs=("x", "z")), tmp_path)


@pytest.mark.parametrize("opset", [13, 18])
def test_reduce_mean_takes_its_axes_as_the_opset_wants(opset: int, tmp_path: Path) -> None:
    graph = static(of_node(node("QLinearReduceMean", [*X3, *Y2], axes=[2, 3], keepdims=1), {}, opset=opset), tmp_path)
    mean = next(one for one in graph.nodes if one.op_type == "ReduceMean")
    assert graph.shapes["y"] == (1, 4, 1, 1)
    assert (len(mean.inputs), "axes" in mean.attributes) == ((1, True) if opset == 13 else (2, False))
    fed = {"x": np.arange(144, dtype=np.uint8).reshape(1, 4, 6, 6)}
    means = (fed["x"].astype(np.float32).mean((2, 3), keepdims=True) - 120) * 0.5 / 0.25 + 128
    assert np.array_equal(session(graph.model()).run(None, fed)[0], np.clip(np.rint(means), 0, 255).astype(np.uint8))


def matrix(rows: int, columns: int) -> dict[str, Array]:
    rng = np.random.default_rng(1)
    return {
        "w": rng.integers(-128, 128, (rows, columns)).astype(np.int8),
        "w_scale": np.linspace(0.01, 0.02, columns, dtype=np.float32),
        "w_zero": np.zeros(columns, np.int8),
        "b": rng.integers(-999, 999, columns).astype(np.int32),
    }


@pytest.mark.parametrize("float_result", [False, True])
def test_gemm(float_result: bool, tmp_path: Path) -> None:
    inputs = [*X3, "w", "w_scale", "w_zero", "b", *([] if float_result else ["y_scale", "y_zero"])]
    result = TensorProto.FLOAT if float_result else TensorProto.UINT8
    numbers = matrix(24, 8) | {"y_scale": np.array(2.0, np.float32)}
    graph = static(of_node(node("QGemm", inputs), numbers, result, shape=(1, 24)), tmp_path)
    fed = {"x": np.arange(24, dtype=np.uint8).reshape(1, 24) * 10}
    found = session(graph.model()).run(None, fed)[0]
    exact = (fed["x"].astype(np.float64) - 120) @ numbers["w"].astype(np.float64) + numbers["b"]
    exact = exact * 0.5 * numbers["w_scale"]
    expected = exact if float_result else np.clip(np.rint(exact / 2.0) + 128, 0, 255)
    assert np.abs(found.astype(np.float64) - expected).max() <= (1e-3 if float_result else 1)


def test_a_convolution_with_scales_per_channel_and_a_bias(tmp_path: Path) -> None:
    numbers = matrix(4 * 9, 8)
    numbers = {
        **numbers,
        "w": np.ascontiguousarray(numbers["w"].T.reshape(8, 4, 3, 3)),
        "y_scale": np.array(4.0, np.float32),
    }
    inputs = [*X3, "w", "w_scale", "w_zero", "y_scale", "y_zero", "b"]
    graph = same(of_node(node("QLinearConv", inputs, "", pads=[1, 1, 1, 1]), numbers), tmp_path)
    conv = next(one for one in graph.nodes if one.op_type == "Conv")
    assert conv.name == "it" and conv.integers("pads") == (1, 1, 1, 1)


def test_channels_last_is_refused_by_name(tmp_path: Path) -> None:
    model = of_node(node("QLinearGlobalAveragePool", [*X3, *Y2], channels_last=1), {})
    with pytest.raises(UnsupportedModel, match="QLinearGlobalAveragePool is not supported in this form"):
        import_onnx(static_path(model, tmp_path))


@pytest.mark.parametrize("kind", ["DynamicQuantizeLinear", "MatMulInteger", "ConvInteger"])
def test_dynamic_quantisation_is_refused_with_advice(kind: str, tmp_path: Path) -> None:
    if kind == "DynamicQuantizeLinear":
        one = helper.make_node(kind, ["f"], ["y", "s", "z"], "it")
    else:
        one = helper.make_node(kind, ["x", "w"], ["y"], "it")
    shape = (8, 4, 3, 3) if kind == "ConvInteger" else (6, 5)
    result = TensorProto.UINT8 if kind == "DynamicQuantizeLinear" else TensorProto.INT32
    model = of_node(one, {"w": np.ones(shape, np.uint8)}, result)
    if kind == "DynamicQuantizeLinear":
        model.graph.input[0].CopyFrom(helper.make_tensor_value_info("f", TensorProto.FLOAT, (1, 4, 6, 6)))
    with pytest.raises(UnsupportedModel, match="quantises dynamically") as caught:
        import_onnx(static_path(model, tmp_path))
    assert "statically" in caught.value.diagnostic.help and "'it'" in str(caught.value)


def static_path(model: onnx.ModelProto, directory: Path) -> Path:
    path = directory / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize(
    ("activation", "params"), [("", []), ("Relu", []), ("LeakyRelu", [0.25]), ("HardSigmoid", [0.2, 0.5])]
)
def test_fused_conv(activation: str, params: list[float], tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    weight = rng.standard_normal((4, 4, 3, 3)).astype(np.float32)
    attributes: dict[str, Any] = {"pads": [1, 1, 1, 1]}
    if activation:
        attributes |= {"activation": activation}
    if params:
        attributes |= {"activation_params": params}
    one = node("FusedConv", ["f", "w", "b", "g"], **attributes)
    model = of_node(one, {"w": weight, "b": np.ones(4, np.float32)}, TensorProto.FLOAT, inputs=("f", "g"))
    for info in model.graph.input:
        info.type.tensor_type.elem_type = TensorProto.FLOAT
    graph = static(model, tmp_path)
    fed = {name: rng.standard_normal((1, 4, 6, 6)).astype(np.float32) for name in ("f", "g")}
    (expected,), (found,) = (session(given).run(None, fed) for given in (model, graph.model()))
    assert np.allclose(found, expected, atol=1e-5)
    assert [given.op_type for given in graph.nodes][:2] == ["Conv", "Add"]
