"""A pipeline: passes with their options, in order, and its text form `a,b{x=1 y=true}`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from compiler.errors import Diagnostic, UsageError, nearest
from compiler.pass_manager.options import bad_option
from compiler.pass_manager.passes import Pass

_NAME = re.compile(r"\s*([A-Za-z][\w-]*)\s*")
_OPTION = re.compile(r'\s*([A-Za-z][\w-]*)(?:=("(?:[^"\\]|\\.)*"|[^\s"{}]*))?')
_WRAPPER = re.compile(r"\s*builtin\.module\s*\((.*)\)\s*", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True)
class PassPipeline:
    """Passes in order."""

    passes: tuple[Pass, ...] = ()

    @classmethod
    def parse(cls, text: str, registry: Sequence[type[Pass]]) -> PassPipeline:
        """Read `a,b{x=1 y=true}`; MLIR's `builtin.module(...)` around it is taken off."""
        wrapped = _WRAPPER.fullmatch(text)
        source = wrapped.group(1) if wrapped else text
        known = {one.name: one for one in registry}
        passes = []
        for name, options in _parts(source):
            if name not in known:
                message = f"there is no pass '{name}'"
                raise UsageError(Diagnostic("unknown-pass", message, help=nearest(name, known)))
            passes.append(known[name].parse(options))
        return cls(tuple(passes))

    def text(self, *, every: bool = False) -> str:
        """The text that `parse` reads back, with the options not at their default or with every one."""
        return ",".join(one.text(every=every) for one in self.passes)

    def __str__(self) -> str:
        return self.text()

    def __iter__(self) -> Iterator[Pass]:
        return iter(self.passes)

    def __len__(self) -> int:
        return len(self.passes)


def _parts(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    position = 0
    while text[position:].strip():
        name = _NAME.match(text, position)
        if name is None:
            raise _malformed(text, position, "the name of a pass")
        position = name.end()
        options: dict[str, str] = {}
        if text.startswith("{", position):
            options, position = _options(text, position + 1)
        yield name.group(1), options
        if text[position:].strip():
            if not text.startswith(",", position):
                raise _malformed(text, position, "','")
            position += 1
            if not text[position:].strip():
                raise _malformed(text, position, "the name of a pass")


def _options(text: str, position: int) -> tuple[dict[str, str], int]:
    options: dict[str, str] = {}
    while not text[position:].lstrip().startswith("}"):
        found = _OPTION.match(text, position)
        if found is None:
            raise _malformed(text, position, "an option or '}'")
        name, value = found.groups()
        if name in options:
            raise bad_option(f"option '{name}' is given twice in '{text}'")
        # A bare name switches an option on, as in MLIR.
        options[name] = "true" if value is None else _unquote(value)
        position = found.end()
    position = text.index("}", position) + 1
    while position < len(text) and text[position].isspace():
        position += 1
    return options, position


def _unquote(text: str) -> str:
    return _ESCAPE.sub(r"\1", text[1:-1]) if text.startswith('"') else text


def _malformed(text: str, position: int, expected: str) -> UsageError:
    got = f"'{text[position : position + 20]}'" if text[position:].strip() else "the end"
    message = f"expected {expected}, got {got} at character {position + 1} of the pipeline"
    return UsageError(Diagnostic("pipeline-syntax", message, help="a pipeline is written a,b{x=1 y=true}"))
