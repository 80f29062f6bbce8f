"""A sound mapping for each layer: enumerate cuts that fit a core, estimate each, keep the cheapest.

The estimate takes mean block density and the slowest of what works in parallel; the simulator's clock is the judge.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from compiler.kernels import cost
from compiler.kernels.packets import CALL_BYTES, HEADER_BYTES
from compiler.mapping.program import Extent, divide, input_parts
from compiler.mapping.shapes import BLOCK, CoreLayout, Layer, Mapping, Storage
from compiler.target import Target

ENTRY_BYTES = BLOCK * BLOCK + 4
"""A kept block with its table entry."""


@dataclass(frozen=True)
class Choice:
    """A mapping and the cycles it was estimated at."""

    mapping: Mapping
    cycles: float


def cuts(size: int) -> list[int]:
    """size, ceil(size / 2), ceil(size / 3), ... without repeats, down to 1."""
    return sorted({-(-size // parts) for parts in range(1, size + 1)}, reverse=True)


def _sizes(size: int, most: int = 10) -> list[int]:
    """A thinned list of `cuts`, to keep the search short."""
    every = cuts(size)
    if len(every) <= most:
        return every
    return [every[round(i * (len(every) - 1) / (most - 1))] for i in range(most)]


def weight_bytes(layer: Layer, mapping: Mapping, density: float) -> int:
    """Bytes of the kept blocks that one work packet brings, if this share is kept."""
    blocks = mapping.out_blocks * mapping.in_blocks * mapping.window_rows * layer.window[1]
    return math.ceil(blocks * density) * ENTRY_BYTES


def core_cycles(layer: Layer, mapping: Mapping, density: float, last: bool) -> int:
    """Estimated cycles of a call."""
    pixels = mapping.rows * mapping.width
    if not layer.is_conv:
        return cost.channelwise_cycles(layer.kernel, pixels, mapping.out_blocks, layer.taps)
    blocks = mapping.in_blocks * mapping.window_rows * layer.window[1]
    kept = (max(1, round(blocks * density)),) * mapping.out_blocks
    return cost.conv_cycles(pixels, kept, first=last, last=last, general=True, residual=layer.operands == 2)


def candidates(layer: Layer, extent: Extent, columns_by: str, rows_by: str, window: int) -> Iterator[Mapping]:
    """Cuts in time of what one core computes."""
    rows = max(1, extent.rows[1] - extent.rows[0])
    blocks = max(1, extent.blocks[1] - extent.blocks[0])
    for width in _sizes(layer.out_width, 6):
        for out in _sizes(blocks, 8):
            for inner in _sizes(layer.in_blocks, 8) if layer.is_conv else [out]:
                for high in _sizes(rows, 10):
                    yield Mapping(columns_by, rows_by, high, width, out, inner, window)


def fits(
    layer: Layer, mapping: Mapping, output: Storage, core: CoreLayout, heaviest: float, lists: int, calls: int
) -> bool:
    """Whether the tiles of a mapping go into a core's slots."""
    high = (mapping.rows - 1) * layer.strides[0] + (mapping.window_rows - 1) * layer.dilations[0] + 1
    wide = (mapping.width - 1) * layer.strides[1] + (layer.window[1] - 1) * layer.dilations[1] + 1
    pixels = mapping.rows * mapping.width
    act = high * wide * mapping.in_blocks * BLOCK
    if layer.operands == 2:
        act += pixels * mapping.out_blocks * BLOCK
    out = (mapping.rows + output.top + output.bottom) * (mapping.width + output.left + output.right)
    split = layer.is_conv and (mapping.in_blocks < layer.in_blocks or mapping.window_rows < layer.window[0])
    work = HEADER_BYTES + CALL_BYTES * lists * calls + 13 * BLOCK * mapping.out_blocks
    if layer.is_conv:
        work += weight_bytes(layer, mapping, heaviest)
    elif layer.kernel == "avg_pool":
        work += 12 * 64 + 4 * (mapping.width + lists * calls * mapping.rows)
    return (
        act <= core.act_bytes
        and out * mapping.out_blocks * BLOCK <= core.out_bytes
        and work <= core.work_bytes
        and (not split or pixels * mapping.out_blocks * BLOCK * 4 <= core.acc_bytes)
    )


