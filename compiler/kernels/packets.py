"""Work packets: the header, call records, tables and weights of one piece of a layer, as docs/plan-format.md says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.encoding.work import BLOCK, CallRecord, Kernel, WorkHeader
from compiler.mapping.shapes import Layer

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int32]

KERNELS = {
    "conv": Kernel.CONV,
    "max_pool": Kernel.MAX_POOL,
    "avg_pool": Kernel.AVG_POOL,
    "add": Kernel.ADD,
    "requantize": Kernel.REQUANTIZE,
}

HEADER_BYTES = 4 * WorkHeader.WORDS
CALL_BYTES = 4 * CallRecord.WORDS


@dataclass(frozen=True)
class Blocks:
    """Kept weight blocks of a layer and what each output channel adds and multiplies by (padded to blocks)."""

    blocks: NDArray[np.int8]
    index: Ints
    starts: NDArray[np.int64]
    bias: Ints
    multiplier: Ints
    shift: Ints

    @classmethod
    def of(
        cls, layer: Layer, blocks: NDArray[np.int8], index: Ints, bias: Ints, multiplier: Ints, shift: Ints
    ) -> Blocks:
        """Sort out the rows of the index by output block; the bias takes in -x_zero * sum(weights)."""
        starts = np.searchsorted(index[:, 0], np.arange(layer.out_blocks + 1)).astype(np.int64)
        sums = np.zeros((layer.out_blocks, BLOCK), np.int64)
        np.add.at(sums, index[:, 0], blocks.sum(axis=1, dtype=np.int64))
        corrected = bias.astype(np.int64) - layer.x_zero * sums.reshape(-1)
        wrapped = corrected.astype(np.uint64).astype(np.uint32).view(np.int32)
        return cls(blocks, index, starts, wrapped, multiplier, shift)

    def chosen(self, out_block: int, piece: Piece) -> NDArray[np.int64]:
        """Rows of the index in one output block that a piece multiplies."""
        rows = np.arange(self.starts[out_block], self.starts[out_block + 1])
        inputs, taps = self.index[rows, 3], self.index[rows, 1]
        here = (inputs >= piece.in_blocks[0]) & (inputs < piece.in_blocks[1])
        chosen: NDArray[np.int64] = rows[here & (taps >= piece.window[0]) & (taps < piece.window[1])]
        return chosen

    @property
    def general(self) -> bool:
        """Whether any scale is not a power of two, so that the epilogue must multiply."""
        used = self.multiplier[self.multiplier != 0]
        return bool((used & (used - 1)).any())


@dataclass(frozen=True)
class Piece:
    """Which part of a layer a packet is about: blocks, rows of the window, pixels, and the size of its tiles."""

    out_blocks: tuple[int, int]
    in_blocks: tuple[int, int]
    window: tuple[int, int]
    in_width: int
    out_width: int
    left: int
    valid_width: int
    pad_byte: int
    columns: tuple[int, int]


def _conv_body(layer: Layer, data: Blocks, piece: Piece) -> tuple[list[Bytes], list[str]]:
    rows = [data.chosen(one, piece) for one in range(*piece.out_blocks)]
    all_rows = np.concatenate(rows) if rows else np.zeros(0, np.int64)
    index = data.index[all_rows]
    width = piece.in_blocks[1] - piece.in_blocks[0]
    dy, dx = layer.dilations
    pixels = (
        (index[:, 1] - piece.window[0]) * dy * width + (index[:, 3] - piece.in_blocks[0])
    ) * piece.in_width + index[:, 2] * dx
    channels = slice(piece.out_blocks[0] * BLOCK, piece.out_blocks[1] * BLOCK)
    params = np.concatenate([data.bias[channels], data.multiplier[channels], data.shift[channels]])
    counts = np.array([len(one) for one in rows], np.int32)
    parts: list[NDArray[Any]] = [counts, pixels.astype(np.int32) * BLOCK, params, data.blocks[all_rows]]
    return [_bytes(one) for one in parts], ["counts", "table", "params", "blocks"]


def _bytes(array: NDArray[Any]) -> Bytes:
    return np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8)


def _header(layer: Layer, piece: Piece, number: int) -> dict[str, Any]:
    width = piece.in_blocks[1] - piece.in_blocks[0]
    mid_zero, mid_min, mid_max = layer.mid
    y_zero, y_min, y_max = layer.out
    return {
        "kernel": KERNELS[layer.kernel],
        "x_signed": layer.x_signed,
        "y_signed": layer.y_signed,
        "r_signed": layer.r_signed,
        "layer": number,
        "in_width": piece.in_width,
        "in_blocks": width,
        "out_width": piece.out_width,
        "out_blocks": piece.out_blocks[1] - piece.out_blocks[0],
        "left": piece.left,
        "valid_width": piece.valid_width,
        "pixel_step": layer.strides[1] * BLOCK,
        "row_step": layer.strides[0] * width * piece.in_width * BLOCK,
        "pad_byte": piece.pad_byte & 0xFF,
        "x_zero": layer.x_zero,
        "r_zero": layer.r_zero,
        "mid_zero": mid_zero,
        "mid_min": mid_min,
        "mid_max": mid_max,
        "y_zero": y_zero,
        "y_min": y_min,
        "y_max": y_max,
        "add_a": layer.add[0],
        "add_b": layer.add[1],
        "add_shift": layer.add[2],
        "kernel_h": layer.window[0],
        "kernel_w": layer.window[1],
        "dilation_y": layer.dilations[0],
        "dilation_x": layer.dilations[1],
    }


def build(
    layer: Layer,
    number: int,
    piece: Piece,
    lists: Sequence[Sequence[CallRecord]],
    data: Blocks | None,
    scales: tuple[Ints, Ints, Ints] | None = None,
    row_counts: Sequence[Ints] = (),
    column_counts: Ints | None = None,
    *,
    size_bytes: int,
) -> Bytes:
    """The `size_bytes` of a packet; `lists` has one call list, or one per core row, all of one length.

    An average pool gets `scales` (count, multiplier, shift) and the counts of rows (per call, in list order) and
    columns; each call's record then names its own row counts.
    """
    fields = _header(layer, piece, number)
    calls = [list(one) for one in lists]
    parts: list[Bytes] = []
    names: list[str] = []
    if data is not None:
        parts, names = _conv_body(layer, data, piece)
        fields["params"] = BLOCK * fields["out_blocks"]
        fields["general_scale"] = data.general
    elif scales is not None and column_counts is not None:
        parts, names = [_bytes(np.concatenate(scales)), _bytes(column_counts)], ["params", "column_counts"]
        fields["params"] = len(scales[0])
    elif layer.kernel in ("max_pool", "requantize"):
        parts, names = [_bytes(np.array(layer.scale, np.int32))], ["params"]
        fields["params"] = 1
    position = HEADER_BYTES + CALL_BYTES * sum(map(len, calls))
    for name, part in zip(names, parts, strict=True):
        fields[f"{name}_offset"] = position
        position += len(part)
    for counts in row_counts:
        parts.append(_bytes(counts))
    calls = _with_row_counts(calls, row_counts, position)
    position += sum(4 * len(one) for one in row_counts)
    fields |= {
        "calls": len(calls[0]),
        "call_lists": len(calls),
        "calls_offset": HEADER_BYTES,
        "size_words": size_bytes // 4,
    }
    assert position <= size_bytes, f"a work packet has {position} bytes, {size_bytes} were planned"
    words = list(WorkHeader(**fields).encode())
    for one in calls:
        for call in one:
            words += call.encode()
    parts.append(np.zeros(size_bytes - position, np.uint8))
    return np.concatenate([_bytes(np.array(words, np.uint32)), *parts])


def _with_row_counts(
    calls: list[list[CallRecord]], row_counts: Sequence[Ints], position: int
) -> list[list[CallRecord]]:
    """Point each call that computes at its row counts."""
    if not row_counts:
        return calls
    offsets = iter(np.cumsum([position, *(4 * len(one) for one in row_counts)]).tolist())
    return [
        [replace(call, row_counts_offset=next(offsets)) if not call.skip else call for call in one] for one in calls
    ]
