"""Every declared instruction has bits of its own, and comes back from them."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest

from compiler.encoding.isa import (
    CELL,
    KINDS,
    OPCODES,
    REGISTERS,
    SCALAR_CELLS,
    Bundle,
    Instruction,
    NumberKind,
    Opcode,
    RegisterKind,
    Slot,
    assemble,
    decode,
    disassemble,
    encode,
    ins,
)
from compiler.encoding.isa.codec import WIDTH, decode_slot, encode_slot, layout
from compiler.encoding.isa.kinds import Value
from compiler.errors import UnreadableInput

LINES = (Path(__file__).parent / "isa_vectors.txt").read_text().splitlines()
VECTORS = [line.split(" | ") for line in LINES if not line.startswith("#")]
KNOWN = [(bytes.fromhex(data), text) for data, text in VECTORS]
FULL = [(data, text) for data, text in KNOWN if len(data) == 16]
SHORT = [(data, text) for data, text in KNOWN if len(data) < 16]
# 32-bit bundles with one instruction: bits before the slot word, bits behind it.
ALONE = {
    Slot.VEC: ("", "001001"),
    Slot.ST: ("00001", "011001"),
    Slot.MV: ("00011", "11001"),
    Slot.LDB: ("00111", "00000011001"),
    Slot.LDA: ("00000", "011001"),
    Slot.ALU: ("00010", "0011001"),
    Slot.LNG: ("", "010101"),
}
ROUNDS = 6
# Operands that no bits are spent on: what the text says is always the same register.
IMPLIED = {"r26", "r27", "r29"}


def test_vector_files_are_read() -> None:
    assert (len(FULL), len(SHORT)) == (32, 16)


@pytest.mark.parametrize(("data", "text"), FULL, ids=[text for _, text in FULL])
def test_known_words(data: bytes, text: str) -> None:
    assert assemble(text).bytes == data
    printed = disassemble(data)
    assert assemble(printed).bytes == data
    assert decode(data).text() + "\n" == printed


@pytest.mark.parametrize(("data", "text"), SHORT, ids=[text for _, text in SHORT])
def test_words_of_published_compiler_output(data: bytes, text: str) -> None:
    one = ins(text)
    before, behind = ALONE[one.opcode.slot]
    bits = f"{before}{encode_slot(one):0{WIDTH[one.opcode.slot]}b}{behind}"
    assert int(bits, 2).to_bytes(len(bits) // 8, "little") == data


def values_of(kind: str, random_: random.Random) -> Value:
    declared = KINDS[kind]
    if isinstance(declared, RegisterKind):
        return random_.choice(declared.registers)
    return declared.low + declared.step * random_.randrange((declared.high - declared.low) // declared.step + 1)


@pytest.mark.parametrize("opcode", OPCODES.values(), ids=lambda opcode: opcode.name)
def test_round_trip(opcode: Opcode) -> None:
    random_ = random.Random(opcode.name)
    for _ in range(ROUNDS):
        one = opcode(*(values_of(operand.kind, random_) for operand in opcode.operands))
        data = encode(Bundle((one,)))
        assert decode(data) == Bundle((one,))
        assert ins(one.text()) == one
        assert assemble(disassemble(data)).bytes == data


def test_full_bundles_round_trip() -> None:
    random_ = random.Random(0)
    by_slot = {slot: [one for one in OPCODES.values() if one.slot is slot] for slot in Slot}
    for number in range(300):
        middle = (Slot.LNG,) if number % 3 == 0 else (Slot.ALU, Slot.MV)
        chosen = [random_.choice(by_slot[slot]) for slot in (Slot.LDB, Slot.LDA, Slot.ST, *middle, Slot.VEC)]
        bundle = Bundle(tuple(one(*(values_of(part.kind, random_) for part in one.operands)) for one in chosen))
        data = encode(bundle)
        assert decode(data) == bundle and assemble(bundle.text()).bytes == data


@pytest.mark.parametrize("opcode", OPCODES.values(), ids=lambda opcode: opcode.name)
def test_field_limits(opcode: Opcode) -> None:
    """Lowest and highest value of every operand fit, one step beyond is refused."""
    random_ = random.Random(1)
    base: list[Value] = [values_of(operand.kind, random_) for operand in opcode.operands]
    for position, operand in enumerate(opcode.operands):
        kind = KINDS[operand.kind]
        ends: tuple[Value, ...] = kind.registers if isinstance(kind, RegisterKind) else (kind.low, kind.high)
        for value in ends:
            one = opcode(*base[:position], value, *base[position + 1 :])
            assert decode_slot(opcode.slot, encode_slot(one)) == one
        for wrong in beyond(kind):
            with pytest.raises(UnreadableInput):
                opcode(*base[:position], wrong, *base[position + 1 :])


def beyond(kind: RegisterKind | NumberKind) -> list[Value]:
    if isinstance(kind, RegisterKind):
        return [next(one for one in REGISTERS.values() if one not in kind.registers), 0]
    between = [kind.low + 1] if kind.step > 1 else []
    return [kind.low - kind.step, kind.high + kind.step, *between, REGISTERS["r0"]]


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_codes_fit_and_differ(kind: RegisterKind | NumberKind) -> None:
    if isinstance(kind, NumberKind):
        assert (kind.high - kind.low) // kind.step + 1 == 1 << kind.width
        return
    codes = kind.codes
    assert (kind.name in IMPLIED) == (not codes)
    assert len(set(codes)) == len(codes) and all(0 <= code < 1 << kind.width for code in codes)


def fields(opcode: Opcode) -> list[tuple[int, list[int]]]:
    """For operands that do not take every bit pattern: their bits in the word, and the patterns that they take."""
    found = []
    for operand in opcode.operands:
        codes = KINDS[operand.kind].legal_codes()
        pieces = [piece for piece in layout(opcode).pieces if piece.role == operand.role]
        if codes is not None and pieces:
            mask = sum(((1 << width) - 1) << at for _, _, at, width in pieces)
            spread = [sum((code >> low & ((1 << width) - 1)) << at for _, low, at, width in pieces) for code in codes]
            found.append((mask, spread))
    return found


def disjoint(one: Opcode, other: Opcode) -> bool:
    """Whether fixed bits, or bits that stand for no register, keep two opcodes apart in every word."""
    first, second = layout(one), layout(other)
    if (first.value ^ second.value) & first.mask & second.mask:
        return True
    possible = []
    for mine, its in ((fields(one), second), (fields(other), first)):
        left = [(mask, [c for c in codes if not (c ^ its.value) & mask & its.mask]) for mask, codes in mine]
        if any(not codes for _, codes in left):
            return True
        possible.append(left)
    return any(
        mask & other_mask and not any(not (a ^ b) & mask & other_mask for a in codes for b in others)
        for (mask, codes), (other_mask, others) in itertools.product(*possible)
    )


@pytest.mark.parametrize("slot", Slot)
def test_no_word_is_two_instructions(slot: Slot) -> None:
    opcodes = [one for one in OPCODES.values() if one.slot is slot]
    clashes = [(a.name, b.name) for a, b in itertools.combinations(opcodes, 2) if not disjoint(a, b)]
    assert not clashes


def test_no_instruction_is_a_nop() -> None:
    for opcode in OPCODES.values():
        if opcode.name != "NOPXM":
            random_ = random.Random(2)
            one = opcode(*(values_of(operand.kind, random_) for operand in opcode.operands))
            assert decode(encode(Bundle((one,)))).instructions == (one,)
    assert decode(encode(Bundle())) == Bundle()
    assert encode(Bundle((ins("nopxm"),))) != encode(Bundle())


def test_words_that_are_nothing_are_refused() -> None:
    data = bytearray(encode(Bundle()))
    data[-1] |= 0xFF
    data[-2] |= 0xFF
    with pytest.raises(UnreadableInput) as found:
        decode(bytes(data))
    text = str(found.value)
    assert "slot ldb (bits 127..112 of the bundle) holds 0b1111111111111111" in text
    assert "none of the 31 instructions known" in text and "note: nearest is " in text
    with pytest.raises(UnreadableInput, match=r"dst is 0b1111, which names none of cm0\.\.cm8"):
        decode(replaced(Slot.VEC, encode_slot(ins("vclr cm0")) | 0xF << 4))
    with pytest.raises(UnreadableInput, match=r"bit \d+ is 1, not 0"):
        decode(replaced(Slot.VEC, encode_slot(ins("vclr cm0")) | 1 << 25))


def replaced(slot: Slot, word: int) -> bytes:
    assert slot is Slot.VEC
    whole = int.from_bytes(encode(Bundle()), "little") & ~(((1 << 26) - 1) << 1)
    return (whole | word << 1).to_bytes(16, "little")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x19\x18\x00\x10" * 4, "bits 3..0 hold 0b1001, the mark of a shorter bundle"),
        (bytes(15), "the length is 15 bytes, 15 more than a multiple of 16"),
        (bytes(8) + b"\xff" * 8, "bundle at byte 0x0: slot"),
    ],
)
def test_foreign_bytes_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(UnreadableInput) as found:
        disassemble(data)
    assert message in str(found.value) and "help: " in str(found.value)


def test_a_bundle_holds_each_slot_once() -> None:
    with pytest.raises(UnreadableInput, match="2 instructions use slot mv, which holds 1"):
        Bundle((ins("movxm r0, #1"), ins("vmov x0, x1")))


def test_an_instruction_checks_its_operands() -> None:
    with pytest.raises(UnreadableInput, match="ADD takes 3 operands, got 1"):
        OPCODES["ADD"](REGISTERS["r0"])
    with pytest.raises(UnreadableInput, match="'cm0' is none of the 32 registers"):
        OPCODES["ADD"](REGISTERS["cm0"], REGISTERS["r0"], REGISTERS["r0"])


def test_registers_share_cells() -> None:
    assert REGISTERS["y2"].cells == REGISTERS["x4"].cells + REGISTERS["x5"].cells
    assert REGISTERS["cm1"].cells == REGISTERS["bml1"].cells + REGISTERS["bmh1"].cells
    assert REGISTERS["d1_3d"].cells == REGISTERS["d1"].cells + REGISTERS["d5"].cells
    assert REGISTERS["l0"] is REGISTERS["r17:r16"]
    assert CELL["wl0"] == SCALAR_CELLS and CELL["amll0"] == SCALAR_CELLS + 24
    assert [CELL[name] - CELL["amll1"] for name in ("amll1", "amlh1", "amhl1", "amhh1")] == [0, 1, 2, 3]


def test_every_register_operand_is_read_or_written() -> None:
    for opcode in OPCODES.values():
        touched = {access.role.partition(":")[0] for access in (*opcode.reads, *opcode.writes)}
        registers = {one.role for one in opcode.operands if isinstance(KINDS[one.kind], RegisterKind)}
        assert registers == {role for role in touched if not role.startswith("@")}, opcode.name
        assert {role[1:] for role in touched if role.startswith("@")} <= set(CELL), opcode.name
        assert isinstance(opcode(*(values_of(o.kind, random.Random(3)) for o in opcode.operands)), Instruction)
