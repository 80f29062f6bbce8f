"""From a `bsp` function to nodes and tensors: who shares a buffer, and what border it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from compiler.encoding.work import LANES, MAX_LAYERS
from compiler.errors import DoesNotFit, Limit, Reason
from compiler.ir import FusedLocation, Location, Module, NodeLocation, Op, TensorType, Value
from compiler.mapping.lanes import reach
from compiler.mapping.layers import KERNEL_OPS, layer_of, result_of, tensors_of
from compiler.mapping.network import Node, Place, Tensor, View
from compiler.mapping.places import Spread, part_storage
from compiler.mapping.shapes import Storage, groups_of
from dialects import bsp
from dialects.nn import InputOp, OutputOp
from dialects.quant import quant_of

INPUTS, OUTPUTS, SCRATCH = 1, 2, 3
"""DDR arguments of docs/plan-format.md; 0 holds constants."""


def _borders(values: Sequence[Value[TensorType]]) -> tuple[tuple[int, int, int, int], int | None]:
    """The widest pads (top, left, bottom, right) that readers of the values want, and the border value."""
    widest = [0, 0, 0, 0]
    pad: int | None = None
    for value in values:
        for op in value.users:
            if isinstance(op, bsp.WINDOWED) and op.operands[0] is value:
                if max(op.pads) <= 0:
                    continue
                widest = [max(pair) for pair in zip(widest, op.pads, strict=True)]
                pad = quant_of(op, value.type).limits[0] if isinstance(op, bsp.MaxPoolOp) else op.x_zero
    return (widest[0], widest[1], widest[2], widest[3]), pad


def _aliases(value: Value[TensorType]) -> list[Value[TensorType]]:
    """The value, all parts that are written straight into it, and the views of some of their rows or blocks."""
    found = list(bsp.parts_of(value))
    for one in found:
        found += [user.y for user in one.users if isinstance(user, bsp.RowsOp | bsp.BlocksOp)]
    return found


def _reach(values: Sequence[Value[TensorType]]) -> int:
    """Pixels of a row that writers fill or readers fetch, from the first valid one: whole groups of 4."""
    width = values[0].type.shape[2]
    readers = {
        op: None for one in values for op in one.users if isinstance(op, KERNEL_OPS) and op.operands[0] in values
    }
    return max(LANES * groups_of(width), *(reach(layer_of(op)) for op in readers), 0)


def title_of(place: Location) -> str:
    """The ONNX nodes that a layer does the work of, by name."""
    parts = place.parts if isinstance(place, FusedLocation) else (place,)
    return " + ".join(part.name if isinstance(part, NodeLocation) else str(part) for part in parts)


class Reader:
    """Reads a `bsp` function into nodes and tensors."""

    def __init__(self, module: Module) -> None:
        self.views: dict[Value[TensorType], View] = {}
        self.tensors: list[Tensor] = []
        self.nodes: list[Node] = []
        self.ports: list[tuple[InputOp | OutputOp, Tensor]] = []
        self.done: set[Op] = set()
        joins = [op for op in module.walk(Op) if isinstance(op, bsp.ConcatOp | bsp.StackOp | bsp.InterleaveOp)]
        for join in reversed(joins):
            self._view(join.y)
        for op in list(module.walk(Op)):
            if isinstance(op, InputOp | bsp.ConstantOp):
                self._source(op)
            elif isinstance(op, KERNEL_OPS):
                self._node(op)
            elif isinstance(op, OutputOp):
                tensor = self.views[op.x].tensor
                tensor.level, tensor.argument = "ddr", OUTPUTS
                self.ports.append((op, tensor))

    def _view(self, value: Value[TensorType]) -> View:
        """The view of a value, which makes the tensor that it is the whole of; parts of it get views too."""
        if value in self.views:
            return self.views[value]
        if isinstance(value.op, bsp.RowsOp):
            whole = self._view(value.op.x)
            self.views[value] = replace(whole, row=whole.row + value.op.first, height=value.type.shape[1])
            return self.views[value]
        if isinstance(value.op, bsp.BlocksOp):
            whole = self._view(value.op.x)
            self.views[value] = replace(whole, at=whole.at + value.op.first, channels=value.op.channels)
            return self.views[value]
        tensor = self._tensor(self._storage(value))
        self._place(value, View(tensor, 0, tensor.storage.channels, 0, tensor.storage.height))
        if any(isinstance(part.op, bsp.StackOp | bsp.InterleaveOp) for part in bsp.parts_of(value)):
            # Its parts are divided over the columns each by itself, and not as the whole would be.
            tensor.level = "ddr"
        return self.views[value]

    def _tensor(self, storage: Storage) -> Tensor:
        self.tensors.append(Tensor(len(self.tensors), f"t{len(self.tensors)}", storage))
        return self.tensors[-1]

    def _storage(self, value: Value[TensorType]) -> Storage:
        """How a value with all its parts is stored."""
        op = value.op
        assert op is not None
        _, height, width, channels = value.type.shape
        group = _aliases(value)
        pads, pad = _borders(group)
        quant = quant_of(op, value.type)
        return Storage(
            height=height,
            width=width,
            channels=channels,
            top=pads[0],
            left=pads[1],
            bottom=pads[2],
            right=pads[3],
            slack=max(0, _reach(group) - width - pads[3]),
            pad=quant.zero if pad is None else pad,
            signed=quant.dtype == "int8",
        )

    def _place(self, value: Value[TensorType], view: View) -> None:
        self.views[value] = view
        if isinstance(value.op, bsp.ConcatOp):
            at = view.at
            for part in value.op.inputs:
                channels = part.type.shape[3]
                self._place(part, replace(view, at=at, channels=channels))
                at += -(-channels // 8)
        elif isinstance(value.op, bsp.StackOp):
            row = view.row
            for part in value.op.inputs:
                self._place(part, replace(view, row=row, height=part.type.shape[1]))
                row += part.type.shape[1]
        elif isinstance(value.op, bsp.InterleaveOp):
            self._place_pixels(value.op, view)

    def _place_pixels(self, join: bsp.InterleaveOp, view: View) -> None:
        """A tensor for each part of an interleaving, with all its places in the whole."""
        assert view.row == 0, "strips are not interleaved"
        places: dict[Value[TensorType], list[Place]] = {}
        for part, phase in zip(join.inputs, join.phases, strict=True):
            spread = Spread((join.steps[0], join.steps[1]), phase)
            places.setdefault(part, []).append(Place(view.tensor, view.at, spread))
        for part, found in places.items():
            spreads = tuple(one.spread for one in found)
            tensor = self._tensor(part_storage(view.tensor.storage, spreads, view.channels))
            tensor.level, tensor.places = "ddr", tuple(found)
            self._place(part, View(tensor, 0, view.channels, 0, tensor.storage.height))

    def _in_place(self, result: Value[TensorType], operands: Sequence[Value[TensorType]]) -> None:
        """Let a sum take the place of its second operand if nobody reads that later: tiles are read, then written."""
        if len(operands) < 2 or result in self.views or any(isinstance(user, OutputOp) for user in result.users):
            return
        view, wanted = self.views[operands[1]], self._storage(result)
        tensor, found = view.tensor, view.tensor.storage
        dead = operands[0] is not operands[1] and all(user in self.done for user in operands[1].users)
        part = isinstance(operands[1].op, bsp.ConcatOp | bsp.StackOp | bsp.RowsOp | bsp.BlocksOp | bsp.InterleaveOp)
        whole = view.channels == found.channels and not part
        scratch = tensor.argument == SCRATCH and not tensor.data
        if not wanted.bordered:
            wanted = replace(wanted, pad=found.pad)
        if dead and whole and scratch and wanted == found:
            self._place(result, view)

    def _source(self, op: InputOp | bsp.ConstantOp) -> None:
        tensor = self._view(op.y).tensor
        tensor.level = "ddr"
        if isinstance(op, InputOp):
            tensor.argument = INPUTS
            self.ports.append((op, tensor))
        else:
            tensor.argument, tensor.data = 0, op.symbol

    def _node(self, op: Op) -> None:
        assert isinstance(op, KERNEL_OPS)
        number = len(self.nodes)
        if number == MAX_LAYERS:
            text = f"the network has more than {MAX_LAYERS:,} layers, each strip of one counting by itself"
            help = "depthwise-tiling{strips=N} and {max-strips=N} make N of each"
            limit = Limit("number of layers", f"at most {MAX_LAYERS:,}", "more")
            raise DoesNotFit(Reason("layer-count", text, op.loc, help=help, limit=limit))
        self.done.add(op)
        inputs = tuple(self._view(one) for one in tensors_of(op))
        self._in_place(result_of(op), tensors_of(op))
        output = self._view(result_of(op))
        title = title_of(op.loc) or f"layer {number}"
        self.nodes.append(Node(number, title, layer_of(op), inputs, output, loc=op.loc))
        for tensor in dict.fromkeys((output.tensor.number, *(one.number for one in output.tensor.stored_in))):
            self.tensors[tensor].writers.append(number)
        for one in inputs:
            one.tensor.readers.append(number)
