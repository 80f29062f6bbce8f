"""Attributes: immutable values with equality and a text form that MLIR prints back unchanged."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property


class Attribute:
    """A compile-time value; `text` is its one spelling."""

    @cached_property
    def text(self) -> str:
        """The attribute as it stands in IR text, computed once because types repeat a thousand times."""
        return self.spell()

    def spell(self) -> str:
        """Compute `text`."""
        raise NotImplementedError(type(self).__name__)

    def __str__(self) -> str:
        return self.text


class Type(Attribute):
    """What a value may be; a type can stand wherever an attribute can."""


@dataclass(frozen=True)
class IntegerType(Type):
    """`i8` has no sign of its own, `ui8` is unsigned, `si8` signed."""

    width: int
    sign: str = ""

    def spell(self) -> str:
        return f"{self.sign}i{self.width}"


@dataclass(frozen=True)
class FloatType(Type):
    """`f32` and its like; only the host computes with them."""

    width: int

    def spell(self) -> str:
        return f"f{self.width}"


@dataclass(frozen=True)
class IndexType(Type):
    """The type of loop counters."""

    def spell(self) -> str:
        return "index"


@dataclass(frozen=True)
class TensorType(Type):
    """A dense tensor of known shape; `encoding` says more, such as quantisation or layout."""

    shape: tuple[int, ...]
    element: Type
    encoding: Attribute | None = None

    def spell(self) -> str:
        dimensions = "".join(f"{size}x" for size in self.shape)
        encoding = f", {self.encoding.text}" if self.encoding is not None else ""
        return f"tensor<{dimensions}{self.element.text}{encoding}>"

    @property
    def elements(self) -> int:
        """How many numbers the tensor holds."""
        count = 1
        for size in self.shape:
            count *= size
        return count


@dataclass(frozen=True)
class FunctionType(Type):
    """The types a function takes and gives."""

    inputs: tuple[Type, ...]
    results: tuple[Type, ...]

    def spell(self) -> str:
        return f"({', '.join(one.text for one in self.inputs)}) -> {results_text(self.results)}"


def results_text(types: tuple[Type, ...]) -> str:
    """One result stands bare, any other number in parentheses, as MLIR writes it."""
    if len(types) == 1 and not isinstance(types[0], FunctionType):
        return types[0].text
    return f"({', '.join(one.text for one in types)})"


I1, I8, I16, I32, I64 = (IntegerType(width) for width in (1, 8, 16, 32, 64))
UI8 = IntegerType(8, "u")
F32 = FloatType(32)
INDEX = IndexType()


@dataclass(frozen=True)
class IntAttr(Attribute):
    """`5 : i64`; integers are always typed because xDSL and MLIR disagree on bare ones."""

    value: int
    type: Type = I64

    def spell(self) -> str:
        return f"{self.value} : {self.type.text}"


@dataclass(frozen=True)
class BoolAttr(Attribute):
    """`true` or `false`."""

    value: bool

    def spell(self) -> str:
        return "true" if self.value else "false"


@dataclass(frozen=True)
class StringAttr(Attribute):
    """`"text"`."""

    value: str

    def spell(self) -> str:
        return quote(self.value)


@dataclass(frozen=True)
class SymbolRef(Attribute):
    """`@name`, a reference to the operation whose `sym_name` it is."""

    value: str

    def spell(self) -> str:
        return f"@{self.value}"


@dataclass(frozen=True)
class UnitAttr(Attribute):
    """Present or absent; in a dictionary the key stands alone."""

    def spell(self) -> str:
        return "unit"


@dataclass(frozen=True)
class IntArray(Attribute):
    """`array<i64: 1, 2>`."""

    values: tuple[int, ...]
    width: int = 64

    def spell(self) -> str:
        numbers = f": {', '.join(map(str, self.values))}" if self.values else ""
        return f"array<i{self.width}{numbers}>"


@dataclass(frozen=True)
class ArrayAttr(Attribute):
    """`["a", "b"]` or `[#x.y<1>, #x.y<2>]`: attributes of one kind, in order."""

    items: tuple[Attribute, ...]

    def spell(self) -> str:
        return f"[{', '.join(item.text for item in self.items)}]"


@dataclass(frozen=True)
class StringArray(ArrayAttr):
    """An array of strings: `StringArray.of("a", "b")`; a field `tuple[str, ...]` is mostly handier."""

    @classmethod
    def of(cls, *values: str) -> StringArray:
        return cls(tuple(StringAttr(value) for value in values))

    @property
    def values(self) -> tuple[str, ...]:
        return tuple(item.value for item in self.items if isinstance(item, StringAttr))


@dataclass(frozen=True)
class FloatAttr(Attribute):
    """`#bscc.float<0.1>`: Python's spelling, in a body because MLIR and xDSL spell floats differently."""

    value: float

    def spell(self) -> str:
        return f"#bscc.float<{self.value!r}>"


def quote(text: str) -> str:
    """MLIR's own escapes: a backslash doubled, anything unprintable as two upper-case hex digits a byte."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    parts = []
    for byte in text.encode():
        char = chr(byte)
        parts.append("\\\\" if char == "\\" else char if 32 <= byte < 127 and char != '"' else f"\\{byte:02X}")
    return f'"{"".join(parts)}"'
