"""What a plan says about itself: layers, sparsity, bounds, and the short table that ends a compilation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from compiler.blocks import blocks_in_groups, distinct
from compiler.encoding.work import BLOCK
from compiler.errors import (
    Diagnostic,
    FusedLocation,
    Limit,
    Location,
    NodeLocation,
    Reason,
    UnsupportedModel,
    UsageError,
)
from compiler.ir import Module, Op, Value
from compiler.mapping.balance import imbalance
from compiler.mapping.packing import extents_of
from compiler.mapping.shapes import Layer
from compiler.target import Target
from dialects import bsp, tile

BIAS_BYTES = 4
"""A bias is int32; it must cross DDR once like a weight."""


@dataclass(frozen=True)
class LayerInfo:
    """A layer in numbers; bytes are of weights, `read_bytes` and `written_bytes` what DDR must give and take.

    `nodes` are the ONNX nodes that it does the work of, the main one first.
    docs/plan-format.md has the definitions of these two and of the bounds.  `imbalance` is kept multiplications of the
    busiest core over the mean of all cores of the array, 1 without any; `equal_imbalance` what it would be in this
    mapping if all output blocks were equal work.
    """

    index: int
    name: str
    nodes: tuple[str, ...]
    layer: Layer
    mapping: Mapping[str, Any]
    macs: int
    macs_kept: int
    blocks: int
    blocks_kept: int
    weight_bytes: int
    packed_bytes: int
    read_bytes: int
    written_bytes: int
    passes: int
    imbalance: float
    equal_imbalance: float

    def compute_us(self, target: Target) -> float:
        """Kept multiplications at full rate on all cores."""
        return target.microseconds(self.macs_kept / (target.core.macs_per_cycle * target.cores))

    def ddr_us(self, target: Target) -> float:
        """Compulsory bytes at full DDR bandwidth."""
        return target.microseconds(target.ddr_cycles(self.read_bytes, self.written_bytes))

    def bound_us(self, target: Target) -> float:
        """The larger of the two."""
        return max(self.compute_us(target), self.ddr_us(target))


def layers_of(module: Module, target: Target) -> list[LayerInfo]:
    """The layers of a module of `tile` ops, one entry for all passes of a layer."""
    runs: dict[int, list[tile.RunOp]] = {}
    for run in module.walk(tile.RunOp):
        runs.setdefault(run.layer_index, []).append(run)
    ends = _end_bytes(module, runs)
    room = target.columns * target.memory_tile.bytes
    found, seen = [], set()
    for index, group in sorted(runs.items()):
        weight = group[0].layer.weight
        end = ends.get(index, _Ends())
        found.append(_layer(module, target, index, group, end, room, again=weight in seen))
        seen.add(weight)
    return found


@dataclass
class _Ends:
    """Bytes of the model's inputs that a layer is the first to read, and of the outputs that it writes."""

    inputs: int = 0
    outputs: int = 0


def _end_bytes(module: Module, runs: Mapping[int, Sequence[tile.RunOp]]) -> dict[int, _Ends]:
    """Those of each layer that has any; channels count as in the model, without borders."""
    found: dict[int, _Ends] = {}
    layer_at = {run.epoch: index for index, group in runs.items() for run in group}
    for port in module.walk(tile.PortOp):
        moves = [one for one in port.buffer.users if isinstance(one, tile.LoadOp | tile.StoreOp)]
        if moves:
            ends = found.setdefault(layer_at[min(one.epoch for one in moves)], _Ends())
            held = _alloc(port.buffer).storage
            size = held.height * held.width * held.channels
            if port.direction == "input":
                ends.inputs += size
            else:
                ends.outputs += size
    return found


def _nodes_of(place: Location) -> tuple[str, ...]:
    parts = place.parts if isinstance(place, FusedLocation) else (place,)
    return tuple(one.name for one in parts if isinstance(one, NodeLocation))


def _alloc(buffer: Value[tile.BufferType]) -> tile.AllocOp:
    assert isinstance(buffer.op, tile.AllocOp)
    return buffer.op


