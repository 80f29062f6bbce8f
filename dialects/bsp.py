"""`bsp`: the block-sparse IR.  Convolutions over kept blocks, all in integers with factors M * 2^-shift.

A model's ends stay `nn.input` and `nn.output`.  Arithmetic is `compiler.numerics`, the order of blocks
`compiler.blocks`.
"""

from __future__ import annotations

from compiler.ir import (
    Dialect,
    Op,
    TensorType,
    Type,
    Value,
    operand,
    operands,
    prop,
    result,
)
from dialects.alike import Concat, Lookup, Pool
from dialects.bsp_moves import BlocksOp as BlocksOp
from dialects.bsp_moves import InterleaveOp as InterleaveOp
from dialects.bsp_pairs import PAIRS
from dialects.bsp_pairs import AddOp as AddOp
from dialects.bsp_pairs import MulOp as MulOp
from dialects.convolution import MATRIX, TABLE, BlockMatrixType, Conv2dOp, DepthwiseOp, WeightOp
from dialects.nn import InputOp, OutputOp
from dialects.quant import Quant, check_ends, check_image, quant_of

BLOCK_ORDER = "bscc.block_order"
"""Note of an operation whose result has its blocks of 8 channels in another order than the model's: for each, the
number it has in the model."""


class ConstantOp(Op):
    """An activation that never changes: `symbol` holds the integers NHWC."""

    name = "bsp.constant"
    pure = True

    symbol: str = prop()
    digest: str = prop()
    type: TensorType = prop()
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        check_image(self, self.type)
        quant_of(self, self.type)
        return (self.type,)


class _IntegerPool(Pool):
    """The fields and the rules of both pools."""

    x_zero: int = prop()
    y_zero: int = prop()
    y_min: int = prop()
    y_max: int = prop()
    quant: Quant = prop()
    y: Value[TensorType] = result()

    def of_shape(self, shape: tuple[int, ...]) -> tuple[Type, ...]:
        """The type of the result, its ends checked."""
        check_ends(self, (self.x,), (self.x_zero,), self.quant, (self.y_zero, self.y_min, self.y_max))
        return (self.quant.tensor(shape),)


class MaxPoolOp(_IntegerPool):
    """y = clamp(rhe((max(x) - x_zero) * M / 2^shift) + y_zero, y_min, y_max); as in nn.max_pool pads never win."""

    name = "bsp.max_pool"
    pure = True

    dilations: tuple[int, ...] = prop()
    multiplier: int = prop()
    shift: int = prop()

    def infer(self) -> tuple[Type, ...]:
        return self.of_shape(self.pooled(self.dilations, crops=True))


class AvgPoolOp(_IntegerPool):
    """y = clamp(sum(x - x_zero) * M[count] / 2^shift[count] + y_zero, ...), by numerics.requantise_mean.

    The factor of each count that occurs is in `<scales>.count`, `.multiplier`, `.shift` (all equal), int32.  A pixel
    counts if it is inside the image or, with `count_include_pad`, inside `counted_pads`.
    """

    name = "bsp.avg_pool"
    pure = True

    counted_pads: tuple[int, ...] = prop()
    count_include_pad: bool = prop()
    scales: str = prop()
    digest: str = prop()

    def infer(self) -> tuple[Type, ...]:
        return self.of_shape(self.pooled())


class RequantizeOp(Op):
    """y = clamp(rhe((x - x_zero) * M / 2^shift) + y_zero, y_min, y_max)."""

    name = "bsp.requantize"
    pure = True

    x: Value[TensorType] = operand()
    x_zero: int = prop()
    y_zero: int = prop()
    y_min: int = prop()
    y_max: int = prop()
    multiplier: int = prop()
    shift: int = prop()
    quant: Quant = prop()
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        check_ends(self, (self.x,), (self.x_zero,), self.quant, (self.y_zero, self.y_min, self.y_max))
        return (self.quant.tensor(self.x.type.shape),)


class LookupOp(Lookup):
    """y = table[x], of bytes: `table` names 256 uint8 of the store, from the bits of x to the bits of y."""

    name = "bsp.lookup"
    pure = True


