"""The control stream: each `aie2` operation as transactions, and their listing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from compiler.encoding.descriptors import CoreBd, Descriptor, MemTileBd, ShimBd
from compiler.encoding.disassembly import listing
from compiler.encoding.register_map import (
    BdWord,
    ChannelControl,
    DataMemory,
    LockValue,
    Master,
    ProgramMemory,
    Slave,
    Slot,
    Special,
    StartQueue,
    register_offset,
    task_word,
)
from compiler.encoding.registers import (
    ChannelControlWord,
    CircuitMaster,
    CoreControlWord,
    DemuxWord,
    LockWord,
    MuxWord,
    PacketMaster,
    ShimChannelControlWord,
    ShimRoute,
    SlaveWord,
    SlotWord,
)
from compiler.encoding.switch import Port, slave_index
from compiler.encoding.tiles import Direction, Tile, TileKind
from compiler.encoding.transaction import (
    WORD_BYTES,
    BlockWrite,
    Sync,
    TransactionHeader,
    TransactionWriter,
    patch_bd,
    read_transactions,
    write_register,
)
from compiler.encoding.transaction import Op as Transaction
from compiler.encoding.work import CONFIG_ADDRESS
from compiler.errors import UNKNOWN, BsccError, Diagnostic, InternalError, Location
from compiler.ir import Module, Op, ReturnOp, WeightStore
from compiler.mapping.reader import title_of
from compiler.target import Target
from dialects.aie2 import (
    BdOp,
    ChannelOp,
    CircuitOp,
    CoreConfigOp,
    CoreEnableOp,
    CoreResetOp,
    LayerOp,
    LockOp,
    PacketMasterOp,
    PacketSlaveOp,
    ProgramOp,
    PushOp,
    ShimMuxOp,
    SyncOp,
    port_of,
)
from dialects.tile import AllocOp, PortOp

_SLOT_FIELDS = 4
SETUP = "set-up"
"""What the listing calls operations before the first layer."""


def header_of(target: Target) -> TransactionHeader:
    """The stream's header: rows count the shims and the memory tiles too."""
    rows = target.first_core_row + target.core_rows
    return TransactionHeader(rows=rows, memtile_rows=target.memory_tile.rows, columns=target.columns)


def emit_control(module: Module, target: Target) -> tuple[bytes, str, list[list[tuple[int, int]]]]:
    """The control stream, its listing, and for each layer the stretches `[first, last)` of operations that serve it."""
    emitter = _Emitter(header_of(target), module.store)
    for op in module.function().body.ops:
        emitter.add(op)
    stream = emitter.writer.finish()
    notes = emitter.notes
    lines = listing(read_transactions(stream), lambda number, _: notes[number])
    return stream, "".join(f"{line}\n" for line in lines), emitter.ranges()


class _Emitter:
    """Writes operations one after another and remembers what each is for."""

    def __init__(self, header: TransactionHeader, store: WeightStore) -> None:
        self.header = header
        self.store = store
        self.writer = TransactionWriter(header)
        self.notes: list[str] = []
        self.title = SETUP
        self.place: Location = UNKNOWN
        self.entered: list[tuple[int, int]] = []

    def add(self, op: Op) -> None:
        """Emit one operation of `main`."""
        if isinstance(op, LayerOp):
            self.enter(op)
        elif not isinstance(op, ReturnOp | AllocOp | PortOp):
            note = self.title if op.loc in (UNKNOWN, self.place) else f"{self.title}: {op.loc}"
            for transaction in transactions_of(op, self.header, self.store):
                self.writer.append(transaction)
                self.notes.append(note)

    def enter(self, op: LayerOp) -> None:
        """Begin a layer, or go on with one; they begin in order."""
        begun = 1 + max((index for index, _ in self.entered), default=-1)
        if not 0 <= op.index <= begun:
            text = f"layer {op.index} ('{op.title}') begins, expected layer {begun} or one before it"
            raise InternalError(Diagnostic("emit-layer", text, op.loc))
        self.entered.append((op.index, self.writer.operations))
        # A title that is made of the place says it already.
        self.title = op.title if title_of(op.loc) in ("", op.title) else f"{op.title} [{op.loc}]"
        self.place = op.loc

    def ranges(self) -> list[list[tuple[int, int]]]:
        """The operations of each layer, stretch by stretch."""
        found: list[list[tuple[int, int]]] = [[] for _ in range(1 + max((i for i, _ in self.entered), default=-1))]
        for (index, first), (_, last) in pairwise([*self.entered, (0, self.writer.operations)]):
            if first < last:
                found[index].append((first, last))
        return found


