"""Any plan as something to run: its parts one after another, the array's simulated, the host's by onnxruntime."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.errors import Diagnostic, SimulationFault, UnreadableInput
from compiler.plan import ArrayPlan, HostPart, PartedPlan, Plan
from runtime_sim.batches import joined, single_images
from runtime_sim.machine import CoreMaker
from runtime_sim.report import Timing
from runtime_sim.session import Called, Run, checked_feeds
from runtime_sim.session import Session as ArraySession

Array = NDArray[Any]


@dataclass(frozen=True)
class PartRun:
    """What a run did in one part: on the array a `Run`, on the host the microseconds that onnxruntime took here."""

    path: str
    array: Run | None
    host_us: float
    feeds: Mapping[str, Array]


@dataclass(frozen=True)
class PlanRun:
    """The outputs of a run by name, and what each part did; a plan without parts has one, of the path ''.

    What parts did is of the last image.
    """

    outputs: dict[str, Array]
    parts: tuple[PartRun, ...]
    images: int = 1

    @property
    def timings(self) -> list[tuple[str, Timing]]:
        """The simulated time of each part of the array."""
        return [(one.path, one.array.timing) for one in self.parts if one.array is not None]

    @property
    def host_us(self) -> float:
        """What the host's parts took on this machine: measured, and another number in each run."""
        return sum(one.host_us for one in self.parts)


class Session(Called):
    """Runs a plan; called as onnxruntime's session is."""

    def __init__(self, plan: Plan | str | os.PathLike[str]) -> None:
        self.plan = plan if isinstance(plan, Plan) else Plan.load(plan)
        self._parts: list[tuple[str, ArraySession | HostSession]] = []
        if isinstance(self.plan, PartedPlan):
            for part in self.plan.parts:
                place = str(self.plan.path / part.path)
                one = HostSession(part, place) if isinstance(part, HostPart) else ArraySession(part.plan)
                self._parts.append((part.path, one))
        elif isinstance(self.plan, ArrayPlan):
            self._parts.append(("", ArraySession(self.plan)))

    def execute(self, feeds: Mapping[str, Array], core: CoreMaker | None = None) -> PlanRun:
        """Run with data: every output, and what each part did; `core` makes cores as `simulate` takes them."""
        if isinstance(self.plan, ArrayPlan):
            ((path, session),) = self._parts
            assert isinstance(session, ArraySession)
            run = session.execute(feeds, core)
            return PlanRun(run.outputs, (PartRun(path, run, 0.0, feeds),), run.images)
        images = single_images(self.plan, feeds, core)
        runs = [self._execute_one(one, core) for one in images]
        return replace(runs[-1], outputs=joined([one.outputs for one in runs]), images=len(runs))

    def _execute_one(self, feeds: Mapping[str, Array], core: CoreMaker | None) -> PlanRun:
        known = checked_feeds(self.plan, feeds)
        done = []
        for path, part in self._parts:
            given = {name: known[name] for name in part.names}
            if isinstance(part, HostSession):
                begin = time.perf_counter()
                made = part.run(given)
                done.append(PartRun(path, None, 1e6 * (time.perf_counter() - begin), given))
                known.update(made)
            else:
                run = part.execute(given, core)
                done.append(PartRun(path, run, 0.0, given))
                known.update(run.outputs)
        return PlanRun({one.name: known[one.name] for one in self.plan.outputs}, tuple(done))

    def clock(self) -> PlanRun:
        """Run the clock of the array's parts alone: no data is needed and none comes out; the host does nothing."""
        runs = [(path, part.clock()) for path, part in self._parts if isinstance(part, ArraySession)]
        return PlanRun({}, tuple(PartRun(path, run, 0.0, {}) for path, run in runs))


class HostSession:
    """A host part in onnxruntime, on the CPU, its nodes run as they are written: fused ones round otherwise."""

    def __init__(self, part: HostPart, place: str) -> None:
        self.names = [one.name for one in part.inputs]
        self._outputs, self._place = [one.name for one in part.outputs], place
        self._session = _onnxruntime_session(part.model, place)
        theirs = {one.name for one in self._session.get_inputs()}, {one.name for one in self._session.get_outputs()}
        if theirs != (set(self.names), set(self._outputs)):
            text = f"the model takes {sorted(theirs[0])} and gives {sorted(theirs[1])}, the manifest says otherwise"
            raise UnreadableInput(Diagnostic("plan-host", text, place))

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs by name."""
        try:
            made = self._session.run(self._outputs, dict(feeds))
        except Exception as error:  # onnxruntime's exceptions have no common base but this
            text = f"onnxruntime stopped: {_first_line(error)}"
            raise SimulationFault(Diagnostic("host-run", text, self._place)) from error
        return {name: np.asarray(one) for name, one in zip(self._outputs, made, strict=True)}


def _onnxruntime_session(model: bytes, place: str) -> Any:
    import onnxruntime  # here, so that plans without host parts need not wait for it

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1  # sums in one order, however many cores there are
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions have no common base but this
        text = f"onnxruntime does not take the model: {_first_line(error)}"
        raise UnreadableInput(Diagnostic("plan-host", text, place)) from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
