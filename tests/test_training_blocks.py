"""Weights as blocks, and which blocks are kept: against loops over single weights and against all choices."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from compiler.errors import UsageError
from compiler.pruning import Prune, block_scores
from compiler.pruning import Scheme as PruneScheme
from training.blocks import Block, BlockView, Taps
from training.choose import Budget, Kept, Scope, Scores, check_reachable, kept_blocks, zeros_due
from training.importance import MEASURES, importance

torch.set_num_threads(1)

CHANNELS = st.integers(1, 20)
BLOCKS = st.builds(Block, st.integers(1, 9), st.integers(1, 9), st.sampled_from(Taps))


@st.composite
def views(draw: st.DrawFn) -> BlockView:
    """A view of a layer of any kind."""
    block, groups = draw(BLOCKS), draw(st.integers(1, 3))
    out, inp = draw(CHANNELS), draw(CHANNELS)
    kernel = draw(st.sampled_from([(1, 1), (3, 3), (1, 2)]))
    match draw(st.sampled_from(["conv", "conv1d", "transposed", "linear", "flattened"])):
        case "conv":
            return BlockView.of(nn.Conv2d(inp * groups, out * groups, kernel, groups=groups), block)
        case "conv1d":
            return BlockView.of(nn.Conv1d(inp * groups, out * groups, kernel[1], groups=groups), block)
        case "transposed":
            return BlockView.of(nn.ConvTranspose2d(inp * groups, out * groups, kernel, groups=groups), block)
        case "linear":
            return BlockView.of(nn.Linear(inp, out), block)
    return BlockView.of(nn.Linear(inp * 6, out), block, flattened=inp)


def place(view: BlockView, index: tuple[int, ...]) -> tuple[int, int, int, int]:
    """The block of one weight, from what the layer does with it: group, block row, block column, tap."""
    tap = 0
    for size, at in zip(view.shape[2:], index[2:], strict=True):
        tap = tap * size + at
    if view.transposed:
        per_group = view.shape[0] // view.groups
        group, out, inp = index[0] // per_group, index[1], index[0] % per_group
    elif view.flattened:
        pixels = view.shape[1] // view.flattened
        group, out, inp, tap = 0, index[0], index[1] // pixels, index[1] % pixels
    else:
        per_group = view.shape[0] // view.groups
        group, out, inp = index[0] // per_group, index[0] % per_group, index[1]
    return group, out // view.block.rows, inp // view.block.columns, 0 if view.block.taps is Taps.ALL else tap


@given(views())
@settings(max_examples=60, deadline=None)
def test_sums_and_expand_are_what_loops_say(view: BlockView) -> None:
    rng = np.random.default_rng(0)
    values = torch.from_numpy(rng.integers(-9, 9, view.shape).astype(np.float64))
    expected, count = np.zeros(view.grid), np.zeros(view.grid)
    grid = torch.from_numpy(rng.random(view.grid))
    spread = view.expand(grid)
    for index in np.ndindex(*view.shape):
        where = place(view, index)
        expected[where] += float(values[index])
        count[where] += 1
        assert spread[index] == grid[where]
    assert np.array_equal(view.sums(values).numpy(), expected) and np.array_equal(view.sizes().numpy(), count)
    assert (count > 0).all() and torch.allclose(view.means(values), torch.from_numpy(expected / count))


@given(views())
@settings(max_examples=40, deadline=None)
def test_fold_is_the_inverse_of_unfold(view: BlockView) -> None:
    weight = torch.rand(view.shape)
    assert view.unfold(weight).shape == view.matrix
    assert torch.equal(view.fold(view.unfold(weight)), weight)
    assert torch.equal(view.sums(view.expand(torch.ones(view.grid, dtype=torch.float64))), view.sizes())


@pytest.mark.parametrize("text", ["8x8xK", "8x8", "4x4xK", "16x2"])
def test_a_block_reads_as_it_is_written(text: str) -> None:
    assert str(Block.read(text)) == text


@pytest.mark.parametrize("text", ["8", "8x8x8", "0x8", "8x-8", "8x8k", "", "xK", "8x8xKxK"])
def test_no_block(text: str) -> None:
    with pytest.raises(UsageError, match="block-size"):
        Block.read(text)


@pytest.mark.parametrize("measure", ["l1", "l2", "variance"])
@pytest.mark.parametrize("block", ["8x8", "8x8xK"])
@pytest.mark.parametrize("shape", [(16, 24, 3, 3), (20, 12, 3, 3), (44, 5, 1, 1)])
def test_scores_are_those_of_the_compiler(measure: str, block: str, shape: tuple[int, ...]) -> None:
    """`bscc --prune` and training rank blocks alike, those at an edge included."""
    weight = np.random.default_rng(1).normal(0.2, 0.05, shape).astype(np.float32)
    view = BlockView(shape, Block.read(block))
    mine = importance(measure, view).scores(torch.from_numpy(weight)).double().numpy()[0]
    prune = Prune(0.5, PruneScheme(measure), all_taps=block.endswith("K"))
    theirs = block_scores(weight.transpose(0, 2, 3, 1), prune, 0)
    assert np.allclose(mine, theirs.reshape(mine.shape), rtol=1e-5, atol=0)


def test_variance_is_right_where_weights_are_large_and_alike() -> None:
    weight = (1000.0625 + torch.arange(64) % 2 * 0.125).float().reshape(8, 8)
    assert float(importance("variance", BlockView((8, 8), Block())).scores(weight)) == 1 / 256


def test_measures_have_names_and_sources() -> None:
    assert all(one.name == name and one.reference and one.__doc__ for name, one in MEASURES.items())
    with pytest.raises(UsageError, match="did you mean 'taylor'"):
        importance("tailor", BlockView((8, 8), Block()))


def test_measures_of_gradients_sum_up_what_they_saw() -> None:
    view = BlockView((16, 8), Block())
    torch.manual_seed(0)
    weights, gradients = torch.randn(3, 16, 8), torch.randn(3, 16, 8)
    product = (weights * gradients).double().reshape(3, 2, 64)
    one, two, three = product.abs().mean(2)
    expected = {
        "fisher": product.square().mean(2).sum(0),
        "taylor": (product.sum(2).square() / 64).sum(0),
        "movement": -product.mean(2).sum(0),
        "momentum": 0.81 * one + 0.9 * two + three,
    }
    for name, sums in expected.items():
        measure, again = importance(name, view), importance(name, view)
        for weight, gradient in zip(weights, gradients, strict=True):
            measure.observe(weight, gradient)
        assert torch.allclose(measure.scores(weights[0]).flatten(), sums, rtol=1e-4)
        again.load_state_dict(measure.state_dict())
        assert torch.equal(again.scores(weights[0]), measure.scores(weights[0]))


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[Scores], Budget]:
    """Layers with scores, ties among them, and a budget that can be met."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shapes = draw(st.lists(st.tuples(st.integers(1, 2), *[st.integers(1, 6)] * 2, st.sampled_from([1, 3])),
                           min_size=1, max_size=3))  # fmt: skip
    levels = draw(st.sampled_from([2, 5, 10**6]))
    scores = [rng.integers(0, levels, shape).astype(np.float64) for shape in shapes]
    scope, cover = draw(st.sampled_from(Scope)), draw(st.booleans())
    total = sum(one.size for one in scores)
    # What can go from all layers alike, and from the network: less one, as ratios are rounded to whole blocks.
    alike = min((one.size - shape[0] * max(shape[1], shape[2]) - 1) / one.size
                for one, shape in zip(scores, shapes, strict=True))  # fmt: skip
    least = sum(shape[0] * max(shape[1], shape[2]) for shape in shapes)
    most = (total - least) / total if scope is Scope.NETWORK else alike
    ratio = draw(st.floats(0, 1)) * (max(0.0, most) if cover else 0.99)
    return scores, Budget(ratio, scope, draw(st.integers(1, 5)), cover)


