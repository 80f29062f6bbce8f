"""Proof that bundles do what the sequential program says, by symbolic execution of both.

Nothing here uses the dependences or the schedulers.  An empty list of violations is the proof.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from compiler.encoding.isa.registers import CELLS
from compiler.kernels.schedule.block import BlockSchedule
from compiler.kernels.schedule.expand import LoopCode
from compiler.kernels.schedule.ops import Banks, Op, Row
from compiler.kernels.schedule.rules import branch_faults, close_jumps, resource_faults, zero_overhead_faults
from compiler.kernels.schedule.terms import Outcome, Pipeline, Terms, run_sequential
from compiler.kernels.schedule.timeline import Timeline

MORE_TRIPS = 6  # iteration counts that a loop is proved for, from its stages up


@dataclass(frozen=True)
class Violation:
    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


def prove(
    program: Iterable[Op],
    rows: Sequence[Row],
    banks: Banks | None = None,
    *,
    first: int = 0,
    live_out: Collection[int] | None = None,
    drained: bool = True,
) -> list[Violation]:
    """Compare a program with bundles, of which the first issues in cycle `first`.

    `live_out` are the cells whose last value matters (all, if None); unless `drained`, results may still be on their
    way when the bundles end.
    """
    return [
        *_placed(resource_faults(rows, banks, first)),
        *_placed(close_jumps(rows, first)),
        *meaning_faults(program, rows, first=first, live_out=live_out),
        *(_placed(_drain_faults(rows, first)) if drained else []),
    ]


def _placed(faults: Iterable[tuple[int, str]], where: str = "cycle") -> list[Violation]:
    return [Violation(f"{where} {at}", text) for at, text in faults]


def meaning_faults(
    program: Iterable[Op], rows: Sequence[Row], *, first: int = 0, live_out: Collection[int] | None = None
) -> list[Violation]:
    """Differences in what is stored, in jumps and locks, and in the last values of registers."""
    terms = Terms()
    wanted = run_sequential(program, terms)
    found = Pipeline(rows, terms, first).run()
    return [
        *_placed(found.faults),
        *_stores(wanted, found),
        *_acts(wanted, found),
        *_cells(wanted, found, terms, live_out),
    ]


def _stores(wanted: Outcome, found: Outcome) -> list[Violation]:
    """A store's term holds the stores before it that it may overwrite, so the order of the others is free."""
    missing = Counter(number for number, _ in wanted.stores) - Counter(number for number, _ in found.stores)
    surplus = Counter(number for number, _ in found.stores) - Counter(number for number, _ in wanted.stores)
    result = []
    for position, (number, op) in enumerate(wanted.stores):
        if missing[number]:
            missing[number] -= 1
            result.append(Violation(f"store {position}", f"'{op.text()}' of the program is never done so"))
    for position, (number, op) in enumerate(found.stores):
        if surplus[number]:
            surplus[number] -= 1
            result.append(Violation(f"store {position}", f"'{op.text()}' stores what the program does not"))
    return result


def _acts(wanted: Outcome, found: Outcome) -> list[Violation]:
    if [number for number, _ in wanted.acts] == [number for number, _ in found.acts]:
        return []
    names = [", ".join(op.text() for _, op in side.acts) for side in (wanted, found)]
    return [
        Violation("jumps and locks", f"the program does [{names[0]}], the bundles [{names[1]}] or with other values")
    ]


def _cells(wanted: Outcome, found: Outcome, terms: Terms, live_out: Collection[int] | None) -> list[Violation]:
    cells = sorted({*wanted.cells, *found.cells}) if live_out is None else sorted(live_out)
    result = []
    for cell in cells:
        initial = terms.number(("in", cell))
        if wanted.cells.get(cell, initial) != found.cells.get(cell, initial):
            result.append(Violation(f"register {CELLS[cell]}", "its last value is not the program's"))
    return result


