"""The fuzzer: some graphs of it, and that it reduces what it finds."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from tests.fuzz.batch import batch
from tests.fuzz.check import Differs, Outcome
from tests.fuzz.graphs import Drawn


@pytest.mark.parametrize("number", range(2))
def test_random_graphs(number: int, tmp_path: Path) -> None:
    words, _, finding = batch(number, 25, str(tmp_path))
    assert not finding
    assert words["equal"] + words["verified"] > 0


def test_findings_are_reduced(tmp_path: Path) -> None:
    def faulty(drawn: Drawn) -> Outcome:
        if any(node.op_type == "MaxPool" for node in drawn.model.graph.node):
            raise Differs("a pretended difference")
        return Outcome("equal")

    _, _, finding = batch(0, 100, str(tmp_path), faulty)
    assert "a pretended difference" in finding
    kinds = [node.op_type for node in onnx.load(tmp_path / "batch0.onnx").graph.node]
    assert [kind for kind in kinds if "Quantize" not in kind and "Dequantize" not in kind] == ["MaxPool"]
