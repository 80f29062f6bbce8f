"""What an instruction sees of the core when it computes: the values of its operands, by role."""

from dataclasses import dataclass, field

import numpy as np

from compiler.encoding.isa.model import Access, Instruction
from compiler.encoding.isa.registers import CELL, CELLS, SCALAR_CELLS
from runtime_sim.instructions.lanes import CELL_BYTES, Bytes

WORD_MASK = 0xFFFFFFFF
POINTER_MASK = 0xFFFFF
# Pointers, what is added to them and what loops compare with them have 20 bits (AM020, AIE2GenRegisterInfo.td).
_NARROW = ("p", "m", "dn", "dj", "dc")
CELL_MASKS = tuple(
    POINTER_MASK if name in ("sp", "lr", "ls", "le", "dp") or name.rstrip("0123456789") in _NARROW else WORD_MASK
    for name in CELLS[:SCALAR_CELLS]
)

MEMORY = "memory"
TARGET = "branch"
Values = list[int | Bytes]
Outputs = dict[str, int | Bytes]


@dataclass(frozen=True)
class CellsOf:
    """The cells of one access of an instruction, with its cycle and bypass."""

    role: str
    cells: tuple[int, ...]
    cycle: int
    bypass: str


def accesses(instruction: Instruction, found: tuple[Access, ...]) -> tuple[CellsOf, ...]:
    """Reads or writes of an instruction with the cells of their registers."""
    return tuple(CellsOf(one.role, _cells(instruction, one.role), one.cycle, one.bypass) for one in found)


def _cells(instruction: Instruction, access: str) -> tuple[int, ...]:
    role, _, part = access.partition(":")
    if role.startswith("@"):
        return (CELL[role[1:]],)
    cells = instruction.register(role).cells
    return tuple(cell for cell in cells if CELLS[cell].startswith("dc")) if part else cells


def signed(value: int, bits: int = 32) -> int:
    """A number from its two's complement."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


@dataclass
class Inputs:
    """The operands that an instruction has read so far, and what its load found in memory."""

    instruction: Instruction
    pc: int
    values: dict[str, Values] = field(default_factory=dict)
    memory: Bytes = field(default_factory=lambda: np.empty(0, np.uint8))

    def scalar(self, role: str) -> int:
        """A scalar operand without sign; of a pair of registers the first is the low half."""
        total = 0
        for place, value in enumerate(self.values[role]):
            assert isinstance(value, int)
            total |= value << 32 * place
        return total

    def signed(self, role: str) -> int:
        """A 32-bit operand with its sign."""
        return signed(self.scalar(role))

    def vector(self, role: str) -> Bytes:
        """The bytes of a vector or accumulator operand."""
        parts = self.values[role]
        joined = np.empty(CELL_BYTES * len(parts), np.uint8)
        for place, value in enumerate(parts):
            joined[CELL_BYTES * place : CELL_BYTES * (place + 1)] = value
        return joined

    def number(self, role: str) -> int:
        """An immediate operand."""
        return self.instruction.number(role)

    def control(self, name: str) -> int:
        """A control register that the instruction reads."""
        return self.scalar(f"@{name}")
