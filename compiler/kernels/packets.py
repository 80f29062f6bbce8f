"""Work packets: the header, call records, tables and weights of one piece of a layer, as docs/plan-format.md says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.encoding.records import RECORD_BYTES, BlockRecords
from compiler.encoding.work import (
    BLOCK,
    BLOCK_BYTES,
    GROUP_BYTES,
    HALF_TO_EVEN,
    HALF_TO_ODD,
    LANES,
    SCRATCH_OFFSET,
    SET,
    TABLE_GUARD,
    CallRecord,
    Kernel,
    WorkHeader,
    multiply_conf,
    narrow_conf,
    with_steps,
)
from compiler.kernels.blocks import Blocks
from compiler.kernels.sections import CALL_BYTES, CONSTANT_BYTES, FACTORED, Sections, records_of, sections_of
from compiler.mapping.lanes import Lanes, lanes_of
from compiler.mapping.shapes import Layer, Mapping
from compiler.numerics import MEAN_GUARD_BITS

Bytes = NDArray[np.uint8]

KERNELS = {
    "conv": Kernel.CONV,
    "depthwise": Kernel.DEPTHWISE,
    "max_pool": Kernel.MAX_POOL,
    "avg_pool": Kernel.AVG_POOL,
    "add": Kernel.ADD,
    "requantize": Kernel.REQUANTIZE,
    "mul": Kernel.MULTIPLY,
    "expand": Kernel.EXPAND,
    "lookup": Kernel.LOOKUP,
}


@dataclass(frozen=True)
class Piece:
    """Which part of a layer a packet is about: blocks, rows and pixels of the window, pixels of a row, rows of a tile.

    `mapping` is the layer's, which says how its sums become bytes.
    """

    out_blocks: tuple[int, int]
    in_blocks: tuple[int, int]
    window: tuple[int, int]
    across: tuple[int, int]
    width: int
    rows: int
    pad_byte: int
    mapping: Mapping


@dataclass(frozen=True)
class Scales:
    """Factors of the means of each call, shared where they are equal: `at` counts from the section's start."""

    data: Bytes
    at: tuple[int, ...]
    step: int
    shift: int


