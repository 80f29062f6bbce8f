"""`balance-channels`: the same numbers in another order, and more even work for the cores."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.blocks import channels_in, pack, reorder, unpack
from compiler.driver import Compiled, Options, compile_in_memory, compile_model
from compiler.errors import NumericalMismatch
from compiler.ir import IntArray, Module, Op, Rewriter, print_module, verify
from compiler.mapping.balance import Balancer, Floats, Row, imbalance, input_cuts, output_cuts, shares_of
from compiler.mapping.orders import movable_blocks
from compiler.mapping.program import Extent
from compiler.pipeline import DEFAULT_PIPELINE
from compiler.reference import ValueCheck, run
from compiler.reference.check import random_inputs
from compiler.target import Target
from dialects import bsp
from passes.assign_layout import AssignLayout
from passes.balance_channels import BalanceChannels, Mode
from runtime_sim.session import Session
from tests.models import feeds
from tests.netbuilder import Style
from tests.netlayers import Layers
from tests.reference_tools import PASSES, copied, imported, run_passes, to_device
from tests.skewed import Skewed, random_skewed, skewed_chain

TARGETS = [Target.load(f"aie2-{size}x{size}") for size in (2, 4, 8)]
OFF = DEFAULT_PIPELINE.replace("balance-channels", "balance-channels{mode=off}")


def laid_out(model: onnx.ModelProto, directory: Path) -> Module:
    return run_passes(imported(model, directory), *PASSES, AssignLayout())


def balanced(module: Module, target: Target, mode: Mode = Mode.AUTO) -> Module:
    BalanceChannels(mode).run(module, target)
    verify(module)
    BalanceChannels.ensures.check(module)
    return module


def moved(module: Module) -> list[Op]:
    """Operations whose results are in another order."""
    return [op for op in module.walk(Op) if bsp.BLOCK_ORDER in op.notes]


# The pass


@pytest.mark.parametrize("seed", range(24))
def test_random_networks_compute_the_same(seed: int, tmp_path: Path) -> None:
    model = random_skewed(seed)
    module = laid_out(model, tmp_path)
    inputs = to_device(module, feeds(model, seed))
    check = ValueCheck(module, inputs)
    expected = run(module, inputs)
    balanced(module, TARGETS[seed % 3])
    check("balance-channels", module)
    found = run(module, inputs)
    assert list(found) == list(expected)
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_most_random_networks_are_changed(tmp_path: Path) -> None:
    changed = [bool(moved(balanced(laid_out(random_skewed(seed), tmp_path), TARGETS[0]))) for seed in range(10)]
    assert sum(changed) >= 8


def test_orders_are_noted_and_the_check_reads_them(tmp_path: Path) -> None:
    model = random_skewed(3)
    module = laid_out(model, tmp_path)
    check, again = (ValueCheck(module, to_device(module, feeds(model, 3))) for _ in range(2))
    ops = moved(balanced(module, TARGETS[1]))
    for op in ops:
        order = op.notes[bsp.BLOCK_ORDER]
        assert isinstance(order, IntArray)
        assert sorted(order.values) == list(range(len(order.values))) != list(order.values)
    check("balance-channels", module)
    del ops[0].notes[bsp.BLOCK_ORDER]
    with pytest.raises(NumericalMismatch, match="the result at"):
        again("balance-channels", module)


def test_orders_of_two_runs_add_up(tmp_path: Path) -> None:
    module = laid_out(random_skewed(3), tmp_path)
    check = ValueCheck(module, random_inputs(module))
    notes = []
    for target in (TARGETS[1], TARGETS[0]):
        balanced(module, target)
        check("balance-channels", module)
        notes.append([op.notes[bsp.BLOCK_ORDER] for op in moved(module)])
    assert notes[0] != notes[1]


def test_the_store_holds_what_is_read_and_old_arrays_are_untouched(tmp_path: Path) -> None:
    module = laid_out(skewed_chain(), tmp_path)
    before = copied(module)
    balanced(module, TARGETS[1])
    named = {f"{one.symbol}.{part}" for one in module.walk(bsp.WeightOp) for part in ("blocks", "index")}
    named |= {f"{one.requant}.{column}" for one in module.walk(bsp.Conv2dOp) for column in bsp.TABLE}
    assert set(module.store) == named
    for name in set(module.store) & set(before.store):
        assert np.array_equal(module.store[name], before.store[name])


def test_zero_blocks_stay_zero_blocks(tmp_path: Path) -> None:
    module = laid_out(skewed_chain(), tmp_path)
    kept = [one.type.kept for one in module.walk(bsp.WeightOp)]
    balanced(module, TARGETS[1])
    assert [one.type.kept for one in module.walk(bsp.WeightOp)] == kept
    for weight in module.walk(bsp.WeightOp):
        blocks, index = (module.store[f"{weight.symbol}.{part}"] for part in ("blocks", "index"))
        assert blocks.reshape(len(blocks), -1).any(axis=1).all()
        rows = [tuple(row) for row in index[:, [0, 3, 1, 2]].tolist()]
        assert rows == sorted(rows), "in the order of compiler.blocks"


def test_two_runs_give_the_same(tmp_path: Path) -> None:
    one, other = (balanced(laid_out(skewed_chain(), tmp_path), TARGETS[1]) for _ in range(2))
    assert print_module(one) == print_module(other)
    assert list(one.store) == list(other.store)


def test_nothing_moves_when_it_is_off_or_for_one_core_or_when_all_is_even(tmp_path: Path) -> None:
    module = laid_out(skewed_chain(), tmp_path)
    text = print_module(module)
    assert print_module(balanced(module, TARGETS[1], Mode.OFF)) == text
    assert print_module(balanced(module, replace(TARGETS[0], columns=1, core_rows=1))) == text
    net = Layers(1, (16, 5, 5), Style())
    dense = net.quant(net.conv(net.quant(net.conv(net.x, 64)), 64))
    module = laid_out(net.finish(dense), tmp_path)
    text = print_module(module)
    assert print_module(balanced(module, TARGETS[1])) == text


def test_weights_read_in_two_orders_are_written_twice(tmp_path: Path) -> None:
    net = Skewed(5, (16, 5, 5), Style(dtype="int8", symmetric=True))
    a, b = (net.quant(net.conv(net.x, 64, (1, 1))) for _ in range(2))
    module = laid_out(net.finish(net.quant(net.conv(a, 16)), net.quant(net.conv(b, 16))), tmp_path)
    heads = [one for one in module.walk(bsp.Conv2dOp) if one.y.type.shape[3] == 16]
    shared = heads[0].weight
    Rewriter.at(heads[1]).set_operand(heads[1], 1, shared)
    inputs = random_inputs(module)
    expected = run(module, inputs)
    balanced(module, TARGETS[1])
    heads = [one for one in module.walk(bsp.Conv2dOp) if one.y.type.shape[3] == 16]
    assert heads[0].weight is not heads[1].weight
    found = run(module, inputs)
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


# What may move


def groups(module: Module) -> list[dict[str, list[int]]]:
    """Movable blocks by the name of the tensor's op and its number among those, with their places."""
    numbers = {op: f"{op.name.partition('.')[2]}{number}" for number, op in enumerate(module.walk(Op))}
    return [
        {numbers[value.op]: places.tolist() for value, places in one.places if value.op is not None}
        for one in movable_blocks(module)
    ]


