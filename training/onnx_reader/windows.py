"""Windows that slide over an image: their pads as ONNX means them, and pooling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.onnx_reader.node import Call, Node, Operation, Reader, Refusal


@dataclass(frozen=True)
class Window:
    """Sizes by axis, in the order of the axes; pads before and behind."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    begin: tuple[int, ...]
    end: tuple[int, ...]

    @property
    def symmetric(self) -> bool:
        """Whether each axis has the same pad before and behind, as layers of PyTorch have it."""
        return self.begin == self.end

    @property
    def torch_pads(self) -> list[int]:
        """Pads in the order of `functional.pad`: the last axis first."""
        return torch_pads(self.begin, self.end)


def torch_pads(begin: Sequence[int], end: Sequence[int]) -> list[int]:
    """ONNX's pads in the order of `functional.pad`: the last axis first."""
    return [pad for pair in zip(reversed(begin), reversed(end), strict=True) for pad in pair]


def window_of(node: Node, kernel: Sequence[int]) -> Window:
    """The window of a convolution or a pooling, automatic pads worked out for the node's image."""
    axes = len(node.spatial)
    if len(kernel) != axes:
        raise Refusal("number of kernel axes", str(axes), str(len(kernel)))
    strides = node.integers("strides") or (1,) * axes
    dilations = node.integers("dilations") or (1,) * axes
    pads = node.integers("pads") or (0,) * (2 * axes)
    begin, end = pads[:axes], pads[axes:]
    auto = node.word("auto_pad", "NOTSET")
    if auto.startswith("SAME") and node.op_type != "ConvTranspose":
        totals = [
            max(0, (-(-size // stride) - 1) * stride + (one - 1) * dilation + 1 - size)
            for size, stride, one, dilation in zip(node.spatial, strides, kernel, dilations, strict=True)
        ]
        small, large = tuple(one // 2 for one in totals), tuple(one - one // 2 for one in totals)
        begin, end = (small, large) if auto == "SAME_UPPER" else (large, small)
    elif auto == "VALID":
        begin = end = (0,) * axes
    return Window(tuple(kernel), strides, dilations, begin, end)


def _pool(node: Node) -> Window:
    node.only_first_output()
    return window_of(node, node.integers("kernel_shape") or ())


def max_pool(node: Node) -> Operation:
    """MaxPool; what is padded is minus infinity."""
    window = _pool(node)
    kind: Call = nn.MaxPool2d if len(window.kernel) == 2 else nn.MaxPool1d
    inside = window.symmetric and all(2 * pad <= size for pad, size in zip(window.begin, window.kernel, strict=True))
    pooling = kind(
        window.kernel,
        window.strides,
        padding=window.begin if inside else 0,
        dilation=window.dilations,
        ceil_mode=bool(node.integer("ceil_mode", 0)),
    )
    before = None if inside else partial(functional.pad, pad=window.torch_pads, value=float("-inf"))
    return Operation(pooling, before=before)


def average_pool(node: Node) -> Operation:
    """AveragePool: the sum over a window by the number of its elements that count."""
    window = _pool(node)
    if set(window.dilations) != {1}:
        raise Refusal("dilations", "1", str(list(window.dilations)))
    pads_count = bool(node.integer("count_include_pad", 0))
    ceil = bool(node.integer("ceil_mode", 0))
    inside = window.symmetric and all(2 * pad <= size for pad, size in zip(window.begin, window.kernel, strict=True))
    if not inside:
        return Operation(partial(padded_average, window=window, ceil_mode=ceil, pads_count=pads_count))
    kind: Call = nn.AvgPool2d if len(window.kernel) == 2 else nn.AvgPool1d
    return Operation(kind(window.kernel, window.strides, window.begin, ceil_mode=ceil, count_include_pad=pads_count))


def padded_average(x: Tensor, *, window: Window, ceil_mode: bool, pads_count: bool) -> Tensor:
    """The average over windows whose pads differ from side to side."""
    lift = x.dim() == 3
    kernel, strides = ((1, *window.kernel), (1, *window.strides)) if lift else (window.kernel, window.strides)

    def sums(values: Tensor) -> Tensor:
        image = values.unsqueeze(2) if lift else values
        return functional.avg_pool2d(image, kernel, strides, ceil_mode=ceil_mode, divisor_override=1)

    padded = functional.pad(x, window.torch_pads)
    counted = (
        torch.ones_like(padded[:1, :1]) if pads_count else functional.pad(torch.ones_like(x[:1, :1]), window.torch_pads)
    )
    average = sums(padded) / sums(counted)
    return average.squeeze(2) if lift else average


def _space(x: Tensor) -> tuple[int, ...]:
    return tuple(range(2, x.dim()))


def _mean_of_space(x: Tensor) -> Tensor:
    return x.mean(_space(x), keepdim=True)


def _max_of_space(x: Tensor) -> Tensor:
    return x.amax(_space(x), keepdim=True)


def _global(call: object, node: Node) -> Operation:
    assert callable(call)
    assert node.spatial
    return Operation(call)


def response_norm(node: Node) -> Operation:
    """LRN, across channels."""
    size = node.integer("size", 1)
    if size % 2 == 0:
        raise Refusal("size", "an odd number", str(size))
    alpha, beta, k = node.number("alpha", 1e-4), node.number("beta", 0.75), node.number("bias", 1.0)
    return Operation(partial(functional.local_response_norm, size=size, alpha=alpha, beta=beta, k=k))


READERS: dict[str, Reader] = {
    "AveragePool": average_pool,
    "GlobalAveragePool": partial(_global, _mean_of_space),
    "GlobalMaxPool": partial(_global, _max_of_space),
    "LRN": response_norm,
    "MaxPool": max_pool,
}