def _drain_faults(rows: Sequence[Row], first: int) -> Iterable[tuple[int, str]]:
    for position, row in enumerate(rows):
        for op in row:
            cycles = [cycle for _, cycle, _ in (*op.ins.cells_read(), *op.ins.cells_written())]
            if op.ins.opcode.memory is not None:
                cycles.append(op.ins.opcode.memory.cycle)
            late = position + max(cycles, default=1) - len(rows)
            if late > 0:
                yield first + position, f"'{op.text()}' is not done when the bundles end, it needs {late} more cycles"


def check_block(schedule: BlockSchedule, program: Sequence[Op] | None = None) -> list[Violation]:
    """A block against its own ops or another program; nothing is in flight at its end."""
    begin = min((0, *schedule.times))
    end = max((schedule.length, *(time + 1 for time in schedule.times)))
    rows = by_cycle(schedule.ops, schedule.times, begin, end)
    inside = rows[-begin : schedule.length - begin]
    stray = [
        (time, f"'{op.text()}' is not in the block")
        for op, time in zip(schedule.ops, schedule.times, strict=True)
        if not 0 <= time < schedule.length
    ]
    return [
        *_placed(stray),
        *prove(schedule.ops if program is None else program, rows, schedule.banks, first=begin, drained=False),
        *_placed(branch_faults(inside)),
        *_placed(_drain_faults(inside, 0)),
    ]


def by_cycle(ops: Sequence[Op], times: Sequence[int], begin: int, end: int) -> tuple[Row, ...]:
    """Bundles of ops by their cycles."""
    rows: list[list[Op]] = [[] for _ in range(end - begin)]
    for op, time in zip(ops, times, strict=True):
        rows[time - begin].append(op)
    return tuple(map(tuple, rows))


def check_timeline(timeline: Timeline) -> list[Violation]:
    """All ops of a solved time line in one piece."""
    times = [mark.at for mark in timeline.marks]
    if not times:
        return []
    rows = by_cycle(timeline.ops(), times, min(times), max(times) + 1)
    return prove(timeline.ops(), rows, timeline.banks, first=min(times), drained=False)


def check_loop(code: LoopCode, more_trips: int = MORE_TRIPS, setup: Sequence[Row] | None = None) -> list[Violation]:
    """A loop for several trip counts; with the bundles of its `setup` also the rules of a hardware loop.

    Ops that run once a pass (`Op.is_control`) are compared on their own; they and the body may share no register.
    """
    found = _control_faults(code)
    if any(op.is_branch for op in code.schedule.ops):
        found += _placed(branch_faults(code.kernel), "kernel bundle")
    for trips in range(code.least_trips, code.least_trips + more_trips):
        body = [op for op in code.schedule.ops if not op.is_control]
        control = [op for op in code.schedule.ops if op.is_control]
        rows = code.rows(trips)
        faults = [
            *_placed(resource_faults(rows, code.schedule.banks)),
            *meaning_faults(body * trips, [tuple(op for op in row if not op.is_control) for row in rows]),
            *meaning_faults(
                control * code.kernel_passes(trips), [tuple(op for op in row if op.is_control) for row in rows]
            ),
        ]
        found += [Violation(f"{trips} trips, {fault.place}", fault.reason) for fault in faults]
    if setup is not None:
        rows = (*setup, *code.prologue, *code.kernel)
        found += _placed(zero_overhead_faults(rows, len(rows) - len(code.kernel), len(rows) - 1), "bundle")
    return found


def _control_faults(code: LoopCode) -> list[Violation]:
    body = [op for op in code.schedule.ops if not op.is_control]
    control = [op for op in code.schedule.ops if op.is_control]
    found = []
    for one, other in ((control, body), (body, control)):
        written = {cell for op in one for cell, _, _ in op.ins.cells_written()}
        for op in other:
            for cell, _, _ in (*op.ins.cells_read(), *op.ins.cells_written()):
                if cell in written:
                    reason = f"'{op.text()}' shares {CELLS[cell]} between the loop's control and its body"
                    found.append(Violation("control", reason))
    return found