class ConcatOp(Concat):
    """Channels of tensors of one quantisation one after another."""

    name = "bsp.concat"
    pure = True


class RowsOp(Op):
    """Rows [first, last) of a tensor where they lie: nothing is copied.

    Behind an edge that cuts the image are its next rows, so readers pad at the edges of the image only.
    """

    name = "bsp.rows"
    pure = True

    x: Value[TensorType] = operand()
    first: int = prop()
    last: int = prop()
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        check_image(self, self.x.type)
        batch, height, *rest = self.x.type.shape
        if not 0 <= self.first < self.last <= height:
            raise self.error("rows", f"takes rows [{self.first}, {self.last}) of {height}")
        return (TensorType((batch, self.last - self.first, *rest), self.x.type.element, self.x.type.encoding),)

    def verify(self) -> None:
        for user in self.y.users:
            if isinstance(user, RowsOp | BlocksOp | ConcatOp | StackOp | InterleaveOp | OutputOp):
                raise self.error("rows", f"is read by '{user.name}', which needs a tensor and no view")
            if not isinstance(user, WINDOWED) or user.operands[0] is not self.y:
                continue
            above, below = user.pads[0] and self.first, user.pads[2] and self.x.type.shape[1] - self.last
            if above or below:
                help = "only the rows at an edge of the image have a border to read"
                raise self.error("rows", f"has {above or below} rows behind an edge that '{user.name}' pads", help)


class StackOp(Op):
    """Rows of tensors of one quantisation one below another; each part is written straight into its place."""

    name = "bsp.stack"
    pure = True

    inputs: tuple[Value[TensorType], ...] = operands()
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        if not self.inputs:
            raise self.error("stack", "needs an input")
        first = self.inputs[0].type
        for one in self.inputs:
            check_image(self, one.type)
            same = (one.type.shape[2:], one.type.element, one.type.encoding)
            if same != (first.shape[2:], first.element, first.encoding):
                raise self.error("stack", f"joins {first} and {one.type}, which differ in more than rows")
        height = sum(one.type.shape[1] for one in self.inputs)
        return (TensorType((1, height, *first.shape[2:]), first.element, first.encoding),)

    def verify(self) -> None:
        for part in (inner for one in self.inputs for inner in parts_of(one)):
            if not part.used_once or isinstance(part.op, InputOp | ConstantOp | StackOp | BlocksOp):
                raise self.error("stack", f"joins {part.type}, which is not written for it alone")


def parts_of(value: Value[TensorType]) -> tuple[Value[TensorType], ...]:
    """A value and, if it is joined from others, all that it is joined from."""
    inputs = value.op.inputs if isinstance(value.op, ConcatOp | StackOp) else ()
    return (value, *(inner for one in inputs for inner in parts_of(one)))


def whole_of(value: Value[TensorType]) -> Value[TensorType]:
    """The tensor whose buffer a value lies in: what it is a view of, what it is joined into, or itself."""
    if isinstance(value.op, BlocksOp | RowsOp):
        return whole_of(value.op.x)
    for user in value.users:
        if isinstance(user, ConcatOp | StackOp):
            return whole_of(user.y)
    return value


WINDOWED = (Conv2dOp, DepthwiseOp, MaxPoolOp, AvgPoolOp)
"""What looks at pixels around its own, of its first operand: these may stand in a border."""

_LAYERS = (WeightOp, ConstantOp, Conv2dOp, DepthwiseOp, *PAIRS, MaxPoolOp, AvgPoolOp, RequantizeOp, LookupOp)
_JOINS = (ConcatOp, RowsOp, StackOp, BlocksOp, InterleaveOp)
DIALECT = Dialect("bsp", ops=(*_LAYERS, *_JOINS), attributes=(BlockMatrixType,))
STAGE_OPS: tuple[type[Op], ...] = (InputOp, OutputOp, *DIALECT.ops)

__all__ = [
    "BLOCK_ORDER",
    "DIALECT",
    "MATRIX",
    "STAGE_OPS",
    "TABLE",
    "WINDOWED",
    "BlockMatrixType",
    "Conv2dOp",
    "DepthwiseOp",
    "WeightOp",
]
