"""`route-streams`: the overlay's static configuration of every stream switch (docs/plan-format.md).

A core switch has one arbiter per stream.  Masters that take the same packet share an arbiter, and so do the
slaves that feed one master: DMA 0 (activations) and North 0 have arbiter 0, DMA 1 (work) and North 4 have arbiter 4.
Within an arbiter the msel says who takes the packet: core, both, rows above, or the core and those beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from compiler.encoding.overlay import (
    BROADCAST_ID,
    LANES_BELOW_ACTS,
    LANES_BESIDE_ACTS,
    LOAD_CHANNELS,
    ROW_IDS,
    SHARED_CHANNEL,
    SHARED_ID,
    STORE_CHANNEL,
    STORE_ID,
    WORK_CHANNEL,
    WORK_IDS,
    act_stream,
    lane_of,
    output_stream,
    shared_row,
    shares_output,
)
from compiler.encoding.registers import SHIM_MM2S_SOUTH, SHIM_S2MM_SOUTH
from compiler.encoding.switch import PACKET_IDS, SLOTS, Bundle, Port, check_connection
from compiler.encoding.tiles import TileKind
from compiler.errors import Diagnostic, InternalError
from compiler.ir import Module, Op, Rewriter
from compiler.pass_manager import Pass
from dialects.aie2 import CircuitOp, PacketMasterOp, PacketSlaveOp, ShimMuxOp, port_name, port_of

if TYPE_CHECKING:
    from compiler.target import Target

ID_MASK = PACKET_IDS - 1
WORK_STREAM = WORK_CHANNEL
DMA_ARBITERS = (0, WORK_STREAM)
"""Of a core's two receiving channels: those of the streams by which their broadcasts come."""
STORE_ARBITER, STORE_MSEL = WORK_STREAM, 1
"""Of a memory tile, for results on their way to DDR; all six arbiters serve streams, and this one few."""
SHIM_ROW = 0
# Which of an arbiter's masters take a packet.
CORE_ONLY, CORE_AND_NORTH, NORTH_ONLY, CORE_AND_BESIDE = range(4)


class Match(NamedTuple):
    """What a slot takes: packets whose id equals `id` where the mask has ones."""

    id: int
    mask: int

    @property
    def ids(self) -> frozenset[int]:
        """All ids it takes."""
        return _ids(self.id, self.mask)


@cache
def _ids(id: int, mask: int) -> frozenset[int]:
    return frozenset(one for one in range(PACKET_IDS) if one & mask == id)


class Slot(NamedTuple):
    """One match slot of a slave port."""

    id: int
    mask: int
    msel: int
    arbiter: int


@cache
def cover(wanted: frozenset[int], refused: frozenset[int], limit: int = SLOTS) -> tuple[Match, ...] | None:
    """The fewest matches that take all wanted ids, none refused and none twice; of equals the tightest."""
    if not wanted:
        return ()
    if not limit:
        return None
    best: tuple[Match, ...] | None = None
    for mask in reversed(range(PACKET_IDS)):
        match = Match(min(wanted) & mask, mask)
        if match.ids & refused:
            continue
        rest = cover(wanted - match.ids, refused | match.ids, limit - 1)
        if rest is not None and (best is None or _cost((match, *rest)) < _cost(best)):
            best = (match, *rest)
    return best


def _cost(matches: tuple[Match, ...]) -> tuple[int, int]:
    return len(matches), sum(len(match.ids) for match in matches)


class Flow(NamedTuple):
    """Packets of one id on a stream: the core rows that take them, the channel they take them by, and whether they go
    on from there to the cores beside."""

    id: int
    rows: tuple[int, ...]
    dma: int
    beside: bool = False


@cache
def flows(stream: int, rows: int, shared: int | None = None) -> tuple[Flow, ...]:
    """What may come by a stream: packets for all rows, for rows one by one, and for the row `shared` of all columns."""
    found = []
    if stream == SHARED_CHANNEL and shared is not None:
        found.append(Flow(SHARED_ID, (shared,), 1, beside=True))
    if stream in DMA_ARBITERS:
        found.append(Flow(BROADCAST_ID, tuple(range(rows)), DMA_ARBITERS.index(stream)))
    found += [Flow(ROW_IDS[row], (row,), 0) for row in range(rows) if act_stream(row, rows) == stream]
    lanes = LANES_BESIDE_ACTS, LANES_BELOW_ACTS
    found += [Flow(WORK_IDS[r], (r,), 1) for r in range(rows) if stream in [lane_of(r, one, rows) for one in lanes]]
    return tuple(found)


