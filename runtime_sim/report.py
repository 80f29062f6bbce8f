"""Where the time of a run went, layer by layer, and what binds each; every number is simulated."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from compiler.errors import Diagnostic, UnreadableInput
from compiler.target import Target
from runtime_sim.record import Result
from runtime_sim.usage import MEANING, RESOURCES, binding, busiest, busy_lanes

SCHEMA = 2
NAME_WIDTH = 48


@dataclass(frozen=True)
class LayerTime:
    """One layer: `start..end` is all it did, `cycles` the stretch that no earlier layer is charged with.

    `binds` is one of `RESOURCES` or `WAITING`.
    """

    index: int
    name: str
    start: int
    end: int
    begins: int
    cycles: int
    busy: Mapping[str, int]
    binds: str


@dataclass(frozen=True)
class Timing:
    """A run in array cycles; the cycles of the layers and `gap_cycles` sum to `cycles`."""

    cycles: int
    gap_cycles: int
    layers: tuple[LayerTime, ...]
    busy: Mapping[str, int]
    lanes: Mapping[str, int]
    ddr_read_bytes: int
    ddr_written_bytes: int
    control_cycles: int
    sync_wait_cycles: int
    target: Target

    @property
    def us(self) -> float:
        """The whole run in microseconds."""
        return self.target.microseconds(self.cycles)

    def to_dict(self) -> dict[str, Any]:
        """The content of timing.json."""
        us = self.target.microseconds
        return {
            "schema": SCHEMA,
            "kind": "simulated",
            "unit": "cycles of the array clock",
            "target": self.target.name,
            "clock_mhz": self.target.clock_mhz,
            "notes": list(self.target.notes),
            "cycles": self.cycles,
            "us": us(self.cycles),
            "gap_cycles": self.gap_cycles,
            "gap_us": us(self.gap_cycles),
            "layers": [_layer_dict(one, self.target) for one in self.layers],
            "resources": {
                kind: {"busy_cycles": self.busy[kind], "busy_us": us(self.busy[kind]), "what": MEANING[kind]}
                for kind in RESOURCES
            },
            "lanes": dict(self.lanes),
            "ddr_read_bytes": self.ddr_read_bytes,
            "ddr_written_bytes": self.ddr_written_bytes,
            "control_cycles": self.control_cycles,
            "sync_wait_cycles": self.sync_wait_cycles,
        }

    def table(self) -> str:
        """A table for people, in microseconds; its last line is the sum of those above."""
        us = self.target.microseconds
        names = [shortened(one.name) for one in self.layers]
        wide = max([len("layer"), *map(len, names)])
        head = "".join(f"{title:>14}" for title in ("us", *RESOURCES))
        lines = [f"{'layer':{wide}}{head}  binds"]
        for name, one in zip(names, self.layers, strict=True):
            times = "".join(f"{us(one.busy[kind]):14.2f}" for kind in RESOURCES)
            lines.append(f"{name:{wide}}{us(one.cycles):14.2f}{times}  {one.binds}")
        lines.append(f"{'gaps':{wide}}{us(self.gap_cycles):14.2f}")
        whole = "".join(f"{us(self.busy[kind]):14.2f}" for kind in RESOURCES)
        lines.append(f"{'total':{wide}}{us(self.cycles):14.2f}{whole}  {self.cycles} cycles")
        lines += [f"note: {note}" for note in self.target.notes]
        return "\n".join(lines) + "\n"


def shortened(name: str) -> str:
    """A name that leaves room for numbers beside it: converters make names of hundreds of letters."""
    return name if len(name) <= NAME_WIDTH else f"{name[: NAME_WIDTH - 3]}..."


def _layer_dict(one: LayerTime, target: Target) -> dict[str, Any]:
    return {
        "index": one.index,
        "name": one.name,
        "start": one.start,
        "end": one.end,
        "begins": one.begins,
        "cycles": one.cycles,
        "us": target.microseconds(one.cycles),
        "binds": one.binds,
        "busy_cycles": dict(one.busy),
    }


def timing_of(result: Result, target: Target, names: Sequence[str]) -> Timing:
    """The timing of a run; a layer's name is the one at its number."""
    lanes = busy_lanes(result, target)
    stretches = list(_stretches(result))
    edges = np.array([(begins, end) for _, begins, end in stretches], np.float64).reshape(-1, 2)
    per_layer = {kind: busiest(lanes[kind], edges) for kind in RESOURCES}
    whole = {kind: busiest(lanes[kind], np.array([[0.0, result.cycles]])) for kind in RESOURCES}
    layers = []
    for row, (index, begins, end) in enumerate(stretches):
        busy = {kind: round(float(per_layer[kind][row])) for kind in RESOURCES}
        binds = binding(busy, end - begins)
        name = names[index] if index < len(names) else f"layer {index}"
        start, own_end = result.layers[index]
        layers.append(LayerTime(index, name, start, own_end, begins, end - begins, busy, binds))
    return Timing(
        cycles=result.cycles,
        gap_cycles=result.cycles - sum(one.cycles for one in layers),
        layers=tuple(layers),
        busy={kind: round(float(whole[kind][0])) for kind in RESOURCES},
        lanes=dict(sorted(result.busy.items())),
        ddr_read_bytes=result.ddr_read,
        ddr_written_bytes=result.ddr_written,
        control_cycles=result.control_cycles,
        sync_wait_cycles=result.sync_wait_cycles,
        target=target,
    )


