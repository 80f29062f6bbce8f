"""Sizes of work packets, known before their bytes are made."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compiler.ir import Module
from compiler.kernels.packets import CALL_BYTES, HEADER_BYTES
from compiler.mapping.memory import round_up
from compiler.mapping.network import Node, column_extents
from compiler.mapping.program import Step, Work, column_steps
from compiler.target import Target


def kept_sums(node: Node, module: Module) -> NDArray[np.int64]:
    """Kept blocks in output blocks [0, i) and input blocks [0, j), as a table of i and j."""
    layer = node.layer
    sums = np.zeros((layer.out_blocks + 1, layer.in_blocks + 1), np.int64)
    if layer.is_conv:
        index = module.store[f"{layer.weight}.index"]
        places = index[:, 0] * layer.in_blocks + index[:, 3]
        counts = np.bincount(places, minlength=layer.out_blocks * layer.in_blocks)
        sums[1:, 1:] = counts.reshape(layer.out_blocks, layer.in_blocks).cumsum(0).cumsum(1)
    return sums


def packet_bytes(node: Node, target: Target, module: Module, piece: int) -> int:
    """The size of the largest work packet of a pass, rounded to 64 bytes."""
    assert node.mapping is not None
    layer, mapping = node.layer, node.mapping
    work = Work(layer, tuple(one.storage for one in node.inputs), node.output.storage)
    sums = kept_sums(node, module)
    scales = len(module.store[f"{layer.params}.count"]) if layer.kernel == "avg_pool" else 0
    most = 0
    seen: set[tuple[object, ...]] = set()
    for extent in column_extents(node, target.columns, piece):
        if extent.empty:
            continue
        steps = column_steps(work, mapping, extent, target.core_rows)
        lists = target.core_rows if mapping.rows_by == "rows" else 1
        calls = max(len(step.calls) for row in steps for step in row)
        for step in (step for row in steps for step in row):
            key = (step.out_blocks, step.in_blocks)
            if key in seen:
                continue
            seen.add(key)
            size = HEADER_BYTES + lists * calls * CALL_BYTES + _body(step, sums, layer.is_conv)
            if scales:
                size += 12 * scales + 4 * mapping.width + 4 * lists * calls * mapping.rows
            most = max(most, size)
    return round_up(most)


def _body(step: Step, sums: NDArray[np.int64], is_conv: bool) -> int:
    (a, b), (c, d) = step.out_blocks, step.in_blocks
    if not is_conv:
        return 8
    kept = int(sums[b, d] - sums[a, d] - sums[b, c] + sums[a, c])
    return 4 * (b - a) + 96 * (b - a) + 68 * kept
