"""The integer operations of `nn`, computed from the scales in their types."""

from __future__ import annotations

import numpy as np

from compiler import numerics
from compiler.ir import Module, TensorType, Value
from compiler.reference.kernels import Array, convolve_groups, largest, sums_and_counts
from dialects import bsp, nn
from dialects.quant import Quant


def quant(value: Value[TensorType]) -> Quant:
    """How the integers of a value are to be understood."""
    encoding = value.type.encoding
    assert isinstance(encoding, Quant), f"{value.type} has no scale"
    return encoding


def centred(array: Array, value: Value[TensorType]) -> Array:
    """An activation without its zero point."""
    return array.astype(np.int32) - quant(value).zero


def constant(op: nn.ConstantOp | bsp.ConstantOp, inputs: list[Array], module: Module) -> Array:
    """The numbers of the store."""
    return module.store[op.symbol]


def conv(op: nn.QConv2dOp, inputs: list[Array], module: Module) -> Array:
    """Convolution, int32 bias, one factor per output channel."""
    x, weights = quant(op.x), inputs[1]
    bias = inputs[2] if op.bias is not None else np.zeros(len(weights), np.int32)
    window = op.strides, op.pads, op.dilations
    acc = numerics.wrap_int32(convolve_groups(centred(inputs[0], op.x), weights, op.group or 1, *window) + bias)
    weight = op.weight.op
    assert isinstance(weight, nn.ConstantOp) and weight.scales is not None
    scales = x.scale, module.store[weight.scales], op.quant.scale
    ends = op.quant.zero, op.y_min, op.y_max
    if op.exact:
        factors = numerics.conv_requant(*scales)
        return numerics.requantise(acc, factors.multiplier, factors.shift, *ends).astype(op.quant.dtype)
    reach = numerics.conv_reach(weights, bias, x.zero, x.limits)
    narrow = numerics.narrow_requant(numerics.conv_factors(*scales), reach, op.quant.zero, op.quant.limits)
    assert narrow.first is not None
    y = numerics.requantise_narrow(acc, narrow.first, narrow.multiplier, narrow.shift, *ends)
    return y.astype(op.quant.dtype)


def add(op: nn.QAddOp, inputs: list[Array], module: Module) -> Array:
    """Addition with one common shift."""
    factors = numerics.add_factors(quant(op.a).scale, quant(op.b).scale, op.quant.scale, bool(op.exact))
    a, b = centred(inputs[0], op.a), centred(inputs[1], op.b)
    y = numerics.add_requantise(a, -b if op.subtract else b, factors, op.quant.zero, op.y_min, op.y_max)
    return y.astype(op.quant.dtype)


def multiply(op: nn.QMulOp, inputs: list[Array], module: Module) -> Array:
    """Product by a narrow factor."""
    ends = (quant(op.a), quant(op.b), op.quant)
    factors = numerics.product_factors(*((one.scale, one.zero, one.limits) for one in ends))
    a, b = centred(inputs[0], op.a), centred(inputs[1], op.b)
    y = numerics.product_requantise(a, b, factors, op.quant.zero, op.y_min, op.y_max)
    return y.astype(op.quant.dtype)


def max_pool(op: nn.MaxPoolOp, inputs: list[Array], module: Module) -> Array:
    """The largest under a window."""
    return largest(inputs[0], op.kernel, op.strides, op.pads, op.dilations)


def average_pool(op: nn.QAveragePoolOp, inputs: list[Array], module: Module) -> Array:
    """The mean under a window, a factor for each count, all at one shift."""
    counted = op.counted_pads if op.count_include_pad else (0, 0, 0, 0)
    total, counts = sums_and_counts(centred(inputs[0], op.x), op.kernel, op.strides, op.pads, counted)
    known = np.unique(counts[counts > 0])
    multipliers, shift = numerics.mean_factors(quant(op.x).scale, op.quant.scale, known.tolist(), op.times)
    row = np.searchsorted(known, np.maximum(counts, known[0]))
    mean = numerics.requantise_mean(total, np.array(multipliers)[row], shift, op.quant.zero, op.y_min, op.y_max)
    return mean.astype(op.quant.dtype)


def requantize(op: nn.RequantizeOp, inputs: list[Array], module: Module) -> Array:
    """From one scale to another."""
    factor = numerics.rescale_factor(quant(op.x).scale, op.quant.scale, bool(op.exact))
    x = centred(inputs[0], op.x)
    return numerics.requantise(x, *factor, op.quant.zero, op.y_min, op.y_max).astype(op.quant.dtype)


def lookup(op: nn.LookupOp | bsp.LookupOp, inputs: list[Array], module: Module) -> Array:
    """A table of bytes, read by the bits of each integer."""
    return module.store[op.table][inputs[0].view(np.uint8)].view(op.quant.dtype)


def concat(op: nn.ConcatOp | bsp.ConcatOp, inputs: list[Array], module: Module) -> Array:
    """Channels one after another."""
    return np.concatenate(inputs, axis=3)


def pad(op: nn.PadOp, inputs: list[Array], module: Module) -> Array:
    """Pixels of the zero point around an image."""
    top, left, bottom, right = op.pads
    return np.pad(inputs[0], ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=quant(op.x).zero)


def channels(op: nn.ChannelsOp, inputs: list[Array], module: Module) -> Array:
    """Some channels in some order, and zero points."""
    index = np.array(op.index)
    return np.where(index < 0, np.array(quant(op.x).zero, inputs[0].dtype), inputs[0][..., index])


def interleave(op: nn.InterleaveOp | bsp.InterleaveOp, inputs: list[Array], module: Module) -> Array:
    """Pixels of each input sy rows and sx columns apart."""
    down, across = op.steps
    _, height, width, count = op.y.type.shape
    whole = np.empty((1, height, width, count), inputs[0].dtype)
    for number, part in enumerate(inputs):
        whole[:, number // across :: down, number % across :: across] = part
    return whole
