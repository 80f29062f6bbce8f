"""Make a model static: opset 13 or later, known shapes, constants folded; onnx does the work."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import onnx
from onnx import defs, numpy_helper, shape_inference, version_converter
from onnx.reference import ReferenceEvaluator

from compiler.errors import Diagnostic, Limit, UnsupportedModel, UsageError, nearest
from compiler.frontend.batch import ANY, common_batch, mixing_node, one_image
from compiler.frontend.batchnorm import without_batch_norm
from compiler.frontend.check import MAX_ELEMENTS, invalid, run_checker, text, too_large, unsupported
from compiler.frontend.graph import Array, Graph, Node, dtype_name
from compiler.frontend.load import first_line
from compiler.frontend.qoperators import expand
from compiler.frontend.widths import to_bytes, to_float32
from compiler.plan import ONNX_TYPES

MIN_OPSET = 13
RESIZE_MODES_OPSET = 11  # the first whose Resize says how pixels are found
IMAGE_RANK = 4
MAX_FOLDED = 1 << 24
STUB_BYTES = 1024  # larger constants are of no interest to shape inference
_FOLDED = """
    Abs Add And BatchNormalization Cast CastLike Ceil Clip Concat ConstantOfShape Conv Div Equal Erf Exp Expand Flatten
    Floor Gather GatherElements GatherND Gemm Greater GreaterOrEqual Identity Less LessOrEqual Log MatMul Max Mean Min
    Mod Mul Neg Not Or Pad Pow QuantizeLinear Range Reciprocal ReduceL2 ReduceMax ReduceMean ReduceMin ReduceProd
    ReduceSum Relu Reshape Round ScatterND Shape Sigmoid Sign Size Slice Softplus Sqrt Squeeze Sub Sum Tanh Tile
    Transpose Unsqueeze Where Xor
"""
FOLDED = frozenset(_FOLDED.split())
"""Operators that are computed if all that they read is constant.  DequantizeLinear is none: its integers are kept."""


def static_graph(model: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]], outputs: Sequence[str]) -> Graph:
    """The graph up to `outputs`, with every shape known."""
    remarks = to_float32(model)
    to_bytes(model.graph)
    stored = {one.name for one in model.graph.initializer}
    inputs = [one for one in model.graph.input if one.name not in stored]
    declared = {one.name: _dims(one) for one in model.graph.output}
    symbolic = bind_inputs(inputs, shapes)
    for one in model.graph.output:
        if one.type.HasField("tensor_type"):
            one.type.tensor_type.shape.SetInParent()  # the checker wants a shape, which is inferred below
    run_checker(model)
    model = convert(prepared(model, inputs))
    opset = next(one.version for one in model.opset_import if one.domain in ("", "ai.onnx"))
    expand(model.graph, opset)
    if outputs:
        cut_outputs(model.graph, outputs)
    constants = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    take_constant_nodes(model.graph, constants)
    keep_needed(model.graph)
    known, types = fold(model, constants, opset)
    check_declared(declared, known, bool(shapes))
    check_sizes(known)
    graph = Graph(
        [Node.of(one) for one in model.graph.node],
        [one.name for one in model.graph.input],
        [one.name for one in model.graph.output],
        opset,
        known,
        {name: dtype_name(kind) for name, kind in types.items()},
        constants,
        remarks=remarks,
    )
    return for_one_image(without_batch_norm(graph), symbolic)


def for_one_image(graph: Graph, symbolic: bool) -> Graph:
    """The graph of one image, and how many such images the model takes: see `compiler.frontend.batch`."""
    if symbolic:
        return replace(graph, batch=ANY if mixing_node(graph) is None else 1)
    images = any(len(graph.shapes[name]) == IMAGE_RANK for name in graph.inputs)
    return one_image(graph, inferred) if images and common_batch(graph) > 1 else graph


def inferred(graph: Graph) -> Graph:
    """The graph with the shapes that follow from those of its inputs."""
    model = replace(graph, constants={}, outputs=[]).model()
    for name in graph.outputs:
        model.graph.output.add().name = name
    shapes, types = infer(model, graph.constants)
    return replace(graph, shapes=shapes, dtypes={name: dtype_name(kind) for name, kind in types.items()})


def prepared(model: onnx.ModelProto, inputs: Sequence[onnx.ValueInfoProto]) -> onnx.ModelProto:
    """The model with these inputs, and without shapes that may lie."""
    kept = [onnx.ValueInfoProto.FromString(one.SerializeToString()) for one in inputs]
    graph = model.graph
    del graph.input[:], graph.value_info[:]
    graph.input.extend(kept)
    for one in graph.output:
        one.type.tensor_type.ClearField("shape")
    return model


def _dims(info: onnx.ValueInfoProto) -> list[int]:
    """The declared sizes, -1 where one is not a number; nothing if no shape is declared."""
    dims = info.type.tensor_type.shape.dim
    return [one.dim_value if one.HasField("dim_value") else -1 for one in dims]


def bind_inputs(inputs: Sequence[onnx.ValueInfoProto], shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Give dynamic dimensions their size; a leading one that nobody names is the batch and is 1.

    True if that is so for all inputs.
    """
    symbolic = []
    names = [one.name for one in inputs]
    for name in shapes:
        if name not in names:
            raise _usage(f"there is no input '{name}' to give a shape to", nearest(name, names))
    for one in inputs:
        tensor = one.type.tensor_type
        if not one.type.HasField("tensor_type"):
            raise _input_type(text(one.name), "no tensor", "a tensor")
        if dtype_name(tensor.elem_type) not in ONNX_TYPES:
            kind = "string" if tensor.elem_type == onnx.TensorProto.STRING else dtype_name(tensor.elem_type)
            raise _input_type(text(one.name), kind, ", ".join(ONNX_TYPES))
        dims, wanted = _dims(one), shapes.get(one.name)
        symbolic.append(wanted is None and dims[:1] == [-1])
        help = f"--shape {text(one.name)}=1x3x224x224, with the sizes that you need"
        if wanted is None:
            if not tensor.HasField("shape"):
                raise _usage(f"input '{text(one.name)}' has no shape", help)
            wanted = tuple(1 if axis == 0 and size < 0 else size for axis, size in enumerate(dims))
        if tensor.HasField("shape") and len(wanted) != len(dims):
            raise _usage(f"input '{text(one.name)}' has {len(dims)} dimensions, --shape gives {len(wanted)}")
        for axis, size in enumerate(wanted):
            if size < 0:
                raise _usage(f"dimension {axis} of input '{text(one.name)}' is dynamic", help)
            if dims and dims[axis] >= 0 and dims[axis] != size:
                raise _usage(f"dimension {axis} of input '{text(one.name)}' is {dims[axis]}, --shape says {size}")
        tensor.ClearField("shape")
        tensor.shape.SetInParent()
        for size in wanted:
            tensor.shape.dim.add().dim_value = size
    check_sizes({one.name: tuple(_dims(one)) for one in inputs})
    return bool(symbolic) and all(symbolic)


