"""Float against int8, both by onnxruntime without optimisations: who is right, how often they agree, how far apart."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from compiler.errors import Diagnostic, UsageError
from compiler.quantize.fold import computed, session
from compiler.quantize.network import Array
from compiler.quantize.samples import Samples

TOP = 5


@dataclass
class Score:
    """What a classifier's answers were worth: counts of samples."""

    agree: int = 0
    float_top1: int = 0
    int8_top1: int = 0
    float_top5: int = 0
    int8_top5: int = 0


@dataclass(frozen=True)
class Accuracy:
    """The comparison; `score` is of the first output that holds one number for each class, if there is one."""

    samples: int
    labelled: bool
    note: str
    score: Score | None
    sqnr: Mapping[str, float]

    def json(self) -> dict[str, Any]:
        """As `--json` has it; SQNR in dB, none where the outputs are equal."""
        found: dict[str, Any] = {
            "samples": self.samples,
            "sqnr_db": {name: None if math.isinf(one) else one for name, one in self.sqnr.items()},
        }
        if self.note:
            found["note"] = self.note
        if self.score is not None:
            found["agree_top1"] = self.score.agree / self.samples
        if self.score is not None and self.labelled:
            found["float"] = {
                "top1": self.score.float_top1 / self.samples,
                "top5": self.score.float_top5 / self.samples,
            }
            found["int8"] = {"top1": self.score.int8_top1 / self.samples, "top5": self.score.int8_top5 / self.samples}
        return found


def compare(source: onnx.ModelProto, result: onnx.ModelProto, samples: Samples) -> Accuracy:
    """Run both models on every sample."""
    float_run, int8_run = session(source), session(result)
    names = [one.name for one in source.graph.output]
    signal, noise = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
    scores: dict[str, Score] = {}
    labels, note = samples.labels, ""
    for index, feeds in enumerate(samples):
        pairs = zip(computed(float_run, names, feeds), computed(int8_run, names, feeds), strict=True)
        for name, (a, b) in zip(names, pairs, strict=True):
            signal[name] += float(np.square(a, dtype=np.float64).sum())
            noise[name] += float(np.square(a.astype(np.float64) - b).sum())
            if a.size > 1 and max(a.shape) == a.size and (name in scores or not scores):
                if labels is not None and samples.folders not in (0, a.size):
                    labels = None
                    note = f"folders are no classes of the model: there are {samples.folders}, it has {a.size}"
                label = None if labels is None else int(labels[index])
                if label is not None and not 0 <= label < a.size:
                    what = f"a sample is labelled {label}, the model has {a.size} classes"
                    raise UsageError(Diagnostic("labels", what, samples.place, help="classes count from 0"))
                _count(scores.setdefault(name, Score()), a.ravel(), b.ravel(), label)
    sqnr = {name: _decibels(signal[name], noise[name]) for name in names}
    score = next(iter(scores.values()), None)
    return Accuracy(samples.count, labels is not None, note, score, sqnr)


def _count(score: Score, a: Array, b: Array, label: int | None) -> None:
    first, second = (np.argsort(-one, kind="stable")[:TOP] for one in (a, b))
    score.agree += int(first[0] == second[0])
    if label is None:
        return
    score.float_top1 += int(first[0] == label)
    score.int8_top1 += int(second[0] == label)
    score.float_top5 += int(label in first)
    score.int8_top5 += int(label in second)


def _decibels(signal: float, noise: float) -> float:
    """The ratio of signal to quantisation noise; infinite for equal outputs."""
    if not noise:
        return math.inf
    return 10.0 * math.log10(signal / noise) if signal else -math.inf
