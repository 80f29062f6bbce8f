"""From `bsp` ops to layers: what a kernel does, apart from where its tensors lie."""

from __future__ import annotations

from dataclasses import replace

from compiler.ir import UI8, Op, TensorType, Value
from compiler.mapping.shapes import Layer, type_limits
from compiler.numerics import fits_bytes
from dialects import bsp

Windowed = bsp.Conv2dOp | bsp.DepthwiseOp | bsp.MaxPoolOp | bsp.AvgPoolOp
Kernels = Windowed | bsp.AddOp | bsp.MulOp | bsp.RequantizeOp | bsp.LookupOp
KERNEL_OPS = (*bsp.WINDOWED, bsp.AddOp, bsp.MulOp, bsp.RequantizeOp, bsp.LookupOp)
Pointwise = bsp.AddOp | bsp.MulOp | bsp.RequantizeOp | bsp.LookupOp
"""What reads of each operand just the pixel that it writes, or the only one that there is."""

_POINT = {"window": (1, 1), "strides": (1, 1), "pads": (0, 0, 0, 0), "dilations": (1, 1)}


def tensors_of(op: Kernels) -> tuple[Value[TensorType], ...]:
    """The activations a kernel reads, the main one first: of a pair that is the pixel which meets all others."""
    if isinstance(op, bsp.Conv2dOp):
        return (op.x,) if op.residual is None else (op.x, op.residual)
    if isinstance(op, bsp.AddOp | bsp.MulOp):
        return (op.b, op.a) if op.expands else (op.a, op.b)
    return (op.x,)


def result_of(op: Kernels) -> Value[TensorType]:
    """The activation a kernel writes."""
    return op.y


def _window(op: Kernels) -> dict[str, tuple[int, ...]]:
    if isinstance(op, Pointwise):
        # Whoever goes nowhere reads the same pixel again.
        expands = isinstance(op, bsp.AddOp | bsp.MulOp) and op.expands
        return _POINT | {"strides": (0, 0)} if expands else dict(_POINT)
    dilations = (1, 1) if isinstance(op, bsp.AvgPoolOp) else op.dilations
    return {"window": op.kernel, "strides": op.strides, "pads": op.pads, "dilations": dilations}


def _second(op: Kernels) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    """(zero of the second operand, mid, add)."""
    if isinstance(op, bsp.AddOp | bsp.MulOp):
        ma, mb, shift = op.add if isinstance(op, bsp.AddOp) else (0, 0, 0)
        return (op.a_zero, (0, 0, 0), (mb, ma, shift)) if op.expands else (op.b_zero, (0, 0, 0), (ma, mb, shift))
    if isinstance(op, bsp.Conv2dOp) and op.residual is not None:
        assert op.r_zero is not None and op.add is not None
        assert op.mid_zero is not None and op.mid_min is not None and op.mid_max is not None
        return op.r_zero, (op.mid_zero, op.mid_min, op.mid_max), op.add
    return 0, (0, 0, 0), (0, 0, 0)


def _clips(op: Kernels) -> bool:
    """Whether narrow results are int8 and held to their zero point: so are sums of 16 bits without a sign.

    A zero point above 0 could take their products out of 32 bits.
    """
    if not isinstance(op, bsp.Conv2dOp | bsp.DepthwiseOp) or op.exact or op.y.type.element == UI8:
        return False
    if isinstance(op, bsp.Conv2dOp) and op.residual is not None:
        return False
    low, high = type_limits(True)
    return low < op.y_min == op.y_zero <= 0 and op.y_max == high


def _zeros(op: Kernels) -> tuple[int, tuple[int, int, int]]:
    """(zero of the first operand, zero and bounds of the result); a table has its own in it."""
    if isinstance(op, bsp.LookupOp):
        return 0, (0, *op.quant.limits)
    out = op.y_zero, op.y_min, op.y_max
    if isinstance(op, bsp.AddOp | bsp.MulOp):
        return op.b_zero if op.expands else op.a_zero, out
    return op.x_zero, out


def layer_of(op: Kernels) -> Layer:
    """The layer an op stands for; where there is one output row or column, nothing strides."""
    inputs = tensors_of(op)
    shape, y_shape = inputs[0].type.shape, op.y.type.shape
    (x_zero, out), (r_zero, mid, add) = _zeros(op), _second(op)
    window = _window(op)
    window["strides"] = tuple(
        1 if size == 1 else step for size, step in zip(y_shape[1:3], window["strides"], strict=True)
    )
    scale: tuple[int, ...] = ()
    weight = params = ""
    kept = 0
    group: int | None = None
    if isinstance(op, bsp.Conv2dOp | bsp.DepthwiseOp):
        matrix = op.weight.op
        assert isinstance(matrix, bsp.WeightOp)
        weight, params, kept = matrix.symbol, op.requant, matrix.type.kept
        group = matrix.group if isinstance(op, bsp.Conv2dOp) else shape[3]
    elif isinstance(op, bsp.AvgPoolOp):
        params = op.scales
    elif isinstance(op, bsp.LookupOp):
        params = op.table
    elif isinstance(op, bsp.MaxPoolOp | bsp.RequantizeOp):
        scale = (op.multiplier, op.shift)
    layer = Layer(
        kernel=_kernel(op),
        channels=shape[3],
        out_height=y_shape[1],
        out_width=y_shape[2],
        out_channels=y_shape[3],
        x_signed=inputs[0].type.element != UI8,
        y_signed=op.y.type.element != UI8,
        r_signed=inputs[-1].type.element != UI8,
        x_zero=x_zero,
        r_zero=r_zero,
        mid=mid,
        out=out,
        add=add,
        operands=len(inputs),
        weight=weight,
        params=params,
        scale=scale,
        kept_blocks=kept,
        exact=isinstance(op, bsp.Conv2dOp | bsp.DepthwiseOp) and bool(op.exact),
        counted_pads=op.counted_pads if isinstance(op, bsp.AvgPoolOp) and op.count_include_pad else (0, 0, 0, 0),
        clips=_clips(op),
        combine_narrow=False,
        group=group,
        product=op.product if isinstance(op, bsp.MulOp) else (),
        **window,
    )
    a, b, shift = layer.factors
    return replace(layer, combine_narrow=layer.combines and not layer.product and fits_bytes((a, b), shift))


def _kernel(op: Kernels) -> str:
    return "expand" if isinstance(op, bsp.AddOp | bsp.MulOp) and op.expands else _KERNEL_OF[type(op)]


_KERNEL_OF: dict[type[Op], str] = {
    bsp.Conv2dOp: "conv",
    bsp.DepthwiseOp: "depthwise",
    bsp.AddOp: "add",
    bsp.MulOp: "mul",
    bsp.MaxPoolOp: "max_pool",
    bsp.AvgPoolOp: "avg_pool",
    bsp.RequantizeOp: "requantize",
    bsp.LookupOp: "lookup",
}
