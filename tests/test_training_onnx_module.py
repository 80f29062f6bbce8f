"""A float ONNX model as a module: it trains on any batch, and goes back bit for bit."""

from __future__ import annotations

import copy
import io

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from compiler.errors import UnsupportedModel, UsageError  # noqa: E402
from tests.training_onnx import IMAGE, check, close, computed, constants, model_of, node, numbers, runtime  # noqa: E402
from training.blocks import Block, BlockView  # noqa: E402
from training.layers import find  # noqa: E402
from training.masks import BlockMask, attach  # noqa: E402
from training.onnx_reader import Function, read_module, write_weights  # noqa: E402


def network(opset: int = 17) -> onnx.ModelProto:
    """Convolution with batch norm, a shortcut, a literal batch, a matrix product with its bias."""
    nodes = [
        node("Conv", "x", "w1", out="c1", pads=[1, 1, 1, 1]),
        node("BatchNormalization", "c1", "s", "t", "m", "v", out="n1"),
        node("Relu", "n1", out="r1"),
        node("Conv", "r1", "w2", "b2", out="c2", pads=[0, 0, 2, 2]),
        node("Add", "c2", "r1", out="a2"),
        node("GlobalAveragePool", "a2", out="g"),
        node("Reshape", "g", "shape", out="f"),
        node("MatMul", "f", "w3", out="p"),
        node("Add", "p", "b3"),
    ]
    stored = {
        **{"w1": numbers(8, 4, 3, 3), "s": numbers(8) + 2, "t": numbers(8), "m": numbers(8), "v": numbers(8) + 2},
        **{"w2": numbers(8, 8, 3, 3), "b2": numbers(8), "shape": np.array([1, 8])},
        **{"w3": numbers(8, 5), "b3": numbers(5)},
    }
    model = model_of(nodes, stored, opset=opset)
    model.producer_name = "test"
    helper.set_model_props(model, {"key": "value"})
    return model


def train(module: nn.Module, steps: int = 3) -> None:
    """A few steps on a batch of four."""
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05)
    images = torch.from_numpy(numbers(4, *IMAGE[1:], seed=9))
    module.train()
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(images), torch.arange(4)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def test_layers_are_those_of_torch() -> None:
    module = check(network())
    assert [(name, type(one)) for name, one in module.named_children()] == [
        ("Conv_c1", nn.Conv2d),
        ("BatchNormalization_n1", nn.BatchNorm2d),
        ("Relu_r1", nn.ReLU),
        ("Conv_c2", nn.Conv2d),
        ("Add_a2", Function),
        ("GlobalAveragePool_g", Function),
        ("Reshape_f", Function),
        ("MatMul_p", nn.Linear),
    ]
    assert list(module.node_of) == [name for name, _ in module.named_children()]
    assert module.node_of["Conv_c1"] == "Conv/c1" and "_mean_of_space" in repr(module)
    assert module.get_submodule("MatMul_p").bias is not None
    assert all(one.requires_grad for one in module.parameters()) and len(list(module.parameters())) == 7


def test_batch_norm_counts_in_training() -> None:
    module = read_module(network())
    layer = module.get_submodule("BatchNormalization_n1")
    assert isinstance(layer, nn.BatchNorm2d) and module.training and layer.momentum == pytest.approx(0.1)
    assert layer.running_mean is not None
    before = layer.running_mean.clone()
    convolved = []
    layer.register_forward_hook(lambda _, given, made: convolved.append((given[0], made)))
    module(torch.from_numpy(numbers(4, *IMAGE[1:])))
    given, made = convolved[0]
    assert torch.allclose(layer.running_mean, 0.9 * before + 0.1 * given.mean((0, 2, 3)), atol=1e-6)
    normal = (made - layer.bias[:, None, None]) / layer.weight[:, None, None]
    assert normal.mean((0, 2, 3)).abs().max() < 1e-5 and (normal.var((0, 2, 3)) - 1).abs().max() < 1e-1


