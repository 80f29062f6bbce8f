"""Faults put into a finished program, and who notices: the checker, by the pieces' programs, or a core that runs it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any
from unittest.mock import patch

from compiler.encoding.isa import Program
from compiler.encoding.isa.codec import BUNDLE_BYTES
from compiler.encoding.isa.kinds import KINDS, Label, NumberKind, RegisterKind
from compiler.encoding.isa.model import CellAccess, Instruction, Opcode
from compiler.encoding.isa.registers import CELL, Register
from compiler.encoding.work import SET, Kernel
from compiler.kernels.programs import mac, scale
from compiler.kernels.programs.resident import Feature, Resident, features_of, resident
from compiler.kernels.schedule import Op, Row, ScheduleError, bundles
from compiler.kernels.schedule.terms import Pipeline, Terms
from tests.packets import Case, random_call
from tests.program_paths import KEPT, Lost, Nest, Trips, nest_faults, nest_trace, seam_faults
from tests.program_pieces import Recorded, make, piece_faults
from tests.program_runs import LEAST_CYCLES, Burden, Seen, burden, fits

VARIANTS = {f"mac_{one.name}": one for one in (mac.DIRECT, mac.NARROW, mac.BIAS_RAW, mac.SCRATCH_RAW)}
# What says how often loops go round, and what that is made from.
STEERING = ("lc", "ls", "le", "r1", "r2", "r9", "r10", "r22", "r23", "r27")
STEERING_GROUPS = (*STEERING, "r4", "r5", "r6", "p4")
CONTROL = [*KEPT, "lc", "r1", "r2", "r9", "r27"]


@cache
def nest_of(features: frozenset[Feature], name: str) -> Nest:
    """What a program's loop over output blocks is made from."""
    if name in VARIANTS:
        variant = VARIANTS[name]
        return mac.CLIPPED if variant is mac.NARROW and Feature.CLIPPED in features else variant
    return next(one for one in scale.loops({one.name for one in features}) if one.name == name)


def least_of(nest: Nest) -> int:
    """The fewest periods, or groups, of an output block."""
    return nest.least_periods if isinstance(nest, mac.Variant) else SET


@dataclass(frozen=True)
class Mutant:
    """Other rows at some places of a listing."""

    kind: str
    text: str
    changed: dict[int, Row]
    jumps: dict[int, int] = field(default_factory=dict)  # rows whose jump goes so many bundles too far

    def rows(self, rows: Sequence[Row]) -> list[Row]:
        return [self.changed.get(at, row) for at, row in enumerate(rows)]


def code_mutants(made: Recorded) -> list[Mutant]:
    """All single faults of the kinds that a schedule or an encoder can have."""
    rows = made.listing.rows
    return [
        *_moved(rows),
        *_swapped(rows),
        *(mutant for at in range(len(rows)) for one in rows[at] for mutant in _edited(rows, at, one)),
    ]


def _slots(row: Row) -> set[object]:
    return {slot for one in row for slot in one.ins.opcode.slot.occupied}


def _moved(rows: Sequence[Row]) -> Iterator[Mutant]:
    for at, row in enumerate(rows):
        for one in row:
            for kind, to in (("earlier", at - 1), ("later", at + 1)):
                if 0 <= to < len(rows) and not _slots((one,)) & _slots(rows[to]):
                    rest = tuple(other for other in row if other is not one)
                    yield Mutant(kind, f"row {at}: {one.text()}", {at: rest, to: (*rows[to], one)})


def _swapped(rows: Sequence[Row]) -> Iterator[Mutant]:
    for at in range(len(rows) - 1):
        if [one.text() for one in rows[at]] != [one.text() for one in rows[at + 1]]:
            yield Mutant("bundles swapped", f"rows {at}, {at + 1}", {at: rows[at + 1], at + 1: rows[at]})


def _edited(rows: Sequence[Row], at: int, one: Op) -> Iterator[Mutant]:
    """An operand encoded as its neighbour; a lock lost."""

    def other(kind: str, changed: Op | None) -> Mutant:
        text = f"row {at}: {one.text()} -> {changed.text() if changed else 'nothing'}"
        new = tuple(changed if old is one else old for old in rows[at])
        return Mutant(kind, text, {at: tuple(found for found in new if found is not None)})

    locks = "lock" if one.is_lock else ""
    if one.is_lock:
        yield other("lock", None)
    for position, (operand, value) in enumerate(zip(one.ins.opcode.operands, one.ins.values, strict=True)):
        kind, values = KINDS[operand.kind], list(one.ins.values)
        if isinstance(value, Register) and isinstance(kind, RegisterKind) and len(kind.registers) > 1:
            values[position] = kind.registers[(kind.registers.index(value) + 1) % len(kind.registers)]
            yield other(locks or "register", replace(one, ins=one.ins.opcode(*values)))
        elif isinstance(value, int) and isinstance(kind, NumberKind):
            values[position] = value + kind.step if value + kind.step <= kind.high else value - kind.step
            is_id = operand.role == "imm" and "p6" in one.text() and "movxm" in one.text()
            yield other("lock" if is_id else "number", replace(one, ins=one.ins.opcode(*values)))
        elif isinstance(value, Label):
            text = f"row {at}: {one.text()} goes to the next bundle"
            yield Mutant("jump", text, {at: rows[at]}, {at: 1})


