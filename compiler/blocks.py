"""The 8x8 block: 8 output channels x 8 input channels of one kernel tap; the order of blocks is defined here.

A weight tensor is [O, KH, KW, I]; of a convolution in groups [O, KH, KW, I / groups].  Its blocks are listed by
(output block, input block, ky, kx), the order in which a core that owns some output channels reads them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BLOCK = 8


def blocks_of(channels: int) -> int:
    """How many blocks cover so many channels."""
    return -(-channels // BLOCK)


def padded(channels: int) -> int:
    """The channels rounded up to whole blocks."""
    return blocks_of(channels) * BLOCK


def split_blocks(weight: NDArray[np.int8]) -> NDArray[np.int8]:
    """[O, KH, KW, I] as [O/8, I/8, KH, KW, 8 (input), 8 (output)], padded with zeros."""
    out, kh, kw, inp = weight.shape
    rows, columns = blocks_of(out), blocks_of(inp)
    full = np.zeros((rows * BLOCK, kh, kw, columns * BLOCK), np.int8)
    full[:out, :, :, :inp] = weight
    split = full.reshape(rows, BLOCK, kh, kw, columns, BLOCK)
    return np.ascontiguousarray(split.transpose(0, 4, 2, 3, 5, 1))


def blocks_in_groups(out: int, inp: int, groups: int) -> NDArray[np.int64]:
    """How many pairs of an output and an input channel of each block are of one group, [O/8, I/8]."""
    members = []
    for channels in (out, inp):
        own = np.zeros((padded(channels), groups), np.int64)
        own[np.arange(channels), np.arange(channels) // (channels // groups)] = 1
        members.append(own.reshape(-1, BLOCK, groups).sum(axis=1))
    found: NDArray[np.int64] = members[0] @ members[1].T
    return found


def ungrouped(weight: NDArray[np.int8], groups: int) -> NDArray[np.int8]:
    """Weights [O, KH, KW, I / groups] as [O, KH, KW, I], zero outside the groups."""
    out, kh, kw, inp = weight.shape
    full = np.zeros((groups, out // groups, kh, kw, groups, inp), np.int8)
    own = np.arange(groups)
    full[own, :, :, :, own] = weight.reshape(groups, out // groups, kh, kw, inp)
    return full.reshape(out, kh, kw, groups * inp)


def pack(weight: NDArray[np.int8], *, keep_all: bool, groups: int = 1) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    """Kept blocks [kept, 8 (input), 8 (output)] and index rows (output block, ky, kx, input block).

    A block is dropped when all of its weights are exactly zero, or, with `keep_all`, when it lies outside the groups.
    """
    split = split_blocks(ungrouped(weight, groups) if groups > 1 else weight)
    kept = split.reshape(*split.shape[:4], -1).any(axis=-1)
    if keep_all:
        inside = blocks_in_groups(len(weight), weight.shape[3] * groups, groups) > 0
        kept = np.broadcast_to(inside[:, :, None, None], kept.shape)
    places = np.argwhere(kept)
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


def pack_channels(weight: NDArray[np.int8]) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    """Weights [C, KH, KW] of single channels as blocks [C/8 * KH * KW, 1, 8], and their index.

    The output block of an index row is its input block, too.
    """
    channels, kh, kw = weight.shape
    full = np.zeros((padded(channels), kh, kw), np.int8)
    full[:channels] = weight
    split = full.reshape(-1, BLOCK, kh, kw).transpose(0, 2, 3, 1)
    block, ky, kx = (one.reshape(-1) for one in np.indices(split.shape[:3]))
    index = np.stack([block, ky, kx, block], axis=1).astype(np.int32)
    return np.ascontiguousarray(split.reshape(-1, 1, BLOCK)), np.ascontiguousarray(index)


def unpack_channels(
    blocks: NDArray[np.int8], index: NDArray[np.int32], shape: tuple[int, int, int]
) -> NDArray[np.int8]:
    """The weights of `shape` [C, KH, KW] that `pack_channels` packed."""
    channels, kh, kw = shape
    split = np.zeros((blocks_of(channels), BLOCK, kh, kw), np.int8)
    split[index[:, 0], :, index[:, 1], index[:, 2]] = blocks[:, 0]
    return np.ascontiguousarray(split.reshape(-1, kh, kw)[:channels])


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
