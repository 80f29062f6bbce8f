"""Resize and Upsample: the nearest element by its index, linear interpolation as a matrix for each axis.

`functional.interpolate` knows some of ONNX's ways to place the elements; worked out here, all are one computation.
Source: the operator Resize in https://github.com/onnx/onnx/blob/main/docs/Operators.md
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from training.onnx_reader.node import Array, Node, Operation, Reader, Refusal

_Number = TypeVar("_Number", int, float)


def resize(node: Node) -> Operation:
    """Resize of the axes behind the channels, `nearest` or `linear`."""
    mode = node.word("mode", "nearest")
    if mode not in ("nearest", "linear"):
        raise Refusal("mode", "nearest or linear", mode)
    for name in ("antialias", "exclude_outside"):
        if node.integer(name, 0):
            raise Refusal(name, "0", "1")
    old = node.spatial
    scales, new = _scales(node)
    places = [_places(node, size, out, scale) for size, out, scale in zip(old, new, scales, strict=True)]
    if mode == "linear":
        matrices = [_matrix(at, size).astype(np.float32) for at, size in zip(places, old, strict=True)]
        return Operation(_linear, tables=tuple(map(torch.from_numpy, matrices)))
    rounded = [_rounded(node, at).clip(0, size - 1) for at, size in zip(places, old, strict=True)]
    return Operation(_nearest, tables=tuple(torch.from_numpy(at.astype(np.int64)) for at in rounded))


def _scales(node: Node) -> tuple[list[float], list[int]]:
    """Factors and new sizes of the axes behind the channels."""
    shape = node.shape()
    upsample = node.op_type == "Upsample"
    if not upsample and node.given(3):
        sizes = node.integers("sizes", 3) or ()
        new = _all_axes(node, sizes, shape)
        if node.word("keep_aspect_ratio_policy", "stretch") != "stretch":
            raise Refusal("keep_aspect_ratio_policy", "stretch", node.word("keep_aspect_ratio_policy", ""))
        scales = [one / size for one, size in zip(new, shape, strict=True)]
    else:
        given = node.attributes.get("scales")
        at = 1 if upsample or node.opset < 11 else 2
        factors = tuple(float(one) for one in (node.constant(at).reshape(-1) if given is None else given))
        scales = [float(one) for one in _all_axes(node, factors, (1.0,) * len(shape))]
        new = [int(np.floor(size * one)) for size, one in zip(shape, scales, strict=True)]
    if tuple(new[:2]) != shape[:2]:
        raise Refusal("scales", "1 for images and channels", str(scales[:2]))
    return scales[2:], [int(one) for one in new[2:]]


def _all_axes(node: Node, given: Sequence[_Number], default: Sequence[_Number]) -> list[_Number]:
    """What is given for some axes, as values of all axes."""
    result = list(default)
    for axis, value in zip(node.integers("axes") or range(len(default)), given, strict=True):
        result[axis] = value
    return result


def _places(node: Node, size: int, out: int, factor: float) -> Array:
    """Where each new element lies among the old ones of its axis; in float32, so that ties are those of onnxruntime."""
    at, scale = np.arange(out, dtype=np.float32), np.float32(factor)
    if node.op_type == "Upsample" or node.opset < 11:
        return at / scale
    way = node.word("coordinate_transformation_mode", "half_pixel")
    if way == "asymmetric":
        return at / scale
    if way == "align_corners":
        return at * np.float32(size - 1) / np.float32(max(1, out - 1))
    if way == "pytorch_half_pixel" and out == 1:
        return np.zeros(1, np.float32)
    if way in ("half_pixel", "pytorch_half_pixel"):
        return (at + np.float32(0.5)) / scale - np.float32(0.5)
    allowed = "half_pixel, pytorch_half_pixel, asymmetric or align_corners"
    raise Refusal("coordinate_transformation_mode", allowed, way)


def _rounded(node: Node, places: Array) -> Array:
    old = node.op_type == "Upsample" or node.opset < 11
    way = "floor" if old else node.word("nearest_mode", "round_prefer_floor")
    rules = {
        "floor": np.floor(places),
        "ceil": np.ceil(places),
        "round_prefer_floor": np.ceil(places - 0.5),
        "round_prefer_ceil": np.floor(places + 0.5),
    }
    return rules[way]


def _matrix(places: Array, size: int) -> Array:
    """How much of each old element is in each new one; beyond the edge the edge goes on."""
    inside = places.clip(0, size - 1)
    low = np.floor(inside).astype(int)
    high = np.minimum(low + 1, size - 1)
    matrix = np.zeros((len(places), size))
    rows = np.arange(len(places))
    np.add.at(matrix, (rows, low), 1 - (inside - low))
    np.add.at(matrix, (rows, high), inside - low)
    return matrix


def _nearest(x: Tensor, *indices: Tensor) -> Tensor:
    for axis, index in enumerate(indices, 2):
        x = x.index_select(axis, index)
    return x


def _linear(x: Tensor, *matrices: Tensor) -> Tensor:
    for axis, matrix in enumerate(matrices, 2):
        x = torch.movedim(torch.movedim(x, axis, -1) @ matrix.T, -1, axis)
    return x


READERS: dict[str, Reader] = {"Resize": resize, "Upsample": resize}
