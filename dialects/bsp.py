"""`bsp`: the block-sparse IR.  Convolutions over kept blocks, all in integers with factors M * 2^-shift.

A model's ends stay `nn.input` and `nn.output`.  Arithmetic is `compiler.numerics`, the order of blocks
`compiler.blocks`.
"""

from __future__ import annotations

from dataclasses import dataclass

from compiler.ir import (
    I8,
    Dialect,
    DialectType,
    Op,
    Scanner,
    TensorType,
    Type,
    Value,
    operand,
    operands,
    optional_operand,
    prop,
    result,
)
from dialects.nn import InputOp, OutputOp, concat_type
from dialects.quant import Quant, check_bounds, check_image, quant_of, window_shape

BLOCK_ORDER = "bscc.block_order"
"""Note of an operation whose result has its blocks of 8 channels in another order than the model's: for each, the
number it has in the model."""

MATRIX = ("blocks", "index")
"""Arrays of a weight."""

TABLE = ("bias", "multiplier", "shift", "first")
"""Columns of a convolution's table; the last is there only if sums are not scaled exactly."""


@dataclass(frozen=True)
class BlockMatrixType(DialectType, mnemonic="bsp.mat"):
    """Weights of `shape` [O, I, KH, KW] of which `kept` blocks of `total` are stored."""

    shape: tuple[int, ...]
    element: Type
    block: tuple[int, ...]
    kept: int
    total: int

    def body(self) -> str:
        sizes, block = ("x".join(map(str, one)) for one in (self.shape, self.block))
        return f"{sizes}x{self.element}, block = {block}, kept = {self.kept}, total = {self.total}"

    @classmethod
    def parse_body(cls, body: Scanner) -> BlockMatrixType:
        shape, element = body.shape_and_type()
        for literal in (",", "block", "="):
            body.expect(literal)
        block = body.dimensions()
        numbers = []
        for name in ("kept", "total"):
            for literal in (",", name, "="):
                body.expect(literal)
            numbers.append(body.integer())
        return cls(shape, element, block, *numbers)


