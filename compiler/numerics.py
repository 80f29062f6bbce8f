"""The integer arithmetic of the device, `docs/numerics.md`; the reference and the simulator share it.

A real factor s is M * 2^-shift with integers M and shift; a product acc * M fits 64 bits and is rounded half
to even when it is shifted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.errors import Diagnostic, UnsupportedModel

Ints = NDArray[np.int64]
AnyInts = NDArray[np.integer[Any]]

MULTIPLIER_BITS = 24
MEAN_BITS = 30  # an average is rounded twice and needs a finer multiplier, see `requantise_mean`
MEAN_GUARD_BITS = 20
MAX_SHIFT = 59  # of a core; |acc| <= 2^31 and M < 2^24: behind a longer shift nothing but zero would be left
FACTOR_LIMIT = 1 << 30  # a core multiplies by halves of 16 bits, both signed
CHANNELS_OF_ONE_SHIFT = 8  # a core shifts the 8 channels of a block at once


@dataclass(frozen=True)
class Requant:
    """Factors M * 2^-shift, one per output channel; the 8 channels of a block have one shift."""

    multiplier: NDArray[np.int32]
    shift: NDArray[np.int32]


def decompose(scale: float) -> tuple[int, int]:
    """A float32 as mantissa * 2^exponent, the mantissa odd or zero."""
    if not math.isfinite(scale) or scale < 0:
        raise UnsupportedModel(Diagnostic("scale", f"a scale is {scale}, expected a positive finite number"))
    exact = Fraction(scale)
    if not exact:
        return 0, 0
    exponent = -(exact.denominator.bit_length() - 1)
    mantissa = exact.numerator
    trailing = (mantissa & -mantissa).bit_length() - 1
    return mantissa >> trailing, exponent + trailing


def factor(scale: float) -> tuple[int, int]:
    """(M, shift) with scale = M * 2^-shift exactly, 0 <= shift <= 59 and M < 2^30.

    A scale so small that every accumulator gives zero is (0, 0).
    """
    mantissa, exponent = decompose(scale)
    if exponent < -MAX_SHIFT:
        return 0, 0
    if exponent <= 0:
        return mantissa, -exponent
    if mantissa << exponent >= FACTOR_LIMIT:
        raise UnsupportedModel(Diagnostic("scale", f"the ratio of two scales is {scale}, less than 2^30 is done"))
    return mantissa << exponent, 0


def conv_requant(x_scale: float, w_scales: NDArray[np.float32], y_scale: float) -> Requant:
    """Factors of s = float32(x_scale * w_scale) / y_scale, in float32 as onnxruntime computes them."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
        ratios = (np.float32(x_scale) * np.asarray(w_scales, np.float32)) / np.float32(y_scale)
    pairs = [factor(float(one)) for one in np.atleast_1d(ratios)]
    size = CHANNELS_OF_ONE_SHIFT
    shared = [one for start in range(0, len(pairs), size) for one in at_one_shift(pairs[start : start + size])]
    return Requant(np.array([pair[0] for pair in shared], np.int32), np.array([pair[1] for pair in shared], np.int32))


