"""The commands, one small file each; here is what they share.

Data goes to stdout and talk to stderr; a user's mistake is a message and an exit code, never a traceback.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from compiler.errors import BsccError, Diagnostic, UsageError, nearest

PLACES = ("FILE", "DIR", "PLAN")
"""What an option's value is called if it names a file or a directory."""


class CommandParser(argparse.ArgumentParser):
    """`argparse` that raises `UsageError`, takes no abbreviations and suggests the nearest option."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(
            prog,
            description=description,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def add_argument(self, *names: Any, **settings: Any) -> argparse.Action:
        """As in `argparse`; the name of a file or directory, and what is to be run, must not be empty."""
        if settings.get("metavar") in (*PLACES, "WHAT", "TENSOR"):
            settings["type"] = _filled(settings.get("type", str))
        return super().add_argument(*names, **settings)

    def error(self, message: str) -> NoReturn:
        raise UsageError(Diagnostic("usage", message, help=f"'{self.prog} --help' lists the options"))

    def _print_message(self, message: str, file: Any = None) -> None:
        """Help and version; a stdout that is full is an error here too."""
        (file or sys.stderr).write(message)

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


def _filled(kind: Callable[[str], object]) -> Callable[[str], object]:
    def read(text: str) -> object:
        if not text:
            raise argparse.ArgumentTypeError("the value is empty")
        return kind(text)

    return read


INTERRUPTED = 130  # what a shell reports of a command ended by SIGINT


def guarded(body: Callable[[], int], most: int | None = None) -> int:
    """Run a command; show an error as a message, of at most `most` diagnostics, and give its exit code."""
    code = 0
    try:
        code = _code(body, most)
        sys.stdout.flush()
    except BrokenPipeError:
        _silence_stdout()  # its reader has gone (`| head`)
    except OSError as error:
        if error.filename is not None:  # no write: those name no file
            raise
        _silence_stdout()
        say(str(Diagnostic("unwritable", f"cannot write to stdout: {error.strerror}")))
        code = code or UsageError.exit_code
    return code


def _code(body: Callable[[], int], most: int | None) -> int:
    try:
        return body()
    except BsccError as error:
        say(shown(error, most))
        return error.exit_code
    except KeyboardInterrupt:
        say("interrupted")
        return INTERRUPTED
    except SystemExit:  # --help and --version
        sys.stdout.flush()
        raise


def shown(error: BsccError, most: int | None = None) -> str:
    """An error as text, with `most` of its diagnostics and the number of the others."""
    found = error.diagnostics[:most]
    more = [f"and {len(error.diagnostics) - len(found)} more"] if len(found) < len(error.diagnostics) else []
    return "\n".join([*map(str, found), *more])


def say(text: str) -> None:
    """Talk, if anyone can listen."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def _silence_stdout() -> None:
    """Let the flush at exit not complain again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
