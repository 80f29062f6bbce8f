"""The integer arithmetic of the device, `docs/numerics.md`; the reference and the simulator share it.

A real factor s is M * 2^-shift with integers M and shift; a product acc * M fits 64 bits and is rounded half
to even when it is shifted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from compiler.errors import Limit, Reason, UnsupportedModel

Ints = NDArray[np.int64]
AnyInts = NDArray[np.integer[Any]]

MULTIPLIER_BITS = 24
MEAN_BITS = 30  # an average is rounded twice and needs a finer multiplier, see `requantise_mean`
MEAN_GUARD_BITS = 20
MAX_SHIFT = 59  # of a core; |acc| <= 2^31 and M < 2^24: behind a longer shift nothing but zero would be left
FACTOR_LIMIT = 1 << 30  # a core multiplies by halves of 16 bits, both signed
CHANNELS_OF_ONE_SHIFT = 8  # a core shifts the 8 channels of a block at once
NARROW_BITS = 15
NARROW_LIMIT = (1 << NARROW_BITS) - 1
MAX_FIRST_SHIFT = 40
MAX_POWER_SHIFT = 31  # behind a longer shift nothing is left of 32 bits
MAX_NARROW_SHIFT = 22
# 2^15 * (2^15 - 1) + 255 * 2^22 < 2^31: the product and the zero point fit a 32-bit accumulator.


@dataclass(frozen=True)
class Requant:
    """Factors M * 2^-shift, one per output channel; the 8 channels of a block have one shift.

    Narrow ones have M < 2^15 and are of sums that were shifted by `first`: M * 2^-(first + shift).
    """

    multiplier: NDArray[np.int32]
    shift: NDArray[np.int32]
    first: NDArray[np.int32] | None = None


def _scale(attribute: str, allowed: str, found: object, help: str = "look at its calibration") -> UnsupportedModel:
    limit = Limit(attribute, allowed, str(found))
    return UnsupportedModel(Reason("scale", str(limit), help=help, limit=limit))


def decompose(scale: float) -> tuple[int, int]:
    """A float32 as mantissa * 2^exponent, the mantissa odd or zero."""
    if not math.isfinite(scale) or scale < 0:
        raise _scale("scale", "a positive finite number", scale)
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
        raise _scale("ratio of scales", "less than 2^30", scale)
    return mantissa << exponent, 0


def conv_factors(x_scale: float, w_scales: NDArray[np.float32], y_scale: float) -> list[tuple[int, int]]:
    """s = float32(x_scale * w_scale) / y_scale, in float32 as onnxruntime computes them; one for each w_scale."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
        ratios = (np.float32(x_scale) * np.asarray(w_scales, np.float32)) / np.float32(y_scale)
    return [factor(float(one)) for one in np.atleast_1d(ratios)]


def conv_requant(x_scale: float, w_scales: NDArray[np.float32], y_scale: float) -> Requant:
    """Exact factors, but for blocks whose factors differ by more than 2^6 or so."""
    pairs, size = conv_factors(x_scale, w_scales, y_scale), CHANNELS_OF_ONE_SHIFT
    shared = [one for start in range(0, len(pairs), size) for one in at_one_shift(pairs[start : start + size])]
    return Requant(np.array([pair[0] for pair in shared], np.int32), np.array([pair[1] for pair in shared], np.int32))


def conv_reach(
    weights: NDArray[np.int8] | NDArray[np.int16], bias: AnyInts, x_zero: int, x_limits: tuple[int, int]
) -> Ints:
    """What |sum((x - x_zero) * w) + bias| cannot pass in each output channel; channels first."""
    sizes = np.abs(weights.astype(np.int16)).sum(axis=tuple(range(1, weights.ndim)), dtype=np.int64)
    reach: Ints = sizes * max(x_limits[1] - x_zero, x_zero - x_limits[0]) + np.abs(bias.astype(np.int64))
    return reach


class Scaled(Protocol):
    """How integers are to be understood; `dialects.quant.Quant` is one."""

    @property
    def scale(self) -> float: ...
    @property
    def zero(self) -> int: ...
    @property
    def limits(self) -> tuple[int, int]: ...


def requant_of(
    weights: NDArray[np.int8] | NDArray[np.int16],
    w_scales: NDArray[np.float32],
    bias: AnyInts,
    x: Scaled,
    y: Scaled,
    exact: bool,
) -> Requant:
    """What a convolution multiplies its sums by, exactly or in 15 bits; channels first."""
    if exact:
        return conv_requant(x.scale, w_scales, y.scale)
    reach = conv_reach(weights, bias, x.zero, x.limits)
    return narrow_requant(conv_factors(x.scale, w_scales, y.scale), reach, y.zero, y.limits)


