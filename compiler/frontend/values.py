"""What a name of the ONNX graph stands for while it is translated."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from compiler.frontend.check import check_finite, text
from compiler.frontend.graph import Array, Graph, Node
from compiler.frontend.reasons import ONE_IMAGE, Code, Refusal
from compiler.ir import F32, I8, I16, I32, UI8, Module, Op, Rewriter, TensorType, Value
from compiler.numerics import decompose
from dialects import nn
from dialects.nn import Layout
from dialects.quant import Quant

PER_TENSOR = "quantise activations per tensor: weights alone may have scales of their own for each channel"
PER_CHANNEL = "quantise weights per tensor, or per output channel"


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
            what = "a constant" if found else "left out"
            help = "fold constants before (onnxsim does), or let the node read a tensor of the network"
            raise Refusal(Code.INPUT, f"input {index}", "a tensor that the network computes", what, help=help)
        return found

    def constant(self, node: Node, index: int, what: str) -> Constant:
        """An input that must not depend on the inputs of the network."""
        found = self.env.get(node.input(index))
        if not isinstance(found, Constant):
            given = "computed from the inputs" if found else "left out"
            help = f"store the {what} in the model; one that is computed is for the host"
            raise Refusal(Code.INPUT, what, "a constant", given, help=help)
        check_finite(found.array, found.name)
        return found

    def define(self, node: Node, value: Tensor | Constant) -> None:
        """Say what the first output of a node is."""
        self.env[node.outputs[0]] = value
        for name in node.outputs[1:]:
            if name and (self.readers.get(name) or name in self.graph.outputs):
                help = "do without the outputs behind the first one"
                raise Refusal(Code.OUTPUT, "number of outputs that are read", 1, len(node.outputs), help=help)

    def shape_of(self, node: Node) -> tuple[int, ...]:
        """The shape of a node's result."""
        shape = self.graph.shapes.get(node.outputs[0])
        if shape is None:
            raise unknown_shape()
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
        raise not_an_image(x)
    if x.shape[0] != 1:
        raise Refusal(Code.SHAPE, "batch size", 1, x.shape[0], help=ONE_IMAGE)
    channels, (height, width) = x.shape[1], plane(x.shape)
    if x.nhwc != (height, width, channels) or not x.has(Layout.NCHW):
        raise reordered(x, "[1, C, H, W] or [1, C, W] in that order")
    return x.value


def not_an_image(x: Tensor) -> Refusal:
    """Of an operator on images: its input has another rank."""
    help = "images have two axes behind the channels, or one: reshape the input of this node to one of these"
    return Refusal(Code.SHAPE, "input shape", "[1, C, H, W] or [1, C, W]", x.shape, help=help)


def reordered(x: Tensor, allowed: str) -> Refusal:
    """Of an operator that needs to know rows, pixels and channels: a Reshape or Transpose has mixed them."""
    found = f"{list(x.shape)} of an image whose H x W x C is {' x '.join(map(str, x.nhwc))}"
    help = "give it an image [1, C, H, W]: leave out the Reshape or Transpose before it, or move it behind"
    return Refusal(Code.LAYOUT, "input shape", allowed, found, help=help)


def unordered_pair(a: Tensor, b: Tensor) -> Refusal:
    """Of two tensors that meet number by number and lie in different orders."""
    (one, other), images = (list(x.shape) for x in (a, b)), [" x ".join(map(str, x.nhwc)) for x in (a, b)]
    found = f"{one} from H x W x C of {images[0]}, and {other} from {images[1]}"
    help = "let both inputs go through the same Reshape or Transpose, or through none"
    return Refusal(Code.LAYOUT, "inputs", "in the same order in memory", found, help=help)


def unknown_shape() -> Refusal:
    """Of a node whose result has a size that is known only when it runs."""
    help = "give the model inputs of a fixed size (--shape), and no size that depends on the data"
    return Refusal(Code.SHAPE, "result shape", "one that is known before it runs", "not known", help=help)


def plane(shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width of an ONNX shape [N, C, H, W], or [N, C, W]."""
    return (1, shape[2]) if len(shape) == 3 else (shape[2], shape[3])


def quant_from(scale: Array, zero: Array | None, name: str, dtype: str | None = None) -> Quant:
    """The quantisation that a scale and a zero point say."""
    if scale.size != 1:
        raise Refusal(Code.QUANTISATION, "number of scales", "1 for an activation", scale.size, help=PER_TENSOR)
    check_scale_type(scale)
    if zero is not None and zero.size != 1:
        raise Refusal(Code.QUANTISATION, "number of zero points", "1 for an activation", zero.size, help=PER_TENSOR)
    kind = zero.dtype.name if zero is not None else dtype or "uint8"
    if kind not in ("int8", "uint8"):
        raise Refusal(Code.TYPE, "quantised type", "int8 or uint8", kind, help="quantise activations to 8 bits")
    value = float(scale.reshape(()))
    if not math.isfinite(value) or value <= 0:
        raise bad_scale(f"{value} ('{text(name)}')")
    mantissa, exponent = decompose(value)
    return Quant(UI8 if kind == "uint8" else I8, mantissa, exponent, 0 if zero is None else int(zero.reshape(())))


def check_scale_type(scale: Array) -> None:
    """Scales are float32."""
    if scale.dtype != np.float32:
        raise Refusal(Code.TYPE, "scale type", "float32", scale.dtype.name, help="store scales as float32")


def bad_scale(found: object) -> Refusal:
    """A scale that is zero, negative or no number."""
    help = "quantise the model anew: its calibration has gone wrong at this node"
    return Refusal(Code.SCALE, "scale", "a positive finite number", found, help=help)


def spread(scales: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """One scale for each of `count` channels."""
    if scales.size not in (1, count):
        allowed = f"1, or {count} for as many output channels"
        raise Refusal(Code.QUANTISATION, "number of scales", allowed, scales.size, help=PER_CHANNEL)
    return np.ascontiguousarray(np.broadcast_to(scales.reshape(-1), (count,)))
