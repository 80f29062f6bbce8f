"""Bytes for DDR argument 0: activation constants, and the work packets of a run in the order they are sent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.encoding.work import BLOCK, CallRecord
from compiler.ir import Module
from compiler.kernels.blocks import Blocks
from compiler.kernels.packets import Piece, build
from compiler.mapping.means import Means
from compiler.mapping.program import Extent, Step, Work, column_steps
from compiler.mapping.shapes import Layer, Storage
from dialects import tile

Bytes = NDArray[np.uint8]


def pack_activation(storage: Storage, values: NDArray[Any]) -> Bytes:
    """A tensor 1xHxWxC as its storage bytes, border and spare channels filled with the border value."""
    dtype = np.int8 if storage.signed else np.uint8
    whole = np.full((storage.rows, storage.blocks, storage.pitch, BLOCK), storage.pad, dtype)
    padded = np.full((storage.height, storage.width, storage.blocks * BLOCK), storage.pad, dtype)
    padded[:, :, : storage.channels] = values[0]
    blocked = padded.reshape(storage.height, storage.width, storage.blocks, BLOCK).transpose(0, 2, 1, 3)
    rows = slice(storage.top, storage.top + storage.height)
    whole[rows, :, storage.left : storage.left + storage.width] = blocked
    return np.frombuffer(whole.tobytes(), np.uint8)


def blocks_of_layer(layer: Layer, module: Module) -> Blocks:
    """What a layer with weights multiplies by, out of the module's store."""
    store = module.store
    names = ("bias", "multiplier", "shift") if layer.exact else ("bias", "multiplier", "shift", "first")
    weights = (store[f"{layer.weight}.{name}"] for name in ("blocks", "index"))
    return Blocks.of(layer, *weights, *(store[f"{layer.params}.{name}"] for name in names))


class Constants:
    """The bytes of DDR argument 0, one behind the other as they are made."""

    def __init__(self) -> None:
        self._parts: list[Bytes] = []
        self._bytes = 0

    def append(self, data: Bytes) -> int:
        """Add bytes, and return at which byte they begin."""
        start = self._bytes
        self._parts.append(data)
        self._bytes += data.size
        return start

    def whole(self) -> Bytes:
        """All of them."""
        return np.concatenate(self._parts)


def extents_of(run: tile.RunOp) -> list[Extent]:
    """What each column computes in a run."""
    flat = run.extents
    return [Extent((flat[i], flat[i + 1]), (flat[i + 2], flat[i + 3])) for i in range(0, len(flat), 4)]


class PacketMaker:
    """Makes the work packets of one run."""

    def __init__(self, module: Module, run: tile.RunOp, inputs: tuple[Storage, ...], output: Storage) -> None:
        self.run, self.layer = run, run.layer
        self.work = Work(run.layer, inputs, output, run.at_rows)
        self._steps: dict[Extent, list[list[Step]]] = {}
        self.data = blocks_of_layer(run.layer, module) if run.layer.weighted else None
        # Windows of a strip that ends inside the image do not reach past what is below it.
        size = inputs[0].height - (run.at_rows[0] if run.at_rows else 0), inputs[0].width
        self.lookup = module.store[run.layer.params] if run.layer.kernel == "lookup" else None
        self.means = Means.of(run.layer, size, module) if run.layer.kernel == "avg_pool" else None

    def steps(self, extent: Extent, core_rows: int) -> list[list[Step]]:
        """The steps of a column's cores, worked out once."""
        if extent not in self._steps:
            self._steps[extent] = column_steps(self.work, self.run.mapping, extent, core_rows)
        return self._steps[extent]

    def column(self, extent: Extent, core_rows: int) -> list[list[Bytes]]:
        """Packets by step, then by sender, each filled up to the run's packet size."""
        rows = self.steps(extent, core_rows)
        packets = []
        for steps in zip(*rows, strict=True):
            if self.run.mapping.rows_by == "rows":
                packets.append([self._packet(steps[0], list(steps))])
            else:
                packets.append([self._packet(step, [step]) for step in steps])
        return packets

    def _packet(self, main: Step, steps: list[Step]) -> Bytes:
        calls = [call for step in steps for call in step.calls]
        computing = [call for call in calls if not call.record.skip]
        scales = self.means.scales([call.rows for call in computing], main.columns) if self.means else None
        records = [call.record for call in calls]
        if scales is not None:
            offsets = iter(scales.at)
            records = [one if one.skip else replace(one, scales_offset=next(offsets)) for one in records]
        piece = Piece(
            out_blocks=main.out_blocks,
            in_blocks=main.part.blocks,
            window=main.part.window,
            across=main.part.across,
            width=main.columns[1] - main.columns[0],
            rows=max((one.rows for one in records), default=0),
            pad_byte=self.work.output.pad,
            mapping=self.run.mapping,
        )
        lists = _lists(records, [len(step.calls) for step in steps])
        number, size = self.run.layer_index, self.run.packet_bytes
        return build(self.layer, number, piece, lists, self.data, scales, lookup=self.lookup, size_bytes=size)


def _lists(records: list[CallRecord], counts: list[int]) -> list[list[CallRecord]]:
    """The records of each core, those with fewer calls filled up by calls that do nothing."""
    idle = CallRecord(skip=True)
    most = max(counts)
    lists, start = [], 0
    for count in counts:
        lists.append(records[start : start + count] + [idle] * (most - count))
        start += count
    return lists
