"""Models as PyTorch's exporters, onnxruntime's quantiser, Keras converters and old tools write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import bscc
from compiler.driver import Host
from compiler.errors import BsccError, UnsupportedModel, UsageError
from compiler.frontend import import_onnx, read_graph
from compiler.frontend.check import sort_nodes
from compiler.plan import ArrayPlan
from compiler.prepare import Preparation, quantise_file
from dialects import nn
from tests.bad_models import good_model, node_of, stored
from tests.formats import EXPORTS, static
from tests.netbuilder import Style, session
from tests.netlayers import Layers
from tests.reference_tools import imported

Array = NDArray[Any]
QUARK = EXPORTS / "residual_quark.onnx"
FILES = [one for one in sorted(EXPORTS.glob("*.onnx")) if one != QUARK]
make = helper.make_node


def drawn(graph_inputs: dict[str, tuple[int, ...]], seed: int = 0) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in graph_inputs.items()}


def equal_graph(model: onnx.ModelProto | Path, directory: Path, tolerance: float = 0.0) -> None:
    """The static graph computes in onnxruntime what the model computes."""
    graph = static(model, directory)
    fed = drawn({name: graph.shapes[name] for name in graph.inputs})
    given = onnx.load(model) if isinstance(model, Path) else model
    for found, expected in zip(session(graph.model()).run(None, fed), session(given).run(None, fed), strict=True):
        assert found.shape == expected.shape and np.abs(found - expected).max() <= tolerance


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_export_means_the_same_when_it_is_static(path: Path, tmp_path: Path) -> None:
    equal_graph(path, tmp_path)
    graph = static(path, tmp_path)
    assert graph.batch == (1 if path.stem in ("fake_quantised_dynamo", "residual_pt2e") else 0)
    kinds = {one.op_type for one in graph.nodes}
    assert kinds & {"Shape", "Gather", "Constant", "Abs", "Cast", "QLinearConv"} == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_export_compiles_and_runs(path: Path, tmp_path: Path) -> None:
    """Two images, where the batch is free; each output at most 2 integers from onnxruntime's."""
    options = bscc.Options(target="aie2-2x2", compare_dense=False, verify_each=True)
    opened = bscc.Session(bscc.compile(path, tmp_path / "plan", options)[0])
    count = 1 if opened.plan.batch == 1 else 2
    fed = drawn({one.name: (count, *(one.shape or ())[1:]) for one in opened.get_inputs()}, 1)
    expected = session(onnx.load(path)).run(None, fed)
    assert [one.name for one in opened.get_outputs()] == [one.name for one in onnx.load(path).graph.output]
    for found, wanted, port in zip(opened.run(None, fed), expected, ArrayPlan.of(opened.plan).outputs, strict=True):
        assert found.shape == wanted.shape
        steps = np.rint(np.abs(found - wanted) / port.scale)
        assert steps.max() <= 2 and np.mean(steps > 0) <= 0.2


def test_quarks_powers_of_two_give_onnxruntimes_bytes(tmp_path: Path) -> None:
    """Its int8 biases have scales of their own, and its mean has a factor behind it that imitates an older machine."""
    options = bscc.Options(target="aie2-2x2", compare_dense=False, verify_each=True)
    plan, summary = bscc.compile(QUARK, tmp_path / "plan", options)
    assert summary["host"]["nodes"] == 0
    for seed in range(4):
        fed = drawn({"left": (1, 3, 16, 16)}, seed)
        (found,), (expected,) = bscc.Session(plan).run(None, fed), session(onnx.load(QUARK)).run(None, fed)
        assert np.ptp(expected) > 0 and np.array_equal(found, expected)


