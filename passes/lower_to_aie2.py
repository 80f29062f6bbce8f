"""`lower-to-aie2`: runs, loads and stores become descriptors, queue pushes, waits and locks; packets get bytes.

What each channel moves follows from `compiler.mapping.program`; runs of like transfers become one repeated chain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from compiler.ir import Module, Rewriter
from compiler.mapping.lowering import Lowering
from compiler.pass_manager import Pass, Stage
from dialects import aie2, tile

if TYPE_CHECKING:
    from compiler.target import Target

TILE = Stage.of("tile", tile.DIALECT.ops)
AIE2 = Stage.of("aie2", aie2.DIALECT.ops, (tile.AllocOp, tile.PortOp))


@dataclass(frozen=True)
class LowerToAie2(Pass):
    """Turn runs, loads and stores into descriptors, pushes, waits and locks."""

    name: ClassVar[str] = "lower-to-aie2"
    requires: ClassVar[Stage] = TILE
    ensures: ClassVar[Stage] = AIE2

    def run(self, module: Module, target: Target) -> None:
        """Replace every run, load and store; buffers and ports stay for the reports."""
        lowering = Lowering(module, target)
        lowering.set_up()
        old = [op for op in module.function().body.ops if isinstance(op, tile.LoadOp | tile.StoreOp | tile.RunOp)]
        lowering.lower(old)
        rw = Rewriter.at(old[0]) if old else None
        for op in old:
            assert rw is not None
            rw.erase(op)
