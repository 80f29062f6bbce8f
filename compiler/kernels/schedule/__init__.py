"""Instruction scheduling for cores with exposed latencies: `edges` are the rules, `checker` proves the result."""

from compiler.kernels.schedule.block import BlockSchedule, schedule_block
from compiler.kernels.schedule.expand import LoopCode, bundles, expand
from compiler.kernels.schedule.modulo import LoopSchedule, modulo_schedule
from compiler.kernels.schedule.ops import Banks, Op, Row, ScheduleError
from compiler.kernels.schedule.timeline import Mark, Timeline

__all__ = [
    "Banks",
    "BlockSchedule",
    "LoopCode",
    "LoopSchedule",
    "Mark",
    "Op",
    "Row",
    "ScheduleError",
    "Timeline",
    "bundles",
    "expand",
    "modulo_schedule",
    "schedule_block",
]
