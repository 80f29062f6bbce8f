"""The cycles of the declarations give the distances that are known from elsewhere."""

from __future__ import annotations

import pytest

from compiler.encoding.isa import CELLS, OPCODES, Instruction, ins


def distance(producer: str, consumer: str) -> int:
    """Cycles between the issue of two dependent instructions, the largest over the cells they share."""
    first, second = ins(producer), ins(consumer)
    found = [
        written - read + 1 - (by == its != "")
        for cell, written, by in first.cells_written()
        for other, read, its in second.cells_read()
        if cell == other
    ]
    assert found, f"'{consumer}' reads nothing that '{producer}' writes"
    return max(found)


@pytest.mark.parametrize(
    ("producer", "consumer", "expected"),
    [
        ("lda r0, [p0], #4", "add r1, r0, r0", 7),
        ("lda m0, [p0], #4", "vldb wl0, [p1], m0", 7),
        ("vlda wl0, [p0], #32", "vmac cm0, cm0, x0, x1, r0", 7),
        ("vldb wl0, [p0], #32", "vst wl0, [p1], #32", 7),
        ("vldb wl0, [p0], #32", "vldb wl0, [p0], #32", 1),
        ("vlda amll0, [p0], #32", "vmac cm0, cm0, x0, x1, r0", 5),
        ("vlda amll0, [p0], #32", "vst.srs.s8.s32 cm0, s0, [p1], #32", 7),
        ("vlda.ups.s32.s8 cm0, s0, [p0], #32", "vmac cm0, cm0, x0, x1, r0", 7),
        ("vlda.ups.s32.s8 cm0, s0, [p0], #32", "vst.srs.s8.s32 cm0, s0, [p1], #32", 9),
        ("padda.2d [p0], d1", "lda r0, [p0, #0]", 1),
        ("vlda.2d wl0, [p0], d1", "mov r0, dc1", 1),
        ("vmac cm0, cm0, x0, x1, r0", "vmac cm0, cm0, x0, x1, r0", 2),
        ("vmul cm0, x0, x1, r0", "vmsc cm1, cm0, x0, x1, r0", 2),
        ("vmac cm0, cm0, x0, x1, r0", "vst.srs.s8.s32 cm0, s0, [p0], #32", 5),
        ("vmac cm0, cm0, x0, x1, r0", "vst amhh0, [p0], #32", 5),
        ("vmac cm0, cm0, x0, x1, r0", "vsrs.s8.s32 wl0, cm0, s0", 5),
        ("vclr cm0", "vmac cm0, cm0, x0, x1, r0", 2),
        ("vmov.d cm0, cm1", "vmac cm0, cm0, x0, x1, r0", 2),
        ("vsrs.s8.s32 wl0, cm0, s0", "vst wl0, [p0], #32", 4),
        ("vups.s32.s16 cm0, x0, s0", "vmac cm0, cm0, x0, x1, r0", 1),
        ("vadd.8 x0, x1, x2", "vmax_lt.s8 x3, r17:r16, x0, x2", 1),
        ("vshift x0, x1, x2, r0", "vmac cm0, cm0, x0, x1, r0", 2),
        ("vshuffle x0, x1, x2, r0", "vst wl0, [p0], #32", 2),
        ("vmov x0, x1", "vadd.8 x2, x0, x0", 1),
        ("vmov wh0, wl1", "vadd.8 x2, x0, x0", 2),
        ("vmov cm0, cm1", "vst.srs.s8.s32 cm0, s0, [p0], #32", 2),
        ("vextract.s32 r0, x0, r16", "add r1, r0, r0", 2),
        ("vpack.s8.s16 wl0, x1", "vst wl0, [p0], #32", 2),
        ("movxm p0, #0x400", "lda r0, [p0, #0]", 1),
        ("add.nc lc, r0, #0", "mov r0, lc", 1),
        ("mul r0, r1, r2", "add r3, r0, r0", 2),
        ("mov.d4 r0, p1", "add r3, r0, r0", 5),
        ("mov crRnd, #12", "vst.srs.s8.s32 cm0, s0, [p0], #32", 1),
        ("movx crSRSSign, r0", "vst.srs.d8.s32 cm0, s0, [p0], #32", 1),
        ("jl #0x100", "ret lr", 4),
    ],
)
def test_distances(producer: str, consumer: str, expected: int) -> None:
    assert distance(producer, consumer) == expected


def test_signed_forms_do_not_read_the_sign_register() -> None:
    def implicit(text: str) -> set[str]:
        return {CELLS[cell] for cell, _, _ in ins(text).cells_read() if CELLS[cell].startswith("cr")}

    assert implicit("vst.srs.s8.s32 cm0, s0, [p0], #32") == {"crSat", "crRnd"}
    assert implicit("vst.srs.d8.s32 cm0, s0, [p0], #32") == {"crSat", "crRnd", "crSRSSign"}
    assert implicit("vups.s32.d8 cm0, wl0, s0") == {"crSat", "crUPSSign"}
    assert implicit("vldb.unpack.d16.d8 x0, [p0], m0") == {"crUnpackSign"}
    assert implicit("vpack.d8.d16 wl0, x0") == {"crSat", "crPackSign"}
    assert implicit("vmax_lt.d8 x0, r17:r16, x1, x2") == {"crVaddSign"}


