"""Small networks whose layers end in functions that are no clamps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.model_cases import INT8, PAD1, UINT8, Case
from tests.netbuilder import Tensor
from tests.netlayers import Layers


def silu(net: Layers, x: Tensor, *, inner: bool = True) -> Tensor:
    """x * sigmoid(x) of a tensor in float or integers, as quantisers write it: with a scale for the sigmoid, too."""
    y = net.quant(x) if x.float_name else x
    gate = net.pointwise("Sigmoid", y)
    return net.quant(net.pointwise("Mul", y, net.quant(gate) if inner else gate))


def hard_swish(net: Layers, x: Tensor) -> Tensor:
    return net.quant(net.pointwise("HardSwish", net.quant(x)))


def reduce_mean(net: Layers, x: Tensor, *, keep: bool = True) -> Tensor:
    """ReduceMean over rows and pixels, its axes an attribute or an input as the opset has it."""
    value = x.value.mean(axis=(2, 3), keepdims=keep).astype(np.float32)
    axes = [net.const(np.array([2, -1], np.int64), "axes")] if net.style.opset >= 18 else []
    attributes = {"keepdims": int(keep)} | ({} if axes else {"axes": [2, -1]})
    return Tensor(value, float_name=net.emit("ReduceMean", [net.read(x), *axes], attributes))


def silu_network(net: Layers, x: Tensor) -> Tensor:
    """Stages as in YOLO: a stride, two branches that are joined, a residual, a pool; all by SiLU."""
    y = silu(net, net.conv(x, 16, strides=(2, 2), pads=PAD1))
    left, right = silu(net, net.conv(y, 16, (1, 1), sparsity=0.5)), net.conv(y, 16, pads=PAD1)
    right = silu(net, net.quant(right), inner=False)
    right = net.quant(net.add(silu(net, net.conv(right, 16, pads=PAD1, sparsity=0.5)), right))
    joined = net.quant(net.concat(left, net.max_pool(right, {"kernel_shape": (3, 3), "pads": PAD1}), right))
    return silu(net, net.conv(joined, 12, (1, 1)))


def mobile_network(net: Layers, x: Tensor) -> Tensor:
    """Inverted bottlenecks by hard swish, ReLU and LeakyReLU, a mean by ReduceMean, a classifier; dense 3x3."""
    y = hard_swish(net, net.conv(x, 16, strides=(2, 2), pads=PAD1))
    inner = hard_swish(net, net.conv(y, 40, (1, 1)))
    inner = hard_swish(net, net.conv(inner, 40, pads=PAD1, sparsity=0.75))
    y = net.quant(net.add(net.quant(net.conv(inner, 16, (1, 1))), y))
    inner = net.quant(net.relu(net.conv(y, 24, (1, 1))))
    leaky = net.pointwise("LeakyRelu", net.quant(net.conv(inner, 24, strides=(2, 2), pads=PAD1)))
    y = hard_swish(net, net.conv(net.quant(leaky), 48, (1, 1)))
    pooled = net.flatten(net.quant(reduce_mean(net, y)))
    return net.quant(net.gemm(hard_swish(net, net.gemm(pooled, 40)), 10))


def tail(net: Layers, x: Tensor) -> Tensor:
    """A function of the input itself, one that two layers read, and one that ends the network."""
    y = net.quant(net.pointwise("Tanh", x))
    a, b = net.quant(net.conv(y, 8, pads=PAD1)), net.quant(net.conv(y, 8, (1, 1)))
    return net.quant(net.pointwise("Sigmoid", net.quant(net.add(a, b))))


NETWORKS = (
    Case("silu_network", silu_network, (8, 22, 18)),
    Case("mobile_network", mobile_network, (3, 24, 20), INT8),
    Case("tail", tail, (5, 9, 11), replace(UINT8, opset=21)),
)
MEANS = tuple(
    Case(
        f"mean_{opset}_{keep}",
        lambda net, x, keep=keep: net.quant(reduce_mean(net, x, keep=keep)),  # type: ignore[misc]
        (12, 7, 9),
        replace(UINT8, opset=opset),
    )
    for opset in (13, 18)
    for keep in (True, False)
)
