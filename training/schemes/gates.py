"""Trainable gates with a penalty: the paper's optimisation-based scheme, with gates that can reach zero exactly."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from training.blocks import BlockView
from training.choose import Scores, zeros_due
from training.masks import BlockMask
from training.schemes.base import Plan, Site, scores_of
from training.schemes.trained import Trained

SHARPNESS, LOW, HIGH = 2 / 3, -0.1, 1.1
"""The hard concrete distribution's beta, gamma and zeta (Louizos et al., 2018, section 4)."""

LEAST_OPEN = 0.1
"""What a kept block's weights are multiplied by at least when gates become part of them."""


class GateMask(BlockMask):
    """A gate from 0 to 1 for each block, until the gates are `settled` and the mask takes their place.

    `noise` is the step's draw.  Both are buffers, so that a resumed run, a copy and an average of the model have them.
    """

    noise: Tensor
    settled: Tensor

    def __init__(self, view: BlockView) -> None:
        super().__init__(view)
        self.logits = nn.Parameter(torch.full(view.grid, 2.0))
        self.register_buffer("noise", torch.zeros(view.grid))
        self.register_buffer("settled", torch.zeros((), dtype=torch.bool))

    def gate(self) -> Tensor:
        """The gates of this step; without noise when the layer is evaluated."""
        shift = self.noise if self.training else torch.zeros_like(self.noise)
        soft = torch.sigmoid((self.logits + shift) / (SHARPNESS if self.training else 1.0))
        return (soft * (HIGH - LOW) + LOW).clamp(0.0, 1.0)

    def alive(self) -> Tensor:
        """The probability that each gate is not zero."""
        return torch.sigmoid(self.logits - SHARPNESS * math.log(-LOW / HIGH))

    def forward(self, weight: Tensor) -> Tensor:
        gate = torch.where(self.settled, self.mask.to(weight.dtype), self.gate().to(weight.dtype))
        return weight * self.view.expand(gate) + 0.0  # -0.0 + 0.0 is +0.0


class Gates(Trained):
    """Hard concrete gates; a Lagrange multiplier pulls the expected share of open gates along the ramp to the target.

    At the end the blocks of the most open gates are kept, and the gates are multiplied into the weights.  `rate`
    multiplies the learning rate of the gates, `pull` is that of the multipliers.  Multipliers swing in at first: with
    fewer than about a thousand steps the share may be far off when the gates are cut.
    """

    name = "gates"
    reference = "C. Louizos et al., Learning sparse neural networks through L0 regularization, 2018"
    mask = GateMask
    options: ClassVar[Mapping[str, float]] = {**Trained.options, "pull": 1.0}

    def __init__(self, sites: Sequence[Site], plan: Plan) -> None:
        super().__init__(sites, plan)
        self.linear, self.square = 0.0, 0.0
        self.share = 0.0
        grids = [site.view.grid for site in sites]
        self.blocks = sum(int(np.prod(grid)) for grid in grids)
        self.target = zeros_due(grids, plan.budget) / self.blocks

    @property
    def masks(self) -> list[GateMask]:
        """The sites' masks."""
        return [site.mask for site in self.sites if isinstance(site.mask, GateMask)]

    def excess(self) -> Tensor:
        """By how much the expected share of open gates is above where the ramp is."""
        alive = torch.stack([mask.alive().sum() for mask in self.masks]).sum() / self.blocks
        return alive - (1 - self.share * self.target)

    def penalty(self) -> Tensor | None:
        if self.over:
            return None
        excess = self.excess()
        return self.linear * excess + self.square * excess.square()

    def begin(self) -> None:
        with torch.no_grad():
            for mask, norms in zip(self.masks, self.norms(), strict=True):
                # Strong blocks begin a little more open; all begin well open, as the network is trained.
                mask.logits.copy_(2.0 + (norms / norms.mean().clamp(min=1e-12) - 1.0))
        self._draw(0)
        super().begin()

    def scores(self) -> list[Scores]:
        return scores_of([mask.logits for mask in self.masks])

    def trained(self) -> list[nn.Parameter]:
        return [mask.logits for mask in self.masks]

    def gradients(self, step: int) -> None:
        super().gradients(step)
        if self.over:
            return
        excess = float(self.excess().detach())
        self.linear = max(0.0, self.linear + self.numbers["pull"] * excess)
        self.square = max(0.0, self.square + self.numbers["pull"] * excess * excess)

    def _update(self, step: int) -> None:
        self.share = self.updates.get(step, self.share)
        if step == self.end:
            self.choose(1.0)
            with torch.no_grad():
                for site, mask in zip(self.sites, self.masks, strict=True):
                    mask.eval()
                    # A kept block stays open, whatever its gate: the target is exact.
                    site.original.mul_(site.view.expand(mask.gate().clamp(min=LEAST_OPEN)))
                    mask.train(site.module.training)
            self.settle()
        elif step < self.end:
            self._draw(step)

    def _draw(self, step: int) -> None:
        for number, mask in enumerate(self.masks):
            drawn = np.random.default_rng((self.plan.seed, step, number)).random(mask.view.grid)
            drawn = np.clip(drawn, 1e-6, 1 - 1e-6)
            mask.noise.copy_(torch.from_numpy(np.log(drawn) - np.log1p(-drawn)))

    def settle(self) -> None:
        super().settle()
        for mask in self.masks:
            mask.settled.fill_(True)

    def state_dict(self) -> dict[str, Any]:
        return {"linear": self.linear, "square": self.square, "share": self.share}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.linear, self.square, self.share = (float(state[one]) for one in ("linear", "square", "share"))
