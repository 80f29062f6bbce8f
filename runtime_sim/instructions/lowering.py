"""From bundles to the events of the compiled core."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from compiler.encoding.isa.codec import BUNDLE_BYTES
from compiler.encoding.isa.model import Bundle, Instruction, Slot
from compiler.encoding.isa.registers import SCALAR_CELLS
from compiler.errors import SimulationFault
from runtime_sim.instructions.address import COUNTERS
from runtime_sim.instructions.events import BYPASSES, COLUMNS, DEPTH, KEPT_SCALARS, KEPT_VECTORS, Fault, Flag, Kind
from runtime_sim.instructions.lanes import CELL_BYTES
from runtime_sim.instructions.lowering_meaning import PLAIN_LOADS, compute
from runtime_sim.instructions.meaning import ACQUIRES, RELEASES, base_name, is_implemented
from runtime_sim.instructions.operands import CELL_MASKS, MEMORY, CellsOf, accesses

Table = npt.NDArray[np.int64]
_ADDRESSES = {
    "imm": Kind.ADDRESS_IMM,
    "dj": Kind.ADDRESS_DJ,
    "post_imm": Kind.ADDRESS_POST_IMM,
    "post_m": Kind.ADDRESS_POST_M,
    "2d": Kind.ADDRESS_2D,
    "3d": Kind.ADDRESS_3D,
    "sp": Kind.ADDRESS_IMM,
}
_PHASES = range(4)
_READ, _MEMORY, _COMPUTE, _WRITE = _PHASES


@dataclass
class Lowered:
    """The tables of a program for the engine."""

    events: Table
    spans: Table
    bundles: Table
    slots: Table
    """Instructions of each bundle by slot, in the order of `Slot`."""
    ages: int
    scalar_places: int
    vector_places: int


@dataclass
class _Frame:
    """The events of one bundle so far, and the places that its instructions use."""

    scalars: int = 0
    vectors: int = 0
    events: list[tuple[int, int, int, tuple[int, ...]]] = field(default_factory=list)
    number: int = 0  # of the instruction within the bundle

    def add(self, cycle: int, phase: int, kind: Kind, *arguments: int) -> None:
        """An event in a cycle of its instruction, counted from one."""
        self.events.append((cycle - 1, self.number, phase, (kind, *arguments)))

    def take_scalars(self, count: int = 1) -> int:
        """Places for scalars, one after another."""
        self.scalars += count
        return KEPT_SCALARS + self.scalars - count

    def take_vectors(self, count: int) -> int:
        """The byte place of vector cells, one after another."""
        self.vectors += count
        return KEPT_VECTORS + (self.vectors - count) * CELL_BYTES


class Places:
    """Where the operands of an instruction are kept, by role."""

    def __init__(self, frame: _Frame, instruction: Instruction, pc: int) -> None:
        self.frame, self.instruction, self.pc = frame, instruction, pc
        self.at: dict[str, int] = {}
        self.cells: dict[str, int] = {}
        self.address = -1
        self.written: set[str] = set()
        opcode = instruction.opcode
        self.reads = accesses(instruction, opcode.reads)
        self.writes = accesses(instruction, opcode.writes)
        memory = opcode.memory
        loads = memory.cycle if memory and not memory.store else 0
        self.ready = max((loads, 1, *(read.cycle for read in self.reads)))

    def __getitem__(self, role: str) -> int:
        return self.at[role]

    def emit(self, kind: Kind, *arguments: int, cycle: int = 0) -> None:
        """The event that computes, in the cycle in which every operand is there."""
        self.frame.add(cycle or self.ready, _COMPUTE, kind, *arguments)

    def emit_scalar(self, kind: Kind, a: int = 0, b: int = 0, number: int = 0, role: str = "new:dst") -> None:
        """The event that computes a scalar; one that is written in the same cycle is written by the event itself."""
        write = next(write for write in self.writes if f"new:{write.role}" == role)
        cell, mask = -1, 0
        if write.cycle == self.ready:
            cell, mask = write.cells[0], CELL_MASKS[write.cells[0]]
            self.written.add(role)
        self.emit(kind, self[role], a, b, number, cell, mask)

    def keep(self, role: str, cells: tuple[int, ...]) -> int:
        """A place for a result, as large as its register."""
        place = self.take(cells)
        self.at[role], self.cells[role] = place, len(cells)
        return place

    def take(self, cells: tuple[int, ...]) -> int:
        """A place for what such cells hold."""
        if cells[0] < SCALAR_CELLS:
            return self.frame.take_scalars(len(cells))
        return self.frame.take_vectors(len(cells))


def _read(places: Places, read: CellsOf) -> None:
    """Scalars are used where they lie unless they are needed later; vectors are found first, in a kept scalar."""
    frame, first, count = places.frame, read.cells[0], len(read.cells)
    factor = "acc" in places.instruction.opcode.index and read.role in ("a", "b", "conf")  # multiplied when read
    late = read.cycle < places.ready and not factor
    places.cells[read.role] = count
    if first >= SCALAR_CELLS:
        place, row = frame.take_scalars(), first - SCALAR_CELLS
        copies = (BYPASSES[read.bypass], frame.take_vectors(count), int(late))
        frame.add(read.cycle, _READ, Kind.RESOLVE, place, row, count, *copies)
        places.at[read.role] = place
        return
    assert not read.bypass, "no scalar is bypassed"
    places.at[read.role] = first
    if late and read.role not in ("ptr", "mod", "@sp"):  # those are for addresses, which are made at once
        place = places.at[read.role] = frame.take_scalars(count)
        for offset, cell in enumerate(read.cells):
            frame.add(read.cycle, _READ, Kind.READ_SCALAR, place + offset, cell)


def _write(places: Places, write: CellsOf) -> None:
    place, frame, first = places[write.role], places.frame, write.cells[0]
    if write.role in places.written:
        return
    if first < SCALAR_CELLS:
        for offset, cell in enumerate(write.cells):
            frame.add(write.cycle, _WRITE, Kind.WRITE_SCALAR, place + offset, cell, CELL_MASKS[cell])
        return
    row, count = first - SCALAR_CELLS, len(write.cells)
    frame.add(write.cycle, _WRITE, Kind.WRITE_VECTOR, place, row, count)
    if write.bypass:
        # Readers of this bypass see the result in the cycle that writes it, so it is known in the cycle before.
        early = write.cycle > places.ready
        cycle = write.cycle - early
        frame.add(cycle, _WRITE, Kind.ANNOUNCE, place, row, count, BYPASSES[write.bypass], int(early))


def _address(places: Places) -> None:
    """Pointers and modifiers are read and written in the first cycle, where the event finds them itself."""
    instruction, frame = places.instruction, places.frame
    opcode = instruction.opcode
    accessed = [one for one in (*places.reads, *places.writes) if one.role in ("ptr", "mod", COUNTERS)]
    assert all(one.cycle == 1 and not one.bypass for one in accessed), f"{opcode.name}: addresses are made in cycle 1"
    number = instruction.number("imm") if "imm" in opcode.index else 0
    places.address = frame.take_scalars()
    pointer = places["@sp" if opcode.addressing == "sp" else "ptr"]
    frame.add(1, _READ, _ADDRESSES[opcode.addressing], places.address, pointer, places.at.get("mod", 0), number)


def _memory(places: Places) -> None:
    memory = places.instruction.opcode.memory
    if memory is None:
        return
    frame, size = places.frame, memory.bytes
    if memory.read_cycle:
        frame.add(memory.read_cycle, _MEMORY, Kind.TOUCH, places.address, 0, size)
    base = base_name(places.instruction.opcode)
    scalar = base.startswith(("LDA", "ST"))
    place = frame.take_scalars() if scalar else frame.take_vectors(1)
    places.at[MEMORY] = place
    if memory.store:
        kind = Kind.STORE_SCALAR if scalar else Kind.STORE_VECTOR
        frame.add(memory.cycle, _WRITE, kind, places.address, place, size)
    elif scalar:
        signed = int(base in ("LDA_S8", "LDA_S16"))
        frame.add(memory.cycle, _MEMORY, Kind.LOAD_SCALAR, places.address, place, size, signed)
    else:
        found = places.at["@memory"] = frame.take_scalars()
        frame.add(memory.cycle, _MEMORY, Kind.LOAD_VECTOR, places.address, place, size, found)


def _lower(frame: _Frame, instruction: Instruction, pc: int) -> None:
    opcode = instruction.opcode
    if not is_implemented(opcode):
        frame.add(1, _READ, Kind.FAULT, Fault.OPCODE)
        return
    places = Places(frame, instruction, pc)
    for read in places.reads:
        _read(places, read)
    if opcode.addressing:
        _address(places)
    _memory(places)
    results = [write for write in places.writes if write.role not in ("ptr", COUNTERS)]
    plain = base_name(opcode) in PLAIN_LOADS
    for write in results:
        if plain:
            places.at[f"new:{write.role}"] = places[MEMORY]
        else:
            places.keep(f"new:{write.role}", write.cells)
    compute(places)
    for write in results:
        _write(places, CellsOf(f"new:{write.role}", write.cells, write.cycle, write.bypass))


def _flags(bundle: Bundle) -> list[int]:
    flags = [0] * len(Flag)
    cycles: list[tuple[int, int]] = []
    for instruction in bundle.instructions:
        opcode = instruction.opcode
        if opcode.name in RELEASES:
            flags[Flag.LOCK] = 1
        elif opcode.name in ACQUIRES:
            flags[Flag.LOCK] = 2
        flags[Flag.DONE] |= opcode.name == "DONE"
        flags[Flag.JUMP] |= opcode.branch
        if opcode.memory:
            cycles.append((opcode.memory.read_cycle or opcode.memory.cycle, opcode.memory.cycle))
    if cycles:
        flags[Flag.FIRST_ACCESS] = min(first for first, _ in cycles)
        flags[Flag.LAST_ACCESS] = max(last for _, last in cycles)
    return flags


def lower(fetch: Callable[[int], Bundle], count: int) -> Lowered:
    """The tables of `count` bundles; those that are none become faults that show when they are executed."""
    frames, flags, slots = [], [], []
    for pc in range(0, count * BUNDLE_BYTES, BUNDLE_BYTES):
        frame = _Frame()
        try:
            bundle = fetch(pc)
        except SimulationFault:
            frame.add(1, _READ, Kind.FAULT, Fault.WORD)
            bundle = Bundle()
        for instruction in bundle.instructions:
            if instruction.opcode.name not in (*ACQUIRES, *RELEASES):
                _lower(frame, instruction, pc)
            frame.number += 1
        frames.append(frame)
        flags.append(_flags(bundle))
        slots.append([sum(one.opcode.slot is slot for one in bundle.instructions) for slot in Slot])
    return _tables(frames, flags, slots)


def _tables(frames: list[_Frame], flags: list[list[int]], slots: list[list[int]]) -> Lowered:
    """One row of spans a bundle, and one more for the nothing that is issued while the pipeline drains."""
    rows: list[tuple[int, ...]] = []
    spans = np.zeros((len(frames) + 1, DEPTH + 1), np.int64)
    ages = 1
    for number, frame in enumerate(frames):
        ordered = sorted(frame.events, key=lambda event: event[:3])
        for age in range(DEPTH):
            spans[number, age] = len(rows)
            rows += [event[3] for event in ordered if event[0] == age]
        spans[number, DEPTH] = len(rows)
        ages = max((ages, *(event[0] + 1 for event in ordered)))
    assert ages <= DEPTH, "an instruction is under way for longer than its values are kept"
    spans[len(frames)] = len(rows)
    events = np.zeros((len(rows) + 1, COLUMNS), np.int64)
    for number, row in enumerate(rows):
        events[number, : len(row)] = row
    bundles = np.array([*flags, [0] * len(Flag)], np.int64)
    scalars = max((1, *(frame.scalars for frame in frames)))
    vectors = max((1, *(frame.vectors for frame in frames)))
    places = (scalars, vectors * CELL_BYTES)
    return Lowered(events.reshape(-1), spans, bundles, np.array([*slots, [0] * len(Slot)], np.int64), ages, *places)
