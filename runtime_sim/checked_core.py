"""Cores at transaction speed that run chosen kernel calls a second time, at instruction level, and compare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from compiler.encoding.work import GROUP_BYTES, SET, Kernel
from compiler.errors import Diagnostic, NumericalMismatch, SimulationFault
from runtime_sim.array import Array, TileState
from runtime_sim.core import Core, Job
from runtime_sim.cycles import lock_requests, phase_cycles
from runtime_sim.faults import sim_fault
from runtime_sim.kernels import run_call
from runtime_sim.program_memory import program_of
from runtime_sim.single_call import CallImage, Slots
from runtime_sim.streams import Place

SAID = 4
"""More calls than these go wrong for the same reason."""

_SUM_BYTES = 4  # a sum in the scratch, for each byte of a group


@dataclass(frozen=True)
class Selection:
    """Kernel calls of a layer or of all: of all cores or one, or one by its number there, skipped ones uncounted.

    A layer in strips is several `layers`, whose calls are counted through; none are all layers of the plan.
    """

    layers: tuple[int, ...] = ()
    core: Place | None = None
    call: int | None = None

    def takes(self, layer: int, core: Place, call: int) -> bool:
        """Whether a call is one of them."""
        here = not self.layers or layer in self.layers
        return here and self.core in (None, core) and self.call in (None, call)

    def counted(self, layer: int) -> int:
        """The layer that calls of a layer are counted with: of strips that are selected the first."""
        return self.layers[0] if layer in self.layers else layer


@dataclass(frozen=True)
class CheckedCall:
    """A call at both levels; `ours` are the bytes of its result at instruction, `theirs` at transaction level."""

    layer: int
    core: Place
    number: int
    kernel: Kernel
    cycles: int
    bank_stalls: int
    charged: int
    ours: NDArray[np.uint8]
    theirs: NDArray[np.uint8]

    def wrong_bytes(self, layer: str) -> Diagnostic:
        """What to say of bytes that differ."""
        first = self.wrong[0]
        values = f"{self.ours[first]} at instruction level, {self.theirs[first]} at transaction level"
        text = f"{self.wrong.size} of {self.ours.size} bytes of the result differ, the first at {first}: {values}"
        return Diagnostic("instruction-bytes", text, f"{layer}:{self.name}")

    def wrong_cycles(self, layer: str) -> Diagnostic:
        """What to say of cycles that differ."""
        text = f"takes {self.cycles} cycles at instruction level, {self.charged} are charged"
        notes = (f"{self.bank_stalls} are bank stalls, which no cost foresees",) if self.bank_stalls else ()
        return Diagnostic("instruction-cycles", text, f"{layer}:{self.name}", notes)

    @property
    def wrong(self) -> NDArray[np.intp]:
        """Places of the bytes that differ."""
        return np.flatnonzero(self.ours != self.theirs)

    @property
    def name(self) -> str:
        """The call as a selection names it."""
        return f"{self.core[0]},{self.core[1]},{self.number}"


@dataclass
class Checks:
    """The calls that were compared; `core` makes the cores of a run that does it."""

    selection: Selection
    calls: list[CheckedCall] = field(default_factory=list)
    longest: tuple[CheckedCall, CallImage] | None = None
    seen: Counter[tuple[int, Place]] = field(default_factory=Counter)
    """Calls of each layer on each core, compared or not."""

    def add(self, call: CheckedCall, image: CallImage) -> None:
        """Keep a call, and what its core saw only of the longest: that is hundreds of kilobytes."""
        self.calls.append(call)
        if self.longest is None or call.cycles > self.longest[0].cycles:
            self.longest = call, image

    def core(self, array: Array, state: TileState) -> Core:
        """A core that compares those of the selected calls that it runs."""
        return _CheckedCore(array, state, self)

    def refuse(self, names: Sequence[str]) -> None:
        """Raise what differs, bytes before cycles; the layers have these names."""
        found = [one.wrong_bytes(names[one.layer]) for one in self.calls if one.wrong.size]
        if found:
            raise NumericalMismatch(*found[:SAID])
        found = [one.wrong_cycles(names[one.layer]) for one in self.calls if one.cycles != one.charged]
        if found:
            raise SimulationFault(*found[:SAID])


class _CheckedCore(Core):
    def __init__(self, array: Array, state: TileState, checks: Checks) -> None:
        super().__init__(array, state, run_call)
        self._checks = checks

    def _compute(self, job: Job) -> None:
        counted = self._checks.selection.counted(self.layer), self.place
        number = self._checks.seen[counted]
        self._checks.seen[counted] += 1
        if not self._checks.selection.takes(self.layer, self.place, number):
            super()._compute(job)
            return
        image = self._image(job)
        super()._compute(job)
        try:
            run = image.run()
        except SimulationFault as error:
            found = error.diagnostic
            place = f"{self.lane} call {number}" + f": {found.place}" * bool(str(found.place))
            raise sim_fault(found.code, found.message, place, self.layer, found.notes, found.help) from error
        theirs, ours = self._results(job, run.after)
        call = CheckedCall(
            layer=self.layer,
            core=self.place,
            number=number,
            kernel=Kernel(job.header.kernel),
            cycles=run.cycles,
            bank_stalls=run.result.bank_stalls,
            charged=self._charged(job),
            ours=ours,
            theirs=theirs,
        )
        self._checks.add(call, image)

    def _charged(self, job: Job) -> int:
        """Cycles of a packet with this one call, from asking for it to asking for the next."""
        costs, call = self.array.settings.costs, job.call
        requests = self._lock_cycles * (2 + lock_requests(call))
        computed = phase_cycles(job.packet, job.header, call, costs)
        return costs.packet + costs.call + computed + costs.packet_next + requests

    def _image(self, job: Job) -> CallImage:
        config = self.config
        windows = {name: memory.bytes for name, memory in self.array.core_windows(self.tile).items()}
        out = config.out_slot0
        if job.out is not None:
            out = (out, config.out_slot1)[self._slots["out"].index(job.out)]
        slots = Slots(
            act=(config.act_slot0, config.act_slot1)[self._slots["act"].index(job.act)],
            work=(config.work_slot0, config.work_slot1)[self._slots["work"].index(job.work)],
            out=out,
        )
        program = program_of(self.tile)
        return CallImage.of(program, windows, config, slots, job.header, job.call, self._lock_cycles)

    def _results(self, job: Job, after: CallImage) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """What the call leaves behind at transaction and at instruction level: what it sends, or its sums."""
        if job.out is not None:
            return job.out.bytes(job.result_bytes).copy(), after.at(after.config.out_slot0, job.result_bytes).copy()
        assert self._acc is not None
        blocks, groups = job.header.out_blocks, job.call.groups
        shape = (blocks, -(-groups // SET) * SET, GROUP_BYTES * _SUM_BYTES)
        size = shape[0] * shape[1] * shape[2]
        sums = (self._acc.bytes(size).copy(), after.at(after.config.acc_address, size))
        theirs, ours = (one.reshape(shape)[:, :groups].reshape(-1) for one in sums)
        return theirs, ours
