"""Functions of one byte: stretches of the graph that change each number of one quantised tensor by itself.

Whatever stands between a byte tensor and a QuantizeLinear, if nothing else comes in but single numbers, gives one
byte for each of 256.  onnxruntime computes them, and the stretch becomes one look-up: exact by construction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from compiler.errors import fuse
from compiler.frontend.check import text
from compiler.frontend.graph import Graph, Node
from compiler.frontend.load import first_line
from compiler.frontend.reasons import Code, Refusal
from compiler.frontend.values import Build, Tensor, quant_from
from dialects import nn

BYTES = ("int8", "uint8")
VALUES = 256
SCALING = ("DequantizeLinear", "QuantizeLinear")
CHEAP = frozenset((*SCALING, "Clip", "Dropout", "Identity", "Relu"))
"""What a change of scale and a clamp do, in which the array needs no table."""

_SHAPES_OF_CURVES = (
    "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Ceil", "Celu", "Cos", "Cosh", "Elu", "Erf", "Exp",
    "Floor", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Log", "Mish", "Neg", "Reciprocal", "Round", "Selu",
    "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Swish", "Tan", "Tanh", "ThresholdedRelu",
)  # fmt: skip
_ARITHMETIC = ("Add", "Div", "Max", "Mean", "Min", "Mul", "PRelu", "Pow", "Sub", "Sum")
_CHOICES = ("Cast", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not", "Where")
FUNCTIONS = frozenset((*CHEAP, *_SHAPES_OF_CURVES, *_ARITHMETIC, *_CHOICES))
"""Operators that treat each number by itself."""

_NUMBER = ""
"""The source of what depends on no tensor at all and is one number; no tensor has this name."""


@dataclass(frozen=True)
class Region:
    """Nodes in order by which `result` is a function of the bytes of `source`."""

    nodes: tuple[Node, ...]
    source: str
    result: str


@dataclass(frozen=True)
class Functions:
    """The regions of a graph by their results, and the nodes that are left to be translated: ends of regions, and what
    is read by others than regions."""

    regions: dict[str, Region]
    nodes: tuple[Node, ...]
    sources: dict[str, str]


def functions(graph: Graph) -> Functions:
    """The longest regions that end where somebody else reads bytes."""
    sources = _sources(graph)
    makers = {name: index for index, node in enumerate(graph.nodes) for name in node.outputs if name}
    needed = set(graph.outputs)
    regions: dict[str, Region] = {}
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if needed.isdisjoint(node.outputs):
            continue
        kept.append(node)
        region = _region(graph, node, sources, makers)
        if region is None:
            needed.update(node.inputs)
        else:
            regions[region.result] = region
            needed.add(region.source)
    return Functions(regions, tuple(reversed(kept)), sources)


def _sources(graph: Graph) -> dict[str, str]:
    """For each tensor that is a function of the bytes of one tensor, which; a byte tensor that is none is its own."""
    found = {name: _NUMBER for name, array in graph.constants.items() if array.size == 1}
    found |= {name: name for name in graph.inputs if graph.dtypes.get(name) in BYTES}
    for node in graph.nodes:
        source = _source(graph, node, found)
        for name in node.outputs:
            if source is not None:
                found[name] = source
            elif graph.dtypes.get(name) in BYTES:
                found[name] = name
    return found


def _source(graph: Graph, node: Node, sources: dict[str, str]) -> str | None:
    """What a node's result is a function of, element by element; None if it is no such function."""
    if node.op_type not in FUNCTIONS or len(node.outputs) != 1 or (node.op_type == "Dropout" and node.input(2)):
        return None
    read = dict.fromkeys(sources.get(name) for name in node.inputs if name)
    tensors = [one for one in read if one != _NUMBER]
    if len(tensors) > 1 or None in tensors:
        return None
    shape = graph.shapes.get(node.outputs[0])
    if not tensors:
        return _NUMBER if shape is not None and int(np.prod(shape)) == 1 else None
    return tensors[0] if shape and shape == graph.shapes.get(str(tensors[0])) else None


def _region(graph: Graph, node: Node, sources: dict[str, str], makers: dict[str, int]) -> Region | None:
    """The region that a node ends; None if it ends none, or if a change of scale and a clamp do the same."""
    result = node.outputs[0]
    source = sources.get(result, result)
    if node.op_type != "QuantizeLinear" or source in (result, _NUMBER) or graph.dtypes.get(result) not in BYTES:
        return None
    inside = {makers[result]}
    waiting = [makers[result]]
    while waiting:
        for name in graph.nodes[waiting.pop()].inputs:
            if name and name != source and name in makers and makers[name] not in inside:
                inside.add(makers[name])
                waiting.append(makers[name])
    nodes = tuple(graph.nodes[index] for index in sorted(inside))
    return None if all(one.op_type in CHEAP for one in nodes) else Region(nodes, source, result)


