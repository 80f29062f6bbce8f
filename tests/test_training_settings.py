"""Numbers of a training: schedules, recipes, what a sparsifier is asked for; mistakes are told before anything runs."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch.optim import SGD

from compiler.errors import UsageError
from tests.training_nets import small
from training.loop.recipe import Recipe
from training.masks import masks_of
from training.schedule import Growth, LearningRate, Ramp
from training.sparsifier import BlockSparsifier

torch.set_num_threads(1)


def test_schedules_of_the_learning_rate() -> None:
    cosine = [LearningRate().factor(step, 100) for step in range(100)]
    assert cosine == sorted(cosine, reverse=True) and cosine[0] == 1 and cosine[50] == pytest.approx(0.5)
    assert [LearningRate("constant").factor(step, 9) for step in range(9)] == [1] * 9
    assert [LearningRate("linear").factor(step, 4) for step in range(4)] == [1, 0.75, 0.5, 0.25]
    warm = [LearningRate("cosine", warmup=4).factor(step, 104) for step in range(104)]
    assert warm[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0]) and warm[4:] == pytest.approx(cosine)
    # The second half of the schedule, in as many steps.
    half = [LearningRate(rewound=0.5).factor(step, 50) for step in range(50)]
    assert half == pytest.approx(cosine[50:])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rate": ("cosin",)}, "did you mean 'cosine'"),
        ({"rate": ("cosine", -1)}, "warm-up of -1"),
        ({"rate": ("cosine", 0, 1.0)}, "1 is no place"),
        ({"precision": "bf61"}, "did you mean 'bf16'"),
        ({"clip": -1.0}, "clip is -1"),
        ({"clip": math.nan}, "clip is nan"),
        ({"lr": 0.0}, "lr is 0"),
        ({"lr": math.inf}, "lr is inf"),
        ({"epochs": 0}, "epochs is 0"),
        ({"batch": 0}, "batch is 0"),
        ({"momentum": 1.5}, "momentum is 1.5"),
        ({"weight_decay": -1e-4}, "weight_decay is -0.0001"),
        ({"label_smoothing": math.nan}, "label_smoothing is nan"),
        ({"seed": -1}, "seed is -1"),
        ({"log_every": 0}, "log_every is 0"),
    ],
)
def test_recipes_that_are_none(change: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        rate = change.pop("rate", None)
        Recipe(**change, **({"rate": LearningRate(*rate)} if rate else {}))  # type: ignore[arg-type, misc]
    assert Recipe()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BlockSparsifier("incremnetal"), "did you mean 'incremental'"),
        (lambda: BlockSparsifier(measure="fischer"), "did you mean 'fisher'"),
        (lambda: BlockSparsifier(scope="rows"), "did you mean 'row'"),
        (lambda: BlockSparsifier("gates", rat=1.0), "did you mean 'rate'"),
        (lambda: BlockSparsifier("admm", rho=0.0), "'rho' of scheme 'admm' is 0, expected a number above 0"),
        (lambda: BlockSparsifier("rigl", drop=float("nan")), "'drop' of scheme 'rigl' is nan"),
        (lambda: BlockSparsifier().zeros(), "prepare was not called"),
        (lambda: BlockSparsifier().prepare(small(), 0), "0 steps"),
        (lambda: BlockSparsifier(ratio=0.9).prepare(small(), 9), r"27 of 30 blocks of layer '2' .* 24 can be"),
        (lambda: BlockSparsifier(ratio=(0.5,)).prepare(small(), 9), "1 ratios were given for 2 layers"),
        (lambda: Ramp(Growth.CUBIC, 0.5, 0.4), "prune-ramp"),
        (lambda: Ramp(updates=0), "prune-ramp"),
    ],
)
def test_mistakes(make: Callable[[], object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


def test_a_model_that_is_refused_stays_as_it_was() -> None:
    model = small()
    with pytest.raises(UsageError):
        BlockSparsifier(ratio=0.9).prepare(model, 9)
    assert not list(masks_of(model))


def test_a_training_that_ends_early_is_told() -> None:
    sparsifier = BlockSparsifier("incremental", 0.5)
    sparsifier.prepare(small(), 100, torch.zeros(1, 4))
    with pytest.raises(
        UsageError, match=r"0 blocks are zero after step 0, 33 should be(?s:.*)after step 60; was `attach`"
    ):
        sparsifier.finish()


def test_an_optimiser_of_before_lacks_what_is_trained() -> None:
    model = small()
    early = SGD(model.parameters(), lr=0.1)
    sparsifier = BlockSparsifier("gates", 0.5)
    sparsifier.prepare(model, 100, torch.zeros(1, 4))
    with pytest.raises(UsageError, match=r"prune-optimizer(?s:.*)of layer '2'"):
        sparsifier.attach(early)
    sparsifier.attach(SGD(sparsifier.parameters(model, 0.0), lr=0.1))


@pytest.mark.parametrize("growth", list(Growth))
@pytest.mark.parametrize("total", [1, 2, 7, 100, 1001])
def test_ramps_end_at_the_whole_target(growth: Growth, total: int) -> None:
    for begin, end in ((0, 0), (0, 1), (0.2, 0.6), (1, 1), (0.3, 0.31)):
        steps = Ramp(growth, begin, end, 10).update_steps(total)
        shares = [steps[step] for step in sorted(steps)]
        assert shares == sorted(shares) and shares[-1] == 1.0 and 1 <= len(steps) <= 10
        assert all(0 <= step <= total for step in steps)