def transactions_of(op: Op, header: TransactionHeader, store: WeightStore) -> list[Transaction]:
    """The operations of the control stream that one `aie2` operation becomes."""
    make = _MAKERS.get(type(op))
    if isinstance(op, ProgramOp):
        make = partial(_program, store)
    if make is None:
        raise InternalError(Diagnostic("emit-op", f"'{op.name}' is no control operation", op.loc))
    column, row = getattr(op, "column", 0), getattr(op, "row", 0)
    try:
        return list(make(op, header.tile(column, row)))
    except BsccError as error:
        found = error.diagnostic
        text = f"'{op.name}' at tile({column},{row}): {found.message}"
        raise InternalError(Diagnostic(found.code, text, op.loc, help=found.help)) from error


def _port(name: str) -> Port:
    port = port_of(name)
    if port is None:
        raise BsccError(Diagnostic("port-name", f"there is no port '{name}'"))
    return port


def _circuit(op: CircuitOp, tile: Tile) -> Iterator[Transaction]:
    slave, master = _port(op.slave), _port(op.master)
    yield write_register(tile, Slave(slave), SlaveWord(enable=True))
    word = CircuitMaster(enable=True, slave=slave_index(tile.kind, slave))
    yield write_register(tile, Master(master), word)


def _packet_slave(op: PacketSlaveOp, tile: Tile) -> Iterator[Transaction]:
    port, slots = _port(op.slave), []
    for start in range(0, len(op.slots), _SLOT_FIELDS):
        number, mask, msel, arbiter = op.slots[start : start + _SLOT_FIELDS]
        slots.append(SlotWord(id=number, mask=mask, enable=True, msel=msel, arbiter=arbiter))
    yield write_register(tile, Slot(port, 0), *slots)
    yield write_register(tile, Slave(port), SlaveWord(enable=True, packet=True))


def _packet_master(op: PacketMasterOp, tile: Tile) -> Iterator[Transaction]:
    word = PacketMaster(enable=True, drop_header=op.drop_header, msels=op.msels, arbiter=op.arbiter)
    yield write_register(tile, Master(_port(op.master)), word)


def _shim_mux(op: ShimMuxOp, tile: Tile) -> Iterator[Transaction]:
    dma = ShimRoute.DMA
    yield write_register(tile, Special.MUX, MuxWord(south3=dma, south7=dma))
    yield write_register(tile, Special.DEMUX, DemuxWord(south2=dma, south3=dma))


def _lock(op: LockOp, tile: Tile) -> Iterator[Transaction]:
    yield write_register(tile, LockValue(op.lock), LockWord(value=op.value))


def _core_reset(op: CoreResetOp, tile: Tile) -> Iterator[Transaction]:
    yield write_register(tile, Special.CORE_CONTROL, CoreControlWord(reset=True))


def _program(store: WeightStore, op: ProgramOp, tile: Tile) -> Iterator[Transaction]:
    """One block write: its data may be of any length, and every further operation costs the firmware time."""
    address = tile.address(register_offset(tile.kind, ProgramMemory(0)))
    words: list[int] = store[op.symbol].view(np.dtype("<u4")).tolist()
    yield BlockWrite(address=address, data=tuple(words), column=tile.column, row=tile.row)


