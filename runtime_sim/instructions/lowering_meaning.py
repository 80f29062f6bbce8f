"""The event that computes what an opcode means, by opcode name; `meaning` says it for the reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from compiler.encoding.isa.model import Instruction
from runtime_sim.instructions.events import SIGN, SIGNED, Kind, Operation
from runtime_sim.instructions.meaning import base_name
from runtime_sim.instructions.meaning_scalar import BUNDLE_BYTES, DELAY_SLOTS
from runtime_sim.instructions.meaning_vector import MOVES
from runtime_sim.instructions.operands import MEMORY


class Places(Protocol):
    """What `lowering.Places` offers here."""

    instruction: Instruction
    pc: int
    at: dict[str, int]
    cells: dict[str, int]

    def __getitem__(self, role: str) -> int: ...

    def emit(self, kind: Kind, *arguments: int, cycle: int = 0) -> None:
        """The event that computes."""

    def emit_scalar(self, kind: Kind, a: int = 0, b: int = 0, number: int = 0, role: str = "new:dst") -> None:
        """The event that computes a scalar."""

    def take(self, cells: tuple[int, ...]) -> int:
        """A place for what such cells hold."""


Lowering = Callable[[Places], None]
NEW, NEW_MASK, LOADED = "new:dst", "new:cmp", "@memory"
# What these load goes into the register as it is.
PLAIN_LOADS = ("VLDA_W", "VLDB_W", "VLDA_AM", "LDA", "LDA_S8", "LDA_U8", "LDA_S16", "LDA_U16")
_SCALAR_BINARY = ("ADD", "SUB", "AND", "OR", "XOR", "EQ", "NE", "GE", "LT", "GEU", "LTU", "LSHL", "ASHL", "MUL")
_EXTENSIONS = {"EXTEND_S8": -8, "EXTEND_S16": -16, "EXTEND_U8": 8, "EXTEND_U16": 16}
_PRODUCTS = {"VMUL": (0, 0), "VNEGMUL": (1, 0), "VMAC": (0, 0), "VMSC": (1, 0), "VNEGMAC": (1, 1), "VNEGMSC": (0, 1)}
_SUMS = {"VADD_CM": (0, 0), "VSUB_CM": (0, 1), "VNEGADD_CM": (1, 1), "VNEGSUB_CM": (1, 0)}
_PLAIN = {"VADD": Operation.ADD, "VSUB": Operation.SUB}
_COMPARED = ("MAX_LT", "MIN_GE", "SUB_LT", "SUB_GE", "MAXDIFF_LT", "LT", "GE")


def compute(places: Places) -> None:
    """Emit the event of an instruction, if it computes anything."""
    lowering = LOWERINGS.get(base_name(places.instruction.opcode))
    if lowering is not None:
        lowering(places)


def _sign(places: Places, letter: str, control: str) -> int:
    return SIGNED if letter == "S" else SIGN + places[f"@{control}"]


def _binary(kind: Kind) -> Lowering:
    return lambda p: p.emit_scalar(kind, p["a"], p["b"])


def _unary(kind: Kind, number: int = 0) -> Lowering:
    return lambda p: p.emit_scalar(kind, p["a"], 0, number)


def _constant(p: Places) -> None:
    p.emit_scalar(Kind.CONSTANT, 0, 0, p.instruction.number("imm"))


def _stack(p: Places) -> None:
    p.emit_scalar(Kind.ADD_NUMBER, p["@sp"], 0, p.instruction.number("imm"), "new:@sp")


def _select(swapped: bool) -> Lowering:
    def lowering(p: Places) -> None:
        one, zero = ("b", "a") if swapped else ("a", "b")
        p.emit_scalar(Kind.SELECT, p[one], p[zero], p["cond"])

    return lowering


def _jump(kind: Kind) -> Lowering:
    def lowering(p: Places) -> None:
        register = p.at.get("target", p.at.get("@lr", -1))
        target = p.instruction.number("target") if register < 0 else 0
        result = p.at.get(NEW, p.at.get("new:@lr", 0))
        p.emit(kind, p.at.get("a", 0), register, target, result, p.pc + BUNDLE_BYTES * (DELAY_SLOTS + 1))

    return lowering


def _scalars() -> Iterator[tuple[str, Lowering]]:
    for name in _SCALAR_BINARY:
        yield name, _binary(Kind[name])
    for name in ("CLB", "CLZ", "EQZ", "NEZ", "ABS"):
        yield name, _unary(Kind[name])
    for name, bits in _EXTENSIONS.items():
        yield name, _unary(Kind.EXTEND, bits)
    yield "SEL_EQZ", _select(True)
    yield "SEL_NEZ", _select(False)
    for name in ("MOVA", "MOVX_IMM", "MOV_IMM", "MOVXM"):
        yield name, _constant
    for name in ("MOV", "MOVX_CR", *(f"MOV_D{delay}" for delay in range(1, 7))):
        yield name, lambda p: p.emit_scalar(Kind.COPY, p["src"])
    for name in ("ADD_IMM", "ADD_NC"):
        yield name, lambda p: p.emit_scalar(Kind.ADD_NUMBER, p["a"], 0, p.instruction.number("imm"))
    for name in ("PADDA_SP_IMM", "PADDB_SP_IMM"):
        yield name, _stack
    kinds = {"J": Kind.JUMP, "J_REG": Kind.JUMP, "RET": Kind.JUMP, "JL": Kind.CALL, "JL_REG": Kind.CALL}
    for name, kind in (kinds | {"JZ": Kind.JUMP_ZERO, "JNZ": Kind.JUMP_NOT_ZERO, "JNZD": Kind.JUMP_COUNT}).items():
        yield name, _jump(kind)
    for name in ("ST", "ST_S8", "ST_S16"):
        yield name, lambda p: p.emit(Kind.COPY, p[MEMORY], p["src"], 0, 0, -1, 0)


def _multiply(name: str) -> Lowering:
    """Products are made when their factors are read; the accumulator, which is read later, joins them then."""
    negate, negate_acc = _PRODUCTS[name]

    def lowering(p: Places) -> None:
        conf = p.take((0,)) if "acc" in p.at else -1
        p.emit(Kind.MULTIPLY, p[NEW], p["a"], p["b"], p["conf"], negate, conf, cycle=1)
        if "acc" in p.at:
            p.emit(Kind.ACCUMULATE, p[NEW], p["acc"], conf, negate_acc)

    return lowering


def _add_accumulators(name: str) -> Lowering:
    negate, second = _SUMS[name]
    return lambda p: p.emit(Kind.ADD_ACCUMULATORS, p[NEW], p["a"], p["b"], p["conf"], negate, second)


def _move(target: str, source: str) -> Lowering:
    def lowering(p: Places) -> None:
        p.emit(Kind.MOVE, p[target], p[source], p.cells.get(source, 1))

    return lowering


def _lanes(operation: Operation, bits: int) -> Lowering:
    return lambda p: p.emit(Kind.LANES, p[NEW], p["a"], p["b"], bits, operation)


def _compare(operation: Operation, bits: int, letter: str) -> Lowering:
    def lowering(p: Places) -> None:
        sign = _sign(p, letter, "crVaddSign")
        p.emit(Kind.COMPARE, p.at.get(NEW, -1), p["a"], p["b"], bits, operation, p[NEW_MASK], sign)

    return lowering


def _lane_operations() -> Iterator[tuple[str, Lowering]]:
    for bits in (8, 16, 32):
        yield from _lane_operations_of(bits)
    for bits in (8, 16, 32, 64):
        yield from _elements_of(bits)
    yield "VBAND", _lanes(Operation.AND, 32)
    yield "VBOR", _lanes(Operation.OR, 32)


def _lane_operations_of(bits: int) -> Iterator[tuple[str, Lowering]]:
    for name, operation in _PLAIN.items():
        yield f"{name}_{bits}", _lanes(operation, bits)
    for name in _COMPARED:
        for letter in "DS":
            yield f"V{name}_{letter}{bits}", _compare(Operation[name], bits, letter)
    yield f"VSEL_{bits}", lambda p: p.emit(Kind.CHOOSE, p[NEW], p["a"], p["b"], bits, p["sel"])
    yield f"VEQZ_{bits}", lambda p: p.emit(Kind.ZEROS, -1, p["a"], 0, bits, 0, p[NEW_MASK])
    yield f"VBNEG_LTZ_S{bits}", lambda p: p.emit(Kind.INVERT, p[NEW], p["a"], 0, bits, 0, p[NEW_MASK])


def _elements_of(bits: int) -> Iterator[tuple[str, Lowering]]:
    def extract(letter: str) -> Lowering:
        def lowering(p: Places) -> None:
            sign = _sign(p, letter, "crVaddSign")
            p.emit(Kind.EXTRACT, p[NEW], p["a"], bits, p["idx"], sign)

        return lowering

    yield f"VBCST_{bits}", lambda p: p.emit(Kind.BROADCAST, p[NEW], p["value"], bits)
    yield f"VINSERT_{bits}", lambda p: p.emit(Kind.INSERT, p[NEW], p["a"], p["value"], bits, p["idx"])
    for letter in "DS":
        yield f"VEXTRACT_{letter}{bits}", extract(letter)
    spread = Kind.EXTRACT_BROADCAST
    yield f"VEXTBCST_{bits}_REG", lambda p: p.emit(spread, p[NEW], p["a"], bits, p["idx"])
    yield f"VEXTBCST_{bits}_IMM", lambda p: p.emit(spread, p[NEW], p["a"], bits, -1, p.instruction.number("idx"))


def _srs(name: str, target: str, whole: bool) -> tuple[str, Lowering]:
    """`name` ends in a form such as D8_S32; a whole accumulator has 1024 bits, a half 512."""
    letter, bits, acc_bits = _form(name)

    def lowering(p: Places) -> None:
        count = (1024 if whole else 512) // acc_bits
        widths, sign = acc_bits << 8 | bits, _sign(p, letter, "crSRSSign")
        p.emit(Kind.SRS, p[target], p["src"], count | sign << 8, widths, p["shift"], p["@crSat"], p["@crRnd"])

    return name, lowering


def _form(name: str) -> tuple[str, int, int]:
    """(letter, bits of the vector's lanes, bits of the accumulator's) of names that hold D8_S32 or the like."""
    parts = [part for part in name.split("_") if part[0] in "DS" and part[1:].isdecimal()]
    narrow, wide = sorted(parts, key=lambda part: int(part[1:]))
    return narrow[0], int(narrow[1:]), int(wide[1:])


def _ups(name: str, source: str, whole: bool) -> tuple[str, Lowering]:
    letter, bits, acc_bits = _form(name)

    def lowering(p: Places) -> None:
        count = (1024 if whole else 512) // acc_bits
        sign = _sign(p, letter, "crUPSSign")
        p.emit(Kind.UPS, p[NEW], p[source], count, acc_bits << 8 | bits, p["shift"], p["@crSat"], sign)

    return name, lowering


def _conversions() -> Iterator[tuple[str, Lowering]]:
    for letter in "DS":
        yield from (_srs(f"VSRS_{letter}{form}", NEW, True) for form in ("8_S32", "16_S64"))
        yield from (_srs(f"VST_SRS_{letter}{form}", MEMORY, True) for form in ("8_S32", "16_S64"))
        for form in ("16_S32", "32_S64"):
            yield _srs(f"VSRS_{letter}{form}_W", NEW, False)
            yield _srs(f"VSRS_{letter}{form}_X", NEW, True)
            yield _srs(f"VSRSM_{letter}{form}", NEW, False)
            yield _srs(f"VST_SRS_{letter}{form}", MEMORY, False)
        for form in (f"S32_{letter}8", f"S64_{letter}16"):
            yield _ups(f"VUPS_{form}", "src", True)
            yield _ups(f"VLDA_UPS_{form}", LOADED, True)
        for form in (f"S32_{letter}16", f"S64_{letter}32"):
            yield _ups(f"VUPS_{form}_W", "src", False)
            yield _ups(f"VUPS_{form}_X", "src", True)
            yield _ups(f"VLDA_UPS_{form}", LOADED, False)
        yield from _packings(letter)


def _packings(letter: str) -> Iterator[tuple[str, Lowering]]:
    def packed(target: str) -> Lowering:
        def lowering(p: Places) -> None:
            p.emit(Kind.PACK, p[target], p["src"], p["@crSat"], _sign(p, letter, "crPackSign"))

        return lowering

    def unpacked(source: str) -> Lowering:
        return lambda p: p.emit(Kind.UNPACK, p[NEW], p[source], _sign(p, letter, "crUnpackSign"))

    yield f"VPACK_{letter}8_{letter}16", packed(NEW)
    yield f"VST_PACK_{letter}8_{letter}16", packed(MEMORY)
    yield f"VUNPACK_{letter}16_{letter}8", unpacked("src")
    yield f"VLDB_UNPACK_{letter}16_{letter}8", unpacked(LOADED)


def _moves() -> Iterator[tuple[str, Lowering]]:
    yield from ((name, _move(NEW, "src")) for name in MOVES)
    yield from ((name, _move(MEMORY, "src")) for name in ("VST_W", "VST_AM"))
    yield "VCLR", lambda p: p.emit(Kind.CLEAR, p[NEW], p.cells[NEW])
    yield "VSHIFT", lambda p: p.emit(Kind.SHIFT, p[NEW], p["a"], p["b"], p["shift"])
    for name in ("VSHUFFLE_X", "VSHUFFLE_BM"):
        yield name, lambda p: p.emit(Kind.SHUFFLE, p[NEW], p["a"], p["b"], p["mode"])


LOWERINGS: dict[str, Lowering] = {
    **dict(_scalars()),
    **{name: _multiply(name) for name in _PRODUCTS},
    **{name: _add_accumulators(name) for name in _SUMS},
    **dict(_moves()),
    **dict(_lane_operations()),
    **dict(_conversions()),
}
