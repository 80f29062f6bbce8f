"""Models of several images: which are compiled for one, what a session makes of a batch."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import bscc
from compiler.cli.compile import main as bscc_command
from compiler.cli.simulate import main as sim_command
from compiler.errors import BsccError, UnreadableInput, UnsupportedModel, UsageError
from compiler.frontend.batch import RULES, mixing_node
from compiler.plan import Plan
from tests.bad_models import good_model, stored
from tests.formats import static
from tests.netbuilder import Style, session
from tests.netlayers import Layers

Array = NDArray[Any]
ANY, COUNT = 0, 4
CONTEXT = bscc.Context(bscc.DIALECTS)


def lenet(batch: int) -> onnx.ModelProto:
    """Convolution, pool, Reshape to [batch, -1], Gemm: as exporters write it; 0 is a symbolic batch."""
    net = Layers(5, (3, 8, 8), Style(pow2=True))
    x = net.max_pool(net.quant(net.relu(net.conv(net.x, 8))), {"kernel_shape": [2, 2], "strides": [2, 2]})
    model = net.finish(net.quant(net.gemm(net.reshape(x), 10)))
    target = stored(model, "shape")
    target.CopyFrom(numpy_helper.from_array(np.array([batch, -1]), target.name))
    for info in (*model.graph.input, *model.graph.output):
        size = info.type.tensor_type.shape.dim[0]
        size.Clear()
        if batch:
            size.dim_value = batch
        else:
            size.dim_param = "batch"
    return model


def images(count: int, seed: int = 0) -> dict[str, Array]:
    return {"input": np.random.default_rng(seed).standard_normal((count, 3, 8, 8)).astype(np.float32)}


def compiled(model: onnx.ModelProto, directory: Path) -> bscc.Session:
    path = directory / "model.onnx"
    path.write_bytes(model.SerializeToString())
    options = bscc.Options(target="aie2-2x2", compare_dense=False, verify_each=True)
    return bscc.Session(bscc.compile(path, directory / "plan", options)[0])


@pytest.mark.parametrize(("batch", "counts"), [(COUNT, [4]), (ANY, [1, 3]), (1, [1])])
def test_images_run_one_after_the_other(batch: int, counts: list[int], tmp_path: Path) -> None:
    model = lenet(batch)
    opened = compiled(model, tmp_path)
    assert opened.plan.batch == batch
    assert opened.get_inputs()[0].shape == [batch or 1, 3, 8, 8]
    assert opened.get_outputs()[0].shape == [batch or 1, 10]
    for count in counts:
        fed = images(count)
        assert np.array_equal(opened.run(None, fed)[0], session(model).run(None, fed)[0])


def test_the_plan_is_that_of_one_image(tmp_path: Path) -> None:
    for name in ("four", "one"):
        (tmp_path / name).mkdir()
    four, one = (compiled(lenet(count), tmp_path / name).plan for count, name in ((COUNT, "four"), (1, "one")))
    assert four.files["control.bin"] == one.files["control.bin"]
    assert four.manifest["batch"] == COUNT and one.manifest["batch"] == 1


def test_the_number_of_images_stays_in_the_text_of_each_stage(tmp_path: Path) -> None:
    plan = compiled(lenet(COUNT), tmp_path).plan
    stages = [name for name in plan.files if name.startswith("ir/")]
    assert len(stages) == 4
    for name in stages:
        module = bscc.parse_module(plan.files[name].decode(), CONTEXT)
        assert bscc.print_module(module).encode() == plan.files[name]


def test_a_size_that_the_user_gives_is_a_batch_too(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(lenet(ANY).SerializeToString())
    options = bscc.Options(target="aie2-2x2", compare_dense=False, shapes={"input": (2, 3, 8, 8)})
    assert bscc.compile(path, tmp_path / "plan", options)[0].batch == 2


@pytest.mark.parametrize(("batch", "count"), [(COUNT, 3), (COUNT, 0), (ANY, 0)])
def test_a_wrong_number_of_images_is_refused(batch: int, count: int, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"hold {count} images") as caught:
        compiled(lenet(batch), tmp_path).run(None, images(count))
    assert caught.value.diagnostic.code == "batch"


@pytest.mark.parametrize(("batch", "takes"), [(COUNT, "[4, 3, 8, 8]"), (ANY, "[1, 3, 8, 8] for each image")])
def test_a_wrong_shape_is_held_against_that_of_the_batch(batch: int, takes: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        compiled(lenet(batch), tmp_path).run(None, {"input": np.zeros((COUNT, 3, 8, 7), np.float32)})
    assert caught.value.diagnostic.message == f"input 'input' has shape [4, 3, 8, 7], the model takes {takes}"


def test_one_image_of_a_plan_of_one_has_its_own_message(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"shape \[2, 3, 8, 8\], the model takes \[1, 3, 8, 8\]"):
        compiled(lenet(1), tmp_path).run(None, images(2))


def test_the_commands_say_what_a_batch_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, plan = tmp_path / "model.onnx", str(tmp_path / "plan")
    path.write_bytes(lenet(ANY).SerializeToString())
    words = [str(path), "-o", plan, "--target", "aie2-2x2", "--no-compare-dense"]
    assert bscc_command([*words, "--batch", "8"]) == 0
    time = Plan.load(plan).json("timing.json")["us"]
    assert f"8 images one after the other: 8 times that, {8 * time:,.1f} us" in capsys.readouterr().out
    np.savez(tmp_path / "x.npz", input=images(3)["input"])
    assert sim_command([plan, "--input", str(tmp_path / "x.npz"), "--output", str(tmp_path / "y.npz")]) == 0
    assert f"images: 3, one after the other, {3 * time:,.1f} us in all" in capsys.readouterr().out
    assert np.load(tmp_path / "y.npz")[Plan.load(plan).outputs[0].name].shape == (3, 10)
    assert sim_command([plan, "--input", str(tmp_path / "x.npz"), "--instructions", "all"]) == 2
    assert "is compared on one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("batch", "asked", "code"), [(COUNT, "8", 2), (COUNT, "4", 0), (1, "2", 2), (1, "0", 2), (1, "x", 2)]
)
def test_the_batch_option_must_fit_the_model(batch: int, asked: str, code: int, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(lenet(batch).SerializeToString())
    words = [str(path), "-o", str(tmp_path / "plan"), "--target", "aie2-2x2", "--no-compare-dense", "-q"]
    assert bscc_command([*words, "--batch", asked]) == code


def test_a_plan_with_a_negative_batch_is_damaged(tmp_path: Path) -> None:
    compiled(lenet(1), tmp_path)
    manifest = tmp_path / "plan" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"batch": 1', '"batch": -1'))
    with pytest.raises(UnreadableInput, match="batch is -1"):
        Plan.load(tmp_path / "plan")


make = helper.make_node


def tail(*nodes: onnx.NodeProto, **constants: Array) -> Callable[[int], onnx.ModelProto]:
    """A model of these nodes behind an input 'x' of 4 dimensions; the last node's result is 'y'."""

    def model(batch: int) -> onnx.ModelProto:
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (batch, 4, 6, 6))
        kept = [numpy_helper.from_array(one, name) for name, one in constants.items()]
        y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
        graph = helper.make_graph(list(nodes), "tail", [x], [y], kept)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)

    return model


