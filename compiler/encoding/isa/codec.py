"""From instructions to the bits of a 128-bit bundle and back, by the patterns of the declarations.

Only the bundle format that holds every slot is written and read: shorter ones save program memory but no cycles.
Source of the slot widths and of the layout: Xilinx/llvm-aie, AIE2Slots.td and AIE2CompositeFormats.td.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple

from compiler.encoding.isa.kinds import KINDS, Label, Value
from compiler.encoding.isa.model import Bundle, Instruction, Opcode, Slot
from compiler.encoding.isa.opcodes import BY_SLOT
from compiler.errors import Diagnostic, UnreadableInput

BUNDLE_BYTES = 16
# Width of each slot, its lowest bit in the bundle, and what an empty one holds.
WIDTH = {Slot.LDB: 16, Slot.LDA: 21, Slot.ST: 21, Slot.ALU: 20, Slot.MV: 22, Slot.VEC: 26, Slot.LNG: 42}
_LOWEST = {Slot.LDB: 112, Slot.LDA: 91, Slot.ST: 70, Slot.ALU: 50, Slot.MV: 28, Slot.VEC: 1, Slot.LNG: 28}
_EMPTY = {Slot.LDB: 0, Slot.LDA: 0, Slot.ST: 0, Slot.ALU: 0, Slot.MV: 0b111000, Slot.VEC: 0b111100000}
# Set where alu and mv hold an instruction each, clear where they hold a long one together.
_APART = 1 << 27
_WORD = re.compile(r"(\w+)(?:\[(\d+):(\d+)\])?|(\.+)")


class Piece(NamedTuple):
    """Bits of an operand's code, from bit `low` of it, that lie in the slot word from bit `at`."""

    role: str
    low: int
    at: int
    width: int


@dataclass(frozen=True)
class Layout:
    """The fixed bits of an opcode (those without meaning count as fixed zeros) and where its operands go."""

    mask: int
    value: int
    pieces: tuple[Piece, ...]


@cache
def layout(opcode: Opcode) -> Layout:
    """The layout that a pattern spells; patterns of the wrong width are mistakes of a declaration."""
    at, mask, value, pieces = WIDTH[opcode.slot], 0, 0, []
    for word in opcode.pattern.split():
        found = _WORD.fullmatch(word)
        assert found, f"{opcode.name}: '{word}' in the pattern is neither bits nor an operand"
        role, high, low, dots = found.groups()
        if dots or re.fullmatch("[01]+", role):
            at -= len(word)
            mask |= ((1 << len(word)) - 1) << at
            value |= (0 if dots else int(word, 2)) << at
            continue
        width = int(high) - int(low) + 1 if high else KINDS[opcode.kind(role)].width
        at -= width
        pieces.append(Piece(role, int(low or 0), at, width))
    assert at == 0, f"{opcode.name}: the pattern leaves {at} of {WIDTH[opcode.slot]} bits"
    _check_complete(opcode, pieces)
    return Layout(mask, value, tuple(pieces))


def _check_complete(opcode: Opcode, pieces: list[Piece]) -> None:
    for operand in opcode.operands:
        stored = sum(((1 << piece.width) - 1) << piece.low for piece in pieces if piece.role == operand.role)
        assert stored == (1 << KINDS[operand.kind].width) - 1, f"{opcode.name}: bits of {operand.role} are missing"


def encode_slot(instruction: Instruction) -> int:
    """The slot word of an instruction without labels."""
    opcode = instruction.opcode
    found = layout(opcode)
    word = found.value
    for role, low, at, width in found.pieces:
        value = instruction.values[opcode.index[role]]
        if isinstance(value, Label):
            message = f"the label '{value.name}' has no address yet"
            raise UnreadableInput(Diagnostic("asm-label", message, help="lay the program out with assemble()"))
        code = KINDS[opcode.kind(role)].store(value)
        word |= (code >> low & ((1 << width) - 1)) << at
    return word


def encode(bundle: Bundle) -> bytes:
    """The 16 bytes of a bundle, in memory order."""
    words = dict(_EMPTY)
    apart = _APART
    for instruction in bundle.instructions:
        slot = instruction.opcode.slot
        words[slot] = encode_slot(instruction)
        if slot is Slot.LNG:
            apart = 0
            del words[Slot.ALU], words[Slot.MV]
    whole = apart
    for slot, word in words.items():
        whole |= word << _LOWEST[slot]
    return whole.to_bytes(BUNDLE_BYTES, "little")


@lru_cache(maxsize=1 << 16)
def decode_slot(slot: Slot, word: int) -> Instruction | None:
    """The instruction of a slot word, None for the nop."""
    if word == _EMPTY.get(slot):
        return None
    for opcode in BY_SLOT[slot]:
        found = layout(opcode)
        if word & found.mask == found.value and (values := _values(opcode, found, word)) is not None:
            return Instruction(opcode, values)
    raise UnreadableInput(_unknown(slot, word))


