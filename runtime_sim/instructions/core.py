"""The reference interpreter: one core, cycle by cycle, its pipeline as exposed as the hardware's.

An instruction issued in cycle t reads an operand in cycle t + access.cycle - 1 and writes a result at the end of
cycle t + access.cycle - 1; nobody waits for anybody.  A bypass makes a result of this very cycle visible to readers of
the same bypass.  Bank conflicts and locks freeze the whole core, so the pipeline counts its own cycles, `time`, and
stalls are added.  Two results for one cell in one cycle are a fault: which of them hardware keeps is not known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from compiler.encoding.isa.codec import BUNDLE_BYTES
from compiler.encoding.isa.model import Bundle, Instruction
from compiler.encoding.isa.registers import CELL, CELLS, CONTROL, SCALAR_CELLS
from compiler.errors import SimulationFault
from runtime_sim.faults import sim_fault
from runtime_sim.instructions.address import COUNTERS, address
from runtime_sim.instructions.control import ACQUIRE_TO_MEMORY, LOCK_DISTANCE, LOOP_SETUP, lock_request
from runtime_sim.instructions.lanes import CELL_BYTES, Bytes
from runtime_sim.instructions.meaning import ACQUIRES, RELEASES, meaning_of
from runtime_sim.instructions.meaning_scalar import DELAY_SLOTS, Meaning
from runtime_sim.instructions.operands import (
    CELL_MASKS,
    MEMORY,
    TARGET,
    CellsOf,
    Inputs,
    Outputs,
    Values,
    accesses,
)
from runtime_sim.instructions.state import (
    CoreMemory,
    CoreState,
    Locks,
    NoLocks,
    Result,
    Settings,
    Status,
    Traced,
    bank_stalls,
)

LS, LE, LC = CELL["ls"], CELL["le"], CELL["lc"]
_RESET = (*CONTROL, "core_id", "lc", "ls", "le")  # what a core has a value in from the start


@dataclass
class _Flight:
    """An instruction on its way through the pipeline."""

    inputs: Inputs
    issued: int
    meaning: Meaning
    reads: tuple[CellsOf, ...]
    writes: tuple[CellsOf, ...]
    address: int = 0
    stored: Bytes | None = None

    def __post_init__(self) -> None:
        memory = self.instruction.opcode.memory
        loads = memory.cycle if memory and not memory.store else 0
        self.ready = max((loads, 1, *(read.cycle for read in self.reads)))
        self.last = max((self.ready, memory.cycle if memory else 0, *(write.cycle for write in self.writes)))

    @property
    def instruction(self) -> Instruction:
        return self.inputs.instruction


@dataclass(frozen=True)
class _Write:
    cell: int
    value: int | Bytes
    bypass: str


@dataclass
class _Branch:
    target: int
    left: int  # delay slots that are still to come


@dataclass
class _Counts:
    bank_stalls: int = 0
    lock_stalls: int = 0
    bundles: int = 0
    slots: Counter[str] = field(default_factory=Counter)


class ReferenceCore:
    """Runs bundles; `fetch` gives the bundle at a byte address or raises a fault."""

    def __init__(
        self,
        fetch: Callable[[int], Bundle],
        memory: CoreMemory,
        pc: int = 0,
        locks: Locks | None = None,
        settings: Settings | None = None,
        state: CoreState | None = None,
    ) -> None:
        self.state = state or CoreState()
        self.memory = memory
        self.pc = pc
        self.time = 0
        self.done = False
        self._fetch = fetch
        self._locks = locks or NoLocks()
        self._settings = settings or Settings()
        self._flights: list[_Flight] = []
        self._pending: dict[int, list[_Write]] = {}
        self._branch: _Branch | None = None
        self._counts = _Counts()
        self._trace: list[Traced] = []
        self._written = {cell for cell in range(SCALAR_CELLS) if self.state.scalars[cell] or CELLS[cell] in _RESET}
        self._written |= {SCALAR_CELLS + int(row) for row in np.flatnonzero(self.state.vectors.any(axis=1))}
        self._loop_setup = -LOOP_SETUP  # number of the last bundle that wrote ls, le or lc
        self._last_access = self._last_lock = self._last_acquire = -1000

    @property
    def cycles(self) -> int:
        """Cycles that went by, stalls included."""
        return self.time + self._counts.bank_stalls + self._counts.lock_stalls

    def run(self, max_cycles: int = 10_000_000) -> Result:
        """Go on until `done`, a lock that cannot be had, or the limit on all cycles so far."""
        while not self.done:
            if self.cycles >= max_cycles:
                return self._result(Status.LIMIT)
            bundle = self._fetch(self.pc)
            blocked = self._request_lock(bundle)
            if blocked is not None:
                return self._result(Status.BLOCKED, blocked)
            self._issue(bundle)
            self._tick()
        self._drain()
        return self._result(Status.DONE)

    def _drain(self) -> None:
        """What is under way when the program is done still lands, but takes no more time."""
        stalls, end = self._counts.bank_stalls, self.time
        while self._flights or self._pending:
            self._tick()
        self._counts.bank_stalls, self.time = stalls, end
        if self.state["lc"]:
            text = f"lc is {self.state['lc']} when the program is done: the end of a hardware loop was not reached"
            raise self._fault("core-loop", text)

    def _result(self, status: Status, lock: int | None = None) -> Result:
        counts = self._counts
        return Result(
            status,
            self.cycles,
            counts.bank_stalls,
            counts.lock_stalls,
            counts.bundles,
            dict(counts.slots),
            self.pc,
            self.state,
            lock,
            tuple(self._trace),
        )

    # Locks

    def _request_lock(self, bundle: Bundle) -> int | None:
        """Ask for the lock that a bundle names; the number of one that cannot be had."""
        for instruction in bundle.instructions:
            name = instruction.opcode.name
            if name in ACQUIRES or name in RELEASES:
                request = lock_request(instruction, self.state)
                if request is None:
                    continue
                lock, value = request
                self._check_lock(lock)
                if name in RELEASES:
                    self._locks.release(lock, value)
                elif not self._locks.acquire(lock, value):
                    return lock
                self._counts.lock_stalls += self._settings.lock_cycles
                self._last_lock = self.time
                if name in ACQUIRES:
                    self._last_acquire = self.time
        return None

    def _check_lock(self, lock: int) -> None:
        if not self._settings.check_locks:
            return
        if self._last_access > self.time:
            text = f"lock {lock} is used while a memory access is {self._last_access - self.time} cycles away"
            raise self._fault("core-lock", text, "keep 4 cycles behind loads and stores, 6 behind vst.srs")
        if self.time - self._last_lock < LOCK_DISTANCE:
            text = f"lock {lock} is used {self.time - self._last_lock} cycles after another, at least {LOCK_DISTANCE}"
            raise self._fault("core-lock", text)

    def _check_access(self, flight: _Flight) -> None:
        memory = flight.instruction.opcode.memory
        if memory is None:
            return
        first = flight.issued + (memory.read_cycle or memory.cycle) - 1
        self._last_access = max(self._last_access, flight.issued + memory.cycle - 1)
        if not self._settings.check_locks:
            return
        if first < self._last_acquire + ACQUIRE_TO_MEMORY or self._last_lock == flight.issued:
            text = f"'{flight.instruction.text()}' accesses memory too near to a lock request"
            raise self._fault("core-lock", text, "keep loads and stores 4 cycles behind acq, vst.srs 2 cycles")

    # Issue

    def _issue(self, bundle: Bundle) -> None:
        if self._settings.trace:
            self._trace.append(Traced(self.cycles, self.pc, bundle.text()))
        self._counts.bundles += 1
        for instruction in bundle.instructions:
            opcode = instruction.opcode
            self._counts.slots[opcode.slot.name.lower()] += 1
            if opcode.name in ACQUIRES or opcode.name in RELEASES:
                continue
            self.done = self.done or opcode.name == "DONE"
            if opcode.branch and self._branch is not None:
                raise self._fault("core-branch", f"'{instruction.text()}' stands in a delay slot of a taken jump")
            flight = _Flight(
                Inputs(instruction, self.pc),
                self.time,
                meaning_of(opcode, self._place()),
                accesses(instruction, opcode.reads),
                accesses(instruction, opcode.writes),
            )
            self._check_access(flight)
            self._flights.append(flight)

    def _tick(self) -> None:
        """One pipeline cycle: read, access memory, compute, and at its end write."""
        accessed: list[tuple[int, int]] = []
        stores: list[_Flight] = []
        target: int | None = None
        for flight in self._flights:
            try:
                found_target = self._advance(flight, accessed, stores)
                target = found_target if target is None else target
            except SimulationFault as error:
                found = error.diagnostic
                notes = (*found.notes, f"in '{flight.instruction.text()}' issued at {flight.inputs.pc:#x}")
                raise sim_fault(found.code, found.message, self._place(), notes=notes, help=found.help) from error
        for flight in stores:
            assert flight.stored is not None
            self.memory.view(flight.address, len(flight.stored))[:] = flight.stored
        next_pc = self.pc if self.done else self._next_pc(target)
        self._write_back()
        self._counts.bank_stalls += bank_stalls(accessed)
        self._flights = [flight for flight in self._flights if self.time - flight.issued + 1 < flight.last]
        self.time += 1
        self.pc = next_pc

    def _advance(self, flight: _Flight, accessed: list[tuple[int, int]], stores: list[_Flight]) -> int | None:
        """What one instruction does in this cycle; the target if it is a jump that is taken."""
        age = self.time - flight.issued + 1
        for read in flight.reads:
            if read.cycle == age:
                flight.inputs.values[read.role] = self._read(read)
        opcode = flight.instruction.opcode
        if age == 1 and opcode.addressing:
            self._generate(flight)
        if opcode.memory and age in (opcode.memory.cycle, opcode.memory.read_cycle):
            view = self.memory.view(flight.address, opcode.memory.bytes)
            accessed.append((flight.address, opcode.memory.bytes))
            if not opcode.memory.store:
                flight.inputs.memory = view.copy()
            elif age == opcode.memory.cycle:
                stores.append(flight)
        if age != flight.ready:
            return None
        outputs = flight.meaning(flight.inputs)
        stored = outputs.pop(MEMORY, None)
        assert not isinstance(stored, int)
        flight.stored = stored
        target = outputs.pop(TARGET, None)
        assert target is None or isinstance(target, int)
        self._schedule(flight, outputs)
        return target

    def _generate(self, flight: _Flight) -> None:
        flight.address, outputs, counters = address(flight.inputs)
        self._schedule(flight, outputs)
        for write in flight.writes:
            if write.role == COUNTERS:
                for cell, value in zip(write.cells, counters, strict=True):
                    self._put(flight, write, cell, value)

    def _read(self, read: CellsOf) -> Values:
        values: Values = []
        forwarded = self._pending.get(self.time, []) if read.bypass else []
        for cell in read.cells:
            if self._settings.check_undefined and cell not in self._written:
                raise sim_fault("core-undefined", f"register {CELLS[cell]} is read and was never written", "core")
            found = [write.value for write in forwarded if write.cell == cell and write.bypass == read.bypass]
            values.append(found[0] if found else self._cell(cell))
        return values

    def _cell(self, cell: int) -> int | Bytes:
        return int(self.state.scalars[cell]) if cell < SCALAR_CELLS else self.state.vectors[cell - SCALAR_CELLS].copy()

    # Results

    def _schedule(self, flight: _Flight, outputs: Outputs) -> None:
        for write in flight.writes:
            if write.role not in outputs:
                continue
            value = outputs[write.role]
            for place, cell in enumerate(write.cells):
                if isinstance(value, int):
                    self._put(flight, write, cell, value >> 32 * place)
                else:
                    self._put(flight, write, cell, value[place * CELL_BYTES : (place + 1) * CELL_BYTES])

    def _put(self, flight: _Flight, write: CellsOf, cell: int, value: int | Bytes) -> None:
        if isinstance(value, int):
            value &= CELL_MASKS[cell]
        writes = self._pending.setdefault(flight.issued + write.cycle - 1, [])
        if any(other.cell == cell for other in writes):
            text = f"two instructions write {CELLS[cell]} in one cycle"
            raise sim_fault("core-write", text, "core", help="which of the results stays is not known")
        writes.append(_Write(cell, value, write.bypass))

    def _write_back(self) -> None:
        for write in self._pending.pop(self.time, []):
            self._written.add(write.cell)
            if isinstance(write.value, int):
                self.state.scalars[write.cell] = write.value
                if write.cell in (LS, LE, LC):
                    self._loop_setup = self._counts.bundles - 1
            else:
                self.state.vectors[write.cell - SCALAR_CELLS] = write.value

    # Control

    def _next_pc(self, target: int | None) -> int:
        """Where the next bundle is: behind a jump's delay slots, back at the loop's start, or simply behind."""
        following = self.pc + BUNDLE_BYTES
        loops = self._loop_back()
        if loops:
            following = int(self.state.scalars[LS])
        branch = self._branch
        if branch is not None:
            if loops:
                raise self._fault("core-branch", "the end of a hardware loop stands in a delay slot of a taken jump")
            branch.left -= 1
            if not branch.left:
                self._branch = None
                following = branch.target
        if target is not None:
            self._branch = _Branch(target, DELAY_SLOTS)
            if loops:
                raise self._fault("core-branch", "a jump is taken in the last bundle of a hardware loop")
        return following

    def _loop_back(self) -> bool:
        """Count a round if this bundle ends one; whether another follows."""
        count = int(self.state.scalars[LC])
        if self.pc != int(self.state.scalars[LE]) or not count:
            return False
        since = self._counts.bundles - 1 - self._loop_setup
        if since < LOOP_SETUP:
            text = f"a loop register was written {since} bundles before the end of the loop, at least {LOOP_SETUP}"
            raise self._fault("core-loop", text)
        self.state.scalars[LC] = count - 1
        return count > 1

    def _place(self) -> str:
        return f"core at {self.pc:#x} in cycle {self.cycles}"

    def _fault(self, code: str, text: str, help: str = "") -> SimulationFault:
        return sim_fault(code, text, self._place(), help=help)
