"""One core by itself: the resident program run on the bytes of a kernel call."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from compiler.encoding.tiles import CORE_MEMORY_BYTES
from compiler.encoding.work import CONFIG_ADDRESS, CoreConfig
from compiler.kernels.programs.resident import Resident, features_of, resident
from runtime_sim.instructions import Result, Settings, Status, run_program
from tests.packets import Case

OWN = CORE_MEMORY_BYTES["own"]
MEMORY_BYTES = 64 * 1024
ACT, SPARE, WORK, RESULTS = (bank * 16384 for bank in range(4))
LOCKS = {"act_free": 48, "act_full": 49, "work_free": 50, "work_full": 51, "out_free": 52, "out_full": 53}


@dataclass
class CountingLocks:
    """Locks as they count on the device; `log` keeps what the core did."""

    values: dict[int, int]
    log: list[tuple[str, int]] = field(default_factory=list)

    def acquire(self, lock: int, value: int) -> bool:
        assert value == -1, value
        if self.values.get(lock, 0) < 1:
            return False
        self.values[lock] -= 1
        self.log.append(("acquire", lock))
        return True

    def release(self, lock: int, value: int) -> None:
        assert value == 1, value
        self.values[lock] = self.values.get(lock, 0) + 1
        self.log.append(("release", lock))


@dataclass(frozen=True)
class Ran:
    """What a call left behind, and how long the core took from reset until it waited for the next packet."""

    out: NDArray[np.uint8]
    scratch: NDArray[np.int32]
    result: Result
    locks: CountingLocks


def scratch_of(case: Case) -> NDArray[np.int32]:
    """The sums that a call finds in the scratch; calls that make bytes of sums on the way have no use for one."""
    return case.scratch[:0] if case.header.direct or case.header.narrow else case.scratch


def fits(case: Case) -> bool:
    """Whether packet, operands, results and scratch find banks in which no two of them meet."""
    beside = RESULTS + -(-case.out.size // 64) * 64 + scratch_of(case).nbytes <= CONFIG_ADDRESS
    room = beside or scratch_of(case).nbytes <= WORK - SPARE
    return room and case.act.size <= (WORK if beside else SPARE) and case.packet.size <= RESULTS - WORK


def memory_of(case: Case) -> tuple[NDArray[np.uint8], int]:
    """A core's data memory with a call's packet and operands in slot 0; and the scratch's offset."""
    memory = np.zeros(MEMORY_BYTES, np.uint8)
    assert fits(case)
    scratch_at = RESULTS + -(-case.out.size // 64) * 64
    if scratch_at + scratch_of(case).nbytes > CONFIG_ADDRESS:
        scratch_at = SPARE
    memory[ACT : ACT + case.act.size] = case.act
    memory[WORK : WORK + case.packet.size] = case.packet
    memory[RESULTS : RESULTS + case.out.size] = case.out
    memory[scratch_at : scratch_at + scratch_of(case).nbytes] = (
        np.ascontiguousarray(scratch_of(case)).view(np.uint8).ravel()
    )
    config = CoreConfig(
        act_slot0=OWN + ACT,
        act_slot1=OWN + ACT,
        act_bytes=WORK,
        work_slot0=OWN + WORK,
        work_slot1=OWN + WORK,
        work_bytes=RESULTS - WORK,
        out_slot0=OWN + RESULTS,
        out_slot1=OWN + RESULTS,
        out_bytes=case.out.size,
        acc_address=OWN + scratch_at,
        acc_bytes=scratch_of(case).nbytes,
        **{f"{name}_lock": number for name, number in LOCKS.items()},
    )
    words = np.array(program_for(case).configured(config).encode(), np.uint32)
    memory[CONFIG_ADDRESS : CONFIG_ADDRESS + words.nbytes] = words.view(np.uint8)
    return memory, scratch_at


def program_for(case: Case) -> Resident:
    """The smallest program that runs a call."""
    return resident(features_of(case.header, parts=not (case.call.first and case.call.last)))


def run_case(case: Case, *, program: bytes | None = None, fast: bool = True, trace: bool = False) -> Ran:
    """Run the resident program on a call from reset until it waits for another packet."""
    memory, scratch_at = memory_of(case)
    locks = CountingLocks({LOCKS["work_full"]: 1, LOCKS["act_full"]: 1, LOCKS["out_free"]: 1})
    code = program_for(case).program.bytes if program is None else program
    result = run_program(code, memory, fast=fast, locks=locks, settings=Settings(trace=trace))
    assert result.status == Status.BLOCKED and result.blocked_lock == LOCKS["work_full"], result
    scratch = memory[scratch_at : scratch_at + scratch_of(case).nbytes].view(np.int32)
    return Ran(memory[RESULTS : RESULTS + case.out.size].copy(), scratch.copy(), result, locks)


def same(case: Case, ran: Ran) -> bool:
    """Whether every byte that the call defines is what it must be."""
    out = np.array_equal(ran.out[case.out_defined], case.expected_out[case.out_defined])
    defined = case.scratch_defined[: ran.scratch.size]
    return out and np.array_equal(ran.scratch[defined], case.expected_scratch[: ran.scratch.size][defined])
