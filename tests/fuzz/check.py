"""One graph: compiled, simulated, compared."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from compiler.driver import Host, Options, compile_model
from compiler.errors import BsccError
from compiler.frontend.reasons import Code
from compiler.plan import Plan
from compiler.prepare import Preparation, quantise_file
from compiler.quantize import Settings
from compiler.quantize.scales import Activations
from runtime_sim.parts import Session
from tests.fuzz.graphs import Drawn
from tests.models import feeds
from tests.reference_tools import onnxruntime_outputs

Array = NDArray[Any]

REFUSALS = (*Code, "window", "nothing-to-compile", "does-not-fit", "program-memory")
"""Codes of errors that a graph may end in: everything else is a fault."""


def without_numbers(text: str) -> str:
    """A message without its numbers and the names made of them, by which messages of one kind are counted."""
    return re.sub(r"-?\w*\d[\w.+-]*", "N", text)


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
        path.write_bytes(drawn.with_images(0 if drawn.symbolic else drawn.images).SerializeToString())
        steps = Activations(power_of_two=drawn.exact, signed=drawn.seed % 2 == 1)
        asked = Preparation(settings=Settings(steps, per_channel=drawn.seed % 3 > 0))
        options = Options(target=drawn.target, compare_dense=False, verify_each=True, preparation=asked)
        try:
            plan, summary = compile_model(path, Path(folder) / "plan", options)
        except BsccError as error:
            if error.diagnostic.code not in REFUSALS:
                raise
            return Outcome(error.diagnostic.code, without_numbers(error.diagnostic.message))
        hosted = int(summary["host"]["nodes"])
        if hosted:
            _check_refused(path, Path(folder) / "whole", options)
        model = quantise_file(path, {}, asked)[0].model if drawn.floats else None
        _check_outputs(drawn, model, plan)
    return Outcome("equal" if drawn.exact else "verified", hosted=hosted)


def _check_refused(path: Path, out: Path, options: Options) -> None:
    """Without a host a model that needs one is refused; it compiles if its host nodes just were not worth the way."""
    try:
        _, summary = compile_model(path, out, replace(options, host=Host.OFF))
    except BsccError as error:
        if error.exit_code not in (4, 5):
            raise
    else:
        if summary["host"]["nodes"]:
            raise Differs("the host has nodes though it was ruled out")


def _check_outputs(drawn: Drawn, quantised: onnx.ModelProto | None, plan: Plan) -> None:
    """Names, shapes and types as onnxruntime has them, and bytes where they are owed."""
    whole = drawn.with_images(drawn.images)
    fed = feeds(whole, drawn.seed)
    simulated = Session(plan).run(None, fed)
    if quantised is None:
        wanted = onnxruntime_outputs(whole, fed)
    else:  # bscc quantises the graph of one image
        images = [{name: one[n : n + 1] for name, one in fed.items()} for n in range(drawn.images)]
        found = [onnxruntime_outputs(quantised, one) for one in images]
        wanted = {name: np.concatenate([one[name] for one in found]) for name in found[0]}
    for name, one, other in zip(wanted, simulated, wanted.values(), strict=True):
        if one.shape != other.shape or one.dtype != other.dtype:
            raise Differs(f"{name}: {one.dtype} {one.shape}, onnxruntime gives {other.dtype} {other.shape}")
        if drawn.exact and not np.array_equal(one, other, equal_nan=True):
            count = int(np.sum(one != other))
            raise Differs(f"{name}: {count} of {one.size} numbers differ from onnxruntime's")
