"""`fold-quantization`: floats between Q and DQ become integers with scales in their types.

Q is monotone, so it moves up through max_pool, clamps and what only moves numbers; DQ moves down through the same;
then every float operation that is left stands between DQ and Q and has an integer twin.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from compiler.errors import Limit, Location, Reason, UnsupportedModel, fuse
from compiler.ir import (
    I32,
    Module,
    Op,
    Rewriter,
    TensorType,
    Value,
    apply_patterns,
    module_of,
    rewrites,
)
from compiler.numerics import conv_factors, conv_reach, narrow_error, narrow_requant, quantize_input, room_of
from compiler.pass_manager import Pass, Stage, option
from dialects import nn
from dialects.quant import Quant, is_quantised, quant_of

if TYPE_CHECKING:
    from compiler.target import Target


COARSE = 1 / 8
"""Steps by which results may be off before their rounding for narrow factors: more shows in a network's accuracy."""


class Requantize(Enum):
    """How results are scaled: sums by factors of 15 bits after a shift, bytes by such factors, or all by 30 bits."""

    FAST = "fast"
    EXACT = "exact"


def bound(value: float, quant: Quant) -> int:
    """The integer that QuantizeLinear gives for a bound of a clamp; an infinite one saturates."""
    return int(quantize_input(np.array(value, np.float32), quant.scale, quant.zero, quant.dtype))


def tightened(q: nn.QuantizeOp, low: int, high: int) -> tuple[int, int]:
    """clamp to [y_min, y_max] of a value clamped to [low, high] before, as one clamp."""
    return min(max(q.y_min, low), q.y_max), max(min(q.y_max, high), q.y_min)


@rewrites(nn.QuantizeOp)
def quantize_of_relu(q: nn.QuantizeOp, rw: Rewriter) -> bool:
    """Q(max(x, 0)) -> max(Q(x), zero)"""
    relu = q.x.op
    if not isinstance(relu, nn.ReluOp):
        return False
    low, high = tightened(q, q.quant.zero, q.quant.limits[1])
    rw.replace(q, rw.copy(q, x=relu.x, y_min=low, y_max=high, loc=fuse(relu.loc, q.loc)))
    return True


@rewrites(nn.QuantizeOp)
def quantize_of_clip(q: nn.QuantizeOp, rw: Rewriter) -> bool:
    """Q(clip(x, a, b)) -> clamp(Q(x), Q(a), Q(b))"""
    clip = q.x.op
    if not isinstance(clip, nn.ClipOp):
        return False
    first, last = q.quant.limits
    low = first if clip.low is None else bound(clip.low, q.quant)
    high = last if clip.high is None else bound(clip.high, q.quant)
    low, high = tightened(q, low, high)
    rw.replace(q, rw.copy(q, x=clip.x, y_min=low, y_max=high, loc=fuse(clip.loc, q.loc)))
    return True


def keeps_zeros(op: Op, q: nn.QuantizeOp) -> bool:
    """Whether the clamp of a quantisation leaves alone the zeros that an operation puts between numbers."""
    zeros = isinstance(op, nn.PadOp) or (isinstance(op, nn.ChannelsOp) and -1 in op.index)
    return not zeros or q.y_min <= q.quant.zero <= q.y_max


@rewrites(nn.QuantizeOp)
def quantize_of_moved(q: nn.QuantizeOp, rw: Rewriter) -> bool:
    """Q(move(x)) -> move(Q(x)) for max_pool, pad and channels, unless x is DQ(...), which goes down first"""
    move = q.x.op
    if not isinstance(move, nn.MaxPoolOp | nn.PadOp | nn.ChannelsOp) or isinstance(move.x.op, nn.DequantizeOp):
        return False
    if not keeps_zeros(move, q):
        return False
    inner = rw.insert(rw.copy(q, x=move.x))
    rw.replace(q, rw.copy(move, x=inner.y))
    return True


@rewrites(nn.QuantizeOp)
def quantize_of_joined(q: nn.QuantizeOp, rw: Rewriter) -> bool:
    """Q(join(a, b)) -> join(Q(a), Q(b)) for concat and interleave, once for what is joined several times"""
    join = q.x.op
    if not isinstance(join, nn.ConcatOp | nn.InterleaveOp):
        return False
    parts = {one: rw.insert(rw.copy(q, x=one)).y for one in dict.fromkeys(join.inputs)}
    rw.replace(q, rw.copy(join, inputs=tuple(parts[one] for one in join.inputs)))
    return True


