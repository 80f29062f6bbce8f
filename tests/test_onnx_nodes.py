"""ONNX's node tests through bscc as an ONNX backend; docs/onnx_coverage.md is what comes of them."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx.backend.base import Backend

import bscc
from compiler.driver import Host, Options
from compiler.errors import BsccError, UsageError
from compiler.plan import ArrayPlan
from tests.bad_models import good_model
from tests.models import feeds
from tests.netbuilder import session
from tests.onnx_coverage import PAGE, page
from tests.onnx_nodes import Outcome, cases, tried


@pytest.mark.slow
def test_the_page_is_true(request: pytest.FixtureRequest) -> None:
    """No test gives wrong results, and each has the place and the reason that the page says."""
    found = [tried(one) for one in cases()]
    assert [one for one in found if one.where == "wrong"] == []
    if request.config.getoption("--update-golden"):
        PAGE.write_text(page(found), encoding="utf-8")
    assert page(found) == PAGE.read_text(encoding="utf-8")


def outcome(name: str) -> Outcome:
    return tried(next(one for one in cases() if one.name == name))


def test_a_node_test_runs_and_is_near_its_float_results() -> None:
    found = outcome("test_conv_with_strides_padding")
    assert (found.where, found.steps) == ("array", 0)
    assert 0 < found.float_steps < 4


def test_a_node_test_is_for_the_host_with_the_reason() -> None:
    found = outcome("test_layer_normalization_4d_axis1")
    assert (found.where, found.steps) == ("host", 0)
    assert found.reason == "unsupported-op: the operator LayerNormalization is not supported"


def test_a_node_test_is_refused_with_the_reason() -> None:
    found = outcome("test_reshape_allowzero_reordered")
    assert found.where == "refused" and found.reason.startswith("empty-tensor: ")


def test_backend_runs_a_model() -> None:
    model = good_model()
    fed = feeds(model, 3)
    assert issubclass(bscc.backend, Backend) and bscc.backend.supports_device("CPU")
    assert bscc.backend.supports_device("aie2-2x2") and not bscc.backend.supports_device("CUDA")
    expected = session(model).run(None, fed)[0]
    made = bscc.backend.prepare(model, "aie2-2x2")
    assert made.plan.target.name == "aie2-2x2"
    with pytest.raises(UsageError, match="2 arrays are given"):
        made.run([*fed.values(), np.zeros(3)])
    for given in (fed, list(fed.values()), next(iter(fed.values()))):
        (found,) = made.run(given)
        assert np.abs(found - expected).max() <= 2 * ArrayPlan.of(made.plan).outputs[0].scale
    assert made.run(fed)[0].tobytes() == bscc.backend.run_model(model, list(fed.values()))[0].tobytes()


def test_backend_raises_the_errors_of_bscc() -> None:
    model = good_model()
    model.graph.node.append(onnx.helper.make_node("Det", [model.graph.output[0].name], ["d"], "det"))
    model.graph.output[0].name = "d"
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    with pytest.raises(BsccError, match="Det"):
        bscc.backend.prepare(model, options=Options(host=Host.OFF, compare_dense=False))
