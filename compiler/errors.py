"""Diagnostics, locations and the error classes whose exit codes are the documented ones.

Every message has one shape: `place: error[code]: what, with both numbers`, then the source line and a caret,
then notes, then help.  A user's mistake is a `BsccError`; anything else that escapes is a bug of ours.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self


class Location:
    """Where something comes from; `str()` is the place as a message shows it."""


@dataclass(frozen=True)
class UnknownLocation(Location):
    """Nowhere known: what is built by hand and not read from a file."""

    def __str__(self) -> str:
        return ""


UNKNOWN = UnknownLocation()


@dataclass(frozen=True)
class FileLocation(Location):
    """A character of a text file; line and column count from one, and line 0 means the file as a whole."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True)
class NodeLocation(Location):
    """A node of an ONNX graph, which is what the user knows by name."""

    name: str
    op_type: str = ""
    file: str = ""

    def __str__(self) -> str:
        place = f"{self.file}: " if self.file else ""
        kind = f" ({self.op_type})" if self.op_type else ""
        return f"{place}node '{self.name}'{kind}"


@dataclass(frozen=True)
class FusedLocation(Location):
    """Several places that became one operation, the first being the main one."""

    parts: tuple[Location, ...]

    def __str__(self) -> str:
        return " and ".join(str(part) for part in self.parts)


def fuse(*locations: Location) -> Location:
    """Join places into one, flat, in order, each once and without unknown ones."""
    flat: dict[Location, None] = {}
    for location in locations:
        parts = location.parts if isinstance(location, FusedLocation) else (location,)
        flat.update(dict.fromkeys(part for part in parts if part != UNKNOWN))
    if not flat:
        return UNKNOWN
    return next(iter(flat)) if len(flat) == 1 else FusedLocation(tuple(flat))


_CARET = re.compile(r'"(?:[^"\\]|\\.)*"|[%@!#^]?[\w.$-]+|.')


_SHOWN, _BEFORE = 2000, 100
"""Characters of a long line that are shown, and how many of them before the place."""


def _cut(text: str, start: int) -> tuple[str, int]:
    """A line, or what is shown of a long one, and where character `start` is in it."""
    if len(text) <= _SHOWN:
        return text, start
    first = max(0, start - _BEFORE)
    before, behind = "..." * (first > 0), "..." * (len(text) > first + _SHOWN)
    return f"{before}{text[first : first + _SHOWN]}{behind}", start - first + len(before)


@dataclass(frozen=True)
class Limit:
    """What of a node, or of a model, is beyond what is done, as data; `str()` is the sentence that says so.

    `attribute` is a noun that "its" can stand before: `mode`, `input type`, `number of scales`.
    """

    attribute: str
    allowed: str
    found: str

    def __str__(self) -> str:
        head = self.attribute.partition(" of ")[0]
        verb = "are" if head.endswith("s") and not head.endswith(("is", "ss", "ias")) else "is"
        return f"its {self.attribute} {verb} {self.found}, expected {self.allowed}"


@dataclass(frozen=True)
class Diagnostic:
    """One message; `source` is the whole source line that the place points into, when it is known."""

    code: str
    message: str
    place: str | Location = UNKNOWN
    notes: tuple[str, ...] = ()
    help: str = ""
    source: str = ""
    limit: Limit | None = None

    def __str__(self) -> str:
        place = str(self.place)
        lines = [f"{place}: " * bool(place) + f"error[{self.code}]: {self.message}"]
        if self.source:
            lines += self._excerpt()
        lines += [f"  note: {note}" for note in self.notes]
        lines += [f"  help: {self.help}"] * bool(self.help)
        return "\n".join(lines)

    def _excerpt(self) -> list[str]:
        """The line, or the part of it around its place if it is long, and a caret below the word meant."""
        text = self.source.strip()
        if not isinstance(self.place, FileLocation) or not self.place.column:
            return [f"  {_cut(text, 0)[0]}"]
        start = self.place.column - 1 - (len(self.source) - len(self.source.lstrip()))
        if start < 0:
            return [f"  {_cut(text, 0)[0]}"]
        token = _CARET.match(text, start)
        text, at = _cut(text, start)
        # Tabs stay tabs, so that the caret is below its character however wide they are shown.
        margin = "".join("\t" if char == "\t" else " " for char in text[:at])
        carets = min(len(token.group()), max(1, len(text) - at)) if token else 1
        return [f"  {text}", f"  {margin}" + "^" * carets]

    def with_source(self, file: str, text: str) -> Diagnostic:
        """Add the line that the place points at, if it points into this text."""
        place = self.place
        if self.source or not isinstance(place, FileLocation) or place.file != file or not place.line:
            return self
        lines = [line.removesuffix("\r") for line in text.split("\n")]
        return replace(self, source=lines[place.line - 1]) if place.line <= len(lines) else self


