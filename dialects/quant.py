"""What `nn` and `bsp` share: quantised tensor types, windows and their shape rules."""

from __future__ import annotations

import math
from dataclasses import dataclass

from compiler.errors import Limit
from compiler.ir import I8, UI8, DialectAttribute, Op, TensorType, Type, Value

INT8_RANGE = (-128, 127)
UINT8_RANGE = (0, 255)


@dataclass(frozen=True)
class Quant(DialectAttribute, mnemonic="nn.quant"):
    """real = (integer - zero) * scale, where scale = mantissa * 2^exponent is a float32, the mantissa odd."""

    element: Type
    mantissa: int
    exponent: int
    zero: int

    @property
    def scale(self) -> float:
        """The float32 scale, exactly."""
        return math.ldexp(self.mantissa, self.exponent)

    @property
    def limits(self) -> tuple[int, int]:
        """The smallest and the largest integer of the type."""
        return UINT8_RANGE if self.element == UI8 else INT8_RANGE

    @property
    def dtype(self) -> str:
        """The numpy name of the type."""
        return "uint8" if self.element == UI8 else "int8"

    def tensor(self, shape: tuple[int, ...]) -> TensorType:
        """A tensor of integers that mean this."""
        return TensorType(shape, self.element, self)


def is_quantised(type: Type) -> bool:
    """Whether it is a tensor of integers with a scale."""
    return isinstance(type, TensorType) and isinstance(type.encoding, Quant)


def quant_of(op: Op, type: TensorType) -> Quant:
    """How the integers of a tensor that `op` reads are to be understood."""
    if not isinstance(type.encoding, Quant) or type.element not in (I8, UI8):
        raise op.error("not-quantised", f"expects a quantised tensor, got {type}")
    return type.encoding


def check_image(op: Op, type: TensorType) -> None:
    """Activations are NHWC with batch 1, and nothing is empty."""
    if len(type.shape) != 4 or type.shape[0] != 1 or min(type.shape) < 1:
        limit = Limit("shape", "1xHxWxC with no empty dimension", "x".join(map(str, type.shape)))
        raise op.error("not-nhwc", f"expects tensors 1xHxWxC with no empty dimension, got {type}", limit=limit)


def check_bounds(op: Op, quant: Quant, low: int, high: int) -> None:
    """A clamp lies within the type."""
    first, last = quant.limits
    if not first <= low <= high <= last:
        raise op.error("bounds", f"clamps to [{low}, {high}], the type holds [{first}, {last}]")


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


def is_pixel(type: TensorType) -> bool:
    """Whether an image is one pixel."""
    return type.shape[1:3] == (1, 1)


def pair_shape(op: Op, a: TensorType, b: TensorType) -> tuple[int, ...]:
    """The shape of what two activations give pixel by pixel, channel by channel; one of them may be one pixel."""
    if a.shape == b.shape:
        return a.shape
    for one in (a, b):
        check_image(op, one)
    if a.shape[3] != b.shape[3] or not (is_pixel(a) or is_pixel(b)):
        help = "one of them may be a pixel, [1, 1, 1, C], that all pixels of the other meet"
        limit = Limit("input shapes", "equal ones, or a pixel and an image", f"{list(a.shape)} and {list(b.shape)}")
        raise op.error("shapes", f"expects equal shapes, got {a} and {b}", help, limit=limit)
    return b.shape if is_pixel(a) else a.shape


def window_shape(
    op: Op,
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    pads: tuple[int, ...],
    dilations: tuple[int, ...],
    *,
    crops: bool = False,
) -> tuple[int, int]:
    """Height and width of the result: (size + pads - dilation * (kernel - 1) - 1) // stride + 1.

    Pads are top, left, bottom, right; with `crops` a negative one takes pixels away.
    """
    if [len(one) for one in (kernel, strides, pads, dilations)] != [2, 2, 4, 2]:
        raise op.error("window", "expects 2 kernel, 2 stride, 4 pad and 2 dilation numbers")
    if min(*kernel, *strides, *dilations) < 1 or (min(pads) < 0 and not crops):
        raise op.error("window", "expects positive kernel, strides and dilations, and no negative pad")
    found = []
    for axis in range(2):
        reach = dilations[axis] * (kernel[axis] - 1) + 1
        room = size[axis] + pads[axis] + pads[axis + 2]
        if reach > room:
            help = "feed larger images, or pad them"
            limit = Limit("window", f"at most {room} padded pixels", str(reach))
            raise op.error("window", f"has a window of {reach} on {room} padded pixels", help, limit=limit)
        found.append((room - reach) // strides[axis] + 1)
    return found[0], found[1]
