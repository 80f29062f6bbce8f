"""Each operator of ONNX as a step that trains: what onnxruntime computes, on any batch."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

pytest.importorskip("torch")

from torch import nn

from tests.training_onnx import Array, check, constants, model_of, node, numbers
from training.onnx_reader.read import READERS

WEIGHT = {"w": numbers(6, 4, 3, 3), "b": numbers(6)}
SLOPES = numbers(4, 1, 1)
CASES: dict[str, tuple[list[onnx.NodeProto], dict[str, Array], int]] = {
    "conv": ([node("Conv", "x", "w", "b", pads=[1, 1, 1, 1], strides=[2, 1])], WEIGHT, 9),
    "conv, pads that differ": ([node("Conv", "x", "w", pads=[0, 1, 2, 0])], WEIGHT, 13),
    "conv, same upper": ([node("Conv", "x", "w", "b", auto_pad="SAME_UPPER", strides=[2, 2])], WEIGHT, 13),
    "conv, same lower": ([node("Conv", "x", "w", "b", auto_pad="SAME_LOWER", strides=[2, 2])], WEIGHT, 13),
    "conv, groups": (
        [node("Conv", "x", "w", group=2, dilations=[2, 1], kernel_shape=[3, 3])],
        {"w": numbers(6, 2, 3, 3)},
        21,
    ),
    "conv transpose": (
        [node("ConvTranspose", "x", "w", "b", strides=[2, 2], pads=[1, 0, 0, 1], output_padding=[1, 0])],
        {"w": numbers(4, 6, 3, 3), "b": numbers(6)},
        13,
    ),
    "conv transpose, groups": (
        [node("ConvTranspose", "x", "w", strides=[2, 2], pads=[1, 1, 1, 1], group=2)],
        {"w": numbers(4, 3, 3, 3)},
        13,
    ),
    "conv transpose, shape": (
        [node("ConvTranspose", "x", "w", strides=[2, 2], output_shape=[18, 14])],
        {"w": numbers(4, 3, 3, 3)},
        13,
    ),
    "conv transpose, same": (
        [node("ConvTranspose", "x", "w", strides=[2, 2], auto_pad="SAME_UPPER")],
        {"w": numbers(4, 3, 3, 3)},
        13,
    ),
    "batch norm": (
        [node("BatchNormalization", "x", "s", "t", "m", "v", epsilon=1e-3)],
        {"s": numbers(4), "t": numbers(4, seed=1), "m": numbers(4, seed=2), "v": numbers(4) ** 2 + 1},
        15,
    ),
    "instance norm": ([node("InstanceNormalization", "x", "s", "t")], {"s": numbers(4), "t": numbers(4, seed=1)}, 13),
    "layer norm": (
        [node("LayerNormalization", "x", "s", "t", axis=-1)],
        {"s": numbers(7), "t": numbers(7, seed=1)},
        17,
    ),
    "prelu": ([node("PRelu", "x", "s")], {"s": SLOPES}, 16),
    "prelu of elements": ([node("PRelu", "x", "s")], {"s": numbers(1, 1, 7)}, 16),
    "gemm": (
        [node("Flatten", "x", out="f"), node("Gemm", "f", "w", "b", transB=1)],
        {"w": numbers(5, 252), "b": numbers(5)},
        13,
    ),
    "gemm, transposed": (
        [node("Flatten", "x", out="f"), node("Gemm", "f", "w", "b")],
        {"w": numbers(252, 5), "b": numbers(1, 5)},
        13,
    ),
    "matmul and add": (
        [node("MatMul", "x", "w", out="p"), node("Add", "b", "p")],
        {"w": numbers(7, 5), "b": numbers(5)},
        13,
    ),
    "matmul of images": (
        [node("Transpose", "x", out="t", perm=[0, 1, 3, 2]), node("MatMul", "x", "t")],
        {},
        13,
    ),
    "clip": ([node("Clip", "x", "fl", "fh")], constants(fl=-0.25, fh=0.5), 11),
    "clip 6": ([node("Clip", "x", min=-0.25, max=0.5)], {}, 6 + 3),
    "softmax": ([node("Softmax", "x", axis=-2)], {}, 13),
    "softmax 11": ([node("Softmax", "x", axis=2)], {}, 11),
    "hard sigmoid": ([node("HardSigmoid", "x", alpha=0.3, beta=0.4)], {}, 13),
    "gelu": ([node("Gelu", "x", approximate="tanh")], {}, 20),
    "leaky relu": ([node("LeakyRelu", "x", alpha=0.2)], {}, 13),
    "elu": ([node("Elu", "x", alpha=0.7)], {}, 13),
    "constants": (
        [
            node("Mul", "x", "fs", out="a"),
            node("Sub", "ft", "a", out="b"),
            node("Div", "b", "fs", out="c"),
            node("Max", "c", "x"),
        ],
        {"fs": numbers(4, 1, 1) + 2, "ft": numbers(1)},
        13,
    ),
    "max pool": ([node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])], {}, 12),
    "max pool, ceil": ([node("MaxPool", "x", kernel_shape=[2, 3], strides=[2, 2], ceil_mode=1)], {}, 12),
    "max pool, pads that differ": (
        [node("MaxPool", "x", kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 1, 1])],
        {},
        12,
    ),
    "average pool": ([node("AveragePool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1])], {}, 11),
    "average pool, pads count": (
        [node("AveragePool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1, strides=[2, 2])],
        {},
        11,
    ),
    "average pool, pads that differ": (
        [node("AveragePool", "x", kernel_shape=[3, 3], auto_pad="SAME_UPPER", strides=[2, 2])],
        {},
        11,
    ),
    "average pool, pads that differ count": (
        [node("AveragePool", "x", kernel_shape=[3, 3], pads=[0, 1, 2, 0], count_include_pad=1)],
        {},
        11,
    ),
    "average pool, ceil": ([node("AveragePool", "x", kernel_shape=[3, 2], strides=[2, 2], ceil_mode=1)], {}, 11),
    "global pools": (
        [
            node("GlobalAveragePool", "x", out="a"),
            node("GlobalMaxPool", "x", out="b"),
            node("Concat", "a", "b", axis=1),
        ],
        {},
        13,
    ),
    "response norm": ([node("LRN", "x", size=3, alpha=0.1)], {}, 13),
    "reshape to a literal batch": ([node("Reshape", "x", "s")], constants(s=[1, 36, 7]), 13),
    "reshape with 0 and -1": ([node("Reshape", "x", "s")], constants(s=[0, 0, -1]), 13),
    "reshape of images into an axis": (
        [node("Reshape", "x", "s", out="a"), node("Relu", "a", out="b"), node("Reshape", "b", "t")],
        constants(s=[36, 7], t=[1, 4, 9, 7]),
        13,
    ),
    "squeeze and unsqueeze": (
        [
            node("GlobalAveragePool", "x", out="a"),
            node("Squeeze", "a", "s", out="b"),
            node("Unsqueeze", "b", "u"),
        ],
        constants(s=[2, 3], u=[-1, 1]),
        13,
    ),
    "squeeze 11": ([node("GlobalAveragePool", "x", out="a"), node("Squeeze", "a", axes=[3])], {}, 11),
    "transpose and back": (
        [
            node("Transpose", "x", out="a", perm=[0, 2, 3, 1]),
            node("Relu", "a", out="b"),
            node("Transpose", "b", perm=[0, 3, 1, 2]),
        ],
        {},
        13,
    ),
    "slice": (
        [node("Slice", "x", "s", "e", "a", "t")],
        constants(s=[0, 1, -5], e=[1, 9999, -1], a=[0, 2, 3], t=[1, 2, 1]),
        13,
    ),
    "slice 9": ([node("Slice", "x", starts=[1], ends=[3], axes=[1])], {}, 9),
    "split": (
        [helper.make_node("Split", ["x", "s"], ["a", "b"], axis=1), node("Mul", "a", "b")],
        {"s": np.array([2, 2])},
        13,
    ),
    "split 18": (
        [helper.make_node("Split", ["x"], ["a", "b", "c"], axis=3, num_outputs=3), node("Add", "a", "b")],
        {},
        18,
    ),
    "gather": ([node("Gather", "x", "i", axis=1)], constants(i=[[3, 0], [-1, 2]]), 13),
    "gather one": ([node("Gather", "x", "i", axis=2)], constants(i=2), 13),
    "expand": ([node("GlobalAveragePool", "x", out="a"), node("Expand", "a", "s")], constants(s=[1, 4, 3, 2]), 13),
    "pad": ([node("Pad", "x", "p", "fv")], constants(p=[0, 1, 2, 0, 0, 2, 0, 1], fv=0.5), 13),
    "pad, mirrored": ([node("Pad", "x", "p", mode="reflect")], constants(p=[0, 0, 2, 0, 0, 0, 1, 1]), 13),
    "pad, edge": ([node("Pad", "x", "p", "", "a", mode="edge")], constants(p=[2, 0, 1, 1], a=[2, 3]), 18),
    "reduce": ([node("ReduceMean", "x", axes=[2, 3], keepdims=0)], {}, 13),
    "reduce 18": ([node("ReduceMax", "x", "a")], constants(a=[-1]), 18),
    "shape": (
        [
            node("Shape", "x", out="s"),
            node("Gather", "s", "i", out="n", axis=0),
            node("Concat", "n", "m", out="t", axis=0),
            node("Reshape", "x", "t"),
        ],
        constants(i=[0], m=[-1]),
        13,
    ),
    "pixels": ([node("DepthToSpace", "x", blocksize=2, mode="CRD")], {}, 13),
}


@pytest.mark.parametrize("case", CASES)
def test_nodes(case: str) -> None:
    nodes, stored, opset = CASES[case]
    read = {name for one in nodes for name in one.input}
    check(model_of(nodes, {name: value for name, value in stored.items() if name in read}, opset=opset))


WAYS = ("half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mode", ("nearest", "linear"))
@pytest.mark.parametrize("size", ((18, 14), (13, 5)))
def test_resize(way: str, mode: str, size: tuple[int, int]) -> None:
    stored = {"s": np.array([1, 4, *size])}
    check(model_of([node("Resize", "x", "", "", "s", mode=mode, coordinate_transformation_mode=way)], stored))


@pytest.mark.parametrize("rounding", ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil"))
def test_resize_by_scales(rounding: str) -> None:
    stored = {"s": np.array([1, 1, 1.7, 0.6], np.float32)}
    check(model_of([node("Resize", "x", "", "s", nearest_mode=rounding)], stored))


def test_upsample() -> None:
    stored = {"s": np.array([1, 1, 2, 3], np.float32)}
    check(model_of([node("Upsample", "x", "s", mode="linear")], stored, opset=9))


def test_one_axis_of_space() -> None:
    nodes = [
        node("Conv", "x", "w", out="a", pads=[2, 0]),
        node("MaxPool", "a", out="b", kernel_shape=[2], strides=[2], pads=[0, 1]),
        node("AveragePool", "b", kernel_shape=[2], pads=[1, 0]),
    ]
    module = check(model_of(nodes, {"w": numbers(3, 4, 3)}, (1, 4, 11)), (1, 4, 11))
    assert isinstance(module.get_submodule("Conv_a"), nn.Conv1d)


def test_every_operator_is_told() -> None:
    text = (Path(__file__).parents[1] / "docs/training-onnx.md").read_text()
    table = text.partition("## Operators")[2].partition("What depends")[0]
    told = set(re.findall(r"\b[A-Z]\w+", table)) - {"Operator", "CRD"}
    assert told == {*READERS, "Shape"}
