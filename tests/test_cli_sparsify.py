"""`bscc-sparsify` and the examples' commands, as users call them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

import bscc
from compiler.cli.sparsify import main
from tests.striped import called, write
from training.export import to_onnx
from training.nets import vgg7


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and a model."""
    return write(tmp_path_factory.mktemp("sparsify"))


def test_the_model_is_sparse_and_learns_what_it_is_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called(folder, "--lr", "0.1", "--epochs", "8", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["accuracy"]["sparse"] > 0.9 > report["accuracy"]["dense"] + 0.2
    before, after = (onnx.load(folder / name) for name in ("dense.onnx", "sparse.onnx"))
    assert [node.name for node in before.graph.node] == [node.name for node in after.graph.node]
    weights = {one.name: numpy_helper.to_array(one) for one in after.graph.initializer}
    for name in ("features.3.weight", "features.7.weight"):
        blocks = weights[name].reshape(4, 8, 4, 8, 9).any(axis=(1, 3, 4))
        assert (~blocks).sum() == 8
        assert not np.signbit(weights[name][weights[name] == 0]).any()
    _, summary = bscc.compile(folder / "sparse.onnx", folder / "plan", bscc.Options(compare_dense=False))
    assert summary["macs_kept"] < 0.6 * summary["macs"]


def test_a_second_run_of_the_same_command_gives_the_same_bytes(folder: Path) -> None:
    for name in ("one.onnx", "two.onnx"):
        assert called(folder, "-q", output=name) == 0
    assert (folder / "one.onnx").read_bytes() == (folder / "two.onnx").read_bytes()


def test_time_is_reached_by_a_cost_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layers = [{"name": f"features.{one}", "prunable": True, "us": [10.0, 6.0]} for one in (3, 7)]
    costs = {"schema": "bscc-costs/1", "target": "t", "densities": [1.0, 0.5], "fixed_us": [2.0, 2.0], "layers": layers}
    (folder / "costs.json").write_text(json.dumps(costs), encoding="utf-8")
    assert called(folder, "--time", "0.85", "--costs", str(folder / "costs.json"), "--json", output="t.onnx") == 0
    search = json.loads(capsys.readouterr().out)["search"]
    assert search["dense"] == 22.0
    assert search["cost"] <= 0.85 * 22.0
    assert any(search["ratios"].values())


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--ratio", "1"], 2, "1 of the blocks cannot be zeroed"),
        (["--ratio", "0.9"], 2, "can be"),
        (["--macs", "0"], 2, "no goal"),
        (["--time", "0.5"], 2, "go together"),
        (["--costs", "x.json"], 2, "without --time"),
        (["--scope", "cores"], 2, "cores=N"),
        (["--scheme", "magic"], 2, "magic"),
        (["--block", "8"], 2, "no block"),
        (["--include", "features_9"], 2, "no layer 'features_9'"),
        (["--exclude", "features_3", "--exclude", "features_7"], 2, "no layer of the model can be pruned"),
        (["--data", "nothing"], 2, "no such data"),
        (["--mean", "1,2"], 2, "1 channel"),
    ],
)
def test_mistakes_are_said(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    assert called(folder, *words, output="none.onnx") == code
    assert said in capsys.readouterr().err
    assert not (folder / "none.onnx").exists()


def test_a_broken_model_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "cut.onnx").write_bytes((folder / "dense.onnx").read_bytes()[:1000])
    assert main([str(folder / "cut.onnx"), "--data", str(folder / "data.npz"), "-o", str(folder / "none.onnx")]) == 3
    assert "cut.onnx" in capsys.readouterr().err


def test_images_of_another_size_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    to_onnx(vgg7(1, 3), (torch.zeros(1, 1, 28, 28),), folder / "large.onnx")
    assert main([str(folder / "large.onnx"), "--data", str(folder / "data.npz"), "-o", str(folder / "none.onnx")]) == 2
    assert "1x8x8, the model takes 1x28x28" in capsys.readouterr().err
