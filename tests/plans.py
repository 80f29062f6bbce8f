"""A small plan directory, and ways to damage it."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from compiler.backend.emit import header_of
from compiler.encoding.costs import KernelCosts
from compiler.encoding.transaction import TransactionWriter
from compiler.plan import json_bytes, write_plan
from compiler.target import Target

COSTS = KernelCosts(**dict.fromkeys((one.name for one in fields(KernelCosts)), 7))
STORAGE = {"rows": 2, "width": 3, "channels": 3, "top": 1, "bottom": 0, "left": 1, "right": 2, "slack": 1, "pad": 7}


def tensor(name: str, **changes: Any) -> dict[str, Any]:
    """The manifest entry of a float32 image of 3 channels, 2 rows and 3 pixels."""
    return {
        "name": name,
        "onnx_shape": [1, 3, 2, 3],
        "layout": "NCHW",
        "host_type": "float32",
        "type": "int8",
        "scale": 0.5,
        "zero": 3,
        "offset": 0,
        "storage": STORAGE,
    } | changes


def empty_control(target: Target) -> bytes:
    """A control stream without operations."""
    return TransactionWriter(header_of(target)).finish()


def parts(target: str = "aie2-2x2") -> tuple[dict[str, bytes], dict[str, Any]]:
    """Files and manifest of a plan that does nothing."""
    machine = Target.load(target)
    files = {
        "control.bin": empty_control(machine),
        "weights.bin": bytes(range(64)),
        "cores/costs.json": json_bytes(COSTS.to_dict()),
        "cores/resident.bin": bytes(16),
        "layers.json": json_bytes([{"name": "conv", "control": []}]),
        "ir/nn.mlir": b"module\n",
    }
    manifest = {
        "tool": "bscc 0.1.0",
        "target": machine.to_dict(),
        "arguments": [64, 256, 256, 0],
        "inputs": [tensor("x")],
        "outputs": [tensor("y")],
    }
    return files, manifest


def small_plan(place: Path) -> Path:
    """Write the plan."""
    write_plan(place, *parts())
    return place


def edit_manifest(place: Path, **entries: Any) -> None:
    """Change the manifest of a plan on disk."""
    file = place / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | entries))
