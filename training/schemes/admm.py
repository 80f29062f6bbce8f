"""ADMM: the weights are pulled towards the nearest weights that have the zeros, which move with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from training.choose import Kept, Scores, kept_blocks
from training.importance import as_scores
from training.schemes.base import Plan, Scheme, Site


class ADMM(Scheme):
    """Minimise the loss of W under W = Z, where Z has the target's zero blocks.

    At each step W follows the loss and rho (W - Z + U); at each update of the ramp Z becomes the projection of W + U,
    and U grows by W - Z.  rho grows from `rho` to `rho_end`; the target is whole from the start.  At the end W is
    projected.
    """

    name = "admm"
    reference = "T. Zhang et al., A systematic DNN weight pruning framework using ADMM, 2018; in blocks: YOLObile, 2020"
    options: ClassVar[Mapping[str, float]] = {"rho": 1e-2, "rho_end": 1.0}

    def __init__(self, sites: Sequence[Site], plan: Plan) -> None:
        super().__init__(sites, plan)
        self.near = [site.original.detach().clone() for site in self.sites]
        self.dual = [torch.zeros_like(one) for one in self.near]

    def scores(self) -> list[Scores]:
        return [as_scores(one) for one in self.norms()]

    def begin(self) -> None:
        self._project()
        super().begin()

    def gradients(self, step: int) -> None:
        if step >= self.end:
            return
        rho = self.numbers["rho"] * (self.numbers["rho_end"] / self.numbers["rho"]) ** (step / self.end)
        for site, near, dual in zip(self.sites, self.near, self.dual, strict=True):
            if site.original.grad is not None:
                site.original.grad.add_(site.original.detach() - near + dual, alpha=rho)

    def _update(self, step: int) -> None:
        if step == self.end:
            self.choose(1.0)
            self.near, self.dual = [], []
        elif step in self.updates:
            self._project()
            for site, near, dual in zip(self.sites, self.near, self.dual, strict=True):
                dual.add_(site.original.detach() - near)

    def _project(self) -> None:
        """Z = the projection of W + U on what has the target's zeros."""
        sums = [site.original.detach() + dual for site, dual in zip(self.sites, self.dual, strict=True)]
        norms = [as_scores(site.view.means(one.square()).sqrt()) for site, one in zip(self.sites, sums, strict=True)]
        kept: list[Kept] = kept_blocks(norms, self.plan.budget)
        self.near = [
            torch.where(site.view.expand(torch.from_numpy(one).to(whole.device)), whole, 0.0)
            for site, one, whole in zip(self.sites, kept, sums, strict=True)
        ]

    def state_dict(self) -> dict[str, list[Tensor]]:
        return {"near": self.near, "dual": self.dual}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        devices = [site.original.device for site in self.sites]
        self.near = [one.to(device) for one, device in zip(state["near"], devices, strict=False)]
        self.dual = [one.to(device) for one, device in zip(state["dual"], devices, strict=False)]
