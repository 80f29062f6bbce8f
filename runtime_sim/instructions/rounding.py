"""From accumulators to vectors and back: shift, round, saturate; upshift; pack and unpack.

Sources: AI Engine-ML Intrinsics User Guide (UG1583), "Mode Settings" (rounding numbers and their words),
"Shift-Round-Saturate", "Upshift" (its saturation), "Vector packing operations"; aiev2_srs.h and aiev2_set_mode.h of
Xilinx/llvm-aie (widths, crSat values).
"""

from enum import IntEnum

import numpy as np
import numpy.typing as npt

from runtime_sim.faults import sim_fault
from runtime_sim.instructions.lanes import Bytes, Lanes, lanes, pack_lanes

# The intrinsic takes -4..59 and calls -4..-2 unsafe; what the negative ones give is not known.
MAX_SRS_SHIFT = 59
MAX_UPS_SHIFT = 63


class Rounding(IntEnum):
    """crRnd: the first four look at every dropped bit, the others at what is nearest and, in the middle, at a rule."""

    FLOOR = 0
    CEIL = 1
    TO_ZERO = 2
    FROM_ZERO = 3
    HALF_DOWN = 8
    HALF_UP = 9
    HALF_TO_ZERO = 10
    HALF_FROM_ZERO = 11
    HALF_EVEN = 12
    HALF_ODD = 13


class Saturation(IntEnum):
    """crSat: symmetric saturation leaves out the most negative number."""

    NONE = 0
    FULL = 1
    SYMMETRIC = 3


def shift_right(values: Lanes, shift: int, mode: int) -> Lanes:
    """values / 2^shift, rounded."""
    if mode not in list(Rounding):
        raise sim_fault("core-rounding", f"crRnd is {mode}", "core", help="allowed: 0..3 and 8..13")
    if not 0 <= shift <= MAX_SRS_SHIFT:
        raise sim_fault("core-shift", f"a shift right by {shift}, allowed: 0..{MAX_SRS_SHIFT}", "core")
    if not shift:
        return values
    floor = values >> shift
    rest = values - (floor << shift)
    return floor + _up(Rounding(mode), values < 0, floor & 1 != 0, rest, 1 << (shift - 1))


def _up(
    mode: Rounding, negative: npt.NDArray[np.bool_], odd: npt.NDArray[np.bool_], rest: Lanes, half: int
) -> npt.NDArray[np.bool_]:
    """Where the floor is one too small; `rest` is what the shift dropped."""
    always = np.ones_like(negative)
    if mode < Rounding.HALF_DOWN:
        wanted = {0: ~always, 1: always, 2: negative, 3: ~negative}[mode]
        up: npt.NDArray[np.bool_] = wanted & (rest != 0)
        return up
    middle = {8: ~always, 9: always, 10: negative, 11: ~negative, 12: odd, 13: ~odd}[mode]
    nearest: npt.NDArray[np.bool_] = (rest > half) | ((rest == half) & middle)
    return nearest


def saturate(values: Lanes, bits: int, signed: bool, mode: int) -> Lanes:
    """Values limited to what `bits` hold; without saturation they stay, and lose their high bits later."""
    if mode not in list(Saturation):
        raise sim_fault("core-saturation", f"crSat is {mode}", "core", help="allowed: 0, 1 and 3")
    if mode == Saturation.NONE:
        return values
    high = (1 << (bits - signed)) - 1
    low = -high - (mode == Saturation.FULL) if signed else 0
    return np.clip(values, low, high)


def srs(acc: Bytes, acc_bits: int, bits: int, shift: int, mode: int, saturation: int, signed: bool) -> Bytes:
    """Shift, round, saturate; the accumulator is signed, `signed` is the result's."""
    rounded = shift_right(lanes(acc, acc_bits), shift, mode)
    return pack_lanes(saturate(rounded, bits, signed, saturation), bits)


def ups(data: Bytes, bits: int, acc_bits: int, shift: int, saturation: int, signed: bool) -> Bytes:
    """Shift left into accumulator lanes; with saturation the lanes are first limited to what will fit."""
    if not 0 <= shift <= MAX_UPS_SHIFT:
        raise sim_fault("core-shift", f"a shift left by {shift}, allowed: 0..{MAX_UPS_SHIFT}", "core")
    values = lanes(data, bits, signed)
    if saturation not in list(Saturation):
        raise sim_fault("core-saturation", f"crSat is {saturation}", "core", help="allowed: 0, 1 and 3")
    if saturation != Saturation.NONE:
        high = (1 << (acc_bits - 1)) - 1
        low = -high - (saturation == Saturation.FULL)
        values = np.clip(values, low >> shift, high >> shift)
    return pack_lanes(values << shift, acc_bits)


def pack(data: Bytes, wide: int, narrow: int, saturation: int, signed: bool) -> Bytes:
    """Narrow lanes without rounding; unsigned lanes are read as unsigned, so that -1 becomes the largest."""
    return pack_lanes(saturate(lanes(data, wide, signed), narrow, signed, saturation), narrow)


def unpack(data: Bytes, narrow: int, wide: int, signed: bool) -> Bytes:
    """Widen lanes by their sign or by zeros."""
    return pack_lanes(lanes(data, narrow, signed), wide)
