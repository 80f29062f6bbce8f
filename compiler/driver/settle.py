"""Who does what: nodes that the array cannot do go to the host, until all that is left compiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from compiler.driver.array import Source
from compiler.driver.options import Host, Options
from compiler.errors import BsccError, DoesNotFit, FusedLocation, NodeLocation, Reason, UnsupportedModel
from compiler.frontend import Graph, placed
from compiler.frontend.check import text
from compiler.frontend.partition import DERIVED, Part, Split, partition
from compiler.frontend.sides import host_nodes
from compiler.frontend.work import macs_of

NOTHING_LEFT = "nothing of the model is left for the array, and the host alone needs no plan"

MOST_ROUNDS = 100
"""Attempts to compile; each that fails moves a node at least to the host."""

OF_NETWORKS = ("layer-count",)
"""Codes of errors whose place is a node by chance: without it there still are too many."""

Result = TypeVar("Result")
Key = tuple[tuple[int, ...], tuple[str, ...], tuple[str, ...]]
"""The nodes of a part, its inputs and its outputs: what it is compiled to depends on these alone."""

Attempt = Callable[[Source, int], Result]
"""Compiles the part of a number, or raises what is wrong with it."""


@dataclass(frozen=True)
class Settled(Generic[Result]):
    """The parts, what came of those for the array by their numbers, and why each node of the host is there."""

    graph: Graph
    parts: tuple[Part, ...]
    results: Mapping[int, Result]
    reasons: Mapping[int, Reason]

    @property
    def mixed(self) -> bool:
        """Whether anything runs on the host."""
        return any(part.host for part in self.parts)


def settle(source: Source, options: Options, attempt: Attempt[Result]) -> Settled[Result]:
    """Find the parts of a model that compile.

    Without the host the first error is raised. An error that names no node of its part is raised always.
    """
    with placed(source.model):
        reasons = {} if options.host == Host.OFF else host_nodes(source.graph)
    made: dict[Key, Result] = {}
    for _ in range(MOST_ROUNDS):
        split = _split(source, reasons)
        fault: tuple[Part, BsccError] | None = None
        results: dict[int, Result] = {}
        for number, part in enumerate(split.parts):
            if part.host:
                continue
            try:
                key = (part.numbers, tuple(part.graph.inputs), tuple(part.graph.outputs))
                if key not in made:
                    made[key] = attempt(replace(source, graph=part.graph), number)
                results[number] = made[key]
            except (UnsupportedModel, DoesNotFit) as error:
                if options.host == Host.OFF:
                    raise
                fault = part, error
                break
        if fault is None:
            return Settled(source.graph, split.parts, results, split.reasons)
        found = _named(*fault)
        if not found:
            raise fault[1]
        reasons = {**reasons, **found}
    raise fault[1] if fault else AssertionError("a round ends in results or in a fault")


def _split(source: Source, reasons: Mapping[int, Reason]) -> Split:
    """The parts; if none is left for the array, an error with all reasons."""
    with placed(source.model):
        split = partition(source.graph, reasons)
        if all(part.host for part in split.parts):
            *others, last = (one for one in split.reasons.values() if one.code not in DERIVED)
            raise UnsupportedModel(*others, replace(last, notes=(*last.notes, NOTHING_LEFT)))
        return split


def _named(part: Part, error: BsccError) -> dict[int, Reason]:
    """The nodes of a part that an error's diagnostics are about, each with its diagnostic."""
    found: dict[int, Reason] = {}
    for one in error.diagnostics:
        if one.code in OF_NETWORKS:
            continue
        places = one.place.parts if isinstance(one.place, FusedLocation) else (one.place,)
        for place in places:
            numbers = list(_meant(part, place)) if isinstance(place, NodeLocation) else []
            for number in numbers:
                found.setdefault(number, Reason.of(one))
            if numbers:
                break  # the first place is the main one; the others stay if they can
    return found


def _meant(part: Part, place: NodeLocation) -> Iterator[int]:
    """The numbers of a part's own nodes that a place means: an input means its readers, a copy its readers too."""
    graph = part.graph
    named = [i for i, n in enumerate(graph.nodes) if (n.name, n.op_type) == (place.name, place.op_type)]
    if not named and place.op_type in ("", "input"):
        meant = {one for one in graph.inputs if text(one) == place.name}
        named = [i for i, n in enumerate(graph.nodes) if meant & set(n.inputs)]
    if not named and place.op_type in ("", "output"):
        meant = {one for one in graph.outputs if text(one) == place.name}
        named = [i for i, n in enumerate(graph.nodes) if meant & set(n.outputs)]
    seen = set(named)
    while named:
        index = named.pop(0)
        if part.numbers[index] in part.own:
            yield part.numbers[index]
            continue
        results = graph.nodes[index].outputs
        readers = [i for i, n in enumerate(graph.nodes) if i not in seen and set(results) & set(n.inputs)]
        seen.update(readers)
        named += readers


def macs_by_side(settled: Settled[Result]) -> tuple[int, int]:
    """Multiplications of the array's nodes and of the whole model, zero blocks included."""
    graph = settled.graph
    there = sum(macs_of(graph, graph.nodes[n]) for one in settled.parts if not one.host for n in one.own)
    return there, sum(macs_of(graph, node) for node in graph.nodes)
