"""What operators draw from and draw on: choices that hypothesis can reduce, and a quantised net with several inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from tests.netbuilder import Attributes, Floats, Style, Tensor, make_model, make_node, session
from tests.netlayers import Layers

Item = TypeVar("Item")
Array = NDArray[Any]

BARE = ("MaxPool", "Reshape", "Transpose", "Slice", "Gather", "Flatten", "Identity", "Unsqueeze")
"""Operators that onnxruntime also runs on int8 and uint8."""


def integers(*values: int) -> Array:
    """A constant list of integers."""
    return np.array(values, np.int64)


@dataclass(frozen=True)
class Choices:
    """Choices of hypothesis; what comes first is what it reduces to."""

    integer: Callable[[int, int], int]

    def one_of(self, items: Sequence[Item]) -> Item:
        return items[self.integer(0, len(items) - 1)]

    def flag(self) -> bool:
        return self.integer(0, 1) == 1


class Sketch(Layers):
    """A net under construction: weights come from a seed, everything else from choices."""

    floats = False
    """Whether nothing is quantised."""

    def __init__(self, choices: Choices, shape: Sequence[int], style: Style, seed: int) -> None:
        super().__init__(seed, shape, style)
        self.choices = choices

    def another_input(self, shape: Sequence[int]) -> Tensor:
        """A second, third, ... input of the model, quantised."""
        name = f"input{len(self.inputs)}"
        value = self.rng.standard_normal((len(self.x.value), *shape)).astype(np.float32)
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, *shape)))
        return self.quant(Tensor(value, float_name=name))

    def apply(self, kind: str, *inputs: Tensor | Array | None, **attributes: Any) -> Tensor:
        """A float operator of activations, constants and inputs left out."""
        return self.several(kind, 1, *inputs, **attributes)[0]

    def several(self, kind: str, count: int, *inputs: Tensor | Array | None, **attributes: Any) -> list[Tensor]:
        """The same with several results."""
        names = [self._name(one) for one in inputs]
        values = [one.value if isinstance(one, Tensor) else one for one in inputs]
        label = self.name(kind)
        results = [f"{label}_out{number}" for number in range(count)]
        node = make_node(kind, names, results[0], label, attributes)
        node.output.extend(results[1:])
        self.nodes.append(node)
        found = _evaluate(node, values, self.style.opset)
        return [Tensor(value, float_name=name) for value, name in zip(found, results, strict=True)]

    def _name(self, one: Tensor | Array | None) -> str:
        if one is None:
            return ""
        return self.read(one) if isinstance(one, Tensor) else self.const(one, "constant")

    def moved(self, kind: str, x: Tensor, *constants: Array | None, **attributes: Any) -> Tensor:
        """An operator that only moves data; quantisation stays: behind a DQ and before a Q, or on the integers."""
        y = self.apply(kind, x, *constants, **attributes)
        if not self.floats:
            y = replace(y, value=self._saturated(y.value, x))
        if kind not in BARE or self.floats or not self.choices.flag():
            return self.quant(y, like=x)
        self.nodes[-1].input[0] = x.int_name
        return replace(x, value=y.value, int_name=y.float_name)

    def _saturated(self, value: Floats, x: Tensor) -> Floats:
        """What the quantisation of `x` leaves of a value: a maximum over padding alone is the lowest of all floats."""
        scale, zero = float(self.constant(x.scale)), self.constant(x.zero)
        ends = np.iinfo(zero.dtype.name)
        return np.clip(value, (ends.min - int(zero)) * scale, (ends.max - int(zero)) * scale)

    def weighted(self, kind: str, x: Tensor, weight: Array, axis: int, *, bias: int, **attributes: Any) -> Tensor:
        """An operator with quantised weights, whose output channels lie along `axis`, and `bias` bias numbers."""
        split = self.style.per_channel and axis == 0
        *names, scale = self.weight(weight, axis, split)
        inputs = [self.read(x), self.dequantised((names[0], names[1], names[2]), axis if split else None)]
        values: list[Array | None] = [x.value, weight]
        if bias:
            added = self.draw_bias(bias)
            spread = np.broadcast_to(scale, (bias,)) if split else np.full(bias, scale[0], np.float32)
            inputs.append(self.dequantised(self.bias(added, x, spread, split), 0 if split else None))
            values.append(added)
        node = make_node(kind, inputs, "", self.name(kind), attributes)
        node.output[0] = f"{node.name}_out"
        self.nodes.append(node)
        return Tensor(_evaluate(node, values, self.style.opset)[0], float_name=node.output[0])

    def model(self, outputs: Sequence[Tensor]) -> onnx.ModelProto:
        """The model; float outputs stay float, integer ones go through a DequantizeLinear."""
        infos = [helper.make_tensor_value_info(self.read(x), TensorProto.FLOAT, x.shape) for x in outputs]
        graph = helper.make_graph(self.nodes, "fuzz", self.inputs, infos, self.constants)
        made = make_model(graph, self.style.opset)
        onnx.checker.check_model(made, full_check=True)
        return made


class FloatSketch(Sketch):
    """A float net: what would be quantised is left as it is."""

    floats = True

    def quant(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        return x

    def weight(self, value: Floats, axis: int, per_channel: bool | None = None) -> tuple[str, str, str, Floats]:
        return self.const(value, "weight"), "", "", np.ones(1, np.float32)

    def bias(self, value: Floats, x: Tensor, scale: Floats, split: bool) -> tuple[str, str, str]:
        return self.const(value, "bias"), "", ""

    def dequantised(self, names: tuple[str, str, str], axis: int | None) -> str:
        return names[0]


def _evaluate(node: onnx.NodeProto, values: Sequence[Array | None], opset: int) -> list[Array]:
    """The values of a node's results, by onnxruntime."""
    one = onnx.NodeProto()
    one.CopyFrom(node)
    fed: dict[str, Array] = {}
    for index, value in enumerate(values):
        one.input[index] = "" if value is None else f"i{index}"
        if value is not None:
            fed[f"i{index}"] = value
    infos = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in fed.items()
    ]
    results = [helper.make_empty_tensor_value_info(name) for name in one.output]
    graph = helper.make_graph([one], "one", infos, results)
    return [np.asarray(found) for found in session(make_model(graph, opset)).run(None, fed)]


Operator = Callable[[Sketch, Tensor], Tensor | None]

__all__ = ["Attributes", "Choices", "FloatSketch", "Operator", "Sketch", "integers"]
