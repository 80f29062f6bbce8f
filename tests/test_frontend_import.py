"""What the front end makes of models: signatures, layouts, opsets, cuts, awkward but valid files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from compiler.errors import BsccError
from compiler.frontend import import_onnx, read_graph
from compiler.ir import print_module
from compiler.reference import run
from dialects import nn
from dialects.nn import Layout
from tests.bad_models import good_model, node_of, stored
from tests.models import feeds, named_cases, random_qdq_model
from tests.netbuilder import Style
from tests.netlayers import Layers
from tests.reference_tools import (
    PASSES,
    imported,
    onnxruntime_outputs,
    run_passes,
    steps_apart,
    to_device,
    to_host,
)


def same_results(model: onnx.ModelProto, directory: Path, reference: onnx.ModelProto | None = None) -> None:
    """The reference's outputs are onnxruntime's of this model, or of one that means the same."""
    fed = feeds(reference or model, 1)
    module = run_passes(imported(model, directory), *PASSES)
    expected = onnxruntime_outputs(reference or model, fed)
    for name, result in to_host(module, run(module, to_device(module, fed))).items():
        assert steps_apart(result, expected[name]).max() <= 1


def signature(model: onnx.ModelProto, directory: Path) -> tuple[nn.InputOp, nn.OutputOp]:
    module = run_passes(imported(model, directory), PASSES[0])
    return next(module.walk(nn.InputOp)), next(module.walk(nn.OutputOp))


def test_signature_of_floats(tmp_path: Path) -> None:
    x, y = signature(good_model(), tmp_path)
    assert (x.onnx_name, x.onnx_shape, x.layout, x.host_type) == (
        "input",
        (1, 3, 8, 8),
        Layout.NCHW,
        "float32",
    )
    assert x.type.shape == (1, 8, 8, 3) and x.type.element.text == "ui8"
    assert (y.onnx_shape, y.layout, y.host_type) == ((1, 8, 6, 6), Layout.NCHW, "float32")


def test_signature_of_integers(tmp_path: Path) -> None:
    x, y = signature(good_model(float_io=False), tmp_path)
    assert (x.host_type, y.host_type) == ("uint8", "uint8")


@pytest.mark.parametrize("name", ["nhwc_float_input", "nhwc_quantised_input", "nhwc_int8_input"])
def test_nhwc_inputs_stay_as_they_are(name: str, tmp_path: Path) -> None:
    case = next(one for one in named_cases() if one.name == name)
    x, _ = signature(case.build(), tmp_path)
    assert x.layout is Layout.NHWC and x.onnx_shape == x.type.shape == (1, 8, 9, 3)


def test_a_vector_is_plain(tmp_path: Path) -> None:
    case = next(one for one in named_cases() if one.name == "lenet")
    _, y = signature(case.build(), tmp_path)
    assert y.layout is Layout.NHWC and len(y.onnx_shape) == 2


@pytest.mark.parametrize("opset", [13, 15, 17, 19, 21])
def test_opsets(opset: int, tmp_path: Path) -> None:
    same_results(good_model(opset=opset), tmp_path)


def test_an_old_opset_is_converted(tmp_path: Path) -> None:
    model = good_model(opset=13)
    for node in model.graph.node:
        kept = [one for one in node.attribute if not (node.op_type == "DequantizeLinear" and one.name == "axis")]
        del node.attribute[:]
        node.attribute.extend(kept)
    scales = [one for one in model.graph.initializer if one.name.startswith("scale") and one.dims]
    if scales:  # opset 10 knows scales per tensor only
        net = Layers(7, (3, 8, 8), Style(opset=13, per_channel=False))
        model = net.finish(net.quant(net.relu(net.conv(net.x, 8))))
    model.opset_import[0].version = 12
    same_results(model, tmp_path, good_per_tensor())


def good_per_tensor() -> onnx.ModelProto:
    net = Layers(7, (3, 8, 8), Style(opset=13, per_channel=False))
    return net.finish(net.quant(net.relu(net.conv(net.x, 8))))


def test_dynamic_dimensions_are_bound(tmp_path: Path) -> None:
    model = good_model()
    for axis, name in ((0, "batch"), (2, "height"), (3, "width")):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = name
        model.graph.output[0].type.tensor_type.shape.dim[axis].dim_param = f"{name}_out"
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    module = import_onnx(path, {"input": (1, 3, 12, 10)})
    assert next(module.walk(nn.OutputOp)).onnx_shape == (1, 8, 10, 8)


def test_a_model_is_cut_before_its_softmax(tmp_path: Path) -> None:
    model = good_model()
    last = model.graph.output[0].name
    model.graph.node.append(helper.make_node("Softmax", [last], ["probabilities"], "softmax"))
    model.graph.output[0].name = "probabilities"
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(BsccError) as caught:
        import_onnx(path)
    assert f"--output {last}" in str(caught.value)
    assert next(import_onnx(path, {}, (last,)).walk(nn.OutputOp)).onnx_name == last


def test_nodes_out_of_order(tmp_path: Path) -> None:
    model = good_model()
    nodes = [onnx.NodeProto.FromString(one.SerializeToString()) for one in model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(reversed(nodes))
    same_results(model, tmp_path, good_model())


def test_constants_in_nodes_and_weights_that_are_inputs(tmp_path: Path) -> None:
    model = good_model()
    weight = stored(model, "weight")
    node = helper.make_node("Constant", [], [weight.name], value=numpy_helper.from_array(numpy_helper.to_array(weight)))
    model.graph.initializer.remove(weight)
    model.graph.node.insert(0, node)
    other = stored(model, "weight")
    model.graph.input.append(helper.make_tensor_value_info(other.name, other.data_type, other.dims))
    same_results(model, tmp_path, good_model())


def test_shape_arithmetic_is_folded(tmp_path: Path) -> None:
    """Shape, Gather, Concat, Reshape, as exporters write a flatten."""
    net = Layers(5, (8, 3, 3), Style())
    x = net.quant(net.relu(net.conv(net.x, 8, (1, 1))))
    net.constants.append(numpy_helper.from_array(np.array(0, np.int64), "zero_index"))
    net.constants.append(numpy_helper.from_array(np.array([-1], np.int64), "rest"))
    net.constants.append(numpy_helper.from_array(np.array([0], np.int64), "axes"))
    source = net.read(x)
    net.nodes += [
        helper.make_node("Shape", [source], ["shape"], "shape"),
        helper.make_node("Gather", ["shape", "zero_index"], ["batch"], "gather"),
        helper.make_node("Unsqueeze", ["batch", "axes"], ["batch_1"], "unsqueeze"),
        helper.make_node("Concat", ["batch_1", "rest"], ["target"], "concat", axis=0),
        helper.make_node("Reshape", [source, "target"], ["flat"], "reshape"),
    ]
    flat = type(x)(x.value.reshape(len(x.value), -1), float_name="flat", scale=x.scale, zero=x.zero)
    same_results(net.finish(net.quant(net.gemm(flat, 10))), tmp_path)


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER", "VALID"])
def test_auto_pad(auto_pad: str, tmp_path: Path) -> None:
    model = good_model()
    for node in model.graph.node:
        if node.op_type == "Conv":
            kept = [one for one in node.attribute if one.name not in ("pads", "strides")]
            del node.attribute[:]
            extra = [helper.make_attribute("auto_pad", auto_pad), helper.make_attribute("strides", [2, 2])]
            node.attribute.extend([*kept, *extra])
    for axis in (2, 3):
        model.graph.output[0].type.tensor_type.shape.dim[axis].dim_param = "any"
    same_results(model, tmp_path)


def test_float_bias_is_rounded(tmp_path: Path) -> None:
    """As TensorRT's tools write models: the bias is a float32 constant."""
    model = good_model()
    conv = node_of(model, "Conv")
    maker = next(one for one in model.graph.node if one.output[0] == conv.input[2])
    arrays = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    bias = (arrays[maker.input[0]] * arrays[maker.input[1]]).astype(np.float32) + np.float32(1e-5)
    model.graph.initializer.append(numpy_helper.from_array(bias, "float_bias"))
    conv.input[2] = "float_bias"
    same_results(model, tmp_path)


