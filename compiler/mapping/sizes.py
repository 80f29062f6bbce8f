"""Bytes of tiles and of work packets, known before a packet is made; the search and the lowering ask here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Generic

import numpy as np
from numpy.typing import NDArray

from compiler.encoding.work import BLOCK, GROUP_BYTES, LANES, SET
from compiler.ir import Module
from compiler.kernels.numbers import Number, ceil_div, larger
from compiler.kernels.sections import Sections, records_of, sections_of
from compiler.mapping.cuts import Cut, Cuts
from compiler.mapping.lanes import input_groups
from compiler.mapping.means import Means
from compiler.mapping.memory import round_up
from compiler.mapping.network import Node, column_extents
from compiler.mapping.program import Part, chunks, divide, packets_of, parts_of
from compiler.mapping.shapes import Layer, Mapping, Storage, groups_of
from compiler.target import Target


@dataclass(frozen=True)
class TileSizes(Generic[Number]):
    """What one call of a mapping receives, makes and sends, in groups and bytes; the border is that of a corner."""

    groups: Number
    in_bytes: Number
    second_bytes: Number
    tile_bytes: Number
    border_bytes: Number
    out_room: Number
    acc_bytes: Number

    @property
    def act_bytes(self) -> Number:
        """Bytes of the activation packet."""
        return self.in_bytes + self.second_bytes

    @property
    def out_bytes(self) -> Number:
        """Bytes of the out slot that results, what is computed past them, and the border behind them need."""
        return larger(self.out_room, round_up(self.tile_bytes + self.border_bytes, GROUP_BYTES))


def tile_sizes(layer: Layer, cut: Cut[Number], output: Storage) -> TileSizes[Number]:
    """The sizes of a mapping's largest tiles."""
    wide, blocks = groups_of(cut.width), cut.out_blocks
    high = (cut.rows - 1) * layer.strides[0] + (cut.window_rows - 1) * layer.dilations[0] + 1
    groups = cut.rows * wide
    tile = groups * blocks * GROUP_BYTES
    last = (output.width - 1) % cut.width + 1
    return TileSizes(
        groups=groups,
        in_bytes=high
        * (cut.in_blocks if layer.is_conv else blocks)
        * input_groups(layer.of_a_call, wide)
        * GROUP_BYTES,
        second_bytes=tile * (layer.operands == 2),
        tile_bytes=tile,
        border_bytes=_border_pixels(cut, output) * blocks * BLOCK,
        out_room=larger(_room(cut.rows, cut.width, blocks), _room(cut.rows, last, blocks)),
        acc_bytes=ceil_div(groups, SET) * SET * LANES * BLOCK * 4 * blocks,
    )


def _room(rows: Number, width: Number, blocks: Number) -> Number:
    """Bytes of a tile with what is stored past it: whole sets of each block, as more rows would be, and of the tile."""
    wide = groups_of(width)
    past = round_up(rows * wide, SET) - 1
    last = (past // wide * blocks + blocks - 1) * wide + past % wide
    return larger(last + 1, round_up(rows * wide * blocks, SET)) * GROUP_BYTES


def _border_pixels(cut: Cut[Number], output: Storage) -> Number:
    """Border pixels of a block that the tile with most of them brings: both sides of what it covers, else one.

    Where all columns do the same, a tile may have to send both for a column at the top and one at the bottom.
    """
    vertical = output.top, output.bottom
    across = output.left, output.pitch - output.left - output.width
    high = max(vertical) + min(vertical) * ((cut.rows >= output.height) | cut.shared)
    sides = max(across) + min(across) * (cut.width >= output.width)
    pixels: Number = (cut.rows * sides + high * (cut.width + sides)) * int(output.bordered)
    return pixels


def packet_bytes(node: Node, target: Target, module: Module, piece: int) -> int:
    """The size of the largest work packet of a pass, rounded to 64 bytes."""
    sums = kept_sums(node, module)
    return round_up(max((one.bytes for one in _packets(node, target, module, piece, sums)), default=0))


def _packets(
    node: Node, target: Target, module: Module, piece: int, sums: NDArray[np.int64]
) -> Iterator[Sections[int]]:
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
        count = len(parts_of(layer, mapping, (0, 0)))
        scales = max_scale_bytes(means, tiles, layer.out_width, width, count) if means else 0
        for out in sorted(outs):
            parts = parts_of(layer, mapping, out)
            for several in packets_of(layer, parts):
                part = several[0]
                calls = lists * (len(several) if count > 1 else max(map(len, tiles)))
                row = layer.narrowed(part.across).row_taps
                taps = max((part.window[1] - part.window[0]) * row, mapping.least_periods)
                periods = kept_periods(sums, out, part, mapping.least_periods) if layer.weighted else 0
                records = records_of(mapping.finish, starts=part == parts[0], ends=several[-1] == parts[-1])
                yield sections_of(layer, calls, rows, width, out[1] - out[0], taps, periods, scales, records)


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
    if layer.weighted:
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


def senders_of(mapping: Mapping | Cuts, target: Target) -> int:
    """Packets of one step of work in a memory tile: one for all cores of a column or for a row, or one for each."""
    return 1 if mapping.rows_by == "rows" or mapping.shared else target.core_rows


def slots_of(mapping: Mapping, target: Target, packet: int, budget: int) -> int:
    """Steps of work whose packets wait in a memory tile: as many as the budget allows, two at least, or one without."""
    return max(
        2 if budget else 1,
        min(budget // (packet * senders_of(mapping, target)), most_slots(senders_of(mapping, target))),
    )


def most_slots(senders: int) -> int:
    """More would not be counted: a lock counts the packets of all slots and ends at 63."""
    return 63 // senders
