"""From `tile` ops to `aie2` ops: what each channel of each column moves, in which order, from where."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from compiler.encoding.descriptors import bds_of_channel
from compiler.encoding.overlay import (
    BROADCAST_ID,
    LANES_BELOW_ACTS,
    LANES_BESIDE_ACTS,
    LOAD_CHANNELS,
    OUT_FREE,
    OUT_FULL,
    ROW_IDS,
    SHARED_CHANNEL,
    SHARED_ID,
    STORE_CHANNEL,
    STORE_ID,
    UPPER_FREE,
    UPPER_FULL,
    WORK_CHANNEL,
    WORK_IDS,
    act_stream,
    lane_of,
    output_stream,
    shared_row,
    shares_output,
)
from compiler.encoding.tiles import Direction, Side, TileKind, memtile_lock, memtile_word
from compiler.encoding.work import BLOCK
from compiler.errors import UNKNOWN
from compiler.ir import Module, Op, Rewriter, Value
from compiler.kernels.programs.resident import Feature
from compiler.mapping.control import Channel, Controller
from compiler.mapping.packing import PacketMaker, pack_activation
from compiler.mapping.patterns import (
    LONG_CHAIN,
    MAX_CHAIN,
    Spec,
    Task,
    Transfer,
    coalesce,
    fit,
    packet_of,
    transfers_of,
)
from compiler.mapping.program import Extent, OutPacket, Region, Step, broadcasts_acts, chunks, columns_of
from compiler.mapping.setup import features_in, load_programs, set_up_cores
from compiler.mapping.shapes import Storage
from compiler.target import Target
from dialects import aie2, tile

CONSTANTS = "weights.bin"
"""Symbol under which the bytes of DDR argument 0 are kept in the module's store."""

MOST_LANES = len(LANES_BELOW_ACTS)

CALLS_A_STEP = 1 << 12
"""Calls of different steps are ordered by step * CALLS_A_STEP + call."""


class Place(NamedTuple):
    """When a call happens, and in which core row."""

    step: int
    call: int
    row: int

    @property
    def key(self) -> int:
        """One number that orders calls of all rows."""
        return self.step * CALLS_A_STEP + self.call


class Lane(NamedTuple):
    """Work packets that one channel of a memory tile sends: those of some senders of each step.

    They lie in a slot one behind the other from packet `first` on, come by the channel `load` and have two locks.
    """

    channel: int
    load: int
    senders: tuple[int, ...]
    first: int
    free: int
    full: int


class Ahead(NamedTuple):
    """A task for a run that may be pushed before its turn, as it waits for nothing of that run."""

    channel: Channel
    task: Task
    run: tile.RunOp


