"""Rates of a column's shim channels between DDR and the memory tile, in bytes per array cycle."""

from __future__ import annotations

from compiler.encoding.overlay import LOAD_CHANNELS
from compiler.target import Target

STREAM_BYTES_PER_CYCLE = 4.0
"""A stream carries one 32-bit word a cycle (AM020); no channel is faster, whatever DDR could do."""


def load_rate(target: Target, channels: int = len(LOAD_CHANNELS)) -> float:
    """What DDR brings to a column, by all of its load channels or by so many of them."""
    return channels * min(STREAM_BYTES_PER_CYCLE, target.ddr.read_channel_bytes_per_cycle)


def store_rate(target: Target) -> float:
    """What a column sends to DDR: results leave by one channel, see `STORE_CHANNEL` of the overlay."""
    return min(STREAM_BYTES_PER_CYCLE, target.ddr.write_channel_bytes_per_cycle)