def test_batch_norm_of_a_model_in_training() -> None:
    """As exporters leave it: it also gives the new mean and variance."""
    model = network()
    model.graph.node[1].output.extend(("mean", "variance"))
    model.graph.node[1].attribute.append(helper.make_attribute("training_mode", 1))
    train(read_module(model))
    model.graph.output.append(helper.make_tensor_value_info("mean", TensorProto.FLOAT, [8]))
    with pytest.raises(UnsupportedModel, match="its output is 'mean'"):
        read_module(model)


def test_trains_and_goes_back_bit_for_bit() -> None:
    model = network()
    before = model.SerializeToString()
    module = read_module(model)
    train(module)
    written = write_weights(model, module)
    assert model.SerializeToString() == before
    again = read_module(written)
    state, found = module.state_dict(), again.state_dict()
    del state["BatchNormalization_n1.num_batches_tracked"], found["BatchNormalization_n1.num_batches_tracked"]
    assert list(state) == list(found)
    assert all(state[name].numpy().tobytes() == found[name].numpy().tobytes() for name in state)
    image = numbers(*IMAGE)
    assert close(computed(module, image)[0], runtime(written, image)[0])
    assert not close(runtime(model, image)[0], runtime(written, image)[0])
    # What is not a number stays: nodes, names, order, metadata.
    assert list(written.graph.node) == list(model.graph.node) and written.metadata_props == model.metadata_props
    assert [one.name for one in written.graph.initializer] == [one.name for one in model.graph.initializer]
    assert written.producer_name == "test"


def test_untrained_weights_leave_the_file_as_it_is() -> None:
    model = network()
    assert write_weights(model, read_module(model)).SerializeToString() == model.SerializeToString()


def test_masks_copies_states_and_compilation() -> None:
    module = read_module(network())
    layer = module.get_submodule("Conv_c2")
    mask = BlockMask(BlockView.of(layer, Block()))
    mask.mask.zero_()
    attach(layer, mask)
    copied = copy.deepcopy(module)
    assert copied.node_of == module.node_of
    train(copied)
    written = write_weights(network(), copied)
    stored = {one.name: numpy_helper.to_array(one) for one in written.graph.initializer}
    assert not stored["w2"].any() and stored["w1"].any()
    module.load_state_dict(copied.state_dict())
    image = torch.from_numpy(numbers(2, *IMAGE[1:]))
    exported = torch.export.export(module.eval(), (image,)).module()
    graph = torch.compile(module, backend="eager", fullgraph=True)
    assert torch.equal(exported(image), module(image)) and torch.equal(graph(image), module(image))
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    assert file.tell() > 0


@pytest.mark.parametrize("channels_last", (False, True))
def test_blocks_of_a_flattened_image(channels_last: bool) -> None:
    """Pixels are the taps of a dense layer if an image was flattened channel by channel, and only then."""
    moved = [node("Transpose", "c", out="t", perm=[0, 2, 3, 1])] if channels_last else [node("Relu", "c", out="t")]
    nodes = [node("Conv", "x", "w", out="c"), *moved, node("Flatten", "t", out="f"), node("Gemm", "f", "v")]
    module = check(model_of(nodes, {"w": numbers(16, 4, 3, 3), "v": numbers(16 * 35, 16)}))
    dense = find(module, torch.zeros(IMAGE))[-1]
    assert dense.name == "Gemm_y" and dense.view.flattened == (0 if channels_last else 16)


def test_a_layer_used_twice_is_one_layer() -> None:
    nodes = [
        node("Conv", "x", "w", out="a"),
        node("Neg", "x", out="n"),
        node("Conv", "n", "w", out="b"),
        node("Add", "a", "b"),
    ]
    model = model_of(nodes, {"w": numbers(8, 4, 3, 3)})
    module = read_module(model)
    assert [name for name, _ in module.named_parameters()] == ["Conv_a.weight"]
    with torch.no_grad():
        next(module.get_submodule("Conv_a").parameters()).mul_(0.5)
    written = write_weights(model, module)
    assert len(written.graph.initializer) == 1
    assert np.array_equal(numpy_helper.to_array(written.graph.initializer[0]), numbers(8, 4, 3, 3) / 2)


