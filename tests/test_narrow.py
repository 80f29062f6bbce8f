"""Narrow factors: at most a step from the exact ones, equal for powers of two, and right on the device."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler import numerics
from compiler.driver import Options, compile_model
from compiler.errors import UnsupportedModel
from compiler.pipeline import PASSES as ALL_PASSES
from compiler.reference import run
from compiler.reference.kernels import convolve
from dialects import nn
from passes.fold_quantization import FoldQuantization, Requantize
from runtime_sim.session import Session
from tests.models import Case, feeds
from tests.netbuilder import Style, Tensor
from tests.netlayers import Layers
from tests.reference_tools import PASSES, imported, run_passes, to_device, to_host

INT8, UINT8 = (-128, 127), (0, 255)
LIMITS = st.sampled_from((INT8, UINT8))
SEEDS = st.integers(0, 2**32 - 1)


def results(
    ratios: np.ndarray, reach: np.ndarray, zero: int, limits: tuple[int, int], acc: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Accumulators `[any][channels]` by narrow factors, and rounded once as fractions say."""
    factors = numerics.conv_factors(1.0, ratios, 1.0)
    made = numerics.narrow_requant(factors, reach, zero, limits)
    assert made.first is not None and made.multiplier.shape == made.shift.shape == made.first.shape == reach.shape
    assert made.multiplier.min() >= 0 and made.multiplier.max() < 1 << 15
    assert made.shift.min() >= 0 and made.shift.max() <= numerics.MAX_NARROW_SHIFT
    for one in (made.shift, made.first):
        assert all(len(set(one[start : start + 8].tolist())) == 1 for start in range(0, len(one), 8))
    found = numerics.requantise_narrow(acc, made.first, made.multiplier, made.shift, zero, *limits)
    exact = [
        [min(max(round(int(one) * Fraction(m, 1 << s)) + zero, limits[0]), limits[1]) for one, (m, s) in pairs]
        for pairs in (zip(row, factors, strict=True) for row in acc)
    ]
    return found, np.array(exact)


def sums(rng: np.random.Generator, reach: np.ndarray, ratios: np.ndarray) -> np.ndarray:
    """Sums as large as they get, around where results saturate, and anywhere."""
    edges = np.minimum(reach, np.floor(256 / ratios).astype(np.int64) + rng.integers(0, 3, len(reach)))
    anywhere = (rng.random((40, len(reach))) * 2 - 1) * np.minimum(reach, 300 / ratios)
    return np.concatenate([np.stack([reach, -reach, edges, -edges]), anywhere.astype(np.int64)])


@given(SEEDS, LIMITS, st.integers(1, 20), st.floats(2.0**-20, 2.0), st.integers(4, 31))
def test_at_most_a_step_apart(seed: int, limits: tuple[int, int], channels: int, scale: float, bits: int) -> None:
    """As long as the factors of a block differ by less than 2^4."""
    rng = np.random.default_rng(seed)
    ratios = (scale * 2.0 ** (4 * rng.random(channels))).astype(np.float32)
    reach = rng.integers(1, 1 << bits, channels)
    zero = int(rng.integers(limits[0], limits[1] + 1))
    found, exact = results(ratios, reach, zero, limits, sums(rng, reach, ratios))
    assert np.abs(found - exact).max() <= 1


@given(SEEDS, LIMITS, st.lists(st.integers(0, 31), min_size=1, max_size=3), st.integers(4, 31))
def test_blocks_of_one_power_of_two_are_exact(seed: int, limits: tuple[int, int], shifts: list[int], bits: int) -> None:
    """Whatever the zero point; ties and a factor of zero are among them."""
    rng = np.random.default_rng(seed)
    ratios = np.repeat(2.0 ** -np.array(shifts), 8).astype(np.float32)
    zero = int(rng.integers(limits[0], limits[1] + 1))
    reach = rng.integers(1, 1 << bits, len(ratios))
    halves = rng.integers(-300, 300, (20, len(ratios))) << np.maximum(np.repeat(shifts, 8) - 1, 0)
    acc = np.concatenate([sums(rng, reach, ratios), np.clip(halves, -reach, reach)])
    ratios[rng.random(len(ratios)) < 0.1] = 0.0
    found, exact = results(ratios, reach, zero, limits, acc)
    assert np.array_equal(found, exact)


