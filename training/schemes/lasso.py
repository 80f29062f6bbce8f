"""Group lasso: blocks shrink at each step by a threshold on their norm, until the weakest are zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch

from training.choose import Scores, kept_blocks, zeros_due
from training.schemes.base import Plan, Scheme, Site, scores_of


class GroupLasso(Scheme):
    """The proximal step of a penalty on the sum of norms of the weakest blocks, after each step of the optimiser.

    Only blocks that a cut would zero now, the ramp's share, are shrunk: a penalty on all takes from those that stay,
    too.  Its strength grows while fewer blocks are zero than are due, by a factor `gain` at each step, and falls while
    more are.  `strength` is the first threshold, a share of a layer's mean norm.  The cut at the end finds most of its
    blocks zero, if the training has a thousand steps or more.
    """

    name = "group-lasso"
    reference = (
        "W. Wen et al., Learning structured sparsity in deep neural networks, 2016; of weak ones, more and more: "
        "H. Wang et al., Neural pruning via growing regularization, 2021"
    )
    options: ClassVar[Mapping[str, float]] = {"strength": 1e-4, "gain": 1.02}

    def __init__(self, sites: Sequence[Site], plan: Plan) -> None:
        super().__init__(sites, plan)
        self.strength, self.share = self.numbers["strength"], 0.0
        self.scale = [float(one.mean()) for one in self.norms()]

    def scores(self) -> list[Scores]:
        return scores_of(self.norms())

    def _update(self, step: int) -> None:
        self.share = self.updates.get(step, self.share)
        if step == self.end:
            self.choose(1.0)
        elif 0 < step < self.end:
            self._shrink()

    def _shrink(self) -> None:
        norms, budget = self.norms(), self.plan.budget.scaled(self.share)
        kept = kept_blocks(scores_of(norms), budget)
        zero = 0
        with torch.no_grad():
            for site, norm, scale, stays in zip(self.sites, norms, self.scale, kept, strict=True):
                factor = (1 - self.strength * scale / norm.clamp(min=1e-30)).clamp(min=0.0)
                factor[torch.from_numpy(stays).to(factor.device)] = 1.0
                site.original.mul_(site.view.expand(factor))
                zero += int((factor == 0).sum())
        due = zeros_due([site.view.grid for site in self.sites], budget)
        self.strength *= self.numbers["gain"] if zero < due else 1 / self.numbers["gain"]

    def state_dict(self) -> dict[str, Any]:
        return {"strength": self.strength, "share": self.share, "scale": self.scale}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.strength, self.share = float(state["strength"]), float(state["share"])
        self.scale = [float(one) for one in state["scale"]]
