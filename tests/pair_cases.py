"""Small models of sums, differences and products of two tensors, or of one and a constant, by name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tests.model_cases import INT8, PAD1, SYMMETRIC, UINT8, Case
from tests.netbuilder import Array, Floats, Style, Tensor
from tests.netlayers import Layers


def pair(net: Layers, kind: str, x: Tensor, y: Tensor) -> Tensor:
    return net.quant(net.pointwise(kind, x, y))


def with_numbers(net: Layers, kind: str, x: Tensor, numbers: Floats, *, first: bool = False) -> Tensor:
    """A float constant beside a tensor, before or behind it, between DQ and Q."""
    value = net.evaluate(kind, [numbers, x.value] if first else [x.value, numbers])
    names = [net.read(x), net.const(numbers, "number")]
    return Tensor(value, float_name=net.emit(kind, names[::-1] if first else names))


def quantised(net: Layers, kind: str, x: Tensor, numbers: Floats, *, first: bool = False) -> Tensor:
    """The same with the constant through DequantizeLinear."""
    scale, zero = net.parameters([numbers])
    step, middle = float(net.constant(scale)), int(net.constant(zero))
    low, high = (-128, 127) if net.style.dtype == "int8" else (0, 255)
    rounded = np.clip(np.rint(numbers / step) + middle, low, high)
    integers: Array = np.asarray(rounded, net.style.dtype)
    real = np.asarray((rounded - middle) * step, np.float32)
    name = net.emit("DequantizeLinear", [net.const(integers, "constant"), scale, zero])
    value = net.evaluate(kind, [real, x.value] if first else [x.value, real])
    names = [net.read(x), name]
    return Tensor(value, float_name=net.emit(kind, names[::-1] if first else names))


def pixel_of(net: Layers, x: Tensor, channels: int = 0) -> Tensor:
    """Squeeze and excitation: a number from 0 to 1 for each channel."""
    y = net.quant(net.global_average_pool(x))
    y = net.quant(net.relu(net.conv(y, 8, (1, 1))))
    return net.quant(net.clip(net.conv(y, channels or x.channels, (1, 1)), 0.0, 1.0))


def squeeze_and_excitation(net: Layers, x: Tensor) -> Tensor:
    y = net.quant(net.relu(net.conv(x, 24, pads=PAD1)))
    y = pair(net, "Mul", y, pixel_of(net, y))
    return net.quant(net.conv(y, 16, (1, 1)))


def products(net: Layers, x: Tensor) -> Tensor:
    a, b = (net.quant(net.conv(x, 24, pads=PAD1)) for _ in range(2))
    return net.quant(net.relu(net.pointwise("Mul", a, b)))


def differences(net: Layers, x: Tensor) -> Tensor:
    a, b = (net.quant(net.conv(x, 16, (1, 1))) for _ in range(2))
    return pair(net, "Sub", pair(net, "Sub", a, b), x)


def attended(net: Layers, x: Tensor) -> Tensor:
    """A number for each pixel."""
    gate = net.quant(net.clip(net.conv(x, 1, (3, 3), pads=PAD1), 0.0, 1.0))
    return pair(net, "Mul", gate, x)


def one_number(net: Layers, x: Tensor) -> Tensor:
    """A tensor of one number that meets all others."""
    return pair(net, "Mul", x, net.quant(net.conv(net.quant(net.global_average_pool(x)), 1, (1, 1))))


def numbers_of(net: Layers, shape: Sequence[int], scale: float = 1.0) -> Floats:
    """Sixteenths, so that sums of powers of two stay exact."""
    drawn = scale * np.rint(16 * net.rng.standard_normal(tuple(shape))) / 16
    rounded: Floats = np.asarray(drawn, np.float32)
    return rounded


def powers_of(net: Layers, channels: int) -> Floats:
    """One power of two for each block of 8 channels, of either sign in each of them."""
    blocks = 2.0 ** net.rng.integers(-2, 2, -(-channels // 8))
    signs = net.rng.choice([-1.0, 1.0], channels)
    drawn: Floats = np.asarray(np.repeat(blocks, 8)[:channels] * signs, np.float32)
    return drawn.reshape(-1, 1, 1)


def batch_norm(net: Layers, x: Tensor) -> Tensor:
    """By a power of two in each block: the variance and ONNX's own epsilon make 1."""
    channels = x.channels
    scale = np.abs(powers_of(net, channels)).reshape(-1)
    signs = net.rng.choice([-1.0, 1.0], channels)
    parts = [(scale * signs).astype(np.float32), numbers_of(net, (channels,)), numbers_of(net, (channels,))]
    parts.append(np.full(channels, 1 - 1e-5, np.float32))
    value = net.evaluate("BatchNormalization", [x.value, *parts])
    names = [net.const(part, "norm") for part in parts]
    return Tensor(value, float_name=net.emit("BatchNormalization", [net.read(x), *names]))


