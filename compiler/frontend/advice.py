"""What to say of an operator that no handler knows, beyond its name."""

from __future__ import annotations

from compiler.errors import Diagnostic
from compiler.frontend.check import text
from compiler.frontend.graph import Graph, Node
from compiler.frontend.pointwise import FUNCTIONS, Functions, refusal

_DYNAMIC = ("ConvInteger", "MatMulInteger", "DynamicQuantizeLinear", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM")
_TAILS = ("Softmax", "LogSoftmax", "ArgMax", "TopK", "Sigmoid", "HardSigmoid")
STATIC = "quantise statically, with calibration data (onnxruntime's quantize_static, QDQ or QOperator format)"


def unknown_operator(graph: Graph, node: Node, functions: Functions) -> Diagnostic:
    """What is wrong with an operator that is not supported."""
    name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
    if node.op_type in _DYNAMIC or node.op_type.startswith("MatMulIntegerTo"):
        return _unsupported(node, f"{name} quantises dynamically: its scales are known only when it runs", STATIC)
    if node.op_type.startswith("QLinear") or node.op_type == "QGemm":
        return _unsupported(node, f"{name} is not supported in this form", STATIC)
    tail = node.op_type in _TAILS and node.inputs
    help = f"'--output {text(node.inputs[0])}' compiles up to its input" if tail else ""
    if not node.domain and node.op_type in FUNCTIONS:
        return Diagnostic("unsupported-op", refusal(graph, node, functions.sources), node.loc, help=help)
    return _unsupported(node, f"{name} is not supported", help)


def _unsupported(node: Node, message: str, help: str = "") -> Diagnostic:
    return Diagnostic("unsupported-op", f"the operator {message}", node.loc, help=help)
