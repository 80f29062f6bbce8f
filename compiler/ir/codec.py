"""Between Python values and attributes, as a field's annotation says.

A field may be annotated with an attribute class, or with `int`, `str`, `bool`, `float`, or with a tuple of
one of these (`tuple[int, ...]`), each of them perhaps `| None`.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Union, get_args, get_origin, get_type_hints

from compiler.ir.attributes import (
    I64,
    ArrayAttr,
    Attribute,
    BoolAttr,
    FloatAttr,
    IntArray,
    IntAttr,
    StringArray,
    StringAttr,
    Type,
)
from compiler.ir.scanner import Scanner

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_PLAIN: dict[type, type[IntAttr | StringAttr | BoolAttr | FloatAttr]] = {
    int: IntAttr,
    str: StringAttr,
    bool: BoolAttr,
    float: FloatAttr,
}


@dataclass(frozen=True)
class Codec:
    """What a field holds: values of one of `kinds`, in a tuple if `many`, perhaps absent."""

    kinds: tuple[type, ...]
    many: bool = False
    optional: bool = False

    def accepts(self, value: object) -> bool:
        """Whether a Python value may stand in the field."""
        if value is None:
            return self.optional
        if self.many:
            return isinstance(value, tuple) and all(self._accepts_one(item) for item in value)
        return self._accepts_one(value)

    def _accepts_one(self, value: object) -> bool:
        return isinstance(value, self.kinds) and (not isinstance(value, bool) or bool in self.kinds)

    def encode(self, value: object) -> Attribute:
        """The attribute of a value; what is not accepted cannot come here."""
        if not self.many:
            return _encode_one(value)
        assert isinstance(value, tuple)
        if self.kinds == (int,):
            return IntArray(value)
        items = tuple(_encode_one(item) for item in value)
        return StringArray(items) if self.kinds == (str,) and items else ArrayAttr(items)

    def decode(self, attribute: Attribute) -> object:
        """The value of an attribute, which `accepts` then judges."""
        if not self.many:
            return self._decode_one(attribute)
        if isinstance(attribute, IntArray) and int in self.kinds and attribute.width == 64:
            return attribute.values
        if isinstance(attribute, ArrayAttr):
            return tuple(self._decode_one(item) for item in attribute.items)
        return attribute

    def _decode_one(self, attribute: Attribute) -> object:
        if isinstance(attribute, self.kinds) or (isinstance(attribute, IntAttr) and attribute.type != I64):
            return attribute
        if isinstance(attribute, IntAttr | StringAttr | BoolAttr | FloatAttr):
            return attribute.value
        if attribute == ArrayAttr(()) and self.kinds == (StringArray,):
            return StringArray(())
        return attribute

    def text(self, value: object) -> str:
        """The value inside a dialect attribute's body, where numbers need no type."""
        if isinstance(value, tuple):
            return f"[{', '.join(self.text(item) for item in value)}]"
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        return repr(value) if isinstance(value, float) else _encode_one(value).text

    def parse(self, body: Scanner) -> object:
        """Read what `text` wrote."""
        return body.sequence(lambda: self._parse_one(body)) if self.many else self._parse_one(body)

    def _parse_one(self, body: Scanner) -> object:
        readers: dict[type, Callable[[], object]] = {
            int: body.integer,
            str: body.string,
            bool: body.boolean,
            float: body.number,
        }
        if self.kinds[0] in readers:
            return readers[self.kinds[0]]()
        return body.type() if issubclass(self.kinds[0], Type) else body.attribute()

    def __str__(self) -> str:
        names = " or ".join(kind.__name__ for kind in self.kinds)
        return f"tuple of {names}" if self.many else names


def _encode_one(value: object) -> Attribute:
    if isinstance(value, Attribute):
        return value
    if isinstance(value, bool):
        return BoolAttr(value)
    if isinstance(value, int):
        return IntAttr(value)
    if isinstance(value, float):
        return FloatAttr(value)
    assert isinstance(value, str), f"{value!r} has no attribute"
    return StringAttr(value)


def codec_of(hint: object) -> Codec:
    """Read a resolved annotation."""
    arguments = get_args(hint)
    if get_origin(hint) in (Union, types.UnionType):
        rest = [argument for argument in arguments if argument is not type(None)]
        parts = [codec_of(argument) for argument in rest]
        assert len({part.many for part in parts}) == 1, f"cannot mix a tuple with a single value: {hint}"
        kinds = tuple(kind for part in parts for kind in part.kinds)
        return Codec(kinds, parts[0].many, optional=len(rest) < len(arguments))
    if get_origin(hint) is tuple:
        assert arguments[1:] == (...,), f"write tuple[X, ...] and not {hint}"
        return Codec(codec_of(arguments[0]).kinds, many=True)
    kind = get_origin(hint) or hint
    assert isinstance(kind, type) and (issubclass(kind, Attribute) or kind in _PLAIN), (
        f"{hint} is neither an attribute nor int, str, bool, float or a tuple of one"
    )
    return Codec((kind,))


@cache
def _codecs(cls: type[DataclassInstance]) -> dict[str, Codec]:
    hints = get_type_hints(cls)
    return {one.name: codec_of(hints[one.name]) for one in fields(cls)}


def fields_text(value: Attribute) -> str:
    """`field = value, ...` of a frozen dataclass, absent ones left out."""
    if not is_dataclass(value):
        return ""
    present = [(name, codec, getattr(value, name)) for name, codec in _codecs(type(value)).items()]
    return ", ".join(f"{name} = {codec.text(one)}" for name, codec, one in present if one is not None)


def parse_fields(cls: type[Attribute], body: Scanner) -> Attribute:
    """Read what `fields_text` wrote; a field left out takes its default."""
    if not is_dataclass(cls):
        return cls()
    codecs = _codecs(cls)
    given: dict[str, object] = {}
    while not body.peek(">") and body.position < len(body.text):
        if given:
            body.expect(",")
        name = body.choice({key: key for key in codecs})
        body.expect("=")
        given[name] = codecs[name].parse(body)
        if not codecs[name].accepts(given[name]):
            raise body.error(f"'{name}' must be {codecs[name]}")
    for one in fields(cls):
        if one.name not in given and one.default is MISSING and one.default_factory is MISSING:
            if not codecs[one.name].optional:
                raise body.error(f"'{one.name}' is missing")
            given[one.name] = None
    value = cls(**given)
    assert isinstance(value, Attribute)
    return value