def _input_type(name: str, found: str, known: str) -> UnsupportedModel:
    limit = Limit(f"type of input '{name}'", known, found)
    help = "feed the model tensors of numbers: strings and sequences are for what comes before it"
    return unsupported("input-type", f"input '{name}' is {found}, known: {known}", limit, help)


def _usage(message: str, help: str = "") -> UsageError:
    return UsageError(Diagnostic("shape", message, help=help))


def convert(model: onnx.ModelProto) -> onnx.ModelProto:
    """Older models in the operators of opset 13."""
    opset = next(one.version for one in model.opset_import if one.domain in ("", "ai.onnx"))
    if opset >= MIN_OPSET:
        return model
    try:
        done = version_converter.convert_version(model, MIN_OPSET)
    except Exception as error:  # the converter raises RuntimeError, IndexError and C++ exceptions alike
        limit = Limit("opset", f"{MIN_OPSET} or later, or one that onnx converts to it", str(opset))
        message = f"opset {opset} does not convert to {MIN_OPSET}: {first_line(error)}"
        raise unsupported("opset", message, limit, f"export the model for opset {MIN_OPSET} or later") from None
    if opset < RESIZE_MODES_OPSET:
        stored = {one.name: numpy_helper.to_array(one) for one in done.graph.initializer}
        for node in done.graph.node:
            if node.op_type == "Resize" and node.domain in ("", "ai.onnx"):
                _as_upsample(node, stored.get(node.input[2]) if len(node.input) > 2 else None)
    return done


def _as_upsample(node: onnx.NodeProto, scales: Array | None) -> None:
    """Say what Upsample and the first Resize meant, which the converter leaves to the other defaults of later ones.

    The nearest pixel is the one before, or the one behind where an axis shrinks (onnxruntime's `NearestMode::SIMPLE`).
    """
    said = {one.name for one in node.attribute}
    nearest = "ceil" if scales is not None and (scales < 1).any() else "floor"
    for name, value in (("coordinate_transformation_mode", "asymmetric"), ("nearest_mode", nearest)):
        if name not in said:
            node.attribute.append(onnx.helper.make_attribute(name, value))


