"""How a core's 64 KB are cut: activations, weights and results in different banks, so that no load waits.

A 256-bit access uses a whole 16 KB bank; two loads and a store of one cycle go at full speed only in three banks.
"""

from __future__ import annotations

from compiler.encoding.overlay import shares_output
from compiler.encoding.work import CONFIG_ADDRESS
from compiler.mapping.shapes import CoreLayout
from compiler.target import Target

SCRATCH_BYTES = 7168
"""For 32-bit sums that wait for other calls, where they share a bank with results: 4 times the bytes of these."""


def core_layouts(target: Target) -> tuple[CoreLayout, ...]:
    """The layouts to choose from, the best for most networks first.

    It has a bank for sums: a tile's inputs and weights then come bit by bit, each of them once.  The others have large
    slots for activations and small ones for weights, and the reverse.
    """
    bank = target.core.bank_bytes
    half, last = bank // 2, 3 * bank
    # The last bank keeps the stack below the configuration record; results and small accumulators share the rest.
    free = CONFIG_ADDRESS - target.core.stack_bytes - last
    tiles = 4 if shares_output(target.core_rows) else 2
    out, less = free // tiles // 32 * 32, (free - SCRATCH_BYTES) // tiles // 32 * 32
    results = ((last, last + less), less, last + tiles * less, SCRATCH_BYTES)
    return (
        CoreLayout((0, half), half, (bank, bank + half), half, (last, last + out), out, 2 * bank, bank),
        CoreLayout((0, bank), bank, (2 * bank, 2 * bank + half), half, *results),
        CoreLayout((0, half), half, (bank, 2 * bank), bank, *results),
    )