def _stretches(result: Result) -> Iterator[tuple[int, int, int]]:
    """(layer, first cycle, last cycle) of stretches that do not overlap, in the order in which layers end."""
    reached = 0
    for index, (start, end) in sorted(result.layers.items(), key=lambda item: (item[1][1], item[0])):
        begins = min(max(start, reached), result.cycles)
        reached = min(max(end, begins), result.cycles)
        yield index, begins, reached


def layer_table(layers: Any, place: str) -> list[str]:
    """Names of the layers of layers.json, by number."""
    if not isinstance(layers, list):
        raise UnreadableInput(Diagnostic("plan-layers", "not a list of layers", place))
    names = [one.get("name") if isinstance(one, dict) else None for one in layers]
    for number, name in enumerate(names):
        if not isinstance(name, str):
            raise UnreadableInput(Diagnostic("plan-layers", f"layer {number} has no name", place))
    return [str(name) for name in names]


def layer_of_operation(layers: Any, place: str, operations: int) -> Callable[[int], int]:
    """From the number of a control operation to the layer it serves by layers.json; -1 for set-up, which comes first.

    Behind set-up each of the stream's operations must serve one layer.
    """
    names = layer_table(layers, place)
    for number, one in enumerate(layers):
        control = one.get("control")
        if not (isinstance(control, list) and all(map(_is_stretch, control))):
            text = f"layer {number} '{names[number]}' has no stretches of control operations [first, last)"
            raise UnreadableInput(Diagnostic("plan-layers", text, place))
    stretches = _in_order([one["control"] for one in layers])
    for (_, last, one), (first, _, other) in pairwise(stretches):
        if first < last:
            text = f"control operation {first} belongs to layer {one} and to layer {other}"
            raise UnreadableInput(Diagnostic("plan-layers", text, place))
        if first > last:
            text = f"control operation {last} belongs to no layer, but is behind the first that does"
            raise UnreadableInput(Diagnostic("plan-layers", text, place))
    if stretches and stretches[-1][1] != operations:
        text = f"the layers have control operations up to {stretches[-1][1] - 1}, the stream up to {operations - 1}"
        raise UnreadableInput(Diagnostic("plan-layers", text, place))
    return layer_by_stretches([one["control"] for one in layers])


def layer_by_stretches(layers: Sequence[Sequence[tuple[int, int]]]) -> Callable[[int], int]:
    """From the number of a control operation to the layer in one of whose stretches [first, last) it is, or -1."""
    stretches = _in_order(layers)
    firsts = [first for first, _, _ in stretches]

    def layer_of(operation: int) -> int:
        at = bisect_right(firsts, operation) - 1
        return stretches[at][2] if at >= 0 and operation < stretches[at][1] else -1

    return layer_of


def _in_order(layers: Sequence[Sequence[tuple[int, int]]]) -> list[tuple[int, int, int]]:
    return sorted((first, last, number) for number, one in enumerate(layers) for first, last in one)


def _is_stretch(found: Any) -> bool:
    """Whether a JSON value is [first, last) with at least one operation in it."""
    whole = isinstance(found, list) and len(found) == 2 and all(type(one) is int for one in found)
    return whole and 0 <= found[0] < found[1]
