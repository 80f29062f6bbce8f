"""Stream switches: the ports of each tile in register order, and which slave may feed which master.

Port order and counts: AIETargetModel.cpp:881-1000 and 1190-1292; legality: AIETargetModel.cpp:1070-1160.
At the edge of an array some ports lead nowhere; that is a matter of the target, not of the switch.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import cache

from compiler.encoding.faults import fault
from compiler.encoding.tiles import TileKind

# AIETargetModel.h:627-628 and the slot fields of REGDB.
ARBITERS = 6
MSELS = 4
SLOTS = 4
PACKET_IDS = 32


class Bundle(Enum):
    """A group of ports of one switch that lead to the same neighbour."""

    CORE = "core"
    DMA = "dma"
    CTRL = "ctrl"
    FIFO = "fifo"
    SOUTH = "south"
    WEST = "west"
    NORTH = "north"
    EAST = "east"
    TRACE = "trace"


@dataclass(frozen=True)
class Port:
    """One port of a switch; in a core tile trace 0 is the core's and trace 1 the memory's."""

    bundle: Bundle
    index: int = 0

    def __str__(self) -> str:
        return f"{self.bundle.value}{self.index}"


_B = Bundle
_Counts = tuple[tuple[Bundle, int], ...]

_MASTERS: dict[TileKind, _Counts] = {
    TileKind.CORE: (
        (_B.CORE, 1), (_B.DMA, 2), (_B.CTRL, 1), (_B.FIFO, 1),
        (_B.SOUTH, 4), (_B.WEST, 4), (_B.NORTH, 6), (_B.EAST, 4),
    ),
    TileKind.MEMTILE: ((_B.DMA, 6), (_B.CTRL, 1), (_B.SOUTH, 4), (_B.NORTH, 6)),
    TileKind.SHIM: ((_B.CTRL, 1), (_B.FIFO, 1), (_B.SOUTH, 6), (_B.WEST, 4), (_B.NORTH, 6), (_B.EAST, 4)),
}  # fmt: skip

_SLAVES: dict[TileKind, _Counts] = {
    TileKind.CORE: (
        (_B.CORE, 1), (_B.DMA, 2), (_B.CTRL, 1), (_B.FIFO, 1),
        (_B.SOUTH, 6), (_B.WEST, 4), (_B.NORTH, 4), (_B.EAST, 4), (_B.TRACE, 2),
    ),
    TileKind.MEMTILE: ((_B.DMA, 6), (_B.CTRL, 1), (_B.SOUTH, 6), (_B.NORTH, 4), (_B.TRACE, 1)),
    TileKind.SHIM: (
        (_B.CTRL, 1), (_B.FIFO, 1), (_B.SOUTH, 8), (_B.WEST, 4), (_B.NORTH, 4), (_B.EAST, 4), (_B.TRACE, 1),
    ),
}  # fmt: skip


@cache
def master_ports(kind: TileKind) -> tuple[Port, ...]:
    """Ports out of the switch, in register order."""
    return tuple(Port(bundle, index) for bundle, count in _MASTERS[kind] for index in range(count))


@cache
def slave_ports(kind: TileKind) -> tuple[Port, ...]:
    """Ports into the switch, in register order; the position is the number a circuit-mode master names."""
    return tuple(Port(bundle, index) for bundle, count in _SLAVES[kind] for index in range(count))


@cache
def _positions(ports: tuple[Port, ...]) -> dict[Port, int]:
    return {port: position for position, port in enumerate(ports)}


def _position(kind: TileKind, ports: tuple[Port, ...], port: Port, role: str) -> int:
    position = _positions(ports).get(port)
    if position is None:
        count = sum(other.bundle is port.bundle for other in ports)
        raise fault("switch-port", f"a {kind.value} tile has {count} {port.bundle.value} {role} ports, no {port}")
    return position


def master_index(kind: TileKind, port: Port) -> int:
    """The position of a master port's register."""
    return _position(kind, master_ports(kind), port, "master")


