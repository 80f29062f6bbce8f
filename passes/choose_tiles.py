"""`choose-tiles`: `bsp` becomes `tile`; each layer is cut over columns, core rows and time, each tensor gets a home.

Columns divide a layer's rows, so that activations stay in the memory tiles, or its output channels, so that each has
weights of its own; what is cheaper for the whole network decides (docs/mapping.md).  A tensor goes to DDR when the
layer that writes or reads it divides by channels, when a column would need rows beyond its neighbours, or when it does
not fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from compiler.errors import Diagnostic, UsageError
from compiler.ir import Module, ReturnOp, Rewriter, Value
from compiler.mapping.forced import FREE, Forced
from compiler.mapping.network import (
    Node,
    Tensor,
    band,
    band_bytes,
    column_extents,
    filled,
    needed,
    room_bytes,
    share_bytes,
)
from compiler.mapping.planner import Planner
from compiler.mapping.plans import STAGE_BYTES, WORK_BYTES, plan_of
from compiler.mapping.program import step_count
from compiler.mapping.search import Choice, Effort, budget_of
from compiler.mapping.sizes import packet_bytes, senders_of, slots_of
from compiler.mapping.timeline import steps_ahead
from compiler.pass_manager import Pass, Stage, option
from dialects import bsp, tile
from dialects.nn import InputOp
from dialects.quant import quant_of

if TYPE_CHECKING:
    from compiler.target import Target

BSP = Stage.of("bsp", bsp.STAGE_OPS)
TILE = Stage.of("tile", tile.DIALECT.ops)

Parts = list[tuple[tuple[int, int], tuple[int, int]]]
Buffer = Value[tile.BufferType]


class Emitter:
    """Writes the plan's `tile` ops in order of issue."""

    def __init__(self, plan: Planner, rw: Rewriter, target: Target, module: Module) -> None:
        self.plan, self.rw, self.target, self.module = plan, rw, target, module
        self.homes: dict[int, Buffer] = {}
        self.epoch = 0
        self.before: Choice | None = None

    def emit(self) -> None:
        """Homes and ports first, then for each pass its loads, its run and its stores."""
        for tensor in self.plan.tensors:
            if not tensor.places:
                self._home(tensor)
        for op, tensor in self.plan.ports:
            value = op.y if isinstance(op, InputOp) else op.x
            self.rw.insert(
                tile.PortOp(
                    self.homes[tensor.number],
                    direction="input" if isinstance(op, InputOp) else "output",
                    onnx_name=op.onnx_name,
                    onnx_shape=op.onnx_shape,
                    layout=op.layout,
                    host_type=op.host_type,
                    quant=quant_of(op, value.type),
                    loc=op.loc,
                )
            )
        for node, piece in self._passes():
            self._pass(node, piece)

    def _passes(self) -> list[tuple[Node, int]]:
        return [(node, piece) for node in self.plan.nodes for piece in range(node.pieces)]

    def _home(self, tensor: Tensor) -> None:
        storage = tensor.storage
        columns = range(self.target.columns)
        parts: Parts = [(band(storage, self.target.columns, c), (0, storage.blocks)) for c in columns]
        size = band_bytes(storage, self.target.columns)
        if tensor.level == "ddr":
            parts, size = [((0, storage.rows), (0, storage.blocks))], storage.bytes
        self.homes[tensor.number] = self._alloc(tensor, tensor.level, parts, tensor.owner, size)

    def _alloc(self, tensor: Tensor, level: str, parts: Parts, owner: str, size: int) -> Buffer:
        storage = tensor.storage
        op = tile.AllocOp(
            type=tile.BufferType(level, size),
            owner=owner,
            storage=storage,
            rows=tuple(edge for rows, _ in parts for edge in rows),
            blocks=tuple(edge for _, blocks in parts for edge in blocks),
            argument=tensor.argument if level == "ddr" else -1,
            data=tensor.data if level == "ddr" else "",
        )
        return self.rw.insert(op).y

    def _pass(self, node: Node, piece: int) -> None:
        extents = column_extents(node, self.target.columns, piece)
        inputs, at = [], []
        for operand, view in enumerate(node.inputs):
            parts = [needed(node, operand, one) for one in extents]
            buffer = self.homes[view.tensor.number]
            if view.tensor.level == "ddr":
                owner = f"{view.tensor.owner} for {node.number}.{piece}"
                staged = self._alloc(view.tensor, "mem", parts, owner, share_bytes(view.tensor.storage, parts))
                self.rw.insert(tile.LoadOp(buffer, staged, self.epoch, loc=node.loc))
                buffer = staged
            inputs.append(buffer)
            at.append(view.at)
        tensor = node.output.tensor
        out = None if tensor.places else self.homes[tensor.number]
        if tensor.level == "ddr":
            parts = [filled(node, one) for one in extents]
            size = room_bytes(tensor.storage, parts, max(one.rows[1] - one.rows[0] for one in extents))
            out = self._alloc(tensor, "mem", parts, f"{tensor.owner} of {node.number}.{piece}", size)
        assert out is not None, "a part of an interleaved tensor goes to DDR"
        self._run(node, piece, tuple(inputs), out, (*at, node.output.at))
        for place in tensor.places:
            spread = (*place.spread.steps, *place.spread.phase)
            store = tile.StoreOp(out, self.homes[place.whole.number], place.at, self.epoch, spread, loc=node.loc)
            self.rw.insert(store)
        if tensor.level == "ddr" and not tensor.places:
            self.rw.insert(tile.StoreOp(out, self.homes[tensor.number], 0, self.epoch, loc=node.loc))
        self.epoch += 1

    def _run(self, node: Node, piece: int, inputs: tuple[Buffer, ...], out: Buffer, at: tuple[int, ...]) -> None:
        assert node.mapping is not None
        extents = column_extents(node, self.target.columns, piece)
        size = packet_bytes(node, self.target, self.module, piece)
        senders = senders_of(node.mapping, self.target)
        choice = self.plan.choice(node)
        ahead = steps_ahead(self.before, choice, size, self.target)
        self.before = choice
        at_rows = tuple(view.row for view in (*node.inputs, node.output))
        self.rw.insert(
            tile.RunOp(
                inputs,
                out,
                epoch=self.epoch,
                title=node.title,
                layer_index=node.number,
                layer=node.layer,
                mapping=node.mapping,
                core=self.plan.core,
                extents=tuple(v for one in extents for v in (*one.rows, *one.blocks)),
                at_blocks=at,
                at_rows=at_rows if any(at_rows) else None,
                packet_bytes=size,
                senders=senders,
                ahead=ahead,
                slots=slots_of(node.mapping, self.target, size, self.plan.work_bytes),
                steps=max(step_count(node.layer, node.mapping, one, self.target.core_rows) for one in extents),
                loc=node.loc,
            )
        )


