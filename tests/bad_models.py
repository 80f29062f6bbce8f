"""Models that bscc does not compile, each with its exit code and error code; a good one, which they are made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.netbuilder import Style
from tests.netlayers import Layers

Change = Callable[[onnx.ModelProto], None]


@dataclass(frozen=True)
class Bad:
    """One bad input: `write` makes it in a directory and says which path to compile."""

    name: str
    exit_code: int
    error_code: str
    write: Callable[[Path], Path]
    says: str = ""  # what the message must contain


def good_model(*, float_io: bool = True, opset: int = 17) -> onnx.ModelProto:
    """Conv, Relu, Conv: what the bad ones are changed from."""
    net = Layers(7, (3, 8, 8), Style(float_io=float_io, opset=opset))
    x = net.quant(net.relu(net.conv(net.x, 8, pads=(1, 1, 1, 1))))
    return net.finish(net.quant(net.conv(x, 8)))


def changed(name: str, exit_code: int, error_code: str, change: Change, says: str = "") -> Bad:
    """The good model after a change."""

    def write(directory: Path) -> Path:
        model = good_model()
        change(model)
        path = directory / "model.onnx"
        path.write_bytes(model.SerializeToString())
        return path

    return Bad(name, exit_code, error_code, write, says)


def node_of(model: onnx.ModelProto, kind: str) -> onnx.NodeProto:
    found: onnx.NodeProto = next(one for one in model.graph.node if one.op_type == kind)
    return found


def stored(model: onnx.ModelProto, start: str) -> TensorProto:
    found: TensorProto = next(one for one in model.graph.initializer if one.name.startswith(start))
    return found


def set_attribute(node: onnx.NodeProto, name: str, value: object) -> None:
    kept = [one for one in node.attribute if one.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, value)])


def input_dims(model: onnx.ModelProto) -> list[onnx.TensorShapeProto.Dimension]:
    return list(model.graph.input[0].type.tensor_type.shape.dim)


# Changes of the good model.


def no_graph(model: onnx.ModelProto) -> None:
    model.ClearField("graph")


def ir_version(model: onnx.ModelProto) -> None:
    model.ir_version = 99


def opset_999(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 999


def no_opset(model: onnx.ModelProto) -> None:
    del model.opset_import[:]


def no_nodes(model: onnx.ModelProto) -> None:
    del model.graph.node[:]


def no_outputs(model: onnx.ModelProto) -> None:
    del model.graph.output[:]


def cycle(model: onnx.ModelProto) -> None:
    first, relu = node_of(model, "QuantizeLinear"), node_of(model, "Relu")
    first.input[0] = relu.output[0]


def undefined(model: onnx.ModelProto) -> None:
    node_of(model, "Relu").input[0] = "nowhere"


def twice(model: onnx.ModelProto) -> None:
    model.graph.node.append(node_of(model, "Relu"))


def repeated_initializer(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(stored(model, "weight"))


def unknown_op(model: onnx.ModelProto) -> None:
    node_of(model, "Relu").op_type = "Relux"


def custom_domain(model: onnx.ModelProto) -> None:
    node_of(model, "Relu").domain = "com.example"
    model.opset_import.append(helper.make_opsetid("com.example", 1))


def softmax(model: onnx.ModelProto) -> None:
    node_of(model, "Relu").op_type = "Softmax"


def wrong_attribute(model: onnx.ModelProto) -> None:
    set_attribute(node_of(model, "Conv"), "strides", "two")


def groups(model: onnx.ModelProto) -> None:
    """Grouped: 3 groups of one channel into 8 outputs do not divide either."""
    set_attribute(node_of(model, "Conv"), "group", 3)


def kernel_lies(model: onnx.ModelProto) -> None:
    set_attribute(node_of(model, "Conv"), "kernel_shape", [2, 2])
    for axis in (2, 3):
        model.graph.output[0].type.tensor_type.shape.dim[axis].dim_param = "any"


def stride_zero(model: onnx.ModelProto) -> None:
    set_attribute(node_of(model, "Conv"), "strides", [0, 1])


def negative_pads(model: onnx.ModelProto) -> None:
    set_attribute(node_of(model, "Conv"), "pads", [-1, 0, 0, 0])


def channels_differ(model: onnx.ModelProto) -> None:
    input_dims(model)[1].dim_value = 5


def mixed_batch(model: onnx.ModelProto) -> None:
    """Four images, each joined with the others."""
    input_dims(model)[0].dim_value = 4
    last = model.graph.output[0].name
    model.graph.node.append(helper.make_node("Concat", [last, last], ["all"], "join", axis=0))
    model.graph.output[0].name = "all"
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 8


def dynamic(model: onnx.ModelProto) -> None:
    input_dims(model)[2].dim_param = "height"
    model.graph.output[0].type.tensor_type.shape.dim[2].dim_param = "h2"


def no_shape(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.ClearField("shape")


def empty_dimension(model: onnx.ModelProto) -> None:
    input_dims(model)[2].dim_value = 0


def huge_dimensions(model: onnx.ModelProto) -> None:
    input_dims(model)[2].dim_value = input_dims(model)[3].dim_value = 1 << 40


def output_lies(model: onnx.ModelProto) -> None:
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 99


def strings(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.STRING


def nan_scale(model: onnx.ModelProto) -> None:
    stored(model, "scale").CopyFrom(numpy_helper.from_array(np.array(np.nan, np.float32), stored(model, "scale").name))


def zero_scale(model: onnx.ModelProto) -> None:
    stored(model, "scale").CopyFrom(numpy_helper.from_array(np.array(0, np.float32), stored(model, "scale").name))


def raw_short(model: onnx.ModelProto) -> None:
    tensor = stored(model, "weight")
    tensor.raw_data = tensor.raw_data[:-1]


def raw_long(model: onnx.ModelProto) -> None:
    tensor = stored(model, "weight")
    tensor.raw_data = tensor.raw_data + b"\0"


def raw_and_typed(model: onnx.ModelProto) -> None:
    stored(model, "weight").int32_data.append(1)


def negative_dims(model: onnx.ModelProto) -> None:
    stored(model, "weight").dims[0] = -8


def giant_dims(model: onnx.ModelProto) -> None:
    stored(model, "weight").dims[0] = 1 << 40


def bomb(model: onnx.ModelProto) -> None:
    """A constant of 8 TB."""
    shape = numpy_helper.from_array(np.array([1 << 34, 8, 8, 8], np.int64), "bomb_shape")
    model.graph.initializer.append(shape)
    model.graph.node.insert(0, helper.make_node("ConstantOfShape", ["bomb_shape"], ["bomb"], "bomb"))
    node_of(model, "Relu").op_type = "Add"
    node_of(model, "Add").input.append("bomb")


def sparse(model: onnx.ModelProto) -> None:
    values = numpy_helper.from_array(np.ones(1, np.float32), "sparse")
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [8]))


def control_flow(model: onnx.ModelProto) -> None:
    node = node_of(model, "Relu")
    node.op_type = "If"


def weights_computed(model: onnx.ModelProto) -> None:
    """The weights depend on an input."""
    dequantise = node_of(model, "Conv").input[1]
    node = next(one for one in model.graph.node if one.output[0] == dequantise)
    model.graph.input.append(helper.make_tensor_value_info("given", TensorProto.INT8, (8, 3, 3, 3)))
    node.input[0] = "given"


def float_layers(model: onnx.ModelProto) -> None:
    """Two convolutions in float32 behind a quantised input: both are listed."""
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((8, c, 3, 3)).astype(np.float32) for c in (3, 8)]
    first = node_of(model, "QuantizeLinear")
    kept = [first, next(one for one in model.graph.node if one.input[0] == first.output[0])]
    copies = [onnx.NodeProto.FromString(one.SerializeToString()) for one in kept]
    del model.graph.node[:], model.graph.output[:]
    model.graph.node.extend(copies)
    model.graph.initializer.extend(numpy_helper.from_array(one, f"w{i}") for i, one in enumerate(arrays))
    model.graph.node.append(helper.make_node("Conv", [copies[1].output[0], "w0"], ["a"], "first"))
    model.graph.node.append(helper.make_node("Conv", ["a", "w1"], ["b"], "second"))
    model.graph.output.append(helper.make_tensor_value_info("b", TensorProto.FLOAT, (1, 8, 4, 4)))


def graph_cases() -> tuple[Bad, ...]:
    """What is wrong with the graph."""
    return (
        changed("no_graph", 3, "invalid-onnx", no_graph, "no graph"),
        changed("ir_version_99", 3, "invalid-onnx", ir_version, "99"),
        changed("opset_999", 4, "opset", opset_999, "999"),
        changed("no_opset", 3, "invalid-onnx", no_opset),
        changed("no_nodes", 4, "nothing-to-compile", no_nodes, "the graph has no nodes"),
        changed("no_outputs", 4, "nothing-to-compile", no_outputs, "the graph has no outputs"),
        changed("cycle", 3, "cycle", cycle, " <- "),
        changed("undefined_input", 3, "undefined-input", undefined, "nowhere"),
        changed("tensor_defined_twice", 3, "defined-twice", twice),
        changed("initializer_defined_twice", 3, "defined-twice", repeated_initializer),
        changed("wrong_attribute", 3, "invalid-onnx", wrong_attribute, "strides"),
        changed("output_shape_lies", 3, "shape-lies", output_lies, "99"),
        changed("raw_data_short", 3, "tensor-bytes", raw_short),
        changed("raw_data_long", 3, "tensor-bytes", raw_long),
        changed("raw_and_typed_data", 3, "tensor-bytes", raw_and_typed, "twice"),
        changed("negative_dimension", 3, "tensor-shape", negative_dims, "-8"),
    )


def unsupported_cases() -> tuple[Bad, ...]:
    """Well-formed models that are not compiled, and inputs that need an option."""
    return (
        changed("unknown_op", 4, "unsupported-op", unknown_op, "Relux"),
        changed("custom_domain", 4, "unsupported-op", custom_domain, "com.example"),
        changed("softmax", 4, "unsupported-op", softmax, "--output"),
        changed("control_flow", 4, "unsupported-op", control_flow, "control flow"),
        changed("groups", 4, "unsupported-attribute", groups, "its group is 3"),
        changed("weights_not_constant", 4, "unsupported-shape", weights_computed),
        changed("float_layers", 4, "float-op", float_layers, "'second'"),
        changed("mixed_batch", 4, "batch", mixed_batch, "batch size 4"),
        changed("strings", 4, "input-type", strings, "is string, known: float32"),
        changed("zero_scale", 4, "scale", zero_scale, "is 0.0"),
        changed("nan_scale", 4, "non-finite", nan_scale, "nan"),
        changed("sparse_initializer", 4, "sparse-tensor", sparse),
        changed("empty_dimension", 4, "empty-tensor", empty_dimension),
        changed("huge_dimensions", 4, "too-large", huge_dimensions),
        changed("giant_tensor", 4, "too-large", giant_dims),
        changed("constant_bomb", 4, "too-large", bomb),
        changed("dynamic_height", 2, "shape", dynamic, "--shape input="),
        changed("no_input_shape", 2, "shape", no_shape, "--shape input="),
        changed("kernel_shape_lies", 4, "unsupported-attribute", kernel_lies, "kernel_shape"),
        changed("stride_zero", 3, "shape-inference", stride_zero),
        changed("negative_pads", 3, "shape-inference", negative_pads, "negative"),
        changed("channels_differ", 4, "unsupported-shape", channels_differ, "channels is 5"),
    )
