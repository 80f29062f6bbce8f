"""Pieces that programs are put together from: ops from text, rows of bundles under labels, and the finished listing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, cast

from compiler.encoding.fields import Bits, Piece, Record
from compiler.encoding.isa import Bundle, Program, ins
from compiler.encoding.work import CallRecord, WorkHeader
from compiler.kernels.schedule import (
    Banks,
    LoopCode,
    LoopSchedule,
    Op,
    Row,
    ScheduleError,
    Timeline,
    bundles,
    expand,
    modulo_schedule,
    schedule_block,
)
from compiler.kernels.schedule.ops import DELAY_SLOTS
from compiler.kernels.schedule.rules import SETUP_BUNDLES

PROGRAM_BYTES = 16 * 1024
"""Program memory of a core (AM020, "AIE-ML Tile Architecture")."""

NODES = 3000
"""The effort of finding cycles for what is free on a time line."""

BANKS: Banks = {
    "act": "act",
    "work": "work",
    "out": "results",
    "scratch": "results",
    "config": "results",
    "first": ("act", "results"),
}
"""Memory objects that kernels touch, by the bank that `compiler.mapping.cores` gives them; `first` is either."""


def op(text: str, memory: str = "", **more: Any) -> Op:
    """One instruction in assembly text, with the memory object that it touches if it touches any."""
    made = ins(text)
    return Op(made, memory if made.opcode.memory else "", **more)


def ops(*lines: str, memory: str = "work") -> list[Op]:
    """Instructions in program order; those that touch memory touch this object."""
    return [op(line, memory) for line in lines]


@dataclass
class Listing:
    """A program that grows: rows in order, and the row before which each label stands."""

    rows: list[Row] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)

    def add(self, rows: Iterable[Row], label: str = "") -> int:
        """Append rows, under a label if one is given; the number of rows."""
        if label:
            assert label not in self.labels, f"two pieces of the program are called {label}"
            self.labels[label] = len(self.rows)
        before = len(self.rows)
        self.rows += rows
        return len(self.rows) - before

    def loop(self, rows: Sequence[Row], label: str) -> int:
        """Append the body of a zero-overhead loop: `label` is its first bundle, `label`_end its last."""
        start = len(self.rows)
        self.add(rows, label)
        self.labels[f"{label}_end"] = start + len(rows) - 1
        return len(rows)

    def bundles(self) -> tuple[Bundle, ...]:
        """The bundles, labels not yet resolved."""
        return bundles(self.rows)

    def program(self) -> Program:
        """Everything at its address; `.L` names are those of the labels here."""
        return Program.lay_out(self.bundles(), {f".L{name}": at for name, at in self.labels.items()})


def _bits(record: type[Record], name: str) -> Piece:
    """Where a field of a record is."""
    declared: Bits = next(one.metadata["bits"] for one in fields(cast(Any, record)) if one.name == name)
    (piece,) = declared.pieces
    return piece


def offset(record: type[Record], name: str) -> int:
    """The byte offset of the word that holds a field of a record, or of the byte that its bits begin in."""
    piece = _bits(record, name)
    return 4 * piece.word + piece.lo // 8


def bit(record: type[Record], name: str) -> int:
    """The value of a flag within the byte that `offset` names."""
    return 1 << low(record, name) % 8


def low(record: type[Record], name: str) -> int:
    """The lowest bit of a field within its word."""
    return _bits(record, name).lo


VECTOR_BYTES = 32  # of a load or store, half a vector register
SPREAD = 12
"""vshuffle mode that puts each of the first two 128-bit lanes twice (T128_2x4_lo, aiev2_enums.h of llvm-aie)."""


def header(dst: str, name: str) -> Op:
    """Load the word of the work packet's header that a field is in; p3 is the packet's start."""
    return op(f"lda {dst}, [p3, #{4 * _bits(WorkHeader, name).word}]", "work")


def call_word(dst: str, name: str, pointer: str = "p2") -> Op:
    """Load a word of the call record."""
    return op(f"lda {dst}, [{pointer}, #{offset(CallRecord, name)}]", "work")


def call_byte(dst: str, name: str, pointer: str = "p2") -> Op:
    """Load a byte of the call record: flags, or a number of 8 bits."""
    return op(f"lda.u8 {dst}, [{pointer}, #{offset(CallRecord, name)}]", "work")


Code = Sequence["Op | str"]
"""Instructions in program order; a text that touches memory touches the work packet."""


def written(code: Code) -> list[Op]:
    """Code with its texts made instructions."""
    return [op(one, "work") if isinstance(one, str) else one for one in code]


def block(*pieces: Op | str | Code) -> tuple[Row, ...]:
    """Straight-line code as the fewest bundles, with nothing in flight behind it."""
    code = [one for piece in pieces for one in ([piece] if isinstance(piece, Op | str) else piece)]
    return schedule_block(written(code), banks=BANKS).rows


def ending(rows: Sequence[Row], jump: str) -> tuple[Row, ...]:
    """Rows that end with an unconditional jump: it stands before the last five of them if its slots are free there."""
    one = op(jump)
    found = list(rows)
    at = len(found) - DELAY_SLOTS - 1
    taken = {slot for other in found[at] for slot in other.ins.opcode.slot.occupied} if at >= 0 else set()
    if at < 0 or taken & set(one.ins.opcode.slot.occupied):
        return (*found, *block(one))
    found[at] = (*found[at], one)
    return tuple(found)


def solved(line: Timeline) -> bool:
    """Whether the free ops of a time line found their cycles."""
    try:
        line.solve(NODES)
    except ScheduleError:
        return False
    return True


def pipelined(code: Sequence[Op], stages: int, least: int = 1) -> LoopCode:
    """A loop body at the smallest interval at which no more than `stages` iterations are in flight."""
    for interval in range(least, 64):
        schedule = modulo_schedule(code, BANKS, max_ii=64, min_ii=interval)
        if schedule.stages <= stages:
            return expand(schedule)
    raise ScheduleError(f"no schedule with at most {stages} iterations in flight")


@dataclass(frozen=True)
class Ahead:
    """A zero-overhead loop that begins while its setup still runs, and does not drain.

    Its kernel is passed once for each iteration.  Only the last stage stores, so what the stages before it do for
    iterations that do not come is seen by nobody.
    """

    setup: tuple[Op, ...]
    schedule: LoopSchedule
    line: Timeline
    rows: tuple[Row, ...]
    kernel: tuple[Row, ...]

    def program(self, trips: int) -> list[Op]:
        """What so many passes of the kernel stand for, in program order."""
        found = list(self.setup)
        stages, interval = self.schedule.stages, self.schedule.interval
        for iteration in range(trips + stages - 1):
            begun = stages - 1 - max(0, iteration - trips + 1)
            timed = zip(self.schedule.ops, self.schedule.times, strict=True)
            found += [one for one, time in timed if time // interval <= begun]
        return found


def storing_last(schedule: LoopSchedule) -> LoopSchedule:
    """The same cut into stages elsewhere, so that all stores are in the last one."""
    for later in range(schedule.interval):
        moved = replace(schedule, times=tuple(time + later for time in schedule.times))
        last = (moved.stages - 1) * moved.interval
        timed = zip(moved.ops, moved.times, strict=True)
        if all(time >= last for one, time in timed if (use := one.ins.opcode.memory) and use.store):
            return moved
    raise ScheduleError("the stores of an iteration lie in two stages")


def ahead(setup: Code, body: Sequence[Op], label: str, trips: str) -> Ahead:
    """A loop with its setup, the shorter the better; a register holds how many iterations there are."""
    schedule = storing_last(modulo_schedule(body, BANKS))
    interval, stages = schedule.interval, schedule.stages
    counter = ops(f"movxm ls, #.L{label}", f"movxm le, #.L{label}_end", f"add.nc lc, {trips}, #0")
    code = written(setup)
    for start in range(4 * len(code)):
        end = start + (stages - 1) * interval
        line = Timeline(BANKS)
        for one in code:
            line.add(one, (0, end - 1))
        for one in counter:
            line.add(one, (0, end + interval - 1 - SETUP_BUNDLES))
        line.iterations(schedule, 0, stages, start=start)
        try:
            line.solve()
        except ScheduleError:
            continue
        kernel = expand(schedule).kernel
        return Ahead((*code, *counter), schedule, line, line.bundles(0, end), kernel)
    raise ScheduleError(f"no setup of the loop {label} was found")
