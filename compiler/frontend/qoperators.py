"""Operators that carry their quantisation inside become DequantizeLinear, the float operator, QuantizeLinear.

So the rest of the compiler knows one form of a quantised model, QDQ, whatever `quant_format` a quantiser wrote.
What ONNX itself has (QLinearConv, QLinearMatMul) and what onnxruntime adds under `com.microsoft` are described in
onnx's Operators.md and onnxruntime's ContribOperators.md; an operator whose form is none of those that are written
here stays as it is, and is refused by name when it is translated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import helper, numpy_helper

MICROSOFT = "com.microsoft"
AXES_ARE_INPUTS = 18  # of ReduceMean, from this opset on
LAST_AXIS_SOFTMAX = 13  # older Softmax flattens all that is behind its axis


@dataclass
class Expansion:
    """Nodes that replace one node; they keep its name, which is what messages show."""

    node: onnx.NodeProto
    opset: int
    taken: set[str]
    made: list[onnx.NodeProto] = field(default_factory=list)
    stored: list[onnx.TensorProto] = field(default_factory=list)
    incomplete: bool = False

    def name(self, what: str) -> str:
        """A tensor name that nobody has."""
        base = f"{self.node.output[0]}.{what}"
        name = base
        for count in range(len(self.taken) + 1):
            if name not in self.taken:
                break
            name = f"{base}.{count}"
        self.taken.add(name)
        return name

    def input(self, index: int) -> str:
        return self.node.input[index] if index < len(self.node.input) else ""

    def integer(self, name: str, default: int = 0) -> int:
        return next((one.i for one in self.node.attribute if one.name == name), default)

    def number(self, name: str, default: float) -> float:
        return next((one.f for one in self.node.attribute if one.name == name), default)

    def kept(self, *without: str) -> list[onnx.AttributeProto]:
        """The node's attributes that its float operator has too."""
        return [one for one in self.node.attribute if one.name not in without]

    def emit(
        self, kind: str, inputs: Sequence[str], what: str = "", attributes: Sequence[onnx.AttributeProto] = ()
    ) -> str:
        """Add a node; without `what` its result is the replaced node's."""
        name = self.name(what) if what else self.node.output[0]
        made = onnx.NodeProto(op_type=kind, name=self.node.name, input=inputs, output=[name], attribute=attributes)
        self.made.append(made)
        return name

    def read(self, index: int, axis: int | None = None) -> str:
        """The float of the operand at inputs `index`, `index + 1` (scale) and `index + 2` (zero point)."""
        parts = [self.input(index + offset) for offset in range(3)]
        return self.dequantised(parts, axis, f"float{index}")

    def dequantised(self, parts: Sequence[str], axis: int | None, what: str) -> str:
        self.incomplete = self.incomplete or not all(parts[:2])
        given = [one for one in parts if one]
        attributes = [] if axis is None else [helper.make_attribute("axis", axis)]
        return self.emit("DequantizeLinear", given, what, attributes)

    def write(self, value: str, scale: int) -> bool:
        """Round to the scale and zero point at inputs `scale` and `scale + 1`, without which the type is not known.

        False also where an operand or its scale was left out.
        """
        if not self.input(scale) or not self.input(scale + 1) or self.incomplete:
            return False
        self.emit("QuantizeLinear", [value, self.input(scale), self.input(scale + 1)])
        return True

    def constant(self, value: Sequence[int], what: str) -> str:
        name = self.name(what)
        self.stored.append(numpy_helper.from_array(np.array(value, np.int64), name))
        return name


Rule = Callable[[Expansion], bool]
"""Whether the node has the form that the rule knows; its expansion is used only then."""


def conv(one: Expansion) -> bool:
    """x, w, y with their parameters, and an int32 bias whose scale is x_scale * w_scale."""
    if one.integer("channels_last"):
        return False
    inputs = [one.read(0), one.read(3, 0)]
    if one.input(8):
        scale = one.emit("Mul", [one.input(1), one.input(4)], "bias_scale")
        inputs.append(one.dequantised([one.input(8), scale], 0, "bias"))
    return one.write(one.emit("Conv", inputs, "conv", one.kept("channels_last")), 6)


def matmul(one: Expansion) -> bool:
    """a, b, y with their parameters; those of b may be one for each of its columns."""
    return one.write(one.emit("MatMul", [one.read(0), one.read(3, -1)], "product"), 6)


def gemm(one: Expansion) -> bool:
    """a, b with their parameters, an int32 bias of scale alpha * a_scale * b_scale; the result may be float."""
    inputs = [one.read(0), one.read(3, 0 if one.integer("transB") else 1)]
    if one.input(6):
        if one.number("alpha", 1.0) != 1.0:
            return False
        scale = one.emit("Mul", [one.input(1), one.input(4)], "bias_scale")
        inputs.append(one.dequantised([one.input(6), scale], 0, "bias"))
    if not one.input(7):
        one.emit("Gemm", inputs, "", one.kept())
        return not one.incomplete
    return one.write(one.emit("Gemm", inputs, "gemm", one.kept()), 7)


def binary(kind: str) -> Rule:
    """a, b with their parameters, then those of the result."""

    def rule(one: Expansion) -> bool:
        return one.write(one.emit(kind, [one.read(0), one.read(3)], "result"), 6)

    return rule


