"""A work packet as its kernel sees it: tables out of the bytes, and groups out of an act slot."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.encoding.work import (
    BLOCK,
    BLOCK_BYTES,
    BLOCK_RECORD_BYTES,
    GROUP_BYTES,
    HALF_TO_EVEN,
    HALF_TO_ODD,
    LANES,
    MIN_PERIODS,
    NARROW_PERIODS,
    RAW_PERIODS,
    SET,
    BlockRecords,
    CallRecord,
    WorkHeader,
)
from compiler.errors import BsccError, Diagnostic, SimulationFault
from compiler.numerics import FACTOR_LIMIT, MAX_NARROW_SHIFT, MAX_SHIFT

Bytes = NDArray[np.uint8]
Int32s = NDArray[np.int32]
Index = NDArray[np.int64]
Floats = NDArray[np.floating[Any]]

_HEADER_BYTES = 4 * WorkHeader.WORDS
_ALL_ONES = 0xFFFFFFFF
_PACKETS_KEPT = 256
# A sum of products stays exact in float32 up to here, in whatever order it is taken.
_EXACT_FLOAT32 = 1 << 24
_GREATEST_INPUT = 255


def fault(code: str, message: str) -> SimulationFault:
    """Build (not raise) the error for a packet that would make a core read or write astray."""
    return SimulationFault(Diagnostic(code, message))


def ints(packet: Bytes, offset: int, count: int) -> Int32s:
    """`count` little-endian int32 of a packet from a byte offset, which scalar loads take."""
    return _part(packet, offset, 4 * count, 4).view(np.dtype("<i4"))


def vectors(packet: Bytes, offset: int, count: int) -> Bytes:
    """`count` bytes of a packet from a byte offset, which vector loads take."""
    return _part(packet, offset, count, GROUP_BYTES)


def _part(packet: Bytes, offset: int, count: int, aligned: int) -> Bytes:
    if offset + count > packet.size:
        text = f"a table of {count} bytes at byte {offset} leaves its work packet of {packet.size} bytes"
        raise fault("work-table", text)
    if offset % aligned:
        raise fault("kernel-alignment", f"a table lies at byte {offset} of its packet, no multiple of {aligned}")
    return packet[offset : offset + count]


def block_records(packet: Bytes, header: WorkHeader) -> BlockRecords:
    """The records of a packet's output blocks; equal ones are decoded once."""
    data = vectors(packet, header.records_offset, (header.out_blocks + 1) * BLOCK_RECORD_BYTES)
    least = MIN_PERIODS if header.direct else NARROW_PERIODS if header.narrow else RAW_PERIODS
    return _block_records(data.tobytes(), header.narrow or header.staged, least)


@lru_cache(maxsize=_PACKETS_KEPT)
def _block_records(data: bytes, narrow: bool, least: int) -> BlockRecords:
    try:
        records = BlockRecords.decode(np.frombuffer(data, np.uint8), narrow)
    except BsccError as error:
        raise fault("work-records", error.diagnostic.message) from error
    check_factors(records.multiplier)
    if records.shift.max(initial=0) > MAX_SHIFT:
        raise fault("work-records", f"a shift is not in 0..{MAX_SHIFT}: {records.shift.tolist()}")
    if records.second_shift is not None and records.second_shift.max(initial=0) > MAX_NARROW_SHIFT:
        text = f"a second shift is not in 0..{MAX_NARROW_SHIFT}: {records.second_shift.tolist()}"
        raise fault("work-records", text)
    if records.periods.min(initial=least) < least:
        text = f"an output block has {records.periods.min()} table entries, the loop over them takes {least}"
        raise fault("work-records", text)
    return records


def check_factors(factors: NDArray[np.integer[Any]]) -> None:
    """Refuse what two halves of 16 bits do not multiply by."""
    if factors.min(initial=0) < 0 or factors.max(initial=0) >= FACTOR_LIMIT:
        text = f"sums are multiplied by {factors.min()}..{factors.max()}, expected 0..{FACTOR_LIMIT - 1}"
        raise fault("work-factors", text)


@dataclass(frozen=True)
class Entries:
    """The table entries of all output blocks, one block after another."""

    block: Index  # output block of each entry
    starts: Index  # first entry of each block
    offset: Index  # bytes from the start of a pixel group
    weights: NDArray[np.int8]  # [entries][64]


def entries(packet: Bytes, header: WorkHeader) -> Entries:
    """What a packet multiplies; masks say whether the blocks share a table, and weights."""
    periods = block_records(packet, header).periods
    _check_chain(header, periods)
    block = np.repeat(np.arange(header.out_blocks, dtype=np.int64), periods)
    starts = np.cumsum(periods) - periods
    every = np.arange(block.size, dtype=np.int64)
    shared = every - starts[block]
    places = shared if _shares("table_mask", header.table_mask) else every
    table = ints(packet, header.table_offset, int(places.max(initial=-1)) + 1)
    offset = table[places] + block * header.act_step
    places = shared if _shares("blocks_mask", header.blocks_mask) else every
    stored = vectors(packet, header.blocks_offset, (int(places.max(initial=-1)) + 1) * BLOCK_BYTES)
    return Entries(block, starts, offset, stored.view(np.int8).reshape(-1, BLOCK_BYTES)[places])


