"""Maximum over the taps of a window, raw bytes, four groups at a time."""

from __future__ import annotations

from compiler.encoding.work import SET, WorkHeader
from compiler.kernels.programs.convention import flag_to, result_places
from compiler.kernels.programs.parts import Listing, bit, block, call_word, header, offset, op, ops, pipelined
from compiler.kernels.schedule import LoopCode, Op

GROUPS = range(SET)
# Fewer taps than MIN_PERIODS do not come.
STAGES = 5


def _tap() -> LoopCode:
    body = ops("lda dj0, [p0], #4")
    for group in GROUPS:
        body += ops(f"vldb wl0, [p{group + 1}, dj0]", memory="act")
        body += ops(f"vmax_lt.d8 x{4 + group}, l3, x{4 + group}, x0")
    return pipelined(body, STAGES)


def _block() -> list[Op]:
    """Pointers of an output block: its inputs, its results, and the steps between sets."""
    return ops(
        "mov p7, r11",
        *(f"lda m{4 + g}, [p7], #4" for g in GROUPS),
        *(line for g in GROUPS for line in (f"mov p{g + 1}, r3", f"padda [p{g + 1}], m{g + 4}")),
        "mov p6, r7",
        "mov dc3, #0",
        "mov r1, r10",
    )


def maximum(listing: Listing) -> dict[str, int]:
    """The step `max_pool`."""
    loop = _tap()
    start = listing.add(
        block(
            "mov p3, r18",
            "mov p2, r13",
            header("r4", "table_offset"),
            header("r9", "out_blocks"),
            header("r11", "jumps_offset"),
            header("r29", "act_step"),
            header("r2", "taps"),
            call_word("r3", "x_offset"),
            call_word("r10", "groups"),
            op(f"lda.u8 r1, [p3, #{offset(WorkHeader, 'x_signed')}]", "work"),
            "add r4, r4, r18",
            "add r11, r11, r18",
            "add r3, r3, r16",
            "mov r7, r20",
            "add r10, r10, #3",
            "movx r22, #-2",
            "lshl r10, r10, r22",
            result_places("r9"),
            flag_to("r22", "r1", bit(WorkHeader, "x_signed")),
            "mov crVaddSign, r22",
            # The least byte: -128 or 0.
            "movx r12, #7",
            "lshl r22, r22, r12",
            "vbcst.8 x1, r22",
            "movxm ls, #.Lmax_taps",
            "movxm le, #.Lmax_taps_end",
        ),
        "max_pool",
    )
    each_block = listing.add(block(_block()), "max_block")
    each_set = listing.add(
        block("mov p0, r4", f"add.nc lc, r2, #{1 - loop.least_trips}", ops(*(f"vmov x{4 + g}, x1" for g in GROUPS))),
        "max_set",
    )
    each_set += listing.add(loop.prologue)
    listing.loop(loop.kernel, "max_taps")
    each_set += listing.add(loop.epilogue) - (loop.least_trips - 1) * loop.schedule.interval
    each_set += listing.add(
        block(
            *(op(f"vst.2d wl{4 + g}, [p6], d3", "out") for g in GROUPS),
            ops(*(f"lda m{4 + g}, [p7], #4" for g in GROUPS)),
            ops(*(f"padda [p{g + 1}], m{4 + g}" for g in GROUPS)),
            "add r1, r1, #-1",
            "jnz r1, #.Lmax_set",
        )
    )
    each_block += listing.add(block("add r3, r3, r29", "add r7, r7, r28", "add r9, r9, #-1", "jnz r9, #.Lmax_block"))
    leave = listing.add(block("ret lr"))
    return {"max_call": start + leave, "max_block": each_block, "max_set": each_set}
