"""What an instruction is: operands, bits, timing, and the registers that one instance reads and writes.

Timing, as in AIE2Schedule.td of Xilinx/llvm-aie: an instruction issued in cycle t reads an operand in cycle
t + access.cycle - 1 and writes a result at the end of cycle t + access.cycle - 1.  A consumer may hence be issued
`write.cycle - read.cycle + 1` cycles after its producer, one less if both name the same bypass.  Nothing is
interlocked: who reads earlier sees the older value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from compiler.encoding.isa.kinds import KINDS, Label, Value
from compiler.encoding.isa.registers import CELL, CELLS, Register
from compiler.errors import Diagnostic, UnreadableInput

_ROLE = re.compile(r"\w+")
CellAccess = tuple[int, int, str]


class Slot(Enum):
    """The slots of a bundle; the value is the name of the slot's nop.  LNG occupies ALU and MV."""

    LDB = "nopb"
    LDA = "nopa"
    ST = "nops"
    ALU = "nopx"
    MV = "nopm"
    VEC = "nopv"
    LNG = "nopxm"

    @property
    def occupied(self) -> tuple[Slot, ...]:
        """The places in the bundle that an instruction of this slot takes."""
        return (Slot.ALU, Slot.MV) if self is Slot.LNG else (self,)


@dataclass(frozen=True)
class Operand:
    """A role that the meaning of the instruction names, and the kind of register or number that may play it."""

    role: str
    kind: str


@dataclass(frozen=True)
class Access:
    """A read or write of `role`: an operand, "mod:count" (the dc registers of it), or "@cell" for an implicit cell."""

    role: str
    cycle: int
    bypass: str = ""


@dataclass(frozen=True)
class MemoryUse:
    """Memory is accessed in cycle t + cycle - 1; a read-modify-write also reads it in t + read_cycle - 1."""

    store: bool
    bytes: int
    cycle: int
    read_cycle: int = 0


# Ports that only one register file has: an instruction takes that of the register it writes, see Instruction.units.
FILE_PORTS = {
    "r": "R_WA_PORT",
    "p": "P_WM_PORT",
    "m": "M_WM_PORT",
    "dn": "DN_WM_PORT",
    "dj": "DJ_WM_PORT",
    "dc": "DC_WM_PORT",
}


@dataclass(frozen=True)
class Opcode:
    """One declared instruction form.

    `syntax` is the text behind the mnemonic with roles for operands; `pattern` lists the bits from the most
    significant down: binary digits, roles, pieces of them such as imm[5:2], and dots for bits without meaning.
    `units` are the ports it takes for one cycle each, whatever its registers (see Instruction.units); `avoids` are
    units that it does not take but must not find taken.  `addressing` is one of "", "imm", "dj", "post_imm",
    "post_m", "2d", "3d", "sp".
    """

    name: str
    mnemonic: str
    slot: Slot
    operands: tuple[Operand, ...]
    syntax: str
    pattern: str
    reads: tuple[Access, ...] = ()
    writes: tuple[Access, ...] = ()
    units: tuple[tuple[str, int], ...] = ()
    avoids: tuple[tuple[str, int], ...] = ()
    memory: MemoryUse | None = None
    branch: bool = False
    addressing: str = ""

    @cached_property
    def index(self) -> dict[str, int]:
        """The position of each role among the operands."""
        return {operand.role: position for position, operand in enumerate(self.operands)}

    def __hash__(self) -> int:
        return hash(self.name)  # names are unique; hashing every field would make caches slow

    def kind(self, role: str) -> str:
        """The kind of the operand that plays a role."""
        return self.operands[self.index[role]].kind

    def __call__(self, *values: Value) -> Instruction:
        return Instruction(self, values)