def test_a_weight_shared_by_different_layers_is_split() -> None:
    """One vector is two biases, and a constant that is added."""
    nodes = [
        node("Conv", "x", "w", "c", out="a"),
        node("Conv", "x", "v", "c", out="b"),
        node("Add", "a", "b", out="s"),
        node("Add", "s", "c"),
    ]
    stored = {"w": numbers(7, 4, 1, 1), "v": numbers(7, 4, 1, 1, seed=1), "c": numbers(7)}
    model = model_of(nodes, stored)
    module = read_module(model)
    with torch.no_grad():
        module.get_parameter("Conv_a.bias").add_(1)
    written = write_weights(model, module)
    found = {one.name: numpy_helper.to_array(one) for one in written.graph.initializer}
    first, second, third = (written.graph.node[at].input[-1] for at in (0, 1, 3))
    assert np.array_equal(found[first], stored["c"] + 1)
    assert second == third == "c" and np.array_equal(found["c"], stored["c"])
    image = numbers(*IMAGE)
    assert close(computed(module, image)[0], runtime(written, image)[0])


@pytest.mark.parametrize("trained", ((1.0, 1.0), (2.0, 2.0), (2.0, 3.0), (1.0, 2.0)))
def test_vectors_shared_by_layers(trained: tuple[float, float]) -> None:
    """Without another reader the tensor keeps its name, and is split only if its layers differ."""
    nodes = [node("Conv", "x", "w", "c", out="a"), node("Conv", "x", "v", "c", out="b"), node("Add", "a", "b")]
    stored = {"w": numbers(7, 4, 1, 1), "v": numbers(7, 4, 1, 1, seed=1), "c": numbers(7)}
    model = model_of(nodes, stored, opset=8)
    model.ir_version = 3
    model.graph.input.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, stored[name].shape) for name in stored
    )
    module = read_module(model)
    with torch.no_grad():
        for name, factor in zip(("Conv_a.bias", "Conv_b.bias"), trained, strict=True):
            module.get_parameter(name).mul_(factor)
    written = write_weights(model, module)
    assert len(written.graph.initializer) == 3 + (trained[0] != trained[1])
    found = {one.name: numpy_helper.to_array(one) for one in written.graph.initializer}
    for at, factor in enumerate(trained):
        assert np.array_equal(found[written.graph.node[at].input[2]], stored["c"] * np.float32(factor))
    assert {one.name for one in written.graph.input} == {"x", *found}
    image = numbers(*IMAGE)
    assert close(computed(read_module(written), image)[0], runtime(written, image)[0])


