"""What each layer loses when a share of its blocks is zeroed, measured on images, one layer at a time."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.swa_utils import update_bn

from training.choose import Budget, Scope, kept_blocks
from training.data.sets import LabelledImages
from training.data.transforms import Normalise
from training.importance import as_scores, importance
from training.layers import Layer

CANDIDATES = tuple(one / 8 for one in range(8))
"""Ratios that are tried: a cost file's own densities."""

_BATCH = 128


def losses(
    model: nn.Module,
    layers: Sequence[Layer],
    images: LabelledImages,
    normalise: Normalise,
    *,
    candidates: Sequence[float] = CANDIDATES,
    measure: str = "l2",
    cover: bool = True,
    samples: int = 1024,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, list[float]]:
    """By how much the mean cross entropy of `samples` images grows with each candidate ratio; never less than before.

    Blocks go by the measure, or by l2 if it needs gradients of a training, which there is not yet.  Batch norms are
    estimated anew on the same images, as they would be after such a change.  The model stays as it is.
    """
    model = copy.deepcopy(model)
    device = next(model.parameters()).device
    count = min(samples, len(images))
    places = np.linspace(0, len(images) - 1, count).astype(np.int64)
    parts = []
    for start in range(0, count, _BATCH):
        pixels, labels = images.batch(places[start : start + _BATCH])
        parts.append((normalise(torch.from_numpy(pixels).to(device)), torch.from_numpy(labels).to(device)))
    dense = _loss(model, parts)
    named = dict(model.named_modules())
    found: dict[str, list[float]] = {}
    for layer in layers:
        weight = named[layer.name].weight
        assert isinstance(weight, Tensor)
        before = weight.detach().clone()
        ranking = importance(measure, layer.view)
        scores = as_scores((importance("l2", layer.view) if ranking.steps else ranking).scores(before))
        row = []
        for ratio in candidates:
            reachable = not cover or ratio <= most_ratio(layer)
            if ratio and reachable:
                (kept,) = kept_blocks([scores], Budget(ratio, Scope.LAYER, cover=cover))
                with torch.no_grad():
                    weight.copy_(torch.where(layer.view.expand(torch.from_numpy(kept).to(device)), before, 0.0))
            row.append((_loss(model, parts) - dense if ratio else 0.0) if reachable else math.inf)
        with torch.no_grad():
            weight.copy_(before)
        found[layer.name] = [float(one) for one in np.maximum.accumulate(row)]
        progress(f"{layer.name}: " + " ".join(f"{one:.3f}" for one in found[layer.name]))
    return found


def most_ratio(layer: Layer) -> float:
    """The largest share of a layer's blocks that leaves one in each row and column."""
    _, rows, columns, taps = layer.view.grid
    return 1.0 - max(rows, columns) / (rows * columns * taps)


def _loss(model: nn.Module, parts: Sequence[tuple[Tensor, Tensor]]) -> float:
    update_bn([x for x, _ in parts], model)
    model.eval()
    with torch.no_grad():
        sums = [float(cross_entropy(model(x), labels, reduction="sum")) for x, labels in parts]
    return sum(sums) / sum(len(labels) for _, labels in parts)
