"""Bytes for DDR argument 0: activation constants, and the work packets of a run in the order they are sent."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.encoding.work import CallRecord
from compiler.ir import Module
from compiler.kernels.packets import Blocks, Piece, build
from compiler.mapping.program import Extent, Step, Work, column_steps
from compiler.mapping.shapes import BLOCK, Storage
from dialects import tile

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int32]


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


class PacketMaker:
    """Makes the work packets of one run."""

    def __init__(self, module: Module, run: tile.RunOp, inputs: tuple[Storage, ...], output: Storage) -> None:
        self.run, self.layer = run, run.layer
        self.work = Work(run.layer, inputs, output)
        store, layer = module.store, run.layer
        self._steps: dict[Extent, list[list[Step]]] = {}
        self.data: Blocks | None = None
        self.scales: tuple[Ints, Ints, Ints] | None = None
        if layer.is_conv:
            self.data = Blocks.of(
                layer,
                store[f"{layer.weight}.blocks"],
                store[f"{layer.weight}.index"],
                store[f"{layer.params}.bias"],
                store[f"{layer.params}.multiplier"],
                store[f"{layer.params}.shift"],
            )
        elif layer.kernel == "avg_pool":
            names = ("count", "multiplier", "shift")
            count, multiplier, shift = (store[f"{layer.params}.{name}"].astype(np.int32) for name in names)
            self.scales = (count, multiplier, shift)

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
            if self.run.senders == 1:
                packets.append([self._packet(steps[0], list(steps))])
            else:
                packets.append([self._packet(step, [step]) for step in steps])
        return packets

    def _packet(self, main: Step, steps: list[Step]) -> Bytes:
        most = max(len(step.calls) for step in steps)
        idle = CallRecord(skip=True)
        lists = [[call.record for call in step.calls] + [idle] * (most - len(step.calls)) for step in steps]
        counts = self._row_counts(steps) if self.scales else []
        columns = self._counts(1, main.columns) if self.scales else None
        return build(
            self.layer,
            self.run.layer_index,
            self._piece(main),
            lists,
            self.data,
            self.scales,
            counts,
            columns,
            size_bytes=self.run.packet_bytes,
        )

    def _piece(self, step: Step) -> Piece:
        first, last = self.layer.in_columns(*step.columns)
        box = self.work.out_box((0, 1), step.columns, (0, 1))
        return Piece(
            out_blocks=step.out_blocks,
            in_blocks=step.part.blocks,
            window=step.part.window,
            in_width=last - first,
            out_width=box.columns[1] - box.columns[0],
            left=self.work.output.left if step.columns[0] == 0 else 0,
            valid_width=step.columns[1] - step.columns[0],
            pad_byte=self.work.output.pad,
            columns=step.columns,
        )

    def _row_counts(self, steps: list[Step]) -> list[Ints]:
        """For each call that computes, how many rows of the window count at each of its output rows."""
        return [self._counts(0, call.valid_rows) for step in steps for call in step.calls if not call.record.skip]

    def _counts(self, axis: int, span: tuple[int, int]) -> Ints:
        """Taps that count along one axis at output positions [first, last)."""
        layer, source = self.layer, self.work.inputs[0]
        size = (source.height, source.width)[axis]
        before, after = self._counted_pads(axis)
        positions = np.arange(*span)[:, None] * layer.strides[axis] - layer.pads[axis] + np.arange(layer.window[axis])
        counts: Ints = ((positions >= -before) & (positions < size + after)).sum(axis=1).astype(np.int32)
        return counts

    def _counted_pads(self, axis: int) -> tuple[int, int]:
        return self.layer.counted_pads[axis], self.layer.counted_pads[axis + 2]
