"""Kernel calls against loops over single numbers, and their cycles against docs/plan-format.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from compiler.encoding.fields import encode_all
from compiler.encoding.work import CallRecord, Kernel, WorkHeader
from compiler.errors import SimulationFault
from runtime_sim.kernels import call_cycles, run_call

Bytes = NDArray[np.uint8]
SEEDS = range(12)


@dataclass
class Case:
    """A packet, its call, and what lies in the core's memory before it."""

    header: WorkHeader
    call: CallRecord
    packet: Bytes
    act: Bytes
    acc: NDArray[np.int32]
    out: Bytes
    tables: dict[str, list[int]]
    blocks: NDArray[np.int8]

    def run(self) -> int:
        return run_call(self.packet, self.header, self.call, self.act, self.acc, self.out, compute=True)


def make(kernel: Kernel, seed: int, *, wild: bool = False, **fixed: bool) -> Case:
    """A random case; `wild` makes accumulators wrap."""
    rng = np.random.default_rng(seed)

    def pick(low: int, high: int) -> int:
        return int(rng.integers(low, high + 1))

    def coin(name: str) -> bool:
        return fixed.get(name, bool(rng.integers(2)))

    conv = kernel is Kernel.CONV
    rows, width, out_blocks, stride = pick(1, 4), pick(1, 6), pick(1, 3), pick(1, 2)
    window = (pick(1, 3), pick(1, 3)) if kernel in (Kernel.CONV, Kernel.MAX_POOL, Kernel.AVG_POOL) else (1, 1)
    dilation = pick(1, 2), pick(1, 2)
    in_blocks = pick(1, 3) if conv else out_blocks
    in_width = (width - 1) * stride + (window[1] - 1) * dilation[1] + 1 + pick(0, 2)
    in_rows = (rows - 1) * stride + (window[0] - 1) * dilation[0] + 1
    x_offset = 8 * pick(0, 3)
    r_offset = x_offset + in_rows * in_blocks * in_width * 8
    act = rng.integers(0, 256, r_offset + rows * out_blocks * width * 8, np.uint8)
    top, left = pick(0, 1), pick(0, 2)
    last = coin("last") if conv else True
    call = CallRecord(
        out_rows=rows + top + pick(0, 1), top=top, valid_rows=rows, first=coin("first"), last=last,
        residual=conv and last and coin("residual"), x_offset=x_offset, r_offset=r_offset,
    )  # fmt: skip
    low, high = sorted((pick(-128, 255), pick(-128, 255)))
    header = WorkHeader(
        kernel=kernel, x_signed=coin("x_signed"), y_signed=low < 0 or coin("y_signed"),
        r_signed=coin("r_signed"), general_scale=coin("general_scale"), calls=1, in_width=in_width,
        in_blocks=in_blocks,
        out_width=left + width + pick(0, 2), out_blocks=out_blocks, left=left, valid_width=width,
        pixel_step=8 * stride, row_step=8 * stride * in_width * in_blocks, pad_byte=pick(0, 255),
        x_zero=pick(-128, 127), y_zero=pick(-128, 255), y_min=low, y_max=high, r_zero=pick(-128, 255),
        mid_zero=pick(-128, 127), mid_min=-128, mid_max=pick(0, 127), add_a=pick(0, 1 << 24),
        add_b=pick(0, 1 << 24), add_shift=pick(0, 26), kernel_h=window[0], kernel_w=window[1],
        dilation_y=dilation[0], dilation_x=dilation[1],
    )  # fmt: skip
    size = out_blocks * rows * width * 8
    acc = rng.integers(-(1 << 31), 1 << 31, size + 5).astype(np.int32)
    out = rng.integers(0, 256, call.out_rows * out_blocks * header.out_width * 8 + 9, np.uint8)
    tables, blocks = tables_of(kernel, header, rng, wild), np.zeros((0, 8, 8), np.int8)
    if kernel is Kernel.AVG_POOL:
        tables["rows"] = rng.integers(1, 4, rows).tolist()
    if conv:
        blocks = rng.integers(-128, 128, (len(tables["table"]), 8, 8), np.int8)
    return laid_out(Case(header, call, np.zeros(0, np.uint8), act, acc, out, tables, blocks))


