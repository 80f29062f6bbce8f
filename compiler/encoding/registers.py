"""The words of the configuration registers other than descriptors; where they lie is in `register_map`.

Bit positions: AM025 register map (mlir-aie aie_registers_aie2.json); queues also AIETargetModel.cpp:855-878.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

from compiler.encoding.fields import Fixed, Record, bits, flag
from compiler.encoding.switch import ARBITERS


class FinishOnTlast(IntEnum):
    """When an S2MM task may end before its length (aie-rt XAie_DmaChannelFoTMode)."""

    DISABLED = 0
    NO_COUNTS = 1
    COUNTS_WITH_TOKENS = 2
    COUNTS_FROM_REGISTER = 3


class ShimRoute(IntEnum):
    """What a shim multiplexer connects a south port of the switch to."""

    PL = 0
    DMA = 1
    NOC = 2


class ChannelState(IntEnum):
    """What a DMA channel is doing (REGDB Status)."""

    IDLE = 0
    STARTING = 1
    RUNNING = 2


@dataclass(frozen=True, kw_only=True)
class TaskWord(Record):
    """A push to the task queue of a core or shim DMA channel: run BD `bd` and its chain `repeat` times."""

    bd: int = bits(0, 3, 0, shown=True)
    repeat: int = bits(0, 23, 16, bias=1)
    token: bool = flag(0, 31)


@dataclass(frozen=True, kw_only=True)
class MemTileTaskWord(Record):
    """A push to the task queue of a memory tile's DMA channel, which has 48 BDs to name."""

    bd: int = bits(0, 5, 0, maximum=47, shown=True)
    repeat: int = bits(0, 23, 16, bias=1)
    token: bool = flag(0, 31)


@dataclass(frozen=True, kw_only=True)
class ChannelControlWord(Record):
    """Control of a core or memory tile DMA channel; finish_on_tlast and out_of_order are for S2MM only."""

    finish_on_tlast: int = bits(0, 17, 16)
    controller_id: int = bits(0, 15, 8)
    compression: bool = flag(0, 4)
    out_of_order: bool = flag(0, 3)
    reset: bool = flag(0, 1)


@dataclass(frozen=True, kw_only=True)
class ShimChannelControlWord(Record):
    """Control of a shim DMA channel, which pauses where the others reset."""

    finish_on_tlast: int = bits(0, 17, 16)
    controller_id: int = bits(0, 15, 8)
    out_of_order: bool = flag(0, 3)
    pause_stream: bool = flag(0, 2)
    pause_memory: bool = flag(0, 1)


@dataclass(frozen=True, kw_only=True)
class ChannelStatusWord(Record):
    """What a DMA channel reports; overflow stays set once a push met a full queue, whose task is lost."""

    current_bd: int = bits(0, 29, 24)
    queue_size: int = bits(0, 22, 20)
    running: bool = flag(0, 19)
    queue_overflow: bool = flag(0, 18)
    stalled_token: bool = flag(0, 5)
    stalled_stream: bool = flag(0, 4)
    stalled_release: bool = flag(0, 3)
    stalled_acquire: bool = flag(0, 2)
    state: int = bits(0, 1, 0, maximum=ChannelState.RUNNING)


@dataclass(frozen=True, kw_only=True)
class LockWord(Record):
    """A lock's value register, six bits unsigned (AIETargetModel.h:662)."""

    value: int = bits(0, 5, 0, shown=True)


@dataclass(frozen=True, kw_only=True)
class CoreControlWord(Record):
    """Core_Control; after power-on reset is set and the core is not enabled."""

    reset: bool = flag(0, 1)
    enable: bool = flag(0, 0)


@dataclass(frozen=True, kw_only=True)
class TileControlWord(Record):
    """Tile_Control of a core tile: the four isolation bits, all set after power-on."""

    isolate: int = bits(0, 3, 0)


@dataclass(frozen=True, kw_only=True)
class AccumulatorControlWord(Record):
    """Cascade direction: in from north or west, out to south or east."""

    output_east: bool = flag(0, 1)
    input_west: bool = flag(0, 0)


@dataclass(frozen=True, kw_only=True)
class ClockWord(Record):
    """Column_Clock_Control of the shim."""

    enable: bool = flag(0, 0)


@dataclass(frozen=True, kw_only=True)
class CircuitMaster(Record):
    """A master port that copies one slave port, named by its position in `switch.slave_ports`."""

    FIXED: ClassVar[tuple[Fixed, ...]] = (Fixed(0, 30, 30, 0),)

    enable: bool = flag(0, 31)
    drop_header: bool = flag(0, 7)
    slave: int = bits(0, 4, 0, shown=True)


@dataclass(frozen=True, kw_only=True)
class PacketMaster(Record):
    """A master port that takes packets from one arbiter; bit m of `msels` lets slots with msel m through."""

    FIXED: ClassVar[tuple[Fixed, ...]] = (Fixed(0, 30, 30, 1),)

    enable: bool = flag(0, 31)
    drop_header: bool = flag(0, 7)
    msels: int = bits(0, 6, 3)
    arbiter: int = bits(0, 2, 0, maximum=ARBITERS - 1, shown=True)


MasterWord = CircuitMaster | PacketMaster


def decode_master(word: int) -> MasterWord:
    """The meaning of a master configuration word, told apart by its packet bit."""
    fixed = PacketMaster.FIXED[0]
    packet = word >> fixed.lo & 1 == fixed.value
    return PacketMaster.decode((word,)) if packet else CircuitMaster.decode((word,))


@dataclass(frozen=True, kw_only=True)
class SlaveWord(Record):
    """A slave port: in packet mode its four slots decide where each packet goes."""

    enable: bool = flag(0, 31)
    packet: bool = flag(0, 30)


@dataclass(frozen=True, kw_only=True)
class SlotWord(Record):
    """One match slot of a slave port: packets with (packet id & mask) == (id & mask) go to this arbiter."""

    id: int = bits(0, 28, 24)
    mask: int = bits(0, 20, 16)
    enable: bool = flag(0, 8)
    msel: int = bits(0, 5, 4)
    arbiter: int = bits(0, 2, 0, maximum=ARBITERS - 1, shown=True)

    def matches(self, packet_id: int) -> bool:
        """Whether the slot takes packets of this id."""
        return self.enable and packet_id & self.mask == self.id & self.mask


@dataclass(frozen=True, kw_only=True)
class MuxWord(Record):
    """Shim Mux_Config: what enters the switch at south slaves 2, 3, 6, 7; MM2S 0 and 1 come in at 3 and 7."""

    south7: int = bits(0, 15, 14, maximum=ShimRoute.NOC)
    south6: int = bits(0, 13, 12, maximum=ShimRoute.NOC)
    south3: int = bits(0, 11, 10, maximum=ShimRoute.NOC)
    south2: int = bits(0, 9, 8, maximum=ShimRoute.NOC)


@dataclass(frozen=True, kw_only=True)
class DemuxWord(Record):
    """Shim Demux_Config: where south masters 2 to 5 of the switch lead; S2MM 0 and 1 are fed by 2 and 3."""

    south5: int = bits(0, 11, 10, maximum=ShimRoute.NOC)
    south4: int = bits(0, 9, 8, maximum=ShimRoute.NOC)
    south3: int = bits(0, 7, 6, maximum=ShimRoute.NOC)
    south2: int = bits(0, 5, 4, maximum=ShimRoute.NOC)


# aie-rt pl/xaie_plif.c:722-760: the south slave that MM2S c enters, the south master that feeds S2MM c.
SHIM_MM2S_SOUTH = (3, 7)
SHIM_S2MM_SOUTH = (2, 3)
