"""The control processor: plays the operations of the control stream and counts task-complete tokens."""

import math
from collections import Counter
from collections.abc import Callable

import numpy as np

from compiler.encoding.descriptors import DESCRIPTORS
from compiler.encoding.register_map import (
    BdWord,
    ChannelControl,
    DataMemory,
    LockValue,
    Master,
    Register,
    Slave,
    Slot,
    Special,
    StartQueue,
    decode_word,
    find_register,
)
from compiler.encoding.registers import (
    ChannelControlWord,
    CircuitMaster,
    CoreControlWord,
    DemuxWord,
    LockWord,
    MemTileTaskWord,
    MuxWord,
    PacketMaster,
    ShimChannelControlWord,
    SlaveWord,
    SlotWord,
    TaskWord,
)
from compiler.encoding.tiles import Direction, split_address
from compiler.encoding.transaction import (
    BlockWrite,
    DdrPatch,
    MaskWrite,
    Noop,
    Op,
    Preempt,
    Sync,
    Transactions,
    Write32,
)
from compiler.errors import BsccError
from runtime_sim.array import ARGUMENT_SHIFT, Array, TileState
from runtime_sim.core import Core
from runtime_sim.dma import Channel
from runtime_sim.faults import sim_fault
from runtime_sim.memory import WORD
from runtime_sim.record import Event
from runtime_sim.streams import Place

ChannelKey = tuple[Place, Direction, int]
_ITERATION_WORD = {kind: bd.declaration("iteration_current").pieces[0].word for kind, bd in DESCRIPTORS.items()}
_HIGH_ADDRESS_BITS = 16


