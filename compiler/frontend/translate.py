"""Nodes to `nn` operations, one handler each; what cannot be translated is listed in one error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from compiler.errors import IRError, NodeLocation, Reason, UnsupportedModel
from compiler.frontend import arithmetic, dense, means, moves, pointwise, resize, simple, transposed
from compiler.frontend.advice import unknown_operator
from compiler.frontend.check import text
from compiler.frontend.graph import Graph, Node
from compiler.frontend.reasons import ONE_IMAGE, Code, Refusal, independent
from compiler.frontend.values import Build, Constant, Tensor, quant_from
from compiler.ir import F32, FuncOp, Module, ReturnOp, Rewriter, TensorType
from dialects import nn
from dialects.nn import Layout
from dialects.quant import Quant

Handler = Callable[[Build, Node], None]

HANDLERS: dict[str, Handler] = {
    "Add": arithmetic.add,
    "AveragePool": simple.average_pool,
    "BatchNormalization": arithmetic.batch_normalization,
    "Cast": simple.cast,
    "Clip": simple.clip,
    "Concat": simple.concat,
    "Conv": dense.conv,
    "ConvTranspose": transposed.conv_transpose,
    "DepthToSpace": moves.depth_to_space,
    "DequantizeLinear": simple.dequantize,
    "Div": arithmetic.divide,
    "Dropout": simple.same,
    "Expand": resize.expand,
    "Flatten": simple.reshape,
    "Gather": moves.gather,
    "Gemm": dense.gemm,
    "GlobalAveragePool": simple.global_average_pool,
    "GlobalMaxPool": simple.global_max_pool,
    "Identity": simple.same,
    "MatMul": dense.matmul,
    "MaxPool": simple.max_pool,
    "Mul": arithmetic.multiply,
    "Pad": moves.pad,
    "QuantizeLinear": simple.quantize,
    "ReduceMean": means.reduce_mean,
    "Relu": simple.relu,
    "Reshape": simple.reshape,
    "Resize": resize.resize,
    "Slice": moves.slice_of,
    "SpaceToDepth": moves.space_to_depth,
    "Split": moves.split,
    "Squeeze": simple.reshape,
    "Sub": arithmetic.subtract,
    "Tile": resize.tile,
    "Transpose": simple.transpose,
    "Unsqueeze": simple.reshape,
    "Upsample": resize.resize,
}
# Operators behind which the numbers still are those of the tensor, so that its quantisation can be looked up.
_CARRIERS = (
    "Identity",
    "Dropout",
    "Flatten",
    "Reshape",
    "Transpose",
    "GlobalMaxPool",
    "MaxPool",
    "Squeeze",
    "Unsqueeze",
    "Relu",
    "DepthToSpace",
    "Expand",
    "Gather",
    "Pad",
    "Resize",
    "Slice",
    "SpaceToDepth",
    "Split",
    "Tile",
    "Upsample",
)
_POINTWISE = ("QuantizeLinear", "DequantizeLinear", "Identity", "Relu", "Dropout", "Add", "Div", "Mul", "Sub")
_IN_A_ROW = ("Conv", "QLinearConv", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool")
PORT_TYPES = "float32, int8 or uint8"
_ALONG_THE_LAST = ("Gemm", "LayerNormalization", "MatMul")
_RESHAPES = ("Reshape", "Flatten", "Squeeze", "Unsqueeze")


def begin(graph: Graph) -> Build:
    """An empty module for a graph, whose constants are known."""
    module = Module()
    function = FuncOp.make("main", (), ())
    Rewriter.at_end(module.body.block).insert(function)
    build = Build(graph, module, Rewriter.at_end(function.body.block), graph.readers())
    for name, array in graph.constants.items():
        build.env[name] = Constant(array, name=name)
    return build


def translate(graph: Graph) -> Module:
    """The module of a static graph."""
    build = begin(graph)
    found: dict[str, Reason] = {}
    for name in graph.inputs:
        guarded(found, name, "input", lambda name=name: add_input(build, name))  # type: ignore[misc]
    functions = pointwise.functions(graph)
    for node in functions.nodes:
        translate_node(build, node, functions, found)
    if not found:
        for name in graph.outputs:
            guarded(found, name, "output", lambda name=name: add_output(build, name))  # type: ignore[misc]
    if found:
        raise UnsupportedModel(*found.values())
    build.rw.insert(ReturnOp(()))
    return build.module


def guarded(found: dict[str, Reason], name: str, kind: str, body: Callable[[], None]) -> None:
    """Keep a refusal for the one error at the end."""
    place = NodeLocation(text(name), kind)
    try:
        body()
    except Refusal as error:
        found[f"{kind} {name}"] = error.at(place)
    except (UnsupportedModel, IRError) as error:
        found[f"{kind} {name}"] = replace(Reason.of(error.diagnostic), place=place)


def translate_node(build: Build, node: Node, functions: pointwise.Functions, found: dict[str, Reason]) -> None:
    """One node, or the region that it ends; behind a refused one only what is wrong in itself is reported."""
    region = functions.regions.get(node.outputs[0]) if node.outputs else None
    inputs = (region.source,) if region else node.inputs
    poisoned = any(name and name not in build.env for name in inputs)
    key = f"{node.op_type} {node.outputs[0] if node.outputs else node.name}"
    if region is not None:
        told = next(one for one in region.nodes if one.op_type not in pointwise.CHEAP)
        if not poisoned:
            guarded(found, told.name, told.op_type, lambda: pointwise.lookup(build, region))
    elif node.domain or node.op_type not in HANDLERS:
        found[key] = unknown_operator(build.graph, node, functions)
    elif poisoned:
        fault = own_fault(build, node)
        if fault is not None:
            found[key] = fault.at(node.loc)
    else:
        refused: dict[str, Reason] = {}
        guarded(refused, node.name, node.op_type, lambda: HANDLERS[node.op_type](build, node))
        for one in refused.values():
            found[key] = one
            for name in node.outputs:
                build.env.pop(name, None)


def own_fault(build: Build, node: Node) -> Refusal | None:
    """What is wrong with a node whatever its input is."""
    if node.op_type in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
        weight = build.env.get(node.input(1))
        if isinstance(weight, Constant) and weight.scales is None:
            return dense.float_weights(weight)
    return None


def add_input(build: Build, name: str) -> None:
    """An input of the graph, NHWC; the host brings it there."""
    shape, dtype = build.graph.shapes[name], build.graph.dtypes.get(name, "unknown")
    if name not in build.readers:
        return
    if dtype not in ("float32", "int8", "uint8"):
        raise Refusal(Code.TYPE, "type", PORT_TYPES, dtype, help="quantise it to 8 bits before it comes to the array")
    if not 1 <= len(shape) <= 4:
        help = "reshape it to [1, C, H, W] before it comes to the array"
        raise Refusal(Code.SHAPE, "rank", "1 to 4", len(shape), help=help)
    if 0 in shape:
        help = "leave empty tensors out, or feed larger inputs (--shape)"
        raise Refusal(Code.SHAPE, "shape", "sizes of 1 or more", shape, help=help)
    view, layout = first_view(build, name)
    if len(view) == 4 and view[0] != 1:
        raise Refusal(Code.SHAPE, "batch size", 1, view[0], help=ONE_IMAGE)
    full = (1,) * (4 - len(view)) + view
    nhwc = (1, full[2], full[3], full[1]) if layout is Layout.NCHW else full
    if dtype == "float32":
        type = TensorType(nhwc, F32)
    else:
        quant = find_quant(build, name) or quant_from(np.ones(1, np.float32), None, name, dtype)
        if quant.dtype != dtype:
            help = "give the zero points that dequantise it the type of the tensor"
            raise Refusal(Code.TYPE, "type", f"{quant.dtype}, as which it is dequantised", dtype, help=help)
        type = quant.tensor(nhwc)
    as_seen = Layout.NHWC if nhwc[1] * nhwc[2] == 1 or nhwc[3] == 1 else layout
    op = nn.InputOp(name, shape, as_seen, dtype, type, loc=NodeLocation(text(name), "input"))
    build.env[name] = Tensor(build.rw.insert(op).y, shape, layout)


def first_view(build: Build, name: str) -> tuple[tuple[int, ...], Layout]:
    """The image as which an input is used: its last 4-dimensional shape, NHWC if a Transpose follows.

    So is one whose last dimension a matrix multiplies, or a norm is over, pixel by pixel. What a convolution or a pool
    reads in 3 dimensions is an image of one row.
    """
    shapes = build.graph.shapes
    shape = seen = shapes[name]
    readers = build.readers.get(name, [])
    while _keep_places(build, readers, seen) or _is_reshape(readers):
        if _is_reshape(readers):
            seen = shapes.get(readers[0].outputs[0], seen)
            shape = seen if len(seen) == 4 and 0 not in seen and seen[0] == 1 else shape
        behind = [reader for one in readers for reader in build.readers.get(one.outputs[0], [])]
        readers = list({one.outputs[0]: one for one in behind}.values())
    moves = [one for one in readers if one.op_type == "Transpose"]
    if moves and len(seen) == 4 and moves[0].integers("perm") == simple.NHWC_TO_NCHW:
        return shape, Layout.NHWC
    kinds = {one.op_type for one in readers}
    if kinds & {*_ALONG_THE_LAST} and not kinds & {*_IN_A_ROW}:
        if len(shape) == 4 and shape[-1] == seen[-1]:
            return shape, Layout.NHWC
        if (rows := _rows_of_matrix(build, name)) is not None:
            return rows, Layout.NHWC
    if len(seen) == 3 and len(shape) == 3 and any(one.op_type in _IN_A_ROW for one in readers):
        return (*seen[:2], 1, seen[2]), Layout.NCHW
    return shape, Layout.NCHW if len(shape) == 4 else Layout.NHWC


def _keep_places(build: Build, readers: list[Node], shape: tuple[int, ...]) -> bool:
    """Whether all that read a tensor of this shape give one whose numbers lie as its numbers do."""
    shapes = build.graph.shapes
    return bool(readers) and all(
        one.op_type in _POINTWISE and shapes.get(one.outputs[0], shape) == shape for one in readers
    )


def _is_reshape(readers: list[Node]) -> bool:
    """Whether a tensor has but one reader, which only changes its shape."""
    return len(readers) == 1 and readers[0].op_type in _RESHAPES


def _rows_of_matrix(build: Build, name: str) -> tuple[int, ...] | None:
    """Of [P, C], a matrix whose rows are the P pixels of an image: the image, by the Reshape that makes one again."""
    shape = seen = build.graph.shapes[name]
    while len(seen) == 2 and build.readers.get(name):
        name = build.readers[name][0].outputs[0]
        seen = build.graph.shapes.get(name, ())
    if len(shape) != 2 or len(seen) != 4 or seen[0] != 1 or seen[1] * seen[2] != shape[0]:
        return None
    return (*seen[:3], shape[1])


def find_quant(build: Build, name: str) -> Quant | None:
    """The quantisation with which integers are read, by the first operator that says it, if one does."""
    names = [name]
    while names:
        for node in build.readers.get(names.pop(0), []):
            if node.op_type == "DequantizeLinear":
                scale = build.constant(node, 1, "scale").array
                zero = build.constant(node, 2, "zero point").array if node.input(2) else None
                return quant_from(scale, zero, node.input(1), build.graph.dtypes.get(node.input(0)))
            if node.op_type in _CARRIERS:
                names.append(node.outputs[0])
    return None


def add_output(build: Build, name: str) -> None:
    """An output of the graph."""
    found = build.env.get(name)
    if not isinstance(found, Tensor):
        raise independent()
    type = found.value.type
    if name in build.graph.inputs and type.element == F32:
        reason = "it is the float32 input itself, which the array cannot give back unrounded"
        help = "leave this output out: who feeds the model has it"
        raise Refusal(
            Code.TYPE, "type", "int8 or uint8 for an input that is an output", "float32", help=help, reason=reason
        )
    host = "float32" if type.element == F32 else build.graph.dtypes.get(name, "")
    if host not in ("float32", "int8", "uint8"):
        raise Refusal(Code.TYPE, "type", PORT_TYPES, host, help="end the model in a DequantizeLinear, or in 8 bits")
    op = nn.OutputOp(found.value, name, found.shape, found.signature, host, loc=NodeLocation(text(name), "output"))
    build.rw.insert(op)
