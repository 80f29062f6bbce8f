"""Writing a plan directory: beside its place, then moved in when it is whole."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from compiler.errors import Diagnostic, UnreadableInput, UsageError
from compiler.plan.names import MANIFEST, SCHEMA, Json, json_bytes
from compiler.plan.reading import digests_of, inside, manifest_of


def write_plan(path: str | os.PathLike[str], files: Mapping[str, bytes], manifest: Json) -> None:
    """Write a plan with the digests of its files; it is moved in place when whole, over a plan only."""
    place = Path(os.path.abspath(path))
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    whole = {**files, MANIFEST: json_bytes({**manifest, "schema": SCHEMA, "files": digests})}
    for name in whole:
        assert inside(name), f"{name!r} is no name for a file of a plan"
    check_replaceable(place)
    try:
        with tempfile.TemporaryDirectory(prefix=f".{place.name}.", dir=place.parent) as beside:
            fresh = Path(beside) / "new"
            _write_files(fresh, whole)
            _move_in(fresh, place, Path(beside) / "old")
    except OSError as error:
        raise _unwritable(error.strerror or str(error), str(path)) from error


def check_replaceable(path: str | os.PathLike[str]) -> None:
    """Refuse a place that holds anything but a plan and its own files, or where none can be made.

    Commands ask before they work.
    """
    place = Path(path)
    parent = Path(os.path.abspath(place)).parent
    if not parent.is_dir():
        raise _unwritable(os.strerror(errno.ENOTDIR if parent.exists() else errno.ENOENT), str(path))
    if not os.access(parent, os.W_OK):
        raise _unwritable(os.strerror(errno.EACCES), str(path))
    try:
        if not os.path.lexists(place) or (place.is_dir() and not place.is_symlink() and not any(place.iterdir())):
            return
    except OSError as error:
        raise _unwritable(error.strerror or str(error), str(path)) from error
    help = "give another directory, or remove this one"
    try:
        known = {name for name, _ in digests_of(manifest_of(place), str(place))} | {MANIFEST}
    except UnreadableInput:
        raise UsageError(Diagnostic("not-a-plan", "exists and is not a plan", str(place), help=help)) from None
    if place.is_symlink():
        raise UsageError(Diagnostic("not-a-plan", "is a symbolic link", str(place), help=help))
    found = sorted(one.relative_to(place).as_posix() for one in place.rglob("*") if not one.is_dir())
    for name in found:
        if name not in known:
            text = f"holds '{name}', which is no file of the plan and would be lost"
            raise UsageError(Diagnostic("not-a-plan", text, str(place), help=help))


def _unwritable(why: str, path: str) -> UsageError:
    return UsageError(Diagnostic("unwritable", f"the plan cannot be written: {why}", path))


def _write_files(root: Path, files: Mapping[str, bytes]) -> None:
    root.mkdir()
    for name, data in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


def _move_in(fresh: Path, place: Path, old: Path) -> None:
    """Put the fresh directory in its place; if that fails the old one is put back."""
    if not place.exists():
        fresh.rename(place)
        return
    place.rename(old)
    try:
        fresh.rename(place)
    except OSError:
        old.rename(place)
        raise
    shutil.rmtree(old)
