"""Passes over the toy dialect, for tests of the pass manager and of `bscc-opt`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from compiler.errors import DoesNotFit, Limit, Reason
from compiler.ir import Module, Rewriter, apply_patterns, fuse, rewrites
from compiler.pass_manager import Pass, Stage, option
from tests.toy import DIALECT, Activation, ConvOp, LoopOp, MixOp, ReluOp, WeightOp, YieldOp

if TYPE_CHECKING:
    from compiler.target import Target

TOY = Stage.of("toy", DIALECT.ops)
FUSED = Stage.of("toy-fused", (WeightOp, ConvOp, MixOp, LoopOp, YieldOp))


@rewrites(ReluOp)
def relu_of_conv(relu: ReluOp, rw: Rewriter) -> bool:
    """relu(conv(x)) -> conv(x) {act = relu}, when nobody else reads conv(x)."""
    conv = relu.x.op
    if not isinstance(conv, ConvOp) or conv.act is not None or not conv.y.used_once:
        return False
    rw.replace(relu, rw.copy(conv, act=Activation.RELU, loc=fuse(conv.loc, relu.loc)))
    return True


@rewrites(ReluOp)
def relu_of_relu(relu: ReluOp, rw: Rewriter) -> bool:
    """relu(relu(x)) -> relu(x), where a convolution may have done the inner one."""
    inner = relu.x.op
    if not isinstance(inner, ReluOp) and not (isinstance(inner, ConvOp) and inner.act is Activation.RELU):
        return False
    rw.replace(relu, relu.x)
    return True


@dataclass(frozen=True)
class ToyFuse(Pass):
    """Fuse activations into convolutions."""

    name: ClassVar[str] = "toy-fuse"
    requires: ClassVar[Stage] = TOY
    ensures: ClassVar[Stage] = TOY

    def run(self, module: Module, target: Target) -> None:
        apply_patterns((relu_of_conv, relu_of_relu), module)


class Order(Enum):
    """An option that is a choice."""

    FIRST = "first"
    LAST = "last"


@dataclass(frozen=True)
class ToyLimit(Pass):
    """Refuse convolutions with too many channels."""

    name: ClassVar[str] = "toy-limit"
    requires: ClassVar[Stage] = TOY
    ensures: ClassVar[Stage] = TOY

    max_channels: int = option(64, help="how many channels a convolution may have")
    strict: bool = option(True, help="count the limit itself as too many")
    order: Order = option(Order.FIRST, help="which convolution to name")
    sizes: tuple[int, ...] = option((8, 8), help="nothing")
    label: str | None = option(None, help="a word for the message")

    def run(self, module: Module, target: Target) -> None:
        limit = self.max_channels - self.strict
        for conv in module.walk(ConvOp):
            if conv.y.type.shape[-1] > limit:
                raise DoesNotFit(
                    Reason(
                        "toy-limit",
                        f"'{conv.name}' has {conv.y.type.shape[-1]} channels, allowed are {limit}",
                        conv.loc,
                        notes=(f"{self.max_channels} channels - {int(self.strict)} for strictness",),
                        help=f"{self.name}{{strict=false}} allows more" if self.strict else "",
                        limit=Limit("channels", str(limit), str(conv.y.type.shape[-1])),
                    )
                )


@dataclass(frozen=True)
class ToyLower(Pass):
    """Promise that no relu is left, and keep the promise only if there was none."""

    name: ClassVar[str] = "toy-lower"
    requires: ClassVar[Stage] = TOY
    ensures: ClassVar[Stage] = FUSED

    def run(self, module: Module, target: Target) -> None:
        pass


@dataclass(frozen=True)
class ToyBreak(Pass):
    """Leave a wrong result type behind, as a pass with a bug would."""

    name: ClassVar[str] = "toy-break"

    def run(self, module: Module, target: Target) -> None:
        for relu in module.walk(ReluOp):
            relu.y._type = relu.y.type.__class__((1,), relu.y.type.element)


@dataclass(frozen=True)
class ToyAfter(Pass):
    """Need what `toy-lower` promises."""

    name: ClassVar[str] = "toy-after"
    requires: ClassVar[Stage] = FUSED
    ensures: ClassVar[Stage] = FUSED

    def run(self, module: Module, target: Target) -> None:
        pass


PASSES: tuple[type[Pass], ...] = (ToyFuse, ToyLimit, ToyLower, ToyBreak, ToyAfter)
