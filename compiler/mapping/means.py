"""How many pixels count under each window of an average, and the factors that follow from it; which are too long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compiler.encoding.work import BLOCK, halves
from compiler.errors import DoesNotFit, Limit, Reason
from compiler.ir import Module
from compiler.kernels.packets import Scales
from compiler.kernels.sections import SCALE_BYTES
from compiler.mapping.lanes import lanes_of
from compiler.mapping.shapes import Layer
from compiler.target import Target
from dialects import bsp, nn

Ints = NDArray[np.int64]
Span = tuple[int, int]


@dataclass(frozen=True)
class Means:
    """Factors of an average pool over a `size` of rows and pixels: M of each count, and the shift they share."""

    layer: Layer
    size: Span
    counts: Ints
    multipliers: Ints
    shift: int

    @classmethod
    def of(cls, layer: Layer, size: Span, module: Module) -> Means:
        """Read the factors out of the module's store."""
        names = ("count", "multiplier", "shift")
        counts, multipliers, shifts = (module.store[f"{layer.params}.{name}"].astype(np.int64) for name in names)
        assert (shifts == shifts[0]).all(), "the factors of one average share one shift"
        return cls(layer, size, counts, multipliers, int(shifts[0]))

    def scales(self, tiles: Sequence[Span], columns: Span) -> Scales:
        """The factors of tiles of output rows: 128 bytes for each group, or in all if a tile's pixels are alike."""
        across = self._groups(self._taps(1, columns), columns[1] - columns[0])
        tables = [self._factors(np.multiply.outer(self._taps(0, rows), across)) for rows in tiles]
        same = all((table == table[0, 0]).all() for table in tables)
        places: dict[bytes, int] = {}
        at: list[int] = []
        size = 0
        for table in tables:
            data = _encode(table.reshape(-1, *table.shape[2:])[: 1 if same else None])
            if data not in places:
                places[data] = size
                size += len(data)
            at.append(places[data])
        whole = np.frombuffer(b"".join(places), np.uint8)
        return Scales(whole, tuple(at), 0 if same else SCALE_BYTES, self.shift)

    def _groups(self, taps: Ints, width: int) -> Ints:
        """Numbers of a row of pixels as `[groups][lanes]`; pixels past the last are as the last."""
        ((inner, lane_step), (outer, group_step)) = lanes_of(self.layer, width).own
        pixels = np.arange(outer)[:, None] * group_step + np.arange(inner) * lane_step
        found: Ints = taps[np.minimum(pixels, width - 1)]
        return found

    def _factors(self, counts: Ints) -> Ints:
        """The multiplier of each count; a window that counts nothing is as one of the least."""
        row = np.searchsorted(self.counts, np.maximum(counts, self.counts[0]))
        found: Ints = self.multipliers[row]
        return found

    def _taps(self, axis: int, span: Span) -> Ints:
        """Taps that count along one axis at output positions [first, last)."""
        layer = self.layer
        size = self.size[axis]
        before, after = layer.counted_pads[axis], layer.counted_pads[axis + 2]
        positions = np.arange(*span)[:, None] * layer.strides[axis] - layer.pads[axis] + np.arange(layer.window[axis])
        counts: Ints = ((positions >= -before) & (positions < size + after)).sum(axis=1).astype(np.int64)
        return counts


def _encode(factors: Ints) -> bytes:
    """`[groups][4 pixels]` as halves of 16 bits, high ones first, each 8 times."""
    split = np.stack(halves(factors.astype(np.int32)), axis=1).astype("<i2")
    return np.repeat(split, BLOCK, axis=2).tobytes()


def refuse_long(module: Module, target: Target) -> None:
    """`DoesNotFit` for an average of which one row of one block of results reads more than there is room for."""
    for op in module.walk(bsp.AvgPoolOp):
        tiles = _tiles_read(op, target)
        room = target.memory_tile.bytes
        _, height, width, _ = op.x.type.shape
        rows, limit = min(op.kernel[0], height), tiles * room // BLOCK
        if rows * width > limit:
            text = f"a row of its result reads {rows} x {width} = {rows * width:,} pixels, there is room for {limit:,}"
            note = (
                f"cores read {tiles} x {room:,} bytes of memory tiles here, a pixel of {BLOCK} channels takes {BLOCK}"
            )
            help = "take the mean of parts of the image first, or run this layer elsewhere"
            most = Limit("pixels read for a row of results", f"at most {limit:,}", f"{rows * width:,}")
            raise DoesNotFit(Reason("does-not-fit", text, op.loc, notes=(note,), help=help, limit=most))


def _tiles_read(op: bsp.AvgPoolOp, target: Target) -> int:
    """Memory tiles in which a core finds what it reads: its column's and, if the image stays there, those beside it.

    Not so what the host gives and what is constant, which is loaded for each pass, and what all columns would read, of
    which the first reaches two.
    """
    everywhere = op.y.type.shape[1] == 1 and target.columns > 2
    loaded = isinstance(op.x.op, nn.InputOp | bsp.ConstantOp)
    return 1 if loaded or everywhere else min(3, target.columns)
