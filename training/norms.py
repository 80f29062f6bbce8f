"""Batch norms where there are none any more: most exporters fold them into convolutions, and training misses them.

Without them nothing keeps activations in bounds while blocks go, and a learning rate that suits the network makes it
diverge.  So a batch norm is put behind each convolution, with the statistics of training images as its factors: the
network computes what it did.  After the training they are folded, and the model has its own layers again; a zero block
stays one, as folding multiplies all weights of an output channel by one number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from training.layers import Layer

NAME = "norm"
"""What a convolution calls the batch norm that is put behind it."""

Convolution = nn.Conv1d | nn.Conv2d
_KINDS = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm, nn.LayerNorm, nn.GroupNorm)


@dataclass(frozen=True)
class Inserted:
    """A batch norm behind a convolution, for a time."""

    convolution: Convolution
    norm: nn.BatchNorm1d | nn.BatchNorm2d
    handle: RemovableHandle


def missing(model: nn.Module) -> bool:
    """Whether the model has convolutions, and no layer that keeps their results in bounds."""
    modules = list(model.modules())
    return any(isinstance(one, Convolution) for one in modules) and not any(isinstance(one, _KINDS) for one in modules)


def places(layers: Sequence[Layer]) -> list[Convolution]:
    """The convolutions that a batch norm can be folded into again: they have a bias, and are not the last layer."""
    used = [one.module for one in layers if one.macs][:-1]
    return [one for one in used if isinstance(one, Convolution) and one.bias is not None]


@torch.no_grad()
def insert(model: nn.Module, convolutions: Sequence[Convolution], batches: Iterable[Tensor]) -> list[Inserted]:
    """Put a batch norm behind each of these layers of the model; what it computes in eval mode stays the same.

    `batches` are images as the model takes them, [N, C, H, W], that means and variances are taken from.
    """
    gathered = [_Moments() for _ in convolutions]
    handles = [one.register_forward_hook(moments.see) for one, moments in zip(convolutions, gathered, strict=True)]
    training = model.training
    model.eval()
    try:
        for images in batches:
            model(images)
    finally:
        for handle in handles:
            handle.remove()
        model.train(training)
    return [_behind(one, *moments.found()) for one, moments in zip(convolutions, gathered, strict=True)]


def _behind(convolution: Convolution, mean: Tensor, variance: Tensor) -> Inserted:
    kind = nn.BatchNorm1d if isinstance(convolution, nn.Conv1d) else nn.BatchNorm2d
    norm = kind(len(mean), device=convolution.weight.device, dtype=convolution.weight.dtype)
    assert norm.running_mean is not None and norm.running_var is not None
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    norm.weight.copy_(torch.sqrt(variance + norm.eps))
    norm.bias.copy_(mean)
    norm.train(convolution.training)
    convolution.add_module(NAME, norm)
    # The hook finds the norm by its name, so that a copy of the model has a norm of its own.
    return Inserted(convolution, norm, convolution.register_forward_hook(_normalised))


def _normalised(convolution: nn.Module, _: Any, result: Tensor) -> Tensor:
    found: Tensor = convolution.get_submodule(NAME)(result)
    return found


@torch.no_grad()
def fold(inserted: Sequence[Inserted]) -> None:
    """Take these batch norms out again; what their model computes in eval mode stays the same, but for rounding."""
    for one in inserted:
        convolution, norm = one.convolution, one.norm
        assert norm.running_mean is not None and norm.running_var is not None and convolution.bias is not None
        one.handle.remove()
        delattr(convolution, NAME)
        scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
        each = scale.reshape(-1, *[1] * (convolution.weight.dim() - 1))
        convolution.weight.copy_(convolution.weight * each + 0.0)  # 0 times a negative factor is -0, plus 0 it is 0
        convolution.bias.copy_((convolution.bias - norm.running_mean.double()) * scale + norm.bias)


class _Moments:
    """Mean and variance of each channel of what a layer gives."""

    def __init__(self) -> None:
        self.count = 0
        self.sums: tuple[Tensor, Tensor] | None = None

    def see(self, _: nn.Module, __: Any, result: Tensor) -> None:
        """A batch of results [N, C, ...]."""
        flat = result.transpose(0, 1).flatten(1).double()
        first, second = flat.sum(1), flat.square().sum(1)
        if self.sums is not None:
            first, second = first + self.sums[0], second + self.sums[1]
        self.sums = first, second
        self.count += flat.shape[1]

    def found(self) -> tuple[Tensor, Tensor]:
        """Mean and variance, [C] each."""
        assert self.sums is not None
        mean, square = (one / self.count for one in self.sums)
        return mean, (square - mean.square()).clamp(min=0.0)
