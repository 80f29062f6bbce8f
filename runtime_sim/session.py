"""A plan for the array as something to run: arrays in, arrays out, called as onnxruntime's session is."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from compiler.encoding.transaction import operations_of
from compiler.errors import Diagnostic, UsageError, nearest
from compiler.plan import (
    CONTROL,
    INPUTS,
    LAYERS,
    ONNX_TYPES,
    OUTPUTS,
    PROGRAM,
    WEIGHTS,
    ArrayPlan,
    Plan,
    PlanTensor,
    Port,
)
from runtime_sim.batches import arrays_of, joined, shape_of, single_images
from runtime_sim.host import pack, unpack
from runtime_sim.machine import CoreMaker, simulate
from runtime_sim.record import Result
from runtime_sim.report import Timing, layer_of_operation, layer_table, timing_of

Array = NDArray[Any]


@dataclass(frozen=True)
class NodeArg:
    """An input or output as onnxruntime describes it; no shape where it depends on the data."""

    name: str
    shape: list[int] | None
    type: str

    @classmethod
    def of(cls, plan: Plan, tensor: Port) -> NodeArg:
        """What the host sees of a tensor of the plan."""
        return cls(tensor.name, shape_of(plan, tensor.onnx_shape), ONNX_TYPES[tensor.host_type])


@dataclass(frozen=True)
class Run:
    """The outputs of a run by name, and what it left behind; timing and result are those of the last image."""

    outputs: dict[str, Array]
    result: Result
    timing: Timing
    images: int = 1


class Outputs(Protocol):
    """What a run gives, whatever else it tells."""

    @property
    def outputs(self) -> Mapping[str, Array]: ...


class Called(ABC):
    """How a plan is called: as onnxruntime's session is."""

    plan: Plan

    @abstractmethod
    def execute(self, feeds: Mapping[str, Array], core: CoreMaker | None = None) -> Outputs:
        """Run with data; `core` makes cores as `simulate` takes them."""

    def get_inputs(self) -> list[NodeArg]:
        """What `run` takes: also inputs of the model that nothing reads, which it does nothing with."""
        return [NodeArg.of(self.plan, tensor) for tensor in (*self.plan.inputs, *self.plan.unused)]

    def get_outputs(self) -> list[NodeArg]:
        """What `run` gives."""
        return [NodeArg.of(self.plan, tensor) for tensor in self.plan.outputs]

    def run(self, output_names: Sequence[str] | None, feeds: Mapping[str, Array]) -> list[Array]:
        """The named outputs in order, all of them for None or no name."""
        names = wanted(self.plan.outputs, output_names)
        outputs = self.execute(feeds).outputs
        return [outputs[name] for name in names]


class Session(Called):
    """Runs a plan that has no parts on the simulated array; `runtime_sim.parts.Session` runs any."""

    plan: ArrayPlan

    def __init__(self, plan: Plan | str | os.PathLike[str]) -> None:
        self.plan = ArrayPlan.of(plan if isinstance(plan, Plan) else Plan.load(plan))

    @property
    def names(self) -> list[str]:
        """The inputs that are read."""
        return [tensor.name for tensor in self.plan.inputs]

    def execute(self, feeds: Mapping[str, Array], core: CoreMaker | None = None) -> Run:
        """Run with data: every output, and the timing of this very run; `core` makes cores as `simulate` takes them."""
        images = single_images(self.plan, feeds, core)
        runs = [self._execute_one(one, core) for one in images]
        return replace(runs[-1], outputs=joined([one.outputs for one in runs]), images=len(runs))

    def _execute_one(self, feeds: Mapping[str, Array], core: CoreMaker | None) -> Run:
        arguments = self._arguments(feeds)
        result = _simulate(self.plan, arguments, compute=True, core=core)
        outputs = {tensor.name: unpack(tensor, _bytes_of(tensor, arguments[OUTPUTS])) for tensor in self.plan.outputs}
        return Run(outputs, result, _timing(self.plan, result))

    def clock(self) -> Run:
        """Run the clock alone: no data is needed and none comes out."""
        result = _simulate(self.plan, _empty_arguments(self.plan), compute=False)
        return Run({}, result, _timing(self.plan, result))

    def _arguments(self, feeds: Mapping[str, Array]) -> dict[int, NDArray[np.uint8]]:
        checked = checked_feeds(self.plan, feeds)
        arguments = _empty_arguments(self.plan)
        for tensor in self.plan.inputs:
            _bytes_of(tensor, arguments[INPUTS])[...] = pack(tensor, checked[tensor.name])
        return arguments


