"""`wrap-rows`: long rows of pixels that layers look at one by one become images of several rows.

Columns and passes divide an image by its rows, and a row must fit a memory tile whole.  The tokens of a sequence are an
image of one row, of which neither is possible.  Where no layer looks at a pixel's neighbours, rows may be broken
anywhere, as lines of text are: pixels keep their order, so the host's arrays stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from compiler.errors import Diagnostic, UsageError
from compiler.ir import Module, Op, Rewriter, TensorType, Value
from compiler.pass_manager import Pass, Stage, option
from dialects import bsp
from dialects.nn import InputOp, OutputOp

if TYPE_CHECKING:
    from compiler.target import Target

BSP = Stage.of("bsp", bsp.STAGE_OPS)
LANES = 4
"""Pixels that a core computes side by side: shorter ends of rows are computed in vain."""

Activation = Value[TensorType]

_PIXELWISE = (InputOp, OutputOp, bsp.AddOp, bsp.MulOp, bsp.RequantizeOp, bsp.LookupOp, bsp.ConcatOp, bsp.BlocksOp)


def looks_at_one_pixel(op: Op) -> bool:
    """Whether a pixel of the result depends on the same pixel of the operands alone, wherever that lies."""
    if not isinstance(op, bsp.WINDOWED):
        return isinstance(op, _PIXELWISE)
    return op.kernel == (1, 1) and op.strides == (1, 1) and not any(op.pads)


def activations_of(op: Op) -> list[Activation]:
    """Operands and results whose pixels are the same ones; without a pixel that all others meet."""
    operands = op.operands[:1] if isinstance(op, bsp.AddOp | bsp.MulOp) and op.expands else op.operands
    return [one.typed(TensorType) for one in (*operands, *op.results) if isinstance(one.type, TensorType)]


def free_groups(ops: Sequence[Op]) -> list[list[Activation]]:
    """Activations that must be of one height and width, together; without those that a layer needs as they are."""
    groups: dict[Activation, list[Activation]] = {}
    kept: dict[Activation, None] = {}
    for op in ops:
        values = activations_of(op)
        if not looks_at_one_pixel(op):
            kept.update(dict.fromkeys(values))
            continue
        for one in values:
            mine, others = groups.setdefault(values[0], [values[0]]), groups.setdefault(one, [one])
            if mine is not others:
                mine += others
                groups.update(dict.fromkeys(others, mine))
    found = {id(group): group for group in groups.values()}
    return [group for group in found.values() if not any(one in kept for one in group)]


def wrapped(height: int, width: int, columns: int, most: int) -> tuple[int, int] | None:
    """Rows and pixels of the image that long rows become; None if they stay.

    Rows are as long as possible, up to `most` pixels and as long as all columns get some.
    """
    if height >= columns or width <= most:
        return None
    for size in range(most - most % LANES, 0, -LANES):
        if width % size == 0 and height * width // size >= columns:
            return height * width // size, size
    return None


class Mode(Enum):
    """Whether rows are broken."""

    AUTO = "auto"
    OFF = "off"


@dataclass(frozen=True)
class WrapRows(Pass):
    """Break long rows of pixels, where no layer looks at neighbours, so that columns and passes can divide them."""

    name: ClassVar[str] = "wrap-rows"
    requires: ClassVar[Stage] = BSP
    ensures: ClassVar[Stage] = BSP

    mode: Mode = option(Mode.AUTO, help="off leaves rows as long as they are")
    pixels: int = option(64, help="rows are broken if they are longer, into rows that are not")

    def run(self, module: Module, target: Target) -> None:
        """Change the shapes in place."""
        if self.pixels < LANES:
            text = f"pixels is {self.pixels}, expected at least {LANES}"
            raise UsageError(Diagnostic("pass-option", text, self.name, help="mode=off breaks no rows"))
        if self.mode is Mode.OFF:
            return
        ops = list(module.walk(Op))
        sizes: dict[Activation, tuple[int, int]] = {}
        for group in free_groups(ops):
            height, width = group[0].type.shape[1:3]
            size = wrapped(height, width, target.columns, self.pixels)
            if size is not None:
                sizes.update(dict.fromkeys(group, size))
        for op in ops:
            for value in activations_of(op):
                if value.op is op and value in sizes:
                    _wrap(op, value, sizes[value])


def _wrap(op: Op, value: Activation, size: tuple[int, int]) -> None:
    """Give the result of an operation, whose operands have theirs, its new height and width."""
    rw, type = Rewriter.at(op), value.type
    if isinstance(op, InputOp):
        rw.change(op, type=TensorType((1, *size, type.shape[3]), type.element, type.encoding))
    else:
        rw.refresh(op)
