"""One network, step by step: what a step says is kept, and the message of the first that fails.

The array's outputs are compared with two judges.  `compiler.reference` must give the same bytes.  onnxruntime runs the
QDQ model node by node (ORT_DISABLE_ALL); docs/numerics.md says where it may differ.  Right answers are counted on the
reference's values, which the simulator gave too on the sample that was simulated.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort

import bscc
from benchmarks.agreement import reference as unfused
from benchmarks.cell import EARLY, as_onnx
from benchmarks.corpus.convert import Places, model_of, samples_of
from benchmarks.corpus.cut import before, reasons
from benchmarks.corpus.fetch import Failure, digest
from benchmarks.corpus.networks import Network
from benchmarks.corpus.prepare import float_of, int8_of, macs_of, quantised
from benchmarks.corpus.samples import SAMPLES, Array, fed
from benchmarks.models import session_options
from compiler.errors import BsccError
from compiler.frontend import import_onnx
from compiler.ir import Module
from compiler.plan import Plan, PlanTensor
from compiler.reference import run as run_reference

CALIBRATION = 20
"""Samples at most that ranges are measured on."""
CUTS = 4
"""How often a model is cut before what is refused until nothing is tried any more."""
ERROR_LETTERS = 500


@dataclass
class Measured:
    """What is known of a network; `row` is its JSON object, `answers` are those of each kind of network."""

    name: str
    network: Network
    places: Places
    target: str
    row: dict[str, Any] = field(default_factory=dict)
    model: onnx.ModelProto | None = None
    plan: Plan | None = None
    outputs: tuple[str, ...] = ()
    answers: dict[str, Array] = field(default_factory=dict)

    @property
    def int8(self) -> Path:
        """The QDQ model."""
        return self.places.folder / f"int8/{self.name}.onnx"

    @property
    def float(self) -> Path:
        """The static model that it is made from."""
        return self.places.folder / f"static/{self.name}.onnx"

    def samples(self, name: str, most: int | None = None) -> tuple[list[Array], Array]:
        """Inputs of the network from samples, and their labels."""
        with np.load(samples_of(name, SAMPLES[name], self.places)) as data:
            return fed(data["images"][:most], self.network.feed), data["labels"][:most]

    def count(self, labels: Array) -> None:
        """How many answers of each kind are the labels, into the row."""
        wanted = labels - self.network.shift
        counts = {kind: int((given == wanted).sum()) for kind, given in self.answers.items()}
        self.row["right"] = {"samples": self.network.judged, "count": len(wanted), **counts}


def measure(
    name: str, network: Network, places: Places, target: str, steps: Sequence[Callable[[Measured], None]]
) -> dict[str, Any]:
    """The row of a network; `failure` has the step that went wrong, and its message."""
    one = Measured(name, network, places, target)
    one.row |= {"network": name, "what": network.what, "target": target, "steps": {}}
    for step in steps:
        start = time.perf_counter()
        word = step.__name__.strip("_").replace("_", " ")
        try:
            step(one)
        except Exception as error:  # a step may run into anything; the next network must not
            one.row["failure"] = {"step": word, "text": said(error)}
            break
        finally:
            one.row["steps"][word] = round(time.perf_counter() - start, 1)
    return one.row


def said(error: Exception) -> str:
    """The message of an error, without the names of nodes, which may be long; its kind where it is none of ours."""
    if isinstance(error, BsccError):
        return "; ".join(reasons(error))[:ERROR_LETTERS]
    kind = "" if isinstance(error, Failure) else f"{type(error).__name__}: "
    return f"{kind}{error}"[:ERROR_LETTERS]


def convert(one: Measured) -> None:
    """The network as ONNX with static shapes."""
    source = model_of(one.name, one.network, one.places)
    one.model = float_of(source, one.network.feed.shape, one.float)
    one.row |= {"sha256": digest(source), "macs": macs_of(one.model), "shape": list(one.network.feed.shape)}


def quantise(one: Measured) -> None:
    """The network as int8."""
    assert one.model is not None
    given, _ = one.samples(one.network.feed.samples, CALIBRATION)
    int8_of(one.model, given, one.int8)
    one.row["quantised"] = (
        "as found" if quantised(one.model) else f"by {len(given)} samples of {one.network.feed.samples}"
    )


def compile_(one: Measured) -> None:
    """A plan, of the whole network or of what comes before the nodes that are refused."""
    refusals: list[list[str]] = []
    while True:
        options = bscc.Options(target=one.target, outputs=one.outputs, compare_dense=False)
        with tempfile.TemporaryDirectory() as beside:
            try:
                plan, summary = bscc.compile(one.int8, Path(beside) / "plan", options)
                break
            except BsccError as error:
                refusals.append(reasons(error))
                one.row["refusals"] = refusals
                cut = before(one.int8, one.outputs, error) if len(refusals) <= CUTS else ()
                if not cut:
                    raise
                one.outputs = cut
    if one.outputs and not summary["macs"]:
        raise Failure(f"no multiplication comes before what is refused: {'; '.join(refusals[0])}")
    one.plan = plan
    # Not the plan's count: strips of layers compute some rows twice.
    macs = macs_of(onnx.shape_inference.infer_shapes(onnx.load(one.int8)), one.outputs)
    one.row |= {"us": summary["time_us"], "macs_array": macs, "outputs": list(one.outputs)}


def simulate(one: Measured) -> None:
    """One sample on the simulated array, beside the reference and onnxruntime."""
    assert one.plan is not None
    (given, *_), _ = one.samples(one.network.feed.samples, 1)
    (tensor,) = one.plan.inputs
    ours = bscc.Session(one.plan).run(None, {tensor.name: given})
    module = early(one)
    values = run_reference(module, {tensor.name: pixels(tensor, given)})
    session = unfused(one.int8, list(one.outputs))
    theirs = session.run(None, {session.get_inputs()[0].name: given})  # a plan shortens very long names
    rows: list[dict[str, Any]] = []
    for out, mine, other in zip(one.plan.outputs, ours, theirs, strict=True):
        if mine.shape != other.shape:
            raise Failure(f"'{out.name}' is {list(mine.shape)} from the array, {list(other.shape)} from onnxruntime")
        unit = out.scale if out.host_type == "float32" else 1
        steps = np.rint((mine.astype(np.float64) - other.astype(np.float64)) / unit)
        integers = np.rint(mine / np.float32(unit)).astype(np.int32) + out.zero if unit != 1 else mine
        rows.append(
            {
                "name": out.name,
                "numbers": mine.size,
                "equal": int((steps == 0).sum()),
                "largest": int(np.abs(steps).max()),
                "differ_from_reference": int((integers != as_onnx(out, values[out.name])).sum()),
            }
        )
    one.row["compared"] = rows
    wrong = sum(row["differ_from_reference"] for row in rows)
    if wrong:
        raise Failure(f"{wrong} numbers of the outputs differ from the reference")


def early(one: Measured) -> Module:
    """The network as integer operations."""
    assert one.plan is not None
    module = import_onnx(one.int8, outputs=one.outputs)
    bscc.PassManager(bscc.PassPipeline.parse(EARLY, bscc.PASSES), one.plan.target).run(module)
    return module


def pixels(tensor: PlanTensor, given: Array) -> Array:
    """What the host feeds as integers in [1, H, W, C]; the inverse of `benchmarks.cell.as_onnx`."""
    held = tensor.storage
    if tensor.host_type == "float32":
        low, high = (0, 255) if tensor.type == "uint8" else (-128, 127)
        given = np.clip(np.rint(given / np.float32(tensor.scale)) + tensor.zero, low, high).astype(tensor.type)
    if tensor.layout == "NCHW":
        return given.reshape(1, held.channels, held.rows, held.width).transpose(0, 2, 3, 1)
    return given.reshape(1, held.rows, held.width, held.channels)


def judge(one: Measured) -> None:
    """How many answers of the float network are right, and of onnxruntime on the QDQ one."""
    assert one.model is not None
    if not one.network.judged:
        return
    given, labels = one.samples(one.network.judged)
    one.answers = {"onnxruntime": answers(unfused(one.int8, []), given)}
    if not quantised(one.model):
        session = ort.InferenceSession(one.float.read_bytes(), session_options(), ["CPUExecutionProvider"])
        one.answers = {"float": answers(session, given), **one.answers}
    one.count(labels)


def answers(session: ort.InferenceSession, given: Sequence[Array]) -> Array:
    """The largest number of the first output, for each sample."""
    name = session.get_inputs()[0].name
    return np.array([session.run(None, {name: sample})[0].argmax() for sample in given])


def judge_array(one: Measured) -> None:
    """How many answers of the array are right, by the reference; a network that was cut before its classes has none."""
    assert one.plan is not None
    (tensor,), out = one.plan.inputs, one.plan.outputs[0]
    classes = int(np.prod(unfused(one.int8, []).get_outputs()[0].shape[1:]))
    if not one.network.judged or int(np.prod(out.onnx_shape)) != classes:
        return
    given, labels = one.samples(one.network.judged)
    module = early(one)
    values = (run_reference(module, {tensor.name: pixels(tensor, sample)})[out.name] for sample in given)
    one.answers["array"] = np.array([value.argmax() for value in values])
    one.count(labels)
    one.row["right"]["same"] = int((one.answers["array"] == one.answers["onnxruntime"]).sum())


PREPARING = (convert, quantise)
STEPS = (*PREPARING, judge, compile_, simulate, judge_array)
