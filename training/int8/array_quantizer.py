"""Where the array rounds: what PT2E quantises, so that training meets the integers that the compiled network computes.

Every tensor that the array writes has a scale: inputs, the result of a convolution with its batch norm and clamp, of a
sum with its clamp, of a function.  What only moves numbers keeps the scale of what it reads (docs/numerics.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import torch
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e import FakeQuantize
from torchao.quantization.pt2e.quantizer import (
    QuantizationAnnotation,
    QuantizationSpec,
    Quantizer,
    SharedQuantizationSpec,
)

from compiler.errors import Diagnostic, UsageError, nearest
from training.int8.graphs import (
    CONVOLUTIONS,
    NOTHING,
    TRANSPOSED,
    WEIGHTED,
    args_of,
    is_constant,
    is_float,
    op_name,
    sources,
)
from training.int8.observers import ActivationObserver, WeightObserver

CLAMPS = ("relu", "relu6", "hardtanh", "clamp", "clamp_min", "clamp_max")
CLAMPED = (*WEIGHTED, "batch_norm", "add", "matmul")
"""What a clamp behind is part of."""
MOVES = (
    *("max_pool1d", "max_pool2d", "flatten", "view", "reshape", "_unsafe_view", "permute", "transpose", "squeeze"),
    *(
        "unsqueeze",
        "slice",
        "select",
        "narrow",
        "contiguous",
        "clone",
        "pad",
        "constant_pad_nd",
        "cat",
        "concat",
        "stack",
    ),
    *(
        "pixel_shuffle",
        "pixel_unshuffle",
        "channel_shuffle",
        "upsample_nearest2d",
        "chunk",
        "split",
        "split_with_sizes",
    ),
    *("unbind", "expand", "repeat", "index_select", "getitem", "t", "flip"),
)
WEIGHT_NAME = "bscc_weight"
"""The note of a node of the graph that names its weights: the name of the parameter in the model."""


class Activation(Enum):
    """The integers of activations."""

    INT8 = "int8"
    UINT8 = "uint8"


@dataclass(frozen=True)
class Numbers:
    """How activations and scales are written."""

    activation: Activation = Activation.INT8
    power_of_two: bool = False

    def __post_init__(self) -> None:
        words = [one.value for one in Activation]
        if not isinstance(self.activation, Activation):
            if self.activation not in words:
                text = f"there are no '{self.activation}' activations"
                raise UsageError(Diagnostic("qat-activation", text, help=nearest(str(self.activation), words)))
            object.__setattr__(self, "activation", Activation(self.activation))

    def of_activations(self, joined: bool) -> QuantizationSpec:
        """One scale and one zero point."""
        unsigned = self.activation is Activation.UINT8
        return QuantizationSpec(
            dtype=torch.uint8 if unsigned else torch.int8,
            quant_min=0 if unsigned else -128,
            quant_max=255 if unsigned else 127,
            qscheme=torch.per_tensor_affine,
            observer_or_fake_quant_ctr=FakeQuantize.with_args(
                observer=ActivationObserver, joined=joined, power_of_two=self.power_of_two
            ),
        )

    def of_weights(self, axis: int) -> QuantizationSpec:
        """A scale for each output channel, which is this axis of the weights."""
        return QuantizationSpec(
            dtype=torch.int8,
            quant_min=-127,
            quant_max=127,
            qscheme=torch.per_channel_symmetric,
            ch_axis=axis,
            observer_or_fake_quant_ctr=FakeQuantize.with_args(
                observer=WeightObserver, power_of_two=self.power_of_two, ch_axis=axis
            ),
        )


class ArrayQuantizer(Quantizer):  # type: ignore[misc]
    """Annotates an exported program as the array computes it."""

    def __init__(self, numbers: Numbers | None = None) -> None:
        super().__init__()
        self.numbers = numbers or Numbers()

    def annotate(self, model: GraphModule) -> GraphModule:
        """Give weights and tensors their specifications."""
        nodes = list(model.graph.nodes)
        tensors = [node for node in nodes if is_tensor(node)]
        first = scale_groups(nodes, tensors)
        members: dict[Node, int] = {}
        for node in tensors:
            members[first[node]] = members.get(first[node], 0) + 1
        for node in nodes:
            inputs: dict[Node, QuantizationSpec | None] = {}
            if op_name(node) in WEIGHTED and is_constant(args_of(node)[1]):
                weight = args_of(node)[1]
                node.meta[WEIGHT_NAME] = str(weight.target)
                # torchao's fusion of batch norms takes the first entry for the input, the second for the weights.
                axis = 1 if op_name(node) in TRANSPOSED else 0
                inputs = {node.all_input_nodes[0]: None, weight: self.numbers.of_weights(axis)}
            output: QuantizationSpec | SharedQuantizationSpec | None = None
            if node in first:
                own = first[node] is node
                joined = members[first[node]] > 1
                output = self.numbers.of_activations(joined) if own else SharedQuantizationSpec(first[node])
            if inputs or output is not None:
                node.meta["quantization_annotation"] = QuantizationAnnotation(
                    input_qspec_map=inputs, output_qspec=output, _annotated=True
                )
        return model

    def validate(self, model: GraphModule) -> None:
        """Nothing is left to refuse: what has no place on the array the compiler says."""


def is_tensor(node: Node) -> bool:
    """Whether the array writes this node, with a scale: not what continues in the batch norm or clamp behind."""
    if not is_float(node) or node.op not in ("placeholder", "call_function"):
        return False
    if node.op == "call_function" and (op_name(node) in NOTHING or not sources(node)):
        return False
    if len(node.users) != 1:
        return bool(node.users)
    name, (user,) = op_name(node), node.users
    if name in (*CONVOLUTIONS, *TRANSPOSED) and op_name(user) == "batch_norm":
        return False
    return not (name in CLAMPED and op_name(user) in CLAMPS)


def scale_groups(nodes: list[Node], tensors: list[Node]) -> dict[Node, Node]:
    """For each tensor the first one, in the order of the graph, that has the same scale."""
    written = set(tensors)
    parent = {node: node for node in nodes}
    place = {node: number for number, node in enumerate(nodes)}

    def root(node: Node) -> Node:
        while parent[node] is not node:
            node = parent[node]
        return node

    for node in nodes:
        if op_name(node) in (*MOVES, *NOTHING):
            for source in sources(node):
                one, other = sorted((root(node), root(source)), key=place.__getitem__)
                parent[other] = one
    # The root may be no tensor itself, as a list that a split gives, or what a dropout reads.
    found: dict[Node, Node] = {}
    for node in nodes:
        if node in written:
            found.setdefault(root(node), node)
    return {node: found[root(node)] for node in tensors}
