"""`memory-planning`: an offset for every buffer of DDR and of the memory tiles, by live ranges in epochs.

A run is an epoch.  A buffer filled by a load lives from the epoch before its run, one that is stored until the epoch
after; work packets are fetched an epoch ahead.  All columns use one offset for one buffer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from compiler.errors import Diagnostic, DoesNotFit
from compiler.ir import Module, Rewriter
from compiler.mapping.memory import Request, lower_bound, place
from compiler.pass_manager import Pass, Stage
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


@dataclass(frozen=True)
class MemoryPlanning(Pass):
    """Give every buffer of DDR and of the memory tiles an offset."""

    name: ClassVar[str] = "memory-planning"
    requires: ClassVar[Stage] = TILE
    ensures: ClassVar[Stage] = TILE

    def run(self, module: Module, target: Target) -> None:
        """Set `offset` and `work_offset`."""
        allocs = list(module.walk(tile.AllocOp))
        runs = list(module.walk(tile.RunOp))
        last = len(runs) - 1
        self._ddr([one for one in allocs if one.type.level == "ddr"], last)
        resident = [one for one in allocs if one.type.level == "mem"]
        requests = [Request(one.owner, one.type.bytes, *live_range(one, last)) for one in resident]
        requests += [Request(f"work of {one.title}", one.work_bytes, max(0, one.epoch - 1), one.epoch) for one in runs]
        offsets, used = place(requests)
        if used > target.memory_tile.bytes:
            raise self._too_much(requests, used, target)
        for alloc, offset in zip(resident, offsets[: len(resident)], strict=True):
            Rewriter.at(alloc).change(alloc, offset=offset)
        for run, offset in zip(runs, offsets[len(resident) :], strict=True):
            Rewriter.at(run).change(run, work_offset=offset)

    def _ddr(self, allocs: list[tile.AllocOp], last: int) -> None:
        """Inputs, outputs and constants one after another; scratch by live range."""
        for argument in range(4):
            group = [one for one in allocs if one.argument == argument]
            requests = [
                Request(one.owner, one.type.bytes, *(live_range(one, last) if argument == 3 else (0, last)))
                for one in group
            ]
            for alloc, offset in zip(group, place(requests)[0], strict=True):
                Rewriter.at(alloc).change(alloc, offset=offset)

    def _too_much(self, requests: list[Request], used: int, target: Target) -> DoesNotFit:
        bound, epoch = lower_bound(requests)
        live = sorted((one for one in requests if one.first <= epoch <= one.last), key=lambda one: -one.bytes)
        return DoesNotFit(
            Diagnostic(
                "memory-tile-full",
                f"buffers need {used} bytes of a memory tile, it has {target.memory_tile.bytes}",
                notes=(
                    f"{bound} bytes are alive at once in epoch {epoch}",
                    *(f"{one.name}: {one.bytes} bytes" for one in live[:5]),
                ),
                help="choose-tiles{stage-bytes=... work-bytes=...} with smaller numbers needs less at once",
            )
        )
