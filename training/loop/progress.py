"""How far a training is, and how long it will take: said now and then, and never decided by."""

from __future__ import annotations

import time
from collections.abc import Callable

EVERY = 30.0
"""Seconds between two lines within an epoch."""


class Progress:
    """Of a run that begins, or goes on, after step `start` of `total`; evaluation counts as the rest does."""

    def __init__(self, say: Callable[[str], None], start: int, total: int) -> None:
        self.say, self.start, self.total = say, start, total
        self.began = self.said = time.perf_counter()

    def step(self, step: int, loss: float) -> None:
        """After a step: a line, if there was none for a while."""
        if step < self.total and time.perf_counter() - self.said >= EVERY:
            self.line(f"  step {step:,} of {self.total:,}: loss {loss:.4f}", step)

    def line(self, text: str, step: int) -> None:
        """A line, with the time that is left."""
        self.said = time.perf_counter()
        left = (self.said - self.began) / max(1, step - self.start) * (self.total - step)
        self.say(f"{text}, {duration(left)} left" if step < self.total else text)


def duration(seconds: float) -> str:
    """As one says it: 12 s, 3.4 min, 2 h 05 min."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.1f} min"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min"
