"""From a module of `bsp` ops, before anything is fused, to the layers of the paper's estimator."""

from __future__ import annotations

from dataclasses import replace

from compiler.blocks import blocks_of
from compiler.errors import Diagnostic, UsageError
from compiler.ir import Module, Op, TensorType, Value
from compiler.mapping.reader import title_of
from compiler.paper.network import Layer, Network, View
from dialects import bsp
from dialects.nn import InputOp, OutputOp


def network_of(module: Module) -> Network:
    """The layers in the order of the module.

    A change of scale is no layer, as in the paper, where it is folded, and no more is a function of each number, of
    which the paper says nothing; constants are activations like others.  What the
    paper has no kernel for, groups and single channels, counts as a convolution of the blocks that they touch.  A
    product counts as the sum that the paper has, and a pixel that meets an image as one of its size.  A
    dilated window counts as one without gaps: the paper says that it rewrites them, and not how.
    """
    network = Network()
    views: dict[Value[TensorType], View] = {}
    for op in module.walk(Op):
        if isinstance(op, InputOp | bsp.ConstantOp):
            _, height, width, channels = op.y.type.shape
            views[op.y] = network.tensor(height, width, channels)
            if isinstance(op, InputOp):
                network.images.append(views[op.y].tensor)
        elif isinstance(op, bsp.RequantizeOp | bsp.LookupOp):
            views[op.y] = views[op.x]
        elif isinstance(op, bsp.ConcatOp):
            parts = [views[one] for one in op.inputs]
            whole = network.joined(parts)
            parted = {one.tensor for one in parts}
            for value, view in views.items():
                if view.tensor in parted:
                    views[value] = network.moved(view, whole)
            views[op.y] = whole
        elif isinstance(op, bsp.BlocksOp):
            views[op.y] = replace(views[op.x], channels=op.channels)
        elif isinstance(op, bsp.InterleaveOp):
            text = "the paper's estimate knows no tensor whose pixels several layers write in turn"
            raise UsageError(Diagnostic("cost-model", text, op.loc, help="leave out '--cost-model paper'"))
        elif isinstance(op, bsp.Conv2dOp | bsp.DepthwiseOp | bsp.AddOp | bsp.MulOp | bsp.MaxPoolOp | bsp.AvgPoolOp):
            _, height, width, channels = op.y.type.shape
            views[op.y] = network.tensor(height, width, channels)
            network.layers.append(_layer(op, views))
        elif isinstance(op, OutputOp):
            network.outputs.append(views[op.x].tensor)
    return network


def _layer(
    op: bsp.Conv2dOp | bsp.DepthwiseOp | bsp.AddOp | bsp.MulOp | bsp.MaxPoolOp | bsp.AvgPoolOp,
    views: dict[Value[TensorType], View],
) -> Layer:
    name, y = title_of(op.loc), views[op.y]
    if isinstance(op, bsp.AddOp | bsp.MulOp):
        return Layer(name, "add", (views[op.a], views[op.b]), y)
    kinds = {bsp.MaxPoolOp: "max_pool", bsp.AvgPoolOp: "avg_pool"}
    kind = kinds.get(type(op), "conv")
    dilations = (1, 1) if isinstance(op, bsp.AvgPoolOp) else op.dilations
    height, width = (step * (size - 1) + 1 for size, step in zip(op.kernel, dilations, strict=True))
    density = 1.0
    if isinstance(op, bsp.Conv2dOp | bsp.DepthwiseOp):
        blocks = blocks_of(op.y.type.shape[3]) * blocks_of(op.x.type.shape[3])
        density = op.weight.type.kept / (blocks * height * width)
    down, across = op.strides
    top, left, bottom, right = op.pads
    return Layer(name, kind, (views[op.x],), y, (height, width), (down, across), (top, left, bottom, right), density)
