"""Slot mv, second part: arithmetic, comparison, selection and permutation of vector lanes.

Source: Xilinx/llvm-aie, AIE2GenInstrFormats.td (bits), AIE2GenFixupInstrInfo.td (operands), AIE2Schedule.td (cycles
and units).  Masks of 64 lanes are a pair of scalar registers, those of 32 and 16 lanes one of r16..r23.
"""

from __future__ import annotations

from collections.abc import Iterator

from compiler.encoding.isa.declare import opcode
from compiler.encoding.isa.model import Opcode, Slot
from compiler.encoding.isa.opcodes_scalar import MOVE_PORTS

MV = Slot.MV
_SIZES = (("8", "00", "l"), ("16", "01", "r8"), ("32", "10", "r8"))
_ELEMENTS = (("8", "00", "r"), ("16", "01", "r"), ("32", "10", "r"), ("64", "11", "l"))
_PORT = "W_WM_PORT@2"
_BOTH = "W_WM_PORT@2 RS_WM_PORT@2"
# Two operands, a result and a mask; code of the d form, which takes the signedness from a control register.
_COMBINED = {"vmaxdiff_lt": 8, "vsub_lt": 10, "vsub_ge": 12, "vmin_ge": 16, "vmax_lt": 20}
_COMPARED = {"vlt": 24, "vge": 28}


def _signs(code: int) -> tuple[tuple[str, int, str], ...]:
    return (("d", code, "@crVaddSign@1"), ("s", code + 1, ""))


def _name(mnemonic: str) -> str:
    return mnemonic.upper().replace(".", "_")


def _lane_arithmetic() -> Iterator[Opcode]:
    plain = ("dst:x a:x b:x", "a@1/MOV b@1/MOV", "dst@2/MOV", _PORT)
    for size, bits, mask in _SIZES:
        for mnemonic, code in (("vadd", 0), ("vsub", 2)):
            text = f"{mnemonic}.{size} dst, a, b"
            yield opcode(_name(f"{mnemonic}.{size}"), MV, text, f"dst 000 {code:05b} a b {bits}", *plain)
        for mnemonic, code in (("vsel", 4), ("vaddsub", 5)):
            yield opcode(
                _name(f"{mnemonic}.{size}"),
                MV,
                f"{mnemonic}.{size} dst, a, b, sel",
                f"dst sel {code:05b} a b {bits}",
                f"dst:x a:x b:x sel:{mask}",
                "a@1/MOV b@1/MOV sel@1",
                "dst@2/MOV",
                _PORT,
            )
    for mnemonic, code in (("vband", 19), ("vbor", 23)):
        yield opcode(mnemonic.upper(), MV, f"{mnemonic} dst, a, b", f"dst ... {code:05b} a b 10", *plain)


def _comparisons() -> Iterator[Opcode]:
    for size, bits, mask in _SIZES:
        for mnemonic, base in _COMBINED.items():
            for sign, code, implicit in _signs(base):
                yield opcode(
                    _name(f"{mnemonic}.{sign}{size}"),
                    MV,
                    f"{mnemonic}.{sign}{size} dst, cmp, a, b",
                    f"dst cmp {code:05b} a b {bits}",
                    f"dst:x cmp:{mask} a:x b:x",
                    f"a@1/MOV b@1/MOV {implicit}",
                    "dst@2/MOV cmp@2",
                    _BOTH,
                )
        for mnemonic, base in _COMPARED.items():
            for sign, code, implicit in _signs(base):
                yield opcode(
                    _name(f"{mnemonic}.{sign}{size}"),
                    MV,
                    f"{mnemonic}.{sign}{size} cmp, a, b",
                    f".... cmp {code:05b} a b {bits}",
                    f"cmp:{mask} a:x b:x",
                    f"a@1/MOV b@1/MOV {implicit}",
                    "cmp@2",
                    "RS_WM_PORT@2",
                )


def _comparisons_with_zero() -> Iterator[Opcode]:
    for size, bits, mask in _SIZES:
        yield opcode(
            f"VEQZ_{size}",
            MV,
            f"veqz.{size} cmp, a",
            f".... cmp 01111 .... a {bits}",
            f"cmp:{mask} a:x",
            "a@1/MOV",
            "cmp@2",
            "RS_WM_PORT@2",
        )
        unary = [
            ("vabs_gtz.d", 6, "@crVaddSign@1"),
            ("vabs_gtz.s", 7, ""),
            ("vbneg_ltz.s", 14, ""),
            ("vneg_gtz", 27, ""),
        ]
        for mnemonic, code, implicit in unary:
            yield opcode(
                _name(mnemonic + size),
                MV,
                f"{mnemonic}{size} dst, cmp, a",
                f"dst cmp {code:05b} .... a {bits}",
                f"dst:x cmp:{mask} a:x",
                f"a@1/MOV {implicit}",
                "dst@2/MOV cmp@2",
                _BOTH,
            )


