"""One network, step by step: what a step says is kept, and the message of the first that fails.

Each network is compiled in both `WAYS`, with fast and with exact factors.  The array's outputs are compared with two
judges.  `compiler.reference` must give the same bytes in every tensor that leaves the array.  onnxruntime runs the QDQ
model node by node (ORT_DISABLE_ALL); docs/numerics.md says where it may differ.  Right answers are counted on the
reference's values for the array's parts and onnxruntime's for the host's, which the simulated plan gave too on the
sample that was simulated.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime as ort

import bscc
from benchmarks.agreement import reference as unfused
from benchmarks.corpus.convert import Places, model_of, samples_of
from benchmarks.corpus.fetch import Failure, digest
from benchmarks.corpus.interpret import Interpreter
from benchmarks.corpus.networks import Network
from benchmarks.corpus.prepare import int8_of
from benchmarks.corpus.samples import SAMPLES, Array, fed
from benchmarks.corpus.table import WAYS
from benchmarks.models import session_options
from compiler.errors import BsccError, NodeLocation
from compiler.frontend import read_onnx
from compiler.plan import ArrayPart, ArrayPlan, PartedPlan, Plan, PlanTensor
from compiler.quantize import is_quantised

CALIBRATION = 20
"""Samples at most that ranges are measured on."""
ERROR_LETTERS = 500


@dataclass
class Measured:
    """What is known of a network; `row` is its JSON object, `answers` are those of each kind of network.

    `plans` has one for each of `WAYS`, and so has the row's entry "ways".
    """

    name: str
    network: Network
    places: Places
    target: str
    row: dict[str, Any] = field(default_factory=dict)
    source: Path = Path()
    plans: dict[str, Plan] = field(default_factory=dict)
    answers: dict[str, Array] = field(default_factory=dict)

    @property
    def quantised(self) -> bool:
        """Whether the network is int8 as it comes."""
        return is_quantised(read_onnx(self.source))

    @property
    def int8(self) -> Path:
        """The QDQ model."""
        return self.source if self.quantised else self.places.folder / f"int8/{self.name}.onnx"

    @property
    def theirs(self) -> Path | None:
        """What onnxruntime's quantiser makes, of a float network whose answers are counted."""
        wanted = self.network.judged and not self.quantised
        return self.places.folder / f"onnxruntime/{self.name}.onnx" if wanted else None

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
        places = ((one, one.place) for one in error.diagnostics)
        kinds = ((one, f"{at.op_type}: " if isinstance(at, NodeLocation) else "") for one, at in places)
        return "; ".join(counted(f"{kind}{one.message}" for one, kind in kinds))[:ERROR_LETTERS]
    kind = "" if isinstance(error, Failure) else f"{type(error).__name__}: "
    return f"{kind}{error}"[:ERROR_LETTERS]


def counted(messages: Any) -> list[str]:
    """Each message once, with how many nodes it is of."""
    return [f"{what} ({count} nodes)" if count > 1 else what for what, count in Counter(messages).items()]


def convert(one: Measured) -> None:
    """The network as ONNX."""
    one.source = model_of(one.name, one.network, one.places)
    one.row |= {"sha256": digest(one.source), "shape": list(one.network.feed.shape)}


def quantise(one: Measured) -> None:
    """The network as int8."""
    one.row["quantised"] = "as found"
    if not one.quantised:
        given, _ = one.samples(one.network.feed.samples, CALIBRATION)
        int8_of(one.source, one.network.feed.shape, given, one.int8, one.theirs)
        one.row["quantised"] = f"by {len(given)} samples of {one.network.feed.samples}"


def compile_(one: Measured) -> None:
    """Plans of the whole network, which runs on the host where the array cannot."""
    one.row["ways"] = {}
    for way in WAYS:
        options = bscc.Options(target=one.target, compare_dense=False, requantize=way)
        with tempfile.TemporaryDirectory() as beside:
            one.plans[way], summary = bscc.compile(one.int8, Path(beside) / "plan", options)
        host: Mapping[str, Any] = summary["host"]
        reasons = counted(f"{row['operator']}: {row['reason']}" for row in host["reasons"])
        one.row["ways"][way] = {"us": summary["time_us"]}
        one.row |= {
            "macs": host["model_macs"],
            "macs_share": host["array_macs_share"],
            "host": {"nodes": host["nodes"], "array_parts": host["array_parts"], "reasons": reasons},
        }


