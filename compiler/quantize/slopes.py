"""PReLU with a slope for each channel, in operators that the array has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import helper

from compiler.quantize.network import Network, store


def split_slopes(model: onnx.ModelProto, skip: Sequence[str]) -> None:
    """PRelu(x, s) -> Relu(x) + s * Min(x, 0), where s has several numbers; nodes named in `skip` stay as they are.

    With one number it is a function of one tensor and thus a table; with several it is none.  The sum keeps the node's
    name and its result.
    """
    network = Network(model)
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        slope = network.constant(node.input[1]) if node.op_type == "PRelu" else None
        if slope is None or slope.size == 1 or node.name in skip or not network.is_float(node.input[0]):
            nodes.append(node)
            continue
        x, name = node.input[0], node.name
        store(model, f"{name}.zero", np.zeros((), np.float32))
        parts = [f"{name}.{part}" for part in ("above", "below", "scaled")]
        nodes += [
            helper.make_node("Relu", [x], [parts[0]], parts[0]),
            helper.make_node("Min", [x, f"{name}.zero"], [parts[1]], parts[1]),
            helper.make_node("Mul", [parts[1], node.input[1]], [parts[2]], parts[2]),
            helper.make_node("Add", [parts[0], parts[2]], list(node.output), name),
        ]
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(copies)
