"""Symbolic execution, for the checker only: of a sequential program, and of bundles on the exposed pipeline.

Every result is a term of the opcode, its immediates and the terms of all that was read; equal terms have equal
numbers.  A memory access also reads the stores before it that may touch the same bytes.  No code is shared with the
schedulers: both sides know only the declared cycles of the instructions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from compiler.encoding.isa.registers import Register
from compiler.kernels.schedule.ops import DELAY_SLOTS, Op, Row

Key = tuple[object, ...]


@dataclass
class Terms:
    """Numbers of terms; both executions of a comparison use one book."""

    numbers: dict[Key, int] = field(default_factory=dict)

    def number(self, key: Key) -> int:
        return self.numbers.setdefault(key, len(self.numbers))


@dataclass
class Outcome:
    """What an execution leaves: final terms of cells, the stores and the acts in order, and faults on the way."""

    cells: dict[int, int] = field(default_factory=dict)
    stores: list[tuple[int, Op]] = field(default_factory=list)
    acts: list[tuple[int, Op]] = field(default_factory=list)
    faults: list[tuple[int, str]] = field(default_factory=list)


def _shape(op: Op) -> Key:
    """What an instruction is apart from its registers."""
    values = tuple((at, value) for at, value in enumerate(op.ins.values) if not isinstance(value, Register))
    return (op.ins.opcode.name, values, op.memory)


def _overlap(a: Op, b: Op) -> bool:
    """Whether the accesses of two ops to memory must keep their order, if one of them stores."""
    if a.memory != b.memory or a.independent or b.independent:
        return False
    if a.span is None or b.span is None:
        return True
    return max(a.span[0], b.span[0]) < min(a.span[1], b.span[1])


def _is_act(op: Op) -> bool:
    return op.ins.opcode.branch or op.is_lock


def run_sequential(program: Iterable[Op], terms: Terms) -> Outcome:
    """Each op finishes before the next begins."""
    outcome = Outcome()
    cells = outcome.cells
    stored: dict[str, list[tuple[int, Op]]] = {}
    locks = 0
    for op in program:
        reads = tuple(cells.get(cell, terms.number(("in", cell))) for cell, _, _ in op.ins.cells_read())
        key: Key = (_shape(op), reads)
        memory = op.ins.opcode.memory
        if memory is not None:
            seen = tuple(sorted(number for number, other in stored.get(op.memory, ()) if _overlap(op, other)))
            key = (*key, seen, seen, locks)
        if _is_act(op):
            outcome.acts.append((terms.number(key), op))
            locks += op.is_lock
        if memory is not None and memory.store:
            outcome.stores.append((terms.number(key), op))
            stored.setdefault(op.memory, []).append(outcome.stores[-1])
        for position, (cell, _, _) in enumerate(op.ins.cells_written()):
            cells[cell] = terms.number((*key, position))
    return outcome


@dataclass(eq=False)
class _Flight:
    """One issued op: where it gets its operands from, and the stores and locks before its memory accesses."""

    op: Op
    issued: int
    sources: dict[int, tuple[_Flight, int] | int] = field(default_factory=dict)
    seen: list[tuple[_Flight, ...]] = field(default_factory=list)
    locks: int = 0
    term: Key | None = None
    busy: bool = False


@dataclass
class Pipeline:
    """Cycle by cycle execution of bundles, of which the first issues in cycle `first`."""

    rows: Sequence[Row]
    terms: Terms
    first: int = 0
    outcome: Outcome = field(default_factory=Outcome)

    def __post_init__(self) -> None:
        self._cells: dict[int, tuple[_Flight, int]] = {}
        self._reads: dict[int, list[tuple[_Flight, int]]] = {}
        self._lands: dict[int, list[tuple[_Flight, int]]] = {}
        self._accesses: dict[int, list[tuple[_Flight, bool]]] = {}
        self._stored: list[_Flight] = []
        self._stored_in: dict[str, list[_Flight]] = {}
        self._locked: list[int] = []
        self._acts: list[_Flight] = []
        self._flights: list[_Flight] = []

    def run(self) -> Outcome:
        cycle = self.first
        end = self.first + len(self.rows)
        while cycle < end or self._pending():
            for op in self.rows[cycle - self.first] if cycle < end else ():
                self._issue(op, cycle)
            self._read(cycle)
            self._access(cycle)
            self._land(cycle)
            cycle += 1
        for flight in self._flights:
            self._key(flight)
        self.outcome.cells = {cell: self._result(source) for cell, source in self._cells.items()}
        self.outcome.stores = [(self.terms.number(self._key(flight)), flight.op) for flight in self._stored]
        # A jump is made behind its delay slots: a lock request in them comes first.
        acts = sorted(self._acts, key=lambda flight: flight.issued + DELAY_SLOTS * flight.op.is_branch)
        self.outcome.acts = [(self.terms.number(self._key(flight)), flight.op) for flight in acts]
        return self.outcome

    def _pending(self) -> bool:
        return bool(self._reads or self._lands or self._accesses)

    def _issue(self, op: Op, cycle: int) -> None:
        flight = _Flight(op, cycle)
        self._flights.append(flight)
        for position, (_, at, _) in enumerate(op.ins.cells_read()):
            self._reads.setdefault(cycle + at - 1, []).append((flight, position))
        for position, (_, at, _) in enumerate(op.ins.cells_written()):
            self._lands.setdefault(cycle + at - 1, []).append((flight, position))
        use = op.ins.opcode.memory
        if use is not None:
            if use.read_cycle:
                self._accesses.setdefault(cycle + use.read_cycle - 1, []).append((flight, False))
            self._accesses.setdefault(cycle + use.cycle - 1, []).append((flight, use.store))
        if _is_act(op):
            self._acts.append(flight)
        if op.is_lock:
            if self._locked and cycle - self._locked[-1] < 4:
                self._fault(cycle, f"'{op.text()}' comes less than 4 cycles after another lock")
            self._locked.append(cycle)

    def _fault(self, cycle: int, text: str) -> None:
        self.outcome.faults.append((cycle, text))

    def _read(self, cycle: int) -> None:
        for flight, position in self._reads.pop(cycle, ()):
            cell, _, bypass = flight.op.ins.cells_read()[position]
            source = self._cells.get(cell)
            for other, written in self._lands.get(cycle, ()):
                target, _, other_bypass = other.op.ins.cells_written()[written]
                if target == cell and bypass and other_bypass == bypass:
                    source = (other, written)
            flight.sources[position] = self.terms.number(("in", cell)) if source is None else source

    def _access(self, cycle: int) -> None:
        """Accesses of one cycle see the stores of earlier cycles; their own order would be anyone's guess."""
        here = self._accesses.pop(cycle, [])
        for number, (flight, stores) in enumerate(here):
            for other, other_stores in here[:number]:
                if (stores or other_stores) and _overlap(flight.op, other.op):
                    self._fault(cycle, f"'{flight.op.text()}' and '{other.op.text()}' access one object at once")
            flight.seen.append(tuple(self._stores_seen(flight.op)))
            flight.locks = sum(1 for lock in self._locked if lock + 7 < cycle)
            if any(lock < cycle <= lock + 7 for lock in self._locked):
                self._fault(cycle, f"'{flight.op.text()}' accesses memory while a lock is being taken or given back")
        for flight, stores in here:
            if stores:
                self._stored.append(flight)
                self._stored_in.setdefault(flight.op.memory, []).append(flight)

    def _stores_seen(self, op: Op) -> Iterator[_Flight]:
        return (other for other in self._stored_in.get(op.memory, ()) if _overlap(op, other.op))

    def _land(self, cycle: int) -> None:
        taken: dict[int, _Flight] = {}
        for flight, position in self._lands.pop(cycle, ()):
            cell = flight.op.ins.cells_written()[position][0]
            if cell in taken and taken[cell] is not flight:
                self._fault(cycle, f"'{flight.op.text()}' and '{taken[cell].op.text()}' write one register at once")
            taken[cell] = flight
            self._cells[cell] = (flight, position)

    def _result(self, source: tuple[_Flight, int] | int) -> int:
        if isinstance(source, int):
            return source
        return self.terms.number((*self._key(source[0]), source[1]))

    def _key(self, flight: _Flight) -> Key:
        if flight.term is not None:
            return flight.term
        if flight.busy:  # its operand depends on its own early result, which no sequential program can say
            return ("loop", flight.issued)
        flight.busy = True
        reads = tuple(self._result(flight.sources[at]) for at in range(len(flight.op.ins.cells_read())))
        key: Key = (_shape(flight.op), reads)
        if flight.seen:
            seen = [tuple(sorted(self.terms.number(self._key(one)) for one in part)) for part in flight.seen]
            key = (*key, seen[0], seen[-1], flight.locks)
        flight.term, flight.busy = key, False
        return key
