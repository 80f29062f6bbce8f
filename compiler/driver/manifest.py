"""The manifest of a plan: what was asked, of which model, and where inputs and outputs lie."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from compiler import VERSION
from compiler.driver.options import Options
from compiler.frontend import Graph
from compiler.ir import Module
from compiler.plan import SCHEMA
from compiler.target import Target
from dialects import tile


def heading(model: Path, options: Options, target: Target, pipeline: str, batch: int) -> dict[str, Any]:
    """The entries that every manifest has, of a plan and of each of its parts."""
    return {
        "schema": SCHEMA,
        "tool": {"name": "bscc", "version": VERSION},
        "target": target.to_dict(),
        "options": {
            "target": options.target,
            "sparsity": options.sparsity,
            "cost_model": options.cost_model,
            "shapes": {name: list(shape) for name, shape in options.shapes.items()},
            "outputs": list(options.outputs),
        },
        "pipeline": pipeline,
        "batch": batch,
        "model": {"name": model.name, "sha256": hashlib.sha256(model.read_bytes()).hexdigest()},
    }


def array_entries(module: Module, sizes: Sequence[int]) -> dict[str, Any]:
    """What only the array needs: the sizes of the DDR arguments, and the ports in them."""
    ports = list(module.walk(tile.PortOp))
    return {
        "arguments": list(sizes),
        "inputs": [_port(one) for one in ports if one.direction == "input"],
        "outputs": [_port(one) for one in ports if one.direction == "output"],
    }


def with_files(manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> dict[str, Any]:
    """The manifest with the digest of every file of the plan."""
    return {**manifest, "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}}


def tensors_of(graph: Graph, names: Iterable[str]) -> list[dict[str, Any]]:
    """Tensors between parts as the host sees them; a shape that depends on the data is null."""
    shapes = [(name, graph.shapes.get(name)) for name in names]
    return [
        {"name": name, "onnx_shape": None if shape is None else list(shape), "host_type": graph.dtypes[name]}
        for name, shape in shapes
    ]


def unused_entries(graph: Graph) -> dict[str, Any]:
    """Inputs of the model that nothing reads, if there are any: a session takes them and does nothing with them."""
    readers = graph.readers()
    unused = [name for name in graph.inputs if name not in readers and name not in graph.outputs]
    return {"unused": tensors_of(graph, unused)} if unused else {}


def _port(port: tile.PortOp) -> dict[str, Any]:
    alloc = port.buffer.op
    assert isinstance(alloc, tile.AllocOp)
    held = alloc.storage
    return {
        "name": port.onnx_name,
        "onnx_shape": list(port.onnx_shape),
        "layout": port.layout.value.upper(),
        "host_type": port.host_type,
        "type": port.quant.dtype,
        "scale": port.quant.scale,
        "zero": port.quant.zero,
        "offset": alloc.offset,
        "storage": {
            "rows": held.height,
            "width": held.width,
            "channels": held.channels,
            "top": held.top,
            "bottom": held.bottom,
            "left": held.left,
            "right": held.right,
            "slack": held.slack,
            "pad": held.pad,
        },
    }
