"""Files of a command: text and bytes in, and results that appear whole, all of them or none."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from compiler.errors import Diagnostic, UnreadableInput, UsageError

STREAM = "-"
"""The name of stdin and stdout."""


def read_bytes(path: str) -> bytes:
    """The bytes of a file, or of stdin for `-`."""
    try:
        return sys.stdin.buffer.read() if path == STREAM else Path(path).read_bytes()
    except OSError as error:
        raise UnreadableInput(Diagnostic("unreadable", f"cannot read the file: {error.strerror}", path)) from error


def read_text(path: str) -> str:
    r"""UTF-8 text, with or without a mark at its beginning; lines that end with \r\n end with \n."""
    try:
        return read_bytes(path).decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        text = f"cannot read the file: it is not UTF-8 text, byte {error.start} is {error.object[error.start]:#04x}"
        raise UnreadableInput(Diagnostic("unreadable", text, path)) from error


def write_text(path: str, text: str) -> None:
    """Write a whole file or none, or stdout for `-`."""
    if path == STREAM:
        sys.stdout.write(text)
    else:
        write_files([(path, text.encode())])


def write_files(results: Iterable[tuple[str, bytes]]) -> None:
    """Write all files or none; what goes to stdout, `-`, goes there when they are in place."""
    results = list(results)
    parts: list[_Part] = []
    try:
        for path, data in results:
            if path != STREAM:
                parts.append(_Part.of(path, data))
        for part in parts:
            part.put()
    finally:
        for part in parts:
            part.drop()
    for path, data in results:
        if path == STREAM:
            sys.stdout.flush()
            sys.stdout.buffer.write(data)


def check_writable(paths: Iterable[str]) -> None:
    """Refuse what can be seen to be no place for a file; commands ask before they work."""
    for path in paths:
        if path != STREAM:
            with _said(path):
                _target(path)


def check_apart(option: str, path: str, read: Mapping[str, str | None], plan: str | None = None) -> None:
    """Refuse to write what `option` asks for over a file that the command reads, named by what it is to the user, or
    into a plan, which holds its own files only."""
    if path == STREAM or _is_special(Path(path)):
        return
    place = Path(os.path.realpath(path))
    if plan is not None and Path(os.path.realpath(plan)) in (place, *place.parents):
        help = "give a place outside: a plan holds its own files only"
        raise UsageError(Diagnostic("usage", f"{option} '{path}' lies in the plan", help=help))
    for what, source in read.items():
        if source is not None and place == Path(os.path.realpath(source)):
            raise UsageError(Diagnostic("usage", f"{option} '{path}' is {what}", help="give another place"))


@dataclass
class _Part:
    """A file beside its place, to be moved in; what is no plain file (a pipe, /dev/null) is written where it is."""

    path: str
    target: Path
    beside: Path | None
    data: bytes

    @classmethod
    def of(cls, path: str, data: bytes) -> _Part:
        with _said(path):
            target = _target(path)
            if _is_special(target):
                return cls(path, target, None, data)
            part = cls(path, target, target.with_name(f".bscc-{secrets.token_hex(8)}"), data)
            try:
                part._write()
            except OSError:
                part.drop()
                raise
            return part

    def _write(self) -> None:
        """Write beside the place, with the mode of the file that is there."""
        assert self.beside is not None
        with self.beside.open("xb") as file:
            file.write(self.data)
        if self.target.exists():
            self.beside.chmod(stat.S_IMODE(self.target.stat().st_mode))

    def put(self) -> None:
        """Make the file be there."""
        with _said(self.path):
            if self.beside is None:
                self.target.write_bytes(self.data)
            else:
                self.beside.replace(self.target)

    def drop(self) -> None:
        """Remove what was not moved in."""
        if self.beside is not None:
            self.beside.unlink(missing_ok=True)


def _target(path: str) -> Path:
    """The file that a path means, behind symbolic links; an OSError if it cannot be written."""
    target = Path(path)
    if not _is_special(target):
        target = Path(os.path.realpath(path))
        if target.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        if not target.parent.is_dir():
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        _check_access(target.parent)
    if target.is_dir():
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if target.exists():
        _check_access(target)
    return target


def _is_special(target: Path) -> bool:
    """Whether a path is there and is neither a file nor a directory: a pipe, a device, /dev/stdout."""
    return target.exists() and not target.is_file() and not target.is_dir()


def _check_access(place: Path) -> None:
    if not os.access(place, os.W_OK):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))


@contextmanager
def _said(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"cannot write the file: {error.strerror}"
        raise UsageError(Diagnostic("unwritable", message, path)) from error
