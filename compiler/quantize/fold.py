"""Batch norms into the convolutions before them, before anything is quantised.

onnxruntime's basic optimiser does what it does before it runs any model: it folds batch norms, products and
sums by constants into convolutions, makes Gemm of MatMul and Add, computes constants.  A factor times zero is
zero, so zero blocks stay.  A batch norm that has no convolution before it becomes one, of 1x1 and depthwise.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper

from compiler.errors import Limit, Reason, UnsupportedModel
from compiler.quantize.network import Array, Network, store

FUSED = "/MatMulAddFusion"
"""What onnxruntime appends to the name of a MatMul when it makes a Gemm of it."""


def session_options(level: ort.GraphOptimizationLevel) -> ort.SessionOptions:
    """One thread, so that sums are in one order on every machine; errors only."""
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return options


def session(model: onnx.ModelProto) -> ort.InferenceSession:
    """onnxruntime on a model as it stands, without optimisations: the semantics that bscc compares with."""
    options = session_options(ort.GraphOptimizationLevel.ORT_DISABLE_ALL)
    try:
        return ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions derive from Exception and RuntimeError alike
        raise _refused(error) from None


def computed(runner: ort.InferenceSession, names: Sequence[str], feeds: Mapping[str, Array]) -> list[Array]:
    """These tensors of a sample; some of what is wrong with a model shows only as it runs."""
    try:
        return [np.asarray(one) for one in runner.run(list(names), dict(feeds))]
    except Exception as error:  # as above
        raise _refused(error, "mend the node that is named, or calibrate with samples that it takes") from None


def _refused(
    error: Exception, help: str = "quantise it with the tool that it was made for, and give bscc the QDQ model"
) -> UnsupportedModel:
    lines = str(error).strip().splitlines()
    said = lines[0] if lines else type(error).__name__
    limit = Limit("float model", "one that onnxruntime runs", said)
    text = f"onnxruntime does not run the float model: {said}"
    return UnsupportedModel(Reason("onnxruntime", text, help=help, limit=limit))


def folded(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its batch norms folded; nodes that stay keep their names."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "source.onnx", Path(folder) / "target.onnx"
        source.write_bytes(model.SerializeToString())
        options = session_options(ort.GraphOptimizationLevel.ORT_ENABLE_BASIC)
        options.optimized_model_filepath = str(target)
        try:
            ort.InferenceSession(str(source), options, ["CPUExecutionProvider"])
            result = onnx.load(target)
        except Exception as error:  # as above
            raise _refused(error) from None
    _name_nodes(result, {node.name for node in model.graph.node})
    _keep_standard(result)
    for node in result.graph.node:
        if node.op_type == "BatchNormalization":
            _as_convolution(result, node)
        elif node.op_type == "Gemm":
            _without_beta(result, node)
            _flat_bias(result, node)
    return result


def _keep_standard(model: onnx.ModelProto) -> None:
    """Import only the operators of ONNX: the optimiser lists all domains that it knows."""
    used = dict.fromkeys(node.domain for node in model.graph.node)
    kept = [one for one in model.opset_import if one.domain in ("", *used)]
    del model.opset_import[:]
    model.opset_import.extend(kept)


def _name_nodes(model: onnx.ModelProto, known: Collection[str]) -> None:
    """Every node gets a name of its own; a Gemm that was MatMul and Add has the name of the former."""
    taken: dict[str, None] = {}
    for index, node in enumerate(model.graph.node):
        name = node.name or f"{node.op_type}_{index}"
        former = name.removesuffix(FUSED)
        if node.op_type == "Gemm" and former in known:
            name = former
        while name in taken:
            name = f"{name}_{index}"
        node.name = name
        taken[name] = None


def _as_convolution(model: onnx.ModelProto, node: onnx.NodeProto) -> None:
    """x -> g (x - m) / sqrt(v + e) + b becomes a depthwise 1x1 convolution, for images."""
    network = Network(model)
    gain, shift, mean, variance = (network.constant(name) for name in node.input[1:5])
    if gain is None or shift is None or mean is None or variance is None or len(network.shape(node.input[0])) != 4:
        return
    epsilon = next((one.f for one in node.attribute if one.name == "epsilon"), 1e-5)
    factor = gain.astype(np.float64) / np.sqrt(variance.astype(np.float64) + epsilon)
    bias = shift - mean * factor
    names = [f"{node.name}.weight", f"{node.name}.bias"]
    store(model, names[0], factor.astype(np.float32).reshape(-1, 1, 1, 1))
    store(model, names[1], bias.astype(np.float32))
    made = helper.make_node("Conv", [node.input[0], *names], [node.output[0]], node.name, group=factor.size)
    made.attribute.append(helper.make_attribute("kernel_shape", [1, 1]))
    node.CopyFrom(made)


def _without_beta(model: onnx.ModelProto, node: onnx.NodeProto) -> None:
    """alpha x w + beta b becomes alpha x w + (beta b): onnxruntime's quantiser divides the scale of b by beta."""
    bias = Network(model).constant(node.input[2]) if len(node.input) > 2 else None
    beta = next((one for one in node.attribute if one.name == "beta"), None)
    if bias is None or beta is None or beta.f == 1.0:
        return
    node.input[2] = f"{node.name}.bias"
    store(model, node.input[2], np.asarray(beta.f * bias, np.float32))
    node.attribute.remove(beta)


def _flat_bias(model: onnx.ModelProto, node: onnx.NodeProto) -> None:
    """A bias [1, N], as onnxruntime makes it of MatMul and Add, becomes [N]: its scales are told along axis 0."""
    bias = Network(model).constant(node.input[2]) if len(node.input) > 2 else None
    if bias is None or bias.ndim < 2 or bias.shape[-1] != bias.size:
        return
    node.input[2] = f"{node.name}.flat_bias"
    store(model, node.input[2], bias.reshape(-1))
