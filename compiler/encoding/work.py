"""What a core is told: its configuration record, and the work packets that arrive with each piece of work.

A work packet is one header, then call records, biases and factors of blocks (`compiler.encoding.records`), tables and
weights at the offsets the header names, all little-endian words.  The emitter encodes these records and the simulator
decodes them; what a kernel computes from them is written in docs/plan-format.md and implemented on each side by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from compiler.encoding.fields import Fixed, Record, bits, flag

CONFIG_ADDRESS = 0xFF80
"""Byte address of the `CoreConfig` in a core's data memory: the last 128 bytes."""

STEPS_ADDRESS = CONFIG_ADDRESS + 64
"""Where the `CoreConfig` has the addresses of the program's steps, one word each."""

CONFIG_MAGIC = 0x31435342  # "BSC1" in memory order
WORK_VERSION = 5
MAX_LAYERS = 1 << 12
"""Layers of a plan, each strip of one counting by itself: as many as a packet's header can tell apart."""

BLOCK = 8
"""Channels of an activation block and both sides of a weight block."""

LANES = 4
"""Pixels of a group: what one multiply takes at once."""

GROUP_BYTES = LANES * BLOCK
"""A group in memory, `[lanes][8 channels]`: one vector load, which must be aligned to as much."""

SET = 4
"""Groups that a kernel works on at a time, each with a pointer of its own."""

BLOCK_BYTES = BLOCK * BLOCK
"""A weight block in a packet: int8 `[8 in][8 out]`, or 32 lane weights and 32 zeros of an elementwise multiply."""

MIN_PERIODS = 5
"""Fewest table entries of an output block: the loop over them is software-pipelined so deep."""

SCRATCH_OFFSET = 1 << 15
"""What sums in the scratch have too much, from their bias on: the halves of what is left are signed, see `halves`."""

NARROW_PERIODS = 7
"""As `MIN_PERIODS`, in a `narrow` packet, where results take longer from the sums to the out slot."""

RAW_PERIODS = 8
"""As `MIN_PERIODS`, where sums go to the scratch, one quarter of an accumulator a cycle."""

PAIR = 2
"""Groups that are combined at a time by narrow factors."""

HALF_TO_EVEN, HALF_TO_ODD = 12, 13
"""How a core rounds: values of its control register crRnd (aiev2_enums.h of llvm-aie)."""


class Kernel(IntEnum):
    """What a core can run."""

    CONV = 1
    MAX_POOL = 2
    AVG_POOL = 3
    ADD = 4
    REQUANTIZE = 5
    DEPTHWISE = 6
    LOOKUP = 7
    MULTIPLY = 8
    EXPAND = 9


COMBINING = (Kernel.ADD, Kernel.REQUANTIZE, Kernel.MULTIPLY)
"""Kernels that only combine what comes: the phase before is none."""

ELEMENTWISE = (Kernel.AVG_POOL, Kernel.DEPTHWISE)
"""Kernels that multiply channel by channel; `CONV` multiplies 8 channels by a block of 8 x 8."""


class Step(IntEnum):
    """Pieces of the program that a call begins with and goes on to; each ends by going on to the next.

    The value is where a core's `CoreConfig` has the address of the piece: bytes from `STEPS_ADDRESS`.
    """

    END = 0
    DIRECT = 4
    NARROW = 8
    BIAS_RAW = 12
    SCRATCH_RAW = 16
    MAX_POOL = 20
    LOOKUP = 24
    COMBINE = 28
    FILL = 32
    COMBINE_NARROW = 36
    STAGED = 40
    SCALE = 44
    MEAN = 48
    MULTIPLY = 52
    EXPAND = 56
    FOLD = 60


def multiply_conf(kernel: Kernel, x_signed: bool) -> int:
    """Configuration word of the multiply: int8 weights, 32-bit sums; 4x8 by 8x8, or 32 lanes of two products."""
    dense = 776 if x_signed else 264
    return dense + 32 if kernel in ELEMENTWISE else dense


def narrow_conf(signed: bool) -> int:
    """The same of 32 lanes of 16 by 16 bits into 32 bits; the second factor is signed (mul_elem_32 of llvm-aie)."""
    return 824 if signed else 312


