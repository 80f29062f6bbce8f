"""Cycles of kernel calls: counts of the design in docs/plan-format.md, until kernels are machine code."""

from __future__ import annotations

CALL_CYCLES = 40
"""Call, return and locks of one kernel call."""


def ceil_div(value: int, by: int) -> int:
    """Division rounded up."""
    return -(-value // by)


def conv_cycles(pixels: int, kept: tuple[int, ...], *, first: bool, last: bool, general: bool, residual: bool) -> int:
    """A block-sparse convolution with `kept[b]` weight blocks in output block b."""
    groups = ceil_div(pixels, 16)
    edge = 8 * groups * (not first) + 8 * groups * (not last)
    if last:
        edge += 16 * groups * general + 8 * groups * residual
    return CALL_CYCLES + sum(35 + 4 * groups * max(count, 3) + edge for count in kept)


_PIXEL_CYCLES = {"max_pool": (1, 4), "avg_pool": (2, 8), "add": (0, 8), "requantize": (0, 6)}


def channelwise_cycles(kernel: str, pixels: int, blocks: int, taps: int) -> int:
    """A kernel that treats each channel by itself, four pixels of eight channels at a time."""
    per_tap, fixed = _PIXEL_CYCLES[kernel]
    return CALL_CYCLES + blocks * (20 + ceil_div(pixels, 4) * (per_tap * taps + fixed))


def border_cycles(border_bytes: int) -> int:
    """Filling the border of an output tile, 32 bytes a cycle."""
    return ceil_div(border_bytes, 32)