APART = {
    "softmax of channels": tail(make("Softmax", ["x"], ["y"], axis=1)),
    "transpose of pixels": tail(make("Transpose", ["x"], ["y"], perm=[0, 2, 3, 1])),
    "reshape": tail(make("Reshape", ["x", "to"], ["y"]), to=np.array([COUNT, -1])),
    "a constant for each pixel": tail(make("Add", ["x", "c"], ["y"]), c=np.ones((4, 1, 6), np.float32)),
    "mean of pixels": tail(make("ReduceMean", ["x", "a"], ["y"]), a=np.array([2, 3])),
    "slice of channels": tail(
        make("Slice", ["x", "s", "e", "a"], ["y"]), s=np.array([1]), e=np.array([3]), a=np.array([1])
    ),
    "pad of pixels": tail(make("Pad", ["x", "p"], ["y"]), p=np.array([0, 0, 1, 1, 0, 0, 1, 1])),
    "product": tail(make("MatMul", ["x", "w"], ["y"]), w=np.ones((6, 5), np.float32)),
    "join of channels": tail(make("Concat", ["x", "x"], ["y"], axis=1)),
    "vectors": tail(
        make("Flatten", ["x"], ["f"]), make("Gemm", ["f", "w"], ["y"], transB=1), w=np.ones((3, 144), np.float32)
    ),
}
MIXED = {
    "softmax of images": tail(make("Softmax", ["x"], ["y"], axis=0)),
    "transpose of images": tail(make("Transpose", ["x"], ["y"], perm=[1, 0, 2, 3])),
    "join of images": tail(make("Concat", ["x", "x"], ["y"], axis=0)),
    "reshape of images": tail(make("Reshape", ["x", "to"], ["y"]), to=np.array([8, -1])),
    "a constant for each image": tail(make("Add", ["x", "c"], ["y"]), c=np.ones((COUNT, 1, 1, 1), np.float32)),
    "mean of images": tail(make("ReduceMean", ["x", "a"], ["y"]), a=np.array([0, 2])),
    "mean of all": tail(make("ReduceMean", ["x"], ["y"])),
    "slice of images": tail(
        make("Slice", ["x", "s", "e", "a"], ["y"]), s=np.array([0]), e=np.array([2]), a=np.array([0])
    ),
    "pad of images": tail(make("Pad", ["x", "p"], ["y"]), p=np.array([1, 0, 0, 0, 0, 0, 0, 0])),
    "factor of another rank": tail(make("MatMul", ["w", "x"], ["y"]), w=np.ones((COUNT, 1, 6, 6), np.float32)),
    "flat": tail(make("Flatten", ["x"], ["y"], axis=0)),
    "other images": tail(make("Gather", ["x", "i"], ["y"], axis=0), i=np.array([1, 0, 2, 3])),
    "an unknown operator": tail(make("Det", ["x"], ["y"])),
}