@rewrites(Op)
def moved_dequantize(move: Op, rw: Rewriter) -> bool:
    """move(DQ(x)) -> DQ(move(x)) for max_pool, pad and channels"""
    if not isinstance(move, nn.MaxPoolOp | nn.PadOp | nn.ChannelsOp):
        return False
    dq = move.x.op
    if not isinstance(dq, nn.DequantizeOp):
        return False
    inner = rw.insert(rw.copy(move, x=dq.x))
    rw.replace(move, rw.copy(dq, x=inner.y))
    return True


@rewrites(nn.InterleaveOp)
def interleaved_dequantize(op: nn.InterleaveOp, rw: Rewriter) -> bool:
    """interleave(DQ(x), DQ(y)) -> DQ(interleave(x, y)) of one quantisation, where more than Q reads it"""
    parts = [one.op.x for one in op.inputs if isinstance(one.op, nn.DequantizeOp)]
    if len(parts) < len(op.inputs) or len({one.type for one in parts}) > 1:
        return False
    if all(isinstance(one, nn.QuantizeOp) for one in op.y.users):
        return False
    inner = rw.insert(rw.copy(op, inputs=tuple(parts)))
    rw.replace(op, nn.DequantizeOp(inner.y, loc=op.loc))
    return True


@rewrites(nn.ReluOp)
def relu_of_dequantize(relu: nn.ReluOp, rw: Rewriter) -> bool:
    """max(DQ(x), 0) -> DQ(max(x, zero)), exact because 0 is the zero point; Q of it is folded better above"""
    dq = relu.x.op
    if not isinstance(dq, nn.DequantizeOp) or all(isinstance(one, nn.QuantizeOp) for one in relu.y.users):
        return False
    quant = quant_of(dq, dq.x.type)
    inner = rw.insert(nn.RequantizeOp(dq.x, quant, quant.zero, quant.limits[1], loc=relu.loc))
    rw.replace(relu, rw.copy(dq, x=inner.y))
    return True


@rewrites(nn.QuantizeOp)
def quantize_of_dequantize(q: nn.QuantizeOp, rw: Rewriter) -> bool:
    """Q(DQ(x)) -> x, or requantize(x) if the scale changes or a clamp binds"""
    dq = q.x.op
    if not isinstance(dq, nn.DequantizeOp):
        return False
    full = (q.y_min, q.y_max) == q.quant.limits
    if full and dq.x.type == q.y.type:
        rw.replace(q, dq.x)
        return True
    rw.replace(q, nn.RequantizeOp(dq.x, q.quant, q.y_min, q.y_max, loc=q.loc))
    return True


@rewrites(nn.QuantizeOp)
def quantize_of_conv(q: nn.QuantizeOp, rw: Rewriter) -> bool:
    """Q(conv(DQ(x), w, b)) -> qconv2d"""
    conv = q.x.op
    if not isinstance(conv, nn.Conv2dOp) or not isinstance(conv.x.op, nn.DequantizeOp):
        return False
    weight = conv.weight.op
    if not isinstance(weight, nn.ConstantOp) or weight.scales is None:
        return False
    x = conv.x.op.x
    bias = None if conv.bias is None else integer_bias(conv, weight, quant_of(conv, x.type), rw)
    rw.replace(
        q,
        nn.QConv2dOp(
            x,
            conv.weight,
            bias,
            conv.kernel,
            conv.strides,
            conv.pads,
            conv.dilations,
            q.quant,
            q.y_min,
            q.y_max,
            group=conv.group,
            loc=fuse(conv.loc, *outer(q)),
        ),
    )
    return True


@rewrites(nn.QuantizeOp)
def quantize_of_add(q: nn.QuantizeOp, rw: Rewriter) -> bool:
    """Q(DQ(a) + DQ(b)) -> qadd, and the same of a difference"""
    add = q.x.op
    if not isinstance(add, nn.AddOp | nn.SubOp):
        return False
    a, b = add.a.op, add.b.op
    if not isinstance(a, nn.DequantizeOp) or not isinstance(b, nn.DequantizeOp):
        return False
    minus = isinstance(add, nn.SubOp) or None
    place = fuse(add.loc, *outer(q))
    rw.replace(q, nn.QAddOp(a.x, b.x, q.quant, q.y_min, q.y_max, subtract=minus, loc=place))
    return True


