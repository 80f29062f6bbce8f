"""What a name of the ONNX graph stands for while it is translated."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from compiler.errors import Limit
from compiler.frontend.check import check_finite, text
from compiler.frontend.graph import Array, Graph, Node
from compiler.ir import F32, I8, I16, I32, UI8, Module, Op, Rewriter, TensorType, Value
from compiler.numerics import decompose
from dialects import nn
from dialects.nn import Layout
from dialects.quant import Quant


class Refusal(Exception):
    """Why a node cannot be translated; `limit` says as data what the reason says in words."""

    def __init__(self, reason: str, help: str = "", limit: Limit | None = None) -> None:
        super().__init__(reason)
        self.reason, self.help, self.limit = reason, help, limit


@dataclass(frozen=True)
class Tensor:
    """An activation: ONNX's array is the NHWC value, through NCHW or not, reshaped to `shape`."""

    value: Value[TensorType]
    shape: tuple[int, ...]
    layout: Layout

    @property
    def nhwc(self) -> tuple[int, int, int]:
        """Height, width and channels of the value."""
        _, height, width, channels = self.value.type.shape
        return height, width, channels

    @property
    def flat(self) -> bool:
        """Whether both layouts are the same order of numbers."""
        height, width, channels = self.nhwc
        return height * width == 1 or channels == 1

    def has(self, layout: Layout) -> bool:
        """Whether the numbers lie in this order."""
        return self.flat or self.layout is layout

    @property
    def signature(self) -> Layout:
        """The simpler layout where both are right."""
        return Layout.NHWC if self.flat else self.layout

    def with_value(self, value: Value[TensorType]) -> Tensor:
        return replace(self, value=value)


@dataclass(frozen=True)
class Constant:
    """An array of the model; with `scales` it means (integer - zero) * scale, the scales along `axis`."""

    array: Array
    scales: NDArray[np.float32] | None = None
    axis: int = 0
    zero: int = 0
    name: str = ""


@dataclass
class Build:
    """The module under construction, and what the graph's names stand for."""

    graph: Graph
    module: Module
    rw: Rewriter
    readers: dict[str, list[Node]]
    env: dict[str, Tensor | Constant] = field(default_factory=dict)
    count: int = 0

    def tensor(self, node: Node, index: int) -> Tensor:
        """An input that must be computed by the network."""
        found = self.env.get(node.input(index))
        if not isinstance(found, Tensor):
            raise Refusal(f"its input {index} is a constant or is left out")
        return found

    def constant(self, node: Node, index: int, what: str) -> Constant:
        """An input that must not depend on the inputs of the network."""
        found = self.env.get(node.input(index))
        if not isinstance(found, Constant):
            raise Refusal(f"its {what} is not constant" if found else f"its {what} is left out")
        check_finite(found.array, found.name)
        return found

    def define(self, node: Node, value: Tensor | Constant) -> None:
        """Say what the first output of a node is."""
        self.env[node.outputs[0]] = value
        for name in node.outputs[1:]:
            if name and (self.readers.get(name) or name in self.graph.outputs):
                raise Refusal("its second output is not supported")

    def shape_of(self, node: Node) -> tuple[int, ...]:
        """The shape of a node's result."""
        shape = self.graph.shapes.get(node.outputs[0])
        if shape is None:
            raise Refusal("the shape of its result is not known")
        return shape

    def stored(
        self, kind: str, array: Array, node: Node, scales: NDArray[np.float32] | None = None,
        quant: Quant | None = None,
    ) -> Value[TensorType]:  # fmt: skip
        """Keep an array in the store, its name a number because ONNX's names may hold anything."""
        store = self.module.store
        symbol = store.add(f"{kind}{self.count}", array)
        self.count += 1
        name = None if scales is None else store.add(f"{symbol}.scales", scales)
        element = {"int8": I8, "uint8": UI8, "int16": I16, "int32": I32, "float32": F32}[array.dtype.name]
        type = TensorType(array.shape, element, quant)
        return self.rw.insert(nn.ConstantOp(symbol, store.digest(symbol), type, name, loc=node.loc)).y

    def insert(self, make: Callable[[], Op]) -> Value[TensorType]:
        """Insert the operation that `make` makes; a rule of the IR that it breaks is a refusal."""
        return self.rw.insert(make()).results[0].typed(TensorType)


def image(x: Tensor) -> Value[TensorType]:
    """The value of an ONNX tensor [1, C, H, W], or [1, C, W], which is an image of one row."""
    if len(x.shape) not in (3, 4):
        raise Refusal(f"its input has the shape {list(x.shape)}, expected [1, C, H, W] or [1, C, W]")
    if x.shape[0] != 1:
        limit = Limit("batch size", "1", str(x.shape[0]))
        raise Refusal(f"batch size {x.shape[0]} is not supported, only 1", "give the model batch size 1", limit)
    channels, (height, width) = x.shape[1], plane(x.shape)
    if x.nhwc != (height, width, channels) or not x.has(Layout.NCHW):
        raise Refusal("its input was reordered in memory, by a Reshape or Transpose that is not a layout change")
    return x.value


def plane(shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width of an ONNX shape [N, C, H, W], or [N, C, W]."""
    return (1, shape[2]) if len(shape) == 3 else (shape[2], shape[3])


def quant_from(scale: Array, zero: Array | None, name: str, dtype: str | None = None) -> Quant:
    """The quantisation that a scale and a zero point say."""
    if scale.size != 1:
        raise Refusal("activations have one scale, this one is per channel")
    if scale.dtype != np.float32:
        raise Refusal(f"its scale is {scale.dtype.name}, expected float32")
    if zero is not None and zero.size != 1:
        raise Refusal(f"activations have one zero point, this one has {zero.size}")
    kind = zero.dtype.name if zero is not None else dtype or "uint8"
    if kind not in ("int8", "uint8"):
        limit = Limit("zero point", "int8 or uint8", kind)
        raise Refusal(f"it quantises to {kind}, expected int8 or uint8", limit=limit)
    value = float(scale.reshape(()))
    if not math.isfinite(value) or value <= 0:
        raise Refusal(f"the scale '{text(name)}' is {value}, expected a positive number")
    mantissa, exponent = decompose(value)
    return Quant(UI8 if kind == "uint8" else I8, mantissa, exponent, 0 if zero is None else int(zero.reshape(())))


def spread(scales: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """One scale for each of `count` channels."""
    if scales.size not in (1, count):
        raise Refusal(f"it has {scales.size} scales for {count} output channels")
    return np.ascontiguousarray(np.broadcast_to(scales.reshape(-1), (count,)))


__all__ = ["Build", "Constant", "Refusal", "Tensor", "image", "plane", "quant_from", "spread"]