def affine(net: Layers, x: Tensor) -> Tensor:
    """All four operations with a number, and with one for each channel."""
    x = net.quant(with_numbers(net, "Mul", x, powers_of(net, x.channels)))
    x = net.quant(with_numbers(net, "Add", x, numbers_of(net, (x.channels, 1, 1))))
    x = net.quant(with_numbers(net, "Sub", x, numbers_of(net, (1, x.channels, 1, 1)), first=True))
    x = net.quant(with_numbers(net, "Div", x, np.array(4.0, np.float32)))
    return net.quant(with_numbers(net, "Sub", x, np.array([0.5], np.float32)))


def stored(net: Layers, x: Tensor) -> Tensor:
    """The same with quantised constants: for each channel, for each number, one for all."""
    x = net.quant(quantised(net, "Mul", x, numbers_of(net, (x.channels, 1, 1))))
    x = net.quant(quantised(net, "Sub", x, numbers_of(net, (1, x.channels, 1, 1)), first=True))
    x = net.quant(quantised(net, "Mul", x, numbers_of(net, (1, *x.shape[1:]), 0.5), first=True))
    x = net.quant(quantised(net, "Add", x, np.array(0.75, np.float32)))
    return net.quant(quantised(net, "Sub", x, numbers_of(net, (x.channels, 1, 1))))


def folded(net: Layers, x: Tensor) -> Tensor:
    """What follows a convolution without a Q between becomes part of it."""
    x = net.quant(batch_norm(net, net.conv(x, 16, pads=PAD1)))
    x = net.quant(quantised(net, "Sub", net.conv(x, 16, (1, 1), bias=False), numbers_of(net, (16, 1, 1))))
    return net.quant(with_numbers(net, "Mul", net.conv(x, 16, (1, 1)), np.array(0.5, np.float32)))


def sums_with_a_pixel(net: Layers, x: Tensor) -> Tensor:
    y = pair(net, "Add", pixel_of(net, x), net.quant(net.conv(x, 16, (1, 1))))
    y = pair(net, "Sub", pixel_of(net, y), y)
    return pair(net, "Sub", y, pixel_of(net, y))


PAIR_CASES = (
    Case("products", products),
    Case("products_signed", products, (16, 11, 6), INT8),
    Case("square", lambda net, x: pair(net, "Mul", x, x), style=SYMMETRIC),
    Case("differences", differences, style=INT8),
    Case("differences_unsigned", differences),
    Case("squeeze_and_excitation", squeeze_and_excitation),
    Case("squeeze_and_excitation_signed", squeeze_and_excitation, (16, 14, 15), INT8),
    Case("squeeze_of_odd_channels", lambda net, x: pair(net, "Mul", x, pixel_of(net, x)), (11, 7, 5)),
    Case("sums_with_a_pixel", sums_with_a_pixel, style=INT8),
    Case("attended", attended),
    Case("one_number", one_number, style=INT8),
    Case("affine", affine),
    Case("affine_signed", affine, (11, 6, 7), INT8),
    Case("stored", stored),
    Case("stored_symmetric", stored, (20, 5, 6), SYMMETRIC),
    Case("batch_norm", lambda net, x: net.quant(batch_norm(net, x)), style=INT8),
    Case("folded", folded, style=Style(dtype="int8", opset=15)),
    Case("last_axis", lambda net, x: pair(net, "Mul", x, pixel_of(net, x)), style=UINT8, nhwc="int"),
)
