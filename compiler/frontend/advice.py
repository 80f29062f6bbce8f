"""What to say of an operator that no handler knows, beyond its name."""

from __future__ import annotations

from dataclasses import replace

from compiler.errors import Reason
from compiler.frontend.check import text
from compiler.frontend.graph import Graph, Node
from compiler.frontend.pointwise import FUNCTIONS, Functions, refusal
from compiler.frontend.reasons import Code, Refusal

_DYNAMIC = ("ConvInteger", "MatMulInteger", "DynamicQuantizeLinear", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM")
_TAILS = ("Softmax", "LogSoftmax", "ArgMax", "TopK", "Sigmoid", "HardSigmoid")
_NORMS = ("InstanceNormalization", "LayerNormalization", "GroupNormalization", "RMSNormalization", "LRN")
STATIC = "quantise statically, with calibration data (onnxruntime's quantize_static, QDQ or QOperator format)"
FOLDED = "train the model with BatchNormalization in place of it, which becomes part of the convolution before"
ELSE = "leave it to the host, or train the model with another operator"
KNOWN = "one that the array does (docs/onnx_coverage.md)"


def unknown_operator(graph: Graph, node: Node, functions: Functions) -> Reason:
    """What is wrong with an operator that is not supported."""
    name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
    if node.op_type in _DYNAMIC or node.op_type.startswith("MatMulIntegerTo"):
        dynamic = "quantises dynamically: its scales are known only when it runs"
        return _unsupported(node, name, f"{name} {dynamic}", STATIC, "one whose scales are constants")
    if node.op_type.startswith("QLinear") or node.op_type == "QGemm":
        return _unsupported(node, name, f"{name} is not supported in this form", STATIC, "one of docs/models.md")
    tail = ""
    if node.op_type in _TAILS and node.inputs and node.inputs[0] not in graph.inputs:
        tail = f"'--output {text(node.inputs[0])}' compiles up to its input"
    if not node.domain and node.op_type in FUNCTIONS:
        found = refusal(graph, node, functions.sources).at(node.loc)
        return replace(found, help=f"{found.help}; {tail}") if tail else found
    help = FOLDED if node.op_type in _NORMS else tail or ELSE
    return _unsupported(node, name, f"{name} is not supported", help, KNOWN)


def _unsupported(node: Node, name: str, message: str, help: str, allowed: str) -> Reason:
    reason = f"the operator {message}"
    return Refusal(Code.OPERATOR, "operator", allowed, name, help=help, reason=reason).at(node.loc)
