"""A plan's parts one after another, those of the array by `compiler.reference`: many samples in little time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import bscc
from benchmarks.cell import EARLY, fed
from benchmarks.corpus.fetch import Failure
from benchmarks.corpus.samples import Array
from compiler.errors import Limit, Reason
from compiler.frontend import Graph, import_graph, read_graph
from compiler.frontend.partition import partition
from compiler.ir import Module
from compiler.plan import HOST, ArrayPart, ArrayPlan, HostPart, PartedPlan, Plan, PlanTensor
from compiler.reference import run as run_reference
from runtime_sim.parts import HostSession


@dataclass(frozen=True)
class OnArray:
    """A part of the array: its tensors as the plan has them, its numbers as integer operations."""

    plan: ArrayPlan
    module: Module

    def run(self, known: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs by name, as the host sees them."""
        values = run_reference(self.module, {one.name: pixels(one, known[one.name]) for one in self.plan.inputs})
        return {one.name: fed(one, values[one.name]) for one in self.plan.outputs}


@dataclass(frozen=True)
class OnHost:
    """A part of the host, run as the plan's session runs it."""

    session: HostSession

    def run(self, known: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs by name."""
        return self.session.run({name: known[name] for name in self.session.names})


class Interpreter:
    """The parts of a plan, made from the model that it was compiled from."""

    def __init__(self, plan: Plan, model: Path) -> None:
        graph = read_graph(model)
        self._parts: list[OnArray | OnHost] = []
        if isinstance(plan, ArrayPlan):
            self._parts.append(OnArray(plan, early(graph, model, plan)))
        elif isinstance(plan, PartedPlan):
            self._parts += [
                OnHost(HostSession(part, part.path)) if isinstance(part, HostPart) else OnArray(part.plan, module)
                for part, module in zip(plan.parts, modules(plan, graph, model), strict=True)
            ]

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Every tensor that a part reads or makes, by name."""
        known = dict(feeds)
        for part in self._parts:
            known.update(part.run(known))
        return known


def modules(plan: PartedPlan, graph: Graph, model: Path) -> list[Module]:
    """The graph cut as the plan is, each part as a module; one of the host is an empty module."""
    there = {(row["node"], row["operator"].rpartition(".")[2]): row for row in plan.json(HOST)}
    reasons = {
        number: Reason(row["code"], row["reason"], limit=Limit(row["attribute"], row["limit"], row["found"]))
        for number, node in enumerate(graph.nodes)
        if (row := there.get((node.name, node.op_type))) is not None
    }
    split = partition(graph, reasons)
    if [part.host for part in split.parts] != [isinstance(part, HostPart) for part in plan.parts]:
        raise Failure("the model does not come apart as the plan does")
    return [
        early(mine.graph, model, part.plan) if isinstance(part, ArrayPart) else Module()
        for mine, part in zip(split.parts, plan.parts, strict=True)
    ]


def early(graph: Graph, model: Path, plan: ArrayPlan) -> Module:
    """A graph as the integer operations that the first passes of the plan's own pipeline make."""
    module = import_graph(graph, model)
    whole = bscc.PassPipeline.parse(plan.manifest["pipeline"], bscc.PASSES)
    passes = tuple(one for one in whole if one.name in EARLY.split(","))
    bscc.PassManager(bscc.PassPipeline(passes), plan.target).run(module)
    return module


def pixels(tensor: PlanTensor, given: Array) -> Array:
    """What the host feeds as integers in [1, H, W, C]; the inverse of `benchmarks.cell.fed`."""
    held = tensor.storage
    if tensor.host_type == "float32":
        low, high = (0, 255) if tensor.type == "uint8" else (-128, 127)
        given = np.clip(np.rint(given / np.float32(tensor.scale)) + tensor.zero, low, high).astype(tensor.type)
    if tensor.layout == "NCHW":
        return given.reshape(1, held.channels, held.rows, held.width).transpose(0, 2, 3, 1)
    return given.reshape(1, held.rows, held.width, held.channels)