def grids_of(scores: list[Scores]) -> list[tuple[int, int, int, int]]:
    return [(one.shape[0], one.shape[1], one.shape[2], one.shape[3]) for one in scores]


@given(problems())
@settings(max_examples=300, deadline=None)
def test_kept_blocks(problem: tuple[list[Scores], Budget]) -> None:
    scores, budget = problem
    kept = kept_blocks(scores, budget)
    grids = grids_of(scores)
    check_reachable([""] * len(grids), grids, budget)
    zeros = [int((~one).sum()) for one in kept]
    ratio = budget.ratios(len(scores))[0]
    assert sum(zeros) == zeros_due(grids, budget) == int(ratio * sum(one.size for one in scores) + 0.5 + 1e-9)
    assert all(np.array_equal(*pair) for pair in zip(kept, kept_blocks(scores, budget), strict=True))
    if budget.scope is not Scope.NETWORK:
        wanted = [ratio * one.size for ratio, one in zip(budget.ratios(len(scores)), scores, strict=True)]
        assert all(abs(one - due) < 1 for one, due in zip(zeros, wanted, strict=True))
    if budget.cover:
        assert all(one.any(axis=(2, 3)).all() and one.any(axis=(1, 3)).all() for one in kept)
    for one in kept:
        if len(one) == 1 or not budget.cover:
            assert balanced(one, budget)


