"""How work packets get from DDR to the cores: by which channels, through which slots of a memory tile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from compiler.encoding.overlay import (
    BROADCAST_ID,
    LANES_BELOW_ACTS,
    LANES_BESIDE_ACTS,
    LOAD_CHANNELS,
    SHARED_CHANNEL,
    SHARED_ID,
    WORK_CHANNEL,
    WORK_IDS,
    lane_of,
    shared_row,
)
from compiler.encoding.tiles import Direction, Side, TileKind, memtile_lock, memtile_word
from compiler.kernels.programs.resident import Feature
from compiler.mapping.control import Channel
from compiler.mapping.packing import Bytes, Constants, PacketMaker, extents_of
from compiler.mapping.patterns import Spec, Task, Transfer, coalesce, order_of, packet_of
from compiler.mapping.program import broadcasts_acts
from compiler.mapping.setup import features_in
from compiler.target import Target
from dialects import aie2, tile

MOST_LANES = max(len(LANES_BELOW_ACTS), len(LANES_BESIDE_ACTS))


class WorkLane(NamedTuple):
    """Work packets that one channel of a memory tile sends: those of some senders of each step.

    They lie in a slot one behind the other from packet `first` on, come by the channel `load` and have two locks.
    """

    channel: int
    load: int
    senders: tuple[int, ...]
    first: int
    free: int
    full: int


def work_lanes_of(run: tile.RunOp) -> tuple[WorkLane, ...]:
    """The lanes of a run's work: one for all cores or for a row of cores, or several for cores one by one."""
    base = 2 * MOST_LANES * (run.epoch % 2)
    if run.senders == 1:
        # Runs in turn by both channels, so that the next run's packets need not wait for all of this one's.
        channel = SHARED_CHANNEL if run.mapping.shared else WORK_CHANNEL
        return (WorkLane(channel, LOAD_CHANNELS[run.epoch % 2], (0,), 0, base, base + 1),)
    channels = LANES_BELOW_ACTS if broadcasts_acts(run.layer, run.mapping) else LANES_BESIDE_ACTS
    lanes: list[WorkLane] = []
    first = 0
    for number, channel in enumerate(channels[: run.senders]):
        senders = tuple(row for row in range(run.senders) if lane_of(row, channels, run.senders) == channel)
        load = LOAD_CHANNELS[(number + 1) % len(LOAD_CHANNELS)]
        lanes.append(WorkLane(channel, load, senders, first, base + 2 * number, base + 2 * number + 1))
        first += len(senders)
    return tuple(lanes)


@dataclass
class Feed:
    """What the work packets of a run take: locks of memory tiles, and tasks of channels in the order of each.

    Tasks in `ahead` may be pushed before the run, those in `later` take their turn among what the run pushes.
    `features` is what the packets ask of the cores' program.
    """

    locks: list[aie2.LockOp] = field(default_factory=list)
    ahead: list[tuple[Channel, Task]] = field(default_factory=list)
    later: list[tuple[Channel, Task]] = field(default_factory=list)
    features: set[Feature] = field(default_factory=set)


def feed_of(run: tile.RunOp, maker: PacketMaker, target: Target, constants: Constants) -> Feed:
    """The feed of a run: DDR to a ring of slots in the memory tile, and from there to the cores.

    Appends the packets to `constants`.
    """
    feed, lanes = Feed(), work_lanes_of(run)
    for column, packets in _packets_of(run, maker, target):
        slots = min(run.slots, len(packets))
        feed.features |= {feature for step in packets for one in step for feature in features_in(one)}
        for lane in lanes:
            feed.locks.append(aie2.LockOp(column, target.memory_tile_row, lane.free, slots))
            feed.locks.append(aie2.LockOp(column, target.memory_tile_row, lane.full, 0))
        for number, channel in enumerate(LOAD_CHANNELS):
            own = [lane for lane in lanes if lane.load == channel]
            if own:
                shim = Channel.of_shim(column, Direction.MM2S, number)
                load = Channel.of_memory_tile(target, column, Direction.S2MM, channel)
                _receive(feed, run, own, packets, slots, shim, load, constants)
        for lane in lanes:
            send = Channel.of_memory_tile(target, column, Direction.MM2S, lane.channel)
            sends = [Transfer(order_of(step), _sends(run, lane, step % slots)) for step in range(len(packets))]
            feed.later += [(send, task) for task in coalesce(TileKind.MEMTILE, sends)]
    return feed


def _packets_of(run: tile.RunOp, maker: PacketMaker, target: Target) -> Iterator[tuple[int, list[list[Bytes]]]]:
    """The columns that send work, each with its packets by step, then by sender."""
    extents = extents_of(run)
    if run.mapping.shared:
        # All columns would make the same packets; each sends those of one row.
        made = maker.column(extents[0], target.core_rows)
        for column in range(target.columns):
            row = shared_row(column, target.columns, target.core_rows)
            if row is not None:
                yield column, [[step[row]] for step in made]
        return
    for column, extent in enumerate(extents):
        if not extent.empty:
            yield column, maker.column(extent, target.core_rows)


def _receive(
    feed: Feed,
    run: tile.RunOp,
    lanes: Sequence[WorkLane],
    packets: list[list[Bytes]],
    slots: int,
    shim: Channel,
    load: Channel,
    constants: Constants,
) -> None:
    """The packets of some lanes from DDR: those of the first steps before the run, the others in their turn."""
    data = np.concatenate([step[sender] for step in packets for lane in lanes for sender in lane.senders])
    into = [Transfer(order_of(step), _into(run, lanes, step % slots)) for step in range(len(packets))]
    start, step_words = constants.append(data) // 4, data.size // 4 // len(packets)
    ahead = min(run.ahead, slots)
    for first, last, tasks in ((0, ahead, feed.ahead), (ahead, len(packets), feed.later)):
        if first == last:
            continue
        spec = Spec(start + first * step_words, (last - first) * step_words, argument=0)
        tasks.append((shim, Task((spec,), 1, order_of(first), order_of(last - 1))))
        tasks += [(load, task) for task in coalesce(TileKind.MEMTILE, into[first:last])]


def _into(run: tile.RunOp, lanes: Sequence[WorkLane], slot: int) -> tuple[Spec, ...]:
    """Where a step's packets go in the memory tile, one descriptor for each lane."""
    words = run.packet_bytes // 4
    return tuple(
        replace(
            Spec(_slot_word(run, slot) + lane.first * words, len(lane.senders) * words),
            acquire=(memtile_lock(Side.OWN, lane.free), 1),
            release=(memtile_lock(Side.OWN, lane.full), len(lane.senders)),
        )
        for lane in lanes
    )


def _sends(run: tile.RunOp, lane: WorkLane, slot: int) -> tuple[Spec, ...]:
    """A lane's packets of one slot to their cores, one descriptor each."""
    words = run.packet_bytes // 4
    specs: list[Spec] = []
    for place, sender in enumerate(lane.senders):
        give = (memtile_lock(Side.OWN, lane.free), 1) if sender == lane.senders[-1] else None
        alone = SHARED_ID if run.mapping.shared else BROADCAST_ID
        name = alone if run.senders == 1 else WORK_IDS[sender]
        spec = Spec(_slot_word(run, slot) + (lane.first + place) * words, words)
        specs += packet_of((spec,), name, (memtile_lock(Side.OWN, lane.full), 1), give)
    return tuple(specs)


def _slot_word(run: tile.RunOp, slot: int) -> int:
    return memtile_word(Side.OWN, run.work_offset + slot * run.packet_bytes * run.senders)
