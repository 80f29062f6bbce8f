"""BatchNormalization of inference is a factor and a summand for each channel.

Behind a convolution that nobody else reads it goes into the convolution's scales and bias.  Elsewhere it becomes a
depthwise 1x1 convolution, whose int8 weights are 64 or -64: the scale, 1/64 of the factor, says the rest, and the bias
is rounded to 1/64 of a step of the input.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from compiler.frontend.graph import Array, Graph, Node

WEIGHT = 64
Floats = NDArray[np.float32]


def without_batch_norm(graph: Graph) -> Graph:
    """The graph with the normalisations that this page speaks of gone; the others stay, to be refused by name."""
    if not any(one.op_type == "BatchNormalization" for one in graph.nodes):
        return graph
    work = _Work(graph, {name: node for node in graph.nodes for name in node.outputs if name}, dict(graph.constants))
    for node in graph.nodes:
        parameters = _parameters(node, graph) if node.op_type == "BatchNormalization" and not node.domain else None
        if parameters is None or not (
            work.into_convolution(node, *parameters) or work.as_convolution(node, *parameters)
        ):
            work.put(node)
    return replace(graph, nodes=work.nodes, constants=work.constants, shapes=work.shapes, dtypes=work.dtypes)


def _parameters(node: Node, graph: Graph) -> tuple[Floats, Floats] | None:
    """Factor and summand of each channel: y = factor * x + summand."""
    given = [graph.constants.get(name) for name in node.inputs[1:5]]
    arrays = [one.astype(np.float64) for one in given if one is not None and one.dtype == np.float32 and one.ndim == 1]
    shape = graph.shapes.get(node.inputs[0], ())
    if len(arrays) != 4 or node.integer("training_mode") or any(node.outputs[1:]) or len(shape) != 4:
        return None
    scale, bias, mean, variance = arrays
    with np.errstate(all="ignore"):
        factor = scale / np.sqrt(variance + node.number("epsilon", 1e-5))
        summand = bias - mean * factor
    if not (np.isfinite(factor).all() and np.isfinite(summand).all()):
        return None
    return factor.astype(np.float32), summand.astype(np.float32)


@dataclass
class _Work:
    """The graph as it is rewritten."""

    graph: Graph
    makers: Mapping[str, Node]
    constants: dict[str, Array]
    nodes: list[Node] = field(default_factory=list)
    shapes: dict[str, tuple[int, ...]] = field(init=False)
    dtypes: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.shapes, self.dtypes = dict(self.graph.shapes), dict(self.graph.dtypes)
        self.readers = self.graph.readers()

    def put(self, node: Node) -> None:
        self.nodes.append(node)

    def store(self, name: str, array: Array) -> str:
        self.constants[name], self.shapes[name], self.dtypes[name] = array, array.shape, array.dtype.name
        return name

    def dequantised(self, node: Node, name: str, numbers: NDArray[np.int8], scales: Floats) -> str:
        """int8 weights with a scale for each output channel."""
        inputs = (self.store(f"{name}.int8", numbers), self.store(f"{name}.scale", scales))
        self.shapes[name], self.dtypes[name] = numbers.shape, "float32"
        self.put(Node(node.name, "DequantizeLinear", inputs, (name,), {"axis": 0}))
        return name

    def into_convolution(self, node: Node, factor: Floats, summand: Floats) -> bool:
        """Scale the weights of the convolution before; False if there is none, or others read its result."""
        conv = self.makers.get(node.inputs[0])
        if conv is None or conv.op_type != "Conv" or conv.domain or conv not in self.nodes:
            return False
        alone = len(self.readers.get(conv.outputs[0], ())) == 1 and conv.outputs[0] not in self.graph.outputs
        weight = self._integers(conv.input(1))
        bias = self._floats(conv.input(2)) if conv.input(2) else np.zeros(len(factor), np.float32)
        if not alone or weight is None or bias is None or bias.shape != factor.shape:
            return False
        numbers, scales = weight
        flipped = np.where((factor < 0).reshape(-1, 1, 1, 1), -numbers.astype(np.int16), numbers)
        if flipped.max(initial=0) > 127:
            return False
        name = f"{node.outputs[0]}.weight"
        self.nodes.remove(conv)
        scaled = np.ascontiguousarray(scales * np.abs(factor)).astype(np.float32)
        self.dequantised(node, name, flipped.astype(np.int8), scaled)
        added = self.store(f"{node.outputs[0]}.bias", (bias * factor + summand).astype(np.float32))
        self.put(replace(conv, inputs=(conv.inputs[0], name, added), outputs=node.outputs[:1]))
        return True

    def as_convolution(self, node: Node, factor: Floats, summand: Floats) -> bool:
        """A depthwise convolution of one tap; False in a float model, which is to be quantised first."""
        maker = self.makers.get(node.inputs[0])
        if maker is None or maker.op_type != "DequantizeLinear":
            return False
        name = f"{node.outputs[0]}.factor"
        numbers = np.where(factor < 0, -WEIGHT, WEIGHT).astype(np.int8).reshape(-1, 1, 1, 1)
        self.dequantised(node, name, numbers, (np.abs(factor) / WEIGHT).astype(np.float32))
        added = self.store(f"{node.outputs[0]}.summand", summand)
        inputs = (node.inputs[0], name, added)
        self.put(Node(node.name, "Conv", inputs, node.outputs[:1], {"group": len(factor), "kernel_shape": (1, 1)}))
        return True

    def _integers(self, name: str) -> tuple[NDArray[np.int8], Floats] | None:
        """int8 weights without a zero point, and a scale for each of their output channels."""
        maker = self.makers.get(name)
        if maker is None or maker.op_type != "DequantizeLinear":
            return None
        numbers, scales = self.constants.get(maker.inputs[0]), self.constants.get(maker.inputs[1])
        zero = self.constants.get(maker.input(2)) if maker.input(2) else np.zeros(1, np.int8)
        if numbers is None or scales is None or zero is None or numbers.dtype != np.int8 or numbers.ndim != 4:
            return None
        axis = maker.integer("axis", 1) % numbers.ndim
        if zero.any() or scales.dtype != np.float32 or (scales.size > 1 and axis != 0):
            return None
        return numbers, np.broadcast_to(scales.reshape(-1), (len(numbers),)).astype(np.float32)

    def _floats(self, name: str) -> Floats | None:
        """A constant vector, or what a DequantizeLinear makes of one."""
        found = self.constants.get(name)
        maker = self.makers.get(name)
        if found is not None:
            return found if found.dtype == np.float32 and found.ndim == 1 else None
        if maker is None or maker.op_type != "DequantizeLinear":
            return None
        numbers, scales = self.constants.get(maker.inputs[0]), self.constants.get(maker.inputs[1])
        zero = self.constants.get(maker.input(2)) if maker.input(2) else np.zeros(1, np.int32)
        if numbers is None or scales is None or zero is None or numbers.ndim != 1 or scales.dtype != np.float32:
            return None
        return ((numbers.astype(np.int64) - zero.astype(np.int64)) * scales).astype(np.float32)
