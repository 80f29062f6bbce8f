"""Floats of other widths become float32, weights of 4 bits bytes.

The array computes with integers, so the width of floats matters at the ends only.

A float16 or float64 model computes the same here as its float32 twin.  onnxruntime rounds between its operators to the
width that the model says, so its results may be a step away where a value is near the border of two integers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

OTHERS: Mapping[int, str] = {
    TensorProto.FLOAT16: "float16",
    TensorProto.BFLOAT16: "bfloat16",
    TensorProto.DOUBLE: "float64",
}
NARROW: Mapping[int, type[np.generic]] = {
    TensorProto.INT4: np.int8,
    TensorProto.INT2: np.int8,
    TensorProto.UINT4: np.uint8,
    TensorProto.UINT2: np.uint8,
}
_TYPE_ATTRIBUTES = ("dtype", "output_dtype", "precision", "stash_type", "to")


def to_float32(model: onnx.ModelProto) -> tuple[str, ...]:
    """Make every float of a model float32, in place; gives a remark for each width of a port or of an array."""
    graph, found = model.graph, dict.fromkeys(OTHERS, 0)
    for tensor in _tensors(graph):
        if tensor.data_type in OTHERS:
            found[tensor.data_type] += math.prod(tensor.dims) > 1
            with np.errstate(over="ignore"):  # what float32 does not hold becomes infinite, which is refused later
                array = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    for info in (*graph.input, *graph.output, *graph.value_info):
        kind = info.type.tensor_type.elem_type
        if kind in OTHERS:
            found[kind] += 1
            info.type.tensor_type.elem_type = TensorProto.FLOAT
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name in _TYPE_ATTRIBUTES and attribute.i in OTHERS:
                attribute.i = TensorProto.FLOAT
    return tuple(
        f"its {OTHERS[kind]} tensors are taken as float32, inputs and outputs too"
        for kind, count in found.items()
        if count
    )


def to_bytes(graph: onnx.GraphProto) -> None:
    """Make stored integers of 4 and 2 bits, which DequantizeLinear alone reads, int8 or uint8, in place.

    They mean the same numbers then. A zero point that a QuantizeLinear reads stays: it says where to clamp.
    """
    narrow = {one.name: one for one in graph.initializer if one.data_type in NARROW}
    for node in graph.node:
        if node.op_type != "DequantizeLinear":
            for name in node.input:
                narrow.pop(name, None)
    for node in graph.node:  # a zero point is of the same type as what it belongs to
        names = [name for name in (*node.input[:1], *node.input[2:3]) if name]
        if node.op_type == "DequantizeLinear" and not all(name in narrow for name in names):
            for name in names:
                narrow.pop(name, None)
    for tensor in narrow.values():
        array = numpy_helper.to_array(tensor).astype(NARROW[tensor.data_type])
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                yield attribute.t
