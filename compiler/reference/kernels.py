"""Sums under windows, exact in integers, of NHWC arrays with batch 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from compiler.blocks import Weights

Array = NDArray[Any]
EXACT_FLOAT32 = 1 << 24  # integers up to here are exact in float32, and so are sums that stay below


def windows(
    x: Array,
    kernel: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    fill: int,
) -> Array:
    """A view [H, W, C, KH, KW] of [1, H, W, C], padded with `fill`; negative pads take pixels away."""
    top, left, bottom, right = (max(0, one) for one in pads)
    height, width = x.shape[1:3]
    kept = x[0, max(0, -pads[0]) : height - max(0, -pads[2]), max(0, -pads[1]) : width - max(0, -pads[3])]
    padded = np.pad(kept, ((top, bottom), (left, right), (0, 0)), constant_values=fill)
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True))
    view = sliding_window_view(padded, reach, axis=(0, 1))
    return view[:: strides[0], :: strides[1], :, :: dilations[0], :: dilations[1]]


def convolve(
    x: Array,
    weight: Weights,
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
) -> NDArray[np.int64]:
    """Sums of x * weight for x without its zero point; weight is [O, KH, KW, I], the result [1, H, W, O].

    Products are summed by BLAS in float32, split so that no partial sum reaches 2^24.
    """
    out, kh, kw, _ = weight.shape
    if (kh, kw) == (1, 1) and not any(pads):
        seen = x[0, :: strides[0], :: strides[1]]
    else:
        seen = windows(x, (kh, kw), strides, pads, dilations, 0).transpose(0, 1, 3, 4, 2)
    height, width = seen.shape[:2]
    columns = np.ascontiguousarray(seen, np.float32).reshape(height * width, -1)
    matrix = weight.reshape(out, -1)
    total = np.zeros((height * width, out), np.int64)
    for start, stop in exact_ranges(int(np.abs(x).max(initial=0)), matrix):
        part = columns[:, start:stop] @ matrix[:, start:stop].T.astype(np.float32)
        total += part.astype(np.int64)
    return total.reshape(1, height, width, out)


def convolve_groups(
    x: Array,
    weight: Weights,
    groups: int,
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
) -> NDArray[np.int64]:
    """The same of weights [O, KH, KW, I / groups]: each group of outputs sees its own group of inputs."""
    out, kh, kw, inner = weight.shape
    if groups == 1:
        return convolve(x, weight, strides, pads, dilations)
    if inner == 1 and groups == out:
        seen = windows(x, (kh, kw), strides, pads, dilations, 0)
        total = np.zeros((1, *seen.shape[:3]), np.int64)
        for ky, kx in np.ndindex(kh, kw):
            total += seen[..., ky, kx].astype(np.int64) * weight[:, ky, kx, 0]
        return total
    parts = zip(np.split(x, groups, axis=3), np.split(weight, groups), strict=True)
    return np.concatenate([convolve(one, own, strides, pads, dilations) for one, own in parts], axis=3)


def exact_ranges(largest: int, matrix: Weights) -> list[tuple[int, int]]:
    """Ranges of columns whose products with numbers up to `largest` sum up to less than 2^24 in any order."""
    weights = np.abs(matrix.astype(np.int64)) * max(largest, 1)
    ranges, start, length = [], 0, matrix.shape[1]
    sums = np.concatenate([np.zeros((len(matrix), 1), np.int64), np.cumsum(weights, axis=1)], axis=1)
    while start < length:
        fits = (sums - sums[:, start : start + 1] < EXACT_FLOAT32).all(axis=0)
        stop = length if fits[start:].all() else start + int(np.argmin(fits[start:])) - 1
        ranges.append((start, max(stop, start + 1)))
        start = ranges[-1][1]
    return ranges


def largest(
    x: Array, kernel: Sequence[int], strides: Sequence[int], pads: Sequence[int], dilations: Sequence[int]
) -> Array:
    """The largest number under each window; pads never win."""
    seen = windows(x, kernel, strides, pads, dilations, int(np.iinfo(x.dtype).min))
    result: Array = seen.max(axis=(3, 4))[None]
    return result


def sums_and_counts(
    x: Array,
    kernel: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int],
    counted: Sequence[int],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The sum under each window [1, H, W, C] and how many pixels it has [1, H, W, 1].

    Counted are the pixels of the image and of a frame of `counted` pads around it.
    """
    total = windows(x, kernel, strides, pads, (1, 1), 0).sum(axis=(3, 4), dtype=np.int64)
    frame = np.zeros((x.shape[1] + pads[0] + pads[2], x.shape[2] + pads[1] + pads[3]), np.int64)
    rows = slice(pads[0] - counted[0], pads[0] + x.shape[1] + counted[2])
    columns = slice(pads[1] - counted[1], pads[1] + x.shape[2] + counted[3])
    frame[rows, columns] = 1
    counts = windows(frame[None, :, :, None], kernel, strides, (0, 0, 0, 0), (1, 1), 0).sum(axis=(3, 4))
    return total[None], counts[None]
