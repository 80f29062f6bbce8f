"""Layers in strips: the same bytes through the whole simulator, ranges as the projection says, and never a loss."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from math import prod
from pathlib import Path

import numpy as np
import onnx
import pytest

from compiler.driver import Options, compile_model
from compiler.encoding.work import MAX_LAYERS, WorkHeader
from compiler.errors import BsccError, DoesNotFit
from compiler.ir import Module, clone_module
from compiler.mapping.forced import Forced
from compiler.mapping.plans import overflows, plan_of
from compiler.mapping.strips import group_of, steps_of, strip_rows
from compiler.pipeline import DEFAULT_PIPELINE
from compiler.reference import ValueCheck, run, run_traced
from compiler.reference.check import random_inputs
from compiler.summary import bounds_of, layers_of, rows_of
from compiler.target import Target
from dialects import bsp
from passes.assign_layout import AssignLayout
from passes.balance_channels import BalanceChannels
from passes.choose_tiles import ChooseTiles
from passes.depthwise_tiling import DepthwiseTiling, Mode
from runtime_sim.session import Session
from tests.model_cases import PAD1, bottleneck, inception, residual, separable
from tests.models import Case, feeds, random_qdq_model
from tests.netbuilder import Style, Tensor
from tests.netlayers import Layers
from tests.reference_tools import PASSES, imported, run_passes, to_device, to_host
from tests.skewed import Skewed


def pyramid(net: Layers, x: Tensor) -> Tensor:
    """Windows, strides, pads that differ above and below, a dilation, pools with and without padding."""
    y = net.quant(net.relu(net.conv(x, 16, (5, 5), strides=(2, 2), pads=(2, 1, 1, 2))))
    y = net.max_pool(y, {"kernel_shape": (3, 3), "strides": (2, 2), "pads": PAD1})
    y = net.quant(net.conv(y, 8, (3, 3), pads=(2, 2, 2, 2), dilations=(2, 2)))
    mean = net.average_pool(y, {"kernel_shape": (3, 3), "pads": PAD1, "count_include_pad": 0})
    mean = net.average_pool(net.quant(mean), {"kernel_shape": (3, 3), "pads": PAD1, "count_include_pad": 1})
    return net.quant(net.conv(net.quant(mean), 12, (3, 1), pads=(0, 0, 1, 0)))


def two_ends(net: Layers, x: Tensor) -> Tensor:
    """A residual whose branches need unlike rows, and a concatenation behind it."""
    return inception(net, residual(net, bottleneck(net, x), relu=True))


def tower(net: Layers, x: Tensor) -> Tensor:
    """Four convolutions whose results are larger than small memory tiles."""
    for _ in range(3):
        x = net.quant(net.relu(net.conv(x, 24, pads=PAD1, sparsity=0.5)))
    return net.max_pool(net.quant(net.conv(x, 8, pads=PAD1)), {"kernel_shape": (2, 2), "strides": (2, 2)})


CASES = (
    Case("strip_pyramid", pyramid, (8, 37, 21)),
    Case("strip_ends", two_ends, (16, 30, 12)),
    Case("strip_bottleneck", bottleneck, (16, 18, 18)),
    Case("strip_inception", inception, (16, 13, 11)),
    Case("strip_separable", separable, (16, 21, 10)),
)
TARGETS = ("aie2-2x2", "aie2-3x3", "aie2-4x4", "aie2-6x6")


def laid_out(case: Case, directory: Path) -> Module:
    """A case as the pass finds it."""
    return run_passes(imported(case.build(), directory), *PASSES, AssignLayout())


def agrees(model: onnx.ModelProto, target: str, strips: int, seed: int, directory: Path) -> None:
    """The simulator gives every byte of the reference, and the reference the same after each pass."""
    module = run_passes(imported(model, directory), PASSES[0])
    pipeline = DEFAULT_PIPELINE.replace("depthwise-tiling", f"depthwise-tiling{{strips={strips}}}")
    options = Options(target, pipeline, verify_each=True, compare_dense=False)
    plan, _ = compile_model(directory / "model.onnx", directory / "plan", options)
    fed = feeds(model, seed)
    simulated = Session(plan).execute(fed).outputs
    for name, result in to_host(module, run(module, to_device(module, fed))).items():
        assert simulated[name].dtype == result.array.dtype
        assert simulated[name].tobytes() == result.array.tobytes(), name


@pytest.mark.parametrize("strips", [2, 3])
@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda number: CASES[number].name)
def test_named_models(number: int, strips: int, tmp_path: Path) -> None:
    agrees(CASES[number].build(), TARGETS[(number + strips) % len(TARGETS)], strips, 5, tmp_path)


@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=pytest.mark.sweep if seed > 5 else ()) for seed in range(24)]
)
def test_random_models(seed: int, tmp_path: Path) -> None:
    size = 2 + seed % 4
    agrees(random_qdq_model(seed, pow2=seed % 3 == 0), f"aie2-{size}x{size}", 2 + seed % 2, seed, tmp_path)


def test_all_that_can_be_cut_is_cut(tmp_path: Path) -> None:
    """Each of the models above runs in strips, so that the tests above speak of them."""
    for number, case in enumerate(CASES):
        (tmp_path / str(number)).mkdir()
        module = laid_out(case, tmp_path / str(number))
        before = len(steps_of(module))
        run_passes(module, DepthwiseTiling(strips=3))
        assert len(steps_of(module)) == 3 * before
        assert len(list(module.walk(bsp.StackOp))) == 1


CHAINS = (((5, 2), (3, 1), (3, 2)), ((3, 1), (1, 1), (2, 2), (3, 1)), ((7, 2), (3, 2), (1, 2)))


@pytest.mark.parametrize("chain", CHAINS, ids=str)
def test_a_group_is_a_convolution_of_one_kernel_and_stride(chain: tuple[tuple[int, int], ...], tmp_path: Path) -> None:
    def draw(net: Layers, x: Tensor) -> Tensor:
        for size, step in chain:
            pads = (size // 2,) * 4
            x = net.quant(net.conv(x, 8, (size, size), strides=(step, step), pads=pads))
        return x

    group = group_of(steps_of(laid_out(Case("chain", draw, (8, 96, 8)), tmp_path)))
    assert group is not None
    stride = prod(step for _, step in chain[1:])  # from the first layer's result to the last one's
    kernel = 1 + sum((size - 1) * prod(step for _, step in chain[1:i]) for i, (size, _) in enumerate(chain) if i)
    first = group.steps[0].y
    for high in (1, 2, 5):
        rows = strip_rows(group, (4, 4 + high))
        assert rows is not None
        assert rows[first][1] - rows[first][0] == (high - 1) * stride + kernel


def test_a_group_ends_in_one_tensor(tmp_path: Path) -> None:
    """In a residual block nothing can be cut between the branches, and a concatenation goes with all its parts."""
    steps = steps_of(laid_out(Case("ends", residual, (16, 12, 12)), tmp_path))
    assert group_of(steps) is not None and group_of(steps[:1]) is not None
    (tmp_path / "other").mkdir()
    steps = steps_of(laid_out(Case("inception", inception, (16, 12, 12)), tmp_path / "other"))
    assert group_of(steps) is not None
    for last in range(2, len(steps)):
        assert group_of(steps[:last]) is None


def small(slower: int) -> Target:
    """Two columns with small memory tiles, and DDR so many times slower."""
    target = Target.load("aie2-2x2")
    rate = target.ddr.read_channel_bytes_per_cycle / slower
    ddr = replace(target.ddr, read_channel_bytes_per_cycle=rate, write_channel_bytes_per_cycle=rate)
    return replace(target, memory_tile=replace(target.memory_tile, bytes=128 * 1024), ddr=ddr)


@pytest.mark.parametrize("slower", [1, 16])
def test_what_does_not_fit_is_cut_and_never_loses(slower: int, tmp_path: Path) -> None:
    module, target = laid_out(Case("tower", tower, (8, 80, 80)), tmp_path), small(slower)
    tiled = clone_module(module)
    tiled.store = module.store.copy()
    assert overflows(module, target)
    DepthwiseTiling().run(tiled, target)
    before, after = plan_of(module, target), plan_of(tiled, target)
    assert after.cycles <= before.cycles
    if slower > 1:
        assert list(tiled.walk(bsp.StackOp)) and after.cycles < 0.8 * before.cycles


def test_what_cannot_give_way_is_named(tmp_path: Path) -> None:
    """What is alive at the peak, the memory that would do and the least there can be, and what forces it."""
    module, target = laid_out(Case("tower", tower, (8, 80, 80)), tmp_path), small(1)
    homes = {one.owner: "mem" for one in plan_of(module, target).tensors[1:-1]}
    path = tmp_path / "mapping.json"
    path.write_text(json.dumps({"schema": 1, "tensors": homes}))
    with pytest.raises(DoesNotFit) as caught:
        plan_of(module, target, forced=Forced.read(str(path), target))
    found = caught.value.diagnostic
    assert found.code == "does-not-fit" and str(found.place) == str(path)
    named = [
        int(match[1].replace(",", "")) for note in found.notes if (match := re.match("at the peak, ([0-9,]+)", note))
    ]
    assert named == sorted(named, reverse=True) and sum(named) > target.memory_tile.bytes
    (sizes,) = [re.findall("[0-9,]*[0-9]", note) for note in found.notes if "would do" in note]
    enough, least = (int(one.replace(",", "")) for one in sizes)
    assert enough >= least > target.memory_tile.bytes
    roomy = replace(target, memory_tile=replace(target.memory_tile, bytes=enough))
    plan_of(module, roomy, forced=Forced.read(str(path), roomy))
    assert f"{len(homes)} tensors" in found.notes[-1]


def test_what_fits_is_not_touched(tmp_path: Path) -> None:
    module = laid_out(Case("tower", tower, (8, 24, 24)), tmp_path)
    assert not overflows(module, Target.load("aie2-4x4"))
    steps = steps_of(module)
    DepthwiseTiling().run(module, Target.load("aie2-4x4"))
    assert steps_of(module) == steps


def test_parts_of_a_tensor_lie_in_the_order_of_its_blocks(tmp_path: Path) -> None:
    """Channels that `balance-channels` moved are found in what strips read, join and stack, as in the whole tensors."""
    net = Skewed(1, (16, 8, 6), Style(dtype="int8"))
    x = net.quant(net.conv(net.x, 128, pads=PAD1))
    x = net.concat_equal(net.conv(x, 64, (1, 1)), net.conv(x, 128, (1, 1)))
    x = net.quant(net.add(net.quant(net.conv(x, 128, pads=PAD1)), net.quant(net.conv(x, 128, (1, 1)))))
    model = net.finish(net.quant(net.conv(x, 8, (8, 1))))  # one row, which nothing cuts
    module, target = run_passes(imported(model, tmp_path), *PASSES, AssignLayout()), Target.load("aie2-4x4")
    BalanceChannels().run(module, target)
    inputs = random_inputs(module)
    places = run_traced(module, inputs).places
    whole = {place: array for place, _, array in places}
    assert len(whole) == len(places)
    check = ValueCheck(module, inputs)
    DepthwiseTiling(strips=2).run(module, target)
    check("depthwise-tiling", module)
    moved = set()
    for place, op, array in run_traced(module, inputs).places:
        moved |= {type(op)} if bsp.BLOCK_ORDER in op.notes else set()
        high, all_ = array.shape[1], whole[place].shape[1]
        assert any(np.array_equal(array, whole[place][:, at : at + high]) for at in range(all_ - high + 1)), op.name
    assert moved == {bsp.Conv2dOp, bsp.ConcatOp, bsp.RowsOp, bsp.StackOp}


def test_bounds_count_a_layer_in_strips_once(tmp_path: Path) -> None:
    target, bounds = Target.load("aie2-2x2"), []
    for option in (DepthwiseTiling(mode=Mode.OFF), DepthwiseTiling(strips=3)):
        module = laid_out(Case("tower", tower, (8, 24, 24)), tmp_path)
        rows = rows_of(module)
        option.run(module, target)
        ChooseTiles().run(module, target)
        bounds.append(bounds_of(layers_of(module, target), rows, target))
    assert bounds[0] == pytest.approx(bounds[1])


def test_more_strips_than_packets_can_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A work packet's header counts layers, and strips of one count by themselves."""
    assert WorkHeader(kernel=0, layer=MAX_LAYERS - 1).encode()
    with pytest.raises(BsccError, match="field-range"):
        WorkHeader(kernel=0, layer=MAX_LAYERS).encode()
    target = Target.load("aie2-2x2")
    module = laid_out(CASES[0], tmp_path)
    DepthwiseTiling(strips=3).run(module, target)
    count = len(steps_of(module))
    monkeypatch.setattr("compiler.mapping.reader.MAX_LAYERS", count)
    plan_of(module, target)
    monkeypatch.setattr("compiler.mapping.reader.MAX_LAYERS", count - 1)
    with pytest.raises(DoesNotFit, match=f"more than {count - 1} layers"):
        plan_of(module, target)