def tables_of(kernel: Kernel, header: WorkHeader, rng: np.random.Generator, wild: bool) -> dict[str, list[int]]:
    def numbers(low: int, high: int, count: int) -> list[int]:
        return [int(one) for one in rng.integers(low, high, count)]

    if kernel is Kernel.CONV:
        every = [tap + block * header.in_width * 8 for tap in taps(header) for block in range(header.in_blocks)]
        counts = numbers(0, len(every) + 1, header.out_blocks)
        table = [int(one) for count in counts for one in rng.permutation(every)[:count]]
        lanes = 8 * header.out_blocks
        bias = numbers(-(1 << 31), 1 << 31, lanes) if wild else numbers(-3000, 3000, lanes)
        return {"counts": counts, "table": table, "bias": bias, "multiplier": numbers(0, 1 << 24, lanes),
                "shift": numbers(0, 40, lanes)}  # fmt: skip
    if kernel is Kernel.AVG_POOL:
        counts = [int(one) for one in rng.permutation(np.arange(1, 17))]
        return {"count": counts, "multiplier": numbers(0, 1 << 30, 16), "shift": numbers(0, 40, 16),
                "columns": numbers(1, 4, header.valid_width)}  # fmt: skip
    if kernel in (Kernel.MAX_POOL, Kernel.REQUANTIZE):
        return {"multiplier": numbers(0, 1 << 24, 1), "shift": numbers(16, 26, 1)}
    return {}


def laid_out(case: Case) -> Case:
    """The case with its packet: header, call, tables, blocks."""
    words: list[int] = []
    first = WorkHeader.WORDS + CallRecord.WORDS
    at: dict[str, int] = {}
    for name, values in case.tables.items():
        at[name] = 4 * (first + len(words))
        words += values
    blocks_offset = 4 * (first + len(words))
    words += case.blocks.reshape(-1).view(np.int32).tolist()
    start = at.get("bias", at.get("count", at.get("multiplier", 0)))
    params = len(case.tables.get("multiplier", ()))
    case.call = replace(case.call, row_counts_offset=at.get("rows", 0))
    case.header = replace(
        case.header, size_words=first + len(words), calls_offset=4 * WorkHeader.WORDS, params=params,
        params_offset=start, counts_offset=at.get("counts", 0), table_offset=at.get("table", 0),
        blocks_offset=blocks_offset, column_counts_offset=at.get("columns", 0),
    )  # fmt: skip
    body = np.array(words, np.int64).astype(np.uint32)
    case.packet = np.concatenate([encode_all([case.header, case.call]), body]).view(np.uint8)
    return case


def taps(header: WorkHeader) -> list[int]:
    return [
        (ky * header.dilation_y * header.in_blocks * header.in_width + kx * header.dilation_x) * 8
        for ky in range(header.kernel_h)
        for kx in range(header.kernel_w)
    ]


def number(byte: int, signed: bool) -> int:
    return byte - 256 if signed and byte > 127 else byte


def rhe(value: Fraction) -> int:
    return round(value)


def wrapped(value: int) -> int:
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)


def scaled(value: int, multiplier: int, shift: int, zero: int, low: int, high: int) -> int:
    return min(max(rhe(Fraction(value * multiplier, 1 << shift)) + zero, low), high)


def places(case: Case) -> Iterator[tuple[int, int, int, int, int]]:
    """(row, block, column, lane, byte where the pixel starts)."""
    header, call = case.header, case.call
    for i in range(call.valid_rows):
        for b in range(header.out_blocks):
            for j in range(header.valid_width):
                start = call.x_offset + i * header.row_step + j * header.pixel_step
                yield from ((i, b, j, lane, start) for lane in range(8))


