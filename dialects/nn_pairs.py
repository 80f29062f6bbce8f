"""Operations of `nn` on two activations, of one shape or one of them a pixel that all pixels of the other meet."""

from __future__ import annotations

from compiler.ir import F32, Op, TensorType, Type, Value, operand, prop, result
from dialects.quant import Quant, check_bounds, pair_shape, quant_of


class _Pair(Op):
    """Two operands, either of which may be one pixel of as many channels as the other has."""

    a: Value[TensorType] = operand()
    b: Value[TensorType] = operand()


class _FloatPair(_Pair):
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        return (TensorType(pair_shape(self, self.a.type, self.b.type), F32),)


class AddOp(_FloatPair):
    """a + b on floats."""

    name = "nn.add"
    pure = True


class SubOp(_FloatPair):
    """a - b on floats."""

    name = "nn.sub"
    pure = True


class MulOp(_FloatPair):
    """a * b on floats."""

    name = "nn.mul"
    pure = True


class _IntegerPair(_Pair):
    """The fields and the rules of pairs of integers."""

    quant: Quant = prop()
    y_min: int = prop()
    y_max: int = prop()
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        quant_of(self, self.a.type), quant_of(self, self.b.type)
        check_bounds(self, self.quant, self.y_min, self.y_max)
        return (self.quant.tensor(pair_shape(self, self.a.type, self.b.type)),)


class QAddOp(_IntegerPair):
    """y = clamp(rhe((a - a_zero) * a_scale / y_scale + (b - b_zero) * b_scale / y_scale) + y_zero, ...).

    The factors have 15 bits (docs/numerics.md) unless they are `exact`; that of b is negative if it is to `subtract`.
    """

    name = "nn.qadd"
    pure = True

    exact: bool | None = prop(default=None)
    subtract: bool | None = prop(default=None)


class QMulOp(_IntegerPair):
    """y = clamp(rhe((a - a_zero) * (b - b_zero) * a_scale * b_scale / y_scale) + y_zero, ...), the factor narrow."""

    name = "nn.qmul"
    pure = True


FLOAT_PAIRS: tuple[type[Op], ...] = (AddOp, SubOp, MulOp)
INTEGER_PAIRS: tuple[type[Op], ...] = (QAddOp, QMulOp)
