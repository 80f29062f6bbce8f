"""Group lasso: blocks shrink at each step by a threshold on their norm, until the weakest are zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch

from training.choose import Scores, zeros_due
from training.schemes.base import Plan, Scheme, Site, scores_of


class GroupLasso(Scheme):
    """The proximal step of a penalty on the sum of the blocks' norms, after each step of the optimiser.

    Its strength follows the ramp: it grows while fewer blocks are zero than are due, by a factor `gain` at each step,
    and falls while more are.  `strength` is the first threshold, a share of a layer's mean norm.  At the end the
    weakest blocks by norm are zeroed: mostly these are zero by then, if the training has a thousand steps or more.
    """

    name = "group-lasso"
    reference = (
        "W. Wen et al., Learning structured sparsity in deep neural networks, 2016; proximal: N. Parikh, S. Boyd, 2014"
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
        zero = 0
        with torch.no_grad():
            for site, norms, scale in zip(self.sites, self.norms(), self.scale, strict=True):
                factor = (1 - self.strength * scale / norms.clamp(min=1e-30)).clamp(min=0.0)
                site.original.mul_(site.view.expand(factor))
                zero += int((factor == 0).sum())
        due = zeros_due([site.view.grid for site in self.sites], self.plan.budget.scaled(self.share))
        self.strength *= self.numbers["gain"] if zero < due else 1 / self.numbers["gain"]

    def state_dict(self) -> dict[str, Any]:
        return {"strength": self.strength, "share": self.share, "scale": self.scale}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.strength, self.share = float(state["strength"]), float(state["share"])
        self.scale = [float(one) for one in state["scale"]]
