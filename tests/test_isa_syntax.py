"""Assembly text: what is read, what is printed, and where errors point."""

from __future__ import annotations

import pytest

from compiler.encoding.isa import (
    KINDS,
    OPCODES,
    REGISTERS,
    Bundle,
    Instruction,
    Label,
    Program,
    RegisterKind,
    Value,
    assemble,
    decode,
    encode,
    ins,
)
from compiler.errors import UnreadableInput

LOOP = """\
// A loop of two bundles.
start:
  movxm ls, #.LBB0_2            // where it begins
  movxm le, #.L_LEnd0 ; nopa
  add.nc lc, r5, #-2
  nop
  .p2align 4
.LBB0_2: vldb wl0, [p1], m0; lda.2d m0, [p2], d2; vmac cm0, cm0, x0, x10, r0
.L_LEnd0:
  vst.srs.d8.s32 cm0, s1, [p3], #0x20; nopx ;
  jnz r7, #start; vclr cm1
  ret lr
end:
"""


def test_program() -> None:
    program = assemble(LOOP)
    assert dict(program.labels) == {"start": 0, ".LBB0_2": 64, ".L_LEnd0": 80, "end": 128}
    assert len(program.bundles) == 8 and len(program.bytes) == 128
    assert program.bundles[0].instructions[0].number("imm") == 64
    assert program.bundles[6].instructions[0].number("target") == 0
    assert program.bundles[3] == Bundle()
    assert program.bundles[4].text().startswith("vldb wl0, [p1], m0; lda.2d m0, [p2], d2; nops; nopx; nopm; vmac cm0, ")


def test_printed_programs_assemble_to_themselves() -> None:
    program = assemble(LOOP)
    again = assemble(program.text())
    assert (again.bytes, again.labels, again.text()) == (program.bytes, program.labels, program.text())
    assert tuple(decode(program.bytes[at : at + 16]) for at in range(0, 128, 16)) == program.bundles


def test_slots_come_in_any_order() -> None:
    parts = ["vclr cm0", "lda r0, [p0, #4]", "mov r1, r2", "add r3, r4, r5", "vldb wl0, [p1], #32", "st r0, [p2, #0]"]
    assert assemble("; ".join(parts)).bytes == assemble(" ;".join(reversed(parts))).bytes


@pytest.mark.parametrize(
    "text",
    [
        "vlda wl0, [p0, #-1024]",
        "vldb.2d.unpack.s16.s8 x3, [p2], d7",
        "vst.3d.srs.s16.s32 bmh8, s3, [p7], d3",
        "vlda.ups.s32.s16 bmh0, s0, [p2, #32]",
        "lda.u8 r3, [p1, dj5]",
        "padda.3d [p0], d1",
        "paddb [sp], #-32",
        "st dj0, [sp, #-8]",
        "vsel.8 x0, x1, x2, r17:r16",
        "vmax_lt.d16 x0, r16, x1, x2",
        "vextract.s8 r0, x3, r17",
        "vinsert.32 x0, x1, r29, r3",
        "acq.cond #3, r1, r26",
        "sel.nez r0, r1, r2, r27",
        "vmac cm0, cm1, y5, qx3, r31",
        "mov crRnd, #12",
        "mov r0, CORE_ID",
        "movxm p0, #0x70400",
        "mova r0, #-5",
        "ret lr",
        "done",
        "nopxm",
    ],
)
def test_text_survives(text: str) -> None:
    assert ins(text).text() == text


def test_shorthands() -> None:
    assert ins("vsel.8 x0, x1, x2, l0") == ins("vsel.8 x0, x1, x2, r17:r16")
    assert ins("mov r0, core_id") == ins("mov r0, CORE_ID")
    assert ins("mova r0, #0x10") == ins("mova  r0 ,#+16") == ins("mova r0, #16")


def test_values_by_role() -> None:
    one = ins("vst.srs.s8.s32 cm1, s2, [p3], #-32")
    assert (one.register("src"), one.register("shift")) == (REGISTERS["cm1"], REGISTERS["s2"])
    assert (one.value("ptr"), one.number("imm"), one.opcode.kind("src")) == (REGISTERS["p3"], -32, "cm")
    assert one == OPCODES["VST_SRS_S8_S32_POSTINC_IMM"](*one.values)


