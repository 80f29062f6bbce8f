"""Checkpoints: whole or not there at all, and read without running anything that is in them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn

from compiler.errors import Diagnostic, UnreadableInput, UsageError

SCHEMA = "bscc-checkpoint/1"
LONGEST = 100
"""Characters of a setting that are shown."""


def save(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint beside its place and move it there: a full disk leaves the last one as it was."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            with beside.open("wb") as file:
                torch.save({"schema": SCHEMA, **state}, file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except (OSError, RuntimeError) as error:  # torch reports a failed write of its archive as a RuntimeError
        cause = error if isinstance(error, OSError) else error.__context__
        said = cause.strerror if isinstance(cause, OSError) and cause.strerror else "there may be no room for it"
        kept = "the last good checkpoint is kept" if path.exists() else "there is none yet"
        text = f"cannot write the checkpoint: {said}; {kept}"
        help = "make room and run the same command again: it goes on from the last checkpoint"
        raise UsageError(Diagnostic("checkpoint-unwritable", text, str(path), help=help)) from error


def load(path: Path) -> dict[str, Any]:
    """A checkpoint's state."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        text = f"cannot read the checkpoint: {error.strerror or error}"
        raise UnreadableInput(Diagnostic("checkpoint", text, str(path))) from None
    except Exception as error:  # torch raises pickle, zip and runtime errors of many kinds
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        # What torch says of pickles ends with the advice to run what is in the file.
        text = "it is no checkpoint" if "weights_only" in said else f"it is no checkpoint: {said}"
        raise UnreadableInput(Diagnostic("checkpoint", text, str(path), help="remove it to begin anew")) from None
    found = state.pop("schema", None) if isinstance(state, dict) else None
    if found != SCHEMA:
        text = f"its schema is {found!r}, expected '{SCHEMA}'"
        raise UnreadableInput(Diagnostic("checkpoint", text, str(path), help="remove it to begin anew"))
    return dict(state)


def load_weights(model: nn.Module, path: Path) -> None:
    """Give a model the weights of a checkpoint."""
    try:
        model.load_state_dict(load(path).get("model", {}))
    except RuntimeError as error:  # torch has no error of its own for this
        said = tuple(line.strip() for line in str(error).splitlines()[:4])
        text = "the checkpoint is of another network, of images of other channels, or of other classes"
        raise UsageError(Diagnostic("checkpoint", text, str(path), said)) from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """The folder of a run, made if there is none, for this process alone: two would overwrite each other's files.

    The lock is the folder's own, and ends with the process, however that ends.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        text = f"cannot make the folder of the run: {error.strerror}"
        raise UsageError(Diagnostic("run-folder", text, str(folder), help="--run says where it is")) from None
    try:
        with suppress(OSError):  # some network file systems have no locks: then nothing can be refused
            try:
                fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                help = "wait until it is done, or give another folder"
                text = "another process is training in this folder"
                raise UsageError(Diagnostic("run-busy", text, str(folder), help=help)) from None
        yield
    finally:
        os.close(place)


def digest(model: nn.Module) -> str:
    """The SHA-256 of the weights that are trained."""
    found = hashlib.sha256()
    for name, one in model.named_parameters():
        found.update(name.encode())
        found.update(one.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def differences(then: str, now: str) -> tuple[str, ...]:
    """The fields, `lr is 0.02, was 0.01`, in which two settings differ, as `repr` writes them."""
    before, after = _fields(then), _fields(now)
    if not before or list(before) != list(after):
        return (f"it is {_cut(now)}, was {_cut(then)}",)
    return tuple(f"{name} is {_cut(value)}, was {_cut(before[name])}" for name, value in after.items()
                 if value != before[name])  # fmt: skip


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _fields(text: str, prefix: str = "") -> dict[str, str]:
    """`Name(a=1, b=Other(c=2))` as {a: 1, b.c: 2}; nothing if it is no such text."""
    match = re.fullmatch(r"\w+\((\w+=.*)\)", text)
    if match is None:
        return {}
    found: dict[str, str] = {}
    for part in _parts(match[1]):
        name, _, value = part.partition("=")
        found |= _fields(value, f"{prefix}{name}.") or {f"{prefix}{name}": value}
    return found


def _parts(text: str) -> list[str]:
    """What commas part that are in no brackets."""
    parts, depth = [""], 0
    for char in text:
        depth += (char in "([{") - (char in ")]}")
        if char == "," and not depth:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts]
