"""The order of control: pushes, waits and descriptor numbers, so that no queue overflows and no descriptor is
rewritten while it may be in use.

A task is known to be done only when its token, or a later one of its channel, has been awaited; only tasks that are
awaited give tokens. Who waits for a task
before all that it needs has been pushed waits for ever. So pushes of a run come in the order of moments: the step of
work, and within a step the turn of the channel. What a sender waits for to come through lies in earlier steps (slots
that cores give back); what a receiver waits for may be sent in its own step. So a task may be awaited from the moment
on at which it can end, and never before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, Self

from compiler.encoding.descriptors import LIMITS, bds_of_channel
from compiler.encoding.overlay import LOAD_CHANNELS
from compiler.encoding.tiles import Direction, TileKind
from compiler.errors import DoesNotFit, Limit, Reason
from compiler.ir import Location, Op, Rewriter
from compiler.mapping.patterns import Task
from compiler.target import Target
from dialects import aie2


class Turn(IntEnum):
    """Who comes first in a step of work."""

    FEED = 0
    """What brings data from DDR."""
    SEND = 1
    """What brings it to cores, and results from there."""
    RECEIVE = 2
    """What takes results."""


class Moment(NamedTuple):
    """When something is pushed, or can end at the earliest."""

    epoch: int
    step: int
    turn: Turn


@dataclass(frozen=True)
class Channel:
    """A DMA channel of a tile."""

    column: int
    row: int
    kind: TileKind
    direction: Direction
    number: int

    @classmethod
    def of_shim(cls, column: int, direction: Direction, number: int) -> Self:
        """A channel of a column's shim."""
        return cls(column, 0, TileKind.SHIM, direction, number)

    @classmethod
    def of_memory_tile(cls, target: Target, column: int, direction: Direction, number: int) -> Self:
        """A channel of the memory tile that holds a column's data."""
        return cls(column, target.memory_tile_row, TileKind.MEMTILE, direction, number)

    @property
    def pool(self) -> tuple[int, int, int]:
        """Channels of one pool take descriptors from each other."""
        return self.column, self.row, self.descriptors.start

    @property
    def descriptors(self) -> range:
        """The numbers of all descriptors of its pool."""
        return bds_of_channel(self.kind, self.number)

    @property
    def turn(self) -> Turn:
        """When it comes in a step."""
        if self.direction is Direction.MM2S:
            return Turn.SEND
        feeds = self.kind is TileKind.MEMTILE and self.number in LOAD_CHANNELS
        return Turn.FEED if feeds else Turn.RECEIVE


@dataclass
class Pending:
    """A pushed task that is not known to be done; from `done` on all that it needs has been pushed."""

    channel: Channel
    push: aie2.PushOp
    bds: tuple[int, ...]
    done: Moment


@dataclass
class Controller:
    """Emits descriptors, pushes and waits at the rewriter's place."""

    rw: Rewriter
    loc: Location
    pending: dict[Channel, deque[Pending]] = field(default_factory=dict)
    free: dict[tuple[int, int, int], deque[int]] = field(default_factory=dict)

    def emit(self, op: Op) -> None:
        """Insert an operation with the current location."""
        op.loc = self.loc
        self.rw.insert(op)

    def reserve(self, channel: Channel, count: int) -> range:
        """Take descriptors out of a pool for good."""
        pool = self._pool(channel)
        taken = [pool.popleft() for _ in range(count)]
        return range(taken[0], taken[0] + count)

    def _pool(self, channel: Channel) -> deque[int]:
        return self.free.setdefault(channel.pool, deque(channel.descriptors))

    def push(self, channel: Channel, task: Task, epoch: int) -> None:
        """Write the chain's descriptors and push it, waiting first for whatever is in its way."""
        waiting = self.pending.setdefault(channel, deque())
        now = Moment(epoch, task.first, channel.turn)
        depth = LIMITS[channel.kind].queue_depth
        while len(waiting) >= depth:
            self._make_room(channel, (waiting[0],), now, f"room in its queue of {depth}")
        pool = self._pool(channel)
        while len(pool) < len(task.chain):
            heads = [queue[0] for one, queue in self.pending.items() if queue and one.pool == channel.pool]
            have = len(channel.descriptors)
            self._make_room(channel, heads, now, f"free descriptor among {have}")
        bds = tuple(pool.popleft() for _ in task.chain)
        for position, (spec, bd) in enumerate(zip(task.chain, bds, strict=True)):
            self.emit(
                aie2.BdOp(
                    column=channel.column,
                    row=channel.row,
                    bd=bd,
                    address=spec.address,
                    length=spec.length,
                    steps=spec.steps,
                    wraps=spec.wraps,
                    iteration=spec.iteration,
                    acquire=spec.acquire,
                    release=spec.release,
                    next_bd=bds[position + 1] if position + 1 < len(bds) else None,
                    packet=spec.packet,
                    keep_open=spec.keep_open,
                    argument=spec.argument,
                )
            )
        push = aie2.PushOp(
            column=channel.column,
            row=channel.row,
            direction=channel.direction.name,
            channel=channel.number,
            bd=bds[0],
            repeat=task.repeat,
            token=False,
        )
        self.emit(push)
        waiting.append(Pending(channel, push, bds, Moment(epoch, task.last, channel.turn)))

    def has_room(self, channel: Channel, task: Task, kept: int) -> bool:
        """Whether a task can be pushed without waiting, and so many descriptors of its pool are left for others."""
        waiting = self.pending.get(channel, ())
        full = len(waiting) >= LIMITS[channel.kind].queue_depth
        return not full and len(self._pool(channel)) >= len(task.chain) + kept

    def sync(self, channel: Channel, count: int = 1) -> None:
        """Wait for the oldest tasks of a channel, by the token of the last of them, and take their descriptors back."""
        ended = [self.pending[channel].popleft() for _ in range(count)]
        self.rw.change(ended[-1].push, token=True)
        self.emit(aie2.SyncOp(channel.column, channel.row, channel.direction.name, channel.number))
        self._pool(channel).extend(bd for one in ended for bd in one.bds)

    def _make_room(self, channel: Channel, heads: Iterable[Pending], now: Moment, what: str) -> None:
        """Wait for that of the oldest tasks that ends first; it must not need what is pushed after it."""
        ending = [one for one in heads if one.done <= now]
        if not ending:
            raise DoesNotFit(
                Reason(
                    "descriptors",
                    f"tile({channel.column},{channel.row}) {channel.direction.name} {channel.number} finds no {what}, "
                    f"and none comes free before this step",
                    self.loc,
                    help="larger tiles (choose-tiles) need fewer descriptors",
                    limit=Limit("descriptors and queues", what, "none"),
                )
            )
        self.sync(min(ending, key=lambda one: (one.done, one.channel.number)).channel)

    def drain(self, epoch: int, *channels: Channel) -> None:
        """Wait for all tasks of these channels (all there are if none is named) up to an epoch."""
        for channel in channels or tuple(self.pending):
            count = sum(1 for one in self.pending.get(channel, ()) if one.done.epoch <= epoch)
            if count:
                self.sync(channel, count)
