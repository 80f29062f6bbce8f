"""`nn`: the operations that ONNX means, NHWC with batch 1.

Before `fold-quantization` they compute with floats between `nn.quantize` and `nn.dequantize`; behind it, on
integers whose scales are in their types.
"""

from __future__ import annotations

from fractions import Fraction

from compiler.ir import (
    F32,
    I8,
    I16,
    I32,
    Dialect,
    EnumAttr,
    Op,
    TensorType,
    Type,
    Value,
    operand,
    optional_operand,
    prop,
    result,
)
from dialects.alike import Concat, Lookup, Pool
from dialects.nn_moves import ChannelsOp as ChannelsOp
from dialects.nn_moves import InterleaveOp as InterleaveOp
from dialects.nn_moves import PadOp as PadOp
from dialects.nn_pairs import FLOAT_PAIRS, INTEGER_PAIRS
from dialects.nn_pairs import AddOp as AddOp
from dialects.nn_pairs import MulOp as MulOp
from dialects.nn_pairs import QAddOp as QAddOp
from dialects.nn_pairs import QMulOp as QMulOp
from dialects.nn_pairs import SubOp as SubOp
from dialects.quant import Quant, check_bounds, check_image, is_quantised, quant_of, window_shape


class Layout(EnumAttr, mnemonic="nn.layout"):
    """How the host finds an ONNX tensor in an NHWC one: through NCHW, or as it lies; then a reshape."""

    NCHW = "nchw"
    NHWC = "nhwc"


class InputOp(Op):
    """An input of the model; `host_type` is what the user gives: float32, int8 or uint8."""

    name = "nn.input"

    onnx_name: str = prop()
    onnx_shape: tuple[int, ...] = prop()
    layout: Layout = prop()
    host_type: str = prop()
    type: TensorType = prop()
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        check_image(self, self.type)
        return (self.type,)


class OutputOp(Op):
    """An output of the model; `host_type` is what the user gets."""

    name = "nn.output"

    x: Value[TensorType] = operand()
    onnx_name: str = prop()
    onnx_shape: tuple[int, ...] = prop()
    layout: Layout = prop()
    host_type: str = prop()


class ConstantOp(Op):
    """Numbers of the store.  With `scales` they are integers that mean integer * scale[channel].

    Weights are [O, KH, KW, I], or of groups [O, KH, KW, I / group], with scales [O]; they are int16 where 8 bits do not
    hold them without their zero point.  A bias is [O]; an activation has its scale in its type.
    """

    name = "nn.constant"
    pure = True

    symbol: str = prop()
    digest: str = prop()
    type: TensorType = prop()
    scales: str | None = prop(default=None)
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        return (self.type,)


class QuantizeOp(Op):
    """y = clamp(round_half_even(x / scale) + zero, y_min, y_max)."""

    name = "nn.quantize"
    pure = True

    x: Value[TensorType] = operand()
    quant: Quant = prop()
    y_min: int = prop()
    y_max: int = prop()
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        check_bounds(self, self.quant, self.y_min, self.y_max)
        return (self.quant.tensor(self.x.type.shape),)


class DequantizeOp(Op):
    """y = (x - zero) * scale."""

    name = "nn.dequantize"
    pure = True

    x: Value[TensorType] = operand()
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        quant_of(self, self.x.type)
        return (TensorType(self.x.type.shape, F32),)


class ReluOp(Op):
    """max(x, 0) on floats."""

    name = "nn.relu"
    pure = True

    x: Value[TensorType] = operand()
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        return (self.x.type,)


class ClipOp(Op):
    """min(max(x, low), high) on floats; an absent bound does not bind."""

    name = "nn.clip"
    pure = True

    x: Value[TensorType] = operand()
    low: float | None = prop(default=None)
    high: float | None = prop(default=None)
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        return (self.x.type,)


class _Conv(Op):
    """The fields and the shape rule of both convolutions."""

    x: Value[TensorType] = operand()
    weight: Value[TensorType] = operand()
    bias: Value[TensorType] | None = optional_operand()
    kernel: tuple[int, ...] = prop()
    strides: tuple[int, ...] = prop()
    pads: tuple[int, ...] = prop()
    dilations: tuple[int, ...] = prop()

    def shape(self, group: int | None) -> tuple[int, ...]:
        """The shape of the result, of a convolution of `group` groups."""
        check_image(self, self.x.type)
        weight, channels, groups = self.weight.type, self.x.type.shape[3], group or 1
        if len(weight.shape) != 4 or weight.element not in (I8, I16) or weight.shape[1:3] != self.kernel:
            raise self.error("weight", f"expects int8 or int16 weights OxKHxKWxI of kernel {self.kernel}, got {weight}")
        if weight.shape[3] * groups != channels:
            text = f"its weights have {weight.shape[3]}" + f" for each of {groups} groups" * (groups > 1)
            raise self.error("channels", f"reads {channels} channels, {text}")
        if weight.shape[0] % groups:
            raise self.error("group", f"divides {weight.shape[0]} output channels into {groups} groups")
        if self.bias is not None and self.bias.type.shape != weight.shape[:1]:
            raise self.error("bias", f"expects {weight.shape[0]} bias numbers, got {self.bias.type}")
        size = window_shape(self, self.x.type.shape[1:3], self.kernel, self.strides, self.pads, self.dilations)
        return (1, *size, weight.shape[0])