def slow(case: Case) -> tuple[NDArray[np.int32], Bytes]:
    """The scratch and the out slot afterwards."""
    header, call = case.header, case.call
    acc, out = case.acc.copy(), case.out.copy()
    tile = out[: call.out_rows * header.out_blocks * header.out_width * 8]
    if call.last:
        tile[:] = header.pad_byte
    shaped = tile.reshape(call.out_rows, header.out_blocks, header.out_width, 8)
    for n, (i, b, j, lane, start) in enumerate(places(case)):
        if header.kernel == Kernel.CONV:
            total = conv_sum(case, b, lane, start, int(acc[n]))
            if not call.last:
                acc[n] = total
                continue
            y = conv_end(case, 8 * b + lane, total, n)
        else:
            y = other(case, i, j, start + b * header.in_width * 8 + lane, n)
        shaped[call.top + i, b, header.left + j, lane] = y % 256
    return acc, out


def conv_sum(case: Case, b: int, lane: int, start: int, scratch: int) -> int:
    counts, table = case.tables["counts"], case.tables["table"]
    total = case.tables["bias"][8 * b + lane] if case.call.first else scratch
    for k in range(sum(counts[:b]), sum(counts[: b + 1])):
        for c in range(8):
            x = number(int(case.act[start + table[k] + c]), case.header.x_signed)
            total = wrapped(total + x * int(case.blocks[k, c, lane]))
    return total


def conv_end(case: Case, lane: int, total: int, n: int) -> int:
    h = case.header
    factor = case.tables["multiplier"][lane], case.tables["shift"][lane]
    if not case.call.residual:
        return scaled(total, *factor, h.y_zero, h.y_min, h.y_max)
    return added(case, scaled(total, *factor, h.mid_zero, h.mid_min, h.mid_max) - h.mid_zero, n)


def added(case: Case, x: int, n: int) -> int:
    h = case.header
    r = number(int(case.act[case.call.r_offset + n]), h.r_signed) - h.r_zero
    return scaled(x * h.add_a + r * h.add_b, 1, h.add_shift, h.y_zero, h.y_min, h.y_max)


def other(case: Case, i: int, j: int, start: int, n: int) -> int:
    h, tables = case.header, case.tables
    if h.kernel == Kernel.ADD:
        return added(case, number(int(case.act[start]), h.x_signed) - h.x_zero, n)
    window = [number(int(case.act[start + tap]), h.x_signed) - h.x_zero for tap in taps(h)]
    if h.kernel != Kernel.AVG_POOL:
        return scaled(max(window), tables["multiplier"][0], tables["shift"][0], h.y_zero, h.y_min, h.y_max)
    row = tables["count"].index(tables["rows"][i] * tables["columns"][j])
    shift = tables["shift"][row]
    inner = max(shift - 20, 0)
    once = rhe(Fraction(sum(window) * tables["multiplier"][row], 1 << inner))
    return scaled(once, 1, shift - inner, h.y_zero, h.y_min, h.y_max)


@pytest.mark.parametrize("kernel", Kernel, ids=lambda kernel: kernel.name)
@pytest.mark.parametrize("seed", SEEDS)
def test_as_the_loops_say(kernel: Kernel, seed: int) -> None:
    case = make(kernel, seed)
    acc, out = slow(case)
    case.run()
    np.testing.assert_array_equal(case.acc, acc)
    np.testing.assert_array_equal(case.out, out)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("first", [False, True])
def test_accumulators_wrap(seed: int, first: bool) -> None:
    case = make(Kernel.CONV, seed, wild=True, first=first)
    acc, out = slow(case)
    case.run()
    np.testing.assert_array_equal(case.acc, acc)
    np.testing.assert_array_equal(case.out, out)