@given(SEEDS, st.floats(2.0**-12, 2.0**-4))
def test_sixteen_bits_saturate_behind_the_type(seed: int, scale: float) -> None:
    """What is cut to 16 bits between the shifts is beyond the limits of the type anyway."""
    rng = np.random.default_rng(seed)
    ratios, reach = np.full(8, scale, np.float32), np.full(8, (1 << 31) - 1)
    acc = np.concatenate([[one, -one] for one in (reach >> rng.integers(0, 6, (4, 8)))])
    for limits in (INT8, UINT8):
        found, exact = results(ratios, reach, limits[0], limits, acc)
        assert np.array_equal(found, exact)


@given(
    SEEDS, st.integers(1, 20), st.floats(2.0**-20, 2.0**12), st.integers(1, 31), st.floats(0, 20), st.integers(-127, 0)
)
def test_sixteen_bits_without_a_sign_clamp_at_the_zero_point(
    seed: int, channels: int, scale: float, bits: int, apart: float, zero: int
) -> None:
    """And change nothing else, however far the factors of a block are apart."""
    rng = np.random.default_rng(seed)
    ratios = (scale * 2.0 ** (-apart * rng.random(channels))).astype(np.float32)
    reach = rng.integers(1, 1 << bits, channels)
    made = numerics.narrow_requant(numerics.conv_factors(1.0, ratios, 1.0), reach, zero, INT8)
    assert made.first is not None
    limit = 32767 << made.first.astype(np.int64)
    edges = np.minimum(np.stack([limit - 1, limit, limit + 1, 2 * limit, 2 * limit + 1]), reach)
    acc = np.concatenate([sums(rng, reach, ratios), edges, -edges])
    factors = made.first, made.multiplier, made.shift, zero
    clipped = numerics.requantise_narrow(acc, *factors, *INT8, unsigned=True)
    assert np.array_equal(clipped, numerics.requantise_narrow(acc, *factors, zero, 127))


def test_the_limit_of_sixteen_bits_saturates_though_a_factor_is_rounded() -> None:
    """By 1.49 * 2^-8 a sum of 2^15 is more than 189 steps; by 2^-8 it would be 128."""
    ratios = np.array([1.49 / 256, 64.0], np.float32)
    made = numerics.narrow_requant(numerics.conv_factors(1.0, ratios, 1.0), np.array([1 << 20, 100]), -60, INT8)
    assert made.first is not None and made.first[0] == 0 and made.shift[0] == 8
    assert made.multiplier.tolist() == [2, 64 << 8]
    assert int(numerics.requantise_narrow(np.array([32767]), 0, 2, 8, -60, *INT8)[0]) == 127


def test_channels_without_a_factor_give_the_zero_point() -> None:
    found, _ = results(np.zeros(3, np.float32), np.full(3, 1 << 20), -7, INT8, np.array([[1 << 20, 5, -(1 << 20)]]))
    assert found.tolist() == [[-7, -7, -7]]


def test_one_scale_is_for_all_channels() -> None:
    made = numerics.narrow_requant([(3, 9)], np.full(11, 5000), 0, INT8)
    assert set(made.multiplier.tolist()) == {int(made.multiplier[0])} and len(made.multiplier) == 11


def test_a_first_shift_is_as_short_as_it_may_be() -> None:
    assert made_first(32767) == 0 and made_first(32768) == 1
    assert made_first(32767 * 2) == 1 and made_first(32767 * 2 + 1) == 2


def made_first(reach: int) -> int:
    made = numerics.narrow_requant([(3, 30)], np.array([reach]), 0, INT8)
    assert made.first is not None
    return int(made.first[0])


@pytest.mark.parametrize("seed", range(20))
def test_no_result_is_further_off_than_the_bound(seed: int) -> None:
    rng = np.random.default_rng(seed)
    factors = [(int(rng.integers(1, 1 << 24)), int(rng.integers(24, 44))) for _ in range(8)]
    reach = rng.integers(1000, 1 << 24, 8)
    made = numerics.narrow_requant(factors, reach, 0, INT8)
    assert made.first is not None
    bound = numerics.narrow_error(factors, reach, made, numerics.room_of(0, INT8))
    acc = rng.integers(-reach, reach + 1, (2000, 8))
    held = np.clip(numerics.round_shift(acc, made.first), -(1 << 15), (1 << 15) - 1)
    exact = acc * np.array([m / 2.0**shift for m, shift in factors])
    seen = np.abs(np.clip(held * made.multiplier / 2.0**made.shift, *INT8) - np.clip(exact, *INT8)).max()
    assert seen <= bound * (1 + 1e-9)


