"""The control processor: plays the operations of the control stream and counts task-complete tokens."""

import math
from collections import defaultdict, deque
from collections.abc import Callable

import numpy as np

from compiler.encoding.descriptors import DESCRIPTORS
from compiler.encoding.isa import BUNDLE_BYTES
from compiler.encoding.register_map import (
    BdWord,
    ChannelControl,
    DataMemory,
    LockValue,
    Master,
    ProgramMemory,
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
from compiler.encoding.tiles import Direction, TileKind, split_address
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
from runtime_sim.core import AnyCore
from runtime_sim.dma import Channel
from runtime_sim.faults import sim_fault
from runtime_sim.memory import WORD, Memory
from runtime_sim.program_memory import check_program
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
        cores: dict[Place, AnyCore],
        layer_of_op: Callable[[int], int] | None,
    ) -> None:
        self.array = array
        self.ops = stream.ops
        self.position = 0
        self._channels = channels
        self._cores = cores
        self._layer_of_op = layer_of_op
        self._layer = -1
        self._tokens: defaultdict[ChannelKey, deque[float]] = defaultdict(deque)
        self._awaits: list[ChannelKey] = []
        self._pushed: dict[ChannelKey, int] = {}
        self._time = self._busy = array.target.cycles(array.target.control.stream_us * 1000)
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
        while self._time <= clock.now and self.position < len(self.ops):
            self._layer = self._layer_of_op(self.position) if self._layer_of_op else -1
            op = self.ops[self.position]
            if isinstance(op, Sync):
                self._awaits = self._sync_keys(op)
                self._since = clock.now
                self._try_sync()
                return
            early = self._too_early(op)
            if early > 0:
                self._spend(early)
                continue
            self._play(op)
            self._spend(self._cost(op))
            self.position += 1
        if self._time > clock.now:
            clock.after(math.ceil(self._time) - clock.now, self.step)

    def _cost(self, op: Op) -> float:
        """Array cycles of an operation; what a NOOP or a preemption point costs is not published."""
        control = self.array.target.control
        match op:
            case Write32():
                cycles = control.write_cycles
            case BlockWrite():
                cycles = control.write_cycles + control.block_word_cycles * len(op.data)
            case MaskWrite():
                cycles = control.mask_write_cycles
            case DdrPatch():
                cycles = control.patch_cycles
            case Sync():
                cycles = control.sync_cycles
            case _:
                cycles = 0.0
        return self.array.target.control_cycles(cycles)

    def _too_early(self, op: Op) -> float:
        """Cycles until the controller may push another task to the shim channel of this operation."""
        target, now = self.array.target, self.array.clock.now
        interval = target.control_cycles(target.control.task_interval_cycles)
        if not interval or not isinstance(op, Write32):
            return 0.0
        state, offset = self._locate(op.address)
        register = self._register(state, offset)
        if state.kind is not TileKind.SHIM or not isinstance(register, StartQueue):
            return 0.0
        last = self._pushed.get((state.place, register.direction, register.channel))
        return 0.0 if last is None else last + interval - now

    def _spend(self, cycles: float) -> None:
        """The processor works for so long."""
        now = self.array.clock.now
        self.array.result.span(self._layer, now, math.ceil(now + cycles))
        self._time += cycles
        self._busy += cycles
        self.array.result.control_cycles = math.ceil(self._busy)

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
        target = self.array.target
        seen = self.array.clock.now + target.control_cycles(target.control.token_cycles)
        self._tokens[channel.tile.place, channel.direction, channel.number].append(seen)
        if self._awaits:
            self._try_sync()

    def _try_sync(self) -> None:
        """Go on as soon as the tokens that are awaited have come."""
        if any(not self._tokens[key] for key in self._awaits):
            return
        seen = max(self._tokens[key].popleft() for key in self._awaits)
        self._awaits = []
        wait = math.ceil(seen) - self.array.clock.now
        if wait > 0:
            self.array.clock.after(wait, self._synced)
        else:
            self._synced()

    def _synced(self) -> None:
        clock = self.array.clock
        waited = clock.now - self._since
        self.array.result.sync_wait_cycles += waited
        if waited:
            self.array.result.event(Event(self._since, clock.now, "control", "control", "sync", self._layer, 0))
        self._time = max(self._time, clock.now)
        self._spend(self._cost(self.ops[self.position]))
        self.position += 1
        clock.after(0, self.step)

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
            self._write_memory(state.memory, register.offset, data)
            return
        if isinstance(register, ProgramMemory):
            self._write_program(state, register.offset, data)
            return
        for value in data:
            self._write_register(state, self._register(state, offset), offset, value)
            offset += WORD

    def _write_memory(self, memory: Memory, offset: int, data: tuple[int, ...]) -> None:
        first, count = offset // WORD, len(data)
        if offset % WORD or first + count > memory.size:
            text = f"{count} words at 0x{offset:x} do not lie in {memory.name}"
            raise sim_fault("control-address", text, self.where, self._layer)
        memory.words[first : first + count] = np.array(data, dtype=np.uint32)
        memory.mark(first, count)

    def _write_program(self, state: TileState, offset: int, data: tuple[int, ...]) -> None:
        """Program memory takes whole bundles, and a core that runs would fetch from it."""
        assert state.program is not None
        size = WORD * len(data)
        if offset % BUNDLE_BYTES or size % BUNDLE_BYTES:
            text = f"{size} bytes at 0x{offset:x} of {state.program.name} are no bundles of {BUNDLE_BYTES} bytes"
            raise sim_fault("control-address", text, self.where, self._layer)
        if self._cores[state.place].running:
            text = f"{state.program.name} is written while the core runs"
            raise sim_fault("control-running", text, self.where, self._layer)
        self._write_memory(state.program, offset, data)

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
                channel_key = key, register.direction, register.channel
                self._pushed[channel_key] = self.array.clock.now
                self._channels[channel_key].push(word, self._layer)
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
        enabled = word.enable and not word.reset
        if core.running and not enabled:
            raise sim_fault("control-unsupported", f"{state.name} is stopped while it runs", self.where, self._layer)
        if enabled and not core.running:
            check_program(state, self.array.settings.program)
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
