"""Stream switches: who receives what a DMA sends, and who must wait for whom, read from their registers."""

from dataclasses import dataclass, field
from typing import NamedTuple

from compiler.encoding.registers import (
    SHIM_MM2S_SOUTH,
    SHIM_S2MM_SOUTH,
    CircuitMaster,
    DemuxWord,
    MasterWord,
    MuxWord,
    PacketMaster,
    ShimRoute,
    SlaveWord,
    SlotWord,
)
from compiler.encoding.switch import Bundle, Port, is_legal, slave_ports
from compiler.encoding.tiles import Tile, TileKind
from runtime_sim.faults import sim_fault

Place = tuple[int, int]


class Sink(NamedTuple):
    """An S2MM channel that a stream ends in."""

    place: Place
    channel: int


@dataclass(frozen=True)
class Route:
    """Where a stream or a packet goes, and the arbiters it holds on its way."""

    sinks: tuple[Sink, ...]
    arbiters: frozenset[tuple[Place, int]]
    packet: bool


@dataclass
class Switch:
    """The registers of one tile's switch."""

    tile: Tile
    masters: dict[Port, MasterWord] = field(default_factory=dict)
    slaves: dict[Port, SlaveWord] = field(default_factory=dict)
    slots: dict[Port, dict[int, SlotWord]] = field(default_factory=dict)
    mux: MuxWord = field(default_factory=MuxWord)
    demux: DemuxWord = field(default_factory=DemuxWord)

    def circuit(self, slave: Port) -> list[Port]:
        """Masters that copy a slave port."""
        number = slave_ports(self.tile.kind).index(slave)
        return [
            port
            for port, word in self.masters.items()
            if isinstance(word, CircuitMaster) and word.enable and word.slave == number
        ]

    def packet(self, slot: SlotWord) -> list[tuple[Port, PacketMaster]]:
        """Masters that take packets of a slot."""
        return [
            (port, word)
            for port, word in self.masters.items()
            if isinstance(word, PacketMaster)
            and word.enable
            and word.arbiter == slot.arbiter
            and word.msels >> slot.msel & 1
        ]


_OPPOSITE = {
    Bundle.NORTH: (Bundle.SOUTH, 0, 1),
    Bundle.SOUTH: (Bundle.NORTH, 0, -1),
    Bundle.EAST: (Bundle.WEST, 1, 0),
    Bundle.WEST: (Bundle.EAST, -1, 0),
}


