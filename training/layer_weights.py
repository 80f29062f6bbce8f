"""Which weights of a network are zero, layer by layer: of a float model, of a converted one, of an ONNX file.

Zeros are told by value: -0.0 is zero, and a quantised weight is zero where it equals its zero point.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn
from torch.fx import GraphModule

from compiler.errors import Diagnostic, UnreadableInput
from training.blocks import Block, BlockView, Taps
from training.int8.graphs import TRANSPOSED, WEIGHTED, args_of, op_name, value_of
from training.layers import find

SINGLE = Block(taps=Taps.EACH)


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """Where the weights of a layer, in its own shape, are not zero, and how they are blocks of one tap.

    `macs` are multiplications for one image, 0 if they are not known.
    """

    name: str
    alive: Tensor
    view: BlockView
    macs: int = 0

    @property
    def zero_blocks(self) -> Tensor:
        """Which 8x8 blocks are zero, [groups, O / 8, I / 8, taps]."""
        return self.without(self.alive)

    def without(self, alive: Tensor) -> Tensor:
        """Which blocks would be zero if just these weights were not."""
        return self.view.sums(alive.to(torch.float32)) == 0


def layers_of_model(model: nn.Module, example: Tensor | None = None) -> list[LayerWeights]:
    """Layers with weights of a float model, in the order in which `example` [N, ...] passes them.

    Only an example shows multiplications, and which matrices read a flattened image, whose pixels are their taps.
    """
    found = []
    for layer in find(model, example):
        view = replace(layer.view, block=SINGLE)
        found.append(LayerWeights(layer.name, (layer.weight.detach() != 0).cpu(), view, layer.macs))
    return found


GROUPS_AT = 6
"""Which argument of ATen's convolutions, transposed or not, is their groups; what is left out is 1."""


def layers_of_converted(converted: GraphModule, like: Sequence[LayerWeights] = ()) -> list[LayerWeights]:
    """The layers with int8 weights of what `QatModel.convert` gives, in the order in which they run.

    `like` are those of the float model, for multiplications and flattened images.
    """
    found: dict[str, LayerWeights] = {}
    for node in converted.graph.nodes:
        given = args_of(node)
        if op_name(node) not in WEIGHTED or not op_name(given[1]).startswith("dequantize"):
            continue
        source = args_of(given[1])
        weight, zero = value_of(converted, source[0]), value_of(converted, source[2])
        assert weight is not None
        name = str(source[0].target).removesuffix(".weight")
        alive = weight != (int(source[2]) if zero is None else along(zero, int(source[3]), weight.dim()))
        groups = int(given[GROUPS_AT]) if op_name(node) != "linear" and len(given) > GROUPS_AT else 1
        view = BlockView(tuple(weight.shape), SINGLE, groups, op_name(node) in TRANSPOSED)
        found.setdefault(name, LayerWeights(name, alive.detach().cpu(), view))
    return _as_in(like, found.values())


def along(values: Tensor, axis: int, dimensions: int) -> Tensor:
    """Numbers of one axis in a shape that broadcasts over all of them; a single one is for all."""
    if values.numel() == 1:
        return values.reshape(())
    return values.reshape([-1 if at == axis % dimensions else 1 for at in range(dimensions)])


def _as_in(like: Sequence[LayerWeights], found: Iterable[LayerWeights]) -> list[LayerWeights]:
    """Layers with what the file itself does not say of them."""
    known = {one.name: one for one in like}
    result = []
    for one in found:
        other = known.get(one.name)
        if other is not None and other.view.shape == one.view.shape:
            one = replace(one, view=other.view, macs=other.macs or one.macs)
        result.append(one)
    return result


def layers_of_onnx(source: str | Path | bytes, like: Sequence[LayerWeights] = ()) -> list[LayerWeights]:
    """Layers with constant weights of an ONNX file, float or QDQ, named by their weights, `<layer>.weight`.

    `source` is its path or its content; `like` are those of the float model, for flattened images.
    """
    try:
        proto = onnx.load_from_string(source) if isinstance(source, bytes) else onnx.load(source)
        graph = onnx.shape_inference.infer_shapes(proto).graph
    except Exception as error:  # whatever protobuf and onnx raise for what is no model
        place = "" if isinstance(source, bytes) else str(source)
        raise UnreadableInput(Diagnostic("unreadable", f"cannot read the model: {error}", place)) from error
    constants = {one.name: one for one in graph.initializer}
    maker = {name: node for node in graph.node for name in node.output}
    values = (*graph.input, *graph.value_info, *graph.output)
    shapes = {one.name: [side.dim_value for side in one.type.tensor_type.shape.dim] for one in values}
    found: dict[str, LayerWeights] = {}
    for node in graph.node:
        if node.op_type not in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
            continue
        read = _weight(node.input[1], constants, maker)
        if read is None:
            continue
        name, alive = read[0].removesuffix(".weight"), torch.from_numpy(read[1])
        attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        transposed = node.op_type == "ConvTranspose"
        if node.op_type == "MatMul" or (node.op_type == "Gemm" and not attributes.get("transB", 0)):
            alive = alive.T
        places = shapes.get(node.input[0] if transposed else node.output[0], [0])
        pixels = math.prod(places[2:] if node.op_type.startswith("Conv") else places[1:-1] or [1])
        macs = alive.numel() * pixels + (found[name].macs if name in found else 0)
        view = BlockView(tuple(alive.shape), SINGLE, attributes.get("group", 1), transposed)
        found[name] = LayerWeights(name, alive, view, macs)
    return _as_in(like, found.values())


def _weight(
    name: str, constants: Mapping[str, onnx.TensorProto], maker: Mapping[str, onnx.NodeProto]
) -> tuple[str, NDArray[np.bool_]] | None:
    """The name of constant weights and where they are not zero, or None if they are computed."""
    if name in constants:
        return name, np.asarray(numpy_helper.to_array(constants[name]) != 0)
    node = maker.get(name)
    if node is None or node.op_type != "DequantizeLinear" or node.input[0] not in constants:
        return None
    weight = numpy_helper.to_array(constants[node.input[0]])
    zero: NDArray[Any] = np.zeros((), weight.dtype)
    if len(node.input) > 2 and node.input[2]:
        zero = numpy_helper.to_array(constants[node.input[2]])
    axis = next((one.i for one in node.attribute if one.name == "axis"), 1)
    return node.input[0], np.asarray(weight != along(torch.from_numpy(zero.copy()), axis, weight.ndim).numpy())
