"""Text to syntax: plain records of what is written, before any name is looked up."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, NamedTuple

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken

from compiler.errors import (
    Diagnostic,
    FileLocation,
    FusedLocation,
    IRError,
    Location,
    NodeLocation,
    UnknownLocation,
)
from compiler.ir.grammar import GRAMMAR, READABLE
from compiler.ir.scanner import unescape

_NODE = re.compile(r"(.*?)(?: \((\w+)\))?", re.DOTALL)
Entries = list[tuple[Token, Token | None]]


class BlockHeader(NamedTuple):
    """`^bb0(%arg0: i8):`."""

    arguments: list[tuple[Token, Token]]


class RegionSyntax(NamedTuple):
    """`{ ... }`."""

    header: BlockHeader | None
    ops: list[OpSyntax]


class OpSyntax(NamedTuple):
    """One operation as written."""

    results: list[tuple[Token, int]]
    name: Token
    operands: list[Token]
    properties: Entries
    regions: list[RegionSyntax]
    notes: Entries
    signature: Token
    loc: Location | None


class _Records(Transformer[Token, Any]):
    """Makes the records while the parser runs, so that no tree is ever built."""

    def start(self, children: list[Any]) -> OpSyntax:
        op: OpSyntax = children[0]
        return op

    def op(self, children: list[Any]) -> OpSyntax:
        results, name, operands, properties, regions, notes, (signature, loc) = children
        return OpSyntax(
            results or [], name, operands or [], properties or [], regions or [], notes or [], signature, loc
        )

    def result(self, children: list[Any]) -> tuple[Token, int]:
        return children[0], 0 if children[1] is None else int(children[1])

    def entry(self, children: list[Any]) -> tuple[Token, Token | None]:
        return children[0], children[1]

    def dictionary(self, children: list[Any]) -> Entries:
        return [child for child in children if child is not None]

    def results(self, children: list[Any]) -> list[Any]:
        return children

    operands = regions = signature = results

    def region(self, children: list[Any]) -> RegionSyntax:
        return RegionSyntax(children[0], children[1:])

    def header(self, children: list[Any]) -> BlockHeader:
        return BlockHeader([child for child in children[1:] if child is not None])

    def argument(self, children: list[Any]) -> tuple[Token, Token]:
        return children[0], children[1]

    def location(self, children: list[Any]) -> Location:
        place: Location = children[0]
        return place

    def file(self, children: list[Any]) -> Location:
        return FileLocation(text_of(children[0]), int(children[1]), int(children[2]))

    def named(self, children: list[Any]) -> Location:
        parts = _NODE.fullmatch(text_of(children[0]))
        assert parts is not None, "the pattern matches any text"
        name, kind = parts.groups()
        inner = children[1]
        return NodeLocation(name, kind or "", inner.file if isinstance(inner, FileLocation) else "")

    def unknown(self, children: list[Any]) -> Location:
        return UnknownLocation()

    def fused(self, children: list[Any]) -> Location:
        return FusedLocation(tuple(children))


def text_of(token: Token) -> str:
    """What a quoted string says."""
    return unescape(token[1:-1]) if "\\" in token else token[1:-1]


@cache
def _lark() -> Lark:
    """The parser, built on first use because that takes a tenth of a second."""
    return Lark(GRAMMAR, parser="lalr", maybe_placeholders=True, transformer=_Records())


def read(text: str, file: str) -> OpSyntax:
    """Parse a text that holds one operation, mostly a module."""
    try:
        op: Any = _lark().parse(text)
    except UnexpectedInput as error:
        raise IRError(_diagnostic(error, text, file)) from None
    assert isinstance(op, OpSyntax)
    return op


def _diagnostic(error: UnexpectedInput, text: str, file: str) -> Diagnostic:
    line, column = error.line, error.column
    if isinstance(error, UnexpectedEOF) or (isinstance(error, UnexpectedToken) and error.token.type == "$END"):
        found = "end of the text"
        line, column = text.count("\n") + 1, 1
    elif isinstance(error, UnexpectedToken):
        found = f"'{error.token}'"
    else:
        found = f"'{text[error.pos_in_stream or 0]}'"
    expected = error.allowed if isinstance(error, UnexpectedCharacters) else getattr(error, "expected", ())
    names = sorted(READABLE.get(name) or _literal(name) for name in expected or ())
    names = [name for name in names if name]
    help = f"expected {' or '.join(names)}" if names else ""
    return Diagnostic("syntax", f"unexpected {found}", FileLocation(file, line, column), help=help)


def _literal(name: str) -> str:
    """The text of a terminal that the grammar writes as a literal."""
    if name == "COMMENT" or name.startswith("__IGNORE"):
        return ""
    pattern = next((one.pattern.value for one in _lark().terminals if one.name == name), "")
    return f"'{pattern}'"