def balanced(kept: Kept, budget: Budget) -> bool:
    """Each row, or each core for its rows, has its share to within a block."""
    rows = kept.reshape(kept.shape[0] * kept.shape[1], -1)
    if budget.scope is Scope.ROW:
        return bool(np.ptp(rows.sum(axis=1)) <= 1)
    if budget.scope is not Scope.CORES:
        return True
    parts = np.array_split(rows, min(budget.cores, len(rows)))
    return all(abs(part.sum() - rows.sum() * len(part) / len(rows)) < 1 for part in parts)


@given(problems())
@settings(max_examples=100, deadline=None)
def test_without_a_floor_the_strongest_are_kept(problem: tuple[list[Scores], Budget]) -> None:
    scores, asked = problem
    budget = Budget(asked.ratio, asked.scope, asked.cores, cover=False)
    kept = kept_blocks(scores, budget)
    parts: list[tuple[Scores, Kept]]
    match budget.scope:
        case Scope.NETWORK:
            scaled = [one / max(one.mean(), 1e-9) for one in scores]
            parts = [(np.concatenate([one.ravel() for one in scaled]), np.concatenate([one.ravel() for one in kept]))]
        case Scope.LAYER:
            parts = [(one, mask) for one, mask in zip(scores, kept, strict=True)]
        case _:
            parts = []
            for one, mask in zip(scores, kept, strict=True):
                rows = one.shape[0] * one.shape[1]
                number = rows if budget.scope is Scope.ROW else min(budget.cores, rows)
                cut = [np.array_split(array.reshape(rows, -1), number) for array in (one, mask)]
                parts += list(zip(*cut, strict=True))
    for values, mask in parts:
        if mask.any() and not mask.all():
            assert values[mask].min() >= values[~mask].max()


@pytest.mark.parametrize("scope", list(Scope))
def test_the_floor_takes_little(scope: Scope) -> None:
    """With a floor the kept scores sum up to nearly what the best of all choices has (small: all are tried)."""
    rng = np.random.default_rng(2)
    shares = []
    for _ in range(12):
        scores = rng.random((1, 3, 4, 1))
        budget = Budget(0.5, scope, cores=3)
        kept = kept_blocks([scores], budget)[0]
        best = 0.0
        for chosen in itertools.combinations(range(12), 6):
            mask = np.isin(np.arange(12), chosen).reshape(scores.shape)
            if mask.any(axis=2).all() and mask.any(axis=1).all() and balanced(mask, budget):
                best = max(best, float(scores[mask].sum()))
        shares.append(float(scores[kept].sum()) / best)
        assert shares[-1] <= 1 + 1e-9
    assert min(shares) > 0.85 and np.mean(shares) > 0.97