def streams_of(rows: int, shared: int | None) -> tuple[int, ...]:
    """The streams by which something comes."""
    return tuple(stream for stream in range(STORE_CHANNEL + 1) if flows(stream, rows, shared))


def core_slots(stream: int, row: int, rows: int, shared: int | None = None) -> tuple[Slot, ...]:
    """The match slots of the South slave of a stream in the core switch of a row; none if nothing comes."""
    here = [flow for flow in flows(stream, rows, shared) if row in flow.rows]
    north = [flow for flow in flows(stream, rows, shared) if row not in flow.rows and flow.rows[-1] > row]
    slots = []
    for flow in here:
        to = CORE_AND_BESIDE if flow.beside else CORE_AND_NORTH if flow.rows[-1] > row else CORE_ONLY
        slots.append(Slot(flow.id, ID_MASK, to, DMA_ARBITERS[flow.dma]))
    matches = cover(frozenset(flow.id for flow in north), frozenset(flow.id for flow in here))
    if matches is None or len(slots) + len(matches) > SLOTS:
        text = f"core row {row} of {rows} needs more than {SLOTS} slots for stream {stream}"
        raise InternalError(Diagnostic("route-slots", text))
    return (*slots, *(Slot(match.id, match.mask, NORTH_ONLY, stream) for match in matches))


def goes_north(stream: int, row: int, rows: int, shared: int | None) -> bool:
    """Whether some row above listens to a stream."""
    return any(flow.rows[-1] > row for flow in flows(stream, rows, shared))


def sends_output(row: int, rows: int) -> bool:
    """Whether a row's own DMA sends outputs: of two rows that share a stream only the lower one does."""
    return not shares_output(rows) or row % 2 == 0


def output_streams(rows: int, above: int = -1) -> tuple[int, ...]:
    """The output streams that rows above one feed."""
    return tuple(output_stream(row, rows) for row in range(above + 1, rows) if sends_output(row, rows))


@dataclass(frozen=True)
class _Switch:
    """Makes the operations of one switch and checks that it has the wires."""

    kind: TileKind
    column: int
    row: int

    def circuit(self, slave: Port, master: Port) -> CircuitOp:
        """One slave port to one master port."""
        check_connection(self.kind, slave, master)
        return CircuitOp(self.column, self.row, port_name(slave), port_name(master))

    def slave(self, slave: Port, slots: Iterable[Slot], masters: Iterable[Port]) -> PacketSlaveOp:
        """A slave port in packet mode; its packets leave by these masters."""
        for master in masters:
            check_connection(self.kind, slave, master)
        numbers = tuple(number for slot in slots for number in slot)
        return PacketSlaveOp(self.column, self.row, port_name(slave), numbers)

    def master(self, port: Port, arbiter: int, msels: Iterable[int], drop: bool = False) -> PacketMasterOp:
        """A master port that takes packets of an arbiter."""
        mask = sum(1 << msel for msel in msels)
        return PacketMasterOp(self.column, self.row, port_name(port), arbiter, mask, drop)


def _dma(index: int) -> Port:
    return Port(Bundle.DMA, index)


def _south(index: int) -> Port:
    return Port(Bundle.SOUTH, index)


def _north(index: int) -> Port:
    return Port(Bundle.NORTH, index)


def _east(index: int) -> Port:
    return Port(Bundle.EAST, index)


def _west(index: int) -> Port:
    return Port(Bundle.WEST, index)


def _shim_ops(column: int) -> Iterator[Op]:
    """DDR to the memory tile by streams 0 and 1; outputs come back by stream 0."""
    switch = _Switch(TileKind.SHIM, column, SHIM_ROW)
    yield ShimMuxOp(column)
    for stream, port in enumerate(SHIM_MM2S_SOUTH):
        yield switch.circuit(_south(port), _north(stream))
    down = _south(SHIM_S2MM_SOUTH[0])
    yield switch.slave(_north(0), (Slot(STORE_ID, ID_MASK, 0, 0),), (down,))
    yield switch.master(down, 0, (0,), drop=True)


def _memory_tile_ops(column: int, row: int, columns: int, rows: int) -> Iterator[Op]:
    """The shim below, the cores above; packets go up whole, each stream through an arbiter of its own."""
    shared = shared_row(column, columns, rows)
    switch = _Switch(TileKind.MEMTILE, column, row)
    for stream, channel in enumerate(LOAD_CHANNELS):
        yield switch.circuit(_south(stream), _dma(channel))
    for stream in sorted({*streams_of(rows, shared), STORE_CHANNEL}):
        masters = [switch.master(_north(stream), stream, (0,))] if flows(stream, rows, shared) else []
        if stream == STORE_CHANNEL:
            masters.append(switch.master(_south(0), STORE_ARBITER, (STORE_MSEL,)))
        yield switch.slave(_dma(stream), _source_slots(stream, rows, shared), [_port(one) for one in masters])
        yield from masters
    for stream in output_streams(rows):
        yield switch.circuit(_north(stream), _dma(stream))


