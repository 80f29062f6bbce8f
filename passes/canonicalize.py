"""`canonicalize`: integer operations that do nothing go, and what can join its neighbours does.

Patterns of moved numbers and of tables stand beside the operations: `dialects.nn_moves_patterns`, `nn_table_patterns`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from compiler.ir import Module, Rewriter, apply_patterns, fuse, rewrites
from compiler.pass_manager import Pass, Stage
from dialects import nn
from dialects.nn_moves_patterns import CONVOLVED, MOVES
from dialects.nn_table_patterns import TABLES

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
    if not isinstance(maker, nn.QConv2dOp | nn.QAddOp | nn.QMulOp | nn.QAveragePoolOp | nn.RequantizeOp):
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


PATTERNS = (
    requantize_to_the_same,
    clamp_of_clamped,
    max_pool_of_one_pixel,
    concat_of_one,
    *MOVES,
    *TABLES,
)


@dataclass(frozen=True)
class Canonicalize(Pass):
    """Remove integer operations that do nothing; join clamps, pads, tables and what picks numbers."""

    name: ClassVar[str] = "canonicalize"
    requires: ClassVar[Stage] = NN
    ensures: ClassVar[Stage] = NN

    def run(self, module: Module, target: Target) -> None:
        apply_patterns(PATTERNS, module)
        apply_patterns((*CONVOLVED, *PATTERNS), module)
        for name in sorted(frozenset(module.store) - read_symbols(module)):
            del module.store[name]


def read_symbols(module: Module) -> frozenset[str]:
    """What operations read of the store: numbers, their scales, tables."""
    constants = [name for op in module.walk(nn.ConstantOp) for name in (op.symbol, op.scales) if name is not None]
    return frozenset(constants) | {op.table for op in module.walk(nn.LookupOp)}