def cut_outputs(graph: onnx.GraphProto, outputs: Sequence[str]) -> None:
    """Let these tensors be the outputs."""
    known = [name for node in graph.node for name in node.output if name]
    for name in outputs:
        if name not in known:
            raise UsageError(Diagnostic("output", f"the model computes no tensor '{name}'", help=_near(name, known)))
    del graph.output[:]
    for name in dict.fromkeys(outputs):
        graph.output.add().name = name


def _near(name: str, known: list[str]) -> str:
    found = nearest(name, known)
    return found if len(known) <= 20 else found.partition(" known: ")[0] + f" ({len(known)} tensors)"


def take_constant_nodes(graph: onnx.GraphProto, constants: dict[str, Array]) -> None:
    """Constant nodes become constants."""
    rest = []
    for node in graph.node:
        if node.op_type != "Constant" or node.domain not in ("", "ai.onnx"):
            rest.append(node)
            continue
        for attribute in node.attribute:
            if attribute.name == "value":
                constants[node.output[0]] = numpy_helper.to_array(attribute.t)
            elif attribute.name in ("value_float", "value_floats"):
                value: object = attribute.f if attribute.name == "value_float" else list(attribute.floats)
                constants[node.output[0]] = np.array(value, np.float32)
            elif attribute.name in ("value_int", "value_ints"):
                value = attribute.i if attribute.name == "value_int" else list(attribute.ints)
                constants[node.output[0]] = np.array(value, np.int64)
            else:
                limit = Limit(f"value of Constant '{text(node.name)}'", "numbers or a tensor", attribute.name)
                message = f"Constant '{text(node.name)}' holds '{attribute.name}'"
                raise unsupported("constant", message, limit, "store numbers densely; strings are for the host")
    _set_nodes(graph, rest)


def _set_nodes(graph: onnx.GraphProto, nodes: Sequence[onnx.NodeProto]) -> None:
    if len(nodes) == len(graph.node):
        return
    kept = [onnx.NodeProto.FromString(one.SerializeToString()) for one in nodes]
    del graph.node[:]
    graph.node.extend(kept)


def keep_needed(graph: onnx.GraphProto) -> None:
    """Drop nodes that no output depends on."""
    needed = {one.name for one in graph.output}
    kept = []
    for node in reversed(graph.node):
        if any(name in needed for name in node.output):
            needed.update(node.input)
            kept.append(node)
    _set_nodes(graph, kept[::-1])


def fold(
    model: onnx.ModelProto, constants: dict[str, Array], opset: int
) -> tuple[dict[str, tuple[int, ...]], dict[str, int]]:
    """Compute what is constant, until shapes teach nothing new; then all shapes and types."""
    while True:
        shapes, types = infer(model, constants)
        rest = []
        for node in model.graph.node:
            value = folded_value(node, constants, shapes, opset)
            if value is None:
                rest.append(node)
            else:
                constants[node.output[0]] = value
        if len(rest) == len(model.graph.node):
            return shapes, types
        _set_nodes(model.graph, rest)
        keep_needed(model.graph)


def infer(model: onnx.ModelProto, constants: Mapping[str, Array]) -> tuple[dict[str, tuple[int, ...]], dict[str, int]]:
    """Shapes and element types by onnx's inference, on a copy without the numbers of large constants."""
    stub = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    graph = stub.graph
    graph.name = "shapes"
    given = {one.name for one in model.graph.input}
    graph.node.extend(model.graph.node)
    graph.input.extend(model.graph.input)
    graph.output.extend(one for one in model.graph.output if one.name not in given)
    needed = {name for node in model.graph.node for name in node.input}
    for name, array in constants.items():
        if name not in needed:
            continue
        if array.nbytes <= STUB_BYTES:
            graph.initializer.append(numpy_helper.from_array(array, name))
        else:
            kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
            graph.initializer.add(name=name, dims=array.shape, data_type=kind)
    try:
        done = shape_inference.infer_shapes(stub, check_type=True, strict_mode=True, data_prop=True)
    except (shape_inference.InferenceError, UnicodeDecodeError) as error:
        raise invalid(f"its shapes do not fit: {inference_text(error)}", "shape-inference") from None
    shapes = {name: array.shape for name, array in constants.items()}
    types: dict[str, int] = {
        name: onnx.helper.np_dtype_to_tensor_dtype(array.dtype) for name, array in constants.items()
    }
    for info in (*done.graph.input, *done.graph.value_info, *done.graph.output):
        types[info.name] = info.type.tensor_type.elem_type
        if info.type.tensor_type.HasField("shape") and min(_dims(info), default=0) >= 0:
            shapes[info.name] = tuple(_dims(info))
    return shapes, types


