"""Cuts a graph into parts that run one after another, on the array and on the host by turns.

    split = partition(graph, refusals(graph))

Nodes have sides: the host's are those with a reason, the array's all others. What carries numbers over a border
without work of its own travels: a DequantizeLinear is copied into each part that reads it, and so are a
QuantizeLinear of an input of the model and nodes of constants. So integers cross wherever the model has them. The
stage of a node is the largest number of changes of side on the way to it; a part is all nodes of a stage.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from compiler.errors import Limit, NodeLocation, Reason, UnsupportedModel
from compiler.frontend.check import text
from compiler.frontend.graph import Graph
from compiler.frontend.reasons import independent
from compiler.frontend.work import macs_of

ISLAND_SHARE = 0.01
"""Of the model's multiplications: an island of the array with less is not worth the two borders around it."""

MOST_SHOWN = 3
"""Host nodes that an island's help names."""

BORDER, ISLAND = "border", "island"
DERIVED = (BORDER, ISLAND)
"""Codes of nodes that the array could do, and that run on the host for the sake of others."""


@dataclass(frozen=True)
class Part:
    """Nodes of one stage as a graph; `numbers` are those of its nodes in the whole graph, `own` without copies."""

    host: bool
    graph: Graph
    numbers: tuple[int, ...]
    own: frozenset[int]


@dataclass(frozen=True)
class Split:
    """The parts in the order in which they run, and why each node of the host is there."""

    parts: tuple[Part, ...]
    reasons: Mapping[int, Reason]


def partition(graph: Graph, reasons: Mapping[int, Reason]) -> Split:
    """Cut a graph so that nodes with a reason run on the host, and others as far as it is worth it on the array."""
    for name in graph.outputs:
        if name in graph.constants:
            raise UnsupportedModel(independent().at(NodeLocation(text(name), "output")))
    if not reasons:
        every = range(len(graph.nodes))
        return Split((Part(False, graph, tuple(every), frozenset(every)),), {})
    found = dict(reasons)
    while True:
        cut = _Cut(graph, found)
        more = cut.float_borders() or cut.islands()
        if not more:
            return Split(tuple(cut.parts()), dict(sorted(found.items())))
        found.update(more)


