"""Sums of which each of the 4 lanes of a group has a part, added up: what a mean with one pixel a row ends with.

Lane 0 becomes `add_start` and all four lanes, as 32-bit numbers; the others, which are no pixels of the result, stay.
"""

from __future__ import annotations

from compiler.encoding.work import GROUP_BYTES, LANES, CoreConfig
from compiler.kernels.programs.convention import CONFIG, return_to
from compiler.kernels.programs.parts import (
    VECTOR_BYTES,
    Code,
    Listing,
    ahead,
    block,
    call_word,
    header,
    offset,
    op,
    ops,
)
from compiler.kernels.schedule import Op

SUMS_BYTES = 4 * GROUP_BYTES
"""The sums of a group, a vector for each lane."""


def _body() -> list[Op]:
    """A group: x0 and x1 of two lanes each."""
    lanes = ("wl0", "wh0", "wl1", "wh1")
    assert len(lanes) == LANES
    return [
        *(op(f"vlda {lane}, [p0], #{VECTOR_BYTES}", "scratch") for lane in lanes),
        *ops("vadd.32 x2, x0, x1", "vmov wl3, wh2", "vadd.32 x4, x2, x3", "vadd.32 x5, x4, x6"),
        op("vst wl5, [p6], m1", "scratch", independent=True),
    ]


def _setup() -> Code:
    return [
        "mov p3, r18",
        "mov p2, r13",
        *return_to("after_combine"),
        call_word("r1", "groups"),
        header("r2", "out_blocks"),
        header("r3", "add_start"),
        f"movxm p7, #{CONFIG:#x}",
        op(f"lda r4, [p7, #{offset(CoreConfig, 'acc_address')}]", "config"),
        "mov p0, r4",
        "mov p6, r4",
        f"mov m1, #{SUMS_BYTES}",
        "vbcst.32 x6, r3",
        # The scratch holds whole sets of each block.
        "add r1, r1, #3",
        "movx r22, #-2",
        "lshl r1, r1, r22",
        "lshl r1, r1, r31",
        "mul r1, r1, r2",
    ]


def fold(listing: Listing) -> dict[str, int]:
    """The step `fold`."""
    loop = ahead(_setup(), _body(), "fold_loop", "r1")
    fixed = listing.add(loop.rows, "fold")
    listing.loop(loop.kernel, "fold_loop")
    fixed += listing.add(block("ret lr"))
    return {"fold_call": fixed, "fold_group": len(loop.kernel)}
