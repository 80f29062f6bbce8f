"""Inputs and outputs of a plan: what the host sees, and how it lies in DDR."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

from compiler.plan.names import CHANNEL_BLOCK, LAYOUTS, damaged, entries, entry


@dataclass(frozen=True)
class Storage:
    """An activation in DDR: `[top + rows + bottom][blocks of 8 channels][left + width + right + slack][8]` bytes."""

    rows: int
    width: int
    channels: int
    top: int
    bottom: int
    left: int
    right: int
    slack: int
    pad: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Rows, channel blocks, pixels and channels of a block, border and slack included."""
        blocks = -(-self.channels // CHANNEL_BLOCK)
        pitch = self.left + self.width + self.right + self.slack
        return self.top + self.rows + self.bottom, blocks, pitch, CHANNEL_BLOCK

    @property
    def bytes(self) -> int:
        """Size in DDR."""
        rows, blocks, width, channels = self.shape
        return rows * blocks * width * channels


ONNX_TYPES = {
    "float32": "tensor(float)",
    "float64": "tensor(double)",
    "float16": "tensor(float16)",
    "bool": "tensor(bool)",
    **{kind: f"tensor({kind})" for kind in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")},
}
"""onnxruntime's names of the types that tensors between the parts of a plan may have, by numpy's."""


@dataclass(frozen=True)
class Port:
    """A tensor as the host sees it; the shape is None where it depends on the data."""

    name: str
    onnx_shape: tuple[int, ...] | None
    host_type: str

    @classmethod
    def of(cls, data: Any, place: str) -> Port:
        """Build from a manifest entry."""
        words = entries(data, ("name", "host_type"), str, place)
        if words["host_type"] not in ONNX_TYPES:
            text = f"'{words['name']}': host_type is {words['host_type']!r}, known: {', '.join(ONNX_TYPES)}"
            raise damaged("plan-tensor", text, place)
        shape = data.get("onnx_shape")
        return cls(onnx_shape=None if shape is None else sizes_of(data, place), **words)


def sizes_of(data: Any, place: str) -> tuple[int, ...]:
    """The entry `onnx_shape`, of positive sizes."""
    shape = entry(data, "onnx_shape", list, place)
    if not all(type(size) is int and size > 0 for size in shape):
        raise damaged("plan-tensor", f"onnx_shape is {shape}, expected positive integers", place)
    return tuple(shape)


@dataclass(frozen=True)
class PlanTensor(Port):
    """An input or output of the array: what the host sees, and where its bytes lie in DDR."""

    onnx_shape: tuple[int, ...]
    layout: str
    type: str
    scale: float
    zero: int
    offset: int
    storage: Storage

    @classmethod
    def from_dict(cls, data: Any, place: str) -> Self:
        """Build from a manifest entry, which must make sense in itself."""
        numbers = entries(entry(data, "storage", dict, place), Storage.__annotations__, int, place)
        shape = sizes_of(data, place)
        tensor = cls(
            **entries(data, ("name", "layout", "host_type", "type"), str, place),
            **entries(data, ("zero", "offset"), int, place),
            onnx_shape=shape,
            scale=float(entry(data, "scale", (int, float), place)),
            storage=Storage(**numbers),
        )
        tensor.check(place)
        return tensor

    def check(self, place: str) -> None:
        """Refuse what no host could pack or unpack."""
        held, elements = self.storage, 1
        for size in self.onnx_shape:
            elements *= size
        wrong = ""
        if self.layout not in LAYOUTS:
            wrong = f"layout is {self.layout!r}, known: {', '.join(LAYOUTS)}"
        elif self.type not in ("int8", "uint8") or self.host_type not in ("float32", self.type):
            wrong = f"type {self.type!r} cannot be given to the host as {self.host_type!r}"
        elif (
            min(held.rows, held.width, held.channels) < 1
            or min(held.top, held.bottom, held.left, held.right, held.slack) < 0
        ):
            wrong = f"storage has a size below its least: {held}"
        elif elements != held.rows * held.width * held.channels:
            wrong = f"onnx_shape {list(self.onnx_shape)} has {elements} elements, storage is {held}"
        elif self.layout == "FLAT" and (held.rows, held.width) != (1, 1):
            wrong = f"layout FLAT has {held.rows} x {held.width} pixels, expected one"
        elif not -128 <= held.pad <= 255 or not 0 < self.scale < math.inf:
            wrong = f"pad is {held.pad}, scale is {self.scale}"
        if wrong:
            raise damaged("plan-tensor", f"'{self.name}': {wrong}", place)
