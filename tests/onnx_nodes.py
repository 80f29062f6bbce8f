"""ONNX's own node tests, as int8 twins: what bscc makes of each.

A node test is one float operator with inputs and expected outputs.  Its twin has QuantizeLinear and DequantizeLinear
around the operator, in scales that are the next powers of two above what the test's own data need; weights, shapes and
other parameters, which the tests feed as inputs, are constants of it.  bscc must compute the bytes that onnxruntime
computes for the twin, or be a step away where docs/numerics.md says so; the distance to the float results is reported.

A model of which nothing is left for the array is refused, and a node that only the host can do is all that a twin has.
So a refused twin is tried once more with a convolution before its first input that multiplies by 1: an array part that
gives its bytes to the host.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from compiler.driver import Options
from compiler.errors import BsccError
from compiler.onnx_backend import BsccBackend
from tests.netbuilder import session

Array = NDArray[Any]

OPERATORS = """
    Add AveragePool Clip Concat Conv ConvTranspose DepthToSpace DequantizeLinear Erf Flatten Gelu Gemm GlobalAveragePool
    HardSigmoid HardSwish InstanceNormalization LayerNormalization LeakyRelu MatMul MaxPool Mul PRelu Pad QLinearConv
    QLinearMatMul QuantizeLinear ReduceMean Relu Reshape Resize Sigmoid Slice Softmax Split Squeeze Sub Tanh Transpose
    Unsqueeze Upsample
"""
ALL_ACTIVATIONS = ("Add", "Sub", "Mul", "Concat")
"""Of other operators only the first input is one, the rest are parameters."""
AS_THEY_ARE = ("QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul")
"""Quantised in themselves: the test is the twin, but for its parameters."""
WEIGHTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
ALLOWED_STEPS = 1
FIRST_OPSET, LAST_OPSET = 13, 23
"""Of a twin: scales per channel came with 13, and onnxruntime 1.32 has no QuantizeLinear beyond 23."""
TARGET = "aie2-2x2"


@dataclass(frozen=True)
class Case:
    """A node test."""

    name: str
    model: onnx.ModelProto
    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]

    @property
    def operator(self) -> str:
        return str(self.model.graph.node[0].op_type)


@dataclass(frozen=True)
class Outcome:
    """What became of a case: `where` is array, host (the operator itself), refused or wrong, and why not the array."""

    name: str
    operator: str
    where: str
    reason: str = ""
    steps: int = 0  # from onnxruntime on the twin
    float_steps: float = 0.0  # from the test's own results


def cases() -> list[Case]:
    """The tests of single nodes of `OPERATORS`, in order of their names."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy's, of the data of other operators' tests
        found = load_model_tests(kind="node")
    kept = []
    for one in found:
        if one.model is None or len(one.model.graph.node) != 1 or not one.data_sets:
            continue
        if one.model.graph.node[0].op_type not in OPERATORS.split():
            continue
        inputs, outputs = (tuple(map(_array, arrays)) for arrays in one.data_sets[0])
        kept.append(Case(one.name, one.model, inputs, outputs))
    return sorted(kept, key=lambda one: one.name)


def _array(given: object) -> Array:
    """Data of a test; types that numpy lacks come as protobufs."""
    return numpy_helper.to_array(given) if isinstance(given, onnx.TensorProto) else np.asarray(given)


def power(array: Array) -> float:
    """The power of two in whose steps an int8 holds the numbers."""
    finite = np.abs(np.asarray(array, np.float64))
    largest = float(finite[np.isfinite(finite)].max(initial=0.0))
    return float(2.0 ** np.ceil(np.log2(largest / 127))) if largest else 1.0


def as_resize(node: onnx.NodeProto) -> onnx.NodeProto:
    """What Upsample has been called since opset 10, before which there is no QuantizeLinear."""
    modes = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    mode = next(helper.get_attribute_value(one) for one in node.attribute if one.name == "mode")
    return helper.make_node("Resize", [node.input[0], "", node.input[1]], node.output, node.name, mode=mode, **modes)


