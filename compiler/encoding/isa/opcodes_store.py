"""Slot st: stores, shift-round-saturate and packing.

Source: Xilinx/llvm-aie, AIE2GenInstrFormats.td (bits), AIE2GenInstrInfo.td and AIE2GenFixupInstrInfo.td (operands),
AIE2Schedule.td (cycles and units).  Stores write memory in cycle 5, those behind the shift-round-saturate unit in
cycle 7.  The sticky overflow flag srSRS_of is not modelled: nothing that we write reads it.
"""

from __future__ import annotations

from collections.abc import Iterator

from compiler.encoding.isa.declare import (
    ADD_MODES,
    MASK_MODES,
    ROUNDED,
    SCALAR_MODES,
    SHORT_MODES,
    VECTOR_MODES,
    in_modes,
    opcode,
)
from compiler.encoding.isa.model import MemoryUse, Opcode, Slot
from compiler.encoding.isa.opcodes_load import CLEAR

ST = Slot.ST
# From an accumulator: name, kind of the source, whether the lanes are 64 bits wide.
SHIFTED = (("8_S32", "cm", 0), ("16_S64", "cm", 1), ("16_S32", "bm", 0), ("32_S64", "bm", 1))
PACKED = (("D4_D8", "00"), ("D8_D16", "01"), ("S4_S8", "10"), ("S8_S16", "11"))


def _plain_stores() -> Iterator[Opcode]:
    # The pointer port is only needed to store pointers and modifiers; the source reserves it always, and so do we.
    word = "R_RV_PORT@1 P_RM_PORT@1 STORE_UNIT@2"
    for modes, name, kind, pattern, units, size in (
        (SCALAR_MODES, "ST", "scl.lda", "AG src 0", word, 4),
        (MASK_MODES, "ST_Q", "q", "AG src 101010", "STORE_UNIT@2", 16),
        (VECTOR_MODES, "VST_W", "w", "AG src 111", "W_RS_PORT@1 STORE_UNIT@2", 32),
        (VECTOR_MODES, "VST_AM", "am", "AG src 01", "CM_RM_PORT@1 STORE_UNIT@2", 32),
    ):
        text = f"{name.partition('_')[0].lower()} src, AG"
        memory = MemoryUse(True, size, 5)
        yield from in_modes(
            modes, name, ST, text, pattern, f"src:{kind} AG", "src@1", "", units, avoids=CLEAR, memory=memory
        )


def _shifted() -> Iterator[Opcode]:
    for form, kind, wide in SHIFTED:
        for sign, signed in (("D", 0), ("S", 1)):
            bits = f"shift {wide}{signed} src " + ("0010" if kind == "cm" else "110")
            # The d forms take the signedness of the result from a control register.
            reads = f"src@1 shift@1 {ROUNDED}" + ("" if signed else " @crSRSSign@1")
            yield from in_modes(
                SHORT_MODES,
                f"VST_SRS_{sign}{form}",
                ST,
                f"vst.srs.{_lanes(sign + form)} src, shift, AG",
                f"AG {bits}",
                f"src:{kind} shift:s AG",
                reads,
                "",
                "CM_RM_PORT@1 UPPER_SRS@1 STORE_UNIT@4",
                avoids="PART_WORD_STORE@3",
                memory=MemoryUse(True, 32, 7),
            )
            suffix = "_W" if kind == "bm" else ""
            yield _into_register(sign + form, suffix, "w", kind, f"dst 0111 {bits}", reads)
            if kind == "bm":  # the same from a whole accumulator into a whole vector
                pattern = f"dst 0 1111 shift {wide}{signed} src 0010"
                yield _into_register(sign + form, "_X", "x", "cm", pattern, reads)


def _into_register(form: str, suffix: str, dst: str, src: str, pattern: str, reads: str) -> Opcode:
    return opcode(
        f"VSRS_{form}{suffix}",
        ST,
        f"vsrs.{_lanes(form)} dst, src, shift",
        pattern,
        f"dst:{dst} src:{src} shift:s",
        reads,
        "dst@4",
        "CM_RM_PORT@1 UPPER_SRS@1 W_WA_PORT@4",
    )


def _lanes(form: str) -> str:
    """The lanes as a mnemonic names them: S8_S32 -> s8.s32."""
    return form.lower().replace("_", ".")


def _packed() -> Iterator[Opcode]:
    for name, bits in PACKED:
        mnemonic = _lanes(name)
        reads = "src@1 @crSat@1" + (" @crPackSign@1" if name.startswith("D") else "")
        yield from in_modes(
            SHORT_MODES,
            f"VST_PACK_{name}",
            ST,
            f"vst.pack.{mnemonic} src, AG",
            f"AG {bits} 00 src 1010",
            "src:x AG",
            reads,
            "",
            "W_RS_PORT@1 STORE_UNIT@2",
            avoids=CLEAR,
            memory=MemoryUse(True, 32, 5),
        )
        yield opcode(
            f"VPACK_{name}",
            ST,
            f"vpack.{mnemonic} dst, src",
            f"dst 1111 {bits} 00 src 1010",
            "dst:w src:x",
            reads,
            "dst@2",
            "W_RS_PORT@1 W_WA_PORT@2",
        )


STORES: tuple[Opcode, ...] = (
    *_plain_stores(),
    *_shifted(),
    *_packed(),
    *in_modes(ADD_MODES, "PADDS", ST, "padds AG", "AG 01", "AG"),
)
