"""Buffer descriptors of the three DMA kinds, in true lengths, steps and wraps, and what each DMA can do.

Lengths, steps and word addresses count 32-bit words (REGDB, AIETargetModel.h `getAddressGenGranularity`).
Bit positions: AM025 register map, `DMA_BD0_*` of modules memory, memory_tile and shim.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from compiler.encoding.faults import fault
from compiler.encoding.fields import Record, bits, choice, flag, joined
from compiler.encoding.tiles import TileKind


class Dim(NamedTuple):
    """One dimension of an address pattern: words between steps, steps before the next one (0: never)."""

    step: int
    wrap: int


class Acquire(NamedTuple):
    """What a BD waits for: at_least (the lock then drops by amount) or an equal value (REGDB)."""

    lock: int
    amount: int
    at_least: bool


class Release(NamedTuple):
    """What a BD adds to a lock when it is done."""

    lock: int
    change: int


class _Shared(Record):
    """Readings that all three descriptors have in common."""

    def acquire(self) -> Acquire | None:
        """The lock condition before the transfer, None if the BD does not wait."""
        bd = _as_descriptor(self)
        if not bd.acquire_enable:
            return None
        return Acquire(bd.acquire_id, abs(bd.acquire_value), bd.acquire_value < 0)

    def release(self) -> Release | None:
        """The lock change after the transfer; a stored change of 0 means none (REGDB, Lock_Rel_Value)."""
        bd = _as_descriptor(self)
        return Release(bd.release_id, bd.release_value) if bd.release_value else None

    def following(self) -> int | None:
        """The next BD of the chain, None at its end."""
        bd = _as_descriptor(self)
        return bd.next_bd if bd.use_next_bd else None

    def iteration(self) -> Dim:
        """What each execution of the BD adds to the base address, and after how many it starts again."""
        bd = _as_descriptor(self)
        return Dim(bd.iteration_step, bd.iteration_wrap)


@dataclass(frozen=True, kw_only=True)
class CoreBd(_Shared):
    """A core tile's buffer descriptor (REGDB memory.DMA_BD0_*; aie-rt xaiemlgbl_params.h:8396-8513)."""

    WORDS: ClassVar[int] = 6

    base_words: int = bits(0, 27, 14)
    length: int = bits(0, 13, 0, shown=True)
    compression: bool = flag(1, 31)
    packet: bool = flag(1, 30)
    out_of_order_id: int = bits(1, 29, 24)
    packet_id: int = bits(1, 23, 19)
    packet_type: int = bits(1, 18, 16)
    step1: int = bits(2, 25, 13, bias=1)
    step0: int = bits(2, 12, 0, bias=1)
    wrap1: int = bits(3, 28, 21)
    wrap0: int = bits(3, 20, 13)
    step2: int = bits(3, 12, 0, bias=1)
    iteration_current: int = bits(4, 24, 19)
    iteration_wrap: int = bits(4, 18, 13, bias=1)
    iteration_step: int = bits(4, 12, 0, bias=1)
    tlast_suppress: bool = flag(5, 31)
    next_bd: int = bits(5, 30, 27)
    use_next_bd: bool = flag(5, 26)
    valid: bool = flag(5, 25)
    release_value: int = bits(5, 24, 18, signed=True)
    release_id: int = bits(5, 16, 13)
    acquire_enable: bool = flag(5, 12)
    acquire_value: int = bits(5, 11, 5, signed=True)
    acquire_id: int = bits(5, 3, 0)

    def dims(self) -> tuple[Dim, ...]:
        """The pattern, innermost first; the last dimension runs until the length is used up."""
        return Dim(self.step0, self.wrap0), Dim(self.step1, self.wrap1), Dim(self.step2, 0)


