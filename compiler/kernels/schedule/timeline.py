"""A time line of fixed and free ops: the peeled region between two inner loops is cut out of one.

The order of `place` and `add` calls is the order of the sequential program, whatever the cycles say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from compiler.kernels.schedule.modulo import LoopSchedule
from compiler.kernels.schedule.ops import Banks, Op, Row, ScheduleError
from compiler.kernels.schedule.place import Piece, Window, rows

NODES = 6000
REACH = 64  # cycles beyond the fixed ops that a free op without a window may use


@dataclass(eq=False)
class Mark:
    """One op on a time line; an op of a loop body has a mark for each iteration."""

    op: Op
    window: Window | None = None
    cycle: int | None = None
    fixed: bool = False

    @property
    def at(self) -> int:
        """The cycle, once it is known."""
        if self.cycle is None:
            raise ScheduleError(f"'{self.op.text()}' has no cycle yet: call solve()")
        return self.cycle


Replace = Callable[[int, Op], Op | None]


@dataclass
class Timeline:
    """Ops in program order with the cycles they have or may have."""

    banks: Banks | None = None
    marks: list[Mark] = field(default_factory=list)

    def place(self, op: Op, cycle: int) -> Mark:
        """Fix an op behind those that are there, in program order."""
        self.marks.append(Mark(op, cycle=cycle, fixed=True))
        return self.marks[-1]

    def add(self, op: Op, window: Window | None = None) -> Mark:
        """Leave an op to solve(), within an inclusive window of cycles if one is given."""
        self.marks.append(Mark(op, window=window))
        return self.marks[-1]

    def iterations(
        self, loop: LoopSchedule, first: int, last: int, *, start: int = 0, replace: Replace | None = None
    ) -> list[Mark]:
        """Fix the ops of iterations first..last (that excluded) at start + k * II + t, iteration by iteration.

        `replace(k, op)` gives another op for an op's place, or None to leave it out.
        """
        found = []
        for iteration in range(first, last):
            for op, time in zip(loop.ops, loop.times, strict=True):
                other = op if replace is None else replace(iteration, op)
                if other is not None:
                    found.append(self.place(other, start + iteration * loop.interval + time))
        return found

    def _piece(self) -> Piece:
        fixed = {index: mark.at for index, mark in enumerate(self.marks) if mark.fixed}
        reach = (min(fixed.values(), default=0), max(fixed.values(), default=0) + REACH)
        windows = {index: mark.window or reach for index, mark in enumerate(self.marks) if not mark.fixed}
        return Piece([mark.op for mark in self.marks], fixed, windows, dict(self.banks or {}))

    def solve(self, nodes: int = NODES) -> None:
        """Give every free op a cycle, as early as it can be."""
        piece = self._piece()
        piece.check_fixed()
        times = piece.solve(nodes)
        if times is None:
            raise ScheduleError(f"the free ops do not fit: {piece.failed}")
        for mark, time in zip(self.marks, times, strict=True):
            mark.cycle = time

    def ops(self) -> list[Op]:
        return [mark.op for mark in self.marks]

    def bundles(self, first: int, last: int) -> tuple[Row, ...]:
        """The bundles of cycles first..last, that excluded."""
        return rows(self.ops(), [mark.at for mark in self.marks], first, last)
