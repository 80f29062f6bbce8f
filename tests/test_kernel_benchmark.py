"""benchmarks/kernels.py on a small plan, and the matmul that it prints."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import calls, kernels
from benchmarks.spent import NEEDED
from compiler.driver import Options, compile_model
from compiler.plan import Plan
from tests.models import named_cases


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    place = tmp_path_factory.mktemp("half")
    case = next(one for one in named_cases() if one.name == "sparse_half")
    (place / "model.onnx").write_bytes(case.build().SerializeToString())
    return compile_model(place / "model.onnx", place / "plan", Options(target="aie2-2x2", compare_dense=False))[0]


def test_a_plan(plan: Plan) -> None:
    lines, notes = kernels.lines_of(plan)
    assert lines
    for line in lines:
        assert line.issue.loop_multiplies == line.issue.loop_cycles, "a multiply each cycle"
        assert line.ideal <= line.issue.multiplies <= line.issue.mac_cycles <= line.cycles
        assert 0 < line.useful <= line.issued < 1
    # Channels of a full block: what is needed by blocks is needed by channels.
    macs = sum(line.macs for line in lines) / kernels.PEAK_MACS
    assert np.isclose(sum(spent[NEEDED] for spent in notes.spent.values()), macs)


def test_it_prints(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    assert kernels.main([str(plan.path)]) == 0
    said = capsys.readouterr().out
    assert "| issue % |" in said and "all calls of all layers" in said and "| dispatcher |" in said


def test_the_matmul() -> None:
    direct, narrow = calls.matmul_call(calls.DIRECT), calls.matmul_call(calls.NARROW)
    assert 1024 <= direct.multiplies <= direct.kernel < direct.cycles < narrow.cycles < 1600
