"""The commands, one small file each; here is what they share.

Data goes to stdout and talk to stderr; a user's mistake is a message and an exit code, never a traceback.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from compiler.errors import BsccError, Diagnostic, UnreadableInput, UsageError, nearest


class CommandParser(argparse.ArgumentParser):
    """`argparse` that raises `UsageError`, takes no abbreviations and suggests the nearest option."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(
            prog,
            description=description,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def error(self, message: str) -> NoReturn:
        raise UsageError(Diagnostic("usage", message, help=f"'{self.prog} --help' lists the options"))

    def known_options(self) -> list[str]:
        """Every option that starts with two hyphens and is shown in the help."""
        return [
            option
            for action in self._actions
            if action.help != argparse.SUPPRESS
            for option in action.option_strings
            if option.startswith("--")
        ]

    def parse(self, argv: Sequence[str] | None) -> argparse.Namespace:
        """Parse, with an error for what is not known."""
        options, rest = self.parse_known_args(argv)
        if rest:
            word = rest[0].partition("=")[0]
            if not word.startswith("-"):
                self.error(f"unexpected argument '{word}'")
            help = nearest(word, self.known_options())
            raise UsageError(Diagnostic("unknown-option", f"unknown option '{word}'", help=help))
        return options


INTERRUPTED = 130  # what a shell reports of a command ended by SIGINT


def guarded(body: Callable[[], int]) -> int:
    """Run a command; show an error as a message and give its exit code."""
    try:
        return body()
    except BsccError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone (`| head`); let the flush at exit not complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def read_text(path: str) -> str:
    """The text of a file, or of stdin for `-`."""
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UnreadableInput(Diagnostic("unreadable", f"cannot read the file: {why}", path)) from error


def write_text(path: str, text: str) -> None:
    """Write a file, or stdout for `-`."""
    if path == "-":
        sys.stdout.write(text)
        return
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        message = f"cannot write the file: {error.strerror}"
        raise UsageError(Diagnostic("unwritable", message, path)) from error