@dataclass(frozen=True, kw_only=True)
class CoreConfig(Record):
    """Where a core finds its buffers, locks and the steps of calls; addresses and lock ids as the core sees them."""

    WORDS: ClassVar[int] = 32
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
    step_end: int = bits(16, 19, 0)
    step_direct: int = bits(17, 19, 0)
    step_narrow: int = bits(18, 19, 0)
    step_bias_raw: int = bits(19, 19, 0)
    step_scratch_raw: int = bits(20, 19, 0)
    step_max_pool: int = bits(21, 19, 0)
    step_lookup: int = bits(22, 19, 0)
    step_combine: int = bits(23, 19, 0)
    step_fill: int = bits(24, 19, 0)
    step_combine_narrow: int = bits(25, 19, 0)
    step_staged: int = bits(26, 19, 0)
    step_scale: int = bits(27, 19, 0)
    step_mean: int = bits(28, 19, 0)
    step_multiply: int = bits(29, 19, 0)
    step_expand: int = bits(30, 19, 0)
    step_fold: int = bits(31, 19, 0)


@dataclass(frozen=True, kw_only=True)
class WorkHeader(Record):
    """The first 128 bytes of a work packet; offsets and steps in bytes, widths in groups.

    `taps` are the table entries that all output blocks share, 0 if each has its own; `blocks_back` says the same of the
    weights.  Some words stand ready for a core: `result_sign` for crSRSSign, 0 if clipped and else `q_signed`;
    `rounding` for crRnd where sums become bytes on the way; `narrow_conf`, by which 16-bit numbers are multiplied; and
    the `ready` bytes, which say for a combining step what flags say.  The `product` fields are of packets that
    `multiply`: the zero points of both operands, that of the second negative, and how far products are shifted to 16
    bits.  In other packets they are 0, so that who wants the rest of their words may load these whole.  A mean whose
    lanes share one pixel of the result is a `fold`, and `add_start` what its sum starts from.
    """

    WORDS: ClassVar[int] = 32

    kernel: int = bits(0, 7, 0, shown=True)
    version: int = bits(0, 15, 8, default=WORK_VERSION)
    x_signed: bool = flag(0, 16)
    y_signed: bool = flag(0, 17)
    r_signed: bool = flag(0, 18)
    direct: bool = flag(0, 19)
    q_signed: bool = flag(0, 20)
    combine: bool = flag(0, 21)
    in_place: bool = flag(0, 22)
    mean: bool = flag(0, 23)
    y_odd: bool = flag(0, 24)
    q_odd: bool = flag(0, 25)
    narrow: bool = flag(0, 26)
    staged: bool = flag(0, 27)
    clipped: bool = flag(0, 28)
    combine_narrow: bool = flag(0, 29)
    multiply: bool = flag(0, 30)
    fold: bool = flag(0, 31)
    size_words: int = bits(1, 15, 0)
    layer: int = bits(1, 27, 16)
    call_lists: int = bits(1, 31, 28, default=1)
    calls: int = bits(2, 31, 0)
    result_sign: int = bits(3, 31, 0)
    list_step: int = bits(4, 31, 0)
    calls_offset: int = bits(5, 31, 0)
    bias_offset: int = bits(6, 31, 0)
    table_offset: int = bits(7, 31, 0)
    blocks_offset: int = bits(8, 31, 0)
    jumps_offset: int = bits(9, 31, 0)
    constants_offset: int = bits(10, 31, 0)
    out_blocks: int = bits(11, 31, 0)
    groups_wide: int = bits(12, 31, 0)
    act_step: int = bits(13, 31, 0)
    factors_offset: int = bits(14, 31, 0)
    blocks_back: int = bits(15, 31, 0)
    conf: int = bits(16, 31, 0)
    pad_word: int = bits(17, 31, 0)
    q_zero: int = bits(18, 31, 0, signed=True)
    q_min: int = bits(19, 31, 0, signed=True)
    q_max: int = bits(20, 31, 0, signed=True)
    y_min: int = bits(21, 31, 0, signed=True)
    y_max: int = bits(22, 31, 0, signed=True)
    add_a: int = bits(23, 31, 0, signed=True)
    add_b: int = bits(24, 31, 0, signed=True)
    add_shift: int = bits(25, 31, 0)
    taps: int = bits(26, 23, 0)
    product_shift: int = bits(26, 31, 24)
    rounding: int = bits(27, 15, 0, default=HALF_TO_EVEN)
    product_x_zero: int = bits(27, 31, 16, signed=True)
    narrow_conf: int = bits(28, 15, 0)
    product_r_less: int = bits(28, 31, 16, signed=True)
    scale_step: int = bits(29, 19, 0)
    mean_inner: int = bits(29, 25, 20)
    mean_outer: int = bits(29, 31, 26)
    add_start: int = bits(30, 31, 0, signed=True)
    ready_x: int = bits(31, 7, 0)
    ready_r: int = bits(31, 15, 8)
    ready_y: int = bits(31, 23, 16)
    ready_round: int = bits(31, 31, 24)


