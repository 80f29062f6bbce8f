"""A sound mapping for each layer: enumerate cuts that fit a core, estimate each, keep the cheapest.

The estimate takes mean block density and the slowest of what works in parallel; the simulator's clock is the judge.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from compiler.encoding.overlay import LANES_BELOW_ACTS, LANES_BESIDE_ACTS, LOAD_CHANNELS
from compiler.encoding.work import GROUP_BYTES, LANES
from compiler.kernels import cost
from compiler.kernels.packets import SCALE_BYTES, Sections, sections_of
from compiler.mapping.patterns import MAX_CHAIN
from compiler.mapping.program import Extent, broadcasts_acts, divide, shares_work
from compiler.mapping.shapes import CoreLayout, Layer, Mapping, Storage, groups_of
from compiler.mapping.sizes import TileSizes, senders_of, tile_sizes
from compiler.target import Target

ONE_CALL = ("direct", "narrow")
"""How sums become bytes without waiting in the scratch."""

NEARLY = 0.01
"""Estimates that differ by so little say nothing: then the tiles that cores are better at are taken."""

ENDS = ("staged", "scale", "mean")
"""What becomes of those in the scratch."""


@dataclass(frozen=True)
class Facts:
    """What the search knows of a layer's numbers: mean and largest kept share of blocks, whether sums need no scale,
    how many counts of pixels its means have, and the blocks that its operands and its result lie among."""

    density: float
    heaviest: float
    direct: bool
    counts: int
    held: tuple[int, ...]


@dataclass(frozen=True)
class Choice:
    """A mapping with the cycles it was estimated at, and those in which its work packets come from DDR."""

    mapping: Mapping
    cycles: float
    work: float = 0.0


def cuts(size: int) -> list[int]:
    """size, ceil(size / 2), ceil(size / 3), ... without repeats, down to 1."""
    return sorted({-(-size // parts) for parts in range(1, size + 1)}, reverse=True)


def _sizes(size: int, most: int = 10) -> list[int]:
    """A thinned list of `cuts`, to keep the search short."""
    every = cuts(size)
    if len(every) <= most:
        return every
    return [every[round(i * (len(every) - 1) / (most - 1))] for i in range(most)]


def finish_of(layer: Layer, mapping: Mapping, direct: bool) -> str:
    """How sums become bytes; a shift alone, or factors on the way, only in a call that makes a tile by itself."""
    if not layer.is_conv:
        return "mean" if layer.sums else ""
    whole = part_count(layer, mapping) == 1
    if whole and direct:
        return "direct"
    return "scale" if layer.exact else "narrow" if whole else "staged"


def candidates(
    layer: Layer, extent: Extent, columns_by: str, rows_by: str, window: int, direct: bool, shared: bool
) -> Iterator[Mapping]:
    """Cuts in time of what one core computes; rows of pixels are cut between groups."""
    rows = max(1, extent.rows[1] - extent.rows[0])
    blocks = max(1, extent.blocks[1] - extent.blocks[0])
    for groups in _sizes(groups_of(layer.out_width), 6):
        width = min(LANES * groups, layer.out_width)
        for out in _sizes(blocks, 8):
            for inner in _sizes(layer.in_blocks, 16) if layer.is_conv else [out]:
                finish = finish_of(layer, Mapping(columns_by, rows_by, 1, width, out, inner, window), direct)
                for high in _sizes(rows, 10):
                    yield Mapping(columns_by, rows_by, high, width, out, inner, window, finish, shared)


def part_count(layer: Layer, mapping: Mapping) -> int:
    """Calls that a tile is summed up by."""
    windows = -(-layer.window[0] // mapping.window_rows) if layer.sums else 1
    return windows * -(-layer.in_blocks // mapping.in_blocks) if layer.is_conv else windows


@dataclass(frozen=True)
class Trial:
    """A mapping on trial: `core` is what one core computes of the layer."""

    layer: Layer
    mapping: Mapping
    output: Storage
    target: Target
    core: Extent
    facts: Facts

    @property
    def tiles(self) -> int:
        """Row tiles of a core."""
        return -(-(self.core.rows[1] - self.core.rows[0]) // self.mapping.rows)

    def periods(self, density: float) -> int:
        """Table entries of an output block in one packet."""
        return max(self.mapping.least_periods, math.ceil(self._window_blocks * density))

    @property
    def _window_blocks(self) -> int:
        """Blocks of a packet that can be kept for an output block."""
        return self.mapping.in_blocks * self.mapping.window_rows * self.layer.window[1]

    @property
    def senders(self) -> int:
        """Packets of a step in a memory tile."""
        return senders_of(self.mapping, self.target)

    def largest_periods(self) -> int:
        """Table entries of the largest packet, to which all are filled up, were kept blocks spread by chance."""
        density, blocks = self.facts.density, self.mapping.out_blocks * self._window_blocks
        mean = blocks * density
        spread = math.sqrt(2 * math.log(self.packets * self.senders * self.target.columns) * mean * (1 - density))
        return max(self.mapping.least_periods * self.mapping.out_blocks, min(blocks, math.ceil(mean + spread)))

    def sections(self, periods: int) -> Sections:
        """What a work packet of so many table entries holds."""
        layer, mapping = self.layer, self.mapping
        lists = self.target.core_rows if mapping.rows_by == "rows" else 1
        calls = lists * (1 if part_count(layer, mapping) > 1 else self.tiles)
        scales = 0
        if layer.kernel == "avg_pool":
            edges = -(-layer.pads[0] // layer.strides[0]) + -(-(layer.window[0] - 1) // layer.strides[0])
            groups = mapping.rows * groups_of(mapping.width) if self.facts.counts > 1 else 1
            scales = SCALE_BYTES * groups * min(calls, edges + 1)
        return sections_of(
            layer,
            calls,
            mapping.rows,
            mapping.width,
            mapping.out_blocks,
            max(mapping.window_rows * layer.window[1], mapping.least_periods),
            periods,
            scales,
        )

    def fits(self, sizes: TileSizes, layout: CoreLayout) -> bool:
        """Whether tiles, sums and packets go into a core's slots."""
        scratch = self.layer.sums and self.mapping.finish not in ONE_CALL
        return (
            sizes.act_bytes <= layout.act_bytes
            and sizes.out_bytes <= layout.out_bytes
            and (not scratch or sizes.acc_bytes <= layout.acc_bytes)
            and self.sections(self.mapping.out_blocks * self.periods(self.facts.heaviest)).bytes <= layout.work_bytes
        )

    def tile_cycles(self, sizes: TileSizes) -> int:
        """Estimated cycles of the calls that make a tile."""
        layer, blocks, groups, finish = self.layer, self.mapping.out_blocks, sizes.groups, self.mapping.finish
        costs, parts, lock_cycles = cost.typical(), part_count(layer, self.mapping), self.target.timing.lock_cycles
        total = cost.call_cycles(costs, lock_cycles, last=True) + cost.fill_cycles(costs, sizes.border_bytes)
        total += (parts - 1) * cost.call_cycles(costs, lock_cycles, last=False)
        if layer.sums:
            taps, least = self.mapping.window_rows * layer.window[1], self.mapping.least_periods
            periods = blocks * (self.periods(self.facts.density) if layer.is_conv else max(least, taps))
            first = finish if finish in ONE_CALL else "bias_raw"
            total += cost.mac_cycles(costs, first, groups, blocks, periods)
            total += (parts - 1) * cost.mac_cycles(costs, "scratch_raw", groups, blocks, periods)
        if finish in ENDS:
            total += cost.rescale_cycles(costs, finish, groups, blocks)
        if layer.kernel == "max_pool":
            total += cost.max_cycles(costs, groups, blocks, layer.taps)
        if layer.combines:
            total += cost.combine_cycles(costs, groups, blocks, narrow=layer.combine_narrow)
        return total

    def descriptors(self) -> tuple[int, int]:
        """Descriptors of an activation packet and of a tile: rows are one pattern if nothing lies between them."""
        layer, mapping = self.layer, self.mapping
        high = (mapping.rows - 1) * layer.strides[0] + (mapping.window_rows - 1) * layer.dilations[0] + 1
        strided = layer.window[1] > 1 and groups_of(mapping.width) > 1
        inner = mapping.in_blocks if layer.is_conv else mapping.out_blocks
        act = high if strided and 1 < inner < self.facts.held[0] else 1
        own = [mapping.rows if strided and 1 < mapping.out_blocks < held else 1 for held in self.facts.held[1:]]
        return act + sum(own[:-1]), own[-1] + self.output.bordered

    @property
    def packets(self) -> int:
        """Work packets that a core is sent."""
        across, ins = self._across, part_count(self.layer, self.mapping)
        return (self.tiles * across * ins if ins > 1 else across) * self._outs

    @property
    def _across(self) -> int:
        return -(-groups_of(self.layer.out_width) // groups_of(self.mapping.width))

    @property
    def _outs(self) -> int:
        return -(-(self.core.blocks[1] - self.core.blocks[0]) // self.mapping.out_blocks)

    @cached_property
    def packet_words(self) -> float:
        """Words of a work packet."""
        return self.sections(self.largest_periods()).bytes / 4

    @property
    def work_cycles(self) -> float:
        """Cycles in which the work packets of a column come from DDR, or in which its fullest channel sends them."""
        words = self.packets * self.senders * self.packet_words
        if self.mapping.shared:
            return words * 4 / min(4.0, self.target.ddr.read_channel_bytes_per_cycle)
        channels = LANES_BELOW_ACTS if broadcasts_acts(self.layer, self.mapping) else LANES_BESIDE_ACTS
        sends = min(len(channels), self.senders)
        loads = min(len(LOAD_CHANNELS), sends)
        return max(words * 4 / (loads * min(4.0, self.target.ddr.read_channel_bytes_per_cycle)), words / sends)

    def compute_cycles(self, sizes: TileSizes) -> float:
        """Estimated cycles of all calls of the busiest core."""
        packets = self.packets * cost.packet_cycles(cost.typical(), self.target.timing.lock_cycles)
        return self.tiles * self._across * self._outs * self.tile_cycles(sizes) + packets

    def estimate(self, sizes: TileSizes) -> float:
        """Cycles of the layer on its busiest core: the slowest of compute, streams, control and weights from DDR."""
        layer, mapping, target = self.layer, self.mapping, self.target
        tiles, outs = self.tiles * self._across, self._outs
        ins = part_count(layer, mapping)
        held = outs if self.tiles == 1 and ins == 1 and layer.is_conv and layer.operands == 1 else 1
        acts = tiles * outs * ins / held
        reads, writes = self.descriptors()
        act = acts * (sizes.in_bytes / 4 + 8 + reads) + tiles * outs * sizes.second_bytes / 4
        compute = self.compute_cycles(sizes)
        sharing = 2 if target.core_rows > 4 else 1
        out = sharing * tiles * outs * ((sizes.tile_bytes + sizes.border_bytes) / 4 + writes)
        act *= sharing if mapping.rows_by == "rows" or layer.operands == 2 or not layer.is_conv else 1
        # Long chains are pushed piece by piece.
        pushes = (acts * 3 if reads > MAX_CHAIN else 0) + (tiles * outs * 2 if writes > MAX_CHAIN else 0)
        control = pushes * target.columns * target.control_cycles(target.control.sync_cycles)
        first = act / max(1, tiles * outs * ins) + self.packet_words + self.tile_cycles(sizes) / ins
        return float(max(compute, act, self.work_cycles, out, control) + first)


def search(
    layer: Layer,
    output: Storage,
    target: Target,
    core: CoreLayout,
    rows: tuple[int, int],
    columns_by: str,
    facts: Facts,
) -> Choice | None:
    """The cheapest mapping of these output rows whose columns are divided as told; None if nothing fits.

    Among those that are `NEARLY` as cheap it is the one that keeps cores busy for the fewest cycles.  A window is cut
    by its rows only when no tile of the whole window fits.
    """
    column = divide(Extent(rows, (0, layer.out_blocks)), columns_by, target.columns, 0)
    for window in cuts(layer.window[0]) if layer.sums else [layer.window[0]]:
        found: list[tuple[float, Choice]] = []
        for rows_by in ("channels", "rows"):
            extent = divide(column, rows_by, target.core_rows, 0)
            shared = shares_work(layer, columns_by, rows_by, target)
            for mapping in candidates(layer, extent, columns_by, rows_by, window, facts.direct, shared):
                sizes = tile_sizes(layer, mapping, output)
                trial = Trial(layer, mapping, output, target, extent, facts)
                if not trial.fits(sizes, core):
                    continue
                choice = Choice(mapping, trial.estimate(sizes), trial.work_cycles)
                found.append((trial.compute_cycles(sizes), choice))
        if found:
            most = (1 + NEARLY) * min(choice.cycles for _, choice in found)
            return min((one for one in found if one[1].cycles <= most), key=lambda one: (one[0], one[1].cycles))[1]
    return None


def smallest_tile_bytes(layer: Layer) -> int:
    """Activation bytes of one group of output pixels of one block, the least a core must hold."""
    high = (layer.window[0] - 1) * layer.dilations[0] + 1
    wide = (layer.window[1] - 1) * layer.dilations[1] + 1
    return high * wide * GROUP_BYTES
