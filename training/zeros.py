"""How much of a network is zero, and the proof that what training zeroed is zero in the file.

Blocks are 8x8 channels of one tap (`compiler.blocks`), or of all taps: 8x8xK.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from compiler.errors import Diagnostic, NumericalMismatch, nearest
from training.layer_weights import LayerWeights
from training.layers import Rules, find

Masks = dict[str, Tensor]
"""By the name of a parameter, of its shape: True where a weight is kept."""


def masks_of_zeros(model: nn.Module, example: Tensor | None = None) -> Masks:
    """Masks that hold the zero 8x8xK blocks that a model has; layers without any have none."""
    found: Masks = {}
    for layer in find(model, example):
        zero = layer.view.sums((layer.weight.detach() != 0).to(torch.float32)) == 0
        if bool(zero.any()):
            found[f"{layer.name}.weight"] = ~layer.view.expand(zero)
    return found


@dataclass(frozen=True)
class LayerZeros:
    """The zeros of a layer: of `blocks` of one tap `trained` are zero by the mask and `rounded` besides.

    `wide` are blocks of all taps, `weights_gone` weights in zero blocks, `macs` multiplications for an
    image, 0 if unknown.
    """

    name: str
    eligible: bool
    blocks: int
    trained: int
    rounded: int
    wide: int
    wide_zero: int
    weights: int
    weights_zero: int
    weights_gone: int
    macs: int

    @property
    def zero(self) -> int:
        """Zero blocks of one tap."""
        return self.trained + self.rounded


@dataclass(frozen=True)
class Zeros:
    """The zeros of a network."""

    layers: tuple[LayerZeros, ...]

    @property
    def of_blocks(self) -> float:
        """The share of zero blocks among the blocks of eligible layers."""
        return _share((one.zero, one.blocks) for one in self.layers if one.eligible)

    @property
    def of_eligible_weights(self) -> float:
        """The share of weights in zero blocks among the weights of eligible layers."""
        return _share((one.weights_gone, one.weights) for one in self.layers if one.eligible)

    @property
    def of_weights(self) -> float:
        """The share of weights in zero blocks among all weights of convolutions and matrices."""
        return _share((one.weights_gone, one.weights) for one in self.layers)

    @property
    def of_macs(self) -> float | None:
        """The share of multiplications by weights in zero blocks; None where those of a layer are not known."""
        if not all(one.macs for one in self.layers):
            return None
        # Each weight of a layer is used as often as the others.
        return _share((one.weights_gone * (one.macs // one.weights), one.macs) for one in self.layers)

    def table(self) -> str:
        """A line for each layer, and the four shares that people call sparsity."""
        heads = ("layer", "8x8", "trained", "rounded", "8x8xK", "zero", "weights", "zero", "MACs")
        rows: list[tuple[str, ...]] = [heads]
        for one in self.layers:
            counts = (one.blocks, one.trained, one.rounded, one.wide, one.wide_zero, one.weights, one.weights_zero)
            macs = f"{one.macs}" if one.macs else "?"
            rows.append((one.name + " *" * (not one.eligible), *map(str, counts), macs))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                [row[0].ljust(widths[0]), *(text.rjust(wide) for text, wide in zip(row[1:], widths[1:], strict=True))]
            )
            for row in rows
        ]
        lines += ["* not eligible"] * any(not one.eligible for one in self.layers)
        macs = "an unknown share" if self.of_macs is None else f"{self.of_macs:.1%}"
        shares = f"{self.of_blocks:.1%} of blocks and {self.of_eligible_weights:.1%} of weights of eligible layers"
        return "\n".join(
            [*lines, f"zero: {shares}, {self.of_weights:.1%} of all weights, {macs} of multiplications", ""]
        )


def _share(pairs: Iterable[tuple[int, int]]) -> float:
    found = list(pairs)
    total = sum(one for _, one in found)
    return sum(one for one, _ in found) / total if total else 0.0


def count_zeros(layers: Sequence[LayerWeights], masks: Mapping[str, Tensor] | None = None, place: str = "") -> Zeros:
    """Count zeros; with masks also which of them training made, and an error if one of those is not zero.

    Masks go by the names of parameters, `<layer>.weight`; `place` is the file or model that an error names.  A layer is
    eligible if it has a mask, or, without masks, if its groups have 16 channels or more on both sides.
    """
    known = [f"{one.name}.weight" for one in layers]
    lost = []
    for name in masks or {}:
        if name not in known:
            text = f"the masked weights '{name}' are none of the {len(known)} layers with constant weights"
            lost.append(Diagnostic("zeros-missing", text, place, help=nearest(name, known)))
    counted = []
    for one in layers:
        mask = (masks or {}).get(f"{one.name}.weight")
        kept = None if mask is None else mask.detach().cpu().to(torch.bool)
        if kept is not None and kept.shape != one.alive.shape:
            text = f"the mask of '{one.name}' is {list(kept.shape)}, its weights are {list(one.alive.shape)}"
            lost.append(Diagnostic("zeros-shape", text, place, help="masks are those of the model that was exported"))
            kept = None
        lost += _lost(one, kept, place)
        counted.append(_count(one, kept, masks is not None))
    if lost:
        raise NumericalMismatch(*lost)
    return Zeros(tuple(counted))


def _lost(layer: LayerWeights, kept: Tensor | None, place: str) -> list[Diagnostic]:
    """An error if a weight that the mask zeroes is not zero."""
    if kept is None or not (layer.alive & ~kept).any():
        return []
    wanted = layer.without(kept)
    gone = int((wanted & layer.zero_blocks).sum())
    text = f"layer '{layer.name}' has {gone} of the {int(wanted.sum())} zero 8x8 blocks of its mask"
    note = f"{int((layer.alive & ~kept).sum())} of {int((~kept).sum())} masked weights are not zero"
    help = "a step behind the pruning changed them: hold them in training, and quantise with zero points of 0"
    return [Diagnostic("zeros-lost", text, place, notes=(note,), help=help)]


def _count(layer: LayerWeights, kept: Tensor | None, masked: bool) -> LayerZeros:
    _, out, inp, _ = layer.view.matrix
    zero = layer.zero_blocks
    trained = int((zero & layer.without(kept)).sum()) if kept is not None else 0
    return LayerZeros(
        name=layer.name,
        eligible=kept is not None if masked else min(out, inp) >= Rules().min_channels,
        blocks=zero.numel(),
        trained=trained,
        rounded=int(zero.sum()) - trained,
        wide=zero[..., 0].numel(),
        wide_zero=int(zero.all(dim=3).sum()),
        weights=layer.alive.numel(),
        weights_zero=int((~layer.alive).sum()),
        weights_gone=int(layer.view.expand(zero).sum()),
        macs=layer.macs,
    )
