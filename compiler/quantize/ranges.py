"""What values the tensors of a float model take on samples: extremes and a histogram of each.

onnxruntime runs the model on one sample at a time with every tensor as an output.  What a sample gave is counted
and forgotten, so that memory grows with the number of tensors, not of samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from compiler.errors import Diagnostic, NodeLocation, UnreadableInput
from compiler.quantize.fold import computed, session
from compiler.quantize.network import Array, Network

BINS = 4096
"""Of a histogram, over a range whose ends are powers of two: at least 8 of them for each step of 8 bits."""

LEVELS = 128
"""Steps on one side of zero, which the entropy method compares with."""


class Method(Enum):
    """How a range is chosen from what was seen."""

    MINMAX = "minmax"
    ENTROPY = "entropy"
    PERCENTILE = "percentile"


@dataclass
class Seen:
    """The extremes of a tensor's values, and how often each was met, in bins from -2^exponent to 2^exponent."""

    low: float = 0.0
    high: float = 0.0
    exponent: int = -60
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))

    def add(self, values: NDArray[np.float32], *, counted: bool = True) -> None:
        """Take more values; counted ones go into bins, which become wider by factors of two where they must."""
        low, high = float(values.min()), float(values.max())
        self.low, self.high = min(self.low, low), max(self.high, high)
        if not counted:
            return
        reach = max(-low, high)
        while reach > 0 and 2.0**self.exponent < reach:
            self._widen(int(np.ceil(np.log2(reach))))
        scale = np.float32(BINS / 2.0 ** (self.exponent + 1))
        places = (values.ravel() * scale + np.float32(BINS // 2)).astype(np.int32)
        self.counts += np.bincount(np.clip(places, 0, BINS - 1), minlength=BINS)

    def _widen(self, exponent: int) -> None:
        exponent = max(exponent, self.exponent + 1)
        step = 1 << min(exponent - self.exponent, 12)
        merged = np.zeros(BINS, np.int64)
        # Bins are joined outwards from zero, so that no bin holds numbers of both signs.
        half = BINS // 2
        upper = np.add.reduceat(self.counts[half:], np.arange(0, half, min(step, half)))
        lower = np.add.reduceat(self.counts[:half][::-1], np.arange(0, half, min(step, half)))[::-1]
        merged[half : half + len(upper)] = upper
        merged[half - len(lower) : half] = lower
        self.counts, self.exponent = merged, exponent

    @property
    def centres(self) -> NDArray[np.float64]:
        """The middle of each bin."""
        return (np.arange(BINS, dtype=np.float64) - BINS / 2 + 0.5) * (2.0 ** (self.exponent + 1) / BINS)

    def clipped(self, low: float, high: float) -> tuple[float, float]:
        """A range, no wider than what was seen."""
        return max(self.low, min(low, 0.0)), min(self.high, max(high, 0.0))


def watch(
    model: onnx.ModelProto, tensors: Sequence[str], samples: Iterable[Mapping[str, Array]], *, counted: bool = True
) -> dict[str, Seen]:
    """Run the model on every sample and note what the tensors hold: extremes, and if `counted` a histogram."""
    network = Network(model)
    seen = {name: Seen() for name in tensors}
    given = [one.name for one in model.graph.input if one.name in seen]
    watched = [name for name in tensors if name not in given]
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    del copy.graph.output[:]
    for name in watched:
        copy.graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    runner = session(copy)
    for number, feeds in enumerate(samples):
        values = dict(zip(watched, computed(runner, watched, feeds), strict=True))
        values.update({name: feeds[name] for name in given})
        for name, array in values.items():
            if not np.isfinite(array).all():
                raise _not_finite(network, name, number)
            seen[name].add(np.asarray(array, np.float32), counted=counted)
    return seen


def _not_finite(network: Network, name: str, number: int) -> UnreadableInput:
    maker = network.makers.get(name)
    place = NodeLocation(maker.name, maker.op_type) if maker is not None else ""
    for stored in maker.input if maker is not None else ():
        array = network.constant(stored)
        if array is not None and array.dtype.kind == "f" and not np.isfinite(array).all():
            index = tuple(int(one) for one in np.argwhere(~np.isfinite(array))[0])
            text = f"tensor '{name}' is not finite: constant '{stored}' holds {array[index]} at {list(index)}"
            help = "export the model anew: its weights are damaged, or overflow where factors are folded into them"
            return UnreadableInput(Diagnostic("calibration-values", text, place, help=help))
    text = f"tensor '{name}' is not finite on calibration sample {number}"
    help = "take real samples (--calibration), and look at what is done to images: --scale, --mean and --std"
    return UnreadableInput(Diagnostic("calibration-values", text, place, help=help))


def chosen_range(seen: Seen, method: Method, percentile: float) -> tuple[float, float]:
    """The range of values, which holds zero, that 8 bits shall stand for."""
    if method is Method.MINMAX or seen.low == seen.high:
        return seen.low, seen.high
    if method is Method.PERCENTILE:
        return _percentile(seen, percentile)
    reach = _entropy(seen)
    return seen.clipped(-reach, reach)


def _percentile(seen: Seen, percentile: float) -> tuple[float, float]:
    """The range of so many of 100 values, with as many of the others below it as above."""
    width = 2.0 ** (seen.exponent + 1) / BINS
    share = np.cumsum(seen.counts) / seen.counts.sum()
    cut = (100.0 - percentile) / 200.0
    first, last = int(np.searchsorted(share, cut)), int(np.searchsorted(share, 1.0 - cut))
    edges = (first - BINS / 2) * width, (min(last, BINS - 1) + 1 - BINS / 2) * width
    return seen.clipped(*edges)


def _entropy(seen: Seen) -> float:
    """The threshold at which the clipped values, in 128 steps, lose least against the values themselves.

    The loss is the Kullback-Leibler divergence (S. Migacz, "8-bit inference with TensorRT", GTC 2017): values beyond
    the threshold are counted at it on one side only, so that clipping costs.
    """
    half = BINS // 2
    sizes = (seen.counts[half:] + seen.counts[:half][::-1]).astype(np.float64)
    sizes[0] = 0.0  # zeros, mostly of ReLU, are exact at any threshold and would drown the rest
    used = int(np.flatnonzero(sizes)[-1]) + 1 if sizes.any() else 0
    width = 2.0 ** (seen.exponent + 1) / BINS
    total = sizes.sum()
    beyond = total - np.cumsum(sizes)
    best, loss = used, np.inf
    for count in range(LEVELS, used + 1, 4):
        inside = sizes[:count]
        real = inside.copy()
        real[-1] += beyond[count - 1]
        starts = np.arange(LEVELS) * count // LEVELS
        filled = np.add.reduceat((inside > 0).astype(np.float64), starts)
        mean = np.add.reduceat(inside, starts) / np.maximum(filled, 1.0)
        coarse = np.repeat(mean, np.diff(np.append(starts, count))) * (inside > 0)
        found = _divergence(real, coarse)
        if found < loss:
            best, loss = count, found
    return best * width


def _divergence(real: NDArray[np.float64], coarse: NDArray[np.float64]) -> float:
    """How far `coarse` is from `real` as distributions; a little is added where one has none."""
    total, other = real.sum(), coarse.sum()
    if not total or not other:
        return float("inf")
    p, q = real / total + 1e-9, coarse / other + 1e-9
    return float((p * np.log(p / q)).sum())
