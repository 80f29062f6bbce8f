"""Every operator that graphs are drawn of.

Each takes a quantised image [1, C, H, W] and gives one, or None where it does not fit.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.fuzz.sketch import Sketch
from tests.netbuilder import Tensor

Operator = Callable[[Sketch, Tensor], Tensor | None]

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
    shape = net.choices.one_of(((), (1, x.channels, 1, 1)))
    value = (net.rng.standard_normal(shape) + 1.5).astype(np.float32)
    return net.quant(net.apply(net.choices.one_of(("Mul", "Add", "Sub", "Div")), x, np.asarray(value)))


def other_input(net: Sketch, x: Tensor) -> Tensor | None:
    other = net.another_input(net.choices.one_of((x.shape[1:], (x.channels, 1, 1))))
    return net.quant(net.apply(net.choices.one_of(("Add", "Mul", "Sub")), x, other))


def table(net: Sketch, x: Tensor) -> Tensor | None:
    kinds = ["Sigmoid", "Tanh", "LeakyRelu", "HardSigmoid", "Elu", "Softplus", "Erf", "HardSwish", "Abs", "Neg", "Exp"]
    return net.quant(net.apply(net.choices.one_of(kinds), x))


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


def resize(net: Sketch, x: Tensor) -> Tensor | None:
    high, wide = net.choices.integer(1, 3), net.choices.integer(1, 3)
    if max(x.shape[2] * high, x.shape[3] * wide) > 40:
        return None
    scales = np.array([1, 1, high, wide], np.float32)
    settings = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return net.moved("Resize", x, *((None, scales)), **settings)  # type: ignore[arg-type]


def depth_to_space(net: Sketch, x: Tensor) -> Tensor | None:
    if x.channels % 4:
        return None
    return net.moved("DepthToSpace", x, blocksize=2, mode=net.choices.one_of(("DCR", "CRD")))


def pad(net: Sketch, x: Tensor) -> Tensor | None:
    sizes = [net.choices.integer(0, 2) for _ in range(4)]
    mode = net.choices.one_of(("constant", "constant", "edge"))
    return net.moved("Pad", x, np.array([0, 0, *sizes[:2], 0, 0, *sizes[2:]], np.int64), mode=mode)


def sliced(net: Sketch, x: Tensor) -> Tensor | None:
    axis = net.choices.integer(1, 3)
    first = net.choices.integer(0, x.shape[axis] - 1)
    last = net.choices.integer(first + 1, x.shape[axis])
    step = net.choices.one_of((1, 2))
    numbers = [np.array([one], np.int64) for one in (first, last, axis, step)]
    return net.moved("Slice", x, *numbers)


def split(net: Sketch, x: Tensor) -> Tensor | None:
    if x.channels < 2:
        return None
    first = net.choices.integer(1, x.channels - 1)
    parts = net.several("Split", 2, x, np.array([first, x.channels - first], np.int64), axis=1)
    one, other = (net.quant(part, like=x) for part in parts)
    return net.quant(net.concat(other, one), like=x) if net.choices.flag() else one


def host_norm(net: Sketch, x: Tensor) -> Tensor | None:
    """Something that only the host does."""
    ones, zeros = np.ones(x.channels, np.float32), np.zeros(x.channels, np.float32)
    return net.quant(net.apply("InstanceNormalization", x, ones, zeros))


def reshaped(net: Sketch, x: Tensor) -> Tensor | None:
    """There and back through a vector."""
    flat = net.moved("Reshape", x, np.array([0, -1], np.int64))
    return net.moved("Reshape", flat, np.array([0, *x.shape[1:]], np.int64))


OPERATORS: tuple[Operator, ...] = (
    conv, residual, branches, max_pool, average_pool, global_average, grouped, conv_transpose, squeeze_excite,
    with_constant, other_input, table, silu, hard_swish, gelu, prelu, resize, depth_to_space, pad, sliced, split,
    host_norm, reshaped,
)  # fmt: skip


def softmax(net: Sketch, x: Tensor) -> Tensor:
    return net.apply("Softmax", x, axis=1)


def gemm(net: Sketch, x: Tensor) -> Tensor:
    """A dense layer over the whole image."""
    flat = net.moved("Flatten", x)
    return net.quant(net.gemm(flat, net.choices.one_of((10, 16))))


def transposed(net: Sketch, x: Tensor) -> Tensor:
    return net.moved("Transpose", x, perm=(0, 2, 3, 1))


HEADS: tuple[Callable[[Sketch, Tensor], Tensor], ...] = (lambda net, x: x, gemm, softmax, transposed)