class Twin:
    """The int8 model of a case, its feeds, and the steps of its outputs; with `behind` behind a convolution by 1."""

    def __init__(self, case: Case, *, behind: bool = False) -> None:
        self.behind = behind
        self.nodes: list[onnx.NodeProto] = []
        self.stored: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self.feeds: dict[str, Array] = {}
        self.steps: list[float] = []
        node, kind = onnx.NodeProto.FromString(case.model.graph.node[0].SerializeToString()), case.operator
        given = iter(zip(case.model.graph.input, case.inputs, strict=True))
        present = {one.name for one in case.model.graph.input}
        scale = 1.0
        for index, name in enumerate(node.input):
            if name not in present:
                continue
            info, array = next(given)
            wrapped = array.dtype.kind == "f" and kind not in AS_THEY_ARE
            if index == 0 or kind in ALL_ACTIVATIONS:
                node.input[index] = self.activation(info, array, wrapped)
                scale = power(array)
            elif wrapped and kind in WEIGHTS:
                scale = scale * power(array) if index == 1 else scale
                node.input[index] = self.weight(info.name, array, scale if index == 2 else power(array), index == 2)
            else:
                self.stored.append(numpy_helper.from_array(array, info.name))
        node.name = "node"
        self.nodes.append(as_resize(node) if kind == "Upsample" else node)
        for info, array in zip(case.model.graph.output, case.outputs, strict=True):
            self.output(info, array, array.dtype.kind == "f" and kind not in AS_THEY_ARE)
        graph = helper.make_graph(self.nodes, "twin", self.inputs, self.outputs, self.stored)
        opset = next(one.version for one in case.model.opset_import if one.domain in ("", "ai.onnx"))
        twin = helper.make_opsetid("", min(max(opset, FIRST_OPSET), LAST_OPSET))
        self.model = helper.make_model(graph, opset_imports=[twin], ir_version=10)

    def parameters(self, name: str, scale: float, kind: type[np.generic] = np.int8) -> list[str]:
        self.stored += [
            numpy_helper.from_array(np.array(scale, np.float32), f"{name}.scale"),
            numpy_helper.from_array(np.array(0, kind), f"{name}.zero"),
        ]
        return [f"{name}.scale", f"{name}.zero"]

    def rounded(self, name: str, array: Array, result: str) -> None:
        """QuantizeLinear and DequantizeLinear from one name to another."""
        names = self.parameters(name, power(array))
        self.nodes += [
            helper.make_node("QuantizeLinear", [name, *names], [f"{name}.int8"], f"{name}.q"),
            helper.make_node("DequantizeLinear", [f"{name}.int8", *names], [result], f"{name}.dq"),
        ]

    def activation(self, info: onnx.ValueInfoProto, array: Array, wrapped: bool) -> str:
        if self.behind and not self.inputs:
            return self.convolved(info.name, array, wrapped)
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        self.inputs.append(helper.make_tensor_value_info(info.name, kind, array.shape))
        self.feeds[info.name] = array
        if not wrapped:
            return info.name
        self.rounded(info.name, array, f"{info.name}.float")
        return f"{info.name}.float"

    def convolved(self, name: str, array: Array, wrapped: bool) -> str:
        """The input as an image of one channel, through QDQ, a 1x1 convolution by 64 / 64 and QDQ, in its own shape."""
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        rows = max(one for one in range(1, math.isqrt(array.size) + 1) if array.size % one == 0)
        self.feeds["image"] = array.reshape(1, 1, rows, -1)
        self.inputs.append(helper.make_tensor_value_info("image", kind, self.feeds["image"].shape))
        bytes = array.dtype.kind != "f"
        scale, zero = self.parameters("image", 1.0 if bytes else power(array), array.dtype.type if bytes else np.int8)
        self.stored.append(numpy_helper.from_array(np.array(array.shape, np.int64), "shape"))
        source = "image"
        if not bytes:
            self.nodes.append(helper.make_node("QuantizeLinear", ["image", scale, zero], ["image.int8"], "image.q"))
            source = "image.int8"
        self.nodes.append(helper.make_node("DequantizeLinear", [source, scale, zero], ["image.float"], "image.dq"))
        one = self.weight("one", np.ones((1, 1, 1, 1), np.float32), 1 / 64, bias=False)
        self.nodes += [
            helper.make_node("Conv", ["image.float", one], ["image.same"], "front"),
            helper.make_node("QuantizeLinear", ["image.same", scale, zero], ["image.out"], "image.same.q"),
        ]
        if bytes:
            self.nodes.append(helper.make_node("Reshape", ["image.out", "shape"], [name], "reshape"))
            return name
        self.nodes += [
            helper.make_node("DequantizeLinear", ["image.out", scale, zero], ["image.again"], "image.same.dq"),
            helper.make_node("Reshape", ["image.again", "shape"], [name], "reshape"),
        ]
        if not wrapped:
            return name
        self.rounded(name, array, f"{name}.float")
        return f"{name}.float"

    def weight(self, name: str, array: Array, scale: float, bias: bool) -> str:
        kind = np.int32 if bias else np.int8
        limits = np.iinfo(kind)
        numbers = np.clip(np.rint(array / scale), limits.min, limits.max).astype(kind)
        self.stored.append(numpy_helper.from_array(numbers, f"{name}.int"))
        names = [f"{name}.int", *self.parameters(name, scale, kind)]
        self.nodes.append(helper.make_node("DequantizeLinear", names, [f"{name}.float"], f"{name}.dq"))
        return f"{name}.float"

    def output(self, info: onnx.ValueInfoProto, array: Array, wrapped: bool) -> None:
        name = f"{info.name}.rounded" if wrapped else info.name
        if wrapped:
            self.rounded(info.name, array, name)
        self.steps.append(power(array) if array.dtype.kind == "f" and wrapped else 1.0)
        kind = helper.np_dtype_to_tensor_dtype(array.dtype) if not wrapped else TensorProto.FLOAT
        self.outputs.append(helper.make_tensor_value_info(name, kind, array.shape))


