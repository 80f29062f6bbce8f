"""What one kernel call computes and how many cycles it takes: docs/plan-format.md, "Kernels" and "Cycles"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.encoding.work import BLOCK, CallRecord, Kernel, WorkHeader
from compiler.numerics import add_requantise, requantise, requantise_mean, wrap_int32
from runtime_sim.packet import (
    Bytes,
    Floats,
    Index,
    Int32s,
    block_counts,
    conv_tables,
    fault,
    gather,
    ints,
    pixel_starts,
)

Wide = NDArray[np.integer[Any]]

_BORDER_BYTES_PER_CYCLE = 32
# Fixed cycles of an output block and cycles of four pixels; the pools' depend on their taps.
_BLOCK_CYCLES = 20
_ADD_CYCLES = 8
_REQUANTIZE_CYCLES = 6


def run_call(
    packet: Bytes,
    header: WorkHeader,
    call: CallRecord,
    act: Bytes,
    acc: Int32s,
    out: Bytes,
    *,
    compute: bool,
) -> int:
    """Cycles of the call; with `compute` its results go to `out`, or to `acc` where they are not the last."""
    if compute:
        if not call.last and header.kernel != Kernel.CONV:
            raise fault("kernel-last", f"kernel {Kernel(header.kernel).name} writes nothing: its call is not last")
        result = _KERNELS[Kernel(header.kernel)](packet, header, call, act, acc)
        if call.last:
            _store(header, call, result, out)
    return call_cycles(packet, header, call)


def call_cycles(packet: Bytes, header: WorkHeader, call: CallRecord) -> int:
    """Cycles of the core from the start of the call to its end."""
    pixels = call.valid_rows * header.valid_width
    quads = -(-pixels // 4)
    border = 0
    if call.last:
        border_bytes = (call.out_rows * header.out_width - pixels) * header.out_blocks * BLOCK
        border = -(-border_bytes // _BORDER_BYTES_PER_CYCLE)
    if header.kernel == Kernel.CONV:
        return 40 + _conv_cycles(block_counts(packet, header), header, call, -(-pixels // 16)) + border
    taps = header.kernel_h * header.kernel_w
    per_quad = {
        Kernel.MAX_POOL: taps + 4,
        Kernel.AVG_POOL: 2 * taps + 8,
        Kernel.ADD: _ADD_CYCLES,
        Kernel.REQUANTIZE: _REQUANTIZE_CYCLES,
    }[Kernel(header.kernel)]
    return 40 + header.out_blocks * (_BLOCK_CYCLES + quads * per_quad) + border


def _conv_cycles(counts: Int32s, header: WorkHeader, call: CallRecord, groups: int) -> int:
    """Cycles of all output blocks; `groups` are groups of 16 pixels."""
    moves = 8 * (not call.first) + 8 * (not call.last)
    if call.last:
        moves += 16 * header.general_scale + 8 * call.residual
    products = 4 * int(np.maximum(counts, 3).sum(dtype=np.int64))
    return len(counts) * (35 + groups * moves) + groups * products


def _conv(packet: Bytes, header: WorkHeader, call: CallRecord, act: Bytes, acc: Int32s) -> Wide:
    tables = conv_tables(packet, header)
    groups = _typed(gather(act, pixel_starts(header, call), tables.offsets), header.x_signed)
    products = _product(groups.reshape(len(groups), -1), tables.matrix)
    sums = products.reshape(call.valid_rows, header.valid_width, header.out_blocks * BLOCK)
    sums += tables.bias if call.first else _scratch(header, call, acc).reshape(sums.shape)
    if not call.last:
        scratch = _scratch(header, call, acc)
        scratch[...] = sums.reshape(scratch.shape)
        return sums
    if not call.residual:
        return requantise(sums, tables.multiplier, tables.shift, header.y_zero, header.y_min, header.y_max)
    middle = requantise(sums, tables.multiplier, tables.shift, header.mid_zero, header.mid_min, header.mid_max)
    return _added(header, call, act, middle - header.mid_zero)


def _product(inputs: Wide, matrix: Floats) -> Int32s:
    """The exact matrix product, wrapped; a float32 matrix says that every sum fits float32."""
    if matrix.dtype == np.float32:
        return (inputs.astype(np.float32) @ matrix).astype(np.int32)
    return wrap_int32((inputs.astype(np.float64) @ matrix).astype(np.int64))


def _scratch(header: WorkHeader, call: CallRecord, acc: Int32s) -> Int32s:
    """The accumulator scratch `[rows][blocks][width][8]`, seen with its pixels before its blocks."""
    size = call.valid_rows * header.valid_width * header.out_blocks * BLOCK
    if size > acc.size:
        raise fault("kernel-scratch", f"a call needs {4 * size} bytes of scratch, the core has {4 * acc.size}")
    shape = call.valid_rows, header.out_blocks, header.valid_width, BLOCK
    return acc[:size].reshape(shape).transpose(0, 2, 1, 3)


def _max_pool(packet: Bytes, header: WorkHeader, call: CallRecord, act: Bytes, acc: Int32s) -> Wide:
    greatest = _taps(header, call, act).max(axis=1).astype(np.int64) - header.x_zero
    return _rescaled(packet, header, call, greatest)


def _avg_pool(packet: Bytes, header: WorkHeader, call: CallRecord, act: Bytes, acc: Int32s) -> Wide:
    taps = _taps(header, call, act)
    sums = taps.sum(axis=1, dtype=np.int64) - header.x_zero * taps.shape[1]
    rows = ints(packet, call.row_counts_offset, call.valid_rows).astype(np.int64)
    columns = ints(packet, header.column_counts_offset, header.valid_width)
    divisors = (rows[:, None] * columns).reshape(-1)
    counts, multipliers, shifts = ints(packet, header.params_offset, 3 * header.params).reshape(3, -1)
    order = np.argsort(counts, kind="stable")
    places = np.searchsorted(counts, divisors, sorter=order)
    if divisors.size and (places.max() >= counts.size or (counts[order[places]] != divisors).any()):
        raise fault("kernel-divisor", f"an average divides by {divisors.tolist()}, scales: {counts.tolist()}")
    chosen = order[places]
    return requantise_mean(
        sums,
        multipliers[chosen][:, None],
        shifts[chosen][:, None],
        header.y_zero,
        header.y_min,
        header.y_max,
    )


def _add(packet: Bytes, header: WorkHeader, call: CallRecord, act: Bytes, acc: Int32s) -> Wide:
    return _added(header, call, act, _pixels(header, call, act).astype(np.int64) - header.x_zero)


def _requantize(packet: Bytes, header: WorkHeader, call: CallRecord, act: Bytes, acc: Int32s) -> Wide:
    return _rescaled(packet, header, call, _pixels(header, call, act).astype(np.int64) - header.x_zero)


_Run = Callable[[Bytes, WorkHeader, CallRecord, Bytes, Int32s], Wide]
_KERNELS: dict[Kernel, _Run] = {
    Kernel.CONV: _conv,
    Kernel.MAX_POOL: _max_pool,
    Kernel.AVG_POOL: _avg_pool,
    Kernel.ADD: _add,
    Kernel.REQUANTIZE: _requantize,
}


def _typed(data: Bytes, signed: bool) -> Wide:
    return data.view(np.int8) if signed else data


def _block_offsets(header: WorkHeader) -> Index:
    return np.arange(header.out_blocks, dtype=np.int64) * (header.in_width * BLOCK)


def _pixels(header: WorkHeader, call: CallRecord, act: Bytes) -> Wide:
    """The first operand of a call that reads one input pixel for each output pixel, `[pixels][channels]`."""
    groups = gather(act, pixel_starts(header, call), _block_offsets(header))
    return _typed(groups, header.x_signed).reshape(len(groups), -1)


def _taps(header: WorkHeader, call: CallRecord, act: Bytes) -> Wide:
    """What a pool reads, `[pixels][taps][channels]`."""
    down = np.arange(header.kernel_h, dtype=np.int64) * header.dilation_y * header.in_blocks * header.in_width
    right = np.arange(header.kernel_w, dtype=np.int64) * header.dilation_x
    taps = (down[:, None] + right).reshape(-1) * BLOCK
    if not taps.size:
        raise fault("kernel-taps", f"a pool has a window of {header.kernel_h} x {header.kernel_w}")
    offsets = (taps[:, None] + _block_offsets(header)).reshape(-1)
    groups = gather(act, pixel_starts(header, call), offsets)
    return _typed(groups, header.x_signed).reshape(len(groups), taps.size, header.out_blocks * BLOCK)


def _rescaled(packet: Bytes, header: WorkHeader, call: CallRecord, values: Wide) -> Wide:
    """Values rescaled by the one factor of the packet."""
    if header.params != 1:
        raise fault("work-table", f"a {Kernel(header.kernel).name} has {header.params} scales, expected 1")
    multiplier, shift = ints(packet, header.params_offset, 2).tolist()
    return requantise(values, multiplier, shift, header.y_zero, header.y_min, header.y_max)


def _added(header: WorkHeader, call: CallRecord, act: Bytes, first: Wide) -> Wide:
    """The sum of the first operand, its zero point taken off, and the second at `r_offset`."""
    shape = call.valid_rows, header.out_blocks, header.valid_width, BLOCK
    end = call.r_offset + int(np.prod(shape))
    if end > act.size:
        text = f"a second operand lies in bytes {call.r_offset}..{end - 1} of an act slot of {act.size}"
        raise fault("kernel-read", text)
    stored = _typed(act[call.r_offset : end], header.r_signed).reshape(shape)
    second = stored.transpose(0, 2, 1, 3).reshape(first.shape).astype(np.int64) - header.r_zero
    factors = header.add_a, header.add_b, header.add_shift
    return add_requantise(first, second, factors, header.y_zero, header.y_min, header.y_max)


def _store(header: WorkHeader, call: CallRecord, values: Wide, out: Bytes) -> None:
    """Write the output tile `[out_rows][blocks][out_width][8]` and its border."""
    shape = call.out_rows, header.out_blocks, header.out_width, BLOCK
    size = int(np.prod(shape))
    bottom, right = call.top + call.valid_rows, header.left + header.valid_width
    if size > out.size or bottom > call.out_rows or right > header.out_width:
        valid = f"rows {call.top}..{bottom - 1}, columns {header.left}..{right - 1}"
        text = f"a tile of {call.out_rows} x {header.out_width} pixels ({valid} valid, {size} bytes)"
        raise fault("kernel-write", f"{text} leaves its out slot of {out.size} bytes")
    tile = out[:size].reshape(shape)
    if (call.valid_rows, header.valid_width) != (call.out_rows, header.out_width):
        tile[...] = header.pad_byte
    pixels = values.astype(np.uint8).reshape(call.valid_rows, header.valid_width, header.out_blocks, BLOCK)
    tile[call.top : bottom, :, header.left : right] = pixels.transpose(0, 2, 1, 3)
