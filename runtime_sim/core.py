"""The dispatcher that every core runs: take a work packet, run its calls, hand the results on."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from compiler.encoding.work import (
    BLOCK,
    CONFIG_ADDRESS,
    WORK_VERSION,
    CallRecord,
    CoreConfig,
    Kernel,
    WorkHeader,
)
from compiler.errors import BsccError, SimulationFault
from runtime_sim.array import Array, TileState
from runtime_sim.faults import sim_fault
from runtime_sim.locks import Lock
from runtime_sim.memory import WORD, Access, Bytes, Memory, Pattern
from runtime_sim.record import Event, KernelRecord

_NOTHING = np.empty(0, np.uint8)
SKIP_CYCLES = 1  # docs/plan-format.md: a call that only takes and gives back its packet


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
        *,
        compute: bool,
    ) -> int: ...


class _Slot(NamedTuple):
    memory: Memory
    offset: int
    size: int

    def bytes(self, count: int) -> Bytes:
        """The first bytes of the slot."""
        return self.memory.bytes[self.offset : self.offset + count]


class _Locks(NamedTuple):
    act_free: Lock
    act_full: Lock
    work_free: Lock
    work_full: Lock
    out_free: Lock
    out_full: Lock


class Core:
    """One core; `start` begins its endless program."""

    def __init__(self, array: Array, state: TileState, run_call: RunCall) -> None:
        self.array = array
        self.tile = state
        self.place = state.place
        self.lane = state.name
        self.layer = -1
        self.running = False
        self._run_call = run_call
        self._waits: Lock | None = None
        self._idle = True
        self._pending = 0
        self._last_end = 0
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
        def slot(address: int, size: int) -> _Slot:
            return _Slot(*self.array.core_memory(self.tile, address, size, self.lane), size)

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

    def _take(self, lock: Lock) -> Iterator[int | Lock]:
        yield lock
        self._pending += self.array.target.timing.lock_cycles

    def _give(self, lock: Lock) -> None:
        lock.release(1, self.lane, self.layer)
        self._pending += self.array.target.timing.lock_cycles

    def _next(self, name: str) -> _Slot:
        turn = self._turn[name]
        self._turn[name] = 1 - turn
        return self._slots[name][turn]

    def _dispatch(self) -> Iterator[int | Lock]:
        """The program of docs/plan-format.md."""
        locks = self._locks
        act: _Slot | None = None
        while True:
            self._idle = True
            yield from self._take(locks.work_full)
            self._idle = False
            work = self._next("work")
            header = self._header(work)
            for call in self._calls(work, header):
                if call.acquire_act:
                    yield from self._take(locks.act_full)
                    act = self._next("act")
                    self._check_act(act, call)
                if call.skip:
                    self._pending += SKIP_CYCLES
                else:
                    yield from self._compute(work, header, call, act)
                if call.release_act:
                    self._give(locks.act_free)
            self._give(locks.work_free)

    def _compute(self, work: _Slot, header: WorkHeader, call: CallRecord, act: _Slot | None) -> Iterator[int | Lock]:
        """One call that computes, and its result given away."""
        out = None
        if call.last:
            yield from self._take(self._locks.out_free)
            out = self._next("out")
        if act is None:
            text = "the first call takes no activation slot"
            raise sim_fault("work-call", text, self.lane, self.layer)
        yield from self._kernel(work, header, call, act, out)
        if call.last:
            self._give(self._locks.out_full)

    def _header(self, work: _Slot) -> WorkHeader:
        """The header of a packet that has arrived, checked against what arrived."""
        received = work.memory.received.get(work.offset, 0)
        words = work.bytes(WorkHeader.WORDS * WORD).view(np.uint32)
        try:
            header = WorkHeader.decode(words.tolist())
        except BsccError as error:
            raise sim_fault("work-header", error.diagnostic.message, self.lane, self.layer) from error
        self.layer = header.layer
        if header.version != WORK_VERSION:
            text = f"the work packet has version {header.version}, expected {WORK_VERSION}"
            raise sim_fault("work-version", text, self.lane, self.layer)
        if header.kernel not in list(Kernel):
            raise sim_fault("work-kernel", f"kernel {header.kernel} is unknown", self.lane, self.layer)
        if header.size_words * WORD != received or received > work.size:
            text = f"the work packet says {header.size_words * WORD} bytes, {received} of {work.size} arrived"
            raise sim_fault("work-size", text, self.lane, self.layer)
        return header

    def _calls(self, work: _Slot, header: WorkHeader) -> list[CallRecord]:
        size = CallRecord.WORDS * WORD
        lists = header.call_lists
        if lists != 1 and self._row >= lists:
            text = f"the work packet has call lists for {lists} rows, this core is in row {self._row}"
            raise sim_fault("work-size", text, self.lane, self.layer)
        start = header.calls_offset + (self._row * header.calls * size if lists != 1 else 0)
        end = start + header.calls * size
        if header.calls_offset % WORD or end > header.size_words * WORD:
            text = f"{header.calls} call records end at byte {end} of {header.size_words * WORD}"
            raise sim_fault("work-size", text, self.lane, self.layer)
        table = work.bytes(end)[start:].view(np.uint32).reshape(-1, CallRecord.WORDS)
        try:
            return [CallRecord.decode(row) for row in table.tolist()]
        except BsccError as error:
            raise sim_fault("work-call", error.diagnostic.message, self.lane, self.layer) from error

    def _check_act(self, act: _Slot, call: CallRecord) -> None:
        received = act.memory.received.get(act.offset, 0)
        if received != call.act_bytes:
            text = f"the activation packet has {received} bytes, the call expects {call.act_bytes}"
            raise sim_fault("act-size", text, self.lane, self.layer)

    def _kernel(
        self, work: _Slot, header: WorkHeader, call: CallRecord, act: _Slot, out: _Slot | None
    ) -> Iterator[int]:
        """One kernel call, its buffers guarded while it runs."""
        clock, compute = self.array.clock, self.array.settings.compute
        out_bytes = call.out_rows * header.out_blocks * header.out_width * BLOCK
        if out is not None and out_bytes > out.size:
            text = f"the call writes {out_bytes} bytes into a slot of {out.size}"
            raise sim_fault("out-size", text, self.lane, self.layer)
        guards: list[tuple[Memory, Access]] = []
        if compute:
            guards = self._guards(work, header, act, out, out_bytes)
        cycles = self._call(work, header, call, act, out)
        start = clock.now
        busy = cycles + self._pending
        self._pending = 0
        yield busy
        for memory, access in guards:
            memory.end(access)
        if out is not None and compute:
            out.memory.mark(out.offset // WORD, out_bytes // WORD)
        self._log(header, start, cycles, out_bytes if out is not None else 0)

    def _guards(
        self, work: _Slot, header: WorkHeader, act: _Slot, out: _Slot | None, out_bytes: int
    ) -> list[tuple[Memory, Access]]:
        act_bytes = act.memory.received.get(act.offset, 0)
        parts = [(work, header.size_words * WORD, False, "work"), (act, act_bytes, False, "activations")]
        if self._acc is not None:
            parts.append((self._acc, self._acc.size, True, "accumulators"))
        if out is not None:
            parts.append((out, out_bytes, True, "output"))
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

    def _call(self, work: _Slot, header: WorkHeader, call: CallRecord, act: _Slot, out: _Slot | None) -> int:
        acc = (_NOTHING if self._acc is None else self._acc.bytes(self._acc.size)).view(np.int32)
        target = _NOTHING if out is None else out.bytes(out.size)
        packet = work.bytes(header.size_words * WORD)
        act_bytes = act.memory.received.get(act.offset, 0)
        compute = self.array.settings.compute
        try:
            return self._run_call(packet, header, call, act.bytes(act_bytes), acc, target, compute=compute)
        except SimulationFault as error:
            found = error.diagnostic
            raise sim_fault(found.code, found.message, self.lane, self.layer, found.notes) from error
        except (IndexError, ValueError) as error:
            text = f"kernel {Kernel(header.kernel).name} reaches outside its buffers: {error}"
            raise sim_fault("kernel-access", text, self.lane, self.layer) from error

    def _log(self, header: WorkHeader, start: int, cycles: int, written: int) -> None:
        result, end = self.array.result, self.array.clock.now
        name = Kernel(header.kernel).name.lower()
        result.event(Event(start, end, self.lane, self.lane, name, header.layer, written))
        wait = start - self._last_end
        result.calls.append(KernelRecord(self.place, header.layer, header.kernel, start, end, cycles, wait))
        result.busy[self.lane] += end - start
        self._last_end = end

    def complaint(self) -> str:
        """What the core waits for in the middle of a packet, empty if it is at its top."""
        if not self.running or self._idle or self._waits is None:
            return ""
        lock = self._waits
        return f"{self.lane} waits for {lock.name} >= 1, which is {lock.value} (layer {self.layer})"
