"""The AIE2 instruction set: every instruction declared once, its assembler and disassembler.

Read in this order: `registers`, `kinds`, `model`, `declare`, the `opcodes_*` tables, `codec`, `syntax`, `program`.
What the instructions do is not said here but in `runtime_sim.instructions`.
"""

from compiler.encoding.isa.codec import BUNDLE_BYTES, decode, disassemble, encode
from compiler.encoding.isa.kinds import KINDS, Label, NumberKind, RegisterKind, Value
from compiler.encoding.isa.model import Access, Bundle, Instruction, MemoryUse, Opcode, Operand, Slot
from compiler.encoding.isa.opcodes import OPCODES
from compiler.encoding.isa.program import Program, assemble, ins
from compiler.encoding.isa.registers import CELL, CELLS, REGISTERS, SCALAR_CELLS, Register

__all__ = [
    "BUNDLE_BYTES",
    "CELL",
    "CELLS",
    "KINDS",
    "OPCODES",
    "REGISTERS",
    "SCALAR_CELLS",
    "Access",
    "Bundle",
    "Instruction",
    "Label",
    "MemoryUse",
    "NumberKind",
    "Opcode",
    "Operand",
    "Program",
    "Register",
    "RegisterKind",
    "Slot",
    "Value",
    "assemble",
    "decode",
    "disassemble",
    "encode",
    "ins",
]
