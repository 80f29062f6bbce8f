"""Scales that follow from what tensors hold: of weights, and of activations by each method."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.quantize.ranges import BINS, Method, Seen, chosen_range
from compiler.quantize.scales import Activations, of_activation, of_weights
from tests.floatnets import Array

# Weights.


def test_powers_of_two_are_one_for_a_block() -> None:
    rng = np.random.default_rng(0)
    weight = (rng.normal(size=(20, 8, 3, 3)) * rng.uniform(0.1, 4, (20, 1, 1, 1))).astype(np.float32)
    scales = of_weights(weight, None, 1.0, True, True)
    assert (np.log2(scales) % 1 == 0).all()
    assert all(len(np.unique(scales[first : first + 8])) == 1 for first in (0, 8, 16))
    plain = of_weights(weight, None, 1.0, True, False)
    assert (scales >= plain / 2).all()


def test_a_bias_fits_into_32_bits() -> None:
    weight = np.full((8, 8, 1, 1), 1e-9, np.float32)
    bias = np.full(8, 3.0, np.float32)
    for power_of_two in (False, True):
        scales = of_weights(weight, bias, 1e-3, True, power_of_two)
        assert (bias / (scales * 1e-3) < 2**31).all()


# Scales of activations.


def seen(values: Array) -> Seen:
    found = Seen()
    for part in np.array_split(np.asarray(values, np.float32), 5):
        found.add(part)
    return found


def test_the_histogram_counts_every_value_whatever_comes_first() -> None:
    values = np.random.default_rng(0).normal(0, [[0.01], [3.0], [200.0]], (3, 1000)).ravel()
    found = seen(values)
    assert found.counts.sum() == values.size
    width = 2.0 ** (found.exponent + 1) / BINS
    exact = np.histogram(values.astype(np.float32), BINS, (-(2.0**found.exponent), 2.0**found.exponent))[0]
    assert np.abs(found.counts - exact).sum() <= 4
    assert width * BINS / 2 >= np.abs(values).max()


def test_methods_cut_what_is_far_away() -> None:
    rng = np.random.default_rng(0)
    values = np.append(np.abs(rng.normal(size=100_000)), [60.0])
    found = seen(values)
    assert chosen_range(found, Method.MINMAX, 0) == (0.0, 60.0)
    assert 3 < chosen_range(found, Method.PERCENTILE, 99.9)[1] < 4
    assert 2 < chosen_range(found, Method.ENTROPY, 0)[1] < 12


@pytest.mark.parametrize("method", list(Method))
def test_tensors_of_one_value_have_a_scale(method: Method) -> None:
    for value in (0.0, 2.5, -1e-30):
        step = of_activation(seen(np.full(100, value)), Activations(method=method))
        assert step.scale > 0 and 0 <= step.zero <= 255


def test_powers_of_two_have_the_smaller_error() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=100_000)
    found = seen(values)
    for signed in (False, True):
        how = Activations(signed=signed, power_of_two=True)
        step = of_activation(found, how)

        def error(scale: float, zero: int = step.zero, limits: tuple[int, int] = how.limits) -> float:
            return float(np.square(values - (np.clip(np.rint(values / scale) + zero, *limits) - zero) * scale).sum())

        assert step.zero == (0 if signed else 128)
        assert error(step.scale) == min(error(step.scale * factor) for factor in (0.5, 1.0, 2.0))
    positive = of_activation(seen(np.abs(values)), Activations(power_of_two=True))
    assert positive.zero == 0
