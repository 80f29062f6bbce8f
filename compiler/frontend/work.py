"""Multiplications of a graph's nodes, by the shapes of their tensors."""

from __future__ import annotations

import math

from compiler.frontend.graph import Graph, Node

_WEIGHTS = {"QLinearConv": 3, "QLinearMatMul": 3}
"""The input that holds the weights, where it is not input 1."""


def macs_of(graph: Graph, node: Node) -> int:
    """Multiply-accumulates of Conv, ConvTranspose, Gemm, MatMul and their integer forms; none of other nodes.

    Zero blocks count, and so do products with padding. Nothing is counted where a shape is not known.
    """
    x = graph.shapes.get(node.input(0))
    w = graph.shapes.get(node.input(_WEIGHTS.get(node.op_type, 1)))
    y = graph.shapes.get(node.outputs[0])
    if x is None or w is None or y is None:
        return 0
    match node.op_type:
        case "Conv" | "QLinearConv" | "ConvInteger":
            return math.prod(y) * math.prod(w[1:])  # [out, in / groups, taps...]
        case "ConvTranspose":
            return math.prod(x) * math.prod(w[1:])  # [in, out / groups, taps...]
        case "Gemm":
            return math.prod(y) * x[0 if node.integer("transA") else 1]
        case "MatMul" | "QLinearMatMul" | "MatMulInteger":
            return math.prod(y) * x[-1]
    return 0
