"""The compiler's idea of what a kernel call costs is the simulator's, which is written by itself."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from compiler.encoding.work import BLOCK, CallRecord, Kernel, WorkHeader
from compiler.kernels import cost
from runtime_sim.kernels import call_cycles

SIZES = st.integers(1, 20)
FLAGS = st.booleans()


@given(
    SIZES, SIZES, st.lists(st.integers(0, 40), min_size=1, max_size=6), st.integers(0, 2), FLAGS, FLAGS, FLAGS, FLAGS
)
def test_convolutions(
    rows: int, width: int, kept: list[int], edge: int, first: bool, last: bool, general: bool, residual: bool
) -> None:
    residual = residual and last
    header = WorkHeader(
        kernel=Kernel.CONV,
        general_scale=general,
        out_width=width + edge,
        valid_width=width,
        out_blocks=len(kept),
        counts_offset=4 * WorkHeader.WORDS,
    )
    packet = np.concatenate([np.array(header.encode(), np.uint32), np.array(kept, np.uint32)]).view(np.uint8)
    call = CallRecord(out_rows=rows + edge, valid_rows=rows, first=first, last=last, residual=residual)
    border = ((rows + edge) * (width + edge) - rows * width) * len(kept) * BLOCK if last else 0
    expected = cost.conv_cycles(
        rows * width, tuple(kept), first=first, last=last, general=general, residual=residual
    ) + cost.border_cycles(border)
    assert call_cycles(packet, header, call) == expected


@given(st.sampled_from(["max_pool", "avg_pool", "add", "requantize"]), SIZES, SIZES, SIZES, st.integers(1, 5))
def test_channelwise_kernels(kernel: str, rows: int, width: int, blocks: int, window: int) -> None:
    header = WorkHeader(
        kernel=Kernel[kernel.upper()],
        out_width=width,
        valid_width=width,
        out_blocks=blocks,
        kernel_h=window,
        kernel_w=window,
    )
    call = CallRecord(out_rows=rows, valid_rows=rows, first=True, last=True)
    packet = np.array(header.encode(), np.uint32).view(np.uint8)
    assert call_cycles(packet, header, call) == cost.channelwise_cycles(kernel, rows * width, blocks, window * window)
