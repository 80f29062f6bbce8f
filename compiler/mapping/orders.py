"""Which blocks of 8 channels of a `bsp` function must move together, and which cannot move.

Two blocks move together when an operation reads one where it writes, or reads, the other: of a sum, a pool, a
rescaling, a depthwise convolution, a concatenation.  Any other
convolution joins nothing: its rows follow what it writes, its columns what it reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compiler.blocks import BLOCK, blocks_of
from compiler.ir import Module, Op, TensorType, Value
from dialects import bsp
from dialects.nn import OutputOp

Ints = NDArray[np.int64]
JOINING = (bsp.AddOp, bsp.MulOp, bsp.MaxPoolOp, bsp.AvgPoolOp, bsp.RequantizeOp, bsp.LookupOp)


@dataclass(frozen=True)
class Movable:
    """Blocks that may change places with each other: for each tensor that holds them, where each lies."""

    places: tuple[tuple[Value[TensorType], Ints], ...]

    @property
    def count(self) -> int:
        """How many blocks there are."""
        return len(self.places[0][1])


class _Blocks:
    """Numbered blocks in sets that are joined; a set is known by its smallest number, and fixed if a member is."""

    def __init__(self) -> None:
        self.leader: list[int] = []
        self.fixed: list[bool] = []

    def new(self, count: int) -> list[int]:
        start = len(self.leader)
        self.leader += range(start, start + count)
        self.fixed += [False] * count
        return list(range(start, start + count))

    def find(self, one: int) -> int:
        while self.leader[one] != one:
            self.leader[one] = self.leader[self.leader[one]]
            one = self.leader[one]
        return one

    def join(self, left: Sequence[int], right: Sequence[int]) -> None:
        for one, other in zip(left, right, strict=True):
            low, high = sorted((self.find(one), self.find(other)))
            self.leader[high] = low
            self.fixed[low] |= self.fixed[high]

    def fix(self, members: Sequence[int]) -> None:
        for one in members:
            self.fixed[self.find(one)] = True


def movable_blocks(module: Module) -> list[Movable]:
    """All that may be put in another order, by first appearance; inputs, outputs and constants keep theirs.

    So do blocks that are not full, and those that one tensor holds twice.
    """
    blocks = _Blocks()
    held: dict[Value[TensorType], list[int]] = {}
    for op in module.walk(Op):
        _enter(op, held, blocks)
    holders: dict[int, list[int]] = {}
    tensors = list(held)
    for number, value in enumerate(tensors):
        held[value] = [blocks.find(one) for one in held[value]]
        for one in held[value]:
            if number in holders.setdefault(one, []):
                blocks.fix([one])
            holders[one].append(number)
    groups: dict[tuple[int, ...], list[int]] = {}
    for one, numbers in holders.items():
        if not blocks.fixed[one]:
            groups.setdefault(tuple(numbers), []).append(one)
    found = []
    for key, members in groups.items():
        owners = [tensors[number] for number in key]
        places = ((owner, np.array([held[owner].index(one) for one in members])) for owner in owners)
        found.append(Movable(tuple(places)))
    return [one for one in found if one.count > 1]


def _enter(op: Op, held: dict[Value[TensorType], list[int]], blocks: _Blocks) -> None:
    """Number the blocks of what an operation writes, and join them with what it reads."""
    if isinstance(op, OutputOp):
        blocks.fix(held[op.x])
    for value in op.results:
        if not isinstance(value.type, TensorType):
            continue
        result = value.typed(TensorType)
        channels = result.type.shape[3]
        held[result] = own = blocks.new(blocks_of(channels))
        if channels % BLOCK:
            blocks.fix(own[-1:])
        if isinstance(op, bsp.ConcatOp):
            _enter_parts(op, own, held, blocks)
        elif isinstance(op, bsp.InterleaveOp):
            for part in op.inputs:
                blocks.join(own, held[part])
        elif isinstance(op, bsp.BlocksOp):
            blocks.join(own, held[op.x][op.first : op.first + len(own)])
        elif isinstance(op, bsp.Conv2dOp):
            if op.residual is not None:
                blocks.join(own, held[op.residual])
        elif isinstance(op, bsp.DepthwiseOp):
            blocks.join(own, held[op.x])
        elif isinstance(op, JOINING):
            for operand in op.operands:
                blocks.join(own, held[operand.typed(TensorType)])
        else:
            blocks.fix(own)


def _enter_parts(op: bsp.ConcatOp, own: list[int], held: dict[Value[TensorType], list[int]], blocks: _Blocks) -> None:
    """Blocks of a concatenation are those of its parts, if these start at blocks."""
    if any(part.type.shape[3] % BLOCK for part in op.inputs[:-1]):
        for part in op.inputs:
            blocks.fix(held[part])
        blocks.fix(own)
        return
    blocks.join(own, [one for part in op.inputs for one in held[part]])
