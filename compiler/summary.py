"""What a plan says about itself: layers, sparsity, bounds, and the short table that ends a compilation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from compiler.encoding.work import BLOCK
from compiler.ir import Module
from compiler.mapping.shapes import Layer
from compiler.target import Target
from dialects import bsp, tile

BIAS_BYTES = 4
"""A bias is int32; it must cross DDR once like a weight."""


@dataclass(frozen=True)
class LayerInfo:
    """A layer in numbers; bytes are of weights, `ddr_bytes` what must cross DDR at least once."""

    index: int
    name: str
    layer: Layer
    mapping: Mapping[str, Any]
    macs: int
    macs_kept: int
    blocks: int
    blocks_kept: int
    weight_bytes: int
    packed_bytes: int
    ddr_bytes: int
    passes: int

    def compute_us(self, target: Target) -> float:
        """Kept multiplications at full rate on all cores."""
        return target.microseconds(self.macs_kept / (target.core.macs_per_cycle * target.cores))

    def ddr_us(self, target: Target) -> float:
        """Compulsory bytes at full DDR bandwidth."""
        return target.microseconds(self.ddr_bytes / target.ddr_bytes_per_cycle)


def layers_of(module: Module) -> list[LayerInfo]:
    """The layers of a module of `tile` ops, one entry for all passes of a layer."""
    runs: dict[int, list[tile.RunOp]] = {}
    for run in module.walk(tile.RunOp):
        runs.setdefault(run.layer_index, []).append(run)
    ends = _end_bytes(module, runs)
    found, seen = [], set()
    for index, group in sorted(runs.items()):
        weight = group[0].layer.weight
        found.append(_layer(module, index, group, ends.get(index, 0), again=weight in seen))
        seen.add(weight)
    return found


def _end_bytes(module: Module, runs: Mapping[int, Sequence[tile.RunOp]]) -> dict[int, int]:
    """Bytes of the model's inputs and outputs, by the first layer that reads or the layer that writes them."""
    found: dict[int, int] = {}
    layer_at = {run.epoch: index for index, group in runs.items() for run in group}
    for port in module.walk(tile.PortOp):
        moves = [one for one in port.buffer.users if isinstance(one, tile.LoadOp | tile.StoreOp)]
        if moves:
            index = layer_at[min(one.epoch for one in moves)]
            found[index] = found.get(index, 0) + port.buffer.type.bytes
    return found


def _layer(module: Module, index: int, runs: Sequence[tile.RunOp], end_bytes: int, again: bool) -> LayerInfo:
    """A layer; the weights that a strip uses `again` need not cross DDR once more."""
    run, layer = runs[0], runs[0].layer
    pixels = layer.out_height * layer.out_width
    blocks = kept_weights = weights = 0
    if layer.is_conv:
        table = module.store[f"{layer.weight}.index"]
        blocks = layer.out_blocks * layer.in_blocks * layer.taps
        outs = np.minimum(BLOCK, layer.out_channels - table[:, 0] * BLOCK)
        ins = np.minimum(BLOCK, layer.channels - table[:, 3] * BLOCK)
        kept_weights = int((outs.astype(np.int64) * ins).sum())
        weights = layer.out_channels * layer.channels * layer.taps
    mapping = run.mapping
    ddr = layer.kept_blocks * BLOCK * BLOCK + BIAS_BYTES * layer.out_channels if layer.is_conv and not again else 0
    return LayerInfo(
        index=index,
        name=run.title,
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
        packed_bytes=layer.kept_blocks * (BLOCK * BLOCK + 4) + 12 * BLOCK * layer.out_blocks if layer.is_conv else 0,
        ddr_bytes=ddr + end_bytes,
        passes=len(runs),
    )


def layers_json(
    layers: Sequence[LayerInfo], ranges: Sequence[Sequence[tuple[int, int]]], target: Target
) -> list[dict[str, Any]]:
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
            "ddr_bytes": one.ddr_bytes,
            "mapping": dict(one.mapping),
            "passes": one.passes,
            "compute_bound_us": one.compute_us(target),
            "ddr_bound_us": one.ddr_us(target),
            "control": [list(stretch) for stretch in ranges[one.index]],
        }
        for one in layers
    ]


def sparsity_json(layers: Sequence[LayerInfo], reasons: Mapping[str, tuple[bool, str]]) -> list[dict[str, Any]]:
    """The content of sparsity.json: per convolution its blocks, and why a dense one stayed dense."""
    rows = []
    for one in layers:
        if one.layer.is_conv:
            dense, reason = reasons.get(one.layer.weight, (False, ""))
            rows.append(
                {
                    "index": one.index,
                    "name": one.name,
                    "blocks": one.blocks,
                    "kept": one.blocks_kept,
                    "dense": dense,
                    "reason": reason,
                }
            )
    return rows


def rows_of(module: Module) -> dict[str, int]:
    """Rows of the results that a `bsp` module computes by each symbol of weights."""
    found: dict[str, int] = {}
    for conv in module.walk(bsp.Conv2dOp):
        if isinstance(conv.weight.op, bsp.WeightOp):
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
