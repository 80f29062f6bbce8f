"""y = saturate(rhe((t * M + zero * 2^s) / 2^s)) with t = rhe((a - a_zero) * (b - b_zero) / 2^f) over a whole tile.

As `combine_narrow.py`, with whose packet header and loop this one works; products take a multiply more for b's zero
point, and their first shift another pass from the accumulator.
"""

from __future__ import annotations

from compiler.encoding.work import GROUP_BYTES, WorkHeader, narrow_conf
from compiler.kernels.programs.combine_narrow import READ_AHEAD, READY_END, ready, spread
from compiler.kernels.programs.convention import return_to
from compiler.kernels.programs.parts import (
    VECTOR_BYTES,
    Code,
    Listing,
    ahead,
    bit,
    block,
    call_word,
    header,
    low,
    offset,
    op,
    ops,
)
from compiler.kernels.schedule import Op


def _body() -> list[Op]:
    """A group: x0 of the first operand, x2 of the second."""
    return [
        *ops("movx crUnpackSign, r4"),
        op("vldb.unpack.d16.d8 x0, [p0], m1", "first"),
        *ops("movx crUnpackSign, r5"),
        op("vldb.unpack.d16.d8 x2, [p1], m1", "act"),
        *ops(
            "vsub.16 x1, x0, x4",
            "vmul cm0, x1, x2, r0",
            "vmac cm1, cm0, x1, x5, r0",
            "vsrs.s16.s32 x6, cm1, s0",
            "vmac cm2, cm8, x6, x7, r0",
            "vsrs.s16.s32 x10, cm2, s1",
            "vmax_lt.s16 x3, r23, x10, x8",
            "vmin_ge.s16 x11, r23, x3, x9",
        ),
        op("vst.pack.d8.d16 x11, [p6], m1", "out", independent=True),
    ]


def _setup() -> Code:
    return [
        "mov p3, r18",
        "mov p2, r13",
        *return_to("after_combine"),
        "mov p4, r18",
        f"padda [p4], #{READY_END}",
        call_word("r1", "groups"),
        header("r12", "out_blocks"),
        call_word("r2", "x_offset"),
        op(f"lda.u8 r27, [p3, #{offset(WorkHeader, 'in_place')}]", "work"),
        call_word("r3", "r_offset"),
        op(f"vlda wl6, [p3, #{2 * VECTOR_BYTES}]", "work"),
        op(f"vlda wl7, [p3, #{3 * VECTOR_BYTES}]", "work"),
        ready("r4", "ready_x"),
        ready("r5", "ready_r"),
        header("r6", "product_shift"),
        header("r9", "add_shift"),
        ready("r7", "ready_round"),
        ready("r8", "ready_y"),
        "mul r1, r1, r12",
        # x is the tile itself behind another phase.
        f"movx r22, #{bit(WorkHeader, 'in_place')}",
        "and r27, r27, r22",
        "add r2, r2, r16",
        "sel.nez r2, r20, r2, r27",
        "mov p0, r2",
        "add r3, r3, r16",
        "mov p1, r3",
        "mov p6, r20",
        "mov m1, #32",
        f"movx r0, #{narrow_conf(signed=True)}",
        spread("x4", "product_x_zero", 16),
        spread("x5", "product_r_less", 16),
        spread("x8", "y_min", 16),
        spread("x9", "y_max", 16),
        spread("x11", "add_start", 32),
        spread("x7", "add_a", 16),
        "vmov bml8, x11",
        "vmov bmh8, x11",
        f"movx r10, #-{low(WorkHeader, 'product_shift')}",
        "lshl r6, r6, r10",
        "mov s0, r6",
        "mov s1, r9",
        "movx crRnd, r7",
        "movx crPackSign, r8",
    ]


def multiply(listing: Listing) -> dict[str, int]:
    """The step `multiply`."""
    loop = ahead(_setup(), _body(), "multiply_loop", "r1")
    assert loop.schedule.stages * GROUP_BYTES <= READ_AHEAD, "the loop reads further ahead than is said"
    fixed = listing.add(loop.rows, "multiply")
    listing.loop(loop.kernel, "multiply_loop")
    # As behind the loop that adds: a mask must have been written before the next piece.
    fixed += listing.add(block("ret lr"))
    return {"multiply_call": fixed, "multiply_group": len(loop.kernel)}
