"""Bit fields, each declared once as a dataclass attribute, by which records encode, decode and print."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from compiler.encoding.faults import fault

WORD_BITS = 32
WORD_LIMIT = (1 << WORD_BITS) - 1
_KEY = "bits"
_DECODED_RECORDS_KEPT = 1 << 16

Words = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Piece:
    """Bits hi..lo of one 32-bit word, both ends included, as register manuals write them."""

    word: int
    hi: int
    lo: int

    @property
    def width(self) -> int:
        """Number of bits."""
        return self.hi - self.lo + 1

    @property
    def mask(self) -> int:
        """The bits of the word that belong to this piece."""
        return ((1 << self.width) - 1) << self.lo


@dataclass(frozen=True)
class Bits:
    """value = choices[stored] if there are choices, else stored * scale + bias.

    Pieces come low part first; a `shown` field is listed even when it holds its default.
    """

    pieces: tuple[Piece, ...]
    signed: bool = False
    bias: int = 0
    scale: int = 1
    maximum: int | None = None
    choices: tuple[int, ...] = ()
    shown: bool = False

    @cached_property
    def width(self) -> int:
        """Number of stored bits in all pieces together."""
        return sum(piece.width for piece in self.pieces)

    def limits(self) -> tuple[int, int]:
        """The least and the greatest value (not stored bits) that the field takes."""
        if self.choices:
            return min(self.choices), max(self.choices)
        low = -(1 << (self.width - 1)) if self.signed else 0
        high = low + (1 << self.width) - 1
        most = high * self.scale + self.bias
        return low * self.scale + self.bias, most if self.maximum is None else min(most, self.maximum)

    def allows(self, value: int) -> bool:
        """Whether the value has a stored form."""
        if self.choices:
            return value in self.choices
        low, high = self.limits()
        return low <= value <= high and (value - self.bias) % self.scale == 0

    def store(self, value: int) -> int:
        """The stored bits of an allowed value, two's complement where signed."""
        if self.choices:
            return self.choices.index(value)
        return ((value - self.bias) // self.scale) & ((1 << self.width) - 1)

    def load(self, stored: int) -> int | None:
        """The value of stored bits, None for a code that no choice stands for."""
        if self.choices:
            return self.choices[stored] if stored < len(self.choices) else None
        if self.signed and stored >> (self.width - 1):
            stored -= 1 << self.width
        return stored * self.scale + self.bias

    def rule(self) -> str:
        """The limits in words, for error messages."""
        if self.choices:
            return "one of " + ", ".join(map(str, self.choices))
        low, high = self.limits()
        return f"{low}..{high}" + (f" in steps of {self.scale}" if self.scale > 1 else "")


def bits(
    word: int,
    hi: int,
    lo: int,
    *,
    signed: bool = False,
    bias: int = 0,
    maximum: int | None = None,
    default: int | None = None,
    shown: bool = False,
) -> int:
    """Declare an integer attribute in bits hi..lo of a word; it defaults to what stored zeros mean."""
    declared = Bits((Piece(word, hi, lo),), signed=signed, bias=bias, maximum=maximum, shown=shown)
    return field(default=bias if default is None else default, metadata={_KEY: declared})


def flag(word: int, bit: int, *, default: bool = False) -> bool:
    """Declare a one-bit attribute that reads as True or False."""
    return field(default=default, metadata={_KEY: Bits((Piece(word, bit, bit),))})


def choice(word: int, hi: int, lo: int, choices: tuple[int, ...]) -> int:
    """Declare an attribute stored as the position of its value among the choices, the first by default."""
    return field(default=choices[0], metadata={_KEY: Bits((Piece(word, hi, lo),), choices=choices)})


def joined(*pieces: tuple[int, int, int], scale: int = 1) -> int:
    """Declare an unsigned attribute spread over (word, hi, lo) pieces, low first, stored divided by scale."""
    declared = Bits(tuple(Piece(*piece) for piece in pieces), scale=scale)
    return field(default=0, metadata={_KEY: declared})


class Fixed(NamedTuple):
    """Bits that always hold one number, such as an opcode: written by encode, required by decode."""

    word: int
    hi: int
    lo: int
    value: int


class _Column(NamedTuple):
    """One attribute with its bits and limits unpacked for speed."""

    name: str
    bits: Bits
    low: int
    high: int
    plain: bool
    is_flag: bool
    parts: tuple[tuple[int, int, int, int], ...]


class _Layout(NamedTuple):
    """All that encode and decode need to know of a record class."""

    columns: tuple[_Column, ...]
    base: tuple[int, ...]
    fixed: tuple[tuple[int, int, int], ...]
    unused: tuple[int, ...]


def _column(name: str, declared: Bits, is_flag: bool) -> _Column:
    parts, shift = [], 0
    for piece in declared.pieces:
        parts.append((piece.word, piece.lo, shift, (1 << piece.width) - 1))
        shift += piece.width
    low, high = declared.limits()
    plain = not declared.choices and declared.scale == 1
    return _Column(name, declared, low, high, plain, is_flag, tuple(parts))


_LAYOUTS: dict[type["Record"], _Layout] = {}
_DECODED: dict[tuple[type["Record"], tuple[int, ...]], "Record"] = {}


def _layout(record: type["Record"]) -> _Layout:
    """The layout of a record class, worked out at its first use, when its attributes are known."""
    known = _LAYOUTS.get(record)
    return _LAYOUTS.setdefault(record, _work_out(record)) if known is None else known


def _work_out(record: type["Record"]) -> _Layout:
    columns = tuple(
        _column(item.name, item.metadata[_KEY], isinstance(item.default, bool))
        for item in fields(record)  # type: ignore[arg-type]  # every subclass is a dataclass
    )
    base, used = [0] * record.WORDS, [0] * record.WORDS
    fixed = tuple((word, Piece(word, hi, lo).mask, value << lo) for word, hi, lo, value in record.FIXED)
    claims = [(word, mask) for word, mask, _ in fixed]
    claims += [(piece.word, piece.mask) for column in columns for piece in column.bits.pieces]
    for word, mask in claims:
        assert not used[word] & mask, f"{record.__name__}: two fields claim the same bits of word {word}"
        used[word] |= mask
    for word, _, value in fixed:
        base[word] |= value
    return _Layout(columns, tuple(base), fixed, tuple(WORD_LIMIT & ~mask for mask in used))


def _decode(record: type["Record"], words: tuple[int, ...]) -> "Record":
    layout = _layout(record)
    _check_words(record, layout, words)
    values: dict[str, int] = {}
    for name, declared, _, _, plain, is_flag, parts in layout.columns:
        stored = 0
        for word, lo, shift, mask in parts:
            stored |= ((words[word] >> lo) & mask) << shift
        value = stored + declared.bias if plain and not declared.signed else declared.load(stored)
        if value is None:
            raise fault("field-range", f"{record.__name__}.{name} holds {stored}, which means nothing")
        values[name] = bool(value) if is_flag else value
    return record(**values)


def _check_words(record: type["Record"], layout: _Layout, words: tuple[int, ...]) -> None:
    """Refuse a wrong number of words, a wrong constant and a set bit that no field owns."""
    name = record.__name__
    if len(words) != record.WORDS:
        raise fault("field-words", f"{name} has {record.WORDS} words, got {len(words)}")
    for position, word in enumerate(words):
        if not 0 <= word <= WORD_LIMIT:
            raise fault("field-words", f"{name} word {position} is {word}, not an unsigned 32-bit word")
        if word & layout.unused[position]:
            stray = word & layout.unused[position]
            raise fault("field-reserved", f"{name} word {position} is 0x{word:08x}: bits 0x{stray:08x} are reserved")
    for position, mask, value in layout.fixed:
        if words[position] & mask != value:
            raise fault("field-fixed", f"{name} word {position} is 0x{words[position]:08x}, expected 0x{value:08x}")


class Record:
    """Base of all records: frozen keyword-only dataclasses whose attributes are all bit fields."""

    WORDS: ClassVar[int] = 1
    FIXED: ClassVar[tuple[Fixed, ...]] = ()

    def __post_init__(self) -> None:
        for name, declared, low, high, plain, _, _ in _layout(type(self)).columns:
            value = getattr(self, name)
            if not low <= value <= high or not (plain or declared.allows(value)):
                text = f"{type(self).__name__}.{name} is {value}, allowed: {declared.rule()}"
                raise fault("field-range", text, help=f"the field has {declared.width} bits")

    def encode(self) -> tuple[int, ...]:
        """The record as unsigned 32-bit words."""
        layout = _layout(type(self))
        words = list(layout.base)
        for name, declared, _, _, _, _, parts in layout.columns:
            stored = declared.store(int(getattr(self, name)))
            for word, lo, shift, mask in parts:
                words[word] |= ((stored >> shift) & mask) << lo
        return tuple(words)

    @classmethod
    def decode(cls, words: Sequence[int] | Words) -> Self:
        """The record that encodes to exactly these words; equal words give the same object."""
        key = cls, tuple(map(int, words))
        record = _DECODED.get(key)
        if record is None:
            if len(_DECODED) >= _DECODED_RECORDS_KEPT:
                _DECODED.clear()
            record = _DECODED[key] = _decode(*key)
        assert isinstance(record, cls)
        return record

    @classmethod
    def limits(cls, name: str) -> tuple[int, int]:
        """The least and the greatest value of an attribute, so that passes ask and repeat no width."""
        return cls.declaration(name).limits()

    @classmethod
    def declaration(cls, name: str) -> Bits:
        """The declaration of one attribute."""
        return next(column.bits for column in _layout(cls).columns if column.name == name)

    def summary(self) -> str:
        """Attributes that are `shown` or differ from their defaults, `bd=3 repeat=4 token`, for listings."""
        parts = []
        for item in fields(self):  # type: ignore[arg-type]  # every subclass is a dataclass
            value = getattr(self, item.name)
            if value == item.default and not item.metadata[_KEY].shown:
                continue
            if isinstance(item.default, bool):
                parts.append(item.name if value else f"no-{item.name}")
            else:
                parts.append(f"{item.name}={value}")
        return " ".join(parts)


def encode_all(records: Iterable[Record]) -> Words:
    """Words of many records one after another, as they lie in a block write."""
    return np.array([word for record in records for word in record.encode()], dtype=np.uint32)
