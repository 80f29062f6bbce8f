"""The 8x8 block: 8 output channels x 8 input channels of one kernel tap; the order of blocks is defined here.

A weight tensor is [O, KH, KW, I]; its blocks are listed by (output block, input block, ky, kx), the order in
which a core that owns some output channels reads them.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

BLOCK = 8

Number = TypeVar("Number", bound=np.generic)


def blocks_of(channels: int) -> int:
    """How many blocks cover so many channels."""
    return -(-channels // BLOCK)


def padded(channels: int) -> int:
    """The channels rounded up to whole blocks."""
    return blocks_of(channels) * BLOCK


def split_blocks(weight: NDArray[Number]) -> NDArray[Number]:
    """[O, KH, KW, I] as [O/8, I/8, KH, KW, 8 (input), 8 (output)], padded with zeros."""
    out, kh, kw, inp = weight.shape
    rows, columns = blocks_of(out), blocks_of(inp)
    full = np.zeros((rows * BLOCK, kh, kw, columns * BLOCK), weight.dtype)
    full[:out, :, :, :inp] = weight
    split = full.reshape(rows, BLOCK, kh, kw, columns, BLOCK)
    return np.ascontiguousarray(split.transpose(0, 4, 2, 3, 5, 1))


def nonzero_blocks(weight: NDArray[Number]) -> NDArray[np.bool_]:
    """Which blocks of [O, KH, KW, I] hold a number that is not zero: [O/8, I/8, KH, KW]."""
    return np.asarray(split_blocks(weight != 0).any(axis=(-2, -1)))


def weights_of(chosen: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The weights, [O, KH, KW, I], that lie in chosen blocks, [O/8, I/8, KH, KW]."""
    wide = chosen.repeat(BLOCK, axis=0).repeat(BLOCK, axis=1).transpose(0, 2, 3, 1)
    return wide[: shape[0], :, :, : shape[3]]


def pack(weight: NDArray[np.int8], *, keep_all: bool) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    """Kept blocks [kept, 8 (input), 8 (output)] and index rows (output block, ky, kx, input block).

    A block is dropped when all of its weights are exactly zero.
    """
    split = split_blocks(weight)
    kept = split.reshape(*split.shape[:4], -1).any(axis=-1)
    places = np.argwhere(np.ones_like(kept) if keep_all else kept)
    blocks = split[tuple(places.T)]
    index = places[:, [0, 2, 3, 1]].astype(np.int32)
    return np.ascontiguousarray(blocks), np.ascontiguousarray(index)


def unpack(blocks: NDArray[np.int8], index: NDArray[np.int32], shape: tuple[int, int, int, int]) -> NDArray[np.int8]:
    """The dense weights of `shape` [O, KH, KW, I] that `pack` packed."""
    out, kh, kw, inp = shape
    split = np.zeros((blocks_of(out), blocks_of(inp), kh, kw, BLOCK, BLOCK), np.int8)
    split[index[:, 0], index[:, 3], index[:, 1], index[:, 2]] = blocks
    full = split.transpose(0, 5, 2, 3, 1, 4).reshape(padded(out), kh, kw, padded(inp))
    return np.ascontiguousarray(full[:out, :, :, :inp])


def reorder(
    blocks: NDArray[np.int8], index: NDArray[np.int32], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    """What `pack` gives for weights whose output blocks are `rows` and whose input blocks are `columns` of the old."""
    moved = index.copy()
    moved[:, 0], moved[:, 3] = np.argsort(rows)[index[:, 0]], np.argsort(columns)[index[:, 3]]
    order = np.lexsort((moved[:, 2], moved[:, 1], moved[:, 3], moved[:, 0]))
    return blocks[order], moved[order]


def channels_in(order: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The channels that blocks in this order hold, of `count` in all; a block that is not full comes last."""
    return (order[:, None] * BLOCK + np.arange(BLOCK)).ravel()[:count]
