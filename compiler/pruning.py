"""Which blocks of a network to zero: their scores, and the choice of the weakest.

Weights are [O, KH, KW, I] as in `compiler.blocks`.  What is chosen is either one 8x8 block of one kernel tap, or
the 8x8 blocks of all taps at once, the paper's block (D'Alberto et al., "Weight Block Sparsity", 2024, section 3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from compiler.blocks import nonzero_blocks, split_blocks
from compiler.errors import Diagnostic, UsageError, nearest

Scores = NDArray[np.float64]
Chosen = NDArray[np.bool_]


class Scheme(Enum):
    """What makes a block weak: small weights, small squares, weights that are all alike, or nothing (a seeded draw)."""

    L1 = "l1"
    L2 = "l2"
    VARIANCE = "variance"
    RANDOM = "random"


@dataclass(frozen=True)
class Prune:
    """What to zero: `ratio` of all blocks, 0 to 1, that is of the network's or of each layer's."""

    ratio: float
    scheme: Scheme = Scheme.L1
    all_taps: bool = True
    per_layer: bool = False
    seed: int = 0

    @property
    def block(self) -> str:
        """What is zeroed at once: 8x8 weights of all kernel taps, or of one."""
        return "8x8xK" if self.all_taps else "8x8"

    def __post_init__(self) -> None:
        if not isinstance(self.scheme, Scheme):
            words = [one.value for one in Scheme]
            if self.scheme not in words:
                text = f"there is no scheme '{self.scheme}'"
                raise UsageError(Diagnostic("prune-scheme", text, help=nearest(str(self.scheme), words)))
            object.__setattr__(self, "scheme", Scheme(self.scheme))
        if not (math.isfinite(self.ratio) and 0.0 <= self.ratio < 1.0):
            text = f"{self.ratio:g} of the blocks cannot be zeroed"
            raise UsageError(Diagnostic("prune-ratio", text, help="give a share from 0 up to, not including, 1"))


def block_scores(weight: NDArray[np.float32], prune: Prune, layer: int) -> Scores:
    """The score of each block: [O/8, I/8, KH, KW], or [O/8, I/8, 1, 1] of all taps at once; -1 where all is zero.

    Scores are means over the weights that a block really has, so that blocks of any size, and those that
    channel counts cut off, compare.  `layer` numbers the layers, for draws that differ between them.
    """
    parts = split_blocks(weight.astype(np.float64))
    present = split_blocks(np.ones(weight.shape, np.float64))
    axes = (2, 3, 4, 5) if prune.all_taps else (4, 5)
    count = present.sum(axis=axes, keepdims=True)
    match prune.scheme:
        case Scheme.L1:
            found = np.abs(parts).sum(axis=axes, keepdims=True) / count
        case Scheme.L2:
            found = np.sqrt((parts**2).sum(axis=axes, keepdims=True) / count)
        case Scheme.VARIANCE:
            mean = parts.sum(axis=axes, keepdims=True) / count
            found = (((parts - mean) * present) ** 2).sum(axis=axes, keepdims=True) / count
        case Scheme.RANDOM:
            found = np.random.default_rng((prune.seed, layer)).random(count.shape)
    alive = nonzero_blocks(weight)
    if prune.all_taps:
        alive = np.asarray(alive.any(axis=(2, 3), keepdims=True))
    return np.where(alive, found[..., 0, 0], -1.0)


def weakest(scores: Sequence[Scores], prune: Prune) -> list[Chosen]:
    """The blocks to zero in each layer, `round(ratio * blocks)` of them; of equal ones the first; never a whole layer.

    A block that is zero already is the weakest of all, so `ratio` is the share that is zero in the end.  Over the whole
    network scores count by the mean of their layer's: weights are the smaller, the more inputs a layer sums.
    """
    if prune.per_layer:
        return [_chosen([one], prune)[0] for one in scores]
    means = [float(one[one > 0].mean()) if (one > 0).any() else 1.0 for one in scores]
    return _chosen([np.where(one > 0, one / mean, one) for one, mean in zip(scores, means, strict=True)], prune)


def _chosen(scores: Sequence[Scores], prune: Prune) -> list[Chosen]:
    if not scores:
        return []
    flat = [one.ravel() for one in scores]
    # The strongest block of a layer is out of reach: a layer without weights would compute nothing.
    reach = [np.where(np.arange(one.size) == one.argmax(), np.inf, one) for one in flat]
    total = sum(one.size for one in flat)
    count = min(int(prune.ratio * total + 0.5), total - len(flat))
    order = np.argsort(np.concatenate(reach), kind="stable")[:count]
    chosen = np.zeros(total, np.bool_)
    chosen[order] = True
    bounds = np.cumsum([one.size for one in flat])[:-1]
    return [part.reshape(one.shape) for part, one in zip(np.split(chosen, bounds), scores, strict=True)]
