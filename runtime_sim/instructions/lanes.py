"""Registers as bytes: the lanes of a vector, read and written as integers."""

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Lanes = npt.NDArray[np.int64]

CELL_BYTES = 32
_SIGNED = {8: np.int8, 16: np.int16, 32: np.int32, 64: np.int64}
_UNSIGNED = {8: np.uint8, 16: np.uint16, 32: np.uint32, 64: np.uint64}


def lanes(data: Bytes, bits: int, signed: bool = True) -> Lanes:
    """The lanes of a register, the least significant first; 64-bit lanes are always signed here."""
    kind = (_SIGNED if signed or bits == 64 else _UNSIGNED)[bits]
    return np.ascontiguousarray(data).view(kind).astype(np.int64)


def pack_lanes(values: Lanes, bits: int) -> Bytes:
    """The bytes of lanes that keep their low bits."""
    return values.astype(np.int64).astype(_UNSIGNED[bits]).view(np.uint8)


def mask_bits(mask: npt.NDArray[np.bool_]) -> int:
    """A lane mask as the number whose bit 0 is lane 0."""
    return int.from_bytes(np.packbits(mask, bitorder="little").tobytes(), "little")


def bits_mask(number: int, count: int) -> npt.NDArray[np.bool_]:
    """The lowest bits of a number as a lane mask."""
    data = np.frombuffer((number & ((1 << count) - 1)).to_bytes((count + 7) // 8, "little"), np.uint8)
    return np.unpackbits(data, bitorder="little")[:count].astype(np.bool_)
