"""The options of a pass: fields of a dataclass, between their values and the words of a command line."""

from __future__ import annotations

import dataclasses
import re
import types
from enum import Enum
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from compiler.errors import Diagnostic, UsageError, nearest

T = TypeVar("T")
_BARE = re.compile(r"[^\s\"{}=]+")


def option(default: T, *, help: str = "") -> T:
    """A field of a pass that the command line can set."""
    field: Any = dataclasses.field(default=default, metadata={"help": help})
    value: T = field
    return value


def option_name(field: str) -> str:
    """`double_buffer` is `double-buffer` on the command line."""
    return field.replace("_", "-")


def option_type(cls: type, field: str) -> Any:
    """The resolved annotation of an option."""
    return get_type_hints(cls)[field]


def bad_option(message: str, help: str = "") -> UsageError:
    """The error of an option that is unknown or malformed."""
    return UsageError(Diagnostic("pass-option", message, help=help))


def parse_option(name: str, hint: Any, text: str) -> Any:
    """The value that a text means for an option of this type."""
    arguments = get_args(hint)
    if get_origin(hint) in (Union, types.UnionType):
        if text == "none":
            return None
        return parse_option(name, next(one for one in arguments if one is not type(None)), text)
    if get_origin(hint) is tuple:
        return tuple(parse_option(name, arguments[0], one) for one in text.split(",")) if text else ()
    if hint is bool:
        if text not in ("true", "false"):
            raise bad_option(f"{name} is '{text}', expected true or false")
        return text == "true"
    if isinstance(hint, type) and issubclass(hint, Enum):
        words = {str(member.value): member for member in hint}
        if text not in words:
            raise bad_option(f"{name} is '{text}'", nearest(text, words))
        return words[text]
    assert hint in (int, float, str), f"{name}: an option cannot be {hint}"
    try:
        return hint(text)
    except ValueError:
        what = "an integer" if hint is int else "a number"
        raise bad_option(f"{name} is '{text}', expected {what}") from None


def print_option(value: object) -> str:
    """The text that `parse_option` reads back."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return print_option(value.value)
    if isinstance(value, tuple):
        return ",".join(print_option(one) for one in value) or '""'
    text = str(value)
    return text if _BARE.fullmatch(text) else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