@pytest.mark.parametrize("opset", [10, 11, 12, 13, 14, 16, 18, 20, 21, 22, 23])
def test_opsets(opset: int, tmp_path: Path) -> None:
    """Conv, pools, Add, Clip and Gemm, quantised per tensor as opset 10 does it."""
    net = Layers(7, (3, 8, 8), Style(opset=max(13, opset), per_channel=False, pow2=True))
    x = net.quant(net.clip(net.conv(net.x, 8, pads=(1, 1, 1, 1))))
    x = net.max_pool(net.quant(net.add(x, net.quant(net.conv(x, 8, (1, 1))))), {"kernel_shape": [2, 2]})
    model = net.finish(net.quant(net.gemm(net.flatten(net.quant(net.global_average_pool(x))), 10)))
    if opset < 13:
        for node in model.graph.node:
            for attribute in [one for one in node.attribute if one.name == "axis" and "Linear" in node.op_type]:
                node.attribute.remove(attribute)
        model.opset_import[0].version = opset
        if opset == 10:  # Clip had its bounds as attributes
            clip = node_of(model, "Clip")
            del clip.input[1:]
            clip.attribute.extend([helper.make_attribute("min", 0.0), helper.make_attribute("max", 6.0)])
    equal_graph(model, tmp_path)
    imported(model, tmp_path)


@pytest.mark.parametrize("opset", [7, 9, 10])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_old_resizes_keep_their_pixels(opset: int, mode: str, tmp_path: Path) -> None:
    """Upsample and the first Resize count from the corner, the later default from the middle of pixels."""
    scales = np.array([1, 1, 2.5, 3], np.float32)
    if opset == 7:
        node, kept = make("Upsample", ["x"], ["y"], mode=mode, scales=scales.tolist()), []
    else:
        kind = "Upsample" if opset == 9 else "Resize"
        node, kept = make(kind, ["x", "s"], ["y"], mode=mode), [numpy_helper.from_array(scales, "s")]
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", (1, 2, 4, 5)), ("y", None))
    )
    graph = helper.make_graph([node], "resize", [x], [y], kept)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=4)
    equal_graph(model, tmp_path, 1e-6)


def kerasish(inner: bool) -> onnx.ModelProto:
    """NHWC at both ends, and with `inner` a pair of Transposes between two convolutions."""
    net = Layers(3, (3, 8, 9), Style(pow2=True), nhwc="int")
    x = net.quant(net.relu(net.conv(net.x, 8)))
    if inner:
        x = net.move("Transpose", net.move("Transpose", x, {"perm": [0, 2, 3, 1]}), {"perm": [0, 3, 1, 2]})
    x = net.quant(net.conv(x, 8, (1, 1)))
    return net.finish(net.move("Transpose", x, {"perm": [0, 2, 3, 1]}))


@pytest.mark.parametrize("inner", [False, True])
def test_transposes_of_keras_converters_cost_nothing(inner: bool, tmp_path: Path) -> None:
    model = kerasish(inner)
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    plan, summary = bscc.compile(path, tmp_path / "plan", bscc.Options(target="aie2-2x2", compare_dense=False))
    fed = drawn({"input": (1, 8, 9, 3)})
    assert np.array_equal(bscc.Session(plan).run(None, fed)[0], session(model).run(None, fed)[0])
    assert [one["kind"] for one in summary["layers"]] == ["conv"] * 2


@pytest.mark.parametrize("between", [True, False])
def test_images_that_keras_enlarges_stay_on_the_array(between: bool, tmp_path: Path) -> None:
    """Unsqueeze, Tile and Reshape along rows, then along pixels; tf2onnx may leave a Transpose inside."""
    moved = "Transpose <perm = [0, 2, 3, 4, 1]>" if between else "Identity"
    rows = "1, 8, 5, 6" if between else "1, 6, 8, 5"
    back = "Transpose <perm = [0, 3, 1, 2]>" if between else "Identity"
    repeats, axis = ("1, 1, 1, 3, 1", 3) if between else ("1, 1, 1, 1, 3", 4)
    text = f"""<ir_version: 8, opset_import: ["" : 13]> enlarged (int8[1, 6, 4, 5] x) => (int8[1, 6, 8, 15] y)
        <float s = {{0.125}}, int8 z = {{0}}, int64[1] three = {{3}}, int64[1] axis = {{{axis}}},
         int64[5] twice = {{1, 1, 1, 2, 1}}, int64[5] thrice = {{{repeats}}}, int64[4] rows = {{{rows}}},
         int64[4] all = {{{"1, 8, 15, 6" if between else "1, 6, 8, 15"}}}> {{
            f = DequantizeLinear(x, s, z)
            a = Unsqueeze(f, three)
            b = Tile(a, twice)
            c = {moved}(b)
            d = Reshape(c, rows)
            e = Unsqueeze(d, axis)
            g = Tile(e, thrice)
            h = Reshape(g, all)
            i = {back}(h)
            y = QuantizeLinear(i, s, z)
        }}"""
    model = onnx.parser.parse_model(text)
    options = bscc.Options(target="aie2-2x2", compare_dense=False, host=Host.OFF, verify_each=True)
    opened = bscc.Session(bscc.compile(written(model, tmp_path), tmp_path / "plan", options)[0])
    fed = {"x": np.arange(-60, 60, dtype=np.int8).reshape(1, 6, 4, 5)}
    expected = session(model).run(None, fed)[0]
    assert np.array_equal(expected, fed["x"].repeat(2, 2).repeat(3, 3))
    assert np.array_equal(opened.run(None, fed)[0], expected)


