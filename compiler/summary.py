"""What a plan says about itself: layers, sparsity, bounds, and the short table that ends a compilation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from compiler.encoding.work import BLOCK
from compiler.ir import Module
from compiler.mapping.balance import imbalance
from compiler.mapping.lowering import extents_of
from compiler.mapping.shapes import Layer
from compiler.target import Target
from dialects import tile

BIAS_BYTES = 4
"""A bias is int32; it must cross DDR once like a weight."""


@dataclass(frozen=True)
class LayerInfo:
    """A layer in numbers; bytes are of weights, `ddr_bytes` what must cross DDR at least once.

    `imbalance` is kept multiplications of the busiest core over the mean of all cores of the array, 1 without any;
    `equal_imbalance` what it would be in this mapping if all output blocks were equal work.
    """

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
    imbalance: float
    equal_imbalance: float

    def compute_us(self, target: Target) -> float:
        """Kept multiplications at full rate on all cores."""
        return target.microseconds(self.macs_kept / (target.core.macs_per_cycle * target.cores))

    def ddr_us(self, target: Target) -> float:
        """Compulsory bytes at full DDR bandwidth."""
        return target.microseconds(self.ddr_bytes / target.ddr_bytes_per_cycle)


def layers_of(module: Module, target: Target) -> list[LayerInfo]:
    """The layers of a module of `tile` ops, one entry for all passes of a layer."""
    runs: dict[int, list[tile.RunOp]] = {}
    for run in module.walk(tile.RunOp):
        runs.setdefault(run.layer_index, []).append(run)
    ends = _end_bytes(module, runs)
    return [_layer(module, target, index, group, ends.get(index, 0)) for index, group in sorted(runs.items())]


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


def _layer(module: Module, target: Target, index: int, runs: Sequence[tile.RunOp], end_bytes: int) -> LayerInfo:
    run, layer = runs[0], runs[0].layer
    pixels = layer.out_height * layer.out_width
    blocks = kept_weights = weights = 0
    uneven = equal = 1.0
    if layer.is_conv:
        table = module.store[f"{layer.weight}.index"]
        blocks = layer.out_blocks * layer.in_blocks * layer.taps
        outs = np.minimum(BLOCK, layer.out_channels - table[:, 0] * BLOCK)
        ins = np.minimum(BLOCK, layer.channels - table[:, 3] * BLOCK)
        per_block = np.bincount(table[:, 0], outs * ins, layer.out_blocks).astype(np.float64)
        kept_weights = int(per_block.sum())
        extents = [extents_of(one) for one in runs]
        uneven, equal = (
            imbalance(one, extents, run.mapping.rows_by, target.core_rows)
            for one in (per_block, np.ones(layer.out_blocks))
        )
        weights = layer.out_channels * layer.channels * layer.taps
    mapping = run.mapping
    ddr = layer.kept_blocks * BLOCK * BLOCK + BIAS_BYTES * layer.out_channels if layer.is_conv else 0
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
        imbalance=uneven,
        equal_imbalance=equal,
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
    """The content of sparsity.json: per convolution its blocks, why a dense one stayed dense, and imbalance."""
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
                    "imbalance": one.imbalance,
                    "equal_imbalance": one.equal_imbalance,
                }
            )
    return rows


def imbalance_of(layers: Sequence[LayerInfo]) -> float:
    """Kept multiplications of each layer's busiest core over those of a mean core, summed over layers."""
    total = sum(one.macs_kept for one in layers)
    return sum(one.imbalance * one.macs_kept for one in layers) / total if total else 1.0


def bounds_of(layers: Sequence[LayerInfo], target: Target) -> dict[str, float]:
    """Times that no plan can beat, in microseconds; the definitions are in docs/plan-format.md."""
    compute = [one.compute_us(target) for one in layers]
    ddr = [one.ddr_us(target) for one in layers]
    return {
        "compute_us": sum(compute),
        "ddr_us": sum(ddr),
        "layer_us": sum(map(max, compute, ddr)),
        "network_us": max(sum(compute), sum(ddr)),
    }