@dataclass(frozen=True, kw_only=True)
class CallRecord(Record):
    """One kernel call of a work packet: which buffers it takes and gives back, and which rows it computes.

    It begins with the program's step `start`, which goes on to `then`; a rescaling one goes on to `after_rescale`, a
    combining or folding one to `after_combine`.  All four are values of `Step`.  `groups` are rows * groups_wide;
    `x_offset` and `r_offset` count from the act slot, `scales_offset` from the packet's start, all in bytes.
    """

    WORDS: ClassVar[int] = 8

    acquire_act: bool = flag(0, 0)
    release_act: bool = flag(0, 1)
    first: bool = flag(0, 2)
    last: bool = flag(0, 3)
    skip: bool = flag(0, 4)
    start: int = bits(0, 15, 8)
    then: int = bits(0, 23, 16)
    after_combine: int = bits(0, 31, 24)
    after_rescale: int = bits(1, 31, 0)
    groups: int = bits(2, 31, 0)
    pad_bytes: int = bits(3, 31, 0)
    x_offset: int = bits(4, 31, 0)
    r_offset: int = bits(5, 31, 0)
    scales_offset: int = bits(6, 31, 0)
    act_bytes: int = bits(7, 19, 0)
    rows: int = bits(7, 31, 20)


def with_steps(header: WorkHeader, call: CallRecord) -> CallRecord:
    """A call with the steps that follow from what else its packet and its record say."""
    found = dict.fromkeys(("start", "then", "after_rescale", "after_combine"), Step.END)
    before = "start"
    for step in () if call.skip else _steps(header, call):
        found[before] = step
        before = _NEXT.get(step, "then")
    return replace(
        call,
        start=found["start"],
        then=found["then"],
        after_rescale=found["after_rescale"],
        after_combine=found["after_combine"],
    )


_NEXT = {
    Step.COMBINE: "after_combine",
    Step.COMBINE_NARROW: "after_combine",
    Step.STAGED: "after_rescale",
    Step.SCALE: "after_rescale",
    Step.MEAN: "after_rescale",
    Step.MULTIPLY: "after_combine",
    Step.FOLD: "after_combine",
}
"""Where a call record says what a step goes on to, if not by `then`."""


def _steps(header: WorkHeader, call: CallRecord) -> Iterator[Step]:
    """The steps of a call in order, up to its end."""
    first = _first_step(header, call)
    yield first
    if call.last and first in (Step.BIAS_RAW, Step.SCRATCH_RAW):
        if header.fold:
            yield Step.FOLD
        yield Step.MEAN if header.mean else Step.STAGED if header.staged else Step.SCALE
    if call.last and header.combine and header.kernel not in COMBINING:
        yield _combine_step(header)
    if call.last and call.pad_bytes:
        yield Step.FILL


def _combine_step(header: WorkHeader) -> Step:
    if header.multiply:
        return Step.MULTIPLY
    return Step.COMBINE_NARROW if header.combine_narrow else Step.COMBINE


_ALONE = {Kernel.MAX_POOL: Step.MAX_POOL, Kernel.LOOKUP: Step.LOOKUP, Kernel.EXPAND: Step.EXPAND}
"""Kernels that are a step of their own."""


def _first_step(header: WorkHeader, call: CallRecord) -> Step:
    if header.kernel in COMBINING:
        return _combine_step(header)
    if header.kernel in _ALONE:
        return _ALONE[Kernel(header.kernel)]
    if header.direct or header.narrow:
        return Step.DIRECT if header.direct else Step.NARROW
    return Step.BIAS_RAW if call.first else Step.SCRATCH_RAW


TABLE_GUARD = 8
"""Zero entries behind a packet's table: a core reads so far ahead, for a block that does not come."""


def halves(factors: NDArray[np.int32]) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Factors as `hi * 65536 + lo`, both halves signed 16-bit numbers, as 16-bit multiplies take them."""
    return ((factors + 0x8000) >> 16).astype(np.int16), (factors & 0xFFFF).astype(np.uint16).view(np.int16)
