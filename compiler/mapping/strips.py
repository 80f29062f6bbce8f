"""Groups of layers that run strip by strip: which rows of every tensor a strip of the group's result needs.

A strip is projected backwards from the last layer to the first, each layer widening it by its window and its strides,
and a tensor that several layers read gets the hull of what they need.  Far from the edges, u rows of the result need
(u - 1) s + k of an operand: the group is a convolution of kernel k and stride s, which is how D'Alberto et al., "Weight
Block Sparsity" (2024), arrive at the size of depth-wise tiles.  Here ranges are exact, those at the edges too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compiler.ir import Module, Op, TensorType, Value
from compiler.mapping.layers import KERNEL_OPS, Kernels, Pointwise, tensors_of
from dialects import bsp

Rows = tuple[int, int]
Step = Kernels | bsp.ConcatOp
Activation = Value[TensorType]


@dataclass(frozen=True)
class Read:
    """What a layer reads of one operand for some rows of its result: its rows, and pads above and below them."""

    value: Activation
    rows: Rows
    pads: tuple[int, int]


@dataclass(frozen=True)
class Group:
    """Consecutive layers of which nobody else reads anything but the last result, `exit`."""

    steps: tuple[Step, ...]
    exit: Activation


@dataclass(frozen=True)
class Cut:
    """The steps [first, last) of a schedule, to be run in strips of `rows` rows of what they end in."""

    first: int
    last: int
    rows: int


def steps_of(module: Module) -> list[Step]:
    """What computes or joins activations, in order."""
    return [op for op in module.walk(Op) if isinstance(op, (*KERNEL_OPS, bsp.ConcatOp))]


def group_of(steps: Sequence[Step]) -> Group | None:
    """The group of some consecutive steps; None where they end in several tensors or share one with others.

    A concatenation shares its buffer with its parts: all belong to a group, or none; what is interleaved is in none.
    """
    inside = frozenset(steps)
    exits = []
    for step in steps:
        outer = [user for user in step.y.users if user not in inside]
        if outer:
            exits.append(step.y)
        joins = isinstance(step, bsp.ConcatOp) and any(part.op not in inside for part in step.inputs)
        placed = any(isinstance(user, bsp.ConcatOp | bsp.InterleaveOp) for user in outer)
        if len(exits) > 1 or joins or placed:
            return None
    if len(exits) != 1 or any(user in inside for user in exits[0].users):
        return None
    if not all(part.used_once for part in bsp.parts_of(exits[0])[1:]):
        return None
    return Group(tuple(steps), exits[0])


def reads_of(step: Kernels, rows: Rows) -> list[Read]:
    """What a layer reads for some rows of its result, each operand; no rows are read of padding alone."""
    first, *others = tensors_of(step)
    found = [Read(one, rows, (0, 0)) for one in others]
    if isinstance(step, Pointwise):
        same = not isinstance(step, bsp.AddOp | bsp.MulOp) or not step.expands
        return [Read(first, rows if same else (0, 1), (0, 0)), *found]
    dilation = 1 if isinstance(step, bsp.AvgPoolOp) else step.dilations[0]
    start = rows[0] * step.strides[0] - step.pads[0]
    end = (rows[1] - 1) * step.strides[0] - step.pads[0] + (step.kernel[0] - 1) * dilation + 1
    height = first.type.shape[1]
    held = max(0, start), min(height, end)
    return [Read(first, held, (held[0] - start, end - held[1])), *found]


def strip_rows(group: Group, rows: Rows) -> dict[Activation, Rows] | None:
    """The rows of every tensor in the group that `rows` of its exit need, one range for all parts of a concatenation.

    None if a layer would find nothing but padding, or if a concatenation would have to be larger than its parts.
    """
    inside = frozenset(group.steps)
    found = {group.exit: rows}
    written = set()
    for step in reversed(group.steps):
        if isinstance(step, bsp.ConcatOp):
            continue
        whole = bsp.whole_of(step.y)
        written.add(whole)
        for read in reads_of(step, found[whole]):
            first, last = read.rows
            if first >= last:
                return None
            if read.value.op not in inside:
                continue
            source = bsp.whole_of(read.value)
            known = found.get(source, read.rows)
            hull = min(known[0], first), max(known[1], last)
            if source in written and hull != known:
                return None
            found[source] = hull
    return found
