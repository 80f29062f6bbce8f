"""Ways through a finished listing: all short ones for a lint of the seams, and whole nests for proofs.

Only labels, jumps and hardware loops are known here, and nothing of the schedulers or of the simulator.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from compiler.encoding.isa.kinds import Label
from compiler.encoding.isa.registers import CELL, CELLS
from compiler.kernels.programs import chain, weave
from compiler.kernels.programs.group_loop import GroupLoop
from compiler.kernels.programs.mac import Variant
from compiler.kernels.programs.parts import BANKS, Listing
from compiler.kernels.programs.resident import STEP_LABELS
from compiler.kernels.schedule import Op, Row
from compiler.kernels.schedule.checker import Violation, prove
from compiler.kernels.schedule.rules import SETUP_BUNDLES, resource_faults
from tests.program_pieces import Recorded

DELAY = 5
HELD = 7  # cycles behind a lock request in which nothing may access memory (AIE2 LockDelays: the core resumes in 8)
REACH = 9  # cycles: no instruction of these programs is under way longer
NEXT_BLOCK = "j p4"  # of a loop over groups: to the loop, past it, or to the step behind
KEPT = [*(f"r{number}" for number in (13, 14, 15, 16, 17, 18, 19, 20, 21, 24, 25, 30, 31)), "lr"]
LOOP_CELLS = {CELL[name] for name in ("lc", "ls", "le")}


@dataclass(frozen=True)
class Flow:
    """Where control goes from each row."""

    rows: Sequence[Row]
    labels: dict[str, int]

    def target(self, one: Op) -> int | None:
        """The row that a jump names; None for a return and a jump to a step."""
        names = [value.name.removeprefix(".L") for value in one.ins.values if isinstance(value, Label)]
        return self.labels[names[0]] if names else None

    def targets(self, row: int, one: Op) -> list[int]:
        found = self.target(one)
        if found is not None:
            return [found]
        steps = sorted({self.labels[name] for name in STEP_LABELS.values() if name in self.labels})
        return steps + (self._blocks(row) if one.text() == NEXT_BLOCK else [])

    def _blocks(self, row: int) -> list[int]:
        """Where a block begins in the piece that a row belongs to: at its loop, or behind it."""
        started = {at: name for name, at in self.labels.items() if name.endswith("_start") and at <= row}
        name = started[max(started)].removesuffix("_start")
        return [self.labels[name], self.labels[f"{name}_leave"]]

    @property
    def ends(self) -> dict[int, int]:
        """The first row of each hardware loop by its last one."""
        found = {
            at: self.labels[name.removesuffix("_end")] for name, at in self.labels.items() if name.endswith("_end")
        }
        # The step `call_end` stands before `call`.
        return {at: start for at, start in found.items() if start <= at}

    def paths(self, start: int, length: int) -> Iterator[tuple[int, ...]]:
        """All ways of `length` rows from a row that lies in no delay slot."""
        ends = self.ends
        stack: list[tuple[tuple[int, ...], tuple[int, int] | None]] = [((start,), None)]
        while stack:
            path, branch = stack.pop()
            if len(path) == length:
                yield path
                continue
            row = path[-1]
            for next_row, next_branch in self._steps(row, branch, ends):
                if next_row < len(self.rows):
                    stack.append(((*path, next_row), next_branch))

    def leading_to(self, rows: Collection[int], length: int) -> set[int]:
        """Where all ways of `length` rows through any of these rows begin."""
        before: dict[int, set[int]] = {}
        for at, row in enumerate(self.rows):
            before.setdefault(at + 1, set()).add(at)
            for target in (target for one in row if one.is_branch for target in self.targets(at, one)):
                before.setdefault(target, set()).add(at + DELAY)
        for at, start in self.ends.items():
            before.setdefault(start, set()).add(at)
        found = edge = set(rows)
        for _ in range(length - 1):
            edge = {start for at in edge for start in before.get(at, ())} - found
            found = found | edge
        return found

    def _steps(
        self, row: int, branch: tuple[int, int] | None, ends: dict[int, int]
    ) -> Iterator[tuple[int, tuple[int, int] | None]]:
        if branch is not None:
            target, left = branch
            yield (row + 1, (target, left - 1)) if left > 1 else (target, None)
            return
        for one in self.rows[row]:
            if one.is_branch:
                yield from ((row + 1, (target, DELAY)) for target in self.targets(row, one))
                if one.ins.opcode.mnemonic in ("j", "ret"):
                    return
        if row in ends:
            yield ends[row], None
        yield row + 1, None


def conditional(one: Op) -> bool:
    return one.ins.opcode.mnemonic in ("jz", "jnz")


# The seams between pieces


@dataclass(frozen=True)
class Event:
    """A read or a result of one cell, by its cycle on a path."""

    cycle: int
    position: int
    one: Op
    bypass: str


def seam_faults(made: Recorded, rows: Sequence[Row] | None = None, through: Collection[int] | None = None) -> list[str]:
    """Whatever one piece still does behind its end must not meet what the next one does; hardware loops are set up
    early enough; no way through the listing asks for a slot, port or bank twice in a cycle.

    What happens within a piece, or within a nest, is for its proof.  With `through`, the rows that differ from those
    of a listing without faults, only ways through one of them are looked at.
    """
    flow = Flow(made.listing.rows if rows is None else rows, made.listing.labels)
    owners = _owners(made)
    found: dict[str, None] = {}
    length = 2 * REACH + DELAY
    for start in range(len(flow.rows)) if through is None else sorted(flow.leading_to(through, length)):
        for path in flow.paths(start, length):
            if through is not None and not any(at in through for at in path):
                continue
            found |= dict.fromkeys(_path_faults(flow, owners, path))
    return list(found)


def _owners(made: Recorded) -> list[str]:
    """The name of the nest or piece of each row."""
    owners = [f"row {at}" for at in range(len(made.listing.rows))]
    for piece in made.pieces:
        owners[piece.start : piece.end] = [piece.name] * (piece.end - piece.start)
    for name, (start, end) in made.nests.items():
        owners[start:end] = [name] * (end - start)
    return owners


def _path_faults(flow: Flow, owners: list[str], path: tuple[int, ...]) -> Iterator[str]:
    rows = [flow.rows[at] for at in path]
    yield from (text for _, text in resource_faults(rows, BANKS))
    for position, at in enumerate(path):
        if at in flow.ends:
            for one in (one for row in rows[max(0, position - SETUP_BUNDLES + 1) : position + 1] for one in row):
                if any(cell in LOOP_CELLS for cell, _, _ in one.ins.cells_written()):
                    yield f"'{one.text()}' is too near to the end of the loop that ends in row {at}"
    for position in range(len(path) - 1):
        if owners[path[position]] != owners[path[position + 1]]:
            yield from _edge_faults(rows, position, f"{owners[path[position]]} -> {owners[path[position + 1]]}")


def _edge_faults(rows: Sequence[Row], last: int, place: str) -> Iterator[str]:
    """Ops up to row `last` against those behind: as if the former were over before the latter begin."""
    before = [(at, one) for at in range(max(0, last - REACH), last + 1) for one in rows[at]]
    behind = [(at, one) for at in range(last + 1, min(len(rows), last + 1 + REACH)) for one in rows[at]]
    for at, one in before:
        for later, other in behind:
            yield from (f"{place}: {text}" for text in _meetings(at, one, later, other))


def _meetings(at: int, one: Op, later: int, other: Op) -> Iterator[str]:
    written = {cell: (at + cycle - 1, by) for cell, cycle, by in one.ins.cells_written()}
    for cell, cycle, bypass in other.ins.cells_read():
        if cell in written:
            lands, by = written[cell]
            seen = later + cycle - 1
            if seen < lands or (seen == lands and not (bypass and bypass == by)):
                yield f"'{other.text()}' reads {CELLS[cell]} before '{one.text()}' has written it"
    reads = {cell: (at + cycle - 1, by) for cell, cycle, by in one.ins.cells_read()}
    for cell, cycle, bypass in other.ins.cells_written():
        lands = later + cycle - 1
        if cell in written and lands <= written[cell][0]:
            yield f"'{one.text()}' overwrites {CELLS[cell]} behind '{other.text()}'"
        if cell in reads:
            seen, by = reads[cell]
            if lands < seen or (lands == seen and bypass and bypass == by):
                yield f"'{one.text()}' reads {CELLS[cell]} that '{other.text()}' has overwritten"
    use, access = one.ins.opcode.memory, other.ins.opcode.memory
    if use and access and one.memory == other.memory and (use.store or access.store):
        late = at + use.cycle >= later + (access.read_cycle or access.cycle)
        if late:
            yield f"'{other.text()}' accesses {one.memory} before '{one.text()}' has"
    if other.is_lock and use and later + 1 < at + use.cycle:
        yield f"'{other.text()}' is done before '{one.text()}' has accessed memory"
    if one.is_lock and access and later + (access.read_cycle or access.cycle) - 1 <= at + HELD:
        yield f"'{other.text()}' accesses memory before '{one.text()}' is done"


# Whole nests


@dataclass(frozen=True)
class Trips:
    """How often the loops of a nest go round: periods, or groups, of each output block, and sets."""

    periods: tuple[int, ...]
    sets: int


Nest = Variant | GroupLoop


def nest_faults(
    made: Recorded, name: str, nest: Nest, trips: Trips, rows: Sequence[Row] | None = None
) -> list[Violation]:
    """A loop over output blocks from its first bundle until it jumps away, against its program in order."""
    trace = [tuple(one for one in row if not one.is_branch) for row in nest_trace(made, name, nest, trips, rows)]
    wanted = nest.program(trips.periods) if isinstance(nest, GroupLoop) else _chain(name, nest, trips)
    program = [one for one in wanted if not one.is_branch]
    return prove(program, trace, BANKS, live_out=[CELL[cell] for cell in KEPT], drained=False)


class Lost(Exception):
    """A walk that leaves its nest or does not end."""


def nest_trace(made: Recorded, name: str, nest: Nest, trips: Trips, rows: Sequence[Row] | None = None) -> list[Row]:
    """The rows in the order in which a core executes them; what counters would say is said here."""
    listing = Listing(list(made.listing.rows if rows is None else rows), made.listing.labels)
    start, end = made.nests[name]
    flow = Flow(listing.rows, listing.labels)
    ends = flow.ends
    block = done = left = 0  # output block, sets done of it, passes of the loop that are left
    at, branch, found = start, None, list[Row]()
    while start <= at < end:
        row = flow.rows[at]
        found.append(row)
        if len(found) > 4000:
            raise Lost(f"{name} does not end")
        taken = next((one for one in row if one.is_branch), None)
        if at == listing.labels[name] and not left:
            left = trips.periods[min(block, len(trips.periods) - 1)] - nest.peeled
        following = at + 1
        if branch is not None:
            target, slots = branch
            branch = (target, slots - 1)
            if slots == 1:
                following, branch = target, None
        elif taken is not None and taken.text() == NEXT_BLOCK:
            block += at >= listing.labels[name]
            branch = (_next_block(listing, name, nest, block, trips, end), DELAY)
        elif taken is not None and _goes(taken, name, block, done, trips):
            target_row = flow.target(taken)
            branch = (end if target_row is None else target_row, DELAY)
        if taken is not None and conditional(taken):
            block, done = _counted(taken, name, block, done, trips)
        if at in ends:
            left -= 1
            following = ends[at] if left else following
        at = following
    return found


def _next_block(listing: Listing, name: str, nest: Nest, block: int, trips: Trips, end: int) -> int:
    """Where a block of a loop over groups begins; the end of the nest if there is none."""
    if block == len(trips.periods):
        return end
    return listing.labels[name if trips.periods[block] > nest.peeled else f"{name}_leave"]


def _goes(one: Op, name: str, block: int, done: int, trips: Trips) -> bool:
    """Whether a jump is taken."""
    if not conditional(one):
        return True
    text = one.text()
    if "r9" in text:
        return block < len(trips.periods) - 1
    return done == trips.sets - 1


def _counted(one: Op, name: str, block: int, done: int, trips: Trips) -> tuple[int, int]:
    """Blocks and sets behind a jump that counts them."""
    return (block + 1, 0) if "r9" in one.text() else (block, done + 1)


def _chain(name: str, variant: Variant, trips: Trips) -> list[Op]:
    """All blocks one behind the other, and the beginning of one that does not come."""
    inner = weave.boundary(variant, name, f"{name}_leave")
    outer = weave.block_boundary(variant, name, inner)
    first_counter, second_counter = chain.counters()
    inside = chain.together({0: first_counter, 1: second_counter}, _behind(variant, inner.choice, chain.wraps))
    begun = chain.together({0: second_counter}, _behind(variant, outer.choice, partial(chain.setup_behind, variant)))
    found = chain.opening(variant, name)
    for block, periods in enumerate(trips.periods):
        for number in range(trips.sets):
            if number:
                found += chain.set_program(variant, periods, chain.Reads(), inside)
            elif block:
                found += chain.set_program(variant, periods, weave.reads_behind(inner), begun)
            else:
                found += chain.set_program(variant, periods, chain.OPENING)
            if number < trips.sets - 1:
                found += [*chain.results(variant), *chain.pointers(), *chain.shared(variant), *chain.steps()]
        found += [*inner.begun(), *chain.results(variant), *chain.setup(variant)]
    return found


def _behind(variant: Variant, choice: weave.Choice, code: Callable[[chain.Wraps], chain.Late]) -> chain.Late:
    """What a boundary has behind the periods of its set."""
    return chain.together(code(choice.wraps), chain.added(variant, choice.pause))
