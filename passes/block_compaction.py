"""`block-compaction`: `nn` becomes `bsp`; 8x8 blocks of zero weights go, factors become integers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from compiler.blocks import BLOCK, Weights, blocks_in_groups, distinct, pack, pack_channels, padded
from compiler.errors import Limit, Reason, UnsupportedModel
from compiler.ir import I8, FuncOp, Module, Op, Rewriter, TensorType, Type, Value
from compiler.numerics import (
    add_factors,
    mean_factors,
    product_factors,
    requant_of,
    rescale_factor,
)
from compiler.pass_manager import Pass, Stage, option
from dialects import bsp, nn
from dialects.quant import Quant, quant_of

if TYPE_CHECKING:
    from compiler.target import Target

# Walking an index costs a core some cycles a block and 16 bytes of table: with a smaller share of zero blocks
# a dense walk is as fast, and its loops are regular.
MIN_ZERO_SHARE = 1 / 16


class Mode(Enum):
    """Whether zero blocks are dropped: never, where it pays, or wherever there is one."""

    OFF = "off"
    AUTO = "auto"
    REQUIRE = "require"


@dataclass
class Lowering:
    """One run over a module: what has been lowered so far."""

    module: Module
    mode: Mode
    values: dict[Value[Type], Value[Type]] = field(default_factory=dict)
    weights: dict[tuple[str, int], bsp.WeightOp] = field(default_factory=dict)
    count: int = 0

    def get(self, value: Value[TensorType]) -> Value[TensorType]:
        """The lowered twin of a value."""
        return self.values.get(value, value).typed(TensorType)

    def symbol(self) -> str:
        """A name for the next layer's arrays."""
        self.count += 1
        return f"layer{self.count - 1}"

    def weight(self, constant: nn.ConstantOp, groups: int, symbol: str, rw: Rewriter) -> bsp.WeightOp:
        """The kept blocks of a weight, packed once for all who read it."""
        key = constant.symbol, groups
        if key not in self.weights:
            store = self.module.store
            dense: Weights = store[constant.symbol]
            packed = pack_depthwise(dense) if is_depthwise(dense, groups) else pack_groups(dense, groups, self.mode)
            store[f"{symbol}.blocks"], store[f"{symbol}.index"] = packed.blocks, packed.index
            digest, group = store.digest(f"{symbol}.blocks"), None if packed.groups == 1 else packed.groups
            kernel = dense.shape[1], dense.shape[2]
            op = bsp.WeightOp(
                symbol, digest, kernel, packed.dense, packed.why, packed.type, packed.again, group, loc=constant.loc
            )
            self.weights[key] = rw.insert(op)
        return self.weights[key]

    def means(self, x: Quant, y: Quant, counts: list[int], factor: Fraction = Fraction(1)) -> tuple[str, str]:
        """A table of factors, one for each number of pixels of a mean: its name and its digest."""
        symbol, store = self.symbol(), self.module.store
        multipliers, shift = mean_factors(x.scale, y.scale, counts, factor)
        store[f"{symbol}.count"] = np.array(counts, np.int32)
        store[f"{symbol}.multiplier"] = np.array(multipliers, np.int32)
        store[f"{symbol}.shift"] = np.full(len(counts), shift, np.int32)
        return symbol, store.table_digest(symbol, ("count", "multiplier", "shift"))


@dataclass(frozen=True)
class Packed:
    """Kept blocks with their index, and what a weight says of them."""

    blocks: NDArray[np.int8]
    index: NDArray[np.int32]
    type: bsp.BlockMatrixType
    dense: bool
    reason: str
    groups: int = 1

    @property
    def again(self) -> int | None:
        """Blocks that are stored twice, None without any."""
        return len(self.blocks) - self.type.kept or None

    @property
    def why(self) -> str:
        """The reason, with what else is worth knowing of the blocks."""
        count = self.again
        return f"{self.reason}; {count} blocks twice, as their weights need more than 8 bits" if count else self.reason


def is_depthwise(weight: Weights, groups: int) -> bool:
    """Whether each output channel has an input channel of its own."""
    return weight.shape[3] == 1 and groups == len(weight) > 1