def estimate(layer: Layer, mapping: Mapping, output: Storage, target: Target, core: Extent, density: float) -> float:
    """Cycles of the layer on its busiest core: the slowest of compute, streams and weights from DDR."""
    rows = core.rows[1] - core.rows[0]
    blocks = core.blocks[1] - core.blocks[0]
    tiles = -(-rows // mapping.rows) * -(-layer.out_width // mapping.width)
    outs = -(-blocks // mapping.out_blocks)
    ins = len(input_parts(layer, mapping)) if layer.is_conv else 1
    high = (mapping.rows - 1) * layer.strides[0] + (mapping.window_rows - 1) * layer.dilations[0] + 1
    wide = (mapping.width - 1) * layer.strides[1] + (layer.window[1] - 1) * layer.dilations[1] + 1
    pixels = mapping.rows * mapping.width
    held = outs if -(-rows // mapping.rows) == 1 and ins == 1 and layer.operands == 1 else 1
    act = tiles * outs * ins * (high * wide * mapping.in_blocks * 2 + 8) / held
    if layer.operands == 2:
        act += tiles * outs * pixels * mapping.out_blocks * 2
    call = core_cycles(layer, mapping, density, ins == 1)
    compute = tiles * outs * ins * (call + 8)
    packets = (tiles * ins if ins > 1 else -(-layer.out_width // mapping.width)) * outs
    weights = 130 + (weight_bytes(layer, mapping, density) / 4 if layer.is_conv else 0)
    senders = 1 if mapping.rows_by == "rows" else target.core_rows
    work = packets * senders * weights * 4 / min(4.0, target.ddr.channel_bytes_per_cycle)
    sharing = 2 if target.core_rows > 4 else 1
    out = sharing * tiles * outs * (pixels + output.left * mapping.rows) * mapping.out_blocks * 2
    act *= sharing if mapping.rows_by == "rows" or layer.operands == 2 or not layer.is_conv else 1
    first = (act / max(1, tiles * outs * ins)) + weights + call
    return float(max(compute, act, work, out) + first)


def search(
    layer: Layer,
    output: Storage,
    target: Target,
    core: CoreLayout,
    rows: tuple[int, int],
    columns_by: str,
    densities: tuple[float, float],
) -> Choice | None:
    """The cheapest mapping of these output rows whose columns are divided as told; None if nothing fits.

    A window is cut by its rows only when no tile of the whole window fits.
    `densities` are the mean kept share of blocks and the share that a work packet must have room for.
    """
    density, heaviest = densities
    column = divide(Extent(rows, (0, layer.out_blocks)), columns_by, target.columns, 0)
    for window in cuts(layer.window[0]) if layer.is_conv else [layer.window[0]]:
        best: Choice | None = None
        for rows_by in ("channels", "rows"):
            extent = divide(column, rows_by, target.core_rows, 0)
            lists = target.core_rows if rows_by == "rows" else 1
            for mapping in candidates(layer, extent, columns_by, rows_by, window):
                calls = -(-(extent.rows[1] - extent.rows[0]) // mapping.rows)
                if not fits(layer, mapping, output, core, heaviest, lists, calls):
                    continue
                cycles = estimate(layer, mapping, output, target, extent, density)
                if best is None or cycles < best.cycles:
                    best = Choice(mapping, cycles)
        if best is not None:
            return best
    return None


def smallest_tile_bytes(layer: Layer) -> int:
    """Activation bytes of one output pixel of one block, the least a core must hold."""
    high = (layer.window[0] - 1) * layer.dilations[0] + 1
    wide = (layer.window[1] - 1) * layer.dilations[1] + 1
    return high * wide * BLOCK
