"""`bscc` and `bscc-sim` as users call them: exit codes, one error, nothing left behind, JSON, options."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from compiler.cli.compile import main as bscc
from compiler.cli.simulate import main as bscc_sim
from compiler.plan import SCHEMA, Plan
from tests.bad_cases import bad_cases
from tests.bad_formats import format_cases
from tests.bad_models import Bad, good_model
from tests.models import Case, feeds
from tests.netbuilder import Attributes

ROOT = Path(__file__).parents[1]
DIGITS = ROOT / "examples/models/digits_int8_half.onnx"
FILES = (
    "bounds.json",
    "control.asm",
    "control.bin",
    "cores/costs.json",
    "cores/resident.bin",
    "cores/resident.s",
    "layers.json",
    "manifest.json",
    "mapping.json",
    "memory.json",
    "sparsity.json",
    "timing.json",
    "trace.json",
    "weights.bin",
    *(f"ir/{stage}.mlir" for stage in ("aie2", "bsp", "nn", "tile")),
)


@pytest.fixture(autouse=True)
def own_temporary_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Temporary files of a command go where a test can see them."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A small model of two convolutions."""
    path = tmp_path / "good.onnx"
    path.write_bytes(good_model().SerializeToString())
    return path


@pytest.fixture
def plan(model: Path, tmp_path: Path) -> Path:
    """Its plan."""
    place = tmp_path / "plan"
    assert bscc([str(model), "-o", str(place), "-q"]) == 0
    return place


def everything_below(place: Path) -> set[str]:
    return {str(one.relative_to(place)) for one in place.rglob("*")}


def one_error(text: str, code: str) -> None:
    """The text is errors of one kind, each said once, with no traceback."""
    assert f"error[{code}]: " in text, text
    assert "Traceback" not in text
    starts = [line for line in text.splitlines() if not line.startswith("  ")]
    assert starts and all("error[" in line for line in starts), text
    assert len(set(starts)) == len(starts)