def test_weights_may_go_through_identity_and_be_rounded_in_the_model(tmp_path: Path) -> None:
    """Float weights -> Identity -> QuantizeLinear -> DequantizeLinear."""
    model = good_model()
    weight = stored(model, "weight")
    node = next(one for one in model.graph.node if weight.name in one.input)
    arrays = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    scale = arrays[node.input[1]].reshape(-1, 1, 1, 1)
    model.graph.initializer.append(numpy_helper.from_array(arrays[weight.name] * scale, "float_weight"))
    model.graph.initializer.remove(weight)
    rounded = make("QuantizeLinear", ["same", *node.input[1:]], [weight.name], "round", axis=0)
    for place, one in enumerate((make("Identity", ["float_weight"], ["same"], "same"), rounded)):
        model.graph.node.insert(place, one)
    graphs = [static(one, tmp_path) for one in (model, good_model())]
    assert [len(one.nodes) for one in graphs] == [len(graphs[1].nodes)] * 2
    assert np.array_equal(graphs[0].constants[weight.name], graphs[1].constants[weight.name])


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_other_floats_are_taken_as_float32_with_a_remark(kind: int, tmp_path: Path) -> None:
    """Weights, scales, ports and Casts of another width."""
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    model = good_model(opset=19)
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(dtype), tensor.name))
    for info in (*model.graph.input, *model.graph.output):
        info.type.tensor_type.elem_type = kind
    first = node_of(model, "QuantizeLinear")
    model.graph.node.insert(0, make("Cast", [first.input[0]], ["cast"], "cast", to=kind))
    first.input[0] = "cast"
    module = imported(model, tmp_path)
    assert {one.host_type for one in module.walk(nn.InputOp)} == {"float32"}
    (remark,) = read_graph(tmp_path / "model.onnx").remarks
    assert remark == f"its {np.dtype(dtype).name} tensors are taken as float32, inputs and outputs too"
    options = bscc.Options(target="aie2-2x2", compare_dense=False)
    assert remark in bscc.compile(tmp_path / "model.onnx", tmp_path / "plan", options)[1]["notes"]


@pytest.mark.parametrize("kind", [TensorProto.INT4, TensorProto.INT2])
def test_weights_of_few_bits_are_bytes_of_the_same_numbers(kind: int, tmp_path: Path) -> None:
    narrow, wide = good_model(opset=21), good_model(opset=21)
    least, most = (-8, 7) if kind == TensorProto.INT4 else (-2, 1)
    for model, stored_as in ((narrow, kind), (wide, TensorProto.INT8)):
        for name in ("weight_2", "zero_4"):
            tensor = stored(model, name)
            numbers = np.clip(numpy_helper.to_array(tensor), least, most)
            tensor.CopyFrom(helper.make_tensor(name, stored_as, numbers.shape, numbers.astype(np.int8).reshape(-1)))
    graphs = [static(one, tmp_path) for one in (narrow, wide)]
    assert all(one.constants["weight_2"].dtype == np.int8 for one in graphs)
    assert np.array_equal(graphs[0].constants["weight_2"], graphs[1].constants["weight_2"])
    imported(narrow, tmp_path)


