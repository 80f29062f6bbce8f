"""What-if sparsity: zero the weakest blocks of a model's weights, floats or integers, in place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx

from compiler.blocks import BLOCK, weights_of
from compiler.errors import Diagnostic, UsageError
from compiler.pruning import Chosen, Prune, block_scores, weakest
from compiler.quantize.network import Array, Network, store
from compiler.quantize.weights import Layer, layers, zero_point

MOST_NOTES = 8
"""Layers that an error names."""


@dataclass(frozen=True)
class Pruned:
    """What was zeroed: blocks by layer, as (name, zeroed, all), and the layers left alone with the reason."""

    prune: Prune
    layers: tuple[tuple[str, int, int], ...]
    skipped: tuple[tuple[str, str], ...]

    @property
    def blocks(self) -> int:
        """The blocks that could be chosen from."""
        return sum(total for _, _, total in self.layers)

    @property
    def zeroed(self) -> int:
        """The blocks that are zero now."""
        return sum(count for _, count, _ in self.layers)

    def json(self) -> dict[str, Any]:
        """As the manifest and the summary have it."""
        prune = self.prune
        return {
            "ratio": prune.ratio,
            "scheme": prune.scheme.value,
            "block": prune.block,
            "scope": "layer" if prune.per_layer else "network",
            "blocks": self.blocks,
            "zeroed": self.zeroed,
            "layers": {name: [count, total] for name, count, total in self.layers},
            "skipped": dict(self.skipped),
        }


def set_densities(model: onnx.ModelProto, densities: Mapping[str, float], prune: Prune) -> dict[str, int]:
    """Make just this share of the blocks of each named layer hold weights, and give how many those are.

    The weakest go, as `prune` says but for its ratio and its scope.  A block that stays and is zero gets weights of one
    step: for what a model costs, not for what it computes.
    """
    network, kept = Network(model), {}
    for number, layer in enumerate(one for one in layers(network) if one.name in densities):
        share = replace(prune, ratio=1.0 - densities[layer.name], per_layer=True)
        (chosen,) = weakest([block_scores(layer.real(network), share, number)], share)
        _zero(network, layer, chosen)
        _fill(network, layer, chosen)
        kept[layer.name] = int(chosen.size - chosen.sum())
    return kept


def nothing_to_prune(reasons: Mapping[str, str]) -> UsageError:
    """The error of a model without a layer whose blocks may go, with the reasons by layer."""
    notes = tuple(f"'{name}': {reason}" for name, reason in reasons.items())[:MOST_NOTES]
    return UsageError(Diagnostic("nothing-to-prune", "no layer of the model can be pruned", notes=notes))


def prune_model(model: onnx.ModelProto, prune: Prune) -> Pruned:
    """Zero the weakest blocks of every layer that has one group and 16 channels on both sides, but the first."""
    network = Network(model)
    all_layers = list(layers(network))
    chosen_from = [one for one in all_layers if not one.reason]
    if not chosen_from:
        raise nothing_to_prune({one.name: one.reason for one in all_layers})
    scores = [block_scores(one.real(network), prune, number) for number, one in enumerate(chosen_from)]
    chosen = weakest(scores, prune)
    for layer, blocks in zip(chosen_from, chosen, strict=True):
        _zero(network, layer, blocks)
    return Pruned(
        prune,
        tuple((one.name, int(blocks.sum()), blocks.size) for one, blocks in zip(chosen_from, chosen, strict=True)),
        tuple((one.name, one.reason) for one in all_layers if one.reason),
    )


def _zero(network: Network, layer: Layer, blocks: Chosen) -> None:
    array = _copy(network, layer)
    view = layer.view(array)
    view[weights_of(_of_taps(blocks, view), view.shape)] = zero_point(network, layer.zero)
    store(network.model, layer.tensor, array)


def _fill(network: Network, layer: Layer, zeroed: Chosen) -> None:
    """Give a weight to each block, of each tap, that is zero and is none of these."""
    array, zero = _copy(network, layer), zero_point(network, layer.zero)
    view = layer.view(array)
    empty = ~_of_taps(zeroed, view) & ~layer.nonzero(network)
    out, inp, ky, kx = np.nonzero(empty)
    step = -1 if array.dtype != np.float32 and zero == np.iinfo(array.dtype).max else 1
    view[out * BLOCK, ky, kx, inp * BLOCK] = zero + step
    store(network.model, layer.tensor, array)


def _copy(network: Network, layer: Layer) -> Array:
    array = network.constant(layer.tensor)
    assert array is not None
    return array.copy()


def _of_taps(blocks: Chosen, view: Array) -> Chosen:
    """Blocks of all taps or of single ones as [O/8, I/8, KH, KW]."""
    return np.broadcast_to(blocks, (*blocks.shape[:2], *view.shape[1:3]))
