"""`bscc.Session` called like onnxruntime's session: what it gives, and what it says of calls that do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bscc
from compiler.errors import UsageError
from compiler.plan import PartedPlan
from tests.bad_models import good_model
from tests.hostnets import NETS
from tests.netbuilder import session as onnxruntime_session

MODELS = {"array": good_model, "parts": lambda: NETS["norm_between"](True)}


@pytest.fixture(scope="module", params=MODELS)
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[bscc.Session, Any]:
    """A session of a plan for the array alone, or of one with parts; and one of onnxruntime for the same model."""
    place: Path = tmp_path_factory.mktemp(request.param)
    path = place / "model.onnx"
    model = MODELS[request.param]()
    path.write_bytes(model.SerializeToString())
    plan, _ = bscc.compile(path, place / "plan", bscc.Options(target="aie2-2x2", compare_dense=False))
    assert isinstance(plan, PartedPlan) == (request.param == "parts")
    return bscc.Session(plan), onnxruntime_session(model)


def given(session: bscc.Session) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    rng = np.random.default_rng(0)
    return {one.name: rng.standard_normal(one.shape, np.float32) for one in session.get_inputs() if one.shape}


def test_outputs_are_chosen_as_in_onnxruntime(opened: tuple[bscc.Session, Any]) -> None:
    """None and no name at all mean all outputs; a name may come twice."""
    ours, theirs = opened
    names = [one.name for one in ours.get_outputs()]
    assert names == [one.name for one in theirs.get_outputs()]
    fed = given(ours)
    for asked in (None, [], names, tuple(names), [names[0], names[0]]):
        assert len(ours.run(asked, fed)) == len(theirs.run(asked, fed))


@pytest.mark.parametrize("asked", ["name", 3, {"name": 1}])
def test_names_that_are_no_list(opened: tuple[bscc.Session, Any], asked: Any) -> None:
    with pytest.raises(UsageError, match="output_names is") as caught:
        opened[0].run(asked, given(opened[0]))
    assert caught.value.diagnostic.code == "output-names"


@pytest.mark.parametrize("wrong", [None, [np.zeros(3)], np.zeros(3), "lists"])
def test_feeds_that_are_no_arrays_by_name(opened: tuple[bscc.Session, Any], wrong: Any) -> None:
    """No mapping, or lists of different lengths in one."""
    session = opened[0]
    fed: Any = {session.get_inputs()[0].name: [[1, 2], [3]]} if isinstance(wrong, str) else wrong
    with pytest.raises(UsageError) as caught:
        session.run(None, fed)
    assert caught.value.diagnostic.code == "feeds"
