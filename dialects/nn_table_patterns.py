"""Patterns of `canonicalize`: tables one behind the other become one, and those that only rescale go."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compiler.errors import UnsupportedModel
from compiler.ir import Rewriter, fuse, module_of, rewrites
from compiler.numerics import requantise, rescale_factor
from dialects import nn
from dialects.quant import Quant, quant_of

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


TABLES = (lookup_of_table, requantize_of_lookup, lookup_that_rescales)
