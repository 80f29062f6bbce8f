"""What operations of `nn` and of `bsp` declare alike: their fields and their shape rules."""

from __future__ import annotations

from compiler.errors import Limit
from compiler.ir import Op, TensorType, Type, Value, operand, operands, prop, result
from dialects.quant import Quant, check_image, quant_of, window_shape


class Pool(Op):
    """The fields and the shape rule of pools, of floats and of integers."""

    x: Value[TensorType] = operand()
    kernel: tuple[int, ...] = prop()
    strides: tuple[int, ...] = prop()
    pads: tuple[int, ...] = prop()

    def pooled(self, dilations: tuple[int, ...] = (1, 1), *, crops: bool = False) -> tuple[int, ...]:
        """The shape of the result; `crops` as for `window_shape`."""
        check_image(self, self.x.type)
        shape = self.x.type.shape
        size = window_shape(self, shape[1:3], self.kernel, self.strides, self.pads, dilations, crops=crops)
        return (1, *size, shape[3])


class Lookup(Op):
    """The fields and the shape rule of look-ups, which make quantised tensors of quantised tensors."""

    x: Value[TensorType] = operand()
    table: str = prop()
    digest: str = prop()
    quant: Quant = prop()
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        quant_of(self, self.x.type)
        return (self.quant.tensor(self.x.type.shape),)


class Concat(Op):
    """Tensors that lie one behind another in the channels."""

    inputs: tuple[Value[TensorType], ...] = operands()
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        if not self.inputs:
            raise self.error("concat", "needs an input")
        first = self.inputs[0].type
        for one in self.inputs:
            check_image(self, one.type)
            same = (one.type.shape[:3], one.type.element, one.type.encoding)
            if same != (first.shape[:3], first.element, first.encoding):
                raise self.error("concat", f"joins {first} and {one.type}, which differ in more than channels")
        channels = sum(one.type.shape[3] for one in self.inputs)
        return (TensorType((*first.shape[:3], channels), first.element, first.encoding),)


class Interleave(Op):
    """Pixel (sy * y + i, sx * x + j) is pixel (y, x) of input i * sx + j, for `steps` (sy, sx)."""

    inputs: tuple[Value[TensorType], ...] = operands()
    steps: tuple[int, ...] = prop()
    y: Value[TensorType] = result()

    def infer(self) -> tuple[Type, ...]:
        inputs, steps = self.inputs, self.steps
        if len(steps) != 2 or min(steps) < 1 or len(inputs) != steps[0] * steps[1]:
            text = f"has {len(inputs)} inputs for the steps {steps}, expects their product"
            raise self.error("interleave", text)
        first = inputs[0].type
        for one in inputs:
            check_image(self, one.type)
            if one.type != first:
                limit = Limit("inputs", "equal types", f"{first} and {one.type}")
                raise self.error("interleave", f"joins {first} and {one.type}, which differ", limit=limit)
        _, height, width, channels = first.shape
        return (TensorType((1, steps[0] * height, steps[1] * width, channels), first.element, first.encoding),)
