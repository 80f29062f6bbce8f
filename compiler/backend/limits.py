"""What single operations may say: tiles, switches and descriptors against the numbers of the hardware."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import NoReturn

from compiler.encoding.descriptors import DESCRIPTORS, LIMITS, NEIGHBOUR_CHANNELS
from compiler.encoding.isa import BUNDLE_BYTES
from compiler.encoding.switch import ARBITERS, MSELS, PACKET_IDS, SLOTS, is_legal, master_ports, slave_ports
from compiler.encoding.tiles import MEMTILE_WINDOW_BYTES, MEMTILE_WINDOW_LOCKS, PROGRAM_MEMORY_BYTES, Side, TileKind
from compiler.encoding.work import CONFIG_ADDRESS, CoreConfig
from compiler.errors import Diagnostic, InternalError
from compiler.ir import Op, WeightStore
from compiler.target import Target
from dialects.aie2 import BdOp, CircuitOp, CoreConfigOp, LockOp, PacketMasterOp, PacketSlaveOp, ProgramOp, port_of

WORD = 4


class Reporter:
    """Knows the operation at hand, so that every refusal names it and its place."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.index = 0
        self.op: Op | None = None

    def begin(self, index: int, op: Op) -> None:
        """Turn to an operation of `main`."""
        self.index, self.op = index, op

    def fail(self, code: str, text: str) -> NoReturn:
        """Refuse the operation at hand."""
        assert self.op is not None
        place = f"tile({getattr(self.op, 'column', 0)},{getattr(self.op, 'row', 0)})"
        if hasattr(self.op, "channel"):
            place += f" {getattr(self.op, 'direction', '')} {self.op.channel}"
        raise InternalError(Diagnostic(code, f"op {self.index} '{self.op.name}' at {place}: {text}", self.op.loc))

    def within(self, code: str, what: str, value: int, low: int, high: int) -> None:
        """Refuse a number outside both ends."""
        if not low <= value <= high:
            self.fail(code, f"{what} is {value}, allowed: {low}..{high}")

    def kind(self, column: int, row: int) -> TileKind:
        """The kind of a tile that the array must have."""
        self.within("check-tile", "the column", column, 0, self.target.columns - 1)
        self.within("check-tile", "the row", row, 0, self.target.core_rows + self.target.first_core_row - 1)
        if row < self.target.first_core_row:
            return TileKind.MEMTILE if row >= self.target.memory_tile_row else TileKind.SHIM
        return TileKind.CORE


def check_core_config(check: Reporter, op: CoreConfigOp) -> None:
    """A record of the right length at a core."""
    if check.kind(op.column, op.row) is not TileKind.CORE or len(op.words) != CoreConfig.WORDS:
        check.fail("check-config", f"{len(op.words)} words of a core's record of {CoreConfig.WORDS}")


def check_program(check: Reporter, op: ProgramOp, store: WeightStore) -> None:
    """Whole bundles that fit a core's program memory, and those that the operation names."""
    if check.kind(op.column, op.row) is not TileKind.CORE:
        check.fail("check-tile", "there is no core in this tile")
    if op.symbol not in store:
        check.fail("check-program", f"the store has no '{op.symbol}'")
    size, digest = store[op.symbol].nbytes, store.digest(op.symbol)
    if size % BUNDLE_BYTES or not 0 < size <= PROGRAM_MEMORY_BYTES:
        text = f"the program has {size} bytes, allowed: bundles of {BUNDLE_BYTES} up to {PROGRAM_MEMORY_BYTES}"
        check.fail("check-program", text)
    if digest != op.digest:
        check.fail("check-program", f"the digest of '{op.symbol}' is {digest}, expected {op.digest}")