def units(text: str) -> set[tuple[str, int]]:
    return set(ins(text).units())


def test_a_scalar_load_takes_the_write_port_of_its_register() -> None:
    assert units("lda r0, [p0, #0]") == {("LOAD_UNIT_A", 2), ("R_WA_PORT", 7)}
    assert units("lda p1, [p0, #0]") == {("LOAD_UNIT_A", 2), ("P_WM_PORT", 7)}
    assert units("lda dj1, [p0, #0]") == {("LOAD_UNIT_A", 2), ("DJ_WM_PORT", 7)}
    assert units("mova dc1, #3") == {("DC_WM_PORT", 1)}
    assert units("mov r0, r1") == {("P_RM_PORT", 1), ("RS_WM_PORT", 1)}
    assert units("mov s0, r1") == {("P_RM_PORT", 1), ("RS_WM_PORT", 1)}
    assert units("mov m0, r1") == {("P_RM_PORT", 1), ("RS_WM_PORT", 1), ("M_WM_PORT", 1)}
    assert units("vextract.s32 p0, x0, r16") == {("RS_WM_PORT", 2), ("P_WM_PORT", 2)}
    # Special registers have no known port of their own, so they take all.
    assert len(units("movxm ls, #0")) == 6


def test_conflicts_that_are_known() -> None:
    vmac = "vmac cm0, cm0, x0, x1, r0"
    assert ("R_RV_PORT", 1) in units(vmac) & units("st r0, [p0, #0]")
    assert ("UPPER_SRS", 1) in units("vst.srs.s16.s32 bml0, s0, [p0], #32") & units("vsrsm.s16.s32 wl0, bml0, s0")
    assert not units(vmac) & units("vlda wl0, [p0], #32")
    # A plain store two cycles behind one through the shift unit meets it at the store unit.
    later = {(name, cycle + 2) for name, cycle in units("vst wl0, [p0], #32")}
    assert later & units("vst.srs.s8.s32 cm0, s0, [p0], #32") == {("STORE_UNIT", 4)}


def memory(text: str) -> tuple[bool, int, int, int]:
    use = ins(text).opcode.memory
    assert use is not None
    return use.store, use.bytes, use.cycle, use.read_cycle


def test_memory() -> None:
    assert memory("lda.u8 r0, [p0, #3]") == (False, 1, 5, 0)
    assert memory("vldb wl0, [p0], #32") == (False, 32, 5, 0)
    assert memory("vst wl0, [p0], #32") == (True, 32, 5, 0)
    assert memory("vst.srs.s8.s32 cm0, s0, [p0], #32") == (True, 32, 7, 0)
    assert memory("st.s16 r0, [p0], #2") == (True, 2, 11, 5)
    assert memory("st r0, [sp, #-4]") == (True, 4, 5, 0)


def test_part_word_stores_hold_others_off() -> None:
    busy = {cycle for name, cycle in ins("st.s8 r0, [p0], #1").units() if name == "PART_WORD_STORE"}
    assert busy == set(range(1, 8))
    for opcode in OPCODES.values():
        if opcode.memory and not opcode.memory.read_cycle:
            late = opcode.memory.cycle - 5
            assert opcode.avoids == (("PART_WORD_STORE", 1 + late),), opcode.name


def test_branches() -> None:
    names = {opcode.name for opcode in OPCODES.values() if opcode.branch}
    assert names == {"J", "JL", "JZ", "JNZ", "J_REG", "JL_REG", "JNZD", "RET"}


def test_addressing_follows_the_operands() -> None:
    for opcode in OPCODES.values():
        writes = {access.role for access in opcode.writes}
        kinds = {operand.role: operand.kind for operand in opcode.operands}
        if opcode.addressing in ("post_imm", "post_m"):
            assert "ptr" in writes and "mod:count" not in writes
        elif opcode.addressing in ("2d", "3d"):
            assert {"ptr", "mod:count"} <= writes and kinds["mod"] == {"2d": "d", "3d": "d3"}[opcode.addressing]
        else:
            assert "ptr" not in writes
        assert (opcode.addressing == "") <= (opcode.memory is None)


def test_counters_of_a_dimension_are_all_that_is_written() -> None:
    def written(one: Instruction) -> set[str]:
        return {CELLS[cell] for cell, _, _ in one.cells_written()}

    assert written(ins("padda.2d [p0], d1")) == {"p0", "dc1"}
    assert written(ins("padda.3d [p0], d1")) == {"p0", "dc1", "dc5"}
    assert {CELLS[cell] for cell, _, _ in ins("padda.2d [p0], d1").cells_read()} == {"p0", "m1", "dn1", "dj1", "dc1"}
