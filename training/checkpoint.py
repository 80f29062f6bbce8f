"""Checkpoints: whole or not there at all, and read without running anything that is in them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from compiler.errors import Diagnostic, UnreadableInput, UsageError

SCHEMA = "bscc-checkpoint/1"


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
        said = (error.strerror or error) if isinstance(error, OSError) else str(error).splitlines()[0]
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
        text = f"it is no checkpoint: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        raise UnreadableInput(Diagnostic("checkpoint", text, str(path), help="remove it to begin anew")) from None
    found = state.pop("schema", None) if isinstance(state, dict) else None
    if found != SCHEMA:
        text = f"its schema is {found!r}, expected '{SCHEMA}'"
        raise UnreadableInput(Diagnostic("checkpoint", text, str(path), help="remove it to begin anew"))
    return dict(state)