class Switches:
    """Every port is configured once, and only as the wires allow."""

    def __init__(self, check: Reporter) -> None:
        self.check = check
        self.modes: dict[tuple[int, int, str], str] = {}
        self.taken: set[tuple[int, int, str]] = set()

    def circuit(self, op: CircuitOp) -> None:
        """One slave to one master."""
        kind = self.check.kind(op.column, op.row)
        self._master(kind, op.column, op.row, op.master)
        self._slave(kind, op.column, op.row, op.slave, "circuit")
        slave, master = port_of(op.slave), port_of(op.master)
        assert slave is not None and master is not None
        if not is_legal(kind, slave, master):
            self.check.fail("check-connection", f"no wires from {op.slave} to {op.master} in a {kind.value} tile")

    def packet_slave(self, op: PacketSlaveOp) -> None:
        """A slave and its slots, which must not overlap."""
        kind = self.check.kind(op.column, op.row)
        self._slave(kind, op.column, op.row, op.slave, "packet")
        self.check.within("check-slots", "the number of slots", len(op.slots) // 4, 1, SLOTS)
        seen: set[int] = set()
        for start in range(0, len(op.slots), 4):
            number, mask, msel, arbiter = op.slots[start : start + 4]
            self.check.within("check-slots", "the packet id", number, 0, PACKET_IDS - 1)
            self.check.within("check-slots", "the mask", mask, 0, PACKET_IDS - 1)
            self.check.within("check-slots", "the msel", msel, 0, MSELS - 1)
            self.check.within("check-slots", "the arbiter", arbiter, 0, ARBITERS - 1)
            ids = {one for one in range(PACKET_IDS) if one & mask == number & mask}
            if seen & ids:
                self.check.fail("check-slots", f"two slots of {op.slave} take packet id {min(seen & ids)}")
            seen |= ids

    def packet_master(self, op: PacketMasterOp) -> None:
        """A master and its arbiter."""
        self._master(self.check.kind(op.column, op.row), op.column, op.row, op.master)
        self.check.within("check-slots", "the arbiter", op.arbiter, 0, ARBITERS - 1)
        self.check.within("check-slots", "the msels", op.msels, 1, (1 << MSELS) - 1)

    def _master(self, kind: TileKind, column: int, row: int, name: str) -> None:
        if port_of(name) not in master_ports(kind):
            self.check.fail("check-port", f"a {kind.value} tile has no master port {name}")
        if (column, row, name) in self.taken:
            self.check.fail("check-port", f"master port {name} is configured twice")
        self.taken.add((column, row, name))

    def _slave(self, kind: TileKind, column: int, row: int, name: str, mode: str) -> None:
        if port_of(name) not in slave_ports(kind):
            self.check.fail("check-port", f"a {kind.value} tile has no slave port {name}")
        known = self.modes.get((column, row, name))
        if known is not None and "packet" in (known, mode):
            self.check.fail("check-port", f"slave port {name} is configured twice")
        self.modes[column, row, name] = mode


def reach(op: BdOp) -> int:
    """Words from the first to past the last that a descriptor touches, over all its iterations."""
    left, last = op.length, 0
    for place, step in enumerate(op.steps):
        count = min(op.wraps[place], left) if place < len(op.wraps) else left
        last += (count - 1) * step
        left = ceil(left / count)
    if op.iteration is not None:
        last += op.iteration[0] * (op.iteration[1] - 1)
    return last + 1


def check_bd(check: Reporter, op: BdOp, arguments: Sequence[int] | None) -> None:
    """Every number of a descriptor fits its field, and what it touches exists."""
    kind = check.kind(op.column, op.row)
    limits = LIMITS[kind]
    check.within("check-bd", "the BD", op.bd, 0, limits.bds - 1)
    check.within("check-length", f"the length of BD {op.bd}", op.length, 1, limits.max_length)
    _check_pattern(check, op, kind)
    for name, pair in (("acquire", op.acquire), ("release", op.release)):
        if pair is not None:
            locks = limits.locks * (len(Side) if kind is TileKind.MEMTILE else 1)
            check.within("check-lock", f"the lock of {name} of BD {op.bd}", pair[0], 0, locks - 1)
            lock_place(check, kind, op, pair[0])
            check.within("check-lock", f"the amount of {name} of BD {op.bd}", pair[1], 1, limits.max_lock_value)
    if op.next_bd is not None:
        check.within("check-bd", f"the next BD of BD {op.bd}", op.next_bd, 0, limits.bds - 1)
    if op.packet is not None:
        check.within("check-packet", f"the packet id of BD {op.bd}", op.packet, 0, PACKET_IDS - 1)
    _check_memory(check, op, kind, arguments)


def _check_pattern(check: Reporter, op: BdOp, kind: TileKind) -> None:
    limits = LIMITS[kind]
    dims = f"dimensions of BD {op.bd}"
    check.within("check-dims", f"the number of wrapped {dims}", len(op.wraps), 0, limits.wrapped_dims)
    check.within("check-dims", f"the number of {dims}", len(op.steps), len(op.wraps) + 1, len(op.wraps) + 1)
    for place, step in enumerate(op.steps):
        check.within("check-step", f"step {place} of BD {op.bd}", step, 1, limits.max_step)
    for place, wrap in enumerate(op.wraps):
        check.within("check-wrap", f"wrap {place} of BD {op.bd}", wrap, 1, limits.max_wrap)
    if op.iteration is not None:
        step, wrap, current = op.iteration
        most = DESCRIPTORS[kind].limits("iteration_step")[1]
        check.within("check-iteration", f"the iteration step of BD {op.bd}", step, 1, most)
        check.within("check-iteration", f"the iteration wrap of BD {op.bd}", wrap, 1, limits.max_iterations)
        check.within("check-iteration", f"the iteration of BD {op.bd}", current, 0, wrap - 1)


def _check_memory(check: Reporter, op: BdOp, kind: TileKind, arguments: Sequence[int] | None) -> None:
    first, past = op.address * WORD, (op.address + reach(op)) * WORD
    if (op.argument is None) is (kind is TileKind.SHIM):
        check.fail("check-memory", f"BD {op.bd} names argument {op.argument} in a {kind.value} tile")
    size, what = check.target.core.data_memory_bytes, "data memory"
    if kind is TileKind.CORE:
        size = min(size, CONFIG_ADDRESS)
    elif kind is TileKind.MEMTILE:
        side = first // MEMTILE_WINDOW_BYTES
        check.within("check-memory", f"the memory tile window of BD {op.bd}", side, 0, len(Side) - 1)
        check.kind(op.column + side - Side.OWN, op.row)
        first, past = first - side * MEMTILE_WINDOW_BYTES, past - side * MEMTILE_WINDOW_BYTES
        size, what = check.target.memory_tile.bytes, "the memory tile"
    else:
        assert op.argument is not None
        count = 4 if arguments is None else len(arguments)
        check.within("check-memory", f"the argument of BD {op.bd}", op.argument, 0, count - 1)
        size, what = past if arguments is None else arguments[op.argument], f"argument {op.argument}"
    if first < 0 or past > size:
        check.fail("check-memory", f"BD {op.bd} touches bytes {first}..{past - 1} of {what}, {size} are there")


def lock_place(check: Reporter, kind: TileKind, op: BdOp, lock: int) -> tuple[int, int, int]:
    """Column, row and number of the lock that a descriptor names."""
    if kind is not TileKind.MEMTILE:
        return op.column, op.row, lock
    side, local = divmod(lock, MEMTILE_WINDOW_LOCKS)
    column = op.column + side - Side.OWN
    check.kind(column, op.row)
    return column, op.row, local


def check_lock(check: Reporter, op: LockOp) -> None:
    """The lock exists and can hold the value."""
    limits = LIMITS[check.kind(op.column, op.row)]
    check.within("check-lock", "the lock", op.lock, 0, limits.locks - 1)
    check.within("check-lock", f"the value of lock {op.lock}", op.value, 0, limits.max_lock_value)


def check_own_side(check: Reporter, op: BdOp, channel: int) -> None:
    """Two channels of a memory tile see only their own tile."""
    if channel in NEIGHBOUR_CHANNELS:
        return
    locks = [pair[0] // MEMTILE_WINDOW_LOCKS for pair in (op.acquire, op.release) if pair is not None]
    if {op.address * WORD // MEMTILE_WINDOW_BYTES, *locks} != {Side.OWN}:
        check.fail("check-neighbour", f"BD {op.bd} reaches a neighbour, which this channel cannot")
