"""Convolutions in groups and of single channels: whole networks, their weights, and what reports say of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper

from compiler.blocks import (
    blocks_in_groups,
    distinct,
    pack,
    pack_channels,
    padded,
    reorder,
    ungrouped,
    unpack,
    unpack_channels,
)
from compiler.driver import Options, compile_model
from compiler.errors import UnsupportedModel
from compiler.reference import ValueCheck
from compiler.reference.check import random_inputs
from compiler.reference.kernels import Array, convolve, convolve_groups
from compiler.target import Target
from dialects import bsp
from passes.assign_layout import AssignLayout
from passes.balance_channels import BalanceChannels
from tests.model_cases import PAD1, Case, depthwise
from tests.netbuilder import Style, Tensor
from tests.netlayers import Layers
from tests.reference_tools import PASSES, imported, run_passes
from tests.skewed import Skewed
from tests.test_end_to_end import TARGETS, outputs_of

WEIGHT_ZERO = 170
PER_TENSOR = Style(per_channel=False)


def random_groups(net: Layers, x: Tensor) -> Tensor:
    """Three convolutions with windows, strides and groups of all kinds."""
    for _ in range(3):
        kernel = tuple(int(one) for one in net.rng.integers(1, 5, 2))
        pads = tuple(int(net.rng.integers(kernel[i % 2] + 1)) for i in range(4))
        strides = tuple(int(one) for one in net.rng.integers(1, 3, 2))
        room = [size + before + after for size, before, after in zip(x.shape[2:], pads[:2], pads[2:], strict=True)]
        if any(one > all_ for one, all_ in zip(kernel, room, strict=True)):
            kernel = 1, 1
        groups = int(net.rng.choice([one for one in range(1, x.channels + 1) if x.channels % one == 0]))
        out = groups * int(net.rng.integers(1, max(2, 48 // groups)))
        if net.rng.random() < 0.4:
            groups = out = x.channels
        y = net.conv(
            x,
            out,
            (kernel[0], kernel[1]),
            strides=(strides[0], strides[1]),
            pads=(pads[0], pads[1], pads[2], pads[3]),
            group=groups,
            sparsity=float(net.rng.choice([0.0, 0.5])),
        )
        x = net.quant(net.relu(y) if net.rng.random() < 0.5 else y)
    return x


@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=pytest.mark.sweep if seed > 5 else ()) for seed in range(32)]
)
def test_random_groups(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng([seed, 9])
    shape = int(rng.choice([3, 8, 12, 20, 32])), int(rng.integers(3, 20)), int(rng.integers(3, 20))
    case = Case(f"groups_{seed}", random_groups, shape, Style(dtype=str(rng.choice(["int8", "uint8"]))))
    pow2 = seed % 2 == 0
    outputs = outputs_of(case.build(pow2=pow2), TARGETS[seed % len(TARGETS)], seed, tmp_path)
    outputs.check_bytes()
    outputs.check_onnxruntime(exact=pow2)


# Weights that do not fit 8 bits without their zero point


def asymmetric(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the weights of its convolutions as uint8 around `WEIGHT_ZERO`, some far below it."""
    rng = np.random.default_rng(7)
    held = {one.name: one for one in model.graph.initializer}
    made = {node.output[0]: node for node in model.graph.node}
    for node in [one for one in model.graph.node if one.op_type == "Conv"]:
        weight, _, zero = made[node.input[1]].input
        numbers = numpy_helper.to_array(held[weight]).astype(np.int64)
        far = rng.random(numbers.shape) < 0.1
        numbers = np.clip(np.where(far, -150, numbers // 2) + WEIGHT_ZERO, 0, 255).astype(np.uint8)
        held[weight].CopyFrom(numpy_helper.from_array(numbers, weight))
        held[zero].CopyFrom(numpy_helper.from_array(np.array(WEIGHT_ZERO, np.uint8), zero))
    return model


@pytest.mark.parametrize("pow2", [True, False])
@pytest.mark.parametrize(
    ("name", "draw"),
    [
        ("dense", lambda net, x: net.quant(net.conv(x, 20, pads=PAD1, gain=0.5, bias=False))),
        ("single_channels", depthwise(pads=PAD1, gain=0.5, bias=False)),
        ("groups", lambda net, x: net.quant(net.conv(x, 24, pads=PAD1, group=2, gain=0.5, bias=False))),
    ],
)
def test_weights_of_nine_bits(name: str, draw: object, pow2: bool, tmp_path: Path) -> None:
    assert callable(draw)
    model = asymmetric(Case(f"nine_bits_{name}", draw, (16, 8, 8), PER_TENSOR).build(pow2=pow2))
    weights = list(run_passes(imported(model, tmp_path), *PASSES).walk(bsp.WeightOp))
    assert any(one.again for one in weights)
    outputs = outputs_of(model, "aie2-2x2", 5, tmp_path)
    outputs.check_bytes()
    outputs.check_onnxruntime(exact=pow2)


@given(st.integers(1, 20), st.integers(1, 20), st.booleans(), st.integers(0, 2**32 - 1))
def test_blocks_of_nine_bits_add_up(out: int, inp: int, keep_all: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weight = (rng.integers(-300, 301, (out, 2, 1, inp)) * (rng.random((out, 2, 1, inp)) < 0.2)).astype(np.int16)
    blocks, index = pack(weight, keep_all=keep_all)
    assert blocks.dtype == np.int8 and np.array_equal(unpack(blocks, index, weight.shape), weight)
    small = np.clip(weight, -1, 1).astype(np.int8)
    assert np.array_equal(distinct(index), pack(small, keep_all=keep_all)[1])


@given(st.integers(1, 40), st.integers(1, 300), st.integers(0, 2**32 - 1))
def test_single_channels_pack_and_unpack(channels: int, largest: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weight = rng.integers(-largest, largest + 1, (channels, 3, 2)).astype(np.int16)
    blocks, index = pack_channels(weight)
    assert blocks.dtype == np.int8 and np.array_equal(unpack_channels(blocks, index, weight.shape), weight)
    order = rng.permutation(padded(channels) // 8)
    moved = unpack_channels(*reorder(blocks, index, order, order), (padded(channels), 3, 2))
    full = np.zeros((padded(channels), 3, 2), np.int16)
    full[:channels] = weight
    assert np.array_equal(moved.reshape(-1, 8, 3, 2), full.reshape(-1, 8, 3, 2)[order])


# Groups


@given(st.integers(1, 5), st.integers(1, 9), st.integers(1, 9), st.booleans(), st.integers(0, 2**32 - 1))
def test_groups_are_a_convolution_with_zeros(groups: int, out: int, inp: int, keep_all: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weight = rng.integers(-9, 10, (groups * out, 2, 2, inp)).astype(np.int8)
    dense = ungrouped(weight, groups)
    x: Array = rng.integers(-99, 100, (1, 4, 5, groups * inp))
    window = (1, 2), (1, 0, 1, 1), (1, 1)
    assert np.array_equal(convolve_groups(x, weight, groups, *window), convolve(x, dense, *window))
    blocks, index = pack(weight, keep_all=keep_all, groups=groups)
    assert np.array_equal(unpack(blocks, index, dense.shape), dense)
    pairs = blocks_in_groups(groups * out, groups * inp, groups)
    assert pairs.sum() == groups * out * inp
    assert not keep_all or len(index) == 4 * (pairs > 0).sum()
    assert (pairs[index[:, 0], index[:, 3]] > 0).all()


def report(case: Case, directory: Path, sparsity: str = "auto") -> tuple[dict[str, object], dict[str, object]]:
    """The entries of a model's only layer in layers.json and sparsity.json."""
    (directory / "model.onnx").write_bytes(case.build().SerializeToString())
    options = Options("aie2-2x2", sparsity=sparsity, compare_dense=False)
    plan, _ = compile_model(directory / "model.onnx", directory / f"plan_{sparsity}", options)
    layers, blocks = (json.loads((plan.path / name).read_text()) for name in ("layers.json", "sparsity.json"))
    assert len(layers) == len(blocks) == 1
    return layers[0], blocks[0]


@pytest.mark.parametrize("sparsity", ["auto", "off"])
def test_a_report_counts_what_is_in_groups(sparsity: str, tmp_path: Path) -> None:
    pixels = 7 * 7
    case = Case("reported_groups", lambda n, x: n.quant(n.conv(x, 20, pads=PAD1, group=4)), (12, 7, 7))
    layer, blocks = report(case, tmp_path, sparsity)
    assert layer["macs"] == layer["macs_kept"] == pixels * 20 * 3 * 9
    assert blocks["blocks"] == blocks["kept"] == 9 * 4
    assert "4 groups of 5x3 channels fill 23% of the blocks they touch" in str(blocks["reason"])


def test_a_report_says_that_single_channels_stay_dense(tmp_path: Path) -> None:
    layer, blocks = report(Case("reported_depthwise", depthwise(pads=PAD1), (12, 7, 7)), tmp_path)
    assert layer["kind"] == "depthwise"
    assert layer["macs"] == layer["macs_kept"] == 7 * 7 * 12 * 9
    assert layer["weight_bytes"] == 12 * 9
    assert blocks["dense"] is True and "depthwise" in str(blocks["reason"])


@pytest.mark.parametrize("seed", range(4))
def test_channels_move_through_single_channels(seed: int, tmp_path: Path) -> None:
    """Blocks change places in front of a depthwise layer, and all values stay what they were."""
    net = Skewed(seed, (24, 8, 8), Style(dtype="int8"))
    y = net.quant(net.conv(net.x, 128, (1, 1)))
    y = net.quant(net.conv(y, 128, pads=PAD1, group=128))
    model = net.finish(net.quant(net.conv(y, 8, (1, 1))))
    module = run_passes(imported(model, tmp_path), *PASSES, AssignLayout())
    check = ValueCheck(module, random_inputs(module))
    BalanceChannels().run(module, Target.load("aie2-4x4"))
    check("balance-channels", module)
    layer = next(module.walk(bsp.DepthwiseOp))
    assert layer.x.op is not None
    assert layer.notes[bsp.BLOCK_ORDER] == layer.x.op.notes[bsp.BLOCK_ORDER]


@pytest.mark.parametrize(
    ("group", "text"),
    [
        (3, "its group is 3, expected a divisor of its 16 output channels"),
        (4, "expected 32 in 4 groups, as its weights have"),
    ],
)
def test_groups_that_do_not_divide_are_refused(group: int, text: str, tmp_path: Path) -> None:
    model = Case("refused", lambda n, x: n.quant(n.conv(x, 16, group=2))).build()
    node = next(one for one in model.graph.node if one.op_type == "Conv")
    next(one for one in node.attribute if one.name == "group").i = group
    with pytest.raises(UnsupportedModel) as error:
        imported(model, tmp_path)
    assert text in str(error.value)