def _activation_bytes(run: tile.RunOp, ends: _Ends, room: int) -> tuple[int, int]:
    """What DDR must give and take of activations, if layers run one by one and `room` is all that stays on chip."""
    layer, held = run.layer, _alloc(run.inputs[0]).storage
    result = layer.out_height * layer.out_width * layer.out_channels
    first, last = layer.in_rows(0, layer.out_height)
    operands = [min(held.height, last - first) * held.width * layer.channels, *[result] * (layer.operands - 1)]
    read = sum(max(0, size - room) for size in operands)
    return max(ends.inputs, read), max(ends.outputs, result - room, 0)


def _layer(
    module: Module,
    target: Target,
    index: int,
    runs: Sequence[tile.RunOp],
    ends: _Ends,
    room: int,
    again: bool,
) -> LayerInfo:
    """A layer; the weights that a strip uses `again` need not cross DDR once more."""
    run, layer = runs[0], runs[0].layer
    pixels = layer.out_height * layer.out_width
    blocks = kept_weights = weights = stored = 0
    uneven = equal = 1.0
    if layer.weighted:
        whole = module.store[f"{layer.weight}.index"]
        table, stored = distinct(whole), len(whole)
        pairs = blocks_in_groups(layer.out_channels, layer.channels, layer.group or 1)
        blocks = int((pairs > 0).sum()) * layer.taps
        per_block = np.bincount(table[:, 0], pairs[table[:, 0], table[:, 3]], layer.out_blocks).astype(np.float64)
        kept_weights = int(per_block.sum())
        extents = [extents_of(one) for one in runs]
        uneven, equal = (
            imbalance(one, extents, run.mapping.rows_by, target.core_rows)
            for one in (per_block, np.ones(layer.out_blocks))
        )
        weights = layer.weights
    mapping = run.mapping
    loads = layer.weighted and not again
    block_bytes = BLOCK * BLOCK if layer.is_conv else BLOCK
    constants = layer.kept_blocks * block_bytes + BIAS_BYTES * layer.out_channels if loads else 0
    read, written = _activation_bytes(run, ends, room)
    return LayerInfo(
        index=index,
        name=run.title,
        nodes=_nodes_of(run.loc),
        layer=layer,
        mapping={
            "columns_by": mapping.columns_by,
            "rows_by": mapping.rows_by,
            "tile_rows": mapping.rows,
            "tile_width": mapping.width,
            "out_blocks": mapping.out_blocks,
            "in_blocks": mapping.in_blocks,
            "window_rows": mapping.window_rows,
        },
        macs=weights * pixels,
        macs_kept=kept_weights * pixels,
        blocks=blocks,
        blocks_kept=layer.kept_blocks,
        weight_bytes=weights,
        packed_bytes=stored * (BLOCK * BLOCK + 4) + 12 * BLOCK * layer.out_blocks if layer.weighted else 0,
        read_bytes=constants + read,
        written_bytes=written,
        passes=len(runs),
        imbalance=uneven,
        equal_imbalance=equal,
    )


def layers_json(layers: Sequence[LayerInfo], ranges: Sequence[Sequence[tuple[int, int]]]) -> list[dict[str, Any]]:
    """The content of layers.json."""
    return [
        {
            "index": one.index,
            "name": one.name,
            "kind": one.layer.kernel,
            "out_shape": [one.layer.out_height, one.layer.out_width, one.layer.out_channels],
            "in_channels": one.layer.channels,
            "window": list(one.layer.window),
            "strides": list(one.layer.strides),
            "macs": one.macs,
            "macs_kept": one.macs_kept,
            "weight_bytes": one.weight_bytes,
            "packed_bytes": one.packed_bytes,
            "mapping": dict(one.mapping),
            "passes": one.passes,
            "control": [list(stretch) for stretch in ranges[one.index]],
        }
        for one in layers
    ]


def check_some_zero(layers: Sequence[LayerInfo]) -> None:
    """Refuse a network of which zero blocks are required and none is zero."""
    blocks = sum(one.blocks for one in layers)
    if blocks == sum(one.blocks_kept for one in layers):
        text = f"zero blocks are required, and none of the {blocks} blocks of weights is zero"
        help = "--prune 0.5 zeroes half of them, to see what that gains; --sparsity auto takes what there is"
        limit = Limit("number of zero blocks", f"1 or more of {blocks}", "0")
        raise UnsupportedModel(Reason("no-zero-blocks", text, help=help, limit=limit))


