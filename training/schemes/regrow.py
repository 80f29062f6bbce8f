"""Sparse to sparse: the target's zeros from the first step; now and then weak blocks go and others come back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from training.choose import Scores
from training.importance import as_scores
from training.schedule import Growth, Ramp
from training.schemes.base import Plan, Scheme, Site


class Regrowth(Scheme):
    """At each update the weakest kept blocks, a share that falls from `drop` to 0 along a cosine, make room for as many
    others, whose weights begin at zero."""

    ramp = Ramp(Growth.LINEAR, 0.0, 0.75, 40)
    comparable = True
    options: ClassVar[Mapping[str, float]] = {"drop": 0.3}

    def __init__(self, sites: Sequence[Site], plan: Plan) -> None:
        super().__init__(sites, plan)
        self.found: list[Scores] = []

    def begin(self) -> None:
        self.found = self._ranks(0.0, 0)
        self.choose(1.0)
        self._look(0)

    def gradients(self, step: int) -> None:
        if step + 1 in self.updates and step + 1 < self.end:
            share = self.numbers["drop"] / 2 * (1 + math.cos(math.pi * (step + 1) / self.end))
            self.found = self._ranks(share, step)
            for site in self.sites:
                site.mask_gradient()

    def _update(self, step: int) -> None:
        if step in self.updates and 0 < step < self.end:
            self._zero()
            self.choose(1.0)
        self._look(step)
        if step == self.end:
            self.settle()

    def resumed(self, step: int) -> None:
        super().resumed(step)
        self._look(step)

    def scores(self) -> list[Scores]:
        return self.found

    def _look(self, step: int) -> None:
        """Gradients of zeroed blocks are needed in the step before an update, and only there."""
        for site in self.sites:
            site.mask.dense_gradient = step + 1 in self.updates and step + 1 < self.end

    def _zero(self) -> None:
        """A block that comes back begins at zero, wherever momentum moved it while it was masked."""
        for site in self.sites:
            site.original.data.masked_fill_(~site.elements(), 0.0)

    def _ranks(self, share: float, step: int) -> list[Scores]:
        """Scores that keep the strong blocks first, then those that come back, then what was kept and weak."""
        found = []
        strengths = _unit([as_scores(one) for one in self.norms()])
        comers = _unit([self.comers(one, (self.plan.seed, step, number)) for number, one in enumerate(self.sites)])
        for site, strength, coming in zip(self.sites, strengths, comers, strict=True):
            kept = site.mask.mask.cpu().numpy()
            leaving = np.zeros(kept.size, np.bool_)
            order = np.argsort(np.where(kept, strength, np.inf), axis=None, kind="stable")
            leaving[order[: int(share * kept.sum())]] = True
            stays = kept & ~leaving.reshape(kept.shape)
            found.append(np.where(stays, 4 + strength, np.where(kept, strength, 2 + coming)))
        return found

    def comers(self, site: Site, seed: tuple[int, int, int]) -> Scores:
        """Which zeroed blocks come back first; `seed` is the run's, the step's and the layer's number."""
        raise NotImplementedError


class RigL(Regrowth):
    """The blocks come back whose gradient is largest."""

    name = "rigl"
    reference = "U. Evci et al., Rigging the lottery: making all tickets winners, 2020"

    def comers(self, site: Site, seed: tuple[int, int, int]) -> Scores:
        return as_scores(site.view.means(site.gradient.square()).sqrt())


class SET(Regrowth):
    """The blocks that come back are drawn."""

    name = "set"
    reference = (
        "D. Mocanu et al., Scalable training of artificial neural networks with adaptive sparse connectivity, 2018"
    )

    def comers(self, site: Site, seed: tuple[int, int, int]) -> Scores:
        drawn: Scores = np.random.default_rng(seed).random(site.view.grid)
        return drawn


def _unit(layers: Sequence[Scores]) -> list[Scores]:
    """The same order within 0 to 1: of each layer's scores over their mean, as the layers are compared."""
    scaled = [one / max(float(one.mean()), 1e-30) for one in layers]
    most = max(1e-30, *(float(one.max()) for one in scaled))
    return [one / most for one in scaled]
