"""What a work packet holds, section by section, and how many bytes that is: docs/plan-format.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic

from compiler.encoding.records import CHAIN_BYTES, RECORD_BYTES
from compiler.encoding.work import BLOCK_BYTES, LANES, SET, TABLE_GUARD, CallRecord, WorkHeader
from compiler.kernels.numbers import Number, ceil_div
from compiler.mapping.shapes import Layer, groups_of

HEADER_BYTES = 4 * WorkHeader.WORDS
CALL_BYTES = 4 * CallRecord.WORDS
CONSTANT_BYTES = 32
LOOKUP_BYTES = 256
"""The table of a function of a byte."""
SCALE_BYTES = 128
"""Factors of means for a group: 4 pixels, each 8 times, in halves of 16 bits."""

FACTORED = ("narrow", "staged", "scale")
"""What becomes of sums that are multiplied by a factor for each channel."""


@dataclass(frozen=True)
class Sections(Generic[Number]):
    """How much a packet holds of what: call records of all lists, biases and factors of output blocks, weight blocks,
    chain words, table entries, sets of groups of the largest call, constants of 64 bits, a function of bytes, and bytes
    of scales.  Numbers of one packet, or arrays with one for each."""

    calls: Number
    records: Number
    chain: Number
    blocks: Number
    entries: Number
    sets: Number
    wide: bool
    lookup: bool
    scale_bytes: Number

    @property
    def sizes(self) -> tuple[tuple[str, Number], ...]:
        """Bytes of each section in the order in which they lie: what is read as vectors first."""
        none = 0 * self.calls
        return (
            ("header", HEADER_BYTES + none),
            ("calls", CALL_BYTES * self.calls),
            ("records", RECORD_BYTES * self.records),
            ("blocks", BLOCK_BYTES * self.blocks),
            ("scales", self.scale_bytes),
            ("constants", CONSTANT_BYTES * self.wide + none),
            ("lookup", LOOKUP_BYTES * self.lookup + none),
            # The jumps are where a core finds the chain.
            ("chain", CHAIN_BYTES * self.chain),
            ("jumps", 4 * LANES * (self.sets + 1)),
            ("table", 4 * self.entries),
        )

    @property
    def bytes(self) -> Number:
        """Bytes of the packet before it is rounded up."""
        total = 0 * self.calls
        for _, size in self.sizes:
            total = total + size
        return total

    @property
    def offsets(self) -> dict[str, Number]:
        """Where each section begins."""
        found, start = {}, 0 * self.calls
        for name, size in self.sizes:
            found[name] = start
            start = start + size
        return found


def records_of(finish: str, *, starts: bool, ends: bool) -> int:
    """How many of bias and factors each output block has in a packet that starts sums, or makes bytes of them."""
    return int(starts) + int(ends and finish in FACTORED)


def sections_of(
    layer: Layer,
    calls: Number,
    rows: Number,
    width: Number,
    out_blocks: Number,
    taps: int,
    periods: Number,
    scale_bytes: Number,
    records: Number,
) -> Sections[Number]:
    """The sections of a packet whose weights have `periods` table entries in all, and whose pool has `taps`.

    It holds `records` vectors of 32 bytes for each output block, see `records_of`.
    """
    shared = taps if layer.kernel in ("avg_pool", "max_pool") else 0
    entries = periods if layer.weighted else 0 * periods + shared
    return Sections(
        calls=calls,
        records=out_blocks * records * layer.sums,
        # A core begins one block more, and reads the table ahead for it.
        chain=(out_blocks + 1) * layer.sums,
        blocks=entries * layer.sums,
        entries=entries + TABLE_GUARD * (entries > 0),
        sets=ceil_div(rows * groups_of(width), SET),
        wide=layer.adds_wide,
        lookup=layer.kernel == "lookup",
        scale_bytes=scale_bytes,
    )
