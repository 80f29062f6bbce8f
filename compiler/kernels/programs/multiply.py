"""y = saturate(rhe((t * M + zero * 2^s) / 2^s)) with t = rhe((a - a_zero) * (b - b_zero) / 2^f) over a whole tile.

As `combine_narrow.py`, with whose packet header and setup this one works; products take a multiply more for b's zero
point, and their first shift another pass from the accumulator.
"""

from __future__ import annotations

from compiler.encoding.work import GROUP_BYTES, WorkHeader
from compiler.kernels.programs.combine_narrow import READ_AHEAD, setup, spread
from compiler.kernels.programs.parts import Code, Listing, ahead, block, header, low, op, ops
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
    scaling = [
        spread("x7", "add_a", 16),
        f"movx r10, #-{low(WorkHeader, 'product_shift')}",
        "lshl r6, r6, r10",
        "mov s0, r6",
        "mov s1, r9",
    ]
    shifts = [header("r6", "product_shift"), header("r9", "add_shift")]
    return setup(("product_x_zero", "product_r_less"), shifts, scaling)


def multiply(listing: Listing) -> dict[str, int]:
    """The step `multiply`."""
    loop = ahead(_setup(), _body(), "multiply_loop", "r1")
    assert loop.schedule.stages * GROUP_BYTES <= READ_AHEAD, "the loop reads further ahead than is said"
    fixed = listing.add(loop.rows, "multiply")
    listing.loop(loop.kernel, "multiply_loop")
    # As behind the loop that adds: a mask must have been written before the next piece.
    fixed += listing.add(block("ret lr"))
    return {"multiply_call": fixed, "multiply_group": len(loop.kernel)}
