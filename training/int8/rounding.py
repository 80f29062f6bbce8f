"""The last part of a training: a few epochs in which weights and activations are rounded as on the array."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from training.data.sets import Splits
from training.data.transforms import Normalise
from training.int8.quantise import QatModel, prepare
from training.loop.checkpoint import digest
from training.loop.processes import Processes
from training.loop.recipe import Recipe
from training.loop.trainer import Outcome, Trainer, top1

FROZEN_FROM = 0.6
"""The share of the steps after which scales of activations and batch norms stay as they are."""


class Rounding(nn.Module):
    """A model in quantisation-aware training as the trainer takes one; it freezes its ranges after so many steps.

    The steps are a buffer, so that a run that goes on freezes them where one without a stop does.
    """

    steps: Tensor

    def __init__(self, qat: QatModel, freeze_after: int) -> None:
        super().__init__()
        self.qat, self.freeze_after, self.frozen = qat, freeze_after, False
        self.inner = qat.module
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            if not self.frozen and int(self.steps) >= self.freeze_after:
                self.qat.freeze_observers()
                self.qat.freeze_batch_norm()
                self.frozen = True
            self.steps += 1
        found: Tensor = self.inner(x)
        return found


@dataclass(frozen=True)
class Rounded:
    """The int8 model, and how it was come by."""

    model: GraphModule
    accuracy: float
    outcome: Outcome


def train_rounded(
    model: nn.Module,
    masks: Mapping[str, Tensor],
    splits: Splits,
    normalise: Normalise,
    recipe: Recipe,
    folder: Path | None = None,
    where: Processes | None = None,
    say: Callable[[str], None] = lambda _: None,
    finish: Callable[[GraphModule], None] = lambda _: None,
) -> Rounded:
    """Train a sparse model, whose masks are squashed, with rounding, its zeros held; the model stays as it is.

    `finish` changes the int8 model before it is measured.
    """
    where = where or Processes()
    pixels, _ = splits.train.batch([0, 1])
    qat = prepare(model.cpu(), (normalise(torch.from_numpy(pixels)),), masks)
    steps = recipe.epochs * (len(splits.train) // (recipe.batch * where.world))
    wrapped = Rounding(qat, round(FROZEN_FROM * steps))
    trainer = Trainer(
        wrapped, splits, normalise, recipe, folder, where=where, say=say, on_optimizer=qat.hold,
        began=digest(model)
    )  # fmt: skip
    outcome = trainer.run()
    wrapped.cpu()
    converted = qat.convert()
    finish(converted)
    return Rounded(converted, top1(converted, splits.test, normalise, torch.device("cpu")), outcome)