def clock(plan: Plan | str | os.PathLike[str]) -> Timing:
    """The time of a plan, which needs no data."""
    return Session(plan).clock().timing


def _simulate(
    plan: ArrayPlan, arguments: dict[int, NDArray[np.uint8]], *, compute: bool, core: CoreMaker | None = None
) -> Result:
    place = str(plan.path / CONTROL)
    operations = operations_of(plan.files[CONTROL], place)
    layers = layer_of_operation(plan.json(LAYERS), str(plan.path / LAYERS), operations)
    return simulate(
        plan.files[CONTROL],
        plan.target,
        arguments,
        plan.costs,
        compute=compute,
        layer_of_op=layers,
        program=hashlib.sha256(plan.files[PROGRAM]).hexdigest(),
        core=core,
        place=place,
    )


def _timing(plan: ArrayPlan, result: Result) -> Timing:
    return timing_of(result, plan.target, layer_table(plan.json(LAYERS), str(plan.path / LAYERS)))


def _empty_arguments(plan: ArrayPlan) -> dict[int, NDArray[np.uint8]]:
    """The DDR arguments of a run: the constants, and zeros for the rest."""
    arguments = {number: np.zeros(size, np.uint8) for number, size in enumerate(plan.arguments)}
    arguments[0][...] = np.frombuffer(plan.files[WEIGHTS], np.uint8)
    return arguments


def _bytes_of(tensor: PlanTensor, argument: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return argument[tensor.offset : tensor.offset + tensor.storage.bytes]


def wanted(outputs: Sequence[Port], names: Sequence[str] | None) -> list[str]:
    """The names of the outputs that a run is asked for; all for None and for an empty list, as in onnxruntime."""
    known = [tensor.name for tensor in outputs]
    if names is not None and (isinstance(names, str) or not isinstance(names, Sequence)):
        text = f"output_names is {names!r}, expected a list of names, or None for all outputs"
        raise UsageError(Diagnostic("output-names", text))
    for name in names or ():
        _check_known("output", name, known)
    return list(names or known)


def checked_feeds(plan: Plan, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """The feeds as arrays, each of the shape and type of its input, and one for each input that is read."""
    given = arrays_of(feeds)
    by_name = {tensor.name: tensor for tensor in (*plan.inputs, *plan.unused)}
    for name in given:
        _check_known("input", name, by_name)
    missing = [one.name for one in plan.inputs if one.name not in given]
    if missing:
        text = f"input '{missing[0]}' is missing, given: {', '.join(given) or 'nothing'}"
        raise UsageError(Diagnostic("input-missing", text))
    for name, array in given.items():
        tensor = by_name[name]
        if tensor.onnx_shape is not None and array.shape != tensor.onnx_shape:
            takes = f"{shape_of(plan, tensor.onnx_shape)}{' for each image' if plan.batch == 0 else ''}"
            text = f"input '{name}' has shape {list(array.shape)}, the model takes {takes}"
            raise UsageError(Diagnostic("input-shape", text))
        if array.dtype != np.dtype(tensor.host_type):
            text = f"input '{name}' has type {array.dtype}, the model takes {tensor.host_type}"
            raise UsageError(Diagnostic("input-type", text))
    return given


def _check_known(what: str, name: str, known: Iterable[str]) -> None:
    names = list(known)
    if name not in names:
        text = f"the model has no {what} '{name}'"
        raise UsageError(Diagnostic(f"unknown-{what}", text, help=nearest(str(name), names)))
