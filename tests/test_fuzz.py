"""The fuzzer: some graphs of it, and that it reduces what it finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import strategies as st

from compiler.errors import Diagnostic, UnreadableInput
from tests.fuzz import __main__ as command
from tests.fuzz import batch as batches
from tests.fuzz.batch import batch
from tests.fuzz.check import Differs, Outcome, examined
from tests.fuzz.graphs import Drawn
from tests.fuzz.operators import global_average, max_pool
from tests.fuzz.sketch import Choices, FloatSketch, Sketch
from tests.netbuilder import Style


@pytest.mark.parametrize("number", range(2))
def test_random_graphs(number: int, tmp_path: Path) -> None:
    words, _, finding = batch(number, 25, str(tmp_path))
    assert not finding
    assert words["equal"] + words["verified"] > 0


def operators(drawn: Drawn | onnx.ModelProto) -> list[str]:
    """What a model has besides quantisation."""
    model = drawn.model if isinstance(drawn, Drawn) else drawn
    return [node.op_type for node in model.graph.node if "quantize" not in node.op_type.lower()]


def test_findings_are_reduced(tmp_path: Path) -> None:
    def faulty(drawn: Drawn) -> Outcome:
        if "MaxPool" in operators(drawn):
            raise Differs("a pretended difference")
        return Outcome("equal")

    _, _, finding = batch(0, 100, str(tmp_path), faulty)
    assert "a pretended difference" in finding
    assert operators(onnx.load(tmp_path / "batch0.onnx")) == ["MaxPool"]
    assert "in faulty" in (tmp_path / "batch0.txt").read_text()


def test_a_finding_stays_what_it_is_while_it_is_reduced(tmp_path: Path) -> None:
    """Every smaller graph has another fault, of another type or of another message."""

    begun: list[int] = []

    def faulty(drawn: Drawn) -> Outcome:
        count = len(operators(drawn))
        if count < 4 and not begun:
            return Outcome("equal")
        begun.append(count)
        if count == 1:
            raise ValueError("1 of 1 operators")
        raise Differs(f"{count} of {count} operators" if count >= 4 else "few operators")

    _, _, finding = batch(0, 100, str(tmp_path), faulty)
    assert "Differs: 4 of 4 operators" in finding
    assert len(operators(onnx.load(tmp_path / "batch0.onnx"))) == 4


def test_an_error_of_the_compiler_is_the_same_in_every_file(tmp_path: Path) -> None:
    """Its place is a temporary file, and it has a note for each node."""
    seen: list[Drawn] = []

    def faulty(drawn: Drawn) -> Outcome:
        seen.append(drawn)
        kinds = operators(drawn)
        if "MaxPool" not in kinds:
            return Outcome("equal")
        place = f"/tmp/{'a' * len(seen)}/model.onnx"
        raise UnreadableInput(Diagnostic("pretended", f"{len(kinds)} nodes are read", place, notes=tuple(kinds)))

    _, _, finding = batch(0, 100, str(tmp_path), faulty)
    assert "error[pretended]" in finding
    assert operators(onnx.load(tmp_path / "batch0.onnx")) == ["MaxPool"]


def test_a_graph_that_cannot_be_drawn_is_a_finding_without_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @st.composite
    def broken(draw: st.DrawFn) -> Drawn:
        number = draw(st.integers(0, 1000))
        if number > 100:
            raise ValueError("a pretended fault of drawing")
        return Drawn(onnx.ModelProto(), "aie2-2x2", number, True)

    monkeypatch.setattr(batches, "graphs", broken)
    _, _, finding = batch(0, 100, str(tmp_path), lambda drawn: Outcome("equal"))
    assert "a graph cannot be drawn" in finding and "a pretended fault of drawing" in finding
    assert [one.name for one in tmp_path.iterdir()] == ["batch0.txt"]


def scripted(*numbers: int) -> Choices:
    """These choices, then the first of all."""
    left = list(numbers)
    return Choices(lambda low, high: left.pop(0) if left else low)


DILATED = (2, 0, 1, 0, 1, 0, 1)
"""A window of 2x2 pixels two apart: on an image one pixel wide, and one of padding on each side, over padding alone."""


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("bare", [0, 1])
def test_a_maximum_over_padding_alone_is_the_lowest_integer(dtype: str, bare: int) -> None:
    style = Style(dtype=dtype, pow2=True)
    net = Sketch(scripted(*DILATED, bare), (8, 4, 1), style, 0)
    pooled = max_pool(net, net.x)
    assert pooled is not None
    assert np.unique(pooled.value).size == 1 and np.isfinite(pooled.value).all()
    mean = global_average(net, pooled)
    assert mean is not None
    assert examined(Drawn(net.model([mean]), "aie2-2x2", 0, exact=True)).word == "equal"


def test_float_nets_have_no_maximum_over_padding_alone() -> None:
    for wide, drawn in ((1, False), (2, True)):
        net = FloatSketch(scripted(*DILATED), (8, 4, wide), Style(), 0)
        pooled = max_pool(net, net.x)
        assert (pooled is not None) == drawn
        assert pooled is None or np.abs(pooled.value).max() < 10


def test_more_batches_than_processes_are_to_run(tmp_path: Path) -> None:
    """Processes end after some batches, and others go on."""
    count = command.BATCHES_OF_A_PROCESS + 1
    found = list(command.results([(number, 1, str(tmp_path)) for number in range(count)], jobs=1))
    assert len(found) == count
    assert not any(finding for _, _, finding in found)
