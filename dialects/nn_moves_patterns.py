"""Patterns of `canonicalize`: pads, picked pixels and channels join what reads or makes them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from compiler.blocks import BLOCK
from compiler.ir import I8, Op, Rewriter, TensorType, Value, fuse, module_of, rewrites
from compiler.numerics import requant_of
from dialects import nn
from dialects.quant import quant_of


@rewrites(nn.InterleaveOp)
def interleave_of_one(op: nn.InterleaveOp, rw: Rewriter) -> bool:
    """interleave(x) -> x"""
    if len(op.inputs) != 1:
        return False
    rw.replace(op, op.inputs[0])
    return True


@rewrites(nn.InterleaveOp)
def interleave_of_interleaved(op: nn.InterleaveOp, rw: Rewriter) -> bool:
    """interleave(interleave(x, y), interleave(z, w)) -> interleave(x, y, z, w) with the product of the steps"""
    inner = [one.op for one in op.inputs if isinstance(one.op, nn.InterleaveOp)]
    (down, across), steps = op.steps, inner[0].steps if inner else ()
    if len(inner) < len(op.inputs) or any(one.steps != steps for one in inner):
        return False
    rows, columns = down * steps[0], across * steps[1]
    # Row down * k + i of a square is row k of part i; so are columns.
    parts = [
        inner[(row % down) * across + column % across].inputs[(row // down) * steps[1] + column // across]
        for row in range(rows)
        for column in range(columns)
    ]
    rw.replace(op, rw.copy(op, inputs=tuple(parts), steps=(rows, columns)))
    return True


def _joined(
    pad: nn.PadOp, op: nn.QConv2dOp | nn.QAveragePoolOp | nn.MaxPoolOp, rw: Rewriter, **changes: object
) -> bool:
    """Replace what reads a pad by the same with both pads; `changes` are of its other fields."""
    both = _sum(op.pads, pad.pads)
    rw.replace(op, rw.copy(op, x=pad.x, pads=both, loc=fuse(pad.loc, op.loc), **changes))
    return True


@rewrites(nn.QConv2dOp)
def conv_of_pad(op: nn.QConv2dOp, rw: Rewriter) -> bool:
    """conv(pad(x)) -> conv(x) with both pads: a convolution, too, reads zeros around its image"""
    pad = op.x.op
    return isinstance(pad, nn.PadOp) and _joined(pad, op, rw)


@rewrites(nn.QAveragePoolOp)
def average_of_pad(op: nn.QAveragePoolOp, rw: Rewriter) -> bool:
    """average_pool(pad(x)) -> average_pool(x) with both pads, those of the pad counted in any case"""
    pad = op.x.op
    if not isinstance(pad, nn.PadOp):
        return False
    own = op.counted_pads if op.count_include_pad else (0, 0, 0, 0)
    return _joined(pad, op, rw, counted_pads=_sum(own, pad.pads), count_include_pad=True)


@rewrites(nn.MaxPoolOp)
def max_pool_of_pad(op: nn.MaxPoolOp, rw: Rewriter) -> bool:
    """max_pool(pad(x)) -> max_pool(x) with both pads, if 0 is the smallest number: its pads then never win"""
    pad = op.x.op
    if not isinstance(pad, nn.PadOp) or min(op.pads) < 0:
        return False
    quant = quant_of(op, op.x.type)
    return quant.zero == quant.limits[0] and _joined(pad, op, rw)


def _sum(pads: tuple[int, ...], others: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(one + other for one, other in zip(pads, others, strict=True))


def picks(op: Op | None) -> bool:
    """Whether an operation only takes some rows and columns of an image."""
    return isinstance(op, nn.MaxPoolOp) and op.kernel == (1, 1) and max(op.pads) <= 0


@rewrites(nn.MaxPoolOp)
def pick_of_picked(op: nn.MaxPoolOp, rw: Rewriter) -> bool:
    """pick(pick(x)) -> pick(x), of every s-th row or column from the o-th on: s = s1 * s2, o = o1 + s1 * o2"""
    inner = op.x.op
    if not isinstance(inner, nn.MaxPoolOp) or not picks(op) or not picks(inner) or not op.x.used_once:
        return False
    before, after, strides = [], [], []
    for axis in range(2):
        strides.append(inner.strides[axis] * op.strides[axis])
        before.append(inner.pads[axis] + inner.strides[axis] * op.pads[axis])
        last = strides[axis] * (op.y.type.shape[1 + axis] - 1) - before[axis]
        after.append(last + 1 - inner.x.type.shape[1 + axis])
    pads = (*before, *after)
    rw.replace(op, rw.copy(op, x=inner.x, strides=tuple(strides), pads=pads, loc=fuse(inner.loc, op.loc)))
    return True


@rewrites(nn.QConv2dOp)
def conv_of_picked(op: nn.QConv2dOp, rw: Rewriter) -> bool:
    """conv1x1(pick(x)) -> conv1x1(x) with the strides of the pick, if that begins with the first pixel"""
    pick = op.x.op
    if not isinstance(pick, nn.MaxPoolOp) or not picks(pick) or any(pick.pads[:2]) or not op.x.used_once:
        return False
    if op.kernel != (1, 1) or op.strides != (1, 1) or any(op.pads):
        return False
    size = tuple((side - 1) // step + 1 for side, step in zip(pick.x.type.shape[1:3], pick.strides, strict=True))
    if size != op.y.type.shape[1:3]:
        return False
    rw.replace(op, rw.copy(op, x=pick.x, strides=pick.strides, loc=fuse(pick.loc, op.loc)))
    return True


@rewrites(nn.ChannelsOp)
def channels_of_all(op: nn.ChannelsOp, rw: Rewriter) -> bool:
    """channels(x) -> x, where it takes all in their order"""
    if op.stretch != (0, op.x.type.shape[3]):
        return False
    rw.replace(op, op.x)
    return True


@rewrites(nn.ChannelsOp)
def channels_of_channels(op: nn.ChannelsOp, rw: Rewriter) -> bool:
    """channels(channels(x)) -> channels(x)"""
    inner = op.x.op
    if not isinstance(inner, nn.ChannelsOp):
        return False
    index = tuple(-1 if one < 0 else inner.index[one] for one in op.index)
    rw.replace(op, rw.copy(op, x=inner.x, index=index, loc=fuse(inner.loc, op.loc)))
    return True


@rewrites(nn.ConcatOp)
def concat_of_neighbours(op: nn.ConcatOp, rw: Rewriter) -> bool:
    """concat(x[a:b], x[b:c], y) -> concat(x[a:c], y)"""
    for number, (left, right) in enumerate(pairwise(op.inputs)):
        one, other = left.op, right.op
        if not isinstance(one, nn.ChannelsOp) or not isinstance(other, nn.ChannelsOp) or one.x is not other.x:
            continue
        if one.stretch is None or other.stretch is None or one.stretch[1] != other.stretch[0]:
            continue
        joined = rw.insert(nn.ChannelsOp(one.x, (*one.index, *other.index), loc=fuse(one.loc, other.loc)))
        inputs = (*op.inputs[:number], joined.y, *op.inputs[number + 2 :])
        rw.replace(op, rw.copy(op, inputs=inputs))
        return True
    return False


def is_view(op: nn.ChannelsOp) -> bool:
    """Whether the result is whole blocks as they lie, and nobody wants them in a place of their own."""
    stored = any(isinstance(user, nn.InterleaveOp) for user in op.y.users)
    return not stored and op.stretch is not None and op.stretch[0] % BLOCK == 0


@rewrites(nn.QConv2dOp)
def channels_of_conv(conv: nn.QConv2dOp, rw: Rewriter) -> bool:
    """channels(conv(x, w)) -> conv(x, rows of w) for all readers, if none reads the whole, or rows of another

    Where all readers find their channels as they lie, the convolution stays whole.  So it does where results would be
    rounded otherwise, as the 8 channels of a block share a shift.
    """
    readers = [one for one in conv.y.users if isinstance(one, nn.ChannelsOp)]
    taken = [row for one in readers for row in one.index]
    if not readers or len(readers) < len(conv.y.users) or -1 in taken or len(set(taken)) < len(taken):
        return False
    weight, bias = conv.weight.op, None if conv.bias is None else conv.bias.op
    if not isinstance(weight, nn.ConstantOp) or weight.type.shape[3] != conv.x.type.shape[3]:
        return False
    if all(is_view(one) for one in readers) or not all(scale_alike(conv, weight, bias, one.index) for one in readers):
        return False
    for one in readers:
        changes = {"weight": rows_of(weight, one, rw)}
        if isinstance(bias, nn.ConstantOp):
            changes["bias"] = rows_of(bias, one, rw)
        rw.replace(one, rw.copy(conv, loc=fuse(conv.loc, one.loc), **changes))
    return True


def scale_alike(conv: nn.QConv2dOp, weight: nn.ConstantOp, bias: Op | None, index: tuple[int, ...]) -> bool:
    """Whether rows by themselves are scaled by the very factors that they have in the whole."""
    assert weight.scales is not None
    store, x, y, rows = module_of(conv).store, quant_of(conv, conv.x.type), conv.quant, list(index)
    weights, scales = store[weight.symbol], store[weight.scales]
    added = store[bias.symbol] if isinstance(bias, nn.ConstantOp) else np.zeros(len(weights), np.int32)
    exact = bool(conv.exact)

    def columns(some: list[int]) -> list[list[int]]:
        """Multipliers and shifts of a convolution that has some of the rows."""
        found = requant_of(weights[some], scales[some], added[some], x, y, exact)
        arrays = (found.multiplier, found.shift, found.first)
        return [np.broadcast_to(one, (len(some),)).tolist() for one in arrays if one is not None]

    whole = columns(list(range(len(weights))))
    return [[one[row] for row in rows] for one in whole] == columns(rows)


def rows_of(constant: nn.ConstantOp, channels: nn.ChannelsOp, rw: Rewriter) -> Value[TensorType]:
    """Some rows of weights or of a bias, with their scales."""
    store, rows = module_of(constant).store, list(channels.index)
    symbol = store.add(f"{constant.symbol}.rows", store[constant.symbol][rows])
    scales = None if constant.scales is None else store.add(f"{symbol}.scales", store[constant.scales][rows])
    type = TensorType((len(rows), *constant.type.shape[1:]), constant.type.element)
    made = nn.ConstantOp(symbol, store.digest(symbol), type, scales, loc=constant.loc)
    return rw.insert_before(channels, made).y


@rewrites(nn.ChannelsOp)
def channels_by_conv(op: nn.ChannelsOp, rw: Rewriter) -> bool:
    """channels(x) -> conv1x1 by ones and zeros, exact as no scale changes, where the result is no whole blocks of x"""
    stretch = op.stretch
    if stretch is not None and stretch[0] % BLOCK == 0:
        return False
    module, quant = module_of(op), quant_of(op, op.x.type)
    weight = np.zeros((len(op.index), 1, 1, op.x.type.shape[3]), np.int8)
    rows = np.flatnonzero(np.array(op.index) >= 0)
    weight[rows, 0, 0, np.array(op.index)[rows]] = 1
    symbol = module.store.add(f"channels{len(weight)}", weight)
    scales = module.store.add(f"{symbol}.scales", np.ones(len(weight), np.float32))
    constant = nn.ConstantOp(symbol, module.store.digest(symbol), TensorType(weight.shape, I8), scales, loc=op.loc)
    # One way of scaling for all layers keeps the program of the cores small.
    exact = any(one.exact for one in module.walk(nn.QConv2dOp)) or None
    window = ((1, 1), (1, 1), (0, 0, 0, 0), (1, 1))
    rw.replace(op, nn.QConv2dOp(op.x, rw.insert(constant).y, None, *window, quant, *quant.limits, exact, loc=op.loc))
    return True


MOVES = (
    interleave_of_one,
    interleave_of_interleaved,
    conv_of_pad,
    average_of_pad,
    max_pool_of_pad,
    pick_of_picked,
    conv_of_picked,
    channels_of_all,
    channels_of_channels,
    concat_of_neighbours,
)
CONVOLVED = (channels_of_conv, channels_by_conv)
"""What makes convolutions of channels, once it is known what is left of them."""
