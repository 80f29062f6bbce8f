"""A small dialect for tests of the IR: every kind of field once."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.ir import (
    I8,
    Dialect,
    DialectAttribute,
    DialectType,
    EnumAttr,
    IntAttr,
    Op,
    Region,
    Scanner,
    SymbolRef,
    TensorType,
    Type,
    Value,
    operand,
    operands,
    optional_operand,
    prop,
    region,
    result,
    results,
)


class Activation(EnumAttr, mnemonic="toy.act"):
    """What follows a convolution."""

    RELU = "relu"
    CLIP = "clip"


@dataclass(frozen=True)
class Quant(DialectAttribute, mnemonic="toy.quant"):
    """An attribute with the body that comes for free."""

    scale: float
    zero: int = 0
    axis: int | None = None
    names: tuple[str, ...] = ()
    element: Type = I8


@dataclass(frozen=True)
class MatrixType(DialectType, mnemonic="toy.mat"):
    """A type that reads and writes its own body."""

    shape: tuple[int, ...]
    element: Type
    kept: int

    def body(self) -> str:
        return f"{'x'.join(map(str, self.shape))}x{self.element}, kept = {self.kept}"

    @classmethod
    def parse_body(cls, body: Scanner) -> MatrixType:
        shape, element = body.shape_and_type()
        for literal in (",", "kept", "="):
            body.expect(literal)
        return cls(shape, element, body.integer())


@dataclass(frozen=True)
class TokenType(DialectType, mnemonic="toy.token"):
    """A type without a body."""


class WeightOp(Op):
    """A weight, by symbol."""

    name = "toy.weight"
    pure = True

    symbol: str = prop()
    type: MatrixType = prop()
    y: Value[MatrixType] = result()

    def infer(self) -> tuple[Type, ...]:
        return (self.type,)


class ConvOp(Op):
    """A pointwise product of a tensor's last dimension with a matrix."""

    name = "toy.conv"
    pure = True

    x: Value[TensorType] = operand()
    weight: Value[MatrixType] = operand()
    strides: tuple[int, ...] = prop()
    act: Activation | None = prop(default=None)
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        *outer, channels = self.x.type.shape
        rows, columns = self.weight.type.shape
        if columns != channels:
            raise self.error(
                "toy-columns",
                f"expects {channels} weight columns, got {columns}",
                help="columns are the channels of x",
            )
        return (TensorType((*outer, rows), I8),)


class ReluOp(Op):
    """max(x, 0)."""

    name = "toy.relu"
    pure = True

    x: Value[TensorType] = operand()
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        return (self.x.type,)


class MixOp(Op):
    """An operation with groups of operands that vary, properties of every kind, and several results."""

    name = "toy.mix"

    first: Value[Type] = operand()
    bias: Value[TensorType] | None = optional_operand()
    others: tuple[Value[TensorType], ...] = operands()
    count: int = prop(default=1)
    name_: str | None = prop(default=None)
    flag: bool | None = prop(default=None)
    scale: float | None = prop(default=None)
    names: tuple[str, ...] | None = prop(default=None)
    quant: Quant | None = prop(default=None)
    quants: tuple[Quant, ...] | None = prop(default=None)
    small: IntAttr | None = prop(default=None)
    target: SymbolRef | None = prop(default=None)
    head: Value[Type] = result()
    rest: tuple[Value[Type], ...] = results()
    tail: Value[Type] = result()

    def infer(self) -> tuple[Type, ...]:
        return (self.first.type, *(one.type for one in self.others), TokenType())


class LoopOp(Op):
    """An operation with regions that see the values around it."""

    name = "toy.loop"

    inputs: tuple[Value[Type], ...] = operands()
    body: Region = region()
    done: Region = region()


class YieldOp(Op):
    """The end of a loop's body."""

    name = "toy.yield"
    terminator = True

    values: tuple[Value[Type], ...] = operands()


DIALECT = Dialect(
    "toy",
    ops=(WeightOp, ConvOp, ReluOp, MixOp, LoopOp, YieldOp),
    attributes=(Activation, Quant, MatrixType, TokenType),
)