def _shares(name: str, mask: int) -> bool:
    """Whether all output blocks go by the entries of the first."""
    if mask not in (0, _ALL_ONES):
        raise fault("work-header", f"{name} is 0x{mask:08x}, expected no bit or all bits")
    return mask == 0


def _check_chain(header: WorkHeader, periods: Index) -> None:
    """Refuse words for whoever multiplies that say otherwise than the rest of the header."""
    every = int(periods[0]) if periods.size else 0
    wanted = {
        "taps": 0 if header.table_mask else every,
        "blocks_back": 0 if header.blocks_mask else every,
        "result_sign": int(header.q_signed and not header.clipped),
        "rounding": HALF_TO_ODD if header.q_odd else HALF_TO_EVEN,
    }
    for name, value in wanted.items():
        if getattr(header, name) != value:
            raise fault("work-header", f"{name} is {getattr(header, name)}, expected {value}")


@dataclass(frozen=True)
class DenseWeights:
    """Kept blocks as one dense matrix: 8 rows for each input offset that occurs at all."""

    offsets: Index  # bytes from the start of a pixel group, ascending
    matrix: Floats  # [8 * offsets][8 * out_blocks]


def dense_weights(packet: Bytes, header: WorkHeader) -> DenseWeights:
    """The weights of a convolution; equal packets are decoded once."""
    return _dense_weights(packet[: 4 * header.size_words].tobytes())


@lru_cache(maxsize=_PACKETS_KEPT)
def _dense_weights(data: bytes) -> DenseWeights:
    packet = np.frombuffer(data, np.uint8)
    header = WorkHeader.decode(packet[:_HEADER_BYTES].view(np.dtype("<u4")))
    found = entries(packet, header)
    used = found.weights.any(axis=1)  # zero blocks fill a short table up
    offsets, rows = np.unique(found.offset[used], return_inverse=True)
    blocks = found.weights[used].reshape(-1, BLOCK, BLOCK)
    return DenseWeights(offsets, _dense(blocks, rows, found.block[used], (offsets.size, header.out_blocks)))


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


def group_starts(packet: Bytes, header: WorkHeader, call: CallRecord) -> Index:
    """Byte of the act slot at which each pixel group of a call starts: the pointers, jump after jump."""
    sets = -(-call.groups // SET)
    # The last jump of a call goes nowhere that is read, but it is made.
    jumps = ints(packet, header.jumps_offset, SET * (sets + 1)).reshape(-1, SET)
    pointers = np.cumsum(jumps[:sets], axis=0, dtype=np.int64)
    return pointers.reshape(-1)[: call.groups] + call.x_offset


def read_groups(act: Bytes, starts: Index, offsets: Index) -> Bytes:
    """The groups at every start plus every offset, `[starts][offsets][4 lanes][8]`."""
    _check_reads(act, starts, offsets)
    rows = act[: act.size // GROUP_BYTES * GROUP_BYTES].reshape(-1, GROUP_BYTES)
    found = np.take(rows, (starts[:, None] + offsets) // GROUP_BYTES, axis=0)
    return found.reshape(starts.size, offsets.size, LANES, BLOCK)


def read_pixels(act: Floats, starts: Index, offsets: Index) -> Floats:
    """The same groups pixel by pixel, `[starts * 4 lanes][offsets * 8]`, of bytes made floats."""
    _check_reads(act, starts, offsets)
    rows = act[: act.size // BLOCK * BLOCK].reshape(-1, BLOCK)
    lanes = np.arange(LANES)[:, None]
    found: Floats = np.take(rows, (starts // BLOCK)[:, None, None] + lanes + offsets // BLOCK, axis=0)
    return found.reshape(starts.size * LANES, offsets.size * BLOCK)


def _check_reads(act: NDArray[Any], starts: Index, offsets: Index) -> None:
    """Refuse reads that leave the act packet or are no vector load."""
    if not starts.size or not offsets.size:
        return
    low, high = int(starts.min() + offsets.min()), int(starts.max() + offsets.max()) + GROUP_BYTES
    if low < 0 or high > act.size:
        text = f"a kernel reads bytes {low}..{high - 1} of an act slot of {act.size} bytes"
        raise fault("kernel-read", text)
    if (starts % GROUP_BYTES).any() or (offsets % GROUP_BYTES).any():
        raise fault("kernel-alignment", f"a kernel reads a group at a byte that is no multiple of {GROUP_BYTES}")
