"""A core under a burden that shows what single calls do not: two packets, lists of calls for two rows, a call that is
skipped before each that is run, other buffers in turn, and registers that hold anything at reset.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from compiler.encoding.isa.registers import CELL, CELLS, CONTROL, SCALAR_CELLS
from compiler.encoding.work import CONFIG_ADDRESS, STEPS_ADDRESS, CoreConfig, WorkHeader, with_steps
from compiler.errors import SimulationFault
from compiler.kernels.programs.resident import Resident
from runtime_sim.instructions import CoreMemory, CoreState, Result, Settings, Status, run_program
from runtime_sim.instructions.operands import CELL_MASKS
from tests.cores import ACT, LOCKS, MEMORY_BYTES, OWN, RESULTS, SPARE, WORK, CountingLocks
from tests.packet_tools import Bytes
from tests.packets import Case

HALF = 8192  # a work slot
OUT = (RESULTS, RESULTS + 4096)
SCRATCH = RESULTS + 2 * 4096
PACKETS = 2
RESET = {CELL[name] for name in (*CONTROL, "core_id", "lc", "ls", "le")}
LEAST_CYCLES = 400
Mask = NDArray[np.bool_]


def framed(case: Case) -> Bytes:
    """The packet with two lists of calls, of which the second counts: one to skip, the call, and one to skip that only
    gives back what the call has kept.
    """
    skipped = replace(case.call, skip=True, first=False, last=False)
    wrong = replace(case.call, x_offset=case.call.x_offset + 32, pad_bytes=0)
    at = -(-case.packet.size // 32) * 32
    behind = replace(skipped, acquire_act=False)
    calls = [skipped, wrong, skipped, skipped, replace(case.call, release_act=False), behind]
    calls = [with_steps(case.header, call) for call in calls]
    words = np.array([word for call in calls for word in call.encode()], np.uint32)
    packet = np.concatenate([case.packet, np.zeros(at - case.packet.size, np.uint8), words.view(np.uint8)])
    header = replace(case.header, calls=3, call_lists=2, list_step=96, calls_offset=at, size_words=packet.size // 4)
    packet[: 4 * WorkHeader.WORDS] = np.array(header.encode(), np.uint32).view(np.uint8)
    return packet


def fits(case: Case) -> bool:
    """Whether a case has room between the fixed places here."""
    room = case.act.size <= SPARE and framed(case).size <= HALF and case.out.size <= OUT[1] - OUT[0]
    return room and case.scratch.nbytes <= CONFIG_ADDRESS - SCRATCH


def random_state(seed: int) -> CoreState:
    """What a core may hold before it starts: only what has a value at reset has one."""
    rng = np.random.default_rng(seed)
    state = CoreState()
    for cell in range(SCALAR_CELLS):
        if cell not in RESET:
            state.scalars[cell] = int(rng.integers(0, 1 << 32)) & CELL_MASKS[cell]
    state.vectors[:] = rng.integers(0, 256, state.vectors.shape, np.uint8)
    assert len(CELLS) == SCALAR_CELLS + len(state.vectors)
    return state


@dataclass(frozen=True)
class Burden:
    """Everything around a program: the memory at its start, and which bytes of it anyone looks at afterwards."""

    case: Case
    packet: Bytes
    act: Bytes
    program: Resident
    row: int = 1
    packets: int = PACKETS
    skips: int = 1

    def memory(self) -> Bytes:
        memory: Bytes = np.random.default_rng(1).integers(0, 256, MEMORY_BYTES, np.uint8)
        memory[ACT : ACT + self.act.size] = self.act
        for slot in (WORK, WORK + HALF):
            memory[slot : slot + self.packet.size] = self.packet
        memory[SCRATCH : SCRATCH + self.case.scratch.nbytes] = self.case.scratch.view(np.uint8)
        # The call to skip takes act slot 0, in which there is nothing of use.
        config = CoreConfig(
            act_slot0=OWN + (SPARE if self.skips else ACT), act_slot1=OWN + ACT, act_bytes=SPARE,
            work_slot0=OWN + WORK, work_slot1=OWN + WORK + HALF, work_bytes=HALF,
            out_slot0=OWN + OUT[0], out_slot1=OWN + OUT[1], out_bytes=self.case.out.size,
            acc_address=OWN + SCRATCH, acc_bytes=self.case.scratch.nbytes,
            row=self.row, **{f"{name}_lock": number for name, number in LOCKS.items()},
        )  # fmt: skip
        words = np.array(self.program.configured(config).encode(), np.uint32)
        memory[CONFIG_ADDRESS : CONFIG_ADDRESS + words.nbytes] = words.view(np.uint8)
        return memory

    @cached_property
    def start(self) -> Bytes:
        return self.memory()

    @cached_property
    def watched(self) -> Mask:
        """All but the bytes that a call leaves to chance, and the addresses of steps: programs differ in those."""
        seen = np.ones(MEMORY_BYTES, np.bool_)
        seen[STEPS_ADDRESS:] = False
        for slot in OUT:
            seen[slot : slot + self.case.out.size] = self.case.out_defined
        seen[SCRATCH : SCRATCH + self.case.scratch.nbytes] = np.repeat(self.case.scratch_defined, 4)
        return seen

    def locks(self) -> CountingLocks:
        calls = self.packets * (1 + self.skips)
        full = {LOCKS["work_full"]: self.packets, LOCKS["act_full"]: calls, LOCKS["out_free"]: self.packets}
        return CountingLocks(full)

    def run(self, program: bytes, most: int, seed: int = 0, fast: bool = True) -> Seen:
        """From reset until the core waits for ever, is done, goes wrong, or took `most` cycles."""
        memory, locks = self.start.copy(), self.locks()
        try:
            result = run_program(
                program, CoreMemory.of(memory), fast=fast, max_cycles=most, locks=locks, settings=Settings(),
                state=random_state(seed),
            )  # fmt: skip
        except (SimulationFault, AssertionError) as fault:
            return Seen(f"fault: {str(fault).splitlines()[0]}", 0, (), memory, None)
        waits = result.status == Status.BLOCKED and result.blocked_lock == LOCKS["work_full"]
        return Seen("waits" if waits else str(result.status), result.cycles, tuple(locks.log), memory, result)


@dataclass(frozen=True)
class Seen:
    """How a run ended."""

    end: str
    cycles: int
    log: tuple[tuple[str, int], ...]
    memory: Bytes
    result: Result | None

    def difference(self, other: Seen, watched: Mask) -> str:
        """By what another run is told from this one; nothing if by nothing."""
        if other.end != self.end:
            return "fault" if other.end.startswith("fault") else "never ends"
        if other.log != self.log:
            return "locks"
        if not np.array_equal(self.memory[watched], other.memory[watched]):
            return "bytes"
        return "cycles" if other.cycles != self.cycles else ""


def burden(case: Case, program: Resident) -> Burden:
    return Burden(case, framed(case), case.act, program)


def plain(case: Case, program: Resident) -> Burden:
    """The packet as it is, run once: for faults in packets."""
    return Burden(case, case.packet, case.act, program, row=0, packets=1, skips=0)
