"""How a core's 64 KB are cut: activations, weights and results in different banks, so that no load waits.

A 256-bit access uses a whole 16 KB bank; two loads and a store of one cycle go at full speed only in three banks.
"""

from __future__ import annotations

from compiler.encoding.overlay import shares_output
from compiler.encoding.work import CONFIG_ADDRESS
from compiler.mapping.shapes import CoreLayout
from compiler.target import Target

SCRATCH_BYTES = 7168
"""For 32-bit sums that wait for other calls: 4 times the bytes of their results, but such calls are long anyway."""


def core_layouts(target: Target) -> tuple[CoreLayout, ...]:
    """The layouts to choose from: large activation slots with small weight slots, and the reverse."""
    bank = target.core.bank_bytes
    last = 3 * bank
    # The last bank keeps the stack below the configuration record; results and accumulators share the rest.
    free = CONFIG_ADDRESS - target.core.stack_bytes - last
    tiles = 4 if shares_output(target.core_rows) else 2
    out = (free - SCRATCH_BYTES) // tiles // 32 * 32
    results = ((last, last + out), out, last + tiles * out, SCRATCH_BYTES)
    return (
        CoreLayout((0, bank), bank, (2 * bank, 2 * bank + bank // 2), bank // 2, *results),
        CoreLayout((0, bank // 2), bank // 2, (bank, 2 * bank), bank, *results),
    )