def _port(op: PacketMasterOp) -> Port:
    port = port_of(op.master)
    assert port is not None
    return port


def _source_slots(stream: int, rows: int, shared: int | None) -> Iterator[Slot]:
    """The match slots of a sending channel: all goes up, but results for DDR."""
    if stream != STORE_CHANNEL:
        yield Slot(0, 0, 0, stream)
        return
    yield Slot(STORE_ID, ID_MASK, STORE_MSEL, STORE_ARBITER)
    matches = cover(frozenset(flow.id for flow in flows(stream, rows, shared)), frozenset({STORE_ID}))
    assert matches is not None
    yield from (Slot(match.id, match.mask, 0, stream) for match in matches)


def _passed_ops(column: int, row: int, columns: int, rows: int) -> Iterator[Op]:
    """A memory tile between the one that holds data and the cores: its switch takes each stream straight through."""
    switch = _Switch(TileKind.MEMTILE, column, row)
    for stream in streams_of(rows, shared_row(column, columns, rows)):
        yield switch.circuit(_south(stream), _north(stream))
    for stream in output_streams(rows):
        yield switch.circuit(_north(stream), _south(stream))


def _core_ops(column: int, first_row: int, row: int, columns: int, rows: int) -> Iterator[Op]:
    """Packets for this core, for those above and beside it, and outputs on their way down."""
    switch = _Switch(TileKind.CORE, column, first_row + row)
    shared = shared_row(column, columns, rows)
    beside = _beside(column, row, columns, rows)
    for stream in streams_of(rows, shared):
        slots = core_slots(stream, row, rows, shared)
        if not slots:
            continue
        north = goes_north(stream, row, rows, shared)
        mine = [_dma(flow.dma) for flow in flows(stream, rows, shared) if row in flow.rows]
        on = [_north(stream)] if north else []
        on += beside if any(slot.msel == CORE_AND_BESIDE for slot in slots) else []
        yield switch.slave(_south(stream), slots, (*dict.fromkeys(mine), *on))
        if north:
            both = any(slot.msel == CORE_AND_NORTH for slot in slots)
            msels = (CORE_AND_NORTH, NORTH_ONLY) if both else (NORTH_ONLY,)
            yield switch.master(_north(stream), stream, msels)
    if shared_row(row, columns, rows) is not None:
        if column != row:
            slot = Slot(SHARED_ID, ID_MASK, CORE_AND_BESIDE, WORK_STREAM)
            yield switch.slave(_west(0) if column > row else _east(0), (slot,), (_dma(1), *beside))
        for port in beside:
            yield switch.master(port, WORK_STREAM, (CORE_AND_BESIDE,))
    for dma, arbiter in enumerate(DMA_ARBITERS):
        takes = (CORE_ONLY, CORE_AND_NORTH, CORE_AND_BESIDE) if arbiter == WORK_STREAM else (CORE_ONLY, CORE_AND_NORTH)
        yield switch.master(_dma(dma), arbiter, takes, drop=True)
    if sends_output(row, rows):
        yield switch.circuit(_dma(0), _south(output_stream(row, rows)))
    for stream in output_streams(rows, above=row):
        yield switch.circuit(_north(stream), _south(stream))


def _beside(column: int, row: int, columns: int, rows: int) -> list[Port]:
    """Where a core passes on packets for its whole row: away from the column that they come from."""
    if shared_row(row, columns, rows) is None:
        return []
    east = [_east(0)] if row <= column < columns - 1 else []
    west = [_west(0)] if 0 < column <= row else []
    return east + west


def overlay_ops(target: Target) -> Iterator[Op]:
    """The configuration of every switch of an array."""
    columns, rows, first_row = target.columns, target.core_rows, target.first_core_row
    for column in range(columns):
        yield from _shim_ops(column)
        yield from _memory_tile_ops(column, target.memory_tile_row, columns, rows)
        for row in range(target.memory_tile_row + 1, first_row):
            yield from _passed_ops(column, row, columns, rows)
        for row in range(rows):
            yield from _core_ops(column, first_row, row, columns, rows)


@dataclass(frozen=True)
class RouteStreams(Pass):
    """Configure the stream switches of the overlay, at the head of `main`."""

    name: ClassVar[str] = "route-streams"

    def run(self, module: Module, target: Target) -> None:
        rewriter = Rewriter.at_start(module.function().body.block)
        for op in overlay_ops(target):
            rewriter.insert(op)