class Control:
    """Plays one operation after another; `channels` and `cores` are what its writes start."""

    def __init__(
        self,
        array: Array,
        stream: Transactions,
        channels: dict[ChannelKey, Channel],
        cores: dict[Place, Core],
        layer_of_op: Callable[[int], int] | None,
    ) -> None:
        self.array = array
        self.ops = stream.ops
        self.position = 0
        self._channels = channels
        self._cores = cores
        self._layer_of_op = layer_of_op
        self._layer = -1
        self._tokens: Counter[ChannelKey] = Counter()
        self._awaits: list[ChannelKey] = []
        per_ns = array.target.clock_mhz / 1000
        self._op_cycles = array.target.timing.control_op_ns * per_ns
        self._sync_cycles = array.target.timing.sync_ns * per_ns
        self._time = 0.0
        self._busy = 0.0
        self._since = 0
        self._by_tile: dict[Place, list[Channel]] = {}
        for channel in channels.values():
            channel.on_token = self.token
            self._by_tile.setdefault(channel.tile.place, []).append(channel)

    @property
    def where(self) -> str:
        """The operation for messages."""
        return f"control op {self.position}"

    def step(self) -> None:
        """Play operations until one waits or takes time."""
        clock = self.array.clock
        self._time = max(self._time, clock.now)
        while self.position < len(self.ops):
            self._layer = self._layer_of_op(self.position) if self._layer_of_op else -1
            op = self.ops[self.position]
            if isinstance(op, Sync):
                self._awaits = self._sync_keys(op)
                self._since = clock.now
                self._try_sync()
                return
            self._play(op)
            self._spend(self._op_cycles)
            if self._time > clock.now:
                clock.after(math.ceil(self._time) - clock.now, self.step)
                return

    def _spend(self, cycles: float) -> None:
        """The operation is done; it took this long."""
        now = self.array.clock.now
        self.array.result.span(self._layer, now, math.ceil(now + cycles))
        self._time += cycles
        self._busy += cycles
        self.array.result.control_cycles = math.ceil(self._busy)
        self.position += 1

    def _sync_keys(self, op: Sync) -> list[ChannelKey]:
        keys = [
            ((op.column + right, op.row + up), Direction(op.direction), op.channel)
            for right in range(op.columns)
            for up in range(op.rows)
        ]
        for key in keys:
            if key not in self._channels:
                place, direction, channel = key
                text = f"there is no tile{place} {direction.name.lower()}{channel} to wait for"
                raise sim_fault("control-address", text, self.where, self._layer)
        return keys

    def token(self, channel: Channel) -> None:
        """A channel has finished a task that was pushed with the token bit."""
        self._tokens[channel.tile.place, channel.direction, channel.number] += 1
        if self._awaits:
            self._try_sync()

    def _try_sync(self) -> None:
        if any(not self._tokens[key] for key in self._awaits):
            return
        self._tokens.subtract(self._awaits)
        self._awaits = []
        clock = self.array.clock
        waited = clock.now - self._since
        self.array.result.sync_wait_cycles += waited
        if waited:
            self.array.result.event(Event(self._since, clock.now, "control", "control", "sync", self._layer, 0))
        self._time = max(self._time, clock.now)
        self._spend(self._op_cycles + self._sync_cycles)
        clock.after(math.ceil(self._time) - clock.now, self.step)

    def _play(self, op: Op) -> None:
        match op:
            case Write32():
                self._write(op.address, (op.value,))
            case BlockWrite():
                self._write(op.address, op.data)
            case MaskWrite():
                self._mask_write(op)
            case DdrPatch():
                self._patch(op)
            case Noop() | Preempt():
                pass
            case _:
                text = f"{type(op).__name__} is not simulated"
                raise sim_fault("control-unsupported", text, self.where, self._layer)

    def _locate(self, address: int) -> tuple[TileState, int]:
        column, row, offset = split_address(address)
        state = self.array.tiles.get((column, row))
        if state is None:
            text = f"address 0x{address:x} is in tile({column},{row}), which the target does not have"
            raise sim_fault("control-address", text, self.where, self._layer)
        return state, offset

    def _register(self, state: TileState, offset: int) -> Register:
        register = find_register(state.kind, offset)
        if register is None:
            text = f"{state.name} has no register at offset 0x{offset:x}"
            raise sim_fault("control-address", text, self.where, self._layer)
        return register

    def _write(self, address: int, data: tuple[int, ...]) -> None:
        state, offset = self._locate(address)
        register = self._register(state, offset)
        if isinstance(register, DataMemory):
            self._write_memory(state, register.offset, data)
            return
        for value in data:
            self._write_register(state, self._register(state, offset), offset, value)
            offset += WORD

    def _write_memory(self, state: TileState, offset: int, data: tuple[int, ...]) -> None:
        first, count = offset // WORD, len(data)
        if offset % WORD or first + count > state.memory.size:
            text = f"{count} words at 0x{offset:x} do not lie in {state.memory.name}"
            raise sim_fault("control-address", text, self.where, self._layer)
        state.memory.words[first : first + count] = np.array(data, dtype=np.uint32)
        state.memory.mark(first, count)

    def _mask_write(self, op: MaskWrite) -> None:
        state, offset = self._locate(op.address)
        old = state.raw.get(offset, 0)
        register = self._register(state, offset)
        if isinstance(register, BdWord):
            old = state.bds[register.bd].words[register.word]
        elif isinstance(register, LockValue):
            old = state.locks[register.id].value
        elif isinstance(register, DataMemory):
            old = int(state.memory.words[register.offset // WORD])
        self._write(op.address, (old & ~op.mask | op.value & op.mask,))

    def _patch(self, op: DdrPatch) -> None:
        state, offset = self._locate(op.address)
        register = self._register(state, offset)
        if op.argument not in self.array.ddr or not (isinstance(register, BdWord) and register.word == 1):
            text = f"a patch of {register} of {state.name} with argument {op.argument} means nothing"
            raise sim_fault("control-address", text, self.where, self._layer)
        self._check_unused(state, register.bd)
        address = (op.argument + 1 << ARGUMENT_SHIFT) + op.offset_bytes
        words = state.bds[register.bd].words
        mask = (1 << _HIGH_ADDRESS_BITS) - 1
        words[1] = address & 0xFFFFFFFC
        words[2] = words[2] & ~mask | address >> 32 & mask

    def _check_unused(self, state: TileState, bd: int) -> None:
        """A descriptor that a channel has taken up, or is about to, must stay as it is."""
        for channel in self._by_tile[state.place]:
            if channel.uses(bd):
                text = f"bd {bd} of {state.name} is rewritten while {channel.lane} has it running or queued"
                raise sim_fault("bd-busy", text, self.where, self._layer)

    def _write_register(self, state: TileState, register: Register, offset: int, value: int) -> None:
        if isinstance(register, BdWord):
            bd = state.bds[register.bd]
            if bd.words[register.word] != value:
                self._check_unused(state, register.bd)
            bd.words[register.word] = value
            if register.word == _ITERATION_WORD[state.kind]:
                bd.current = None
            return
        state.raw[offset] = value
        try:
            word = decode_word(state.kind, register, value)
        except BsccError as error:
            raise sim_fault("control-value", error.diagnostic.message, self.where, self._layer) from error
        key = state.place
        match register, word:
            case StartQueue(), TaskWord() | MemTileTaskWord():
                self._channels[key, register.direction, register.channel].push(word, self._layer)
            case ChannelControl(), ChannelControlWord() | ShimChannelControlWord():
                channel = self._channels[key, register.direction, register.channel]
                channel.set_control(word.finish_on_tlast)
            case LockValue(), LockWord():
                state.locks[register.id].set(word.value)
            case Special.CORE_CONTROL, CoreControlWord():
                self._core_control(state, word)
            case _:
                self._write_switch(state, register, word)

    def _core_control(self, state: TileState, word: CoreControlWord) -> None:
        core = self._cores[state.place]
        if word.enable and not word.reset and not core.running:
            core.start()

    def _write_switch(self, state: TileState, register: Register, word: object) -> None:
        switch = self.array.streams.switches[state.place]
        match register, word:
            case Master(), CircuitMaster() | PacketMaster():
                switch.masters[register.port] = word
            case Slave(), SlaveWord():
                switch.slaves[register.port] = word
            case Slot(), SlotWord():
                switch.slots.setdefault(register.port, {})[register.slot] = word
            case Special.MUX, MuxWord():
                switch.mux = word
            case Special.DEMUX, DemuxWord():
                switch.demux = word
            case _:
                return
        self.array.streams.changed()

    def complaint(self) -> str:
        """What the control processor waits for, empty if it has finished."""
        if self.position >= len(self.ops):
            return ""
        missing = [self._channels[key].lane for key in self._awaits if not self._tokens[key]]
        return f"{self.where} waits for a task-complete token of {', '.join(missing)}"
