"""Operators of the model builder that only move numbers, and the transposed convolution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import TensorProto, helper

from tests.netbuilder import Array, Attributes, Floats, Tensor, make_model, make_node, session
from tests.netlayers import Layers


def integers(*numbers: int) -> Array:
    return np.array(numbers, np.int64)


class Moves(Layers):
    """`Layers` with pads, slices, resizes and transposed convolutions."""

    def moved(
        self, kind: str, x: Tensor, *constants: Array | None, attributes: Attributes | None = None, outputs: int = 1
    ) -> tuple[Tensor, ...]:
        """Floats behind an operator with constant inputs (None: left out), as they are behind DequantizeLinear."""
        given = attributes or {}
        names = ["" if one is None else self.const(one, kind.lower()) for one in constants]
        values = self._values(kind, x.value, names, given, outputs)
        base = self.name(kind)
        made = [f"{base}_out{number}" for number in range(outputs)]
        node = make_node(kind, [self.read(x), *names], made[0], base, given)
        node.output.extend(made[1:])
        self.nodes.append(node)
        return tuple(
            Tensor(value, float_name=name, scale=x.scale, zero=x.zero) for value, name in zip(values, made, strict=True)
        )

    def _values(self, kind: str, x: Floats, names: Sequence[str], attributes: Attributes, outputs: int) -> list[Floats]:
        """What onnxruntime makes of each sample, as pads and sizes are of one image."""
        constants = [one for one in self.constants if one.name in names]
        ends = [f"o{number}" for number in range(outputs)]
        node = make_node(kind, ["x", *names], ends[0], "", attributes)
        node.output.extend(ends[1:])
        info = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, *x.shape[1:]))
        empty = [helper.make_empty_tensor_value_info(one) for one in ends]
        run = session(make_model(helper.make_graph([node], "one", [info], empty, constants), self.style.opset))
        results = [run.run(None, {"x": one[None]}) for one in x]
        return [np.concatenate([one[number] for one in results]) for number in range(outputs)]

    def same(self, kind: str, x: Tensor, *constants: Array | None, attributes: Attributes | None = None) -> Tensor:
        """An operator between DQ and Q of one scale."""
        return self.quant(self.moved(kind, x, *constants, attributes=attributes)[0], like=x)

    def slice(
        self, x: Tensor, starts: Sequence[int], ends: Sequence[int], axes: Sequence[int], steps: Sequence[int] = ()
    ) -> Tensor:
        steps = steps or [1] * len(axes)
        return self.same("Slice", x, integers(*starts), integers(*ends), integers(*axes), integers(*steps))

    def split(self, x: Tensor, *sizes: int, axis: int = 1) -> list[Tensor]:
        parts = self.moved("Split", x, integers(*sizes), attributes={"axis": axis}, outputs=len(sizes))
        return [self.quant(one, like=x) for one in parts]

    def upsample(self, x: Tensor, down: int = 2, across: int = 2, **attributes: str) -> Tensor:
        scales = np.array([1, 1, down, across], np.float32)
        rules = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor", "mode": "nearest"}
        return self.same("Resize", x, None, scales, attributes={**rules, **attributes})

    def conv_transpose(
        self,
        x: Tensor,
        out: int,
        kernel: tuple[int, int] = (2, 2),
        *,
        strides: tuple[int, int] = (2, 2),
        pads: tuple[int, int, int, int] = (0, 0, 0, 0),
        more: tuple[int, int] = (0, 0),
        bias: bool = True,
        group: int = 1,
        extra: Attributes | None = None,
    ) -> Tensor:
        attributes: Attributes = {
            "kernel_shape": kernel,
            "strides": strides,
            "output_padding": more,
            **({} if extra and "auto_pad" in extra else {"pads": pads}),
            "group": group,
            **(extra or {}),
        }
        weight = self.draw_weight((x.channels, out // group, *kernel), 0.0)
        return self._dense("ConvTranspose", x, weight, attributes, bias, 1, None)
