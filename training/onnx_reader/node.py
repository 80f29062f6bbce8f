"""A node of the ONNX graph as the readers of operators see it, and what they make of it.

A tensor is either a `Constant`, known when the model is read, or `Traced`: it depends on the images.  Of a traced one
the shapes are known at the batch of the file and at twice that; the axis in which they differ counts the images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from compiler.errors import Limit

Array = np.ndarray[Any, np.dtype[Any]]
Call = Callable[..., Any]


class Refusal(Exception):
    """What of one node is beyond what can be trained; the reader of the graph collects them and tells all at once."""

    def __init__(self, attribute: str, allowed: str, found: str, help: str = "") -> None:
        super().__init__(attribute)
        self.limit = Limit(attribute, allowed, found)
        self.help = help


@dataclass(frozen=True)
class Constant:
    """A tensor that is known when the model is read, under the name by which nodes read it."""

    name: str
    value: Array


@dataclass(frozen=True)
class Traced:
    """A tensor of the images, without numbers: at the batch of the file, and at twice that."""

    once: torch.Tensor
    twice: torch.Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """At the batch of the file."""
        return tuple(self.once.shape)

    @property
    def batch_axis(self) -> int:
        """The axis that grows with the number of images; exactly one does (see `check_batch`)."""
        return next(
            axis for axis, (one, two) in enumerate(zip(self.once.shape, self.twice.shape, strict=True)) if one != two
        )

    def check_batch(self) -> None:
        """Refuse what mixes the images of a batch: training would not compute what the network computes."""
        once, twice = tuple(self.once.shape), tuple(self.twice.shape)
        axes = [axis for axis, sizes in enumerate(zip(once, twice, strict=False)) if sizes[0] != sizes[1]]
        if len(once) != len(twice) or len(axes) != 1 or twice[axes[0]] != 2 * once[axes[0]]:
            found = f"{list(once)} for one batch and {list(twice)} for twice as many images"
            raise Refusal("output shape", "one axis that counts the images", found)


@dataclass(frozen=True)
class Source:
    """Where a parameter stands in the graph: input `position` of node `index`, which reads tensor `tensor`.

    The graph has `shape`; a transposed one is a matrix whose rows are the layer's columns.
    """

    index: int
    position: int
    tensor: str
    shape: tuple[int, ...]
    transposed: bool = False


@dataclass(frozen=True)
class Operation:
    """What a node is in PyTorch: a function or a layer, and which inputs of the node it is called with.

    `tables` are tensors of our own, handed over behind the operands.  `weights` says which input each parameter of a
    layer is; `before` and `after` are applied to the first operand and to the result: pads that are not the same on
    both sides, which the layers of PyTorch do not have.
    """

    call: Call
    operands: tuple[int, ...] = (0,)
    tables: tuple[torch.Tensor, ...] = ()
    weights: Mapping[str, Source] = field(default_factory=dict)
    before: Call | None = None
    after: Call | None = None


@dataclass(frozen=True)
class Node:
    """A node with its inputs; None stands for an optional one that is left out.  `images` is the batch of the file."""

    index: int
    name: str
    op_type: str
    opset: int
    images: int
    attributes: Mapping[str, Any]
    inputs: tuple[Constant | Traced | None, ...]
    outputs: tuple[str, ...]

    def given(self, position: int) -> bool:
        """Whether the node has that input."""
        return position < len(self.inputs) and self.inputs[position] is not None

    def traced(self, position: int = 0) -> Traced:
        """An input that depends on the images."""
        one = self.inputs[position] if self.given(position) else None
        if not isinstance(one, Traced):
            raise Refusal(f"input {position}", "a tensor that depends on the model's inputs", "a constant")
        return one

    def shape(self, position: int = 0) -> tuple[int, ...]:
        """The shape of an input at the batch of the file."""
        one = self.inputs[position]
        return one.shape if isinstance(one, Traced) else one.value.shape if one else ()

    @property
    def spatial(self) -> tuple[int, ...]:
        """Sizes of the axes behind images and channels; one or two of them."""
        shape = self.shape()
        if len(shape) not in (3, 4):
            raise Refusal("number of axes", "3 or 4: images, channels, one or two of space", str(len(shape)))
        if self.traced().batch_axis != 0:
            raise Refusal("axis of images", "the first", str(self.traced().batch_axis))
        return shape[2:]

    def constant(self, position: int) -> Array:
        """An input that must be known when the model is read."""
        one = self.inputs[position] if self.given(position) else None
        if not isinstance(one, Constant):
            raise Refusal(f"input {position}", "a constant", "computed from the images")
        return one.value

    def weight(self, position: int, transposed: bool = False) -> Source:
        """Where a parameter stands; its numbers are `constant(position)`."""
        value = self.constant(position)
        one = self.inputs[position]
        assert isinstance(one, Constant)
        if value.dtype != np.float32:
            help = "export the model in float32: what is trained is written back exactly"
            raise Refusal(f"type of input {position}", "float32", str(value.dtype), help)
        return Source(self.index, position, one.name, value.shape, transposed)

    def integer(self, name: str, default: int) -> int:
        """An integer attribute."""
        return int(self.attributes.get(name, default))

    def number(self, name: str, default: float, position: int | None = None) -> float:
        """A number: an attribute in old operator sets, an input in newer ones."""
        if position is not None and self.given(position):
            return float(self.constant(position).reshape(-1)[0])
        return float(self.attributes.get(name, default))

    def word(self, name: str, default: str) -> str:
        """A string attribute."""
        value = self.attributes.get(name, default)
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

    def integers(self, name: str, position: int | None = None) -> tuple[int, ...] | None:
        """Several integers: an attribute in old operator sets, an input in newer ones; None if they are not given."""
        if position is not None and self.given(position):
            return tuple(int(one) for one in self.constant(position).reshape(-1))
        values = self.attributes.get(name)
        return None if values is None else tuple(int(one) for one in values)

    def axis(self, default: int, name: str = "axis") -> int:
        """An axis of the first input, counted from its front; never the one of the images."""
        return self.in_images(self.integer(name, default) % max(1, len(self.shape())))

    def in_images(self, axis: int) -> int:
        """The same axis, which must not be the one that counts the images."""
        for one in self.inputs:
            if isinstance(one, Traced) and one.batch_axis == axis:
                raise Refusal("axis", "one within each image", f"{axis}, which counts the images")
        return axis

    def only_first_output(self) -> None:
        """Refuse the rarer outputs (masks, indices)."""
        if any(self.outputs[1:]):
            raise Refusal("number of outputs that are read", "1", str(sum(map(bool, self.outputs))))


Reader = Callable[[Node], Operation]
