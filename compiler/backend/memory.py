"""Every buffer of a plan, read from `tile` ops whose offsets are chosen, and `memory.json`.

Epochs are runs, as in `dialects.tile`; the work of a run is the last epoch of its work packets' buffer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from compiler.encoding.overlay import shares_output
from compiler.encoding.work import CONFIG_ADDRESS
from compiler.errors import Diagnostic, InternalError
from compiler.ir import Module
from compiler.target import Target
from dialects.tile import AllocOp, LoadOp, PortOp, RunOp, StoreOp

DDR_BYTES = MEMORY_TILE_BYTES = 64
CORE_BYTES = 32
ALIGNMENT = {"ddr": DDR_BYTES, "mem": MEMORY_TILE_BYTES, "core": CORE_BYTES}
"""Where buffers may start: a DDR burst, two 256-bit words, one vector of a core."""

ARGUMENTS = ("constant", "input", "output", "scratch")


class Memory(NamedTuple):
    """One memory: a DDR argument (`tile` is then 0, 0), a memory tile or a core's data memory."""

    level: str
    column: int
    row: int
    argument: int = -1

    def __str__(self) -> str:
        if self.level == "ddr":
            return f"DDR argument {self.argument}"
        return f"{'memory' if self.level == 'mem' else 'core'} tile({self.column},{self.row})"


@dataclass(frozen=True)
class BufferRecord:
    """`size` bytes at `offset` of a memory, in use in epochs first..last, both included.

    `role` is what it holds; `bank` is the bank of its first byte, -1 outside cores; `node` names ONNX nodes;
    `layer` is the layer whose work packets it holds, else -1.
    """

    memory: Memory
    role: str
    owner: str
    offset: int
    size: int
    first: int
    last: int
    bank: int = -1
    node: str = ""
    layer: int = -1

    @property
    def end(self) -> int:
        """The byte past the last."""
        return self.offset + self.size

    def __str__(self) -> str:
        place = f"bytes {self.offset}..{self.end - 1} of {self.memory}"
        return f"'{self.owner}' ({self.role}, {place}, epochs {self.first}..{self.last})"


def buffers_of(module: Module, target: Target) -> list[BufferRecord]:
    """All buffers of a module that memory planning has been through."""
    runs = list(module.walk(RunOp))
    last = max((one.epoch for one in runs), default=0)
    found: list[BufferRecord] = []
    for alloc in module.walk(AllocOp):
        found += _ddr(alloc, last) if alloc.type.level == "ddr" else _resident(alloc, last, target)
    for run in runs:
        found += _work(run, target)
    if runs:
        for column in range(target.columns):
            for row in range(target.core_rows):
                found += _core(runs[0], target, column, row, last)
    return found


def with_packets(buffers: Sequence[BufferRecord], constants: int) -> list[BufferRecord]:
    """The same and the work packets, which fill DDR argument 0 behind its constants to the last byte."""
    memory = Memory("ddr", 0, 0, 0)
    start = _round_up(max((one.end for one in buffers if one.memory == memory), default=0), DDR_BYTES)
    if constants <= start:
        return list(buffers)
    last = max((one.last for one in buffers), default=0)
    return [*buffers, BufferRecord(memory, "packets", "work packets", start, constants - start, 0, last)]


def _planned(offset: int, owner: str) -> int:
    if offset < 0:
        raise InternalError(Diagnostic("memory-unplanned", f"'{owner}' has no offset yet"))
    return offset


def _ddr(alloc: AllocOp, last: int) -> list[BufferRecord]:
    """The host and the constants keep their bytes; scratch is used by live range."""
    whole = ARGUMENTS[alloc.argument] != "scratch"
    first, end = (0, last) if whole else _epochs(alloc, last)
    memory = Memory("ddr", 0, 0, alloc.argument)
    offset = _planned(alloc.offset, alloc.owner)
    role, node = ARGUMENTS[alloc.argument], _node(alloc)
    return [BufferRecord(memory, role, alloc.owner, offset, alloc.type.bytes, first, end, node=node)]


