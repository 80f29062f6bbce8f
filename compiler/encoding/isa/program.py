"""A program: bundles at addresses, its labels, its bytes; and the assembler that reads one from text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from compiler.encoding.isa.codec import BUNDLE_BYTES, encode
from compiler.encoding.isa.kinds import Label
from compiler.encoding.isa.model import Bundle, Instruction, Slot, slot_twice
from compiler.encoding.isa.syntax import NAME, Place, Token, instruction, tokens
from compiler.errors import Diagnostic, FileLocation, UnreadableInput, nearest

_DEFINITION = re.compile(rf"\s*({NAME}):(?!\w)")
_DIRECTIVE = re.compile(r"\s*(\.\w+)\s*(.*?)\s*$")
_ALIGNMENT = 4
_POWER = re.compile(r"[0-9]{1,9}")
PROGRAM_BYTES = 16 * 1024
"""Program memory of a core (AM020)."""

_NOP = "nop"
"""A bundle of nothing else."""

_NOPS = {slot.value: slot for slot in Slot if slot is not Slot.LNG}
# These say how a symbol is to be listed or exported, and put nothing into the program.
_IGNORED = (".file", ".global", ".globl", ".ident", ".local", ".size", ".text", ".type", ".weak")
_KNOWN = ", ".join([*_IGNORED, ".section .text", f".p2align 0..{_ALIGNMENT}"])


@dataclass(frozen=True)
class Program:
    """Bundles from byte address 0 on, none of which holds a label any more; `labels` are byte addresses."""

    bundles: tuple[Bundle, ...]
    labels: Mapping[str, int]

    @classmethod
    def lay_out(cls, bundles: Sequence[Bundle], positions: Mapping[str, int]) -> Program:
        """Give addresses to bundles and, by the number of the bundle that each stands before, to labels."""
        labels = {name: BUNDLE_BYTES * position for name, position in positions.items()}
        return cls(tuple(_resolved(bundle, labels) for bundle in bundles), labels)

    @cached_property
    def bytes(self) -> bytes:
        """The program memory's contents."""
        return b"".join(encode(bundle) for bundle in self.bundles)

    def text(self) -> str:
        """The assembly text, with labels; assembled it gives the same bytes."""
        before: dict[int, list[str]] = {}
        for name, address in self.labels.items():
            before.setdefault(address // BUNDLE_BYTES, []).append(f"{name}:\n")
        lines = ["".join(before.get(number, ())) + f"\t{one.text()}\n" for number, one in enumerate(self.bundles)]
        return "".join([*lines, *before.get(len(self.bundles), ())])


def _resolved(bundle: Bundle, labels: Mapping[str, int]) -> Bundle:
    if not any(isinstance(value, Label) for one in bundle.instructions for value in one.values):
        return bundle
    return Bundle(tuple(_resolved_instruction(one, labels) for one in bundle.instructions))


def _resolved_instruction(one: Instruction, labels: Mapping[str, int]) -> Instruction:
    for value in one.values:
        if isinstance(value, Label) and value.name not in labels:
            raise UnreadableInput(_undefined(value, labels))
    return replace(one, values=tuple(labels[v.name] if isinstance(v, Label) else v for v in one.values))


def _undefined(label: Label, labels: Mapping[str, int]) -> Diagnostic:
    message = f"the label '{label.name}' is none of the {len(labels)} defined"
    return Diagnostic("asm-label", message, help=nearest(label.name, labels))


@dataclass
class _Assembler:
    """What has been read so far, and what was wrong with it."""

    file: str
    bundles: list[Bundle] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=dict)
    defined: dict[str, int] = field(default_factory=dict)
    uses: list[tuple[Label, Place, int]] = field(default_factory=list)
    wrong: list[Diagnostic] = field(default_factory=list)
    beyond: Place | None = None
    """The first bundle that program memory has no room for."""

    def read(self, number: int, line: str) -> None:
        """Read one line: labels, then a directive or a bundle."""
        place = Place(self.file, number, line)
        end = line.find("//")
        end = len(line) if end < 0 else end
        start = 0
        try:
            while found := _DEFINITION.match(line, start, end):
                self._define(found[1], found.start(1), place)
                start = found.end()
            directive = _DIRECTIVE.match(line[:end], start)
            if directive:
                _check_directive(directive, place)
            elif line[start:end].strip():
                bundle = self._bundle(start, end, place)
                if len(self.bundles) == PROGRAM_BYTES // BUNDLE_BYTES:
                    self.beyond = self.beyond or place
                self.bundles.append(bundle)
        except UnreadableInput as error:
            self.wrong.extend(error.diagnostics)

    def _define(self, name: str, column: int, place: Place) -> None:
        if name in self.defined:
            message = f"the label '{name}' is defined twice, on lines {self.defined[name]} and {place.line}"
            raise place.error(column, "asm-label", message, "give one of them another name")
        self.defined[name] = place.line
        self.positions[name] = len(self.bundles)

    def _bundle(self, start: int, end: int, place: Place) -> Bundle:
        taken: dict[Slot, Instruction | str] = {}
        found = []
        for words, behind in _statements(place.text, start, end):
            one: Instruction | str = words[0].text
            if one == _NOP or one in _NOPS:
                _check_nop(words, place)
            else:
                one = instruction(words, behind, place)
                found.append(one)
                self._note_labels(one, words, place)
            for slot in _slots(one):
                if slot in taken:
                    message = slot_twice(_shown(taken[slot]), _shown(one), slot)
                    raise place.error(words[0].column, message.code, message.message, message.help)
                taken[slot] = one
        return Bundle(tuple(found))

    def _note_labels(self, one: Instruction, words: list[Token], place: Place) -> None:
        for value in one.values:
            if isinstance(value, Label):
                column = next(word.column for word in words if word.text == f"#{value.name}")
                self.uses.append((value, place, column))

    def finish(self) -> Program:
        """The program, or all that is wrong."""
        for label, place, column in self.uses:
            if label.name not in self.positions:
                message = _undefined(label, self.positions)
                self.wrong.extend(place.error(column, message.code, message.message, message.help).diagnostics)
        if self.beyond is not None:
            size = BUNDLE_BYTES * len(self.bundles)
            text = (
                f"the program has {size} bytes, a core's program memory {PROGRAM_BYTES}: from here on there is no room"
            )
            self.wrong.extend(self.beyond.error(0, "asm-size", text, "").diagnostics)
        if self.wrong:
            raise UnreadableInput(*sorted(self.wrong, key=_line))
        return Program.lay_out(self.bundles, self.positions)