def test_labels_are_resolved_before_bytes() -> None:
    one = ins("jnz r7, #.LBB0_1")
    assert one.values == (REGISTERS["r7"], Label(".LBB0_1")) and one.text() == "jnz r7, #.LBB0_1"
    for use in (lambda: one.value("target"), lambda: encode(Bundle((one,)))):
        with pytest.raises(UnreadableInput, match=r"'\.LBB0_1' has no address yet"):
            use()
    with pytest.raises(UnreadableInput, match="is none of the 0 defined"):
        Program.lay_out([Bundle((one,))], {})
    with pytest.raises(UnreadableInput, match=r"1048576 is out of range 0\.\.1048575"):
        Program.lay_out([Bundle((one,))], {".LBB0_1": 1 << 16})


@pytest.mark.parametrize(
    ("line", "column", "message", "help"),
    [
        ("vldb wl0, [p0, #128]", 16, "imm: 128 is out of range -128..96", "-128..96 in steps of 32"),
        ("vlda wl0, [p0, #33]", 16, "imm: 33 is no multiple of 32", "nearest: 32 and 64"),
        ("nopa; vclr cm9", 12, "dst: 'cm9' is no register", "did you mean 'cm8'"),
        ("vsel.16 x0, x1, x2, r3", 21, "'r3' is none of the 8 registers", "allowed: r16..r23"),
        ("padda.3d [p0], d5", 16, "'d5' is none of the 4 registers", "allowed: d0..d3"),
        ("vmov x0, #3", 10, "'#3' is a number, not a register", "x0..x11; or allowed: bml0..bml8, bmh0..bmh8"),
        ("add r0, r1, x2", 13, "'x2' is none of the 32 registers", "allowed: r0..r31"),
        ("add r0, r1, #64", 13, "64 is out of range -64..63", "allowed: -64..63"),
        ("acq #64, r1", 5, "64 is out of range 0..63", ""),
        ("movx r0, #.Lx", 10, "a label ('.Lx') cannot stand here", "allowed: -1024..1023"),
        ("movx r0, #1x", 10, "'#1x' is no number and no label", "allowed: -1024..1023"),
        ("movxm r0, #0x80000000", 11, "2147483648 is out of range -2147483648..2147483647", ""),
        ("addd r0, r1", 1, "'addd' is none of the", "did you mean 'add'"),
        ("xyzzyx", 1, "'xyzzyx' is none of the", "no mnemonic is similar"),
        ("mov r0", 7, "',' is missing at the end", "written as 'mov dst, src' or 'mov dst, imm'"),
        ("mov r0, r1, r2", 11, "unexpected ',' behind the operands", "written as"),
        ("lda r0 [p0, #4]", 8, "expected ',', got '['", "'lda dst, [ptr, imm]'"),
        ("ret p0", 5, "expected 'lr', got 'p0'", ""),
        ("vinsert.8 x0, x1, r28, r0", 19, "'r28' is none of the 1 registers", "allowed: r29"),
        ("add r0, r1, r2; sub r3, r4, r5", 17, "2 instructions use slot alu, which holds 1", "another bundle"),
        ("vclr cm0; movxm r0, #1; mov r1, r2", 25, "2 instructions use slot mv, which holds 1", ""),
        (".align 4", 1, "'.align' is none of the directives known", ".p2align 0..4"),
        (".word 7", 1, "'.word' is none of the directives known", ".globl"),
        ('  .section .data,"aw"', 12, "the section '.data' would not be in the program", ".section .text"),
        (".p2align \u0663", 10, ".p2align '\u0663' is not in 0..4", ""),
        ("movx r0, #" + "9" * 5000, 10, "has 5000 characters, at most 32 are read", "allowed: -1024..1023"),
        ("movx r0, #0x" + "f" * 5000, 10, "has 5002 characters, at most 32 are read", "allowed: -1024..1023"),
        ("movx r0, #\u0663", 10, "is no number and no label", "allowed: -1024..1023"),
        ("nopa; lda r0, [p0, #4]", 7, "2 instructions use slot lda, which holds 1: 'nopa' and 'lda r0, [p0, #4]'", ""),
        ("lda r0, [p0, #4]; nopa", 19, "2 instructions use slot lda, which holds 1: 'lda r0, [p0, #4]' and 'nopa'", ""),
        ("nopx; movxm r0, #1", 7, "2 instructions use slot alu, which holds 1: 'nopx' and", ""),
        ("nopv; nopv", 7, "2 instructions use slot vec, which holds 1: 'nopv' and 'nopv'", ""),
        ("nop; vclr cm0", 6, "2 instructions use slot vec, which holds 1: 'nop' and 'vclr cm0'", ""),
        ("vclr cm0; nop", 11, "2 instructions use slot vec, which holds 1", ""),
        ("nop r1", 5, "nop: unexpected 'r1' behind an instruction without operands", "written as 'nop'"),
        (".p2align 5", 10, ".p2align '5' is not in 0..4", "16 = 1 << 4"),
        ("j #.Lnowhere", 3, "'.Lnowhere' is none of the 1 defined", "known: here"),
        ("here: nop", 1, "'here' is defined twice, on lines 1 and 3", "another name"),
        ("mov r0, @", 9, "'@' is no register", ""),
        ("vldb wl0, [r0], #32", 12, "'r0' is none of the 8 registers", "allowed: p0..p7"),
    ],
)
def test_errors_point_at_the_word(line: str, column: int, message: str, help: str) -> None:
    with pytest.raises(UnreadableInput) as found:
        assemble(f"here:\n\n{line}\n", "kernel.s")
    first = found.value.diagnostic
    assert str(found.value).startswith(f"kernel.s:3:{column}: error[asm-{first.code.removeprefix('asm-')}]: ")
    assert message in first.message and help in first.help and first.help
    assert first.source == line and "^" in str(first)
    assert found.value.exit_code == 3


