"""Slot mv, first part: moves of scalars, vectors and accumulators, upshift, shift-round-saturate.

Source: Xilinx/llvm-aie, AIE2GenInstrFormats.td (bits), AIE2GenInstrInfo.td and AIE2GenFixupInstrInfo.td (operands),
AIE2Schedule.td (cycles and units).  The sticky overflow flags of UPS and SRS are not modelled.
"""

from __future__ import annotations

from collections.abc import Iterator

from compiler.encoding.isa.declare import ROUNDED, opcode
from compiler.encoding.isa.model import Opcode, Slot
from compiler.encoding.isa.opcodes_scalar import MOVE_PORTS

MV = Slot.MV
# Bypasses of `vmov` by register file: the low halves have one, the high halves and accumulators do not.
_MOVE_BYPASS = {"wl": "/MOV", "wh": "", "am": "", "q": "", "x": "/MOV", "bm": ""}
_ACCUMULATORS = ("am", "bm")
# From a vector to an accumulator: name, source kind, its bits, destination kind, its bits, whether lanes get 64 bits.
_UPSHIFTS = (
    ("S32_{}8", "w.ups", "11 src", "cm", "dst 0", 0),
    ("S64_{}16", "w.ups", "11 src", "cm", "dst 0", 1),
    ("S32_{}16_W", "w.ups", "01 src", "bm", "dst", 0),
    ("S64_{}32_W", "w.ups", "01 src", "bm", "dst", 1),
    ("S32_{}16_X", "x", "10 . src", "cm", "dst 0", 0),
    ("S64_{}32_X", "x", "10 . src", "cm", "dst 0", 1),
)


def _scalars() -> Iterator[Opcode]:
    yield opcode(
        "MOV",
        MV,
        "mov dst, src",
        "dst src 10 1100 10",
        "dst:scl.dst src:scl.src",
        "src@1",
        "dst@1",
        f"P_RM_PORT@1 {MOVE_PORTS}",
    )
    yield opcode(
        "MOV_IMM", MV, "mov dst, imm", "dst imm[9:1] 11 imm[0:0] 100", "dst:scl.dst imm:simm10", "", "dst@1", MOVE_PORTS
    )
    yield opcode(
        "ADD_NC",
        MV,
        "add.nc dst, a, imm",
        "dst a imm[5:2] 11 imm[1:0] 11",
        "dst:scl.dst a:r imm:simm6",
        "a@1",
        "dst@1",
        MOVE_PORTS,
    )
    for delay in range(1, 7):
        code = f"{delay - 1:03b}"
        yield opcode(
            f"MOV_D{delay}",
            MV,
            f"mov.d{delay} dst, src",
            f"dst {code[:2]} src {code[2]} 1110010",
            "dst:r src:scl.src",
            "src@1",
            f"dst@{delay + 1}",
            f"P_RM_PORT@1 RS_WM_PORT@{delay + 1}",
        )


def _vector_move(dst: str, src: str, pattern: str) -> Opcode:
    read = "CM_RM_PORT@1 " if src in _ACCUMULATORS else ""
    write = "CM_WM_PORT@2" if dst in _ACCUMULATORS else "W_WM_PORT@2"
    return opcode(
        f"VMOV_{dst}_{src}".upper(),
        MV,
        "vmov dst, src",
        pattern,
        f"dst:{dst}.dst src:{src}.src",
        f"src@1{_MOVE_BYPASS[src]}",
        f"dst@2{_MOVE_BYPASS[dst]}",
        read + write,
    )


def _vectors() -> Iterator[Opcode]:
    for dst in ("wl", "wh", "am", "q"):
        for src in ("wl", "wh", "am", "q"):
            if "q" not in (dst, src) or {dst, src} & {"wl", "wh"}:
                yield _vector_move(dst, src, "dst src 111010")
    for dst in ("x", "bm"):
        for src in ("x", "bm"):
            yield _vector_move(dst, src, "dst 0 src 110110")
    yield opcode(
        "VMOV_CM",
        MV,
        "vmov dst, src",
        "dst 0 01 src ..... 110110",
        "dst:cm src:cm",
        "src@1",
        "dst@2",
        "CM_RM_PORT@1 CM_WM_PORT@2",
    )


def _conversions() -> Iterator[Opcode]:
    for form, source, source_bits, kind, bits, wide in _UPSHIFTS:
        # The d forms take the signedness of the source from a control register.
        for sign, signed in (("D", 0), ("S", 1)):
            name = form.format(sign)
            lanes = name.removesuffix("_W").removesuffix("_X").lower().replace("_", ".")
            yield opcode(
                f"VUPS_{name}",
                MV,
                f"vups.{lanes} dst, src, shift",
                f"{bits} shift {wide}{signed} {source_bits} 111110",
                f"dst:{kind} src:{source} shift:s",
                "src@1 shift@1 @crSat@1" + ("" if signed else " @crUPSSign@1"),
                "dst@3",
                "UPS_UNIT@1 CM_WM_PORT@3",
            )
    for form, wide in (("16_S32", 0), ("32_S64", 1)):
        for sign, signed in (("D", 0), ("S", 1)):
            name = sign + form
            yield opcode(
                f"VSRSM_{name}",
                MV,
                f"vsrsm.{name.lower().replace('_', '.')} dst, src, shift",
                f"dst shift src {wide}{signed} 00 111010",
                "dst:w src:bm shift:s",
                f"src@1 shift@1 {ROUNDED}" + ("" if signed else " @crSRSSign@1"),
                "dst@4",
                "CM_RM_PORT@1 UPPER_SRS@1 W_WM_PORT@4",
            )


MOVES: tuple[Opcode, ...] = (*_scalars(), *_vectors(), *_conversions())