def names(found: list[dict[str, list[int]]]) -> list[list[str]]:
    return [[name.rstrip("0123456789") for name in one] for one in found]


def test_a_chain_moves_layer_by_layer_but_not_at_its_ends(tmp_path: Path) -> None:
    net = Layers(1, (16, 4, 4), Style())
    x = net.quant(net.conv(net.quant(net.conv(net.x, 24, (1, 1))), 45, (1, 1)))
    found = groups(laid_out(net.finish(net.quant(net.conv(x, 32, (1, 1)))), tmp_path))
    assert names(found) == [["conv2d"], ["conv2d"]]
    assert [list(one.values()) for one in found] == [[[0, 1, 2]], [[0, 1, 2, 3, 4]]], "45 channels: the sixth stays"


def test_sums_and_pools_move_with_what_they_read(tmp_path: Path) -> None:
    net = Layers(1, (16, 6, 6), Style())
    a = net.quant(net.conv(net.x, 24, (1, 1)))
    b = net.quant(net.add(net.quant(net.conv(a, 24, (1, 1))), a))
    c = net.max_pool(b, {"kernel_shape": (2, 2)})
    found = groups(laid_out(net.finish(net.quant(net.conv(c, 8, (1, 1)))), tmp_path))
    assert names(found) == [["conv2d", "conv2d", "max_pool"]]


