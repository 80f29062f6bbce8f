"""The state of a core, its memory windows, and what a run reports."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

import numpy as np
import numpy.typing as npt

from compiler.encoding.isa.registers import CELL, CELLS, REGISTERS, SCALAR_CELLS
from compiler.encoding.tiles import CORE_MEMORY_BYTES
from runtime_sim.faults import sim_fault
from runtime_sim.instructions.lanes import CELL_BYTES, Bytes
from runtime_sim.instructions.operands import CELL_MASKS

WINDOW_BYTES = 0x10000
WINDOW_SHIFT = 16
PROGRAM_BYTES = 0x4000  # AM020: 16 KB
WINDOWS = {base >> WINDOW_SHIFT: name for name, base in CORE_MEMORY_BYTES.items()}
# AM020: 8 banks of 128 bits; addr[15:14] selects two of them, addr[4] one of the two.
BANK_SHIFT, HALF_BIT, WHOLE_BYTES = 14, 4, 32
BANKS = 8


class Locks(Protocol):
    """Whoever keeps the locks; numbers are those that the core uses (0-15 south, west, north, own 48-63).

    A value below zero asks for at least so much and takes it, another one for exactly so much (aiev2_locks.h).
    """

    def acquire(self, lock: int, value: int) -> bool:
        """Take the lock if it can be had now."""

    def release(self, lock: int, value: int) -> None:
        """Add to the lock."""


class NoLocks:
    """Every lock can be had."""

    def acquire(self, lock: int, value: int) -> bool:
        """Always."""
        return True

    def release(self, lock: int, value: int) -> None:
        """Nothing to do."""


class Status(Enum):
    """Why a run ended."""

    DONE = "done"
    BLOCKED = "blocked on a lock"
    LIMIT = "out of cycles"


@dataclass(frozen=True)
class Settings:
    """What a run checks and records beside computing."""

    check_undefined: bool = False
    """Reading a register that was never written is a fault."""
    check_locks: bool = True
    """Memory accesses that are not on their side of a lock request are a fault."""
    trace: bool = False
    lock_cycles: int = 1
    """Cycles that a request holds the core up even when nobody else asks (xdna-emu, core timing)."""


@dataclass
class CoreState:
    """All cells: scalars as unsigned numbers, vectors and accumulator quarters as bytes."""

    scalars: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(SCALAR_CELLS, np.int64))
    vectors: Bytes = field(default_factory=lambda: np.zeros((len(CELLS) - SCALAR_CELLS, CELL_BYTES), np.uint8))

    def __getitem__(self, name: str) -> int:
        return int(self.scalars[CELL[name]])

    def __setitem__(self, name: str, value: int) -> None:
        self.scalars[CELL[name]] = value & CELL_MASKS[CELL[name]]

    def vector(self, name: str) -> Bytes:
        """The bytes of a vector or accumulator register, copied."""
        rows = [cell - SCALAR_CELLS for cell in REGISTERS[name].cells]
        return self.vectors[rows].reshape(-1)

    def set_vector(self, name: str, data: npt.NDArray[np.generic]) -> None:
        """Fill a vector or accumulator register."""
        rows = [cell - SCALAR_CELLS for cell in REGISTERS[name].cells]
        self.vectors[rows] = np.ascontiguousarray(data).view(np.uint8).reshape(len(rows), CELL_BYTES)


@dataclass
class CoreMemory:
    """The data memories that a core sees, 64 KB each, by the name of their window."""

    windows: dict[str, Bytes]

    @classmethod
    def of(cls, own: Bytes, **neighbours: Bytes) -> CoreMemory:
        """The core's own memory and those neighbours' that exist."""
        windows = {"own": own, **neighbours}
        for name, data in windows.items():
            if name not in CORE_MEMORY_BYTES or data.shape != (WINDOW_BYTES,) or data.dtype != np.uint8:
                text = f"window '{name}' has {data.size} elements of {data.dtype}, expected {WINDOW_BYTES} of uint8"
                raise sim_fault("core-memory", text, "core", help=f"windows: {', '.join(CORE_MEMORY_BYTES)}")
        return cls(windows)

    def view(self, address: int, size: int) -> Bytes:
        """The bytes at an address, to read or write."""
        if address % size:
            raise sim_fault("core-align", f"an access of {size} bytes at {address:#x}, which is no multiple", "core")
        name = WINDOWS.get(address >> WINDOW_SHIFT)
        data = self.windows.get(name) if name else None
        if data is None:
            known = ", ".join(f"{CORE_MEMORY_BYTES[one]:#x} ({one})" for one in self.windows)
            text = f"address {address:#x} lies in no memory of this core"
            raise sim_fault("core-address", text, "core", help=f"64 KB each at {known}")
        offset = address % WINDOW_BYTES
        return data[offset : offset + size]


def banks(address: int, size: int) -> tuple[int, ...]:
    """The physical banks that an access uses, those of different memories told apart."""
    first = (address >> WINDOW_SHIFT) * BANKS + (address >> BANK_SHIFT & 3) * 2
    return (first, first + 1) if size >= WHOLE_BYTES else (first + (address >> HALF_BIT & 1),)


def bank_stalls(accesses: list[tuple[int, int]]) -> int:
    """Cycles for which accesses (address, size) of one cycle hold up the core: one bank serves one of them a cycle."""
    uses = Counter(bank for address, size in accesses for bank in banks(address, size))
    return max(uses.values(), default=1) - 1


@dataclass(frozen=True)
class Traced:
    """One issued bundle."""

    cycle: int
    pc: int
    text: str


@dataclass
class Result:
    """How a run went so far; cycles include stalls."""

    status: Status
    cycles: int
    bank_stalls: int
    lock_stalls: int
    bundles: int
    slots: dict[str, int]
    pc: int
    state: CoreState
    blocked_lock: int | None = None
    trace: tuple[Traced, ...] = ()
