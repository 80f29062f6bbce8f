"""Rules of the machine that bundles must keep, whatever they compute; for the checker, so nothing here is shared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from compiler.encoding.isa.model import Slot
from compiler.encoding.isa.registers import CELL
from compiler.kernels.schedule.ops import Banks, Op, Row

# llvm-aie, AIE2InstrInfo.cpp, getZOLSupport: 112 bytes, so 7 full bundles, from the last setup to the last bundle.
SETUP_BUNDLES = 7
LOOP_CELLS = {CELL[name]: name for name in ("ls", "le", "lc")}
# Partial-word stores in the last bundle of a loop of at most 96 bytes were lost on the way back, 107 times of 109 on an
# NPU (FIM43-Redeye/xdna-emu, context.rs, a finding of 2026-05-31); here they are refused in loops of any length.
PARTIAL_STORES = ("st.s8", "st.s16")

Fault = tuple[int, str]


def resource_faults(rows: Sequence[Row], banks: Banks | None, first: int = 0) -> Iterator[Fault]:
    """Slots, structural ports and memory banks that two ops want in one cycle."""
    ports: dict[tuple[int, str], Op] = {}
    shunned: dict[tuple[int, str], Op] = {}
    accessed: dict[tuple[int, str], Op] = {}
    for cycle, row in enumerate(rows, first):
        yield from ((cycle, text) for text in _slot_faults(row))
        for op in row:
            for name, at in op.ins.units():
                other = ports.setdefault((cycle + at - 1, name), op)
                if other is not op:
                    yield cycle, f"'{op.text()}' and '{other.text()}' both need {name} in cycle {cycle + at - 1}"
            for name, at in op.ins.opcode.avoids:
                shunned[cycle + at - 1, name] = op
            for at, bank in _accesses(op, banks or {}):
                other = accessed.setdefault((cycle + at - 1, bank), op)
                if other is not op:
                    yield cycle, f"'{op.text()}' and '{other.text()}' both access bank {bank} in cycle {cycle + at - 1}"
    for (cycle, name), op in shunned.items():
        if (cycle, name) in ports and ports[cycle, name] is not op:
            yield cycle, f"'{op.text()}' must not find {name} taken by '{ports[cycle, name].text()}'"


def _slot_faults(row: Row) -> Iterator[str]:
    taken: dict[str, Op] = {}
    for op in row:
        slot = op.ins.opcode.slot
        for name in ("ALU", "MV") if slot is Slot.LNG else (slot.name,):
            if name in taken:
                yield f"'{op.text()}' and '{taken[name].text()}' both need slot {name}"
            taken[name] = op


def _accesses(op: Op, banks: Mapping[str, str | tuple[str, ...]]) -> Iterator[tuple[int, str]]:
    use = op.ins.opcode.memory
    if use is None:
        return
    where = banks.get(op.memory, op.memory)
    for bank in [where] if isinstance(where, str) else where:
        yield use.cycle, bank
        if use.read_cycle:
            yield use.read_cycle, bank


def branch_faults(rows: Sequence[Row], first: int = 0) -> Iterator[Fault]:
    """A jump has 5 delay slots, which end the block and hold no other jump."""
    for position, row in enumerate(rows):
        for op in row:
            if op.ins.opcode.branch and position != len(rows) - 6:
                after = len(rows) - 1 - position
                yield first + position, f"'{op.text()}' is followed by {after} bundles of its block, not by 5"


def close_jumps(rows: Sequence[Row], first: int = 0) -> Iterator[Fault]:
    """Jumps in the delay slots of another, in bundles as they are executed."""
    jumps = [(cycle, op) for cycle, row in enumerate(rows, first) for op in row if op.ins.opcode.branch]
    for (before, _), (cycle, op) in pairwise(jumps):
        if cycle - before <= 5:
            yield cycle, f"'{op.text()}' lies in the delay slots of the jump in cycle {before}"


def zero_overhead_faults(rows: Sequence[Row], start: int, end: int) -> Iterator[Fault]:
    """Rules of a hardware loop from bundle `start` to its last bundle `end`, both positions in `rows`."""
    found: dict[str, int] = {}
    for position, row in enumerate(rows[: end + 1]):
        for op in row:
            for cell, _, _ in op.ins.cells_written():
                if cell in LOOP_CELLS:
                    found[LOOP_CELLS[cell]] = position
            if op.ins.opcode.branch and position + 5 >= start:
                yield position, f"'{op.text()}': a jump or its delay slots lie in a hardware loop"
    for name in LOOP_CELLS.values():
        if name not in found:
            yield start, f"{name} is not set before the loop"
        elif end - found[name] < SETUP_BUNDLES:
            yield found[name], f"{name} is set {end - found[name]} bundles before the loop's end, not {SETUP_BUNDLES}"
    for op in rows[end]:
        if op.ins.opcode.mnemonic.startswith(PARTIAL_STORES):
            yield end, f"'{op.text()}': a partial store in the last bundle of a loop may be lost"
