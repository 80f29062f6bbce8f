"""What-if sparsity: zero the weakest blocks of a model's weights, floats or integers, in place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from compiler.blocks import weights_of
from compiler.errors import Diagnostic, UsageError
from compiler.pruning import Chosen, Prune, block_scores, weakest
from compiler.quantize.network import Network, store
from compiler.quantize.weights import Layer, layers, zero_point


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
            "block": "8x8xK" if prune.all_taps else "8x8",
            "scope": "layer" if prune.per_layer else "network",
            "blocks": self.blocks,
            "zeroed": self.zeroed,
            "layers": {name: [count, total] for name, count, total in self.layers},
            "skipped": dict(self.skipped),
        }


def prune_model(model: onnx.ModelProto, prune: Prune) -> Pruned:
    """Zero the weakest blocks of every layer that has one group and 16 channels on both sides, but the first."""
    network = Network(model)
    all_layers = list(layers(network))
    chosen_from = [one for one in all_layers if not one.reason]
    if not chosen_from:
        notes = tuple(f"'{one.name}': {one.reason}" for one in all_layers[:8])
        raise UsageError(Diagnostic("nothing-to-prune", "no layer of the model can be pruned", notes=notes))
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
    array = network.constant(layer.tensor)
    assert array is not None
    array = array.copy()
    view = layer.view(array)
    height, width = view.shape[1:3]
    wide = np.broadcast_to(blocks, (*blocks.shape[:2], height, width))
    view[weights_of(wide, view.shape)] = zero_point(network, layer.zero)
    store(network.model, layer.tensor, array)
