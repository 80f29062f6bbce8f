"""From `tile` ops to `aie2` ops: what each channel of each column moves, in which order, from where."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from compiler.encoding.overlay import (
    BROADCAST_ID,
    LOAD_CHANNELS,
    OUT_FREE,
    OUT_FULL,
    ROW_IDS,
    STORE_CHANNEL,
    STORE_ID,
    UPPER_FREE,
    UPPER_FULL,
    act_stream,
    output_stream,
    shares_output,
)
from compiler.encoding.tiles import Direction, Side, TileKind, memtile_word
from compiler.errors import UNKNOWN
from compiler.ir import Module, Op, Rewriter, Value
from compiler.kernels.programs.resident import Feature
from compiler.mapping.buffers import (
    alloc_of,
    ddr_specs,
    local_bytes,
    local_specs,
    reachable_specs,
    share_of,
    shifted,
    unshared_of,
)
from compiler.mapping.control import Channel, Controller
from compiler.mapping.feeds import feed_of
from compiler.mapping.packing import Constants, PacketMaker, extents_of, pack_activation
from compiler.mapping.patterns import (
    LONG_CHAIN,
    MAX_CHAIN,
    Spec,
    Task,
    Transfer,
    coalesce,
    order_of,
    packet_of,
    transfers_of,
)
from compiler.mapping.places import Spread, clipped, of_argument, spread_tasks
from compiler.mapping.program import OutPacket, Region, Step, broadcasts_acts, chunks
from compiler.mapping.setup import load_programs, set_up_cores
from compiler.mapping.shapes import Storage
from compiler.target import Target
from dialects import aie2, tile

CONSTANTS = "weights.bin"
"""Symbol under which the bytes of DDR argument 0 are kept in the module's store."""


class Place(NamedTuple):
    """When a call happens, and in which core row."""

    step: int
    call: int
    row: int

    @property
    def key(self) -> int:
        """One number that orders calls of all rows."""
        return order_of(self.step, self.call)


class Ahead(NamedTuple):
    """A task for a run that may be pushed before its turn, as it waits for nothing of that run."""

    channel: Channel
    task: Task
    run: tile.RunOp


