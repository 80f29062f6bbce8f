"""`canonicalize`: integer operations that do nothing go, clamps join what computes their input, tables become one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from compiler.errors import UnsupportedModel
from compiler.ir import Module, Rewriter, apply_patterns, fuse, module_of, rewrites
from compiler.numerics import requantise, rescale_factor
from compiler.pass_manager import Pass, Stage
from dialects import nn
from dialects.quant import Quant, quant_of

if TYPE_CHECKING:
    from compiler.target import Target

NN = Stage.of("nn", nn.INTEGER_OPS)


@rewrites(nn.RequantizeOp)
def requantize_to_the_same(op: nn.RequantizeOp, rw: Rewriter) -> bool:
    """requantize(x) -> x, where neither the type changes nor the clamp binds"""
    if op.x.type != op.y.type or (op.y_min, op.y_max) != op.quant.limits:
        return False
    rw.replace(op, op.x)
    return True


@rewrites(nn.RequantizeOp)
def clamp_of_clamped(op: nn.RequantizeOp, rw: Rewriter) -> bool:
    """clamp(f(x){a, b}) -> f(x){clamp(a), clamp(b)}, where the type stays and nobody else reads f(x)"""
    maker = op.x.op
    if op.x.type != op.y.type or not op.x.used_once:
        return False
    if not isinstance(maker, nn.QConv2dOp | nn.QAddOp | nn.QAveragePoolOp | nn.RequantizeOp):
        return False
    low, high = (min(max(one, op.y_min), op.y_max) for one in (maker.y_min, maker.y_max))
    rw.replace(op, rw.copy(maker, y_min=low, y_max=high, loc=fuse(maker.loc, op.loc)))
    return True


@rewrites(nn.MaxPoolOp)
def max_pool_of_one_pixel(op: nn.MaxPoolOp, rw: Rewriter) -> bool:
    """max_pool(x) -> x, for a window of one pixel that goes everywhere"""
    if op.kernel != (1, 1) or op.strides != (1, 1) or any(op.pads):
        return False
    rw.replace(op, op.x)
    return True


@rewrites(nn.ConcatOp)
def concat_of_one(op: nn.ConcatOp, rw: Rewriter) -> bool:
    """concat(x) -> x"""
    if len(op.inputs) != 1:
        return False
    rw.replace(op, op.inputs[0])
    return True


Table = NDArray[np.uint8]


def rescaled(x: Quant, y: Quant, low: int, high: int, exact: bool) -> Table:
    """What a change of scale gives for each byte, by its bits; `UnsupportedModel` if no factor does it."""
    factor = rescale_factor(x.scale, y.scale, exact)
    numbers = np.arange(256, dtype=np.uint8).view(x.dtype).astype(np.int64) - x.zero
    return requantise(numbers, *factor, y.zero, low, high).astype(y.dtype).view(np.uint8)


def table_of(op: nn.LookupOp | nn.RequantizeOp) -> Table:
    """What an operation gives for each byte."""
    if isinstance(op, nn.LookupOp):
        table: Table = module_of(op).store[op.table]
        return table
    return rescaled(quant_of(op, op.x.type), op.quant, op.y_min, op.y_max, bool(op.exact))


def joined(second: nn.LookupOp | nn.RequantizeOp, rw: Rewriter) -> bool:
    """Replace an operation and the one that only it reads by one table."""
    first = second.x.op
    assert isinstance(first, nn.LookupOp | nn.RequantizeOp)
    store = module_of(second).store
    symbol = store.add("joined", table_of(second)[table_of(first)])
    new = nn.LookupOp(first.x, symbol, store.digest(symbol), second.quant, loc=fuse(first.loc, second.loc))
    rw.replace(second, new)
    return True


@rewrites(nn.LookupOp)
def lookup_of_table(op: nn.LookupOp, rw: Rewriter) -> bool:
    """lookup(lookup(x)), lookup(requantize(x)) -> lookup(x), when nobody else reads what is between"""
    return isinstance(op.x.op, nn.LookupOp | nn.RequantizeOp) and op.x.used_once and joined(op, rw)


@rewrites(nn.RequantizeOp)
def requantize_of_lookup(op: nn.RequantizeOp, rw: Rewriter) -> bool:
    """requantize(lookup(x)) -> lookup(x), when nobody else reads lookup(x)"""
    return isinstance(op.x.op, nn.LookupOp) and op.x.used_once and joined(op, rw)


@rewrites(nn.LookupOp)
def lookup_that_rescales(op: nn.LookupOp, rw: Rewriter) -> bool:
    """lookup(x) -> requantize(x), where a change of scale and a clamp give every byte of the table: they are cheaper"""
    table = table_of(op)
    numbers = table.view(op.quant.dtype)
    low, high = int(numbers.min()), int(numbers.max())
    try:
        same = np.array_equal(rescaled(quant_of(op, op.x.type), op.quant, low, high, exact=False), table)
    except UnsupportedModel:
        return False
    if same:
        rw.replace(op, nn.RequantizeOp(op.x, op.quant, low, high, loc=op.loc))
    return same


PATTERNS = (
    requantize_to_the_same,
    clamp_of_clamped,
    max_pool_of_one_pixel,
    concat_of_one,
    lookup_of_table,
    requantize_of_lookup,
    lookup_that_rescales,
)


@dataclass(frozen=True)
class Canonicalize(Pass):
    """Remove integer operations that do nothing, join clamps and tables."""

    name: ClassVar[str] = "canonicalize"
    requires: ClassVar[Stage] = NN
    ensures: ClassVar[Stage] = NN

    def run(self, module: Module, target: Target) -> None:
        others = frozenset(module.store) - tables(module)
        apply_patterns(PATTERNS, module)
        unread = frozenset(module.store) - others - tables(module)
        for name in sorted(unread):
            del module.store[name]


def tables(module: Module) -> frozenset[str]:
    """The symbols of all tables that are read."""
    return frozenset(op.table for op in module.walk(nn.LookupOp))
