"""`block-compaction`: `nn` becomes `bsp`; 8x8 blocks of zero weights go, factors become integers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from compiler.blocks import pack, padded
from compiler.errors import Diagnostic, UnsupportedModel
from compiler.ir import I8, FuncOp, Module, Op, Rewriter, TensorType, Type, Value
from compiler.numerics import (
    Requant,
    add_factors,
    conv_factors,
    conv_reach,
    conv_requant,
    mean_factors,
    narrow_requant,
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
    weights: dict[str, bsp.WeightOp] = field(default_factory=dict)
    count: int = 0

    def get(self, value: Value[TensorType]) -> Value[TensorType]:
        """The lowered twin of a value."""
        return self.values.get(value, value).typed(TensorType)

    def symbol(self) -> str:
        """A name for the next layer's arrays."""
        self.count += 1
        return f"layer{self.count - 1}"

    def weight(self, constant: nn.ConstantOp, symbol: str, rw: Rewriter) -> bsp.WeightOp:
        """The kept blocks of a weight, packed once for all who read it."""
        if constant.symbol in self.weights:
            return self.weights[constant.symbol]
        store = self.module.store
        dense: NDArray[np.int8] = store[constant.symbol]
        blocks, index = pack(dense, keep_all=self.mode is Mode.OFF)
        out, kh, kw, channels = dense.shape
        total = padded(out) * padded(channels) // 64 * kh * kw
        keep_all, reason = decide(self.mode, len(blocks), total)
        if keep_all and len(blocks) < total:
            blocks, index = pack(dense, keep_all=True)
        store[f"{symbol}.blocks"], store[f"{symbol}.index"] = blocks, index
        type = bsp.BlockMatrixType((out, channels, kh, kw), I8, (8, 8), len(blocks), total)
        digest = store.digest(f"{symbol}.blocks")
        op = bsp.WeightOp(symbol, digest, (kh, kw), keep_all, reason, type, loc=constant.loc)
        self.weights[constant.symbol] = rw.insert(op)
        return op


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
    """qconv2d -> conv2d over kept blocks, with a table of bias, multiplier, shift and, unless exact, first shift"""
    constant = op.weight.op
    assert isinstance(constant, nn.ConstantOp) and constant.scales is not None
    symbol, store, x = low.symbol(), low.module.store, quant_of(op, op.x.type)
    weight = low.weight(constant, symbol, rw)
    out = op.y.type.shape[3]
    bias = np.zeros(out, np.int32)
    if op.bias is not None:
        assert isinstance(op.bias.op, nn.ConstantOp)
        bias = store[op.bias.op.symbol]
    factors = factors_of(op, x, store[constant.symbol], store[constant.scales], bias)
    table = {"bias": bias, "multiplier": factors.multiplier, "shift": factors.shift}
    if factors.first is not None:
        table["first"] = factors.first
    for name, numbers in table.items():
        full = np.zeros(padded(out), np.int32)
        full[:out] = np.broadcast_to(numbers, (out,))
        store[f"{symbol}.{name}"] = full
    return bsp.Conv2dOp(
        low.get(op.x),
        weight.y,
        None,
        op.kernel,
        op.strides,
        op.pads,
        op.dilations,
        x.zero,
        op.quant.zero,
        op.y_min,
        op.y_max,
        symbol,
        store.table_digest(symbol, table),
        op.quant,
        exact=op.exact,
        loc=op.loc,
    )


def factors_of(
    op: nn.QConv2dOp, x: Quant, weights: NDArray[np.int8], scales: NDArray[np.float32], bias: NDArray[np.int32]
) -> Requant:
    """What a convolution multiplies its sums by, exactly or in 15 bits."""
    if op.exact:
        return conv_requant(x.scale, scales, op.quant.scale)
    reach = conv_reach(weights, bias, x.zero, x.limits)
    return narrow_requant(conv_factors(x.scale, scales, op.quant.scale), reach, op.quant.zero, op.quant.limits)


def lower_add(op: nn.QAddOp, low: Lowering, rw: Rewriter) -> Op:
    """qadd -> add with one common shift"""
    a, b = quant_of(op, op.a.type), quant_of(op, op.b.type)
    factors = add_factors(a.scale, b.scale, op.quant.scale, bool(op.exact))
    clamp = (op.quant.zero, op.y_min, op.y_max)
    return bsp.AddOp(low.get(op.a), low.get(op.b), a.zero, b.zero, *clamp, factors, op.quant, loc=op.loc)


def lower_max_pool(op: nn.MaxPoolOp, low: Lowering, rw: Rewriter) -> Op:
    """max_pool -> max_pool with the identity as its factor"""
    quant = quant_of(op, op.x.type)
    window = (op.kernel, op.strides, op.pads, op.dilations)
    numbers = (quant.zero, quant.zero, *quant.limits, 1, 0)
    return bsp.MaxPoolOp(low.get(op.x), *window, *numbers, quant, loc=op.loc)


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
    quant, symbol, store = quant_of(op, op.x.type), low.symbol(), low.module.store
    counts = counts_of(op)
    multipliers, shift = mean_factors(quant.scale, op.quant.scale, counts)
    store[f"{symbol}.count"] = np.array(counts, np.int32)
    store[f"{symbol}.multiplier"] = np.array(multipliers, np.int32)
    store[f"{symbol}.shift"] = np.full(len(counts), shift, np.int32)
    return bsp.AvgPoolOp(
        low.get(op.x),
        op.kernel,
        op.strides,
        op.pads,
        op.counted_pads,
        op.count_include_pad,
        quant.zero,
        op.quant.zero,
        op.y_min,
        op.y_max,
        symbol,
        store.table_digest(symbol, ("count", "multiplier", "shift")),
        op.quant,
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
    nn.MaxPoolOp: lower_max_pool,
    nn.QAveragePoolOp: lower_average,
    nn.RequantizeOp: lower_requantize,
    nn.LookupOp: lower_lookup,
    nn.ConcatOp: lower_concat,
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
            raise UnsupportedModel(
                *(Diagnostic(one.code, one.message, op.loc, one.notes, one.help) for one in error.diagnostics)
            ) from None
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
