"""What-if sparsity: which blocks are chosen, and that they are zero in float and in integer models."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from compiler.blocks import nonzero_blocks, weights_of
from compiler.errors import UsageError
from compiler.pruning import Prune, Scheme, block_scores, weakest
from compiler.quantize import Settings, prune_model, quantise
from compiler.quantize.network import Network
from compiler.quantize.weights import count_blocks, layers
from tests.floatnets import DIGITS, FloatNet


def weights(seed: int, out: int, size: int, inp: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(seed).normal(size=(out, size, size, inp)).astype(np.float32)


@given(
    st.lists(st.tuples(st.integers(16, 40), st.sampled_from([1, 3]), st.integers(16, 40)), min_size=1, max_size=4),
    st.floats(0, 0.99),
    st.sampled_from(list(Scheme)),
    st.booleans(),
    st.booleans(),
)
def test_the_share_is_exact_and_no_layer_is_lost(
    shapes: list[tuple[int, int, int]], ratio: float, scheme: Scheme, all_taps: bool, per_layer: bool
) -> None:
    prune = Prune(ratio, scheme, all_taps, per_layer)
    scores = [block_scores(weights(i, *shape), prune, i) for i, shape in enumerate(shapes)]
    chosen = weakest(scores, prune)
    counts = [(int(one.sum()), one.size) for one in chosen]
    assert all(count < total for count, total in counts)
    if per_layer:
        assert all(count == min(int(ratio * total + 0.5), total - 1) for count, total in counts)
    else:
        total = sum(total for _, total in counts)
        assert sum(count for count, _ in counts) == min(int(ratio * total + 0.5), total - len(counts))


@pytest.mark.parametrize("scheme", [Scheme.L1, Scheme.L2, Scheme.VARIANCE])
def test_weak_blocks_go_first(scheme: Scheme) -> None:
    weight = weights(0, 32, 3, 24)
    weight[8:16, :, :, 16:24] *= 0.01
    weight[0:8, 1, 1, 0:8] *= 0.001
    (together,) = weakest([block_scores(weight, Prune(1 / 12, scheme), 0)], Prune(1 / 12, scheme))
    assert np.argwhere(together).tolist() == [[1, 2, 0, 0]]
    one = Prune(1 / 108, scheme, all_taps=False)
    (alone,) = weakest([block_scores(weight, one, 0)], one)
    assert np.argwhere(alone).tolist() == [[0, 0, 1, 1]]


def test_blocks_that_are_cut_off_compare_with_whole_ones() -> None:
    weight = np.full((20, 1, 1, 20), 0.5, np.float32)
    assert np.allclose(block_scores(weight, Prune(0.5), 0), 0.5)
    assert np.allclose(block_scores(weight, Prune(0.5, Scheme.L2), 0), 0.5)
    assert np.allclose(block_scores(weight, Prune(0.5, Scheme.VARIANCE), 0), 0.0)


def test_zero_blocks_count_first_whatever_the_scheme() -> None:
    for scheme in Scheme:
        weight = weights(0, 32, 1, 32)
        weight[8:16, :, :, 0:8] = 0.0
        prune = Prune(1 / 16, scheme)
        (chosen,) = weakest([block_scores(weight, prune, 0)], prune)
        assert np.argwhere(chosen).tolist() == [[1, 0, 0, 0]]


def test_chosen_blocks_cover_their_weights() -> None:
    rng = np.random.default_rng(0)
    chosen = rng.random((3, 2, 3, 3)) < 0.5
    weight = np.ones((20, 3, 3, 12), np.float32)
    weight[weights_of(chosen, weight.shape)] = 0
    assert (nonzero_blocks(weight) == ~chosen).all()


@pytest.mark.parametrize("ratio", [-0.1, 1.0, float("nan")])
def test_shares_that_make_no_sense(ratio: float) -> None:
    with pytest.raises(UsageError, match=r"error\[prune-ratio\]"):
        Prune(ratio)


def test_schemes_by_their_words() -> None:
    """A library's user writes the word; another one is an error that lists them."""
    assert Prune(0.5, Scheme("l2")) == Prune(0.5, "l2")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="there is no scheme 'l7'"):
        Prune(0.5, "l7")  # type: ignore[arg-type]


def network() -> tuple[FloatNet, onnx.ModelProto]:
    net = FloatNet((1, 3, 6, 6))
    x = net.conv(net.conv(net.x, 16), 32)
    x = net.add("Add", net.conv(x, 32, group=32), net.conv(x, 32, 1))
    return net, net.finish(net.gemm(net.conv(net.conv(x, 8), 24), 24 * 36, 20))