def test_uint8_weights_around_128(tmp_path: Path) -> None:
    model = good_model()
    for node in list(model.graph.node):
        if node.op_type == "DequantizeLinear" and node.input[0].startswith("weight"):
            for name, shift in ((node.input[0], 128), (node.input[2], 128)):
                tensor = next(one for one in model.graph.initializer if one.name == name)
                array = (numpy_helper.to_array(tensor).astype(np.int16) + shift).astype(np.uint8)
                tensor.CopyFrom(numpy_helper.from_array(array, name))
    same_results(model, tmp_path, good_model())


def test_names_may_hold_anything(tmp_path: Path) -> None:
    model = good_model()
    conv, odd = node_of(model, "Conv"), 'a"; rm -rf / \n<é>%s' + "x" * 5000
    conv.name = odd
    old = conv.output[0]
    for node in model.graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                if name == old:
                    names[index] = odd
    same_results(model, tmp_path, good_model())
    text = print_module(imported(model, tmp_path), locations=True)
    assert "\nrm" not in text


def test_several_inputs_and_outputs(tmp_path: Path) -> None:
    net = Layers(4, (8, 5, 5), Style(float_io=False))
    y = net.quant(net.conv(net.x, 8, (1, 1)))
    z = net.quant(net.add(y, net.x))
    model = net.finish(y, z)
    module = run_passes(imported(model, tmp_path), *PASSES)
    assert [op.onnx_name for op in module.walk(nn.OutputOp)] == [one.name for one in model.graph.output]
    same_results(model, tmp_path)


