"""Schemes that rank blocks by a measure and zero the weakest: at once, or a few at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from training.choose import Scores
from training.importance import importance
from training.schemes.base import AT_ONCE, Plan, Scheme, Site, scores_of


class Ranked(Scheme):
    """Masks follow the ramp; a measure that looks at gradients sees some steps before the first change."""

    ranks = True

    def __init__(self, sites: Sequence[Site], plan: Plan) -> None:
        self.measures = [
            importance(plan.measure, site.view, (plan.seed, number)) for number, site in enumerate(sites)
        ]  # fmt: skip
        super().__init__(sites, plan)
        for site, one in zip(self.sites, self.measures, strict=True):
            site.mask.dense_gradient = one.dense_gradient

    def update_steps(self) -> dict[int, float]:
        """Not before the measure has seen enough: its steps, or a tenth of a short training."""
        first = min(self.measures[0].steps, -(-self.plan.steps // 10))
        return {max(step, first): share for step, share in super().update_steps().items()}

    def scores(self) -> list[Scores]:
        return scores_of([one.scores(site.weight) for one, site in zip(self.measures, self.sites, strict=True)])

    def gradients(self, step: int) -> None:
        if step >= self.end:
            return
        for one, site in zip(self.measures, self.sites, strict=True):
            one.observe(site.original.detach(), site.gradient)
            site.mask_gradient()

    def state_dict(self) -> dict[str, Any]:
        return {"measures": [one.state_dict() for one in self.measures]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for one, part in zip(self.measures, state["measures"], strict=True):
            one.load_state_dict(part)


class Predetermined(Ranked):
    """One mask from a block's norm, fixed before training goes on: the scheme that the paper found to work best."""

    name = "predetermined"
    reference = "P. D'Alberto et al., Weight Block Sparsity, 2024, section 3"
    ramp = AT_ONCE


class Incremental(Ranked):
    """The zeroed share grows along a cubic, with training between the changes of the mask."""

    name = "incremental"
    reference = "M. Zhu, S. Gupta, To prune, or not to prune, 2017; the paper's section 3 with even steps"


class MovementPruning(Ranked):
    """Incremental, by how weights move and not by what they are; zeroed blocks may come back."""

    name = "movement"
    reference = "V. Sanh et al., Movement pruning, 2020; in blocks: F. Lagunas et al., 2021"
    ranks = False  # by no other measure than its own

    def __init__(self, sites: Sequence[Site], plan: Plan) -> None:
        super().__init__(sites, Plan(plan.budget, plan.ramp, plan.steps, "movement", plan.seed, plan.options))
