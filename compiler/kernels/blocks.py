"""What the convolutions of a layer multiply by: kept weight blocks, and per output channel a bias and a factor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compiler.encoding.work import BLOCK, MIN_PERIODS, SCRATCH_OFFSET, BlockRecords
from compiler.mapping.shapes import Layer

Ints = NDArray[np.int32]
ACC_LIMIT = 1 << 31
SUM_LIMIT = ACC_LIMIT - SCRATCH_OFFSET
"""Sums have 32 bits; those that wait in the scratch carry an offset."""
MAX_DIRECT_SHIFT = 31


@dataclass(frozen=True)
class Blocks:
    """Kept blocks by output block; arrays of channels are `[out_blocks][8]`, those of blocks `[out_blocks]`.

    The bias has taken in -x_zero * sum(weights); `bound` is more than any partial sum with it can reach; a factor is
    multiplier / 2^shift with one shift a block.  Where `net_shift` is not negative the factors of the block are all
    2^-net_shift.
    """

    blocks: NDArray[np.int8]
    index: Ints
    starts: NDArray[np.int64]
    bias: NDArray[np.int64]
    bound: NDArray[np.int64]
    multiplier: Ints
    shift: NDArray[np.int64]
    net_shift: NDArray[np.int64]

    @classmethod
    def of(
        cls, layer: Layer, blocks: NDArray[np.int8], index: Ints, bias: Ints, multiplier: Ints, shift: Ints
    ) -> Blocks:
        """Sort out the rows of the index by output block; channels past the last take their neighbour's factor."""
        starts = np.searchsorted(index[:, 0], np.arange(layer.out_blocks + 1)).astype(np.int64)
        sums, sizes = (np.zeros((layer.out_blocks, BLOCK), np.int64) for _ in range(2))
        np.add.at(sums, index[:, 0], blocks.sum(axis=1, dtype=np.int64))
        np.add.at(sizes, index[:, 0], np.abs(blocks.astype(np.int16)).sum(axis=1, dtype=np.int64))
        corrected = bias.astype(np.int64).reshape(-1, BLOCK) - layer.x_zero * sums
        largest = 128 if layer.x_signed else 255
        past = np.arange(layer.out_blocks * BLOCK).reshape(-1, BLOCK) >= layer.out_channels
        factors = np.where(past, multiplier.reshape(-1, BLOCK)[:, :1], multiplier.reshape(-1, BLOCK))
        shifts = shift.reshape(-1, BLOCK).astype(np.int64)
        common = shifts[:, 0]
        assert (past | (factors == 0) | (shifts == common[:, None])).all(), "the 8 channels of a block share one shift"
        return cls(
            blocks,
            index,
            starts,
            corrected,
            largest * sizes + np.abs(corrected),
            factors.astype(np.int32),
            common,
            _net_shift(factors, common),
        )

    def chosen(self, out_block: int, inputs: tuple[int, int], window: tuple[int, int]) -> NDArray[np.int64]:
        """Rows of the index in one output block that lie in some input blocks and rows of the window."""
        rows = np.arange(self.starts[out_block], self.starts[out_block + 1])
        columns, taps = self.index[rows, 3], self.index[rows, 1]
        here = (columns >= inputs[0]) & (columns < inputs[1])
        chosen: NDArray[np.int64] = rows[here & (taps >= window[0]) & (taps < window[1])]
        return chosen

    def direct(self, layer: Layer, out: tuple[int, int]) -> bool:
        """Whether a rounding shift of the sum, saturating as the type does, is all that these blocks need."""
        zero, low, high = layer.first_stage
        if (low, high) != ((-128, 127) if layer.first_signed else (0, 255)):
            return False
        net = self.net_shift[out[0] : out[1]]
        if (net < 0).any():
            return False
        room = ACC_LIMIT - abs(zero) * (1 << net)
        return bool((self.bound[out[0] : out[1]] < room[:, None]).all())

    def records(self, layer: Layer, out: tuple[int, int], periods: NDArray[np.int64], *, direct: bool) -> BlockRecords:
        """The records of some output blocks; the bias brings the zero point (`direct`) or the scratch's offset."""
        part = slice(*out)
        shift = (self.net_shift if direct else self.shift)[part]
        offset = layer.first_stage[0] * (1 << shift) if direct else np.full(len(shift), SCRATCH_OFFSET)
        return BlockRecords(
            bias=(self.bias[part] + offset[:, None]).astype(np.uint64).astype(np.uint32).view(np.int32),
            multiplier=self.multiplier[part],
            periods=np.maximum(periods, MIN_PERIODS),
            shift=shift,
        )


def _net_shift(factors: Ints, shift: NDArray[np.int64]) -> NDArray[np.int64]:
    """s of the blocks whose 8 factors are all 2^-s with 0 <= s <= 31, else -1."""
    first = factors[:, 0].astype(np.int64)
    power = (first > 0) & (first & (first - 1) == 0) & (factors == first[:, None]).all(axis=1)
    net = shift - np.log2(np.maximum(first, 1)).astype(np.int64)
    found: NDArray[np.int64] = np.where(power & (net >= 0) & (net <= MAX_DIRECT_SHIFT), net, -1)
    return found
