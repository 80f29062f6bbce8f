"""Slot vec: multiply-accumulate and arithmetic on accumulators.

Source: Xilinx/llvm-aie, AIE2GenInstrFormats.td (bits), AIE2GenFixupInstrInfo.td (operands), AIE2Schedule.td (cycles
and units).  The floating-point forms are left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from compiler.encoding.isa.declare import opcode
from compiler.encoding.isa.model import Opcode, Slot

VEC = Slot.VEC
# The two factors: suffix, kinds, bits.  Sparse ones choose a register among four, so two bits are spare.
_FACTORS = (
    ("", "a:x b:x", "a b"),
    ("_SPARSE_WIDE", "a:y b:qx", "11 a 11 b"),
    ("_SPARSE_NARROW", "a:x b:qx", "a 11 b"),
)
_PORTS = "R_RV_PORT@1 CM_WA_PORT@5"
_SUMS = "R_RV_PORT@1 CM_RM_PORT@3 CM_WA_PORT@5"


def _products() -> Iterator[Opcode]:
    for suffix, kinds, bits in _FACTORS:
        for mnemonic, negated in (("vmul", 0), ("vnegmul", 1)):
            yield opcode(
                mnemonic.upper() + suffix,
                VEC,
                f"{mnemonic} dst, a, b, conf",
                f"conf 1111 0 {bits} dst {negated}000",
                f"dst:cm {kinds} conf:r",
                "a@1 b@1 conf@1",
                "dst@5/VEC",
                _PORTS,
            )
        for mnemonic, signs in (("vmac", "00"), ("vmsc", "10"), ("vnegmac", "11"), ("vnegmsc", "01")):
            yield opcode(
                mnemonic.upper() + suffix,
                VEC,
                f"{mnemonic} dst, acc, a, b, conf",
                f"conf acc 0 {bits} dst {signs}00",
                f"dst:cm acc:cm {kinds} conf:r",
                "acc@3/VEC a@1 b@1 conf@1",
                "dst@5/VEC",
                _PORTS,
            )


def _sums() -> Iterator[Opcode]:
    for mnemonic, signs in (("vadd", "00"), ("vsub", "10"), ("vnegadd", "11"), ("vnegsub", "01")):
        yield opcode(
            mnemonic.upper() + "_CM",
            VEC,
            f"{mnemonic} dst, a, b, conf",
            f"conf a 0 1110 b dst {signs}00",
            "dst:cm a:cm b:cm conf:r",
            "a@3/VEC b@3/VEC conf@1",
            "dst@5/VEC",
            _SUMS,
        )
    yield opcode(
        "VNEG_CM",
        VEC,
        "vneg dst, a, conf",
        "conf a 1 1111 0000 dst 0100",
        "dst:cm a:cm conf:r",
        "a@3/VEC conf@1",
        "dst@5/VEC",
        _PORTS,
    )
    yield opcode("VCLR", VEC, "vclr dst", "..... .... 0 1111 0000 dst 1000", "dst:cm", "", "dst@5/VEC", "CM_WA_PORT@5")
    yield opcode(
        "VMOV_D",
        VEC,
        "vmov.d dst, src",
        "..... src 0 1111 0000 dst 0000",
        "dst:cm src:cm",
        "src@3",
        "dst@5/VEC",
        "CM_WA_PORT@5",
    )


VECTORS: tuple[Opcode, ...] = (*_products(), *_sums())
