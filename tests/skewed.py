"""Small networks whose weights are sparse by rows and columns of blocks, some much more than others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from tests.model_cases import PAD1
from tests.netbuilder import Floats, Style, Tensor
from tests.netlayers import Layers


class Skewed(Layers):
    """`Layers` in which each row of blocks has a share of zero blocks of its own, from none to all."""

    def draw_weight(self, shape: Sequence[int], sparsity: float, gain: float = 1.0) -> Floats:
        weight = super().draw_weight(shape, 0.0, gain)
        rows, columns = -(-shape[0] // 8), -(-shape[1] // 8)
        keep = self.rng.random((rows, columns, *shape[2:])) < self.rng.random((rows, 1, *[1] * len(shape[2:])))
        mask = keep.repeat(8, axis=0).repeat(8, axis=1)[: shape[0], : shape[1]]
        return np.asarray(weight * mask.astype(np.float32))


def skewed_chain(seed: int = 1, size: int = 16, widths: Sequence[int] = (128, 128, 256, 128)) -> onnx.ModelProto:
    """3x3 convolutions in a row; the last but one is added to what a 1x1 convolution makes of its input."""
    net = Skewed(seed, (16, size, size), Style(dtype="int8", symmetric=True))
    x = net.x
    for width in widths:
        x = net.quant(net.relu(net.conv(x, width, pads=PAD1)))
    y = net.quant(net.conv(x, 256, (1, 1)))
    x = net.quant(net.add(net.quant(net.conv(x, 256, pads=PAD1)), y))
    return net.finish(net.quant(net.conv(x, 8, (1, 1))), name="skewed_chain")


def _width(rng: np.random.Generator, *, full: bool = False) -> int:
    return int(rng.choice([16, 24, 32, 48] if full else [16, 24, 32, 20, 45]))


def _step(net: Skewed, x: Tensor, rng: np.random.Generator) -> Tensor:
    kind = rng.choice(["conv", "residual", "residual", "concat", "max_pool", "average_pool", "branches"])
    if kind == "conv":
        return net.quant(net.relu(net.conv(x, _width(rng), (3, 3), pads=PAD1)))
    if kind == "residual":
        inner = net.quant(net.relu(net.conv(x, _width(rng), (1, 1))))
        return net.quant(net.add(net.quant(net.conv(inner, x.channels, pads=PAD1)), x))
    if kind == "concat":
        widths = _width(rng, full=True), _width(rng, full=True), _width(rng)
        return net.concat_equal(*(net.conv(x, width, (1, 1)) for width in widths))
    if kind == "branches":
        return net.concat_equal(net.conv(x, _width(rng, full=True), (1, 1)), x)
    window = {"kernel_shape": (3, 3), "strides": (1, 1), "pads": PAD1}
    return net.max_pool(x, window) if kind == "max_pool" else net.quant(net.average_pool(x, window))


def random_skewed(seed: int) -> onnx.ModelProto:
    """Convolutions, sums, concatenations and pools by chance, with one end or two."""
    rng = np.random.default_rng([seed, 7])
    dtype = str(rng.choice(["int8", "uint8"]))
    net = Skewed(seed, (int(rng.choice([5, 16])), 5, 6), Style(dtype=dtype))
    x = middle = net.quant(net.relu(net.conv(net.x, _width(rng, full=True), (1, 1))))
    for number in range(int(rng.integers(2, 6))):
        x = _step(net, x, rng)
        middle = x if number == 1 else middle
    ends = [net.quant(net.conv(x, _width(rng), (1, 1)))]
    if rng.random() < 0.3:
        ends.append(middle)
    return net.finish(*ends, name=f"skewed_{seed}")
