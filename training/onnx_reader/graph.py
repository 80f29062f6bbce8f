"""What is asked of a graph before it is walked, and the nodes that need no PyTorch: those of constants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import torch
from onnx import helper
from onnx.reference import ReferenceEvaluator

from compiler.errors import Diagnostic, Limit, NodeLocation, Reason, UnsupportedModel, UsageError, nearest
from training.onnx_reader.node import Constant, Refusal, Traced

OLDEST_OPSET = 7
"""Before it, the operators broadcast in another way."""


def node_name(node: onnx.NodeProto, index: int) -> str:
    """The node's name as all of bscc's messages and reports have it."""
    return node.name or f"{node.op_type}_{index}"


def refuse_quantised(model: onnx.ModelProto) -> None:
    integer = [
        (index, node)
        for index, node in enumerate(model.graph.node)
        if node.op_type in ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear")
        or node.op_type.startswith("QLinear")
        or node.op_type.endswith("Integer")
    ]
    if integer:
        index, first = integer[0]
        place = NodeLocation(node_name(first, index), first.op_type)
        message = f"the model is quantised: {len(integer)} of its nodes compute with integers that stand for floats"
        help = "give the float model: it is trained first, then quantised (bscc-quantize)"
        limit = Limit("number of quantised nodes", "0", str(len(integer)))
        raise UnsupportedModel(Reason("quantised", message, place, help=help, limit=limit))


def opset_of(model: onnx.ModelProto) -> int:
    """The operator set, new enough to be read."""
    opset = next((int(one.version) for one in model.opset_import if one.domain in ("", "ai.onnx")), 1)
    if opset < OLDEST_OPSET:
        limit = Limit("operator set", f"{OLDEST_OPSET} or newer", str(opset))
        help = "convert it (onnx.version_converter) or export it again"
        raise UnsupportedModel(Reason("opset", str(limit), help=help, limit=limit))
    return opset


def inputs_of(model: onnx.ModelProto, given: Mapping[str, Sequence[int]]) -> dict[str, Traced]:
    """The inputs without numbers; `given` are shapes for those that the file leaves open.  Call it in fake mode."""
    stored = {one.name for one in model.graph.initializer}
    found = {one.name: one for one in model.graph.input if one.name not in stored}
    if unknown := [name for name in given if name not in found]:
        message = f"the model has no input '{unknown[0]}'"
        raise UsageError(Diagnostic("shape", message, help=nearest(unknown[0], found)))
    return {name: _input(one, given.get(name)) for name, one in found.items()}


def _input(info: onnx.ValueInfoProto, given: Sequence[int] | None) -> Traced:
    kind = info.type.tensor_type
    sizes = [one.dim_value for one in kind.shape.dim]
    if given is not None:
        sizes = list(given)
    elif sizes and sizes[0] < 1:
        sizes[0] = 1
    if not sizes or min(sizes) < 1:
        open_sizes = [one.dim_param or one.dim_value or "?" for one in kind.shape.dim]
        message = f"the size of input '{info.name}' is open: {open_sizes}"
        raise UsageError(Diagnostic("shape", message, help=f"give it, as in --shape {info.name}=1x3x224x224"))
    dtype = torch.from_numpy(np.empty(0, helper.tensor_dtype_to_np_dtype(kind.elem_type))).dtype
    return Traced(torch.empty(sizes, dtype=dtype), torch.empty([2 * sizes[0], *sizes[1:]], dtype=dtype))


def fold(node: onnx.NodeProto, opset: int, given: Mapping[str, Constant]) -> dict[str, Constant]:
    """The results of a node of constants."""
    try:
        evaluator = ReferenceEvaluator(node, opsets={"": opset})
        results = evaluator.run(None, {name: one.value for name, one in given.items()})
    except Exception as error:  # whatever onnx's evaluator raises
        raise Refusal("operator", "one that onnx can compute from constants", f"{node.op_type}: {error}") from error
    named = zip(node.output, results, strict=False)
    return {name: Constant(name, np.asarray(value)) for name, value in named if name}
