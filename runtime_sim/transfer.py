"""Moving words: a segment is as much as one MM2S descriptor and all its receivers can move in one go."""

import math
from dataclasses import dataclass

from compiler.encoding.tiles import Direction, TileKind
from runtime_sim.array import Array
from runtime_sim.ddr import Ddr
from runtime_sim.dma import Channel, State
from runtime_sim.faults import sim_fault
from runtime_sim.memory import WORD
from runtime_sim.streams import Place, Route

DDR_CHUNK = 4096
"""Bytes after which a channel lets others have the shared DDR."""

_CORE_WORK_CHANNEL = 1
_CONSTANTS = 0  # the DDR argument that holds work packets


@dataclass(slots=True)
class _Segment:
    source: Channel
    sinks: list[Channel]
    words: int
    start: int
    carries: bool
    bytes_left: int = 0
    due: float = 0.0


class Network:
    """Pairs sources with their receivers, arbitrates packets and shares the DDR."""

    def __init__(self, array: Array, sinks: dict[tuple[Place, int], Channel]) -> None:
        self.array = array
        self._sinks = sinks
        self._held: set[tuple[Place, int]] = set()
        self._waiting: dict[Channel, Route] = {}
        self._ddr = Ddr(array.target)

    def sinks_of(self, route: Route) -> list[Channel]:
        """The receiving channels of a route."""
        return [self._sinks[sink] for sink in route.sinks]

    def offer(self, source: Channel) -> None:
        """A source may be able to send: start a segment if all its receivers are ready."""
        if source.state is not State.READY:
            return
        if not source.attached and not self._attach(source):
            return
        assert source.route is not None
        sinks = self.sinks_of(source.route)
        waiting = [sink for sink in sinks if sink.state is not State.READY]
        for sink in waiting:
            sink.blocked[source] = None
        if not waiting:
            self._start(source, sinks)

    def _attach(self, source: Channel) -> bool:
        """Find where a new descriptor sends; a new packet waits until its arbiters are free."""
        if source in self._waiting:
            return False
        packet_id = source.plan.packet_id
        if source.route is not None and source.route.packet:
            if packet_id >= 0:
                text = "a packet header is sent inside a packet whose TLAST was suppressed"
                raise sim_fault("packet-open", text, source.who, source.layer)
            source.attached = True
            return True
        route = self.array.streams.route(source.tile.place, source.number, packet_id, source.who)
        if not self._free(route, list(self._waiting.values())):
            self._waiting[source] = route
            return False
        self._grant(source, route)
        return True

    def _grant(self, source: Channel, route: Route) -> None:
        self._held |= route.arbiters
        source.route, source.attached = route, True

    def _free(self, route: Route, earlier: list[Route]) -> bool:
        """Whether no packet holds an arbiter of the route, and nobody waits for one longer."""
        return not route.arbiters & self._held and not any(route.arbiters & other.arbiters for other in earlier)

    def _end_packet(self, source: Channel) -> None:
        """TLAST has passed: free the arbiters and let waiting packets begin."""
        route = source.route
        assert route is not None
        source.route = None
        self._held -= route.arbiters
        earlier: list[Route] = []
        for waiter, wanted in list(self._waiting.items()):
            if self._free(wanted, earlier):
                del self._waiting[waiter]
                self._grant(waiter, wanted)
                self.array.clock.after(0, self.offer, waiter)
            else:
                earlier.append(wanted)

    def _start(self, source: Channel, sinks: list[Channel]) -> None:
        header = int(not source.opened and source.plan.packet_id >= 0)
        words = min(source.room, min(sink.room for sink in sinks))
        clock = self.array.clock
        carries = self.array.settings.compute or self._is_work(source, sinks[0])
        segment = _Segment(source, sinks, words, clock.now, carries)
        for channel in (source, *sinks):
            channel.state = State.MOVING
            if not channel.opened:
                channel.open()
        shim = next((one for one in (source, sinks[0]) if one.tile.kind is TileKind.SHIM), None)
        if shim is None:
            clock.after(words + header, self._finish, segment)
            return
        segment.bytes_left = words * WORD
        segment.due = float(clock.now + header)
        self._chunk(segment, shim.direction)

    def _is_work(self, source: Channel, sink: Channel) -> bool:
        """Whether it may be work packets, which drive the cores and so move even when nothing is computed."""
        if sink.tile.kind is TileKind.CORE:
            return sink.number == _CORE_WORK_CHANNEL
        return source.memory is self.array.ddr.get(_CONSTANTS)

    def _chunk(self, segment: _Segment, direction: Direction) -> None:
        """Move the next piece of a segment at the pace of its channel and of the shared DDR."""
        clock, ddr = self.array.clock, self._ddr
        piece = min(DDR_CHUNK, segment.bytes_left) if ddr.limits else segment.bytes_left
        segment.due = max(segment.due + ddr.cycles(direction, piece), ddr.take(direction, piece, clock.now))
        segment.bytes_left -= piece
        wait = max(0, math.ceil(segment.due) - clock.now)
        if segment.bytes_left:
            clock.after(wait, self._chunk, segment, direction)
        else:
            clock.after(wait, self._finish, segment)

    def _finish(self, segment: _Segment) -> None:
        """A segment has arrived: store it, and let those go on that are done."""
        source, sinks, words = segment.source, segment.sinks, segment.words
        if segment.carries:
            _copy(segment)
        busy, took = self.array.result.busy, self.array.clock.now - segment.start
        for channel in (source, *sinks):
            channel.done += words
            channel.state = State.READY
            busy[channel.lane] += took
        last = not source.room and source.plan.tlast
        ended = [sink for sink in sinks if not sink.room or (last and sink.finish_on_tlast)]
        if not last:
            _check_slots(source, ended)
        if last:
            self._end_packet(source)
        if not source.room:
            ended.append(source)
        for channel in ended:
            channel.close()
        for channel in ended:
            channel.complete()
        if source.state is State.READY and source not in ended:
            self.offer(source)


def _copy(segment: _Segment) -> None:
    source = segment.source
    data = source.memory.read(source.access, source.done, segment.words)
    for sink in segment.sinks:
        sink.memory.write(sink.access, sink.done, data)


def _check_slots(source: Channel, ended: list[Channel]) -> None:
    """A slot that is full before its packet has ended is too small for it."""
    for sink in ended:
        in_packet = source.route is not None and source.route.packet
        if in_packet and sink.finish_on_tlast:
            text = f"a packet from {source.who} is larger than the slot of {sink.plan.length * WORD} bytes"
            raise sim_fault("packet-too-large", text, sink.who, source.layer)
