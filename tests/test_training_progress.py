"""What a long training says of itself, and what two settings differ in."""

from __future__ import annotations

import time

import pytest

from training.choose import Budget
from training.loop import checkpoint
from training.loop.progress import EVERY, Progress, duration
from training.loop.recipe import Recipe
from training.schedule import LearningRate
from training.sparsifier import Settings


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1.0 min"), (204, "3.4 min"), (3599, "60.0 min"), (7500, "2 h 05 min")],
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_lines_come_now_and_then_with_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now, lines = [100.0], list[str]()
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    progress = Progress(lines.append, 10, 50)
    for step in range(11, 51):
        now[0] += EVERY / 4
        progress.step(step, 0.5)
    # Four steps in EVERY seconds: 36 are left after the first line. None after the last step, which ends an epoch.
    assert lines[0] == f"  step 14 of 50: loss 0.5000, {duration(9 * EVERY)} left"
    assert len(lines) == 9 and lines[-1].startswith("  step 46 of 50")
    progress.line("epoch 5/5", 50)
    assert lines[-1] == "epoch 5/5"


def test_settings_that_differ() -> None:
    one, other = Recipe(), Recipe(lr=0.2, rate=LearningRate(warmup=9))
    assert checkpoint.differences(repr(one), repr(other)) == ("lr is 0.2, was 0.1", "rate.warmup is 9, was 0")
    ratios = Settings(budget=Budget((0.25, 0.5)))
    found = checkpoint.differences(repr(Settings()), repr(ratios))
    assert found == ("budget.ratio is (0.25, 0.5), was 0.5",)
    assert checkpoint.differences("a, 3 images", "b, 4 images") == ("it is b, 4 images, was a, 3 images",)
    many = checkpoint.differences("x", "y" * 300)
    assert len(many[0]) < 150 and many[0].endswith("..., was x")