def narrow_requant(factors: Sequence[tuple[int, int]], reach: AnyInts, zero: int, limits: tuple[int, int]) -> Requant:
    """Narrow factors for the channels of `reach`, one of `factors` each or one for all.

    `zero` and `limits` are those of the result's type: clamps that bind before its limits change no factor.
    """
    pairs = list(factors) * len(reach) if len(factors) == 1 else list(factors)
    room, size = room_of(zero, limits), CHANNELS_OF_ONE_SHIFT
    blocks = [
        _narrow_block(pairs[start : start + size], [int(one) for one in reach[start : start + size]], room)
        for start in range(0, len(pairs), size)
    ]
    multipliers = [one for block in blocks for one in block[1]]
    first, second = (np.repeat(np.array([block[at] for block in blocks], np.int32), size) for at in (0, 2))
    count = len(pairs)
    return Requant(np.array(multipliers, np.int32), second[:count], first[:count])


def narrow_error(factors: Sequence[tuple[int, int]], reach: AnyInts, narrow: Requant, room: int) -> float:
    """How far results by narrow factors can be from exactly scaled ones, in steps of the result, before their rounding.

    Half a unit of the shift to 16 bits, and what the factor is off by at the largest result, of the worst channel; a
    result is less than `room` from its zero point.
    """
    assert narrow.first is not None
    pairs = list(factors) * len(reach) if len(factors) == 1 else list(factors)
    worst = 0.0
    for (m, shift), most, made, second, first in zip(
        pairs, reach, narrow.multiplier, narrow.shift, narrow.first, strict=True
    ):
        if m:
            scale, used = m / 2.0**shift, int(made) / 2.0 ** (int(second) + int(first))
            # A power of two leaves nothing to round behind the first shift: that one is the last.
            rounding = 0.0 if not first or (made == 1 and second == 0) else scale * 2.0 ** (int(first) - 1)
            worst = max(worst, rounding + min(room, int(most) * scale) * abs(used - scale) / scale)
    return worst


def room_of(zero: int, limits: tuple[int, int]) -> int:
    """More than a result of this type can be from its zero point."""
    return max(limits[1] - zero, zero - limits[0]) + 1


def _narrow_block(factors: Sequence[tuple[int, int]], reach: Sequence[int], room: int) -> tuple[int, list[int], int]:
    """(first, M of each channel, second) of a block, whose results are less than `room` from the zero point.

    `first` is the least shift behind which 16 bits hold every sum that does not saturate.
    """
    used = [(m, shift, most) for (m, shift), most in zip(factors, reach, strict=True) if m]
    power = {shift for _, shift, _ in used}
    if len(power) == 1 and max(power) <= MAX_POWER_SHIFT and all(m == 1 for m, _, _ in used):
        return power.pop(), [int(m > 0) for m, _ in factors], 0
    first = max((_first_shift(Fraction(room << shift, m), most) for m, shift, most in used), default=0)
    exact = [Fraction(m << first, 1 << shift) for m, shift in factors]
    fits = (s for s in range(MAX_NARROW_SHIFT, -1, -1) if round(max(exact) * (1 << s)) <= NARROW_LIMIT)
    second = next(fits, None)
    if second is None or first > MAX_FIRST_SHIFT:
        help = "--requantize exact takes larger factors"
        limits = f"less than 2^{NARROW_BITS} and a shift of at most {MAX_FIRST_SHIFT}"
        raise _scale("factor and shift of sums", limits, f"{float(max(exact))}, {first}", help)
    # Where sums may leave 16 bits their limit saturates the type: so it is all one whether those bits have a sign.
    least = math.ceil(Fraction((room - 1) << second, NARROW_LIMIT))
    rounded = [round(one * (1 << second)) for one in exact]
    held = [most > NARROW_LIMIT << first for most in reach]
    return first, [max(m, least) if m and cut else m for m, cut in zip(rounded, held, strict=True)], second


def _first_shift(saturated: Fraction, reach: int) -> int:
    """The least s >= 0 with 32767 * 2^s >= min(saturated, reach)."""
    least = math.ceil(min(saturated, Fraction(reach)) / NARROW_LIMIT)
    return (least - 1).bit_length() if least > 1 else 0


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


def byte_factors(ratios: Sequence[float]) -> tuple[tuple[int, ...], int] | None:
    """(M of each ratio, shift) with M < 2^15 for what multiplies bytes; None if a ratio is too large for that.

    The shift is the largest up to 22 at which all fit; trailing zeros that they have in common are dropped.
    """
    exact = [Fraction(one) for one in ratios]
    for shift in range(MAX_NARROW_SHIFT, -1, -1):
        found = [round(one * (1 << shift)) for one in exact]
        if max(found) <= NARROW_LIMIT:
            # Of zeros only the shift is dropped.
            zeros = min(shift, *((m & -m).bit_length() - 1 if m else shift for m in found))
            return tuple(m >> zeros for m in found), shift - zeros
    return None


def fits_bytes(factors: Sequence[int], shift: int) -> bool:
    """Whether these are factors of `byte_factors`, or negative ones: with a zero point both fit 32 bits."""
    return shift <= MAX_NARROW_SHIFT and all(abs(m) <= NARROW_LIMIT for m in factors)