def _codes(opcode: Opcode, found: Layout, word: int) -> dict[str, int]:
    """The bits of each operand."""
    codes = dict.fromkeys(opcode.index, 0)
    for role, low, at, width in found.pieces:
        codes[role] |= (word >> at & ((1 << width) - 1)) << low
    return codes


def _values(opcode: Opcode, found: Layout, word: int) -> tuple[Value, ...] | None:
    values = []
    for role, code in _codes(opcode, found, word).items():
        value = KINDS[opcode.kind(role)].load(code)
        if value is None:
            return None
        values.append(value)
    return tuple(values)


def _unknown(slot: Slot, word: int) -> Diagnostic:
    """Name the bits, and what they lack to be the instruction that they resemble most."""
    name, width, lowest = slot.name.lower(), WIDTH[slot], _LOWEST[slot]
    nearest = min(BY_SLOT[slot], key=lambda opcode: _unlike(opcode, word))
    message = (
        f"slot {name} (bits {lowest + width - 1}..{lowest} of the bundle) holds 0b{word:0{width}b}, "
        f"which is none of the {len(BY_SLOT[slot])} instructions known"
    )
    note = f"nearest is {nearest.name} ({nearest.mnemonic}): " + "; ".join(_lacks(nearest, word, lowest))
    return Diagnostic("asm-unknown-word", message, notes=(note,), help="the bytes may be data, or of another format")


def _unlike(opcode: Opcode, word: int) -> int:
    """How far a word is from an opcode: wrong bits, and fields that name no register counted as two."""
    found = layout(opcode)
    wrong = (word ^ found.value) & found.mask
    codes = _codes(opcode, found, word)
    return wrong.bit_count() + 2 * sum(KINDS[opcode.kind(role)].load(code) is None for role, code in codes.items())


def _lacks(opcode: Opcode, word: int, lowest: int) -> Iterator[str]:
    """What is wrong with a word as an instruction of this opcode; bits are counted in the bundle."""
    found = layout(opcode)
    wrong = (word ^ found.value) & found.mask
    for bit in reversed(range(wrong.bit_length())):
        if wrong >> bit & 1:
            yield f"bit {lowest + bit} is {word >> bit & 1}, not {found.value >> bit & 1}"
    for role, code in _codes(opcode, found, word).items():
        kind = KINDS[opcode.kind(role)]
        if kind.load(code) is None:
            yield f"{role} is 0b{code:0{kind.width}b}, which names none of {kind.rule()}"


def decode(word: bytes) -> Bundle:
    """The bundle that 16 bytes hold."""
    if len(word) != BUNDLE_BYTES:
        message = f"a bundle has {BUNDLE_BYTES} bytes, got {len(word)}"
        raise UnreadableInput(Diagnostic("asm-length", message, help="only full 128-bit bundles are read"))
    whole = int.from_bytes(word, "little")
    if whole & 1:
        message = f"bits 3..0 hold 0b{whole & 15:04b}, the mark of a shorter bundle; a 128-bit one has 0 in bit 0"
        raise UnreadableInput(Diagnostic("asm-format", message, help="only full 128-bit bundles are read"))
    middle = (Slot.ALU, Slot.MV) if whole & _APART else (Slot.LNG,)
    found = []
    for slot in (Slot.LDB, Slot.LDA, Slot.ST, *middle, Slot.VEC):
        one = decode_slot(slot, whole >> _LOWEST[slot] & ((1 << WIDTH[slot]) - 1))
        if one is not None:
            found.append(one)
    return Bundle(tuple(found))


def disassemble(data: bytes) -> str:
    """One bundle a line; a bundle that is none we know is an error with its byte address."""
    if len(data) % BUNDLE_BYTES:
        message = f"the length is {len(data)} bytes, {len(data) % BUNDLE_BYTES} more than a multiple of {BUNDLE_BYTES}"
        raise UnreadableInput(Diagnostic("asm-length", message, help="only full 128-bit bundles are read"))
    lines = []
    for address in range(0, len(data), BUNDLE_BYTES):
        try:
            lines.append(decode(data[address : address + BUNDLE_BYTES]).text())
        except UnreadableInput as error:
            raise UnreadableInput(*(_at(one, address) for one in error.diagnostics)) from error
    return "".join(f"{line}\n" for line in lines)


def _at(one: Diagnostic, address: int) -> Diagnostic:
    return Diagnostic(one.code, f"bundle at byte {address:#x}: {one.message}", one.place, one.notes, one.help)