def test_directives_of_compilers_change_nothing() -> None:
    lines = [
        '.file "k.c"', ".text", ".section .text.k,\"ax\",@progbits", ".globl k", ".p2align 4", ".type k,@function",
        "k:", "vclr cm0", ".cfi_endproc", ".Lend:", ".size k, .Lend-k", '.ident "clang"',
    ]  # fmt: skip
    program = assemble("\n".join(lines))
    assert program.bytes == assemble("vclr cm0").bytes and dict(program.labels) == {"k": 0, ".Lend": 16}


def test_lines_end_as_in_files() -> None:
    """Other marks that split lines for some do not: they are space."""
    assert len(assemble("nop\r\nnop\r\n").bundles) == 2
    assert len(assemble("vclr\x0ccm0 // a\u2028b\x85c\nnop").bundles) == 2
    with pytest.raises(UnreadableInput, match=r"^<text>:2:6: .*'cm9'"):
        assemble("nop // a\x0b\r\nvclr cm9\r\n")


def test_a_program_has_room() -> None:
    """The first line without room is named, and a jump out of range with it."""
    assert len(assemble("nop\n" * 1024).bytes) == 16384
    with pytest.raises(UnreadableInput) as found:
        assemble("j #far\n" + "nop\n" * 70000 + "far: nop\n", "k.s")
    assert [str(one.place) for one in found.value.diagnostics] == ["k.s:1025:1"]
    assert "asm-size" in str(found.value) and "1120032 bytes, a core's program memory 16384" in str(found.value)


def test_the_caret_stands_below_its_word_behind_tabs() -> None:
    with pytest.raises(UnreadableInput) as found:
        assemble("\tnopa;\tvclr\tcm9\n")
    assert str(found.value).splitlines()[1:3] == ["  nopa;\tvclr\tcm9", "       \t    \t^^^"]


def test_long_lines_are_shown_in_part() -> None:
    with pytest.raises(UnreadableInput) as found:
        assemble(";" * 3000 + "foo; x1" + ";" * 3000)
    line, caret = str(found.value).splitlines()[1:3]
    assert len(line) < 2020 and line[caret.index("^") :].startswith("foo; x1;") and caret.count("^") == 3
    assert line.strip().startswith("...;") and line.endswith(";...")


def test_all_errors_come_together_in_order() -> None:
    with pytest.raises(UnreadableInput) as found:
        assemble("j #a\nadd r0\nb: b: nop\nmov r0, #512\n")
    assert [str(one.place) for one in found.value.diagnostics] == [
        "<text>:1:3",
        "<text>:2:7",
        "<text>:3:4",
        "<text>:4:9",
    ]


@pytest.mark.parametrize("text", ["", "   ", "nop nop", "vclr cm0; vclr cm1"])
def test_ins_takes_one_instruction(text: str) -> None:
    with pytest.raises(UnreadableInput):
        ins(text)


def test_no_text_is_two_instructions() -> None:
    """Opcodes of one mnemonic differ in a kind or in the syntax, so the first that fits is the only one."""
    for opcode in OPCODES.values():
        same = [other for other in OPCODES.values() if other.mnemonic == opcode.mnemonic and other is not opcode]
        one = Instruction(opcode, tuple(_first(operand.kind) for operand in opcode.operands))
        assert ins(one.text()).opcode is opcode
        for other in same:
            kinds = [one.kind for one in opcode.operands], [one.kind for one in other.operands]
            assert kinds[0] != kinds[1] or opcode.syntax != other.syntax


def _first(kind: str) -> Value:
    declared = KINDS[kind]
    return declared.registers[0] if isinstance(declared, RegisterKind) else declared.low
