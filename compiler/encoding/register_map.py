"""Where the registers of each tile kind lie; `register_offset` and `decode_address` are inverses.

Addresses: AM025 register map (mlir-aie aie_registers_aie2.json); queues: AIETargetModel.cpp:855-878;
locks: AIETargetModel.cpp:1169-1186.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache

from compiler.encoding.descriptors import DESCRIPTORS, LIMITS
from compiler.encoding.faults import fault
from compiler.encoding.fields import Record
from compiler.encoding.registers import (
    AccumulatorControlWord,
    ChannelControlWord,
    ChannelStatusWord,
    ClockWord,
    CoreControlWord,
    DemuxWord,
    LockWord,
    MemTileTaskWord,
    MuxWord,
    ShimChannelControlWord,
    SlaveWord,
    SlotWord,
    TaskWord,
    TileControlWord,
    decode_master,
)
from compiler.encoding.switch import SLOTS, Port, master_ports, slave_ports
from compiler.encoding.tiles import PROGRAM_MEMORY_BYTES, Direction, TileKind

BD_STRIDE = 0x20
CHANNEL_STRIDE = 8
STATUS_STRIDE = 4
LOCK_STRIDE = 0x10
PORT_STRIDE = 4
SLOT_STRIDE = 0x10


@dataclass(frozen=True)
class BdWord:
    """One word of a buffer descriptor."""

    bd: int
    word: int

    def __str__(self) -> str:
        return f"bd{self.bd}.{self.word}"


@dataclass(frozen=True)
class _ChannelRegister:
    """A register that each DMA channel has."""

    direction: Direction
    channel: int

    def __str__(self) -> str:
        return f"{self.direction.name.lower()}{self.channel}.{_CHANNEL_NAMES[type(self)]}"


class StartQueue(_ChannelRegister):
    """The register that pushes a task."""


class ChannelControl(_ChannelRegister):
    """The register that sets a channel up."""


class ChannelStatus(_ChannelRegister):
    """The register that a channel reports in."""


_CHANNEL_NAMES = {StartQueue: "start_queue", ChannelControl: "control", ChannelStatus: "status"}


@dataclass(frozen=True)
class LockValue:
    """The value register of a lock."""

    id: int

    def __str__(self) -> str:
        return f"lock{self.id}"


@dataclass(frozen=True)
class LockRequest:
    """A read here tries to acquire or release a lock by `change`; bit 0 of the answer is success."""

    id: int
    acquire: bool
    change: int

    def __str__(self) -> str:
        return f"lock{self.id}.{'acquire' if self.acquire else 'release'}({self.change})"


@dataclass(frozen=True)
class Master:
    """The configuration of a master port."""

    port: Port

    def __str__(self) -> str:
        return f"master.{self.port}"


@dataclass(frozen=True)
class Slave:
    """The configuration of a slave port."""

    port: Port

    def __str__(self) -> str:
        return f"slave.{self.port}"


@dataclass(frozen=True)
class Slot:
    """One of the four match slots of a slave port."""

    port: Port
    slot: int

    def __str__(self) -> str:
        return f"slave.{self.port}.slot{self.slot}"


@dataclass(frozen=True)
class DataMemory:
    """A byte of data memory."""

    offset: int

    def __str__(self) -> str:
        return f"data[0x{self.offset:x}]"


@dataclass(frozen=True)
class ProgramMemory:
    """A byte of program memory, which is written in 128-bit words."""

    offset: int

    def __str__(self) -> str:
        return f"program[0x{self.offset:x}]"


class Special(Enum):
    """Registers that a tile has once."""

    CORE_CONTROL = "core_control"
    CORE_STATUS = "core_status"
    CORE_PC = "core_pc"
    CORE_SP = "core_sp"
    TIMER_LOW = "timer_low"
    TIMER_HIGH = "timer_high"
    TILE_CONTROL = "tile_control"
    ACCUMULATOR_CONTROL = "accumulator_control"
    MUX = "mux"
    DEMUX = "demux"
    COLUMN_CLOCK = "column_clock_control"
    MODULE_CLOCK = "module_clock_control"

    def __str__(self) -> str:
        return self.value


Indexed = BdWord | StartQueue | ChannelControl | ChannelStatus | LockValue | Master | Slave | Slot | Special
Register = Indexed | LockRequest | DataMemory | ProgramMemory


@dataclass(frozen=True)
class _Window:
    """A range of addresses that is decoded by arithmetic rather than listed."""

    base: int
    size: int

    def holds(self, offset: int) -> bool:
        return self.base <= offset < self.base + self.size


@dataclass(frozen=True)
class _Bases:
    """Where the groups of registers of one tile kind begin; a window of None does not exist."""

    bd: int
    control: dict[Direction, int]
    status: dict[Direction, int]
    lock: int
    request: _Window
    master: int
    slave: int
    slot: int
    special: dict[Special, int]
    data: _Window | None = None
    program: _Window | None = None


_S2MM, _MM2S = Direction.S2MM, Direction.MM2S

_BASES: dict[TileKind, _Bases] = {
    TileKind.CORE: _Bases(
        bd=0x1D000,
        control={_S2MM: 0x1DE00, _MM2S: 0x1DE10},
        status={_S2MM: 0x1DF00, _MM2S: 0x1DF10},
        lock=0x1F000,
        request=_Window(0x40000, 0x4000),
        master=0x3F000,
        slave=0x3F100,
        slot=0x3F200,
        special={
            Special.CORE_CONTROL: 0x32000,
            Special.CORE_STATUS: 0x32004,
            Special.CORE_PC: 0x31100,
            Special.CORE_SP: 0x31120,
            Special.TIMER_LOW: 0x340F8,
            Special.TIMER_HIGH: 0x340FC,
            Special.TILE_CONTROL: 0x36030,
            Special.ACCUMULATOR_CONTROL: 0x36060,
            Special.MODULE_CLOCK: 0x60000,
        },
        data=_Window(0x00000, LIMITS[TileKind.CORE].memory_bytes),
        program=_Window(0x20000, PROGRAM_MEMORY_BYTES),
    ),
    TileKind.MEMTILE: _Bases(
        bd=0xA0000,
        control={_S2MM: 0xA0600, _MM2S: 0xA0630},
        status={_S2MM: 0xA0660, _MM2S: 0xA0680},
        lock=0xC0000,
        request=_Window(0xD0000, 0x10000),
        master=0xB0000,
        slave=0xB0100,
        slot=0xB0200,
        special={Special.MODULE_CLOCK: 0xFFF00},
        data=_Window(0x00000, LIMITS[TileKind.MEMTILE].memory_bytes),
    ),
    TileKind.SHIM: _Bases(
        bd=0x1D000,
        control={_S2MM: 0x1D200, _MM2S: 0x1D210},
        status={_S2MM: 0x1D220, _MM2S: 0x1D228},
        lock=0x14000,
        request=_Window(0x40000, 0x4000),
        master=0x3F000,
        slave=0x3F100,
        slot=0x3F200,
        special={
            Special.MUX: 0x1F000,
            Special.DEMUX: 0x1F004,
            Special.COLUMN_CLOCK: 0xFFF20,
            Special.MODULE_CLOCK: 0xFFF00,
        },
    ),
}


def _listed(kind: TileKind) -> Iterator[tuple[Indexed, int]]:
    """Every register of a tile kind outside the windows, with its offset."""
    bases, limits = _BASES[kind], LIMITS[kind]
    for bd in range(limits.bds):
        for word in range(DESCRIPTORS[kind].WORDS):
            yield BdWord(bd, word), bases.bd + bd * BD_STRIDE + word * 4
    for direction in Direction:
        for channel in range(limits.channels):
            control = bases.control[direction] + channel * CHANNEL_STRIDE
            yield ChannelControl(direction, channel), control
            yield StartQueue(direction, channel), control + 4
            yield ChannelStatus(direction, channel), bases.status[direction] + channel * STATUS_STRIDE
    for lock in range(limits.locks):
        yield LockValue(lock), bases.lock + lock * LOCK_STRIDE
    for position, port in enumerate(master_ports(kind)):
        yield Master(port), bases.master + position * PORT_STRIDE
    for position, port in enumerate(slave_ports(kind)):
        yield Slave(port), bases.slave + position * PORT_STRIDE
        for slot in range(SLOTS):
            yield Slot(port, slot), bases.slot + position * SLOT_STRIDE + slot * 4
    yield from bases.special.items()


@cache
def registers_of(kind: TileKind) -> dict[Indexed, int]:
    """All registers of a tile kind outside memories and lock requests, with their offsets."""
    return dict(_listed(kind))


@cache
def _by_offset(kind: TileKind) -> dict[int, Indexed]:
    return {offset: register for register, offset in registers_of(kind).items()}


def register_offset(kind: TileKind, register: Register) -> int:
    """Where a register lies within its tile."""
    bases = _BASES[kind]
    if isinstance(register, LockRequest):
        return _request_offset(kind, register)
    if isinstance(register, DataMemory | ProgramMemory):
        window = bases.data if isinstance(register, DataMemory) else bases.program
        if window is not None and 0 <= register.offset < window.size:
            return window.base + register.offset
    elif register in registers_of(kind):
        return registers_of(kind)[register]
    raise fault("register-unknown", f"a {kind.value} tile has no register {register}")


def _request_offset(kind: TileKind, request: LockRequest) -> int:
    """Bits [10+] lock, [9] acquire, [8:2] signed change (REGDB Lock_Request; xaie_locks_aieml.c:67-90)."""
    locks = LIMITS[kind].locks
    if not (0 <= request.id < locks and -64 <= request.change <= 63):
        text = f"{kind.value} lock request {request}, allowed: locks 0..{locks - 1}, changes -64..63"
        raise fault("register-unknown", text)
    return _BASES[kind].request.base + (request.id << 10 | request.acquire << 9 | (request.change & 0x7F) << 2)


def find_register(kind: TileKind, offset: int) -> Register | None:
    """The register at a tile offset, None where nothing is known to be."""
    register = _by_offset(kind).get(offset)
    if register is not None:
        return register
    bases = _BASES[kind]
    if bases.data is not None and bases.data.holds(offset):
        return DataMemory(offset - bases.data.base)
    if bases.program is not None and bases.program.holds(offset):
        return ProgramMemory(offset - bases.program.base)
    if bases.request.holds(offset) and offset % 4 == 0:
        inside = offset - bases.request.base
        change = (inside >> 2 & 0x7F ^ 0x40) - 0x40
        return LockRequest(inside >> 10, bool(inside >> 9 & 1), change)
    return None


def decode_address(kind: TileKind, offset: int) -> Register:
    """The register at a tile offset, or a `register-unknown` error."""
    register = find_register(kind, offset)
    if register is None:
        raise fault("register-unknown", f"a {kind.value} tile has no known register at offset 0x{offset:05x}")
    return register


_SPECIAL_WORDS: dict[Special, type[Record]] = {
    Special.CORE_CONTROL: CoreControlWord,
    Special.TILE_CONTROL: TileControlWord,
    Special.ACCUMULATOR_CONTROL: AccumulatorControlWord,
    Special.MUX: MuxWord,
    Special.DEMUX: DemuxWord,
    Special.COLUMN_CLOCK: ClockWord,
}


def task_word(kind: TileKind, bd: int, repeat: int = 1, token: bool = False) -> TaskWord | MemTileTaskWord:
    """The word that pushes a task, in the form of the tile kind."""
    record = MemTileTaskWord if kind is TileKind.MEMTILE else TaskWord
    return record(bd=bd, repeat=repeat, token=token)


def decode_word(kind: TileKind, register: Register, word: int) -> Record | None:
    """The record in a register's word; None for plain numbers and for single words of a descriptor."""
    record: type[Record] | None = None
    shim = kind is TileKind.SHIM
    match register:
        case Master():
            return decode_master(word)
        case StartQueue():
            record = MemTileTaskWord if kind is TileKind.MEMTILE else TaskWord
        case ChannelControl():
            record = ShimChannelControlWord if shim else ChannelControlWord
        case ChannelStatus():
            record = ChannelStatusWord
        case LockValue():
            record = LockWord
        case Slave():
            record = SlaveWord
        case Slot():
            record = SlotWord
        case Special():
            record = _SPECIAL_WORDS.get(register)
    return None if record is None else record.decode((word,))