def test_float32_has_no_remark(tmp_path: Path) -> None:
    imported(good_model(), tmp_path)
    assert not read_graph(tmp_path / "model.onnx").remarks


def test_a_cast_to_another_type_is_refused(tmp_path: Path) -> None:
    model = good_model()
    last = model.graph.output[0].name
    model.graph.node.append(make("Cast", [last], ["c"], "cast", to=TensorProto.INT32))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("c", TensorProto.INT32, None))
    with pytest.raises(UnsupportedModel, match="its conversion is float32 to int32, expected int8 or uint8 to float32"):
        imported(model, tmp_path)


def test_bytes_of_an_image_may_be_cast_in_the_model(tmp_path: Path) -> None:
    """uint8 pixels -> Cast -> QuantizeLinear, as models with their preprocessing inside begin."""
    model = good_model()
    first = node_of(model, "QuantizeLinear")
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    model.graph.node.insert(0, make("Cast", [first.input[0]], ["pixels"], "cast", to=TensorProto.FLOAT))
    first.input[0] = "pixels"
    scale = next(one for one in model.graph.initializer if one.name == first.input[1])
    scale.CopyFrom(numpy_helper.from_array(np.array(1, np.float32), scale.name))
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear" and node.input[0] != "pixels":  # sums are larger now
            other = next(one for one in model.graph.initializer if one.name == node.input[1])
            other.CopyFrom(numpy_helper.from_array(np.array(8, np.float32), other.name))
    options = bscc.Options(target="aie2-2x2", compare_dense=False, verify_each=True)
    opened = bscc.Session(bscc.compile(written(model, tmp_path), tmp_path / "plan", options)[0])
    fed = {"input": np.random.default_rng(0).integers(0, 256, (1, 3, 8, 8)).astype(np.uint8)}
    found, expected = opened.run(None, fed)[0], session(model).run(None, fed)[0]
    assert np.ptp(expected) > 0 and np.abs(found - expected).max() <= 2 * ArrayPlan.of(opened.plan).outputs[0].scale


def normalised(behind: str, negative: bool) -> onnx.ModelProto:
    """The good model with a BatchNormalization behind its first convolution ('conv') or before it ('input')."""
    model = good_model()
    channels = 8 if behind == "conv" else 3
    rng = np.random.default_rng(1)
    factors = rng.uniform(0.5, 1.5, channels) * (np.where(np.arange(channels) % 2, 1, -1) if negative else 1)
    values = {
        "g": factors,
        "b": rng.standard_normal(channels),
        "m": rng.standard_normal(channels),
        "v": np.ones(channels),
    }
    model.graph.initializer.extend(
        numpy_helper.from_array(one.astype(np.float32), name) for name, one in values.items()
    )
    conv = node_of(model, "Conv")
    source = conv.output[0] if behind == "conv" else conv.input[0]
    for node in model.graph.node:
        if source in node.input and (behind == "conv" or node.op_type == "Conv"):
            node.input[list(node.input).index(source)] = "normal"
    model.graph.node.append(make("BatchNormalization", [source, "g", "b", "m", "v"], ["normal"], "norm", epsilon=1e-3))
    return model


@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("behind", ["conv", "input"])
def test_batch_normalisation_becomes_a_convolution(behind: str, negative: bool, tmp_path: Path) -> None:
    model = normalised(behind, negative)
    graph = static(model, tmp_path)
    assert "BatchNormalization" not in [one.op_type for one in graph.nodes]
    assert [one.op_type for one in graph.nodes].count("Conv") == (2 if behind == "conv" else 3)
    fed = drawn({"input": (1, 3, 8, 8)})
    (found,), (expected,) = (session(one).run(None, fed) for one in (graph.model(), in_order(model)))
    assert np.abs(found - expected).max() <= 1.01 * output_step(model)  # floats are multiplied in another order