@dataclass(frozen=True)
class ChooseTiles(Pass):
    """Choose how each layer is divided over columns, core rows and time, and where each tensor lives."""

    name: ClassVar[str] = "choose-tiles"
    requires: ClassVar[Stage] = BSP
    ensures: ClassVar[Stage] = TILE

    stage_bytes: int = option(STAGE_BYTES, help="bytes of a memory tile for what one pass loads and stores")
    work_bytes: int = option(WORK_BYTES, help="bytes of a memory tile for the work packets of one pass")
    search: Effort = option(Effort.FAST, help="fast, or full: all layouts of the cores, all cuts of windows")
    candidates: int = option(65536, help="mappings weighed of a layer, per division by columns and core rows")
    load: str = option("", help="a file of mappings to force, as mapping.json of a plan")

    def run(self, module: Module, target: Target) -> None:
        """Replace the function's ops by `tile` ops."""
        best = self.planner(module, target)
        block = module.function().body.block
        old = [op for op in block.ops if not isinstance(op, ReturnOp)]
        rw = Rewriter(block, module.function().return_op)
        Emitter(best, rw, target, module).emit()
        for op in reversed(old):
            rw.erase(op)

    def planner(self, module: Module, target: Target) -> Planner:
        """The plan by the first layout of the cores that the network fits, or, in a full search, by the best."""
        if self.candidates < 1:
            text = f"candidates is {self.candidates}, expected at least 1"
            raise UsageError(Diagnostic("pass-option", text, self.name))
        forced = Forced.read(self.load, target) if self.load else FREE
        full = self.search is Effort.FULL
        budget = budget_of(self.search, self.candidates)
        return plan_of(module, target, self.stage_bytes, self.work_bytes, budget, forced, every_layout=full)
