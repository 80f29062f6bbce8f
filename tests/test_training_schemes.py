"""Each scheme does what its name says, and ends with the zeros that were asked for."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from tests.training_nets import residual, small
from training.choose import Kept, Scope, zeros_due
from training.importance import MEASURES
from training.layers import Rules
from training.masks import element_masks
from training.schedule import Growth, Ramp
from training.schemes import SCHEMES
from training.schemes.admm import ADMM
from training.schemes.gates import Gates
from training.schemes.lasso import GroupLasso
from training.schemes.ranked import Ranked
from training.schemes.supermask import Supermask
from training.sparsifier import BlockSparsifier

torch.set_num_threads(1)

EXAMPLE = torch.zeros(1, 1, 8, 8)
Make = Callable[[list[dict[str, object]]], Optimizer]
See = Callable[[int, BlockSparsifier], None]


def train(sparsifier: BlockSparsifier, steps: int, model: nn.Module | None = None, make: Make | None = None,
          see: See | None = None, extra: int = 0, seed: int = 0) -> nn.Module:  # fmt: skip
    """A regression; `see` is called after each step, and before the first as step 0."""
    model = model or small()
    image = isinstance(model, nn.Sequential)
    sparsifier.prepare(model, steps, torch.zeros(1, 4) if image else EXAMPLE)
    optimizer = (make or partial(SGD, lr=0.05, momentum=0.9))(sparsifier.parameters(model, 5e-4))
    sparsifier.attach(optimizer)
    generator = torch.Generator().manual_seed(seed)
    if see:
        see(0, sparsifier)
    for step in range(steps + extra):
        x = torch.randn(8, 4, generator=generator) if image else torch.randn(4, 1, 8, 8, generator=generator)
        target = x.square() if image else x.mean((2, 3)).expand(4, 4)
        loss = (model(x) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if see:
            see(step + 1, sparsifier)
    return model


def grids(sparsifier: BlockSparsifier) -> list[Kept]:
    return [site.mask.mask.numpy().copy() for site in sparsifier.scheme.sites]


@pytest.mark.parametrize("block", ["8x8xK", "8x8", "4x4xK"])
@pytest.mark.parametrize("scope", [one.value for one in Scope])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_target_is_met_to_the_block(scheme: str, scope: str, block: str) -> None:
    sparsifier = BlockSparsifier(scheme, 0.5, scope=scope, block=block, cores=2)
    model = train(sparsifier, 8, residual())
    sparsifier.finish()
    kept = grids(sparsifier)
    assert sum(int((~one).sum()) for one in kept) == zeros_due([one.shape for one in kept], sparsifier.settings.budget)
    for one in kept:
        assert one.any(axis=(2, 3)).all() and one.any(axis=(1, 3)).all()
        if scope == "row":
            assert np.ptp(one.sum(axis=(2, 3))) <= 1
        if scope == "cores":
            rows = one[0].sum(axis=(1, 2))
            parts = np.array_split(rows, 2)
            assert all(abs(part.sum() - rows.sum() * len(part) / len(rows)) < 1 for part in parts)
    for name, site in element_masks(sparsifier.squash(model)).items():
        assert not site.any(), name


@pytest.mark.parametrize(
    ("make", "steps"),
    [
        pytest.param(partial(SGD, lr=0.02, momentum=0.9), 1000, id="sgd"),
        pytest.param(partial(Adam, lr=1e-3), 250, id="adam"),
        pytest.param(partial(AdamW, lr=1e-3), 250, id="adamw"),
        pytest.param(partial(Adam, lr=1e-3), 1000, id="adam-long", marks=pytest.mark.sweep),
        pytest.param(partial(AdamW, lr=1e-3), 1000, id="adamw-long", marks=pytest.mark.sweep),
    ],
)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_zeros_stay(scheme: str, make: Make, steps: int) -> None:
    """Masks do not change once they are final, and neither momentum nor weight decay moves a zeroed block."""
    final: list[list[Kept]] = []
    ends: list[Tensor] = []

    def see(step: int, sparsifier: BlockSparsifier) -> None:
        scheme = sparsifier.scheme
        if step == scheme.end:
            final.append(grids(sparsifier))
            ends.append(scheme.sites[0].weight.clone())
        if step >= scheme.end and step % 50 == 0:
            assert all(np.array_equal(*pair) for pair in zip(final[0], grids(sparsifier), strict=True))
            for site in scheme.sites:
                weight = site.module.weight.detach()  # type: ignore[operator]
                assert (weight.view(torch.int32)[~site.elements()] == 0).all()

    sparsifier = BlockSparsifier(scheme, 0.5)
    train(sparsifier, 50, make=make, see=see, extra=steps)
    sparsifier.finish()
    assert len(final) == 1 and not torch.equal(ends[0], sparsifier.scheme.sites[0].weight)


@pytest.mark.parametrize("scope", [one.value for one in Scope])
def test_incremental_follows_the_cubic_and_brings_nothing_back(scope: str) -> None:
    seen: list[list[Kept]] = []
    sparsifier = BlockSparsifier("incremental", 0.6, scope=scope, cores=2, ramp=Ramp(Growth.CUBIC, 0.1, 0.9, 8))
    train(sparsifier, 40, see=lambda _, one: seen.append(grids(one)))
    total = sum(one.size for one in seen[0])
    for step, kept in enumerate(seen):
        ways = [way for way in range(9) if step >= 4 + 4 * way]
        share = 1 - (1 - ways[-1] / 8) ** 3 if ways else 0.0
        assert sum(int((~one).sum()) for one in kept) == int(0.6 * share * total + 0.5 + 1e-9)
    for before, after in itertools.pairwise(seen):
        assert not any((now & ~old).any() for old, now in zip(before, after, strict=True))


def test_predetermined_decides_before_the_first_step() -> None:
    seen: list[list[Kept]] = []
    sparsifier = BlockSparsifier("predetermined", 0.5)
    train(sparsifier, 10, see=lambda _, one: seen.append(grids(one)))
    assert sum(int((~one).sum()) for one in seen[0]) == sparsifier.zeros()
    assert all(np.array_equal(*pair) for one in seen for pair in zip(seen[0], one, strict=True))


@pytest.mark.parametrize("scope", ["layer", "network"])
@pytest.mark.parametrize("scheme", ["rigl", "set"])
def test_regrowth_has_the_target_always_and_changes_places(scheme: str, scope: str) -> None:
    seen: list[list[Kept]] = []
    came: list[float] = []
    sparsifier = BlockSparsifier(scheme, 0.5, scope=scope, drop=0.5)

    def see(step: int, one: BlockSparsifier) -> None:
        now = grids(one)
        assert one.zeros() == zeros_due([grid.shape for grid in now], one.settings.budget)
        if seen:
            for old, new, site in zip(seen[-1], now, one.scheme.sites, strict=True):
                back = site.view.expand(torch.from_numpy(new & ~old))
                came.extend(site.weight[back].abs().tolist())
                if scope == "layer":
                    assert int((new & ~old).sum()) == int((old & ~new).sum()) <= 0.5 * old.sum() + 1
        seen.append(now)

    train(sparsifier, 60, see=see)
    assert came and not any(came), "a block that comes back begins at zero"
    changes = [sum(int((a ^ b).sum()) for a, b in zip(one, two, strict=True))
               for one, two in itertools.pairwise(seen)]  # fmt: skip
    end = sparsifier.scheme.end
    assert not any(changes[end:]) and sum(changes[: end // 2]) > sum(changes[end // 2 : end])
    update = sorted(sparsifier.scheme.updates)
    assert not any(one for step, one in enumerate(changes, 1) if step not in update)


def test_rigl_regrows_where_gradients_are_largest() -> None:
    sparsifier = BlockSparsifier("rigl", 0.5, scope="layer", cover=False, ramp=Ramp(Growth.LINEAR, 0, 1, 3))
    model = small()
    sparsifier.prepare(model, 9, torch.zeros(1, 4))
    scheme = sparsifier.scheme
    before = grids(sparsifier)
    scheme._look(2)  # type: ignore[attr-defined]
    model(torch.randn(16, 4)).square().mean().backward()
    norms = [site.view.means(site.gradient.square()).numpy() for site in scheme.sites]
    scheme.gradients(2)
    scheme.stepped(2)
    for old, new, norm in zip(before, grids(sparsifier), norms, strict=True):
        came, stayed = new & ~old, ~new & ~old
        assert came.sum() > 1 and norm[came].min() >= norm[stayed].max() > 0


def test_movement_brings_blocks_back() -> None:
    """A block that is zero and whose weights would grow again scores above those that stay."""
    sparsifier = BlockSparsifier("movement", 0.5, ramp=Ramp(Growth.LINEAR, 0, 1, 4))
    seen: list[list[Kept]] = []

    def see(step: int, one: BlockSparsifier) -> None:
        seen.append(grids(one))
        scheme = one.scheme
        assert isinstance(scheme, Ranked)
        if step == 25:  # from here on what is zero moves away from zero, if masks let gradients through
            for site, measure in zip(scheme.sites, scheme.measures, strict=True):
                measure.seen[~site.mask.mask] += 1e3  # type: ignore[attr-defined]

    train(sparsifier, 40, see=see)
    assert any((now & ~old).any() for old, now in zip(seen[-1], seen[25], strict=True))
    assert any((~old & now).any() for old, now in zip(seen[25], seen[-1], strict=True))


@pytest.mark.parametrize("measure", ["movement", "momentum"])
def test_zeroed_blocks_are_looked_at_where_they_may_come_back(measure: str) -> None:
    sparsifier = BlockSparsifier("incremental", 0.5, measure=measure, ramp=Ramp(Growth.LINEAR, 0, 1, 4))
    values: list[Tensor] = []

    def see(step: int, one: BlockSparsifier) -> None:
        if step in (20, 21):
            values.append(one.scheme.measures[0].seen[~one.scheme.sites[0].mask.mask].clone())  # type: ignore[attr-defined]

    train(sparsifier, 40, see=see)
    assert values[0].numel() and (values[0] != values[1]).all()


@pytest.mark.parametrize("measure", ["fisher", "taylor", "movement", "momentum"])
def test_measures_of_gradients_look_before_anything_goes(measure: str) -> None:
    first: list[int] = []

    def see(step: int, one: BlockSparsifier) -> None:
        if one.zeros() and not first:
            first.append(step)
            assert all(bool((part.seen != 0).all()) for part in one.scheme.measures)  # type: ignore[attr-defined]

    train(BlockSparsifier("predetermined", 0.5, measure=measure), 600, see=see)
    assert first == [MEASURES[measure].steps]
    first.clear()
    train(BlockSparsifier("incremental", 0.5, measure=measure), 30, see=see)
    assert first == [3]


def test_scores_of_a_supermask_are_trained_and_decide() -> None:
    sparsifier = BlockSparsifier("supermask", 0.5, cover=False)
    scores: list[Tensor] = []

    def see(step: int, one: BlockSparsifier) -> None:
        scheme = one.scheme
        assert isinstance(scheme, Supermask)
        for site, mask in zip(scheme.sites, scheme.masks, strict=True):
            kept = site.mask.mask
            if 0 < step <= scheme.end and not kept.all():
                assert mask.scores[kept].min() >= mask.scores[~kept].max()
        if step == 5:
            assert all(mask.scores.grad is not None and bool((mask.scores.grad != 0).all()) for mask in scheme.masks)
        scores.append(scheme.masks[0].scores.detach().clone())

    train(sparsifier, 40, see=see)
    end = sparsifier.scheme.end
    assert not torch.equal(scores[0], scores[1]) and torch.equal(scores[end], scores[-1])
    # A score that is driven up keeps its block, however small the block is.
    model = small()
    sparsifier = BlockSparsifier("supermask", 0.5, cover=False)
    sparsifier.prepare(model, 10, torch.zeros(1, 4))
    site = sparsifier.scheme.sites[0]
    site.mask.scores.data[0, 0, 0] = 9.0  # type: ignore[operator]
    site.original.data[:8, :8] = 1e-6
    sparsifier.scheme.choose(1.0)
    assert site.mask.mask[0, 0, 0]


@pytest.mark.parametrize(("scheme", "ratio"), [("supermask", 0.5), ("gates", 0.0)])
@pytest.mark.parametrize("make", [partial(SGD, lr=0.01, momentum=0.9), partial(Adam, lr=1e-3)], ids=["sgd", "adam"])
def test_trained_numbers_move_by_their_own_rate(scheme: str, ratio: float, make: Make) -> None:
    """`rate` holds for optimisers, too, that do not see how large a gradient is; gates are not shifted at ratio 0."""
    moved = []
    for rate in (1.0, 10.0):
        numbers: list[Tensor] = []
        sparsifier = BlockSparsifier(scheme, ratio, rate=rate)
        train(sparsifier, 20, make=make, seed=3,
              see=lambda _, one, numbers=numbers: numbers.append(one.scheme.trained()[0].detach().clone()))  # type: ignore[misc]  # fmt: skip
        moved.append(numbers[1] - numbers[0])
    assert moved[0].abs().max() > 0 and torch.allclose(moved[1], 10 * moved[0], rtol=1e-2, atol=1e-6)


def test_the_expected_share_of_open_gates_is_held_on_the_ramp() -> None:
    shares: dict[int, tuple[float, float]] = {}

    def see(step: int, one: BlockSparsifier) -> None:
        scheme = one.scheme
        assert isinstance(scheme, Gates)
        if step < scheme.end:
            shares[step] = scheme.open_share(), 1 - 0.5 * scheme.share

    train(BlockSparsifier("gates", 0.5), 300, make=partial(SGD, lr=0.05, momentum=0.9), see=see)
    assert len(shares) > 100
    # What is fewer than the ramp has is left; a block of 100 is the precision of the ramp itself.
    assert all(found <= wanted + 0.02 for found, wanted in shares.values())
    assert abs(shares[max(shares)][0] - 0.5) < 0.05


def test_group_lasso_makes_blocks_zero_by_itself() -> None:
    zero: dict[int, int] = {}

    def see(step: int, one: BlockSparsifier) -> None:
        assert isinstance(one.scheme, GroupLasso)
        assert step >= one.scheme.end or one.zeros() == 0, "masks come at the end"
        zero[step] = sum(int((norms == 0).sum()) for norms in one.scheme.norms())

    sparsifier = BlockSparsifier("group-lasso", 0.5)
    train(sparsifier, 2000, see=see, make=partial(SGD, lr=0.02, momentum=0.9))
    due = sparsifier.zeros()
    assert zero[200] < due / 4 and abs(zero[sparsifier.scheme.end - 1] - due) <= 0.2 * due


def test_admm_pulls_weights_towards_their_projection() -> None:
    apart: dict[int, float] = {}

    def see(step: int, one: BlockSparsifier) -> None:
        scheme = one.scheme
        assert isinstance(scheme, ADMM)
        if step < scheme.end:
            pairs = zip(scheme.sites, scheme.near, strict=True)
            apart[step] = sum(float((site.original.detach() - near).square().sum()) for site, near in pairs)

    sparsifier = BlockSparsifier("admm", 0.5, rho=0.01, rho_end=1.0)
    train(sparsifier, 800, see=see)
    end = sparsifier.scheme.end
    assert apart[end // 2] < 0.5 * apart[0] and apart[end - 1] < 0.02 * apart[0]
    assert not sparsifier.scheme.near  # type: ignore[attr-defined]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_same_seed_gives_the_same_masks(scheme: str) -> None:
    def found(seed: int) -> list[Kept]:
        sparsifier = BlockSparsifier(scheme, 0.5, measure="random", seed=seed)
        train(sparsifier, 20)
        return grids(sparsifier)

    first = found(1)
    assert all(np.array_equal(*pair) for pair in zip(first, found(1), strict=True))
    if scheme in ("predetermined", "incremental", "set"):
        assert not all(np.array_equal(*pair) for pair in zip(first, found(2), strict=True))


def test_layers_have_draws_of_their_own() -> None:
    model = nn.Sequential(*(nn.Linear(40, 40) for _ in range(4)))
    sparsifier = BlockSparsifier("predetermined", 0.5, measure="random", rules=Rules(first=True, last=True))
    sparsifier.prepare(model, 10)
    assert len({one.tobytes() for one in grids(sparsifier)}) == 4


def test_names_and_sources() -> None:
    assert all(kind.name == name and kind.__doc__ for name, kind in SCHEMES.items())
    sources = [kind.reference for kind in SCHEMES.values()]
    assert all(sources) and len(set(sources)) == len(sources)