def pack_depthwise(weight: Weights) -> Packed:
    """All weights [C, KH, KW, 1] of a depthwise convolution."""
    channels, kh, kw, _ = weight.shape
    blocks, index = pack_channels(weight[..., 0])
    total = padded(channels) // BLOCK * kh * kw
    type = bsp.BlockMatrixType((channels, 1, kh, kw), I8, (8, 1), total, total)
    return Packed(blocks, index, type, True, "depthwise: no 8x8 block has more than 8 weights")


def pack_groups(weight: Weights, groups: int, mode: Mode) -> Packed:
    """Weights [O, KH, KW, I / groups] as those of a convolution over all channels, without blocks outside of groups."""
    out, kh, kw, inner = weight.shape
    channels = inner * groups
    pairs = blocks_in_groups(out, channels, groups)
    total = int((pairs > 0).sum()) * kh * kw
    blocks, index = pack(weight, keep_all=mode is Mode.OFF, groups=groups)
    keep_all, reason = decide(mode, len(distinct(index)), total)
    if keep_all:
        blocks, index = pack(weight, keep_all=True, groups=groups)
    if groups > 1:
        share = pairs.sum() / ((pairs > 0).sum() * BLOCK * BLOCK)
        reason += f"; {groups} groups of {out // groups}x{inner} channels fill {share:.0%} of the blocks they touch"
    type = bsp.BlockMatrixType((out, channels, kh, kw), I8, (8, 8), len(distinct(index)), total)
    return Packed(blocks, index, type, keep_all, reason, groups)


def decide(mode: Mode, kept: int, total: int) -> tuple[bool, str]:
    """Whether to store all blocks, and why."""
    zero = total - kept
    if mode is Mode.OFF:
        return True, "block-compaction{mode=off}"
    if zero == 0:
        return True, "no block is zero"
    if mode is Mode.AUTO and zero < total * MIN_ZERO_SHARE:
        return True, f"only {zero} of {total} blocks are zero"
    return False, f"{zero} of {total} blocks are zero"


def lower_conv(op: nn.QConv2dOp, low: Lowering, rw: Rewriter) -> Op:
    """qconv2d -> conv2d over kept blocks, or depthwise, with a table of bias, multiplier, shift and, unless exact,
    first shift"""
    constant = op.weight.op
    assert isinstance(constant, nn.ConstantOp) and constant.scales is not None
    symbol, store, x = low.symbol(), low.module.store, quant_of(op, op.x.type)
    weight = low.weight(constant, op.group or 1, symbol, rw)
    out = op.y.type.shape[3]
    bias = np.zeros(out, np.int32)
    if op.bias is not None:
        assert isinstance(op.bias.op, nn.ConstantOp)
        bias = store[op.bias.op.symbol]
    factors = requant_of(store[constant.symbol], store[constant.scales], bias, x, op.quant, bool(op.exact))
    table = {"bias": bias, "multiplier": factors.multiplier, "shift": factors.shift}
    if factors.first is not None:
        table["first"] = factors.first
    for name, numbers in table.items():
        full = np.zeros(padded(out), np.int32)
        full[:out] = np.broadcast_to(numbers, (out,))
        store[f"{symbol}.{name}"] = full
    window = op.kernel, op.strides, op.pads, op.dilations
    ends = x.zero, op.quant.zero, op.y_min, op.y_max
    factors_at = symbol, store.table_digest(symbol, table)
    kind = bsp.DepthwiseOp if weight.type.block == (8, 1) else bsp.Conv2dOp
    return kind(low.get(op.x), weight.y, *window, *ends, *factors_at, op.quant, op.exact, loc=op.loc)


def lower_add(op: nn.QAddOp, low: Lowering, rw: Rewriter) -> Op:
    """qadd -> add with one common shift, what is one pixel second"""
    a, b = quant_of(op, op.a.type), quant_of(op, op.b.type)
    ma, mb, shift = add_factors(a.scale, b.scale, op.quant.scale, bool(op.exact))
    if op.subtract:
        mb = -mb
    x, y, zeros, factors = low.get(op.a), low.get(op.b), (a.zero, b.zero), (ma, mb, shift)
    if x.type.shape != op.y.type.shape:
        x, y, zeros, factors = y, x, (b.zero, a.zero), (mb, ma, shift)
    return bsp.AddOp(x, y, *zeros, op.quant.zero, op.y_min, op.y_max, factors, op.quant, loc=op.loc)


