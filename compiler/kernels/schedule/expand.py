"""Loop schedules as bundles: what runs before the kernel, the kernel, and what drains after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compiler.encoding.isa.model import Bundle
from compiler.kernels.schedule.modulo import LoopSchedule
from compiler.kernels.schedule.ops import Op, Row, ScheduleError, last_cycle


@dataclass(frozen=True)
class LoopCode:
    """Bundles of a loop that runs n >= `least_trips` iterations: the kernel is passed n - least_trips + 1 times."""

    schedule: LoopSchedule
    prologue: tuple[Row, ...]
    kernel: tuple[Row, ...]
    epilogue: tuple[Row, ...]
    least_trips: int

    def kernel_passes(self, trips: int) -> int:
        """What the loop counter must hold."""
        if trips < self.least_trips:
            raise ScheduleError(f"{trips} iterations, but {self.least_trips} are in flight in the kernel")
        return trips - self.least_trips + 1

    def rows(self, trips: int) -> tuple[Row, ...]:
        """All bundles in the order in which they issue."""
        return (*self.prologue, *self.kernel * self.kernel_passes(trips), *self.epilogue)


def expand(schedule: LoopSchedule, zol: bool = True) -> LoopCode:
    """Bundles of a schedule; a zero-overhead loop (`zol`) has no ops that run once a pass (`Op.is_control`).

    Those stand in the kernel only.  Empty bundles at the end let the last results land.
    """
    interval, stages = schedule.interval, schedule.stages
    control = [op.text() for op in schedule.ops if op.is_control]
    if zol and control:
        raise ScheduleError(f"a zero-overhead loop has no jump or counter of its own: {', '.join(control)}")
    end = stages * interval
    starts = zip(schedule.ops, schedule.times, strict=True)
    last = (stages - 1) * interval + max(time + last_cycle(op) for op, time in starts)
    found: list[list[Op]] = [[] for _ in range(max(last, end))]
    for iteration in range(stages):
        for op, time in zip(schedule.ops, schedule.times, strict=True):
            if not op.is_control:
                found[iteration * interval + time].append(op)
    for op, time in zip(schedule.ops, schedule.times, strict=True):
        if op.is_control:
            found[end - interval + time % interval].append(op)
    all_rows = tuple(tuple(row) for row in found)
    return LoopCode(schedule, all_rows[: end - interval], all_rows[end - interval : end], all_rows[end:], stages)


def bundles(rows: Sequence[Row]) -> tuple[Bundle, ...]:
    """Rows of ops as the bundles that the assembler encodes."""
    return tuple(Bundle(tuple(op.ins for op in row)) for row in rows)