REASONS = ["it is the first layer", "", "it has 32 groups", "", "32 input and 8 output channels: fewer than 16",
           "8 input and 24 output channels: fewer than 16", ""]  # fmt: skip


def test_layers_that_are_left_alone_have_a_reason() -> None:
    _, model = network()
    assert [one.reason for one in layers(Network(model))] == REASONS


@pytest.mark.parametrize("all_taps", [False, True])
@pytest.mark.parametrize("kind", ["float", "int8", "uint8 weights"])
def test_pruned_blocks_are_zero(kind: str, all_taps: bool) -> None:
    net, model = network()
    if kind != "float":
        model = quantise(model, net.samples(), Settings()).model
    if kind == "uint8 weights":
        for tensor in model.graph.initializer:
            array = numpy_helper.to_array(tensor)
            if array.dtype == np.int8 and array.ndim > 1:
                tensor.CopyFrom(numpy_helper.from_array((array.astype(np.int16) + 128).astype(np.uint8), tensor.name))
            elif array.dtype == np.int8:
                tensor.CopyFrom(numpy_helper.from_array(np.full(array.shape, 128, np.uint8), tensor.name))
    found = prune_model(model, Prune(0.5, all_taps=all_taps, per_layer=True))
    assert [name for name, _ in found.skipped] == [f"conv{index}" for index in (0, 2, 5, 6)]
    after = {one.name: one.nonzero(Network(model)) for one in layers(Network(model))}
    for name, zeroed, total in found.layers:
        assert zeroed == int(total * 0.5 + 0.5)
        blocks = after[name].any(axis=(2, 3)) if all_taps else after[name]
        assert blocks.size - blocks.sum() == zeroed and blocks.size == total
    assert all(after[name].all() for name, _ in found.skipped)
    if kind == "float":
        result = quantise(model, net.samples(), Settings())
        assert result.blocks[1] == result.blocks[2] == count_blocks(Network(model))[1] > 0


def test_a_dense_layer_behind_flatten_is_a_convolution() -> None:
    """A block of all taps is 8 outputs by 8 channels of the image, at each of its pixels."""
    _, model = network()
    gemm = [one for one in layers(Network(model)) if one.op_type == "Gemm"]
    array = np.arange(20 * 24 * 36).reshape(20, 24 * 36)
    view = gemm[0].view(array)
    assert view.shape == (20, 1, 36, 24)
    assert view[3, 0, 5, 7] == array[3, 7 * 36 + 5]
    matrix = next(one for one in layers(Network(matmul())))
    assert matrix.view(np.arange(32 * 16).reshape(32, 16))[2, 0, 0, 5] == 5 * 16 + 2


def matmul() -> onnx.ModelProto:
    net = FloatNet((1, 32))
    return net.finish(net.add("MatMul", net.x, net.store(np.ones((32, 16), np.float32))))


def test_qlinear_weights_are_zeroed_in_place() -> None:
    rng = np.random.default_rng(0)
    first, second = (rng.integers(-127, 128, (32, inp, 3, 3)).astype(np.int8) for inp in (16, 32))
    stored = {"w0": first, "w1": second, "s": np.float32(0.1), "z": np.uint8(3), "wz": np.int8(0)}
    nodes = [
        helper.make_node("QLinearConv", [x, "s", "z", w, "s", "wz", "s", "z"], [y], y)
        for x, w, y in (("x", "w0", "a"), ("a", "w1", "b"))
    ]
    ends = [
        helper.make_tensor_value_info(n, onnx.TensorProto.UINT8, s)
        for n, s in (("x", [1, 16, 8, 8]), ("b", [1, 32, 4, 4]))
    ]
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in stored.items()]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    found = prune_model(model, Prune(0.25))
    assert found.layers == (("b", 4, 16),)
    assert [one.reason for one in layers(Network(model))] == ["it is the first layer", ""]
    weight = Network(model).constant("w1")
    assert weight is not None
    assert (weight == 0).reshape(4, 8, 4, 8, 9).all(axis=(1, 3, 4)).sum() == 4


def test_nothing_to_prune_says_why() -> None:
    with pytest.raises(UsageError, match=r"(?s)error\[nothing-to-prune\].*first layer"):
        prune_model(matmul(), Prune(0.5))


def test_real_weights_are_pruned_alike_in_both_forms() -> None:
    model = onnx.load(DIGITS)
    before = count_blocks(Network(model))
    found = prune_model(model, Prune(0.5))
    total, zero = count_blocks(Network(model))
    assert found.zeroed == round(found.blocks / 2)
    assert (total, zero) == (before[0], before[1] + 9 * found.zeroed)
