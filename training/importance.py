"""How much a block matters: norms of its weights, or what its gradients say.

Every measure is a mean over the weights that a block really has (`BlockView.means`), so that blocks at an edge compare
with whole ones.  Scores have the grid's shape [groups, R, C, T].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from compiler.errors import Diagnostic, UsageError, nearest
from training.blocks import BlockView
from training.choose import Scores


class Importance(ABC):
    """A measure; `reference` names its source, `steps` how many optimiser steps it must look at before it is asked."""

    name: ClassVar[str]
    reference: ClassVar[str]
    steps: ClassVar[int] = 0
    dense_gradient: ClassVar[bool] = False

    def __init__(self, view: BlockView, seed: tuple[int, int] = (0, 0)) -> None:
        self.view = view
        self.seed = seed

    def observe(self, weight: Tensor, gradient: Tensor) -> None:  # noqa: B027 - norms look away
        """Look at a step's weights and gradients, in the layer's own shape."""

    @abstractmethod
    def scores(self, weight: Tensor) -> Tensor:
        """The blocks' scores, given the weights."""

    def state_dict(self) -> dict[str, Tensor]:
        """What was seen so far."""
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:  # noqa: B027 - nothing seen, nothing loaded
        """The inverse of `state_dict`."""


class L1(Importance):
    """Mean absolute weight."""

    name = "l1"
    reference = "P. D'Alberto et al., Weight Block Sparsity, 2024, section 3"

    def scores(self, weight: Tensor) -> Tensor:
        return self.view.means(weight.abs())


class L2(Importance):
    """Root mean square of the weights."""

    name = "l2"
    reference = L1.reference

    def scores(self, weight: Tensor) -> Tensor:
        return self.view.means(weight.square()).sqrt()


class Variance(Importance):
    """Mean squared distance of the weights from their block's mean."""

    name = "variance"
    reference = L1.reference

    def scores(self, weight: Tensor) -> Tensor:
        apart = weight.double() - self.view.expand(self.view.means(weight.double()))
        return self.view.means(apart.square())


class Random(Importance):
    """A seeded draw: what any measure must beat."""

    name = "random"
    reference = "a control"

    def scores(self, weight: Tensor) -> Tensor:
        return torch.from_numpy(np.random.default_rng(self.seed).random(self.view.grid))


class _Accumulated(Importance):
    """What sums up over steps."""

    def __init__(self, view: BlockView, seed: tuple[int, int] = (0, 0)) -> None:
        super().__init__(view, seed)
        self.seen = torch.zeros(view.grid, dtype=torch.float64)

    def scores(self, weight: Tensor) -> Tensor:
        return self.seen

    def state_dict(self) -> dict[str, Tensor]:
        return {"seen": self.seen}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.seen = state["seen"].clone()

    def _sums(self, values: Tensor) -> Tensor:
        return self.view.sums(values.detach()).double().cpu()


class Fisher(_Accumulated):
    """Sum of squared gradients x squared weights: the diagonal of the empirical Fisher information."""

    name = "fisher"
    reference = "L. Theis et al., Faster gaze prediction with dense networks and Fisher pruning, 2018"
    steps = 40

    def observe(self, weight: Tensor, gradient: Tensor) -> None:
        self.seen += self._sums(gradient.square() * weight.square()) / self.view.sizes()


class Taylor(_Accumulated):
    """Squared sum of gradient x weight: what the loss changes by if the block goes, to first order."""

    name = "taylor"
    reference = "P. Molchanov et al., Importance estimation for neural network pruning, 2019"
    steps = 40

    def observe(self, weight: Tensor, gradient: Tensor) -> None:
        self.seen += self._sums(gradient * weight).square() / self.view.sizes()


class Movement(_Accumulated):
    """Minus the sum of gradient x weight over all steps: whether weights grow.

    It looks at gradients of zeroed blocks, too, so that these may come back.
    """

    name = "movement"
    reference = "V. Sanh et al., Movement pruning: adaptive sparsity by fine-tuning, 2020"
    steps = 40
    dense_gradient = True

    def observe(self, weight: Tensor, gradient: Tensor) -> None:
        self.seen -= self._sums(gradient * weight) / self.view.sizes()


class Momentum(_Accumulated):
    """A running mean of |gradient x weight|, in which the past counts 0.9 of itself at each step."""

    name = "momentum"
    reference = "N. Lee et al., SNIP, 2019; with momentum as in Intel Neural Compressor 2.6 (snip_momentum)"
    steps = 40
    dense_gradient = True

    def observe(self, weight: Tensor, gradient: Tensor) -> None:
        self.seen = 0.9 * self.seen + self._sums((gradient * weight).abs()) / self.view.sizes()


MEASURES: dict[str, type[Importance]] = {
    one.name: one for one in (L1, L2, Variance, Random, Fisher, Taylor, Movement, Momentum)
}


def importance(name: str, view: BlockView, seed: tuple[int, int] = (0, 0)) -> Importance:
    """The measure of that name, for one layer; `seed` is the run's and the layer's number, for draws."""
    if name not in MEASURES:
        text = f"there is no measure of importance '{name}'"
        raise UsageError(Diagnostic("prune-importance", text, help=nearest(name, MEASURES)))
    return MEASURES[name](view, seed)


def as_scores(values: Tensor) -> Scores:
    """Scores as `training.choose` takes them."""
    found: Scores = values.detach().double().cpu().numpy()
    return found
