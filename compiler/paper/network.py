"""Layers as the paper's estimator sees them: windows, sums and joined channels, with nothing fused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

Pair = tuple[int, int]
Pads = tuple[int, int, int, int]


@dataclass(frozen=True)
class Tensor:
    """An activation of `height` x `width` pixels, one byte a channel."""

    height: int
    width: int
    channels: int


@dataclass(frozen=True)
class View:
    """Channels of a tensor, named by its number: all of it, or one branch of a concatenation.

    `joined` are the channels of the first concatenation that it is part of, else its own.
    """

    tensor: int
    channels: int
    joined: int


@dataclass(frozen=True)
class Layer:
    """One layer; `kind` is conv, max_pool, avg_pool or add, `pads` are top, left, bottom, right.

    `density` is the kept share of a convolution's 8x8 blocks.
    """

    name: str
    kind: str
    inputs: tuple[View, ...]
    output: View
    kernel: Pair = (1, 1)
    strides: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    density: float = 1.0


@dataclass
class Network:
    """Layers in the order of their execution, and the tensors between them; `images` are the model's inputs."""

    tensors: list[Tensor] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    images: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)

    def tensor(self, height: int, width: int, channels: int) -> View:
        """A new tensor, and the view of all of it."""
        self.tensors.append(Tensor(height, width, channels))
        return View(len(self.tensors) - 1, channels, channels)

    def joined(self, parts: Sequence[View]) -> View:
        """The concatenation of tensors; who has written or read one of them has written or read channels of it."""
        first = self.tensors[parts[0].tensor]
        whole = self.tensor(first.height, first.width, sum(one.channels for one in parts))
        parted = {one.tensor for one in parts}

        def moved(view: View) -> View:
            return self.moved(view, whole) if view.tensor in parted else view

        for at, layer in enumerate(self.layers):
            inputs = tuple(map(moved, layer.inputs))
            self.layers[at] = replace(layer, inputs=inputs, output=moved(layer.output))
        return whole

    @staticmethod
    def moved(view: View, whole: View) -> View:
        """The view of a part, in the concatenation that it has become part of."""
        joined = whole.channels if view.joined == view.channels else view.joined
        return View(whole.tensor, view.channels, joined)
