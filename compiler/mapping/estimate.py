"""What a mapping is estimated to cost: whole arrays of cuts at once, in cycles of one pass of a layer.

The slowest of what works in parallel decides; the simulator's clock is the judge, see `benchmarks/estimates.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from compiler.encoding.overlay import ACT_STREAMS, LANES_BELOW_ACTS, LANES_BESIDE_ACTS, LOAD_CHANNELS, shares_output
from compiler.encoding.work import BLOCK, GROUP_BYTES, SET
from compiler.kernels import cost
from compiler.kernels.numbers import Ints, ceil_div, larger
from compiler.kernels.sections import SCALE_BYTES, records_of, sections_of
from compiler.mapping.cuts import Cuts, part_count, window_count
from compiler.mapping.lanes import input_groups
from compiler.mapping.memory import round_up
from compiler.mapping.patterns import MAX_CHAIN
from compiler.mapping.program import Extent, broadcasts_acts, packets_of, parts_of
from compiler.mapping.rates import load_rate
from compiler.mapping.shapes import CoreLayout, Layer, Storage, groups_of
from compiler.mapping.sizes import TileSizes, senders_of, tile_sizes
from compiler.target import Target

Floats = NDArray[np.floating]

ONE_CALL = ("direct", "narrow")
"""How sums become bytes without waiting in the scratch."""

ENDS = ("staged", "scale", "mean")
"""What becomes of those in the scratch."""


NEAR = 16
"""The exponent of the norm that joins terms: of two that are equal 4 % more than one; fitted to simulated layers."""


@dataclass(frozen=True)
class Facts:
    """What the search knows of a layer's numbers: mean kept share of blocks, whether sums need no scale, how many
    counts of pixels its means have, and the blocks that its operands and its result lie among."""

    density: float
    direct: bool
    counts: int
    held: tuple[int, ...]


@dataclass(frozen=True)
class Entries:
    """Table entries, one a weight block: all that the busiest core goes through for a tile of pixels, and those of the
    largest packet, to which all are filled up."""

    total: Floats
    largest: Ints


@dataclass(frozen=True)
class Terms:
    """Cycles of what works in parallel, each from the start of a pass to its end as if it alone held the others up;
    arrays with a number for each cut."""

    compute: Floats
    acts: Floats
    work: Floats
    out: Floats
    control: Floats

    @property
    def cycles(self) -> Floats:
        """Of the whole pass: the largest, and a little more where others come near it, as slots of two level out only
        so much of what is now the one and now the other."""
        parallel = np.stack([getattr(self, name) for name in self.names()])
        largest = parallel.max(axis=0)
        found: Floats = largest * ((parallel / largest) ** NEAR).sum(axis=0) ** (1 / NEAR)
        return found

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The terms of which the largest binds."""
        return tuple(one.name for one in fields(cls))

    def binds(self, index: int) -> str:
        """The term that decides."""
        return max(self.names(), key=lambda name: float(getattr(self, name)[index]))


