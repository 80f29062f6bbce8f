"""Slots lda and ldb: loads, constants and pointer arithmetic.

Source: Xilinx/llvm-aie, AIE2GenInstrFormats.td (bits), AIE2GenInstrInfo.td and AIE2GenFixupInstrInfo.td (operands),
AIE2Schedule.td (cycles and units).  All loads access memory in cycle 5 and must keep clear of a running part-word
store.
"""

from __future__ import annotations

from collections.abc import Iterator

from compiler.encoding.isa.declare import (
    ADD_B_MODES,
    ADD_MODES,
    BARE_MODES,
    MASK_MODES,
    PART_MODES,
    SCALAR_MODES,
    SHORT_MODES,
    VECTOR_MODES,
    in_modes,
    opcode,
)
from compiler.encoding.isa.model import FILE_PORTS, MemoryUse, Opcode, Slot

LDA, LDB = Slot.LDA, Slot.LDB
CLEAR = "PART_WORD_STORE@1"
BUSY = " ".join(f"PART_WORD_STORE@{cycle}" for cycle in range(1, 8))


def _any_port(cycle: int) -> str:
    """The write ports of all scalar files: only that of the destination is taken, see Instruction.units."""
    return " ".join(f"{port}@{cycle}" for port in FILE_PORTS.values())


def _scalar_loads() -> Iterator[Opcode]:
    word = MemoryUse(False, 4, 5)
    units = f"LOAD_UNIT_A@2 {_any_port(7)}"
    yield from in_modes(
        SCALAR_MODES,
        "LDA",
        LDA,
        "lda dst, AG",
        "AG dst 1",
        "dst:scl.lda AG",
        "",
        "dst@7",
        units,
        avoids=CLEAR,
        memory=word,
    )


def _part_loads() -> Iterator[Opcode]:
    for number, (form, size) in enumerate((("s8", 1), ("u8", 1), ("s16", 2), ("u16", 2))):
        yield from in_modes(
            PART_MODES,
            f"LDA_{form.upper()}",
            LDA,
            f"lda.{form} dst, AG",
            f"AG {number:02b} 00 dst 111",
            "dst:r AG",
            "",
            "dst@7",
            "LOAD_UNIT_A@2 R_WA_PORT@7",
            avoids=CLEAR,
            memory=MemoryUse(False, size, 5),
        )


def _mask_loads() -> Iterator[Opcode]:
    mask = MemoryUse(False, 16, 5)
    yield from in_modes(
        MASK_MODES,
        "LDA_Q",
        LDA,
        "lda dst, AG",
        "AG dst 000011",
        "dst:q AG",
        "",
        "dst@7",
        "LOAD_UNIT_A@2",
        avoids=CLEAR,
        memory=mask,
    )


def _part_stores() -> Iterator[Opcode]:
    """They stand in slot lda because they read the word first; the data is read from the register in cycle 7."""
    for number, (form, size) in enumerate((("s8", 1), ("s16", 2))):
        yield from in_modes(
            PART_MODES,
            f"ST_{form.upper()}",
            LDA,
            f"st.{form} src, AG",
            f"AG {number} 100 src 000",
            "src:r AG",
            "src@7",
            "",
            f"{BUSY} LOAD_UNIT_A@2 R_WA_PORT@7 R_RV_PORT@7 STORE_UNIT@8",
            memory=MemoryUse(True, size, 11, read_cycle=5),
        )


