"""Graphs as hypothesis draws them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from hypothesis import strategies as st

from tests.fuzz.operators import CHANNELS, HEADS, OPERATORS
from tests.fuzz.sketch import Choices, FloatSketch, Sketch
from tests.netbuilder import Style, Tensor

MOST_STEPS = 5
MOST_ELEMENTS = 40 * 40 * 40
OPSETS = (17, 13, 21, 18)
TARGETS = ("aie2-2x2", "aie2-4x4", "aie2-3x3", "npu1", "ve2802-2x4")


@dataclass(frozen=True)
class Drawn:
    """A model, its target and the seed of its inputs; `exact` if equal bytes are owed: scales are powers of two.

    Float models (`floats`) are quantised by bscc.  The model declares `images` at a time, or, `symbolic`, leaves their
    number open.
    """

    model: onnx.ModelProto
    target: str
    seed: int
    exact: bool
    floats: bool = False
    images: int = 1
    symbolic: bool = False

    def __repr__(self) -> str:
        kinds = [node.op_type for node in self.model.graph.node if "Quantize" not in node.op_type]
        words = [self.target, f"seed {self.seed}", "powers of two" if self.exact else "any scales"]
        words += ["float"] * self.floats + [f"{self.images} images"] * (self.images > 1)
        words += ["symbolic batch"] * self.symbolic
        return f"{', '.join(words)}: {' '.join(kinds)}"

    def with_images(self, count: int) -> onnx.ModelProto:
        """The model for this many images at a time, 0 for any number."""
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        for info in (*model.graph.input, *model.graph.output):
            first = info.type.tensor_type.shape.dim[0]
            first.Clear()
            if count:
                first.dim_value = count
            else:
                first.dim_param = "N"
        return model


@st.composite
def graphs(draw: st.DrawFn) -> Drawn:
    """A model of one to five operators, on images of up to 20x20; some are float, some take several images."""
    choices = Choices(lambda low, high: draw(st.integers(low, high)))
    exact = not choices.flag() or not choices.flag()
    style = Style(
        dtype=choices.one_of(("int8", "uint8")),
        symmetric=choices.flag(),
        pow2=exact,
        per_channel=choices.flag(),
        opset=choices.one_of(OPSETS),
    )
    seed = choices.integer(0, 9999)
    shape = (choices.one_of(CHANNELS), choices.integer(1, 20), choices.integer(1, 20))
    floats = choices.integer(0, 5) == 5
    net = (FloatSketch if floats else Sketch)(choices, shape, style, seed)
    seen = [net.x]
    for _ in range(choices.integer(1, MOST_STEPS)):
        # Mostly the newest tensor is read on; older ones make branches, which then are outputs.
        x = seen[-1 - min(choices.integer(0, 5), len(seen) - 1) // 2]
        y = choices.one_of(OPERATORS)(net, x)
        if y is not None and np.prod(y.shape) <= MOST_ELEMENTS:
            seen.append(y)
    outputs = [choices.one_of(HEADS)(net, seen[-1])]
    read = {name for node in net.nodes for name in node.input}
    outputs += [one for one in seen[1:-1] if (one.int_name or one.float_name) not in read or not choices.integer(0, 3)]
    images, symbolic = choices.one_of(((1, False), (1, False), (1, False), (2, False), (3, True), (1, True)))
    model = net.model(_unlike(outputs))
    return Drawn(model, choices.one_of(TARGETS), seed, exact, floats, images, symbolic)


def _unlike(outputs: list[Tensor]) -> list[Tensor]:
    """Outputs without those that come twice."""
    found: dict[str, Tensor] = {}
    for one in outputs:
        found.setdefault(one.int_name or one.float_name, one)
    return list(found.values())
