"""A core that runs its program memory bundle by bundle, on the memories, the locks and the clock of the array.

It runs ahead of the clock up to the next lock that it asks for, and asks when the clock has come so far; what it gives
back on the way is given in its own cycle.  Its stores are seen by others too early then, but locks keep them from it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from compiler.encoding.work import CONFIG_ADDRESS, CoreConfig, Kernel, WorkHeader
from compiler.errors import BsccError, SimulationFault
from runtime_sim.array import Array, TileState
from runtime_sim.faults import sim_fault
from runtime_sim.instructions import CoreMemory, Result, Settings, Status, open_core
from runtime_sim.instructions.run import Core as Machine
from runtime_sim.locks import Lock
from runtime_sim.memory import WORD
from runtime_sim.program_memory import program_of
from runtime_sim.record import Event, KernelRecord
from runtime_sim.written import Written

LIMIT_CYCLES = 1 << 26
"""A core that asks for no lock for so long never will."""

_KERNELS = frozenset(map(int, Kernel))


class InstructionCore:
    """One core of the array; to its program it is the keeper of the locks."""

    def __init__(self, array: Array, state: TileState) -> None:
        assert array.settings.compute, "machine code needs data"
        self.array = array
        self.tile = state
        self.lane = state.name
        self.layer = -1
        self.running = False
        self._kernel = 0
        self._machine: Machine | None = None
        self._start = 0  # when the program would have started, had it never waited
        self._request: tuple[int, int] | None = None
        self._granted = False
        self._waits: Lock | None = None
        self._last_end = 0

    def start(self) -> None:
        """Run from the first bundle."""
        self._windows = self.array.core_windows(self.tile)
        memory = CoreMemory.of(**{name: one.bytes for name, one in self._windows.items()})
        settings = Settings(lock_cycles=self.array.target.timing.lock_cycles)
        self._machine = open_core(program_of(self.tile), memory, locks=self, settings=settings)
        self._packets = _Packets(self.array, self.tile)
        self.running = True
        self._start = self.array.clock.now
        self.array.clock.after(0, self._go)

    # What the program asks of its locks

    def acquire(self, lock: int, value: int) -> bool:
        """Answer yes only when the array has granted what was asked for, for which the program must stop first."""
        granted, self._granted = self._granted, False
        self._request = None if granted else (lock, value)
        return granted

    def release(self, lock: int, value: int) -> None:
        """Give when the clock has come so far."""
        found = self.array.core_lock(self.tile, lock, self.lane)
        self._when(found.release, value, self.lane, self.layer)

    def _when(self, action: Callable[..., None], *arguments: object) -> None:
        """Do something in the cycle that the program has come to."""
        assert self._machine is not None
        self.array.clock.after(self._start + self._machine.cycles - self.array.clock.now, action, *arguments)

    # The program's turn, and the array's

    def _go(self) -> None:
        """Run up to the next lock that the program waits for."""
        assert self._machine is not None
        self._waits = None
        stretches = [Written(memory) for memory in self._windows.values()]
        try:
            result = self._machine.run(self._machine.cycles + LIMIT_CYCLES)
        except SimulationFault as error:
            found = error.diagnostic
            notes = (f"the core says: {found.place}", *found.notes)
            raise sim_fault(found.code, found.message, self.lane, self.layer, notes, found.help) from error
        for stretch in stretches:
            stretch.mark()
        self._log(result)
        if result.status is Status.LIMIT:
            text = f"the core runs for {LIMIT_CYCLES} cycles and asks for no lock"
            raise sim_fault("core-endless", text, self.lane, self.layer)
        if result.status is Status.BLOCKED:
            self._when(self._ask)

    def _ask(self) -> None:
        assert self._request is not None
        number, value = self._request
        lock = self.array.core_lock(self.tile, number, self.lane)
        if lock.acquire(abs(value), value < 0, self._resume):
            self._resume()
        else:
            self._waits = lock

    def _resume(self) -> None:
        """The lock is had: the cycles that it was waited for are none of the program's."""
        assert self._machine is not None and self._request is not None
        self._start = self.array.clock.now - self._machine.cycles
        self._granted = True
        if self._packets.arrives(self._request[0]):
            self.layer, self._kernel = self._packets.next()
        self._go()

    def _log(self, result: Result) -> None:
        start, end = self.array.clock.now, self._start + result.cycles
        if end == start or self._kernel not in _KERNELS:
            return
        kernel, record = Kernel(self._kernel), self.array.result
        record.event(Event(start, end, self.lane, self.lane, kernel.name.lower(), self.layer, 0))
        wait = start - self._last_end
        record.calls.append(KernelRecord(self.tile.place, self.layer, kernel, start, end, end - start, wait))
        record.busy[self.lane] += end - start
        self._last_end = end

    def complaint(self) -> str:
        """What the core waits for in the middle of a packet, empty if it waits for the next."""
        if self._waits is None or self._request is None or self._packets.arrives(self._request[0]):
            return ""
        lock = self._waits
        return f"{self.lane} waits for {lock.name} >= 1, which is {lock.value} (layer {self.layer})"


class _Packets:
    """Whose work the core does, for reports: the packets in its work slots, if its record names such slots."""

    def __init__(self, array: Array, tile: TileState) -> None:
        self._array, self._tile, self._turn = array, tile, 0
        words = tile.memory.words[CONFIG_ADDRESS // WORD :][: CoreConfig.WORDS]
        try:
            self._config: CoreConfig | None = CoreConfig.decode(words.tolist())
        except BsccError:
            self._config = None

    def arrives(self, lock: int) -> bool:
        """Whether having this lock means that a packet has arrived."""
        return self._config is not None and lock == self._config.work_full_lock

    def next(self) -> tuple[int, int]:
        """Layer and kernel of the packet in the next slot."""
        assert self._config is not None
        slot = (self._config.work_slot0, self._config.work_slot1)[self._turn]
        self._turn = 1 - self._turn
        memory, offset = self._array.core_memory(self._tile, slot, WORD * WorkHeader.WORDS, self._tile.name)
        words = memory.words[offset // WORD :][: WorkHeader.WORDS]
        header = WorkHeader.decode(np.asarray(words).tolist())
        return header.layer, header.kernel
