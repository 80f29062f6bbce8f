"""Which register holds what while the resident program runs.

    r0          configuration word of the multiply
    r1, r2, r12 temporary
    r3 .. r8    of the current output block: input, table, and in r7 results
    r9          output blocks left             r10  sets of 4 groups        r11  jumps table
    r13, r14    call record, calls left        r15  flags of the call, where it begins and ends
    lr          the step behind the one that runs, which ends by going there
    r16 .. r21  slots: activations now and other, work now and other, results now and other
    r22, r23    temporary; r23 takes the masks of vector comparisons, which nobody reads
    r24, r25    -1 (acquire at least one), 1   r26, r27  conditions
    r28, r29    steps of results and input from one output block to the next
    r30, r31    6, 2 (shifts)
    d3          places of results: 32 bytes on, and over the other output blocks at the end of a row

What multiplies (`chain.py`), and keeps none of the temporary ones for anybody, uses others:

    r1, r8      -4, -64: bytes that table and weights go back for an entry, the weights 32 more
    r2          chain word of the block of the set to come: entries less one, and behind them the shifts
    r3 .. r6    inputs of the next block       r7   results of the next block
    r10         sets less one                  r27  sets that follow this one in its block
    r12         DIRECT: shift of the next block; NARROW: configuration word of the second multiply; SCRATCH_RAW: 0
    r23         chain word of the next block   r26, r11  entries that table and weights go back behind a block
    m0, m5 .. m7  steps of the inputs to the next set
    d1, d2, d4  weights, table and steps go round with a set, with a set, and with a block
    dj5         from where p7 stands when a block begins to the chain word of the block behind the next
    r15         the same number; NARROW: second shift of the block
    sp          behind the bias (NARROW: and factors) of the next block; the bias is in wl9
    x5, cm7, cm8  NARROW: factors, zero point; all but SCRATCH_RAW: bias
    p6          results, or sums in the scratch, which leave from cm4 .. cm7

A loop over groups (`group_loop.py`) counts blocks in r27 and jumps to where r4 says; r6 says what is behind the call's.

A pointer is kept only within a piece of the program.  p3 is the work packet until output blocks begin.
"""

from __future__ import annotations

from collections.abc import Callable

from compiler.encoding import work
from compiler.encoding.tiles import CORE_MEMORY_BYTES
from compiler.kernels.programs.parts import Code, call_byte, header, op
from compiler.kernels.schedule import Op

CONFIG = CORE_MEMORY_BYTES["own"] + work.CONFIG_ADDRESS
"""Where a core sees its `CoreConfig`."""

STEPS = CORE_MEMORY_BYTES["own"] + work.STEPS_ADDRESS
"""Where it has the addresses of the program's steps there."""

# crSat (aiev2_enums.h of llvm-aie).
SATURATE = 1


def return_to(name: str, register: str = "lr", load: Callable[[str, str], Op] = call_byte) -> Code:
    """The address of a step that the call record at p2 names, into `lr` or a pointer; p6, dj4 and r12 are changed."""
    return [
        load("r12", name),
        f"movxm p6, #{STEPS:#x}",
        "mov dj4, r12",
        op(f"lda {register}, [p6, dj4]", "config"),
    ]


def flag_to(register: str, byte: str, flag: int) -> Code:
    """Whether a byte of flags has one set, as 0 or 1, in another register."""
    return [
        f"movx {register}, #{1 - flag.bit_length()}",
        f"lshl {register}, {byte}, {register}",
        f"and {register}, {register}, r25",
    ]


def rounding(byte: str, odd: int) -> Code:
    """Ties to even, or to odd where the zero point that is already in the sum is odd."""
    return [*flag_to("r22", byte, odd), f"add r22, r22, #{work.HALF_TO_EVEN}", "mov crRnd, r22"]


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