def unary(kind: str) -> Rule:
    """x with its parameters, then those of the result; the attributes are the float operator's."""

    def rule(one: Expansion) -> bool:
        if one.integer("channels_last"):
            return False
        return one.write(one.emit(kind, [one.read(0)], "result", one.kept("channels_last")), 3)

    return rule


def softmax(one: Expansion) -> bool:
    """Attribute `opset` says which Softmax is meant."""
    axis = [helper.make_attribute("axis", one.integer("axis", -1))]
    if one.integer("opset", LAST_AXIS_SOFTMAX) >= LAST_AXIS_SOFTMAX:
        return one.write(one.emit("Softmax", [one.read(0)], "result", axis), 3)
    x = one.read(0)
    shape = one.emit("Shape", [x], "shape")
    rows = one.emit("Flatten", [x], "rows", axis)
    result = one.emit("Softmax", [rows], "softmax", [helper.make_attribute("axis", -1)])
    return one.write(one.emit("Reshape", [result, shape], "result"), 3)


def reduce_mean(one: Expansion) -> bool:
    """Axes are an attribute here, and an input of ReduceMean since opset 18."""
    inputs, attributes = [one.read(0)], one.kept()
    found = next((given for given in attributes if given.name == "axes"), None)
    if found is not None and one.opset >= AXES_ARE_INPUTS:
        inputs.append(one.constant(found.ints, "axes"))
        attributes = one.kept("axes")
    return one.write(one.emit("ReduceMean", inputs, "mean", attributes), 3)


def concat(one: Expansion) -> bool:
    """The parameters of the result, then each operand with its own."""
    operands = [one.read(index) for index in range(2, len(one.node.input), 3)]
    return one.write(one.emit("Concat", operands, "result", one.kept()), 0)


def renamed(one: Expansion) -> bool:
    """The same operator in ONNX's own domain."""
    one.emit(one.node.op_type, list(one.node.input), "", one.kept())
    return True


ACTIVATIONS = {
    "": (),
    "Relu": (),
    "Sigmoid": (),
    "Tanh": (),
    "LeakyRelu": ("alpha",),
    "HardSigmoid": ("alpha", "beta"),
}
"""Of FusedConv, with the attributes that activation_params holds."""


def fused_conv(one: Expansion) -> bool:
    """A convolution with an addition and an activation behind it, as onnxruntime writes optimised float models."""
    kind = next((given.s.decode("utf-8", "replace") for given in one.node.attribute if given.name == "activation"), "")
    params = next((list(given.floats) for given in one.node.attribute if given.name == "activation_params"), [])
    if kind not in ACTIVATIONS or len(params) != len(ACTIVATIONS[kind]):
        return False
    steps = [("Conv", [name for name in one.node.input[:3] if name], one.kept("activation", "activation_params"))]
    if one.input(3):
        steps.append(("Add", ["", one.input(3)], []))
    if kind:
        names = ACTIVATIONS[kind]
        made = [helper.make_attribute(name, value) for name, value in zip(names, params, strict=True)]
        steps.append((kind, [""], made))
    result = ""
    for index, (operator, inputs, attributes) in enumerate(steps):
        what = f"step{index}" if index + 1 < len(steps) else ""
        result = one.emit(operator, [name or result for name in inputs], what, attributes)
    return True


RULES: dict[tuple[str, str], Rule] = {
    ("", "QLinearConv"): conv,
    ("", "QLinearMatMul"): matmul,
    (MICROSOFT, "DequantizeLinear"): renamed,
    (MICROSOFT, "FusedConv"): fused_conv,
    (MICROSOFT, "QGemm"): gemm,
    (MICROSOFT, "QLinearAdd"): binary("Add"),
    (MICROSOFT, "QLinearAveragePool"): unary("AveragePool"),
    (MICROSOFT, "QLinearConcat"): concat,
    (MICROSOFT, "QLinearConv"): conv,
    (MICROSOFT, "QLinearGlobalAveragePool"): unary("GlobalAveragePool"),
    (MICROSOFT, "QLinearLeakyRelu"): unary("LeakyRelu"),
    (MICROSOFT, "QLinearMul"): binary("Mul"),
    (MICROSOFT, "QLinearReduceMean"): reduce_mean,
    (MICROSOFT, "QLinearSigmoid"): unary("Sigmoid"),
    (MICROSOFT, "QLinearSoftmax"): softmax,
    (MICROSOFT, "QuantizeLinear"): renamed,
}


def expand(graph: onnx.GraphProto, opset: int) -> None:
    """Write the operators of `RULES` as DequantizeLinear, float operator and QuantizeLinear; opset 13 or later."""
    names = (name for node in graph.node for name in (*node.input, *node.output))
    taken = {*names, *(one.name for one in (*graph.initializer, *graph.input, *graph.output))}
    kept: list[onnx.NodeProto] = []
    for node in graph.node:
        rule = RULES.get(("" if node.domain == "ai.onnx" else node.domain, node.op_type))
        one = Expansion(node, opset, taken)
        if rule is None or len(node.output) != 1 or not node.output[0] or not rule(one):
            kept.append(onnx.NodeProto.FromString(node.SerializeToString()))
        else:
            kept += one.made
            graph.initializer.extend(one.stored)
    del graph.node[:]
    graph.node.extend(kept)
