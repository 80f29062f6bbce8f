"""Learned masks: each block has a score that is trained together with the weights; the highest scores are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from training.blocks import BlockView
from training.choose import Scores
from training.masks import BlockMask
from training.schemes.base import Plan, Site, scores_of
from training.schemes.trained import Trained


class ScoredMask(BlockMask):
    """A mask with trainable scores, to which the gradient goes straight through the choice."""

    def __init__(self, view: BlockView) -> None:
        super().__init__(view)
        self.scores = nn.Parameter(torch.zeros(view.grid))

    def forward(self, weight: Tensor) -> Tensor:
        gate = self.mask.to(weight.dtype) + self.scores - self.scores.detach()
        return weight * self.view.expand(gate) + 0.0  # -0.0 + 0.0 is +0.0


class Supermask(Trained):
    """The ramp's share of blocks is zero at every step; which ones, training decides until the ramp ends.

    `rate` multiplies the learning rate of the scores, which begin at the blocks' norms over their layer's mean.
    """

    name = "supermask"
    reference = "V. Ramanujan et al., What's hidden in a randomly weighted neural network?, 2020; in blocks: superblock"
    mask = ScoredMask

    def __init__(self, sites: Sequence[Site], plan: Plan) -> None:
        super().__init__(sites, plan)
        self.share = 0.0

    @property
    def masks(self) -> list[ScoredMask]:
        """The sites' masks."""
        return [site.mask for site in self.sites if isinstance(site.mask, ScoredMask)]

    def begin(self) -> None:
        with torch.no_grad():
            for mask, norms in zip(self.masks, self.norms(), strict=True):
                mask.scores.copy_(norms / norms.mean().clamp(min=1e-12))
        super().begin()

    def scores(self) -> list[Scores]:
        return scores_of([mask.scores for mask in self.masks])

    def trained(self) -> list[nn.Parameter]:
        return [mask.scores for mask in self.masks]

    def _update(self, step: int) -> None:
        """Scores move at every step, so the choice is made at every step until the ramp ends."""
        self.share = self.updates.get(step, self.share)
        if step <= self.end:
            self.choose(self.share)
        if step == self.end:
            self.settle()

    def state_dict(self) -> dict[str, float]:
        return {"share": self.share}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.share = float(state["share"])
