"""Images of stripes in three classes, a small network for them as an ONNX file, and the command that trains it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from compiler.cli.sparsify import main
from training.export import to_onnx
from training.nets.vgg import VGG

SIDE = 8


def stripes(count: int, seed: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Images of stripes that lie, stand or slope: what a small network learns in a few steps."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    y, x = np.mgrid[:SIDE, :SIDE]
    shifts = rng.integers(0, 4, count)
    images = [(((y, x, x + y)[label] + shift) % 4 < 2) * 200 for label, shift in zip(labels, shifts, strict=True)]
    noisy = np.array(images)[:, None] + rng.integers(0, 56, (count, 1, SIDE, SIDE))
    return noisy.astype(np.uint8), labels.astype(np.int64)


def write(place: Path) -> Path:
    """`data.npz` and `dense.onnx` in a folder."""
    torch.set_num_threads(1)
    x_train, y_train = stripes(512, 0)
    x_test, y_test = stripes(96, 1)
    np.savez(place / "data.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    torch.manual_seed(0)
    export(VGG(1, 3, ((32, 32), (32,))), place / "dense.onnx")
    return place


def export(model: torch.nn.Module, path: Path) -> None:
    """As a file, for one image."""
    to_onnx(model, (torch.zeros(1, 1, SIDE, SIDE),), path)


def words(folder: Path, more: Sequence[str], output: str = "sparse.onnx", model: str = "dense.onnx") -> list[str]:
    """What follows `bscc-sparsify`."""
    usual = ["--data", str(folder / "data.npz"), "--epochs", "2", "--batch", "32", "--no-flip", "--padding", "0"]
    return [str(folder / model), *usual, "--threads", "1", "-o", str(folder / output), *more]


def called(folder: Path, *more: str, output: str = "sparse.onnx", model: str = "dense.onnx") -> int:
    """The command, in this process."""
    return main(words(folder, more, output, model))