def _line(wrong: Diagnostic) -> int:
    return wrong.place.line if isinstance(wrong.place, FileLocation) else 0


def _statements(text: str, start: int, end: int) -> Iterator[tuple[list[Token], int]]:
    """The words of each part between semicolons, and the column behind them; empty parts are left out."""
    for part in text[start:end].split(";"):
        last = start + len(part)
        words = tokens(text, start, last)
        if words:
            yield words, len(text[:last].rstrip())
        start = last + 1


def _check_nop(words: list[Token], place: Place) -> None:
    """A nop has no operands."""
    if len(words) > 1:
        text = f"{words[0].text}: unexpected '{words[1].text}' behind an instruction without operands"
        raise place.error(words[1].column, "asm-syntax", text, f"written as '{words[0].text}'")


def _slots(one: Instruction | str) -> tuple[Slot, ...]:
    """What an instruction or an explicit nop takes of its bundle: a plain `nop` all of it."""
    if isinstance(one, Instruction):
        return one.opcode.slot.occupied
    return (_NOPS[one],) if one in _NOPS else tuple(_NOPS.values())


def _shown(one: Instruction | str) -> str:
    return one if isinstance(one, str) else one.text()


def _check_directive(directive: re.Match[str], place: Place) -> None:
    """Refuse what could change the bytes; `.p2align` up to 4 does not, as bundles are aligned to 16 bytes anyway."""
    name, rest = directive.groups()
    if name in _IGNORED or name.startswith(".cfi_"):
        return
    if name == ".section":
        if not re.match(r"\.text\b", rest):
            message = f"the section '{rest.split(',')[0]}' would not be in the program"
            raise place.error(
                directive.start(2), "asm-directive", message, "known: .section .text, .section .text.NAME"
            )
        return
    if name != ".p2align":
        message = f"'{name}' is none of the directives known"
        raise place.error(directive.start(1), "asm-directive", message, f"known: {_KNOWN}")
    if not _POWER.fullmatch(rest) or int(rest) > _ALIGNMENT:
        message = f".p2align '{rest}' is not in 0..{_ALIGNMENT}"
        raise place.error(directive.start(2), "asm-directive", message, "bundles are aligned to 16 = 1 << 4 bytes")


def assemble(text: str, source: str = "<text>") -> Program:
    r"""The program that a text spells, from address 0; lines end with \n or \r\n; all errors are raised together."""
    reader = _Assembler(source)
    for number, line in enumerate(text.split("\n"), start=1):
        reader.read(number, line.removesuffix("\r"))
    return reader.finish()


def ins(text: str) -> Instruction:
    """One instruction: `ins("vldb wl0, [p1, dj0]")`."""
    place = Place("<ins>", 1, text)
    words = tokens(text, 0, len(text))
    if not words:
        raise place.error(0, "asm-syntax", "expected 1 instruction, got 0", "write one, such as 'vclr cm0'")
    return instruction(words, len(text.rstrip()), place)