def sparsity_json(layers: Sequence[LayerInfo], reasons: Mapping[str, tuple[bool, str]]) -> list[dict[str, Any]]:
    """The content of sparsity.json: per convolution its blocks, why a dense one stayed dense, and imbalance."""
    rows = []
    for one in layers:
        if one.layer.weighted:
            dense, reason = reasons.get(one.layer.weight, (False, ""))
            rows.append(
                {
                    "index": one.index,
                    "name": one.name,
                    "blocks": one.blocks,
                    "kept": one.blocks_kept,
                    "dense": dense,
                    "reason": reason,
                    "imbalance": one.imbalance,
                    "equal_imbalance": one.equal_imbalance,
                }
            )
    return rows


def imbalance_of(layers: Sequence[LayerInfo]) -> float:
    """Kept multiplications of each layer's busiest core over those of a mean core, summed over layers."""
    total = sum(one.macs_kept for one in layers)
    return sum(one.imbalance * one.macs_kept for one in layers) / total if total else 1.0


def bounds_json(layers: Sequence[LayerInfo], rows: Mapping[str, int], target: Target) -> dict[str, Any]:
    """The content of bounds.json: bounds of the model, and what each layer adds to them."""
    parts = [
        {
            "index": one.index,
            "name": one.name,
            "macs_kept": one.macs_kept,
            "read_bytes": one.read_bytes,
            "written_bytes": one.written_bytes,
            "compute_us": one.compute_us(target),
            "ddr_us": one.ddr_us(target),
            "layer_us": one.bound_us(target),
        }
        for one in layers
    ]
    return {"schema": 1, "target": target.name, **bounds_of(layers, rows, target), "layers": parts}


def rows_of(module: Module) -> dict[str, int]:
    """Rows of the results that a `bsp` module computes by each symbol of weights."""
    found: dict[str, int] = {}
    for conv in module.walk(Op):
        if isinstance(conv, bsp.Conv2dOp | bsp.DepthwiseOp) and isinstance(conv.weight.op, bsp.WeightOp):
            symbol = conv.weight.op.symbol
            found[symbol] = found.get(symbol, 0) + conv.y.type.shape[1]
    return found


def bounds_of(layers: Sequence[LayerInfo], rows: Mapping[str, int], target: Target) -> dict[str, float]:
    """Times that no plan can beat, in microseconds; the definitions are in docs/plan-format.md.

    Strips of a layer are one, and of `rows`, by symbol of weights, each counts once: what strips compute again is left
    out.
    """
    made: dict[str, int] = {}
    for one in layers:
        made[one.layer.weight] = made.get(one.layer.weight, 0) + one.layer.out_height
    compute: dict[tuple[str, str], float] = {}
    ddr: dict[tuple[str, str], float] = {}
    for one in layers:
        weight = one.layer.weight
        key = (weight, "") if weight else (one.name, str(one.index))
        share = rows[weight] / made[weight] if weight in rows else 1.0
        compute[key] = compute.get(key, 0.0) + share * one.compute_us(target)
        ddr[key] = ddr.get(key, 0.0) + one.ddr_us(target)
    return {
        "compute_us": sum(compute.values()),
        "ddr_us": sum(ddr.values()),
        "layer_us": sum(max(compute[key], ddr[key]) for key in compute),
        "network_us": max(sum(compute.values()), sum(ddr.values())),
    }


def asked_batch(asked: int, images: int) -> int:
    """The images whose time is reported: those of the model, or as many as `--batch` says where it takes any number."""
    if asked and images not in (0, asked):
        text = f"the model takes {images} image{'s' * (images > 1)}, --batch says {asked}"
        help = "only a model whose images stay apart, and whose first dimension is symbolic, takes any number"
        raise UsageError(Diagnostic("batch", text, help=help))
    return asked or max(images, 1)
