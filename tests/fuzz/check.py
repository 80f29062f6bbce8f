"""One graph: compiled, simulated, compared."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from compiler.driver import Options, compile_model
from compiler.errors import BsccError
from runtime_sim.parts import Session
from tests.fuzz.graphs import Drawn
from tests.models import feeds
from tests.reference_tools import onnxruntime_outputs

REFUSALS = ("unsupported-op", "nothing-to-compile", "does-not-fit", "program-memory")
"""Codes of errors that a graph may end in: everything else is a fault."""


class Differs(AssertionError):
    """What the simulator gives is not what it must be."""


@dataclass(frozen=True)
class Outcome:
    """What became of a graph: `equal`, `verified`, or a refusal's code and text without numbers; nodes on the host."""

    word: str
    text: str = ""
    hosted: int = 0


def examined(drawn: Drawn) -> Outcome:
    """Raises `Differs`, or whatever breaks."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(drawn.model.SerializeToString())
        options = Options(target=drawn.target, compare_dense=False, verify_each=True)
        try:
            plan, summary = compile_model(path, Path(folder) / "plan", options)
        except BsccError as error:
            if error.diagnostic.code not in REFUSALS:
                raise
            return Outcome(error.diagnostic.code, re.sub(r"-?\d+", "N", error.diagnostic.message))
        fed = feeds(drawn.model, drawn.seed)
        simulated = Session(plan).run(None, fed)
    wanted = onnxruntime_outputs(drawn.model, fed)
    for name, one, other in zip(wanted, simulated, wanted.values(), strict=True):
        if one.shape != other.shape or one.dtype != other.dtype:
            raise Differs(f"{name}: {one.dtype} {one.shape}, onnxruntime gives {other.dtype} {other.shape}")
        if drawn.exact and not np.array_equal(one, other, equal_nan=True):
            count = int(np.sum(one != other))
            raise Differs(f"{name}: {count} of {one.size} numbers differ from onnxruntime's")
    return Outcome("equal" if drawn.exact else "verified", hosted=summary["host"]["nodes"])
