"""Operations of `bsp` on two activations; the second may be one pixel, which all pixels of the first meet."""

from __future__ import annotations

from compiler.ir import Op, TensorType, Type, Value, operand, prop, result
from dialects.quant import Quant, check_ends, is_pixel, pair_shape


class _Pair(Op):
    a: Value[TensorType] = operand()
    b: Value[TensorType] = operand()
    a_zero: int = prop()
    b_zero: int = prop()
    y_zero: int = prop()
    y_min: int = prop()
    y_max: int = prop()

    @property
    def expands(self) -> bool:
        """Whether b is one pixel for all of a."""
        return is_pixel(self.b.type) and not is_pixel(self.a.type)

    def paired(self, quant: Quant) -> TensorType:
        """The type of the result."""
        check_ends(self, (self.a, self.b), (self.a_zero, self.b_zero), quant, (self.y_zero, self.y_min, self.y_max))
        shape = pair_shape(self, self.a.type, self.b.type)
        if shape != self.a.type.shape:
            help = "the operand that is one pixel must be b"
            raise self.error("shapes", f"expects {self.a.type} to have the shape {shape} of the result", help)
        return quant.tensor(shape)


class AddOp(_Pair):
    """y = clamp(rhe(((a - a_zero) * Ma + (b - b_zero) * Mb) / 2^s) + y_zero, y_min, y_max).

    `add` is (Ma, Mb, s); one of the factors may be negative.
    """

    name = "bsp.add"
    pure = True

    add: tuple[int, ...] = prop()
    quant: Quant = prop()
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        if len(self.add) != 3:
            raise self.error("factors", f"expects (Ma, Mb, shift), got {self.add}")
        return (self.paired(self.quant),)


class MulOp(_Pair):
    """y = clamp(rhe((t * M + y_zero * 2^s) / 2^s), y_min, y_max) with t = rhe((a - a_zero) * (b - b_zero) / 2^f).

    t is held to 16 bits; `product` is (M, f, s).
    """

    name = "bsp.mul"
    pure = True

    product: tuple[int, ...] = prop()
    quant: Quant = prop()
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        if len(self.product) != 3:
            raise self.error("factors", f"expects (M, first shift, second shift), got {self.product}")
        return (self.paired(self.quant),)


PAIRS: tuple[type[Op], ...] = (AddOp, MulOp)
