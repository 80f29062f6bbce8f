"""The compiled core: the same machine as `core`, lowered once and then run by numba."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path

import numpy as np

from compiler.encoding.isa.codec import BUNDLE_BYTES
from compiler.encoding.isa.model import Bundle, Instruction, Slot
from compiler.encoding.isa.registers import SCALAR_CELLS
from compiler.errors import SimulationFault
from runtime_sim.faults import sim_fault
from runtime_sim.instructions.control import LOOP_SETUP, fetcher, lock_request
from runtime_sim.instructions.engine import make_engine
from runtime_sim.instructions.events import (
    DEPTH,
    KEPT_SCALARS,
    KEPT_VECTORS,
    MOST,
    TALLIES,
    Fault,
    Outcome,
    Register,
)
from runtime_sim.instructions.lanes import CELL_BYTES, Bytes
from runtime_sim.instructions.lowering import Lowered, lower
from runtime_sim.instructions.meaning import ACQUIRES, RELEASES, is_implemented, meaning_of
from runtime_sim.instructions.state import (
    WINDOW_BYTES,
    CoreMemory,
    CoreState,
    Locks,
    NoLocks,
    Result,
    Settings,
    Status,
)

NEVER = -1000
_WINDOWS = ("south", "west", "north", "own")
_TEXTS = {
    Fault.ALIGN: ("core-align", "an access at {value:#x} that is no multiple of its size"),
    Fault.ADDRESS: ("core-address", "address {value:#x} lies in no memory of this core"),
    Fault.SHIFT: ("core-shift", "a shift out of its range"),
    Fault.ROUNDING: ("core-rounding", "crRnd holds a rounding mode that does not exist"),
    Fault.SATURATION: ("core-saturation", "crSat holds a saturation mode that does not exist"),
    Fault.MULTIPLY: ("core-multiply", "a configuration word that is not implemented"),
    Fault.SHUFFLE: ("core-shuffle", "a shuffle mode that is not implemented"),
    Fault.WRITE: ("core-write", "two instructions write one register in one cycle"),
    Fault.LOCK: ("core-lock", "a lock request and a memory access stand too near to each other"),
    Fault.BRANCH: ("core-branch", "a jump or the end of a hardware loop in a delay slot of a taken jump"),
    Fault.LOOP: ("core-loop", f"a loop register was written less than {LOOP_SETUP} bundles before the loop's end"),
}


@cache
def _engine() -> Callable[..., int]:
    """The engine for the sources as they are: numba's cache looks only at the file of the function it compiles."""
    digest = sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return make_engine(int.from_bytes(digest.digest()[:7], "little"))