def _vector_loads() -> Iterator[Opcode]:
    memory = MemoryUse(False, 32, 5)
    for slot, modes, mnemonic, tail, unit in (
        (LDA, VECTOR_MODES, "vlda", "111", "LOAD_UNIT_A@2 W_WA_PORT@7"),
        (LDB, SHORT_MODES, "vldb", "01", ""),
    ):
        name, text = f"{mnemonic.upper()}_W", f"{mnemonic} dst, AG"
        yield from in_modes(
            modes, name, slot, text, f"AG dst {tail}", "dst:w AG", "", "dst@7", unit, avoids=CLEAR, memory=memory
        )
    yield from in_modes(
        VECTOR_MODES,
        "VLDA_AM",
        LDA,
        "vlda dst, AG",
        "AG dst 10",
        "dst:am AG",
        "",
        "dst@7",
        "LOAD_UNIT_A@2 CM_WM_PORT@7",
        avoids=CLEAR,
        memory=memory,
    )


def _converting_loads() -> Iterator[Opcode]:
    """The d forms take the signedness of the memory's numbers from a control register."""
    memory = MemoryUse(False, 32, 5)
    for form, kind, wide in (("S32_{}8", "cm", 0), ("S32_{}16", "bm", 0), ("S64_{}16", "cm", 1), ("S64_{}32", "bm", 1)):
        for sign, signed in (("D", 0), ("S", 1)):
            name = form.format(sign)
            # Shift, lane width and sign stand together before bm; around cm the sign stands apart.
            middle = f"shift {wide} 1 dst {signed} 000" if kind == "cm" else f"shift {wide}{signed} dst 100"
            yield from in_modes(
                SHORT_MODES,
                f"VLDA_UPS_{name}",
                LDA,
                f"vlda.ups.{name.lower().replace('_', '.')} dst, shift, AG",
                f"AG {middle}",
                f"dst:{kind} shift:s AG",
                "shift@7 @crSat@8" + ("" if signed else " @crUPSSign@7"),
                "dst@9",
                "LOAD_UNIT_A@2 UPS_UNIT@7 CM_WM_PORT@9",
                avoids=CLEAR,
                memory=memory,
            )


def _unpacking() -> Iterator[Opcode]:
    """The loads, and the same between registers."""
    memory = MemoryUse(False, 32, 5)
    for form, bits, dynamic in (("S8_S4", "10", 0), ("S16_S8", "11", 0), ("D8_D4", "00", 1), ("D16_D8", "01", 1)):
        mnemonic = form.lower().replace("_", ".")
        sign = "@crUnpackSign@7" if dynamic else ""
        yield from in_modes(
            BARE_MODES,
            f"VLDB_UNPACK_{form}",
            LDB,
            f"vldb.unpack.{mnemonic} dst, AG",
            f"AG 1 dst {bits} 0",
            "dst:x AG",
            sign,
            "dst@7",
            avoids=CLEAR,
            memory=memory,
        )
        yield opcode(
            f"VUNPACK_{form}",
            LDB,
            f"vunpack.{mnemonic} dst, src",
            f"src . 1 00 dst {bits} 0",
            "dst:x src:w",
            f"src@7 {sign}",
            "dst@7",
            "W_RS_PORT@7",
        )


def _arithmetic() -> Iterator[Opcode]:
    yield opcode("MOVA", LDA, "mova dst, imm", "imm 00 dst 1", "dst:scl.mova imm:simm11", "", "dst@1", _any_port(1))
    yield from in_modes(ADD_MODES, "PADDA", LDA, "padda AG", "AG 10", "AG")
    yield from in_modes(ADD_B_MODES, "PADDB", LDB, "paddb AG", "AG", "AG")
    stack = "@sp@1"
    yield opcode("PADDA_SP_IMM", LDA, "padda [sp], imm", "imm 11 .. 10 10", "imm:imm13x32", stack, stack)
    yield opcode("PADDB_SP_IMM", LDB, "paddb [sp], imm", "imm[11:3] 11 imm[2:0] 00", "imm:imm12x32", stack, stack)


LOADS: tuple[Opcode, ...] = (
    *_scalar_loads(),
    *_part_loads(),
    *_mask_loads(),
    *_part_stores(),
    *_vector_loads(),
    *_converting_loads(),
    *_unpacking(),
    *_arithmetic(),
)