def lower_mul(op: nn.QMulOp, low: Lowering, rw: Rewriter) -> Op:
    """qmul -> mul with a narrow factor, what is one pixel second"""
    a, b = (quant_of(op, one.type) for one in (op.a, op.b))
    factors = product_factors(*((one.scale, one.zero, one.limits) for one in (a, b, op.quant)))
    x, y, zeros = low.get(op.a), low.get(op.b), (a.zero, b.zero)
    if x.type.shape != op.y.type.shape:
        x, y, zeros = y, x, (b.zero, a.zero)
    return bsp.MulOp(x, y, *zeros, op.quant.zero, op.y_min, op.y_max, factors, op.quant, loc=op.loc)


def lower_max_pool(op: nn.MaxPoolOp, low: Lowering, rw: Rewriter) -> Op:
    """max_pool -> max_pool with the identity as its factor"""
    quant = quant_of(op, op.x.type)
    window = (op.kernel, op.strides, op.pads)
    ends = (quant.zero, quant.zero, *quant.limits)
    return bsp.MaxPoolOp(low.get(op.x), *window, *ends, quant, op.dilations, multiplier=1, shift=0, loc=op.loc)


def counts_of(op: nn.QAveragePoolOp) -> list[int]:
    """Every number of pixels that some window has."""
    axes = []
    for axis in range(2):
        size, kernel = op.x.type.shape[1 + axis], op.kernel[axis]
        before = op.counted_pads[axis] if op.count_include_pad else 0
        after = op.counted_pads[axis + 2] if op.count_include_pad else 0
        starts = np.arange(op.y.type.shape[1 + axis]) * op.strides[axis] - op.pads[axis]
        axes.append(np.minimum(starts + kernel, size + after) - np.maximum(starts, -before))
    return [int(one) for one in np.unique(np.multiply.outer(*axes)) if one > 0]


def lower_average(op: nn.QAveragePoolOp, low: Lowering, rw: Rewriter) -> Op:
    """qaverage_pool -> avg_pool with a factor for each count, all at one shift"""
    quant = quant_of(op, op.x.type)
    table = low.means(quant, op.quant, counts_of(op), op.times)
    return bsp.AvgPoolOp(
        low.get(op.x),
        op.kernel,
        op.strides,
        op.pads,
        quant.zero,
        op.quant.zero,
        op.y_min,
        op.y_max,
        op.quant,
        op.counted_pads,
        op.count_include_pad,
        *table,
        loc=op.loc,
    )


def lower_requantize(op: nn.RequantizeOp, low: Lowering, rw: Rewriter) -> Op:
    """requantize -> requantize with its factor"""
    x = quant_of(op, op.x.type)
    factor = identity_or_factor(x, op.quant, bool(op.exact))
    numbers = (x.zero, op.quant.zero, op.y_min, op.y_max, *factor)
    return bsp.RequantizeOp(low.get(op.x), *numbers, op.quant, loc=op.loc)


def lower_lookup(op: nn.LookupOp, low: Lowering, rw: Rewriter) -> Op:
    """lookup -> lookup"""
    return bsp.LookupOp(low.get(op.x), op.table, op.digest, op.quant, loc=op.loc)


def identity_or_factor(x: Quant, y: Quant, exact: bool) -> tuple[int, int]:
    """The factor from one scale to another."""
    return (1, 0) if (x.mantissa, x.exponent) == (y.mantissa, y.exponent) else rescale_factor(x.scale, y.scale, exact)


def lower_concat(op: nn.ConcatOp, low: Lowering, rw: Rewriter) -> Op:
    """concat -> concat"""
    return bsp.ConcatOp(tuple(low.get(one) for one in op.inputs), loc=op.loc)


