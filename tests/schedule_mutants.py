"""Broken schedules: the checker must catch each, or prove that the fault does no harm."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from compiler.encoding.isa.kinds import KINDS, NumberKind, RegisterKind
from compiler.encoding.isa.registers import Register
from compiler.kernels.schedule.block import BlockSchedule
from compiler.kernels.schedule.checker import Violation, check_block, check_loop
from compiler.kernels.schedule.edges import dependences
from compiler.kernels.schedule.expand import LoopCode, expand
from compiler.kernels.schedule.modulo import LoopSchedule
from compiler.kernels.schedule.ops import Op

MORE_TRIPS = 3
Change = tuple[str, str, list[Op | None], list[int]]


@dataclass(frozen=True)
class Mutant:
    """One fault; `times` are None where whole bundles and not ops were moved, `check` asks the checker."""

    kind: str
    text: str
    times: tuple[int, ...] | None
    code: LoopCode | BlockSchedule
    check: Callable[[], list[Violation]]


def mutants(schedule: LoopSchedule | BlockSchedule) -> Iterator[Mutant]:
    """All single faults: times, latencies, exchanged ops and bundles, registers, increments, lost ops."""
    for change in (*_moves(schedule), *_latencies(schedule), *_exchanges(schedule), *_edits(schedule)):
        yield _mutant(schedule, change)
    yield from _swapped_bundles(schedule)


def _mutant(schedule: LoopSchedule | BlockSchedule, change: Change) -> Mutant:
    kind, text, ops, times = change
    kept = [(op, time) for op, time in zip(ops, times, strict=True) if op is not None]
    moved = tuple(times) if all(new is old for new, old in zip(ops, schedule.ops, strict=True)) else None
    new_ops, new_times = tuple(op for op, _ in kept), tuple(time for _, time in kept)
    if isinstance(schedule, BlockSchedule):
        block = replace(schedule, ops=new_ops, times=new_times)
        return Mutant(kind, text, moved, block, lambda: check_block(block, program=schedule.ops))
    shift = -(min(new_times) // schedule.interval) * schedule.interval if new_times else 0
    loop = replace(schedule, ops=new_ops, times=tuple(time + shift for time in new_times))
    return _loop_mutant(kind, text, moved, replace(expand(loop, zol=False), schedule=schedule))


def _loop_mutant(kind: str, text: str, times: tuple[int, ...] | None, code: LoopCode) -> Mutant:
    return Mutant(kind, text, times, code, lambda: check_loop(code, MORE_TRIPS))


def _moves(schedule: LoopSchedule | BlockSchedule) -> Iterator[Change]:
    for index, op in enumerate(schedule.ops):
        for kind, step in (("earlier", -1), ("later", 1)):
            times = list(schedule.times)
            times[index] += step
            yield kind, op.text(), list(schedule.ops), times


def _latencies(schedule: LoopSchedule | BlockSchedule) -> Iterator[Change]:
    """Each consumer one cycle before a dependence allows it."""
    loop = isinstance(schedule, LoopSchedule)
    interval = schedule.interval if isinstance(schedule, LoopSchedule) else 0
    for edge in dependences(schedule.ops, loop):
        times = list(schedule.times)
        if edge.source != edge.sink:
            times[edge.sink] = times[edge.source] + edge.distance - interval * edge.omega - 1
            names = f"{schedule.ops[edge.source].text()} -> {schedule.ops[edge.sink].text()}"
            yield "latency", f"{edge.why}: {names}", list(schedule.ops), times


def _exchanges(schedule: LoopSchedule | BlockSchedule) -> Iterator[Change]:
    for first in range(len(schedule.ops)):
        for second in range(first):
            times = list(schedule.times)
            times[first], times[second] = times[second], times[first]
            names = f"{schedule.ops[second].text()} <-> {schedule.ops[first].text()}"
            yield "ops exchanged", names, list(schedule.ops), times


def _edits(schedule: LoopSchedule | BlockSchedule) -> Iterator[Change]:
    """Ops that are lost, or that have another register or increment."""
    for index, op in enumerate(schedule.ops):
        others: list[tuple[str, Op | None]] = [("dropped", None)]
        for position, (operand, value) in enumerate(zip(op.ins.opcode.operands, op.ins.values, strict=True)):
            kind = KINDS[operand.kind]
            values = list(op.ins.values)
            if isinstance(value, Register) and isinstance(kind, RegisterKind) and len(kind.registers) > 1:
                values[position] = kind.registers[(kind.registers.index(value) + 1) % len(kind.registers)]
                others.append(("register", replace(op, ins=op.ins.opcode(*values))))
            elif isinstance(value, int) and isinstance(kind, NumberKind):
                values[position] = value + kind.step if value + kind.step <= kind.high else value - kind.step
                others.append(("immediate", replace(op, ins=op.ins.opcode(*values))))
        for name, other in others:
            ops: list[Op | None] = list(schedule.ops)
            ops[index] = other
            text = op.text() if other is None else f"{op.text()} -> {other.text()}"
            yield name, text, ops, list(schedule.times)


def _swapped_bundles(schedule: LoopSchedule | BlockSchedule) -> Iterator[Mutant]:
    """Two bundles of the kernel, or two neighbours of a block, in each other's place."""
    if isinstance(schedule, BlockSchedule):
        for first in range(schedule.length - 1):
            swapped = [first + (time == first) if time in (first, first + 1) else time for time in schedule.times]
            block = replace(schedule, times=tuple(swapped))
            yield Mutant("bundles swapped", f"{first}, {first + 1}", tuple(swapped), block, _block_check(block))
        return
    code = expand(schedule, zol=False)
    for first in range(schedule.interval):
        for second in range(first):
            kernel = list(code.kernel)
            kernel[first], kernel[second] = kernel[second], kernel[first]
            yield _loop_mutant("bundles swapped", f"{second}, {first}", None, replace(code, kernel=tuple(kernel)))


def _block_check(block: BlockSchedule) -> Callable[[], list[Violation]]:
    return lambda: check_block(block)


def tally(found: Sequence[tuple[str, bool]]) -> str:
    """(kind, caught) counted by kind, for people."""
    kinds = dict.fromkeys(kind for kind, _ in found)
    lines = [f"{len(found)} mutants, {sum(caught for _, caught in found)} caught"]
    for kind in kinds:
        here = [caught for name, caught in found if name == kind]
        lines.append(f"  {kind}: {sum(here)} of {len(here)} caught, {len(here) - sum(here)} harmless")
    return "\n".join(lines)
