"""Masks are part of a model: exact zeros, and what copies, saves, averages and spreads a model takes them along."""

from __future__ import annotations

import copy
import io

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from compiler.errors import UsageError
from tests.training_nets import Residual, residual
from training.masks import element_masks, masks_of, original
from training.schemes import SCHEMES
from training.sparsifier import BlockSparsifier

torch.set_num_threads(1)

EXAMPLE = torch.zeros(1, 1, 8, 8)


def trained(scheme: str, steps: int = 12, model: Residual | None = None) -> tuple[Residual, BlockSparsifier]:
    """A network that a scheme has made sparse."""
    model, sparsifier = model or residual(), BlockSparsifier(scheme, 0.5)
    sparsifier.prepare(model, steps, EXAMPLE)
    optimizer = torch.optim.SGD(sparsifier.parameters(model, 5e-4), 0.05, momentum=0.9)
    sparsifier.attach(optimizer)
    torch.manual_seed(1)
    for _ in range(steps):
        loss = model(torch.randn(8, 1, 8, 8)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    sparsifier.finish()
    return model, sparsifier


def effective(model: nn.Module) -> dict[str, Tensor]:
    """The weights that masked layers use."""
    return {name: module.weight.detach().clone() for name, module, _ in masks_of(model)}  # type: ignore[operator]


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_zeros_are_positive_bit_for_bit() -> None:
    for scheme in SCHEMES:
        model, sparsifier = trained(scheme)
        masks = element_masks(model)
        before = effective(model)
        sparsifier.squash(model)
        assert not list(masks_of(model)) and type(model.conv1) is nn.Conv2d
        plain = dict(model.named_parameters())
        assert list(masks) == ["conv1.weight", "conv2.weight"]
        for name, kept in masks.items():
            weight = plain[name].detach()
            assert (weight.view(torch.int32)[~kept] == 0).all() and (weight[kept] != 0).any()
            assert torch.equal(weight, before[name.removesuffix(".weight")])


def test_negative_weights_leave_no_negative_zero() -> None:
    for scheme in SCHEMES:
        model = residual()
        for parameter in model.parameters():
            nn.init.constant_(parameter, -0.5)
        sparsifier = BlockSparsifier(scheme, 0.5)
        sparsifier.prepare(model, 10, EXAMPLE)
        for _, _, mask in masks_of(model):
            mask.mask[0, 0] = False
        sparsifier.scheme.settle()
        for _, module, _ in masks_of(model):
            assert (module.weight[:8].view(torch.int32) == 0).all()  # type: ignore[index]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_saved_state_makes_a_fresh_model_the_same(scheme: str) -> None:
    model, _ = trained(scheme)
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    fresh = residual(5)
    BlockSparsifier(scheme, 0.5).prepare(fresh, 12, EXAMPLE)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    assert same(effective(fresh), effective(model))
    masks = element_masks(fresh)
    assert all(torch.equal(one, masks[name]) for name, one in element_masks(model).items())


@pytest.mark.parametrize("scheme", SCHEMES)
def test_copies_and_averages_have_the_masks(scheme: str) -> None:
    """An average that began before a mask changed has the zeros of the mask as it is in the end."""
    model, sparsifier = residual(), BlockSparsifier(scheme, 0.5)
    sparsifier.prepare(model, 12, EXAMPLE)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.5))  # type: ignore[no-untyped-call]
    optimizer = torch.optim.SGD(sparsifier.parameters(model, 0.0), 0.05)
    sparsifier.attach(optimizer)
    for _ in range(12):
        optimizer.zero_grad()
        model(torch.randn(8, 1, 8, 8)).square().mean().backward()
        optimizer.step()
        average.update_parameters(model)
    masks = element_masks(model)
    for name, weight in effective(average.module).items():
        assert (weight[~masks[f"{name}.weight"]] == 0).all()
    assert same(effective(copy.deepcopy(model)), effective(model))
    other = copy.deepcopy(model)
    next(masks_of(other))[2].mask.zero_()
    assert bool(next(masks_of(model))[2].mask.any())


@pytest.mark.parametrize("scheme", ["incremental", "supermask", "gates", "rigl"])
def test_a_compiled_model_sees_masks_change(scheme: str) -> None:
    model, sparsifier = residual(), BlockSparsifier(scheme, 0.5)
    sparsifier.prepare(model, 4, EXAMPLE)
    compiled = torch.compile(model, backend="aot_eager")
    optimizer = torch.optim.SGD(sparsifier.parameters(model, 0.0), 0.05)
    sparsifier.attach(optimizer)
    x = torch.randn(4, 1, 8, 8)
    for _ in range(4):
        optimizer.zero_grad()
        compiled(x).square().mean().backward()
        optimizer.step()
        assert torch.allclose(compiled(x), model(x), atol=1e-5)
    sparsifier.finish()
    model.eval()
    assert torch.allclose(compiled(x), model(x), atol=1e-5)


def test_hidden_weights_do_not_matter() -> None:
    model, _ = trained("predetermined")
    x = torch.randn(2, 1, 8, 8)
    model.eval()
    before = model(x)
    for name, module, _ in masks_of(model):
        original(module).data[~element_masks(model)[f"{name}.weight"]] = 1e6
    assert torch.equal(model(x), before)


def test_a_model_is_prepared_once() -> None:
    model, sparsifier = trained("predetermined")
    with pytest.raises(UsageError, match="prune-twice"):
        BlockSparsifier().prepare(model, 10)
    sparsifier.squash(model)
    BlockSparsifier(ratio=0.6).prepare(model, 10, EXAMPLE)