def lower_pad(op: nn.PadOp, low: Lowering, rw: Rewriter) -> Op:
    """pad -> the average of one pixel each, or of one counted pad, which is 0"""
    quant = quant_of(op, op.x.type)
    window, ends = ((1, 1), (1, 1), op.pads), (quant.zero, quant.zero, *quant.limits)
    table = low.means(quant, quant, [1])
    return bsp.AvgPoolOp(low.get(op.x), *window, *ends, quant, op.pads, True, *table, loc=op.loc)


def lower_channels(op: nn.ChannelsOp, low: Lowering, rw: Rewriter) -> Op:
    """channels -> blocks where they lie"""
    if op.stretch is None or op.stretch[0] % BLOCK:
        text = "takes channels that are no whole blocks as they lie"
        found = "others" if op.stretch is None else f"{op.stretch[1] - op.stretch[0]} from channel {op.stretch[0]}"
        limit = Limit("channels", f"a stretch that begins at a multiple of {BLOCK}", found)
        help = "'canonicalize' makes convolutions of such"
        raise UnsupportedModel(Reason("channels", text, op.loc, help=help, limit=limit))
    first, last = op.stretch
    return bsp.BlocksOp(low.get(op.x), first // BLOCK, last - first, loc=op.loc)


def lower_interleave(op: nn.InterleaveOp, low: Lowering, rw: Rewriter) -> Op:
    """interleave -> interleave"""
    return bsp.InterleaveOp(tuple(low.get(one) for one in op.inputs), op.steps, loc=op.loc)


def lower_constant(op: nn.ConstantOp, low: Lowering, rw: Rewriter) -> Op | None:
    """An activation stays a constant; weights and biases go where they are read."""
    return (
        bsp.ConstantOp(op.symbol, op.digest, op.type, loc=op.loc)
        if len(op.type.shape) == 4 and isinstance(op.type.encoding, Quant)
        else None
    )


LOWERINGS: dict[type[Op], Callable[..., Op | None]] = {
    nn.QConv2dOp: lower_conv,
    nn.QAddOp: lower_add,
    nn.QMulOp: lower_mul,
    nn.MaxPoolOp: lower_max_pool,
    nn.QAveragePoolOp: lower_average,
    nn.RequantizeOp: lower_requantize,
    nn.LookupOp: lower_lookup,
    nn.ConcatOp: lower_concat,
    nn.PadOp: lower_pad,
    nn.ChannelsOp: lower_channels,
    nn.InterleaveOp: lower_interleave,
    nn.ConstantOp: lower_constant,
}


def lower_function(function: FuncOp, low: Lowering) -> None:
    """Put the lowered twin in front of each operation, then erase the old ones, last first."""
    old = [op for op in function.body.ops if type(op) in LOWERINGS]
    for op in function.body.ops:
        rw = Rewriter.at(op)
        if isinstance(op, nn.OutputOp):
            rw.set_operand(op, 0, low.get(op.x))
        if type(op) not in LOWERINGS:
            continue
        try:
            new = LOWERINGS[type(op)](op, low, rw)
        except UnsupportedModel as error:
            raise UnsupportedModel(*(replace(Reason.of(one), place=op.loc) for one in error.diagnostics)) from None
        if new is not None:
            rw.insert(new)
            low.values.update(zip(op.results, new.results, strict=True))
    for op in reversed(old):
        Rewriter.at(op).erase(op)


@dataclass(frozen=True)
class BlockCompaction(Pass):
    """Drop zero 8x8 blocks of weights and keep the others with their index."""

    name: ClassVar[str] = "block-compaction"
    requires: ClassVar[Stage] = Stage.of("nn", nn.INTEGER_OPS)
    ensures: ClassVar[Stage] = Stage.of("bsp", bsp.STAGE_OPS)

    mode: Mode = option(Mode.AUTO, help="off keeps every block, require drops every zero block")

    def run(self, module: Module, target: Target) -> None:
        low = Lowering(module, self.mode)
        symbols = [
            name
            for op in module.walk(nn.ConstantOp)
            if not isinstance(op.type.encoding, Quant)
            for name in (op.symbol, op.scales)
            if name is not None
        ]
        for function in module.functions:
            lower_function(function, low)
        for name in dict.fromkeys(symbols):
            if name in module.store:
                del module.store[name]
