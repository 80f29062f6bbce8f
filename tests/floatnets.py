"""Float models for quantisation: small nets of seeded weights, and the trained digit CNN without its Q and DQ.

net = FloatNet((1, 3, 8, 8))
net.finish(net.add("Sigmoid", net.conv(net.x, 16)))
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

ROOT = Path(__file__).parents[1]
DIGITS = ROOT / "examples/models/digits_int8.onnx"
DIGIT_IMAGES = ROOT / "examples/images"

Array = npt.NDArray[Any]


class FloatNet:
    """Nodes one after another; tensors are named after the nodes that make them."""

    def __init__(self, shape: tuple[int, ...], seed: int = 0, opset: int = 17) -> None:
        self.x, self.shape, self.opset = "x", shape, opset
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.stored: list[onnx.TensorProto] = []
        self.channels = {self.x: shape[1]}

    def store(self, array: Array, name: str = "") -> str:
        """A constant."""
        name = name or f"constant{len(self.stored)}"
        self.stored.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def number(self, value: float) -> str:
        """A constant of one number."""
        return self.store(np.array(value, np.float32))

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """A node with one result, of as many channels as its first input."""
        name = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        self.channels[name] = self.channels.get(inputs[0], 0)
        return name

    def conv(self, x: str, out: int, kernel: int = 3, *, group: int = 1, zero: tuple[int, ...] = ()) -> str:
        """A convolution that keeps the size; `zero` are output channels without weights, though with a bias."""
        weight = self.rng.normal(0, 0.3, (out, self.channels[x] // group, kernel, kernel)).astype(np.float32)
        weight[list(zero)] = 0.0
        bias = self.rng.normal(0, 0.5, out).astype(np.float32)
        names = [self.store(weight), self.store(bias)]
        pads = [kernel // 2] * 4
        name = self.add("Conv", x, *names, kernel_shape=[kernel, kernel], pads=pads, group=group)
        self.channels[name] = out
        return name

    def norm(self, x: str) -> str:
        """A batch norm."""
        count = self.channels[x]
        values = [self.rng.uniform(0.5, 1.5, count) for _ in range(4)]
        return self.add("BatchNormalization", x, *(self.store(one.astype(np.float32)) for one in values))

    def gemm(self, x: str, inner: int, out: int) -> str:
        """A dense layer behind Flatten."""
        weight = self.rng.normal(0, 0.2, (out, inner)).astype(np.float32)
        return self.add(
            "Gemm", self.add("Flatten", x), self.store(weight), self.store(np.zeros(out, np.float32)), transB=1
        )

    def finish(self, *outputs: str) -> onnx.ModelProto:
        """The model."""
        given = [helper.make_tensor_value_info(self.x, onnx.TensorProto.FLOAT, self.shape)]
        made = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in outputs]
        for one in made:
            one.type.tensor_type.ClearField("shape")
        graph = helper.make_graph(self.nodes, "net", given, made, self.stored)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)
        return onnx.shape_inference.infer_shapes(model)

    def samples(self, count: int = 4) -> list[dict[str, Array]]:
        """Normal numbers."""
        return [{self.x: self.rng.standard_normal(self.shape, np.float32)} for _ in range(count)]


def float_digits() -> onnx.ModelProto:
    """The trained digit CNN: its int8 weights as floats, no Q and DQ."""
    model = onnx.load(DIGITS)
    graph = model.graph
    held = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    names: dict[str, str] = {}
    kept: list[onnx.NodeProto] = []
    stored: dict[str, Array] = {}
    for node in graph.node:
        source = names.get(node.input[0], node.input[0])
        if node.op_type == "DequantizeLinear" and node.input[0] in held:
            array, scale, zero = (held[name] for name in node.input)
            spread = [-1] + [1] * (array.ndim - 1) if scale.ndim else []
            numbers = array.astype(np.float32) - zero.astype(np.float32).reshape(spread)
            stored[node.output[0]] = numbers * scale.reshape(spread)
        elif node.op_type == "QuantizeLinear" and kept and source in kept[-1].output and not held[node.input[2]]:
            # Its ReLUs are the saturation of uint8 at zero point 0.
            names[node.output[0]] = f"{source}.relu"
            kept.append(helper.make_node("Relu", [source], [f"{source}.relu"], f"{source}.relu"))
        elif node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            names[node.output[0]] = source
        else:
            copy = onnx.NodeProto.FromString(node.SerializeToString())
            copy.input[:] = [names.get(name, name) for name in node.input]
            kept.append(copy)
    outputs = [names.get(one.name, one.name) for one in graph.output]
    infos = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 10]) for name in outputs]
    tensors = [numpy_helper.from_array(np.asarray(array, np.float32), name) for name, array in stored.items()]
    made = helper.make_graph(kept, "digits", graph.input, infos, tensors)
    return helper.make_model(made, opset_imports=model.opset_import, ir_version=8)
