"""`memory-planning`: an offset for every buffer of DDR and of the memory tiles, by live ranges in epochs.

A run is an epoch.  A buffer filled by a load lives from the epoch before its run, one that is stored until the epoch
after; work packets are fetched an epoch ahead, and take what memory is left.  All columns use one offset for a buffer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from compiler.errors import DoesNotFit, Limit, Location, Reason
from compiler.ir import Module, Rewriter
from compiler.mapping.exact import NODES, Shortage, shortage, smallest
from compiler.mapping.memory import Request, round_up
from compiler.mapping.sizes import most_slots
from compiler.pass_manager import Pass, Stage, option
from dialects import tile

if TYPE_CHECKING:
    from compiler.target import Target

TILE = Stage.of("tile", tile.DIALECT.ops)


def live_range(alloc: tile.AllocOp, last_epoch: int) -> tuple[int, int]:
    """First and last epoch in which the buffer's bytes matter."""
    touched: list[int] = []
    for user in alloc.y.users:
        if isinstance(user, tile.LoadOp):
            touched += [max(0, user.epoch - 1), user.epoch]
        elif isinstance(user, tile.StoreOp):
            touched += [user.epoch, min(user.epoch + 1, last_epoch)]
        elif isinstance(user, tile.RunOp):
            touched.append(user.epoch)
        elif isinstance(user, tile.PortOp):
            touched += [0, last_epoch]
    return (min(touched), max(touched)) if touched else (0, 0)


@dataclass
class Ring:
    """Where the work packets of a run wait: from the epoch before it on."""

    run: tile.RunOp
    offset: int
    slots: int

    @property
    def slot_bytes(self) -> int:
        """Bytes of a step's packets."""
        return self.run.packet_bytes * self.run.senders

    def meets(self, first: int, last: int) -> bool:
        """Whether it is there in one of these epochs."""
        return first <= self.run.epoch and self.run.epoch - 1 <= last

    def grow(self, fixed: Sequence[tuple[Request, int]], rings: Sequence[Ring], capacity: int, share: int) -> None:
        """Take the `share`-th part of the largest hole for more slots, if that is more than there are."""
        first, last = max(0, self.run.epoch - 1), self.run.epoch
        taken = [(at, at + one.bytes) for one, at in fixed if one.first <= last and first <= one.last]
        near = (one for one in rings[first : last + 2] if one is not self and one.meets(first, last))
        taken += [(one.offset, one.offset + one.slots * one.slot_bytes) for one in near]
        low, high = _largest_hole(taken, capacity)
        slots = min((high - low) // share // self.slot_bytes, most_slots(self.run.senders), self.run.steps)
        if slots > self.slots:
            self.offset, self.slots = low, slots


def _largest_hole(taken: Sequence[tuple[int, int]], capacity: int) -> tuple[int, int]:
    """The widest stretch of a memory in which nothing lies; it starts where a buffer may."""
    best, end = (0, 0), 0
    for first, last in (*sorted(taken), (capacity, capacity)):
        if first - end > best[1] - best[0]:
            best = (end, first)
        end = max(end, round_up(last))
    return best


@dataclass(frozen=True)
class MemoryPlanning(Pass):
    """Give every buffer of DDR and of the memory tiles an offset."""

    name: ClassVar[str] = "memory-planning"
    requires: ClassVar[Stage] = TILE
    ensures: ClassVar[Stage] = TILE

    search_nodes: int = option(NODES, help="nodes of the search for a smaller placement, per memory")

    def run(self, module: Module, target: Target) -> None:
        """Set `offset` and `work_offset`."""
        allocs = list(module.walk(tile.AllocOp))
        runs = list(module.walk(tile.RunOp))
        last = len(runs) - 1
        self._ddr([one for one in allocs if one.type.level == "ddr"], last)
        resident = [one for one in allocs if one.type.level == "mem"]
        requests = [Request(one.owner, one.type.bytes, *live_range(one, last)) for one in resident]
        requests += [Request(f"work of {one.title}", one.work_bytes, max(0, one.epoch - 1), one.epoch) for one in runs]
        found = smallest(requests, nodes=self.search_nodes)
        short = shortage(requests, found, target.memory_tile.bytes)
        if short:
            largest = (*resident, *runs)[requests.index(short.alive[0])]
            users = largest.y.users if isinstance(largest, tile.AllocOp) else (largest,)
            raise self._too_much(short, next(one.loc for one in users if isinstance(one, tile.RunOp)))
        offsets = found.offsets
        for alloc, offset in zip(resident, offsets[: len(resident)], strict=True):
            Rewriter.at(alloc).change(alloc, offset=offset)
        rings = [Ring(run, offset, run.slots) for run, offset in zip(runs, offsets[len(resident) :], strict=True)]
        fixed = list(zip(requests[: len(resident)], offsets, strict=False))
        for share in (2, 1):
            for ring in rings:
                ring.grow(fixed, rings, target.memory_tile.bytes, share)
        for ring in rings:
            Rewriter.at(ring.run).change(ring.run, work_offset=ring.offset, slots=ring.slots)

    def _ddr(self, allocs: list[tile.AllocOp], last: int) -> None:
        """Inputs, outputs and constants one after another; scratch by live range."""
        for argument in range(4):
            group = [one for one in allocs if one.argument == argument]
            requests = [
                Request(one.owner, one.type.bytes, *(live_range(one, last) if argument == 3 else (0, last)))
                for one in group
            ]
            offsets = smallest(requests, nodes=self.search_nodes).offsets
            for alloc, offset in zip(group, offsets, strict=True):
                Rewriter.at(alloc).change(alloc, offset=offset)

    def _too_much(self, short: Shortage, place: Location) -> DoesNotFit:
        """The layer of the largest buffer is the place; if less is alive at once than there is, a longer search may do.

        If not, only smaller buffers will.
        """
        options = "choose-tiles{stage-bytes=... work-bytes=...} with smaller numbers needs less at once"
        if short.bound <= short.capacity:
            options += f", and {self.name}{{search-nodes={max(NODES, 16 * self.search_nodes)}}} looks longer for room"
        return DoesNotFit(
            Reason(
                "memory-tile-full",
                f"buffers need {short.peak} bytes of a memory tile, it has {short.capacity}",
                place,
                notes=(
                    f"{short.peak} bytes are the fewest that were found to do, and fewer than {short.bound} cannot",
                    f"most is alive at once in epoch {short.epoch}, of which the largest are",
                    *(f"{one.name}: {one.bytes} bytes" for one in short.alive[:5]),
                ),
                help=options,
                limit=Limit("bytes of a memory tile that are needed", f"at most {short.capacity}", str(short.peak)),
            )
        )
