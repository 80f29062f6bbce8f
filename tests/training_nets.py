"""Small networks and image sets for the tests of training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from training.data.sets import Arrays, Splits
from training.data.transforms import Normalise
from training.loop.recipe import Recipe
from training.loop.trainer import Trainer
from training.sparsifier import BlockSparsifier

CLASSES = ("horizontal", "vertical", "dark", "checked")
NORMALISE = Normalise((0.5,), (0.25,))


class Residual(nn.Module):
    """An addition around a 1x1, and channel counts that 8 does not divide: 20 and 44."""

    def __init__(self, channels: int = 1, classes: int = len(CLASSES)) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, 20, 3, 2, 1, bias=False)
        self.bn = nn.BatchNorm2d(20)
        self.conv1 = nn.Conv2d(20, 44, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(44)
        self.conv2 = nn.Conv2d(44, 44, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(44)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(44, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn(self.stem(x)))
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(self.bn2(self.conv2(x)) + x)
        return self.classifier(self.pool(x).flatten(1))  # type: ignore[no-any-return]


def residual(seed: int = 0) -> Residual:
    torch.manual_seed(seed)
    return Residual()


def small() -> nn.Module:
    """Two layers to prune of 40 x 44 and 44 x 44 numbers: fast enough for thousands of steps."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 40), nn.ReLU(), nn.Linear(40, 44), nn.ReLU(), nn.Linear(44, 44), nn.ReLU(),
                         nn.Linear(44, 4))  # fmt: skip


def patterns(count: int, seed: int = 0, size: int = 8) -> Arrays:
    """Stripes, dark squares and checks under noise: any network learns to tell them apart."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % len(CLASSES)
    lines = np.arange(size) % 4 < 2
    kinds = np.stack([
        np.broadcast_to(lines[:, None], (size, size)), np.broadcast_to(lines, (size, size)),
        np.zeros((size, size), np.bool_), lines[:, None] ^ lines,
    ])  # fmt: skip
    images = kinds[labels] * 120 + rng.integers(0, 100, (count, size, size))
    return Arrays(images[:, None].astype(np.uint8), labels.astype(np.int64), CLASSES)


def splits(train: int = 64, test: int = 32) -> Splits:
    return Splits(patterns(train), patterns(test, 1), "patterns")


def trainer(folder: Path | None = None, sparsifier: BlockSparsifier | None = None, *, seed: int = 0,
            data: Splits | None = None, teacher: nn.Module | None = None, model: nn.Module | None = None,
            **recipe: object) -> Trainer:  # fmt: skip
    """A trainer of a fresh network, 4 steps an epoch unless told otherwise."""
    settings: dict[str, object] = {"epochs": 3, "batch": 16, "lr": 0.05, "padding": 1, "log_every": 1, **recipe}
    return Trainer(model or residual(seed), data or splits(), NORMALISE, Recipe(**settings),  # type: ignore[arg-type]
                   folder, sparsifier, teacher)  # fmt: skip
