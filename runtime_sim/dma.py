"""DMA channels: task queues and descriptor chains as state machines over events."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING

from compiler.encoding.descriptors import (
    DESCRIPTORS,
    LIMITS,
    Acquire,
    Dim,
    MemTileBd,
    Release,
    ShimBd,
    bds_of_channel,
)
from compiler.encoding.registers import FinishOnTlast, MemTileTaskWord, TaskWord
from compiler.encoding.tiles import Direction, TileKind
from compiler.errors import BsccError, SimulationFault
from compiler.target import Target
from runtime_sim.array import Array, TileState, lane_name
from runtime_sim.faults import sim_fault
from runtime_sim.locks import Lock
from runtime_sim.memory import WORD, Access, Memory, Pattern, pattern_of
from runtime_sim.record import Event
from runtime_sim.streams import Route

if TYPE_CHECKING:
    from runtime_sim.transfer import Network


@dataclass(frozen=True, slots=True)
class Plan:
    """A descriptor decoded for running; `base` counts bytes for a shim and words elsewhere."""

    valid: bool
    length: int
    base: int
    pattern: Pattern
    iteration: Dim
    current: int
    acquire: Acquire | None
    release: Release | None
    following: int | None
    packet_id: int
    tlast: bool


@lru_cache(maxsize=1 << 16)
def _plan(kind: TileKind, words: tuple[int, ...]) -> Plan:
    """Decode a descriptor; equal words are decoded once."""
    bd = DESCRIPTORS[kind].decode(words[: DESCRIPTORS[kind].WORDS])
    if isinstance(bd, MemTileBd) and any(any(pair) for pair in bd.padding()):
        raise sim_fault("padding-unsupported", "the descriptor asks for zero padding", kind.value)
    if not isinstance(bd, ShimBd) and bd.compression:
        raise sim_fault("compression-unsupported", "the descriptor asks for compression", kind.value)
    return Plan(
        valid=bd.valid and bd.length > 0,
        length=bd.length,
        base=bd.address if isinstance(bd, ShimBd) else bd.base_words,
        pattern=pattern_of(bd.dims(), bd.length) if bd.length else Pattern(0, 0),
        iteration=bd.iteration(),
        current=bd.iteration_current,
        acquire=bd.acquire(),
        release=bd.release(),
        following=bd.following(),
        packet_id=bd.packet_id if bd.packet else -1,
        tlast=not bd.tlast_suppress,
    )


def _start_up(target: Target, kind: TileKind, direction: Direction) -> tuple[int, int]:
    """Cycles from the push of a task on an idle channel to its first word: the first time, and later."""
    timing, mm2s = target.timing, direction is Direction.MM2S
    if kind is not TileKind.SHIM:
        cycles = timing.mm2s_start_cycles if mm2s else 0
        return cycles, cycles
    later = timing.shim_mm2s_start_ns if mm2s else timing.shim_s2mm_start_ns
    first = timing.shim_mm2s_first_ns if mm2s else later
    return math.ceil(target.cycles(first)), math.ceil(target.cycles(later))


class State(Enum):
    """What a channel is doing."""

    IDLE = "has no task"
    LOCK = "waits for a lock"
    STARTING = "starts"
    READY = "waits for its stream"
    MOVING = "moves"


@dataclass(slots=True)
class Task:
    """A pushed task and how often its chain is still to run."""

    bd: int
    left: int
    token: bool
    layer: int


class Channel:
    """One DMA channel of a tile."""

    def __init__(self, array: Array, state: TileState, direction: Direction, number: int) -> None:
        self.array = array
        self.tile = state
        self.direction = direction
        self.number = number
        self.lane = lane_name(state, direction, number)
        self.network: Network
        self.on_token: Callable[[Channel], None]
        self.finish_on_tlast = False
        self.queue: deque[Task] = deque()
        self.state = State.IDLE
        self.route: Route | None = None
        self.blocked: dict[Channel, None] = {}
        self.bd = 0
        self.plan: Plan
        self.memory: Memory
        self.access: Access
        self.attached = False
        self.opened = False
        self.done = 0
        self.started = 0
        self._delay = 0
        self._first_start, self._start = _start_up(array.target, state.kind, direction)
        self._release = 0
        if state.kind is TileKind.MEMTILE and direction is Direction.S2MM:
            self._release = array.target.timing.memory_tile_release_cycles
        self._allowed = bds_of_channel(state.kind, number)

    @property
    def layer(self) -> int:
        """The layer of the task that runs, -1 if unknown."""
        return self.queue[0].layer if self.queue else -1

    @property
    def room(self) -> int:
        """Words the current descriptor has left."""
        return self.plan.length - self.done

    @property
    def who(self) -> str:
        """The channel and its descriptor for messages."""
        return f"{self.lane} bd {self.bd}"

    def push(self, word: TaskWord | MemTileTaskWord, layer: int) -> None:
        """Queue a task; one more than the queue holds would be lost by hardware."""
        depth = LIMITS[self.tile.kind].queue_depth
        if len(self.queue) >= depth:
            text = f"task bd {word.bd} is pushed while {depth} tasks are outstanding"
            raise sim_fault("queue-overflow", text, self.lane, layer)
        self.queue.append(Task(word.bd, word.repeat, word.token, layer))
        if self.state is State.IDLE:
            start, self._first_start = self._first_start, self._start
            self._load(word.bd, start)

    def _load(self, number: int, delay: int) -> None:
        """Take up a descriptor and ask for its lock."""
        self.bd, self.done, self._delay = number, 0, delay
        self.attached = self.opened = False
        if number not in self._allowed:
            text = f"allowed: {self._allowed.start}..{self._allowed.stop - 1}"
            raise sim_fault("bd-channel", text, self.who, self.layer)
        register = self.tile.bds[number]
        try:
            plan = self.plan = _plan(self.tile.kind, tuple(register.words))
        except BsccError as error:
            code = error.diagnostic.code if isinstance(error, SimulationFault) else "bd-invalid"
            raise sim_fault(code, error.diagnostic.message, self.who, self.layer) from error
        if not plan.valid:
            text = "the descriptor is not valid or has no length"
            raise sim_fault("bd-invalid", text, self.who, self.layer)
        current = plan.current if register.current is None else register.current
        register.current = (current + 1) % plan.iteration.wrap
        scale = WORD if self.tile.kind is TileKind.SHIM else 1
        base = plan.base + current * plan.iteration.step * scale
        memory, word = self.array.dma_memory(self.tile, self.number, base, plan.pattern.span, self.who)
        self.memory = memory
        self.access = Access(self.who, word, plan.pattern, self.direction is Direction.S2MM, self.layer)
        self._acquire(plan.acquire)

    def _acquire(self, wanted: Acquire | None) -> None:
        self.state = State.LOCK
        if wanted is not None:
            lock = self.array.dma_lock(self.tile, self.number, wanted.lock, self.who)
            if not lock.acquire(wanted.amount, wanted.at_least, self._granted):
                return
        self._granted()

    def _granted(self) -> None:
        self.state = State.STARTING
        self.started = self.array.clock.now
        if self._delay:
            self.array.clock.after(self._delay, self._ready)
        else:
            self._ready()

    def _ready(self) -> None:
        self.state = State.READY
        if self.direction is Direction.MM2S:
            self.network.offer(self)
        else:
            blocked, self.blocked = self.blocked, {}
            for source in blocked:
                self.network.offer(source)

    def open(self) -> None:
        """The first words of a descriptor are about to move."""
        self.opened = True
        if self.array.settings.compute:
            self.memory.begin(self.access)
            if self.finish_on_tlast and self.direction is Direction.S2MM:
                self.memory.forget(self.access)

    def close(self) -> None:
        """The last words of a descriptor have moved; who waits for its lock has not been told yet."""
        if self.opened and self.array.settings.compute:
            self.memory.end(self.access)
        if self.direction is Direction.S2MM and self.tile.kind is TileKind.CORE:
            self.memory.received[self.access.base * WORD] = self.done * WORD

    def complete(self) -> None:
        """Release the lock and go on to the next descriptor, repetition or task."""
        self._record()
        release = self.plan.release
        if release is not None:
            lock = self.array.dma_lock(self.tile, self.number, release.lock, self.who)
            self._give(lock, release.change)
        switch = self.array.target.timing.bd_switch_cycles
        if self.plan.following is not None:
            self._load(self.plan.following, switch)
            return
        task = self.queue[0]
        task.left -= 1
        if task.left:
            self._load(task.bd, switch)
            return
        self.queue.popleft()
        self.state = State.IDLE
        if self.queue:
            self._load(self.queue[0].bd, switch)
        if task.token:
            self.on_token(self)

    def _give(self, lock: Lock, change: int) -> None:
        """Release a lock; what a memory tile has received is there a little later."""
        if self._release:
            self.array.clock.after(self._release, lock.release, change, self.who, self.layer)
        else:
            lock.release(change, self.who, self.layer)

    def _record(self) -> None:
        result, now, moved = self.array.result, self.array.clock.now, self.done * WORD
        layer = self.layer
        result.event(Event(self.started, now, self.tile.name, self.lane, f"bd {self.bd}", layer, moved))
        result.moved[self.lane] += moved
        if self.tile.kind is TileKind.SHIM:
            if self.direction is Direction.MM2S:
                result.ddr_read += moved
            else:
                result.ddr_written += moved

    def set_control(self, finish_on_tlast: int) -> None:
        """Channel control: whether TLAST ends a descriptor."""
        self.finish_on_tlast = finish_on_tlast != FinishOnTlast.DISABLED

    def uses(self, bd: int) -> bool:
        """Whether a descriptor is running, waits for its lock or starts a queued task."""
        if self.state is State.IDLE:
            return False
        return bd == self.bd or any(task.bd == bd for task in list(self.queue)[1:])

    def is_endless(self) -> bool:
        """Whether the running chain leads back into itself, as the rings of the overlay do."""
        seen: set[int] = set()
        number: int | None = self.bd
        while number is not None and number not in seen:
            seen.add(number)
            number = _plan(self.tile.kind, tuple(self.tile.bds[number].words)).following
        return number is not None

    def complaint(self) -> str:
        """Why the channel has not finished, empty if it may stand as it does."""
        sending = self.direction is Direction.MM2S and self.state is State.READY
        if self.state is State.IDLE or (self.is_endless() and not sending):
            return ""
        what = self.state.value
        if self.state is State.LOCK and self.plan.acquire is not None:
            wanted = self.plan.acquire
            lock = self.array.dma_lock(self.tile, self.number, wanted.lock, self.who)
            sign = ">=" if wanted.at_least else "=="
            what = f"waits for {lock.name} {sign} {wanted.amount}, which is {lock.value}"
        elif self.state is State.READY:
            what = self._stream_wait()
        layer = f", layer {self.layer}" if self.layer >= 0 else ""
        return f"{self.who} {what} ({self.done} of {self.plan.length} words done{layer})"

    def _stream_wait(self) -> str:
        if self.direction is Direction.S2MM:
            return "waits for data from its stream"
        if self.route is None:
            return "waits for an arbiter"
        blocked = [sink.lane for sink in self.network.sinks_of(self.route) if sink.state is not State.READY]
        return f"waits for {', '.join(blocked)} to accept"
