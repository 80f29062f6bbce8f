"""The registers of an AIE2 core and the storage cells that they share.

A cell is the smallest thing that instructions write by itself: a 32-bit scalar, or 256 bits of a vector or of an
accumulator.  Dependences and the simulator speak of cells, text and encodings of registers.
Source: Xilinx/llvm-aie, AIE2GenRegisterInfo.td (names, sub-registers), AM020 (9 accumulators).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

GENERAL, POINTERS, DIMENSIONS, SHIFTS, VECTORS, ACCUMULATORS, MASKS = 32, 8, 8, 4, 12, 9, 4
# Of a dimension register d0: what one-dimensional steps add, then size, increment and count of the inner loop.
DIMENSION_PARTS = ("m", "dn", "dj", "dc")
QUARTERS = ("amll", "amlh", "amhl", "amhh")
# Control registers with their numbers, which are also their codes in `mov` and `movx`.
CONTROL = {
    "crVaddSign": 0,
    "crF2FMask": 1,
    "crF2IMask": 2,
    "crFPMask": 3,
    "crMCDEn": 4,
    "crPackSign": 5,
    "crRnd": 6,
    "crSCDEn": 7,
    "crSRSSign": 8,
    "crSat": 9,
    "crUPSSign": 10,
    "crUnpackSign": 11,
}
# Special registers with their codes in `mov`.
SPECIAL = {"ls": 0, "dp": 2, "lr": 4, "core_id": 6, "le": 8, "lc": 10, "sp": 12}


def _row(stem: str, count: int) -> tuple[str, ...]:
    return tuple(f"{stem}{number}" for number in range(count))


_SCALARS = (
    *_row("r", GENERAL),
    *_row("p", POINTERS),
    "sp",
    *(name for part in DIMENSION_PARTS for name in _row(part, DIMENSIONS)),
    *_row("s", SHIFTS),
    "lr",
    "ls",
    "le",
    "lc",
    "dp",
    "core_id",
    *CONTROL,
)
_WIDE = (
    *(f"{half}{number}" for number in range(VECTORS) for half in ("wl", "wh")),
    *(f"{quarter}{number}" for number in range(ACCUMULATORS) for quarter in QUARTERS),
    *_row("q", MASKS),  # the 128-bit masks of sparse operands lie in the low half of their cell
)

CELLS: tuple[str, ...] = _SCALARS + _WIDE
SCALAR_CELLS: int = len(_SCALARS)
CELL: dict[str, int] = {name: number for number, name in enumerate(CELLS)}


@dataclass(frozen=True)
class Register:
    """A name that instructions use, and the cells it stands for, the least significant first."""

    name: str
    cells: tuple[int, ...]

    def __str__(self) -> str:
        return self.name


def _register(name: str, parts: Iterable[str]) -> Register:
    return Register(name, tuple(CELL[part] for part in parts))


def _dimension(number: int) -> tuple[str, ...]:
    return tuple(f"{part}{number}" for part in DIMENSION_PARTS)


def _compound() -> dict[str, Register]:
    """The registers that are made of several cells, by name."""
    parts: dict[str, tuple[str, ...]] = {}
    for number in range(VECTORS):
        parts[f"x{number}"] = (f"wl{number}", f"wh{number}")
    for number in range(2, VECTORS // 2):
        parts[f"y{number}"] = parts[f"x{2 * number}"] + parts[f"x{2 * number + 1}"]
    for number in range(ACCUMULATORS):
        parts[f"bml{number}"] = (f"amll{number}", f"amlh{number}")
        parts[f"bmh{number}"] = (f"amhl{number}", f"amhh{number}")
        parts[f"cm{number}"] = parts[f"bml{number}"] + parts[f"bmh{number}"]
    for number in range(MASKS):
        parts[f"qx{number}"] = (*parts[f"x{number}"], f"q{number}")
    for number in range(DIMENSIONS):
        parts[f"d{number}"] = _dimension(number)
    return {name: _register(name, cells) for name, cells in parts.items()}


REGISTERS: dict[str, Register] = {name: _register(name, (name,)) for name in CELLS} | _compound()
# llvm-aie writes a pair as its two halves, high one first; `l0` is our shorthand for `r17:r16`.
for _number in range(8):
    _low = 16 + 2 * _number
    _pair = _register(f"r{_low + 1}:r{_low}", (f"r{_low}", f"r{_low + 1}"))
    REGISTERS[_pair.name] = REGISTERS[f"l{_number}"] = _pair
# What three-dimensional addressing calls d0 is d0 and d4; its key differs from its name for that reason.
for _number in range(DIMENSIONS // 2):
    REGISTERS[f"d{_number}_3d"] = _register(f"d{_number}", (*_dimension(_number), *_dimension(_number + 4)))
REGISTERS["core_id"] = REGISTERS["CORE_ID"] = _register("CORE_ID", ("core_id",))