def test_what_the_input_is_added_to_stays(tmp_path: Path) -> None:
    net = Layers(1, (16, 6, 6), Style())
    a = net.quant(net.add(net.quant(net.conv(net.x, 16, (1, 1))), net.x))
    assert groups(laid_out(net.finish(net.quant(net.conv(a, 8, (1, 1)))), tmp_path)) == []


def test_parts_of_a_concatenation_keep_their_place(tmp_path: Path) -> None:
    net = Layers(1, (16, 6, 6), Style())
    joined = net.concat_equal(*(net.conv(net.x, width, (1, 1)) for width in (16, 24, 12)))
    found = groups(laid_out(net.finish(net.quant(net.conv(joined, 8, (1, 1)))), tmp_path))
    assert names(found) == [["conv2d", "concat"], ["conv2d", "concat"]], "of 12 channels one block is full: no choice"
    assert [list(one.values()) for one in found] == [[[0, 1], [0, 1]], [[0, 1, 2], [2, 3, 4]]]


def test_a_tensor_that_is_joined_with_itself_stays(tmp_path: Path) -> None:
    net = Layers(1, (16, 6, 6), Style())
    a = net.quant(net.conv(net.x, 16, (1, 1)))
    assert groups(laid_out(net.finish(net.quant(net.conv(net.quant(net.concat(a, a)), 8, (1, 1)))), tmp_path)) == []


# Weights


