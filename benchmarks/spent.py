"""What the cores spend their cycles on in the convolutions of a plan: every call, by the sums of its costs."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from compiler.encoding.costs import KernelCosts
from compiler.encoding.work import LANES, SET, CallRecord, Kernel, WorkHeader
from compiler.kernels import cost
from runtime_sim.array import Array, TileState
from runtime_sim.arrivals import Slot
from runtime_sim.core import Core, Job
from runtime_sim.cycles import lock_requests, phase_cycles
from runtime_sim.kernels import run_call
from runtime_sim.packet import Bytes, entries
from runtime_sim.streams import Place

NEEDED = "multiplies that are needed"
DISPATCHER = "dispatcher"
KINDS = (
    NEEDED,
    "pixels behind the end of a row",
    "groups behind the end of a tile",
    "zero blocks that fill a table",
    "from one set to the next",
    "from one output block to the next",
    "begin and end of the kernel",
    "sums to bytes",
    "clamp, rescale, add",
    "border",
    DISPATCHER,
)


@dataclass(frozen=True)
class Call:
    """One call: calls of one shape compute tiles of one size in one way."""

    shape: tuple[int, ...]
    cycles: int


@dataclass
class Notes:
    """Calls of convolutions by layer and core, and cycles of all cores by layer and kind; `layers` is layers.json."""

    layers: Sequence[Mapping[str, Any]]
    calls: defaultdict[int, defaultdict[Place, list[Call]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    spent: defaultdict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def core(self, array: Array, state: TileState) -> Core:
        """A core that notes what it runs."""
        return _NotingCore(array, state, self)

    def typical(self, layer: int) -> tuple[int, Place, int]:
        """Layer, core and number of its typical call."""
        by_core = self.calls[layer]
        core = max(by_core, key=lambda place: sum(one.cycles for one in by_core[place]))
        shape = Counter(one.shape for one in by_core[core]).most_common(1)[0][0]
        cycles = {number: one.cycles for number, one in enumerate(by_core[core]) if one.shape == shape}
        middle = statistics.median_low(cycles.values())
        return layer, core, next(number for number in cycles if cycles[number] == middle)

    def cycles(self, layer: int) -> int:
        """Cycles of all cores."""
        return round(self.spent[layer].total())

    def table(self) -> Iterator[str]:
        """Markdown: shares of all cycles."""
        every = sum(self.spent.values(), Counter[str]())
        yield "| cycles of all cores | share % |"
        yield "|---|---|"
        for kind in KINDS:
            yield f"| {kind} | {100 * every[kind] / every.total():.1f} |"


class _NotingCore(Core):
    def __init__(self, array: Array, state: TileState, notes: Notes) -> None:
        super().__init__(array, state, run_call)
        self._notes = notes

    def _packet(self, work: Slot) -> tuple[WorkHeader, list[CallRecord]]:
        header, calls = super()._packet(work)
        if header.kernel == Kernel.CONV:
            costs = self.array.settings.costs
            requests = self._lock_cycles * (2 + sum(map(lock_requests, calls)))
            around = costs.packet + costs.packet_next + len(calls) * costs.call + requests
            self._notes.spent[header.layer][DISPATCHER] += around
        return header, calls

    def _compute(self, job: Job) -> None:
        super()._compute(job)
        header, call, notes = job.header, job.call, self._notes
        if header.kernel != Kernel.CONV:
            return
        costs = self.array.settings.costs
        cycles = phase_cycles(job.packet, header, call, costs)
        shape = (call.rows, call.groups, header.out_blocks, call.first, call.last)
        notes.calls[self.layer][self.place].append(Call(shape, cycles))
        parts = _parts(job.packet, header, call, costs, width(notes.layers[self.layer], call.groups // call.rows))
        notes.spent[self.layer] += Counter(parts | {DISPATCHER: cycles - round(sum(parts.values()))})


def variant(header: WorkHeader, call: CallRecord) -> str:
    """How a call ends: `direct`, `narrow`, `staged`, `scale`, or `raw` if its sums stay in the scratch."""
    if not call.last:
        return "raw"
    return next((name for name in ("direct", "narrow", "staged") if getattr(header, name)), "scale")


def width(layer: Mapping[str, Any], wide: int) -> int:
    """Pixels of a row of a tile that has so many groups a row: a piece of the layer's row, or its end."""
    whole, piece = int(layer["out_shape"][1]), int(layer["mapping"]["tile_width"])
    return min(whole, piece) if wide == -(-piece // LANES) else whole % piece


def _parts(packet: Bytes, header: WorkHeader, call: CallRecord, costs: KernelCosts, width: int) -> dict[str, Any]:
    """Cycles of a call by kind, the dispatcher's left out."""
    found, blocks, sets = entries(packet, header), header.out_blocks, -(-call.groups // SET)
    kept = int(found.weights.any(axis=1).sum())
    end, needed = variant(header, call), kept * call.rows * width / LANES
    raw = "bias_raw" if call.first else "scratch_raw"
    mac = end if end in ("direct", "narrow") else raw
    combines = header.combine and call.last
    values = (
        needed,
        kept * call.groups - needed,
        kept * (SET * sets - call.groups),
        (found.block.size - kept) * SET * sets,
        sets * blocks * getattr(costs, f"mac_set_{mac}"),
        blocks * getattr(costs, f"mac_block_{mac}"),
        getattr(costs, f"mac_call_{mac}"),
        cost.rescale_cycles(costs, end, call.groups, blocks) if end in ("staged", "scale") else 0,
        cost.combine_cycles(costs, call.groups, blocks, narrow=header.combine_narrow) if combines else 0,
        cost.fill_cycles(costs, call.pad_bytes) if call.last else 0,
    )
    return dict(zip(KINDS, values, strict=False))
