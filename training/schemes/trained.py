"""What schemes share whose blocks have numbers that the optimiser trains beside the weights."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from training.schemes.base import Plan, Scheme, Site


class Trained(Scheme):
    """A scheme with a trained number for each block, which moves `rate` times as far as the optimiser moves it.

    The step itself is multiplied and not the gradient: optimisers like Adam do not see how large a gradient is.  Once
    masks are final the numbers rest, and stay part of the model's graph: DDP waits for a gradient of each parameter.
    """

    options: ClassVar[Mapping[str, float]] = {"rate": 10.0}

    def __init__(self, sites: Sequence[Site], plan: Plan) -> None:
        super().__init__(sites, plan)
        self.over = False
        self.before: list[Tensor] = []

    @abstractmethod
    def trained(self) -> list[nn.Parameter]:
        """The numbers of each layer, in the grid's shape."""

    def gradients(self, step: int) -> None:
        if self.over:
            for one in self.trained():
                one.grad = None
        self.before = [] if self.over else [one.detach().clone() for one in self.trained()]

    def stepped(self, step: int) -> None:
        with torch.no_grad():
            for one, before in zip(self.trained(), self.before, strict=False):
                one.add_(one - before, alpha=self.numbers["rate"] - 1)
        self.before = []
        super().stepped(step)

    def settle(self) -> None:
        super().settle()
        self.over = True
