"""Why a layer got its mapping: what was best, what would have been cheaper but does not fit, and what binds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from compiler.errors import Diagnostic, UsageError, nearest
from compiler.kernels.numbers import Ints
from compiler.mapping.network import Node
from compiler.mapping.planner import Planner
from compiler.mapping.search import Weighed
from compiler.mapping.shapes import WAYS, Mapping

SHOWN = 10
"""Mappings of each kind that are listed."""


class Scale(NamedTuple):
    """All cuts of a layer, weighed by its real blocks: the group and the place of each, its cycles, and by how much
    the worst of its needs exceeds what there is (as a ratio, at most 1 for what fits)."""

    groups: list[Weighed]
    group: Ints
    place: Ints
    cycles: np.typing.NDArray[np.floating]
    excess: np.typing.NDArray[np.floating]

    def mapping(self, index: int) -> Mapping:
        """One of them."""
        return self.groups[int(self.group[index])].trial.cuts[int(self.place[index])]

    def binds(self, index: int) -> str:
        """What decides its cycles."""
        return self.groups[int(self.group[index])].terms.binds(int(self.place[index]))


def explanation(planners: Sequence[Planner], title: str) -> str:
    """The text on the layers of this title, or of an ONNX node of it, in plans that are settled."""
    every = [(planner, node) for planner in planners for node in planner.nodes]
    named = [(planner, node) for planner, node in every if title in (node.title, *node.title.split(" + "))]
    if not named:
        help = nearest(title, (node.title for _, node in every))
        raise UsageError(Diagnostic("mapping-layer", f"no layer is called '{title}'", help=help))
    return "\n".join(line for planner, node in named for line in _layer(planner, node)) + "\n"


def _layer(planner: Planner, node: Node) -> Iterator[str]:
    mapping, core = node.mapping, planner.core
    assert mapping is not None
    *operands, result = (view.tensor.level for view in (*node.inputs, node.output))
    yield f"{node.title}: passes {node.pieces}, operands in {', '.join(operands)}, result in {result}"
    chosen = Weighed.of(planner.space(node, mapping.columns_by).trial(mapping), planner.patterns[node.number])
    terms = ((name, float(getattr(chosen.terms, name)[0])) for name in chosen.terms.names())
    yield f"\nchosen: {_sizes(mapping)}, cycles {chosen.terms.cycles[0]:,.0f} of a pass, {chosen.terms.binds(0)} binds"
    yield "  " + ", ".join(f"{name} {cycles:,.0f}" for name, cycles in terms)
    yield "  " + ", ".join(
        f"{what} {need[0]:,} of {have:,} bytes" for what, need, have in chosen.trial.needs(chosen.entries, core)
    )
    scale = _scale(planner, node)
    fits = scale.excess <= 1
    best = np.flatnonzero(fits)[np.argsort(scale.cycles[fits], kind="stable")]
    yield f"\nthe best of {fits.sum():,} that fit; cycles leave out what goes through DDR as columns divide by channels"
    for i in best[:SHOWN].tolist():
        yield f"  {scale.cycles[i]:11,.0f} cycles, {scale.binds(i):7} binds: {_sizes(scale.mapping(i))}"
    cheaper = ~fits & (scale.cycles < chosen.terms.cycles[0])
    others = np.flatnonzero(~fits)
    # First those that would be cheaper, and of these first the one that nearly fits.
    order = np.lexsort((scale.excess[others], ~cheaper[others]))
    yield f"\nthe nearest of {len(others):,} that do not fit, {cheaper.sum():,} of them cheaper than what was chosen"
    for i in others[order][:SHOWN].tolist():
        reasons = "; ".join(scale.groups[scale.group[i]].excess(int(scale.place[i]), core))
        yield f"  {scale.cycles[i]:11,.0f} cycles: {_sizes(scale.mapping(i))}: {reasons}"


def _scale(planner: Planner, node: Node) -> Scale:
    kept, groups = planner.patterns[node.number], []
    for way in WAYS:
        space = planner.space(node, way)
        for window in space.windows():
            groups += [Weighed.of(one, kept) for one in space.trials(window, planner.budget.candidates)]
    counts = [len(one.trial.cuts) for one in groups]
    excess = []
    for one in groups:
        needs = one.trial.needs(one.entries, planner.core)
        excess.append(
            np.max(np.stack([np.broadcast_to(need / have, len(one.trial.cuts)) for _, need, have in needs]), 0)
        )
    return Scale(
        groups,
        np.repeat(np.arange(len(groups)), counts),
        np.concatenate([np.arange(count) for count in counts]),
        np.concatenate([one.terms.cycles for one in groups]),
        np.concatenate(excess),
    )


def _sizes(one: Mapping) -> str:
    ends = f", {one.finish}" if one.finish else ""
    return (
        f"columns by {one.columns_by}, core rows by {one.rows_by}, tile {one.rows} x {one.width}, "
        f"blocks out {one.out_blocks} in {one.in_blocks}, window rows {one.window_rows}{ends}"
    )
