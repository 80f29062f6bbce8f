"""`assign-layout`: make every activation storable as blocks of 8 channels with one border value.

Afterwards each part of a concatenation starts at a block and is written by one op that nobody else's buffer needs, each
part of an interleaving by one that nobody else reads, and no tensor is read with two border values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from compiler.blocks import pack
from compiler.ir import I8, Module, Op, Rewriter, TensorType, Value
from compiler.pass_manager import Pass, Stage
from dialects import bsp
from dialects.nn import InputOp, OutputOp
from dialects.quant import quant_of

if TYPE_CHECKING:
    from compiler.target import Target

BSP = Stage.of("bsp", bsp.STAGE_OPS)


def border_value(op: Op, value: Value[TensorType]) -> int | None:
    """The value an op must find around its input, None if it reads no border."""
    if isinstance(op, bsp.Conv2dOp | bsp.DepthwiseOp) and op.x is value and any(op.pads):
        return op.x_zero
    if isinstance(op, bsp.AvgPoolOp) and any(op.pads):
        return op.x_zero
    if isinstance(op, bsp.MaxPoolOp) and max(op.pads) > 0:
        return quant_of(op, value.type).limits[0]
    return None


NOT_WRITTEN = (InputOp, bsp.ConstantOp, bsp.ConcatOp, bsp.InterleaveOp, bsp.BlocksOp)
"""What no kernel writes, at least not as a whole."""


def copy_of(value: Value[TensorType], near: Op, rw: Rewriter) -> Value[TensorType]:
    """A tensor of its own with the same numbers, written just before `near`."""
    quant = quant_of(near, value.type)
    low, high = quant.limits
    op = bsp.RequantizeOp(value, quant.zero, quant.zero, low, high, 1, 0, quant, loc=near.loc)
    return rw.insert_before(near, op).y


def shifted(
    part: Value[TensorType],
    start: int,
    total: int,
    before: Value[TensorType] | None,
    near: Op,
    module: Module,
) -> bsp.Conv2dOp:
    """A 1x1 convolution that puts the channels at `start` of `total` and adds what stands before them: exact."""
    quant = quant_of(near, part.type)
    channels = part.type.shape[3]
    weight = np.zeros((total, 1, 1, channels), np.int8)
    weight[start + np.arange(channels), 0, 0, np.arange(channels)] = 1
    blocks, index = pack(weight, keep_all=False)
    store = module.store
    symbol = f"concat{channels}at{start}of{total}"
    store[f"{symbol}.blocks"], store[f"{symbol}.index"] = blocks, index
    padded = -(-total // 8) * 8
    store[f"{symbol}.bias"] = np.zeros(padded, np.int32)
    store[f"{symbol}.multiplier"] = np.ones(padded, np.int32)
    store[f"{symbol}.shift"] = store[f"{symbol}.first"] = np.zeros(padded, np.int32)
    rw = Rewriter.at(near)
    count = padded // 8 * (-(-channels // 8))
    type = bsp.BlockMatrixType((total, channels, 1, 1), I8, (8, 8), len(blocks), count)
    matrix = bsp.WeightOp(symbol, store.digest(f"{symbol}.blocks"), (1, 1), False, "", type, loc=near.loc)
    low, high = quant.limits
    joined = before is not None
    conv = bsp.Conv2dOp(
        part,
        rw.insert(matrix).y,
        residual=before,
        kernel=(1, 1),
        strides=(1, 1),
        pads=(0, 0, 0, 0),
        dilations=(1, 1),
        x_zero=quant.zero,
        y_zero=quant.zero,
        y_min=low,
        y_max=high,
        requant=symbol,
        digest=store.digest(f"{symbol}.bias"),
        quant=quant,
        mid_zero=quant.zero if joined else None,
        mid_min=low if joined else None,
        mid_max=high if joined else None,
        add=(1, 1, 0) if joined else None,
        r_zero=quant.zero if joined else None,
        # One way of scaling for all layers keeps the program of the cores small.
        exact=any(one.exact for one in module.walk(Op) if isinstance(one, bsp.Conv2dOp | bsp.DepthwiseOp)) or None,
        loc=near.loc,
    )
    return rw.insert(conv)


def align_concat(concat: bsp.ConcatOp, module: Module) -> bool:
    """concat of parts that do not start at a block -> one convolution a part, each adding the parts before it."""
    sizes = [one.type.shape[3] for one in concat.inputs]
    if all(size % 8 == 0 for size in sizes[:-1]):
        return False
    before: Value[TensorType] | None = None
    start = 0
    for part, size in zip(concat.inputs, sizes, strict=True):
        before = shifted(part, start, sum(sizes), before, concat, module).y
        start += size
    assert before is not None
    Rewriter.at(concat).replace(concat, (before,))
    return True


def own_parts(concat: bsp.ConcatOp) -> None:
    """A part that cannot be written straight into the result is copied there."""
    rw = Rewriter.at(concat)
    seen: set[int] = set()
    for number, part in enumerate(concat.inputs):
        users = part.users
        placed = sum(isinstance(one, bsp.ConcatOp) for one in users) > 1 or id(part) in seen
        ends = isinstance(part.op, InputOp | bsp.ConstantOp | bsp.ConcatOp | bsp.BlocksOp)
        if placed or ends or any(isinstance(one, OutputOp) for one in users):
            rw.set_operand(concat, number, copy_of(part, concat, rw))
        seen.add(id(part))


def own_pixels(join: bsp.InterleaveOp) -> None:
    """What is no layer's result, or is read by others too, is copied once, to be stored wherever it comes."""
    rw = Rewriter.at(join)
    for part in dict.fromkeys(join.inputs):
        if set(part.users) == {join} and not isinstance(part.op, NOT_WRITTEN):
            continue
        copy = copy_of(part, join, rw)
        for number, one in enumerate(join.inputs):
            if one is part:
                rw.set_operand(join, number, copy)


def split_borders(module: Module) -> None:
    """A pool that wants another border value than its fellows reads a copy."""
    wanted: dict[Value[TensorType], int] = {}
    for op in list(module.walk(Op)):
        for number, operand in enumerate(op.operands):
            if not isinstance(operand.type, TensorType):
                continue
            value = operand.typed(TensorType)
            border = border_value(op, value)
            if border is None:
                continue
            root = bsp.whole_of(value)
            if wanted.setdefault(root, border) != border:
                rw = Rewriter.at(op)
                rw.set_operand(op, number, copy_of(value, op, rw))


def own_outputs(module: Module) -> None:
    """Each output of the model is written by a kernel into a buffer of its own."""
    for out in list(module.walk(OutputOp)):
        first = next(one for one in out.x.users if isinstance(one, OutputOp))
        if isinstance(out.x.op, InputOp | bsp.ConstantOp) or first is not out or bsp.whole_of(out.x) is not out.x:
            rw = Rewriter.at(out)
            rw.set_operand(out, 0, copy_of(out.x, out, rw))


@dataclass(frozen=True)
class AssignLayout(Pass):
    """Align concatenations to blocks, give each tensor one border value, outputs and parts writers of their own."""

    name: ClassVar[str] = "assign-layout"
    requires: ClassVar[Stage] = BSP
    ensures: ClassVar[Stage] = BSP

    def run(self, module: Module, target: Target) -> None:
        """Rewrite the module in place."""
        for concat in list(module.walk(bsp.ConcatOp)):
            if not align_concat(concat, module):
                own_parts(concat)
        for join in list(module.walk(bsp.InterleaveOp)):
            own_pixels(join)
        own_outputs(module)
        split_borders(module)
