"""Check a model before anything is computed from it; nodes are put in order on the way.

ONNX's checker runs last, when inputs have shapes: by then what it explains badly has been found here.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable

import numpy as np
import onnx
from onnx import TensorProto, defs, helper, inliner

from compiler.errors import Limit, NodeLocation, Reason, UnreadableInput, UnsupportedModel
from compiler.frontend.load import first_line, unreadable
from compiler.frontend.reasons import Code, Refusal

MAX_ELEMENTS = 1 << 31
MAX_NODES = 100_000
TESTED_DOMAINS = ("", "ai.onnx")
CONTROL_FLOW = ("If", "Loop", "Scan", "SequenceMap")


def unsupported(code: str, message: str, limit: Limit, help: str = "") -> UnsupportedModel:
    """An error about the model as a whole, or about one of its tensors."""
    return UnsupportedModel(Reason(code, message, help=help, limit=limit))


def too_large(what: str, allowed: int, found: object, message: str) -> UnsupportedModel:
    """More of something than is taken."""
    return unsupported(
        "too-large", message, Limit(what, f"at most {allowed}", str(found)), "compile a part of the model"
    )


def invalid(message: str, code: str = "invalid-onnx") -> UnreadableInput:
    """An error about a model that ONNX itself forbids."""
    return unreadable(message, code)


def check_model(model: onnx.ModelProto) -> None:
    """Raise the first fault; normalise names, inline functions and sort the nodes."""
    check_header(model)
    if model.functions:
        inlined = inliner.inline_local_functions(model)
        model.CopyFrom(inlined)
    graph = model.graph
    if len(graph.node) > MAX_NODES:
        count = len(graph.node)
        raise too_large("number of nodes", MAX_NODES, count, f"it has {count} nodes, at most {MAX_NODES} are done")
    normalise_names(graph)
    check_utf8(graph)
    check_names(graph)
    check_operators(model)
    if graph.sparse_initializer:
        limit = Limit("number of sparse_initializer tensors", "0", str(len(graph.sparse_initializer)))
        raise unsupported(
            "sparse-tensor", str(limit), limit, "store weights densely: zero blocks are found all the same"
        )
    for tensor in graph.initializer:
        check_tensor(tensor)
    sort_nodes(graph)


def run_checker(model: onnx.ModelProto) -> None:
    """What else ONNX forbids, in its own words."""
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, UnicodeDecodeError) as error:
        raise invalid(f"onnx's checker says: {first_line(error)}") from None


def check_header(model: onnx.ModelProto) -> None:
    """Versions, and that there is a graph with something in it."""
    if not model.HasField("graph"):
        raise invalid("it holds no graph")
    if not 3 <= model.ir_version <= onnx.IR_VERSION:
        raise invalid(f"its ir_version is {model.ir_version}, known are 3 to {onnx.IR_VERSION}")
    versions = list({one.version: None for one in model.opset_import if one.domain in TESTED_DOMAINS})
    if len(versions) != 1:
        raise invalid(f"it imports {len(versions)} versions of the ONNX operators, expected one")
    if not 1 <= versions[0] <= defs.onnx_opset_version():
        limit = Limit("opset", f"1 to {defs.onnx_opset_version()}", str(versions[0]))
        raise unsupported("opset", str(limit), limit, "export the model for an older opset, or install a newer onnx")
    nodes, outputs = len(model.graph.node) + len(model.functions), len(model.graph.output)
    if not nodes or not outputs:
        limit = Limit("numbers of nodes and outputs", "1 or more of each", f"{nodes} and {outputs}")
        missing = "nodes" if not nodes else "outputs"
        message = f"the graph has no {missing}: nothing to compile"
        raise unsupported("nothing-to-compile", message, limit, "export the model with its operators and outputs")


def normalise_names(graph: onnx.GraphProto) -> None:
    """A node's name may be bytes that are no UTF-8, or missing: it is for messages only."""
    for index, node in enumerate(graph.node):
        name: object = node.name
        if isinstance(name, bytes):
            node.name = name.decode("utf-8", "replace")
        if not node.name:
            node.name = f"{node.op_type}_{index}"


def check_utf8(graph: onnx.GraphProto) -> None:
    """protobuf gives a name that is not UTF-8 as bytes, on which everything else would stumble."""
    for node in graph.node:
        names: list[object] = [*node.input, *node.output, node.op_type, node.domain]
        names += [one.name for one in node.attribute]
        if any(isinstance(one, bytes) for one in names):
            raise invalid(f"node '{text(node.name)}' uses a name that is not UTF-8", "name")
    tensors: list[object] = [one.name for one in (*graph.initializer, *graph.input, *graph.output)]
    for one in tensors:
        if isinstance(one, bytes):
            raise invalid(f"the name of tensor '{text(one)}' is not UTF-8", "name")


def text(name: object) -> str:
    """A name as the text of a message, at most 200 characters of it."""
    shown = name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
    return shown if len(shown) <= 200 else f"{shown[:200]}..."


def check_names(graph: onnx.GraphProto) -> None:
    """Static single assignment: every tensor has one origin."""
    stored = [one.name for one in graph.initializer]
    given = [one.name for one in graph.input]
    computed = [name for node in graph.node for name in node.output if name]
    groups = (("initializer", stored), ("input", given), ("node output", computed))
    for what, names in groups:
        for name, count in Counter(names).items():
            if count > 1:
                raise invalid(f"'{text(name)}' is defined {count} times as {what}", "defined-twice")
    both = (set(stored) | set(given)) & set(computed)
    if both:
        raise invalid(f"'{text(min(both))}' is given and computed too", "defined-twice")