@rewrites(nn.QuantizeOp)
def quantize_of_mul(q: nn.QuantizeOp, rw: Rewriter) -> bool:
    """Q(DQ(a) * DQ(b)) -> qmul"""
    mul = q.x.op
    if not isinstance(mul, nn.MulOp):
        return False
    a, b = mul.a.op, mul.b.op
    if not isinstance(a, nn.DequantizeOp) or not isinstance(b, nn.DequantizeOp):
        return False
    rw.replace(q, nn.QMulOp(a.x, b.x, q.quant, q.y_min, q.y_max, loc=fuse(mul.loc, *outer(q))))
    return True


@rewrites(nn.QuantizeOp)
def quantize_of_average(q: nn.QuantizeOp, rw: Rewriter) -> bool:
    """Q(average_pool(DQ(x))) -> qaverage_pool"""
    pool = q.x.op
    if not isinstance(pool, nn.AveragePoolOp) or not isinstance(pool.x.op, nn.DequantizeOp):
        return False
    new = nn.QAveragePoolOp(
        pool.x.op.x,
        pool.kernel,
        pool.strides,
        pool.pads,
        pool.counted_pads,
        pool.count_include_pad,
        q.quant,
        q.y_min,
        q.y_max,
        pool.factor,
        loc=fuse(pool.loc, *outer(q)),
    )
    rw.replace(q, new)
    return True


def outer(q: nn.QuantizeOp) -> tuple[Location, ...]:
    """The places of clamps that the quantisation has taken in; its own node says nothing to a reader."""
    parts = getattr(q.loc, "parts", ())
    return tuple(one for one in parts if getattr(one, "op_type", "") in ("Relu", "Clip"))


def integer_bias(conv: nn.Conv2dOp, weight: nn.ConstantOp, x: Quant, rw: Rewriter) -> Value[TensorType]:
    """The bias in units of the accumulator, float32(x_scale * w_scale), rounded if it has others."""
    assert conv.bias is not None and isinstance(conv.bias.op, nn.ConstantOp)
    bias, store = conv.bias.op, module_of(conv).store
    numbers = store[bias.symbol]
    scales = None if bias.scales is None else store[bias.scales]
    assert weight.scales is not None
    unit = np.float32(x.scale) * store[weight.scales].astype(np.float32)
    if scales is not None and numbers.dtype == np.int32 and _close(scales, unit):
        return bias.y
    real = numbers.astype(np.float64) * (1.0 if scales is None else scales.astype(np.float64))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        rounded = np.rint(real / unit.astype(np.float64))
    if not np.isfinite(rounded).all() or np.abs(rounded).max(initial=0.0) >= 2.0**31:
        largest = float(np.abs(rounded).max(initial=0.0))
        limit = Limit("bias in steps of x_scale * w_scale", "less than 2^31 from 0", f"{largest:g}")
        help = "a bias so large, or scales so small, are seldom meant: look at the calibration of this layer"
        message = "the bias does not fit 32 bits in units of x_scale * w_scale"
        raise UnsupportedModel(Reason("bias", message, conv.loc, help=help, limit=limit))
    symbol = store.add(f"{bias.symbol}.int", rounded.astype(np.int32))
    kind = TensorType(bias.y.type.shape, I32)
    return rw.insert(nn.ConstantOp(symbol, store.digest(symbol), kind, bias.scales, loc=bias.loc)).y


def _close(scales: NDArray[np.generic], unit: NDArray[np.float32]) -> bool:
    """Equal but for the last bits, which tools that multiply in float64 get otherwise."""
    return bool(np.allclose(scales.astype(np.float64), unit.astype(np.float64), rtol=1e-6, atol=0.0))


def fold_inputs(module: Module) -> None:
    """Q(input) -> an input of integers, which the host quantises; readers of other types stay floats."""
    for op in module.walk(nn.InputOp):
        quantise = [one for one in op.y.users if isinstance(one, nn.QuantizeOp)]
        if is_quantised(op.type) or not quantise:
            continue
        quant = quantise[0].quant
        same = [one for one in quantise if one.quant == quant]
        if len(same) != len(op.y.users):
            continue
        rw = Rewriter.at(op)
        integers = rw.insert(rw.copy(op, type=quant.tensor(op.type.shape)))
        for one in same:
            if (one.y_min, one.y_max) == quant.limits:
                rw.replace(one, integers.y)
            else:
                clamp = nn.RequantizeOp(integers.y, quant, one.y_min, one.y_max, loc=one.loc)
                rw.replace(one, clamp)
        rw.erase(op)


