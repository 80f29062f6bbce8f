"""`balance-channels`: blocks of 8 channels change places so that cores get equal work.

Whole blocks move, so zero blocks stay zero blocks, and all that reads or writes a tensor moves with it, through
additions, pools and concatenations; what the model's user sees keeps its order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from compiler.blocks import blocks_of, channels_in, reorder
from compiler.ir import IntArray, Module, Op, Rewriter, TensorType, Value
from compiler.mapping.balance import Balancer, Floats, Row, input_cuts, output_cuts
from compiler.mapping.orders import Ints, Movable, movable_blocks
from compiler.pass_manager import Pass, Stage, option
from dialects import bsp

if TYPE_CHECKING:
    from compiler.target import Target

BSP = Stage.of("bsp", bsp.STAGE_OPS)


Convolution = bsp.Conv2dOp | bsp.DepthwiseOp


class Mode(Enum):
    """Whether blocks change places: never, or where the cores' work gets more even by it."""

    OFF = "off"
    AUTO = "auto"


@dataclass
class Mover:
    """One run over a module: the order sought for each tensor, and what has been written anew."""

    module: Module
    target: Target
    orders: dict[Value[TensorType], Ints] = field(default_factory=dict)
    weights: dict[tuple[str, bytes, bytes], bsp.WeightOp] = field(default_factory=dict)
    replaced: list[str] = field(default_factory=list)

    def choose(self) -> None:
        """An order for all blocks that gain by one."""
        columns, core_rows = self.target.columns, self.target.core_rows
        written: dict[Value[TensorType], Floats] = {}
        read: dict[Value[TensorType], list[Floats]] = {}
        for conv in self.module.walk(bsp.Conv2dOp):
            index = self.module.store[f"{_matrix(conv).symbol}.index"]
            written[conv.y] = _works(conv, index[:, 0], conv.y)
            read.setdefault(conv.x, []).append(_works(conv, index[:, 3], conv.x))
        for blocks in movable_blocks(self.module):
            rows = [
                Row(written[value], places, output_cuts(len(written[value]), columns, core_rows))
                for value, places in blocks.places
                if value in written
            ]
            rows += [
                Row(works, places, input_cuts(len(works)))
                for value, places in blocks.places
                for works in read.get(value, ())
            ]
            uneven = [row for row in rows if np.ptp(row.works) > 0]
            order = Balancer(uneven, columns, core_rows).best() if uneven else None
            if order is not None:
                self._note(blocks, order)
                for row in rows:
                    row.works[row.places] = row.works[row.places[order]]

    def _note(self, blocks: Movable, order: Ints) -> None:
        for value, places in blocks.places:
            whole = self.orders.setdefault(value, np.arange(blocks_of(value.type.shape[3])))
            whole[places] = places[order]

    def apply(self) -> None:
        """Write weights and tables in the order of what their layers read and write, and note it at each tensor."""
        for conv in convolutions(self.module):
            rows, columns = self._order(conv.y), self._order(conv.x)
            if conv.y in self.orders or conv.x in self.orders:
                rw = Rewriter.at(conv)
                rw.set_operand(conv, 1, self._weight(conv, rows, columns, rw).y)
                if conv.y in self.orders:
                    self._table(conv, rows, rw)
        for value, order in self.orders.items():
            assert value.op is not None
            known = value.op.notes.get(bsp.BLOCK_ORDER)
            whole = np.array(known.values)[order] if isinstance(known, IntArray) else order
            value.op.notes[bsp.BLOCK_ORDER] = IntArray(tuple(whole.tolist()))
        self._clear()

    def _order(self, value: Value[TensorType]) -> Ints:
        return self.orders.get(value, np.arange(blocks_of(value.type.shape[3])))

    def _weight(self, conv: Convolution, rows: Ints, columns: Ints, rw: Rewriter) -> bsp.WeightOp:
        """The weights of a convolution with rows and columns in order, written once for all who read them so."""
        old, store = _matrix(conv), self.module.store
        key = old.symbol, rows.tobytes(), columns.tobytes()
        if key not in self.weights:
            symbol = self._symbol(old.symbol, bsp.MATRIX)
            names = [f"{old.symbol}.{name}" for name in bsp.MATRIX]
            self.replaced += names
            blocks, index = (store[name] for name in names)
            store[f"{symbol}.blocks"], store[f"{symbol}.index"] = reorder(blocks, index, rows, columns)
            digest = store.digest(f"{symbol}.blocks")
            self.weights[key] = rw.insert_before(old, rw.copy(old, symbol=symbol, digest=digest))
        return self.weights[key]

    def _table(self, conv: Convolution, rows: Ints, rw: Rewriter) -> None:
        """Bias and factors of a convolution in the order of its rows."""
        store = self.module.store
        names = [name for name in bsp.TABLE if f"{conv.requant}.{name}" in store]
        symbol = self._symbol(conv.requant, names)
        for name in names:
            old = f"{conv.requant}.{name}"
            self.replaced.append(old)
            store[f"{symbol}.{name}"] = store[old][channels_in(rows, len(store[old]))]
        rw.change(conv, requant=symbol, digest=store.table_digest(symbol, names))

    def _symbol(self, old: str, names: Sequence[str]) -> str:
        """A name for arrays in another order."""
        count, symbol = 0, f"{old}_balanced"
        while any(f"{symbol}.{name}" in self.module.store for name in names):
            count += 1
            symbol = f"{old}_balanced{count}"
        return symbol

    def _clear(self) -> None:
        """Let go what nobody reads any more."""
        for old in list(self.module.walk(bsp.WeightOp)):
            Rewriter.at(old).erase_dead(old)
        weights, convs = list(self.module.walk(bsp.WeightOp)), convolutions(self.module)
        read = {f"{one.symbol}.{name}" for one in weights for name in bsp.MATRIX}
        read |= {f"{one.requant}.{name}" for one in convs for name in bsp.TABLE}
        for name in self.replaced:
            if name not in read and name in self.module.store:
                del self.module.store[name]


def convolutions(module: Module) -> list[Convolution]:
    """What has weights and a table of factors; the channels of a depthwise one move as what it reads."""
    return [op for op in module.walk(Op) if isinstance(op, Convolution)]


def _works(conv: bsp.Conv2dOp, blocks: NDArray[np.int32], value: Value[TensorType]) -> Floats:
    """Multiplications of each block of what a convolution writes or reads, in blocks of one pixel."""
    _, height, width, _ = conv.y.type.shape
    kept = np.bincount(blocks, minlength=blocks_of(value.type.shape[3]))
    return np.asarray(kept * float(height * width))


def _matrix(conv: Convolution) -> bsp.WeightOp:
    op = conv.weight.op
    assert isinstance(op, bsp.WeightOp)
    return op


@dataclass(frozen=True)
class BalanceChannels(Pass):
    """Put blocks of channels in an order in which contiguous shares of a layer's output are equal work."""

    name: ClassVar[str] = "balance-channels"
    requires: ClassVar[Stage] = BSP
    ensures: ClassVar[Stage] = BSP

    mode: Mode = option(Mode.AUTO, help="off leaves all channels where they are")

    def run(self, module: Module, target: Target) -> None:
        """Rewrite the module in place."""
        if self.mode is Mode.OFF or target.cores == 1:
            return
        mover = Mover(module, target)
        mover.choose()
        if mover.orders:
            mover.apply()
