"""Passes from `nn` to `bsp`: what golden files do not show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from compiler.blocks import padded
from compiler.ir import Context, Module, parse_module, print_module
from compiler.reference import run
from dialects import bsp, nn
from passes.block_compaction import BlockCompaction, Mode
from tests.models import feeds, named_cases, random_qdq_model
from tests.netbuilder import Style
from tests.netlayers import Layers
from tests.reference_tools import PASSES, copied, imported, run_passes, to_device


def lowered(seed: int, directory: Path, mode: Mode = Mode.AUTO) -> Module:
    module = run_passes(imported(random_qdq_model(seed), directory), *PASSES[:2])
    return run_passes(module, BlockCompaction(mode), PASSES[3])


@pytest.mark.parametrize("seed", range(10))
def test_text_reads_back_at_every_stage(seed: int, tmp_path: Path) -> None:
    module = imported(random_qdq_model(seed), tmp_path)
    context = Context((nn.DIALECT, bsp.DIALECT))
    for one in (None, *PASSES):
        if one is not None:
            run_passes(module, one)
        for locations in (False, True):
            text = print_module(module, locations=locations)
            again = print_module(parse_module(text, context, "again"), locations=locations)
            assert again == text


@pytest.mark.parametrize("seed", range(10))
def test_two_runs_give_the_same(seed: int, tmp_path: Path) -> None:
    one, other = lowered(seed, tmp_path), lowered(seed, tmp_path)
    assert print_module(one, locations=True) == print_module(other, locations=True)
    assert list(one.store) == list(other.store)
    assert all(np.array_equal(one.store[name], other.store[name]) for name in one.store)


@pytest.mark.parametrize("seed", range(10))
def test_modes_compute_the_same(seed: int, tmp_path: Path) -> None:
    model = random_qdq_model(seed)
    module = run_passes(imported(model, tmp_path), *PASSES[:2])
    inputs = to_device(module, feeds(model, seed))
    expected = run(module, inputs)
    for mode in Mode:
        found = run(run_passes(copied(module), BlockCompaction(mode), PASSES[3]), inputs)
        assert all(np.array_equal(expected[name], found[name]) for name in expected)


@pytest.mark.parametrize("seed", range(10))
def test_the_store_holds_what_the_contract_says(seed: int, tmp_path: Path) -> None:
    module = lowered(seed, tmp_path)
    named = set()
    for weight in module.walk(bsp.WeightOp):
        blocks, index = (module.store[f"{weight.symbol}.{name}"] for name in ("blocks", "index"))
        assert (blocks.dtype.name, blocks.shape) == ("int8", (weight.type.kept, 8, 8))
        assert (index.dtype.name, index.shape) == ("int32", (weight.type.kept, 4))
        assert weight.dense == (weight.type.kept == weight.type.total) or not weight.dense
        named |= {f"{weight.symbol}.blocks", f"{weight.symbol}.index"}
    for conv in module.walk(bsp.Conv2dOp):
        out = conv.y.type.shape[3]
        for name in ("bias", "multiplier", "shift", "first"):
            array = module.store[f"{conv.requant}.{name}"]
            assert (array.dtype.name, array.shape) == ("int32", (padded(out),)) and not array[out:].any()
            named.add(f"{conv.requant}.{name}")
    for pool in module.walk(bsp.AvgPoolOp):
        named |= {f"{pool.scales}.{name}" for name in ("count", "multiplier", "shift")}
    named |= {one.symbol for one in module.walk(bsp.ConstantOp)}
    assert set(module.store) == named, "and nothing else"


def test_zero_blocks_go_and_zero_layers_keep_none(tmp_path: Path) -> None:
    net = Layers(3, (16, 4, 4), Style())
    x = net.quant(net.conv(net.x, 16, (1, 1), sparsity=1.0))
    module = run_passes(imported(net.finish(x), tmp_path), *PASSES)
    weight = next(iter(module.walk(bsp.WeightOp)))
    assert (weight.type.kept, weight.type.total, weight.dense) == (0, 4, False)


def test_a_shared_result_is_not_fused(tmp_path: Path) -> None:
    net = Layers(3, (8, 4, 4), Style())
    shared = net.quant(net.conv(net.x, 8, (1, 1)))
    y = net.quant(net.add(shared, net.x))
    module = run_passes(imported(net.finish(y, shared), tmp_path), *PASSES)
    assert len(list(module.walk(bsp.AddOp))) == 1
    assert len(list(module.walk(nn.OutputOp))) == 2


def test_the_later_convolution_takes_the_addition(tmp_path: Path) -> None:
    case = next(one for one in named_cases() if one.name == "bottleneck_half")
    module = run_passes(imported(case.build(), tmp_path), *PASSES)
    assert not list(module.walk(bsp.AddOp))
    fused = [one for one in module.walk(bsp.Conv2dOp) if one.residual is not None]
    assert len(fused) == 1 and isinstance(fused[0].residual.op, bsp.Conv2dOp)  # type: ignore[union-attr]
    assert [op for op in module.walk(bsp.Conv2dOp)][-1] is fused[0]


def test_places_name_the_nodes(tmp_path: Path) -> None:
    model = random_qdq_model(3)
    module = run_passes(imported(model, tmp_path), *PASSES)
    names = {node.name for node in model.graph.node}
    for conv in module.walk(bsp.Conv2dOp):
        parts = getattr(conv.loc, "parts", (conv.loc,))
        assert parts and all(getattr(one, "name", "") in names for one in parts)