def rescale_factor(x_scale: float, y_scale: float, exact: bool = False) -> tuple[int, int]:
    """The factor from one scale to another, their float32 quotient; in 15 bits unless it is to be exact."""
    ratio = float(np.float32(x_scale) / np.float32(y_scale))
    whole = factor(ratio)
    narrow = None if exact else byte_factors([ratio])
    return whole if narrow is None else (narrow[0][0], narrow[1])


def add_factors(a_scale: float, b_scale: float, y_scale: float, exact: bool = False) -> tuple[int, int, int]:
    """(Ma, Mb, shift) of an addition, in 15 bits unless they are to be exact or are larger than that.

    `exact` ones are so when both float32 ratios fit 24 bits at one shift, as two powers of two mostly do; else the
    larger gets 24 bits and the other is rounded at the same shift.
    """
    ratios = [float(np.float32(one) / np.float32(y_scale)) for one in (a_scale, b_scale)]
    parts = [decompose(one) for one in ratios]
    narrow = None if exact else byte_factors(ratios)
    if narrow is not None:
        return narrow[0][0], narrow[0][1], narrow[1]
    shift = max(0, *(-exponent for _, exponent in parts))
    if shift <= MAX_SHIFT:
        whole = [mantissa << (shift + exponent) for mantissa, exponent in parts]
        if max(whole) <= 1 << MULTIPLIER_BITS:
            return whole[0], whole[1], shift
    shift = max(0, MULTIPLIER_BITS - math.frexp(max(ratios))[1])
    if max(ratios) > 1 << MULTIPLIER_BITS:
        raise _scale("factor of an addition", f"at most 2^{MULTIPLIER_BITS}", max(ratios))
    if shift > MAX_SHIFT:
        return 0, 0, 0
    ma, mb = (round(Fraction(one) * (1 << shift)) for one in ratios)
    return ma, mb, shift


def product_factors(
    a: tuple[float, int, tuple[int, int]], b: tuple[float, int, tuple[int, int]], y: tuple[float, int, tuple[int, int]]
) -> tuple[int, int, int]:
    """(M, first, second) of a product: the narrow factor of its scale, float32(a_scale * b_scale) / y_scale.

    Of both operands and the result are given the scale, the zero point and the limits of the type.
    """
    with np.errstate(over="ignore"):
        ratio = float(np.float32(a[0]) * np.float32(b[0]) / np.float32(y[0]))
    if ratio >= NARROW_LIMIT:  # what is not 0 saturates
        return NARROW_LIMIT, 0, 0
    reach = math.prod(room_of(zero, limits) - 1 for _, zero, limits in (a, b))
    found = narrow_requant([factor(ratio)], np.array([reach], np.int64), y[1], y[2])
    assert found.first is not None
    return int(found.multiplier[0]), int(found.first[0]), int(found.shift[0])


def product_requantise(a: AnyInts, b: AnyInts, factors: tuple[int, ...], zero: int, low: int, high: int) -> Ints:
    """The product of two operands without their zero points, scaled as `requantise_narrow` does."""
    multiplier, first, second = factors
    product = np.asarray(a, np.int64) * np.asarray(b, np.int64)
    return requantise_narrow(product, first, multiplier, second, zero, low, high)


def mean_factors(
    x_scale: float, y_scale: float, counts: Sequence[int], factor: Fraction = Fraction(1)
) -> tuple[list[int], int]:
    """(M of each count, shift) of x_scale / y_scale * factor / count, all rounded where the largest M has 30 bits."""
    ratio = Fraction(float(np.float32(x_scale) / np.float32(y_scale))) * factor
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
        raise _scale("factor of an average", "less than 2^30", float(largest))
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


def requantise_narrow(
    acc: AnyInts,
    first_shift: AnyInts | int,
    multiplier: AnyInts | int,
    second_shift: AnyInts | int,
    zero: int,
    low: int,
    high: int,
    unsigned: bool = False,
) -> Ints:
    """clamp(rhe((t * M + zero * 2^second) / 2^second), low, high) with t = rhe(acc / 2^first) held to 16 bits.

    0 <= M < 2^15, second_shift <= 22.  A core adds the zero point before it rounds: an odd one sends ties of the second
    rounding to odd, but there are none where M is 1 and `second` 0.  Where the 16 bits are `unsigned` no result is
    below the zero point; with the factors of `narrow_requant` nothing else changes.
    """
    limits = (0, 2 * NARROW_LIMIT + 1) if unsigned else (-NARROW_LIMIT - 1, NARROW_LIMIT)
    held = np.clip(round_shift(np.asarray(acc, np.int64), first_shift), *limits)
    shifts = np.asarray(second_shift, np.int64)
    product = held * np.asarray(multiplier, np.int64) + (np.int64(zero) << shifts)
    return np.clip(round_shift(product, shifts), low, high)
