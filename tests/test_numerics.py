"""Each rule of docs/numerics.md against exact fractions and against onnxruntime's own operators."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from compiler import numerics
from compiler.blocks import pack, padded, unpack
from compiler.errors import UnsupportedModel

SCALES = st.floats(2**-20, 2**4, width=32)
Quantised = tuple[float, int, tuple[int, int]]
ACCS = st.integers(-(2**31), 2**31 - 1)


def rhe(value: Fraction) -> int:
    """Python's own rounding of fractions is half to even."""
    return round(value)


@given(st.integers(-(2**60), 2**60), st.integers(0, 62))
def test_round_shift_is_half_to_even(product: int, shift: int) -> None:
    assert int(numerics.round_shift(np.array(product), shift)) == rhe(Fraction(product, 1 << shift))


@given(SCALES)
def test_factor_is_exact(scale: float) -> None:
    multiplier, shift = numerics.factor(scale)
    assert Fraction(multiplier, 1 << shift) == Fraction(scale)
    assert multiplier < numerics.FACTOR_LIMIT and 0 <= shift <= numerics.MAX_SHIFT


@pytest.mark.parametrize("exponent", range(-59, 30))
def test_powers_of_two_have_multiplier_one(exponent: int) -> None:
    expected = (1, -exponent) if exponent <= 0 else (1 << exponent, 0)
    assert numerics.factor(2.0**exponent) == expected


def test_factors_out_of_range() -> None:
    assert numerics.factor(2.0**-60) == (0, 0)
    assert numerics.factor(0.0) == (0, 0)
    for scale in (2.0**30, math.inf, math.nan, -1.0):
        with pytest.raises(UnsupportedModel):
            numerics.factor(scale)


@given(ACCS, SCALES, st.integers(-128, 127))
def test_requantise(acc: int, scale: float, zero: int) -> None:
    multiplier, shift = numerics.factor(scale)
    y = int(numerics.requantise(np.array(acc), multiplier, shift, zero, -128, 127))
    assert y == min(max(rhe(acc * Fraction(scale)) + zero, -128), 127)


def test_conv_requant_is_float32() -> None:
    x, w, y = np.float32(0.1), np.array([0.3, 0.007], np.float32), np.float32(0.9)
    requant = numerics.conv_requant(float(x), w, float(y))
    for channel in range(2):
        exact = Fraction(float((x * w[channel]) / y))
        assert Fraction(int(requant.multiplier[channel]), 1 << int(requant.shift[channel])) == exact


@given(st.lists(SCALES, min_size=1, max_size=20))
def test_channels_of_a_block_share_a_shift(scales: list[float]) -> None:
    """Exact while factors of a block are not far apart; where one is rounded, no larger shift would hold the others."""
    requant = numerics.conv_requant(1.0, np.array(scales, np.float32), 1.0)
    for start in range(0, len(scales), 8):
        own = [numerics.factor(scale) for scale in scales[start : start + 8]]
        shift = int(requant.shift[start])
        assert (requant.shift[start : start + 8] == shift).all() and shift in [one[1] for one in own]
        for (_, exact), scale, found in zip(own, scales[start:], requant.multiplier[start:], strict=False):
            assert found < numerics.FACTOR_LIMIT
            assert found == rhe(Fraction(scale) * (1 << shift))
            if exact > shift:
                larger = [m << (exact - s) for m, s in own if s <= exact]
                assert max(larger) >= numerics.FACTOR_LIMIT


def test_factors_of_a_block_that_are_zero_stay_zero() -> None:
    requant = numerics.conv_requant(1.0, np.array([0.0, 0.5, 3.0], np.float32), 1.0)
    assert requant.multiplier.tolist() == [0, 1, 6] and requant.shift.tolist() == [1, 1, 1]


@given(SCALES, SCALES, SCALES)
@example(16.0, float(np.float32(1.9)), 2**-20)
def test_exact_add_factors(a: float, b: float, y: float) -> None:
    ma, mb, shift = numerics.add_factors(a, b, y, exact=True)
    ratios = [Fraction(float(np.float32(one) / np.float32(y))) for one in (a, b)]
    assert 0 <= shift <= numerics.MAX_SHIFT and max(ma, mb) <= 1 << 24
    for multiplier, ratio in zip((ma, mb), ratios, strict=True):
        assert abs(Fraction(multiplier, 1 << shift) - ratio) <= max(ratios) / (1 << 24)