def test_large_sums_are_exact() -> None:
    """Sums beyond 2^24, where float32 would round."""
    case = make(Kernel.CONV, 3, first=True, last=False, x_signed=False)
    case.header = replace(case.header, kernel_h=1, kernel_w=1, in_blocks=80, in_width=1, out_blocks=1,
                          valid_width=1, pixel_step=8, row_step=0)  # fmt: skip
    case.call = replace(case.call, valid_rows=1, x_offset=0)
    case.act = np.full(8 * 80 + 8, 255, np.uint8)
    case.tables = {"counts": [80], "table": list(range(0, 640, 8)), "bias": [1] * 8, "multiplier": [1] * 8,
                   "shift": [0] * 8}  # fmt: skip
    case.blocks = np.full((80, 8, 8), 127, np.int8)
    laid_out(case).run()
    assert case.acc[:8].tolist() == [640 * 255 * 127 + 1] * 8


def test_a_block_kept_twice_counts_twice() -> None:
    case = make(Kernel.CONV, 5, first=True, last=False)
    count = case.tables["counts"][0]
    case.tables["table"][:0] = [0, 0]
    case.tables["counts"][0] = count + 2
    case.blocks = np.concatenate([np.ones((2, 8, 8), np.int8), case.blocks])
    laid_out(case)
    acc, _ = slow(case)
    case.run()
    np.testing.assert_array_equal(case.acc, acc)


@pytest.mark.parametrize("kernel", Kernel, ids=lambda kernel: kernel.name)
@pytest.mark.parametrize("seed", SEEDS)
def test_cycles(kernel: Kernel, seed: int) -> None:
    case = make(kernel, seed)
    h, call = case.header, case.call
    p = call.valid_rows * h.valid_width
    g, q, window = (p + 15) // 16, (p + 3) // 4, h.kernel_h * h.kernel_w
    border = (call.out_rows * h.out_width - p) * h.out_blocks * 8
    expected = 40 + call.last * ((border + 31) // 32)
    for b in range(h.out_blocks):
        if kernel is Kernel.CONV:
            expected += 35 + 4 * g * max(case.tables["counts"][b], 3) + 8 * g * (not call.first)
            expected += 8 * g * (not call.last)
            expected += call.last * (16 * g * h.general_scale + 8 * g * call.residual)
        else:
            each = {Kernel.MAX_POOL: window + 4, Kernel.AVG_POOL: 2 * window + 8, Kernel.ADD: 8}.get(kernel, 6)
            expected += 20 + q * each
    assert call_cycles(case.packet, h, call) == expected
    assert case.run() == expected


def test_the_clock_alone_touches_nothing() -> None:
    case = make(Kernel.CONV, 1, last=True)
    before = case.out.copy(), case.acc.copy()
    empty = np.zeros(0, np.uint8)
    cycles = run_call(case.packet, case.header, case.call, empty, case.acc, case.out, compute=False)
    assert cycles == call_cycles(case.packet, case.header, case.call)
    np.testing.assert_array_equal(case.out, before[0])
    np.testing.assert_array_equal(case.acc, before[1])


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("kernel-read", {"act": 16}),
        ("kernel-scratch", {"acc": 3}),
        ("kernel-write", {"out": 8}),
        ("work-table", {"packet": 200}),
    ],
)
def test_what_leaves_its_buffer_is_a_fault(code: str, change: dict[str, int]) -> None:
    case = make(Kernel.CONV, 2, first=False, last=True)
    for name, size in change.items():
        setattr(case, name, getattr(case, name)[:size])
    with pytest.raises(SimulationFault) as caught:
        case.run()
    assert caught.value.diagnostic.code == code


def test_a_read_between_groups_is_a_fault() -> None:
    case = make(Kernel.REQUANTIZE, 2)
    case.call = replace(case.call, x_offset=4)
    case.act = np.zeros(case.act.size + 8, np.uint8)
    with pytest.raises(SimulationFault, match="kernel-alignment"):
        case.run()
