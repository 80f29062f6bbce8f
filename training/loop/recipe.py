"""How a model is trained: the numbers of a run, checked once."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

from compiler.errors import Diagnostic, UsageError, nearest
from training.schedule import LearningRate

Precision = Literal["fp32", "bf16", "fp16"]
MOST_SEED = 2**63 - 1
"""The largest that PyTorch's generators start from."""


@dataclass(frozen=True)
class Recipe:
    """Stochastic gradient descent with Nesterov momentum; `batch` images a step and process.

    `distill` is the share of the loss that comes from the teacher's softened outputs (G. Hinton et al., "Distilling the
    knowledge in a neural network", 2015).  Where masks changed, batch norms are estimated anew on `bn_batches` batches
    before the model is evaluated.  There is a checkpoint after each epoch, and with `checkpoint_every` after each so
    many steps.
    """

    epochs: int = 10
    batch: int = 128
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    rate: LearningRate = field(default_factory=LearningRate)
    label_smoothing: float = 0.0
    clip: float = 0.0
    distill: float = 0.0
    temperature: float = 4.0
    bn_batches: int = 4
    padding: int = 4
    flip: bool = True
    precision: Precision = "fp32"
    seed: int = 0
    checkpoint_every: int = 0
    log_every: int = 50

    def __post_init__(self) -> None:
        least = {
            "epochs": 1,
            "batch": 1,
            "bn_batches": 0,
            "padding": 0,
            "seed": 0,
            "checkpoint_every": 0,
            "log_every": 1,
        }
        for name, low in least.items():
            if getattr(self, name) < low:
                raise _wrong(name, getattr(self, name), f"{low} or more")
        for name, high in {"momentum": 1.0, "distill": 1.0, "label_smoothing": 1.0, "weight_decay": math.inf}.items():
            value = getattr(self, name)
            if not 0.0 <= value <= high or math.isinf(value):
                raise _wrong(name, value, f"0 to {high:g}")
        if not (math.isfinite(self.clip) and self.clip >= 0):
            raise _wrong("clip", self.clip, "0 (gradients are not clipped) or a number above")
        if self.precision not in get_args(Precision):
            text = f"there is no precision '{self.precision}'"
            raise UsageError(Diagnostic("recipe", text, help=nearest(self.precision, get_args(Precision))))
        if self.seed > MOST_SEED:
            raise _wrong("seed", self.seed, f"0 to {MOST_SEED}")
        for name in ("lr", "temperature"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise _wrong(name, value, "a number above 0")


def _wrong(name: str, value: object, expected: str) -> UsageError:
    return UsageError(Diagnostic("recipe", f"{name} is {value}, expected {expected}"))
