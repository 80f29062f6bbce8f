"""What `bscc` does as its options ask: tables, JSON, mappings, sparsity, shapes, outputs, dumps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx
import pytest

from compiler.cli.compile import main as bscc
from compiler.pipeline import PASSES
from compiler.plan import Plan
from tests.bad_models import dynamic, good_model

ROOT = Path(__file__).parents[1]
DIGITS = ROOT / "examples/models/digits_int8_half.onnx"


def summary_of(words: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What `bscc --json` says."""
    assert bscc([*words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_verbose_names_what_binds_each_layer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bscc([str(DIGITS), "-o", str(tmp_path / "plan"), "--no-compare-dense", "-v"]) == 0
    heading, *lines = capsys.readouterr().out.splitlines()
    assert heading.split() == ["layer", "us", "compute", "us", "DDR", "us", "binds"]
    layers = Plan.load(tmp_path / "plan").json("timing.json")["layers"]
    assert [line.split()[0] for line in lines[: len(layers)]] == [one["name"] for one in layers]
    assert [line.split()[-1] for line in lines[: len(layers)]] == [one["binds"] for one in layers]


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "plan"
    summary = summary_of([str(DIGITS), "-o", str(place)], capsys)
    needed = {"time_us", "macs", "macs_kept", "weight_bytes", "packed_bytes", "memory", "bounds", "layers"}
    assert needed <= set(summary)
    assert summary["macs"] == 7_748_608
    # Layers: conv1 and fc2 dense, half of the blocks of the other three kept.
    halves = 28 * 28 * 9 * 32 + 10 * 256 + (14 * 14 * 9 * 32 * 64 + 7 * 7 * 9 * 64 * 128 + 1152 * 256) // 2
    assert 0 <= summary["macs_kept"] - halves <= 0.01 * halves
    assert 0 < summary["packed_bytes"] < summary["weight_bytes"]
    assert summary["weight_bytes"] == 9 * 32 + 9 * 32 * 64 + 9 * 64 * 128 + 1152 * 256 + 256 * 10
    for one in summary["memory"].values():
        assert 0 < one["bound"] <= one["size"]
    bounds = summary["bounds"]
    assert set(bounds) == {"compute_us", "ddr_us", "layer_us", "network_us"}
    assert bounds["network_us"] == max(bounds["compute_us"], bounds["ddr_us"]) <= bounds["layer_us"]
    written = Plan.load(place).json("bounds.json")
    assert {name: written[name] for name in bounds} == bounds
    assert sum(one["layer_us"] for one in written["layers"]) == pytest.approx(bounds["layer_us"])
    for one in written["layers"]:
        assert one["layer_us"] == max(one["compute_us"], one["ddr_us"])
    kept = sum(one["kept"] for one in Plan.load(place).json("sparsity.json"))
    outputs = 32 + 64 + 128 + 256 + 10
    assert sum(one["read_bytes"] for one in written["layers"]) == 64 * kept + 4 * outputs + 28 * 28
    assert sum(one["written_bytes"] for one in written["layers"]) == 10
    assert bounds["compute_us"] == pytest.approx(summary["macs_kept"] / (256 * 16) / 1000)
    assert bounds["layer_us"] <= summary["time_us"]
    assert len(summary["layers"]) == 8
    assert sum(one["macs_kept"] for one in summary["layers"]) == summary["macs_kept"]
    assert sum(one["us"] for one in summary["layers"]) <= summary["time_us"] * 1.000001
    assert summary["time_us"] == Plan.load(place).json("timing.json")["us"]
    assert summary["speed_up"] == summary["dense_us"] / summary["time_us"] >= 1


def test_sparsity(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(DIGITS), "-o", str(tmp_path / "plan"), "--no-compare-dense"]
    auto = summary_of(words, capsys)
    off = summary_of([*words, "--sparsity", "off"], capsys)
    assert "speed_up" not in auto
    assert auto["macs_kept"] < off["macs_kept"] == off["macs"] == auto["macs"]
    assert auto["packed_bytes"] < off["packed_bytes"] and auto["time_us"] < off["time_us"]


def test_mappings_go_out_and_come_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(DIGITS), "-q", "--no-compare-dense", "-o"]
    assert bscc([*words, str(tmp_path / "plan"), "--mapping-out", "-"]) == 0
    text = capsys.readouterr().out
    assert bscc([str(DIGITS), "--no-compare-dense", "-o", str(tmp_path / "plan"), "--mapping-out", "-"]) == 0
    assert capsys.readouterr().out == text, "no table behind them"
    assert text == (tmp_path / "plan/mapping.json").read_text()
    (tmp_path / "own.json").write_text(text)
    assert bscc([*words, str(tmp_path / "again"), "--mapping", str(tmp_path / "own.json"), "--search", "full"]) == 0
    first, again = (Plan.load(tmp_path / name) for name in ("plan", "again"))
    assert first.manifest["files"] == again.manifest["files"]


def test_the_dense_twin_is_free_of_a_pipelines_mappings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is forced by a pass option fits the kept blocks; dense ones may need other tiles."""
    plan, own = str(tmp_path / "plan"), tmp_path / "own.json"
    usual = summary_of([str(DIGITS), "-o", plan, "--mapping-out", str(own)], capsys)
    names = [one.name for one in PASSES]
    pipeline = ",".join(f'{name}{{load="{own}"}}' if name == "choose-tiles" else name for name in names)
    forced = summary_of([str(DIGITS), "-o", plan, "--pass-pipeline", pipeline], capsys)
    assert forced == usual


def test_a_plan_is_no_stream(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert bscc([str(DIGITS), "-o", "-"]) == 2
    assert "error[usage]: -o - means stdout" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_output_cuts_the_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    node = next(one for one in onnx.load(DIGITS).graph.node if one.name == "pool2")
    words = [str(DIGITS), "-o", str(tmp_path / "plan"), "--no-compare-dense"]
    summary = summary_of([*words, "--output", node.output[0]], capsys)
    assert len(summary["layers"]) == 4
    assert [one.name for one in Plan.load(tmp_path / "plan").outputs] == [node.output[0]]


def test_shape_binds_dimensions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = good_model()
    dynamic(model)
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    assert bscc([str(path), "-o", str(tmp_path / "plan"), "-q", "--shape", "input=1x3x11x8"]) == 0
    assert Plan.load(tmp_path / "plan").inputs[0].onnx_shape == (1, 3, 11, 8)
    assert capsys.readouterr() == ("", "")


def test_verify_each_and_dump_ir(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dump = tmp_path / "dump"
    words = ["-o", str(tmp_path / "plan"), "-v", "--verify-each", "--dump-ir", str(dump)]
    assert bscc([str(DIGITS), *words]) == 0
    said = capsys.readouterr().err.splitlines()
    assert said and all(line.startswith("bscc: ") for line in said)
    assert len(list(dump.iterdir())) >= 9
