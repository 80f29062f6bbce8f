"""The dispatcher that every core runs: take a work packet, run its calls, hand the results on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from compiler.encoding.work import CONFIG_ADDRESS, GROUP_BYTES, CallRecord, CoreConfig, Kernel, WorkHeader
from compiler.errors import BsccError, SimulationFault
from runtime_sim.array import Array, TileState
from runtime_sim.arrivals import Slot, call_list, check_act, stores_reach, work_header
from runtime_sim.cycles import phase_cycles
from runtime_sim.faults import sim_fault
from runtime_sim.locks import Lock
from runtime_sim.memory import WORD, Access, Bytes, Memory, Pattern
from runtime_sim.packet import fault
from runtime_sim.record import Event, KernelRecord

_NOTHING = np.empty(0, np.uint8)


class RunCall(Protocol):
    """What `runtime_sim.kernels.run_call` is."""

    def __call__(
        self,
        packet: Bytes,
        header: WorkHeader,
        call: CallRecord,
        act: Bytes,
        acc: npt.NDArray[np.int32],
        out: Bytes,
    ) -> None: ...


class AnyCore(Protocol):
    """A core of the array, however it computes; its program starts at `start` and never ends."""

    layer: int
    running: bool

    def start(self) -> None:
        """Leave reset."""

    def complaint(self) -> str:
        """What the core waits for in the middle of its work, empty if it waits for none."""


class _Locks(NamedTuple):
    act_free: Lock
    act_full: Lock
    work_free: Lock
    work_full: Lock
    out_free: Lock
    out_full: Lock


class Job(NamedTuple):
    """One call with the buffers that it is about."""

    work: Slot
    header: WorkHeader
    call: CallRecord
    act: Slot
    out: Slot | None

    @property
    def packet(self) -> Bytes:
        return self.work.bytes(self.header.size_words * WORD)

    @property
    def result_bytes(self) -> int:
        """What the call sends."""
        tile = self.call.groups * self.header.out_blocks * GROUP_BYTES
        return tile + self.call.pad_bytes if self.out is not None else 0


class Core:
    """One core; `start` begins its endless program."""

    def __init__(self, array: Array, state: TileState, run_call: RunCall) -> None:
        self.array = array
        self.tile = state
        self.place = state.place
        self.lane = state.name
        self.layer = -1
        self.running = False
        self._costs = array.settings.costs
        self._run_call = run_call
        self._waits: Lock | None = None
        self._idle = True
        self._pending = 0
        self._lock_cycles = array.target.timing.lock_cycles
        self._waited = 0
        self._turn = {"act": 0, "work": 0, "out": 0}
        self._program: Iterator[int | Lock] = iter(())

    def start(self) -> None:
        """Read the configuration and run from the top."""
        words = self.tile.memory.words[CONFIG_ADDRESS // WORD :][: CoreConfig.WORDS]
        try:
            self.config = CoreConfig.decode(words.tolist())
        except BsccError as error:
            raise sim_fault("core-config", error.diagnostic.message, self.lane) from error
        self._open_buffers(self.config)
        self.running = True
        self._program = self._dispatch()
        self.array.clock.after(0, self._resume)

    def _open_buffers(self, config: CoreConfig) -> None:
        def slot(address: int, size: int) -> Slot:
            if address % GROUP_BYTES:
                text = f"a buffer begins at 0x{address:x}, no multiple of the {GROUP_BYTES} bytes of a vector"
                raise sim_fault("core-config", text, self.lane)
            return Slot(*self.array.core_memory(self.tile, address, size, self.lane), size)

        def lock(number: int) -> Lock:
            return self.array.core_lock(self.tile, number, self.lane)

        self._slots = {
            "act": (slot(config.act_slot0, config.act_bytes), slot(config.act_slot1, config.act_bytes)),
            "work": (slot(config.work_slot0, config.work_bytes), slot(config.work_slot1, config.work_bytes)),
            "out": (slot(config.out_slot0, config.out_bytes), slot(config.out_slot1, config.out_bytes)),
        }
        self._row = config.row
        self._acc = slot(config.acc_address, config.acc_bytes) if config.acc_bytes else None
        self._locks = _Locks(
            *map(lock, (config.act_free_lock, config.act_full_lock, config.work_free_lock)),
            *map(lock, (config.work_full_lock, config.out_free_lock, config.out_full_lock)),
        )

    def _resume(self) -> None:
        """Run the program until it waits for time or for a lock."""
        self._waits = None
        for demand in self._program:
            if isinstance(demand, int):
                self.array.clock.after(demand, self._resume)
                return
            if not demand.acquire(1, True, self._resume):
                self._waits = demand
                return

    def _spend(self) -> Iterator[int]:
        """The cycles that have come together since the last time."""
        cycles, self._pending = self._pending, 0
        self.array.result.busy[self.lane] += cycles
        if cycles:
            yield cycles

    def _take(self, lock: Lock) -> Iterator[int | Lock]:
        yield from self._spend()
        asked = self.array.clock.now
        yield lock
        self._waited += self.array.clock.now - asked
        self._pending = self._lock_cycles

    def _give(self, lock: Lock) -> Iterator[int]:
        yield from self._spend()
        lock.release(1, self.lane, self.layer)
        self._pending = self._lock_cycles

    def _next(self, name: str) -> Slot:
        turn = self._turn[name]
        self._turn[name] = 1 - turn
        return self._slots[name][turn]

    def _dispatch(self) -> Iterator[int | Lock]:
        """The program of docs/plan-format.md."""
        locks, costs = self._locks, self._costs
        act: Slot | None = None
        self._pending = costs.boot
        while True:
            yield from self._spend()
            self._idle = True
            yield from self._take(locks.work_full)
            self._idle = False
            self._pending += costs.packet
            work = self._next("work")
            header, calls = self._packet(work)
            for call in calls:
                self._pending += costs.call_act
                if call.acquire_act:
                    yield from self._take(locks.act_full)
                    act = self._next("act")
                    with self._faults():
                        check_act(act, call)
                self._pending += costs.call_out
                yield from self._run(work, header, call, act)
                self._pending += costs.end_act
                if call.release_act:
                    yield from self._give(locks.act_free)
                self._pending += costs.end_call
            yield from self._give(locks.work_free)
            self._pending += costs.packet_next

    def _packet(self, work: Slot) -> tuple[WorkHeader, list[CallRecord]]:
        """Header and calls of a packet that has arrived."""
        with self._faults():
            header = work_header(work)
        self.layer = header.layer
        with self._faults():
            return header, call_list(work, header, self._row)

    def _run(self, work: Slot, header: WorkHeader, call: CallRecord, act: Slot | None) -> Iterator[int | Lock]:
        """What a call computes, and its result given away."""
        out = None
        if call.last:
            yield from self._take(self._locks.out_free)
            out = self._next("out")
        self._pending += self._costs.call_run
        if not call.skip:
            if act is None:
                text = "the first call takes no activation slot"
                raise sim_fault("work-call", text, self.lane, self.layer)
            yield from self._kernel(Job(work, header, call, act, out))
        self._pending += self._costs.end_out
        if call.last:
            yield from self._give(self._locks.out_full)

    def _kernel(self, job: Job) -> Iterator[int]:
        """One kernel call, its buffers guarded while it runs."""
        guards: list[tuple[Memory, Access]] = []
        with self._faults():
            reached = stores_reach(job.out, job.header, job.call) if job.out is not None else 0
            if self.array.settings.compute:
                guards = self._guards(job, reached)
                self._compute(job)
            cycles = phase_cycles(job.packet, job.header, job.call, self._costs)
        self._pending += cycles
        start = self.array.clock.now
        yield from self._spend()
        for memory, access in guards:
            memory.end(access)
        if job.out is not None and self.array.settings.compute:
            job.out.memory.mark(job.out.offset // WORD, job.result_bytes // WORD)
        self._log(job, start, cycles)

    def _guards(self, job: Job, reached: int) -> list[tuple[Memory, Access]]:
        parts = [
            (job.work, job.header.size_words * WORD, False, "work"),
            (job.act, job.act.received, False, "activations"),
        ]
        if self._acc is not None:
            parts.append((self._acc, self._acc.size, True, "accumulators"))
        if job.out is not None:
            parts.append((job.out, reached, True, "output"))
        guards = []
        for slot, size, write, what in parts:
            words = -(-size // WORD)
            pattern = Pattern(words, words)
            access = Access(f"{self.lane} kernel {what}", slot.offset // WORD, pattern, write, self.layer)
            slot.memory.begin(access)
            guards.append((slot.memory, access))
            if not write:
                slot.memory.read(access, 0, words)
        return guards

    def _compute(self, job: Job) -> None:
        acc = (_NOTHING if self._acc is None else self._acc.bytes(self._acc.size)).view(np.int32)
        out = _NOTHING if job.out is None else job.out.bytes(job.out.size)
        try:
            self._run_call(job.packet, job.header, job.call, job.act.bytes(job.act.received), acc, out)
        except (IndexError, ValueError) as error:
            text = f"kernel {Kernel(job.header.kernel).name} reaches outside its buffers: {error}"
            raise fault("kernel-access", text) from error

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Name core and layer in faults that name no place yet."""
        try:
            yield
        except SimulationFault as error:
            found = error.diagnostic
            if str(found.place):
                raise
            raise sim_fault(found.code, found.message, self.lane, self.layer, found.notes) from error

    def _log(self, job: Job, start: int, cycles: int) -> None:
        result, end = self.array.result, self.array.clock.now
        kernel, layer = Kernel(job.header.kernel), job.header.layer
        result.event(Event(start, end, self.lane, self.lane, kernel.name.lower(), layer, job.result_bytes))
        result.calls.append(KernelRecord(self.place, layer, kernel, start, end, cycles, self._waited))
        self._waited = 0

    def complaint(self) -> str:
        """What the core waits for in the middle of a packet, empty if it is at its top."""
        if not self.running or self._idle or self._waits is None:
            return ""
        lock = self._waits
        return f"{self.lane} waits for {lock.name} >= 1, which is {lock.value} (layer {self.layer})"