def table_of(graph: Graph, region: Region) -> NDArray[np.uint8]:
    """The result's byte for each byte of the source, by its bits; `Refusal` if onnxruntime cannot compute it."""
    shape = (1,) * (len(graph.shapes[region.source]) - 1) + (VALUES,)
    part = graph.part(region.nodes, [region.source], [region.result])
    part = replace(part, shapes=part.shapes | {region.source: shape, region.result: shape})
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    given = np.arange(VALUES, dtype=np.uint8).view(graph.dtypes[region.source]).reshape(shape)
    try:
        session = ort.InferenceSession(part.model().SerializeToString(), options, ["CPUExecutionProvider"])
        found = np.asarray(session.run(None, {region.source: given})[0])
    except Exception as error:  # onnxruntime raises classes of its own, one for each of its status codes
        help = "run it where onnxruntime has a kernel for it, or use another operator"
        said = first_line(error)
        reason = f"onnxruntime cannot compute its values: {said}"
        raise Refusal(Code.TABLE, "function", "one that onnxruntime computes", said, help=help, reason=reason) from None
    return found.reshape(-1).view(np.uint8)


def lookup(build: Build, region: Region) -> None:
    """A region as one look-up."""
    end, x = region.nodes[-1], build.env[region.source]
    assert isinstance(x, Tensor), "a source is no constant"
    scale = build.constant(end, 1, "scale").array
    zero = build.constant(end, 2, "zero point").array if end.input(2) else None
    quant = quant_from(scale, zero, end.input(1), build.graph.dtypes.get(region.result))
    store, told = build.module.store, [one.loc for one in region.nodes if one.op_type not in SCALING]
    symbol = store.add(f"table{build.count}", table_of(build.graph, region))
    build.count += 1
    op = build.insert(lambda: nn.LookupOp(x.value, symbol, store.digest(symbol), quant, loc=fuse(*told)))
    build.define(end, x.with_value(op))


def refusal(graph: Graph, node: Node, sources: dict[str, str]) -> Refusal:
    """Why a node, which treats each number by itself, is in no table."""
    several = [name for name in node.inputs if name in graph.constants and name not in sources]
    if several:
        found = f"{graph.constants[several[0]].size} ('{text(several[0])}')"
        help = "functions of a tensor take single numbers; a factor or summand for each channel is a Mul or an Add"
        return Refusal(Code.TABLE, "constant size", "1, in a function of one tensor", found, help=help)
    tensors = [name for name in node.inputs if name and sources.get(name) != _NUMBER]
    unknown = [name for name in tensors if name not in sources]
    if unknown:
        found, what = f"'{text(unknown[0])}'", "function of one quantised tensor"
        help = "put a QuantizeLinear and a DequantizeLinear before it; sums of several tensors end in a QuantizeLinear"
        reason = f"it reads {found}, which is no {what}"
        return Refusal(Code.TABLE, "input", f"a {what}", found, help=help, reason=reason)
    read = list(dict.fromkeys(sources[name] for name in tensors))
    if len(read) > 1:
        found, help = f"{len(read)}: {_names(read)}", "put a QuantizeLinear and a DequantizeLinear between"
        reason = f"it depends on {_names(read)}, only a function of 1 quantised tensor becomes a table"
        return Refusal(Code.TABLE, "number of quantised tensors", 1, found, help=help, reason=reason)
    if node.outputs[0] not in sources:
        shapes = [graph.shapes.get(name) for name in (read[0] if read else "", node.outputs[0])]
        allowed, found = (str(list(one)) if one is not None else "unknown" for one in shapes)
        help = "let a function of a tensor keep its shape: broadcast behind a QuantizeLinear"
        allowed = f"{allowed}, that of the tensor that it is a function of"
        return Refusal(Code.TABLE, "result shape", allowed, found, help=help)
    help = "put a QuantizeLinear and a DequantizeLinear behind it"
    return Refusal(Code.TABLE, "result type", "int8 or uint8, of a QuantizeLinear behind it", "float32", help=help)


def _names(names: Iterable[str]) -> str:
    return " and ".join(f"'{text(one)}'" for one in names)
