"""Header words of packets on the streams, with the odd parity that their bit 31 completes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from compiler.encoding.faults import fault
from compiler.encoding.fields import Record, Words, bits

PARITY_BIT = 1 << 31


def has_odd_parity(word: int) -> bool:
    """Whether the number of set bits is odd, as AIETargetNPU.cpp:541-568 makes it."""
    return word.bit_count() % 2 == 1


class _ParityRecord(Record):
    """A one-word record whose bit 31 belongs to no attribute but makes the parity of the word odd."""

    def encode(self) -> tuple[int, ...]:
        (word,) = super().encode()
        return (word if has_odd_parity(word) else word | PARITY_BIT,)

    @classmethod
    def decode(cls, words: Sequence[int] | Words) -> Self:
        if len(words) == 1 and not has_odd_parity(int(words[0])):
            raise fault("packet-parity", f"{cls.__name__} 0x{int(words[0]):08x} has even parity")
        return super().decode([int(word) & ~PARITY_BIT for word in words])


@dataclass(frozen=True, kw_only=True)
class PacketHeader(_ParityRecord):
    """First word of a packet (AIETargetNPU.cpp:541-551; source: mlir-aie utils/trace/utils.py:25-27)."""

    source_column: int = bits(0, 27, 21)
    source_row: int = bits(0, 20, 16)
    type: int = bits(0, 14, 12)
    id: int = bits(0, 4, 0)


@dataclass(frozen=True, kw_only=True)
class ControlPacketHeader(_ParityRecord):
    """Second word of a control packet: register access at a tile-local address (AIETargetNPU.cpp:553-568)."""

    response_id: int = bits(0, 30, 24)
    operation: int = bits(0, 23, 22)
    beats: int = bits(0, 21, 20, bias=1)
    address: int = bits(0, 19, 0)