def check_operators(model: onnx.ModelProto) -> None:
    """Every operator of ONNX's own domain that ONNX does not know, and control flow, in one error."""
    version = next(one.version for one in model.opset_import if one.domain in TESTED_DOMAINS)
    found = []
    for node in model.graph.node:
        place = NodeLocation(text(node.name), node.op_type)
        if node.domain not in TESTED_DOMAINS:
            continue  # what is left of it when the graph is static is refused at the node
        if node.op_type in CONTROL_FLOW:
            help = "export the model without control flow: unroll loops, and keep one branch of an If"
            reason = "control flow is not supported"
            refused = Refusal(
                Code.OPERATOR, "operator", "one without subgraphs", node.op_type, help=help, reason=reason
            )
            found.append(refused.at(place))
        elif not defs.has(node.op_type, version, ""):
            allowed = f"one of ONNX opset {version}"
            help = "check the operator's name, its domain and the model's opset"
            reason = f"ONNX opset {version} has no such operator"
            found.append(Refusal(Code.OPERATOR, "operator", allowed, node.op_type, help=help, reason=reason).at(place))
    if found:
        raise UnsupportedModel(*found)


def check_tensor(tensor: onnx.TensorProto) -> None:
    """The bytes of a stored tensor are as many as its shape says."""
    name, count = text(tensor.name), 1
    for size in tensor.dims:
        if size < 0:
            raise invalid(f"tensor '{name}' has the dimension {size}", "tensor-shape")
        count *= size
        if count > MAX_ELEMENTS:
            message = f"tensor '{name}' has more than {MAX_ELEMENTS} elements"
            raise too_large("number of elements", MAX_ELEMENTS, list(tensor.dims), message)
    types = TensorProto.DataType
    if tensor.data_type not in types.values() or tensor.data_type == TensorProto.UNDEFINED:
        raise invalid(f"tensor '{name}' has the unknown type {tensor.data_type}", "tensor-type")
    kind = types.Name(tensor.data_type)
    if tensor.data_type == TensorProto.STRING:
        return
    typed = sum(len(getattr(tensor, one)) for one in (
        "float_data", "int32_data", "int64_data", "double_data", "uint64_data"
    ))  # fmt: skip
    if tensor.raw_data and typed:
        raise invalid(f"tensor '{name}' holds its numbers twice, raw and typed", "tensor-bytes")
    if typed:
        return
    bits = helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize * 8
    bits = 4 if kind in ("INT4", "UINT4", "FLOAT4E2M1") else 2 if kind in ("INT2", "UINT2") else bits
    needed = (count * bits + 7) // 8
    if len(tensor.raw_data) != needed:
        shape = "x".join(map(str, tensor.dims)) or "scalar"
        raise invalid(
            f"tensor '{name}' ({shape} {kind}) needs {needed} bytes, has {len(tensor.raw_data)}",
            "tensor-bytes",
        )


def check_finite(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]], name: str) -> None:
    """Floats that take part in a computation are numbers."""
    if array.dtype.kind == "f" and not np.isfinite(array.astype(np.float64)).all():
        index = tuple(int(one) for one in np.argwhere(~np.isfinite(array))[0])
        value = float(array[index])
        limit = Limit(f"number at {list(index)} of '{text(name)}'", "finite", str(value))
        help = "export the model anew: its weights or scales were damaged"
        raise unsupported("non-finite", f"tensor '{text(name)}' holds {value} at {index}", limit, help)


def sort_nodes(graph: onnx.GraphProto) -> None:
    """Bring nodes into an order in which each reads what is there already; name a cycle if there is one."""
    known = {one.name for one in graph.initializer} | {one.name for one in graph.input}
    makers = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    waits, readers = [0] * len(graph.node), [[] for _ in graph.node]  # type: tuple[list[int], list[list[int]]]
    for index, node in enumerate(graph.node):
        for name in dict.fromkeys(one for one in node.input if one and one not in known):
            if name not in makers:
                message = f"node '{text(node.name)}' reads '{text(name)}', which nothing defines"
                raise invalid(message, "undefined-input")
            waits[index] += 1
            readers[makers[name]].append(index)
    ready = deque(index for index, count in enumerate(waits) if not count)
    order = []
    while ready:
        order.append(ready.popleft())
        for reader in readers[order[-1]]:
            waits[reader] -= 1
            if not waits[reader]:
                ready.append(reader)
    if len(order) < len(graph.node):
        raise invalid(f"its nodes form a cycle: {cycle_text(graph, makers, order)}", "cycle")
    missing = [one.name for one in graph.output if one.name not in makers and one.name not in known]
    if missing:
        raise invalid(f"nothing defines the output '{text(missing[0])}'", "undefined-output")
    if order != sorted(order):
        nodes = [onnx.NodeProto.FromString(graph.node[index].SerializeToString()) for index in order]
        del graph.node[:]
        graph.node.extend(nodes)


def cycle_text(graph: onnx.GraphProto, makers: dict[str, int], done: Iterable[int]) -> str:
    """`'a' <- 'b' <- 'a'`: walk back from any node that could not be ordered until one comes again."""
    finished = set(done)
    here = next(index for index in range(len(graph.node)) if index not in finished)
    path: list[int] = []
    while here not in path:
        path.append(here)
        here = next(makers[name] for name in graph.node[here].input if name in makers and makers[name] not in finished)
    loop = [*path[path.index(here) :], here][:8]
    return " <- ".join(f"'{text(graph.node[index].name)}'" for index in loop)
