"""Scales and zero points: of activations from their ranges, of weights from their numbers.

Weights are symmetric, one scale for each output channel or one for all.  With powers of two a scale is the next
larger power of two or the one below it, whichever has the smaller sum of squared errors, and the output channels of a
block share theirs, so that bscc's results are onnxruntime's bit by bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compiler.blocks import BLOCK
from compiler.quantize.ranges import Method, Seen, chosen_range

WEIGHT_LIMIT = 127
MIN_SHARE = 2.0**-16
"""The least scale of a channel, as a share of its layer's largest: smaller weights change no result."""

MAX_BIAS = 2.0**30
"""The largest bias in steps, half of what int32 holds."""


@dataclass(frozen=True)
class Activations:
    """How activations are quantised."""

    signed: bool = False
    power_of_two: bool = False
    method: Method = Method.MINMAX
    percentile: float = 99.99

    @property
    def need_counts(self) -> bool:
        """Whether a histogram decides; extremes alone do otherwise."""
        return self.power_of_two or self.method is not Method.MINMAX

    @property
    def limits(self) -> tuple[int, int]:
        return (-128, 127) if self.signed else (0, 255)


@dataclass(frozen=True)
class Step:
    """A scale and a zero point of activations."""

    scale: float
    zero: int


def of_activation(seen: Seen, how: Activations) -> Step:
    """The step of a tensor; with powers of two the zero point is 0 or, of uint8 with negative values, 128."""
    low, high = chosen_range(seen, how.method, how.percentile)
    least, most = how.limits
    if low == high:
        return Step(1.0, 0 if how.signed or how.power_of_two else least)
    if not how.power_of_two:
        scale = float(np.float32((high - low) / (most - least)))
        return Step(scale, int(np.clip(round(least - low / scale), least, most))) if scale > 0 else Step(1.0, least)
    zero = 0 if how.signed or low >= 0 else 128
    needed = max(high / (most - zero), -low / (zero - least) if zero > least else 0.0)
    above = math.ceil(math.log2(needed))
    losses = [_loss(seen, 2.0**exponent, zero, how.limits) for exponent in (above, above - 1)]
    return Step(2.0 ** (above - int(losses[1] < losses[0])), zero)


def _loss(seen: Seen, scale: float, zero: int, limits: tuple[int, int]) -> float:
    """The sum of squared errors of what was seen."""
    values = seen.centres
    steps = np.clip(np.rint(values / scale) + zero, *limits) - zero
    return float((seen.counts * (values - steps * scale) ** 2).sum())


def of_weights(
    weight: NDArray[np.float32], bias: NDArray[np.float32] | None, x_scale: float, per_channel: bool, power_of_two: bool
) -> NDArray[np.float32]:
    """The scales of weights [O, ...]: [O], or [1] of all channels.

    A channel of zeros gets the largest scale of its layer: its bias is quantised by it, and would else be lost.
    """
    rows = np.abs(weight.reshape(len(weight), -1).astype(np.float64))
    largest = rows.max(axis=1, initial=0.0)
    floor = np.zeros(len(rows)) if bias is None else np.abs(bias.astype(np.float64)) / (x_scale * MAX_BIAS)
    if not per_channel:
        largest, floor = largest.max(keepdims=True), floor.max(keepdims=True)
    top = float(largest.max()) or float(WEIGHT_LIMIT)
    needed = np.where(largest > 0, np.maximum(largest, top * MIN_SHARE), top) / WEIGHT_LIMIT
    if not power_of_two:
        return np.maximum(needed, floor).astype(np.float32)
    return np.exp2(_exponents(weight.reshape(len(weight), -1).astype(np.float64), needed, floor)).astype(np.float32)


def _exponents(rows: NDArray[np.float64], needed: NDArray[np.float64], floor: NDArray[np.float64]) -> NDArray[np.int64]:
    """For each channel, or for all, the exponent with the smaller error; blocks of channels have one."""
    found = np.zeros(len(needed), np.int64)
    size = BLOCK if len(needed) > 1 else 1
    for first in range(0, len(needed), size):
        part = slice(first, first + size)
        block = rows[part] if len(needed) > 1 else rows
        above = math.ceil(math.log2(max(float(needed[part].max()), float(floor[part].max()))))
        choices = [above, above - 1] if 2.0 ** (above - 1) >= floor[part].max() else [above]
        losses = []
        for exponent in choices:
            steps = np.clip(np.rint(block / 2.0**exponent), -WEIGHT_LIMIT, WEIGHT_LIMIT)
            losses.append(float(((block - steps * 2.0**exponent) ** 2).sum()))
        found[part] = choices[int(np.argmin(losses))]
    return found
