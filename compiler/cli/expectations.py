"""`--verify-diagnostics`: compare the errors of a run with those that comments in the text announce.

A comment `// expected-error@+1 {{part of the message}}` means the line after; `@-1`, `@above`, `@below`,
`@12` (that line), `@unknown` (no line) and nothing (this line) work as with mlir-opt.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from compiler.errors import BsccError, Diagnostic, FileLocation

_COMMENT = re.compile(r"expected-error(?:@([+-]?[0-9]{1,9}|above|below|unknown))?\s*\{\{(.*?)\}\}")
_RELATIVE = {"above": -1, "below": 1}


@dataclass(frozen=True)
class Expectation:
    """One announced error; line 0 means that it has no line."""

    line: int
    text: str
    written: FileLocation

    def meets(self, found: Diagnostic) -> bool:
        """Whether this is the error that was announced."""
        line = found.place.line if isinstance(found.place, FileLocation) else 0
        return line == self.line and self.text in f"error[{found.code}]: {found.message}"


def expectations(text: str, file: str) -> list[Expectation]:
    """Every announcement in a text."""
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        for comment in _COMMENT.finditer(line):
            where, message = comment.groups()
            place = FileLocation(file, number, comment.start() + 1)
            found.append(Expectation(_line(number, where), message, place))
    return found


def _line(number: int, where: str | None) -> int:
    if where is None:
        return number
    if where in _RELATIVE:
        return number + _RELATIVE[where]
    if where == "unknown":
        return 0
    return number + int(where) if where[0] in "+-" else int(where)


def check_expectations(text: str, file: str, found: Sequence[Diagnostic]) -> list[BsccError]:
    """No error, or one with every announced message that did not come and every one unannounced."""
    awaited = expectations(text, file)
    wrong: list[Diagnostic] = []
    for one in found:
        match = next((other for other in awaited if other.meets(one)), None)
        if match is None:
            note = f"error[{one.code}]: {one.message}"
            wrong.append(Diagnostic("unexpected-diagnostic", "no comment announces this", one.place, (note,)))
        else:
            awaited.remove(match)
    for left in awaited:
        wrong.append(Diagnostic("missing-diagnostic", f"the error '{left.text}' did not come", left.written))
    return [BsccError(*wrong).with_source(file, text)] if wrong else []