@dataclass(frozen=True, kw_only=True)
class MemTileBd(_Shared):
    """A memory tile's buffer descriptor (REGDB memory_tile.DMA_BD0_*; aie-rt xaie_dma_aieml.c:267-394)."""

    WORDS: ClassVar[int] = 8

    packet: bool = flag(0, 31)
    packet_type: int = bits(0, 30, 28)
    packet_id: int = bits(0, 27, 23)
    out_of_order_id: int = bits(0, 22, 17)
    length: int = bits(0, 16, 0, shown=True)
    pad_before0: int = bits(1, 31, 26)
    next_bd: int = bits(1, 25, 20, maximum=47)
    use_next_bd: bool = flag(1, 19)
    base_words: int = bits(1, 18, 0)
    tlast_suppress: bool = flag(2, 31)
    wrap0: int = bits(2, 26, 17)
    step0: int = bits(2, 16, 0, bias=1)
    pad_before1: int = bits(3, 31, 27)
    wrap1: int = bits(3, 26, 17)
    step1: int = bits(3, 16, 0, bias=1)
    compression: bool = flag(4, 31)
    pad_before2: int = bits(4, 30, 27)
    wrap2: int = bits(4, 26, 17)
    step2: int = bits(4, 16, 0, bias=1)
    pad_after2: int = bits(5, 31, 28)
    pad_after1: int = bits(5, 27, 23)
    pad_after0: int = bits(5, 22, 17)
    step3: int = bits(5, 16, 0, bias=1)
    iteration_current: int = bits(6, 28, 23)
    iteration_wrap: int = bits(6, 22, 17, bias=1)
    iteration_step: int = bits(6, 16, 0, bias=1)
    valid: bool = flag(7, 31)
    release_value: int = bits(7, 30, 24, signed=True)
    release_id: int = bits(7, 23, 16, maximum=191)
    acquire_enable: bool = flag(7, 15)
    acquire_value: int = bits(7, 14, 8, signed=True)
    acquire_id: int = bits(7, 7, 0, maximum=191)

    def dims(self) -> tuple[Dim, ...]:
        """The pattern, innermost first; the last dimension runs until the length is used up."""
        inner = Dim(self.step0, self.wrap0), Dim(self.step1, self.wrap1), Dim(self.step2, self.wrap2)
        return (*inner, Dim(self.step3, 0))

    def padding(self) -> tuple[tuple[int, int], ...]:
        """Zeros sent before and after dimensions 0, 1, 2, in units of one step of each (MM2S only)."""
        before = self.pad_before0, self.pad_before1, self.pad_before2
        return tuple(zip(before, (self.pad_after0, self.pad_after1, self.pad_after2), strict=True))


@dataclass(frozen=True, kw_only=True)
class ShimBd(_Shared):
    """A shim's buffer descriptor (REGDB shim.DMA_BD0_*; aie-rt xaie_dma_aieml.c:805-935).

    The address counts bytes and is normally filled in by a DDR patch; AxCache 2 is what mlir-aie writes.
    """

    WORDS: ClassVar[int] = 8

    length: int = bits(0, 31, 0, shown=True)
    address: int = joined((1, 31, 2), (2, 15, 0), scale=4)
    packet: bool = flag(2, 30)
    out_of_order_id: int = bits(2, 29, 24)
    packet_id: int = bits(2, 23, 19)
    packet_type: int = bits(2, 18, 16)
    secure: bool = flag(3, 30)
    wrap0: int = bits(3, 29, 20)
    step0: int = bits(3, 19, 0, bias=1)
    burst_bytes: int = choice(4, 31, 30, (64, 128, 256))
    wrap1: int = bits(4, 29, 20)
    step1: int = bits(4, 19, 0, bias=1)
    smid: int = bits(5, 31, 28)
    ax_cache: int = bits(5, 27, 24, default=2)
    ax_qos: int = bits(5, 23, 20)
    step2: int = bits(5, 19, 0, bias=1)
    iteration_current: int = bits(6, 31, 26)
    iteration_wrap: int = bits(6, 25, 20, bias=1)
    iteration_step: int = bits(6, 19, 0, bias=1)
    tlast_suppress: bool = flag(7, 31)
    next_bd: int = bits(7, 30, 27)
    use_next_bd: bool = flag(7, 26)
    valid: bool = flag(7, 25)
    release_value: int = bits(7, 24, 18, signed=True)
    release_id: int = bits(7, 16, 13)
    acquire_enable: bool = flag(7, 12)
    acquire_value: int = bits(7, 11, 5, signed=True)
    acquire_id: int = bits(7, 3, 0)

    def dims(self) -> tuple[Dim, ...]:
        """The pattern, innermost first; the last dimension runs until the length is used up."""
        return Dim(self.step0, self.wrap0), Dim(self.step1, self.wrap1), Dim(self.step2, 0)


