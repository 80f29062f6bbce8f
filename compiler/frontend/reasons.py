"""Why a node cannot be translated, as facts: what of it, what is supported, what was found, what to change."""

from __future__ import annotations

from enum import StrEnum

from compiler.errors import Limit, Location, Reason

ONE_IMAGE = "give the model batch size 1"


class Code(StrEnum):
    """The kinds of refusals, which docs/host.md explains; codes are stable, sentences are not."""

    OPERATOR = "unsupported-op"
    ATTRIBUTE = "unsupported-attribute"
    TYPE = "unsupported-type"
    SHAPE = "unsupported-shape"
    INPUT = "unsupported-input"
    OUTPUT = "unsupported-output"
    LAYOUT = "memory-order"
    FLOAT = "float-op"
    QUANTISATION = "quantisation"
    SCALE = "scale"
    TABLE = "no-table"


class Refusal(Exception):
    """Why a node cannot be translated.

    `attribute`, `allowed` and `found` are the facts; the sentence is made from them where none is given. `help` says
    what to change, and is empty only where nothing sensible could be.
    """

    def __init__(
        self, code: Code, attribute: str, allowed: object, found: object, *, help: str, reason: str = ""
    ) -> None:
        self.code, self.help = code, help
        self.limit = Limit(attribute, shown(allowed), shown(found))
        self.reason = reason or str(self.limit)
        super().__init__(self.reason)

    def at(self, place: Location) -> Reason:
        """The refusal of what is at a place."""
        return Reason(self.code.value, self.reason, place, help=self.help, limit=self.limit)


def shown(value: object) -> str:
    """A value as messages have it: tuples as lists, numbers that are whole without a fraction."""
    if isinstance(value, tuple):
        return str(list(value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def independent() -> Refusal:
    """An output of the model that no input has to do with."""
    reason = "it does not depend on any input: nothing to compile"
    help = "leave this output out: it is the same each time"
    return Refusal(Code.OUTPUT, "number of inputs behind it", "at least 1", 0, help=help, reason=reason)
