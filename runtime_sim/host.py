"""The host's side of a run: arrays as ONNX sees them to the bytes of DDR, and back (docs/plan-format.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.numerics import dequantize_output, quantize_input
from compiler.plan import CHANNEL_BLOCK, PlanTensor

Bytes = NDArray[np.uint8]
Array = NDArray[Any]


def pack(tensor: PlanTensor, array: Array) -> Bytes:
    """The bytes of an input whose shape and type are checked, border and padding channels included."""
    held = tensor.storage
    values = array
    if tensor.host_type == "float32":
        values = quantize_input(array, tensor.scale, tensor.zero, tensor.type)
    pixels = np.ascontiguousarray(_pixels_last(tensor, values)).view(np.uint8)
    rows, blocks, width, lanes = held.shape
    stored = np.full((rows, width, blocks * lanes), held.pad & 0xFF, np.uint8)
    stored[held.top : held.top + held.rows, held.left : held.left + held.width, : held.channels] = pixels
    blocked = stored.reshape(rows, width, blocks, lanes).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(blocked).reshape(-1)


def unpack(tensor: PlanTensor, stored: Bytes) -> Array:
    """The array of an output from its bytes; border and padding channels are not looked at."""
    held = tensor.storage
    rows, blocks, width, lanes = held.shape
    blocked = stored.reshape(rows, blocks, width, lanes)
    valid = blocked[held.top : held.top + held.rows, :, held.left : held.left + held.width]
    pixels = valid.transpose(0, 2, 1, 3).reshape(held.rows, held.width, blocks * CHANNEL_BLOCK)
    values = np.ascontiguousarray(pixels[:, :, : held.channels]).view(np.dtype(tensor.type))
    if tensor.layout == "NCHW":
        values = values.transpose(2, 0, 1)
    shaped = np.ascontiguousarray(values).reshape(tensor.onnx_shape)
    if tensor.host_type == "float32":
        return dequantize_output(shaped, tensor.scale, tensor.zero)
    return shaped


def _pixels_last(tensor: PlanTensor, values: Array) -> Array:
    """The array as `[rows][width][channels]`."""
    held = tensor.storage
    if tensor.layout == "NCHW":
        return values.reshape(held.channels, held.rows, held.width).transpose(1, 2, 0)
    return values.reshape(held.rows, held.width, held.channels)