@dataclass(frozen=True)
class Trial:
    """Cuts on trial: `core` is what one core, of those with most to do, computes of the layer."""

    layer: Layer
    cuts: Cuts
    output: Storage
    target: Target
    core: Extent
    facts: Facts

    def take(self, chosen: Ints) -> Trial:
        """Some of the cuts, by index."""
        return replace(self, cuts=self.cuts.take(chosen))

    @cached_property
    def sizes(self) -> TileSizes[Ints]:
        """Of the largest tile."""
        return tile_sizes(self.layer, self.cuts, self.output)

    @cached_property
    def parts(self) -> Ints:
        """Calls that sum up a tile."""
        return part_count(self.layer, self.cuts)

    @cached_property
    def _means(self) -> list[int]:
        """Of an average, calls of each packet that a tile is summed up by."""
        whole = parts_of(self.layer, self.cuts[0], (0, 0))
        return [len(several) for several in packets_of(self.layer, whole)]

    @property
    def packets_of_a_tile(self) -> Ints | int:
        """Packets that it is summed up by, if by several calls."""
        return len(self._means) if self.layer.kernel == "avg_pool" else self.parts

    @property
    def calls_of_a_packet(self) -> int:
        """Calls of the packet that has most of them, if a tile is summed up by several."""
        return max(self._means) if self.layer.kernel == "avg_pool" else 1

    @property
    def _rows(self) -> int:
        return self.core.rows[1] - self.core.rows[0]

    @property
    def _blocks(self) -> int:
        return self.core.blocks[1] - self.core.blocks[0]

    @cached_property
    def tiles(self) -> Ints:
        """Row tiles of a core."""
        return -(-self._rows // self.cuts.rows)

    @cached_property
    def across(self) -> Ints:
        """Tiles side by side."""
        return -(-self.layer.out_width // self.cuts.width)

    @cached_property
    def outs(self) -> Ints:
        """Chunks of output blocks of a core."""
        return -(-self._blocks // self.cuts.out_blocks)

    @property
    def senders(self) -> int:
        """Packets of a step in a memory tile."""
        return senders_of(self.cuts, self.target)

    @cached_property
    def packets(self) -> Ints:
        """Work packets that a core is sent."""
        turns = np.where(self.parts > 1, self.tiles * self.packets_of_a_tile, 1)
        found: Ints = self.across * self.outs * turns
        return found

    @property
    def _taps(self) -> int:
        """Window pixels that a call multiplies a lane by."""
        return self.cuts.window_rows * self.layer.of_a_call.row_taps

    def mean_entries(self) -> Entries:
        """The table entries were kept blocks spread by chance."""
        layer, cuts, density, least = self.layer, self.cuts, self.facts.density, self.cuts.least_periods
        if not layer.is_conv:
            taps = max(self._taps, least) if layer.sums else 0
            # Those of a pool are shared by all blocks.
            own = cuts.out_blocks * taps if layer.weighted else 0 * cuts.rows
            return Entries(1.0 * self._blocks * self.parts * taps, own)
        inner = np.minimum(cuts.in_blocks, layer.in_blocks)
        blocks = cuts.out_blocks * inner * self._taps
        rounds = np.log(np.maximum(2, self.packets * self.senders * self.target.columns))
        spread = np.sqrt(2 * rounds * blocks * density * (1 - density))
        largest = np.minimum(blocks, np.ceil(blocks * density + spread)).astype(np.int64)
        total = np.maximum(least * self.parts, layer.in_blocks * layer.taps * density) * self._blocks
        return Entries(total, larger(largest, least * cuts.out_blocks))

    def packet_bytes(self, entries: Entries) -> Ints:
        """Of the largest work packet."""
        layer, cuts = self.layer, self.cuts
        lists = self.target.core_rows if cuts.rows_by == "rows" else 1
        calls = lists * np.where(self.parts > 1, self.calls_of_a_packet, self.tiles)
        scales = 0 * calls
        if layer.kernel == "avg_pool":
            edges = -(-layer.pads[0] // layer.strides[0]) + -(-(layer.window[0] - 1) // layer.strides[0])
            groups = cuts.rows * groups_of(cuts.width) if self.facts.counts > 1 else 1
            scales = SCALE_BYTES * groups * np.minimum(calls, edges + 1)
        taps, width = max(self._taps, cuts.least_periods), np.minimum(cuts.width, layer.out_width)
        # Of several packets for a tile the first has what sums start from, and the last, as long, its factors; those
        # between have neither, so this is a little too much where one of them is the largest.
        both, one = (records_of(cuts.finish, starts=True, ends=ends) for ends in (True, False))
        records = np.where(self.parts > 1, one, both)
        found = sections_of(layer, calls, cuts.rows, width, cuts.out_blocks, taps, entries.largest, scales, records)
        return round_up(found.bytes)

    def needs(self, entries: Entries, layout: CoreLayout) -> Iterator[tuple[str, Ints, int]]:
        """What has to fit a core's slots: its name, the bytes it needs, the bytes there are."""
        yield "activation tile", self.sizes.act_bytes, layout.act_bytes
        yield "result tile", self.sizes.out_bytes, layout.out_bytes
        if self.layer.sums and self.cuts.finish not in ONE_CALL:
            yield "sums of a tile", self.sizes.acc_bytes, layout.acc_bytes
        yield "work packet", self.packet_bytes(entries), layout.work_bytes

    def fits(self, entries: Entries, layout: CoreLayout) -> NDArray[np.bool_]:
        """Whether everything does."""
        good = np.ones(len(self.cuts), np.bool_)
        for _, need, have in self.needs(entries, layout):
            good &= need <= have
        return good

    def _kinds(self) -> Iterator[tuple[Ints, Ints, Ints]]:
        """Tiles of one height and one width: (rows, pixels, how many); the last of each may be smaller."""
        for rows, down in _pieces(self._rows, self.cuts.rows):
            for width, side in _pieces(self.layer.out_width, self.cuts.width):
                yield rows, width, down * side

    def tile_cycles(self, groups: Ints, blocks: Ints) -> Ints:
        """Cycles of the calls that make a tile of so many groups and blocks, without its table entries."""
        layer, finish, parts = self.layer, self.cuts.finish, self.parts
        costs, locks = cost.typical(), self.target.timing.lock_cycles
        total = cost.call_cycles(costs, locks, last=True) + (parts - 1) * cost.call_cycles(costs, locks, last=False)
        if layer.sums:
            first = finish if finish in ONE_CALL else "bias_raw"
            total = total + cost.mac_cycles(costs, first, groups, blocks, 0 * groups)
            total = total + (parts - 1) * cost.mac_cycles(costs, "scratch_raw", groups, blocks, 0 * groups)
        if finish in ENDS:
            total = total + cost.rescale_cycles(costs, finish, groups, blocks)
        if layer.folds:
            total = total + cost.fold_cycles(costs, groups, blocks)
        if layer.kernel == "max_pool":
            total = total + cost.max_cycles(costs, groups, blocks, layer.taps)
        if layer.kernel == "lookup":
            total = total + cost.lookup_cycles(costs, groups, blocks)
        if layer.kernel == "expand":
            total = total + cost.expand_cycles(costs, groups, blocks)
        if layer.product:
            total = total + cost.multiply_cycles(costs, groups, blocks)
        elif layer.combines:
            total = total + cost.combine_cycles(costs, groups, blocks, narrow=layer.combine_narrow)
        return total

    def compute(self, entries: Entries) -> Floats:
        """Cycles of all calls of the busiest core."""
        costs = cost.typical()
        total = 1.0 * self.packets * cost.packet_cycles(costs, self.target.timing.lock_cycles)
        for rows, width, count in self._kinds():
            groups = rows * groups_of(width)
            total += count * SET * ceil_div(groups, SET) * entries.total
            for blocks, chunks in _pieces(self._blocks, self.cuts.out_blocks):
                total += count * chunks * self.tile_cycles(groups, blocks)
        fills, padded = self._border
        return total + fills * costs.fill_call + padded / GROUP_BYTES * costs.fill_group

    @cached_property
    def _border(self) -> tuple[Ints, int]:
        """Tiles of a core at the edge that bring some of the border, and the bytes of it."""
        output = self.output
        if not output.bordered:
            return 0 * self.across, 0
        sides, ends = output.pitch - output.width, max(output.top, output.bottom)
        pixels = self._rows * sides + ends * output.pitch
        fills = self.tiles * np.minimum(self.across, 2) * (sides > 0) + self.across * (ends > 0)
        return fills * self.outs, pixels * self._blocks * BLOCK

    def _act_words(self, rows: Ints, width: Ints) -> Ints:
        """Words of the activations of a tile, all of its parts."""
        layer, cuts = self.layer, self.cuts
        windows = window_count(layer, cuts.window_rows)
        high = windows * ((rows - 1) * layer.strides[0] + 1) + layer.dilations[0] * (layer.window[0] - windows)
        wide = groups_of(width)
        deep = self.outs * layer.in_blocks if layer.is_conv else self._blocks
        second = rows * wide * self._blocks if layer.operands == 2 else 0
        across = len(layer.across) * input_groups(layer.of_a_call, wide)
        return (high * across * deep + second) * (GROUP_BYTES // 4)

    def descriptors(self) -> tuple[Ints, Ints]:
        """Descriptors of an activation packet and of a tile: rows are one pattern if nothing lies between them."""
        layer, cuts = self.layer, self.cuts
        high = (cuts.rows - 1) * layer.strides[0] + (cuts.window_rows - 1) * layer.dilations[0] + 1
        strided = (layer.window[1] > 1) & (groups_of(cuts.width) > 1)
        inner = cuts.in_blocks if layer.is_conv else cuts.out_blocks
        act = np.where((strided | layer.folds) & (inner > 1) & (inner < self.facts.held[0]), high, 1)
        deep = cuts.out_blocks
        own = [np.where(strided & (deep > 1) & (deep < held), cuts.rows, 1) for held in self.facts.held[1:]]
        return sum(own[:-1], act), own[-1] + int(self.output.bordered)

    def acts(self) -> Floats:
        """Cycles in which a stream brings a core its activations."""
        layer, target = self.layer, self.target
        reads, _ = self.descriptors()
        words = 0.0 * self.tiles
        for rows, width, count in self._kinds():
            words += count * self._act_words(rows, width)
        shared = broadcasts_acts(layer, self.cuts[0])
        # What is not cut is sent once, and stays while packets of work come.
        held = (self.tiles == 1) & (self.parts == 1) & layer.is_conv & (layer.operands == 1)
        words /= np.where(held, self.outs, 1)
        packets = self.tiles * self.across * self.parts * np.where(held, 1, self.outs)
        cycles = words + packets * (target.timing.mm2s_start_cycles + reads)
        sharing = -(-target.core_rows // (ACT_STREAMS - 1)) if target.core_rows > ACT_STREAMS else 1
        found: Floats = cycles * (1 if shared else sharing)
        return found

    def out(self) -> Floats:
        """Cycles in which a stream takes a core's results away."""
        _, writes = self.descriptors()
        words = 0.0 * self.tiles
        for rows, width, count in self._kinds():
            words += count * rows * groups_of(width) * self._blocks * (GROUP_BYTES // 4)
        words += self._border[1] / 4 + self.tiles * self.across * self.outs * writes
        return words * (2 if shares_output(self.target.core_rows) else 1)

    def work(self, packet_words: Floats) -> Floats:
        """Cycles in which the work packets of a column come from DDR, or in which its fullest channel sends them."""
        words = self.packets * self.senders * packet_words
        channels = LANES_BELOW_ACTS if broadcasts_acts(self.layer, self.cuts[0]) else LANES_BESIDE_ACTS
        sends = min(len(channels), self.senders)
        rate = load_rate(self.target, min(len(LOAD_CHANNELS), sends))
        return np.maximum(words * 4 / rate, words / sends)

    def control(self) -> Floats:
        """Cycles of the controller that pushes chains which are too long to be pushed whole."""
        reads, writes = self.descriptors()
        tiles = self.tiles * self.across * self.outs
        pushes = np.where(reads > MAX_CHAIN, 3 * tiles * self.parts, 0) + np.where(writes > MAX_CHAIN, 2 * tiles, 0)
        return pushes * self.target.columns * self.target.control_cycles(self.target.control.sync_cycles)

    def terms(self, entries: Entries) -> Terms:
        """Everything, each with what comes before it can start and behind its end."""
        words = self.packet_bytes(entries) / 4
        compute, acts, out, work = self.compute(entries), self.acts(), self.out(), self.work(words)
        tiles = self.tiles * self.across * self.outs
        call, send = compute / (tiles * self.parts), out / tiles
        # A core begins when its first activations and its first packet are there, which come at the same time.
        act = acts / (tiles * self.parts)
        first = np.maximum(act, words)
        return Terms(
            compute=first + compute + send,
            # A core has room for two activation packets; the third waits for the first call.
            acts=acts + np.maximum(0, words + call - 2 * act) + call + send,
            # The first step's packets were fetched while the pass before ran.
            work=work * (1 - 1 / self.packets) + words + call + send,
            out=first + compute / tiles + out,
            control=self.control() + first,
        )


def _pieces(whole: int, size: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Pieces of one size, and how many there are: those that were asked for, and the last if it is smaller."""
    rest = whole % size
    yield size, whole // size
    if rest.any():
        yield rest, (rest > 0).astype(np.int64)


def smallest_tile_bytes(layer: Layer) -> int:
    """Activation bytes of one group of output pixels of one block, the least a core must hold."""
    high = (layer.window[0] - 1) * layer.dilations[0] + 1
    return high * input_groups(layer.of_a_call, 1) * GROUP_BYTES