def in_order(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its nodes in an order in which they can run."""
    ordered = onnx.ModelProto()
    ordered.CopyFrom(model)
    sort_nodes(ordered.graph)
    return ordered


def output_step(model: onnx.ModelProto) -> float:
    """The scale of the output."""
    last = next(one for one in model.graph.node if model.graph.output[0].name in one.output)
    scale = next(one for one in model.graph.initializer if one.name == last.input[1])
    return float(numpy_helper.to_array(scale))


def test_batch_normalisation_in_training_stays(tmp_path: Path) -> None:
    model = normalised("conv", False)
    node_of(model, "BatchNormalization").attribute.append(helper.make_attribute("training_mode", 1))
    node_of(model, "BatchNormalization").output.extend(["mean_out", "var_out"])
    with pytest.raises(BsccError, match="its training_mode is 1, expected 0"):
        import_onnx(written(model, tmp_path))


def written(model: onnx.ModelProto, directory: Path) -> Path:
    path = directory / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_an_int8_input_may_be_an_output_and_a_tensor_two_outputs(tmp_path: Path) -> None:
    net = Layers(5, (8, 6, 6), Style(pow2=True, float_io=False))
    y = net.quant(net.relu(net.conv(net.x, 8)))
    model = net.finish(y, net.quant(net.conv(y, 8, (1, 1))))
    model.graph.node.append(make("Identity", [y.int_name], ["copy"], "copy"))
    for name, like in (("input", model.graph.input[0]), ("copy", model.graph.output[0])):
        model.graph.output.append(like)
        model.graph.output[-1].name = name
    options = bscc.Options(target="aie2-2x2", compare_dense=False, verify_each=True)
    opened = bscc.Session(bscc.compile(written(model, tmp_path), tmp_path / "plan", options)[0])
    fed = {"input": np.random.default_rng(0).integers(0, 256, (1, 8, 6, 6)).astype(np.uint8)}
    for found, expected in zip(opened.run(None, fed), session(model).run(None, fed), strict=True):
        assert np.array_equal(found, expected)


def test_a_float_input_that_is_an_output_is_refused(tmp_path: Path) -> None:
    model = good_model()
    model.graph.output.append(model.graph.input[0])
    with pytest.raises(UnsupportedModel, match="the float32 input itself"):
        imported(model, tmp_path)


def test_integers_that_nobody_scales(tmp_path: Path) -> None:
    """A MaxPool of bytes alone: they are taken in steps of 1."""
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.UINT8, shape)
        for name, shape in (("x", (1, 8, 6, 6)), ("y", None))
    )
    graph = helper.make_graph([make("MaxPool", ["x"], ["y"], kernel_shape=[2, 2])], "pool", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = bscc.Options(target="aie2-2x2", compare_dense=False)
    opened = bscc.Session(bscc.compile(written(model, tmp_path), tmp_path / "plan", options)[0])
    fed = {"x": np.random.default_rng(0).integers(0, 256, (1, 8, 6, 6)).astype(np.uint8)}
    assert np.array_equal(opened.run(None, fed)[0], session(model).run(None, fed)[0])
    with pytest.raises(UsageError, match="quantised already"):  # there are no floats to make integers of
        quantise_file(tmp_path / "model.onnx", {}, Preparation())


def test_three_dimensions_need_no_batch(tmp_path: Path) -> None:
    """[3, 4, 5] through a Relu: nothing says that the 3 counts images."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.INT8, (3, 4, 5)) for name in "xy")
    scale = numpy_helper.from_array(np.array(0.25, np.float32), "scale")
    zero = numpy_helper.from_array(np.array(0, np.int8), "zero")
    nodes = [
        make("DequantizeLinear", ["x", "scale", "zero"], ["floats"]),
        make("Relu", ["floats"], ["kept"]),
        make("QuantizeLinear", ["kept", "scale", "zero"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "relu", [x], [y], [scale, zero])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = bscc.Options(target="aie2-2x2", compare_dense=False, host=Host.OFF)
    opened = bscc.Session(bscc.compile(written(model, tmp_path), tmp_path / "plan", options)[0])
    fed = {"x": np.arange(-30, 30, dtype=np.int8).reshape(3, 4, 5)}
    assert np.array_equal(opened.run(None, fed)[0], np.maximum(fed["x"], 0))
