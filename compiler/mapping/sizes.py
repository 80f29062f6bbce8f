"""Bytes of tiles and of work packets, known before a packet is made; the search and the lowering ask here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from compiler.encoding.work import BLOCK, GROUP_BYTES, LANES, SET
from compiler.ir import Module
from compiler.kernels.packets import Sections, sections_of
from compiler.mapping.lanes import lanes_of
from compiler.mapping.means import Means
from compiler.mapping.memory import round_up
from compiler.mapping.network import Node, column_extents
from compiler.mapping.program import Part, chunks, divide, parts_of
from compiler.mapping.shapes import Layer, Mapping, Storage, groups_of
from compiler.target import Target


@dataclass(frozen=True)
class TileSizes:
    """What one call of a mapping receives, makes and sends, in groups and bytes; the border is that of a corner."""

    groups: int
    in_bytes: int
    second_bytes: int
    tile_bytes: int
    border_bytes: int
    out_room: int
    acc_bytes: int

    @property
    def act_bytes(self) -> int:
        """Bytes of the activation packet."""
        return self.in_bytes + self.second_bytes

    @property
    def out_bytes(self) -> int:
        """Bytes of the out slot that results, what is computed past them, and the border behind them need."""
        return max(self.out_room, round_up(self.tile_bytes + self.border_bytes, GROUP_BYTES))


def tile_sizes(layer: Layer, mapping: Mapping, output: Storage) -> TileSizes:
    """The sizes of a mapping's largest tiles."""
    lanes = lanes_of(layer, mapping.width)
    high = (mapping.rows - 1) * layer.strides[0] + (mapping.window_rows - 1) * layer.dilations[0] + 1
    blocks = mapping.out_blocks
    groups = mapping.rows * lanes.wide
    sets = -(-groups // SET)
    tile = groups * blocks * GROUP_BYTES
    return TileSizes(
        groups=groups,
        in_bytes=high * (mapping.in_blocks if layer.is_conv else blocks) * lanes.row_bytes,
        second_bytes=tile if layer.operands == 2 else 0,
        tile_bytes=tile,
        border_bytes=_border_pixels(mapping, output) * blocks * BLOCK,
        out_room=max(_room(mapping.rows, one, blocks) for one in (mapping.width, output.width % mapping.width) if one),
        acc_bytes=sets * SET * LANES * BLOCK * 4 * blocks,
    )


def _room(rows: int, width: int, blocks: int) -> int:
    """Bytes of a tile with what is stored past it: whole sets of each block, as more rows would be, and of the tile."""
    wide = groups_of(width)
    row, group = divmod(round_up(rows * wide, SET) - 1, wide)
    last = (row * blocks + blocks - 1) * wide + group
    return max(last + 1, round_up(rows * wide * blocks, SET)) * GROUP_BYTES


def _border_pixels(mapping: Mapping, output: Storage) -> int:
    """Border pixels of a block that the tile with most of them brings."""
    if not output.bordered:
        return 0
    right = output.pitch - output.left - output.width
    high = output.top + output.bottom if mapping.rows >= output.height else max(output.top, output.bottom)
    sides = output.left + right if mapping.width >= output.width else max(output.left, right)
    return mapping.rows * sides + high * (mapping.width + sides)


def packet_bytes(node: Node, target: Target, module: Module, piece: int) -> int:
    """The size of the largest work packet of a pass, rounded to 64 bytes."""
    sums = kept_sums(node, module)
    return round_up(max((one.bytes for one in _packets(node, target, module, piece, sums)), default=0))


def _packets(node: Node, target: Target, module: Module, piece: int, sums: NDArray[np.int64]) -> Iterator[Sections]:
    """What the packets of a pass hold."""
    layer, mapping = node.layer, node.mapping
    assert mapping is not None
    lists = target.core_rows if mapping.rows_by == "rows" else 1
    source = node.inputs[0]
    means = Means.of(layer, (source.height, source.storage.width), module) if layer.kernel == "avg_pool" else None
    width, rows = min(mapping.width, layer.out_width), mapping.rows
    for extent in column_extents(node, target.columns, piece):
        shares = [divide(extent, mapping.rows_by, target.core_rows, row) for row in range(target.core_rows)]
        tiles = [chunks(*share.rows, rows) for share in shares]
        outs = {one for share in shares for one in chunks(*share.blocks, mapping.out_blocks)}
        parts = parts_of(layer, mapping, (0, 0))
        calls = lists * (1 if len(parts) > 1 else max(map(len, tiles)))
        scales = max_scale_bytes(means, tiles, layer.out_width, width, len(parts)) if means else 0
        for out in sorted(outs):
            for part in parts:
                taps = max((part.window[1] - part.window[0]) * layer.window[1], mapping.least_periods)
                periods = kept_periods(sums, out, part, mapping.least_periods) if layer.is_conv else 0
                yield sections_of(layer, calls, rows, width, out[1] - out[0], taps, periods, scales)


def max_scale_bytes(means: Means, tiles: list[list[tuple[int, int]]], wide: int, width: int, parts: int) -> int:
    """Bytes of the factors of means in the packet that holds most: all tiles of a column, or one of each core."""
    rounds = list(zip_longest(*tiles)) if parts > 1 else [[tile for row in tiles for tile in row]]
    groups = [[tile for tile in one if tile is not None] for one in rounds]
    return max((means.scales(one, span).data.size for one in groups for span in chunks(0, wide, width)), default=0)


def kept_sums(node: Node, module: Module) -> NDArray[np.int64]:
    """Kept blocks of each output block in input blocks [0, j) and window rows [0, k), as a table of i, j, k."""
    layer = node.layer
    shape = layer.out_blocks, layer.in_blocks, layer.window[0]
    sums = np.zeros((shape[0], shape[1] + 1, shape[2] + 1), np.int64)
    if layer.is_conv:
        index = module.store[f"{layer.weight}.index"]
        places = np.ravel_multi_index((index[:, 0], index[:, 3], index[:, 1]), shape)
        counts = np.bincount(places, minlength=int(np.prod(shape)))
        sums[:, 1:, 1:] = counts.reshape(shape).cumsum(1).cumsum(2)
    return sums


def kept_periods(sums: NDArray[np.int64], out: tuple[int, int], part: Part, least: int) -> int:
    """Table entries of some output blocks: kept blocks, filled up where they are too few."""
    (a, b), (c, d), (e, f) = out, part.blocks, part.window
    kept = sums[a:b, d, f] - sums[a:b, c, f] - sums[a:b, d, e] + sums[a:b, c, e]
    return int(np.maximum(kept, least).sum())


def senders_of(mapping: Mapping, target: Target) -> int:
    """Packets of one step of work: one for all cores of a column, or one for each."""
    return 1 if mapping.rows_by == "rows" else target.core_rows


def slots_of(mapping: Mapping, target: Target, packet: int, budget: int) -> int:
    """Steps of work whose packets wait in a memory tile: as many as the budget allows, two at least, or one without."""
    return max(
        2 if budget else 1,
        min(budget // (packet * senders_of(mapping, target)), most_slots(senders_of(mapping, target))),
    )


def most_slots(senders: int) -> int:
    """More would not be counted: a lock counts the packets of all slots and ends at 63."""
    return 63 // senders
