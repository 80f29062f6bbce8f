"""One kernel call by itself at instruction level: from reset, on a copy of all that its core sees."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from compiler.encoding.tiles import CORE_MEMORY_BYTES
from compiler.encoding.work import CONFIG_ADDRESS, CallRecord, CoreConfig, WorkHeader
from runtime_sim.faults import sim_fault
from runtime_sim.instructions import CoreMemory, Result, Settings, Status, open_core
from runtime_sim.instructions.run import Core as Machine
from runtime_sim.memory import WORD, Bytes


class Slots(NamedTuple):
    """Where a call's buffers lie, as its core addresses them."""

    act: int
    work: int
    out: int


@dataclass(frozen=True)
class CallImage:
    """What a core sees when a call begins, the packet cut down to this call and its slots the only ones."""

    program: bytes
    windows: dict[str, Bytes]
    config: CoreConfig
    lock_cycles: int

    @classmethod
    def of(
        cls,
        program: bytes,
        windows: dict[str, Bytes],
        config: CoreConfig,
        slots: Slots,
        header: WorkHeader,
        call: CallRecord,
        lock_cycles: int,
    ) -> CallImage:
        """Copy the memories, and change the core's record, the packet's header and its first call record."""
        copies = {name: data.copy() for name, data in windows.items()}
        alone = replace(
            config,
            act_slot0=slots.act,
            act_slot1=slots.act,
            work_slot0=slots.work,
            work_slot1=slots.work,
            out_slot0=slots.out,
            out_slot1=slots.out,
        )
        image = cls(program, copies, alone, lock_cycles)
        image.write(CORE_MEMORY_BYTES["own"] + CONFIG_ADDRESS, alone.encode())
        image.write(slots.work, replace(header, calls=1, call_lists=1, list_step=0).encode())
        image.write(slots.work + header.calls_offset, call.encode())
        return image

    def write(self, address: int, words: tuple[int, ...]) -> None:
        """Put words at an address of the core."""
        self.at(address, WORD * len(words))[:] = np.array(words, "<u4").view(np.uint8)

    def at(self, address: int, size: int) -> Bytes:
        """Bytes at an address of the core."""
        name, base = next((name, base) for name, base in CORE_MEMORY_BYTES.items() if 0 <= address - base < 1 << 16)
        return self.windows[name][address - base :][:size]

    def run(self, *, trace: bool = False) -> CallRun:
        """Run from reset until the core waits for another packet."""
        after = replace(self, windows={name: data.copy() for name, data in self.windows.items()})
        config = self.config
        locks = _Locks(config.work_full_lock, {config.act_full_lock: 1, config.out_free_lock: 1})
        memory = CoreMemory.of(**after.windows)
        settings = Settings(trace=trace, lock_cycles=self.lock_cycles)
        locks.machine = open_core(self.program, memory, locks=locks, settings=settings)
        result = locks.machine.run()
        if result.status is not Status.BLOCKED or result.blocked_lock != config.work_full_lock:
            held = f", lock {result.blocked_lock}" if result.status is Status.BLOCKED else ""
            text = f"a call by itself ends {result.status.value}{held}; expected a wait for the next packet"
            raise sim_fault("core-call", text, "")
        return CallRun(result, locks.begins, after)


@dataclass(frozen=True)
class CallRun:
    """How the call went: `begins` is the cycle in which its core asks for the packet, as it does again at the end."""

    result: Result
    begins: int
    after: CallImage

    @property
    def cycles(self) -> int:
        """Cycles of a packet with this one call."""
        return self.result.cycles - self.begins


@dataclass
class _Locks:
    """One packet, one activation and one out slot are there to be had."""

    packet: int
    values: dict[int, int]
    begins: int = -1
    machine: Machine | None = field(default=None)

    def acquire(self, lock: int, value: int) -> bool:
        """The first packet is had at once, a second never."""
        if lock == self.packet:
            if self.begins >= 0:
                return False
            assert self.machine is not None
            self.begins = self.machine.cycles
            return True
        held = self.values.get(lock, 0)
        if held < abs(value):
            return False
        self.values[lock] = held - abs(value)
        return True

    def release(self, lock: int, value: int) -> None:
        """Nobody waits."""
