"""What a kernel writer hands over: instructions in program order, each with the memory object that it touches.

All times are in cycles; one bundle issues per cycle.  An op issued in cycle t reads a cell in cycle t + read - 1 and
its result lands at the end of cycle t + write - 1; a read sees what landed in an earlier cycle, and with an equal
non-empty bypass also what lands in its own cycle (AIE2Schedule.td).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from compiler.encoding.isa.model import Instruction

Banks = Mapping[str, str | tuple[str, ...]]
DELAY_SLOTS = 5

# Lock instructions order all memory accesses (AIE2 LockDelays: CoreStall 2, CoreResume 8; locks at least 4 apart).
LOCK_STALL, LOCK_RESUME, LOCK_APART = 2, 8, 4


class ScheduleError(Exception):
    """No legal schedule was found, or ops with given cycles contradict each other; the text says which and why."""


@dataclass(frozen=True, eq=False)
class Op:
    """An instruction in a sequential program; two ops are never equal, even of one instruction.

    `memory` names the memory object; ops of different objects never alias.  `span` is the byte range touched inside
    the object, the same in every iteration: disjoint spans never alias.  `independent` ops alias with nothing.
    `control` ops run once per pass through a loop's kernel and not once per iteration (loop counters and jumps).
    """

    ins: Instruction
    memory: str = ""
    span: tuple[int, int] | None = None
    independent: bool = False
    control: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        if self.ins.opcode.memory is not None and not self.memory:
            raise ScheduleError(f"'{self.ins.text()}' touches memory: name the object, Op(ins, memory=...)")

    def text(self) -> str:
        return f"{self.ins.text()} ({self.note})" if self.note else self.ins.text()

    @property
    def is_branch(self) -> bool:
        return self.ins.opcode.branch

    @property
    def is_lock(self) -> bool:
        return self.ins.opcode.mnemonic.lower().split(".")[0] in ("acq", "rel")

    @property
    def is_control(self) -> bool:
        return self.control or self.is_branch


Row = tuple[Op, ...]


def may_alias(a: Op, b: Op) -> bool:
    """Whether two memory ops may touch one byte."""
    if a.memory != b.memory or a.independent or b.independent:
        return False
    return a.span is None or b.span is None or (a.span[0] < b.span[1] and b.span[0] < a.span[1])


def memory_cycles(op: Op) -> tuple[int, ...]:
    """The cycles of an op (1 is its issue) in which it accesses memory: a read-modify-write does so twice."""
    use = op.ins.opcode.memory
    if use is None:
        return ()
    return (use.read_cycle, use.cycle) if use.read_cycle else (use.cycle,)


def last_cycle(op: Op) -> int:
    """Number of cycles until everything about an op has happened: reads, writes and its memory access.

    For a lock request it is the cycles until another one may be made; an access to memory may be as near.
    """
    if op.is_lock:
        return LOCK_APART
    accesses = (*op.ins.cells_read(), *op.ins.cells_written())
    return max((1, *(cycle for _, cycle, _ in accesses), *memory_cycles(op)))


def banks_of(memory: str, banks: Banks | None) -> tuple[str, ...]:
    """Bank labels of an object; an object that nobody placed has a bank of its own."""
    label = (banks or {}).get(memory, memory)
    return (label,) if isinstance(label, str) else label


@dataclass(frozen=True)
class Use:
    """A resource some cycles after issue; what only avoids a resource wants nobody else to take it then."""

    resource: str
    after: int
    takes: bool = True


def usage(op: Op, banks: Banks | None) -> tuple[Use, ...]:
    """What an op occupies: slots, structural ports and memory banks."""
    ins = op.ins
    used = [Use(slot.name, 0) for slot in ins.opcode.slot.occupied]
    used += [Use(f"port {name}", cycle - 1) for name, cycle in ins.units()]
    used += [Use(f"port {name}", cycle - 1, takes=False) for name, cycle in ins.opcode.avoids]
    used += [Use(f"bank {label}", at - 1) for at in memory_cycles(op) for label in banks_of(op.memory, banks)]
    return tuple(dict.fromkeys(used))