@pytest.mark.parametrize("name", APART)
def test_images_that_stay_apart(name: str, tmp_path: Path) -> None:
    """The graph of one image, run on each, gives what the model gives for all."""
    model = APART[name](COUNT)
    graph = static(model, tmp_path)
    assert graph.batch == COUNT and graph.shapes["x"] == (1, 4, 6, 6)
    x = np.random.default_rng(0).standard_normal((COUNT, 4, 6, 6)).astype(np.float32)
    expected = session(model).run(None, {"x": x})[0]
    single = session(graph.model())
    found = np.concatenate([single.run(None, {"x": one[np.newaxis]})[0] for one in x])
    assert found.shape == expected.shape and np.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("name", MIXED)
def test_images_that_mix(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModel) as caught:
        static(MIXED[name](COUNT), tmp_path)
    assert caught.value.diagnostic.code == "batch" and "batch size 4" in str(caught.value)


def test_a_symbolic_batch_that_mixes_is_one_image(tmp_path: Path) -> None:
    model = MIXED["softmax of images"](1)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    assert static(model, tmp_path).batch == 1


def test_rows_of_a_matrix_are_no_images(tmp_path: Path) -> None:
    """[4, 6] is a matrix as well as four vectors: it is taken whole."""
    model = good_model()
    graph = helper.make_graph(
        [make("Relu", ["x"], ["y"])],
        "matrix",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (4, 6))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (4, 6))],
    )
    model.graph.CopyFrom(graph)
    assert static(model, tmp_path).batch == 1


def test_every_rule_is_about_an_operator_of_onnx() -> None:
    assert [name for name in RULES if not onnx.defs.has(name)] == []


def test_an_output_that_no_input_reaches_forbids_batches(tmp_path: Path) -> None:
    model = tail(make("Relu", ["x"], ["y"]), c=np.ones((1, 2), np.float32))(1)
    model.graph.output.append(helper.make_tensor_value_info("c", TensorProto.FLOAT, (1, 2)))
    fault = mixing_node(static(model, tmp_path))
    assert fault is not None and "'c'" in fault.message


def test_inputs_of_different_batches(tmp_path: Path) -> None:
    net = Layers(4, (8, 5, 5), Style(pow2=True))
    model = net.finish(net.quant(net.conv(net.x, 8, (1, 1))))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "n"
    other = onnx.ModelProto.FromString(model.SerializeToString())
    merged = onnx.compose.merge_models(model, other, io_map=[], prefix1="a_", prefix2="b_")
    opened = compiled(merged, tmp_path)
    two, three = (np.zeros((count, 8, 5, 5), np.float32) for count in (2, 3))
    with pytest.raises(BsccError, match="input 'b_input' holds 3 images, input 'a_input' holds 2"):
        opened.run(None, {"a_input": two, "b_input": three})
    assert [one.shape[0] for one in opened.run(None, {"a_input": two, "b_input": two})] == [2, 2]


def test_a_batch_with_nodes_of_the_host(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Parts are of one image each; the number of images is the whole model's."""
    model = lenet(ANY)
    model.graph.node.append(helper.make_node("Softmax", [model.graph.output[0].name], ["p"], "soft", axis=1))
    model.graph.output[0].name = "p"
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    words = [str(path), "-o", str(tmp_path / "plan"), "--target", "aie2-2x2", "--no-compare-dense"]
    assert bscc_command([*words, "--batch", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["batch"] == 3
    fed = images(3)
    (found,) = bscc.Session(tmp_path / "plan").run(None, fed)
    assert found.tobytes() == session(model).run(None, fed)[0].tobytes()
    np.savez(tmp_path / "x.npz", input=fed["input"])
    assert sim_command([str(tmp_path / "plan"), "--input", str(tmp_path / "x.npz")]) == 0
    said = capsys.readouterr().out
    assert "images: 3, one after the other" in said and "by onnxruntime for the last image" in said
    assert bscc_command([*words, "--shape", "input=2x3x8x8", "--batch", "3"]) == 2
    assert "the model takes 2 images, --batch says 3" in capsys.readouterr().err
    assert bscc_command([*words, "--shape", "input=2x3x8x8", "--shape", "input=3x3x8x8"]) == 2
    assert "--shape gives input 'input' two shapes: 2x3x8x8, 3x3x8x8" in capsys.readouterr().err
