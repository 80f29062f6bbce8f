"""A static ONNX graph as plain values: every shape known, constants as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from compiler.errors import NodeLocation
from compiler.frontend.check import text

Array = NDArray[Any]
MODEL_IR_VERSION = 10
"""Of the models that are written: the newest that onnxruntime 1.18 and later all read."""

AttributeValue = int | float | str | tuple[int, ...] | tuple[float, ...] | object


@dataclass(frozen=True)
class Node:
    """A node; an input left out is ''."""

    name: str
    op_type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, AttributeValue]
    domain: str = ""

    @classmethod
    def of(cls, proto: onnx.NodeProto) -> Node:
        attributes = {one.name: _plain(helper.get_attribute_value(one)) for one in proto.attribute}
        domain = "" if proto.domain == "ai.onnx" else proto.domain
        return cls(text(proto.name), proto.op_type, tuple(proto.input), tuple(proto.output), attributes, domain)

    def proto(self) -> onnx.NodeProto:
        """The node as ONNX has it, without its name, which need not be the only one of that name."""
        made = onnx.NodeProto(op_type=self.op_type, domain=self.domain, input=self.inputs, output=self.outputs)
        for name, value in self.attributes.items():
            made.attribute.append(helper.make_attribute(name, list(value) if isinstance(value, tuple) else value))
        return made

    @property
    def loc(self) -> NodeLocation:
        return NodeLocation(self.name, self.op_type)

    def input(self, index: int) -> str:
        """The name of an input, '' if it is left out."""
        return self.inputs[index] if index < len(self.inputs) else ""

    def integer(self, name: str, default: int = 0) -> int:
        value = self.attributes.get(name, default)
        return value if isinstance(value, int) else default

    def number(self, name: str, default: float) -> float:
        value = self.attributes.get(name, default)
        return float(value) if isinstance(value, int | float) else default

    def word(self, name: str, default: str = "") -> str:
        value = self.attributes.get(name, default)
        return value if isinstance(value, str) else default

    def integers(self, name: str, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        value = self.attributes.get(name, default)
        return tuple(int(one) for one in value) if isinstance(value, tuple) and value else default


def _plain(value: object) -> AttributeValue:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return tuple(value) if isinstance(value, list) else value


@dataclass
class Graph:
    """Nodes in order, with what is known about every tensor."""

    nodes: list[Node]
    inputs: list[str]
    outputs: list[str]
    opset: int
    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, str]  # numpy's names, or onnx's where numpy has none
    constants: dict[str, Array] = field(default_factory=dict)
    batch: int = 1  # images that the model takes at once, 0 for any number; the graph is that of one
    remarks: tuple[str, ...] = ()  # what the user should know of how the model was read

    def readers(self) -> dict[str, list[Node]]:
        """Who reads each tensor, in order."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                if name:
                    found.setdefault(name, []).append(node)
        return found

    def part(self, nodes: Sequence[Node], inputs: Sequence[str], outputs: Sequence[str]) -> Graph:
        """Some of the nodes as a graph of their own, of one image, with the constants that they read."""
        read = dict.fromkeys(name for node in nodes for name in node.inputs if name)
        constants = {name: self.constants[name] for name in read if name in self.constants}
        cut = replace(self, nodes=list(nodes), inputs=list(inputs), outputs=list(outputs))
        return replace(cut, constants=constants, batch=1)

    def model(self) -> onnx.ModelProto:
        """The graph as an ONNX model, its constants as initializers; the shapes that are known are written down."""
        inputs, outputs = ([self._info(name) for name in names] for names in (self.inputs, self.outputs))
        read = {name for node in self.nodes for name in node.inputs}
        stored = [numpy_helper.from_array(one, name) for name, one in self.constants.items() if name in read]
        graph = helper.make_graph([one.proto() for one in self.nodes], "main", inputs, outputs, stored)
        domains = dict.fromkeys(("", *(one.domain for one in self.nodes)))
        imports = [helper.make_opsetid(one, 1 if one else self.opset) for one in domains]
        return helper.make_model(graph, opset_imports=imports, ir_version=min(MODEL_IR_VERSION, onnx.IR_VERSION))

    def _info(self, name: str) -> onnx.ValueInfoProto:
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(self.dtypes[name]))
        return helper.make_tensor_value_info(name, kind, self.shapes.get(name))


def dtype_name(elem_type: int) -> str:
    """`float32`, `int8`, `bfloat16`, ..."""
    try:
        return str(np.dtype(helper.tensor_dtype_to_np_dtype(elem_type)).name)
    except (KeyError, ValueError):
        return f"type {elem_type}"
