"""Sums, differences and products of two tensors or of one and a constant, from ONNX to the simulator's bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.model_cases import Case
from tests.pair_cases import PAIR_CASES
from tests.test_end_to_end import outputs_of
from tests.test_reference import agree

every_case = pytest.mark.parametrize("case", PAIR_CASES, ids=lambda case: case.name)
both_scales = pytest.mark.parametrize("pow2", [True, False], ids=["pow2", "ordinary"])


@every_case
@both_scales
def test_each_pass_keeps_the_values_and_onnxruntime_has_them(case: Case, pow2: bool, tmp_path: Path) -> None:
    agree(case.build(pow2=pow2), tmp_path, 5, exact=pow2)


@every_case
@both_scales
def test_the_simulator_gives_these_bytes(case: Case, pow2: bool, tmp_path: Path) -> None:
    outputs = outputs_of(case.build(pow2=pow2), "aie2-2x2" if pow2 else "aie2-3x3", 5, tmp_path)
    outputs.check_bytes()
    outputs.check_onnxruntime(exact=pow2)
