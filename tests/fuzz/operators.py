"""Every operator that graphs are drawn of; those that only move data are in `tests.fuzz.moves`.

Each takes a quantised image [1, C, H, W] and gives one, or None where it does not fit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.fuzz.moves import MOVES
from tests.fuzz.sketch import Operator, Sketch, integers
from tests.netbuilder import Tensor

CHANNELS = (8, 16, 3, 5, 12, 24, 32, 40)
KERNELS = ((1, 1), (3, 3), (2, 2), (1, 3), (3, 1), (5, 5), (1, 7))
SPARSITIES = (0.0, 0.5, 0.9)


def window(net: Sketch, x: Tensor, *, dilate: bool = True, pad: bool = True) -> dict[str, tuple[int, ...]] | None:
    """Kernel, strides, pads and dilations that have a result."""
    choices = net.choices
    kernel, stride = choices.one_of(KERNELS), choices.one_of((1, 2, 3))
    reach = choices.one_of((1, 2)) if dilate else 1
    pads = tuple(min(choices.integer(0, 2), kernel[axis % 2] - 1) if pad else 0 for axis in range(4))
    for axis in range(2):
        if x.shape[2 + axis] + pads[axis] + pads[axis + 2] < reach * (kernel[axis] - 1) + 1:
            return None
    found = {"kernel_shape": kernel, "strides": (stride, stride), "pads": pads}
    return {**found, "dilations": (reach, reach)} if dilate else found


def activated(net: Sketch, y: Tensor) -> Tensor:
    """The result of a convolution or an addition, perhaps behind an activation, quantised."""
    kind = net.choices.one_of(("none", "relu", "clip"))
    return net.quant(net.relu(y) if kind == "relu" else net.clip(y) if kind == "clip" else y)


def conv(net: Sketch, x: Tensor) -> Tensor | None:
    found, out = window(net, x), net.choices.one_of(CHANNELS)
    if found is None:
        return None
    weight = net.draw_weight((out, x.channels, *found["kernel_shape"]), net.choices.one_of(SPARSITIES))
    return activated(net, net.weighted("Conv", x, weight, 0, bias=out * net.choices.integer(0, 1), **found))


def grouped(net: Sketch, x: Tensor) -> Tensor | None:
    groups = [one for one in (x.channels, 2, 3, 4, 5, 8) if x.channels % one == 0 and one > 1]
    found = window(net, x)
    if not groups or found is None:
        return None
    group = net.choices.one_of(groups)
    out = group * net.choices.one_of((1, 1, 2, 8) if group > 8 else (x.channels // group, 1, 8))
    weight = net.draw_weight((out, x.channels // group, *found["kernel_shape"]), 0.0)
    return activated(
        net, net.weighted("Conv", x, weight, 0, bias=out * net.choices.integer(0, 1), group=group, **found)
    )


def conv_transpose(net: Sketch, x: Tensor) -> Tensor | None:
    out, stride = net.choices.one_of(CHANNELS[:4]), net.choices.one_of((2, 1, 3))
    kernel = net.choices.one_of(((2, 2), (3, 3), (4, 4)))
    pads = tuple(min(net.choices.integer(0, 1), kernel[0] - 1) for _ in range(4))
    sizes = [(x.shape[2 + axis] - 1) * stride + kernel[axis] - pads[axis] - pads[axis + 2] for axis in range(2)]
    if min(sizes) < 1 or max(sizes) > 40:
        return None
    weight = np.ascontiguousarray(net.draw_weight((out, x.channels, *kernel), 0.0).transpose(1, 0, 2, 3))
    settings = {"kernel_shape": kernel, "strides": (stride, stride), "pads": pads}
    return activated(net, net.weighted("ConvTranspose", x, weight, 1, bias=out * net.choices.integer(0, 1), **settings))


def max_pool(net: Sketch, x: Tensor) -> Tensor | None:
    found = window(net, x)
    if found is None or any(p >= k for p, k in zip(found["pads"], found["kernel_shape"] * 2, strict=True)):
        return None
    if net.style.opset < 10 and found["dilations"] != (1, 1):
        return None
    if net.floats and min(x.shape[2:]) < max(found["dilations"]):
        return (
            None  # a window may lie over padding alone, whose float maximum is the lowest float: no range to quantise
        )
    return net.moved("MaxPool", x, **found)


def average_pool(net: Sketch, x: Tensor) -> Tensor | None:
    found = window(net, x, dilate=False)
    if found is None:
        return None
    return net.quant(net.apply("AveragePool", x, count_include_pad=net.choices.integer(0, 1), **found))


def global_average(net: Sketch, x: Tensor) -> Tensor | None:
    if net.choices.flag():
        return net.quant(net.apply("GlobalAveragePool", x))
    if net.style.opset < 18:
        return net.quant(net.apply("ReduceMean", x, axes=(2, 3), keepdims=1))
    return net.quant(net.apply("ReduceMean", x, np.array([2, 3], np.int64), keepdims=1))


def squeeze_excite(net: Sketch, x: Tensor) -> Tensor | None:
    """A scale for each channel that is computed from the image."""
    pooled = net.quant(net.apply("GlobalAveragePool", x))
    weight = net.draw_weight((x.channels, x.channels, 1, 1), 0.0)
    gate = net.quant(net.weighted("Conv", pooled, weight, 0, bias=0, kernel_shape=(1, 1)))
    kind = net.choices.one_of(("Sigmoid", "HardSigmoid"))
    return net.quant(net.apply("Mul", x, net.quant(net.apply(kind, gate))))


def residual(net: Sketch, x: Tensor) -> Tensor | None:
    weight = net.draw_weight((x.channels, x.channels, 3, 3), net.choices.one_of(SPARSITIES))
    y = net.quant(net.weighted("Conv", x, weight, 0, bias=0, kernel_shape=(3, 3), pads=(1, 1, 1, 1)))
    kind = net.choices.one_of(("Add", "Mul", "Sub"))
    return activated(net, net.apply(kind, *((x, y) if net.choices.flag() else (y, x))))


def branches(net: Sketch, x: Tensor) -> Tensor | None:
    parts = [x] if net.choices.flag() else []
    for _ in range(2):
        out = net.choices.one_of(CHANNELS[:5])
        weight = net.draw_weight((out, x.channels, 1, 1), 0.0)
        parts.append(net.weighted("Conv", x, weight, 0, bias=0, kernel_shape=(1, 1)))
    if net.choices.flag() and len(parts) == 2:
        return net.concat_equal(*parts)
    return net.quant(net.concat(*(one if one.int_name else net.quant(one) for one in parts)))


def with_constant(net: Sketch, x: Tensor) -> Tensor | None:
    """A constant for all or for each channel; where bytes are to be equal, one that leaves scales powers of two."""
    shape, kind = net.choices.one_of(((), (1, x.channels, 1, 1))), net.choices.one_of(("Mul", "Add", "Sub", "Div"))
    value = np.asarray(net.rng.standard_normal(shape) + 1.5)
    if net.style.pow2:
        value = 2.0 * np.sign(value) if kind in ("Mul", "Div") else np.rint(16 * value) / 16
    return net.quant(net.apply(kind, x, np.asarray(value, np.float32)))


def other_input(net: Sketch, x: Tensor) -> Tensor | None:
    other = net.another_input(net.choices.one_of((x.shape[1:], (x.channels, 1, 1))))
    return net.quant(net.apply(net.choices.one_of(("Add", "Mul", "Sub")), x, other))


def table(net: Sketch, x: Tensor) -> Tensor | None:
    kinds = ["Sigmoid", "Tanh", "LeakyRelu", "HardSigmoid", "Elu", "Softplus", "Erf", "Abs", "Neg", "Exp"]
    kinds += ["Softsign"] + ["HardSwish"] * (net.style.opset >= 14) + ["Mish"] * (net.style.opset >= 18)
    positive = ["Log", "Sqrt", "Reciprocal"]
    kind = net.choices.one_of([*kinds, *positive])
    return net.quant(net.apply(kind, net.apply("Softplus", x) if kind in positive else x))


def silu(net: Sketch, x: Tensor) -> Tensor | None:
    gate = net.apply("Sigmoid", x)
    return net.quant(net.apply("Mul", x, net.quant(gate) if net.choices.flag() else gate))


def hard_swish(net: Sketch, x: Tensor) -> Tensor | None:
    """As Add, Clip, Mul and Div."""
    three, six = np.array(3, np.float32), np.array(6, np.float32)
    gate = net.apply("Clip", net.apply("Add", x, three), np.array(0, np.float32), six)
    return net.quant(net.apply("Div", net.apply("Mul", x, gate), six))


def gelu(net: Sketch, x: Tensor) -> Tensor | None:
    """x * (1 + erf(x / sqrt 2)) / 2, written out."""
    inner = net.apply("Erf", net.apply("Div", x, np.array(np.sqrt(2.0), np.float32)))
    outer = net.apply("Mul", x, net.apply("Add", inner, np.array(1, np.float32)))
    return net.quant(net.apply("Mul", outer, np.array(0.5, np.float32)))


def prelu(net: Sketch, x: Tensor) -> Tensor | None:
    shape = net.choices.one_of(((1,), (x.channels, 1, 1)))
    return net.quant(net.apply("PRelu", x, net.rng.uniform(0.05, 0.5, shape).astype(np.float32)))


def host_norm(net: Sketch, x: Tensor) -> Tensor | None:
    """Something that only the host does."""
    ones, zeros = np.ones(x.channels, np.float32), np.zeros(x.channels, np.float32)
    return net.quant(net.apply("InstanceNormalization", x, ones, zeros))


def row(net: Sketch, x: Tensor) -> Tensor | None:
    """A convolution of one dimension over all pixels, one after another."""
    pixels = x.shape[2] * x.shape[3]
    flat = net.moved("Reshape", x, integers(0, x.channels, pixels))
    kernel, stride = net.choices.one_of((3, 1, 2, 7)), net.choices.one_of((1, 2))
    pads = (net.choices.integer(0, kernel - 1), net.choices.integer(0, kernel - 1))
    if pixels + sum(pads) < kernel:
        return None
    group = x.channels if net.choices.flag() else 1
    out = x.channels if group > 1 else net.choices.one_of(CHANNELS)
    weight = net.draw_weight((out, x.channels // group, kernel), 0.0)
    settings = {"kernel_shape": (kernel,), "strides": (stride,), "pads": pads, "group": group}
    y = activated(net, net.weighted("Conv", flat, weight, 0, bias=out * net.choices.integer(0, 1), **settings))
    return net.moved("Unsqueeze", y, integers(2))


def mean(net: Sketch, x: Tensor) -> Tensor | None:
    """ReduceMean over some axes, their places kept, or lost and made anew."""
    axes = net.choices.one_of(((2, 3), (2,), (3,), (-1, -2), (1,)))
    keep = net.choices.flag()
    if net.style.opset < 18:
        y = net.quant(net.apply("ReduceMean", x, axes=axes, keepdims=int(keep)))
    else:
        y = net.quant(net.apply("ReduceMean", x, integers(*axes), keepdims=int(keep)))
    return y if keep else net.moved("Unsqueeze", y, integers(*sorted(axis % 4 for axis in axes)))


def extremes(net: Sketch, x: Tensor) -> Tensor | None:
    """Global maxima, or the smaller and larger of a tensor and a bound or another tensor."""
    kind = net.choices.one_of(("GlobalMaxPool", "Min", "Max", "Clip"))
    if kind == "GlobalMaxPool":
        return net.moved(kind, x)
    if kind == "Clip":
        low, high = np.array(-0.5, np.float32), np.array(1.0, np.float32)
        y = net.apply(kind, x, low) if net.choices.flag() else net.apply(kind, x, None, high)
        return net.quant(y)
    other = net.draw_weight((x.channels, x.channels, 1, 1), 0.0) if net.choices.flag() else None
    if other is None:
        return net.quant(net.apply(kind, x, np.array(0.25, np.float32)))
    return net.quant(net.apply(kind, x, net.quant(net.weighted("Conv", x, other, 0, bias=0, kernel_shape=(1, 1)))))


def ceiled_pool(net: Sketch, x: Tensor) -> Tensor | None:
    """Pools whose last window may lie over the end, or whose padding follows from their input."""
    kind, size, stride = net.choices.one_of(("MaxPool", "AveragePool")), net.choices.one_of((2, 3)), 2
    if min(x.shape[2:]) < size:
        return None
    settings: dict[str, Any] = {"kernel_shape": (size, size), "strides": (stride, stride)}
    if net.choices.flag():
        settings["ceil_mode"] = 1
    else:
        settings["auto_pad"] = net.choices.one_of(("SAME_UPPER", "SAME_LOWER", "VALID"))
    return net.moved(kind, x, **settings) if kind == "MaxPool" else net.quant(net.apply(kind, x, **settings))


def inner_quantised(net: Sketch, x: Tensor) -> Tensor | None:
    """QLinearConv."""
    if net.floats:
        return None
    kernel, stride = net.choices.one_of(((1, 1), (3, 3))), net.choices.one_of((1, 2))
    pads = (kernel[0] // 2,) * 4
    pads = (pads[0], pads[1], pads[2], pads[3])
    group = x.channels if net.choices.flag() else 1
    out = x.channels if group > 1 else net.choices.one_of(CHANNELS[:4])
    relu = net.choices.flag()
    return net.qlinear_conv(x, out, kernel, strides=(stride, stride), pads=pads, group=group, relu=relu)


def norm(net: Sketch, x: Tensor) -> Tensor | None:
    """A batch norm behind a convolution, or behind a quantised tensor."""
    if net.style.pow2 and not net.floats:
        return None  # its factors go into scales, which then are no powers of two
    weight = net.draw_weight((x.channels, x.channels, 1, 1), 0.0)
    y = net.weighted("Conv", x, weight, 0, bias=0, kernel_shape=(1, 1)) if net.choices.flag() else x
    values = [net.rng.uniform(0.5, 1.5, x.channels).astype(np.float32) for _ in range(4)]
    return activated(net, net.apply("BatchNormalization", y, *values))


def chain(net: Sketch, x: Tensor) -> Tensor | None:
    """Several functions of one number one behind another, without Q and DQ between them."""
    kinds = ("Relu", "Abs", "Neg", "Sigmoid", "Tanh", "Softplus", "Round", "Floor", "Ceil", "Sign")
    y = x
    for _ in range(net.choices.integer(1, 3)):
        y = net.apply(net.choices.one_of(kinds), y)
    return net.quant(y)


def twice(net: Sketch, x: Tensor) -> Tensor | None:
    """A tensor with itself."""
    return net.quant(net.apply(net.choices.one_of(("Add", "Mul", "Sub", "Max")), x, x))


OPERATORS: tuple[Operator, ...] = (
    conv, residual, branches, max_pool, average_pool, global_average, grouped, conv_transpose, squeeze_excite,
    with_constant, other_input, table, silu, hard_swish, gelu, prelu, host_norm, row, mean, extremes, ceiled_pool,
    inner_quantised, norm, chain, twice, *MOVES,
)  # fmt: skip


def softmax(net: Sketch, x: Tensor) -> Tensor:
    return net.apply("Softmax", x, axis=1)


def gemm(net: Sketch, x: Tensor) -> Tensor:
    """A dense layer over the whole image, or two."""
    flat, out = net.moved("Flatten", x), net.choices.one_of((10, 16))
    kind = net.choices.one_of(("gemm", "scaled", "matmul", "int32", "int8", "two"))
    if kind == "scaled":
        weight = net.draw_weight((out, flat.channels), 0.0)
        return net.quant(net.weighted("Gemm", flat, weight, 0, bias=out, transB=1, alpha=0.5, beta=-2.0))
    if kind in ("matmul", "int32", "int8"):
        return net.quant(net.matmul(flat, out, bias=kind if kind in ("int8", "int32") and not net.floats else ""))
    y = net.quant(net.gemm(flat, out, trans_b=net.choices.flag()))
    return net.quant(net.gemm(net.quant(net.relu(y)), 7)) if kind == "two" else y


def transposed(net: Sketch, x: Tensor) -> Tensor:
    return net.moved("Transpose", x, perm=(0, 2, 3, 1))


HEADS: tuple[Callable[[Sketch, Tensor], Tensor], ...] = (lambda net, x: x, gemm, softmax, transposed)
