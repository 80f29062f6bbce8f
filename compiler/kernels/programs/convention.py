"""Which register holds what while the resident program runs.

    r0          configuration word of the multiply
    r1, r2, r12 temporary; in a multiply-accumulate r1 counts sets, r2 holds the periods of the output block
    r3 .. r8    of the current output block: input, table, weight blocks, record, results, scratch
    r9          output blocks left             r10  sets of 4 groups        r11  jumps table
    r13, r14    call record, calls left        r15  flags of the call
    r16 .. r21  slots: activations now and other, work now and other, results now and other
    r22, r23    temporary; r23 takes the masks of vector comparisons, which nobody reads
    r24, r25    -1 (acquire at least one), 1   r26, r27  masks of table and weight steps
    r28, r29    steps of results and input from one output block to the next
    r30, r31    6, 2 (shifts)
    d3          places of results: 32 bytes on, and over the other output blocks at the end of a row

A pointer is kept only within a piece of the program.  p3 is the work packet, p2 a record.
"""

from __future__ import annotations

from compiler.encoding.tiles import CORE_MEMORY_BYTES
from compiler.encoding.work import CONFIG_ADDRESS, HALF_TO_EVEN
from compiler.kernels.programs.parts import Code, header

CONFIG = CORE_MEMORY_BYTES["own"] + CONFIG_ADDRESS
"""Where a core sees its `CoreConfig`."""

# crSat (aiev2_enums.h of llvm-aie).
SATURATE = 1


def flag_to(register: str, byte: str, flag: int) -> Code:
    """Whether a byte of flags has one set, as 0 or 1, in another register."""
    return [
        f"movx {register}, #{1 - flag.bit_length()}",
        f"lshl {register}, {byte}, {register}",
        f"and {register}, {register}, r25",
    ]


def rounding(byte: str, odd: int) -> Code:
    """Ties to even, or to odd where the zero point that is already in the sum is odd."""
    return [*flag_to("r22", byte, odd), f"add r22, r22, #{HALF_TO_EVEN}", "mov crRnd, r22"]


def result_places(blocks: str) -> Code:
    """d3 and r28 for a tile `[rows][blocks][groups]`, from the number of blocks; r12 and r22 are changed."""
    return [
        header("r12", "groups_wide"),
        "movx r22, #5",
        "lshl r28, r12, r22",
        "add r12, r12, #-1",
        "mov dn3, r12",
        "mov dj3, #32",
        # From the last group of a row to the first of the next: over the other output blocks' groups, and one on.
        f"mul r12, {blocks}, r28",
        "sub r12, r12, r28",
        "add r12, r12, #32",
        "mov m3, r12",
    ]
