"""Quantisation of float models: where Q and DQ go, with which scales, and what stays exact."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from compiler.errors import UnreadableInput, UnsupportedModel, UsageError
from compiler.quantize import Quantised, Settings, is_quantised, quantise
from compiler.quantize.accuracy import compare
from compiler.quantize.fold import folded, session
from compiler.quantize.network import Network
from compiler.quantize.quantiser import _quiet
from compiler.quantize.ranges import Method
from compiler.quantize.samples import Samples
from compiler.quantize.scales import Activations
from tests.floatnets import Array, FloatNet


def made(net: FloatNet, *outputs: str, settings: Settings | None = None) -> Quantised:
    return quantise(net.finish(*outputs), net.samples(), settings or Settings())


def kinds(model: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


def surrounded(model: onnx.ModelProto, name: str) -> bool:
    """Whether a node reads DequantizeLinear only, and is read, by way of clamps, by QuantizeLinear."""
    network = Network(model)
    node = next(one for one in model.graph.node if one.name == name)
    makers = [network.makers[one].op_type for one in node.input if one in network.makers]
    readers = network.readers[node.output[0]]
    while [one.op_type for one in readers] in (["Relu"], ["Clip"]):
        readers = network.readers[readers[0].output[0]]
    return set(makers) == {"DequantizeLinear"} and [one.op_type for one in readers] == ["QuantizeLinear"]


def near(result: Quantised, samples: list[dict[str, Array]], decibels: float) -> None:
    """The int8 model computes what the float model does, with so much less noise than signal."""
    found = compare(result.source, result.model, Samples(len(samples), lambda i: samples[i], "", kinds=FLOATS))
    assert min(found.sqnr.values()) > decibels, found.sqnr


FLOATS = {"x": np.dtype(np.float32)}


# Functions of one tensor: between Q and DQ nothing is quantised.


def silu(net: FloatNet, x: str) -> str:
    return net.add("Mul", x, net.add("Sigmoid", x))


def hard_swish(net: FloatNet, x: str) -> str:
    gate = net.add("Clip", net.add("Add", x, net.number(3)), net.number(0), net.number(6))
    return net.add("Div", net.add("Mul", x, gate), net.number(6))


def gelu(net: FloatNet, x: str) -> str:
    wave = net.add("Add", net.add("Erf", net.add("Div", x, net.number(2**0.5))), net.number(1))
    return net.add("Mul", net.add("Mul", x, wave), net.number(0.5))


def leaky(net: FloatNet, x: str) -> str:
    return net.add("LeakyRelu", x, alpha=0.1)


@pytest.mark.parametrize("function", [silu, hard_swish, gelu, leaky])
@pytest.mark.parametrize("last", [False, True])
def test_functions_of_one_tensor_are_not_quantised_inside(function: Callable[[FloatNet, str], str], last: bool) -> None:
    net = FloatNet((1, 3, 8, 8))
    first = net.conv(net.x, 8)
    end = function(net, first)
    count = len(net.nodes)
    result = made(net, end if last else net.conv(end, 8))
    # Q: the input, the first convolution, the function's result, the second convolution.
    assert kinds(result.model)["QuantizeLinear"] == 3 if last else 4
    inside = {node.name: node.op_type for node in net.nodes[1:count]}
    assert {node.name: node.op_type for node in result.model.graph.node if node.name in inside} == inside
    assert surrounded(result.model, first)
    near(result, net.samples(), 17)  # 25 is what the first convolution keeps


def test_a_result_that_others_read_is_quantised_too() -> None:
    net = FloatNet((1, 3, 8, 8))
    relu = net.add("Relu", net.conv(net.x, 8))
    sigmoid = net.add("Sigmoid", relu)
    both = net.add("Concat", relu, net.add("Mul", relu, sigmoid), axis=1)
    result = made(net, both)
    readers = Network(result.model).readers
    assert [one.op_type for one in readers[relu]] == ["QuantizeLinear"]
    near(result, net.samples(), 17)  # 25 is what the first convolution keeps


def test_gates_of_another_tensor_are_quantised() -> None:
    net = FloatNet((1, 3, 8, 8))
    x = net.conv(net.x, 8)
    gate = net.add("HardSigmoid", net.conv(net.add("GlobalAveragePool", x), 8, 1), alpha=0.2, beta=0.5)
    result = made(net, net.add("Mul", x, gate))
    assert surrounded(result.model, gate)
    assert surrounded(result.model, net.nodes[-1].name)
    near(result, net.samples(), 20)


@pytest.mark.parametrize("settings", [Settings(), Settings(Activations(signed=True, power_of_two=True))])
def test_clamps_join_their_layers(settings: Settings) -> None:
    net = FloatNet((1, 3, 8, 8))
    six = net.add("Clip", net.conv(net.x, 8), net.number(0), net.number(1))
    result = made(net, net.add("Relu", net.conv(six, 8)), settings=settings)
    found = kinds(result.model)
    assert (found["Clip"], found["Relu"], found["QuantizeLinear"]) == (1, 1, 3)
    near(result, net.samples(), 15)


# Operators and what they share.


def many(net: FloatNet) -> str:
    """Every operator that has integers on both sides."""
    x = net.add("MaxPool", net.conv(net.x, 8), kernel_shape=[2, 2], strides=[2, 2])
    y = net.add("AveragePool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    z = net.add("Concat", x, y, axis=1)
    net.channels[z] = 16
    sizes = net.store(np.array([1, 1, 2, 2], np.float32))
    up = net.add(
        "Resize",
        net.conv(z, 8),
        "",
        sizes,
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    wide = net.add(
        "ConvTranspose", x, net.store(net.rng.normal(0, 0.3, (8, 8, 2, 2)).astype(np.float32)), strides=[2, 2]
    )
    part = net.add("Mul", net.add("Sub", net.add("Add", up, wide), net.conv(net.x, 8)), wide)
    return net.gemm(net.add("GlobalAveragePool", part), 8, 10)


@pytest.mark.parametrize("power_of_two", [False, True])
def test_every_operator_gets_its_scales(power_of_two: bool) -> None:
    net = FloatNet((1, 3, 8, 8))
    result = made(net, many(net), settings=Settings(Activations(power_of_two=power_of_two)))
    for node in net.nodes:
        assert node.op_type == "Flatten" or surrounded(result.model, node.name), node.name
    for kind in ("MaxPool", "AveragePool", "Resize", "Flatten"):
        scales = scales_around(result.model, kind)
        assert scales[0] == scales[1], kind
    near(result, net.samples(), 12 if power_of_two else 20)


def scales_around(model: onnx.ModelProto, kind: str) -> tuple[float, float]:
    """The scales with which the only node of this kind reads, and of its result."""
    network = Network(model)
    node = next(one for one in model.graph.node if one.op_type == kind)
    ends = (network.makers[node.input[0]], network.readers[node.output[0]][0])
    first, second = (network.constant(one.input[1]) for one in ends)
    assert first is not None and second is not None
    return float(first), float(second)


@pytest.mark.parametrize("beta", [-2.0, 0.0, 0.5])
def test_the_factor_of_a_bias_goes_into_it(beta: float) -> None:
    """A scale is positive, whatever the factor is; the float model computes the same."""
    net = FloatNet((1, 8, 2, 2))
    weight, bias = (net.store(net.rng.normal(size=size).astype(np.float32)) for size in ((5, 32), (5,)))
    flat = net.add("Flatten", net.x)
    model = net.finish(net.add("Gemm", flat, weight, bias, transB=1, beta=beta))
    one = {"x": net.rng.normal(size=(1, 8, 2, 2)).astype(np.float32)}
    (wanted,), (found,) = (session(each).run(None, one) for each in (model, folded(model)))
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
    network = Network(quantise(model, [one], Settings()).model)
    scales = [tensor for tensor in network.model.graph.initializer if tensor.name.endswith("_scale")]
    assert scales and all((numpy_helper.to_array(each) > 0).all() for each in scales)


def test_a_bias_of_two_dimensions_gets_scales_that_onnxruntime_runs() -> None:
    """onnxruntime makes a Gemm with a bias [1, N] of MatMul and Add, and told its scales along the axis of 1."""
    net = FloatNet((1, 32))
    weight, bias = (net.store(net.rng.normal(size=size).astype(np.float32)) for size in ((32, 5), (1, 5)))
    result = made(net, net.add("Add", net.add("MatMul", net.x, weight), bias))
    network = Network(result.model)
    (gemm,) = (node for node in network.model.graph.node if node.op_type == "Gemm")
    integers, scales = (network.constant(name) for name in network.makers[gemm.input[2]].input[:2])
    assert integers is not None and scales is not None and integers.shape == scales.shape == (5,)
    near(result, net.samples(), 10)


def test_softmax_and_what_follows_stay_float() -> None:
    net = FloatNet((1, 3, 4, 4))
    soft = net.add("Softmax", net.gemm(net.x, 48, 10))
    result = made(net, net.add("Reshape", soft, net.store(np.array([10], np.int64))))
    network = Network(result.model)
    assert [node.op_type for node in network.readers[soft]] == ["Reshape"]
    assert result.left_float == ((soft, "Softmax"),)


def test_inputs_and_outputs_stay_float() -> None:
    net = FloatNet((1, 3, 8, 8))
    end = net.conv(net.x, 8)
    model = made(net, end).model
    assert [(one.name, one.type.tensor_type.elem_type) for one in model.graph.input] == [("x", 1)]
    assert [(one.name, one.type.tensor_type.elem_type) for one in model.graph.output] == [(end, 1)]


# Weights.


def test_batch_norms_are_folded_or_become_convolutions() -> None:
    net = FloatNet((1, 3, 8, 8))
    behind = net.norm(net.conv(net.x, 8))
    alone = net.norm(net.add("Concat", behind, net.add("MaxPool", behind, kernel_shape=[1, 1]), axis=1))
    net.channels[alone] = 16
    net.nodes[-1].input[1:] = [net.store(net.rng.uniform(0.5, 1.5, 16).astype(np.float32)) for _ in range(4)]
    model = net.finish(net.add("Relu", alone))
    found = folded(model)
    assert kinds(found) == Counter(Conv=2, Relu=1, Concat=1, MaxPool=1)
    sample = net.samples(1)[0]
    for a, b in zip(session(model).run(None, sample), session(found).run(None, sample), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(16, 1, 1), (1, 16, 1, 1)])
def test_a_prelu_with_a_slope_for_each_channel_is_quantised(shape: tuple[int, ...]) -> None:
    net = FloatNet((1, 3, 8, 8))
    slopes = net.rng.uniform(-0.5, 0.5, shape).astype(np.float32)
    x = net.add("PRelu", net.conv(net.x, 16), net.store(slopes))
    dense = net.gemm(x, 16 * 64, 8)
    model = net.finish(net.add("PRelu", dense, net.store(slopes.reshape(-1)[:8])))
    result = quantise(model, net.samples(), Settings())
    assert not result.left_float
    assert kinds(result.source) == Counter(Conv=1, Relu=2, Min=2, Mul=2, Add=2, Flatten=1, Gemm=1)
    sample = net.samples(1)[0]
    for a, b in zip(session(model).run(None, sample), session(result.source).run(None, sample), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    near(result, net.samples(), 17)  # 25 is what the first convolution keeps
    assert "PRelu" in kinds(made(net, x, settings=Settings(exclude=(x,))).model)


def test_zero_blocks_stay_zero_through_folding_and_quantisation() -> None:
    net = FloatNet((1, 16, 8, 8))
    x = net.norm(net.conv(net.conv(net.x, 32), 32))
    weight = numpy_helper.to_array(net.stored[2]).copy()
    weight[8:16, 16:24] = 0.0
    weight[24:32, 0:8, 1, 1] = 0.0
    net.stored[2].CopyFrom(numpy_helper.from_array(weight, net.stored[2].name))
    result = made(net, x)
    assert result.blocks == (4 * 2 * 9 + 4 * 4 * 9, 10, 10)
    assert not result.unfolded


@pytest.mark.parametrize("power_of_two", [False, True])
def test_a_channel_without_weights_keeps_its_bias(power_of_two: bool) -> None:
    net = FloatNet((1, 3, 8, 8))
    result = made(net, net.conv(net.x, 16, zero=(3, 9)), settings=Settings(Activations(power_of_two=power_of_two)))
    feeds = net.samples(1)[0]
    (a,), (b,) = (session(one).run(None, feeds) for one in (result.source, result.model))
    network = Network(result.model)
    step = network.constant(next(n for n in network.graph.node if n.op_type == "QuantizeLinear").input[1])
    assert step is not None
    assert np.abs(a - b)[:, [3, 9]].max() < 0.05


def test_weights_are_symmetric_int8_with_an_int32_bias() -> None:
    net = FloatNet((1, 3, 8, 8))
    model = made(net, net.conv(net.x, 16)).model
    network = Network(model)
    conv = next(node for node in model.graph.node if node.op_type == "Conv")
    weight, bias = (network.makers[name] for name in conv.input[1:])
    arrays = [[network.constant(name) for name in node.input] for node in (weight, bias)]
    (w, scales, zeros), (b, b_scales, _) = arrays
    assert w is not None and scales is not None and zeros is not None and b is not None and b_scales is not None
    assert [one.dtype.name for one in (w, b)] == ["int8", "int32"]
    assert not zeros.any() and scales.shape == (16,)
    assert (np.abs(w.reshape(16, -1)).max(axis=1) == 127).all()


def test_per_tensor_has_one_scale() -> None:
    net = FloatNet((1, 3, 8, 8))
    model = made(net, net.conv(net.x, 16), settings=Settings(per_channel=False)).model
    sizes = [one.dims for one in model.graph.initializer if one.name.endswith("_scale")]
    assert all(list(one) in ([], [1]) for one in sizes)


# The whole.


def test_the_same_input_gives_the_same_bytes() -> None:
    texts = []
    for _ in range(2):
        net = FloatNet((1, 3, 8, 8))
        texts.append(made(net, many(net)).model.SerializeToString(deterministic=True))
    assert texts[0] == texts[1]


def test_excluded_nodes_stay_float_and_unknown_ones_are_named() -> None:
    net = FloatNet((1, 3, 8, 8))
    first = net.conv(net.x, 8)
    model = net.finish(net.conv(first, 8))
    result = quantise(model, net.samples(), Settings(exclude=(first,)))
    network = Network(result.model)
    assert network.makers[first].input[0] == "x"
    with pytest.raises(UsageError, match="'conv_7'"):
        quantise(model, net.samples(), Settings(exclude=("conv_7",)))
    net = FloatNet((1, 3, 8, 8))
    norm = net.norm(net.conv(net.x, 8))
    with pytest.raises(UsageError, match=f"folded '{norm}' into another"):
        quantise(net.finish(net.conv(norm, 8)), net.samples(), Settings(exclude=(norm,)))


def test_numbers_that_overflow_are_named_with_their_node() -> None:
    net = FloatNet((1, 3, 8, 8))
    huge = net.add("Mul", net.conv(net.x, 8), net.store(np.full((1, 8, 1, 1), 3e38, np.float32)))
    last = net.add("Mul", huge, net.conv(net.x, 8))
    with pytest.raises(UnreadableInput, match=r"(?s)error\[calibration-values\].*holds inf.*overflow where factors"):
        made(net, last)
    net = FloatNet((1, 3, 8, 8))
    conv = net.conv(net.x, 8)
    model, samples = net.finish(net.add("Mul", conv, conv)), [{"x": np.full(net.shape, 1e30, np.float32)}]
    with pytest.raises(UnreadableInput, match=r"'mul1' \(Mul\): error\[calibration-values\].*sample 0"):
        quantise(model, samples, Settings())


def test_a_model_that_fails_as_it_runs_is_refused() -> None:
    """onnxruntime takes weights for 5 channels until it meets an image of 3."""
    net = FloatNet((1, 3, 8, 8))
    net.channels[net.x] = 5
    last = net.conv(net.x, 8)
    model = net.finish(last)
    with pytest.raises(UnsupportedModel, match=r"error\[onnxruntime\].*Name:'conv0'.*kernel channels: 5"):
        quantise(model, net.samples(), Settings())


def test_damaged_weights_are_no_fault_of_the_samples() -> None:
    net = FloatNet((1, 3, 8, 8))
    last = net.conv(net.x, 8)
    damaged = numpy_helper.to_array(net.stored[0]).copy()
    damaged[1, 2, 0, 1] = np.nan
    net.stored[0].CopyFrom(numpy_helper.from_array(damaged, net.stored[0].name))
    with pytest.raises(UnreadableInput) as caught:
        made(net, last)
    found = caught.value.diagnostic
    assert str(found.place) == f"node '{last}' (Conv)" and found.help.startswith("export the model anew")
    assert found.message == f"tensor '{last}' is not finite: constant 'constant0' holds nan at [1, 2, 0, 1]"


def test_a_model_is_quantised_if_any_operator_is() -> None:
    net = FloatNet((1, 3, 8, 8))
    model = net.finish(net.conv(net.x, 8))
    assert not is_quantised(model)
    assert is_quantised(made(net, net.nodes[-1].name).model)


def test_the_log_is_left_as_it_was() -> None:
    before = logging.getLogger().level
    with _quiet():
        assert logging.getLogger().level == logging.ERROR
    assert logging.getLogger().level == before


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize("signed", [False, True])
def test_methods_and_types_all_work(method: Method, signed: bool) -> None:
    net = FloatNet((1, 3, 8, 8))
    how = replace(Activations(), signed=signed, method=method)
    result = made(net, net.conv(net.add("Relu", net.conv(net.x, 8)), 8), settings=Settings(how))
    types = {
        one.data_type
        for one in result.model.graph.initializer
        if one.name.endswith("_zero_point") and "constant" not in one.name
    }
    assert types == {onnx.TensorProto.INT8 if signed else onnx.TensorProto.UINT8}
    near(result, net.samples(), 12)


def test_a_matmul_that_becomes_a_gemm_keeps_its_name() -> None:
    """onnxruntime makes one node of a MatMul and its Add, and gives it a name that the model does not have."""
    net = FloatNet((1, 32))
    x = net.add("MatMul", net.x, net.store(np.ones((32, 16), np.float32)))
    model = net.finish(net.add("Add", x, net.store(np.ones(16, np.float32))))
    assert [(node.name, node.op_type) for node in folded(model).graph.node] == [(x, "Gemm")]
    kept = quantise(model, net.samples(), Settings(exclude=(x,))).model
    assert [node.op_type for node in kept.graph.node if node.name == x] == ["Gemm"]
    assert not any(one.data_type == onnx.TensorProto.INT8 for one in kept.graph.initializer)