def at_one_shift(factors: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Factors (M, shift) at one shift, the largest of theirs at which every M that grows stays below 2^30.

    What would need a larger shift is rounded, half to even; a factor of zero stays zero.
    """
    used = [one for one in factors if one[0]]
    if not used:
        return [(0, 0)] * len(factors)
    fits = (
        common
        for common in sorted((shift for _, shift in used), reverse=True)
        if all(m << (common - shift) < FACTOR_LIMIT for m, shift in used if shift <= common)
    )
    shared = next(fits)
    return [
        (m << (shared - shift) if shift <= shared else round(Fraction(m, 1 << (shift - shared))), shared)
        for m, shift in factors
    ]


def rescale_factor(x_scale: float, y_scale: float) -> tuple[int, int]:
    """The factor from one scale to another, their float32 quotient."""
    return factor(float(np.float32(x_scale) / np.float32(y_scale)))


def add_factors(a_scale: float, b_scale: float, y_scale: float) -> tuple[int, int, int]:
    """(Ma, Mb, shift) of an addition.

    Exact when both float32 ratios fit 24 bits at one shift, as two powers of two mostly do; else the larger
    gets 24 bits and the other is rounded at the same shift.
    """
    ratios = [float(np.float32(one) / np.float32(y_scale)) for one in (a_scale, b_scale)]
    parts = [decompose(one) for one in ratios]
    shift = max(0, *(-exponent for _, exponent in parts))
    if shift <= MAX_SHIFT:
        exact = [mantissa << (shift + exponent) for mantissa, exponent in parts]
        if max(exact) <= 1 << MULTIPLIER_BITS:
            return exact[0], exact[1], shift
    shift = max(0, MULTIPLIER_BITS - math.frexp(max(ratios))[1])
    if max(ratios) > 1 << MULTIPLIER_BITS:
        raise UnsupportedModel(
            Diagnostic("scale", f"an addition multiplies by {max(ratios)}, at most 2^{MULTIPLIER_BITS} is done")
        )
    if shift > MAX_SHIFT:
        return 0, 0, 0
    ma, mb = (round(Fraction(one) * (1 << shift)) for one in ratios)
    return ma, mb, shift


def mean_factors(x_scale: float, y_scale: float, counts: Sequence[int]) -> tuple[list[int], int]:
    """(M of each count, shift) of x_scale / y_scale / count, all rounded where the largest M has 30 bits."""
    ratio = Fraction(float(np.float32(x_scale) / np.float32(y_scale)))
    if not ratio:
        return [0] * len(counts), 0
    largest = ratio / min(counts)
    shift = max(0, MEAN_BITS - (math.floor(math.log2(largest)) + 1))
    if shift and round(largest * (1 << shift)) >= FACTOR_LIMIT:
        shift -= 1
    if shift > MAX_SHIFT:
        return [0] * len(counts), 0
    multipliers = [round(ratio / count * (1 << shift)) for count in counts]
    if max(multipliers) >= FACTOR_LIMIT:
        raise UnsupportedModel(
            Diagnostic("scale", f"an average multiplies by {float(largest)}, less than 2^30 is done")
        )
    return multipliers, shift


def round_shift(product: AnyInts, shift: AnyInts | int) -> Ints:
    """round_half_even(product / 2^shift) for 0 <= shift <= 62 and |product| < 2^62."""
    wide = np.asarray(product, np.int64)
    shifts = np.asarray(shift, np.int64)
    half = np.where(shifts > 0, np.int64(1) << np.maximum(shifts - 1, 0), 0)
    # floor((p + half - 1 + odd(floor(p / 2^shift))) / 2^shift) goes up only past the half, or at it if odd.
    nudge = np.where(shifts > 0, half - 1 + ((wide >> shifts) & 1), 0)
    rounded: Ints = (wide + nudge) >> shifts
    return rounded


def requantise(acc: AnyInts, multiplier: AnyInts | int, shift: AnyInts | int, zero: int, low: int, high: int) -> Ints:
    """clamp(rhe(acc * M / 2^shift) + zero, low, high), channels last."""
    product = np.asarray(acc, np.int64) * np.asarray(multiplier, np.int64)
    return np.clip(round_shift(product, shift) + zero, low, high)


def requantise_mean(
    acc: AnyInts, multiplier: AnyInts | int, shift: AnyInts | int, zero: int, low: int, high: int
) -> Ints:
    """clamp(rhe(rhe(acc * M / 2^(shift - 20)) / 2^20) + zero, low, high); one step where shift <= 20.

    1 / count is seldom exact: the inner rounding brings what is a tie in truth back to being one.
    """
    product = np.asarray(acc, np.int64) * np.asarray(multiplier, np.int64)
    inner = np.maximum(np.asarray(shift, np.int64) - MEAN_GUARD_BITS, 0)
    outer = np.asarray(shift, np.int64) - inner
    return np.clip(round_shift(round_shift(product, inner), outer) + zero, low, high)


def add_requantise(a: AnyInts, b: AnyInts, factors: tuple[int, int, int], zero: int, low: int, high: int) -> Ints:
    """clamp(rhe((a * Ma + b * Mb) / 2^shift) + zero, low, high), of operands without their zero points."""
    ma, mb, shift = factors
    total = np.asarray(a, np.int64) * ma + np.asarray(b, np.int64) * mb
    return np.clip(round_shift(total, shift) + zero, low, high)


def wrap_int32(acc: AnyInts) -> NDArray[np.int32]:
    """An accumulator wraps as 32-bit registers do."""
    wrapped: NDArray[np.int32] = np.asarray(acc, np.int64).astype(np.int32)
    return wrapped


def quantize_input(values: NDArray[np.float32], scale: float, zero: int, dtype: str) -> NDArray[np.integer[Any]]:
    """ONNX's QuantizeLinear: saturate(round_half_even(x / scale) + zero), the quotient in float32.

    `dtype` is int8 or uint8; a NaN becomes the lowest value.
    """
    limits = np.iinfo(dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.rint(np.asarray(values, np.float32) / np.float32(scale)) + np.float32(zero)
    held = np.clip(np.nan_to_num(scaled, nan=limits.min), limits.min, limits.max)
    result: NDArray[np.integer[Any]] = held.astype(dtype)
    return result


def dequantize_output(values: AnyInts, scale: float, zero: int) -> NDArray[np.float32]:
    """ONNX's DequantizeLinear: (x - zero) * scale in float32."""
    return (np.asarray(values, np.int32) - np.int32(zero)).astype(np.float32) * np.float32(scale)


NARROW_BITS = 15
MAX_NARROW_SHIFT = 22
# 2^15 * (2^15 - 1) + 255 * 2^22 < 2^31: the product and the zero point fit a 32-bit accumulator.


def round_shift_odd(product: AnyInts, shift: AnyInts | int) -> Ints:
    """product / 2^shift with halves to the odd neighbour: half to even of the same number with 1 less, and 1 on."""
    wide, shifts = np.asarray(product, np.int64), np.asarray(shift, np.int64)
    return round_shift(wide - (np.int64(1) << shifts), shifts) + 1


def requantise_narrow(
    acc: AnyInts,
    first_shift: AnyInts | int,
    multiplier: AnyInts | int,
    second_shift: AnyInts | int,
    zero: int,
    low: int,
    high: int,
) -> Ints:
    """clamp(r((t * M + zero * 2^second) / 2^second), low, high) with t = r(acc / 2^first) held to 16 bits.

    0 <= M < 2^15, second_shift <= 22.  r rounds halves to even if the zero point is even, else to odd, so that the
    second rounding is that of t * M / 2^second to even, whatever the zero point.
    """
    rounded = round_shift_odd if zero % 2 else round_shift
    held = np.clip(rounded(np.asarray(acc, np.int64), first_shift), -(1 << NARROW_BITS), (1 << NARROW_BITS) - 1)
    shifts = np.asarray(second_shift, np.int64)
    product = held * np.asarray(multiplier, np.int64) + (np.int64(zero) << shifts)
    return np.clip(rounded(product, shifts), low, high)
