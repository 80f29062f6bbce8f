"""What the convolutions of a layer multiply by: kept weight blocks, and per output channel a bias and a factor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compiler.encoding.records import BlockRecords
from compiler.encoding.work import BLOCK, SCRATCH_OFFSET
from compiler.mapping.shapes import Layer, type_limits

Ints = NDArray[np.int32]
ACC_LIMIT = 1 << 31
SUM_LIMIT = ACC_LIMIT - SCRATCH_OFFSET
"""Sums have 32 bits; those that are scaled by 30-bit factors carry an offset."""
MAX_DIRECT_SHIFT = 31


@dataclass(frozen=True)
class Blocks:
    """Kept blocks by output block; arrays of channels are `[out_blocks][8]`, those of blocks `[out_blocks]`.

    A block is `[8 inputs][8]`, of a depthwise layer `[1][8]`.

    The bias has taken in -x_zero * sum(weights); `bound` is more than any partial sum with it can reach; a factor is
    multiplier / 2^shift with one shift a block, of sums that are shifted by `first` before if there is that.  Where
    `net_shift` is not negative the factors of the block are all 2^-net_shift.
    """

    blocks: NDArray[np.int8]
    index: Ints
    starts: NDArray[np.int64]
    bias: NDArray[np.int64]
    bound: NDArray[np.int64]
    multiplier: Ints
    shift: NDArray[np.int64]
    net_shift: NDArray[np.int64]
    first: NDArray[np.int64] | None

    @classmethod
    def of(
        cls,
        layer: Layer,
        blocks: NDArray[np.int8],
        index: Ints,
        bias: Ints,
        multiplier: Ints,
        shift: Ints,
        first: Ints | None = None,
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
        ahead = None if first is None else first.reshape(-1, BLOCK)[:, 0].astype(np.int64)
        return cls(
            blocks,
            index,
            starts,
            corrected,
            largest * sizes + np.abs(corrected),
            factors.astype(np.int32),
            common,
            _net_shift(factors, common) if ahead is None else _only_shift(factors, common, ahead),
            ahead,
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
        if (low, high) != type_limits(layer.first_signed):
            return False
        net = self.net_shift[out[0] : out[1]]
        if (net < 0).any():
            return False
        room = ACC_LIMIT - abs(zero) * (1 << net)
        return bool((self.bound[out[0] : out[1]] < room[:, None]).all())

    def records(self, layer: Layer, out: tuple[int, int], periods: NDArray[np.int64], finish: str) -> BlockRecords:
        """The records of some output blocks; a bias brings the zero point (`direct`) or an offset (`scale`)."""
        part = slice(*out)
        bias, multiplier = self.bias[part], self.multiplier[part]
        if finish == "direct":
            shift = self.net_shift[part]
            return BlockRecords(
                bias=_words(bias + layer.first_stage[0] * (1 << shift[:, None])),
                multiplier=multiplier,
                periods=periods,
                shift=shift,
            )
        if self.first is None:
            shift = self.shift[part]
            return BlockRecords(bias=_words(bias + SCRATCH_OFFSET), multiplier=multiplier, periods=periods, shift=shift)
        return BlockRecords(
            bias=_words(bias),
            multiplier=multiplier,
            periods=periods,
            shift=self.first[part],
            second_shift=self.shift[part],
            zero=layer.first_stage[0] << self.shift[part],
        )


def _words(numbers: NDArray[np.int64]) -> Ints:
    """What 32 bits keep of numbers."""
    return numbers.astype(np.uint64).astype(np.uint32).view(np.int32)


def _only_shift(factors: Ints, shift: NDArray[np.int64], first: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first shift of the blocks that need nothing else, else -1."""
    found: NDArray[np.int64] = np.where((factors == 1).all(axis=1) & (shift == 0), first, -1)
    return found


def _net_shift(factors: Ints, shift: NDArray[np.int64]) -> NDArray[np.int64]:
    """s of the blocks whose 8 factors are all 2^-s with 0 <= s <= 31, else -1."""
    first = factors[:, 0].astype(np.int64)
    power = (first > 0) & (first & (first - 1) == 0) & (factors == first[:, None]).all(axis=1)
    net = shift - np.log2(np.maximum(first, 1)).astype(np.int64)
    found: NDArray[np.int64] = np.where(power & (net >= 0) & (net <= MAX_DIRECT_SHIFT), net, -1)
    return found
