"""Sizes of work packets, known before their bytes are made."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compiler.ir import Module
from compiler.kernels.packets import CALL_BYTES, HEADER_BYTES
from compiler.mapping.memory import round_up
from compiler.mapping.network import Node, column_extents
from compiler.mapping.program import Part, chunks, divide, input_parts
from compiler.mapping.shapes import Mapping
from compiler.target import Target

MAX_WORK_SLOTS = 16
"""Steps of work whose packets a memory tile holds at most; more would only lie there."""


def kept_sums(node: Node, module: Module) -> NDArray[np.int64]:
    """Kept blocks in output blocks [0, i), input blocks [0, j) and window rows [0, k), as a table of i, j, k."""
    layer = node.layer
    shape = layer.out_blocks, layer.in_blocks, layer.window[0]
    sums = np.zeros([size + 1 for size in shape], np.int64)
    if layer.is_conv:
        index = module.store[f"{layer.weight}.index"]
        places = np.ravel_multi_index((index[:, 0], index[:, 3], index[:, 1]), shape)
        counts = np.bincount(places, minlength=int(np.prod(shape)))
        sums[1:, 1:, 1:] = counts.reshape(shape).cumsum(0).cumsum(1).cumsum(2)
    return sums


def packet_bytes(node: Node, target: Target, module: Module, piece: int) -> int:
    """The size of the largest work packet of a pass, rounded to 64 bytes."""
    assert node.mapping is not None
    layer, mapping = node.layer, node.mapping
    sums = kept_sums(node, module)
    scales = len(module.store[f"{layer.params}.count"]) if layer.kernel == "avg_pool" else 0
    lists = target.core_rows if mapping.rows_by == "rows" else 1
    ins = input_parts(layer, mapping) if layer.is_conv else [Part((0, 0), (0, 0))]
    sizes = [0]
    for extent in column_extents(node, target.columns, piece):
        shares = [divide(extent, mapping.rows_by, target.core_rows, row) for row in range(target.core_rows)]
        tiles = max(-(-max(0, share.rows[1] - share.rows[0]) // mapping.rows) for share in shares)
        calls = 1 if len(ins) > 1 else tiles
        fixed = HEADER_BYTES + lists * calls * CALL_BYTES
        if scales:
            fixed += 12 * scales + 4 * mapping.width + 4 * lists * calls * mapping.rows
        outs = {one for share in shares for one in chunks(*share.blocks, mapping.out_blocks)}
        sizes += [fixed + _body(out, inner, sums, layer.is_conv) for out in outs for inner in ins]
    return round_up(max(sizes))


def _body(out: tuple[int, int], part: Part, sums: NDArray[np.int64], is_conv: bool) -> int:
    """Counts, scales, table and blocks of a convolution; multiplier and shift of the rest."""
    if not is_conv:
        return 8
    (a, b), (c, d) = out, part.blocks
    plane = sums[:, :, part.window[1]] - sums[:, :, part.window[0]]
    kept = int(plane[b, d] - plane[a, d] - plane[b, c] + plane[a, c])
    return 4 * (b - a) + 96 * (b - a) + 68 * kept


def senders_of(mapping: Mapping, target: Target) -> int:
    """Packets of one step of work: one for all cores of a column, or one for each."""
    return 1 if mapping.rows_by == "rows" else target.core_rows


def slots_of(mapping: Mapping, target: Target, packet: int, budget: int) -> int:
    """Steps of work whose packets wait in a memory tile: as many as the budget allows, one at least."""
    senders = senders_of(mapping, target)
    # A lock counts the packets of all slots and ends at 63.
    return max(1, min(budget // (packet * senders), MAX_WORK_SLOTS, 63 // senders))


def work_slots(mapping: Mapping, target: Target, packet: int, budget: int) -> int:
    """The same in packets."""
    return slots_of(mapping, target, packet, budget) * senders_of(mapping, target)
