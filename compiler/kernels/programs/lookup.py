"""Any function of one byte: each byte of a tile is replaced by what a table of 256 bytes has for it.

A core has no vector load that gathers bytes (its parallel look-up needs the table several times over), so bytes go
through scalar registers: eight scalar loads for four of them, one a cycle.
"""

from __future__ import annotations

from compiler.encoding.work import GROUP_BYTES
from compiler.kernels.programs.parts import Listing, block, call_word, header, op, ops, pipelined
from compiler.kernels.schedule import LoopCode, Op

# A group is 8 words, so that a loop over words never runs fewer times.
WORDS = GROUP_BYTES // 4


def _word() -> LoopCode:
    body: list[Op] = []
    for byte in range(4):
        body.append(op(f"lda.u8 r{byte + 4}, [p0], #1", "act"))
        body += ops(f"mov dj{byte}, r{byte + 4}", f"lda.u8 r{byte + 8}, [p1, dj{byte}]")
        if byte:
            body += ops(f"lshl r{byte + 8}, r{byte + 8}, r{byte}", f"or r8, r8, r{byte + 8}")
    return pipelined([*body, op("st r8, [p6], #4", "out")], WORDS)


def lookup(listing: Listing) -> dict[str, int]:
    """The program from `lookup` on."""
    loop = _word()
    fixed = listing.add(
        block(
            "mov p3, r18",
            "mov p2, r13",
            call_word("r4", "x_offset"),
            call_word("r5", "groups"),
            header("r6", "out_blocks"),
            header("r7", "table_offset"),
            "add r4, r4, r16",
            "mov p0, r4",
            "add r7, r7, r18",
            "mov p1, r7",
            "mov p6, r20",
            "mul r5, r5, r6",
            "movx r12, #3",
            "lshl r5, r5, r12",
            f"add.nc lc, r5, #{1 - loop.least_trips}",
            "movxm ls, #.Llookup_word",
            "movxm le, #.Llookup_word_end",
            "movx r1, #8",
            "movx r2, #16",
            "movx r3, #24",
        ),
        "lookup",
    )
    fixed += listing.add(loop.prologue)
    # What sets a loop up must be 7 bundles before its end.
    fixed += listing.add([()] * max(0, 7 - len(loop.prologue) - len(loop.kernel)))
    listing.loop(loop.kernel, "lookup_word")
    fixed += listing.add(loop.epilogue) - (loop.least_trips - 1) * loop.schedule.interval
    fixed += listing.add(block("ret lr"))
    return {"lookup_call": fixed, "lookup_group": WORDS * loop.schedule.interval}
