"""A check of the finished operations against what the hardware does, sharing nothing with the passes.

A task is known to be done only after a sync took its token, or that of a later task of the same channel.
Until then its descriptors and locks are in use and it fills a place of its channel's queue.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from compiler.backend.limits import (
    Reporter,
    Switches,
    check_bd,
    check_core_config,
    check_lock,
    check_own_side,
    check_program,
    lock_place,
)
from compiler.encoding.descriptors import LIMITS, bds_of_channel
from compiler.encoding.registers import FinishOnTlast
from compiler.encoding.tiles import Direction, TileKind
from compiler.ir import Module, Op, ReturnOp, WeightStore
from compiler.target import Target
from dialects.aie2 import (
    BdOp,
    ChannelOp,
    CircuitOp,
    CoreConfigOp,
    CoreEnableOp,
    CoreResetOp,
    LayerOp,
    LockOp,
    PacketMasterOp,
    PacketSlaveOp,
    ProgramOp,
    PushOp,
    ShimMuxOp,
    SyncOp,
)
from dialects.tile import AllocOp, PortOp


def static_check(module: Module, target: Target, argument_bytes: Sequence[int] | None = None) -> None:
    """Refuse operations that hardware would hang or corrupt on; the bytes of DDR arguments may be given."""
    checker = _Checker(Reporter(target), argument_bytes, module.store)
    for index, op in enumerate(module.function().body.ops):
        checker.check.begin(index, op)
        checker.step(op)


Place = tuple[int, int, int]


@dataclass(eq=False)
class _Channel:
    """Tasks of one channel in the order of their pushes; the first `done` are known to be over."""

    name: str
    pushed: int = 0
    done: int = 0
    tokens: list[int] = field(default_factory=list)  # numbers of tasks with a token, not yet awaited


@dataclass(frozen=True)
class _Use:
    """A task that may still use something."""

    channel: _Channel
    task: int
    index: int

    @property
    def over(self) -> bool:
        return self.task < self.channel.done

    def __str__(self) -> str:
        return f"the task that op {self.index} pushed on {self.channel.name}, which no sync has awaited"


class _Checker:
    """Follows the stream and remembers what runs."""

    def __init__(self, check: Reporter, arguments: Sequence[int] | None, store: WeightStore) -> None:
        self.check = check
        self.arguments = arguments
        self.store = store
        self.switches = Switches(check)
        self.channels: dict[tuple[int, int, str, int], _Channel] = {}
        self.bds: dict[Place, BdOp] = {}
        self.bd_uses: dict[Place, list[_Use]] = {}
        self.lock_uses: dict[Place, list[_Use]] = {}
        self.programmed: set[tuple[int, int]] = set()
        self.enabled: set[tuple[int, int]] = set()

    def step(self, op: Op) -> None:
        """Check one operation and follow what it does."""
        match op:
            case CircuitOp():
                self.switches.circuit(op)
            case PacketSlaveOp():
                self.switches.packet_slave(op)
            case PacketMasterOp():
                self.switches.packet_master(op)
            case ShimMuxOp():
                self.check.kind(op.column, 0)
            case LockOp():
                self.lock(op)
            case CoreConfigOp():
                check_core_config(self.check, op)
                self.refuse_running(op.column, op.row, "the configuration")
            case CoreResetOp():
                self.refuse_running(op.column, op.row, "the reset bit")
            case ProgramOp():
                check_program(self.check, op, self.store)
                self.refuse_running(op.column, op.row, "the program")
                self.programmed.add((op.column, op.row))
            case CoreEnableOp():
                self.enable(op)
            case ChannelOp():
                self.configure(op)
            case BdOp():
                self.bd(op)
            case PushOp():
                self.push(op)
            case SyncOp():
                self.sync(op)
            case LayerOp() | ReturnOp() | AllocOp() | PortOp():
                pass
            case _:
                self.check.fail("check-op", "no control operation")

    def enable(self, op: CoreEnableOp) -> None:
        """Start a core, once."""
        if self.check.kind(op.column, op.row) is not TileKind.CORE:
            self.check.fail("check-tile", "there is no core in this tile")
        self.refuse_running(op.column, op.row, "the enable bit")
        if (op.column, op.row) not in self.programmed:
            self.check.fail("check-program", "the core has no program yet")
        self.enabled.add((op.column, op.row))

    def refuse_running(self, column: int, row: int, what: str) -> None:
        """A running core uses its locks and has read its record."""
        if (column, row) in self.enabled:
            self.check.fail("check-running", f"{what} of a core that runs is written")

    def lock(self, op: LockOp) -> None:
        """Set a lock that nothing uses."""
        check_lock(self.check, op)
        self.refuse_running(op.column, op.row, f"lock {op.lock}")
        place = (op.column, op.row, op.lock)
        self.refuse_busy("check-lock-busy", f"lock {op.lock}", self.lock_uses.get(place, []))

    def bd(self, op: BdOp) -> None:
        """Write a descriptor that nothing uses."""
        check_bd(self.check, op, self.arguments)
        place = (op.column, op.row, op.bd)
        self.refuse_busy("check-bd-busy", f"BD {op.bd}", self.bd_uses.get(place, []))
        self.bds[place] = op

    def refuse_busy(self, code: str, what: str, uses: list[_Use]) -> None:
        """Nothing that a running task needs may be rewritten."""
        uses[:] = [use for use in uses if not use.over]
        if uses:
            self.check.fail(code, f"{what} is written while it is in use by {uses[0]}")

    def channel(self, op: ChannelOp | PushOp | SyncOp) -> _Channel:
        """The channel that an operation names."""
        kind = self.check.kind(op.column, op.row)
        if op.direction not in Direction.__members__:
            self.check.fail("check-channel", f"the direction is '{op.direction}', allowed: MM2S, S2MM")
        self.check.within("check-channel", "the channel", op.channel, 0, LIMITS[kind].channels - 1)
        name = f"tile({op.column},{op.row}) {op.direction} {op.channel}"
        return self.channels.setdefault((op.column, op.row, op.direction, op.channel), _Channel(name))

    def configure(self, op: ChannelOp) -> None:
        """Set a channel up before its first task."""
        if self.channel(op).pushed > self.channel(op).done:
            self.check.fail("check-channel", "a channel is configured while it has tasks")
        self.check.within("check-channel", "finish_on_tlast", op.finish_on_tlast, 0, max(FinishOnTlast))
        if op.finish_on_tlast and op.direction != Direction.S2MM.name:
            self.check.fail("check-channel", "only S2MM channels end by TLAST")

    def push(self, op: PushOp) -> None:
        """Queue a task; all it may use is in use from now on."""
        channel, kind = self.channel(op), self.check.kind(op.column, op.row)
        limits = LIMITS[kind]
        self.check.within("check-repeat", "the repeat", op.repeat, 1, limits.max_repeat)
        waiting = channel.pushed - channel.done
        self.check.within("check-queue", "the number of tasks not awaited", waiting + 1, 1, limits.queue_depth)
        use = _Use(channel, channel.pushed, self.check.index)
        channel.pushed += 1
        if op.token:
            channel.tokens.append(use.task)
        for bd in self.chain(op, kind):
            if kind is TileKind.MEMTILE:
                check_own_side(self.check, bd, op.channel)
            _note(self.bd_uses, (bd.column, bd.row, bd.bd), use)
            for pair in (bd.acquire, bd.release):
                if pair is not None:
                    _note(self.lock_uses, lock_place(self.check, kind, bd, pair[0]), use)

    def chain(self, op: PushOp, kind: TileKind) -> Iterator[BdOp]:
        """The descriptors of a task, each once."""
        allowed = bds_of_channel(kind, op.channel)
        seen: set[int] = set()
        number: int | None = op.bd
        while number is not None and number not in seen:
            self.check.within("check-bd-channel", "the BD", number, allowed.start, allowed.stop - 1)
            bd = self.bds.get((op.column, op.row, number))
            if bd is None:
                self.check.fail("check-bd-unwritten", f"BD {number} of the task was never written")
            yield bd
            seen.add(number)
            number = bd.next_bd

    def sync(self, op: SyncOp) -> None:
        """Take the oldest token of a channel."""
        channel = self.channel(op)
        if not channel.tokens:
            self.check.fail("check-token", f"no token will come: {channel.pushed} tasks pushed, all tokens taken")
        channel.done = channel.tokens.pop(0) + 1


def _note(uses: dict[Place, list[_Use]], place: Place, use: _Use) -> None:
    """Remember a use, and forget those that are over, so that lists stay short."""
    known = uses.setdefault(place, [])
    known[:] = [one for one in known if not one.over]
    known.append(use)
