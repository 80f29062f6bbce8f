"""From a trained network to an array: ONNX, int8, a plan, and what these are worth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import bscc
from compiler.prepare import Preparation, quantise_file
from compiler.quantize.accuracy import compare
from training.data.sets import LabelledImages, Splits
from training.data.transforms import Normalise
from training.export import to_onnx

CALIBRATION = 200
"""Training images that ranges of activations are taken from."""
SIMULATED = 8
"""Test images that run through the simulated array, too."""


@dataclass(frozen=True)
class Deployed:
    """Accuracy, 0 to 1, of the float and the int8 model by onnxruntime on all test images; predicted microseconds.

    `zero_blocks` are counted in the int8 file, of `blocks`, per kernel tap.  Of `SIMULATED` images the simulated array
    gave onnxruntime's class for `agree`.
    """

    float_accuracy: float
    int8_accuracy: float
    time_us: float
    blocks: int
    zero_blocks: int
    agree: int


def deploy(model: nn.Module, splits: Splits, normalise: Normalise, folder: Path, target: str) -> Deployed:
    """Write `float.onnx`, `int8.onnx` and `plan/` into the folder, from a network with plain weights."""
    folder.mkdir(parents=True, exist_ok=True)
    source, calibration, evaluation = (folder / name for name in ("float.onnx", "calibration.npz", "evaluation.npz"))
    to_onnx(model, (torch.zeros(1, *splits.train.shape),), source)
    images, _ = numbers(splits.train, normalise, np.linspace(0, len(splits.train) - 1, CALIBRATION).astype(np.int64))
    np.savez(calibration, images=images)
    images, labels = numbers(splits.test, normalise, np.arange(len(splits.test)))
    np.savez(evaluation, images=images, labels=labels)
    asked = Preparation(str(calibration), CALIBRATION)
    compared = Preparation(str(evaluation), len(labels))
    quantised, _, samples = quantise_file(source, {}, asked, compared=compared)
    found = compare(quantised.source, quantised.model, samples)
    assert found.score is not None
    (folder / "int8.onnx").write_bytes(quantised.model.SerializeToString(deterministic=True))
    evaluation.unlink()
    plan, summary = bscc.compile(
        folder / "int8.onnx", folder / "plan", bscc.Options(target=target, compare_dense=False)
    )
    blocks, _, zero_blocks = quantised.blocks
    return Deployed(
        found.score.float_top1 / found.samples,
        found.score.int8_top1 / found.samples,
        float(summary["time_us"]),
        blocks,
        zero_blocks,
        _agree(plan, folder / "int8.onnx", images[:SIMULATED]),
    )


def numbers(
    images: LabelledImages, normalise: Normalise, places: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Images as the network takes them, [N, 1, C, H, W] as samples of one, and their labels."""
    pixels, labels = images.batch(places)
    return normalise(torch.from_numpy(pixels)).numpy()[:, None], labels


def _agree(plan: bscc.Plan, int8: Path, images: NDArray[np.float32]) -> int:
    """Of how many images the simulated array and onnxruntime name the same class."""
    from onnxruntime import InferenceSession

    reference = InferenceSession(int8)
    name = reference.get_inputs()[0].name
    array = bscc.Session(plan)
    return sum(
        int(np.argmax(array.run(None, {name: one})[0]) == np.argmax(reference.run(None, {name: one})[0]))
        for one in images
    )