@given(SCALES, SCALES, SCALES)
def test_narrow_add_factors(a: float, b: float, y: float) -> None:
    """15 bits, both rounded at the largest shift that holds them; larger ratios go the exact way."""
    ma, mb, shift = numerics.add_factors(a, b, y)
    ratios = [Fraction(float(np.float32(one) / np.float32(y))) for one in (a, b)]
    if not numerics.fits_bytes((ma, mb), shift):
        assert max(ratios) > numerics.NARROW_LIMIT
        assert (ma, mb, shift) == numerics.add_factors(a, b, y, exact=True)
        return
    widest = max(s for s in range(23) if all(rhe(one * (1 << s)) < 1 << 15 for one in ratios))
    assert [Fraction(m, 1 << shift) for m in (ma, mb)] == [
        Fraction(rhe(one * (1 << widest)), 1 << widest) for one in ratios
    ]
    assert shift == 0 or (ma | mb) & 1
    assert max(ratios) >= 64 or all(
        abs(Fraction(m, 1 << shift) - one) * 255 < 0.25 for m, one in zip((ma, mb), ratios, strict=True)
    )


@given(SCALES, SCALES, SCALES, st.integers(0, 255), st.integers(0, 255), st.data())
def test_narrow_sums_fit_32_bits_and_are_a_step_apart_at_most(
    a: float, b: float, y: float, a_zero: int, b_zero: int, data: st.DataObject
) -> None:
    ma, mb, shift = numerics.add_factors(a, b, y)
    if not numerics.fits_bytes((ma, mb), shift):
        return
    first, second = (data.draw(st.integers(0, 255)) for _ in range(2))
    zero = data.draw(st.sampled_from([-128, 0, 255]))
    start = -a_zero * ma - b_zero * mb + (zero << shift)
    assert abs(start) + 255 * (ma + mb) < 1 << 31
    ratios = [Fraction(float(np.float32(one) / np.float32(y))) for one in (a, b)]
    found = int(
        numerics.add_requantise(np.array(first - a_zero), np.array(second - b_zero), (ma, mb, shift), zero, -128, 255)
    )
    exact = rhe((first - a_zero) * ratios[0] + (second - b_zero) * ratios[1]) + zero
    assert max(ratios) >= 64 or abs(found - min(max(exact, -128), 255)) <= 1


@given(st.integers(-40, 14), st.integers(-8, 14))
def test_a_change_between_powers_of_two_is_exact(x: int, y: int) -> None:
    narrow = numerics.rescale_factor(2.0**x, 2.0**y)
    wide = numerics.rescale_factor(2.0**x, 2.0**y, exact=True)
    steps = np.arange(-255, 256)
    assert x - y > 14 or numerics.fits_bytes(narrow[:1], narrow[1])
    found, expected = (numerics.requantise(steps, *one, 3, -128, 127) for one in (narrow, wide))
    assert np.array_equal(found, expected)


@pytest.mark.parametrize(("a", "b", "y"), [(0, 0, 0), (-4, -7, -5), (-10, 2, 0), (3, 5, 1), (-3, 20, -1)])
@pytest.mark.parametrize("exact", [False, True])
def test_add_of_powers_of_two_is_exact(a: int, b: int, y: int, exact: bool) -> None:
    ma, mb, shift = numerics.add_factors(2.0**a, 2.0**b, 2.0**y, exact)
    assert Fraction(ma, 1 << shift) == Fraction(2) ** (a - y)
    assert Fraction(mb, 1 << shift) == Fraction(2) ** (b - y)


@given(st.integers(1, 200), st.integers(-8, 8), st.data())
def test_means_have_true_ties(count: int, exponent: int, data: st.DataObject) -> None:
    """With scales that are powers of two a mean is rounded as its exact value is."""
    acc = data.draw(st.integers(-255 * count, 255 * count))
    (multiplier,), shift = numerics.mean_factors(2.0**exponent, 1.0, [count])
    y = int(numerics.requantise_mean(np.array(acc), multiplier, shift, 0, -(10**6), 10**6))
    assert y == rhe(Fraction(acc, count) * Fraction(2) ** exponent)


@given(st.integers(1, 12544), SCALES, SCALES, st.data())
def test_means_are_near(count: int, x: float, y: float, data: st.DataObject) -> None:
    acc = data.draw(st.integers(-255 * count, 255 * count))
    (multiplier,), shift = numerics.mean_factors(x, y, [count])
    found = int(numerics.requantise_mean(np.array(acc), multiplier, shift, 0, -128, 127))
    exact = Fraction(acc, count) * Fraction(float(np.float32(x) / np.float32(y)))
    assert abs(found - min(max(exact, Fraction(-128)), Fraction(127))) <= Fraction(1, 2) + Fraction(1, 1 << 18)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=6, unique=True), SCALES)
def test_means_of_one_layer_share_a_shift(counts: list[int], scale: float) -> None:
    multipliers, shift = numerics.mean_factors(scale, 1.0, counts)
    for count, multiplier in zip(counts, multipliers, strict=True):
        assert multiplier == rhe(Fraction(scale) / count * (1 << shift)) < numerics.FACTOR_LIMIT
    assert max(multipliers) >= numerics.FACTOR_LIMIT // 4


