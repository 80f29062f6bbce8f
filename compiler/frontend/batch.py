"""Models of several images: one image is compiled, and whoever runs the plan gives it one after the other.

That is right if each image goes through the model by itself: the first axis of every tensor that depends on the
inputs counts the images, and no node mixes what lies along it.  `mixing_node` proves this node by node, and is for
safety's sake against an operator that it does not know; `one_image` makes the graph of one image from that of N.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from compiler.errors import Limit, Location, NodeLocation, Reason, UnsupportedModel
from compiler.frontend.check import text
from compiler.frontend.graph import Array, Graph, Node
from compiler.frontend.reasons import ONE_IMAGE

ANY = 0
"""The batch of a model that takes any number of images."""

_PLAIN = """
    Abs Add And Cast Ceil Celu Clip DequantizeLinear Div Dropout Elu Equal Erf Exp Floor Gelu Greater GreaterOrEqual
    HardSigmoid HardSwish Identity LeakyRelu Less LessOrEqual Log Max Mean Min Mish Mod Mul Neg Not Or PRelu Pow
    QuantizeLinear Reciprocal Relu Round Selu Sigmoid Sign Softplus Softsign Sqrt Sub Sum Swish Tanh ThresholdedRelu
    Where Xor
"""
_IMAGES = """
    AveragePool BatchNormalization Conv ConvTranspose DepthToSpace GlobalAveragePool GlobalLpPool GlobalMaxPool
    GroupNormalization InstanceNormalization LRN LpPool MaxPool SpaceToDepth
"""
_AXIS = {
    "ArgMax": 0,
    "ArgMin": 0,
    "Concat": 0,
    "Flatten": 1,
    "Gather": 0,
    "Hardmax": -1,
    "LayerNormalization": -1,
    "LogSoftmax": -1,
    "Softmax": -1,
    "Split": 0,
    "TopK": -1,
}
"""Operators along one axis, with its default since opset 13."""
_REDUCTIONS = """
    ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare
"""


@dataclass(frozen=True)
class _Look:
    """What a rule sees: a node of the graph of one image, and which tensors depend on the inputs."""

    graph: Graph
    node: Node
    moving: Collection[str]

    def computed(self, index: int) -> bool:
        return self.node.input(index) in self.moving

    def shape(self, name: str) -> tuple[int, ...]:
        return self.graph.shapes.get(name, ())

    @property
    def rank(self) -> int:
        return len(self.shape(self.node.inputs[0]))

    def axes(self, index: int) -> tuple[int, ...] | None:
        """The attribute `axes` or the constant input that took its place."""
        given = self.graph.constants.get(self.node.input(index))
        if given is not None:
            return tuple(int(one) for one in given.reshape(-1))
        return self.node.integers("axes") or None


Rule = Callable[[_Look], bool]
"""Whether a node leaves images apart."""


def _plain(look: _Look) -> bool:
    """Broadcasting lines up last axes: computed operands have one rank, and constants no images of their own."""
    ranks = {len(look.shape(name)) for name in look.node.inputs if name in look.moving}
    fixed = [look.shape(name) for name in look.node.inputs if name and name not in look.moving]
    rank = ranks.pop()
    return not ranks and all(len(one) < rank or one[: len(one) - rank + 1] == (1,) for one in fixed)


def _image(look: _Look) -> bool:
    return not any(look.computed(index) for index in range(1, len(look.node.inputs)))


def _axis(look: _Look) -> bool:
    axis = look.node.integer("axis", _AXIS[look.node.op_type])
    mixed = look.node.op_type == "Concat" and not set(look.node.inputs) <= set(look.moving)
    return look.rank > 0 and axis % look.rank != 0 and not mixed


def _axes(index: int) -> Rule:
    def rule(look: _Look) -> bool:
        axes, rank = look.axes(index), look.rank
        if look.node.op_type == "Unsqueeze":
            rank = len(look.shape(look.node.outputs[0]))
        return axes is not None and rank > 0 and all(one % rank for one in axes)

    return rule


def _slice(look: _Look) -> bool:
    axes = look.axes(3)
    return axes is not None and all(one % look.rank for one in axes)


def _pad(look: _Look) -> bool:
    pads: Array | None = look.graph.constants.get(look.node.input(1))
    if look.node.input(3):
        return _axes(3)(look)
    return pads is not None and pads.size == 2 * look.rank and not pads[0] and not pads[look.rank]


def _reshape(look: _Look) -> bool:
    before, after = look.shape(look.node.inputs[0]), look.shape(look.node.outputs[0])
    return before[:1] == after[:1] == (1,)


def _transpose(look: _Look) -> bool:
    return look.node.integers("perm", (-1,))[0] == 0


def _resize(look: _Look) -> bool:
    return look.shape(look.node.outputs[0])[:1] == (1,) and _image(look)


def _product(look: _Look) -> bool:
    """Rows of the first factor, or stacks of matrices, are images."""
    first, second = (len(look.shape(look.node.input(index))) for index in (0, 1))
    if look.node.op_type == "Gemm":
        summand = look.shape(look.node.input(2))
        return _image(look) and not look.node.integer("transA") and (len(summand) < 2 or summand[0] == 1)
    if look.computed(0) and look.computed(1):
        return first == second >= 3
    here, other = (first, second) if look.computed(0) else (second, first)
    return other <= 2 and (look.computed(0) or here >= 3) and here >= 2


RULES: dict[str, Rule] = {
    **dict.fromkeys(_PLAIN.split(), _plain),
    **dict.fromkeys(_IMAGES.split(), _image),
    **dict.fromkeys(_AXIS, _axis),
    **dict.fromkeys(_REDUCTIONS.split(), _axes(1)),
    "Gemm": _product,
    "MatMul": _product,
    "Pad": _pad,
    "Reshape": _reshape,
    "Resize": _resize,
    "Slice": _slice,
    "Squeeze": _axes(1),
    "Transpose": _transpose,
    "Unsqueeze": _axes(1),
    "Upsample": _resize,
}


def mixing_node(graph: Graph) -> Reason | None:
    """The first thing in the graph of one image that forbids to run N images one by one."""
    for name in graph.inputs:
        if graph.shapes[name][:1] != (1,):
            place = NodeLocation(text(name), "input")
            found = str(list(graph.shapes[name]))
            return _mixed(f"its shape {found} has no axis of images", place, "shape", "[N, ...]", found)
    moving = dict.fromkeys(graph.inputs)
    for node in graph.nodes:
        if not any(name in moving for name in node.inputs):
            continue
        moving.update((name, None) for name in node.outputs if name)
        rule = None if node.domain else RULES.get(node.op_type)
        if rule is None:
            message = f"whether {node.op_type} leaves the images of a batch apart is not known"
            return _mixed(message, node.loc, "operator", "one that leaves images apart (docs/models.md)", node.op_type)
        wrong = [name for name in node.outputs if name and graph.shapes.get(name, ())[:1] != (1,)]
        if wrong or not rule(_Look(graph, node, moving)):
            message = "it mixes the images of a batch, or moves the axis that counts them"
            return _mixed(message, node.loc, "images", "apart, along the first axis", "mixed or moved")
    loose = [name for name in graph.outputs if name not in moving]
    if loose:
        message = f"the output '{text(loose[0])}' depends on no input"
        return _mixed(message, NodeLocation(text(loose[0]), "output"), "number of inputs behind it", "at least 1", "0")
    return None


def _mixed(message: str, place: Location, attribute: str, allowed: str, found: str) -> Reason:
    """Why N images cannot run one by one."""
    return Reason("batch", message, place, help=ONE_IMAGE, limit=Limit(attribute, allowed, found))


def common_batch(graph: Graph) -> int:
    """The number of images if all inputs begin with the same one, else 1."""
    sizes = {graph.shapes[name][:1] for name in graph.inputs}
    return sizes.pop()[0] if len(sizes) == 1 and () not in sizes else 1


def one_image(graph: Graph, infer: Callable[[Graph], Graph]) -> Graph:
    """The graph of one image of a graph of N; `infer` works out shapes anew.

    A Reshape to [N, ...] is to [1, ...].  Raises `UnsupportedModel` (code `batch`) where images do not stay apart.
    """
    count = common_batch(graph)
    shapes = {**graph.shapes, **{name: (1, *graph.shapes[name][1:]) for name in graph.inputs}}
    constants = dict(graph.constants)
    nodes = []
    for index, node in enumerate(graph.nodes):
        target = constants.get(node.input(1)) if node.op_type == "Reshape" and not node.domain else None
        if target is not None and target.size and target[0] == count:
            name = f"{node.outputs[0]}.one_image.{index}"
            constants[name] = target.copy()
            constants[name][0] = 1
            shapes[name] = target.shape
            node = replace(node, inputs=(node.inputs[0], name))
        nodes.append(node)
    single = infer(replace(graph, nodes=nodes, shapes=shapes, constants=constants))
    fault = mixing_node(single) or _unequal(graph, single, count)
    if fault is not None:
        raise UnsupportedModel(replace(fault, message=f"batch size {count}: {fault.message}"))
    return replace(single, batch=count)


def _unequal(many: Graph, single: Graph, count: int) -> Reason | None:
    """A tensor that is not N times that of one image."""
    moving = dict.fromkeys(many.inputs)
    for node in many.nodes:
        if not any(name in moving for name in node.inputs):
            continue
        moving.update((name, None) for name in node.outputs if name)
        for name in node.outputs:
            found = many.shapes.get(name, ())
            if name and found != (count, *single.shapes.get(name, ())[1:]):
                message, wanted = f"its result {list(found)} is not one for each image", single.shapes.get(name, ())
                return _mixed(message, node.loc, "result shape", str([count, *wanted[1:]]), str(list(found)))
    return None
