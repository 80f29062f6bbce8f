"""`fuse-epilogue`: what follows a convolution or a pool runs where its result is, with the same roundings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from compiler.ir import Module, Op, Rewriter, TensorType, Value, apply_patterns, fuse, rewrites
from compiler.pass_manager import Pass, Stage
from dialects import bsp
from dialects.quant import quant_of

if TYPE_CHECKING:
    from compiler.target import Target

BSP = Stage.of("bsp", bsp.STAGE_OPS)


@rewrites(bsp.AddOp)
def add_of_conv(add: bsp.AddOp, rw: Rewriter) -> bool:
    """add(conv(x), r) -> conv(x, residual = r), when nobody else reads conv(x); of two, the later one.

    The new convolution stands where the addition was, so that r is defined before it.
    """
    a, b = fusible(add.a), fusible(add.b)
    if add.expands or add.a is add.b or (a is None and b is None):
        return False
    first = b is None or (a is not None and comes_after(a, b))
    conv = a if first else b
    assert conv is not None
    residual, r_zero = (add.b, add.b_zero) if first else (add.a, add.a_zero)
    ma, mb, shift = add.add
    fused = rw.copy(
        conv,
        residual=residual,
        mid_zero=conv.y_zero,
        mid_min=conv.y_min,
        mid_max=conv.y_max,
        add=(ma, mb, shift) if first else (mb, ma, shift),
        r_zero=r_zero,
        y_zero=add.y_zero,
        y_min=add.y_min,
        y_max=add.y_max,
        quant=add.quant,
        loc=fuse(conv.loc, add.loc),
    )
    rw.replace(add, fused)
    rw.erase(conv)
    return True


def fusible(value: Value[TensorType]) -> bsp.Conv2dOp | None:
    """The convolution that computes a value for one reader and adds nothing yet.

    Narrow factors saturate as the type does: a tighter clamp would have to come between them and the addition.
    """
    op = value.op
    if not isinstance(op, bsp.Conv2dOp) or op.residual is not None or not value.used_once:
        return None
    return op if op.exact or (op.y_min, op.y_max) == op.quant.limits else None


def comes_after(one: Op, other: Op) -> bool:
    """Whether `one` stands behind `other` in their block."""
    left: Op | None = one
    right: Op | None = other
    while left is not None and right is not None:
        left, right = left.next, right.next
        if left is other:
            return False
        if right is one:
            return True
    return left is None


@rewrites(bsp.RequantizeOp)
def requantize_of_max_pool(op: bsp.RequantizeOp, rw: Rewriter) -> bool:
    """requantize(max_pool(x)) -> max_pool(x) with its factor, while the pool has none of its own"""
    pool = op.x.op
    if not isinstance(pool, bsp.MaxPoolOp) or not op.x.used_once or pool.quant != quant_of(op, pool.x.type):
        return False
    if (pool.multiplier, pool.shift) != (1, 0) or (pool.y_min, pool.y_max) != pool.quant.limits:
        return False
    changes = {name: getattr(op, name) for name in ("y_zero", "y_min", "y_max", "multiplier", "shift", "quant")}
    rw.replace(op, rw.copy(pool, loc=fuse(pool.loc, op.loc), **changes))
    rw.erase(pool)
    return True


PATTERNS = (add_of_conv, requantize_of_max_pool)


@dataclass(frozen=True)
class FuseEpilogue(Pass):
    """Let residual additions and changes of scale run in the epilogue of what computes their input."""

    name: ClassVar[str] = "fuse-epilogue"
    requires: ClassVar[Stage] = BSP
    ensures: ClassVar[Stage] = BSP

    def run(self, module: Module, target: Target) -> None:
        apply_patterns(PATTERNS, module)
