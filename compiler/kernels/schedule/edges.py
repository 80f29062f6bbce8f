"""Dependences of a sequential program on the exposed pipeline.

An edge says: issue(sink) + omega * II - issue(source) >= distance.  Distances may be negative: an op that still reads
the old value may issue after the op whose result lands later.  The landing order of the writes of one cell is strict,
so the edges to the last writer before and to the next writer after an access are enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from compiler.encoding.isa.registers import CELLS
from compiler.kernels.schedule.ops import LOCK_APART, LOCK_RESUME, LOCK_STALL, Op, may_alias, memory_cycles


@dataclass(frozen=True)
class Edge:
    """`source` and `sink` are positions in the program, `omega` the iterations between them, `why` for messages."""

    source: int
    sink: int
    distance: int
    omega: int
    why: str


@dataclass(frozen=True)
class _Touch:
    """One access of one cell; position counts through two iterations."""

    position: int
    cycle: int
    bypass: str


def dependences(ops: Sequence[Op], loop: bool = False) -> tuple[Edge, ...]:
    """All edges of a program, and with `loop` those into the next iteration too."""
    found: dict[tuple[int, int, int], Edge] = {}
    for edge in (*_cell_edges(ops, loop), *_memory_edges(ops, loop), *_lock_edges(ops, loop)):
        key = (edge.source, edge.sink, edge.omega)
        if key not in found or found[key].distance < edge.distance:
            found[key] = edge
    return tuple(found.values())


def _cell_edges(ops: Sequence[Op], loop: bool) -> Iterator[Edge]:
    """A second copy of the body gives the edges that cross iterations; its own inner edges are the first copy's."""
    size = len(ops)
    touched: dict[int, list[tuple[bool, _Touch]]] = {}
    for position in range(2 * size if loop else size):
        ins = ops[position % size].ins
        for cell, cycle, bypass in ins.cells_read():
            touched.setdefault(cell, []).append((False, _Touch(position, cycle, bypass)))
        for cell, cycle, bypass in ins.cells_written():
            touched.setdefault(cell, []).append((True, _Touch(position, cycle, bypass)))
    for cell, accesses in touched.items():
        for source, sink, distance, kind in _edges_of_cell(accesses):
            if source < size:
                yield Edge(source, sink % size, distance, sink // size, f"{kind} {CELLS[cell]}")


def _edges_of_cell(accesses: Iterable[tuple[bool, _Touch]]) -> Iterator[tuple[int, int, int, str]]:
    """Accesses come in program order, the reads of an op before its writes."""
    writer: _Touch | None = None
    readers: list[_Touch] = []
    for writes, touch in accesses:
        if not writes:
            if writer is not None:
                bypassed = bool(touch.bypass) and touch.bypass == writer.bypass
                yield writer.position, touch.position, writer.cycle - touch.cycle + 1 - bypassed, "RAW"
            readers.append(touch)
            continue
        for reader in readers:
            if reader.position != touch.position:
                # With a bypass a read would see a write that lands in its very cycle.
                bypassed = bool(touch.bypass) and touch.bypass == reader.bypass
                yield reader.position, touch.position, reader.cycle - touch.cycle + bypassed, "WAR"
        if writer is not None and writer.position != touch.position:
            yield writer.position, touch.position, writer.cycle - touch.cycle + 1, "WAW"
        writer, readers = touch, []


def _memory_edges(ops: Sequence[Op], loop: bool) -> Iterator[Edge]:
    """Accesses that may touch one byte, one of them a store, happen in different cycles and in program order."""
    users = [(position, op, use) for position, op in enumerate(ops) if (use := op.ins.opcode.memory) is not None]
    for position, op, use in users:
        for other, later, access in users:
            if not (use.store or access.store) or not may_alias(op, later):
                continue
            omega = int(other <= position)
            if omega <= int(loop):
                distance = memory_cycles(op)[-1] - memory_cycles(later)[0] + 1
                yield Edge(position, other, distance, omega, f"order of {op.memory}")


def _lock_edges(ops: Sequence[Op], loop: bool) -> Iterator[Edge]:
    """Locks order memory accesses and each other.  Jumps are placed by the schedulers, not by edges."""
    if not any(op.is_lock for op in ops):
        return
    for position, op in enumerate(ops):
        for other, later in enumerate(ops):
            distance = _lock_distance(op, later)
            omega = int(other <= position)
            if distance is not None and omega <= int(loop):
                yield Edge(position, other, distance, omega, "lock")


def _lock_distance(first: Op, second: Op) -> int | None:
    """Issue distance if one of two ops is a lock instruction: the lock acts in cycle 2, the core goes on in 8."""
    if first.is_lock and second.is_lock:
        return LOCK_APART
    if first.is_lock and second.ins.opcode.memory is not None:
        return LOCK_RESUME - memory_cycles(second)[0] + 1
    if second.is_lock and first.ins.opcode.memory is not None:
        return memory_cycles(first)[-1] - LOCK_STALL + 1
    return None
