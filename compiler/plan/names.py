"""Names, numbers and limits of docs/plan-format.md, and how a plan is refused."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from compiler.errors import Diagnostic, UnreadableInput

SCHEMA = 3
MANIFEST = "manifest.json"
CONTROL = "control.bin"
WEIGHTS = "weights.bin"
LAYERS = "layers.json"
PAPER = "paper.json"
TIMING = "timing.json"
HOST = "host.json"
COSTS = "cores/costs.json"
PROGRAM = "cores/resident.bin"
PROGRAM_LISTING = "cores/resident.s"
REQUIRED = (CONTROL, WEIGHTS, LAYERS, COSTS, PROGRAM)

CONSTANTS, INPUTS, OUTPUTS, SCRATCH = range(4)
"""DDR arguments of the kernel."""

CHANNEL_BLOCK = 8
LAYOUTS = ("NCHW", "NHWC", "FLAT")
ARGUMENT_LIMIT_BYTES = 1 << 32
MANIFEST_LIMIT_BYTES = 1 << 26

Json = Mapping[str, Any]


def json_bytes(value: object) -> bytes:
    """JSON of a plan file: sorted keys, so that equal values give equal bytes."""
    return (json.dumps(value, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()


def damaged(code: str, message: str, place: str) -> UnreadableInput:
    """Build (not raise) the refusal of a plan."""
    return UnreadableInput(Diagnostic(code, message, place))


def entry(data: Any, key: str, kind: type[Any] | tuple[type[Any], ...], place: str) -> Any:
    """The entry of a JSON object, if it is there and of the kind."""
    value = data.get(key) if isinstance(data, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise damaged("plan-manifest", f"entry '{key}' is missing or of the wrong type", place)
    return value


def entries(data: Any, keys: Iterable[str], kind: type[Any], place: str) -> dict[str, Any]:
    """Several entries of one kind."""
    return {key: entry(data, key, kind, place) for key in keys}
