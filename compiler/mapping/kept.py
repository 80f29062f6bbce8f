"""The real pattern of a layer's kept blocks: what the busiest core goes through, and how large packets get."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from compiler.kernels.numbers import Ints
from compiler.mapping.cuts import Cuts
from compiler.mapping.estimate import Entries
from compiler.mapping.program import Extent, chunks, divide
from compiler.mapping.shapes import Layer, Mapping
from compiler.target import Target

Cut = tuple[str, str, int, int, int, int]


@dataclass(frozen=True, eq=False)
class Kept:
    """`sums` counts the kept blocks of each output block in input blocks [0, j) and window rows [0, k).

    Heights and widths of tiles do not matter to it, so that what was found is found once.
    """

    layer: Layer
    target: Target
    sums: Ints
    _found: dict[Cut, tuple[int, int]] = field(default_factory=dict)

    def entries(self, cuts: Cuts) -> Entries:
        """The table entries of each cut of a layer with weights."""
        found = [self._entries(cuts[i]) for i in range(len(cuts))]
        return Entries(np.array([one for one, _ in found], float), np.array([one for _, one in found]))

    def _entries(self, one: Mapping) -> tuple[int, int]:
        """Entries of the busiest core, and of the largest packet."""
        key = one.columns_by, one.rows_by, one.out_blocks, one.in_blocks, one.window_rows, one.least_periods
        if key not in self._found:
            table = np.maximum(self._parts(one), one.least_periods)
            cores, packets = self._starts(one)
            largest = np.add.reduceat(table, packets, axis=0).max()
            busiest = np.add.reduceat(table.sum(axis=1), cores).max()
            self._found[key] = int(busiest), int(largest)
        return self._found[key]

    def _parts(self, one: Mapping) -> Ints:
        """Kept blocks of each output block in each part of the input, as `[output blocks][parts]`."""
        layer = self.layer
        # A depthwise layer needs of the input what it makes: nothing is cut.
        size = one.in_blocks if layer.is_conv else layer.in_blocks
        inner = [0, *(last for _, last in chunks(0, layer.in_blocks, size))]
        window = [0, *(last for _, last in chunks(0, layer.window[0], one.window_rows))]
        counts = np.diff(np.diff(self.sums[:, inner][:, :, window], axis=1), axis=2)
        found: Ints = counts.reshape(layer.out_blocks, -1)
        return found

    def _starts(self, one: Mapping) -> tuple[list[int], list[int]]:
        """The first output block of each core that has any, and of each packet."""
        whole = Extent((0, 1), (0, self.layer.out_blocks))
        cores: list[int] = []
        packets: list[int] = []
        columns = self.target.columns if one.columns_by == "channels" else 1
        rows = self.target.core_rows if one.rows_by == "channels" else 1
        for column in range(columns):
            share = divide(whole, "channels", columns, column)
            for row in range(rows):
                first, last = divide(share, "channels", rows, row).blocks
                if first < last:
                    cores.append(first)
                    packets += [start for start, _ in chunks(first, last, one.out_blocks)]
        return cores, packets
