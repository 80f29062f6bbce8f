"""What to say of an operator that no handler knows, beyond its name."""

from __future__ import annotations

from compiler.frontend.check import text
from compiler.frontend.graph import Node

_DYNAMIC = ("ConvInteger", "MatMulInteger", "DynamicQuantizeLinear", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM")
_TAILS = ("Softmax", "LogSoftmax", "ArgMax", "TopK", "Sigmoid", "HardSigmoid")
STATIC = "quantise statically, with calibration data (onnxruntime's quantize_static, QDQ or QOperator format)"


def unknown_operator(node: Node) -> tuple[str, str]:
    """The message about an operator that is not supported, and what helps."""
    name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
    if node.op_type in _DYNAMIC or node.op_type.startswith("MatMulIntegerTo"):
        return f"the operator {name} quantises dynamically: its scales are known only when it runs", STATIC
    if node.op_type.startswith("QLinear") or node.op_type == "QGemm":
        return f"the operator {name} is not supported in this form", STATIC
    if node.op_type in _TAILS and node.inputs:
        return f"the operator {name} is not supported", f"'--output {text(node.inputs[0])}' compiles up to its input"
    return f"the operator {name} is not supported", ""
