"""A short notation for declaring opcodes, and the addressing modes that loads and stores share.

`dst:w ptr:p` declares operands, `acc@3/VEC a@1 @crRnd@1` accesses with cycle and bypass, `W_WA_PORT@7` units.

The roles, which the meaning of an instruction names: `dst` result, `src` what is moved, stored or converted, `a` and
`b` operands in the order written, `acc` the accumulator that a product is added to, `conf` the configuration word of
the multiplier, `shift` a count, `imm` a number, `ptr` and `mod` the address and what indexes or increments it, `cmp` a
mask that comes out and `sel` one that goes in, `mode` of a shuffle, `pre` the first of two shifts, `idx` a lane,
`value` a scalar for a lane or what is asked of a `lock`, `cond` a condition, `target` of a jump.

Source of the addressing modes: Xilinx/llvm-aie, AIE2InstrInfo.td (AIE2_ag_all, AIE2_ag_nospill, AIE2_ag_no_imm,
AIE2_ag_standalone, AIE2_agb_standalone and their variants).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from compiler.encoding.isa.model import Access, MemoryUse, Opcode, Operand, Slot

ROUNDED = "@crSat@1 @crRnd@1"


def _operands(text: str) -> tuple[Operand, ...]:
    return tuple(Operand(*word.split(":")) for word in text.split())


def _accesses(text: str) -> tuple[Access, ...]:
    found = []
    for word in text.split():
        role, _, rest = word.rpartition("@")
        cycle, _, bypass = rest.partition("/")
        found.append(Access(role, int(cycle), f"{bypass}_Bypass" if bypass else ""))
    return tuple(found)


def _units(text: str) -> tuple[tuple[str, int], ...]:
    pairs = (word.split("@") for word in text.split())
    return tuple((name, int(cycle)) for name, cycle in pairs)


def opcode(
    name: str,
    slot: Slot,
    text: str,
    pattern: str,
    operands: str = "",
    reads: str = "",
    writes: str = "",
    units: str = "",
    *,
    avoids: str = "",
    memory: MemoryUse | None = None,
    branch: bool = False,
    addressing: str = "",
) -> Opcode:
    """Declare one opcode; `text` is mnemonic and syntax, with the operands of its roles in that order."""
    mnemonic, _, syntax = text.partition(" ")
    return Opcode(
        name,
        mnemonic,
        slot,
        _operands(operands),
        syntax,
        pattern,
        _accesses(reads),
        _accesses(writes),
        _units(units),
        _units(avoids),
        memory,
        branch,
        addressing,
    )


class Mode(NamedTuple):
    """One way to say where: `infix` goes behind the first part of the mnemonic."""

    suffix: str
    addressing: str
    infix: str
    syntax: str
    pattern: str
    operands: str
    reads: str
    writes: str = ""


def _modes(patterns: dict[str, str], index: str, post: str, stack: str = "") -> tuple[Mode, ...]:
    """The modes whose patterns are given, with the kinds of their immediates."""
    by_register = "[ptr], mod"
    every = (
        Mode("IDX_IMM", "imm", "", "[ptr, imm]", "", f"ptr:p imm:{index}", "ptr@1"),
        Mode("IDX_DJ", "dj", "", "[ptr, mod]", "", "ptr:p mod:dj", "ptr@1 mod@1"),
        Mode("POSTINC_IMM", "post_imm", "", "[ptr], imm", "", f"ptr:p imm:{post}", "ptr@1", "ptr@1"),
        Mode("POSTINC_M", "post_m", "", by_register, "", "ptr:p mod:m", "ptr@1 mod@1", "ptr@1"),
        Mode("2D", "2d", ".2d", by_register, "", "ptr:p mod:d", "ptr@1 mod@1", "ptr@1 mod:count@1"),
        Mode("3D", "3d", ".3d", by_register, "", "ptr:p mod:d3", "ptr@1 mod@1", "ptr@1 mod:count@1"),
        Mode("SP_IMM", "sp", "", "[sp, imm]", "", f"imm:{stack}", "@sp@1"),
    )
    return tuple(mode._replace(pattern=patterns[mode.suffix]) for mode in every if mode.suffix in patterns)


_WIDE = {
    "IDX_IMM": "ptr imm 1010",
    "IDX_DJ": "ptr mod 1000010",
    "POSTINC_IMM": "ptr imm 110",
    "POSTINC_M": "ptr mod 0100010",
    "2D": "ptr mod 1100010",
    "3D": "ptr 0 mod 0000010",
    "SP_IMM": "imm 1",
}
_NARROW = {
    "IDX_IMM": "ptr imm 011",
    "IDX_DJ": "ptr mod 100",
    "POSTINC_IMM": "ptr imm 01",
    "POSTINC_M": "ptr mod 010",
    "2D": "ptr mod 110",
    "3D": "ptr 0 mod 000",
}
_NO_IMMEDIATE = {"IDX_DJ": "ptr mod 00", "POSTINC_M": "ptr mod 01", "2D": "ptr mod 10", "3D": "ptr 0 mod 11"}
_ADD = {
    "POSTINC_IMM": "ptr imm 11 .. 11",
    "POSTINC_M": "ptr mod 010 .... 11 .. 01",
    "2D": "ptr mod 110 .... 11 .. 01",
    "3D": "ptr 0 mod 000 .... 11 .. 01",
}
_ADD_B = {
    "POSTINC_IMM": "ptr imm[8:3] 11 imm[2:0] 10",
    "POSTINC_M": "ptr mod 010 11 ... 01",
    "2D": "ptr mod 100 11 ... 01",
    "3D": "ptr 0 mod 110 11 ... 01",
}

# 13 bits: whole scalars, vectors and masks.
SCALAR_MODES = _modes(_WIDE, "imm6x4", "imm7x4", "imm12x4")
VECTOR_MODES = _modes(_WIDE, "imm6x32", "imm7x32", "imm12x32_neg")
MASK_MODES = _modes(_WIDE, "imm6x16", "imm7x16", "imm12x16_neg")
# 9 bits: parts of scalars, and vectors that are converted on the way.
PART_MODES = _modes(_NARROW, "simm3", "simm4")
SHORT_MODES = _modes(_NARROW, "imm3x32", "imm4x32")
# 8 bits: vectors that are unpacked on the way.
BARE_MODES = _modes(_NO_IMMEDIATE, "", "")
# Pointer arithmetic by itself, in slots lda and st, and in slot ldb.
ADD_MODES = _modes(_ADD, "", "imm10x4")
ADD_B_MODES = _modes(_ADD_B, "", "imm9x4")


def in_modes(
    modes: tuple[Mode, ...],
    name: str,
    slot: Slot,
    text: str,
    pattern: str,
    operands: str = "",
    reads: str = "",
    writes: str = "",
    units: str = "",
    *,
    avoids: str = "",
    memory: MemoryUse | None = None,
) -> Iterator[Opcode]:
    """Declare an opcode in several addressing modes; `AG` in text and pattern stands for the address."""
    mnemonic, _, syntax = text.partition(" ")
    head, dot, tail = mnemonic.partition(".")
    for mode in modes:
        before, _, after = operands.partition("AG")
        yield opcode(
            f"{name}_{mode.suffix}",
            slot,
            f"{head}{mode.infix}{dot}{tail} {syntax.replace('AG', mode.syntax)}",
            pattern.replace("AG", mode.pattern),
            f"{before} {mode.operands} {after}",
            f"{reads} {mode.reads}",
            f"{writes} {mode.writes}",
            units,
            avoids=avoids,
            memory=memory,
            addressing=mode.addressing,
        )
