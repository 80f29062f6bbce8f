"""What Gemm says beside its matrix: factors of the product and of the bias, and transposed operands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from compiler.errors import BsccError, UnsupportedModel
from compiler.reference import run
from tests.bad_models import node_of
from tests.models import feeds
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


def dense(*, pow2: bool = True, trans_b: bool = True, **attributes: float) -> onnx.ModelProto:
    """A Gemm with attributes that its numbers were not drawn for."""
    net = Layers(11, (24, 1, 1), Style(pow2=pow2))
    model = net.finish(net.quant(net.gemm(net.flatten(net.x), 20, trans_b=trans_b)))
    node_of(model, "Gemm").attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
    return model


@pytest.mark.parametrize("trans_b", [True, False])
@pytest.mark.parametrize(("alpha", "beta"), [(0.5, 1.0), (1.0, 2.0), (-0.25, 0.5), (1.0, 0.0), (2.0, -1.0)])
@pytest.mark.parametrize("pow2", [True, False])
def test_factors_are_onnxruntimes(alpha: float, beta: float, trans_b: bool, pow2: bool, tmp_path: Path) -> None:
    agrees(dense(pow2=pow2, trans_b=trans_b, alpha=alpha, beta=beta), tmp_path, most=0 if pow2 else 1)


def agrees(model: onnx.ModelProto, directory: Path, most: int) -> None:
    """The reference is at most so many steps from onnxruntime."""
    fed = feeds(model, 3)
    module = run_passes(imported(model, directory), *PASSES)
    expected = onnxruntime_outputs(model, fed)
    for name, result in to_host(module, run(module, to_device(module, fed))).items():
        assert len(np.unique(result.array)) > 4, "numbers that say something"
        assert steps_apart(result, expected[name]).max() <= most


def test_a_column_is_transposed(tmp_path: Path) -> None:
    model = dense(transA=1)
    gemm, size = node_of(model, "Gemm"), numpy_helper.from_array(np.array([24, 1], np.int64), "column_shape")
    model.graph.initializer.append(size)
    column = helper.make_node("Reshape", [gemm.input[0], "column_shape"], ["column"], "to_a_column")
    model.graph.node.insert(list(model.graph.node).index(gemm), column)
    gemm.input[0] = "column"
    agrees(model, tmp_path, most=0)


def test_an_outer_product_is_refused(tmp_path: Path) -> None:
    net = Layers(11, (24, 1, 1), Style())
    model = net.finish(net.quant(net.gemm(net.flatten(net.quant(net.gemm(net.flatten(net.x), 1))), 20)))
    gemm = [one for one in model.graph.node if one.op_type == "Gemm"][1]
    gemm.attribute.append(helper.make_attribute("transA", 1))
    agrees(model, tmp_path, most=1)
    first = node_of(model, "Gemm")
    first.attribute.append(helper.make_attribute("transA", 1))
    with pytest.raises(BsccError):
        imported(model, tmp_path)


def test_factors_must_be_finite(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModel) as error:
        imported(dense(alpha=float("inf")), tmp_path)
    assert "its alpha is inf, expected a finite number" in str(error.value)
