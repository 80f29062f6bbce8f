"""What the scalar instructions compute, by opcode name.

`lshl` and `ashl` shift right by a negative amount (LLVM's tests of shifts negate it, llvm-aie test/CodeGen/AIE); what
they do beyond 31 is not known.  `clb` counts the leading bits that equal the sign (aiev2_scalar.h).
"""

from collections.abc import Callable

from runtime_sim.faults import sim_fault
from runtime_sim.instructions.operands import TARGET, WORD_MASK, Inputs, Outputs, signed

Meaning = Callable[[Inputs], Outputs]
BUNDLE_BYTES = 16
DELAY_SLOTS = 5
WORD = 32


def shifted(value: int, amount: int, fill: int) -> int:
    """A word shifted left, or right with what comes in from the left."""
    if not -WORD < amount < WORD:
        raise sim_fault("core-shift", f"a scalar shift by {amount}, allowed: {1 - WORD}..{WORD - 1}", "core")
    return value << amount if amount >= 0 else (value | fill << WORD) >> -amount


def _lshl(a: int, b: int) -> int:
    return shifted(a, signed(b), 0)


def _ashl(a: int, b: int) -> int:
    return shifted(a, signed(b), WORD_MASK if a >> (WORD - 1) else 0)


_BINARY: dict[str, Callable[[int, int], int]] = {
    "ADD": lambda a, b: a + b,
    "SUB": lambda a, b: a - b,
    "AND": lambda a, b: a & b,
    "OR": lambda a, b: a | b,
    "XOR": lambda a, b: a ^ b,
    "EQ": lambda a, b: a == b,
    "NE": lambda a, b: a != b,
    "GE": lambda a, b: signed(a) >= signed(b),
    "LT": lambda a, b: signed(a) < signed(b),
    "GEU": lambda a, b: a >= b,
    "LTU": lambda a, b: a < b,
    "LSHL": _lshl,
    "ASHL": _ashl,
    "MUL": lambda a, b: a * b,
}
_UNARY: dict[str, Callable[[int], int]] = {
    "CLB": lambda a: WORD - (a ^ WORD_MASK if a >> (WORD - 1) else a).bit_length(),
    "CLZ": lambda a: WORD - a.bit_length(),
    "EXTEND_S8": lambda a: signed(a, 8),
    "EXTEND_S16": lambda a: signed(a, 16),
    "EXTEND_U8": lambda a: a & 0xFF,
    "EXTEND_U16": lambda a: a & 0xFFFF,
    "EQZ": lambda a: a == 0,
    "NEZ": lambda a: a != 0,
    "ABS": lambda a: abs(signed(a)),
}


def _binary(function: Callable[[int, int], int]) -> Meaning:
    return lambda i: {"dst": int(function(i.scalar("a"), i.scalar("b"))) & WORD_MASK}


def _unary(function: Callable[[int], int]) -> Meaning:
    return lambda i: {"dst": int(function(i.scalar("a"))) & WORD_MASK}


def _constant(i: Inputs) -> Outputs:
    return {"dst": i.number("imm") & WORD_MASK}


def _copy(i: Inputs) -> Outputs:
    return {"dst": i.scalar("src")}


def _add_constant(i: Inputs) -> Outputs:
    return {"dst": (i.scalar("a") + i.number("imm")) & WORD_MASK}


def _stack(i: Inputs) -> Outputs:
    return {"@sp": i.scalar("@sp") + i.number("imm")}


def _return_address(i: Inputs) -> int:
    """The bundle behind the delay slots of a call."""
    return i.pc + BUNDLE_BYTES * (DELAY_SLOTS + 1)


def _count_down(i: Inputs) -> Outputs:
    """Tests before it counts, so a register of n takes n + 1 rounds (AIEBaseHardwareLoops.cpp)."""
    count = i.scalar("a")
    left: Outputs = {"dst": (count - 1) & WORD_MASK}
    return left | {TARGET: i.scalar("target")} if count else left


def _nothing(i: Inputs) -> Outputs:
    return {}


SCALAR_MEANINGS: dict[str, Meaning] = {
    **{name: _binary(function) for name, function in _BINARY.items()},
    **{name: _unary(function) for name, function in _UNARY.items()},
    "SEL_EQZ": lambda i: {"dst": i.scalar("b" if i.scalar("cond") else "a")},
    "SEL_NEZ": lambda i: {"dst": i.scalar("a" if i.scalar("cond") else "b")},
    **dict.fromkeys(("MOVA", "MOVX_IMM", "MOV_IMM", "MOVXM"), _constant),
    **dict.fromkeys(("MOV", "MOVX_CR", *(f"MOV_D{delay}" for delay in range(1, 7))), _copy),
    **dict.fromkeys(("ADD_IMM", "ADD_NC"), _add_constant),
    **dict.fromkeys(("PADDA_SP_IMM", "PADDB_SP_IMM"), _stack),
    "J": lambda i: {TARGET: i.number("target")},
    "JL": lambda i: {TARGET: i.number("target"), "@lr": _return_address(i)},
    "J_REG": lambda i: {TARGET: i.scalar("target")},
    "JL_REG": lambda i: {TARGET: i.scalar("target"), "@lr": _return_address(i)},
    "JZ": lambda i: {} if i.scalar("a") else {TARGET: i.number("target")},
    "JNZ": lambda i: {TARGET: i.number("target")} if i.scalar("a") else {},
    "JNZD": _count_down,
    "RET": lambda i: {TARGET: i.scalar("@lr")},
    **dict.fromkeys(("DONE", "EVENT", "NOPXM"), _nothing),
}