@pytest.mark.parametrize("bad", (*bad_cases(), *format_cases()), ids=lambda bad: bad.name)
def test_bad_models(bad: Bad, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = bad.write(tmp_path)
    before = everything_below(tmp_path)
    assert bscc([str(path), "-o", str(tmp_path / "plan"), "--no-host"]) == bad.exit_code
    said = capsys.readouterr()
    one_error(said.err, bad.error_code)
    assert said.out == ""
    assert bad.says in said.err
    assert everything_below(tmp_path) == before


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), "usage"),
        (("{model}",), "usage"),
        (("{model}", "-o", "{plan}", "--targt", "npu1"), "unknown-option"),
        (("{model}", "-o", "{plan}", "--sparsity", "some"), "usage"),
        (("{model}", "-o", "{plan}", "--search", "some"), "usage"),
        (("{model}", "-o", "{plan}", "--requantize", "some"), "usage"),
        (("{model}", "-o", "{plan}", "--mapping-out", "{plan}"), "usage"),
        (("{model}", "-o", "{plan}", "--mapping-out", "{plan}/manifest.json"), "usage"),
        (("{model}", "-o", "{plan}", "--mapping-out", "{model}"), "usage"),
        (("{model}", "-o", "{plan}", "--mapping-out", "-", "--json"), "usage"),
        (("{model}", "-o", "{plan}", "--explain-mapping", "conv"), "usage"),
        (("{model}", "-o", "{plan}", "--check"), "usage"),
        (("{model}", "--check", "--explain-mapping", "conv"), "usage"),
        (("{model}", "--explain-mapping", "conv", "--mapping-out", "{plan}.json"), "usage"),
        (("{model}", "--explain-mapping", "conv", "--json"), "usage"),
        (("{model}", "-o", "{plan}", "--shape", "input"), "usage"),
        (("{model}", "-o", "{plan}", "--shape", "input=1x0x3"), "usage"),
        (("{model}", "-o", "{plan}", "--shape", "input=1x\u0663x3"), "usage"),
        (("{model}", "-o", "{plan}", "--shape", "input=1x" + "9" * 5000), "usage"),
        (("{model}", "-o", ""), "usage"),
        (("{model}", "-o", "{plan}", "--output", ""), "usage"),
        (("{model}", "-o", "{plan}", "--dump-ir", ""), "usage"),
        (("{model}", "-o", "{plan}", "--shape", "inptu=1x3x8x8"), "shape"),
        (("{model}", "-o", "{plan}", "--output", "nothing"), "output"),
        (("{model}", "{model}", "-o", "{plan}"), "usage"),
    ],
)
def test_usage(words: tuple[str, ...], code: str, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = everything_below(model.parent)
    plan = model.parent / "plan"
    assert bscc([word.format(model=model, plan=plan) for word in words]) == 2
    one_error(capsys.readouterr().err, code)
    assert everything_below(model.parent) == before


@pytest.mark.parametrize(
    ("option", "value", "exit_code"),
    [("--target", "aie2-9x9", 2), ("--target", "absent.toml", 2), ("--pass-pipeline", "canonicalise", 2)],
)
def test_unknown_names(
    option: str, value: str, exit_code: int, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = everything_below(model.parent)
    assert bscc([str(model), "-o", str(model.parent / "plan"), option, value]) == exit_code
    said = capsys.readouterr().err
    assert said.count("error[") == 1 and "Traceback" not in said
    assert everything_below(model.parent) == before


def test_what_is_no_plan_is_kept(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = model.parent / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("x")
    before = everything_below(model.parent)
    assert bscc([str(model), "-o", str(mine)]) == 2
    one_error(capsys.readouterr().err, "not-a-plan")
    assert everything_below(model.parent) == before


def test_a_failure_keeps_the_old_plan(plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {one: one.read_bytes() for one in plan.rglob("*") if one.is_file()}
    assert bscc([str(tmp_path / "absent.onnx"), "-o", str(plan)]) == 3
    one_error(capsys.readouterr().err, "unreadable")
    assert {one: one.read_bytes() for one in plan.rglob("*") if one.is_file()} == before


def test_what_does_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One pixel of this pool reads 320,000 bytes, and a core has 65,536; a maximum is taken in one call."""
    window: Attributes = {"kernel_shape": (200, 200)}
    case = Case("pool", lambda net, x: net.quant(net.max_pool(x, window)), (8, 200, 200))
    path = tmp_path / "model.onnx"
    path.write_bytes(case.build().SerializeToString())
    before = everything_below(tmp_path)
    assert bscc([str(path), "-o", str(tmp_path / "plan"), "--no-host"]) == 5
    one_error(capsys.readouterr().err, "does-not-fit")
    assert everything_below(tmp_path) == before


def test_no_parent_directory(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Said before the work: the model is not looked at."""
    for parent in ("no", "model.onnx"):
        assert bscc(["absent.onnx", "-o", str(model.parent / parent / "plan")]) == 2
        one_error(capsys.readouterr().err, "unwritable")


def test_a_place_that_cannot_be_looked_into(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plan").mkdir()

    def refuse(folder: Path) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert bscc([str(model), "-o", str(tmp_path / "plan")]) == 2
    one_error(capsys.readouterr().err, "unwritable")


def test_a_plan_appears_whole_and_is_replaced(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "plan"
    folders = {"ir", "cores"}
    names = {"plan", *(f"plan/{one}" for one in (*FILES, *folders))}
    for target in ("aie2-4x4", "npu1"):
        before = everything_below(tmp_path) - names
        assert bscc([str(model), "-o", str(place), "--target", target]) == 0
        assert sorted(everything_below(place) - folders) == sorted(FILES)
        assert everything_below(tmp_path) - names == before
        assert Plan.load(place).target.name == target
    said = capsys.readouterr()
    assert said.err == "" and said.out.count("MACs") == 2


def test_why_a_layer_has_its_mapping(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = everything_below(tmp_path)
    assert bscc([str(DIGITS), "--explain-mapping", "conv2"]) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert said.err == "" and lines[0].startswith("conv2")
    best = lines.index(next(line for line in lines if line.startswith("the best of")))
    nearest = lines.index(next(line for line in lines if line.startswith("the nearest of")))
    assert nearest - best - 2 == 10 and 1 <= len(lines) - nearest - 1 <= 10
    assert all("columns by" in line and "binds" in line for line in lines[best + 1 : nearest - 1])
    assert all(re.search(r"[0-9,]+ > [0-9,]+ bytes$", line) for line in lines[nearest + 1 :])
    assert all(term in said.out for term in ("compute", "acts", "work", "out", "control"))
    assert bscc([str(DIGITS), "--explain-mapping", "conv99"]) == 2
    one_error(capsys.readouterr().err, "mapping-layer")
    assert everything_below(tmp_path) == before


def test_simulation(model: Path, plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "x.npz", **feeds(onnx.load(model), 1))  # type: ignore[arg-type]
    files = {name: tmp_path / name for name in ("y.npz", "timing.json", "trace.json")}
    data = ["--input", str(tmp_path / "x.npz"), "--output", str(files["y.npz"])]
    reports = ["--timing", str(files["timing.json"]), "--trace", str(files["trace.json"])]
    assert bscc_sim([str(plan), *data, *reports]) == 0
    said = capsys.readouterr()
    assert said.err == "" and "total" in said.out
    with np.load(files["y.npz"]) as outputs:
        assert outputs.files == [one.name for one in onnx.load(model).graph.output]
    assert json.loads(files["trace.json"].read_text())["traceEvents"]
    # The clock that bscc ran, without data, tells the same time.
    assert json.loads(files["timing.json"].read_text()) == Plan.load(plan).json("timing.json")
    assert bscc_sim([str(plan), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == Plan.load(plan).json("timing.json")


@pytest.mark.parametrize("name", FILES)
def test_damaged_plan(name: str, plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = plan / name
    data = bytearray(file.read_bytes())
    # The manifest has the digests of all other files but not its own: a changed digit in it may go unseen.
    data[0 if name == "manifest.json" else len(data) // 2] ^= 1
    file.write_bytes(data)
    assert bscc_sim([str(plan)]) == 3
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("error[plan-") == 1 and "Traceback" not in said.err


def without_manifest(plan: Path) -> None:
    (plan / "manifest.json").unlink()


def without_weights(plan: Path) -> None:
    (plan / "weights.bin").unlink()


def truncated(plan: Path) -> None:
    file = plan / "control.bin"
    file.write_bytes(file.read_bytes()[:-4])


def another_schema(plan: Path) -> None:
    file = plan / "manifest.json"
    file.write_text(file.read_text().replace(f'"schema": {SCHEMA}', '"schema": 99'))


@pytest.mark.parametrize("damage", [without_manifest, without_weights, truncated, another_schema, shutil.rmtree])
def test_incomplete_plan(damage: Callable[[Path], None], plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damage(plan)
    assert bscc_sim([str(plan)]) == 3
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("error[plan-") == 1 and "Traceback" not in said.err


@pytest.mark.parametrize(
    ("arrays", "code"),
    [
        ({}, "input-missing"),
        ({"inptu": np.zeros((1, 3, 8, 8), np.float32)}, "unknown-input"),
        ({"input": np.zeros((1, 3, 9, 8), np.float32)}, "input-shape"),
        ({"input": np.zeros((1, 3, 8, 8), np.float64)}, "input-type"),
    ],
)
def test_inputs_that_do_not_fit(
    arrays: dict[str, Any], code: str, plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "x.npz", **arrays)
    assert bscc_sim([str(plan), "--input", str(tmp_path / "x.npz"), "--output", str(tmp_path / "y.npz")]) == 2
    one_error(capsys.readouterr().err, code)
    assert not (tmp_path / "y.npz").exists()


def test_input_files_that_are_none(plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for content in (b"", b"PK\x03\x04", b"text"):
        (tmp_path / "x.npz").write_bytes(content)
        assert bscc_sim([str(plan), "--input", str(tmp_path / "x.npz")]) == 3
        one_error(capsys.readouterr().err, "unreadable")
    assert bscc_sim([str(plan), "--input", str(tmp_path / "absent.npz")]) == 3
    assert bscc_sim([str(plan), "--output", str(tmp_path / "y.npz")]) == 2
    assert bscc_sim([str(plan), "--json", "--trace", "-"]) == 2


@pytest.mark.parametrize("command", ["compile", "simulate", "opt"])
def test_help_and_commands(command: str) -> None:
    """Each command runs as a process too; help names the exit codes that the README documents."""
    words = [sys.executable, "-m", f"compiler.cli.{command}", "--help"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stderr == ""
    assert command == "opt" or "exit codes: 0 ok, 1 internal error, 2 usage" in done.stdout


def test_one_error_in_a_process(tmp_path: Path) -> None:
    """What a shell sees: the exit code, one line on stderr, nothing on stdout."""
    words = [sys.executable, "-m", "compiler.cli.compile", "absent.onnx", "-o", str(tmp_path / "plan")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    one_error(done.stderr, "unreadable")


def test_a_pipeline_must_end_in_registers(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bscc([str(model), "-o", str(tmp_path / "plan"), "--pass-pipeline", "canonicalize"]) == 2
    one_error(capsys.readouterr().err, "pipeline-end")


def test_exact_scales(model: Path, tmp_path: Path) -> None:
    costs = []
    for words in ([], ["--requantize", "exact"]):
        place = tmp_path / str(len(words))
        assert bscc([str(model), "-o", str(place), "-q", "--no-compare-dense", "--verify-each", *words]) == 0
        costs.append(json.loads((place / "cores/costs.json").read_text()))
    assert [one["mac_set_narrow"] > 0 for one in costs] == [True, False]
    assert [one["scale_group"] > 0 for one in costs] == [False, True]


def test_modules_cannot_be_written_over_a_file(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bscc([str(model), "-o", str(model.parent / "plan"), "--dump-ir", str(model)]) == 2
    one_error(capsys.readouterr().err, "unwritable")


@pytest.mark.parametrize(
    ("old", "new"),
    [("columns = 2", 'columns = "x"'), ("clock_mhz = 1000", "clock_mhz = 0"), ("bank_bytes = 16384", "bank_bytes = 0")],
)
def test_impossible_targets(
    old: str, new: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (Path(__file__).parents[1] / "compiler/targets/aie2-2x2.toml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "mine.toml").write_text(text.replace(old, new), encoding="utf-8")
    assert bscc([str(model), "-o", str(tmp_path / "plan"), "--target", str(tmp_path / "mine.toml")]) == 3
    one_error(capsys.readouterr().err, "target-value")


@pytest.mark.parametrize("text", ["columns = " + "9" * 5000, "columns = " + "[" * 100_000, "columns"])
def test_what_is_no_target(text: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    assert bscc([str(model), "-o", str(tmp_path / "plan"), "--target", str(tmp_path / "mine.toml")]) == 3
    one_error(capsys.readouterr().err, "target-file")
