"""A float model of any shapes becomes a static one, and that an int8 one; and how much work a model is."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import shape_inference, version_converter

from benchmarks.corpus.convert import whole
from benchmarks.corpus.cut import needed_by
from benchmarks.corpus.fetch import Failure
from benchmarks.models import quantise, session_options

MIN_OPSET = 13
"""The first whose QuantizeLinear has an axis."""


def quantised(model: onnx.ModelProto) -> bool:
    """Whether a model is int8 already."""
    return any(node.op_type in ("DequantizeLinear", "QLinearConv") for node in model.graph.node)


def input_of(model: onnx.ModelProto) -> onnx.ValueInfoProto:
    """The one input that is no weight."""
    stored = {one.name for one in model.graph.initializer}
    found: list[onnx.ValueInfoProto] = [one for one in model.graph.input if one.name not in stored]
    if len(found) != 1:
        raise Failure(f"the model has {len(found)} inputs, expected one")
    return found[0]


def bound(model: onnx.ModelProto, shape: Sequence[int]) -> onnx.ModelProto:
    """The model with its input's shape, opset 13 or later, every shape inferred; weights are no inputs."""
    given = onnx.ValueInfoProto.FromString(input_of(model).SerializeToString())
    sizes = given.type.tensor_type.shape
    del sizes.dim[:], model.graph.input[:], model.graph.value_info[:]
    for size in shape:
        sizes.dim.add().dim_value = size
    model.graph.input.append(given)
    for one in model.graph.output:
        one.type.tensor_type.ClearField("shape")  # it may hold names of sizes that are numbers now
    opset = next(one.version for one in model.opset_import if one.domain in ("", "ai.onnx"))
    if opset < MIN_OPSET:
        model = version_converter.convert_version(model, MIN_OPSET)
    return shape_inference.infer_shapes(model, data_prop=True)


def folded(model: onnx.ModelProto) -> onnx.ModelProto:
    """What onnxruntime's basic level makes of a bound model: constants computed, batch norms in convolutions."""
    with tempfile.TemporaryDirectory() as beside:
        options = session_options()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(Path(beside) / "folded.onnx")
        ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
        result = onnx.load(options.optimized_model_filepath)
    used = {node.domain for node in result.graph.node} | {""}
    kept = [one for one in result.opset_import if one.domain in used]
    del result.opset_import[:]
    result.opset_import.extend(kept)
    return shape_inference.infer_shapes(result, data_prop=True)


def float_of(source: Path, shape: Sequence[int], out: Path) -> onnx.ModelProto:
    """The static float model, kept in a file; of one that is int8 already, the shapes alone are bound."""
    if not out.exists():
        model = bound(onnx.load(source), shape)
        result = model if quantised(model) else folded(model)
        whole(out, lambda part: onnx.save(result, part))
    return onnx.load(out)


def int8_of(model: onnx.ModelProto, calibration: Sequence[NDArray[Any]], out: Path) -> None:
    """Write the QDQ model: symmetric int8, a scale for each output channel, ranges by the calibration's extremes."""
    if not out.exists():
        name = input_of(model).name
        result = model if quantised(model) else quantise(model, calibration, input_name=name)
        whole(out, lambda part: onnx.save(result, part))


def macs_of(model: onnx.ModelProto, outputs: Sequence[str] = ()) -> int:
    """Multiplications of convolutions and matrix products that these tensors, or all outputs, need.

    All shapes of the model are known.
    """
    made = {output: node for node in model.graph.node for output in node.output}
    needed = needed_by(made, outputs or [one.name for one in model.graph.output])
    infos = (*model.graph.input, *model.graph.value_info, *model.graph.output)
    shapes = {one.name: [dim.dim_value for dim in one.type.tensor_type.shape.dim] for one in infos}
    shapes |= {one.name: list(one.dims) for one in model.graph.initializer}
    total = 0
    for node in (one for one in model.graph.node if one.output[0] in needed):
        if node.op_type in ("Conv", "ConvTranspose"):
            # each number of the result (of a transposed one: of the input) meets a filter of the others' channels
            many = node.output[0] if node.op_type == "Conv" else node.input[0]
            total += math.prod(shapes[many]) * math.prod(shapes[node.input[1]][1:])
        elif node.op_type in ("Gemm", "MatMul"):
            turned = any(one.name == "transA" and one.i for one in node.attribute)
            total += math.prod(shapes[node.output[0]]) * shapes[node.input[0]][0 if turned else -1]
    return total
