"""Modules of `aie2` operations, as the back end gets them."""

from __future__ import annotations

import numpy as np

from compiler.encoding.tiles import Side, memtile_word
from compiler.ir import FuncOp, Module, ReturnOp, Rewriter, verify
from compiler.ir import Op as IrOp
from compiler.target import Target

TARGET = Target.load("aie2-2x2")
OWN = memtile_word(Side.OWN, 0)


def module_of(*ops: IrOp) -> Module:
    module = Module()
    module.store["program"] = np.zeros(32, np.uint8)
    main = Rewriter.at_end(module.body.block).insert(FuncOp.make("main", [], []))
    rewriter = Rewriter.at_end(main.body.block)
    for op in (*ops, ReturnOp(())):
        rewriter.insert(op)
    verify(module)
    return module