def test_channels_that_training_left_dead_do_not_blur_the_others(tmp_path: Path) -> None:
    """Weights of one channel 2^12 times smaller: the block's layer takes wide factors, others stay as they are."""

    def net(made: Layers, x: Tensor) -> Tensor:
        y = made.quant(made.conv(x, 16, (1, 1)))
        return made.quant(made.conv(y, 16, (1, 1)))

    model = Case("dead", net, (16, 5, 5), Style("int8")).build()
    arrays = {one.name: one for one in model.graph.initializer}
    weights = (node for node in model.graph.node if node.op_type == "DequantizeLinear" and node.input[0] in arrays)
    scale = next(arrays[node.input[1]] for node in weights if len(arrays[node.input[0]].dims) == 4)
    numbers = onnx.numpy_helper.to_array(scale).copy()
    numbers[3] /= 1 << 12
    scale.CopyFrom(onnx.numpy_helper.from_array(numbers, scale.name))
    module = run_passes(imported(model, tmp_path), PASSES[0])
    assert sorted(bool(op.exact) for op in module.walk(nn.QConv2dOp)) == [False, True]


def test_too_large_a_factor_is_refused() -> None:
    with pytest.raises(UnsupportedModel) as caught:
        numerics.narrow_requant([(3 << 15, 0)], np.array([100]), 0, INT8)
    assert "--requantize exact" in caught.value.diagnostic.help


@pytest.mark.parametrize("limits", [INT8, UINT8])
def test_no_sum_passes_the_reach(limits: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    weights, bias = rng.integers(-127, 128, (5, 3, 3, 4)).astype(np.int8), rng.integers(-900, 900, 5).astype(np.int32)
    zero = limits[0] + 100
    reach = numerics.conv_reach(weights, bias, zero, limits)
    assert np.array_equal(
        reach, [np.abs(one.astype(int)).sum() * 155 + abs(int(b)) for one, b in zip(weights, bias, strict=True)]
    )
    x = rng.choice(limits, (1, 9, 9, 4)).astype(np.int32) - zero
    assert (np.abs(convolve(x, weights, (1, 1), (1, 1, 1, 1), (1, 1)) + bias) <= reach).all()


def compiled(case: Case, directory: Path, requantize: str) -> dict[str, int]:
    """Simulate a model's plan, compare every byte with the reference, and give the plan's costs."""
    model = case.build()
    first = FoldQuantization(Requantize(requantize))
    module = run_passes(imported(model, directory), first)
    names = [f"{first.name}{{requantize={requantize}}}", *(one.name for one in ALL_PASSES[1:])]
    options = Options(target="aie2-2x2", pipeline=",".join(names), compare_dense=False)
    plan, _ = compile_model(directory / "model.onnx", directory / "plan", options)
    fed = feeds(model, 5)
    simulated = Session(plan).execute(fed).outputs
    for name, result in to_host(module, run(module, to_device(module, fed))).items():
        assert np.array_equal(simulated[name], result.array), name
    costs: dict[str, int] = json.loads((directory / "plan/cores/costs.json").read_text())
    return costs


def residual_net(net: Layers, x: Tensor) -> Tensor:
    """Sums of one call and of several, clamps at the zero point and below the type's limit, and an addition."""
    y = net.quant(net.relu(net.conv(x, 600, (1, 1))))
    y = net.quant(net.clip(net.conv(y, 24, (3, 3), pads=(1, 1, 1, 1)), 0.0, 1.0))
    z = net.quant(net.conv(y, 24, (1, 1)))
    return net.quant(net.relu(net.add(z, y)))


@pytest.mark.parametrize("style", [Style("int8", symmetric=True), Style("uint8"), Style("int8")], ids=str)
@pytest.mark.parametrize("scales", ["fast", "exact"])
def test_networks_by_either_factors(style: Style, scales: str, tmp_path: Path) -> None:
    costs = compiled(Case("residual", residual_net, (24, 9, 9), style), tmp_path, scales)
    fast = scales == "fast"
    assert (costs["mac_set_narrow"] > 0) == (costs["staged_group"] > 0) == (costs["combine_narrow_pair"] > 0) == fast
    assert (costs["scale_group"] > 0) == (costs["combine_group"] > 0) == (not fast)


def test_passes_move_clamps_and_change_no_number(tmp_path: Path) -> None:
    """Factors follow from the type: a clamp that a later pass takes in leaves them as they are."""
    model = Case("residual", residual_net, (24, 9, 9), Style("int8", symmetric=True)).build()
    module = run_passes(imported(model, tmp_path), PASSES[0])
    inputs = to_device(module, feeds(model, 2))
    before = run(module, inputs)
    run_passes(module, *PASSES[1:])
    assert all(np.array_equal(one, before[name]) for name, one in run(module, inputs).items())