def _core_config(op: CoreConfigOp, tile: Tile) -> Iterator[Transaction]:
    address = tile.address(register_offset(tile.kind, DataMemory(CONFIG_ADDRESS)))
    yield BlockWrite(address=address, data=op.words, column=tile.column, row=tile.row)


def _core_enable(op: CoreEnableOp, tile: Tile) -> Iterator[Transaction]:
    yield write_register(tile, Special.CORE_CONTROL, CoreControlWord(enable=True))


def _channel(op: ChannelOp, tile: Tile) -> Iterator[Transaction]:
    record = ShimChannelControlWord if tile.kind is TileKind.SHIM else ChannelControlWord
    register = ChannelControl(Direction[op.direction], op.channel)
    yield write_register(tile, register, record(finish_on_tlast=op.finish_on_tlast))


def descriptor(op: BdOp, kind: TileKind) -> Descriptor:
    """The buffer descriptor in the form of its DMA; a shim's address is left to the patch."""
    fields: dict[str, Any] = {"valid": True, "length": op.length, "tlast_suppress": op.keep_open}
    fields |= {f"step{place}": step for place, step in enumerate(op.steps)}
    fields |= {f"wrap{place}": wrap for place, wrap in enumerate(op.wraps)}
    if op.iteration is not None:
        step, wrap, current = op.iteration
        fields |= {"iteration_step": step, "iteration_wrap": wrap, "iteration_current": current}
    if op.acquire is not None:
        lock, amount = op.acquire
        fields |= {"acquire_enable": True, "acquire_id": lock, "acquire_value": -amount}
    if op.release is not None:
        fields |= {"release_id": op.release[0], "release_value": op.release[1]}
    if op.next_bd is not None:
        fields |= {"use_next_bd": True, "next_bd": op.next_bd}
    if op.packet is not None:
        fields |= {"packet": True, "packet_id": op.packet}
    if kind is TileKind.SHIM:
        return _made(ShimBd, fields)
    return _made(MemTileBd if kind is TileKind.MEMTILE else CoreBd, fields | {"base_words": op.address})


def _made(record: type[Descriptor], fields: dict[str, Any]) -> Descriptor:
    """The record, or a coded error where its DMA has no such dimension."""
    unknown = [name for name in fields if name not in record.__dataclass_fields__]
    if unknown:
        text = f"{record.__name__} has no {', '.join(unknown)}"
        raise BsccError(Diagnostic("field-unknown", text))
    return record(**fields)


def _bd(op: BdOp, tile: Tile) -> Iterator[Transaction]:
    yield write_register(tile, BdWord(op.bd, 0), descriptor(op, tile.kind))
    if tile.kind is TileKind.SHIM:
        if op.argument is None:
            raise BsccError(Diagnostic("bd-argument", f"shim BD {op.bd} names no DDR argument"))
        yield patch_bd(tile, op.bd, op.argument, op.address * WORD_BYTES)
    elif op.argument is not None:
        raise BsccError(Diagnostic("bd-argument", f"BD {op.bd} names a DDR argument outside a shim"))


def _push(op: PushOp, tile: Tile) -> Iterator[Transaction]:
    register = StartQueue(Direction[op.direction], op.channel)
    yield write_register(tile, register, task_word(tile.kind, op.bd, op.repeat, op.token))


def _sync(op: SyncOp, tile: Tile) -> Iterator[Transaction]:
    yield Sync(column=tile.column, row=tile.row, direction=Direction[op.direction], channel=op.channel)


_MAKERS: dict[type[Op], Callable[[Any, Tile], Iterator[Transaction]]] = {
    CircuitOp: _circuit,
    PacketSlaveOp: _packet_slave,
    PacketMasterOp: _packet_master,
    ShimMuxOp: _shim_mux,
    LockOp: _lock,
    CoreResetOp: _core_reset,
    CoreConfigOp: _core_config,
    CoreEnableOp: _core_enable,
    ChannelOp: _channel,
    BdOp: _bd,
    PushOp: _push,
    SyncOp: _sync,
}
