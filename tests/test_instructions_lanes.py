"""The vector unit against exact arithmetic: multiplies against matrix products, rounding against fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.errors import SimulationFault
from runtime_sim.instructions.lanes import bits_mask, lanes, mask_bits, pack_lanes
from runtime_sim.instructions.multiply import SHAPES, Config, Shape, add_accumulators, multiply
from runtime_sim.instructions.permute import broadcast, select, shift_bytes, shuffle, shuffle_modes
from runtime_sim.instructions.rounding import Rounding, Saturation, pack, saturate, shift_right, srs, unpack, ups

RNG = np.random.default_rng(5)
# Names of aiev2_enums.h, written down a second time: mode -> T<bits>_<rows>x<cols> and the half.
MODES = (
    *("T8_64x2", "T16_32x2", "T32_16x2", "T64_8x2", "T128_4x2", "T256_2x2", "T128_2x4", "T64_2x8", "T32_2x16"),
    *("T16_2x32", "T8_2x64", "T512_1x2", "T16_16x4", "T16_4x16", "", "T32_8x4", "T32_4x8"),
)
SINGLE_MODES = {28: "T16_8x4", 29: "T16_4x8", 34: "T32_4x4", 35: "T8_8x8", 36: "T8_16x4", 37: "T8_4x16"} | {
    44: "T16_16x2",
    45: "T16_2x16",
}


def random_bytes(count: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return RNG.integers(0, 256, count).astype(np.uint8)


def exact_products(shape: Shape, x: list[int], y: list[int]) -> list[int]:
    if not shape.cols:
        terms = [[x[i + k * shape.rows] * y[i + k * shape.rows] for k in range(shape.inner)] for i in range(shape.rows)]
        return [sum(term) for term in terms]
    left = np.array(x[: shape.rows * shape.inner], object).reshape(shape.rows, shape.inner)
    right = np.array(y[: shape.inner * shape.cols], object).reshape(shape.inner, shape.cols)
    return [int(value) for value in (left @ right).ravel()]


def wrapped(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


@pytest.mark.parametrize("modes", SHAPES, ids=lambda modes: SHAPES[modes].name)
@pytest.mark.parametrize("x_signed", [False, True])
@pytest.mark.parametrize("y_signed", [False, True])
def test_multiply(modes: tuple[int, int, int], x_signed: bool, y_signed: bool) -> None:
    shape = SHAPES[modes]
    assert shape.results * shape.acc_bits == 1024
    for flags in range(16):
        zero, shift16, sub_mul, sub_acc = (bool(flags >> bit & 1) for bit in range(4))
        word = Config(zero, *modes, y_signed, x_signed, shift16, sub_mul, sub_acc, False, 0).encode()
        x, y, acc = random_bytes(64), random_bytes(64), random_bytes(128)
        terms = exact_products(
            shape, lanes(x, shape.x_bits, x_signed).tolist(), lanes(y, shape.y_bits, y_signed).tolist()
        )
        starts = [0 if zero else int(value) << 16 * shift16 for value in lanes(acc, shape.acc_bits)]
        expected = [
            (-start if sub_acc else start) + (-term if sub_mul else term)
            for start, term in zip(starts, terms, strict=True)
        ]
        found = lanes(multiply(word, x, y, acc), shape.acc_bits).tolist()
        assert found == [wrapped(value, shape.acc_bits) for value in expected]


def test_words_that_compilers_write() -> None:
    """776 and 264: dense bytes; 808, 824: elementwise (mlir-aie mul_elem.mlir); 858: 16 x 16 bits into 64."""
    modes = {776: (0, 1, 0), 264: (0, 1, 0), 808: (0, 1, 1), 824: (0, 3, 1), 858: (1, 3, 2)}
    for word, expected in modes.items():
        config = Config.decode(word)
        assert (config.amode, config.bmode, config.variant) == expected
        assert config.encode() == word
        assert (config.x_signed, config.y_signed) == (word != 264, True)


def test_products_of_32_bits_as_amd_composes_them() -> None:
    """mul_elem_16_2 of 32-bit lanes (aiev2_vmult.h): halves by shuffles 2 and 3, four products, two shifts by 16."""
    a, b = (RNG.integers(-(2**31), 2**31, 16).astype(np.int32) for _ in range(2))
    zeros = np.zeros(64, np.uint8)
    a_low, a_high, b_low, b_high = (shuffle(v.view(np.uint8), zeros, mode) for v in (a, b) for mode in (2, 3))
    acc = multiply(858, a_high, b_high, None)
    acc = multiply(858 - 256 + 1024, a_high, b_low, acc)
    acc = multiply(858 - 512, a_low, b_high, acc)
    acc = multiply(858 - 768 + 1024, a_low, b_low, acc)
    assert lanes(acc, 64).tolist() == (a.astype(np.int64) * b.astype(np.int64)).tolist()


def test_unknown_shapes_are_refused() -> None:
    with pytest.raises(SimulationFault, match="core-multiply"):
        multiply(28, random_bytes(64), random_bytes(64), None)
    with pytest.raises(SimulationFault, match="core-multiply"):
        multiply(776 | 1 << 16, random_bytes(64), random_bytes(64), None)


@pytest.mark.parametrize(("word", "bits"), [(0, 32), (2, 64)])
def test_sums_of_accumulators(word: int, bits: int) -> None:
    a, b = random_bytes(128), random_bytes(128)
    for negate in (False, True):
        found = lanes(add_accumulators(word, a, b, False, negate), bits).tolist()
        pairs = zip(lanes(a, bits).tolist(), lanes(b, bits).tolist(), strict=True)
        assert found == [wrapped(one - two if negate else one + two, bits) for one, two in pairs]


def exact_rounding(value: Fraction, mode: Rounding) -> int:
    """The definitions of UG1583 in exact arithmetic."""
    low, high = math.floor(value), math.ceil(value)
    away, toward = (high, low) if value > 0 else (low, high)
    plain = {Rounding.FLOOR: low, Rounding.CEIL: high, Rounding.TO_ZERO: toward, Rounding.FROM_ZERO: away}
    if mode in plain:
        return plain[mode]
    if value - low != Fraction(1, 2):
        return math.floor(value + Fraction(1, 2))
    even, odd = (low, high) if low % 2 == 0 else (high, low)
    ties = {Rounding.HALF_DOWN: low, Rounding.HALF_UP: high, Rounding.HALF_TO_ZERO: toward}
    ties |= {Rounding.HALF_FROM_ZERO: away, Rounding.HALF_EVEN: even, Rounding.HALF_ODD: odd}
    return ties[mode]


@given(st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-64, 64)), st.integers(0, 59), st.sampled_from(Rounding))
def test_rounding(value: int, shift: int, mode: Rounding) -> None:
    found = shift_right(np.array([value], np.int64), shift, mode)
    assert int(found[0]) == exact_rounding(Fraction(value, 1 << shift), mode)


@given(st.integers(-(2**40), 2**40), st.sampled_from([8, 16, 32]), st.booleans(), st.sampled_from(Saturation))
def test_saturation(value: int, bits: int, signed: bool, mode: Saturation) -> None:
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    if signed and mode is Saturation.SYMMETRIC:
        low += 1
    expected = value if mode is Saturation.NONE else min(max(value, low), high)
    assert int(saturate(np.array([value], np.int64), bits, signed, mode)[0]) == expected


@pytest.mark.parametrize(("acc_bits", "bits"), [(32, 8), (32, 16), (64, 16), (64, 32)])
def test_there_and_back(acc_bits: int, bits: int) -> None:
    """What was shifted left comes back the same; the lanes keep their order."""
    data = random_bytes(1024 // acc_bits * bits // 8)
    for signed in (False, True):
        acc = ups(data, bits, acc_bits, 5, 1, signed)
        assert lanes(acc, acc_bits).tolist() == (lanes(data, bits, signed) << 5).tolist()
        np.testing.assert_array_equal(srs(acc, acc_bits, bits, 5, Rounding.HALF_EVEN, 1, signed), data)


def test_upshift_saturates_before_it_shifts() -> None:
    data = pack_lanes(np.array([1000, -1000, 3]), 16)
    assert lanes(ups(data, 16, 32, 24, 1, True), 32).tolist() == [127 << 24, -128 << 24, 3 << 24]
    assert lanes(ups(data, 16, 32, 24, 0, True), 32)[0] == wrapped(1000 << 24, 32)


def test_pack_saturates_as_told() -> None:
    """UG1583: signed 255 becomes 127, unsigned 255 stays; a negative lane packed as unsigned is a large one."""
    data = pack_lanes(np.array([255, -1, -300, 5]), 16)
    assert lanes(pack(data, 16, 8, Saturation.FULL, True), 8).tolist() == [127, -1, -128, 5]
    assert lanes(pack(data, 16, 8, Saturation.SYMMETRIC, True), 8).tolist() == [127, -1, -127, 5]
    assert lanes(pack(data, 16, 8, Saturation.FULL, False), 8, False).tolist() == [255, 255, 255, 5]
    assert lanes(pack(data, 16, 8, Saturation.NONE, True), 8).tolist() == [-1, -1, wrapped(-300, 8), 5]
    assert lanes(unpack(pack_lanes(np.array([-1, 5]), 8), 8, 16, True), 16).tolist() == [-1, 5]
    assert lanes(unpack(pack_lanes(np.array([-1, 5]), 8), 8, 16, False), 16).tolist() == [255, 5]


def transposed(name: str, data: list[int]) -> list[int]:
    """The transpose of a mode's name, element by element."""
    bits, _, shape = name.removeprefix("T").partition("_")
    rows, cols = map(int, shape.split("x"))
    size = int(bits) // 8
    elements = [data[start : start + size] for start in range(0, len(data), size)]
    return [byte for col in range(cols) for row in range(rows) for byte in elements[row * cols + col]]


