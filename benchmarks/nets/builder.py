"""Draw a float network node by node: seeded weights, batch norms measured and then folded, zero blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

Floats = npt.NDArray[np.float32]

BLOCK = 8
BN_EPSILON = 1e-5


@dataclass
class Builder:
    """A float graph under construction; without `measured`, batch norms use and report the data they see."""

    rng: np.random.Generator
    measured: Mapping[str, Floats] | None
    sparsity: float = 0.0
    skewed: bool = False
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: list[onnx.TensorProto] = field(default_factory=list)
    statistics: list[str] = field(default_factory=list)

    def op(self, kind: str, inputs: Sequence[str], name: str, **attributes: object) -> str:
        """Append one node whose output is called as the node."""
        node = helper.make_node(kind, list(inputs), [name], name=name)
        node.attribute.extend(helper.make_attribute(key, attributes[key]) for key in sorted(attributes))
        self.nodes.append(node)
        return name

    def const(self, name: str, value: npt.NDArray[np.generic]) -> str:
        self.weights.append(numpy_helper.from_array(value, name))
        return name

    def conv_bn(
        self,
        x: str,
        name: str,
        c_in: int,
        c_out: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        gain: float = 1.0,
        pads: tuple[int, int] | None = None,
    ) -> str:
        """Convolution and batch norm with gains around `gain`, folded into one once statistics are known.

        `pads` are of rows and of columns; without them a stride of 1 keeps the size.
        """
        height, width = window = (kernel, kernel) if isinstance(kernel, int) else kernel
        std = math.sqrt(2.0 / (c_out * height * width))  # torchvision: kaiming_normal_ with fan_out
        weight = self.prune(self.rng.normal(0.0, std, (c_out, c_in, height, width)).astype(np.float32))
        gamma = (gain * self.rng.uniform(0.8, 1.2, c_out)).astype(np.float32)
        beta = self.rng.normal(0.0, 0.2, c_out).astype(np.float32)
        around = (height // 2, width // 2) if pads is None else pads
        shape = {"kernel_shape": list(window), "strides": [stride] * 2, "pads": [*around, *around]}
        if self.measured is None:
            y = self.op("Conv", [x, self.const(f"{name}.weight", weight)], f"{name}.conv", **shape)
            return self._measure_bn(y, name, gamma, beta)
        scale = gamma / np.sqrt(self.measured[f"{name}.var"].ravel() + BN_EPSILON)
        bias = beta - self.measured[f"{name}.mean"].ravel() * scale
        w = self.const(f"{name}.weight", (weight * scale[:, None, None, None]).astype(np.float32))
        return self.op("Conv", [x, w, self.const(f"{name}.bias", bias.astype(np.float32))], name, **shape)

    def _measure_bn(self, x: str, name: str, gamma: Floats, beta: Floats) -> str:
        """gamma * (x - mean) / sqrt(var + eps) + beta; mean and var over batch and pixels are outputs too."""
        column = (1, -1, 1, 1)
        eps = self.const(f"{name}.eps", np.full((1,), BN_EPSILON, np.float32))
        mean = self.op("ReduceMean", [x], f"{name}.mean", axes=[0, 2, 3])
        centred = self.op("Sub", [x, mean], f"{name}.centred")
        square = self.op("Mul", [centred, centred], f"{name}.square")
        var = self.op("ReduceMean", [square], f"{name}.var", axes=[0, 2, 3])
        deviation = self.op("Sqrt", [self.op("Add", [var, eps], f"{name}.var_eps")], f"{name}.deviation")
        unit = self.op("Div", [centred, deviation], f"{name}.unit")
        scaled = self.op("Mul", [unit, self.const(f"{name}.gamma", gamma.reshape(column))], f"{name}.scaled")
        self.statistics += [mean, var]
        return self.op("Add", [scaled, self.const(f"{name}.beta", beta.reshape(column))], name)

    def prune(self, weight: Floats) -> Floats:
        """Prune all layers but the first, before statistics are measured: as if trained sparse."""
        if not self.weights:
            return weight
        if not self.skewed:
            return prune_blocks(weight, self.sparsity)
        # Beta-distributed shares of this mean, uniform for a half: few rows of blocks are near the mean.
        shares = self.rng.beta(2 * self.sparsity, 2 * (1 - self.sparsity), -(-weight.shape[0] // BLOCK))
        rows = [weight[start : start + BLOCK] for start in range(0, weight.shape[0], BLOCK)]
        return np.concatenate([prune_blocks(row, float(share)) for row, share in zip(rows, shares, strict=True)])

    def relu(self, x: str) -> str:
        return self.op("Relu", [x], f"{x}.relu")

    def pool(self, kind: str, x: str, name: str, kernel: int, stride: int, pad: int = 0, **attributes: object) -> str:
        """A square MaxPool or AveragePool."""
        shape = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4}
        return self.op(kind, [x], name, **shape, **attributes)

    def dense(self, x: str, name: str, c_in: int, c_out: int, std: float | None = None) -> str:
        """A fully connected layer; weights are normal with `std`, or as torch.nn.Linear starts them."""
        bound = 1.0 / math.sqrt(c_in)  # the default of torch.nn.Linear
        if std is None:
            drawn = self.rng.uniform(-bound, bound, (c_out, c_in))
        else:
            drawn = self.rng.normal(0.0, std, (c_out, c_in))
        weight = self.prune(drawn.astype(np.float32))
        bias = self.rng.uniform(-bound, bound, c_out).astype(np.float32)
        inputs = [x, self.const(f"{name}.weight", weight), self.const(f"{name}.bias", bias)]
        return self.op("Gemm", inputs, name, transB=1)


@dataclass(frozen=True)
class Network:
    """A benchmark network: its input, the function that draws it, its output; the first layer is never pruned."""

    shape: tuple[int, int, int, int]
    draw: Callable[[Builder, str], str]
    output: tuple[int, ...]


def prune_blocks(weight: Floats, share: float) -> Floats:
    """Zero `share` of the 8x8 (output channel x input channel) blocks of each tap, those of smallest L1 norm.

    `weight` is [out, in, taps...]; edge blocks of odd channel counts are smaller; floor(share * n) blocks go.
    """
    out, inp = weight.shape[:2]
    flat = weight.reshape(out, inp, -1)
    rows, columns = -(-out // BLOCK), -(-inp // BLOCK)
    padded = np.zeros((rows * BLOCK, columns * BLOCK, flat.shape[2]), np.float32)
    padded[:out, :inp] = flat
    blocks = padded.reshape(rows, BLOCK, columns, BLOCK, -1)
    order = np.argsort(np.abs(blocks).sum(axis=(1, 3)).ravel(), kind="stable")
    keep = np.ones(order.size, np.float32)
    keep[order[: int(share * order.size)]] = 0.0
    blocks *= keep.reshape(rows, 1, columns, 1, -1)
    return padded[:out, :inp].reshape(weight.shape)