class WeightOp(Op):
    """Weights in the store: `<symbol>.blocks` int8 [kept, 8 (input), 8 (output)] and `<symbol>.index` int32
    [kept, 4], rows (output block, ky, kx, input block) in the order output block, input block, ky, kx.

    `dense` says that all blocks are stored, and `reason` why.
    """

    name = "bsp.weight"
    pure = True

    symbol: str = prop()
    digest: str = prop()
    kernel: tuple[int, ...] = prop()
    dense: bool = prop()
    reason: str = prop()
    type: BlockMatrixType = prop()
    y: Value[BlockMatrixType] = result()

    def infer(self) -> tuple[Type, ...]:
        type = self.type
        if len(type.shape) != 4 or type.shape[2:] != self.kernel or type.block != (8, 8) or type.element != I8:
            raise self.error("weight", f"expects OxIxKHxKW of int8 in blocks 8x8, got {type}")
        rows, columns = (-(-size // 8) for size in type.shape[:2])
        total = rows * columns * self.kernel[0] * self.kernel[1]
        if type.total != total or not 0 <= type.kept <= total:
            raise self.error("weight", f"has {total} blocks, its type says {type.kept} of {type.total}")
        return (type,)


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


class Conv2dOp(Op):
    """q = clamp(rhe((sum((x - x_zero) * w) + bias) * M / 2^shift) + zero, min, max), of y without a residual.

    So if it is `exact`; else numerics.requantise_narrow, sums being shifted by `first` before they are multiplied.
    With a residual zero, min and max are `mid_...`, and with add = (Ma, Mb, s)
    y = clamp(rhe(((q - mid_zero) * Ma + (residual - r_zero) * Mb) / 2^s) + y_zero, y_min, y_max).
    `<requant>.bias`, `.multiplier`, `.shift` and, if not exact, `.first` are int32, one per output channel, padded
    with zeros to a multiple of 8; the 8 channels of a block have equal shifts; the bias is ONNX's, not corrected for
    x_zero.
    """

    name = "bsp.conv2d"
    pure = True

    x: Value[TensorType] = operand()
    weight: Value[BlockMatrixType] = operand()
    residual: Value[TensorType] | None = optional_operand()
    kernel: tuple[int, ...] = prop()
    strides: tuple[int, ...] = prop()
    pads: tuple[int, ...] = prop()
    dilations: tuple[int, ...] = prop()
    x_zero: int = prop()
    y_zero: int = prop()
    y_min: int = prop()
    y_max: int = prop()
    requant: str = prop()
    digest: str = prop()
    quant: Quant = prop()
    mid_zero: int | None = prop(default=None)
    mid_min: int | None = prop(default=None)
    mid_max: int | None = prop(default=None)
    add: tuple[int, ...] | None = prop(default=None)
    r_zero: int | None = prop(default=None)
    exact: bool | None = prop(default=None)
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        check_image(self, self.x.type)
        check_ends(self, (self.x,), (self.x_zero,), self.quant, (self.y_zero, self.y_min, self.y_max))
        out, channels, *kernel = self.weight.type.shape
        if tuple(kernel) != self.kernel or channels != self.x.type.shape[3]:
            raise self.error(
                "weight", f"kernel {self.kernel} on {self.x.type.shape[3]} channels, got {self.weight.type}"
            )
        size = window_shape(self, self.x.type.shape[1:3], self.kernel, self.strides, self.pads, self.dilations)
        return (self.quant.tensor((1, *size, out)),)

    def verify(self) -> None:
        parts = (self.residual, self.mid_zero, self.mid_min, self.mid_max, self.add, self.r_zero)
        if len({one is None for one in parts}) != 1:
            raise self.error("residual", "needs mid_zero, mid_min, mid_max, add and r_zero with a residual only")
        if self.residual is None or self.add is None:
            return
        if len(self.add) != 3 or self.residual.type.shape != self.y.type.shape:
            raise self.error("residual", f"adds {self.residual.type} to {self.y.type} by {self.add}")
        if quant_of(self, self.residual.type).zero != self.r_zero:
            raise self.error("residual", f"takes off {self.r_zero} from {self.residual.type}")


class AddOp(Op):
    """y = clamp(rhe(((a - a_zero) * Ma + (b - b_zero) * Mb) / 2^s) + y_zero, y_min, y_max).

    `add` is (Ma, Mb, s).
    """

    name = "bsp.add"
    pure = True

    a: Value[TensorType] = operand()
    b: Value[TensorType] = operand()
    a_zero: int = prop()
    b_zero: int = prop()
    y_zero: int = prop()
    y_min: int = prop()
    y_max: int = prop()
    add: tuple[int, ...] = prop()
    quant: Quant = prop()
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        zeros = (self.a_zero, self.b_zero)
        check_ends(self, (self.a, self.b), zeros, self.quant, (self.y_zero, self.y_min, self.y_max))
        if self.a.type.shape != self.b.type.shape or len(self.add) != 3:
            raise self.error("shapes", f"expects equal shapes, got {self.a.type} and {self.b.type}")
        return (self.quant.tensor(self.a.type.shape),)


class MaxPoolOp(Op):
    """y = clamp(rhe((max(x) - x_zero) * M / 2^shift) + y_zero, y_min, y_max); pads are never the largest."""

    name = "bsp.max_pool"
    pure = True

    x: Value[TensorType] = operand()
    kernel: tuple[int, ...] = prop()
    strides: tuple[int, ...] = prop()
    pads: tuple[int, ...] = prop()
    dilations: tuple[int, ...] = prop()
    x_zero: int = prop()
    y_zero: int = prop()
    y_min: int = prop()
    y_max: int = prop()
    multiplier: int = prop()
    shift: int = prop()
    quant: Quant = prop()
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        check_image(self, self.x.type)
        check_ends(self, (self.x,), (self.x_zero,), self.quant, (self.y_zero, self.y_min, self.y_max))
        shape = self.x.type.shape
        size = window_shape(self, shape[1:3], self.kernel, self.strides, self.pads, self.dilations)
        return (self.quant.tensor((1, *size, shape[3])),)


class AvgPoolOp(Op):
    """y = clamp(sum(x - x_zero) * M[count] / 2^shift[count] + y_zero, ...), by numerics.requantise_mean.

    The factor of each count that occurs is in `<scales>.count`, `.multiplier`, `.shift` (all equal), int32.  A pixel
    counts if it is inside the image or, with `count_include_pad`, inside `counted_pads`.
    """

    name = "bsp.avg_pool"
    pure = True

    x: Value[TensorType] = operand()
    kernel: tuple[int, ...] = prop()
    strides: tuple[int, ...] = prop()
    pads: tuple[int, ...] = prop()
    counted_pads: tuple[int, ...] = prop()
    count_include_pad: bool = prop()
    x_zero: int = prop()
    y_zero: int = prop()
    y_min: int = prop()
    y_max: int = prop()
    scales: str = prop()
    digest: str = prop()
    quant: Quant = prop()
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        check_image(self, self.x.type)
        check_ends(self, (self.x,), (self.x_zero,), self.quant, (self.y_zero, self.y_min, self.y_max))
        shape = self.x.type.shape
        size = window_shape(self, shape[1:3], self.kernel, self.strides, self.pads, (1, 1))
        return (self.quant.tensor((1, *size, shape[3])),)


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


class LookupOp(Op):
    """y = table[x], of bytes: `table` names 256 uint8 of the store, from the bits of x to the bits of y."""

    name = "bsp.lookup"
    pure = True

    x: Value[TensorType] = operand()
    table: str = prop()
    digest: str = prop()
    quant: Quant = prop()
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        quant_of(self, self.x.type)
        return (self.quant.tensor(self.x.type.shape),)


class ConcatOp(Op):
    """Channels of tensors of one quantisation one after another."""

    name = "bsp.concat"
    pure = True

    inputs: tuple[Value[TensorType], ...] = operands()
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        return (concat_type(self, self.inputs),)


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
            if isinstance(user, RowsOp | ConcatOp | StackOp | OutputOp):
                raise self.error("rows", f"is read by '{user.name}', which needs a tensor and no view")
            if not isinstance(user, Conv2dOp | MaxPoolOp | AvgPoolOp) or user.operands[0] is not self.y:
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
            if not part.used_once or isinstance(part.op, InputOp | ConstantOp | StackOp):
                raise self.error("stack", f"joins {part.type}, which is not written for it alone")


def parts_of(value: Value[TensorType]) -> tuple[Value[TensorType], ...]:
    """A value and, if it is joined from others, all that it is joined from."""
    inputs = value.op.inputs if isinstance(value.op, ConcatOp | StackOp) else ()
    return (value, *(inner for one in inputs for inner in parts_of(one)))


def whole_of(value: Value[TensorType]) -> Value[TensorType]:
    """The tensor whose buffer a value is written into: what it is joined into, or itself."""
    for user in value.users:
        if isinstance(user, ConcatOp | StackOp):
            return whole_of(user.y)
    return value


def check_ends(
    op: Op,
    inputs: tuple[Value[TensorType], ...],
    zeros: tuple[int, ...],
    quant: Quant,
    result: tuple[int, int, int],
) -> None:
    """Zero points agree with the types, and the clamp lies within the type of the result."""
    wanted = (*(quant_of(op, one.type).zero for one in inputs), quant.zero)
    if wanted != (*zeros, result[0]):
        raise op.error("zero-point", f"has the zero points {(*zeros, result[0])}, its types say {wanted}")
    check_bounds(op, quant, result[1], result[2])


OPS: tuple[type[Op], ...] = (
    WeightOp, ConstantOp, Conv2dOp, AddOp, MaxPoolOp, AvgPoolOp, RequantizeOp, LookupOp, ConcatOp, RowsOp, StackOp,
)  # fmt: skip
DIALECT = Dialect("bsp", ops=OPS, attributes=(BlockMatrixType,))
STAGE_OPS: tuple[type[Op], ...] = (InputOp, OutputOp, *DIALECT.ops)
