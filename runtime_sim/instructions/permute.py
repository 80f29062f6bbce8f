"""Moving lanes about: shuffles, shifts of whole registers, selection, broadcast.

Shuffle modes: their numbers and names are in aiev2_enums.h of Xilinx/llvm-aie, T<bits>_<rows>x<cols>_<half> being the
transpose of a rows x cols matrix of <bits>-bit elements that lies in both operands, or in the first alone if it has
512 bits (UG1583 "Shuffle" and "Illustration of Shuffle Modes", mlir-aie AIEVecShuffleModes.h).
"""

from functools import cache

import numpy as np
import numpy.typing as npt

from runtime_sim.faults import sim_fault
from runtime_sim.instructions.lanes import Bytes, bits_mask

X_BYTES = 64
# mode -> (element bits, rows, cols): consecutive modes are the low and high half of one transpose.
_PAIRS = {
    0: (8, 64, 2),
    2: (16, 32, 2),
    4: (32, 16, 2),
    6: (64, 8, 2),
    8: (128, 4, 2),
    10: (256, 2, 2),
    12: (128, 2, 4),
    14: (64, 2, 8),
    16: (32, 2, 16),
    18: (16, 2, 32),
    20: (8, 2, 64),
    22: (512, 1, 2),
    24: (16, 16, 4),
    26: (16, 4, 16),
    30: (32, 8, 4),
    32: (32, 4, 8),
}
_SINGLES = {
    28: (16, 8, 4),
    29: (16, 4, 8),
    34: (32, 4, 4),
    35: (8, 8, 8),
    36: (8, 16, 4),
    37: (8, 4, 16),
    44: (16, 16, 2),
    45: (16, 2, 16),
}
FLIP = 38  # neighbouring 16-bit elements change places
# 39..43, 46 and 47 transpose blocks of less than 512 bits; whether every block or only the first is not documented.


@cache
def shuffle_bytes(mode: int) -> npt.NDArray[np.intp]:
    """Which byte of the two operands, the first one low, each byte of the result is."""
    if mode == FLIP:
        return np.arange(X_BYTES).reshape(-1, 2, 2)[:, ::-1].reshape(-1)
    if mode in _SINGLES:
        return _transpose(*_SINGLES[mode])
    if mode & ~1 in _PAIRS:
        start = mode % 2 * X_BYTES
        return _transpose(*_PAIRS[mode & ~1])[start : start + X_BYTES]
    raise sim_fault("core-shuffle", f"shuffle mode {mode} is not implemented", "core")


def _transpose(bits: int, rows: int, cols: int) -> npt.NDArray[np.intp]:
    size = bits // 8
    return np.arange(rows * cols * size).reshape(rows, cols, size).transpose(1, 0, 2).reshape(-1)


def shuffle_modes() -> tuple[int, ...]:
    """The modes that are implemented."""
    pairs = [mode + half for mode in _PAIRS for half in range(2)]
    return tuple(sorted([*pairs, *_SINGLES, FLIP]))


def shuffle(low: Bytes, high: Bytes, mode: int) -> Bytes:
    """The result of a shuffle mode."""
    return np.concatenate((low, high))[shuffle_bytes(mode)]


def shift_bytes(low: Bytes, high: Bytes, count: int) -> Bytes:
    """64 bytes from byte `count` of the two operands on."""
    if not 0 <= count < X_BYTES:
        raise sim_fault("core-shift", f"a vector shift by {count} bytes, allowed: 0..{X_BYTES - 1}", "core")
    return np.concatenate((low, high))[count : count + X_BYTES]


def select(first: Bytes, second: Bytes, mask: int, bits: int) -> Bytes:
    """Lane by lane the second operand where the mask has a one (aiev2_vadd.h: max is sel(a, b, lt(a, b)))."""
    size = bits // 8
    chosen = bits_mask(mask, len(first) // size)
    return np.where(np.repeat(chosen, size), second, first)


def broadcast(value: int, bits: int) -> Bytes:
    """Every lane the low bits of a scalar."""
    lane = (value & ((1 << bits) - 1)).to_bytes(bits // 8, "little")
    return np.frombuffer(lane * (X_BYTES * 8 // bits), np.uint8).copy()
