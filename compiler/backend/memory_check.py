"""A check of the memory plan that shares no code with the planner.

It holds buffers against each other, the hardware and every byte that finished descriptors can touch.  A
descriptor is pushed in the section of a layer and works for that layer's epochs, or the one after where its
channel runs ahead or behind.  It must stay inside one buffer that is in use then; a core's may take the slots
of one kind in turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, zip_longest
from typing import NamedTuple, NoReturn

from compiler.backend.memory import ALIGNMENT, BufferRecord, Memory, capacity
from compiler.encoding.overlay import LOAD_CHANNELS, STORE_CHANNEL, WORK_CHANNEL
from compiler.encoding.tiles import CORE_MEMORY_BYTES, Direction, Side, split_memtile_word
from compiler.encoding.work import CoreConfig
from compiler.errors import UNKNOWN, Diagnostic, InternalError, Location
from compiler.ir import Module
from compiler.target import Target
from dialects.aie2 import BdOp, CoreConfigOp, LayerOp, PushOp

WORD = 4
APART = ("act", "work", "out")
"""What a core reads and writes in the same cycles, so never in one bank."""
NOTES = 8
"""Buffers that an error lists, nearest first."""

Groups = dict[Memory, list[BufferRecord]]


def check_memory(
    buffers: Sequence[BufferRecord],
    module: Module,
    target: Target,
    arguments: Sequence[int] | None = None,
) -> None:
    """Refuse a plan whose buffers collide or whose descriptors leave them.

    `module` is lowered to `aie2`; `arguments` are the bytes of each DDR argument, if they are to be checked.
    """
    groups: Groups = {}
    for one in buffers:
        groups.setdefault(one.memory, []).append(one)
    check_buffers(buffers, target, arguments)
    _Follower(groups, buffers, target).follow(module)


def check_buffers(buffers: Sequence[BufferRecord], target: Target, arguments: Sequence[int] | None = None) -> None:
    """The first half: alignment, capacity, overlap and banks."""
    groups: Groups = {}
    for one in buffers:
        _check_place(one, target, arguments)
        groups.setdefault(one.memory, []).append(one)
    for memory, group in groups.items():
        _check_overlap(group)
        if memory.level == "core":
            _check_banks(group, target.core.bank_bytes)


def _fail(code: str, text: str, place: Location = UNKNOWN, notes: Sequence[str] = ()) -> NoReturn:
    raise InternalError(Diagnostic(code, text, place, tuple(notes)))


def _check_place(one: BufferRecord, target: Target, arguments: Sequence[int] | None) -> None:
    align = ALIGNMENT[one.memory.level]
    if one.offset % align:
        _fail("memory-align", f"{one} starts at {one.offset}, which is no multiple of {align}")
    limit = capacity(one.memory.level, target)
    if one.memory.level == "ddr" and arguments is not None:
        limit = arguments[one.memory.argument]
    if one.offset < 0 or one.size < 0 or (limit is not None and one.end > limit):
        _fail("memory-bounds", f"{one} ends at {one.end}, {one.memory} has {limit} bytes")
    if not 0 <= one.first <= one.last:
        _fail("memory-bounds", f"{one} has no epochs")


def _check_overlap(group: Sequence[BufferRecord]) -> None:
    """No byte has two owners in one epoch."""
    ordered = sorted(group, key=lambda one: one.offset)
    for position, low in enumerate(ordered):
        for other in ordered[position + 1 :]:
            if other.offset >= low.end:
                break
            if other.size and low.first <= other.last and other.first <= low.last:
                epoch = max(low.first, other.first)
                _fail("memory-overlap", f"{low} and {other} share bytes in epoch {epoch}")


def _check_banks(group: Sequence[BufferRecord], bank_bytes: int) -> None:
    """A core may use each slot of one kind with each of another."""
    for one in group:
        if one.bank != one.offset // bank_bytes:
            _fail("memory-bank", f"{one} begins in bank {one.offset // bank_bytes}, the plan says {one.bank}")
    for left, right in combinations([one for one in group if one.role in APART], 2):
        shared = _banks(left, bank_bytes) & _banks(right, bank_bytes)
        if left.role != right.role and shared:
            _fail("memory-bank", f"{left} and {right} share bank {min(shared)}")


def _banks(one: BufferRecord, bank_bytes: int) -> set[int]:
    return set(range(one.offset // bank_bytes, (one.end - 1) // bank_bytes + 1))


class Use(NamedTuple):
    """What a channel touches: buffers of these roles, for epochs of the layer at hand and `ahead` more."""

    roles: frozenset[str]
    ahead: int


ACT, STAGE, WORK = Use(frozenset({"act"}), 0), Use(frozenset({"act"}), 1), Use(frozenset({"work"}), 1)
# An output of the model may be read again by a later layer.
DDR_READ = Use(frozenset({"constant", "input", "output", "scratch"}), 1)
DDR_WRITE = Use(frozenset({"output", "scratch"}), 1)
PACKETS = Use(frozenset({"packets"}), 1)
CORE = (Use(frozenset({"act"}), 1), Use(frozenset({"work"}), 1), Use(frozenset({"out"}), 1))


def uses_of(level: str, op: PushOp) -> tuple[Use, ...]:
    """What the overlay has a channel do; docs/plan-format.md lists them."""
    down = op.direction == Direction.MM2S.name
    if level == "core":
        return (CORE[2] if down else CORE[op.channel],)
    if level == "ddr":
        return (DDR_READ, PACKETS) if down else (DDR_WRITE,)
    if down:
        return _SENDS.get(op.channel, (ACT, WORK))
    return _RECEIVES.get(op.channel, (ACT,))


# Of a memory tile's channels those that not only send activations and work to cores, or receive results.
_SENDS = {0: (ACT,), WORK_CHANNEL: (WORK,), STORE_CHANNEL: (STAGE, WORK)}
_RECEIVES = dict.fromkeys(LOAD_CHANNELS, (STAGE, WORK))


class _Follower:
    """Reads the operations in order and knows each descriptor's latest contents and the layer at hand."""

    def __init__(self, groups: Groups, buffers: Sequence[BufferRecord], target: Target) -> None:
        self.groups, self.target = groups, target
        self.bds: dict[tuple[int, int, int], BdOp] = {}
        self.layer: int | None = None
        self.spans: dict[int, tuple[int, int]] = {}
        self.known: dict[tuple[Memory, Use, int | None], list[BufferRecord]] = {}
        for one in buffers:
            if one.layer >= 0:
                low, high = self.spans.get(one.layer, (one.last, one.last))
                self.spans[one.layer] = (min(low, one.last), max(high, one.last))

    def follow(self, module: Module) -> None:
        """Check what every pushed descriptor and every core's record names."""
        for op in module.function().body.ops:
            match op:
                case LayerOp():
                    self.layer = op.index
                case BdOp():
                    self.bds[op.column, op.row, op.bd] = op
                case PushOp():
                    self.push(op)
                case CoreConfigOp():
                    self.configure(op)

    def push(self, op: PushOp) -> None:
        """All descriptors of a task, over its repeats; one that chains to itself repeats for ever."""
        chain, seen, closed = [], set[int](), False
        number: int | None = op.bd
        while number is not None:
            if number in seen:
                closed = True
                break
            seen.add(number)
            bd = self.bds.get((op.column, op.row, number))
            if bd is None:
                _fail("memory-outside", f"BD {number} of tile({op.column},{op.row}) was never written", op.loc)
            chain.append(bd)
            number = bd.next_bd
        for bd in chain:
            memory, start = self.place(bd)
            text = f"BD {bd.bd} of tile({bd.column},{bd.row}) {op.direction} {op.channel}"
            spans = [(start + first, start + past) for first, past in touched(bd, None if closed else op.repeat)]
            if memory.level != "core":
                spans = [(min(one[0] for one in spans), max(one[1] for one in spans))]
            uses = uses_of(memory.level, op)
            for span in spans:
                self.inside(memory, uses, span, text, bd.loc)

    def place(self, bd: BdOp) -> tuple[Memory, int]:
        """The memory that a descriptor names, and what its word 0 is there, in bytes."""
        if bd.row >= self.target.first_core_row:
            return Memory("core", bd.column, bd.row), 0
        if bd.row < self.target.memory_tile_row:
            return Memory("ddr", 0, 0, -1 if bd.argument is None else bd.argument), 0
        side, offset = split_memtile_word(bd.address)
        return Memory("mem", bd.column + side - Side.OWN, bd.row), offset - bd.address * WORD

    def candidates(self, memory: Memory, use: Use) -> list[BufferRecord]:
        """The buffers of a memory that a channel may use on behalf of this layer."""
        key = (memory, use, self.layer)
        if key not in self.known:
            found = [one for one in self.groups.get(memory, []) if one.role in use.roles]
            if self.layer is not None and self.layer in self.spans:
                low, high = self.spans[self.layer]
                # Work packets belong to the last epoch of their buffer, the one in which they are used up.
                first = "last" if use.roles == WORK.roles else "first"
                found = [one for one in found if getattr(one, first) <= high + use.ahead and one.last >= low]
            self.known[key] = found
        return self.known[key]

    def inside(self, memory: Memory, uses: Sequence[Use], span: tuple[int, int], what: str, place: Location) -> None:
        """Bytes [first, past) belong to one buffer."""
        first, past = span
        known = [one for use in uses for one in self.candidates(memory, use)]
        for one in known:
            if one.offset <= first and past <= one.end:
                return
        known = sorted(known, key=lambda one: (max(first - one.end, one.offset - past), one.offset))
        layer = "" if self.layer is None else f" in layer {self.layer}"
        text = f"{what}{layer} touches bytes {first}..{past - 1} of {memory}, which are not of one buffer"
        _fail("memory-outside", text, place, [f"in use: {one}" for one in known[:NOTES]])

    def configure(self, op: CoreConfigOp) -> None:
        """The slots a core is told of are slots of that kind, in its own memory or the one below."""
        config = CoreConfig.decode(op.words)
        for role, address, size in slots_of(config):
            side = "own" if address >= CORE_MEMORY_BYTES["own"] else "south"
            row = op.row - (side == "south")
            offset = address - CORE_MEMORY_BYTES[side]
            memory = Memory("core", op.column, row)
            if not any(
                one.role == role and one.offset == offset and one.size == size for one in self.groups.get(memory, [])
            ):
                text = f"tile({op.column},{op.row}) is told of {size} bytes at {offset} of {memory}"
                _fail("memory-outside", f"{text}, where no '{role}' buffer is", op.loc)


