"""What a scheme is: it decides step by step which blocks are zero, and ends with exactly as many as were asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from training.blocks import BlockView
from training.choose import Budget, Kept, Scores, kept_blocks
from training.importance import as_scores
from training.masks import BlockMask, original
from training.schedule import Growth, Ramp


@dataclass(frozen=True)
class Site:
    """A layer whose blocks are chosen from, with its mask."""

    name: str
    module: nn.Module
    mask: BlockMask

    @property
    def view(self) -> BlockView:
        """How its weights are blocks."""
        return self.mask.view

    @property
    def original(self) -> nn.Parameter:
        """The weights behind the mask."""
        return original(self.module)

    @property
    def weight(self) -> Tensor:
        """The weights that the layer uses, detached."""
        with torch.no_grad():
            weight: Tensor = self.mask(self.original)
            return weight.detach()

    @property
    def gradient(self) -> Tensor:
        """The gradient of the weights behind the mask; zeros if the loss did not reach them."""
        gradient = self.original.grad
        return torch.zeros_like(self.original) if gradient is None else gradient

    def elements(self) -> Tensor:
        """Which weights are kept, in the layer's own shape."""
        return self.view.expand(self.mask.mask)

    def set(self, kept: Kept) -> None:
        """Take another mask, in place, so that whoever holds the buffer sees it."""
        self.mask.mask.copy_(torch.from_numpy(kept))

    def mask_gradient(self) -> None:
        """Zeroed blocks do not move."""
        if self.original.grad is not None:
            self.original.grad.masked_fill_(~self.elements(), 0.0)


@dataclass(frozen=True)
class Plan:
    """What a scheme is to do: to what budget, along which ramp, in how many steps, ranked by what."""

    budget: Budget
    ramp: Ramp
    steps: int
    measure: str
    seed: int = 0
    options: Mapping[str, float] = field(default_factory=dict)


class Scheme(ABC):
    """A scheme; `options` are its numbers with their defaults, which the plan may set.

    The order of calls: `begin`, then for each step `gradients` (after the backward pass), `stepped` (after the
    optimiser).  `changed` says whether the last call changed a mask.
    """

    name: ClassVar[str]
    reference: ClassVar[str]
    mask: ClassVar[type[BlockMask]] = BlockMask
    ramp: ClassVar[Ramp] = Ramp()
    options: ClassVar[Mapping[str, float]] = {}
    ranks: ClassVar[bool] = False
    """Whether blocks are ranked by the plan's measure of importance."""
    comparable: ClassVar[bool] = False
    """Whether scores of different layers compare as they are, and not only over their layer's mean."""

    def __init__(self, sites: Sequence[Site], plan: Plan) -> None:
        self.sites, self.plan = tuple(sites), plan
        self.numbers = {**self.options, **plan.options}
        self.updates = self.update_steps()
        self.end = max(self.updates)
        self.changed = False

    def update_steps(self) -> dict[int, float]:
        """At which steps masks change, and to which share of the target; the last is the whole of it."""
        return self.plan.ramp.update_steps(self.plan.steps)

    @abstractmethod
    def scores(self) -> list[Scores]:
        """What blocks are chosen by, the layers in order."""

    def begin(self) -> None:
        """Before the first step."""
        self._update(0)

    def gradients(self, step: int) -> None:  # noqa: B027 - most schemes need nothing here
        """After the backward pass of step `step`, from 0, before the optimiser."""

    def stepped(self, step: int) -> None:
        """After the optimiser has done step `step`, from 0."""
        self._update(step + 1)

    def resumed(self, step: int) -> None:
        """After `step` steps were loaded: what is no tensor of a checkpoint follows from their number."""
        if step >= self.end:
            self.settle()

    def settle(self) -> None:
        """The masks are final: only weights are trained from here on."""
        for site in self.sites:
            site.mask.dense_gradient = False

    def choose(self, share: float) -> None:
        """Masks with `share` of the zeros of the target."""
        kept = kept_blocks(self.scores(), self.plan.budget.scaled(share), self.comparable)
        for site, one in zip(self.sites, kept, strict=True):
            self.changed |= not np.array_equal(site.mask.mask.cpu().numpy(), one)
            site.set(one)

    def state_dict(self) -> dict[str, Any]:
        """What the scheme remembers beside the masks, which are the model's."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:  # noqa: B027 - nothing remembered, nothing loaded
        """The inverse of `state_dict`."""

    def _update(self, step: int) -> None:
        """What is due after `step` steps."""
        if step in self.updates:
            self.choose(self.updates[step])
        if step == self.end:
            self.settle()

    def norms(self) -> list[Tensor]:
        """The root mean square of each block of the weights behind the masks."""
        return [site.view.means(site.original.detach().square()).sqrt() for site in self.sites]


def scores_of(values: Sequence[Tensor]) -> list[Scores]:
    """Tensors as scores."""
    return [as_scores(one) for one in values]


AT_ONCE = Ramp(Growth.ONCE, 0.0, 0.0)
