"""What a core is told: its configuration record, and the work packets that arrive with each piece of work.

A work packet is one header, then call records, tables and weights at the offsets the header names, all
little-endian words.  The emitter encodes these records and the simulator decodes them; what a kernel computes
from them is written in docs/plan-format.md and implemented on each side by itself.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

from compiler.encoding.fields import Fixed, Record, bits, flag

CONFIG_ADDRESS = 0xFF80
"""Byte address of the `CoreConfig` in a core's data memory: the last 128 bytes."""

CONFIG_MAGIC = 0x31435342  # "BSC1" in memory order
WORK_VERSION = 1
BLOCK = 8
"""Channels of an activation block and both sides of a weight block."""


class Kernel(IntEnum):
    """What a core can run."""

    CONV = 1
    MAX_POOL = 2
    AVG_POOL = 3
    ADD = 4
    REQUANTIZE = 5


@dataclass(frozen=True, kw_only=True)
class CoreConfig(Record):
    """Where a core finds its buffers and locks; addresses and lock ids as the core sees them."""

    WORDS: ClassVar[int] = 16
    FIXED: ClassVar[tuple[Fixed, ...]] = (Fixed(0, 31, 0, CONFIG_MAGIC),)

    act_slot0: int = bits(1, 31, 0)
    act_slot1: int = bits(2, 31, 0)
    act_bytes: int = bits(3, 31, 0)
    work_slot0: int = bits(4, 31, 0)
    work_slot1: int = bits(5, 31, 0)
    work_bytes: int = bits(6, 31, 0)
    out_slot0: int = bits(7, 31, 0)
    out_slot1: int = bits(8, 31, 0)
    out_bytes: int = bits(9, 31, 0)
    acc_address: int = bits(10, 31, 0)
    acc_bytes: int = bits(11, 31, 0)
    act_free_lock: int = bits(12, 7, 0)
    act_full_lock: int = bits(12, 15, 8)
    work_free_lock: int = bits(12, 23, 16)
    work_full_lock: int = bits(12, 31, 24)
    out_free_lock: int = bits(13, 7, 0)
    out_full_lock: int = bits(13, 15, 8)
    row: int = bits(14, 7, 0)


@dataclass(frozen=True, kw_only=True)
class WorkHeader(Record):
    """The first 128 bytes of a work packet; widths in pixels, blocks of 8 channels, offsets in bytes."""

    WORDS: ClassVar[int] = 32

    kernel: int = bits(0, 7, 0, shown=True)
    version: int = bits(0, 15, 8, default=WORK_VERSION)
    x_signed: bool = flag(0, 16)
    y_signed: bool = flag(0, 17)
    r_signed: bool = flag(0, 18)
    general_scale: bool = flag(0, 19)
    size_words: int = bits(1, 31, 0)
    calls: int = bits(2, 31, 0)
    layer: int = bits(3, 31, 0)
    in_width: int = bits(4, 15, 0)
    in_blocks: int = bits(4, 31, 16)
    out_width: int = bits(5, 15, 0)
    out_blocks: int = bits(5, 31, 16)
    left: int = bits(6, 15, 0)
    valid_width: int = bits(6, 31, 16)
    pixel_step: int = bits(7, 31, 0)
    row_step: int = bits(8, 31, 0)
    pad_byte: int = bits(9, 7, 0)
    x_zero: int = bits(10, 15, 0, signed=True)
    y_zero: int = bits(10, 31, 16, signed=True)
    y_min: int = bits(11, 15, 0, signed=True)
    y_max: int = bits(11, 31, 16, signed=True)
    r_zero: int = bits(12, 15, 0, signed=True)
    mid_zero: int = bits(12, 31, 16, signed=True)
    mid_min: int = bits(13, 15, 0, signed=True)
    mid_max: int = bits(13, 31, 16, signed=True)
    add_a: int = bits(14, 31, 0, signed=True)
    add_b: int = bits(15, 31, 0, signed=True)
    add_shift: int = bits(16, 31, 0)
    kernel_h: int = bits(17, 15, 0)
    kernel_w: int = bits(17, 31, 16)
    dilation_y: int = bits(18, 15, 0)
    dilation_x: int = bits(18, 31, 16)
    calls_offset: int = bits(19, 31, 0)
    counts_offset: int = bits(20, 31, 0)
    table_offset: int = bits(21, 31, 0)
    blocks_offset: int = bits(22, 31, 0)
    params_offset: int = bits(23, 31, 0)
    params: int = bits(24, 31, 0)
    column_counts_offset: int = bits(25, 31, 0)
    call_lists: int = bits(26, 31, 0, default=1)


@dataclass(frozen=True, kw_only=True)
class CallRecord(Record):
    """One kernel call of a work packet: which buffers it takes and gives back, and which rows it computes."""

    WORDS: ClassVar[int] = 8

    out_rows: int = bits(0, 15, 0)
    top: int = bits(0, 31, 16)
    valid_rows: int = bits(1, 15, 0)
    acquire_act: bool = flag(1, 16)
    release_act: bool = flag(1, 17)
    first: bool = flag(1, 18)
    last: bool = flag(1, 19)
    residual: bool = flag(1, 20)
    skip: bool = flag(1, 21)
    x_offset: int = bits(2, 31, 0)
    r_offset: int = bits(3, 31, 0)
    row_counts_offset: int = bits(4, 31, 0)
    act_bytes: int = bits(5, 31, 0)