def test_weights_that_are_constant_nodes_or_computed() -> None:
    value = numpy_helper.from_array(numbers(8, 4, 3, 3), "inner")
    nodes = [
        node("Constant", out="w", value=value),
        node("Conv", "x", "w", out="a"),
        node("Identity", "raw", out="copy"),
        node("Transpose", "copy", out="v", perm=[1, 0, 2, 3]),
        node("Conv", "a", "v"),
    ]
    model = model_of(nodes, {"raw": numbers(8, 6, 1, 1)})
    module = check(model)
    assert write_weights(model, module).SerializeToString() == model.SerializeToString()
    with torch.no_grad():
        for one in module.parameters():
            one.mul_(3)
    written = write_weights(model, module)
    image = numbers(*IMAGE)
    assert close(computed(module, image)[0], runtime(written, image)[0])
    assert [one.op_type for one in written.graph.node] == ["Constant", "Conv", "Conv"]
    assert [one.name for one in written.graph.initializer] == ["v"]
    again = read_module(written)
    pairs = zip(module.parameters(), again.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_batch_of_the_file_may_be_open_or_several() -> None:
    nodes = [node("Conv", "x", "w", out="c"), node("Reshape", "c", "s")]
    for batch, literal in (("n", -1), (2, 2)):
        model = model_of(nodes, {"w": numbers(8, 4, 3, 3), "s": np.array([literal, 280])}, (batch, 4, 9, 7))
        module = read_module(model)
        assert computed(module, numbers(6, 4, 9, 7))[0].shape == (6, 280)
        image = numbers(2, 4, 9, 7)
        assert close(computed(module, image)[0], runtime(model, image)[0])


@pytest.mark.parametrize("dynamo", (False, True))
def test_exports_of_torch(dynamo: bool) -> None:
    pytest.importorskip("onnxscript")
    net = nn.Sequential(
        *(nn.Conv2d(4, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Hardswish(), nn.MaxPool2d(2)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5), nn.Softmax(1)),
    )
    net.eval()
    file = io.BytesIO()
    torch.onnx.export(net, (torch.zeros(IMAGE),), file, dynamo=dynamo, input_names=["x"], verbose=False)
    module = check(onnx.load_model_from_string(file.getvalue()))
    image = numbers(*IMAGE)
    with torch.no_grad():
        assert close(computed(module, image)[0], net(torch.from_numpy(image)).numpy())


def test_every_node_that_cannot_be_trained_is_listed() -> None:
    nodes = [
        node("Conv", "x", "w", out="a"),
        node("Einsum", "a", out="b", equation="nchw->nhwc"),
        node("Relu", "b", out="c"),
        node("MaxPool", "x", out="d", kernel_shape=[1, 1]),
        node("ReduceMean", "d", out="e", axes=[0]),
        node("Resize", "x", "", "f", out="g", mode="cubic"),
        node("Det", "c", out="h"),
        node("Add", "h", "e"),
    ]
    model = model_of(nodes, {"w": numbers(8, 4, 3, 3), "f": np.array([1, 1, 2, 2], np.float32)})
    with pytest.raises(UnsupportedModel) as caught:
        read_module(model)
    assert caught.value.exit_code == 4
    found = [(str(one.place), str(one.limit)) for one in caught.value.diagnostics]
    assert found == [
        ("node 'Einsum/b' (Einsum)", "its operator is Einsum, expected one that can be trained"),
        ("node 'ReduceMean/e' (ReduceMean)", "its axis is 0, which counts the images, expected one within each image"),
        ("node 'Resize/g' (Resize)", "its mode is cubic, expected nearest or linear"),
        ("node 'Det/h' (Det)", "its operator is Det, expected one that can be trained"),
    ]


def test_a_tensor_from_nowhere_is_refused() -> None:
    with pytest.raises(UnsupportedModel, match="its input is 'missing', expected a tensor that the graph holds"):
        read_module(model_of([node("Add", "x", "missing")]))


def test_what_mixes_images_is_refused() -> None:
    nodes = [node("Reshape", "x", "s", out="a"), node("Transpose", "a", out="b"), node("MatMul", "b", "a")]
    with pytest.raises(UnsupportedModel, match=r"node 'MatMul/y'.*axis that counts the images"):
        read_module(model_of(nodes, constants(s=[1, 252])))


def test_quantised_models_are_refused() -> None:
    nodes = [node("QuantizeLinear", "x", "fs", out="q"), node("DequantizeLinear", "q", "fs")]
    with pytest.raises(UnsupportedModel, match="quantised: 2 of its nodes") as caught:
        read_module(model_of(nodes, constants(fs=0.1)))
    assert "give the float model" in caught.value.diagnostic.help


def test_other_types_and_old_operator_sets_are_refused() -> None:
    half = model_of([node("Conv", "x", "w")], {"w": numbers(8, 4, 3, 3).astype(np.float16)})
    half.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    with pytest.raises(UnsupportedModel, match="its type of input 1 is float16, expected float32"):
        read_module(half)
    with pytest.raises(UnsupportedModel, match="its operator set is 6"):
        read_module(model_of([node("Relu", "x")], opset=6))


def test_open_sizes_must_be_given() -> None:
    model = model_of([node("Conv", "x", "w")], {"w": numbers(8, 4, 3, 3)}, ("n", 4, "h", "w"))
    with pytest.raises(UsageError, match=r"the size of input 'x' is open: \['n', 4, 'h', 'w'\]"):
        read_module(model)
    assert computed(read_module(model, {"x": IMAGE}), numbers(2, 4, 9, 7))[0].shape == (2, 8, 7, 5)
    with pytest.raises(UsageError, match="no input 'X'"):
        read_module(model, {"X": IMAGE})


def test_weights_of_another_model_are_not_written() -> None:
    other = model_of([node("Conv", "x", "v")], {"v": numbers(8, 4, 3, 3)})
    with pytest.raises(UsageError, match="the weights are of another model"):
        write_weights(other, read_module(network()))
