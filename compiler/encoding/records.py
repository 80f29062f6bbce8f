"""What a work packet says of each output block: a word for those who multiply, a bias, and factors, each in a section.

A section is in a packet only if one of its calls reads it; docs/plan-format.md, "Work packets".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from compiler.encoding.faults import fault
from compiler.encoding.work import BLOCK, RAW_PERIODS, halves

Bytes = NDArray[np.uint8]
Words = NDArray[np.int32]

CHAIN_BYTES = 4
RECORD_BYTES = 4 * BLOCK
"""Of an output block's bias, and of its factors: one vector load each."""

CHAIN_SHIFT = 20
"""Where a chain word has the shift; below it are the entries less one, in the 20 bits that a pointer's counter has."""

CHAIN_SECOND = 26
"""Where it has the second shift: behind one of 6 bits."""

ZERO_LANE = 4
"""Which word of narrow factors is the zero point."""

_NARROW_FACTORS = np.dtype([("factor", "<i2", BLOCK), ("zero", "<i4"), ("unused", "<i4", 3)])
_WIDE_FACTORS = np.dtype([("high", "<i2", BLOCK), ("low", "<i2", BLOCK)])
assert _NARROW_FACTORS.itemsize == _WIDE_FACTORS.itemsize == RECORD_BYTES
assert _NARROW_FACTORS.fields is not None and _NARROW_FACTORS.fields["zero"][1] == 4 * ZERO_LANE


@dataclass(frozen=True)
class Chain:
    """How many table entries each output block has, and by what its sums are shifted: arrays of the blocks.

    `second` is 0 but for narrow factors.
    """

    periods: NDArray[np.int64]
    shift: NDArray[np.int64]
    second: NDArray[np.int64]

    def encode(self) -> Words:
        """A word for each block, and one for the block behind the last, which a core begins but never ends."""
        words = self.periods - 1 | self.shift << CHAIN_SHIFT | self.second << CHAIN_SECOND
        return np.append(words, RAW_PERIODS - 1).astype(np.uint32).view(np.int32)

    @classmethod
    def decode(cls, words: Words) -> Self:
        """The fields of the words, which end with that of the block behind the last."""
        stored = words[:-1].view(np.uint32).astype(np.int64)
        periods = (stored & (1 << CHAIN_SHIFT) - 1) + 1
        found = cls(periods, stored >> CHAIN_SHIFT & (1 << CHAIN_SECOND - CHAIN_SHIFT) - 1, stored >> CHAIN_SECOND)
        if not np.array_equal(found.encode(), words):
            text = f"the chain word behind the last is {words[-1]}, expected {RAW_PERIODS - 1}"
            raise fault("field-fixed", text)
        return found


def decode_bias(data: Bytes) -> Words:
    """The biases of output blocks, `[blocks][8]`."""
    return np.frombuffer(data.tobytes(), np.dtype("<i4")).reshape(-1, BLOCK)


def decode_narrow(data: Bytes) -> tuple[Words, Words]:
    """Factors of 16 bits, `[blocks][8]`, and the zero point of each block."""
    stored: NDArray[Any] = np.frombuffer(data.tobytes(), _NARROW_FACTORS)
    if stored["unused"].any():
        raise fault("field-fixed", "narrow factors and their zero point are not followed by zeros")
    return stored["factor"].astype(np.int32), stored["zero"].astype(np.int32)


def decode_wide(data: Bytes) -> Words:
    """Factors of 30 bits, `[blocks][8]`."""
    stored: NDArray[Any] = np.frombuffer(data.tobytes(), _WIDE_FACTORS)
    found: Words = stored["high"].astype(np.int32) * 65536 + stored["low"]
    return found


@dataclass(frozen=True, kw_only=True)
class BlockRecords:
    """What each output block of a packet adds and multiplies by; arrays with the blocks as their first dimension.

    A channel's factor is multiplier / 2^shift with 0 <= multiplier < 2^30 and one shift for the 8 channels;
    `periods` counts the entries that the block has in the table.  In memory the multipliers are split in `halves`.

    In a `narrow` packet sums are first shifted by `shift`, then multiplied by a factor below 2^15 and shifted by
    `second_shift`.  `zero` is the zero point on the scale of what is shifted by `second_shift`.
    """

    bias: NDArray[np.int32]
    multiplier: NDArray[np.int32]
    periods: NDArray[np.int64]
    shift: NDArray[np.int64]
    second_shift: NDArray[np.int64] | None = None
    zero: NDArray[np.int64] | None = None

    @property
    def chain(self) -> Chain:
        """What is read of every block in every packet."""
        second = np.zeros_like(self.shift) if self.second_shift is None else self.second_shift
        return Chain(self.periods, self.shift, second)

    def encode(self, *, bias: bool, factors: bool, by_turns: bool) -> Bytes:
        """32 bytes for the bias of each block and as many for its factors, if they are to be; both if `by_turns`."""
        starts = np.frombuffer(self.bias.astype("<i4").tobytes(), np.uint8).reshape(-1, RECORD_BYTES)
        makes = np.frombuffer(self._factors().tobytes(), np.uint8).reshape(-1, RECORD_BYTES)
        nothing = np.zeros((0, RECORD_BYTES), np.uint8)
        if by_turns:
            return np.concatenate([starts, makes], axis=1).reshape(-1)
        return np.concatenate([starts if bias else nothing, makes if factors else nothing]).reshape(-1)

    def _factors(self) -> NDArray[Any]:
        if self.second_shift is None:
            wide = np.zeros(len(self.bias), _WIDE_FACTORS)
            wide["high"], wide["low"] = halves(self.multiplier)
            return wide
        narrow = np.zeros(len(self.bias), _NARROW_FACTORS)
        narrow["factor"] = self.multiplier
        narrow["zero"] = 0 if self.zero is None else self.zero
        return narrow
