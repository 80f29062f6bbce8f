"""Where no Q and DQ go: between a layer and its clamp, and inside a function of one tensor.

`x * Sigmoid(x)`, `Clip(x + 3, 0, 6) * x / 6` and the like are functions of one number.  On integers each is a table
of 256 entries, if its input and its output are quantised and nothing between.  A clamp behind a convolution or an
addition is part of it.  onnxruntime's quantiser sees nodes one by one, so these stretches are taken out of the
model before it runs, each function replaced by one Sigmoid, and put back afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import onnx
from onnx import helper

from compiler.quantize.network import Network

CLAMPS = ("Relu", "Clip")
CLAMPED = ("Conv", "ConvTranspose", "Gemm", "MatMul", "Add")
"""What a clamp joins."""

FUNCTIONS = frozenset(
    (
        *("Abs", "Add", "Ceil", "Celu", "Clip", "Cos", "Div", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid"),
        *("HardSwish", "LeakyRelu", "Log", "Max", "Min", "Mish", "Mul", "Neg", "PRelu", "Pow", "Reciprocal", "Relu"),
        *("Round", "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Softplus", "Softsign", "Sqrt", "Sub", "Swish"),
        *("Tanh", "ThresholdedRelu"),
    )
)
"""Operators of each number by itself; with other operands than constants of one number they are no such function."""

STAND_IN = "Sigmoid"
"""What stands for a function meanwhile: onnxruntime's quantiser surrounds it by Q and DQ."""


@dataclass(frozen=True)
class Region:
    """Nodes that compute `output` from `source` alone; `stand_in` names the node that stands for them."""

    nodes: tuple[onnx.NodeProto, ...]
    source: str
    output: str
    stand_in: str


@dataclass(frozen=True)
class Clamp:
    """A clamp that joins the node of the name `layer`."""

    node: onnx.NodeProto
    layer: str


@dataclass(frozen=True)
class Collapsed:
    """What was taken out of a model, with its constants, so that it can be put back."""

    regions: tuple[Region, ...]
    clamps: tuple[Clamp, ...]
    constants: tuple[onnx.TensorProto, ...]


def _roots(network: Network, skip: Sequence[str], cuts: Iterable[str]) -> dict[str, str]:
    """For each result of a function of one tensor, that tensor: computed, given, or one of `cuts`."""
    roots: dict[str, str] = {}
    starts = dict.fromkeys(cuts)
    for node in network.graph.node:
        if node.op_type not in FUNCTIONS or node.name in skip or len(node.output) != 1:
            continue
        given = [name for name in node.input if name and name not in network.stored]
        found = {name if name in starts else roots.get(name, name): None for name in given}
        scalars = all(math.prod(network.stored[name].dims) == 1 for name in node.input if name in network.stored)
        if len(found) != 1 or not scalars or not network.is_float(node.output[0]):
            continue
        (root,) = found
        if network.is_float(root) and network.shape(root) == network.shape(node.output[0]):
            roots[node.output[0]] = root
    return roots


def _ends(network: Network, skip: Sequence[str]) -> dict[str, str]:
    """The functions' results that others read, each with the tensor that it is computed from.

    A result is inside if it is read only on the way to further results of the same tensor.  One that others read,
    too, is an end, and what follows it starts there.
    """
    ends: dict[str, str] = {}
    while True:
        roots, before = _roots(network, skip, ends), len(ends)
        for name, root in roots.items():
            readers = network.readers.get(name, [])
            inside = readers and all(roots.get(one.output[0]) == root for one in readers)
            if not inside or name in network.outputs or name in ends:
                ends[name] = root
        if len(ends) == before:
            return ends


def _inside(network: Network, end: str, root: str) -> tuple[onnx.NodeProto, ...]:
    """The nodes between a root and an end, in the model's order."""
    found: dict[str, None] = {}
    waiting = [end]
    while waiting:
        name = waiting.pop()
        if name == root or name in found or name not in network.makers:
            continue
        found[name] = None
        waiting.extend(network.makers[name].input)
    return tuple(node for node in network.graph.node if node.output[0] in found)


