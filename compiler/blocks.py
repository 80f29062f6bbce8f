"""The 8x8 block: 8 output channels x 8 input channels of one kernel tap; the order of blocks is defined here.

A weight tensor is [O, KH, KW, I]; of a convolution in groups [O, KH, KW, I / groups].  Its blocks are listed by
(output block, input block, ky, kx), the order in which a core that owns some output channels reads them.  Cores
multiply by 8 bits: a block of larger weights comes again with what is left of them, and both are added up.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

BLOCK = 8

Number = TypeVar("Number", bound=np.generic)

Weights = NDArray[np.signedinteger[Any]]
"""int8, or int16 where numbers need it."""


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


def blocks_in_groups(out: int, inp: int, groups: int) -> NDArray[np.int64]:
    """How many pairs of an output and an input channel of each block are of one group, [O/8, I/8]."""
    members = []
    for channels in (out, inp):
        own = np.zeros((padded(channels), groups), np.int64)
        own[np.arange(channels), np.arange(channels) // (channels // groups)] = 1
        members.append(own.reshape(-1, BLOCK, groups).sum(axis=1))
    found: NDArray[np.int64] = members[0] @ members[1].T
    return found


def ungrouped(weight: Weights, groups: int) -> Weights:
    """Weights [O, KH, KW, I / groups] as [O, KH, KW, I], zero outside the groups."""
    out, kh, kw, inp = weight.shape
    full = np.zeros((groups, out // groups, kh, kw, groups, inp), weight.dtype)
    own = np.arange(groups)
    full[own, :, :, :, own] = weight.reshape(groups, out // groups, kh, kw, inp)
    return full.reshape(out, kh, kw, groups * inp)


def nonzero_blocks(weight: NDArray[Number]) -> NDArray[np.bool_]:
    """Which blocks of [O, KH, KW, I] hold a number that is not zero: [O/8, I/8, KH, KW]."""
    return np.asarray(split_blocks(weight != 0).any(axis=(-2, -1)))


def weights_of(chosen: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The weights, [O, KH, KW, I], that lie in chosen blocks, [O/8, I/8, KH, KW]."""
    wide = chosen.repeat(BLOCK, axis=0).repeat(BLOCK, axis=1).transpose(0, 2, 3, 1)
    return wide[: shape[0], :, :, : shape[3]]


def pack(weight: Weights, *, keep_all: bool, groups: int = 1) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    """Kept blocks [kept, 8 (input), 8 (output)] and index rows (output block, ky, kx, input block).

    A block is dropped when all of its weights are exactly zero, or, with `keep_all`, when it lies outside the groups.
    """
    split = split_blocks(ungrouped(weight, groups) if groups > 1 else weight)
    kept = split.reshape(*split.shape[:4], -1).any(axis=-1)
    if keep_all:
        inside = blocks_in_groups(len(weight), weight.shape[3] * groups, groups) > 0
        kept = np.broadcast_to(inside[:, :, None, None], kept.shape)
    places = np.argwhere(kept)
    return in_bytes(split[tuple(places.T)], places[:, [0, 2, 3, 1]].astype(np.int32))


def in_bytes(blocks: Weights, index: NDArray[np.int32]) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    """Blocks of int8 that add up to these: what does not fit stands behind a block, at the same place in the index."""
    limits = np.iinfo(np.int8)
    rest, rows = blocks.astype(np.int16), np.arange(len(blocks))
    parts, places = [], []
    while len(rows):
        parts.append(np.clip(rest, limits.min, limits.max).astype(np.int8))
        places.append(rows)
        rest = rest - parts[-1]
        left = rest.any(axis=(1, 2))
        rest, rows = rest[left], rows[left]
    if not parts:
        return blocks.astype(np.int8), np.ascontiguousarray(index)
    order = np.argsort(np.concatenate(places), kind="stable")
    return np.concatenate(parts)[order], index[np.concatenate(places)[order]]


def distinct(index: NDArray[np.int32]) -> NDArray[np.int32]:
    """The rows of an index without those that repeat the row before."""
    again = (index[1:] == index[:-1]).all(axis=1)
    found: NDArray[np.int32] = index[np.concatenate([np.ones(min(len(index), 1), bool), ~again])]
    return found


def as_int8(weight: NDArray[np.int16]) -> Weights:
    """The same in 8 bits if they fit."""
    narrow = weight.astype(np.int8)
    return narrow if np.array_equal(narrow, weight) else weight


def unpack(blocks: NDArray[np.int8], index: NDArray[np.int32], shape: tuple[int, int, int, int]) -> Weights:
    """The dense weights of `shape` [O, KH, KW, I] that `pack` packed."""
    out, kh, kw, inp = shape
    split = np.zeros((blocks_of(out), blocks_of(inp), kh, kw, BLOCK, BLOCK), np.int16)
    np.add.at(split, (index[:, 0], index[:, 3], index[:, 1], index[:, 2]), blocks)
    full = split.transpose(0, 5, 2, 3, 1, 4).reshape(padded(out), kh, kw, padded(inp))
    return as_int8(np.ascontiguousarray(full[:out, :, :, :inp]))


def pack_channels(weight: Weights) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    """Weights [C, KH, KW] of single channels as blocks [C/8 * KH * KW or more, 1, 8], and their index.

    The output block of an index row is its input block, too.
    """
    channels, kh, kw = weight.shape
    full = np.zeros((padded(channels), kh, kw), weight.dtype)
    full[:channels] = weight
    split = full.reshape(-1, BLOCK, kh, kw).transpose(0, 2, 3, 1)
    block, ky, kx = (one.reshape(-1) for one in np.indices(split.shape[:3]))
    index = np.stack([block, ky, kx, block], axis=1).astype(np.int32)
    return in_bytes(split.reshape(-1, 1, BLOCK), index)


def unpack_channels(blocks: NDArray[np.int8], index: NDArray[np.int32], shape: tuple[int, int, int]) -> Weights:
    """The weights of `shape` [C, KH, KW] that `pack_channels` packed."""
    channels, kh, kw = shape
    split = np.zeros((blocks_of(channels), kh, kw, BLOCK), np.int16)
    np.add.at(split, (index[:, 0], index[:, 1], index[:, 2]), blocks[:, 0])
    by_channel = split.transpose(0, 3, 1, 2).reshape(-1, kh, kw)
    return as_int8(np.ascontiguousarray(by_channel[:channels]))


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