def inference_text(error: Exception) -> str:
    """The line of onnx's message that names the node."""
    lines = [one.strip() for one in str(error).splitlines() if one.strip()]
    return next((one for one in lines if "node" in one.lower()), lines[0] if lines else "unknown")


def folded_value(
    node: onnx.NodeProto, constants: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]], opset: int
) -> Array | None:
    """The value of a node of constants that is small enough, or of Shape; DequantizeLinear is kept."""
    if node.op_type not in FOLDED or len(node.output) != 1 or node.domain not in ("", "ai.onnx"):
        return None
    if node.op_type in ("Shape", "Size") and node.input[0] in shapes:
        return _shape_value(node, shapes[node.input[0]])
    if any(name and name not in constants for name in node.input):
        return None
    size = _result_size(node, constants, shapes)
    if size is None:
        return None  # its operands became constants in this round: the next one knows
    if size > MAX_FOLDED and size > sum(constants[name].size for name in node.input if name):
        message = f"node '{text(node.name)}' makes a constant of {size} elements"
        raise too_large("number of elements", MAX_FOLDED, size, message)
    if not defs.has(node.op_type, opset, ""):
        return None
    infos = [onnx.helper.make_empty_tensor_value_info(name) for name in dict.fromkeys(node.input) if name]
    last = onnx.helper.make_empty_tensor_value_info(node.output[0])
    graph = onnx.helper.make_graph([node], "constant", infos, [last])
    one = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])
    try:
        with np.errstate(all="ignore"):
            evaluator = ReferenceEvaluator(one)
            found = evaluator.run(None, {name: constants[name] for name in node.input if name})
    except Exception as error:  # whatever numpy or onnx raise on arguments that make no sense
        raise invalid(f"node '{text(node.name)}' cannot be computed: {first_line(error)}") from None
    return np.asarray(next(iter(found)))


def _shape_value(node: onnx.NodeProto, shape: tuple[int, ...]) -> Array:
    if node.op_type == "Size":
        return np.array(math.prod(shape), np.int64)
    bounds = {one.name: one.i for one in node.attribute}
    return np.array(shape[bounds.get("start", 0) : bounds.get("end", len(shape))], np.int64)


def _result_size(
    node: onnx.NodeProto, constants: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]]
) -> int | None:
    """How many elements a node would make; none where that is not known yet."""
    if node.op_type == "ConstantOfShape":
        return math.prod(int(one) for one in constants[node.input[0]].ravel())
    if node.op_type == "Range":
        start, limit, step = (float(constants[name].ravel()[0]) for name in node.input)
        return math.ceil(max((limit - start) / step, 0)) if step else MAX_ELEMENTS
    shape = shapes.get(node.output[0])
    return None if shape is None else math.prod(shape)


def check_declared(declared: Mapping[str, list[int]], known: Mapping[str, tuple[int, ...]], bound: bool) -> None:
    """A model that declares an output of another shape than it computes is broken."""
    for name, dims in declared.items():
        found = known.get(name)
        if not dims or found is None or bound:
            continue
        fits = len(dims) == len(found) and all(a in (-1, b) for a, b in zip(dims, found, strict=True))
        if not fits and dims[1:] != list(found[1:]):
            raise invalid(f"output '{text(name)}' is declared {dims}, and computed {list(found)}", "shape-lies")


def check_sizes(shapes: Mapping[str, tuple[int, ...]]) -> None:
    """No tensor is empty or larger than the limit."""
    for name, shape in shapes.items():
        if math.prod(shape) > MAX_ELEMENTS:
            message = f"tensor '{text(name)}' is {shape}, more than {MAX_ELEMENTS} elements"
            raise too_large("number of elements", MAX_ELEMENTS, math.prod(shape), message)
        if len(shape) >= 2 and 0 in shape:
            limit = Limit(f"shape of '{text(name)}'", "sizes of 1 or more", str(list(shape)))
            message = f"tensor '{text(name)}' is {shape} and holds nothing"
            raise unsupported(
                "empty-tensor", message, limit, "feed larger inputs (--shape), or leave empty tensors out"
            )