def test_shuffles() -> None:
    low, high = random_bytes(64), random_bytes(64)
    both = [*low.tolist(), *high.tolist()]
    expected = {}
    for place, name in enumerate(MODES):
        for half in range(2) if name else ():
            expected[2 * place + half] = transposed(name, both)[64 * half :][:64]
    expected |= {mode: transposed(name, low.tolist()) for mode, name in SINGLE_MODES.items()}
    expected[38] = low.view(np.uint16).reshape(-1, 2)[:, ::-1].reshape(-1).view(np.uint8).tolist()
    assert tuple(sorted(expected)) == shuffle_modes()
    for mode, wanted in expected.items():
        assert shuffle(low, high, mode).tolist() == wanted, mode
    for mode in (39, 40, 41, 42, 43, 46, 47, 48):
        with pytest.raises(SimulationFault, match="core-shuffle"):
            shuffle(low, high, mode)


def test_shift_takes_bytes_of_two() -> None:
    low, high = random_bytes(64), random_bytes(64)
    for count in (0, 1, 32, 63):
        assert shift_bytes(low, high, count).tolist() == [*low, *high][count : count + 64]
    with pytest.raises(SimulationFault, match="core-shift"):
        shift_bytes(low, high, 64)


@pytest.mark.parametrize("bits", [8, 16, 32])
def test_selection_and_masks(bits: int) -> None:
    count = 512 // bits
    a, b = random_bytes(64), random_bytes(64)
    mask = int(RNG.integers(0, 1 << min(count, 62)))
    found = lanes(select(a, b, mask, bits), bits).tolist()
    pairs = zip(lanes(a, bits).tolist(), lanes(b, bits).tolist(), strict=True)
    assert found == [two if mask >> place & 1 else one for place, (one, two) in enumerate(pairs)]
    assert mask_bits(bits_mask(mask, count)) == mask
    assert set(lanes(broadcast(0x1234_5678, bits), bits).tolist()) == {wrapped(0x1234_5678, bits)}
