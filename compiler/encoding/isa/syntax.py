"""Reading one instruction of assembly text, with an error at the word that is wrong."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from compiler.encoding.isa.kinds import KINDS, Label, NumberKind, RegisterKind, Value
from compiler.encoding.isa.model import Instruction, Opcode
from compiler.encoding.isa.opcodes import BY_MNEMONIC
from compiler.encoding.isa.registers import REGISTERS
from compiler.errors import Diagnostic, FileLocation, UnreadableInput

NAME = r"[A-Za-z_.$][\w.$]*"
_TOKEN = re.compile(rf"\s*(?P<word>#[^\s,;\[\]]*|{NAME}(?::\w+)?|[\[\],]|[^\s\[\],]+)")
_NUMBER = re.compile(r"#([+-]?)(0[xX][0-9a-fA-F]+|[0-9]+)")
_DIGITS = 32  # more than any number that an instruction holds has
_LABEL = re.compile(rf"#({NAME})")
_PARTS = re.compile(r"\w+|[\[\],]")
_SUGGESTIONS = 4


@dataclass(frozen=True)
class Place:
    """A line of a text; errors point into it."""

    file: str
    line: int
    text: str

    def error(self, column: int, code: str, message: str, help: str) -> UnreadableInput:
        """An error at a character of this line, counted from zero."""
        where = FileLocation(self.file, self.line, column + 1)
        return UnreadableInput(Diagnostic(code, message, where, help=help, source=self.text))


@dataclass(frozen=True)
class Token:
    """A word of the text and its column, counted from zero."""

    text: str
    column: int


@dataclass(frozen=True)
class _Failure:
    """How far an opcode's syntax went, and why no further; `likely` if the word was of the kind wanted."""

    progress: int
    likely: bool
    code: str
    message: str
    help: str


def tokens(text: str, start: int, end: int) -> list[Token]:
    """The words of a part of a line."""
    found = []
    while start < end and (match := _TOKEN.match(text, start, end)):
        found.append(Token(match["word"], match.start("word")))
        start = match.end()
    return found


@cache
def _syntax(opcode: Opcode) -> tuple[str, ...]:
    return tuple(_PARTS.findall(opcode.syntax))


def instruction(words: list[Token], end: int, place: Place) -> Instruction:
    """The instruction that some words are; `end` is the column behind the last one."""
    mnemonic = words[0]
    candidates = BY_MNEMONIC.get(mnemonic.text, ())
    if not candidates:
        raise _unknown_mnemonic(mnemonic, place)
    failures = []
    for opcode in candidates:
        found = _match(opcode, words[1:])
        if not isinstance(found, _Failure):
            return Instruction(opcode, found)
        failures.append(found)
    best = max(failures, key=lambda failure: (failure.progress, failure.likely))
    column = words[best.progress + 1].column if best.progress + 1 < len(words) else end
    raise place.error(column, best.code, f"{mnemonic.text}: {best.message}", _help(best, failures, candidates))


def _help(best: _Failure, failures: list[_Failure], candidates: Iterable[Opcode]) -> str:
    """What may stand at the place of the error, in every form of the instruction that goes so far."""
    if not best.help:
        return "written as " + " or ".join(dict.fromkeys(f"'{one.mnemonic} {one.syntax}'" for one in candidates))
    rank = (best.progress, best.likely)
    equals = [failure.help for failure in failures if (failure.progress, failure.likely) == rank and failure.help]
    return "; or ".join(dict.fromkeys(equals))


@cache
def _similar(word: str, known: tuple[str, ...]) -> str:
    """A question with the known words that are like this one, empty if none is."""
    close = difflib.get_close_matches(word, known, n=_SUGGESTIONS)
    return "did you mean " + " or ".join(f"'{one}'" for one in close) + "?" if close else ""


def _unknown_mnemonic(word: Token, place: Place) -> UnreadableInput:
    listing = _similar(word.text, tuple(BY_MNEMONIC)) or "no mnemonic is similar"
    message = f"'{word.text}' is none of the {len(BY_MNEMONIC)} mnemonics known"
    return place.error(word.column, "asm-mnemonic", message, listing)


def _match(opcode: Opcode, words: list[Token]) -> tuple[Value, ...] | _Failure:
    """The operand values if the words fit the opcode's syntax."""
    parts = _syntax(opcode)
    values: list[Value | None] = [None] * len(opcode.operands)
    for position, part in enumerate(parts):
        if position >= len(words):
            return _Failure(position, False, "asm-syntax", f"'{part}' is missing at the end", "")
        word = words[position].text
        if part not in opcode.index:
            if word != part:
                return _Failure(position, False, "asm-syntax", f"expected '{part}', got '{word}'", "")
            continue
        value = _operand(word, opcode.kind(part), part, position)
        if isinstance(value, _Failure):
            return value
        values[opcode.index[part]] = value
    if len(words) > len(parts):
        return _Failure(
            len(parts), False, "asm-syntax", f"unexpected '{words[len(parts)].text}' behind the operands", ""
        )
    return tuple(value for value in values if value is not None)


def _operand(word: str, kind_name: str, role: str, position: int) -> Value | _Failure:
    kind = KINDS[kind_name]
    if word.startswith("#"):
        return _number(word, kind, role, position)
    if word not in REGISTERS:
        help = _similar(word, tuple(REGISTERS)) or _rule(kind)
        return _Failure(position, True, "asm-register", f"{role}: '{word}' is no register", help)
    if isinstance(kind, NumberKind):
        return _Failure(position, False, "asm-operand", f"{role}: '{word}' is a register, not a number", _rule(kind))
    register = kind.by_name.get(word)
    if register is not None:
        return register
    message, help = kind.wrong(REGISTERS[word]) or ("", "")
    return _Failure(position, True, "asm-operand", f"{role}: {message}", help)


def _number(word: str, kind: RegisterKind | NumberKind, role: str, position: int) -> Value | _Failure:
    number, label = _NUMBER.fullmatch(word), _LABEL.fullmatch(word)
    if not number and not label:
        return _Failure(position, True, "asm-number", f"{role}: '{word}' is no number and no label", _rule(kind))
    if number and len(number[2]) > _DIGITS:
        text = f"{role}: '{word[:_DIGITS]}...' has {len(number[2])} characters, at most {_DIGITS} are read"
        return _Failure(position, True, "asm-number", text, _rule(kind))
    if isinstance(kind, RegisterKind):
        return _Failure(position, False, "asm-operand", f"{role}: '{word}' is a number, not a register", _rule(kind))
    value: Value = Label(label[1]) if label else int(number[1] + number[2], 0 if "x" in number[2].lower() else 10)  # type: ignore[index]
    wrong = kind.wrong(value)
    return _Failure(position, True, "asm-operand", f"{role}: {wrong[0]}", wrong[1]) if wrong else value


def _rule(kind: RegisterKind | NumberKind) -> str:
    return f"allowed: {kind.rule()}"