def _insertions() -> Iterator[Opcode]:
    for size, bits, pair in _ELEMENTS:
        value = "value .." if pair == "l" else "value"
        yield opcode(
            f"VBCST_{size}",
            MV,
            f"vbcst.{size} dst, value",
            f"dst {bits} 0 {value} . 0 .. 111101",
            f"dst:x value:{pair}",
            "value@1",
            "dst@2/MOV",
            _PORT,
        )
        yield opcode(
            f"VINSERT_{size}",
            MV,
            f"vinsert.{size} dst, a, idx, value",
            f"dst {bits} . {value} a 110001",
            f"dst:x a:x idx:r29 value:{pair}",
            "a@1/MOV idx@1 value@1",
            "dst@2/MOV",
            _PORT,
        )
        yield opcode(
            f"VPUSH_LO_{size}",
            MV,
            f"vpush.lo.{size} dst, value, a",
            f"dst {bits} . {value} 11 .. a 11",
            f"dst:x value:{pair} a:x",
            "value@1 a@1/MOV",
            "dst@2/MOV",
            _PORT,
        )
        yield opcode(
            f"VPUSH_HI_{size}",
            MV,
            f"vpush.hi.{size} dst, a, value",
            f"dst {bits} 1 {value} a 111101",
            f"dst:x a:x value:{pair}",
            "a@1/MOV value@1",
            "dst@2/MOV",
            _PORT,
        )


def _extractions() -> Iterator[Opcode]:
    for size, bits, pair in _ELEMENTS:
        for form, index, bit in (("REG", "r", 0), ("IMM", "imm5", 1)):
            yield opcode(
                f"VEXTBCST_{size}_{form}",
                MV,
                f"vextbcst.{size} dst, a, idx",
                f"dst {bits} {bit} idx a 111001",
                f"dst:x a:x idx:{index}",
                "a@1/MOV" + (" idx@1" if form == "REG" else ""),
                "dst@2/MOV",
                _PORT,
            )
        for sign, bit, implicit in (("d", 0, "@crVaddSign@1"), ("s", 1, "")):
            yield opcode(
                f"VEXTRACT_{sign.upper()}{size}",
                MV,
                f"vextract.{sign}{size} dst, a, idx",
                f"{'dst ....' if pair == 'l' else 'dst'} {bits} {bit} idx a 110101",
                f"dst:{'l' if pair == 'l' else 'scl.dst'} a:x idx:r4",
                f"a@1/MOV idx@1 {implicit}",
                "dst@2",
                "RS_WM_PORT@2" if pair == "l" else MOVE_PORTS.replace("@1", "@2"),
            )


def _permutations() -> Iterator[Opcode]:
    # The source reserves the write ports of both register files, whichever the result goes to.
    ports = "W_WM_PORT@2 CM_WM_PORT@2"
    for kind in ("x", "bm"):
        yield opcode(
            f"VSHUFFLE_{kind}".upper(),
            MV,
            "vshuffle dst, a, b, mode",
            "dst 00 mode a b 11",
            f"dst:{kind}.shuffle a:x b:x mode:r",
            "a@1/MOV b@1/MOV mode@1",
            "dst@2/MOV",
            ports,
        )
        for size, bits, pair in _ELEMENTS:
            yield opcode(
                f"VBCSTSHFL_{size}_{kind}".upper(),
                MV,
                f"vbcstshfl.{size} dst, value, mode",
                f"dst[4:1] {bits} 0 {'value ..' if pair == 'l' else 'value'} dst[0:0] 1 .. 111101",
                f"dst:{kind}.shuffle value:{pair} mode:r29",
                "value@1 mode@1",
                "dst@2/MOV",
                ports,
            )


def _shifts() -> Iterator[Opcode]:
    yield opcode(
        "VSHIFT",
        MV,
        "vshift dst, a, b, shift",
        "dst 010 shift a b 11",
        "dst:x a:x b:x shift:r",
        "a@1/MOV b@1/MOV shift@1",
        "dst@2/MOV",
        _PORT,
    )
    yield opcode(
        "VSHIFT_ALIGN",
        MV,
        "vshift.align dst, a, pre, b, shift",
        "dst pre 1 shift a b 11",
        "dst:x a:x pre:s b:x shift:r",
        "a@1/MOV pre@1 b@1/MOV shift@1",
        "dst@2/MOV",
        _PORT,
    )


LANES: tuple[Opcode, ...] = (
    *_lane_arithmetic(),
    *_comparisons(),
    *_comparisons_with_zero(),
    *_insertions(),
    *_extractions(),
    *_permutations(),
    *_shifts(),
)
