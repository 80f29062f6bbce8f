"""Schedules for people to read: bounds, what binds them, use of the slots, and who sits where (docs/kernels.md)."""

from __future__ import annotations

from collections.abc import Sequence

from compiler.encoding.isa.model import Slot
from compiler.kernels.schedule.modulo import LoopSchedule
from compiler.kernels.schedule.ops import Op, Row

SLOTS = ("LDB", "LDA", "ST", "ALU", "MV", "VEC")
WIDTH = 26  # characters of a slot's column


def loop_report(schedule: LoopSchedule) -> str:
    """One loop; `+k` marks ops of the k-th stage, which belong to the iteration begun k kernel passes ago."""
    bounds = schedule.bounds
    above = schedule.interval - bounds.interval
    lines = [
        f"II {schedule.interval} ({len(schedule.ops)} ops, {schedule.stages} stages, "
        f"{max(schedule.times) + 1} cycles from an iteration's first op to its last)",
        f"resource bound {bounds.resource}: {', '.join(bounds.resource_names)}",
        f"recurrence bound {bounds.recurrence}: {bounds.recurrence_text}",
        f"{above} above the bound" if above else "at the bound",
        *schedule.reasons,
    ]
    placed: list[list[tuple[Op, str]]] = [[] for _ in range(schedule.interval)]
    for op, time in zip(schedule.ops, schedule.times, strict=True):
        placed[time % schedule.interval].append((op, f" +{time // schedule.interval}"))
    return "\n".join([*lines, *_use(placed), *_picture(placed)])


def rows_report(rows: Sequence[Row]) -> str:
    """Use of the slots by bundles, and the picture."""
    placed = [[(op, "") for op in row] for row in rows]
    return "\n".join([*_use(placed), *_picture(placed)])


def _slots(op: Op) -> tuple[str, ...]:
    slot = op.ins.opcode.slot
    return ("ALU", "MV") if slot is Slot.LNG else (slot.name,)


def _use(placed: Sequence[Sequence[tuple[Op, str]]]) -> list[str]:
    counts = {slot: sum(slot in _slots(op) for row in placed for op, _ in row) for slot in SLOTS}
    total = max(1, len(placed))
    return ["use: " + ", ".join(f"{slot} {count}/{len(placed)} {count / total:.0%}" for slot, count in counts.items())]


def _picture(placed: Sequence[Sequence[tuple[Op, str]]]) -> list[str]:
    """Bundles down, slots across; only slots that are used have a column."""
    used = [slot for slot in SLOTS if any(slot in _slots(op) for row in placed for op, _ in row)]
    lines = ["     " + " | ".join(slot.ljust(WIDTH) for slot in used)]
    for number, row in enumerate(placed):
        columns = dict.fromkeys(used, ".")
        for op, stage in row:
            text = op.ins.text()
            for slot in _slots(op):
                columns[slot] = text[: WIDTH - len(stage)] + stage
        lines.append(f"{number:4} " + " | ".join(columns[slot].ljust(WIDTH) for slot in used))
    return [line.rstrip() for line in lines]
