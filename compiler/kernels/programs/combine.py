"""y = (K + a * x + b * r) / 2^shift over a whole tile, and the border bytes behind a tile.

x and r side by side in a vector of 16-bit lanes take one multiply for the upper halves of both factors, one for the
lower; K comes in by an addition of accumulators.
"""

from __future__ import annotations

from compiler.encoding.work import WorkHeader
from compiler.kernels.programs.convention import flag_to, return_to, rounding
from compiler.kernels.programs.parts import Listing, bit, block, call_word, header, offset, op, ops, pipelined
from compiler.kernels.programs.scale import WIDE, WIDE_SHIFTED
from compiler.kernels.schedule import LoopCode, Op

# vshuffle modes that put the lower, or the upper, halves of two vectors side by side (T256_2x2, aiev2_enums.h).
LOWER, UPPER = 10, 11
# Addition of accumulators with 16 lanes of 64 bits.
ADD_WIDE = 2
# Groups come in fours, so the loop may need no more iterations than that.
STAGES = 4


def _loop() -> LoopCode:
    body = [
        *ops("movx crUnpackSign, r4"),
        op("vldb.unpack.d16.d8 x0, [p0], m1", "first"),
        *ops("movx crUnpackSign, r5"),
        op("vldb.unpack.d16.d8 x9, [p1], m1", "act"),
        *ops("vshuffle x6, x0, x9, r6", "vshuffle x7, x0, x9, r7"),
    ]
    for number, data in ((4, "x6"), (5, "x7")):
        body += ops(
            f"vmul cm{number}, {data}, x4, r1",
            f"vmac cm{number}, cm{number}, {data}, x5, r12",
            f"vadd cm{number}, cm{number}, cm8, r2",
        )
    body += ops("vsrs.s16.s64 wl11, cm4, s0", "vsrs.s16.s64 wh11, cm5, s0")
    body += ops("vmax_lt.s16 x11, r23, x11, x1", "vmin_ge.s16 x11, r23, x11, x2")
    body.append(op("vst.pack.d8.d16 x11, [p6], m1", "out", independent=True))
    return pipelined(body, STAGES)


def _factor(name: str, upper: str, lower: str) -> list[Op]:
    """A factor's two halves, the lower one signed, in every lane of two vectors."""
    return [
        header("r1", name),
        *ops(
            f"vbcst.16 {lower}, r1",
            "movxm r22, #0x8000",
            "add r1, r1, r22",
            "movx r22, #-16",
            "ashl r1, r1, r22",
            f"vbcst.16 {upper}, r1",
        ),
    ]


def combine(listing: Listing) -> dict[str, int]:
    """The step `combine`."""
    loop = _loop()
    fixed = listing.add(
        block(
            "mov p3, r18",
            "mov p2, r13",
            return_to("after_combine"),
            op(f"lda.u8 r9, [p3, #{offset(WorkHeader, 'x_signed')}]", "work"),
            op(f"lda.u8 r10, [p3, #{offset(WorkHeader, 'y_odd')}]", "work"),
            call_word("r11", "x_offset"),
            call_word("r8", "r_offset"),
            call_word("r0", "groups"),
            header("r12", "out_blocks"),
            # How x and r are read, and where: x is the tile itself behind another phase.
            flag_to("r4", "r9", bit(WorkHeader, "x_signed")),
            flag_to("r5", "r9", bit(WorkHeader, "r_signed")),
            flag_to("r3", "r9", bit(WorkHeader, "q_signed")),
            flag_to("r27", "r9", bit(WorkHeader, "in_place")),
            "add r11, r11, r16",
            "add r8, r8, r16",
            "sel.nez r4, r3, r4, r27",
            "sel.nez r11, r20, r11, r27",
            "mov p0, r11",
            "mov p1, r8",
            "mov p6, r20",
            "mov m1, #32",
            flag_to("r22", "r9", bit(WorkHeader, "y_signed")),
            "mov crPackSign, r22",
            rounding("r10", bit(WorkHeader, "y_odd")),
            # All groups of the tile, rounded up to fours.
            "mul r0, r0, r12",
            "add r0, r0, #3",
            "movx r22, #-2",
            "lshl r0, r0, r22",
            "lshl r0, r0, r31",
            f"add.nc lc, r0, #{1 - loop.least_trips}",
            "movxm ls, #.Lcombine_loop",
            "movxm le, #.Lcombine_loop_end",
            _factor("add_a", "x4", "x5"),
            _factor("add_b", "x6", "x7"),
            "vmov wh4, wl6",
            "vmov wh5, wl7",
            header("r1", "y_min"),
            "vbcst.16 x1, r1",
            header("r1", "y_max"),
            "vbcst.16 x2, r1",
            header("r1", "add_shift"),
            "mov s0, r1",
            header("r1", "constants_offset"),
            "add r1, r1, r18",
            "mov p3, r1",
            *(f"vlda {quarter}8, [p3, #0]" for quarter in ("amll", "amlh", "amhl", "amhh")),
            f"mov r1, #{WIDE // 2}",
            "add r1, r1, r1",
            f"movxm r12, #{WIDE_SHIFTED}",
            f"movx r2, #{ADD_WIDE}",
            f"movx r6, #{LOWER}",
            f"movx r7, #{UPPER}",
        ),
        "combine",
    )
    fixed += listing.add(loop.prologue)
    listing.loop(loop.kernel, "combine_loop")
    fixed += listing.add(loop.epilogue) - (loop.least_trips - 1) * loop.schedule.interval
    fixed += listing.add(block("ret lr"))
    return {"combine_call": fixed, "combine_group": loop.schedule.interval}


def fill(listing: Listing) -> dict[str, int]:
    """The program from `fill` on: border bytes behind the tile, and on into `call_end`, which stands behind it."""
    fixed = listing.add(
        block(
            "mov p3, r18",
            "mov p2, r13",
            call_word("r1", "pad_bytes"),
            call_word("r2", "groups"),
            header("r12", "out_blocks"),
            header("r22", "pad_word"),
            "vbcst.32 x0, r22",
            "mul r2, r2, r12",
            "movx r22, #5",
            "lshl r2, r2, r22",
            "add r2, r2, r20",
            "mov p6, r2",
            "add r1, r1, #31",
            "movx r22, #-5",
            "lshl r1, r1, r22",
            "movxm ls, #.Lfill_loop",
            "movxm le, #.Lfill_loop_end",
            "add.nc lc, r1, #0",
        ),
        "fill",
    )
    # The loop's end must be 7 bundles behind what sets the loop up.
    fixed += listing.add([()] * 7)
    listing.loop([(op("vst wl0, [p6], #32", "out"),)], "fill_loop")
    return {"fill_call": fixed, "fill_group": 1}