def test_external_data_beside_the_model(tmp_path: Path) -> None:
    model = random_qdq_model(2)
    path = tmp_path / "external.onnx"
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    there = print_module(import_onnx(path))
    assert there == print_module(imported(random_qdq_model(2), tmp_path))


def test_a_long_chain(tmp_path: Path) -> None:
    """5,000 nodes: nothing recurses."""
    model = good_model()
    last = model.graph.output[0].name
    for index in range(5000):
        model.graph.node.append(helper.make_node("Identity", [last], [f"i{index}"], f"i{index}"))
        last = f"i{index}"
    model.graph.output[0].name = last
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT
    assert next(imported(model, tmp_path).walk(nn.OutputOp)).onnx_name == last


@pytest.mark.parametrize("shape", [(1, 24), (1, 4, 6), (4, 6), (24,), (1, 4, 6, 1)])
def test_an_input_that_is_reshaped_to_an_image(shape: tuple[int, ...], tmp_path: Path) -> None:
    net = Layers(4, (1, 4, 6), Style())
    model = net.finish(net.quant(net.conv(net.x, 8)))
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("input", TensorProto.FLOAT, shape))
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 1, 4, 6], np.int64), "image_shape"))
    model.graph.node.insert(0, helper.make_node("Reshape", ["input", "image_shape"], ["image"], "to_image"))
    node_of(model, "QuantizeLinear").input[0] = "image"
    x, _ = signature(model, tmp_path)
    assert x.type.shape == (1, 4, 6, 1) and x.onnx_shape == shape
    same_results(model, tmp_path)


def test_constants_of_sizes_that_are_computed_are_folded(tmp_path: Path) -> None:
    """Detectors make grids of points so, and PyTorch's exports the pads of a convolution: Shape, Range, arithmetic."""
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"], "shape"),
        helper.make_node("Gather", ["shape", "three"], ["width"], "width"),
        helper.make_node("Range", ["zero", "width", "one"], ["range"], "range"),
        helper.make_node("Add", ["range", "one"], ["counted"], "count"),
        helper.make_node("ConstantOfShape", ["two"], ["zeros"], "zeros"),
        helper.make_node("Concat", ["counted", "zeros"], ["grid"], "grid", axis=0),
        helper.make_node("Cast", ["grid"], ["floats"], "floats", to=TensorProto.FLOAT),
        helper.make_node("Concat", ["x", "x"], ["wide"], "wide", axis=3),
        helper.make_node("Mul", ["wide", "floats"], ["y"], "mul"),
    ]
    numbers = {"zero": 0, "one": 1, "three": 3, "two": [2]}
    constants = [numpy_helper.from_array(np.array(value, np.int64), name) for name, value in numbers.items()]
    zeros = numpy_helper.from_array(np.array([0], np.int64), "value")
    nodes[4].attribute.append(helper.make_attribute("value", zeros))
    x, y = (helper.make_tensor_value_info(*one) for one in (("x", 1, (1, 1, 1, 2)), ("y", 1, (1, 1, 1, 4))))
    graph = helper.make_graph(nodes, "g", [x], [y], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "m.onnx")
    found = read_graph(tmp_path / "m.onnx")
    assert [node.op_type for node in found.nodes] == ["Concat", "Mul"]
    assert found.constants["floats"].tolist() == [1, 2, 0, 0]
