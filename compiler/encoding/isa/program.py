"""A program: bundles at addresses, its labels, its bytes; and the assembler that reads one from text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
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
_NOPS = frozenset((*(slot.value for slot in Slot if slot is not Slot.LNG), "nop"))


@dataclass(frozen=True)
class Program:
    """Bundles from byte address `base` on, none of which holds a label any more; `labels` are byte addresses."""

    bundles: tuple[Bundle, ...]
    labels: Mapping[str, int]
    base: int = 0

    @classmethod
    def lay_out(cls, bundles: Sequence[Bundle], positions: Mapping[str, int], base: int = 0) -> Program:
        """Give addresses to bundles and, by the number of the bundle that each stands before, to labels."""
        labels = {name: base + BUNDLE_BYTES * position for name, position in positions.items()}
        return cls(tuple(_resolved(bundle, labels) for bundle in bundles), labels, base)

    @cached_property
    def bytes(self) -> bytes:
        """The program memory's contents."""
        return b"".join(encode(bundle) for bundle in self.bundles)

    def text(self) -> str:
        """The assembly text, with labels; assembled from address 0 it gives the same bytes."""
        before: dict[int, list[str]] = {}
        for name, address in self.labels.items():
            before.setdefault((address - self.base) // BUNDLE_BYTES, []).append(f"{name}:\n")
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
                self.bundles.append(self._bundle(start, end, place))
        except UnreadableInput as error:
            self.wrong.extend(error.diagnostics)

    def _define(self, name: str, column: int, place: Place) -> None:
        if name in self.defined:
            message = f"the label '{name}' is defined twice, on lines {self.defined[name]} and {place.line}"
            raise place.error(column, "asm-label", message, "give one of them another name")
        self.defined[name] = place.line
        self.positions[name] = len(self.bundles)

    def _bundle(self, start: int, end: int, place: Place) -> Bundle:
        taken: dict[Slot, Instruction] = {}
        found = []
        for first, last in _statements(place.text, start, end):
            words = tokens(place.text, first, last)
            if not words or (words[0].text in _NOPS and len(words) == 1):
                continue
            one = instruction(words, len(place.text[:last].rstrip()), place)
            for slot in one.opcode.slot.occupied:
                if slot in taken:
                    message = slot_twice(taken[slot], one, slot)
                    raise place.error(words[0].column, message.code, message.message, message.help)
                taken[slot] = one
            found.append(one)
            self._note_labels(one, words, place)
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
        if self.wrong:
            raise UnreadableInput(*sorted(self.wrong, key=_line))
        return Program.lay_out(self.bundles, self.positions)


def _line(wrong: Diagnostic) -> int:
    return wrong.place.line if isinstance(wrong.place, FileLocation) else 0


def _statements(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Where the parts between semicolons begin and end."""
    parts = []
    for part in text[start:end].split(";"):
        parts.append((start, start + len(part)))
        start += len(part) + 1
    return parts


def _check_directive(directive: re.Match[str], place: Place) -> None:
    """Bundles are aligned to 16 bytes anyway, so `.p2align` up to 4 does nothing."""
    name, rest = directive.groups()
    if name != ".p2align":
        message = f"'{name}' is not the one directive known"
        raise place.error(directive.start(1), "asm-directive", message, "known: .p2align 0..4")
    if not rest.isdecimal() or int(rest) > _ALIGNMENT:
        message = f".p2align '{rest}' is not in 0..{_ALIGNMENT}"
        raise place.error(directive.start(2), "asm-directive", message, "bundles are aligned to 16 = 1 << 4 bytes")


def assemble(text: str, source: str = "<text>") -> Program:
    """The program that a text spells, from address 0; all errors are raised together."""
    reader = _Assembler(source)
    for number, line in enumerate(text.splitlines(), start=1):
        reader.read(number, line)
    return reader.finish()


def ins(text: str) -> Instruction:
    """One instruction: `ins("vldb wl0, [p1, dj0]")`."""
    place = Place("<ins>", 1, text)
    words = tokens(text, 0, len(text))
    if not words:
        raise place.error(0, "asm-syntax", "expected 1 instruction, got 0", "write one, such as 'vclr cm0'")
    return instruction(words, len(text.rstrip()), place)
