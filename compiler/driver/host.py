"""What a plan says of its host parts: their models, and a row for each node with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from compiler.driver.settle import Result, Settled, macs_by_side
from compiler.errors import Diagnostic, Limit, Reason, SimulationFault, UnreadableInput, UnsupportedModel
from compiler.frontend.check import text
from compiler.frontend.graph import Node
from compiler.frontend.partition import BORDER, Part
from compiler.plan import ONNX_TYPES, HostPart, Port
from runtime_sim.parts import HostSession


def host_model(part: Part, path: str, causes: Sequence[Reason]) -> bytes:
    """A host part as an ONNX file, which onnxruntime has run on zeros; if it cannot, an error with all reasons."""
    graph = part.graph
    for name in (*graph.inputs, *graph.outputs):
        kind = graph.dtypes.get(name, "unknown")
        if kind not in ONNX_TYPES:
            raise _refused(f"'{text(name)}' is of the type {kind}", causes)
    data: bytes = graph.model().SerializeToString(deterministic=True)
    inputs, outputs = (
        tuple(Port(one, graph.shapes.get(one), graph.dtypes[one]) for one in names)
        for names in (graph.inputs, graph.outputs)
    )
    try:
        session = HostSession(HostPart(path, inputs, outputs, data), path)
        known = {one.name: one.onnx_shape for one in inputs if one.onnx_shape is not None}
        if len(known) == len(inputs):
            made = session.run({one.name: np.zeros(known[one.name], one.host_type) for one in inputs})
            for one in outputs:
                if one.onnx_shape not in (None, made[one.name].shape):
                    raise _refused(f"'{text(one.name)}' comes out as {list(made[one.name].shape)}", causes)
    except (UnreadableInput, SimulationFault) as error:
        raise _refused(error.diagnostic.message, causes) from error
    return data


def _refused(why: str, causes: Sequence[Reason]) -> UnsupportedModel:
    limit = Limit("host part", "one that onnxruntime runs on zeros", why)
    help = "onnxruntime must be able to run what the array does not do: leave these nodes out, or use others"
    message = f"neither the array nor the host can run these: {why}"
    return UnsupportedModel(*causes, Reason("host-refused", message, help=help, limit=limit))


def causes_of(part: Part, reasons: Mapping[int, Reason]) -> list[Reason]:
    """Why the nodes of a host part are there, without those that follow others."""
    return [reasons[n] for n in sorted(part.own) if n in reasons and reasons[n].code != BORDER]


def host_rows(settled: Settled[Result]) -> list[dict[str, Any]]:
    """The content of host.json: a row for each node of the host, in the order of the model."""
    rows: dict[int, dict[str, Any]] = {}
    nodes = settled.graph.nodes
    for index, part in enumerate(settled.parts):
        for number in part.own if part.host else ():
            node = nodes[number]
            reason = settled.reasons.get(number) or _follows(node)
            rows[number] = {
                "part": index,
                "node": node.name,
                "operator": f"{node.domain}.{node.op_type}" if node.domain else node.op_type,
                "code": reason.code,
                "reason": reason.message,
                **facts(reason),
            }
    return [rows[number] for number in sorted(rows)]


def _follows(node: Node) -> Reason:
    """Of a node without a reason of its own: it ends the model, and reads what the host has."""
    name = text(node.input(0))
    limit = Limit(f"maker of '{name}'", "the array", "the host")
    message = "it makes an output of the model from a tensor that the host has"
    return Reason(BORDER, message, node.loc, help=f"it is for the array once what makes '{name}' is", limit=limit)


def facts(reason: Diagnostic) -> dict[str, str | None]:
    """What of it is beyond which limit, and what to change, as rows of JSON have it."""
    limit = reason.limit
    return {
        "attribute": limit.attribute if limit else None,
        "limit": limit.allowed if limit else None,
        "found": limit.found if limit else None,
        "help": reason.help or None,
    }


def host_summary(settled: Settled[Result]) -> dict[str, Any]:
    """The summary's entry `host`: how many nodes and parts, the share of MACs on the array, and the rows."""
    rows = host_rows(settled)
    there, total = macs_by_side(settled)
    return {
        "nodes": len(rows),
        "parts": sum(part.host for part in settled.parts),
        "array_parts": sum(not part.host for part in settled.parts),
        "model_macs": total,
        "array_macs_share": there / total if total else None,
        "reasons": rows,
    }