def _resident(alloc: AllocOp, last: int, target: Target) -> list[BufferRecord]:
    """What each column holds of an activation."""
    first, end = _epochs(alloc, last)
    offset, node = _planned(alloc.offset, alloc.owner), _node(alloc)
    # Columns that do the same work send border rows behind what they hold, if these are border elsewhere.
    shared = any(isinstance(one, RunOp) and one.out is alloc.y and one.mapping.shared for one in alloc.y.users)
    found = []
    for column in range(len(alloc.rows) // 2):
        (r0, r1), (b0, b1) = (one[2 * column : 2 * column + 2] for one in (alloc.rows, alloc.blocks))
        size = (r1 - r0) * (b1 - b0) * alloc.storage.pitch * 8
        memory = Memory("mem", column, target.memory_tile_row)
        if size:
            size = alloc.type.bytes if shared else size
            found.append(BufferRecord(memory, "act", alloc.owner, offset, size, first, end, node=node))
    return found


def _work(run: RunOp, target: Target) -> Iterator[BufferRecord]:
    """Packets of a run are fetched an epoch ahead, in columns that have work."""
    for column in range(len(run.extents) // 4):
        y0, y1, b0, b1 = run.extents[4 * column : 4 * column + 4]
        if y1 <= y0 or b1 <= b0:
            continue
        owner = f"work of run {run.epoch}"
        offset = _planned(run.work_offset, owner)
        yield BufferRecord(
            Memory("mem", column, target.memory_tile_row),
            "work",
            owner,
            offset,
            run.packet_bytes * run.senders * run.slots,
            max(0, run.epoch - 1),
            run.epoch,
            node=run.title,
            layer=run.layer_index,
        )


def _core(run: RunOp, target: Target, column: int, row: int, last: int) -> Iterator[BufferRecord]:
    """Slots, accumulators, stack and configuration; the lower core of a pair has the upper one's results."""
    core = run.core
    upper = shares_output(target.core_rows) and row % 2 == 1
    below = shares_output(target.core_rows) and row % 2 == 0 and row + 1 < target.core_rows
    places = [("act", f"act {i}", core.act[i], core.act_bytes) for i in range(2)]
    places += [("work", f"work {i}", core.work[i], core.work_bytes) for i in range(2)]
    for i in range(2):
        if not upper:
            places.append(("out", f"out {i}", core.out[i], core.out_bytes))
        if below:
            start = core.out[i] + 2 * core.out_bytes
            places.append(("out", f"out {i} of the core above", start, core.out_bytes))
    stack = target.core.stack_bytes
    places += [
        ("acc", "accumulators", core.acc, core.acc_bytes),
        ("stack", "stack", CONFIG_ADDRESS - stack, stack),
        ("config", "configuration", CONFIG_ADDRESS, target.core.data_memory_bytes - CONFIG_ADDRESS),
    ]
    memory = Memory("core", column, target.first_core_row + row)
    for role, owner, offset, size in places:
        yield BufferRecord(memory, role, owner, offset, size, 0, last, offset // target.core.bank_bytes)


def _epochs(alloc: AllocOp, last: int) -> tuple[int, int]:
    """When the bytes matter: a load may begin an epoch before its run, a store may end an epoch after."""
    first, end = last, 0
    for user in alloc.y.users:
        match user:
            case RunOp():
                span = (user.epoch, user.epoch)
            case LoadOp():
                span = (max(user.epoch - 1, 0), user.epoch)
            case StoreOp():
                span = (user.epoch, min(user.epoch + 1, last))
            case _:
                span = (0, last)
        first, end = min(first, span[0]), max(end, span[1])
    return (first, end) if first <= end else (0, 0)


def _node(alloc: AllocOp) -> str:
    """The nodes that write a buffer; if none do, the first that read it."""
    writers: list[RunOp] = []
    readers: list[RunOp] = []
    for user in alloc.y.users:
        if isinstance(user, RunOp):
            (writers if user.out is alloc.y else readers).append(user)
        elif isinstance(user, StoreOp) and user.into is alloc.y:
            writers += [one for one in user.source.users if isinstance(one, RunOp) and one.out is user.source]
        elif isinstance(user, LoadOp) and user.source is alloc.y:
            readers += [one for one in user.into.users if isinstance(one, RunOp)]
    names = [one.title for one in sorted(writers, key=lambda one: one.epoch)]
    names = names or [one.title for one in sorted(readers, key=lambda one: one.epoch)][:1]
    ports = [one.onnx_name for one in alloc.y.users if isinstance(one, PortOp)]
    return ", ".join(dict.fromkeys(names)) or ", ".join(ports)


def memory_json(buffers: Sequence[BufferRecord], target: Target) -> dict[str, Any]:
    """Per memory what it uses, can hold and must hold at least, with its buffers; and the same per level."""
    groups: dict[Memory, list[BufferRecord]] = {}
    for one in buffers:
        groups.setdefault(one.memory, []).append(one)
    memories = [_memory(memory, groups[memory], target) for memory in sorted(groups)]
    levels = {}
    for level in ALIGNMENT:
        sizes = [(one["size"], one["bound"]) for one in memories if one["level"] == level]
        join = sum if level == "ddr" else max
        size, bound = (join(part) for part in zip(*sizes, strict=True)) if sizes else (0, 0)
        levels[level] = {
            "size": size,
            "bound": bound,
            "gap": size - bound,
            "capacity": capacity(level, target),
        }
    return {"schema": 1, "levels": levels, "memories": memories}


def _memory(memory: Memory, buffers: Sequence[BufferRecord], target: Target) -> dict[str, Any]:
    size, bound = used_bytes(buffers), lower_bound(buffers)
    place = {key: value for key, value in memory._asdict().items() if key != "argument" or value >= 0}
    numbers = {"size": size, "capacity": capacity(memory.level, target), "bound": bound, "gap": size - bound}
    ordered = sorted(buffers, key=lambda one: (one.offset, one.first, one.owner))
    return {**place, **numbers, "buffers": [_entry(one) for one in ordered]}


def _entry(one: BufferRecord) -> dict[str, Any]:
    found = asdict(one)
    dropped = {"memory", "layer"} | ({"bank"} if one.bank < 0 else set())
    return {key: value for key, value in found.items() if key not in dropped}


def capacity(level: str, target: Target) -> int | None:
    """Bytes of a memory; DDR has no limit of its own."""
    return {"mem": target.memory_tile.bytes, "core": target.core.data_memory_bytes}.get(level)


def used_bytes(buffers: Iterable[BufferRecord]) -> int:
    """Bytes up to the end of the last buffer; in a core, which is filled from both ends, the sum of all."""
    known = list(buffers)
    if known and known[0].memory.level == "core":
        return sum(_round_up(one.size, CORE_BYTES) for one in known)
    return max((_round_up(one.end, ALIGNMENT[one.memory.level]) for one in known), default=0)


def lower_bound(buffers: Iterable[BufferRecord]) -> int:
    """The most bytes of one memory that are in use in one epoch, with alignment: no placement needs less."""
    change: dict[int, int] = {}
    for one in buffers:
        size = _round_up(one.size, ALIGNMENT[one.memory.level])
        change[one.first] = change.get(one.first, 0) + size
        change[one.last + 1] = change.get(one.last + 1, 0) - size
    alive = most = 0
    for epoch in sorted(change):
        alive += change[epoch]
        most = max(most, alive)
    return most


def _round_up(value: int, to: int) -> int:
    return (value + to - 1) // to * to
