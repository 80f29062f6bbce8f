"""`nn`: operations that only move numbers, so that floats and integers pass through them alike."""

from __future__ import annotations

from compiler.ir import Op, TensorType, Type, Value, operand, prop, result
from dialects.alike import Interleave
from dialects.quant import check_image


class PadOp(Op):
    """Pixels that mean 0 around an image: top, left, bottom, right; none of them negative."""

    name = "nn.pad"
    pure = True

    x: Value[TensorType] = operand()
    pads: tuple[int, ...] = prop()
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        type = self.x.type
        check_image(self, type)
        if len(self.pads) != 4 or min(self.pads) < 0:
            raise self.error("pads", f"expects 4 pads and none negative, got {self.pads}")
        (top, left, bottom, right), (_, height, width, channels) = self.pads, type.shape
        shape = (1, top + height + bottom, left + width + right, channels)
        return (TensorType(shape, type.element, type.encoding),)


class ChannelsOp(Op):
    """Channel k of the result is channel `index[k]` of x, or means 0 where that is -1."""

    name = "nn.channels"
    pure = True

    x: Value[TensorType] = operand()
    index: tuple[int, ...] = prop()
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        type = self.x.type
        check_image(self, type)
        channels = type.shape[3]
        if not self.index or not all(-1 <= one < channels for one in self.index):
            raise self.error("channels", f"takes channels {self.index} of {channels}", "-1 stands for zeros")
        return (TensorType((*type.shape[:3], len(self.index)), type.element, type.encoding),)

    @property
    def stretch(self) -> tuple[int, int] | None:
        """The channels [first, last) that it takes as they lie, None if it does more."""
        first = self.index[0]
        last = first + len(self.index)
        return (first, last) if first >= 0 and self.index == tuple(range(first, last)) else None


class InterleaveOp(Interleave):
    """Pixel (sy * y + i, sx * x + j) is pixel (y, x) of input i * sx + j, for `steps` (sy, sx).

    With sy * sx times the same input pixels are repeated.
    """

    name = "nn.interleave"
    pure = True