Descriptor = CoreBd | MemTileBd | ShimBd

DESCRIPTORS: dict[TileKind, type[CoreBd] | type[MemTileBd] | type[ShimBd]] = {
    TileKind.CORE: CoreBd,
    TileKind.MEMTILE: MemTileBd,
    TileKind.SHIM: ShimBd,
}


def _as_descriptor(record: _Shared) -> Descriptor:
    assert isinstance(record, CoreBd | MemTileBd | ShimBd)
    return record


@dataclass(frozen=True)
class DmaLimits:
    """What one tile's DMA has and how far its descriptors reach; lengths and steps in words."""

    bds: int
    locks: int
    channels: int
    max_length: int
    max_wrap: int
    max_step: int
    max_iterations: int
    wrapped_dims: int
    memory_bytes: int
    queue_depth: int = 4  # xaiemlgbl_reginit.c:412,650,903 StartQSizeMax; AM020
    max_repeat: int = 256  # Repeat_Count has 8 bits and stores count - 1 (REGDB)
    max_lock_value: int = 63  # 6 bits (AIETargetModel.h:662, AM020)


def _limits(kind: TileKind, bds: int, locks: int, channels: int, dims: int, memory: int) -> DmaLimits:
    """Counts as given; reaches read off the bit fields, so that they are written once."""
    bd = DESCRIPTORS[kind]
    return DmaLimits(
        bds=bds,
        locks=locks,
        channels=channels,
        max_length=bd.limits("length")[1],
        max_wrap=bd.limits("wrap0")[1],
        max_step=bd.limits("step0")[1],
        max_iterations=bd.limits("iteration_wrap")[1],
        wrapped_dims=dims,
        memory_bytes=memory,
    )


# AIETargetModel.h:662-714 and REGDB; a shim has no memory of its own.
LIMITS: dict[TileKind, DmaLimits] = {
    TileKind.CORE: _limits(TileKind.CORE, bds=16, locks=16, channels=2, dims=2, memory=0x10000),
    TileKind.MEMTILE: _limits(TileKind.MEMTILE, bds=48, locks=64, channels=6, dims=3, memory=0x80000),
    TileKind.SHIM: _limits(TileKind.SHIM, bds=16, locks=16, channels=2, dims=2, memory=0),
}

# AIETargetModel.h:730-732: the other two memory tile channels see only their own tile's memory and locks.
NEIGHBOUR_CHANNELS = range(4)


def bds_of_channel(kind: TileKind, channel: int) -> range:
    """The BDs a channel may start: a memory tile's split by parity (aie-rt xaie_dma_aieml.c:1314-1326)."""
    limits = LIMITS[kind]
    if not 0 <= channel < limits.channels:
        text = f"{kind.value} DMA channel is {channel}, allowed: 0..{limits.channels - 1}"
        raise fault("dma-channel", text)
    if kind is not TileKind.MEMTILE:
        return range(limits.bds)
    half = limits.bds // 2
    return range(half, limits.bds) if channel % 2 else range(half)


def check_bd_channel(kind: TileKind, bd: int, channel: int) -> None:
    """Refuse a BD that the channel cannot start or chain to."""
    allowed = bds_of_channel(kind, channel)
    if bd not in allowed:
        where = f"{kind.value} DMA channel {channel}"
        text = f"{where} cannot use BD {bd}, allowed: {allowed.start}..{allowed.stop - 1}"
        help = "a memory tile's even channels own BDs 0..23, odd ones 24..47"
        raise fault("dma-bd-channel", text, help)