@given(st.integers(0, 1 << 32))
@settings(max_examples=40, deadline=None)
def test_reordered_blocks_are_reordered_weights(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 40)), int(rng.integers(1, 3)), int(rng.integers(1, 3)), int(rng.integers(1, 40)))
    dense = rng.integers(-3, 4, shape).astype(np.int8) * (rng.random(shape) < 0.02)
    orders = []
    for size in (shape[0], shape[3]):
        full = size // 8
        orders.append(np.array([*rng.permutation(full), *range(full, -(-size // 8))]))
    blocks, index = reorder(*pack(dense, keep_all=False), *orders)
    rows, columns = (channels_in(order, size) for order, size in zip(orders, (shape[0], shape[3]), strict=True))
    expected = dense[rows][..., columns]
    assert np.array_equal(unpack(blocks, index, shape), expected)
    wanted = pack(expected, keep_all=False)
    assert np.array_equal(blocks, wanted[0]) and np.array_equal(index, wanted[1])


# Orders


def slowest_of(works: Floats, columns: int, rows: int) -> float:
    """What a list of works costs by the definition: half for whole shares, half for smaller calls."""
    total = 0.0
    ways = {(columns, 1), (1, rows), (columns, rows)} - {(1, 1)}
    for outer, inner in ways:
        shares = [works[a:b] for a, b in shares_of(len(works), outer, inner) if a < b]
        sizes = [max(map(len, shares))]
        whole = len(shares) * max(share.sum() for share in shares)
        small = []
        while sizes[-1] > 1:
            sizes.append(-(-sizes[0] // 2 ** len(sizes)))
            calls = [[share[at : at + sizes[-1]].sum() for share in shares] for at in range(0, sizes[0], sizes[-1])]
            small.append(len(shares) * sum(map(max, calls)) + len(shares) * len(calls) * max(map(max, calls)))
        total += whole / 2 + (sum(small) / len(small) / 4 if small else 0)
    return total / len(ways)


numbers = st.lists(st.integers(0, 50), min_size=2, max_size=40).map(lambda them: np.array(them, np.float64))


@given(numbers, st.integers(1, 5), st.integers(2, 5))
@settings(max_examples=60, deadline=None)
def test_costs_are_what_their_definition_says(works: Floats, columns: int, rows: int) -> None:
    found = float(output_cuts(len(works), columns, rows).cost(works))
    assert found == pytest.approx(slowest_of(works, columns, rows))


def test_input_costs_are_the_largest_packet_of_each_cut() -> None:
    works = np.array([5.0, 1, 1, 1, 0, 8])
    # Cuts of 3, 2 and 1 blocks: the largest packets have 9, 8 and 8, of 2, 3 and 6.
    assert float(input_cuts(6).cost(works)) == pytest.approx((2 * 9 + 3 * 8 + 6 * 8) / 3 / 2)


@given(numbers, st.integers(0, 8), st.integers(1, 4), st.integers(2, 4))
@settings(max_examples=60, deadline=None)
def test_an_order_is_cheaper_or_none(works: Floats, fixed: int, columns: int, rows: int) -> None:
    places = np.arange(min(fixed, len(works) - 2), len(works))
    row = Row(works, places, output_cuts(len(works), columns, rows))
    balancer = Balancer([row, Row(works[::-1].copy(), places, row.cuts)], columns, rows)
    order = balancer.best()
    if order is not None:
        assert sorted(order) == list(range(len(places)))
        assert balancer.cost(order) < balancer.cost(np.arange(len(places)))
        assert np.array_equal(row.with_order(order)[: places[0]], works[: places[0]])


@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("blocks", [16, 64])
def test_shares_of_uneven_work_get_even(blocks: int, size: int) -> None:
    works = np.random.default_rng(blocks).beta(1, 1, blocks) * 100
    row = Row(works, np.arange(blocks), output_cuts(blocks, size, size))
    order = Balancer([row], size, size).best()
    assert order is not None
    heaviest = [max(one[a:b].sum() for a, b in shares_of(blocks, size, 1)) for one in (works, works[order])]
    assert heaviest[1] < heaviest[0]
    assert heaviest[1] <= works.sum() / size * 1.05


def test_few_blocks_get_the_best_order_there_is() -> None:
    works = np.array([9.0, 7, 1, 0, 4, 3])
    row = Row(works, np.arange(6), output_cuts(6, 1, 2))
    order = Balancer([row], 1, 2).best()
    every = np.array(list(itertools.permutations(range(6))))
    assert order is not None
    assert Balancer([row], 1, 2).cost(order) <= 1.02 * Balancer([row], 1, 2).cost(every).min()


# The whole way


def test_imbalance_counts_blocks_and_rows() -> None:
    kept = np.array([3.0, 1, 2, 2])
    even = [[Extent((0, 4), (0, 4)), Extent((4, 8), (0, 4))]]
    assert imbalance(kept, even, "rows", 2) == 1.0
    assert imbalance(kept, even, "channels", 4) == 1.5
    passes = [[Extent((0, 2), (0, 2)), Extent((0, 2), (2, 4))], [Extent((2, 3), (0, 2)), Extent((2, 3), (2, 4))]]
    assert imbalance(kept, passes, "channels", 2) == 1.5
    assert imbalance(kept, passes, "rows", 2) == pytest.approx(2 * 4 / 6), "of 3 rows a core has 2"
    assert imbalance(np.zeros(4), even, "rows", 2) == 1.0


def compiled(model: onnx.ModelProto, directory: Path, target: str, pipeline: str) -> Compiled:
    path = directory / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return compile_in_memory(path, Options(target, pipeline, compare_dense=False))


@pytest.mark.parametrize("target", ["aie2-2x2", "aie2-4x4"])
def test_a_skewed_network_gets_more_even_and_faster(target: str, tmp_path: Path) -> None:
    before, after = (compiled(skewed_chain(), tmp_path, target, one) for one in (OFF, DEFAULT_PIPELINE))
    assert after.summary["macs_kept"] == before.summary["macs_kept"]
    assert before.summary["imbalance"] > 1.1 > 1.05 > after.summary["imbalance"] >= 1
    layers = json.loads(after.files["sparsity.json"])[:-1]
    assert all(one["imbalance"] < 1.1 * one["equal_imbalance"] for one in layers), "but for the output, which stays"
    assert after.summary["time_us"] < before.summary["time_us"]


def test_the_simulator_gives_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    model = skewed_chain(size=8, widths=(64, 96))
    path.write_bytes(model.SerializeToString())
    results = []
    for pipeline in (OFF, DEFAULT_PIPELINE):
        options = Options("aie2-4x4", pipeline, verify_each=True, compare_dense=False)
        plan, _ = compile_model(path, tmp_path / "plan", options)
        rows = plan.json("sparsity.json")
        assert all(one["imbalance"] >= 1 <= one["equal_imbalance"] for one in rows)
        results.append(Session(plan).run(None, feeds(model, 1)))
    assert all(np.array_equal(*pair) for pair in zip(*results, strict=True))
