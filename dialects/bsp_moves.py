"""`bsp`: parts of tensors, and tensors made of parts.  None of them moves a byte: parts are written, or read, where
they lie."""

from __future__ import annotations

from compiler.ir import Op, TensorType, Type, Value, operand, prop, result
from dialects.alike import Interleave
from dialects.quant import check_image


class BlocksOp(Op):
    """`channels` channels from block `first` of 8 on, where they lie.

    What else the last block holds is of no weight to those who read it.
    """

    name = "bsp.blocks"
    pure = True

    x: Value[TensorType] = operand()
    first: int = prop()
    channels: int = prop()
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        type = self.x.type
        check_image(self, type)
        if self.first < 0 or self.channels < 1 or 8 * self.first + self.channels > type.shape[3]:
            text = f"takes {self.channels} channels from channel {8 * self.first} on, of {type.shape[3]}"
            raise self.error("blocks", text)
        return (TensorType((*type.shape[:3], self.channels), type.element, type.encoding),)


class InterleaveOp(Interleave):
    """Pixel (sy * y + i, sx * x + j) is pixel (y, x) of input i * sx + j, for `steps` (sy, sx).

    Each input is stored straight into its places; one that comes several times is stored several times.
    """

    name = "bsp.interleave"
    pure = True

    @property
    def phases(self) -> tuple[tuple[int, int], ...]:
        """The place (i, j) of each input among sy * sx pixels."""
        return tuple(divmod(number, self.steps[1]) for number in range(len(self.inputs)))