class Lowering:
    """State of the lowering: the controller, the bytes of argument 0, which out slot each core uses next, and what is
    still to be pushed of the next run's work."""

    def __init__(self, module: Module, target: Target) -> None:
        self.module, self.target = module, target
        self.control = Controller(Rewriter(module.function().body.block, module.function().return_op), UNKNOWN)
        self.parity: dict[tuple[int, int], int] = defaultdict(int)
        self.constants: list[NDArray[np.uint8]] = []
        self.constant_bytes = 0
        self.makers: dict[int, PacketMaker] = {}
        self.later: list[tuple[Channel, Task]] = []
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
        self.constant_bytes = memory.size

    def lower(self, ops: Sequence[Op]) -> None:
        """Lower loads, runs and stores in their order."""
        runs = [op for op in ops if isinstance(op, tile.RunOp)]
        loads: dict[int, list[tile.LoadOp]] = defaultdict(list)
        stores: dict[Value[tile.BufferType], list[int]] = defaultdict(list)
        for op in ops:
            if isinstance(op, tile.LoadOp):
                loads[op.epoch].append(op)
            elif isinstance(op, tile.StoreOp):
                stores[op.into].append(op.epoch)
        by_epoch = {op.epoch: op for op in ops if isinstance(op, tile.StoreOp)}

        def waits(load: tile.LoadOp) -> bool:
            """Whether what it reads is stored so late that it is not there while the run before goes on."""
            return not load.epoch or bool({load.epoch - 2, load.epoch - 1} & set(stores[load.source]))

        ahead = self._work(runs[0]) if runs else []
        for run in runs:
            self._begin(run, ahead, [one for one in loads[run.epoch] if waits(one)])
            pushes, self.later, ahead = self.later, [], []
            if run.epoch + 1 < len(runs):
                following = runs[run.epoch + 1]
                ahead = self._work(following)
                for one in loads[following.epoch]:
                    if not waits(one):
                        ahead += self._load(one, following)
            ahead = self._run(run, pushes, ahead)
            self._serve(run)
            if run.epoch in by_epoch:
                self._store(by_epoch[run.epoch])
        self.control.drain(len(runs) + 1)
        self.module.store[CONSTANTS] = np.concatenate(self.constants)
        load_programs(self.module, self.features)

    def _serve(self, run: tile.RunOp) -> None:
        """What follows is for the layer of this run."""
        if run.layer_index != self.layer:
            self.layer = run.layer_index
            self.control.emit(aie2.LayerOp(run.layer_index, run.title))

    def _channel(self, column: int, direction: Direction, number: int) -> Channel:
        return Channel(column, self.target.memory_tile_row, TileKind.MEMTILE, direction, number)

    def _shim(self, column: int, direction: Direction, number: int) -> Channel:
        return Channel(column, 0, TileKind.SHIM, direction, number)

    def _load(self, load: tile.LoadOp, run: tile.RunOp) -> list[Ahead]:
        """DDR to memory tiles, each column its rows and blocks: half of the rows by each channel."""
        source, into = _alloc(load.source), _alloc(load.into)
        found = []
        for column in range(self.target.columns):
            share, start = _share(into, column), memtile_word(Side.OWN, into.offset)
            for number, rows in enumerate(chunks(*share.rows, max(1, -(-(share.rows[1] - share.rows[0]) // 2)))):
                part = replace(share, rows=rows)
                if part.bytes:
                    receive = Task((Spec(start, part.bytes // 4),), 1, -1, -1)
                    read = Task(_ddr_specs(source, part), 1, -1, -1)
                    found.append(Ahead(self._channel(column, Direction.S2MM, LOAD_CHANNELS[number]), receive, run))
                    found.append(Ahead(self._shim(column, Direction.MM2S, number), read, run))
                    start += part.bytes // 4
        return found

    def _store(self, store: tile.StoreOp) -> None:
        """Memory tiles to DDR, after the run that filled them."""
        self.control.loc = store.loc
        source, into = _alloc(store.source), _alloc(store.into)
        self.control.drain(store.epoch)
        for column in range(self.target.columns):
            share = _unshared(source, column)
            if share.bytes == 0:
                continue
            spec = Spec(memtile_word(Side.OWN, _local(source, column, share)[0]), share.bytes // 4)
            specs = packet_of((spec,), STORE_ID)
            self._push(self._shim(column, Direction.S2MM, 0), _ddr_specs(into, share), store.epoch + 1, 0)
            self._push(self._channel(column, Direction.MM2S, STORE_CHANNEL), specs, store.epoch + 1, 0)

    def _push(self, channel: Channel, specs: tuple[Spec, ...], epoch: int, step: int) -> None:
        self.control.push(channel, Task(specs, 1, step, step), epoch)

    def _begin(self, run: tile.RunOp, ahead: Sequence[Ahead], loads: Sequence[tile.LoadOp]) -> None:
        """Wait for what a run needs: what was pushed ahead for it, and what the run before has just stored."""
        self._serve(run)
        self.control.drain(run.epoch - 1)
        if loads:
            self.control.drain(run.epoch, *(self._shim(c, Direction.S2MM, 0) for c in range(self.target.columns)))
        for one in (*ahead, *(one for load in loads for one in self._load(load, run))):
            self._push_ahead(one)
        for column in range(self.target.columns):
            into = [self._channel(column, Direction.S2MM, channel) for channel in LOAD_CHANNELS]
            shims = [self._shim(column, Direction.MM2S, number) for number in range(len(LOAD_CHANNELS))]
            self.control.drain(run.epoch, *into, *shims)

    def _push_ahead(self, one: Ahead) -> None:
        self._serve(one.run)
        self.control.loc = one.run.loc
        self.control.push(one.channel, one.task, one.run.epoch)

    def _run(self, run: tile.RunOp, pushes: list[tuple[Channel, Task]], ahead: Sequence[Ahead]) -> list[Ahead]:
        """Push what a run's channels do, and behind that of a channel what it can fetch of the next run.

        Returns what there was no room for.
        """
        for column, extent in enumerate(extents_of(run)):
            if extent.empty:
                continue
            steps = maker_of(self, run).steps(extent, self.target.core_rows)
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
            self.control.loc = run.loc
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
            if used[channel.pool] > len(bds_of_channel(channel.kind, channel.number)) * 3 // 4:
                tasks = coalesce(channel.kind, transfers)
            pushes += [(channel, task) for task in tasks]
        return pushes

    def _has_room(self, one: Ahead, kept: int) -> bool:
        """Whether it can be pushed at once, and leaves the run enough descriptors: all it needs, or half of a pool."""
        half = len(bds_of_channel(one.channel.kind, one.channel.number)) // 2
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
            specs = [spec for operand, part in call.act.parts for spec in self._act(run, operand, column, part)]
            packet = packet_of(specs, BROADCAST_ID if shared else ROW_IDS[place.row])
            moves[self._channel(column, Direction.MM2S, stream)] += transfers_of(place.key, packet)
        return list(moves.items())

    def _out(
        self, run: tile.RunOp, column: int, place: Place, out: OutPacket, moves: dict[Channel, list[Transfer]]
    ) -> None:
        """A tile and its border from a core's out slot to their places in the memory tile."""
        alloc = _alloc(run.out)
        stream = output_stream(place.row, self.target.core_rows)
        specs: list[Spec] = []
        end = _share(alloc, column).rows[1]
        spare = [replace(one, rows=(one.rows[0] + end, one.rows[1] + end)) for one in out.spare]
        for part in (out.tile, *out.border, *spare):
            address, dims = _local(alloc, column, _shift(part, run.at_blocks[-1]))
            specs += fit(TileKind.MEMTILE, memtile_word(Side.OWN, address), dims)
        moves[self._channel(column, Direction.S2MM, stream)] += transfers_of(place.key, specs)
        upper = shares_output(self.target.core_rows) and place.row % 2 == 1
        owner = place.row - upper
        slot = run.core.out[self.parity[column, place.row] % 2] + upper * 2 * run.core.out_bytes
        self.parity[column, place.row] += 1
        full, free = (UPPER_FULL, UPPER_FREE) if upper else (OUT_FULL, OUT_FREE)
        spec = Spec(slot // 4, out.bytes // 4)
        row = self.target.first_core_row + owner
        channel = Channel(column, row, TileKind.CORE, Direction.MM2S, 0)
        moves[channel].append(Transfer(place.key, packet_of((spec,), None, (full, 1), (free, 1))))

    def _act(self, run: tile.RunOp, operand: int, column: int, part: Region) -> list[Spec]:
        """Descriptors that read part of an operand, from this memory tile and the two beside it."""
        alloc = _alloc(run.inputs[operand])
        moved = _shift(part, run.at_blocks[operand])
        specs: list[Spec] = []
        row = moved.rows[0]
        while row < moved.rows[1]:
            side, owner = _holder(alloc, column, row)
            end = min(moved.rows[1], alloc.rows[2 * owner + 1])
            address, dims = _local(alloc, owner, replace(moved, rows=(row, end)))
            specs += fit(TileKind.MEMTILE, memtile_word(side, address), dims)
            row = end
        return specs

    def _work(self, run: tile.RunOp) -> list[Ahead]:
        """Work packets of a run: DDR to a ring of slots in the memory tile, and from there to the cores.

        Returns what can be pushed before the run; the rest takes its turn among the run's pushes.
        """
        found: list[Ahead] = []
        self._serve(run)
        self.control.loc = run.loc
        maker = maker_of(self, run)
        lanes = lanes_of(run)
        for column, extent in enumerate(extents_of(run)):
            if extent.empty:
                continue
            packets = maker.column(extent, self.target.core_rows)
            if run.mapping.shared:
                # All columns make the same packets; each sends those of one row.
                row = shared_row(column, self.target.columns, self.target.core_rows)
                if row is None:
                    continue
                packets = [[step[row]] for step in packets]
            slots = min(run.slots, len(packets))
            self.features |= {feature for step in packets for one in step for feature in features_in(one)}
            for lane in lanes:
                self.control.emit(aie2.LockOp(column, self.target.memory_tile_row, lane.free, slots))
                self.control.emit(aie2.LockOp(column, self.target.memory_tile_row, lane.full, 0))
            for number, channel in enumerate(LOAD_CHANNELS):
                own = [lane for lane in lanes if lane.load == channel]
                if own:
                    found += self._feed(run, column, own, packets, slots, number)
            for lane in lanes:
                sends = [
                    Transfer(step * CALLS_A_STEP, self._sends(run, lane, step % slots)) for step in range(len(packets))
                ]
                send = self._channel(column, Direction.MM2S, lane.channel)
                self.later += [(send, task) for task in coalesce(TileKind.MEMTILE, sends)]
        return found

    def _feed(
        self,
        run: tile.RunOp,
        column: int,
        lanes: Sequence[Lane],
        packets: list[list[NDArray[np.uint8]]],
        slots: int,
        number: int,
    ) -> list[Ahead]:
        """The packets of some lanes from DDR: those of the first steps before the run, the others in their turn."""
        found: list[Ahead] = []
        load = self._channel(column, Direction.S2MM, LOAD_CHANNELS[number])
        shim = self._shim(column, Direction.MM2S, number)
        data = np.concatenate([step[sender] for step in packets for lane in lanes for sender in lane.senders])
        into = [Transfer(step * CALLS_A_STEP, self._into(run, lanes, step % slots)) for step in range(len(packets))]
        step_words = data.size // 4 // len(packets)
        ahead = min(run.ahead, slots)
        for first, last in ((0, ahead), (ahead, len(packets))):
            if first == last:
                continue
            spec = Spec(self.constant_bytes // 4 + first * step_words, (last - first) * step_words, argument=0)
            feed = Task((spec,), 1, first * CALLS_A_STEP, (last - 1) * CALLS_A_STEP)
            tasks = [(shim, feed), *((load, task) for task in coalesce(TileKind.MEMTILE, into[first:last]))]
            if first:
                self.later += tasks
            else:
                found += [Ahead(channel, task, run) for channel, task in tasks]
        self.constants.append(data)
        self.constant_bytes += data.size
        return found

    def _into(self, run: tile.RunOp, lanes: Sequence[Lane], slot: int) -> tuple[Spec, ...]:
        """Where a step's packets go in the memory tile, one descriptor for each lane."""
        words = run.packet_bytes // 4
        return tuple(
            replace(
                Spec(self._slot(run, slot) + lane.first * words, len(lane.senders) * words),
                acquire=(memtile_lock(Side.OWN, lane.free), 1),
                release=(memtile_lock(Side.OWN, lane.full), len(lane.senders)),
            )
            for lane in lanes
        )

    def _sends(self, run: tile.RunOp, lane: Lane, slot: int) -> tuple[Spec, ...]:
        """A lane's packets of one slot to their cores, one descriptor each."""
        words = run.packet_bytes // 4
        specs: list[Spec] = []
        for place, sender in enumerate(lane.senders):
            give = (memtile_lock(Side.OWN, lane.free), 1) if sender == lane.senders[-1] else None
            alone = SHARED_ID if run.mapping.shared else BROADCAST_ID
            name = alone if run.senders == 1 else WORK_IDS[sender]
            spec = Spec(self._slot(run, slot) + (lane.first + place) * words, words)
            specs += packet_of((spec,), name, (memtile_lock(Side.OWN, lane.full), 1), give)
        return tuple(specs)

    def _slot(self, run: tile.RunOp, slot: int) -> int:
        return memtile_word(Side.OWN, run.work_offset + slot * run.packet_bytes * run.senders)


def lanes_of(run: tile.RunOp) -> tuple[Lane, ...]:
    """The lanes of a run's work: one for all cores or for a row of cores, or several for cores one by one."""
    base = 2 * MOST_LANES * (run.epoch % 2)
    if run.senders == 1:
        # Runs in turn by both channels, so that the next run's packets need not wait for all of this one's.
        channel = SHARED_CHANNEL if run.mapping.shared else WORK_CHANNEL
        return (Lane(channel, LOAD_CHANNELS[run.epoch % 2], (0,), 0, base, base + 1),)
    channels = LANES_BELOW_ACTS if broadcasts_acts(run.layer, run.mapping) else LANES_BESIDE_ACTS
    lanes: list[Lane] = []
    first = 0
    for number, channel in enumerate(channels[: run.senders]):
        senders = tuple(row for row in range(run.senders) if lane_of(row, channels, run.senders) == channel)
        load = LOAD_CHANNELS[(number + 1) % len(LOAD_CHANNELS)]
        lanes.append(Lane(channel, load, senders, first, base + 2 * number, base + 2 * number + 1))
        first += len(senders)
    return tuple(lanes)


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


def maker_of(lowering: Lowering, run: tile.RunOp) -> PacketMaker:
    """The packet maker of a run, made once."""
    if run.epoch not in lowering.makers:
        storages = [_view(_alloc(one), run.layer.channels if i == 0 else run.layer.out_channels)
                    for i, one in enumerate(run.inputs)]  # fmt: skip
        output = _view(_alloc(run.out), run.layer.out_channels)
        lowering.makers[run.epoch] = PacketMaker(lowering.module, run, tuple(storages), output)
    return lowering.makers[run.epoch]


def _view(alloc: tile.AllocOp, channels: int) -> Storage:
    return replace(alloc.storage, channels=channels)


def extents_of(run: tile.RunOp) -> list[Extent]:
    """The extents of a run, one a column."""
    flat = run.extents
    return [Extent((flat[i], flat[i + 1]), (flat[i + 2], flat[i + 3])) for i in range(0, len(flat), 4)]


def _alloc(value: Value[tile.BufferType]) -> tile.AllocOp:
    op = value.op
    assert isinstance(op, tile.AllocOp)
    return op


def _shift(part: Region, by: int) -> Region:
    """The part where its first block is in the buffer."""
    return replace(part, blocks=(part.blocks[0] + by, part.blocks[1] + by))


def _share(alloc: tile.AllocOp, column: int) -> Region:
    """What a column holds of a buffer."""
    rows = (alloc.rows[2 * column], alloc.rows[2 * column + 1])
    blocks = (alloc.blocks[2 * column], alloc.blocks[2 * column + 1])
    return columns_of(rows, blocks, 0, alloc.storage.pitch)


def _unshared(alloc: tile.AllocOp, column: int) -> Region:
    """What of it the column before does not hold, too."""
    own = _share(alloc, column)
    before = _share(alloc, column - 1) if column else None
    if before is None or before.blocks != own.blocks or before.rows[1] <= own.rows[0]:
        return own
    return replace(own, rows=(min(before.rows[1], own.rows[1]), own.rows[1]))


def _holder(alloc: tile.AllocOp, column: int, row: int) -> tuple[Side, int]:
    """Which memory tile, seen from a column, holds a stored row: its own if it does."""
    for side, owner in ((Side.OWN, column), (Side.WEST, column - 1), (Side.EAST, column + 1)):
        if 0 <= owner < len(alloc.rows) // 2 and alloc.rows[2 * owner] <= row < alloc.rows[2 * owner + 1]:
            return side, owner
    raise AssertionError(f"{alloc.owner}: row {row} is out of reach of column {column}")


def _local(alloc: tile.AllocOp, column: int, part: Region) -> tuple[int, list[tuple[int, int]]]:
    """Byte address in a column's memory tile of a part's first byte, and its dimensions in words."""
    share = _share(alloc, column)
    held = share.blocks[1] - share.blocks[0]
    pitch = alloc.storage.pitch
    row, block = part.rows[0] - share.rows[0], part.blocks[0] - share.blocks[0]
    address = alloc.offset + ((row * held + block) * pitch + part.start) * BLOCK
    return address, _dims(part, pitch, held)


def _dims(part: Region, pitch: int, held: int) -> list[tuple[int, int]]:
    words = BLOCK // 4
    return [
        (words, 1),
        *((count, step * words) for count, step in part.walk),
        (part.blocks[1] - part.blocks[0], pitch * words),
        (part.rows[1] - part.rows[0], held * pitch * words),
    ]


def _ddr_specs(alloc: tile.AllocOp, part: Region) -> tuple[Spec, ...]:
    """Descriptors of a shim for part of an activation in DDR."""
    storage = alloc.storage
    start = alloc.offset // 4 + ((part.rows[0] * storage.blocks + part.blocks[0]) * storage.pitch) * 2
    dims = _dims(part, storage.pitch, storage.blocks)
    return tuple(replace(one, argument=alloc.argument) for one in fit(TileKind.SHIM, start, dims))
