"""A work packet as its kernel sees it: tables out of the bytes, and groups out of an act slot."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.encoding.records import (
    CHAIN_BYTES,
    RECORD_BYTES,
    Chain,
    decode_bias,
    decode_narrow,
    decode_wide,
)
from compiler.encoding.work import (
    BLOCK,
    BLOCK_BYTES,
    GROUP_BYTES,
    HALF_TO_EVEN,
    HALF_TO_ODD,
    LANES,
    MIN_PERIODS,
    NARROW_PERIODS,
    RAW_PERIODS,
    SET,
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


def chain(packet: Bytes, header: WorkHeader) -> Chain:
    """How many table entries each output block has, and its shifts; equal chains are decoded once."""
    size = CHAIN_BYTES * (header.out_blocks + 1)
    if header.jumps_offset < size:
        raise fault("work-table", f"{size} bytes of chain words lie before the jumps at byte {header.jumps_offset}")
    least = MIN_PERIODS if header.direct else NARROW_PERIODS if header.narrow else RAW_PERIODS
    data = ints(packet, header.jumps_offset - size, header.out_blocks + 1).tobytes()
    return _chain(data, header.narrow or header.staged, least)


@lru_cache(maxsize=_PACKETS_KEPT)
def _chain(data: bytes, narrow: bool, least: int) -> Chain:
    try:
        found = Chain.decode(np.frombuffer(data, np.dtype("<i4")))
    except BsccError as error:
        raise fault("work-records", error.diagnostic.message) from error
    for name, shift, most in (
        ("shift", found.shift, MAX_SHIFT),
        ("second shift", found.second, MAX_NARROW_SHIFT * narrow),
    ):
        if shift.max(initial=0) > most:
            raise fault("work-records", f"a {name} is not in 0..{most}: {shift.tolist()}")
    if found.periods.min(initial=least) < least:
        text = f"an output block has {found.periods.min()} table entries, the loop over them takes {least}"
        raise fault("work-records", text)
    return found


def biases(packet: Bytes, header: WorkHeader) -> Int32s:
    """What sums start from, `[out_blocks][8]`."""
    return decode_bias(_records(packet, header, factors=False))


def narrow_factors(packet: Bytes, header: WorkHeader) -> Int32s:
    """What sums are multiplied by behind their first shift, `[out_blocks][8]`."""
    try:
        factors, zeros = decode_narrow(_records(packet, header, factors=True))
    except BsccError as error:
        raise fault("work-records", error.diagnostic.message) from error
    wanted = header.q_zero << chain(packet, header).second
    if (zeros != wanted).any():
        raise fault("work-records", f"shifted zero points are {zeros.tolist()}, expected {wanted.tolist()}")
    check_factors(factors)
    return factors


def wide_factors(packet: Bytes, header: WorkHeader) -> Int32s:
    """What sums in the scratch are multiplied by, `[out_blocks][8]`."""
    factors = decode_wide(_records(packet, header, factors=True))
    check_factors(factors)
    return factors


def _records(packet: Bytes, header: WorkHeader, *, factors: bool) -> Bytes:
    """The factors of each block or its bias, `[out_blocks][32]`: in a narrow packet the two take turns."""
    starts = header.bias_offset, header.factors_offset
    if not header.narrow:
        return vectors(packet, starts[factors], RECORD_BYTES * header.out_blocks).reshape(-1, RECORD_BYTES)
    if starts[1] != starts[0] + RECORD_BYTES:
        text = f"factors are at byte {starts[1]} and biases at {starts[0]}"
        raise fault("work-header", f"{text}, expected {RECORD_BYTES} bytes before the factors in a narrow packet")
    both = vectors(packet, starts[0], 2 * RECORD_BYTES * header.out_blocks)
    return both.reshape(-1, 2, RECORD_BYTES)[:, int(factors)]


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
    """What a packet multiplies; the blocks may share a table, and weights."""
    periods = chain(packet, header).periods
    _check_shared(header, periods)
    block = np.repeat(np.arange(header.out_blocks, dtype=np.int64), periods)
    starts = np.cumsum(periods) - periods
    every = np.arange(block.size, dtype=np.int64)
    shared = every - starts[block]
    places = shared if header.taps else every
    table = ints(packet, header.table_offset, int(places.max(initial=-1)) + 1)
    offset = table[places] + block * header.act_step
    places = shared if header.blocks_back else every
    stored = vectors(packet, header.blocks_offset, (int(places.max(initial=-1)) + 1) * BLOCK_BYTES)
    return Entries(block, starts, offset, stored.view(np.int8).reshape(-1, BLOCK_BYTES)[places])


def _check_shared(header: WorkHeader, periods: Index) -> None:
    """Refuse words for whoever multiplies that say otherwise than the rest of the packet."""
    for name in ("taps", "blocks_back"):
        shared = getattr(header, name)
        if shared and (periods != shared).any():
            text = f"{name} is {shared}, but output blocks have {periods.tolist()} table entries"
            raise fault("work-header", text)
    wanted = {
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
