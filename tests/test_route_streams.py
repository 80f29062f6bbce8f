"""The overlay's switches: every packet reaches exactly the cores it is for, and every output comes down."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest

from compiler.backend import emit_control, static_check
from compiler.backend.emit import header_of
from compiler.encoding.overlay import (
    BROADCAST_ID,
    LANES_BELOW_ACTS,
    LANES_BESIDE_ACTS,
    ROW_IDS,
    SHARED_CHANNEL,
    SHARED_ID,
    STORE_ID,
    WORK_CHANNEL,
    WORK_IDS,
    act_stream,
    lane_of,
    shared_row,
    shares_rows,
)
from compiler.encoding.switch import PACKET_IDS, check_connection
from compiler.ir import FuncOp, Module, ReturnOp, Rewriter
from compiler.target import Target
from dialects.aie2 import CircuitOp, PacketMasterOp, PacketSlaveOp, port_of
from passes.route_streams import Match, RouteStreams, cover

SIZES = [*(f"aie2-{size}x{size}" for size in range(2, 9)), "ve2802-2x4", "ve2802-2x8"]
# Where a port leads: the column's tile above or below, and the slave port there.
STEP = {"North": (1, "South"), "South": (-1, "North")}


@dataclass
class Switches:
    """The switches of one column, read from the operations."""

    circuits: dict[tuple[int, str], list[str]] = field(default_factory=dict)
    slots: dict[tuple[int, str], list[tuple[int, ...]]] = field(default_factory=dict)
    masters: dict[int, list[PacketMasterOp]] = field(default_factory=dict)

    @classmethod
    def of(cls, module: Module, column: int) -> Switches:
        found = cls()
        for op in module.walk(CircuitOp):
            if op.column == column:
                found.circuits.setdefault((op.row, op.slave), []).append(op.master)
        for slave in module.walk(PacketSlaveOp):
            if slave.column == column:
                groups = [slave.slots[start : start + 4] for start in range(0, len(slave.slots), 4)]
                assert (slave.row, slave.slave) not in found.slots
                found.slots[slave.row, slave.slave] = groups
        for master in module.walk(PacketMasterOp):
            if master.column == column:
                found.masters.setdefault(master.row, []).append(master)
        return found

    def exits(self, row: int, slave: str, packet: int) -> list[tuple[str, bool]]:
        """Master ports a packet leaves by, and whether its header stays behind."""
        if (row, slave) in self.circuits:
            assert (row, slave) not in self.slots
            return [(master, False) for master in self.circuits[row, slave]]
        hits = [one for one in self.slots.get((row, slave), []) if packet & one[1] == one[0] & one[1]]
        assert len(hits) <= 1, "two slots overlap"
        assert hits, f"packet {packet} hangs at row {row} {slave}"
        _, _, msel, arbiter = hits[0]
        return [
            (one.master, one.drop_header)
            for one in self.masters[row]
            if one.arbiter == arbiter and one.msels >> msel & 1
        ]

    def arrivals(self, row: int, slave: str, packet: int) -> Counter[tuple[int, str, bool]]:
        """DMA ports that a packet arrives at."""
        found: Counter[tuple[int, str, bool]] = Counter()
        exits = self.exits(row, slave, packet)
        assert exits, f"no master takes packet {packet} at row {row} {slave}"
        for master, dropped in exits:
            if master.startswith("DMA") or (row == 0 and master.startswith("South")):
                found[row, master, dropped] += 1
            else:
                up, side = STEP[master[:-1]]
                found += self.arrivals(row + up, side + master[-1], packet)
        return found


def routed(name: str) -> tuple[Module, Target]:
    target, module = Target.load(name), Module()
    main = Rewriter.at_end(module.body.block).insert(FuncOp.make("main", [], []))
    Rewriter.at_end(main.body.block).insert(ReturnOp(()))
    RouteStreams().run(module, target)
    return module, target


@pytest.mark.parametrize("name", [*SIZES, "npu1"])
def test_every_packet_arrives(name: str) -> None:
    module, target = routed(name)
    rows = range(target.core_rows)
    for column in range(target.columns):
        switches = Switches.of(module, column)
        for row in rows:
            act = switches.arrivals(1, f"DMA{act_stream(row, target.core_rows)}", ROW_IDS[row])
            assert act == {(target.first_core_row + row, "DMA0", True): 1}
            for lanes in (LANES_BESIDE_ACTS, LANES_BELOW_ACTS):
                work = switches.arrivals(1, f"DMA{lane_of(row, lanes, target.core_rows)}", WORK_IDS[row])
                assert work == {(target.first_core_row + row, "DMA1", True): 1}
        for stream, port in ((0, "DMA0"), (WORK_CHANNEL, "DMA1")):
            found = switches.arrivals(1, f"DMA{stream}", BROADCAST_ID)
            assert found == {(target.first_core_row + row, port, True): 1 for row in rows}


def beside(columns: list[Switches], column: int, row: int, slave: str, packet: int) -> Counter[tuple[int, int, str]]:
    """DMA ports of all columns that a packet arrives at: column, row, port."""
    found: Counter[tuple[int, int, str]] = Counter()
    for master, dropped in columns[column].exits(row, slave, packet):
        if master.startswith("DMA"):
            assert dropped
            found[column, row, master] += 1
        else:
            right = {"East": 1, "West": -1}.get(master[:-1], 0)
            up, side = (0, {1: "West", -1: "East"}[right]) if right else STEP[master[:-1]]
            found += beside(columns, column + right, row + up, side + master[-1], packet)
    return found


@pytest.mark.parametrize("name", [*SIZES, "npu1"])
def test_shared_work_reaches_one_row_of_all_columns(name: str) -> None:
    module, target = routed(name)
    columns = [Switches.of(module, column) for column in range(target.columns)]
    served = set()
    for column in range(target.columns):
        row = shared_row(column, target.columns, target.core_rows)
        if row is None:
            continue
        found = beside(columns, column, 1, f"DMA{SHARED_CHANNEL}", SHARED_ID)
        assert found == {(one, 2 + row, "DMA1"): 1 for one in range(target.columns)}
        served.add(row)
    everyone = set(range(target.core_rows))
    assert served == (everyone if shares_rows(target.columns, target.core_rows) else set())


@pytest.mark.parametrize("name", SIZES)
def test_work_on_its_way_up_shares_no_arbiter_with_what_cores_are_given(name: str) -> None:
    """Else packets for the rows of an array would go up one at a time."""
    module, _ = routed(name)
    for slave in module.walk(PacketSlaveOp):
        if slave.slave != f"South{SHARED_CHANNEL}" or slave.row < 2:
            continue
        groups = [slave.slots[start : start + 4] for start in range(0, len(slave.slots), 4)]
        passing = [one for one in groups if SHARED_ID & one[1] == one[0] & one[1]]
        north = [one for one in module.walk(PacketMasterOp) if (one.column, one.row) == (slave.column, slave.row)
                 and one.master == f"North{SHARED_CHANNEL}"]  # fmt: skip
        for _, _, msel, arbiter in passing:
            up = [one for one in north if one.arbiter == arbiter and one.msels >> msel & 1]
            assert not up or arbiter not in (0, WORK_CHANNEL)


@pytest.mark.parametrize("name", SIZES)
def test_outputs_come_down(name: str) -> None:
    module, target = routed(name)
    rows = target.core_rows
    shared = rows > 4
    for column in range(target.columns):
        switches = Switches.of(module, column)
        for row in range(rows):
            if shared and row % 2:
                assert (target.first_core_row + row, "DMA0") not in switches.circuits
                continue
            stream = row // 2 if shared else row
            assert switches.arrivals(target.first_core_row + row, "DMA0", 0) == {(1, f"DMA{stream}", False): 1}
        assert switches.arrivals(1, "DMA5", STORE_ID) == {(0, "South2", True): 1}
        assert switches.arrivals(0, "South3", 0) == {(1, "DMA4", False): 1}
        assert switches.arrivals(0, "South7", 0) == {(1, "DMA5", False): 1}


@pytest.mark.parametrize("name", SIZES)
def test_switches_are_legal(name: str) -> None:
    module, target = routed(name)
    kind = header_of(target).kind
    fed: Counter[tuple[int, int, str]] = Counter()
    for circuit in module.walk(CircuitOp):
        slave, master = port_of(circuit.slave), port_of(circuit.master)
        assert slave and master
        check_connection(kind(circuit.row), slave, master)
        fed[circuit.column, circuit.row, circuit.master] += 1
    for op in module.walk(PacketMasterOp):
        assert op.arbiter < 6
        assert op.drop_header is (op.row != 1 and not op.master.startswith(("North", "East", "West")))
        fed[op.column, op.row, op.master] += 1
    assert set(fed.values()) == {1}
    for packets in module.walk(PacketSlaveOp):
        groups = [packets.slots[start : start + 4] for start in range(0, len(packets.slots), 4)]
        assert 1 <= len(groups) <= 4
        for packet in range(PACKET_IDS):
            assert sum(packet & mask == one & mask for one, mask, _, _ in groups) <= 1
    static_check(module, target)
    emit_control(module, target)


@pytest.mark.parametrize("name", SIZES)
def test_a_packet_leaves_by_legal_wires_of_one_arbiter(name: str) -> None:
    """Slaves that feed one master use its arbiter by construction; every wire must exist."""
    module, target = routed(name)
    switches = Switches.of(module, 0)
    for row, slave in switches.slots:
        for packet, mask, _, _ in switches.slots[row, slave]:
            exits = switches.exits(row, slave, packet & mask)
            assert exits
            for master, _ in exits:
                source, sink = port_of(slave), port_of(master)
                assert source and sink
                check_connection(header_of(target).kind(row), source, sink)


def test_nothing_goes_up_that_nobody_wants() -> None:
    module, _ = routed("aie2-2x2")
    norths = {(op.row, op.master) for op in module.walk(PacketMasterOp) if op.master.startswith("North")}
    assert norths == {
        (1, "North0"),
        (1, "North1"),
        (1, "North2"),
        (1, "North4"),
        (1, "North5"),
        (2, "North0"),
        (2, "North1"),
        (2, "North2"),
        (2, "North4"),
        (2, "North5"),
    }


def test_cover() -> None:
    assert cover(frozenset(), frozenset()) == ()
    assert cover(frozenset({3}), frozenset()) == (Match(3, 31),)
    assert cover(frozenset({4, 5, 6, 7}), frozenset({3})) == (Match(4, 28),)
    assert cover(frozenset({1, 2, 4, 8, 16}), frozenset({0, 3, 5, 9, 17, 6, 10, 18, 12, 20, 24})) is None