class Conv2dOp(_Conv):
    """Convolution of floats with quantised weights; a matrix product is one too.

    The channels are divided into `group` groups, by itself each.
    """

    name = "nn.conv2d"
    pure = True

    group: int | None = prop(default=None)
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        return (TensorType(self.shape(self.group), F32),)


class QConv2dOp(_Conv):
    """y = clamp(rhe((sum((x - zero) * w) + bias) * scales) + y_zero, y_min, y_max), the bias int32.

    The scales are narrow factors (docs/numerics.md), or `exact` ones.
    """

    name = "nn.qconv2d"
    pure = True

    quant: Quant = prop()
    y_min: int = prop()
    y_max: int = prop()
    exact: bool | None = prop(default=None)
    group: int | None = prop(default=None)
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        quant_of(self, self.x.type)
        check_bounds(self, self.quant, self.y_min, self.y_max)
        if self.bias is not None and self.bias.type.element != I32:
            raise self.error("bias", f"expects an int32 bias, got {self.bias.type}")
        return (self.quant.tensor(self.shape(self.group)),)


class MaxPoolOp(Pool):
    """The largest of the pixels under a window; pads, those of ceil_mode among them, never win.

    Negative pads take pixels away, so that a window of one pixel takes some rows and columns of an image.
    """

    name = "nn.max_pool"
    pure = True

    dilations: tuple[int, ...] = prop()
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        type = self.x.type
        return (TensorType(self.pooled(self.dilations, crops=True), type.element, type.encoding),)


class _AveragePool(Pool):
    """The fields of both averages; `counted_pads` are counted if `count_include_pad`."""

    counted_pads: tuple[int, ...] = prop()
    count_include_pad: bool = prop()


class AveragePoolOp(_AveragePool):
    """The mean of floats under a window, times the `factor` mantissa * 2^exponent if there is one."""

    name = "nn.average_pool"
    pure = True

    factor: tuple[int, ...] | None = prop(default=None)
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        return (TensorType(self.pooled(), F32),)


class QAveragePoolOp(_AveragePool):
    """y = clamp(rhe(sum(x - zero) * scales * factor / count) + y_zero, y_min, y_max), the factor as above."""

    name = "nn.qaverage_pool"
    pure = True

    quant: Quant = prop()
    y_min: int = prop()
    y_max: int = prop()
    factor: tuple[int, ...] | None = prop(default=None)
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        quant_of(self, self.x.type)
        check_bounds(self, self.quant, self.y_min, self.y_max)
        return (self.quant.tensor(self.pooled()),)

    @property
    def times(self) -> Fraction:
        """The factor as a number, 1 without one."""
        mantissa, exponent = self.factor or (1, 0)
        return Fraction(mantissa) * Fraction(2) ** exponent


class ConcatOp(Concat):
    """Channels of tensors one after another, floats or integers of one quantisation."""

    name = "nn.concat"
    pure = True


class RequantizeOp(Op):
    """y = clamp(rhe((x - zero) * scale / y_scale) + y_zero, y_min, y_max), the factor of 15 bits unless `exact`."""

    name = "nn.requantize"
    pure = True

    x: Value[TensorType] = operand()
    quant: Quant = prop()
    y_min: int = prop()
    y_max: int = prop()
    exact: bool | None = prop(default=None)
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        quant_of(self, self.x.type)
        check_bounds(self, self.quant, self.y_min, self.y_max)
        return (self.quant.tensor(self.x.type.shape),)


class LookupOp(Lookup):
    """y = table[x], of bytes: the table is 256 uint8 in the store, indexed by the bits of x and giving the bits of y.

    So is any function of one tensor, pixel by pixel and channel by channel, whatever computes it in the model.
    """

    name = "nn.lookup"
    pure = True


FLOAT_OPS: tuple[type[Op], ...] = (
    QuantizeOp, DequantizeOp, ReluOp, ClipOp, Conv2dOp, AveragePoolOp, *FLOAT_PAIRS,
)  # fmt: skip
INTEGER_OPS: tuple[type[Op], ...] = (
    InputOp, OutputOp, ConstantOp, QConv2dOp, MaxPoolOp, QAveragePoolOp, *INTEGER_PAIRS, ConcatOp, RequantizeOp,
    LookupOp, PadOp, ChannelsOp, InterleaveOp,
)  # fmt: skip

DIALECT = Dialect("nn", ops=(*INTEGER_OPS, *FLOAT_OPS), attributes=(Quant, Layout))

__all__ = ["DIALECT", "FLOAT_OPS", "INTEGER_OPS", "Quant", "is_quantised"]
