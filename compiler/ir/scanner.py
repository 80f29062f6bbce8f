"""Read attributes and types from text; a dialect reads its own `<body>` with the same scanner."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from compiler.errors import UNKNOWN, Diagnostic, FileLocation, IRError, Location, nearest
from compiler.ir.attributes import (
    INDEX,
    ArrayAttr,
    Attribute,
    BoolAttr,
    FloatAttr,
    FloatType,
    FunctionType,
    IndexType,
    IntArray,
    IntAttr,
    IntegerType,
    StringArray,
    StringAttr,
    SymbolRef,
    TensorType,
    Type,
    UnitAttr,
)

T = TypeVar("T")
BodyParser = Callable[["Scanner"], Attribute]
Registry = Mapping[str, BodyParser]

_SPACE = re.compile(r"\s*")
_WORD = re.compile(r"[A-Za-z_][\w$.-]*")
_NAME = re.compile(r"[!#][A-Za-z_][\w$.]*")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?|inf|nan)")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_DIMENSION = re.compile(r"([0-9]+)x")
_NUMBER_TYPE = re.compile(r"([us]?)i([0-9]+)|f([0-9]+)|index")
_ESCAPE = re.compile(rb"\\([0-9A-Fa-f]{2}|.)")
_MAX_DIGITS = 20  # of a 64-bit integer with its sign
_PLAIN_ESCAPES = {b"n": b"\n", b"t": b"\t"}


class Scanner:
    """A position in a text; every method skips blanks first and fails with the place."""

    def __init__(self, text: str, registry: Registry, place: Location = UNKNOWN) -> None:
        self.text = text
        self.position = 0
        self.registry = registry
        self.place = place

    def error(self, message: str, help: str = "") -> IRError:
        """An error at the present position."""
        place = self.place
        if isinstance(place, FileLocation):
            before = self.text[: self.position]
            column = place.column + self.position if "\n" not in before else len(before.rsplit("\n", 1)[1]) + 1
            place = FileLocation(place.file, place.line + before.count("\n"), column)
        return IRError(Diagnostic("syntax", message, place, help=help))

    def match(self, pattern: re.Pattern[str], what: str) -> re.Match[str]:
        """Take the text that the pattern matches here, or fail saying `what` was expected."""
        found = self.try_match(pattern)
        if found is None:
            raise self.error(f"expected {what}, got {self._here()}")
        return found

    def try_match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Take the text that the pattern matches here, if it does."""
        self._skip()
        found = pattern.match(self.text, self.position)
        if found is not None:
            self.position = found.end()
        return found

    def accept(self, literal: str) -> bool:
        """Take this very text if it is next."""
        self._skip()
        if not self.text.startswith(literal, self.position):
            return False
        self.position += len(literal)
        return True

    def expect(self, literal: str) -> None:
        """Take this very text or fail."""
        if not self.accept(literal):
            raise self.error(f"expected '{literal}', got {self._here()}")

    def peek(self, literal: str) -> bool:
        """Whether this very text is next."""
        self._skip()
        return self.text.startswith(literal, self.position)

    def end(self) -> None:
        """Fail unless everything is read."""
        self._skip()
        if self.position != len(self.text):
            raise self.error(f"unexpected {self._here()}")

    def word(self) -> str:
        """An identifier: letters, digits, `_`, `$`, `.`, `-`."""
        return self.match(_WORD, "a word").group()

    def integer(self) -> int:
        """A decimal integer."""
        return self._number(self.match(_INTEGER, "an integer").group())

    def _number(self, digits: str) -> int:
        if len(digits) > _MAX_DIGITS:
            raise self.error(f"an integer of {len(digits)} digits is too large")
        return int(digits)

    def number(self) -> float:
        """A float in Python's spelling."""
        return float(self.match(_FLOAT, "a number").group())

    def boolean(self) -> bool:
        """`true` or `false`."""
        return self.choice({"true": True, "false": False})

    def string(self) -> str:
        """A quoted string with MLIR's escapes."""
        raw = self.match(_STRING, "a string").group(1)
        return unescape(raw) if "\\" in raw else raw

    def choice(self, words: Mapping[str, T]) -> T:
        """One of these words, as what it stands for."""
        word = self.word()
        if word not in words:
            self.position -= len(word)
            raise self.error(f"unexpected word '{word}'", help=nearest(word, words))
        return words[word]

    def dimensions(self) -> tuple[int, ...]:
        """`8x8`: integers with `x` between them and none after."""
        sizes = []
        while (found := self.try_match(_DIMENSION)) is not None:
            sizes.append(self._number(found.group(1)))
        return (*sizes, self.integer())

    def shape_and_type(self) -> tuple[tuple[int, ...], Type]:
        """`32x144xi8`: a shape and the type of its elements."""
        sizes = []
        while (found := self.try_match(_DIMENSION)) is not None:
            sizes.append(self._number(found.group(1)))
        return tuple(sizes), self.type()

    def sequence(self, one: Callable[[], T], opening: str = "[", closing: str = "]") -> tuple[T, ...]:
        """`[a, b]`: any number of things with commas between them."""
        self.expect(opening)
        things: list[T] = []
        while not self.accept(closing):
            if things:
                self.expect(",")
            things.append(one())
        return tuple(things)

    def type(self) -> Type:
        """Any type, a dialect's own included."""
        if self.peek("!"):
            return self._as_type(self._from_dialect())
        if self.accept("tensor<"):
            shape, element = self.shape_and_type()
            encoding = self.attribute() if self.accept(",") else None
            self.expect(">")
            return TensorType(shape, element, encoding)
        if self.peek("("):
            inputs = self.sequence(self.type, "(", ")")
            self.expect("->")
            return FunctionType(inputs, self._results())
        sign, integer, floating = self.match(_NUMBER_TYPE, "a type").groups()
        if integer:
            return IntegerType(self._number(integer), sign)
        return FloatType(self._number(floating)) if floating else INDEX

    def attribute(self) -> Attribute:
        """Any attribute, types included."""
        if self.peek('"'):
            return StringAttr(self.string())
        if self.peek("#"):
            return self._from_dialect()
        if self.accept("@"):
            return SymbolRef(self.string() if self.peek('"') else self.word())
        if self.peek("["):
            items = self.sequence(self.attribute)
            return StringArray(items) if items and all(isinstance(x, StringAttr) for x in items) else ArrayAttr(items)
        if self.accept("array<i"):
            width = self.integer()
            return IntArray(self.sequence(self.integer, ":", ">") if self.peek(":") else self._empty(), width)
        return self._plain()

    def _plain(self) -> Attribute:
        if (found := self.try_match(_INTEGER)) is not None:
            value = self._number(found.group())
            self.expect(":")
            kind = self.type()
            if not isinstance(kind, IntegerType | IndexType):
                raise self.error(f"an integer cannot be of type {kind}")
            return IntAttr(value, kind)
        for word, attribute in (("true", BoolAttr(True)), ("false", BoolAttr(False)), ("unit", UnitAttr())):
            if self.accept(word):
                return attribute
        return self.type()

    def _empty(self) -> tuple[int, ...]:
        self.expect(">")
        return ()

    def _results(self) -> tuple[Type, ...]:
        return self.sequence(self.type, "(", ")") if self.peek("(") else (self.type(),)

    def _as_type(self, attribute: Attribute) -> Type:
        assert isinstance(attribute, Type), "a '!' name is registered by a type only"
        return attribute

    def _from_dialect(self) -> Attribute:
        name = self.match(_NAME, "a dialect attribute").group()
        if name not in self.registry:
            self.position -= len(name)
            known = [other for other in self.registry if other[0] == name[0]]
            kind = "type" if name[0] == "!" else "attribute"
            raise self.error(f"unknown {kind} '{name}'", help=nearest(name, known))
        if not self.accept("<"):
            inner = Scanner("", self.registry, self.place)
            return self.registry[name](inner)
        start = self.position
        try:
            attribute = self.registry[name](self)
        except ValueError as error:
            # A constructor that refuses what it was given.
            self.position = start
            raise self.error(f"'{name}' cannot be so: {error}") from error
        self.expect(">")
        return attribute

    def _skip(self) -> None:
        blanks = _SPACE.match(self.text, self.position)
        assert blanks is not None
        self.position = blanks.end()

    def _here(self) -> str:
        return f"'{self.text[self.position : self.position + 20]}'" if self.position < len(self.text) else "the end"


def parse_float(body: Scanner) -> Attribute:
    """The body of `#bscc.float<0.1>`."""
    return FloatAttr(body.number())


def unescape(raw: str) -> str:
    """Undo `attributes.quote`, and the short escapes that people write."""

    def one(found: re.Match[bytes]) -> bytes:
        escape = found.group(1)
        return bytes.fromhex(escape.decode()) if len(escape) == 2 else _PLAIN_ESCAPES.get(escape, escape)

    return _ESCAPE.sub(one, raw.encode()).decode(errors="replace")
