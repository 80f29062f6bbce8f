"""One pixel of each output block made a whole tile in the out slot, where it is combined with another operand.

The pixel is the first of a group.  Its pointer stays for a row of a block, steps on to the next block, and goes back
for another row.
"""

from __future__ import annotations

from compiler.encoding.work import GROUP_BYTES
from compiler.kernels.programs.parts import Code, Listing, ahead, block, call_word, header, op, ops
from compiler.kernels.schedule import Op


def _body() -> list[Op]:
    return [
        op("vldb.3d wl0, [p0], d0", "act"),
        *ops("vextbcst.64 x2, x0, #0"),
        op(f"vst wl2, [p6], #{GROUP_BYTES}", "out", independent=True),
    ]


def _setup() -> Code:
    return [
        "mov p3, r18",
        "mov p2, r13",
        call_word("r1", "groups"),
        header("r12", "out_blocks"),
        call_word("r2", "x_offset"),
        header("r3", "groups_wide"),
        "mul r1, r1, r12",
        "add r2, r2, r16",
        "mov p0, r2",
        "mov p6, r20",
        "add r3, r3, #-1",
        "mov dn0, r3",
        "mov dj0, #0",
        "mova dc0, #0",
        "add r4, r12, #-1",
        "mov dn4, r4",
        f"mov dj4, #{GROUP_BYTES}",
        "mova dc4, #0",
        f"movx r5, #{-GROUP_BYTES}",
        "mul r5, r4, r5",
        "mov m0, r5",
    ]


def expand(listing: Listing) -> dict[str, int]:
    """The step `expand`."""
    loop = ahead(_setup(), _body(), "expand_loop", "r1")
    fixed = listing.add(loop.rows, "expand")
    listing.loop(loop.kernel, "expand_loop")
    fixed += listing.add(block("ret lr"))
    return {"expand_call": fixed, "expand_group": len(loop.kernel)}
