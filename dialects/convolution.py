"""Convolutions of `bsp`: their weights as kept blocks, their tables of factors, and the operations over them."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.blocks import blocks_in_groups, blocks_of
from compiler.ir import (
    I8,
    DialectType,
    Op,
    Scanner,
    TensorType,
    Type,
    Value,
    operand,
    optional_operand,
    prop,
    result,
)
from dialects.quant import Quant, check_ends, check_image, quant_of, window_shape

MATRIX = ("blocks", "index")
"""Arrays of a weight."""

TABLE = ("bias", "multiplier", "shift", "first")
"""Columns of a convolution's table; the last is there only if sums are not scaled exactly."""


@dataclass(frozen=True)
class BlockMatrixType(DialectType, mnemonic="bsp.mat"):
    """Weights of `shape` [O, I, KH, KW] of which `kept` blocks of `total` are stored.

    A block has 8 output channels of one tap and `block[1]` input channels: 8, or 1 where each channel has its own.
    """

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

    Blocks outside the `group`s of a convolution are not in the `total` either.  Blocks 8x1, of a depthwise convolution,
    are [kept, 1, 8], and in the index each has its output block as its input block, too.  As many blocks as `again`
    says are stored twice, their weights being sums of both (`compiler.blocks`).  `dense` says that all blocks are
    stored, and `reason` why.
    """

    name = "bsp.weight"
    pure = True

    symbol: str = prop()
    digest: str = prop()
    kernel: tuple[int, ...] = prop()
    dense: bool = prop()
    reason: str = prop()
    type: BlockMatrixType = prop()
    again: int | None = prop(default=None)
    group: int | None = prop(default=None)
    y: Value[BlockMatrixType] = result()

    def infer(self) -> tuple[Type, ...]:
        type = self.type
        if len(type.shape) != 4 or type.shape[2:] != self.kernel or type.element != I8:
            raise self.error("weight", f"expects OxIxKHxKW of int8, got {type}")
        if type.block != (8, 8) and (type.block, type.shape[1], self.group) != ((8, 1), 1, None):
            raise self.error("weight", f"expects blocks 8x8, or 8x1 of one input channel, got {type}")
        total = self._blocks() * self.kernel[0] * self.kernel[1]
        if type.total != total or not 0 <= type.kept <= total:
            raise self.error("weight", f"has {total} blocks, its type says {type.kept} of {type.total}")
        return (type,)

    def _blocks(self) -> int:
        """Blocks of a tap."""
        out, channels = self.type.shape[:2]
        if self.group is None:
            return blocks_of(out) * blocks_of(channels)
        if self.group < 1 or out % self.group or channels % self.group:
            raise self.error("group", f"divides {out} x {channels} channels into {self.group} groups")
        return int((blocks_in_groups(out, channels, self.group) > 0).sum())


class _Convolution(Op):
    """The fields and the rules of both convolutions; which weights are right, each says for itself."""

    x: Value[TensorType] = operand()
    weight: Value[BlockMatrixType] = operand()
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
    exact: bool | None = prop(default=None)
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        check_image(self, self.x.type)
        check_ends(self, (self.x,), (self.x_zero,), self.quant, (self.y_zero, self.y_min, self.y_max))
        self.check_weight()
        size = window_shape(self, self.x.type.shape[1:3], self.kernel, self.strides, self.pads, self.dilations)
        return (self.quant.tensor((1, *size, self.weight.type.shape[0])),)

    def check_weight(self) -> None:
        """Raise an error if the weights do not fit the kernel and the channels of x."""
        raise NotImplementedError


class Conv2dOp(_Convolution):
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

    residual: Value[TensorType] | None = optional_operand(default=None)
    mid_zero: int | None = prop(default=None)
    mid_min: int | None = prop(default=None)
    mid_max: int | None = prop(default=None)
    add: tuple[int, ...] | None = prop(default=None)
    r_zero: int | None = prop(default=None)

    def check_weight(self) -> None:
        _, channels, *kernel = self.weight.type.shape
        if tuple(kernel) != self.kernel or channels != self.x.type.shape[3] or self.weight.type.block != (8, 8):
            raise self.error(
                "weight", f"kernel {self.kernel} on {self.x.type.shape[3]} channels, got {self.weight.type}"
            )

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


class DepthwiseOp(_Convolution):
    """As `Conv2dOp` without a residual, of each channel by itself: its weights have blocks 8x1."""

    name = "bsp.depthwise"
    pure = True

    def check_weight(self) -> None:
        channels, one, *kernel = self.weight.type.shape
        wanted = self.kernel, self.x.type.shape[3], 1, (8, 1)
        if (tuple(kernel), channels, one, self.weight.type.block) != wanted:
            text = f"kernel {self.kernel} on each of {self.x.type.shape[3]} channels in blocks 8x1"
            raise self.error("weight", f"{text}, got {self.weight.type}")