@dataclass
class Bench:
    """A program with calls that use all of it, and what the sound program does with them."""

    made: Recorded
    calls: list[Burden]

    @cached_property
    def code(self) -> bytes:
        return self.made.program.program.bytes

    @cached_property
    def sound(self) -> list[Seen]:
        return [call.run(self.code, 1 << 20) for call in self.calls]

    def encoded(self, mutant: Mutant) -> bytes:
        code = bytearray(self.code)
        for at, row in mutant.changed.items():
            shift = mutant.jumps.get(at, 0)
            labels = {f".L{name}": where + shift for name, where in self.made.listing.labels.items()}
            code[BUNDLE_BYTES * at : BUNDLE_BYTES * (at + 1)] = Program.lay_out(bundles([row]), labels).bytes
        return bytes(code)

    def caught_by_run(self, code: bytes, cycles: bool = True, program: Resident | None = None) -> str:
        """How the first call that shows a difference shows it; the steps are those of `program`, if it is another."""
        for number, (one, sound) in enumerate(zip(self.calls, self.sound, strict=True)):
            call = one if program is None else replace(one, program=program)
            found = sound.difference(call.run(code, 2 * sound.cycles + LEAST_CYCLES, number + 1), call.watched)
            if found and (cycles or found != "cycles"):
                return found
        return ""

    def caught_by_checker(self, mutant: Mutant) -> tuple[str, bool]:
        """A fault of the first piece that has one or of a seam, and whether the proofs of what changed are complete."""
        rows, complete = mutant.rows(self.made.listing.rows), not mutant.jumps
        for at in mutant.changed:
            piece = self.made.piece_at(at)
            nest = next((name for name, (start, end) in self.made.nests.items() if start <= at < end), None)
            if piece is not None:
                found = [str(fault) for fault in piece_faults(piece, rows)]
            elif nest is not None:
                found = self._nest(nest, rows)
                both = *rows[at], *self.made.listing.rows[at]
                complete = complete and not any(_controls(nest, one) for one in both)
            else:
                found, complete = [], False
            if found:
                return found[0], True
        # What is right within its piece may still meet what the next piece does.
        seams = seam_faults(self.made, rows, mutant.changed) if complete else []
        return (seams[0] if seams else ""), complete

    def _nest(self, name: str, rows: Sequence[Row]) -> list[str]:
        nest = nest_of(self.made.features, name)
        try:
            return [str(fault) for fault in nest_faults(self.made, name, nest, usual(nest), rows)]
        except (Lost, KeyError) as lost:
            return [f"{name}: {lost}"]

    def same_control(self, mutant: Mutant) -> bool:
        """Whether a nest's counters, jumps and loop registers get the same values at every turn of several trips."""
        rows = mutant.rows(self.made.listing.rows)
        for name in self.made.nests:
            nest = nest_of(self.made.features, name)
            for blocks in (1, 2, 3):
                for sets in (1, 2, 3):
                    trips = Trips(tuple(least_of(nest) + block % 2 for block in range(blocks)), sets)
                    terms = Terms()
                    old, new = (
                        Pipeline(nest_trace(self.made, name, nest, trips, which), terms).run()
                        for which in (self.made.listing.rows, rows)
                    )
                    cells = [CELL[cell] for cell in (*CONTROL, *(() if name in VARIANTS else STEERING_GROUPS))]
                    same = [old.cells.get(cell) for cell in cells] == [new.cells.get(cell) for cell in cells]
                    stores = sorted(number for number, _ in old.stores) == sorted(number for number, _ in new.stores)
                    acts = [number for number, _ in old.acts] == [number for number, _ in new.acts]
                    if not (same and stores and acts and not new.faults):
                        return False
        return not seam_faults(self.made, rows, mutant.changed)


def usual(nest: Nest) -> Trips:
    """Trips that go round every loop, and from one output block to another whose record the one before has read."""
    least = least_of(nest)
    return Trips((least + 1, least, least + 2), 3)


