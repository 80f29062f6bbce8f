"""The search weighs what a plan then does: sizes of many cuts at once, packets of real blocks, counts of packets."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from compiler.encoding.records import RECORD_BYTES
from compiler.mapping.cores import core_layouts
from compiler.mapping.cuts import Cuts, cuts, enumerate_cuts, part_count
from compiler.mapping.memory import round_up
from compiler.mapping.network import Node
from compiler.mapping.planner import Planner
from compiler.mapping.program import Extent, step_count
from compiler.mapping.search import FAST, Budget, Effort, Weighed, budget_of, search
from compiler.mapping.sizes import packet_bytes, tile_sizes
from compiler.target import Target
from passes.assign_layout import AssignLayout
from passes.choose_tiles import ChooseTiles
from tests.model_cases import PAD1, Case
from tests.netbuilder import Tensor
from tests.netlayers import Layers
from tests.reference_tools import PASSES, imported, run_passes
from tests.test_blocks import LAYER

TARGET = Target.load("aie2-2x2")
WAYS = ("rows", "channels")


def net(layers: Layers, x: Tensor) -> Tensor:
    """With a window and without, strided, added to, pooled, blocks of any density."""
    y = layers.quant(layers.conv(x, 72, pads=PAD1, sparsity=0.5))
    z = layers.quant(layers.add(layers.quant(layers.conv(y, 72, (1, 1), sparsity=0.7)), y))
    pooled = layers.max_pool(z, {"kernel_shape": (3, 3), "pads": PAD1})
    return layers.quant(layers.conv(pooled, 24, pads=PAD1, strides=(2, 2), sparsity=0.3))


@pytest.fixture(scope="module")
def planner(tmp_path_factory: pytest.TempPathFactory) -> Planner:
    directory: Path = tmp_path_factory.mktemp("search")
    module = run_passes(imported(Case("search", net, (24, 13, 13)).build(), directory), *PASSES, AssignLayout())
    planner = Planner(module, TARGET, core_layouts(TARGET)[0], 320 * 1024, 72 * 1024)
    planner.choose()
    return planner


def weighed(planner: Planner, node: Node) -> list[Weighed]:
    """All cuts of a layer by their real blocks."""
    kept = planner.patterns[node.number]
    spaces = [planner.space(node, way) for way in WAYS]
    return [Weighed.of(one, kept) for space in spaces for w in space.windows() for one in space.trials(w, 4096)]


def test_sizes_of_many_cuts_are_those_of_each(planner: Planner) -> None:
    for node in planner.nodes:
        for one in weighed(planner, node):
            trial = one.trial
            for i in range(0, len(trial.cuts), 7):
                alone = tile_sizes(node.layer, trial.cuts[i], node.output.storage)
                for name in (*(field.name for field in fields(alone)), "act_bytes", "out_bytes"):
                    assert np.broadcast_to(getattr(trial.sizes, name), len(trial.cuts))[i] == getattr(alone, name)
                assert trial.parts[i] == part_count(node.layer, trial.cuts[i])


def test_packets_are_weighed_as_they_are_made(planner: Planner) -> None:
    """Of each convolution: how many packets a core gets, and the bytes of the largest by its real blocks.

    Of three packets for a tile the one in the middle has neither biases nor factors: if it is the largest, as much too
    much is said.
    """
    seen = 0
    for node in planner.nodes:
        for one in weighed(planner, node):
            found, sizes = one.trial.cuts, one.trial.packet_bytes(one.entries)
            whole = Extent((0, node.layer.out_height), (0, node.layer.out_blocks))
            column = planner.space(node, found.columns_by).share(whole)
            for i in range(0, len(found), 11):
                placed = replace(node, columns_by=found.columns_by, mapping=found[i])
                assert one.trial.packets[i] == step_count(node.layer, found[i], column, TARGET.core_rows)
                made = packet_bytes(placed, TARGET, planner.module, 0)
                more = RECORD_BYTES * found[i].out_blocks if one.trial.parts[i] > 2 else 0
                assert made <= sizes[i] <= round_up(made + more), found[i]
                seen += 1
    assert seen > 300


def test_one_at_a_time_costs_what_all_at_once_do(planner: Planner) -> None:
    for node in planner.nodes:
        for one in weighed(planner, node):
            kept = planner.patterns[node.number]
            for i in range(0, len(one.trial.cuts), 41):
                alone = Weighed.of(one.trial.take(np.array([i])), kept)
                assert alone.terms.cycles[0] == one.terms.cycles[i]


def test_nothing_that_fits_is_cheaper(planner: Planner) -> None:
    """With all candidates weighed by their real blocks the choice is the cheapest of all, or nearly so."""
    for node in planner.nodes:
        for way in WAYS:
            space, kept = planner.space(node, way), planner.patterns[node.number]
            choice = search(space, kept, Budget(1 << 20, 1 << 20, windows=True))
            fast = search(space, kept, FAST)
            assert choice is not None and fast is not None
            best = min(
                float(np.where(one.trial.fits(one.entries, space.core), one.terms.cycles, np.inf).min())
                for one in weighed(planner, node)
                if one.trial.cuts.columns_by == way
            )
            assert best <= choice.cycles <= 1.01 * best
            assert fast.cycles <= 1.1 * best


def test_too_many_cuts_are_thinned_evenly() -> None:
    layer = replace(LAYER, channels=512, out_channels=2048, out_height=96, out_width=96)
    extent = Extent((0, 96), (0, 256))
    for most in (1 << 20, 4096, 64):
        found = list(enumerate_cuts(layer, extent, "rows", "rows", 1, False, False, most))
        count = sum(map(len, found))
        assert most / 4 <= count <= most or most == 1 << 20
        for name, size in (("rows", 96), ("out_blocks", 256), ("in_blocks", 64), ("width", 96)):
            sizes = {int(one) for each in found for one in getattr(each, name)}
            assert max(sizes) == size and min(sizes) == (4 if name == "width" else 1)
            assert most < 1 << 20 or name == "width" or sizes == set(cuts(size))


def test_a_mapping_is_a_cut_of_one(planner: Planner) -> None:
    for node in planner.nodes:
        assert node.mapping is not None
        assert Cuts.of(node.mapping)[0] == node.mapping


def test_a_full_search_tries_every_layout(tmp_path: Path) -> None:
    """And keeps the plan that is estimated to be fastest, by counts and not by a clock."""
    module = run_passes(imported(Case("search", net, (24, 13, 13)).build(), tmp_path), *PASSES, AssignLayout())
    alone = []
    for core in core_layouts(TARGET):
        plan = Planner(module, TARGET, core, 320 * 1024, 72 * 1024, budget_of(Effort.FULL, 512))
        plan.choose()
        alone.append((plan.cycles, [node.mapping for node in plan.nodes]))
    full = ChooseTiles(search=Effort.FULL, candidates=512).planner(module, TARGET)
    assert (full.cycles, [node.mapping for node in full.nodes]) == min(alone, key=lambda one: one[0])
    assert ChooseTiles().planner(module, TARGET).core == core_layouts(TARGET)[0]
