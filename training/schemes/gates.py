"""Trainable gates: the paper's optimisation-based scheme, with gates that can reach zero exactly."""

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
OPEN, FAR = 3.0, 20.0
"""Where logits begin in the mean: most gates open; a shift from there by which no gate is open any more."""


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
        return _alive(self.logits)

    def forward(self, weight: Tensor) -> Tensor:
        gate = torch.where(self.settled, self.mask.to(weight.dtype), self.gate().to(weight.dtype))
        return weight * self.view.expand(gate) + 0.0  # -0.0 + 0.0 is +0.0


class Gates(Trained):
    """Hard concrete gates, of which the expected open share is held on the ramp to the target.

    A penalty on their share would push all logits down, by a strength that nobody knows; here it is solved for at each
    step: all logits are shifted by what brings the share to where the ramp is.  At the end the blocks of the most open
    gates are kept, and the gates are multiplied into the weights.  `rate` multiplies the learning rate of the gates,
    `spread` is the standard deviation that logits begin with, in the order of the blocks' norms.
    """

    name = "gates"
    reference = "C. Louizos et al., Learning sparse neural networks through L0 regularization, 2018"
    mask = GateMask
    options: ClassVar[Mapping[str, float]] = {**Trained.options, "spread": 2.0}

    def __init__(self, sites: Sequence[Site], plan: Plan) -> None:
        super().__init__(sites, plan)
        self.share = 0.0

    @property
    def masks(self) -> list[GateMask]:
        """The sites' masks."""
        return [site.mask for site in self.sites if isinstance(site.mask, GateMask)]

    def begin(self) -> None:
        with torch.no_grad():
            for mask, norms in zip(self.masks, self.norms(), strict=True):
                apart = (norms - norms.mean()) / norms.std(correction=0).clamp(min=1e-12)
                mask.logits.copy_(OPEN + self.numbers["spread"] * apart)
        self._draw(0)
        super().begin()

    def scores(self) -> list[Scores]:
        return scores_of([mask.logits for mask in self.masks])

    def trained(self) -> list[nn.Parameter]:
        return [mask.logits for mask in self.masks]

    def open_share(self) -> float:
        """The share of gates that are expected to be open."""
        return float(torch.cat([mask.alive().detach().flatten() for mask in self.masks]).mean())

    def _shift(self) -> None:
        """Move all logits down until no more gates are open than the ramp has; by halving the interval."""
        grids = [site.view.grid for site in self.sites]
        wanted = 1 - zeros_due(grids, self.plan.budget.scaled(self.share)) / sum(int(np.prod(grid)) for grid in grids)
        logits = torch.cat([mask.logits.detach().flatten() for mask in self.masks]).double()
        least, most = 0.0, float(logits.max() - logits.min()) + FAR
        if float(_alive(logits).mean()) <= wanted:
            return
        for _ in range(40):
            middle = (least + most) / 2
            least, most = (middle, most) if float(_alive(logits - middle).mean()) > wanted else (least, middle)
        with torch.no_grad():
            for mask in self.masks:
                mask.logits.sub_(most)

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
            self._shift()
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
        return {"share": self.share}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.share = float(state["share"])


def _alive(logits: Tensor) -> Tensor:
    return torch.sigmoid(logits - SHARPNESS * math.log(-LOW / HIGH))