@pytest.mark.parametrize("scope", [Scope.ROW, Scope.CORES])
def test_the_floor_leaves_rows_and_cores_even(scope: Scope) -> None:
    """However near the floor is, in a layer that is one matrix."""
    rng = np.random.default_rng(4)
    for _ in range(400):
        scores = rng.random((1, *rng.integers(1, 7, 2), 1))
        most = scores.size - max(scores.shape)
        budget = Budget(int(rng.integers(most // 2, most + 1)) / scores.size, scope, cores=3)
        kept = kept_blocks([scores], budget)[0]
        assert kept.any(axis=2).all() and kept.any(axis=1).all() and balanced(kept, budget)


def test_a_layer_in_groups_is_covered_before_it_is_even() -> None:
    """Ten of 24 blocks are kept: two rows of 3 with 1 and 1 and 2 blocks would not reach 4 columns in each group."""
    scores = np.random.default_rng(5).random((2, 3, 4, 1))
    for ratio in (14 / 24, 15 / 24, 16 / 24):
        kept = kept_blocks([scores], Budget(ratio, Scope.ROW))[0]
        assert int((~kept).sum()) == round(24 * ratio) and kept.any(axis=2).all() and kept.any(axis=1).all()


@pytest.mark.parametrize("seed", range(10))
def test_what_was_zeroed_stays_so_when_more_goes(seed: int) -> None:
    """Zeroed blocks score 0, and no floor brings them back while there is choice."""
    rng = np.random.default_rng(seed)
    for scope in Scope:
        scores = [rng.random((1, 6, 5, 1)), 3 * rng.random((1, 4, 8, 1))]
        for share in (0.2, 0.4, 0.5, 0.6):
            kept = kept_blocks(scores, Budget(share, scope, cores=2))
            assert all((one[mask] > 0).all() for one, mask in zip(scores, kept, strict=True))
            scores = [np.where(mask, one, 0.0) for one, mask in zip(scores, kept, strict=True)]


def test_scores_that_compare_as_they_are() -> None:
    scores = [np.full((1, 2, 2, 1), 1.0), np.array([2.0, 2.0, 20.0, 20.0]).reshape(1, 2, 2, 1)]
    budget = Budget(0.5, Scope.NETWORK, cover=False)
    assert [int(one.sum()) for one in kept_blocks(scores, budget)] == [2, 2]
    assert [int(one.sum()) for one in kept_blocks(scores, budget, comparable=True)] == [0, 4]


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        (Budget(0.8), r"13 of 16 blocks of layer 'b' were to be zeroed, 12 can be"),
        (Budget((0.5, 0.8)), r"13 of 16 blocks of layer 'b' were to be zeroed, 12 can be"),
        (Budget(0.9, Scope.NETWORK), r"47 of 52 blocks of the network were to be zeroed, 42 can be"),
    ],
)
def test_the_floor_is_refused_with_both_numbers(budget: Budget, message: str) -> None:
    grids = [(1, 6, 6, 1), (1, 4, 4, 1)]
    with pytest.raises(UsageError, match=message):
        check_reachable(["a", "b"], grids, budget)
    check_reachable(["a", "b"], grids, Budget(budget.ratio, budget.scope, cover=False))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Budget(1.0),
        lambda: Budget(-0.1),
        lambda: Budget(float("nan")),
        lambda: Budget((0.5, 1.5)),
        lambda: Budget((0.5,), Scope.NETWORK),
        lambda: Budget(0.5, cores=0),
        lambda: Budget((0.5, 0.5)).ratios(3),
    ],
)
def test_budgets_that_are_none(make: Callable[[], object]) -> None:
    with pytest.raises(UsageError):
        make()
