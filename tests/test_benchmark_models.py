"""The networks of benchmarks/nets: multiplications as in the literature, zero blocks where they should be."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from benchmarks.models import build_float
from benchmarks.nets.builder import BLOCK, Floats, prune_blocks

CONV_MACS = {"resnet50": 4.087e9, "inception3": 5.711e9, "vgg16conv": 15.347e9}
"""Multiplications of the convolutions as the paper's logs count them (arXiv 2407.09453)."""


def weights(model: onnx.ModelProto) -> dict[str, Floats]:
    """Arrays of at least two dimensions, in the order of the layers."""
    arrays = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    return {name: array for name, array in arrays.items() if array.ndim > 1}


def kept_blocks(weight: Floats) -> tuple[int, int]:
    """Blocks that are not zero, and all: a block is 8 output by 8 input channels of one tap."""
    flat = weight.reshape(*weight.shape[:2], -1)
    rows, columns = (range(0, size, BLOCK) for size in flat.shape[:2])
    each = [flat[r : r + BLOCK, c : c + BLOCK].any(axis=(0, 1)) for r in rows for c in columns]
    return int(np.sum(each)), len(each) * flat.shape[2]


@pytest.mark.parametrize("name", CONV_MACS)
def test_multiplications_are_those_of_the_literature(name: str) -> None:
    model = build_float(name)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    pixels = {one.name: one.type.tensor_type.shape.dim[2:4] for one in inferred.graph.value_info}
    arrays = weights(model)
    macs = 0
    for node in model.graph.node:
        if node.op_type == "Conv":
            height, width = (one.dim_value for one in pixels[node.output[0]])
            macs += arrays[node.input[1]].size * height * width
    assert macs == pytest.approx(CONV_MACS[name], abs=0.5e6)


def test_half_of_the_blocks_of_all_layers_but_the_first_are_zero() -> None:
    first, *others = weights(build_float("inception3", sparsity=0.5)).values()
    kept, blocks = kept_blocks(first)
    assert kept == blocks
    for one in others:
        kept, blocks = kept_blocks(one)
        assert kept == blocks - blocks // 2


def test_the_smallest_blocks_go() -> None:
    weight = np.ones((16, 16, 1, 1), np.float32)
    weight[:8, 8:] = 0.5
    pruned = prune_blocks(weight, 0.25)
    assert not pruned[:8, 8:].any()
    assert pruned.sum() == 3 * BLOCK * BLOCK
