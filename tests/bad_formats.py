"""Models of the formats that are read, with something in them that is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from tests.bad_models import Bad, Change, changed, stored


def microsoft(node: onnx.NodeProto, imported: bool = True) -> Change:
    """The model with a node of onnxruntime's behind its output."""

    def change(model: onnx.ModelProto) -> None:
        added = onnx.NodeProto()
        added.CopyFrom(node)
        added.domain = "com.microsoft"
        added.input[0] = model.graph.output[0].name
        model.graph.node.append(added)
        model.graph.output[0].name = added.output[0]
        if imported:
            model.opset_import.append(helper.make_opsetid("com.microsoft", 1))

    return change


def no_scale(model: onnx.ModelProto) -> None:
    """A QLinearAdd whose second operand has no scale."""
    node = helper.make_node("QLinearAdd", ["", "scale", "zero", "b", "", "", "scale", "zero"], ["sum"], "add")
    arrays: dict[str, NDArray[Any]] = {
        "scale": np.array(1, np.float32),
        "zero": np.array(0, np.uint8),
        "b": np.zeros((1, 8, 4, 4), np.uint8),
    }
    model.graph.initializer.extend(numpy_helper.from_array(one, f"more_{name}") for name, one in arrays.items())
    for index, name in enumerate(node.input):
        node.input[index] = f"more_{name}" if name else ""
    microsoft(node)(model)


def too_large_for_float32(model: onnx.ModelProto) -> None:
    one = stored(model, "scale")
    one.CopyFrom(numpy_helper.from_array(np.array(1e300, np.float64), one.name))


def format_cases() -> tuple[Bad, ...]:
    """Formats that are read, with something in them that is not."""
    attention = helper.make_node("Attention", ["x"], ["y"], "attend")
    dynamic_matrix = helper.make_node("DynamicQuantizeMatMul", ["x"], ["y"], "dynamic")
    return (
        changed("microsoft_operator", 4, "unsupported-op", microsoft(attention), "com.microsoft.Attention"),
        changed("dynamic_quantisation", 4, "unsupported-op", microsoft(dynamic_matrix), "statically"),
        changed("operand_without_scale", 4, "unsupported-op", no_scale, "not supported in this form"),
        changed("domain_not_imported", 3, "invalid-onnx", microsoft(attention, False)),
        changed("beyond_float32", 4, "non-finite", too_large_for_float32, "inf"),
    )
