"""Plans of parts as files and as something to run: sessions, the simulator, damage."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import bscc
from compiler.cli.simulate import main as bscc_sim
from compiler.errors import UnreadableInput, UsageError
from compiler.plan import json_bytes, write_plan
from tests.hostnets import NETS
from tests.models import feeds
from tests.netbuilder import session


@pytest.fixture(scope="module")
def parted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plan of an array part, a host part and an array part; its model is beside it."""
    place = tmp_path_factory.mktemp("parted")
    (place / "model.onnx").write_bytes(NETS["norm_between"](True).SerializeToString())
    bscc.compile(place / "model.onnx", place / "plan", bscc.Options(target="aie2-2x2", compare_dense=False))
    np.savez(place / "x.npz", **feeds(onnx.load(place / "model.onnx"), 1))  # type: ignore[arg-type]
    return place / "plan"


def test_a_session_looks_like_onnxruntimes(parted: Path) -> None:
    ours, theirs = bscc.Session(parted), session(onnx.load(parted.parent / "model.onnx"))
    for one, other in ((ours.get_inputs(), theirs.get_inputs()), (ours.get_outputs(), theirs.get_outputs())):
        assert [(a.name, a.shape, a.type) for a in one] == [(b.name, b.shape, b.type) for b in other]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda fed: {}, "input-missing"),
        (lambda fed: {**fed, "inptu": fed["input"]}, "unknown-input"),
        (lambda fed: {"input": fed["input"][:, :, 1:]}, "input-shape"),
        (lambda fed: {"input": fed["input"].astype(np.float64)}, "input-type"),
    ],
)
def test_wrong_feeds(change: Callable[[dict[str, Any]], dict[str, Any]], code: str, parted: Path) -> None:
    fed = dict(feeds(onnx.load(parted.parent / "model.onnx"), 1))
    with pytest.raises(UsageError) as caught:
        bscc.Session(parted).run(None, change(fed))
    assert caught.value.diagnostic.code == code
    with pytest.raises(UsageError, match="nothing"):
        bscc.Session(parted).run(["nothing"], fed)


def test_the_arrays_own_session_refuses_parts(parted: Path) -> None:
    with pytest.raises(UsageError) as caught:
        bscc.clock(parted)
    assert caught.value.diagnostic.code == "plan-parts"


