"""The kinds of operands: which registers or numbers they take, and the bits that stand for each.

Source of the register codes: Xilinx/llvm-aie, AIE2MCCodeEmitterRegOperandDef.h (the classes that mix register files)
and AIE2GenRegisterInfo.td (HWEncoding of the others).  Source of the ranges: AIE2InstrInfo.td, AIEBaseInstrInfo.td.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from compiler.encoding.isa.registers import (
    ACCUMULATORS,
    CONTROL,
    DIMENSION_PARTS,
    DIMENSIONS,
    GENERAL,
    MASKS,
    POINTERS,
    QUARTERS,
    REGISTERS,
    SHIFTS,
    SPECIAL,
    VECTORS,
    Register,
)


@dataclass(frozen=True)
class Label:
    """The byte address of a place in a program, by name."""

    name: str


Value = Register | int | Label
Wrong = tuple[str, str]


@dataclass(frozen=True)
class RegisterKind:
    """A set of registers; `codes` are the bits of each, empty where the instruction leaves no choice."""

    name: str
    keys: tuple[str, ...]
    codes: tuple[int, ...]
    width: int

    @cached_property
    def registers(self) -> tuple[Register, ...]:
        """The registers, in the order of their codes' declaration."""
        return tuple(REGISTERS[key] for key in self.keys)

    @cached_property
    def by_name(self) -> dict[str, Register]:
        """What may be written in the assembly text, and means which register."""
        return {key.removesuffix("_3d"): REGISTERS[key] for key in self.keys} | self._shorthands()

    def _shorthands(self) -> dict[str, Register]:
        found = {register.name: register for register in self.registers}
        pairs = {f"l{number}": REGISTERS[f"l{number}"] for number in range(8)}
        found |= {name: pair for name, pair in pairs.items() if pair in self.registers}
        return found | ({"core_id": REGISTERS["core_id"]} if REGISTERS["core_id"] in self.registers else {})

    @cached_property
    def _stored(self) -> dict[Register, int]:
        return dict(zip(self.registers, self.codes, strict=True)) if self.codes else dict.fromkeys(self.registers, 0)

    @cached_property
    def _loaded(self) -> dict[int, Register]:
        return {code: register for register, code in self._stored.items()}

    def wrong(self, value: Value) -> Wrong | None:
        """Why the value cannot be this operand, and what can; None if it can."""
        if isinstance(value, Register) and value in self._stored:
            return None
        shown = value.name if isinstance(value, Register | Label) else f"#{value}"
        return f"'{shown}' is none of the {len(self.keys)} registers that are allowed", f"allowed: {self.rule()}"

    def rule(self) -> str:
        """The registers in words, runs of numbers shortened."""
        return ", ".join(_runs([register.name for register in self.registers]))

    def store(self, value: Value) -> int:
        """The bits of an allowed register."""
        assert isinstance(value, Register)
        return self._stored[value]

    def load(self, code: int) -> Value | None:
        """The register of some bits, None if they stand for none."""
        return self._loaded.get(code)

    def text(self, value: Value) -> str:
        """The register as the assembly text names it."""
        assert isinstance(value, Register)
        return value.name

    def legal_codes(self) -> tuple[int, ...]:
        """All bits that stand for a register."""
        return tuple(self._loaded)


