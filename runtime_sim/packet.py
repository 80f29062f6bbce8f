"""A work packet as its kernel sees it: tables out of the bytes, and the 8-channel groups of an act slot."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from compiler.encoding.work import BLOCK, CallRecord, WorkHeader
from compiler.errors import Diagnostic, SimulationFault
from compiler.numerics import MAX_SHIFT

Bytes = NDArray[np.uint8]
Int32s = NDArray[np.int32]
Index = NDArray[np.int64]
Floats = NDArray[np.float32] | NDArray[np.float64]

BLOCK_BYTES = BLOCK * BLOCK
_HEADER_BYTES = 4 * WorkHeader.WORDS
_PACKETS_KEPT = 256
# A sum of products stays exact in float32 up to here, in whatever order it is taken.
_EXACT_FLOAT32 = 1 << 24
_GREATEST_INPUT = 255


def fault(code: str, message: str) -> SimulationFault:
    """Build (not raise) the error for a packet that would make a core read or write astray."""
    return SimulationFault(Diagnostic(code, message))


def ints(packet: Bytes, offset: int, count: int) -> Int32s:
    """`count` little-endian int32 of a packet from a byte offset."""
    if offset + 4 * count > packet.size:
        text = f"a table of {count} words at byte {offset} leaves its work packet of {packet.size} bytes"
        raise fault("work-table", text)
    return packet[offset : offset + 4 * count].view(np.dtype("<i4"))


@dataclass(frozen=True)
class ConvTables:
    """Kept blocks as one dense matrix: a group of 8 rows for each input offset that occurs at all."""

    offsets: Index  # bytes from the pixel's start, ascending
    matrix: Floats  # [8 * offsets][8 * out_blocks]
    bias: Int32s
    multiplier: Int32s
    shift: Int32s


def conv_tables(packet: Bytes, header: WorkHeader) -> ConvTables:
    """The tables of a convolution; equal packets are decoded once."""
    return _conv_tables(packet[: 4 * header.size_words].tobytes())


def block_counts(packet: Bytes, header: WorkHeader) -> Int32s:
    """Kept blocks of each output block of a convolution."""
    counts = ints(packet, header.counts_offset, header.out_blocks)
    if counts.size and counts.min() < 0:
        raise fault("work-table", f"an output block has {counts.min()} kept blocks")
    return counts


@lru_cache(maxsize=_PACKETS_KEPT)
def _conv_tables(data: bytes) -> ConvTables:
    packet = np.frombuffer(data, np.uint8)
    header = WorkHeader.decode(packet[:_HEADER_BYTES].view(np.dtype("<u4")))
    counts = block_counts(packet, header)
    kept = int(counts.sum(dtype=np.int64))
    table = ints(packet, header.table_offset, kept)
    blocks = ints(packet, header.blocks_offset, kept * BLOCK_BYTES // 4).view(np.int8)
    if header.params != BLOCK * header.out_blocks:
        text = f"a convolution of {header.out_blocks} output blocks has {header.params} parameters"
        raise fault("work-table", f"{text}, expected {BLOCK * header.out_blocks}")
    offsets, rows = np.unique(table, return_inverse=True)
    columns = np.repeat(np.arange(header.out_blocks), counts)
    matrix = _dense(blocks.reshape(kept, BLOCK, BLOCK), rows, columns, (offsets.size, header.out_blocks))
    parameters = ints(packet, header.params_offset, 3 * header.params).reshape(3, header.params)
    if parameters.size and not 0 <= parameters[2].min() <= parameters[2].max() <= MAX_SHIFT:
        raise fault("work-table", f"a shift is not in 0..{MAX_SHIFT}: {parameters[2].tolist()}")
    return ConvTables(offsets.astype(np.int64), matrix, *parameters)


def _dense(blocks: NDArray[np.int8], rows: Index, columns: Index, shape: tuple[int, int]) -> Floats:
    """Blocks at their places, those that fall on one place added; float32 if every sum is exact in it."""
    wide = np.zeros((*shape, BLOCK, BLOCK), np.int32)
    if np.unique(rows * shape[1] + columns).size == len(blocks):
        wide[rows, columns] = blocks
    else:
        np.add.at(wide, (rows, columns), blocks.astype(np.int32))
    matrix = wide.transpose(0, 2, 1, 3).reshape(shape[0] * BLOCK, shape[1] * BLOCK)
    greatest = int(np.abs(matrix).sum(axis=0, dtype=np.int64).max(initial=0)) * _GREATEST_INPUT
    return matrix.astype(np.float32) if greatest <= _EXACT_FLOAT32 else matrix.astype(np.float64)


def pixel_starts(header: WorkHeader, call: CallRecord) -> Index:
    """Byte of the act slot at which each valid pixel of a call starts, `[valid_rows * valid_width]`."""
    rows = np.arange(call.valid_rows, dtype=np.int64) * header.row_step + call.x_offset
    pixels = np.arange(header.valid_width, dtype=np.int64) * header.pixel_step
    return (rows[:, None] + pixels).reshape(-1)


def gather(act: Bytes, starts: Index, offsets: Index) -> Bytes:
    """The 8 bytes at every start plus every offset, `[starts][offsets][8]`."""
    if not starts.size or not offsets.size:
        return np.zeros((starts.size, offsets.size, BLOCK), np.uint8)
    low, high = int(starts[0] + offsets.min()), int(starts[-1] + offsets.max())
    if low < 0 or high + BLOCK > act.size:
        text = f"a kernel reads bytes {low}..{high + BLOCK - 1} of an act slot of {act.size} bytes"
        raise fault("kernel-read", text)
    places = starts[:, None] + offsets
    if (places & (BLOCK - 1)).any():
        raise fault("kernel-alignment", f"a kernel reads 8 channels at a byte that is no multiple of {BLOCK}")
    groups = act[: act.size // BLOCK * BLOCK].view(np.uint64)
    found = np.take(groups, places >> 3)
    return found.view(np.uint8).reshape(starts.size, offsets.size, BLOCK)
