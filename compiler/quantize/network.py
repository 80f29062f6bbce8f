"""An ONNX model with its tensors by name: who makes and reads them, constants as arrays, static shapes."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper, shape_inference

Array = NDArray[Any]

QUANTISED = (
    *("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul"),
    *("ConvInteger", "MatMulInteger"),
)
"""Operators that tell that somebody has quantised a model; so does any `QLinear...` of another domain."""


class Network:
    """A view of a model; what is changed in the model needs a new one."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.graph = model.graph
        self.stored = {one.name: one for one in model.graph.initializer}
        self.makers = {name: node for node in model.graph.node for name in node.output if name}
        self.readers: dict[str, list[onnx.NodeProto]] = {}
        for node in model.graph.node:
            for name in dict.fromkeys(node.input):
                self.readers.setdefault(name, []).append(node)
        self.outputs = {one.name for one in model.graph.output}

    def constant(self, name: str) -> Array | None:
        """The numbers of an initializer; none if the tensor is computed, given or left out."""
        return numpy_helper.to_array(self.stored[name]) if name in self.stored else None

    @cached_property
    def infos(self) -> dict[str, onnx.TypeProto.Tensor]:
        """Type and shape of each tensor, by onnx's inference; those of initializers are not among them."""
        # Inference needs no numbers, and a copy of them may be large; small ones are shapes and pads.
        stub = onnx.ModelProto(ir_version=self.model.ir_version, opset_import=self.model.opset_import)
        for part in ("node", "input", "output"):
            getattr(stub.graph, part).extend(getattr(self.graph, part))
        for one in self.graph.initializer:
            if one.ByteSize() < 1024:
                stub.graph.initializer.append(one)
            else:
                stub.graph.initializer.add(name=one.name, dims=one.dims, data_type=one.data_type)
        graph = shape_inference.infer_shapes(stub, data_prop=True).graph
        return {one.name: one.type.tensor_type for one in (*graph.input, *graph.value_info, *graph.output)}

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of an activation; empty if it is not known."""
        info = self.infos.get(name)
        return () if info is None else tuple(one.dim_value for one in info.shape.dim)

    def is_float(self, name: str) -> bool:
        """Whether this is an activation of float32."""
        info = self.infos.get(name)
        return info is not None and info.elem_type == onnx.TensorProto.FLOAT and name not in self.stored


def is_quantised(model: onnx.ModelProto) -> bool:
    """Whether any operator of the model computes with integers that stand for floats."""
    nodes = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    kinds = [str(node.op_type) for node in nodes]  # protobuf gives bytes if they are no UTF-8: checked later
    return any(kind in QUANTISED or kind.startswith("QLinear") for kind in kinds)


def attribute(node: onnx.NodeProto, name: str, default: int) -> int:
    """An integer attribute."""
    return next((int(one.i) for one in node.attribute if one.name == name), default)


def integers(node: onnx.NodeProto, name: str) -> tuple[int, ...]:
    """An attribute that is a list of integers, empty if it is not given."""
    return next((tuple(one.ints) for one in node.attribute if one.name == name), ())


def store(model: onnx.ModelProto, name: str, array: Array) -> None:
    """Set the numbers of an initializer, which is added if it is not there."""
    tensor = numpy_helper.from_array(np.ascontiguousarray(array), name)
    found = next((one for one in model.graph.initializer if one.name == name), None)
    if found is None:
        model.graph.initializer.append(tensor)
    else:
        found.CopyFrom(tensor)