@dataclass(frozen=True)
class NumberKind:
    """Integers low..high in steps, stored divided by the step in two's complement; labels only where addresses go."""

    name: str
    width: int
    low: int
    high: int
    step: int = 1
    labels: bool = False

    def wrong(self, value: Value) -> Wrong | None:
        """Why the value cannot be this operand, and what can; None if it can."""
        allowed = f"allowed: {self.rule()}"
        if isinstance(value, Label):
            return None if self.labels else (f"a label ('{value.name}') cannot stand here, only a number", allowed)
        if isinstance(value, Register):
            return f"register '{value.name}' cannot stand here, only a number", allowed
        if not self.low <= value <= self.high:
            return f"{value} is out of range {self.low}..{self.high}", allowed
        if value % self.step:
            down = value - value % self.step
            near = [number for number in (down, down + self.step) if number <= self.high]
            return f"{value} is no multiple of {self.step}", f"{allowed}; nearest: {' and '.join(map(str, near))}"
        return None

    def rule(self) -> str:
        """The range in words."""
        return f"{self.low}..{self.high}" + (f" in steps of {self.step}" if self.step > 1 else "")

    def store(self, value: Value) -> int:
        """The bits of an allowed number."""
        assert isinstance(value, int), "a label must be resolved before it is encoded"
        return (value // self.step) & ((1 << self.width) - 1)

    def load(self, code: int) -> Value | None:
        """The number of some bits; there is one for all of them."""
        span = self.step << self.width
        number = code * self.step
        return number if number <= self.high else number - span

    def text(self, value: Value) -> str:
        """The number with its `#`; addresses and long constants in hexadecimal."""
        if isinstance(value, Label):
            return f"#{value.name}"
        assert isinstance(value, int)
        return f"#{value:#x}" if self.labels and value >= 0 else f"#{value}"

    def legal_codes(self) -> tuple[int, ...] | None:
        """None: every bit pattern is a number."""
        return None


Kind = RegisterKind | NumberKind


def _runs(names: list[str]) -> Iterator[str]:
    """Names with consecutive numbers joined: r0, r1, r2 -> r0..r2."""
    start = 0
    for end in range(1, len(names) + 1):
        if end < len(names) and names[end] == _next(names[end - 1]):
            continue
        yield names[start] if end - start == 1 else f"{names[start]}..{names[end - 1]}"
        start = end


def _next(name: str) -> str:
    stem = name.rstrip("0123456789")
    return f"{stem}{int(name[len(stem) :]) + 1}" if stem != name else name


def _plain(name: str, stem: str, count: int, width: int, first: int = 0) -> RegisterKind:
    """Registers first.. of a file, coded by their number without the bits that do not fit."""
    keys = tuple(f"{stem}{number}" for number in range(first, first + count))
    codes = tuple(number & ((1 << width) - 1) for number in range(first, first + count))
    return RegisterKind(name, keys, codes, width)


def _coded(name: str, width: int, codes: dict[str, int]) -> RegisterKind:
    return RegisterKind(name, tuple(codes), tuple(codes.values()), width)


def _only(key: str) -> RegisterKind:
    """The one register that an instruction always uses: its text shows it, its bits do not."""
    return RegisterKind(key, (key,), (), 0)


_W = {
    f"{half}{number}": (number >> 1) << 2 | (number & 1) << 1 | high
    for high, half in enumerate(("wl", "wh"))
    for number in range(VECTORS)
}
_AM = {f"{part}{number}": number << 2 | low for low, part in enumerate(QUARTERS) for number in range(ACCUMULATORS)}
_BM = {
    f"{half}{number}": number << 1 | high for high, half in enumerate(("bml", "bmh")) for number in range(ACCUMULATORS)
}


def _scalars(pointer_code: int) -> dict[str, int]:
    """Codes of r, m, dn, dj, dc and p in the 7-bit fields; pointers have other low bits in loads than in moves."""
    codes = {f"r{number}": number << 2 for number in range(GENERAL)}
    for row, part in enumerate(DIMENSION_PARTS):
        codes |= {f"{part}{number}": (row << 3 | number) << 2 | 0b10 for number in range(DIMENSIONS)}
    return codes | {f"p{number}": number << 4 | pointer_code for number in range(POINTERS)}


_LOADED = _scalars(0b1101)
_MOVED = (
    _scalars(0b0011)
    | {f"s{number}": number << 5 | 0b01011 for number in range(SHIFTS)}
    | {name: code << 3 | 0b001 for name, code in CONTROL.items()}
    | {name: code << 3 | 0b111 for name, code in SPECIAL.items() if name != "core_id"}
)

_REGISTER_KINDS = (
    _plain("r", "r", GENERAL, 5),
    _plain("p", "p", POINTERS, 3),
    _plain("m", "m", DIMENSIONS, 3),
    _plain("dj", "dj", DIMENSIONS, 3),
    _plain("d", "d", DIMENSIONS, 3),
    RegisterKind("d3", tuple(f"d{number}_3d" for number in range(4)), tuple(range(4)), 2),
    _plain("s", "s", SHIFTS, 2),
    _plain("q", "q", MASKS, 2),
    _plain("qx", "qx", MASKS, 2),
    _plain("x", "x", VECTORS, 4),
    RegisterKind("y", tuple(f"y{number}" for number in range(2, 6)), tuple(range(4)), 2),
    _plain("cm", "cm", ACCUMULATORS, 4),
    _plain("l", "l", 8, 3),
    _plain("r4", "r", 4, 2, first=16),
    _plain("r8", "r", 8, 3, first=16),
    _only("r26"),
    _only("r27"),
    _only("r29"),
    _coded("cr", 4, CONTROL),
    _coded("w", 5, _W),
    _coded("am", 6, _AM),
    _coded("bm", 5, _BM),
    # The same w registers in the source of UPS: half, odd, number.
    _coded("w.ups", 5, {name: (code & 1) << 4 | (code >> 1 & 1) << 3 | code >> 2 for name, code in _W.items()}),
    # Scalars in the 7-bit fields of loads and stores, of `mova`, and of the moves.
    _coded("scl.lda", 7, _LOADED | {"lr": 0b0000101}),
    _coded("scl.mova", 7, _LOADED | {"lc": 0b0010101}),
    _coded("scl.movx", 6, {f"r{number}": number << 1 for number in range(GENERAL)} | {"lc": 1}),
    _coded("scl.dst", 7, _MOVED),
    _coded("scl.src", 7, _MOVED | {"core_id": SPECIAL["core_id"] << 3 | 0b111}),
    # `vmov` between 256-bit and between 512-bit registers; one kind a file because their bypasses differ.
    *(
        _coded(f"{half}.dst", 7, {n: (c & 1) << 6 | (c >> 1 & 1) << 5 | c & ~3 for n, c in _W.items() if half in n})
        for half in ("wl", "wh")
    ),
    *(
        _coded(
            f"{half}.src",
            9,
            {n: 0b110 << 6 | (c & 1) << 4 | (c >> 1 & 1) << 3 | c >> 2 for n, c in _W.items() if half in n},
        )
        for half in ("wl", "wh")
    ),
    _coded("am.dst", 7, {name: code << 1 | 1 for name, code in _AM.items()}),
    _coded("am.src", 9, {name: code << 3 | 1 for name, code in _AM.items()}),
    _coded("q.dst", 7, {f"q{number}": number << 5 | 0b00010 for number in range(MASKS)}),
    _coded("q.src", 9, {f"q{number}": 0b111 << 6 | number << 4 for number in range(MASKS)}),
    _coded("x.dst", 6, {f"x{number}": number << 2 for number in range(VECTORS)}),
    _coded("x.src", 9, {f"x{number}": 0b11000 << 4 | number for number in range(VECTORS)}),
    _coded("bm.dst", 6, {name: code << 1 | 1 for name, code in _BM.items()}),
    _coded("bm.src", 9, {name: code << 4 for name, code in _BM.items()}),
    # Where a shuffle may put its result: the accumulators have cm8 missing and the half in front.
    _coded("x.shuffle", 5, {f"x{number}": number << 1 for number in range(VECTORS)}),
    _coded("bm.shuffle", 5, {n: ((c & 1) << 3 | c >> 1) << 1 | 1 for n, c in _BM.items() if c >> 1 < 8}),
)


def _signed(bits: int, step: int = 1) -> NumberKind:
    half = step << (bits - 1)
    return NumberKind(f"imm{bits}x{step}" if step > 1 else f"simm{bits}", bits, -half, half - step, step)


def _negative(bits: int, step: int) -> NumberKind:
    """The sign is not stored: always below zero."""
    return NumberKind(f"imm{bits}x{step}_neg", bits, -(step << bits), -step, step)


def _unsigned(bits: int) -> NumberKind:
    return NumberKind(f"imm{bits}", bits, 0, (1 << bits) - 1)


_NUMBER_KINDS = (
    *(_signed(bits) for bits in (3, 4, 6, 7, 10, 11)),
    *(_signed(bits, 4) for bits in (6, 7, 9, 10, 12)),
    *(_signed(bits, 16) for bits in (6, 7)),
    *(_signed(bits, 32) for bits in (3, 4, 6, 7, 12, 13)),
    _negative(12, 16),
    _negative(12, 32),
    *(_unsigned(bits) for bits in (2, 5, 6)),
    NumberKind("addr20", 20, 0, (1 << 20) - 1, labels=True),
    NumberKind("simm32", 32, -(1 << 31), (1 << 31) - 1, labels=True),
)

KINDS: dict[str, Kind] = {
    **{kind.name: kind for kind in _REGISTER_KINDS},
    **{kind.name: kind for kind in _NUMBER_KINDS},
}
