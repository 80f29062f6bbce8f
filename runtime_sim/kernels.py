"""What each phase of a kernel call computes, on the bytes of a core: docs/plan-format.md, "Kernels"."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.encoding.work import (
    BLOCK,
    ELEMENTWISE,
    GROUP_BYTES,
    HALF_TO_EVEN,
    LANES,
    MIN_PERIODS,
    SCRATCH_OFFSET,
    SET,
    CallRecord,
    Kernel,
    WorkHeader,
    multiply_conf,
)
from compiler.numerics import (
    FACTOR_LIMIT,
    MAX_FIRST_SHIFT,
    MAX_NARROW_SHIFT,
    MAX_SHIFT,
    fits_bytes,
    requantise,
    requantise_narrow,
    round_shift,
    wrap_int32,
)
from runtime_sim.packet import (
    Bytes,
    Index,
    Int32s,
    biases,
    chain,
    check_factors,
    dense_weights,
    entries,
    fault,
    group_starts,
    ints,
    narrow_factors,
    read_groups,
    read_pixels,
    vectors,
    wide_factors,
)
from runtime_sim.phases import Phase, phases_of

Wide = NDArray[np.integer[Any]]
Ints = NDArray[np.int64]

_MAX_DIRECT_SHIFT = 31
_SCALE_BYTES = 4 * LANES * BLOCK
_EXACT_INT64 = 1 << 62


@dataclass(frozen=True)
class _Core:
    """A packet, one of its calls, and the core's memory; results are `[out_blocks][groups][4 lanes][8]`."""

    packet: Bytes
    header: WorkHeader
    call: CallRecord
    act: Bytes
    acc: Int32s
    out: Bytes

    @property
    def tile_bytes(self) -> int:
        """Size of the output tile."""
        return self.call.groups * self.header.out_blocks * GROUP_BYTES

    @property
    def scratch(self) -> Int32s:
        """The sums of the call in the scratch, of which each block has whole sets."""
        blocks, sets = self.header.out_blocks, -(-self.call.groups // SET)
        shape = blocks, sets * SET, LANES, BLOCK
        size = blocks * sets * SET * GROUP_BYTES
        if size > self.acc.size:
            raise fault("kernel-scratch", f"a call needs {4 * size} bytes of scratch, the core has {4 * self.acc.size}")
        return self.acc[:size].reshape(shape)[:, : self.call.groups]

    @property
    def sums(self) -> Ints:
        """The sums that the scratch stands for."""
        return self.scratch.astype(np.int64) - SCRATCH_OFFSET

    def store(self, values: Wide) -> None:
        """Write the output tile `[rows][out_blocks][groups_wide][4][8]`."""
        rows, blocks, wide = self.call.rows, self.header.out_blocks, self.header.groups_wide
        tile = self.out[: self.tile_bytes].reshape(rows, blocks, wide, LANES, BLOCK)
        tile[...] = values.astype(np.uint8).reshape(blocks, rows, wide, LANES, BLOCK).swapaxes(0, 1)

    def compact(self, offset: int) -> Bytes:
        """An operand in the act slot that lies as the output tile does."""
        end = offset + self.tile_bytes
        if end > self.act.size or offset % GROUP_BYTES:
            text = f"an operand lies in bytes {offset}..{end - 1} of an act slot of {self.act.size}"
            raise fault("kernel-read", f"{text}, expected inside and at a multiple of {GROUP_BYTES}")
        return self.act[offset:end]


def run_call(packet: Bytes, header: WorkHeader, call: CallRecord, act: Bytes, acc: Int32s, out: Bytes) -> None:
    """Change `acc` and `out` as the call does."""
    core = _Core(packet, header, call, act, acc, out)
    _check(core)
    for phase in phases_of(header, call):
        _RUN[phase](core)


def _check(core: _Core) -> None:
    """Refuse a call that is at odds with itself or with its out slot."""
    header, call = core.header, core.call
    if call.groups != call.rows * header.groups_wide:
        text = f"a call of {call.rows} rows of {header.groups_wide} groups says {call.groups} groups"
        raise fault("kernel-groups", text)
    if not call.last and Phase.MAC not in phases_of(header, call):
        raise fault("kernel-last", f"kernel {Kernel(header.kernel).name} writes nothing: its call is not last")
    size = core.tile_bytes + call.pad_bytes
    if call.last and (size > core.out.size or call.pad_bytes % 4):
        text = f"a tile of {core.tile_bytes} bytes and {call.pad_bytes} of padding leave"
        raise fault("kernel-write", f"{text} an out slot of {core.out.size} bytes or its words")


def _mac(core: _Core) -> None:
    header, call = core.header, core.call
    kernel = Kernel(header.kernel)
    if header.conf != multiply_conf(kernel, header.x_signed):
        text = f"kernel {kernel.name} multiplies by configuration {header.conf}"
        raise fault("kernel-conf", f"{text}, expected {multiply_conf(kernel, header.x_signed)}")
    starts = group_starts(core.packet, header, call)
    sums = _elementwise(core, starts) if kernel in ELEMENTWISE else _dense(core, starts)
    sums += biases(core.packet, header)[:, None, None] if call.first else core.scratch
    if not (header.direct or header.narrow):
        core.scratch[...] = sums
        return
    if not (call.first and call.last):
        raise fault("kernel-direct", "a direct store is of a call that is not both first and last")
    if header.narrow:
        core.store(_narrowed(core, sums))
        return
    shift = chain(core.packet, header).shift
    if shift.max() > _MAX_DIRECT_SHIFT:
        raise fault("kernel-shift", f"a direct store shifts by {shift.max()}, at most {_MAX_DIRECT_SHIFT}")
    limits = np.iinfo(np.int8 if header.q_signed else np.uint8)
    rounded = _rounded(sums.astype(np.int64), shift[:, None, None, None], header.q_odd)
    core.store(np.clip(rounded, limits.min, limits.max))


def _narrowed(core: _Core, sums: Int32s) -> Wide:
    """Sums `[blocks][groups][lanes][8]` by two shifts and a factor."""
    header, found = core.header, chain(core.packet, core.header)
    if header.q_odd:
        raise fault("work-header", "q_odd is set in a narrow packet, whose first rounding has no zero point in it")
    if header.clipped and not (header.q_signed and header.q_zero <= 0):
        raise fault("work-header", f"results around {header.q_zero} are clipped, expected int8 around 0 or less")
    shifts = (one[:, None, None, None] for one in (found.shift, found.second))
    limits = np.iinfo(np.int8 if header.q_signed else np.uint8)
    factors = narrow_factors(core.packet, header)[:, None, None, :]
    ends = header.q_zero, limits.min, limits.max
    return requantise_narrow(sums, next(shifts), factors, next(shifts), *ends, unsigned=header.clipped)


def _dense(core: _Core, starts: Index) -> Int32s:
    """4 x 8 by 8 x 8, as one exact matrix product; a float32 matrix says that every sum fits float32."""
    weights = dense_weights(core.packet, core.header)
    act = _typed(core.act, core.header.x_signed).astype(weights.matrix.dtype)
    products = read_pixels(act, starts, weights.offsets) @ weights.matrix
    sums = products.astype(np.int32) if products.dtype == np.float32 else wrap_int32(products.astype(np.int64))
    return sums.reshape(starts.size, LANES, core.header.out_blocks, BLOCK).transpose(2, 0, 1, 3)


def _elementwise(core: _Core, starts: Index) -> Int32s:
    """Channel by channel; the multiply adds two products, of which the second is with zeros."""
    found = entries(core.packet, core.header)
    if found.weights[:, GROUP_BYTES:].any():
        raise fault("work-table", "weights of an elementwise multiply are not followed by 32 zeros")
    groups = _typed(read_groups(core.act, starts, found.offset), core.header.x_signed).astype(np.int32)
    products = groups * found.weights[:, :GROUP_BYTES].reshape(-1, LANES, BLOCK).astype(np.int32)
    sums: Int32s = np.add.reduceat(products, found.starts, axis=1, dtype=np.int32)
    return sums.swapaxes(0, 1)


def _scale(core: _Core) -> None:
    header, shift = core.header, chain(core.packet, core.header).shift
    _check_limits(header.q_min, header.q_max, header.q_signed)
    factors = wide_factors(core.packet, header)[:, None, None, :], shift[:, None, None, None]
    core.store(requantise(core.sums, *factors, header.q_zero, header.q_min, header.q_max))


def _staged(core: _Core) -> None:
    core.store(_narrowed(core, core.scratch))


def _fold(core: _Core) -> None:
    """The sums of all lanes become that of the first; 32-bit adds wrap."""
    if not core.header.mean or core.header.combine:
        raise fault("work-header", "a fold is of a mean, with nothing combined behind it")
    whole = core.scratch.astype(np.int64).sum(axis=2) + core.header.add_start
    core.scratch[:, :, 0] = wrap_int32(whole)


def _mean(core: _Core) -> None:
    header = core.header
    _check_limits(header.q_min, header.q_max, header.q_signed)
    _check_shift(header.mean_inner)
    _check_shift(header.mean_outer)
    inner = round_shift(core.sums * _mean_factors(core), header.mean_inner)
    mean = round_shift(inner, header.mean_outer) + header.q_zero
    core.store(np.clip(mean, header.q_min, header.q_max))


def _mean_factors(core: _Core) -> Wide:
    """What each pixel is multiplied by, `[groups][4 lanes][8]`: upper halves of a group, then lower halves."""
    step, groups = core.header.scale_step, core.call.groups
    if step not in (0, _SCALE_BYTES):
        raise fault("work-header", f"scale_step is {step}, expected 0 or {_SCALE_BYTES}")
    stored = vectors(core.packet, core.call.scales_offset, _SCALE_BYTES * (groups if step else 1))
    halves = stored.view(np.dtype("<i2")).reshape(-1, 2, LANES, BLOCK).astype(np.int64)
    factors = halves[:, 0] * 65536 + halves[:, 1]
    check_factors(factors)
    return np.broadcast_to(factors, (groups, LANES, BLOCK))


def _max(core: _Core) -> None:
    header = core.header
    if header.taps < MIN_PERIODS:
        raise fault("work-table", f"a maximum is over {header.taps} entries, its loop takes {MIN_PERIODS}")
    blocks = np.arange(header.out_blocks, dtype=np.int64) * header.act_step
    taps = ints(core.packet, header.table_offset, header.taps)
    offsets = (blocks[:, None] + taps).reshape(-1)
    groups = read_groups(core.act, group_starts(core.packet, header, core.call), offsets)
    shape = core.call.groups, header.out_blocks, header.taps, LANES, BLOCK
    core.store(_typed(groups, header.x_signed).reshape(shape).max(axis=2).swapaxes(0, 1))


def _combine(core: _Core) -> None:
    header = core.header
    _check_limits(header.y_min, header.y_max, header.y_signed)
    constant = _narrow_start(header) if header.combine_narrow else _wide_start(core)
    total = constant + header.add_a * _first(core)
    if header.add_b:
        total += header.add_b * _second(core)
    rounded = _rounded(total, header.add_shift, header.y_odd)
    core.out[: core.tile_bytes] = np.clip(rounded, header.y_min, header.y_max).astype(np.uint8)


def _first(core: _Core) -> Ints:
    """The first operand of what combines two."""
    if core.header.in_place:
        return _typed(core.out[: core.tile_bytes], core.header.q_signed).astype(np.int64)
    return _typed(core.compact(core.call.x_offset), core.header.x_signed).astype(np.int64)


def _second(core: _Core) -> Ints:
    return _typed(core.compact(core.call.r_offset), core.header.r_signed).astype(np.int64)


def _multiply(core: _Core) -> None:
    header = core.header
    _check_limits(header.y_min, header.y_max, header.y_signed)
    _check_ready(header)
    factor, second = header.add_a, header.add_shift
    zero = header.add_start >> second if second <= MAX_NARROW_SHIFT else 0
    if not fits_bytes((factor,), second) or factor < 0 or header.product_shift > MAX_FIRST_SHIFT:
        text = f"products are shifted by {header.product_shift}, multiplied by {factor} and shifted by {second}"
        raise fault("work-header", f"{text}, expected a factor of 15 bits, shifts of at most {MAX_FIRST_SHIFT} and 22")
    zeros = header.product_x_zero, -header.product_r_less
    if max(map(abs, zeros)) >= 256 or not -128 <= zero < 256 or zero << second != header.add_start:
        raise fault("work-header", f"a product has the zero points {zeros}, and {zero} from {header.add_start}")
    products = (_first(core) - zeros[0]) * (_second(core) - zeros[1])
    ends = zero, header.y_min, header.y_max
    core.out[: core.tile_bytes] = requantise_narrow(products, header.product_shift, factor, second, *ends).astype(
        np.uint8
    )


def _expand(core: _Core) -> None:
    """The first pixel of each output block's group as all pixels of the tile."""
    blocks = core.header.out_blocks
    end = core.call.x_offset + blocks * GROUP_BYTES
    if end > core.act.size or core.call.x_offset % GROUP_BYTES:
        text = f"{blocks} pixels lie in groups {core.call.x_offset}..{end - 1} of an act slot of {core.act.size}"
        raise fault("kernel-read", f"{text}, expected inside and at a multiple of {GROUP_BYTES}")
    groups = core.act[core.call.x_offset : end].reshape(blocks, LANES, BLOCK)
    core.store(np.broadcast_to(groups[:, None, :1], (blocks, core.call.groups, LANES, BLOCK)))


def _narrow_start(header: WorkHeader) -> int:
    """What sums of two products start from; all of a narrow packet stands in its header."""
    a, b, start = header.add_a, header.add_b, header.add_start
    if not fits_bytes((a, b), header.add_shift) or abs(start) + 255 * (abs(a) + abs(b)) >= 1 << 31:
        text = f"operands are multiplied by {a} and {b}, shifted by {header.add_shift}, from {start} on"
        raise fault("work-header", f"{text}, expected factors of 15 bits and sums of 32")
    _check_ready(header)
    return start


def _check_ready(header: WorkHeader) -> None:
    signed = header.q_signed if header.in_place else header.x_signed
    wanted = signed, header.r_signed, header.y_signed, HALF_TO_EVEN + header.y_odd
    if wanted != (header.ready_x, header.ready_r, header.ready_y, header.ready_round):
        raise fault("work-header", f"the ready bytes contradict the flags, expected {tuple(map(int, wanted))}")


def _wide_start(core: _Core) -> int:
    """The same of 30-bit factors, with 64 bits in a section of its own."""
    header = core.header
    _check_shift(header.add_shift)
    constants = vectors(core.packet, header.constants_offset, 4 * 8).view(np.dtype("<i8"))
    constant = int(constants[0])
    if (constants != constant).any():
        raise fault("work-table", f"the four copies of a constant are {constants.tolist()}")
    if max(abs(header.add_a), abs(header.add_b)) >= FACTOR_LIMIT:
        text = f"operands are multiplied by {header.add_a} and {header.add_b}"
        raise fault("work-header", f"{text}, expected less than {FACTOR_LIMIT}")
    if abs(constant) + 255 * (abs(header.add_a) + abs(header.add_b)) >= _EXACT_INT64:
        raise fault("work-table", f"the constant {constant} takes sums out of the accumulator's 64 bits")
    return constant


def _lookup(core: _Core) -> None:
    table = vectors(core.packet, core.header.table_offset, 256)
    core.out[: core.tile_bytes] = table[core.compact(core.call.x_offset)]


def _fill(core: _Core) -> None:
    pads = core.out[core.tile_bytes : core.tile_bytes + core.call.pad_bytes]
    pads.view(np.dtype("<u4"))[...] = core.header.pad_word


_RUN: dict[Phase, Callable[[_Core], None]] = {
    Phase.MAC: _mac,
    Phase.STAGED: _staged,
    Phase.SCALE: _scale,
    Phase.FOLD: _fold,
    Phase.MEAN: _mean,
    Phase.MAX: _max,
    Phase.LOOKUP: _lookup,
    Phase.EXPAND: _expand,
    Phase.COMBINE: _combine,
    Phase.MULTIPLY: _multiply,
    Phase.FILL: _fill,
}


def _typed(data: Bytes, signed: bool) -> Wide:
    return data.view(np.int8) if signed else data


def _rounded(value: Ints, shift: Ints | int, odd: bool) -> Ints:
    """value / 2^shift, halves to even; to odd where the value holds an odd zero point, which is to even without it."""
    return round_shift(value - (np.int64(odd) << shift), shift) + odd


def _check_limits(low: int, high: int, signed: bool) -> None:
    """A store keeps 8 bits: limits beyond them would not limit."""
    limits = np.iinfo(np.int8 if signed else np.uint8)
    if not limits.min <= low <= high <= limits.max:
        raise fault("work-header", f"results are limited to {low}..{high}, their type holds {limits.min}..{limits.max}")


def _check_shift(shift: int) -> None:
    if shift > MAX_SHIFT:
        raise fault("work-header", f"a shift is {shift}, at most {MAX_SHIFT}")
