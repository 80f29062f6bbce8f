"""Shapes behind operators of other domains, which onnx does not know and onnxruntime may."""

from __future__ import annotations

from dataclasses import replace

import onnx
import onnxruntime

from compiler.frontend.graph import Graph
from compiler.plan import ONNX_TYPES


def with_foreign_shapes(graph: Graph) -> Graph:
    """The graph with the shapes and types that onnxruntime infers, if it has operators of other domains.

    A tensor whose shape depends on the data stays without one; a graph that onnxruntime refuses stays as it is, for
    then its reason belongs to the part in which the operator is.
    """
    if not any(node.domain for node in graph.nodes):
        return graph
    names = [name for node in graph.nodes for name in node.outputs if name and not _known(graph, name)]
    if not names:
        return graph
    model = replace(graph, outputs=[]).model()
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    except Exception:  # onnxruntime's exceptions have no common base but this
        return graph
    numpy_names = {onnx_name: name for name, onnx_name in ONNX_TYPES.items()}
    shapes, dtypes = dict(graph.shapes), dict(graph.dtypes)
    for one in session.get_outputs():
        if one.type in numpy_names:
            dtypes[one.name] = numpy_names[one.type]
        if one.shape is not None and all(isinstance(size, int) for size in one.shape):
            shapes[one.name] = tuple(one.shape)
    return replace(graph, shapes=shapes, dtypes=dtypes)


def _known(graph: Graph, name: str) -> bool:
    return name in graph.shapes and name in graph.dtypes and not graph.dtypes[name].startswith("type ")