def slots_of(config: CoreConfig) -> Iterator[tuple[str, int, int]]:
    """Role, address as the core sees it, and bytes of what a configuration names."""
    yield "act", config.act_slot0, config.act_bytes
    yield "act", config.act_slot1, config.act_bytes
    yield "work", config.work_slot0, config.work_bytes
    yield "work", config.work_slot1, config.work_bytes
    yield "out", config.out_slot0, config.out_bytes
    yield "out", config.out_slot1, config.out_bytes
    yield "acc", config.acc_address, config.acc_bytes


def touched(bd: BdOp, repeat: int | None) -> list[tuple[int, int]]:
    """What a descriptor touches in `repeat` rounds (None: for ever): first byte and the one past."""
    left, low, high = bd.length, 0, 0
    for step, wrap in zip_longest(bd.steps, bd.wraps):
        count = left if wrap is None else min(wrap, left)
        reach = (count - 1) * step
        low, high = low + min(reach, 0), high + max(reach, 0)
        left = -(-left // count)
    base, shifts = bd.address * WORD, {0}
    if bd.iteration is not None:
        step, wrap, current = bd.iteration
        rounds = wrap if repeat is None else min(wrap, repeat)
        shifts = {step * ((current + one) % wrap) for one in range(rounds)}
    return [(base + (low + one) * WORD, base + (high + one + 1) * WORD) for one in sorted(shifts)]