QUANTS = st.tuples(SCALES, st.integers(-128, 127)).map(lambda one: (one[0], one[1], (-128, 127))) | st.tuples(
    SCALES, st.integers(0, 255)
).map(lambda one: (one[0], one[1], (0, 255)))


def product_of(a: int, b: int, one: Quantised, other: Quantised, y: Quantised) -> int:
    """The rule of the page."""
    factors = numerics.product_factors(one, other, y)
    found = numerics.product_requantise(np.array(a - one[1]), np.array(b - other[1]), factors, y[1], *y[2])
    return int(found)


@given(QUANTS, QUANTS, QUANTS, st.data())
def test_products_are_a_64th_of_a_step_off_before_their_rounding(
    one: Quantised, other: Quantised, y: Quantised, data: st.DataObject
) -> None:
    a, b = data.draw(st.integers(*one[2])), data.draw(st.integers(*other[2]))
    ratio = np.float32(np.float32(one[0]) * np.float32(other[0])) / np.float32(y[0])
    exact = (a - one[1]) * (b - other[1]) * Fraction(float(ratio)) + y[1]
    found = product_of(a, b, one, other, y)
    near = {min(max(rhe(exact + off * Fraction(1, 64)), y[2][0]), y[2][1]) for off in (-1, 0, 1)}
    # Ties go to an even result, the zero point in it.
    assert found in near


@given(st.integers(-12, 4), st.integers(-12, 4), st.integers(-12, 4), QUANTS, QUANTS, QUANTS, st.data())
def test_products_of_powers_of_two_are_exact(
    a: int, b: int, y: int, one: Quantised, other: Quantised, to: Quantised, data: st.DataObject
) -> None:
    parts = [
        (2.0**exponent, zero, limits) for exponent, (_, zero, limits) in zip((a, b, y), (one, other, to), strict=True)
    ]
    x, z = data.draw(st.integers(*one[2])), data.draw(st.integers(*other[2]))
    exact = rhe((x - one[1]) * (z - other[1]) * Fraction(2) ** (a + b - y)) + to[1]
    assert product_of(x, z, parts[0], parts[1], parts[2]) == min(max(exact, to[2][0]), to[2][1])


def test_int32_wraps() -> None:
    assert int(numerics.wrap_int32(np.array(2**31))) == -(2**31)


@pytest.mark.parametrize("kind", ["int8", "uint8"])
@pytest.mark.parametrize("scale", [0.0173, 0.5, 3.0])
def test_host_conversions_are_onnxruntimes(kind: str, scale: float) -> None:
    rng = np.random.default_rng(0)
    ties = (np.arange(-300, 300) + 0.5) * np.float32(scale)
    values = np.concatenate([rng.standard_normal(5000) * 40 * scale, ties, [1e30, -1e30, 0.0]]).astype(np.float32)
    zero = 7
    quantised = numerics.quantize_input(values, scale, zero, kind)
    elem = TensorProto.INT8 if kind == "int8" else TensorProto.UINT8
    constants = [
        helper.make_tensor("s", TensorProto.FLOAT, [], [scale]),
        helper.make_tensor("z", elem, [], [zero]),
    ]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    infos = [
        helper.make_tensor_value_info(name, type, [len(values)])
        for name, type in (("x", TensorProto.FLOAT), ("q", elem), ("y", TensorProto.FLOAT))
    ]
    graph = helper.make_graph(nodes, "g", infos[:1], infos[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    expected, floats = session.run(["q", "y"], {"x": values})
    assert np.array_equal(quantised, expected)
    assert np.array_equal(numerics.dequantize_output(quantised, scale, zero), floats)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 3), st.booleans(), st.integers(0, 2**32 - 1))
def test_blocks_pack_and_unpack(out: int, inp: int, kernel: int, keep_all: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weight = rng.integers(-3, 4, (out, kernel, 2, inp)).astype(np.int8)
    weight *= np.repeat(rng.random((out, kernel, 2, 1)) < 0.3, inp, axis=3)
    blocks, index = pack(weight, keep_all=keep_all)
    assert np.array_equal(unpack(blocks, index, weight.shape), weight)
    rows = [tuple(row[[0, 3, 1, 2]]) for row in index]
    assert rows == sorted(rows) and len(set(rows)) == len(rows)
    total = padded(out) * padded(inp) // 64 * kernel * 2
    assert len(blocks) == total if keep_all else all(block.any() for block in blocks)


def test_a_block_is_input_by_output() -> None:
    weight = np.zeros((16, 1, 1, 16), np.int8)
    weight[9, 0, 0, 3] = 5
    blocks, index = pack(weight, keep_all=False)
    assert index.tolist() == [[1, 0, 0, 0]] and blocks.shape == (1, 8, 8)
    assert blocks[0, 3, 1] == 5