def collapse(model: onnx.ModelProto, skip: Sequence[str]) -> Collapsed:
    """Take the functions and clamps out of the model; nodes named in `skip` stay as they are."""
    network = Network(model)
    ends = _ends(network, skip)
    regions, clamps, gone = [], [], dict[int, onnx.NodeProto | None]()
    place = {id(node): index for index, node in enumerate(model.graph.node)}
    for end, root in ends.items():
        nodes = _inside(network, end, root)
        copies = tuple(onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes)
        last = nodes[-1]
        layer = network.makers.get(root)
        joins = layer is not None and layer.op_type in CLAMPED and layer.name not in skip and root not in ends
        alone = len(network.readers[root]) == 1 and root not in network.outputs
        if len(nodes) == 1 and last.op_type in CLAMPS and joins and alone:
            assert layer is not None
            gone[place[id(last)]] = None
            clamps.append(Clamp(copies[0], layer.name))
            continue
        for node in nodes:
            # A node that two ends need is computed for both: it goes with either.
            gone.setdefault(place[id(node)], None)
        stand_in = f"function:{last.name}"
        gone[place[id(last)]] = helper.make_node(STAND_IN, [root], [end], stand_in)
        regions.append(Region(copies, root, end, stand_in))
    renamed = {one.layer: one.node.output[0] for one in clamps}
    kept = []
    for index, node in enumerate(model.graph.node):
        if index in gone:
            kept.extend([gone[index]] if gone[index] is not None else [])
            continue
        if node.name in renamed:
            node.output[0] = renamed[node.name]
        kept.append(onnx.NodeProto.FromString(node.SerializeToString()))
    del model.graph.node[:]
    model.graph.node.extend(one for one in kept if one is not None)
    taken = [*(one.node for one in clamps), *(node for one in regions for node in one.nodes)]
    read = dict.fromkeys(name for node in taken for name in node.input if name in network.stored)
    return Collapsed(tuple(regions), tuple(clamps), tuple(_copied(network.stored[name]) for name in read))


def _copied(tensor: onnx.TensorProto) -> onnx.TensorProto:
    """A tensor that stays when it is dropped from the model."""
    copy = onnx.TensorProto()
    copy.CopyFrom(tensor)
    return copy


def expand(model: onnx.ModelProto, collapsed: Collapsed) -> None:
    """Put everything back; nodes that two regions share are written once for each."""
    regions = {one.stand_in: one for one in collapsed.regions}
    clamps = {one.layer: one.node for one in collapsed.clamps}
    kept: list[onnx.NodeProto] = []
    taken: dict[str, None] = {}
    for node in model.graph.node:
        if node.name in regions:
            for one in _expanded(node, regions[node.name]):
                one.name = f"{one.name}:{node.output[0]}" if one.name in taken else one.name
                taken[one.name] = None
                kept.append(one)
        elif node.name in clamps:
            clamp = clamps[node.name]
            inner = f"{node.name}:sum"
            copy = onnx.NodeProto.FromString(clamp.SerializeToString())
            copy.input[0], copy.output[0], node.output[0] = inner, node.output[0], inner
            kept.extend([onnx.NodeProto.FromString(node.SerializeToString()), copy])
        else:
            kept.append(onnx.NodeProto.FromString(node.SerializeToString()))
    del model.graph.node[:]
    model.graph.node.extend(kept)
    known = {one.name for one in model.graph.initializer}
    model.graph.initializer.extend(one for one in collapsed.constants if one.name not in known)


def _expanded(node: onnx.NodeProto, region: Region) -> list[onnx.NodeProto]:
    names = {region.source: node.input[0], region.output: node.output[0]}
    for one in region.nodes[:-1]:
        names[one.output[0]] = f"{one.output[0]}:{region.nodes[-1].name}"
    found = []
    for one in region.nodes:
        copy = onnx.NodeProto.FromString(one.SerializeToString())
        copy.input[:] = [names.get(name, name) for name in one.input]
        copy.output[0] = names[one.output[0]]
        found.append(copy)
    return found
