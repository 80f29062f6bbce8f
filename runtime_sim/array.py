"""The state of the array: tiles with memories, locks, descriptors and channels, and what they all share."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from compiler.encoding.costs import KernelCosts
from compiler.encoding.descriptors import LIMITS, NEIGHBOUR_CHANNELS
from compiler.encoding.tiles import (
    CORE_LOCKS,
    CORE_MEMORY_BYTES,
    PROGRAM_MEMORY_BYTES,
    Direction,
    Side,
    Tile,
    TileKind,
    split_memtile_lock,
    split_memtile_word,
)
from compiler.errors import BsccError
from compiler.target import Target
from runtime_sim.clock import Clock
from runtime_sim.faults import sim_fault
from runtime_sim.locks import Lock
from runtime_sim.memory import WORD, Bytes, Memory
from runtime_sim.record import Result
from runtime_sim.streams import Place, Streams

ARGUMENT_SHIFT = 40
"""DDR argument a lies at address (a + 1) << 40 of the simulated DDR."""

HOST_WRITTEN_ARGUMENTS = (0, 1)
"""Constants and inputs; outputs and scratch hold nothing yet."""

BD_WORDS = 8
_NEIGHBOURS = {"south": (0, -1), "west": (-1, 0), "north": (0, 1), "own": (0, 0)}
_SIDES = {Side.WEST: -1, Side.OWN: 0, Side.EAST: 1}


class BdRegister:
    """The words of one descriptor and the iteration it has come to."""

    __slots__ = ("current", "words")

    def __init__(self) -> None:
        self.words = [0] * BD_WORDS
        self.current: int | None = None


class TileState:
    """One tile: memory, locks and descriptors."""

    def __init__(self, tile: Tile, memory_bytes: int, clock: Clock) -> None:
        self.tile = tile
        self.kind = tile.kind
        self.place: Place = tile.column, tile.row
        self.name = f"{tile.kind.value}({tile.column},{tile.row})"
        limits = LIMITS[tile.kind]
        self.memory = Memory(f"{self.name} memory", np.zeros(memory_bytes, np.uint8), written=False)
        self.program: Memory | None = None
        if self.kind is TileKind.CORE:
            blank = np.zeros(PROGRAM_MEMORY_BYTES, np.uint8)
            self.program = Memory(f"{self.name} program memory", blank, written=False)
        self.locks = [Lock(clock, f"{self.name} lock {number}") for number in range(limits.locks)]
        self.bds = [BdRegister() for _ in range(limits.bds)]
        self.raw: dict[int, int] = {}


@dataclass(frozen=True)
class Settings:
    """What a run is asked to do; every core must hold the program of this sha256, any if it is empty."""

    costs: KernelCosts
    compute: bool
    program: str = ""


class Array:
    """All state of a run."""

    def __init__(self, target: Target, arguments: dict[int, Bytes], settings: Settings) -> None:
        self.target = target
        self.settings = settings
        self.clock = Clock()
        self.result = Result()
        self.tiles: dict[Place, TileState] = {}
        for column in range(target.columns):
            for row in range(target.first_core_row + target.core_rows):
                self._add_tile(column, row)
        self.streams = Streams([state.tile for state in self.tiles.values()])
        self.ddr = {number: _argument(number, data) for number, data in arguments.items()}

    def return_arguments(self, arguments: dict[int, Bytes]) -> None:
        """Copy outputs back where the simulated DDR is not the caller's own bytes."""
        for number, data in arguments.items():
            held = self.ddr[number].bytes
            if number not in HOST_WRITTEN_ARGUMENTS and not np.shares_memory(held, data):
                data[:] = held[: len(data)]

    def _add_tile(self, column: int, row: int) -> None:
        sizes = {
            TileKind.SHIM: 0,
            TileKind.MEMTILE: self.target.memory_tile.bytes,
            TileKind.CORE: self.target.core.data_memory_bytes,
        }
        kind = TileKind.CORE
        if row < self.target.first_core_row:
            kind = TileKind.MEMTILE if row else TileKind.SHIM
        self.tiles[column, row] = TileState(Tile(column, row, kind), sizes[kind], self.clock)

    def dma_memory(self, state: TileState, channel: int, base: int, span: int, who: str) -> tuple[Memory, int]:
        """The memory and word a descriptor's base means; for a shim the base is a byte address."""
        if state.kind is TileKind.SHIM:
            memory, word = self._ddr_memory(base, who)
        elif state.kind is TileKind.CORE:
            memory, word = state.memory, base
        else:
            side, offset = _checked(split_memtile_word, base, who)
            memory, word = self._memtile(state, side, channel, "memory", who).memory, offset // WORD
        if word + span > memory.size:
            text = (
                f"the descriptor reaches bytes 0x{word * WORD:x}..0x{(word + span) * WORD:x} "
                f"of {memory.name}, which has 0x{memory.size * WORD:x}"
            )
            raise sim_fault("descriptor-range", text, who)
        return memory, word

    def _ddr_memory(self, address: int, who: str) -> tuple[Memory, int]:
        number, offset = (address >> ARGUMENT_SHIFT) - 1, address & ((1 << ARGUMENT_SHIFT) - 1)
        memory = self.ddr.get(number)
        if memory is None:
            text = f"DDR address 0x{address:x} belongs to no argument; was the descriptor patched?"
            raise sim_fault("descriptor-range", text, who)
        return memory, offset // WORD

    def _memtile(self, state: TileState, side: Side, channel: int, what: str, who: str) -> TileState:
        if side is Side.OWN:
            return state
        if channel not in NEIGHBOUR_CHANNELS:
            text = f"channel {channel} cannot reach the {side.name.lower()} neighbour's {what}"
            raise sim_fault("neighbour-reach", text, who, help="channels 0 to 3 can")
        return self._tile_at(state, _SIDES[side], 0, side.name.lower(), who)

    def _tile_at(self, state: TileState, right: int, up: int, name: str, who: str) -> TileState:
        found = self.tiles.get((state.place[0] + right, state.place[1] + up))
        if found is None or found.kind is not state.kind:
            text = f"{state.name} has no {name} neighbour of its kind"
            raise sim_fault("neighbour-reach", text, who)
        return found

    def dma_lock(self, state: TileState, channel: int, number: int, who: str) -> Lock:
        """The lock a descriptor's lock id means."""
        if state.kind is not TileKind.MEMTILE:
            return state.locks[number]
        side, local = _checked(split_memtile_lock, number, who)
        return self._memtile(state, side, channel, "locks", who).locks[local]

    def core_windows(self, state: TileState) -> dict[str, Memory]:
        """The data memories that a core sees, by the name of their window; at the edge some are missing."""
        found = {}
        for name, (right, up) in _NEIGHBOURS.items():
            tile = self.tiles.get((state.place[0] + right, state.place[1] + up))
            if tile is not None and tile.kind is TileKind.CORE:
                found[name] = tile.memory
        return found

    def core_lock(self, state: TileState, number: int, who: str) -> Lock:
        """The lock a core's lock id means: 16 each of south, west, north, own."""
        for name, first in CORE_LOCKS.items():
            if first <= number < first + LIMITS[TileKind.CORE].locks:
                return self._tile_at(state, *_NEIGHBOURS[name], name, who).locks[number - first]
        raise sim_fault("core-config", f"lock id {number} is none that a core sees", who)

    def core_memory(self, state: TileState, address: int, size: int, who: str) -> tuple[Memory, int]:
        """The memory and byte offset of a core's buffer."""
        limit = LIMITS[TileKind.CORE].memory_bytes
        for name, first in CORE_MEMORY_BYTES.items():
            if first <= address < first + limit:
                memory = self._tile_at(state, *_NEIGHBOURS[name], name, who).memory
                offset = address - first
                if offset + size > memory.size * WORD or offset % WORD or size % WORD:
                    text = f"a buffer of {size} bytes at 0x{address:x} is no range of words of {memory.name}"
                    raise sim_fault("core-config", text, who)
                return memory, offset
        raise sim_fault("core-config", f"0x{address:x} is no address of a data memory that a core sees", who)


def _checked(split: Callable[[int], tuple[Side, int]], value: int, who: str) -> tuple[Side, int]:
    """An encoding's answer, its complaint turned into a fault."""
    try:
        return split(value)
    except BsccError as error:
        raise sim_fault("descriptor-range", error.diagnostic.message, who) from error


def _argument(number: int, data: Bytes) -> Memory:
    """A DDR argument as a memory over the caller's bytes; an odd tail is padded in a copy."""
    rest = -len(data) % WORD
    whole = np.ascontiguousarray(np.concatenate([data, np.zeros(rest, np.uint8)]) if rest else data)
    if whole.ctypes.data % WORD:
        whole = whole.copy()
    return Memory(f"DDR argument {number}", whole, written=number in HOST_WRITTEN_ARGUMENTS)


def lane_name(state: TileState, direction: Direction, channel: int) -> str:
    """The name of a channel in traces and messages."""
    return f"{state.name} {direction.name.lower()}{channel}"