def fold_outputs(module: Module) -> None:
    """output(DQ(x)) -> output(x), which the host dequantises"""
    for op in module.walk(nn.OutputOp):
        if isinstance(op.x.op, nn.DequantizeOp):
            Rewriter.at(op).set_operand(op, 0, op.x.op.x)


def refuse_floats(module: Module) -> None:
    """Every operation that is still float, in one error."""
    found: dict[str, Reason] = {}
    for op in module.walk():
        types = [one.type for one in (*op.operands, *op.results) if isinstance(one.type, TensorType)]
        if isinstance(op, nn.ConstantOp | nn.DequantizeOp | nn.QuantizeOp) or not types:
            continue
        if any(len(one.shape) == 4 and one.element.text.startswith("f") for one in types):
            found.setdefault(str(op.loc) or op.name, float_diagnostic(op))
    if found:
        raise UnsupportedModel(*found.values())


def float_diagnostic(op: Op) -> Reason:
    """Why an operation is still float."""
    if isinstance(op, nn.InputOp):
        what = f"input '{op.onnx_name}' is read as float32 or with two scales"
        limit = Limit("readers", "QuantizeLinear of one scale and zero point", "others")
    elif isinstance(op, nn.OutputOp):
        what = f"output '{op.onnx_name}' is float32 and is not the result of a DequantizeLinear"
        limit = Limit("type", "int8 or uint8, dequantised or not", "float32")
    else:
        what = f"'{op.name.removeprefix('nn.')}' runs in float32: its inputs or its result are not quantised"
        limit = Limit("types of inputs and result", "dequantised, and quantised behind it", "float32")
    help = "quantise the model: DequantizeLinear before each operator, QuantizeLinear behind it"
    return Reason("float-op", what, op.loc, help=help, limit=limit)


PATTERNS = (
    moved_dequantize,
    interleaved_dequantize,
    relu_of_dequantize,
    quantize_of_dequantize,
    quantize_of_relu,
    quantize_of_clip,
    quantize_of_moved,
    quantize_of_joined,
    quantize_of_conv,
    quantize_of_add,
    quantize_of_mul,
    quantize_of_average,
)


def drop_dead(module: Module) -> None:
    """Erase what nobody reads, last first."""
    for op in reversed(list(module.walk())):
        if not op.erased and op.block is not None:
            Rewriter.at(op).erase_dead(op)


def is_coarse(op: nn.QConv2dOp, module: Module) -> bool:
    """Whether narrow factors would cost a convolution more than `COARSE`, or there are none."""
    weight, bias = op.weight.op, op.bias.op if op.bias is not None else None
    x = quant_of(op, op.x.type)
    if not isinstance(weight, nn.ConstantOp) or weight.scales is None:
        return False
    numbers = module.store[weight.symbol]
    added = module.store[bias.symbol] if isinstance(bias, nn.ConstantOp) else np.zeros(len(numbers), np.int32)
    reach = conv_reach(numbers, added, x.zero, x.limits)
    factors = conv_factors(x.scale, module.store[weight.scales], op.quant.scale)
    try:
        narrow = narrow_requant(factors, reach, op.quant.zero, op.quant.limits)
    except UnsupportedModel:
        return True
    return narrow_error(factors, reach, narrow, room_of(op.quant.zero, op.quant.limits)) > COARSE


@dataclass(frozen=True)
class FoldQuantization(Pass):
    """Turn floats between QuantizeLinear and DequantizeLinear into integer operations."""

    name: ClassVar[str] = "fold-quantization"
    requires: ClassVar[Stage] = Stage.of("nn-float", nn.DIALECT.ops)
    ensures: ClassVar[Stage] = Stage.of("nn", nn.INTEGER_OPS)

    requantize: Requantize = option(
        Requantize.FAST, help="exact takes factors of 30 bits; fast may differ by one step from it"
    )

    def run(self, module: Module, target: Target) -> None:
        apply_patterns(PATTERNS, module)
        fold_inputs(module)
        fold_outputs(module)
        drop_dead(module)
        refuse_floats(module)
        for op in list(module.walk()):
            exact = self.requantize is Requantize.EXACT and isinstance(op, nn.QConv2dOp | nn.QAddOp | nn.RequantizeOp)
            if exact or (isinstance(op, nn.QConv2dOp) and is_coarse(op, module)):
                Rewriter.at(op).change(op, exact=True)