def _controls(nest: str, one: Op) -> bool:
    """Whether an op of a nest steers it: its proof knows beforehand where control goes."""
    written = {cell for cell, _, _ in one.ins.cells_written()}
    steering = STEERING if nest in VARIANTS else STEERING_GROUPS
    return one.is_branch or bool(written & {CELL[name] for name in steering})


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant: `checker` and `run` say how they caught it, `proof` why it does no harm."""

    kind: str
    text: str
    checker: str
    run: str
    proof: str = ""


def judge(bench: Bench, mutant: Mutant) -> Verdict:
    """Ask the checker, then the core, then for a proof."""
    checker, complete = bench.caught_by_checker(mutant)
    run = bench.caught_by_run(bench.encoded(mutant))
    proof = ""
    if not checker and complete:
        proof = "same results, by the checker"
    elif not checker and not run and not mutant.jumps and bench.same_control(mutant):
        proof = "same results and counters, by the checker"
    return Verdict(mutant.kind, mutant.text, checker, run, proof)


# Latencies


def opcodes_of(made: Recorded) -> list[Opcode]:
    """Opcodes of a program whose result or access to memory comes later than in their own cycle."""
    found = {one.ins.opcode.name: one.ins.opcode for row in made.listing.rows for one in row}
    return [one for one in found.values() if any(access.cycle > 1 for access in one.writes)]


def too_fast(features: frozenset[Feature], opcode: Opcode) -> Recorded:
    """The program that schedulers make who believe that an opcode's results come a cycle earlier."""
    right = Instruction.cells_written

    def wrong(self: Instruction) -> tuple[CellAccess, ...]:
        if self.opcode.name != opcode.name:
            return right(self)
        return tuple((cell, max(1, cycle - 1), by) for cell, cycle, by in right(self))

    with patch.object(Instruction, "cells_written", wrong):
        return make(features)


def judge_latency(bench: Bench, features: frozenset[Feature], opcode: Opcode) -> Verdict:
    """A program made with a wrong table, judged by the right one."""
    text = f"{opcode.name} in {'+'.join(sorted(one.name for one in features))}"
    try:
        made = too_fast(features, opcode)
    except ScheduleError as error:
        # An earlier result may overwrite what is still read, so that no program can be made at all.
        return Verdict("latency", text, f"no program: {error}", "")
    code = made.program.program.bytes
    if code == bench.code:
        return Verdict("latency", text, "", "", "the same program")
    rows = made.listing.rows
    faults = [str(fault) for piece in made.pieces for fault in piece_faults(piece, rows)]
    for name in made.nests:
        nest = nest_of(features, name)
        faults += [str(one) for one in nest_faults(made, name, nest, usual(nest))]
    faults += seam_faults(made) if not faults else []
    # The program may have another length, so that cycles say nothing.
    run = bench.caught_by_run(code, cycles=False, program=made.program)
    proof = "" if faults else "another program with the same results, by the checker"
    return Verdict("latency", text, faults[0] if faults else "", run, proof)


# Calls


def calls_for(features: frozenset[Feature], wanted: Sequence[tuple[Kernel, dict[str, Any]]], each: int) -> list[Burden]:
    """`each` random calls of every kind that is wanted, which the program can run and which have room."""
    found = []
    for kernel, fixed in wanted:
        cases: list[Case] = []
        for seed in range(200):
            case = random_call(kernel, seed, **fixed)
            needs = features_of(case.header, parts=not (case.call.first and case.call.last))
            if fits(case) and needs <= features:
                cases.append(case)
            if len(cases) == each:
                break
        assert cases, f"no call of {kernel.name} with {fixed} fits"
        found += [burden(case, resident(features)) for case in cases]
    return found


def tally(verdicts: Sequence[Verdict]) -> str:
    """The table of kinds against judges."""
    lines = [f"{'kind':<18}{'all':>6}{'checker':>9}{'run only':>9}{'(run)':>7}{'proved harmless':>17}{'open':>6}"]
    kinds = dict.fromkeys(one.kind for one in verdicts)
    for kind in (*kinds, ""):
        here = [one for one in verdicts if one.kind == kind or not kind]
        count = Counter(
            "checker" if one.checker else "run" if one.run else "proved" if one.proof else "open" for one in here
        )
        runs = sum(bool(one.run) for one in here)
        numbers = (
            f"{len(here):>6}{count['checker']:>9}{count['run']:>9}{runs:>7}{count['proved']:>17}{count['open']:>6}"
        )
        lines.append(f"{kind or 'all':<18}{numbers}")
    return "\n".join(lines)
