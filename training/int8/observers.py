"""Which scales quantisation-aware training learns: of activations from what was seen, of weights from what they are.

The rules are those of docs/quantization.md.  Weights are int8, -127 to 127, with a zero point of 0, so that a weight is
the integer 0 exactly if it is 0 or rounds to it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchao.quantization.pt2e import (
    MovingAverageMinMaxObserver,
    MovingAveragePerChannelMinMaxObserver,
)

from compiler.blocks import BLOCK

SMALLEST = 2.0**-12
"""Of the largest weight of a layer: what a channel's scale is made for at least, so that 32 bits hold its bias."""


def next_power_of_two(scale: Tensor) -> Tensor:
    """The least power of two that is not smaller; exact, as `frexp` is."""
    mantissa, exponent = torch.frexp(scale)
    return torch.ldexp(torch.ones_like(scale), exponent - (mantissa == 0.5).to(exponent.dtype))


class ActivationObserver(MovingAverageMinMaxObserver):  # type: ignore[misc]
    """The moving average of the extremes of a tensor.

    With `joined`, where one scale serves several tensors of unlike ranges, as those of a concatenation, the extremes
    grow at once and shrink as the average does: an average over all of them would clip the widest one.
    """

    def __init__(self, joined: bool = False, power_of_two: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.joined, self.power_of_two = joined, power_of_two

    def forward(self, x_orig: Tensor) -> Tensor:
        """Look at a tensor of any shape; gives it back."""
        if x_orig.numel() == 0:
            return x_orig
        least, most = torch.aminmax(x_orig.detach().to(self.min_val.dtype))
        if bool(torch.isinf(self.min_val)):
            self.min_val.copy_(least), self.max_val.copy_(most)
            return x_orig
        low = self.min_val + self.averaging_constant * (least - self.min_val)
        high = self.max_val + self.averaging_constant * (most - self.max_val)
        if self.joined:
            low, high = torch.minimum(low, least), torch.maximum(high, most)
        self.min_val.copy_(low), self.max_val.copy_(high)
        return x_orig

    def calculate_qparams(self) -> tuple[Tensor, Tensor]:
        """Scale and zero point, one number each; 0 is always exact."""
        if not self.power_of_two:
            found: tuple[Tensor, Tensor] = super().calculate_qparams()
            return found
        least, most = self.quant_min, self.quant_max
        signed = bool(self.min_val < 0)
        reach = torch.maximum(-self.min_val, self.max_val).clamp(min=0.0)
        steps = (most - least) // 2 if signed else most - least
        scale = next_power_of_two((reach / steps).clamp(min=float(self.eps)))
        zero = (most + least + 1) // 2 if signed else least
        return scale.reshape(1), torch.full((1,), zero, dtype=torch.int64, device=scale.device)


class WeightObserver(MovingAveragePerChannelMinMaxObserver):  # type: ignore[misc]
    """The scale of each output channel, from its largest weight as it is now.

    A channel of zeros has no scale of its own: it gets the largest of its layer, so that its bias is not lost.  With
    `power_of_two` the channels of a block share the largest of theirs.
    """

    def __init__(self, power_of_two: bool = False, **options: Any) -> None:
        super().__init__(**(options | {"averaging_constant": 1.0}))
        self.power_of_two = power_of_two

    def calculate_qparams(self) -> tuple[Tensor, Tensor]:
        """Scales and zero points (all 0), a number for each channel."""
        reach = torch.maximum(-self.min_val, self.max_val)
        if reach.numel() == 0:
            found: tuple[Tensor, Tensor] = super().calculate_qparams()
            return found
        top = reach.max()
        if not bool(top > 0):
            return torch.ones_like(reach), torch.zeros_like(reach, dtype=torch.int64)
        reach = torch.where(reach > 0, reach.clamp(min=float(top) * SMALLEST), top)
        scale = reach / self.quant_max
        if self.power_of_two:
            short = -len(scale) % BLOCK
            blocks = torch.nn.functional.pad(scale, (0, short)).reshape(-1, BLOCK).amax(1)
            scale = next_power_of_two(blocks).repeat_interleave(BLOCK)[: len(scale)]
        return scale, torch.zeros_like(scale, dtype=torch.int64)
