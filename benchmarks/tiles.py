"""What a core's kernels reach on the tiles that suit it: each convolution of a model on one core, at instruction level.

    python benchmarks/tiles.py resnet50_int8.onnx [--target aie2-4x4]

A plan's tiles also serve streams, memory tiles and DDR; `benchmarks/kernels.py` measures those.  Here a layer's tile is
what fits the slots of a core, two of each, and costs the fewest core cycles for a needed multiply; a layer that a core
has no room for is summed up by several calls.  All calls of one tile run at instruction level on random numbers with as
many kept blocks as the layer has in the mean; results and cycles must be those of the reference and of the costs.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from compiler.driver import Options, full_pipeline
from compiler.encoding.work import LANES, SET, Kernel
from compiler.frontend import import_onnx
from compiler.kernels import cost
from compiler.mapping.cores import core_layouts
from compiler.mapping.cuts import cuts, enumerate_cuts, part_count
from compiler.mapping.estimate import Facts, Trial
from compiler.mapping.features import facts_of
from compiler.mapping.network import Node
from compiler.mapping.program import Extent
from compiler.mapping.reader import Reader
from compiler.mapping.shapes import Layer, Mapping
from compiler.pass_manager import PassManager, PassPipeline
from compiler.target import Target
from runtime_sim.cycles import lock_requests, phase_cycles
from tests.cores import program_for, run_case, same
from tests.packets import random_call

CANDIDATES = 65536
"""Mappings weighed for a layer."""


@dataclass(frozen=True)
class Tile:
    """The best tile of a layer, and its calls: how often each comes, by `first` and `last`."""

    name: str
    layer: Layer
    mapping: Mapping
    facts: Facts

    @property
    def parts(self) -> int:
        """Calls that it takes."""
        return part_count(self.layer, self.mapping)

    @property
    def groups(self) -> int:
        """Groups of 4 pixels of a block."""
        return self.mapping.rows * -(-self.mapping.width // LANES)

    @property
    def kept(self) -> int:
        """Kept blocks of an output block in one call."""
        return round(self.facts.density * self.mapping.in_blocks * self.mapping.window_rows * self.layer.window[1])

    @property
    def needed(self) -> int:
        """Multiplies of kept blocks with groups of the tile, all calls."""
        return self.parts * self.kept * self.mapping.out_blocks * self.groups

    def cycles(self) -> int:
        """Measured: a packet for each call."""
        kinds = {(first, last): 0 for first, last in product((True, False), repeat=2)}
        for number in range(self.parts):
            kinds[number == 0, number == self.parts - 1] += 1
        return sum(count * self._call(first, last) for (first, last), count in kinds.items() if count)

    def _call(self, first: bool, last: bool) -> int:
        layer, mapping = self.layer, self.mapping
        finish = {name: mapping.finish == name for name in ("direct", "narrow", "staged")}
        fixed: dict[str, Any] = {
            "rows": mapping.rows,
            "wide": self.groups // mapping.rows,
            "in_blocks": mapping.in_blocks,
            "out_blocks": mapping.out_blocks,
            "window": (mapping.window_rows, layer.window[1]),
            "stride": layer.strides,
            "dilation": layer.dilations,
            "kept": self.kept,
            "combine": layer.combines,
            "combine_narrow": layer.combine_narrow,
            "clipped": layer.clips,
            "first": first,
            "last": last,
            **dict.fromkeys(("x_signed", "q_signed", "y_signed", "r_signed"), True),
            **dict.fromkeys(("pads", "twice", "wild"), False),
            **finish,
        }
        case = random_call(Kernel.CONV, 1, **fixed)
        program = program_for(case)
        ran = run_case(case)
        assert same(case, ran), f"{self.name} computes what it should"
        costs, lock_cycles = program.costs, 1
        around = cost.packet_cycles(costs, lock_cycles) + costs.call + lock_requests(case.call) * lock_cycles
        cycles = ran.result.cycles - costs.boot
        assert cycles == around + phase_cycles(case.packet, case.header, case.call, costs), self.name
        return cycles


def best(node: Node, facts: Facts, target: Target) -> Tile:
    """The tile with the fewest core cycles for a needed multiply, junk at the end of rows and sets included."""
    layer = node.layer
    whole = Extent((0, layer.out_height), (0, layer.out_blocks))
    tried: list[tuple[float, Tile]] = []
    for window in cuts(layer.window[0]):
        for found in enumerate_cuts(layer, whole, "rows", "rows", window, facts.direct, False, CANDIDATES):
            trial = Trial(layer, found, node.output.storage, target, whole, facts)
            entries = trial.mean_entries()
            fits = np.logical_or.reduce([trial.fits(entries, layout) for layout in core_layouts(target)])
            taps = facts.density * found.in_blocks * window * layer.window[1]
            periods = found.out_blocks * np.maximum(found.least_periods, np.ceil(taps)) * trial.parts
            groups = trial.sizes.groups
            cycles = trial.tile_cycles(groups, found.out_blocks) + SET * -(-groups // SET) * periods
            cycles += cost.fill_cycles(cost.typical(), trial.sizes.border_bytes)
            needed = trial.parts * np.round(taps) * found.out_blocks * found.rows * found.width / LANES
            share = np.where(fits & (needed > 0), cycles / np.maximum(needed, 1), np.inf)
            at = int(share.argmin())
            if np.isfinite(share[at]):
                tried.append((float(share[at]), Tile(node.title, layer, found[at], facts)))
        if tried:
            return min(tried, key=lambda one: one[0])[1]
    raise SystemExit(f"no tile of {node.title} fits a core")


def tiles_of(model: Path, target: Target) -> Iterator[Tile]:
    """The best tile of each convolution, layers of one shape once."""
    passes = tuple(full_pipeline(Options(target=target.name)))
    names = [one.name for one in passes]
    module = import_onnx(model)
    PassManager(PassPipeline(passes[: names.index("choose-tiles")]), target, ()).run(module)
    seen = set()
    for node in Reader(module).nodes:
        if not node.layer.is_conv:
            continue
        facts = facts_of(node, module)
        layer = node.layer
        key = (layer.channels, layer.out_width, layer.out_channels, layer.window, layer.strides, layer.operands)
        if (key, facts.density) not in seen:
            seen.add((key, facts.density))
            yield best(node, facts, target)


def table(tiles: list[Tile]) -> Iterator[str]:
    """Markdown, and the median by multiply-accumulates of the layers."""
    yield "| layer | kept | tile | in, out blocks | calls | finish | cycles | needed | % of peak |"
    yield "|---|---|---|---|---|---|---|---|---|"
    shares = []
    for one in tiles:
        cycles, mapping = one.cycles(), one.mapping
        share = one.needed / cycles
        shares.append((share, one.layer.macs * one.facts.density))
        sizes = f"{mapping.rows} x {one.groups // mapping.rows}", f"{mapping.in_blocks}, {mapping.out_blocks}"
        adds = " + add" if one.layer.operands == 2 else ""
        cells = (one.name.split(" + ")[0], f"{one.facts.density:.0%}", *sizes, str(one.parts), mapping.finish + adds)
        yield f"| {' | '.join(cells)} | {cycles:,} | {one.needed:,} | {100 * share:.1f} |"
    shares.sort()
    half, passed = math.fsum(macs for _, macs in shares) / 2, 0.0
    for share, macs in shares:
        passed += macs
        if passed >= half:
            yield f"\nmedian of MACs {share:.1%}, worst {shares[0][0]:.1%}; a set is {SET} groups"
            return


def main() -> None:
    """Print the table of a model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--target", default="aie2-4x4")
    options = parser.parse_args()
    for line in table(list(tiles_of(options.model, Target.load(options.target)))):
        print(line)


if __name__ == "__main__":
    main()
