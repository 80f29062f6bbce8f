"""`depthwise-tiling`: groups of layers run strip by strip, so that nothing between them leaves the memory tiles.

Each layer of a group is written once for every strip of the group's result, on as many rows as that strip needs; rows
that two strips need are computed twice.  Strips read `bsp.rows` of what comes from outside, and their results are a
`bsp.stack`.  Which layers form a group, and how many strips it has, is chosen for the whole network at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar, TypeVar

from compiler.errors import Diagnostic, DoesNotFit, UsageError
from compiler.ir import Module, Rewriter, clone_module
from compiler.mapping.groups import best_cuts, longest_cuts
from compiler.mapping.layers import Kernels
from compiler.mapping.plans import overflows, plan_of
from compiler.mapping.program import chunks
from compiler.mapping.strips import Activation, Cut, Group, Read, Rows, group_of, reads_of, steps_of, strip_rows
from compiler.pass_manager import Pass, Stage, option
from dialects import bsp

if TYPE_CHECKING:
    from compiler.target import Target

BSP = Stage.of("bsp", bsp.STAGE_OPS)
Joined = TypeVar("Joined", bsp.RowsOp, bsp.StackOp)


class Strip:
    """Writes the layers of a group for some rows of its result."""

    def __init__(self, group: Group, rows: Rows, rw: Rewriter) -> None:
        found = strip_rows(group, rows)
        assert found is not None, "cuts are made of groups that can be cut so"
        self.group, self.rows, self.rw = group, found, rw
        self.made: dict[Activation, Activation] = {}

    def write(self) -> Activation:
        """Insert the layers; gives their last result."""
        for step in self.group.steps:
            if isinstance(step, bsp.ConcatOp):
                inputs = tuple(self.made[one] for one in step.inputs)
                self.made[step.y] = self.rw.insert(self.rw.copy(step, inputs=inputs)).y
            else:
                self.made[step.y] = self._layer(step)
        return self.made[self.group.exit]

    def _layer(self, step: Kernels) -> Activation:
        reads = reads_of(step, self.rows[bsp.whole_of(step.y)])
        first, *others = (self._view(one) for one in reads)
        if isinstance(step, bsp.AddOp | bsp.MulOp):
            a, b = (others[0], first) if step.expands else (first, others[0])
            return self.rw.insert(self.rw.copy(step, a=a, b=b)).y
        if isinstance(step, bsp.RequantizeOp | bsp.LookupOp):
            return self.rw.insert(self.rw.copy(step, x=first)).y
        above, below = reads[0].pads
        pads = (above, step.pads[1], below, step.pads[3])
        if isinstance(step, bsp.Conv2dOp):
            residual = others[0] if others else None
            return self.rw.insert(self.rw.copy(step, x=first, residual=residual, pads=pads)).y
        if isinstance(step, bsp.MaxPoolOp | bsp.DepthwiseOp):
            return self.rw.insert(self.rw.copy(step, x=first, pads=pads)).y
        # Behind the pads there is nothing, so nothing more can count.
        top, left, bottom, right = step.counted_pads
        counted = (min(top, above), left, min(bottom, below), right)
        return self.rw.insert(self.rw.copy(step, x=first, pads=pads, counted_pads=counted)).y

    def _view(self, read: Read) -> Activation:
        """The rows of an operand: of the strip's own tensor, or of one from outside."""
        value, start = read.value, 0
        if value in self.made:
            value, start = self.made[value], self.rows[bsp.whole_of(value)][0]
        first, last = read.rows[0] - start, read.rows[1] - start
        if (first, last) == (0, value.type.shape[1]):
            return value
        assert value.op is not None
        return self.rw.insert(_noted(bsp.RowsOp(value, first, last, loc=value.op.loc), value)).y


def _noted(new: Joined, value: Activation) -> Joined:
    """Rows of a tensor, or the stack of them all, with its notes: the blocks of its channels lie in the same order."""
    assert value.op is not None
    new.notes.update(value.op.notes)
    return new


def tile_group(group: Group, rows: int) -> None:
    """The layers of a group -> the same in strips of `rows` rows, and the stack of their results."""
    rw = Rewriter.behind(group.steps[-1])
    strips = [Strip(group, one, rw).write() for one in chunks(0, group.exit.type.shape[1], rows)]
    stack = rw.insert(_noted(bsp.StackOp(tuple(strips), loc=group.steps[-1].loc), group.exit))
    rw.replace_all_uses(group.exit, stack.y)
    for step in reversed(group.steps):
        rw.erase(step)


def tile(module: Module, cuts: Sequence[Cut]) -> None:
    """Rewrite the groups of a module in place."""
    steps = steps_of(module)
    for cut in cuts:
        group = group_of(steps[cut.first : cut.last])
        assert group is not None
        tile_group(group, cut.rows)


class Mode(Enum):
    """Whether groups are formed."""

    AUTO = "auto"
    OFF = "off"


@dataclass(frozen=True)
class DepthwiseTiling(Pass):
    """Run groups of layers in strips, so that what lies between them stays on the chip, where that is faster."""

    name: ClassVar[str] = "depthwise-tiling"
    requires: ClassVar[Stage] = BSP
    ensures: ClassVar[Stage] = BSP

    mode: Mode = option(Mode.AUTO, help="off forms no groups")
    strips: int = option(0, help="cut all that can be cut into so many strips, whatever it costs; 0 weighs")
    max_strips: int = option(16, help="most strips of a group")

    def run(self, module: Module, target: Target) -> None:
        """Rewrite the module in place."""
        if self.strips < 0 or self.max_strips < 2:
            text = f"strips is {self.strips} and max-strips {self.max_strips}, expected at least 0 and at least 2"
            help = "strips=0 weighs how many; mode=off cuts nothing"
            raise UsageError(Diagnostic("pass-option", text, self.name, help=help))
        if self.mode is Mode.OFF:
            return
        tile(module, longest_cuts(steps_of(module), self.strips) if self.strips else self._chosen(module, target))

    def _chosen(self, module: Module, target: Target) -> tuple[Cut, ...]:
        """The cuts that a plan of the whole network is faster with; none if everything stays on the chip anyway."""
        if not overflows(module, target):
            return ()
        try:
            plan = plan_of(module, target)
            cuts = best_cuts(steps_of(module), plan, target, self.max_strips)
            if not cuts:
                return ()
            tiled = clone_module(module)
            tiled.store = module.store
            tile(tiled, cuts)
            return cuts if plan_of(tiled, target).cycles < plan.cycles else ()
        except DoesNotFit:
            # choose-tiles says so of the network itself, unless its options make it fit.
            return ()