def simulate(one: Measured) -> None:
    """One sample on the simulated plans, beside the reference and onnxruntime."""
    (given, *_), _ = one.samples(one.network.feed.samples, 1)
    session = unfused(one.int8, [])
    feeds = {session.get_inputs()[0].name: given}
    theirs = session.run(None, feeds)
    floats = None if one.quantised else original(one).run(None, feeds)
    if floats is not None:
        one.row["noise"] = noise(theirs, floats)
    for way, plan in one.plans.items():
        found, mine = one.row["ways"][way], simulated(one, plan, given)
        found["differ_from_reference"] = mine.differ
        scales = steps_of(plan)
        found["compared"] = [
            compared(out.name, array, other, scales.get(out.name))
            for out, array, other in zip(plan.outputs, mine.outputs, theirs, strict=True)
        ]
        if floats is not None:
            found["noise"] = noise(mine.outputs, floats)
        if mine.differ:
            raise Failure(f"{way}: {mine.differ} numbers that leave the array differ from the reference")


class Simulated(NamedTuple):
    """The outputs of a plan, and how many numbers that leave the array are not the reference's."""

    outputs: list[Array]
    differ: int


def simulated(one: Measured, plan: Plan, given: Array) -> Simulated:
    """A plan's outputs of one sample."""
    (tensor,) = plan.inputs  # a plan shortens very long names
    done = bscc.Session(plan).execute({tensor.name: given})
    known = Interpreter(plan, one.int8).run({tensor.name: given})
    made = {name: array for part in done.parts if part.array for name, array in part.array.outputs.items()}
    differ = sum(int((array != known[name]).sum()) for name, array in made.items())
    return Simulated([done.outputs[out.name] for out in plan.outputs], differ)


def compared(name: str, mine: Array, other: Array, step: float | None) -> dict[str, Any]:
    """How far an output is from onnxruntime's: in steps if the array makes it, else beside the largest number."""
    if mine.shape != other.shape:
        raise Failure(f"'{name}' is {list(mine.shape)} from the plan, {list(other.shape)} from onnxruntime")
    apart = np.abs(mine.astype(np.float64) - other.astype(np.float64))
    row: dict[str, Any] = {"name": name, "numbers": mine.size}
    if step is None:
        peak = float(np.abs(other).max()) if other.size else 0.0
        return row | {"equal": int((mine == other).sum()), "apart": float(apart.max(initial=0.0)), "peak": peak}
    steps = np.rint(apart / step)
    return row | {"equal": int((steps == 0).sum()), "steps": int(steps.max())}


def noise(found: Sequence[Array], exact: Sequence[Array]) -> float:
    """How far all outputs are from the float model's: root of the squared differences over the squared numbers."""
    pairs = [(a.astype(np.float64), b.astype(np.float64)) for a, b in zip(found, exact, strict=True)]
    return float(np.sqrt(sum(((a - b) ** 2).sum() for a, b in pairs) / sum((b**2).sum() for _, b in pairs)))


def original(one: Measured) -> ort.InferenceSession:
    """The float model as it comes."""
    return ort.InferenceSession(one.source.read_bytes(), session_options(), ["CPUExecutionProvider"])


def steps_of(plan: Plan) -> dict[str, float]:
    """The difference of neighbouring numbers, of each tensor that leaves the array."""
    if isinstance(plan, PartedPlan):
        tensors = [one for part in plan.parts if isinstance(part, ArrayPart) for one in part.plan.outputs]
    else:
        tensors = list(ArrayPlan.of(plan).outputs)
    return {one.name: step_of(one) for one in tensors}


def step_of(tensor: PlanTensor) -> float:
    """The scale of a tensor that the host sees as floats; integers are one apart."""
    return tensor.scale if tensor.host_type == "float32" else 1.0


def judge(one: Measured) -> None:
    """How many answers are right: of the float network, of onnxruntime on the QDQ one and on its own quantisation."""
    if not one.network.judged:
        return
    given, labels = one.samples(one.network.judged)
    if one.theirs is not None:
        one.answers["float"] = answers(original(one), given)
        one.answers["onnxruntime_own"] = answers(unfused(one.theirs, []), given)
    one.answers["onnxruntime"] = answers(unfused(one.int8, []), given)
    one.count(labels)


def answers(session: ort.InferenceSession, given: Sequence[Array]) -> Array:
    """The largest number of the first output, for each sample."""
    name = session.get_inputs()[0].name
    return np.array([session.run(None, {name: sample})[0].argmax() for sample in given])


def judge_plans(one: Measured) -> None:
    """How many answers of the plans are right, and how many are onnxruntime's."""
    if not one.network.judged:
        return
    given, labels = one.samples(one.network.judged)
    for way, plan in one.plans.items():
        (tensor,), (out, *_) = plan.inputs, plan.outputs
        run = Interpreter(plan, one.int8).run
        one.answers[way] = np.array([run({tensor.name: sample})[out.name].argmax() for sample in given])
    one.count(labels)
    one.row["same"] = {way: int((one.answers[way] == one.answers["onnxruntime"]).sum()) for way in one.plans}


PREPARING = (convert, quantise)
STEPS = (*PREPARING, compile_, simulate, judge, judge_plans)