@dataclass(frozen=True)
class Reason(Diagnostic):
    """Why something cannot be done, as a sentence and as data: what each node of the host has."""

    limit: Limit = field(kw_only=True)

    @classmethod
    def of(cls, diagnostic: Diagnostic) -> Reason:
        """A diagnostic with the facts that it has; one that holds but a sentence gives that as what was found."""
        if isinstance(diagnostic, Reason):
            return diagnostic
        limit = diagnostic.limit or Limit(diagnostic.code, "what the array can do", diagnostic.message)
        one = diagnostic
        return cls(one.code, one.message, one.place, one.notes, one.help, one.source, limit=limit)


class BsccError(Exception):
    """An error to show to the user: one diagnostic or several, and the exit code of the command."""

    exit_code: ClassVar[int] = 1

    def __init__(self, first: Diagnostic, *more: Diagnostic) -> None:
        super().__init__(first, *more)
        self.diagnostics: tuple[Diagnostic, ...] = (first, *more)

    @property
    def diagnostic(self) -> Diagnostic:
        """The first, and mostly the only, diagnostic."""
        return self.diagnostics[0]

    def __str__(self) -> str:
        return "\n".join(str(diagnostic) for diagnostic in self.diagnostics)

    def with_source(self, file: str, text: str) -> Self:
        """The same error whose diagnostics show the source lines they point at."""
        return type(self)(*(diagnostic.with_source(file, text) for diagnostic in self.diagnostics))


class InternalError(BsccError):
    """A bug of bscc: a pass broke a rule of the IR, a promise was not kept."""

    exit_code: ClassVar[int] = 1


class UsageError(BsccError):
    """The command line or an option is wrong."""

    exit_code: ClassVar[int] = 2


class UnreadableInput(BsccError):
    """A file is missing, broken or not what it says it is."""

    exit_code: ClassVar[int] = 3


class IRError(UnreadableInput):
    """IR text or an operation breaks a rule; read from a file it is unreadable input.

    When a pass makes such an operation the pass manager turns it into an `InternalError`.
    """


class RefusedModel(BsccError):
    """The model is well formed and cannot be compiled, for reasons that are told as data, too."""

    diagnostics: tuple[Reason, ...]

    def __init__(self, first: Reason, *more: Reason) -> None:
        super().__init__(first, *more)

    @property
    def diagnostic(self) -> Reason:
        """The first reason."""
        return self.diagnostics[0]


class UnsupportedModel(RefusedModel):
    """The model uses what bscc does not do."""

    exit_code: ClassVar[int] = 4


class DoesNotFit(RefusedModel):
    """The model is supported but too large for the target."""

    exit_code: ClassVar[int] = 5


class NumericalMismatch(BsccError):
    """Two computations that must agree bit for bit do not."""

    exit_code: ClassVar[int] = 6


class SimulationFault(BsccError):
    """The simulated machine did what hardware would hang or corrupt on."""

    exit_code: ClassVar[int] = 7


class TrainingFailed(BsccError):
    """A training was begun as asked and cannot go on: its loss is no number any more."""

    exit_code: ClassVar[int] = 8


MOST_LISTED = 40
"""Known words that a help text lists: all options of a command are fewer, the tensors of a model may be thousands."""


def nearest(word: str, known: Iterable[str]) -> str:
    """A help text that suggests the known word most like this one, and lists them, the first MOST_LISTED of many."""
    names = list(known)
    if not names:
        return "none is known"
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    more = len(names) - MOST_LISTED
    listing = "known: " + ", ".join(names[:MOST_LISTED]) + f" and {more} more" * (more > 0)
    return f"did you mean '{close[0]}'? {listing}" if close else listing
