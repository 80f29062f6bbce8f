"""The pieces that a resident program was scheduled from, found again in its finished listing.

Schedulers are called through names of `compiler.kernels.programs`; here those names also write down what they gave.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from unittest.mock import patch

from compiler.kernels.programs import mac, parts
from compiler.kernels.programs import resident as home
from compiler.kernels.programs.parts import BANKS, Ahead, Listing
from compiler.kernels.programs.resident import Feature, Resident
from compiler.kernels.schedule import BlockSchedule, LoopCode, Row, Timeline, expand, schedule_block
from compiler.kernels.schedule.checker import Violation, check_loop, prove
from compiler.kernels.schedule.rules import branch_faults, zero_overhead_faults


@dataclass(frozen=True)
class Piece:
    """Rows `start` to `end` of a listing, and the schedule that they are."""

    start: int
    end: int
    made: BlockSchedule | LoopCode | Ahead
    name: str


@dataclass
class Recorded:
    """A program with everything that was scheduled for it."""

    listing: Listing
    program: Resident
    blocks: list[BlockSchedule]
    loops: list[LoopCode]
    aheads: list[Ahead]
    lines: list[Timeline]
    features: frozenset[Feature]
    pieces: list[Piece] = field(default_factory=list)

    @property
    def nests(self) -> dict[str, tuple[int, int]]:
        """The rows of each loop over output blocks, from its opening to behind its last boundary."""
        labels = self.listing.labels
        starts = {name.removesuffix("_start"): at for name, at in labels.items() if name.endswith("_start")}
        return {name: (at, self._end(labels[f"{name}_leave"])) for name, at in starts.items()}

    def _end(self, leave: int) -> int:
        """A nest ends behind what leaves an output block."""
        return min(at for at in self.listing.labels.values() if at > leave)

    def piece_at(self, row: int) -> Piece | None:
        return next((piece for piece in self.pieces if piece.start <= row < piece.end), None)


def _kept(call: Callable[..., Any], into: list[Any], pick: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(*args: Any, **more: Any) -> Any:
        result = call(*args, **more)
        found = pick(result, *args)
        if found is not None:
            into.append(found)
        return result

    return wrapped


@cache
def recorded(features: frozenset[Feature]) -> Recorded:
    """Make a program anew and keep what the schedulers say on the way."""
    return make(features)


def make(features: frozenset[Feature]) -> Recorded:
    """The same without a memory: for tests that break the schedulers' tables."""
    blocks: list[BlockSchedule] = []
    loops: list[LoopCode] = []
    aheads: list[Ahead] = []
    lines: list[Timeline] = []
    listings: list[Listing] = []
    mac.period.cache_clear()
    with (
        patch.object(parts, "schedule_block", _kept(schedule_block, blocks, lambda made, *_: made)),
        patch.object(parts, "expand", _kept(expand, loops, lambda made, *_: made)),
        patch.object(parts, "Ahead", _kept(Ahead, aheads, lambda made, *_: made)),
        patch.object(parts, "solved", _kept(parts.solved, lines, lambda good, line: line if good else None)),
        patch.object(home, "Listing", _kept(Listing, listings, lambda made, *_: made)),
    ):
        program = home._resident.__wrapped__(features)
    mac.period.cache_clear()
    # The kernel of a loop that runs ahead is no piece of its own.
    loops = [loop for loop in loops if all(loop.schedule is not one.schedule for one in aheads)]
    made = Recorded(listings[0], program, blocks, loops, aheads, [*lines, *(one.line for one in aheads)], features)
    made.pieces = sorted(_located(made), key=lambda piece: piece.start)
    return made


def _located(made: Recorded) -> list[Piece]:
    rows = made.listing.rows
    first = {id(one): at for at in reversed(range(len(rows))) for one in rows[at]}
    pieces = []
    for block in made.blocks:
        start = first[id(block.ops[0])] - block.times[0]
        assert rows[start : start + block.length] == list(block.rows), f"a block is not in the listing: {block.rows}"
        pieces.append(Piece(start, start + block.length, block, f"block at {start}"))
    for loop in made.loops:
        parts_of = [*loop.prologue, *loop.kernel, *loop.epilogue]
        start = min(first[id(one)] for one in loop.schedule.ops)
        start -= next(at for at, row in enumerate(parts_of) if row)
        end = start + len(parts_of)
        assert [_without_return(row) for row in rows[start:end]][: len(parts_of)] == parts_of, "a loop was changed"
        pieces.append(Piece(start, end, loop, f"loop at {start}"))
    for one in made.aheads:
        parts_of = [*one.rows, *one.kernel]
        start = first[id(one.line.marks[0].op)] - one.line.marks[0].at
        assert rows[start : start + len(parts_of)] == parts_of, "a loop that runs ahead was changed"
        pieces.append(Piece(start, start + len(parts_of), one, f"loop ahead at {start}"))
    return pieces


def _without_return(row: Row) -> Row:
    return tuple(one for one in row if one.ins.opcode.mnemonic != "ret")


def piece_faults(piece: Piece, rows: Sequence[Row], trips: int = 3) -> list[Violation]:
    """What is wrong with rows that stand where a piece stood, against the piece's own program."""
    here = tuple(rows[piece.start : piece.end])
    if isinstance(piece.made, BlockSchedule):
        found = prove(piece.made.ops, here, BANKS)
        return [*found, *(Violation(f"bundle {at}", text) for at, text in branch_faults(here))]
    if isinstance(piece.made, Ahead):
        return _ahead_faults(piece.made, here, trips)
    loop = piece.made
    returns = [at for at, row in enumerate(here) if row != _without_return(row)]
    stray = [Violation(f"bundle {at}", "a return without 5 bundles behind") for at in returns if at != len(here) - 6]
    here = tuple(map(_without_return, here))
    ramp, body = len(loop.prologue), len(loop.kernel)
    code = LoopCode(loop.schedule, here[:ramp], here[ramp : ramp + body], here[ramp + body :], loop.least_trips)
    return [*stray, *check_loop(code, trips)]


def _ahead_faults(loop: Ahead, here: Sequence[Row], trips: int) -> list[Violation]:
    """For several trip counts; what is begun for iterations that do not come lands behind the last bundle."""
    ramp = len(loop.rows)
    setup = zero_overhead_faults(here, ramp, len(here) - 1)
    found = [Violation(f"bundle {at}", text) for at, text in setup]
    for count in range(1, trips + 1):
        rows = [*here[:ramp], *(row for _ in range(count) for row in here[ramp:])]
        found += prove(loop.program(count), rows, BANKS, drained=False)
    return found
