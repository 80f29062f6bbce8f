"""Each rule of docs/numerics.md against exact fractions and against onnxruntime's own operators."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from compiler import numerics
from compiler.blocks import pack, padded, unpack
from compiler.errors import UnsupportedModel

SCALES = st.floats(2**-20, 2**4, width=32)
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
    assert multiplier < 1 << 31 and 0 <= shift <= numerics.MAX_SHIFT


@pytest.mark.parametrize("exponent", range(-62, 31))
def test_powers_of_two_have_multiplier_one(exponent: int) -> None:
    expected = (1, -exponent) if exponent <= 0 else (1 << exponent, 0)
    assert numerics.factor(2.0**exponent) == expected


def test_factors_out_of_range() -> None:
    assert numerics.factor(2.0**-63) == (0, 0)
    assert numerics.factor(0.0) == (0, 0)
    for scale in (2.0**31, math.inf, math.nan, -1.0):
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


@given(SCALES, SCALES, SCALES)
def test_add_factors(a: float, b: float, y: float) -> None:
    ma, mb, shift = numerics.add_factors(a, b, y)
    ratios = [Fraction(float(np.float32(one) / np.float32(y))) for one in (a, b)]
    assert 0 <= shift <= numerics.MAX_SHIFT and max(ma, mb) <= 1 << 24
    for multiplier, ratio in zip((ma, mb), ratios, strict=True):
        assert abs(Fraction(multiplier, 1 << shift) - ratio) <= max(ratios) / (1 << 24)


@pytest.mark.parametrize(("a", "b", "y"), [(0, 0, 0), (-4, -7, -5), (-10, 2, 0), (3, 5, 1), (-3, 20, -1)])
def test_add_of_powers_of_two_is_exact(a: int, b: int, y: int) -> None:
    ma, mb, shift = numerics.add_factors(2.0**a, 2.0**b, 2.0**y)
    assert Fraction(ma, 1 << shift) == Fraction(2) ** (a - y)
    assert Fraction(mb, 1 << shift) == Fraction(2) ** (b - y)


@given(st.integers(1, 200), st.integers(-8, 8), st.data())
def test_means_have_true_ties(count: int, exponent: int, data: st.DataObject) -> None:
    """With scales that are powers of two a mean is rounded as its exact value is."""
    acc = data.draw(st.integers(-255 * count, 255 * count))
    multiplier, shift = numerics.mean_factor(2.0**exponent, 1.0, count)
    y = int(numerics.requantise_mean(np.array(acc), multiplier, shift, 0, -(10**6), 10**6))
    assert y == rhe(Fraction(acc, count) * Fraction(2) ** exponent)


@given(st.integers(1, 12544), SCALES, SCALES, st.data())
def test_means_are_near(count: int, x: float, y: float, data: st.DataObject) -> None:
    acc = data.draw(st.integers(-255 * count, 255 * count))
    multiplier, shift = numerics.mean_factor(x, y, count)
    found = int(numerics.requantise_mean(np.array(acc), multiplier, shift, 0, -128, 127))
    exact = Fraction(acc, count) * Fraction(float(np.float32(x) / np.float32(y)))
    assert abs(found - min(max(exact, Fraction(-128)), Fraction(127))) <= Fraction(1, 2) + Fraction(1, 1 << 18)


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
