"""Control streams built by hand for tests of the simulator: one column, routes as the overlay has them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from compiler.encoding import overlay
from compiler.encoding.descriptors import CoreBd, Descriptor, MemTileBd, ShimBd
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
    ShimRoute,
    SlaveWord,
    SlotWord,
)
from compiler.encoding.switch import Bundle, Port, slave_index
from compiler.encoding.tiles import (
    CORE_MEMORY_BYTES,
    Direction,
    Side,
    Tile,
    TileKind,
    memtile_lock,
    memtile_word,
)
from compiler.encoding.transaction import Op, Sync, TransactionWriter, patch_bd, write_register
from compiler.encoding.work import (
    CONFIG_ADDRESS,
    LANES,
    CallRecord,
    CoreConfig,
    Kernel,
    WorkHeader,
    with_steps,
)
from compiler.target import Target
from runtime_sim.machine import simulate
from runtime_sim.record import Result
from tests.plans import COSTS

S2MM, MM2S = Direction.S2MM, Direction.MM2S
SHIM, MEMTILE = Tile(0, 0, TileKind.SHIM), Tile(0, 1, TileKind.MEMTILE)

ACT_SLOTS = (0x0000, 0x1000)
WORK_SLOTS = (0x2000, 0x3000)
OUT_SLOTS = (0x4000, 0x5000)
UPPER_SLOTS = (0x6000, 0x7000)
SLOT_BYTES = 0x1000


def core(row: int, column: int = 0) -> Tile:
    """Core row `row` of a column, counted from the memory tile."""
    return Tile(column, 2 + row, TileKind.CORE)


class Script:
    """Collects operations; small words for what tests say often."""

    def __init__(self) -> None:
        self.writer = TransactionWriter()

    def op(self, op: Op) -> None:
        self.writer.append(op)

    def write(self, tile: Tile, register: object, *contents: object) -> None:
        self.op(write_register(tile, register, *contents))  # type: ignore[arg-type]

    def circuit(self, tile: Tile, slave: Port, *masters: Port) -> None:
        """Connect a slave port to masters."""
        self.write(tile, Slave(slave), SlaveWord(enable=True))
        for master in masters:
            word = CircuitMaster(enable=True, slave=slave_index(tile.kind, slave))
            self.write(tile, Master(master), word)

    def slot(self, tile: Tile, slave: Port, slot: int, word: SlotWord) -> None:
        """Set a match slot of a packet port."""
        self.write(tile, Slave(slave), SlaveWord(enable=True, packet=True))
        self.write(tile, Slot(slave, slot), word)

    def packet_master(self, tile: Tile, master: Port, arbiter: int, msels: int) -> None:
        """Let a master take packets; DMA ports drop the header."""
        drop = master.bundle is Bundle.DMA
        word = PacketMaster(enable=True, arbiter=arbiter, msels=msels, drop_header=drop)
        self.write(tile, Master(master), word)

    def bd(self, tile: Tile, number: int, bd: Descriptor) -> None:
        self.write(tile, BdWord(number, 0), replace(bd, valid=True))

    def shim_bd(self, number: int, argument: int, offset: int, bd: ShimBd, tile: Tile = SHIM) -> None:
        self.bd(tile, number, bd)
        self.op(patch_bd(tile, number, argument, offset))

    def push(
        self, tile: Tile, direction: Direction, channel: int, bd: int, repeat: int = 1, token: bool = False
    ) -> None:
        self.write(tile, StartQueue(direction, channel), task_word(tile.kind, bd, repeat, token))

    def sync(self, tile: Tile, direction: Direction, channel: int) -> None:
        self.op(Sync(column=tile.column, row=tile.row, direction=direction, channel=channel))

    def lock(self, tile: Tile, number: int, value: int) -> None:
        self.write(tile, LockValue(number), LockWord(value=value))

    def column_routes(self) -> None:
        """Shim MM2S 0/1 to memory tile S2MM 4/5, memory tile MM2S 5 to shim S2MM 0."""
        self.write(SHIM, Special.MUX, MuxWord(south3=ShimRoute.DMA, south7=ShimRoute.DMA))
        self.write(SHIM, Special.DEMUX, DemuxWord(south2=ShimRoute.DMA))
        self.circuit(SHIM, Port(Bundle.SOUTH, 3), Port(Bundle.NORTH, 0))
        self.circuit(SHIM, Port(Bundle.SOUTH, 7), Port(Bundle.NORTH, 1))
        self.circuit(MEMTILE, Port(Bundle.SOUTH, 0), Port(Bundle.DMA, overlay.LOAD_CHANNEL))
        self.circuit(MEMTILE, Port(Bundle.SOUTH, 1), Port(Bundle.DMA, overlay.WORK_LOAD_CHANNEL))
        self.circuit(MEMTILE, Port(Bundle.DMA, overlay.STORE_CHANNEL), Port(Bundle.SOUTH, 0))
        self.circuit(SHIM, Port(Bundle.NORTH, 0), Port(Bundle.SOUTH, 2))

    def core_routes(self, rows: int, output_rows: int) -> None:
        """Activations on stream 0 and work on stream 1 by packets to every row; outputs by circuits."""
        for stream, source, channel in ((0, 0, 0), (1, overlay.WORK_CHANNEL, 1)):
            any_id = SlotWord(id=0, mask=0, enable=True, arbiter=stream)
            north = Port(Bundle.NORTH, source)
            self.slot(MEMTILE, Port(Bundle.DMA, source), 0, any_id)
            self.packet_master(MEMTILE, north, stream, 1)
            for row in range(rows):
                slave = Port(Bundle.SOUTH, source)
                for number, packet_id, msel in self._ids(row, rows):
                    word = SlotWord(id=packet_id, mask=31, enable=True, arbiter=stream, msel=msel)
                    self.slot(core(row), slave, number, word)
                self.packet_master(core(row), Port(Bundle.DMA, channel), stream, 0b101)
                if row + 1 < rows:
                    self.packet_master(core(row), north, stream, 0b110)
        for row in range(output_rows):
            stream = row
            self.circuit(core(row), Port(Bundle.DMA, 0), Port(Bundle.SOUTH, stream))
            for below in range(row):
                self.circuit(core(below), Port(Bundle.NORTH, stream), Port(Bundle.SOUTH, stream))
            self.circuit(MEMTILE, Port(Bundle.NORTH, stream), Port(Bundle.DMA, stream))

    @staticmethod
    def _ids(row: int, rows: int) -> list[tuple[int, int, int]]:
        """Slots of a row: its own id here, all, and each of at most two rows above."""
        ids = [(0, overlay.ROW_IDS[row], 0), (1, overlay.BROADCAST_ID, 2 if row + 1 < rows else 0)]
        return ids + [(2 + k, overlay.ROW_IDS[above], 1) for k, above in enumerate(range(row + 1, rows))]

    def core_program(self, tile: Tile, *, south_output: bool = False, program: tuple[int, ...] = (0,) * 4) -> None:
        """Slots, rings, locks, configuration and program of one core, then enable it."""
        own, south = CORE_MEMORY_BYTES["own"], CORE_MEMORY_BYTES["south"]
        out = [south + slot for slot in UPPER_SLOTS] if south_output else [own + slot for slot in OUT_SLOTS]
        locks = [overlay.own_lock(lock) for lock in range(4)]
        if south_output:
            locks += [overlay.south_lock(overlay.UPPER_FREE), overlay.south_lock(overlay.UPPER_FULL)]
        else:
            locks += [overlay.own_lock(overlay.OUT_FREE), overlay.own_lock(overlay.OUT_FULL)]
        config = CoreConfig(
            act_slot0=own + ACT_SLOTS[0], act_slot1=own + ACT_SLOTS[1], act_bytes=SLOT_BYTES,
            work_slot0=own + WORK_SLOTS[0], work_slot1=own + WORK_SLOTS[1], work_bytes=SLOT_BYTES,
            out_slot0=out[0], out_slot1=out[1], out_bytes=SLOT_BYTES,
            acc_address=own + 0x8000, acc_bytes=SLOT_BYTES,
            act_free_lock=locks[0], act_full_lock=locks[1], work_free_lock=locks[2],
            work_full_lock=locks[3], out_free_lock=locks[4], out_full_lock=locks[5],
        )  # fmt: skip
        self.write(tile, DataMemory(CONFIG_ADDRESS), config)
        for lock in (overlay.ACT_FREE, overlay.WORK_FREE, overlay.OUT_FREE, overlay.UPPER_FREE):
            self.lock(tile, lock, 2)
        self.ring(tile, 0, S2MM, 0, ACT_SLOTS, (overlay.ACT_FREE, overlay.ACT_FULL))
        self.ring(tile, 2, S2MM, 1, WORK_SLOTS, (overlay.WORK_FREE, overlay.WORK_FULL))
        self.write(tile, ProgramMemory(0), *program)
        self.write(tile, Special.CORE_CONTROL, CoreControlWord(enable=True))

    def ring(
        self,
        tile: Tile,
        first: int,
        direction: Direction,
        channel: int,
        slots: tuple[int, ...],
        locks: tuple[int, int],
        words: int = SLOT_BYTES // 4,
    ) -> None:
        """Descriptors over slots that chain to each other for ever; TLAST ends them on the way in."""
        for number, slot in enumerate(slots):
            following = first + (number + 1) % len(slots)
            bd = CoreBd(
                base_words=slot // 4, length=words, use_next_bd=True, next_bd=following, acquire_enable=True,
                acquire_id=locks[0], acquire_value=-1, release_id=locks[1], release_value=1,
            )  # fmt: skip
            self.bd(tile, first + number, bd)
        if direction is S2MM:
            self.write(tile, ChannelControl(direction, channel), ChannelControlWord(finish_on_tlast=1))
        self.push(tile, direction, channel, first)

    def run(self, target: Target, arguments: dict[int, npt.NDArray[np.uint8]], *, compute: bool = True) -> Result:
        return simulate(self.writer.finish(), target, arguments, COSTS, compute=compute)


def memtile_bd(
    offset: int,
    length: int,
    *,
    acquire: tuple[int, int] | None = None,
    release: tuple[int, int] | None = None,
    side: Side = Side.OWN,
    **fields: Any,
) -> MemTileBd:
    """A memory tile descriptor with own locks as (lock, amount)."""
    bd = MemTileBd(base_words=memtile_word(side, offset), length=length, **fields)
    if acquire is not None:
        lock, amount = acquire
        bd = replace(bd, acquire_enable=True, acquire_id=memtile_lock(Side.OWN, lock), acquire_value=-amount)
    if release is not None:
        bd = replace(bd, release_id=memtile_lock(Side.OWN, release[0]), release_value=release[1])
    return bd


def requantize_packet(pixels: int, shift: int, calls: int = 1, layer: int = 0) -> npt.NDArray[np.uint8]:
    """A work packet whose calls each halve a row of pixels `shift` times, 8 channels, int8."""
    groups = pixels // LANES
    calls_at = WorkHeader.WORDS * 4
    constants_at = calls_at + calls * CallRecord.WORDS * 4
    header = WorkHeader(
        kernel=Kernel.REQUANTIZE, x_signed=True, y_signed=True, r_signed=True, combine=True, calls=calls, layer=layer,
        size_words=constants_at // 4 + 8, calls_offset=calls_at, constants_offset=constants_at, out_blocks=1,
        groups_wide=groups, y_min=-128, y_max=127, add_a=1, add_shift=shift,
    )  # fmt: skip
    call = CallRecord(
        rows=1, groups=groups, acquire_act=True, release_act=True, first=True, last=True, act_bytes=8 * pixels
    )
    call = with_steps(header, call)
    words = [*header.encode(), *(word for _ in range(calls) for word in call.encode()), *[0] * 8]
    return np.array(words, dtype="<u4").view(np.uint8)