@dataclass
class _Cut:
    """A graph whose nodes have sides."""

    graph: Graph
    reasons: Mapping[int, Reason]
    makers: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.makers = {name: n for n, node in enumerate(self.graph.nodes) for name in node.outputs if name}

    @cached_property
    def constant(self) -> frozenset[int]:
        """Nodes that depend on no input, as the DequantizeLinear of weights."""
        found: set[int] = set()
        for number, node in enumerate(self.graph.nodes):
            made = [self.makers[name] for name in node.inputs if name in self.makers]
            fixed = all(not name or name in self.graph.constants or name in self.makers for name in node.inputs)
            if node.inputs and fixed and all(one in found for one in made) and number not in self.reasons:
                found.add(number)
        return frozenset(found)

    @cached_property
    def travels(self) -> frozenset[int]:
        """Nodes that are copied into each part that reads them."""
        found = set(self.constant)
        for number, node in enumerate(self.graph.nodes):
            if number in self.reasons or node.domain:
                continue
            of_input = node.input(0) in self.graph.inputs
            if node.op_type == "DequantizeLinear" or (node.op_type == "QuantizeLinear" and of_input):
                found.add(number)
        return frozenset(found)

    @cached_property
    def pinned(self) -> frozenset[int]:
        """Nodes that travel and make an output of the model: one part must have them for that."""
        return frozenset(n for n in self.travels if set(self.graph.nodes[n].outputs) & set(self.graph.outputs))

    @cached_property
    def sources(self) -> list[tuple[int, ...]]:
        """For each node those whose results it reads, through nodes that travel."""
        found: list[tuple[int, ...]] = []
        for node in self.graph.nodes:
            here: dict[int, None] = {}
            for name in node.inputs:
                maker = self.makers.get(name)
                if maker is not None:
                    here.update(dict.fromkeys(found[maker] if maker in self.travels else (maker,)))
            found.append(tuple(here))
        return found

    def on_host(self, number: int) -> bool:
        """Whether a node that does not travel, or is pinned, runs on the host."""
        if number in self.travels:
            made = self.sources[number]
            return not made or self.on_host(made[-1])
        return number in self.reasons

    @cached_property
    def stages(self) -> dict[int, int]:
        """The stage of each node that does not travel or is pinned: even on the array, odd on the host."""
        found: dict[int, int] = {}
        for number in range(len(self.graph.nodes)):
            if number in self.travels and number not in self.pinned:
                continue
            host = self.on_host(number)
            before = [found[one] + (self.on_host(one) != host) for one in self.sources[number]]
            found[number] = max([-1 if host else 0, *before])
        return found

    def parts(self) -> Iterator[Part]:
        """The parts in order."""
        stages = sorted(set(self.stages.values()))
        own = {stage: frozenset(n for n, one in self.stages.items() if one == stage) for stage in stages}
        numbers = {stage: self._with_copies(own[stage]) for stage in stages}
        inputs = {stage: self._read(numbers[stage]) for stage in stages}
        wanted = {*self.graph.outputs, *(name for names in inputs.values() for name in names)}
        for stage in stages:
            nodes = [self.graph.nodes[n] for n in numbers[stage]]
            made = [name for n in numbers[stage] if n in own[stage] for name in self.graph.nodes[n].outputs]
            outputs = [name for name in made if name in wanted]
            part = self.graph.part(nodes, inputs[stage], outputs)
            yield Part(stage % 2 == 1, part, tuple(numbers[stage]), own[stage])

    def _with_copies(self, own: frozenset[int]) -> list[int]:
        """A stage's nodes and all that travels to them, in order."""
        found = set(own)
        for number in range(len(self.graph.nodes) - 1, -1, -1):
            if number in found:
                makers = (self.makers.get(name) for name in self.graph.nodes[number].inputs)
                found.update(one for one in makers if one is not None and one in self.travels)
        return sorted(found)

    def _read(self, numbers: list[int]) -> list[str]:
        """What nodes read that none of them makes, in order."""
        nodes = [self.graph.nodes[number] for number in numbers]
        made = {name for node in nodes for name in node.outputs}
        names = dict.fromkeys(name for node in nodes for name in node.inputs if name)
        return [name for name in names if name not in made and name not in self.graph.constants]

    def float_borders(self) -> dict[int, Reason]:
        """Nodes of the array that read floats of the host: behind them there may be integers."""
        found: dict[int, Reason] = {}
        for number, node in enumerate(self.graph.nodes):
            if number in self.reasons or number in self.travels:
                continue
            for name in node.inputs:
                maker = self.makers.get(name)
                before = None if maker is None else self.reasons.get(maker)
                if before is not None and not self.graph.dtypes.get(name, "").endswith("int8"):
                    other = self.graph.nodes[self.makers[name]].loc
                    kind = self.graph.dtypes.get(name, "unknown")
                    message = f"it reads {kind} that the host makes: integers cross a border"
                    limit = Limit(f"type of '{text(name)}'", "int8 or uint8, of what the host makes", kind)
                    # What follows another that follows a third is for the array once that one is.
                    help = before.help if before.code in DERIVED else f"it is for the array once {other} is"
                    found[number] = Reason(BORDER, message, node.loc, help=help, limit=limit)
                    break
        return found

    def islands(self) -> dict[int, Reason]:
        """Nodes of the array beside host nodes that are too little work to go there and back for."""
        total = sum(macs_of(self.graph, node) for node in self.graph.nodes)
        least = max(1, math.ceil(ISLAND_SHARE * total))
        found: dict[int, Reason] = {}
        for members in self._components():
            macs = sum(macs_of(self.graph, self.graph.nodes[n]) for n in members)
            beside = self._beside_host(members)
            if not beside or macs >= least:
                continue
            message = (
                f"it is one of {len(members)} nodes beside host nodes with {macs:,} of {total:,} MACs: "
                f"less than {ISLAND_SHARE:.0%} is not worth a border"
            )
            allowed = f"at least {least:,}, {ISLAND_SHARE:.0%} of the model's {total:,}"
            limit = Limit(f"MACs of {len(members)} nodes", allowed, f"{macs:,}")
            near = [str(self.graph.nodes[n].loc) for n in self._causes(beside)]
            more = f" and {len(near) - MOST_SHOWN} more" * (len(near) > MOST_SHOWN)
            help = f"it is for the array once these are: {', '.join(near[:MOST_SHOWN])}{more}"
            found.update({n: Reason(ISLAND, message, self.graph.nodes[n].loc, help=help, limit=limit) for n in members})
        return found

    def _components(self) -> list[list[int]]:
        """The array's nodes of each stage, together where one reads another."""
        label: dict[int, int] = {}
        groups: dict[int, list[int]] = {}
        for number, stage in self.stages.items():
            if self.on_host(number):
                continue
            near = dict.fromkeys(label[n] for n in self.sources[number] if self.stages[n] == stage)
            first, *others = near or (number,)
            groups.setdefault(first, []).append(number)
            for other in others:
                groups[first] += groups.pop(other)
            label.update(dict.fromkeys(groups[first], first))
        return [sorted(one) for one in groups.values()]

    def _causes(self, numbers: list[int]) -> list[int]:
        """The nodes with reasons of their own that these, nodes of the host, are or follow."""
        found: set[int] = set()
        seen, waiting = set(numbers), list(numbers)
        while waiting:
            number = waiting.pop()
            reason = self.reasons.get(number)
            derived = reason is not None and reason.code in DERIVED
            makers = [one for one in self.sources[number] if self.on_host(one)] if derived else []
            if not makers:
                found.add(number)
            waiting += [one for one in makers if one not in seen]
            seen.update(makers)
        return sorted(found)

    def _beside_host(self, members: list[int]) -> list[int]:
        """The nodes of the host that read or are read by one of these."""
        inside = set(members)
        read = {one for n in members for one in self.sources[n] if self.on_host(one)}
        reading = (n for n in self.stages if n not in inside and not inside.isdisjoint(self.sources[n]))
        return sorted(read.union(n for n in reading if self.on_host(n)))
