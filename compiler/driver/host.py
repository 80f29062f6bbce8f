"""What a plan says of its host parts: their models, and a row for each node with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from compiler.driver.settle import Result, Settled, macs_by_side
from compiler.errors import Diagnostic, UnreadableInput, UnsupportedModel
from compiler.frontend.partition import BORDER, Part
from compiler.plan import ONNX_TYPES, HostPart, Port
from runtime_sim.parts import HostSession


def host_model(part: Part, path: str, causes: Sequence[Diagnostic]) -> bytes:
    """A host part as an ONNX file, which onnxruntime takes; if not, an error with the reasons of its nodes."""
    graph = part.graph
    for name in (*graph.inputs, *graph.outputs):
        if graph.dtypes.get(name, "unknown") not in ONNX_TYPES:
            text = f"'{name}' between its parts is {graph.dtypes.get(name, 'of a type that is not known')}"
            raise UnsupportedModel(Diagnostic("host-type", text), *causes)
    data: bytes = graph.model().SerializeToString(deterministic=True)
    ports = [tuple(Port(one, graph.shapes.get(one), graph.dtypes[one]) for one in names) for names in
             (graph.inputs, graph.outputs)]  # fmt: skip
    try:
        HostSession(HostPart(path, ports[0], ports[1], data), path)
    except UnreadableInput as error:
        text = f"neither the array nor the host can run it: {error.diagnostic.message}"
        raise UnsupportedModel(*causes, Diagnostic("host-refused", text)) from error
    return data


def causes_of(part: Part, reasons: Mapping[int, Diagnostic]) -> list[Diagnostic]:
    """Why the nodes of a host part are there, without those that follow others."""
    return [reasons[n] for n in sorted(part.own) if n in reasons and reasons[n].code != BORDER]


def host_rows(settled: Settled[Result]) -> list[dict[str, Any]]:
    """The content of host.json: a row for each node of the host, in the order of the model."""
    rows: dict[int, dict[str, Any]] = {}
    nodes = settled.graph.nodes
    for index, part in enumerate(settled.parts):
        for number in part.own if part.host else ():
            node = nodes[number]
            reason = settled.reasons.get(number)
            if reason is None:
                reason = Diagnostic(BORDER, "it makes an output of the model from a tensor that the host has")
            limit = reason.limit
            rows[number] = {
                "part": index,
                "node": node.name,
                "operator": f"{node.domain}.{node.op_type}" if node.domain else node.op_type,
                "code": reason.code,
                "reason": reason.message,
                "attribute": limit.attribute if limit else None,
                "limit": limit.allowed if limit else None,
                "found": limit.found if limit else None,
                "help": reason.help or None,
            }
    return [rows[number] for number in sorted(rows)]


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