class _Walk:
    """One search along the switches from a slave port."""

    def __init__(self, switches: dict[Place, Switch], who: str, packet_id: int) -> None:
        self.switches, self.who, self.packet_id = switches, who, packet_id
        self.sinks: list[Sink] = []
        self.arbiters: set[tuple[Place, int]] = set()
        self.packet = False
        self._seen: set[tuple[Place, Port]] = set()

    def enter(self, place: Place, slave: Port, in_packet: bool) -> None:
        """Follow what comes in at a slave port."""
        switch = self.switches.get(place)
        here = f"tile({place[0]},{place[1]})"
        if switch is None:
            raise sim_fault("stream-unrouted", f"the stream leaves the array at {here}", self.who)
        if (place, slave) in self._seen:
            raise sim_fault("stream-loop", f"the stream comes back to {slave} of {here}", self.who)
        self._seen.add((place, slave))
        word = switch.slaves.get(slave)
        if word is None or not word.enable:
            raise sim_fault("stream-unrouted", f"slave port {slave} of {here} is not enabled", self.who)
        if word.packet:
            self._packet(switch, place, slave)
            return
        masters = switch.circuit(slave)
        if not masters:
            raise sim_fault("stream-unrouted", f"no master of {here} copies slave port {slave}", self.who)
        for master in masters:
            self._leave(switch, place, slave, master, in_packet, in_packet)

    def _packet(self, switch: Switch, place: Place, slave: Port) -> None:
        self.packet = True
        here = f"tile({place[0]},{place[1]})"
        if self.packet_id < 0:
            text = f"words without a packet header reach the packet port {slave} of {here}"
            raise sim_fault("packet-unrouted", text, self.who)
        slots = switch.slots.get(slave, {})
        matching = [number for number, slot in slots.items() if slot.matches(self.packet_id)]
        about = f"packet id {self.packet_id} at slave port {slave} of {here}"
        if not matching:
            raise sim_fault("packet-unrouted", f"{about} matches no slot", self.who)
        if len(matching) > 1:
            raise sim_fault("packet-ambiguous", f"{about} matches slots {sorted(matching)}", self.who)
        slot = slots[matching[0]]
        masters = switch.packet(slot)
        if not masters:
            text = f"{about}: no master takes arbiter {slot.arbiter} msel {slot.msel}"
            raise sim_fault("packet-unrouted", text, self.who)
        self.arbiters.add((place, slot.arbiter))
        for master, word in masters:
            self._leave(switch, place, slave, master, not word.drop_header, True)

    def _leave(self, switch: Switch, place: Place, slave: Port, master: Port, header: bool, in_packet: bool) -> None:
        """Follow a master port; `header` tells whether the header word is still there."""
        kind, here = switch.tile.kind, f"tile({place[0]},{place[1]})"
        if not is_legal(kind, slave, master):
            text = f"the switch of {here} has no wire from {slave} to {master}"
            raise sim_fault("stream-illegal", text, self.who)
        shim_exit = kind is TileKind.SHIM and master.bundle is Bundle.SOUTH
        if master.bundle is Bundle.DMA or shim_exit:
            if in_packet and header:
                text = f"the packet header is not dropped at {master} of {here}"
                raise sim_fault("packet-header", text, self.who)
            channel = _shim_sink(switch, master, self.who) if shim_exit else master.index
            self.sinks.append(Sink(place, channel))
            return
        if master.bundle not in _OPPOSITE:
            raise sim_fault("stream-unsupported", f"the stream ends in {master} of {here}", self.who)
        if in_packet and not header:
            raise sim_fault("packet-header", f"the packet header is dropped too early, at {here}", self.who)
        bundle, right, up = _OPPOSITE[master.bundle]
        self.enter((place[0] + right, place[1] + up), Port(bundle, master.index), in_packet)


def _shim_sink(switch: Switch, master: Port, who: str) -> int:
    """The S2MM channel behind a south master of a shim."""
    routed = {2: switch.demux.south2, 3: switch.demux.south3}
    if routed.get(master.index) == ShimRoute.DMA:
        return SHIM_S2MM_SOUTH.index(master.index)
    text = f"{master} of {switch.tile} is not connected to the shim DMA"
    raise sim_fault("stream-unrouted", text, who)


class Streams:
    """All switches; routes are worked out once and forgotten when a switch is written."""

    def __init__(self, tiles: list[Tile]) -> None:
        self.switches = {(tile.column, tile.row): Switch(tile) for tile in tiles}
        self._routes: dict[tuple[Place, int, int], Route] = {}

    def changed(self) -> None:
        """A switch register was written."""
        self._routes.clear()

    def route(self, place: Place, channel: int, packet_id: int, who: str) -> Route:
        """Where MM2S channel `channel` sends; packet_id is -1 outside packets."""
        key = place, channel, packet_id
        known = self._routes.get(key)
        if known is None:
            known = self._routes[key] = self._find(place, channel, packet_id, who)
        return known

    def _find(self, place: Place, channel: int, packet_id: int, who: str) -> Route:
        switch = self.switches[place]
        port = Port(Bundle.DMA, channel)
        if switch.tile.kind is TileKind.SHIM:
            south = SHIM_MM2S_SOUTH[channel]
            port = Port(Bundle.SOUTH, south)
            if {3: switch.mux.south3, 7: switch.mux.south7}[south] != ShimRoute.DMA:
                raise sim_fault("stream-unrouted", f"the shim multiplexer of {port} is not set to DMA", who)
        walk = _Walk(self.switches, who, packet_id)
        walk.enter(place, port, packet_id >= 0)
        if packet_id >= 0 and not walk.packet:
            raise sim_fault("packet-header", f"a packet header {packet_id} is sent into a circuit", who)
        if len(set(walk.sinks)) != len(walk.sinks):
            raise sim_fault("stream-loop", "the stream reaches one DMA channel twice", who)
        return Route(tuple(walk.sinks), frozenset(walk.arbiters), walk.packet)
