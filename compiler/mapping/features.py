"""What the cores' program must do for all layers of a network, and which layers can do with less of it.

One program serves all layers, and program memory is small: where it is too small, code goes whose work other code does
as well, only slower.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from compiler.errors import Limit, Reason, UnsupportedModel
from compiler.ir import Module
from compiler.kernels.blocks import ACC_LIMIT, SUM_LIMIT
from compiler.kernels.programs.resident import Feature
from compiler.mapping.cuts import part_count
from compiler.mapping.estimate import Facts
from compiler.mapping.network import Node
from compiler.mapping.packing import blocks_of_layer

FINISHES = {
    "direct": Feature.DIRECT,
    "narrow": Feature.NARROW,
    "staged": Feature.STAGED,
    "scale": Feature.SCALE,
    "mean": Feature.MEAN,
}
"""What the cores' program needs for each way of making bytes of sums."""


def features_of(nodes: Sequence[Node]) -> frozenset[Feature]:
    """What the cores' program must be able to do for layers that have their mappings."""
    return frozenset(feature for node in nodes for feature in _features(node))


def least_needed(nodes: Sequence[Node]) -> tuple[Feature, list[Node]]:
    """The feature that the fewest layers need, the first by name of several, and these layers."""
    needed: dict[Feature, list[Node]] = {}
    for node in nodes:
        for feature in _features(node):
            needed.setdefault(feature, []).append(node)
    return min(needed.items(), key=lambda one: (len(one[1]), one[0].name))


def _features(node: Node) -> Iterator[Feature]:
    """What the cores' program must be able to do for a layer."""
    assert node.mapping is not None
    if node.mapping.finish:
        yield FINISHES[node.mapping.finish]
    if part_count(node.layer, node.mapping) > 1:
        yield Feature.PARTS
    if node.layer.kernel == "max_pool":
        yield Feature.MAX
    if node.layer.kernel == "lookup":
        yield Feature.LOOKUP
    if node.layer.clips:
        yield Feature.CLIPPED
    if node.layer.kernel == "expand":
        yield Feature.EXPAND
    if node.layer.folds:
        yield Feature.FOLD
    if node.layer.product:
        yield Feature.MULTIPLY
    elif node.layer.combines:
        yield Feature.COMBINE_NARROW if node.layer.combine_narrow else Feature.COMBINE


def facts_of(node: Node, module: Module) -> Facts:
    """What the search must know of a layer's numbers; `UnsupportedModel` if its sums may leave 32 bits."""
    layer, store = node.layer, module.store
    held = tuple(view.tensor.storage.blocks for view in (*node.inputs, node.output))
    counts = len(store[f"{layer.params}.count"]) if layer.kernel == "avg_pool" else 0
    if not layer.weighted:
        return Facts(1.0, False, counts, held)
    density = 1.0
    if layer.is_conv:
        # Blocks that come twice are few: the real ones are looked at later.
        density = min(1.0, len(store[f"{layer.weight}.index"]) / (layer.out_blocks * layer.in_blocks * layer.taps))
    blocks = blocks_of_layer(layer, module)
    largest = int(blocks.bound.max())
    limit = SUM_LIMIT if layer.exact else ACC_LIMIT
    if largest >= limit:
        raise _overflows(node, largest, limit)
    direct = blocks.direct(layer, (0, layer.out_blocks))
    return Facts(density, direct, counts, held)


def _overflows(node: Node, largest: int, limit: int) -> UnsupportedModel:
    return UnsupportedModel(
        Reason(
            "accumulator",
            f"sums of this layer can reach {largest}, and only below {limit} do they certainly fit 32 bits",
            node.place,
            help="a bias or weights so large are seldom meant: look at the scales of this layer",
            limit=Limit("largest sum", f"less than {limit}", str(largest)),
        )
    )


def reconciled(nodes: Sequence[Node], module: Module) -> list[Facts]:
    """The facts of all layers, after layers have given up what cannot stand, or need not stand, beside other code.

    Changes `clips` and `combine_narrow` of layers in place.
    """
    if any(node.layer.weighted and not (node.layer.exact or node.layer.first_signed) for node in nodes):
        # Narrow code either clips or makes uint8.
        _forget_clips(nodes)
    facts = [facts_of(node, module) for node in nodes]
    if any(
        node.layer.weighted and not (node.layer.exact or one.direct) for node, one in zip(nodes, facts, strict=True)
    ):
        # Shifts alone are a case of narrow factors: the program that has these needs no other code.
        _forget_shifts(facts)
    return facts


def simplify(nodes: Sequence[Node], facts: list[Facts]) -> bool:
    """Do without code whose work other code of the program does as well; False if there is none left.

    Changes layers and their facts in place; mappings must be chosen anew.
    """
    features = features_of(nodes)
    if Feature.DIRECT in features:
        _forget_shifts(facts)
    elif {Feature.COMBINE, Feature.COMBINE_NARROW} <= features:
        for node in nodes:
            node.layer = replace(node.layer, combine_narrow=False)
    elif Feature.CLIPPED in features:
        _forget_clips(nodes, combine_narrow=Feature.COMBINE not in features)
    else:
        return False
    return True


def _forget_shifts(facts: list[Facts]) -> None:
    """Make bytes of sums by factors, also where shifts alone would do."""
    facts[:] = [replace(one, direct=False) for one in facts]


def _forget_clips(nodes: Sequence[Node], combine_narrow: bool = True) -> None:
    """Clamp behind narrow results, by a factor of 1."""
    for node in nodes:
        if node.layer.clips:
            node.layer = replace(node.layer, clips=False, combine_narrow=combine_narrow)