@lru_cache(maxsize=64)
def _lowered(program: bytes) -> tuple[Lowered, Callable[[int], Bundle]]:
    fetch = fetcher(program)
    return lower(fetch, len(program) // BUNDLE_BYTES), fetch


class FastCore:
    """As `core.ReferenceCore`, without traces and without the check for undefined registers."""

    def __init__(
        self,
        program: bytes,
        memory: CoreMemory,
        pc: int = 0,
        locks: Locks | None = None,
        settings: Settings | None = None,
        state: CoreState | None = None,
    ) -> None:
        self.state = state or CoreState()
        self._program, self._fetch = _lowered(bytes(program))
        self._locks = locks or NoLocks()
        self._settings = settings or Settings()
        self._memory = tuple(memory.windows.get(name, np.empty(0, np.uint8)) for name in _WINDOWS)
        self._regs = np.zeros(len(Register), np.int64)
        self._regs[Register.PC] = pc
        self._regs[Register.LOOP_SETUP] = -LOOP_SETUP
        for register in (Register.LAST_ACCESS, Register.LAST_LOCK, Register.LAST_ACQUIRE):
            self._regs[register] = NEVER
        self._open(self._program)

    def _open(self, program: Lowered) -> None:
        """What the engine keeps; the state's registers become the beginning of its arrays."""
        count = len(program.bundles) - 1
        present = sum(1 << place for place, data in enumerate(self._memory) if data.size == WINDOW_BYTES)
        scalars = np.zeros(KEPT_SCALARS + DEPTH * program.scalar_places, np.int64)
        vectors: Bytes = np.zeros(KEPT_VECTORS + DEPTH * program.vector_places, np.uint8)
        state = self.state
        scalars[:SCALAR_CELLS], vectors[:KEPT_VECTORS] = state.scalars, state.vectors.reshape(-1)
        state.scalars, state.vectors = scalars[:SCALAR_CELLS], vectors[:KEPT_VECTORS].reshape(-1, CELL_BYTES)
        self._executed = np.zeros(count + 1, np.int64)
        self._arguments = (
            self._regs,
            scalars,
            *(vectors.view(kind) for kind in (np.int8, np.int16, np.int32, np.int64)),
            program.events,
            program.spans,
            program.bundles,
            self._executed,
            np.full(DEPTH, count, np.int64),
            np.full(2 * 3 * len(state.vectors), -1, np.int64),
            np.full(KEPT_SCALARS + len(state.vectors), -1, np.int64),
            np.zeros((MOST, 3), np.int64),
            np.zeros((MOST, 3), np.int64),
            np.zeros(TALLIES, np.int64),
            *(data.view(np.int64) for data in self._memory),
        )
        places = (program.scalar_places, program.vector_places)
        self._sizes = (count, *places, program.ages, present, int(self._settings.check_locks))

    @property
    def cycles(self) -> int:
        """Cycles that went by, stalls included."""
        return self._of(Register.TIME) + self._of(Register.BANK_STALLS) + self._of(Register.LOCK_STALLS)

    def _of(self, register: Register) -> int:
        return int(self._regs[register])

    def run(self, max_cycles: int = 10_000_000) -> Result:
        """Go on until `done`, a lock that cannot be had, or the limit on all cycles so far."""
        while not self._of(Register.DONE):
            outcome = self._enter(max_cycles)
            if outcome == Outcome.LIMIT:
                return self._result(Status.LIMIT)
            if outcome == Outcome.LOCK and (lock := self._request_lock()) is not None:
                return self._result(Status.BLOCKED, lock)
        self._drain()
        return self._result(Status.DONE)

    def _enter(self, max_cycles: int) -> int:
        outcome = int(_engine()(*self._arguments, self._sizes, max_cycles))
        if outcome >= Outcome.FAULT:
            raise self._fault(Fault(outcome - Outcome.FAULT))
        return outcome

    def _drain(self) -> None:
        """What is under way when the program is done still lands, but takes no more time."""
        kept = [self._of(register) for register in (Register.TIME, Register.BANK_STALLS)]
        self._regs[Register.DRAIN] = self._program.ages
        self._enter(0)
        self._regs[Register.TIME], self._regs[Register.BANK_STALLS] = kept
        if self.state["lc"]:
            text = f"lc is {self.state['lc']} when the program is done: the end of a hardware loop was not reached"
            raise sim_fault("core-loop", text, self._place())

    def _request_lock(self) -> int | None:
        """Ask for the lock that the next bundle names; the number of one that cannot be had."""
        regs = self._regs
        bundle = self._fetch(self._of(Register.PC))
        for instruction in bundle.instructions:
            if instruction.opcode.name in (*ACQUIRES, *RELEASES):
                request = lock_request(instruction, self.state)
                if request is None:
                    continue
                if not self._ask(instruction, *request):
                    return request[0]
                regs[Register.LOCK_STALLS] += self._settings.lock_cycles
                regs[Register.LAST_LOCK] = regs[Register.TIME]
                if instruction.opcode.name in ACQUIRES:
                    regs[Register.LAST_ACQUIRE] = regs[Register.TIME]
        regs[Register.LOCK_GRANTED] = 1
        return None

    def _ask(self, instruction: Instruction, lock: int, value: int) -> bool:
        if instruction.opcode.name in ACQUIRES:
            return self._locks.acquire(lock, value)
        self._locks.release(lock, value)
        return True

    def _result(self, status: Status, lock: int | None = None) -> Result:
        return Result(
            status,
            self.cycles,
            self._of(Register.BANK_STALLS),
            self._of(Register.LOCK_STALLS),
            self._of(Register.BUNDLES),
            self._slots(),
            self._of(Register.PC),
            self.state,
            lock,
        )

    def _slots(self) -> dict[str, int]:
        counts = self._executed @ self._program.slots
        return {slot.name.lower(): int(count) for slot, count in zip(Slot, counts, strict=True) if count}

    def _place(self, pc: int | None = None) -> str:
        return f"core at {self._of(Register.PC) if pc is None else pc:#x} in cycle {self.cycles}"

    def _fault(self, fault: Fault) -> SimulationFault:
        """The reference's fault, where it can be had, else its code in fewer words."""
        pc = self._of(Register.FAULT_PC)
        try:
            for instruction in self._fetch(pc).instructions:
                if fault is Fault.OPCODE and not is_implemented(instruction.opcode):
                    meaning_of(instruction.opcode, self._place(pc))
        except SimulationFault as error:
            return error
        code, text = _TEXTS[fault]
        return sim_fault(code, text.format(value=self._of(Register.FAULT_VALUE)), self._place(pc))