def tried(case: Case) -> Outcome:
    """Compile a case's twin, run it, compare; behind a convolution if it is refused by itself."""
    outcome = _tried(case, Twin(case))
    if outcome.where != "refused" or not _has_front(case):
        return outcome
    again = _tried(case, Twin(case, behind=True))
    if again.where == "refused":
        return outcome
    return replace(again, reason=outcome.reason) if again.where == "host" else again


def _has_front(case: Case) -> bool:
    """Whether a convolution can stand before the first input: it holds numbers, which are floats or bytes."""
    first = case.inputs[0] if case.inputs else np.empty(0)
    return first.size > 0 and first.dtype in (np.float32, np.int8, np.uint8)


def _tried(case: Case, twin: Twin) -> Outcome:
    operator = case.operator
    try:
        made = BsccBackend.prepare(twin.model, options=Options(target=TARGET, compare_dense=False))
    except BsccError as error:
        return Outcome(case.name, operator, "refused", reason_of(error))
    found = made.run(twin.feeds)
    expected = [np.asarray(one) for one in session(twin.model).run(None, twin.feeds)]
    steps = max(_steps(a, b, step) for a, b, step in zip(found, expected, twin.steps, strict=True))
    floats = max(_steps(a, b, step) for a, b, step in zip(found, case.outputs, twin.steps, strict=True))
    if steps > ALLOWED_STEPS:
        return Outcome(case.name, operator, "wrong", f"{steps:g} steps from onnxruntime", round(steps), floats)
    rows = [one for one in made.summary["host"]["reasons"] if one["node"] == "node"]
    reason = "".join(f"{one['code']}: {one['reason']}" for one in rows)
    return Outcome(case.name, operator, "host" if rows else "array", reason, round(steps), floats)


def _steps(found: Array, expected: Array, step: float) -> float:
    if found.shape != expected.shape:
        return float("inf")
    apart = np.abs(found.astype(np.float64) - np.asarray(expected).astype(np.float64)) / step
    return float(apart.max(initial=0.0))


def reason_of(error: BsccError) -> str:
    """The diagnostics at the operator itself if there are any, else the first."""
    own = [one for one in error.diagnostics if "'node'" in str(one.place)]
    first = (own or list(error.diagnostics))[0]
    return f"{first.code}: {first.message}"
