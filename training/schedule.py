"""How the share of zeroed blocks grows, and how the learning rate falls; both are functions of progress, 0 to 1."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from compiler.errors import Diagnostic, UsageError, nearest


class Growth(Enum):
    """How the zeroed share grows: at once, evenly, or fast first.

    CUBIC is of M. Zhu, S. Gupta, "To prune, or not to prune", 2017.
    """

    ONCE = "once"
    LINEAR = "linear"
    CUBIC = "cubic"


@dataclass(frozen=True)
class Ramp:
    """The zeroed share's way to its target: it grows from `begin` to `end`, shares of all steps, in `updates` steps."""

    growth: Growth = Growth.CUBIC
    begin: float = 0.0
    end: float = 0.6
    updates: int = 30

    def __post_init__(self) -> None:
        if not (0.0 <= self.begin <= self.end <= 1.0):
            text = f"a ramp from {self.begin:g} to {self.end:g} of the steps is none"
            raise UsageError(Diagnostic("prune-ramp", text, help="give two shares of the training, 0 to 1"))
        if self.updates < 1:
            text = f"{self.updates} changes of the mask are none"
            raise UsageError(Diagnostic("prune-ramp", text, help="give a number above 0"))

    def update_steps(self, total: int) -> dict[int, float]:
        """At which of `total` steps (0 is before the first) the mask changes, and to which share of its target."""
        first, last = round(self.begin * total), round(self.end * total)
        if self.growth is Growth.ONCE or last == first:
            return {first: 1.0}
        number = min(self.updates, last - first)
        found: dict[int, float] = {}
        for index in range(1, number + 1):
            way = index / number
            found[first + round(way * (last - first))] = way if self.growth is Growth.LINEAR else 1 - (1 - way) ** 3
        return found


RATES: dict[str, Callable[[float], float]] = {
    "constant": lambda way: 1.0,
    "cosine": lambda way: 0.5 * (1 + math.cos(math.pi * way)),
    "linear": lambda way: 1 - way,
}
"""Factors of the learning rate by the share of the training that is done."""


@dataclass(frozen=True)
class LearningRate:
    """A factor for each step: a warm-up, then one of RATES.

    `rewound` is where of the original schedule the training begins, as a share: 0 repeats it from its peak (A. Renda et
    al., "Comparing rewinding and fine-tuning in neural network pruning", 2020), 0.5 takes its second half.
    """

    shape: str = "cosine"
    warmup: int = 0
    rewound: float = 0.0

    def __post_init__(self) -> None:
        if self.shape not in RATES:
            text = f"there is no schedule '{self.shape}' of the learning rate"
            raise UsageError(Diagnostic("train-rate", text, help=nearest(self.shape, RATES)))
        if self.warmup < 0:
            raise UsageError(Diagnostic("train-rate", f"a warm-up of {self.warmup} steps is none"))
        if not 0.0 <= self.rewound < 1.0:
            text = f"{self.rewound:g} is no place in the schedule of the learning rate to begin at"
            raise UsageError(Diagnostic("train-rate", text, help="give a share from 0 up to, not including, 1"))

    def factor(self, step: int, total: int) -> float:
        """The factor of step `step` of `total`, from 0."""
        if step < self.warmup:
            return (step + 1) / (self.warmup + 1)
        way = (step - self.warmup) / max(1, total - self.warmup)
        return RATES[self.shape](self.rewound + (1 - self.rewound) * way)
