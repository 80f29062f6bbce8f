"""The operations of `bsp`, computed from their integer factors and kept blocks."""

from __future__ import annotations

import numpy as np

from compiler import numerics
from compiler.blocks import unpack, unpack_channels
from compiler.ir import Module
from compiler.reference.kernels import Array, convolve, convolve_groups, largest, sums_and_counts
from dialects import bsp


def weight(op: bsp.WeightOp, inputs: list[Array], module: Module) -> Array:
    """The dense weights [O, KH, KW, I] that the kept blocks say."""
    out, channels, kh, kw = op.type.shape
    blocks, index = (module.store[f"{op.symbol}.{name}"] for name in bsp.MATRIX)
    if op.type.block == (8, 1):
        return unpack_channels(blocks, index, (out, kh, kw))[..., None]
    return unpack(blocks, index, (out, kh, kw, channels))


def minus(array: Array, zero: int) -> Array:
    """An activation without its zero point."""
    return array.astype(np.int32) - zero


def conv(op: bsp.Conv2dOp, inputs: list[Array], module: Module) -> Array:
    """Convolution with its epilogue: bias, factor, clamp; then the residual, its factor, its clamp."""
    out = op.weight.type.shape[0]
    total = convolve(minus(inputs[0], op.x_zero), inputs[1], op.strides, op.pads, op.dilations)
    acc = numerics.wrap_int32(total + module.store[f"{op.requant}.bias"][:out])
    if op.residual is None:
        return first_stage(op, acc, op.y_zero, op.y_min, op.y_max, module).astype(op.quant.dtype)
    assert op.mid_zero is not None and op.mid_min is not None and op.mid_max is not None
    assert op.add is not None and op.r_zero is not None
    q = first_stage(op, acc, op.mid_zero, op.mid_min, op.mid_max, module)
    ma, mb, common = op.add
    residual = minus(inputs[2], op.r_zero)
    y = numerics.add_requantise(q - op.mid_zero, residual, (ma, mb, common), op.y_zero, op.y_min, op.y_max)
    return y.astype(op.quant.dtype)


def depthwise(op: bsp.DepthwiseOp, inputs: list[Array], module: Module) -> Array:
    """Convolution of each channel by itself: bias, factor, clamp."""
    x, channels = minus(inputs[0], op.x_zero), op.weight.type.shape[0]
    total = convolve_groups(x, inputs[1], channels, op.strides, op.pads, op.dilations)
    acc = numerics.wrap_int32(total + module.store[f"{op.requant}.bias"][:channels])
    return first_stage(op, acc, op.y_zero, op.y_min, op.y_max, module).astype(op.quant.dtype)


def first_stage(
    op: bsp.Conv2dOp | bsp.DepthwiseOp, acc: Array, zero: int, low: int, high: int, module: Module
) -> Array:
    """Sums as a convolution scales them, by one shift or by two."""
    multiplier, shift = (module.store[f"{op.requant}.{name}"][: acc.shape[-1]] for name in ("multiplier", "shift"))
    if op.exact:
        return numerics.requantise(acc, multiplier, shift, zero, low, high)
    first = module.store[f"{op.requant}.first"][: acc.shape[-1]]
    return numerics.requantise_narrow(acc, first, multiplier, shift, zero, low, high)


def add(op: bsp.AddOp, inputs: list[Array], module: Module) -> Array:
    """Addition with one common shift."""
    ma, mb, shift = op.add
    a, b = minus(inputs[0], op.a_zero), minus(inputs[1], op.b_zero)
    y = numerics.add_requantise(a, b, (ma, mb, shift), op.y_zero, op.y_min, op.y_max)
    return y.astype(op.quant.dtype)


def multiply(op: bsp.MulOp, inputs: list[Array], module: Module) -> Array:
    """Product by a narrow factor."""
    a, b = minus(inputs[0], op.a_zero), minus(inputs[1], op.b_zero)
    return numerics.product_requantise(a, b, op.product, op.y_zero, op.y_min, op.y_max).astype(op.quant.dtype)


def max_pool(op: bsp.MaxPoolOp, inputs: list[Array], module: Module) -> Array:
    """The largest under a window, then the factor."""
    found = largest(inputs[0], op.kernel, op.strides, op.pads, op.dilations)
    return scaled(op, minus(found, op.x_zero))


def scaled(op: bsp.MaxPoolOp | bsp.RequantizeOp, x: Array) -> Array:
    """The factor and the clamp of an operation."""
    y = numerics.requantise(x, op.multiplier, op.shift, op.y_zero, op.y_min, op.y_max)
    return y.astype(op.quant.dtype)


def requantize(op: bsp.RequantizeOp, inputs: list[Array], module: Module) -> Array:
    """From one scale to another."""
    return scaled(op, minus(inputs[0], op.x_zero))


def average_pool(op: bsp.AvgPoolOp, inputs: list[Array], module: Module) -> Array:
    """The mean under a window, its factor looked up by the count."""
    counted = op.counted_pads if op.count_include_pad else (0, 0, 0, 0)
    total, counts = sums_and_counts(minus(inputs[0], op.x_zero), op.kernel, op.strides, op.pads, counted)
    table = [module.store[f"{op.scales}.{name}"] for name in ("count", "multiplier", "shift")]
    row = np.searchsorted(table[0], np.maximum(counts, table[0][0]))
    y = numerics.requantise_mean(total, table[1][row], table[2][row], op.y_zero, op.y_min, op.y_max)
    return y.astype(op.quant.dtype)


def rows(op: bsp.RowsOp, inputs: list[Array], module: Module) -> Array:
    """Some rows of an activation."""
    return inputs[0][:, op.first : op.last]


def blocks(op: bsp.BlocksOp, inputs: list[Array], module: Module) -> Array:
    """Some channels of an activation."""
    return inputs[0][..., 8 * op.first : 8 * op.first + op.channels]


def stack(op: bsp.StackOp, inputs: list[Array], module: Module) -> Array:
    """Rows one below another."""
    return np.concatenate(inputs, axis=1)
