"""A static ONNX graph as plain values: every shape known, constants as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from compiler.errors import NodeLocation
from compiler.frontend.check import text

Array = NDArray[Any]
AttributeValue = int | float | str | tuple[int, ...] | tuple[float, ...] | object


@dataclass(frozen=True)
class Node:
    """A node; an input left out is ''."""

    name: str
    op_type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, AttributeValue]

    @classmethod
    def of(cls, proto: onnx.NodeProto) -> Node:
        attributes = {one.name: _plain(helper.get_attribute_value(one)) for one in proto.attribute}
        return cls(text(proto.name), proto.op_type, tuple(proto.input), tuple(proto.output), attributes)

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

    def readers(self) -> dict[str, list[Node]]:
        """Who reads each tensor, in order."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                if name:
                    found.setdefault(name, []).append(node)
        return found


def dtype_name(elem_type: int) -> str:
    """`float32`, `int8`, `bfloat16`, ..."""
    try:
        return str(np.dtype(helper.tensor_dtype_to_np_dtype(elem_type)).name)
    except (KeyError, ValueError):
        return f"type {elem_type}"
