"""A float network becomes an int8 one: by bscc's quantiser, and by onnxruntime's own as a second opinion."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import quantize_static

from benchmarks.corpus.convert import whole
from benchmarks.corpus.fetch import Failure
from benchmarks.corpus.samples import Array
from benchmarks.models import Images
from compiler.prepare import Preparation, quantise_file


def input_of(path: Path) -> str:
    """The name of the one input that is no weight."""
    graph = onnx.load(path, load_external_data=False).graph
    stored = {one.name for one in graph.initializer}
    found = [one.name for one in graph.input if one.name not in stored]
    if len(found) != 1:
        raise Failure(f"the model has {len(found)} inputs, expected one")
    return str(found[0])


def int8_of(source: Path, shape: Sequence[int], samples: Sequence[Array], ours: Path, theirs: Path | None) -> None:
    """Write the QDQ model of `compiler.quantize` with its defaults, and if it is asked what onnxruntime makes.

    Both have the shape of one sample, and ranges by the same samples.
    """
    if ours.exists() and (theirs is None or theirs.exists()):
        return
    name = input_of(source)
    with tempfile.TemporaryDirectory() as beside:
        data = Path(beside) / "samples.npy"
        np.save(data, np.concatenate(samples))
        asked = Preparation(calibration=str(data))
        made, _, _ = quantise_file(source, {name: tuple(shape)}, asked)
        if theirs is not None:
            onnx.save(made.source, Path(beside) / "folded.onnx")
            whole(theirs, lambda part: by_onnxruntime(Path(beside) / "folded.onnx", samples, part))
    whole(ours, lambda part: onnx.save(made.model, part))


def by_onnxruntime(source: Path, samples: Sequence[Array], out: Path) -> None:
    """`quantize_static` as it is called without options, on a model whose batch norms are folded."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)  # its advice to fold what is folded
    try:
        quantize_static(source, out, Images(samples, input_of(source)))
    finally:
        logger.setLevel(level)