class Lowering:
    """State of the lowering: the controller, the bytes of argument 0, which out slot each core uses next, what packets
    ask of the cores' program, and the layer that is being served."""

    def __init__(self, module: Module, target: Target) -> None:
        self.module, self.target = module, target
        self.control = Controller(Rewriter(module.function().body.block, module.function().return_op), UNKNOWN)
        self.parity: dict[tuple[int, int], int] = defaultdict(int)
        self.constants = Constants()
        self.makers: dict[int, PacketMaker] = {}
        self.features: set[Feature] = set()
        self.layer = -1

    def set_up(self) -> None:
        """Constants, and the fixed part of every core: rings, locks, configuration."""
        self._fill_constants()
        run = next(iter(self.module.walk(tile.RunOp)), None)
        if run is not None:
            set_up_cores(self.control, self.target, run.core)

    def _fill_constants(self) -> None:
        allocs = [one for one in self.module.walk(tile.AllocOp) if one.data]
        size = max((one.offset + one.type.bytes for one in allocs), default=0)
        memory = np.zeros(-(-size // 64) * 64, np.uint8)
        for alloc in allocs:
            data = pack_activation(alloc.storage, self.module.store[alloc.data])
            memory[alloc.offset : alloc.offset + data.size] = data
        self.constants.append(memory)

    def lower(self, ops: Sequence[Op]) -> None:
        """Lower loads, runs and stores in their order."""
        runs = [op for op in ops if isinstance(op, tile.RunOp)]
        loads: dict[int, list[tile.LoadOp]] = defaultdict(list)
        stores: dict[Value[tile.BufferType], list[int]] = defaultdict(list)
        by_epoch: dict[int, list[tile.StoreOp]] = defaultdict(list)
        for op in ops:
            if isinstance(op, tile.LoadOp):
                loads[op.epoch].append(op)
            elif isinstance(op, tile.StoreOp):
                stores[op.into].append(op.epoch)
                by_epoch[op.epoch].append(op)

        def waits(load: tile.LoadOp) -> bool:
            """Whether what it reads is stored so late that it is not there while the run before goes on."""
            return not load.epoch or bool({load.epoch - 2, load.epoch - 1} & set(stores[load.source]))

        ahead, later = self._work(runs[0]) if runs else ([], [])
        for run in runs:
            self._begin(run, ahead, [one for one in loads[run.epoch] if waits(one)])
            work, ahead, later = later, [], []
            if run.epoch + 1 < len(runs):
                following = runs[run.epoch + 1]
                ahead, later = self._work(following)
                for one in loads[following.epoch]:
                    if not waits(one):
                        ahead += self._load(one, following)
            ahead = self._run(run, work, ahead)
            self._serve(run)
            for store in by_epoch[run.epoch]:
                self._store(store)
        self.control.drain(len(runs) + 1)
        self.module.store[CONSTANTS] = self.constants.whole()
        load_programs(self.module, self.features)

    def _serve(self, run: tile.RunOp) -> None:
        """What follows is for the layer of this run."""
        self.control.loc = run.loc
        if run.layer_index != self.layer:
            self.layer = run.layer_index
            self.control.emit(aie2.LayerOp(run.layer_index, run.title))

    def _memory_tile(self, column: int, direction: Direction, number: int) -> Channel:
        return Channel.of_memory_tile(self.target, column, direction, number)

    def _load(self, load: tile.LoadOp, run: tile.RunOp) -> list[Ahead]:
        """DDR to memory tiles, each column its rows and blocks: half of the rows by each channel."""
        source, into = alloc_of(load.source), alloc_of(load.into)
        found = []
        for column in range(self.target.columns):
            share, start = share_of(into, column), memtile_word(Side.OWN, into.offset)
            for number, rows in enumerate(chunks(*share.rows, max(1, -(-(share.rows[1] - share.rows[0]) // 2)))):
                part = replace(share, rows=rows)
                if part.bytes:
                    receive = Task((Spec(start, part.bytes // 4),), 1, -1, -1)
                    read = Task(ddr_specs(source, part), 1, -1, -1)
                    found.append(Ahead(self._memory_tile(column, Direction.S2MM, LOAD_CHANNELS[number]), receive, run))
                    found.append(Ahead(Channel.of_shim(column, Direction.MM2S, number), read, run))
                    start += part.bytes // 4
        return found

    def _store(self, store: tile.StoreOp) -> None:
        """Memory tiles to DDR, after the run that filled them."""
        source, into = alloc_of(store.source), alloc_of(store.into)
        self.control.drain(store.epoch)
        for column in range(self.target.columns):
            share = unshared_of(source, column)
            if store.spread is not None and share.bytes:
                self._store_spread(store, column, share, store.spread)
            if share.bytes == 0 or store.spread is not None:
                continue
            spec = Spec(memtile_word(Side.OWN, local_bytes(source, column, share)), share.bytes // 4)
            send = self._memory_tile(column, Direction.MM2S, STORE_CHANNEL)
            write = Task(ddr_specs(into, share), 1, 0, 0)
            self.control.push(Channel.of_shim(column, Direction.S2MM, 0), write, store.epoch + 1)
            self.control.push(send, Task(packet_of((spec,), STORE_ID), 1, 0, 0), store.epoch + 1)

    def _store_spread(self, store: tile.StoreOp, column: int, share: Region, numbers: Sequence[int]) -> None:
        """A column's share of a part of an interleaved tensor; it is sent first, as to take it may need many tasks."""
        source, into = alloc_of(store.source), alloc_of(store.into)
        spread = Spread((numbers[0], numbers[1]), (numbers[2], numbers[3]))
        part = clipped(source.storage, into.storage, share, spread)
        if part.bytes == 0:
            return
        send = Task(packet_of(local_specs(source, Side.OWN, column, part), STORE_ID), 1, 0, 0)
        self.control.push(self._memory_tile(column, Direction.MM2S, STORE_CHANNEL), send, store.epoch + 1)
        for task in spread_tasks(source.storage, into.storage, part, store.at_block, spread, into.offset // 4):
            write = of_argument(task, into.argument)
            self.control.push(Channel.of_shim(column, Direction.S2MM, 0), write, store.epoch + 1)

    def _begin(self, run: tile.RunOp, ahead: Sequence[Ahead], loads: Sequence[tile.LoadOp]) -> None:
        """Wait for what a run needs: what was pushed ahead for it, and what the run before has just stored."""
        self._serve(run)
        self.control.drain(run.epoch - 1)
        if loads:
            self.control.drain(run.epoch, *(Channel.of_shim(c, Direction.S2MM, 0) for c in range(self.target.columns)))
        for one in (*ahead, *(one for load in loads for one in self._load(load, run))):
            self._push_ahead(one)
        for column in range(self.target.columns):
            into = [self._memory_tile(column, Direction.S2MM, channel) for channel in LOAD_CHANNELS]
            shims = [Channel.of_shim(column, Direction.MM2S, number) for number in range(len(LOAD_CHANNELS))]
            self.control.drain(run.epoch, *into, *shims)

    def _push_ahead(self, one: Ahead) -> None:
        self._serve(one.run)
        self.control.push(one.channel, one.task, one.run.epoch)

    def _run(self, run: tile.RunOp, work: Sequence[tuple[Channel, Task]], ahead: Sequence[Ahead]) -> list[Ahead]:
        """Push what a run's channels do, its work among it, and behind that of a channel what it can fetch of the next.

        Returns what there was no room for.
        """
        pushes = list(work)
        for column, extent in enumerate(extents_of(run)):
            if extent.empty:
                continue
            steps = self._maker(run).steps(extent, self.target.core_rows)
            pushes += self._folded(self._transfers(run, column, steps))
        del self.makers[run.epoch]  # its steps are large, and nothing asks for them again
        left = Counter(channel for channel, _ in pushes)
        kept: Counter[tuple[int, int, int]] = Counter()
        for channel, task in pushes:
            kept[channel.pool] += len(task.chain)
        waiting: dict[Channel, deque[Ahead]] = defaultdict(deque)
        for one in ahead:
            waiting[one.channel].append(one)
        for channel, task in in_turn(pushes):
            self._serve(run)
            self.control.push(channel, task, run.epoch)
            left[channel] -= 1
            kept[channel.pool] -= len(task.chain)
            for other, queue in waiting.items():
                while queue and not left[other] and self._has_room(queue[0], kept[other.pool]):
                    self._push_ahead(queue.popleft())
        return [one for queue in waiting.values() for one in queue]

    def _folded(self, moves: Sequence[tuple[Channel, list[Transfer]]]) -> list[tuple[Channel, Task]]:
        """The tasks of a column's channels; where control costs time in long chains, if descriptors suffice."""
        found: list[tuple[Channel, list[Task]]] = []
        longest = LONG_CHAIN if self.target.control.write_cycles else MAX_CHAIN
        used: Counter[tuple[int, int, int]] = Counter()
        for channel, transfers in moves:
            tasks = coalesce(channel.kind, transfers, longest)
            used[channel.pool] += max(len(task.chain) for task in tasks)
            found.append((channel, tasks))
        pushes: list[tuple[Channel, Task]] = []
        for (channel, tasks), (_, transfers) in zip(found, moves, strict=True):
            # A quarter of a pool is for work, loads and stores.
            if used[channel.pool] > len(channel.descriptors) * 3 // 4:
                tasks = coalesce(channel.kind, transfers)
            pushes += [(channel, task) for task in tasks]
        return pushes

    def _has_room(self, one: Ahead, kept: int) -> bool:
        """Whether it can be pushed at once, and leaves the run enough descriptors: all it needs, or half of a pool."""
        half = len(one.channel.descriptors) // 2
        return self.control.has_room(one.channel, one.task, min(kept, half))

    def _transfers(self, run: tile.RunOp, column: int, steps: list[list[Step]]) -> list[tuple[Channel, list[Transfer]]]:
        """What each channel of a column moves in a run."""
        order = sorted(
            Place(s, c, row)
            for row, own in enumerate(steps)
            for s, step in enumerate(own)
            for c in range(len(step.calls))
        )
        moves: dict[Channel, list[Transfer]] = defaultdict(list)
        for place in order:
            call = steps[place.row][place.step].calls[place.call]
            if call.out is not None:
                self._out(run, column, place, call.out, moves)
        for place in order:
            call = steps[place.row][place.step].calls[place.call]
            shared = broadcasts_acts(run.layer, run.mapping)
            if call.act is None or (shared and place.row):
                continue
            stream = 0 if shared else act_stream(place.row, self.target.core_rows)
            specs: list[Spec] = []
            for operand, part in call.act.parts:
                specs += reachable_specs(alloc_of(run.inputs[operand]), column, shifted(part, run.at_blocks[operand]))
            packet = packet_of(specs, BROADCAST_ID if shared else ROW_IDS[place.row])
            moves[self._memory_tile(column, Direction.MM2S, stream)] += transfers_of(place.key, packet)
        return list(moves.items())

    def _out(
        self, run: tile.RunOp, column: int, place: Place, out: OutPacket, moves: dict[Channel, list[Transfer]]
    ) -> None:
        """A tile and its border from a core's out slot to their places in the memory tile."""
        alloc = alloc_of(run.out)
        stream = output_stream(place.row, self.target.core_rows)
        specs: list[Spec] = []
        end = share_of(alloc, column).rows[1]
        spare = [replace(one, rows=(one.rows[0] + end, one.rows[1] + end)) for one in out.spare]
        for part in (out.tile, *out.border, *spare):
            specs += local_specs(alloc, Side.OWN, column, shifted(part, run.at_blocks[-1]))
        moves[self._memory_tile(column, Direction.S2MM, stream)] += transfers_of(place.key, specs)
        upper = shares_output(self.target.core_rows) and place.row % 2 == 1
        owner = place.row - upper
        slot = run.core.out[self.parity[column, place.row] % 2] + upper * 2 * run.core.out_bytes
        self.parity[column, place.row] += 1
        full, free = (UPPER_FULL, UPPER_FREE) if upper else (OUT_FULL, OUT_FREE)
        spec = Spec(slot // 4, out.bytes // 4)
        row = self.target.first_core_row + owner
        channel = Channel(column, row, TileKind.CORE, Direction.MM2S, 0)
        moves[channel].append(Transfer(place.key, packet_of((spec,), None, (full, 1), (free, 1))))

    def _work(self, run: tile.RunOp) -> tuple[list[Ahead], list[tuple[Channel, Task]]]:
        """What brings a run's work packets: what can be pushed before the run, and what takes its turn in it."""
        self._serve(run)
        feed = feed_of(run, self._maker(run), self.target, self.constants)
        for lock in feed.locks:
            self.control.emit(lock)
        self.features |= feed.features
        return [Ahead(channel, task, run) for channel, task in feed.ahead], feed.later

    def _maker(self, run: tile.RunOp) -> PacketMaker:
        """The packet maker of a run, made once."""
        if run.epoch not in self.makers:
            channels = (run.layer.channels, *(run.layer.out_channels for _ in run.inputs[1:]))
            inputs = [_view(alloc_of(one), count) for one, count in zip(run.inputs, channels, strict=True)]
            output = _view(alloc_of(run.out), run.layer.out_channels)
            self.makers[run.epoch] = PacketMaker(self.module, run, tuple(inputs), output)
        return self.makers[run.epoch]


def in_turn(pushes: Sequence[tuple[Channel, Task]]) -> list[tuple[Channel, Task]]:
    """The pushes of a run in the order of their moments, within each channel as they are.

    Of one moment all channels push their first, then all their second: a channel whose queue is full is awaited when
    the others have work, too.
    """
    counts: dict[tuple[Channel, int], int] = defaultdict(int)
    places = []
    for channel, task in pushes:
        places.append((task.first, channel.turn, counts[channel, task.first]))
        counts[channel, task.first] += 1
    return [pushes[i] for i in sorted(range(len(pushes)), key=places.__getitem__)]


def _view(alloc: tile.AllocOp, channels: int) -> Storage:
    return replace(alloc.storage, channels=channels)