@dataclass(frozen=True)
class Instruction:
    """An opcode with the values of its operands in operand order; a Label stands for an address not yet known."""

    opcode: Opcode
    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        operands = self.opcode.operands
        if len(self.values) != len(operands):
            message = f"{self.opcode.name} takes {len(operands)} operands, got {len(self.values)}"
            help = "the operands are " + ", ".join(f"{one.role} ({one.kind})" for one in operands)
            raise UnreadableInput(Diagnostic("asm-operand", message, help=help))
        for operand, value in zip(operands, self.values, strict=True):
            wrong = KINDS[operand.kind].wrong(value)
            if wrong:
                message = f"{self.opcode.mnemonic}: {operand.role}: {wrong[0]}"
                raise UnreadableInput(Diagnostic("asm-operand", message, help=wrong[1]))

    def value(self, role: str) -> Register | int:
        """The register or number that plays a role, an unresolved label being neither."""
        found = self.values[self.opcode.index[role]]
        if isinstance(found, Label):
            message = f"the label '{found.name}' has no address yet"
            raise UnreadableInput(Diagnostic("asm-label", message, help="lay the program out with assemble()"))
        return found

    def register(self, role: str) -> Register:
        """The register that plays a role that only registers play."""
        found = self.value(role)
        assert isinstance(found, Register), f"{self.opcode.name}: {role} is no register"
        return found

    def number(self, role: str) -> int:
        """The number that plays a role that only numbers play."""
        found = self.value(role)
        assert isinstance(found, int), f"{self.opcode.name}: {role} is no number"
        return found

    def cells_read(self) -> tuple[CellAccess, ...]:
        """(cell, cycle, bypass) of everything that is read, implicit cells included."""
        return self._read

    def cells_written(self) -> tuple[CellAccess, ...]:
        """(cell, cycle, bypass) of everything that is written, implicit cells included."""
        return self._written

    def units(self) -> tuple[tuple[str, int], ...]:
        """The ports that this instance takes: of the write ports of register files only that of its destination."""
        return self._units

    @cached_property
    def _read(self) -> tuple[CellAccess, ...]:
        return tuple(found for access in self.opcode.reads for found in self._cells(access))

    @cached_property
    def _written(self) -> tuple[CellAccess, ...]:
        return tuple(found for access in self.opcode.writes for found in self._cells(access))

    def _cells(self, access: Access) -> tuple[CellAccess, ...]:
        role, _, part = access.role.partition(":")
        if role.startswith("@"):
            return ((CELL[role[1:]], access.cycle, access.bypass),)
        cells = self.register(role).cells
        if part:
            cells = tuple(cell for cell in cells if CELLS[cell].startswith("dc"))
        return tuple((cell, access.cycle, access.bypass) for cell in cells)

    @cached_property
    def _units(self) -> tuple[tuple[str, int], ...]:
        units = self.opcode.units
        if sum(name in FILE_PORTS.values() for name, _ in units) < 2:
            return units
        stem = self.register("dst").name.rstrip("0123456789")
        own = FILE_PORTS.get("r" if stem == "s" else stem)
        if own is None:  # a special register: which port writes it is not known, so it takes them all
            return units
        return tuple((name, cycle) for name, cycle in units if name == own or name not in FILE_PORTS.values())

    def text(self) -> str:
        """The instruction in llvm-aie syntax."""
        shown = {
            operand.role: KINDS[operand.kind].text(value)
            for operand, value in zip(self.opcode.operands, self.values, strict=True)
        }
        operands = _ROLE.sub(lambda found: shown.get(found.group(), found.group()), self.opcode.syntax)
        return f"{self.opcode.mnemonic} {operands}".rstrip()


@dataclass(frozen=True)
class Bundle:
    """The instructions that issue together, at most one a slot; empty slots are nops."""

    instructions: tuple[Instruction, ...] = ()

    def __post_init__(self) -> None:
        taken: dict[Slot, Instruction] = {}
        for instruction in self.instructions:
            for place in instruction.opcode.slot.occupied:
                if place in taken:
                    raise UnreadableInput(slot_twice(taken[place].text(), instruction.text(), place))
                taken[place] = instruction

    def text(self) -> str:
        """The bundle on one line, with nops, in the order in which llvm-aie prints the slots."""
        by_slot = {instruction.opcode.slot: instruction.text() for instruction in self.instructions}
        middle = (Slot.LNG,) if Slot.LNG in by_slot else (Slot.ALU, Slot.MV)
        order = (Slot.LDB, Slot.LDA, Slot.ST, *middle, Slot.VEC)
        return "; ".join(by_slot.get(slot, slot.value) for slot in order)


def slot_twice(first: str, second: str, place: Slot) -> Diagnostic:
    """The message for two instructions that need one place."""
    name = place.name.lower()
    message = f"2 instructions use slot {name}, which holds 1: '{first}' and '{second}'"
    return Diagnostic("asm-slot", message, help="move one of them to another bundle, or write it for another slot")
