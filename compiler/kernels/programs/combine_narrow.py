"""y = (K + a * x + b * r) / 2^shift over a whole tile by factors of 15 bits: sums fit 32-bit lanes.

Everything stands ready in the packet's header, of which two vectors are loaded and spread over lanes.  The loop has no
end of its own: it loads and multiplies ahead of its stores, for groups behind the last that nobody asks for.
"""

from __future__ import annotations

from compiler.encoding.work import GROUP_BYTES, PAIR, WorkHeader, narrow_conf
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
    offset,
    op,
    ops,
)
from compiler.kernels.schedule import Op

READY_END = offset(WorkHeader, "ready_x") + 4
READ_AHEAD = 13 * GROUP_BYTES
"""How far behind either operand the loop reads at most: there must be memory, and nobody uses what is in it."""


def _body() -> list[Op]:
    """Two groups: x0, x1 of the first operand and x2, x3 of the second."""
    body = ops("movx crUnpackSign, r4")
    body += [op(f"vldb.unpack.d16.d8 x{g}, [p0], m1", "first") for g in range(2)]
    body += ops("movx crUnpackSign, r5")
    body += [op(f"vldb.unpack.d16.d8 x{2 + g}, [p1], m1", "act") for g in range(2)]
    for g in range(2):
        body += ops(
            f"vmac cm{g}, cm8, x{g}, x4, r0",
            f"vmac cm{2 + g}, cm{g}, x{2 + g}, x5, r0",
            f"vsrs.s16.s32 x{6 + g}, cm{2 + g}, s0",
            f"vmax_lt.s16 x10, r23, x{6 + g}, x8",
            "vmin_ge.s16 x11, r23, x10, x9",
        )
        body.append(op("vst.pack.d8.d16 x11, [p6], m1", "out", independent=True))
    return body


def ready(dst: str, name: str) -> Op:
    """A byte of the word of ready bytes as a scalar; p4 stands behind it."""
    return op(f"lda.u8 {dst}, [p4, #{offset(WorkHeader, name) - READY_END}]", "work")


def spread(dst: str, name: str, bits: int) -> str:
    """A word of the header, or its lower half, in every lane; x6 holds the header's third vector, x7 its fourth."""
    quarter, within = divmod(offset(WorkHeader, name), VECTOR_BYTES)
    return f"vextbcst.{bits} {dst}, x{4 + quarter}, #{8 * within // bits}"


def setup(factors: tuple[str, str], shifts: Code, scaling: Code, trips: Code = ()) -> Code:
    """What is ready before a loop over both tensors starts: x at p0, r at p1, y at p6, clamps in x8 and x9, K in cm8.

    `factors` name the words in x4 and x5, `shifts` are loaded early, `scaling` puts them where the loop wants them, and
    `trips` makes its passes of the number of groups, in r1.
    """
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
        *shifts,
        ready("r7", "ready_round"),
        ready("r8", "ready_y"),
        "mul r1, r1, r12",
        *trips,
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
        spread("x4", factors[0], 16),
        spread("x5", factors[1], 16),
        spread("x8", "y_min", 16),
        spread("x9", "y_max", 16),
        spread("x11", "add_start", 32),
        "vmov bml8, x11",
        "vmov bmh8, x11",
        *scaling,
        "movx crRnd, r7",
        "movx crPackSign, r8",
    ]


def _setup() -> Code:
    # The kernel is passed once for each two groups.
    by_twos = ["add r1, r1, #1", "movx r22, #-1", "lshl r1, r1, r22"]
    return setup(("add_a", "add_b"), [header("r6", "add_shift")], ["mov s0, r6"], by_twos)


def combine_narrow(listing: Listing) -> dict[str, int]:
    """The step `combine_narrow`."""
    loop = ahead(_setup(), _body(), "combine_narrow_loop", "r1")
    assert (PAIR * loop.schedule.stages - 1) * GROUP_BYTES <= READ_AHEAD, "the loop reads further ahead than is said"
    fixed = listing.add(loop.rows, "combine_narrow")
    listing.loop(loop.kernel, "combine_narrow_loop")
    # A comparison that nobody waits for writes its mask behind the loop: the next piece must not find its port taken.
    fixed += listing.add(block("ret lr"))
    return {"combine_narrow_call": fixed, "combine_narrow_pair": len(loop.kernel)}
