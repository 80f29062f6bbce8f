"""Masks as part of the model: a parametrization whose buffer is the grid of kept blocks.

The mask is in `state_dict`, moves with the model, is copied by EMA (`torch.optim.swa_utils.AveragedModel`) and sent by
DDP.  `torch.ao.pruning` has the same idea and does not save its masks.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from training.blocks import BlockView


class BlockMask(nn.Module):
    """weight = original where its block is kept, 0 elsewhere; +0.0, never -0.0.

    With `dense_gradient` the original of a block that is zero gets the gradient that its weights would have (a straight
    through estimate), which is what regrowth and movement look at; else its gradient is zero.
    """

    mask: Tensor

    def __init__(self, view: BlockView) -> None:
        super().__init__()
        self.view = view
        self.dense_gradient = False
        self.register_buffer("mask", torch.ones(view.grid, dtype=torch.bool))

    def forward(self, weight: Tensor) -> Tensor:
        kept = torch.where(self.view.expand(self.mask), weight, 0.0)
        return weight + (kept - weight).detach() if self.dense_gradient else kept


def attach(layer: nn.Module, mask: BlockMask) -> None:
    """Put a mask on a layer's weights."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    parametrize.register_parametrization(layer, "weight", mask.to(weight.device))


def masks_of(model: nn.Module) -> Iterator[tuple[str, nn.Module, BlockMask]]:
    """Module path, module and mask of every masked layer."""
    for name, module in model.named_modules():
        if parametrize.is_parametrized(module, "weight"):
            for one in module.parametrizations["weight"]:
                if isinstance(one, BlockMask):
                    yield name, module, one


def element_masks(model: nn.Module) -> dict[str, Tensor]:
    """Of each masked layer, by the name that its weights have once squashed: which are kept, in their own shape."""
    return {f"{name}.weight" if name else "weight": one.view.expand(one.mask) for name, _, one in masks_of(model)}


def original(layer: nn.Module) -> nn.Parameter:
    """The weights behind a mask, which an optimiser moves."""
    parameter = layer.parametrizations["weight"].original  # type: ignore[union-attr, index]
    assert isinstance(parameter, nn.Parameter)
    return parameter


def squash(model: nn.Module) -> nn.Module:
    """Make masked weights plain ones, zeros included, in place; exporters and quantisers want no parametrization."""
    for _, module, _ in list(masks_of(model)):
        parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
    return model