def build(
    layer: Layer,
    number: int,
    piece: Piece,
    lists: Sequence[Sequence[CallRecord]],
    data: Blocks | None,
    scales: Scales | None,
    *,
    lookup: Bytes | None = None,
    size_bytes: int,
) -> Bytes:
    """The `size_bytes` of a packet; `lists` has one call list, or one per core row, all of one length.

    Calls come with the places of their scales in `scales`; `lookup` is the table of a function of bytes.
    """
    lanes, finish = lanes_of(layer.narrowed(piece.across), piece.width), piece.mapping.finish
    body = _conv(layer, piece, lanes, data) if data is not None else _pool(layer, piece, lanes)
    records = [call for one in lists for call in one]
    starts = any(call.first for call in records)
    ends = any(call.last for call in records)
    sections = sections_of(
        layer,
        len(records),
        piece.rows,
        piece.width,
        piece.out_blocks[1] - piece.out_blocks[0],
        len(body.table),
        len(body.table),
        0 if scales is None else scales.data.size,
        records_of(finish, starts=starts, ends=ends),
    )
    parts: dict[str, NDArray[Any]] = {
        "jumps": _jumps(layer, piece, lanes, sections.sets),
        "table": np.concatenate([body.table, np.zeros(TABLE_GUARD, np.int32)]),
    }
    if body.records is not None:
        parts["records"] = body.records.encode(
            bias=starts, factors=ends and finish in FACTORED, by_turns=finish == "narrow"
        )
        parts["chain"] = body.records.chain.encode()
    if body.blocks is not None:
        parts["blocks"] = body.blocks
    if scales is not None:
        parts["scales"] = scales.data
    if lookup is not None:
        parts["lookup"] = lookup
    if layer.adds_wide:
        parts["constants"] = np.full(CONSTANT_BYTES // 8, _factors(layer)[3], np.int64)
    offsets = sections.offsets
    places: dict[str, Any] = {
        f"{name}_offset": offsets[name] for name in ("calls", "table", "blocks", "jumps", "constants")
    }
    if sections.lookup:
        places["table_offset"] = offsets["lookup"]
    places["bias_offset"] = offsets["records"]
    behind = 1 if finish == "narrow" else (piece.out_blocks[1] - piece.out_blocks[0]) * starts
    places["factors_offset"] = offsets["records"] + RECORD_BYTES * behind
    # An odd zero point inside a rounding turns ties around: half to odd then rounds half to even without it.
    odd = finish == "direct" and layer.first_stage[0] % 2 == 1
    header = WorkHeader(
        **_fields(layer, piece, lanes, scales),
        direct=finish == "direct",
        narrow=finish == "narrow",
        staged=finish == "staged",
        clipped=layer.clips,
        q_odd=odd,
        rounding=HALF_TO_ODD if odd else HALF_TO_EVEN,
        # Clipped numbers have no sign until their last shift, which makes int8 whatever this says.
        result_sign=int(layer.first_signed and not layer.clips),
        narrow_conf=narrow_conf(signed=not layer.clips),
        layer=number,
        size_words=size_bytes // 4,
        calls=len(lists[0]),
        call_lists=len(lists),
        list_step=CALL_BYTES * len(lists[0]) if len(lists) > 1 else 0,
        taps=0 if layer.weighted else len(body.table),
        blocks_back=0 if layer.weighted else len(body.table),
        **places,
    )
    parts["header"] = np.array(header.encode(), np.uint32)
    if scales is not None:
        records = [replace(one, scales_offset=one.scales_offset + offsets["scales"]) for one in records]
    parts["calls"] = np.array([with_steps(header, call).encode() for call in records], np.uint32)
    return _join(sections, parts, size_bytes)


def _join(sections: Sections[int], parts: dict[str, NDArray[Any]], size_bytes: int) -> Bytes:
    assert sections.bytes <= size_bytes, f"a work packet has {sections.bytes} bytes, {size_bytes} were planned"
    whole = np.zeros(size_bytes, np.uint8)
    for (name, size), start in zip(sections.sizes, sections.offsets.values(), strict=True):
        found = np.frombuffer(np.ascontiguousarray(parts[name]).tobytes(), np.uint8) if size else np.zeros(0, np.uint8)
        assert found.size == size, f"section '{name}' has {found.size} bytes, expected {size}"
        whole[start : start + size] = found
    return whole


@dataclass(frozen=True)
class _Body:
    """Table entries, weight blocks and block records of a packet."""

    table: NDArray[np.int32]
    blocks: NDArray[np.int8] | None = None
    records: BlockRecords | None = None


def _conv(layer: Layer, piece: Piece, lanes: Lanes, data: Blocks) -> _Body:
    """Kept blocks by output block, each list filled up with zero blocks to the fewest periods there may be."""
    chosen = [data.chosen(one, piece.in_blocks, piece.window) for one in range(*piece.out_blocks)]
    counts = np.array([len(one) for one in chosen], np.int64)
    periods = np.maximum(counts, piece.mapping.least_periods)
    starts = np.cumsum(periods) - periods
    places = np.repeat(starts - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
    rows = np.concatenate([np.zeros(0, np.int64), *chosen])
    index = data.index[rows]
    table = np.zeros(periods.sum(), np.int32)
    # Single channels have their weights once for each lane, in the first half of a block.
    lines = BLOCK if layer.is_conv else LANES
    blocks = np.zeros((periods.sum(), BLOCK, BLOCK), np.int8)
    inputs = index[:, 3] - piece.in_blocks[0]
    table[places] = _offsets(layer, piece, lanes, index[:, 1] - piece.window[0], index[:, 2], inputs)
    blocks[places, :lines] = data.blocks[rows]
    return _Body(table, blocks, data.records(layer, piece.out_blocks, periods, piece.mapping.finish))


def _pool(layer: Layer, piece: Piece, lanes: Lanes) -> _Body:
    """The taps of a window; an average multiplies them by one, a maximum may look at one twice."""
    if layer.kernel not in ("avg_pool", "max_pool"):
        return _Body(np.zeros(0, np.int32))
    call = layer.narrowed(piece.across)
    ky, kx = (one.reshape(-1) for one in np.indices((piece.window[1] - piece.window[0], call.row_taps)))
    taps = _offsets(layer, piece, lanes, ky, kx, np.zeros_like(ky)).astype(np.int32)
    table = np.zeros(max(taps.size, piece.mapping.least_periods), np.int32)
    table[: taps.size], table[taps.size :] = taps, taps[0]
    if not layer.sums:
        return _Body(table)
    blocks = np.zeros((table.size, BLOCK_BYTES // GROUP_BYTES, GROUP_BYTES), np.int8)
    # A lane's share of a row may reach past its end.
    inside = np.arange(LANES) * call.row_taps + kx[:, None] < call.window[1] if layer.folds else 1
    blocks.reshape(table.size, -1, LANES, BLOCK)[: taps.size, 0] = np.broadcast_to(inside, (taps.size, LANES))[
        ..., None
    ]
    count = piece.out_blocks[1] - piece.out_blocks[0]
    zeros = np.zeros((count, BLOCK), np.int32)
    records = BlockRecords(
        bias=zeros + (0 if layer.folds else _sum_start(layer)),
        multiplier=zeros,
        periods=np.full(count, table.size, np.int64),
        shift=np.zeros(count, np.int64),
    )
    return _Body(table, blocks, records)


def _sum_start(layer: Layer) -> int:
    """What the sum of an average starts from."""
    return SCRATCH_OFFSET - layer.x_zero * layer.taps


def _offsets(
    layer: Layer, piece: Piece, lanes: Lanes, ky: NDArray[Any], kx: NDArray[Any], blocks: NDArray[Any]
) -> NDArray[Any]:
    """Bytes from an output group's start to the input group of a tap in a block."""
    high = piece.in_blocks[1] - piece.in_blocks[0]
    wide = lanes.input_wide
    found: NDArray[Any] = (ky * layer.dilations[0] * high + blocks) * wide + kx * layer.dilations[1]
    return found * GROUP_BYTES


def _jumps(layer: Layer, piece: Piece, lanes: Lanes, sets: int) -> NDArray[np.int32]:
    """Starts of 4 pointers, then their steps to the next 4 groups of the tile; the last step goes nowhere."""
    # Pointers behind the last group repeat it: further on they would meet the weights' memory bank and stall the core.
    row, group = np.divmod(np.minimum(np.arange(SET * sets), piece.rows * lanes.wide - 1), lanes.wide)
    high = piece.in_blocks[1] - piece.in_blocks[0]
    row_bytes = layer.strides[0] * high * lanes.row_bytes
    places = (row * row_bytes + group * lanes.step * GROUP_BYTES).reshape(sets, SET)
    jumps = np.zeros((sets + 1, SET), np.int32)
    jumps[:1] = places[:1]
    jumps[1:-1] = np.diff(places, axis=0)
    return jumps


def _factors(layer: Layer) -> tuple[int, int, int, int]:
    """(a, b, shift, K) of the stage that combines: y = rhe((K + a * x + b * r) / 2^shift)."""
    zero = layer.out[0]
    a, b, shift = layer.factors
    x_zero = layer.first_stage[0] if layer.weighted else layer.x_zero
    start = -x_zero * a - layer.r_zero * b
    # Behind so long a shift nothing is left of any operand, and the zero point would leave 64 bits.
    if (abs(a) + abs(b)) << 9 < 1 << max(shift - 1, 0):
        return 0, 0, 0, zero
    return a, b, shift, start + (zero << shift)


def _fields(layer: Layer, piece: Piece, lanes: Lanes, scales: Scales | None) -> dict[str, Any]:
    """The header's fields that do not depend on where sections lie."""
    zero, low, high = layer.first_stage
    kernel = KERNELS[layer.kernel]
    fields: dict[str, Any] = {
        "kernel": kernel,
        "x_signed": layer.x_signed,
        "y_signed": layer.y_signed,
        "r_signed": layer.r_signed,
        "q_signed": layer.first_signed,
        "combine": layer.combines,
        "in_place": layer.combines and (layer.weighted or layer.kernel in ("max_pool", "expand")),
        "out_blocks": piece.out_blocks[1] - piece.out_blocks[0],
        "groups_wide": lanes.wide,
        "act_step": 0 if layer.weighted else lanes.row_bytes,
        "conf": multiply_conf(kernel, layer.x_signed),
        "pad_word": (piece.pad_byte & 0xFF) * 0x01010101,
        "q_zero": zero,
        "q_min": low,
        "q_max": high,
        "y_min": layer.out[1],
        "y_max": layer.out[2],
    }
    if layer.product:
        factor, first, second = layer.product
        fields |= {"multiply": True, "add_a": factor, "add_shift": second, "add_start": layer.out[0] << second}
        fields |= {"product_shift": first, "product_x_zero": layer.x_zero, "product_r_less": -layer.r_zero}
    elif layer.combines:
        a, b, shift, start = _factors(layer)
        fields |= {"add_a": a, "add_b": b, "add_shift": shift, "y_odd": layer.out[0] % 2 == 1 and shift > 0}
        if layer.combine_narrow:
            fields |= {"combine_narrow": True, "add_start": start}
    if layer.product or layer.combine_narrow:
        fields |= {"ready_x": fields["q_signed" if fields["in_place"] else "x_signed"]}
        fields |= {"ready_r": layer.r_signed, "ready_y": layer.y_signed}
        fields |= {"ready_round": HALF_TO_EVEN + fields.get("y_odd", False)}
    if scales is not None:
        inner = max(0, scales.shift - MEAN_GUARD_BITS)
        if layer.folds:
            fields |= {"fold": True, "add_start": _sum_start(layer)}
        fields |= {"mean": True, "mean_inner": inner, "mean_outer": scales.shift - inner, "scale_step": scales.step}
    return fields