def test_the_simulator_runs_all_parts(parted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {name: str(tmp_path / name) for name in ("y.npz", "timing.json", "trace.json")}
    words = [str(parted), "--input", str(parted.parent / "x.npz"), "--output", files["y.npz"]]
    assert bscc_sim([*words, "--timing", files["timing.json"], "--trace", files["trace.json"]]) == 0
    said = capsys.readouterr()
    assert said.err == "" and "array/0" in said.out and "array/2" in said.out and "measured" in said.out
    model = onnx.load(parted.parent / "model.onnx")
    (expected,) = session(model).run(None, dict(feeds(model, 1)))
    with np.load(files["y.npz"]) as outputs:
        assert outputs[model.graph.output[0].name].tobytes() == np.asarray(expected).tobytes()
    timing = json.loads(Path(files["timing.json"]).read_text())
    assert timing["cycles"] == bscc.Plan.load(parted).json("timing.json")["cycles"]
    assert [one["path"] for one in timing["parts"]] == ["array/0", "array/2"] and timing["host_us"] > 0
    traces = sorted(one.name for one in tmp_path.glob("trace*"))
    assert traces == ["trace.0.json", "trace.2.json"]
    assert bscc_sim([str(parted), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["host_us"] is None


def test_both_levels_agree_in_all_parts(parted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(parted), "--input", str(parted.parent / "x.npz"), "--instructions"]
    assert bscc_sim([*words, "all"]) == 0
    assert capsys.readouterr().out.count("outputs are the same") == 2
    layers = [bscc.Plan.load(parted).path / f"array/{n}/layers.json" for n in (0, 2)]
    name = json.loads(layers[1].read_text())[0]["name"]
    assert bscc_sim([*words, name]) == 0
    assert "array/2" in capsys.readouterr().out
    assert bscc_sim([*words, "conv99"]) == 2
    assert "unknown-layer" in capsys.readouterr().err


def test_only_one_file_for_one_trace(parted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bscc_sim([str(parted), "--trace", "-"]) == 2
    assert "error[usage]" in capsys.readouterr().err


def rewritten(parted: Path, place: Path, change: Callable[[dict[str, bytes], dict[str, Any]], None]) -> Path:
    """The plan with other content, whose digests are right."""
    plan = bscc.Plan.load(parted)
    files, manifest = dict(plan.files), json.loads((parted / "manifest.json").read_text())
    change(files, manifest)
    write_plan(place, files, manifest)
    return place


def without_part(files: dict[str, bytes], manifest: dict[str, Any]) -> None:
    del manifest["parts"][0]


def without_any(files: dict[str, bytes], manifest: dict[str, Any]) -> None:
    manifest["parts"] = []


def twice(files: dict[str, bytes], manifest: dict[str, Any]) -> None:
    manifest["parts"].append(manifest["parts"][1])


def other_shape(files: dict[str, bytes], manifest: dict[str, Any]) -> None:
    manifest["parts"][1]["inputs"][0]["onnx_shape"][1] += 1


def other_type(files: dict[str, bytes], manifest: dict[str, Any]) -> None:
    manifest["parts"][0]["outputs"][0]["host_type"] = "text"


def other_kind(files: dict[str, bytes], manifest: dict[str, Any]) -> None:
    manifest["parts"][1]["kind"] = "moon"


def lies_of_array(files: dict[str, bytes], manifest: dict[str, Any]) -> None:
    manifest["parts"][0]["outputs"][0]["name"] = "other"


def no_host_file(files: dict[str, bytes], manifest: dict[str, Any]) -> None:
    del files["host/1.onnx"]


def no_inner_manifest(files: dict[str, bytes], manifest: dict[str, Any]) -> None:
    del files["array/0/manifest.json"]


def inner_file(files: dict[str, bytes], manifest: dict[str, Any]) -> None:
    """The outer digest is right, the part's own is not."""
    files["array/0/weights.bin"] = files["array/0/weights.bin"][:-1] + b"\1"


def inner_schema(files: dict[str, bytes], manifest: dict[str, Any]) -> None:
    inner = json.loads(files["array/0/manifest.json"])
    files["array/0/manifest.json"] = json_bytes({**inner, "schema": 99})


def other_target(files: dict[str, bytes], manifest: dict[str, Any]) -> None:
    manifest["target"] = bscc.Target.load("aie2-3x3").to_dict()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (without_part, "plan-parts"),
        (without_any, "plan-parts"),
        (twice, "plan-parts"),
        (other_shape, "plan-parts"),
        (other_type, "plan-tensor"),
        (other_kind, "plan-parts"),
        (lies_of_array, "plan-parts"),
        (no_host_file, "plan-file"),
        (no_inner_manifest, "plan-file"),
        (inner_file, "plan-digest"),
        (inner_schema, "plan-schema"),
        (other_target, "plan-parts"),
    ],
)
def test_a_plan_that_makes_no_sense(
    change: Callable[[dict[str, bytes], dict[str, Any]], None], code: str, parted: Path, tmp_path: Path
) -> None:
    place = rewritten(parted, tmp_path / "plan", change)
    with pytest.raises(UnreadableInput) as caught:
        bscc.Plan.load(place)
    assert caught.value.diagnostic.code == code, str(caught.value)


@pytest.mark.parametrize("name", ["host/1.onnx", "array/2/control.bin", "array/0/manifest.json", "host.json"])
def test_damaged_files(name: str, parted: Path, tmp_path: Path) -> None:
    place = rewritten(parted, tmp_path / "plan", lambda files, manifest: None)
    data = bytearray((place / name).read_bytes())
    data[len(data) // 2] ^= 1
    (place / name).write_bytes(data)
    with pytest.raises(UnreadableInput) as caught:
        bscc.Plan.load(place)
    assert caught.value.diagnostic.code == "plan-digest"


def test_a_host_model_of_another_interface(parted: Path, tmp_path: Path) -> None:
    def other(files: dict[str, bytes], manifest: dict[str, Any]) -> None:
        model = onnx.load_from_string(files["host/1.onnx"])
        model.graph.output[0].name = model.graph.node[0].output[0]
        files["host/1.onnx"] = model.SerializeToString()

    def broken(files: dict[str, bytes], manifest: dict[str, Any]) -> None:
        files["host/1.onnx"] = files["host/1.onnx"][:-9]

    for number, change in enumerate((other, broken)):
        place = rewritten(parted, tmp_path / str(number), change)
        with pytest.raises(UnreadableInput) as caught:
            bscc.Session(place)
        assert caught.value.diagnostic.code == "plan-host"