def slave_index(kind: TileKind, port: Port) -> int:
    """The position of a slave port's register, which is also its number in circuit-mode masters."""
    return _position(kind, slave_ports(kind), port, "slave")


# A rule is ANY pair of indices, EQUAL indices, or (0 and more) the one master index that is wired.
_ANY = -1
_EQUAL = -2
_SIDES = (_B.SOUTH, _B.WEST, _B.NORTH, _B.EAST)
_Rules = dict[tuple[Bundle, Bundle], int]


def _rules(sources: Iterable[Bundle], masters: Iterable[Bundle], same: int, rule: int = _ANY) -> _Rules:
    """One rule for all pairs of two groups, another for a bundle that leads back to itself."""
    masters = tuple(masters)
    return {(source, master): same if source is master else rule for source in sources for master in masters}


_CORE_MASTERS = tuple(bundle for bundle, _ in _MASTERS[TileKind.CORE])
_SHIM_MASTERS = tuple(bundle for bundle, _ in _MASTERS[TileKind.SHIM])

_LEGAL: dict[TileKind, _Rules] = {
    TileKind.CORE: {
        **_rules((_B.DMA, _B.FIFO, *_SIDES), _CORE_MASTERS, same=_EQUAL),
        **_rules((_B.CORE,), (_B.DMA, _B.CTRL, _B.FIFO, *_SIDES), same=_ANY),
        **_rules((_B.CTRL,), (_B.CORE, _B.FIFO, *_SIDES), same=_ANY),
        **_rules((_B.TRACE,), (_B.FIFO, _B.SOUTH), same=_ANY),
        (_B.TRACE, _B.DMA): 0,
    },
    TileKind.MEMTILE: {
        **_rules((_B.DMA,), (_B.DMA, _B.CTRL, _B.SOUTH, _B.NORTH), same=_EQUAL),
        **_rules((_B.CTRL, _B.TRACE), (_B.DMA,), same=_ANY, rule=5),
        **_rules((_B.CTRL,), (_B.SOUTH, _B.NORTH), same=_ANY),
        **_rules((_B.SOUTH, _B.NORTH), (_B.DMA, _B.CTRL), same=_ANY),
        **_rules((_B.SOUTH, _B.NORTH), (_B.SOUTH, _B.NORTH), same=_EQUAL, rule=_EQUAL),
        (_B.TRACE, _B.SOUTH): _ANY,
    },
    TileKind.SHIM: {
        **_rules((_B.CTRL,), (_B.FIFO, *_SIDES), same=_ANY),
        **_rules((_B.FIFO, _B.SOUTH), _SHIM_MASTERS, same=_ANY),
        **_rules((_B.WEST, _B.NORTH, _B.EAST), _SHIM_MASTERS, same=_EQUAL),
        **_rules((_B.TRACE,), (_B.FIFO, _B.SOUTH), same=_ANY),
        **_rules((_B.TRACE,), (_B.WEST, _B.EAST), same=_ANY, rule=0),
    },
}


def is_legal(kind: TileKind, slave: Port, master: Port) -> bool:
    """Whether the switch of such a tile can connect two existing ports."""
    slave_index(kind, slave)
    master_index(kind, master)
    rule = _LEGAL[kind].get((slave.bundle, master.bundle))
    if rule is None:
        return False
    return rule == _ANY or master.index == (slave.index if rule == _EQUAL else rule)


def check_connection(kind: TileKind, slave: Port, master: Port) -> None:
    """Refuse a connection that the switch has no wires for."""
    if is_legal(kind, slave, master):
        return
    rule = _LEGAL[kind].get((slave.bundle, master.bundle))
    if rule is None:
        why = f"a {kind.value} tile connects no {slave.bundle.value} slave to a {master.bundle.value} master"
    elif rule == _EQUAL:
        why = f"the two indices must be equal, got {slave.index} and {master.index}"
    else:
        why = f"only master index {rule} is wired, got {master.index}"
    raise fault("switch-connection", f"{kind.value} switch cannot connect {slave} to {master}: {why}")
