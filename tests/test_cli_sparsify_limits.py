"""What `bscc-sparsify` says to what cannot be trained, or not so; and what it does with a Softmax and with int8."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from onnxruntime import InferenceSession
from torch import nn

import bscc
from tests.striped import SIDE, called, export, stripes, words, write
from training.loop import checkpoint
from training.nets.vgg import VGG


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = write(tmp_path_factory.mktemp("sparsify"))
    images, labels = stripes(96, 2)
    for classes in (3, 7):
        names = np.array([f"kind {one}" for one in range(classes)])
        np.savez(place / f"{classes}.npz", images=images, labels=labels, classes=names)
    torch.manual_seed(1)
    export(nn.Sequential(VGG(1, 3, ((32, 32), (32,))), nn.Softmax(1)), place / "softmax.onnx")
    five = VGG(1, 5, ((32, 32),))
    for one in five.modules():
        if isinstance(one, nn.BatchNorm2d):
            nn.init.normal_(one.bias)  # folded, they are biases: of none the exporter makes a layer without
    export(five, place / "five.onnx")
    export(nn.Sequential(*(nn.Conv2d(one, 16, 3) for one in (1, 16, 16))), place / "map.onnx")
    proto = onnx.load(place / "dense.onnx")
    proto.graph.output.append(proto.graph.input[0])
    proto.graph.output[-1].name = proto.graph.node[0].output[0]
    del proto.graph.output[-1].type.tensor_type.shape.dim[:]
    onnx.save(proto, place / "two.onnx")
    return place


@pytest.mark.parametrize(
    ("model", "more", "code", "said"),
    [
        ("dense.onnx", ["--data", "7.npz"], 2, "gives 1x3, expected 1x7: a number for each class"),
        ("map.onnx", [], 2, "gives 1x16x2x2, expected 1x3"),
        ("two.onnx", [], 2, "gives 2 tensors, expected 1x3"),
        ("dense.onnx", ["--size", "8x8"], 2, "--size is for folders of images"),
        ("dense.onnx", ["--scheme", "group-lasso", "--measure", "l1"], 2, "--measure l1 has no effect"),
        ("dense.onnx", ["--scheme", "movement", "--measure", "l1"], 2, "--measure l1 has no effect"),
        ("dense.onnx", ["--macs", "0.5", "--scope", "network"], 2, "--scope network has no effect"),
        ("dense.onnx", ["--int8-lr", "0.1"], 2, "--int8-lr is given without --int8"),
        ("dense.onnx", ["--int8", "i.onnx", "--int8-lr", "0"], 2, "lr is 0.0"),
        ("dense.onnx", ["--int8", "none.onnx"], 2, "is what -o writes"),
        ("dense.onnx", ["--int8", "data.npz"], 2, "is the data"),
        ("dense.onnx", ["--int8", "-"], 2, "a model goes to a file"),
        ("dense.onnx", ["--run", "data.npz"], 2, "cannot make the folder of the run"),
        ("dense.onnx", ["--padding", "9"], 2, "images of 8x8 cannot move by 9 pixels"),
        ("dense.onnx", ["--seed", str(2**63)], 2, f"0 to {2**63 - 1}"),
        ("dense.onnx", ["--threads", "100000"], 2, "more than 1024"),
        ("dense.onnx", ["--include", "features.3", "--exclude", "features.3"], 2, "both"),
        ("dense.onnx", ["--shape", "image"], 2, "NAME=1x3x224x224"),
        ("dense.onnx", ["--lr", "1e30", "--warmup", "0"], 8, "diverged"),
    ],
)
def test_mistakes_are_said(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
                           model: str, more: list[str], code: int, said: str) -> None:  # fmt: skip
    monkeypatch.chdir(folder)
    assert called(folder, "--quiet", *more, model=model, output="none.onnx") == code
    out, err = capsys.readouterr()
    assert said in err and not out
    assert not Path("none.onnx").exists()


def test_doubts_are_said_and_it_goes_on(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = ("--epochs", "1", "--scale", "0.0001", "--data", str(folder / "3.npz"))
    assert called(folder, *more, model="five.onnx", output="five_sparse.onnx") == 0
    err = capsys.readouterr().err
    assert "note: the model has no batch norms, so training puts one behind each of" in err
    assert "note: the model has 5 outputs and the images 3 classes" in err
    assert called(folder, *more, "-q", model="five.onnx", output="five_again.onnx") == 0
    assert capsys.readouterr() == ("", "")
    assert called(folder, *more, "--no-norms", model="five.onnx", output="five_bare.onnx") == 0
    assert "take a smaller --lr (0.002)" in capsys.readouterr().err
    assert called(folder, "--epochs", "1", "--block", "1x1", "--json", output="ones.onnx") == 0
    out, err = capsys.readouterr()
    assert "note: the array skips 8x8 blocks: zero blocks of 1x1 need not save any time" in err
    assert json.loads(out)["zero"]["blocks"] < 0.1


def test_a_softmax_is_trained_by_its_logarithm_and_stays(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Cross entropy of probabilities learns little in as many steps; both files still give probabilities."""
    int8 = folder / "softmax_int8.onnx"
    more = ("--lr", "0.1", "--epochs", "8", "--int8", str(int8), "--int8-epochs", "1", "--json")
    assert called(folder, *more, model="softmax.onnx", output="softmax_sparse.onnx") == 0
    out, err = capsys.readouterr()
    assert "training with rounding" in err
    report = json.loads(out)
    assert report["accuracy"]["sparse"] > 0.9 and report["accuracy"]["int8"] > 0.9
    assert report["int8"]["zero_blocks"] >= 16
    images, labels = stripes(96, 1)
    for path in (folder / "softmax_sparse.onnx", int8):
        session = InferenceSession(path)
        found = np.concatenate([session.run(None, {session.get_inputs()[0].name: one[None, None]})[0]
                                for one in images[:, 0].astype(np.float32) / 255])  # fmt: skip
        assert np.allclose(found.sum(1), 1, atol=1e-3) and (found >= 0).all()
        assert (found.argmax(1) == labels).mean() > 0.9
    weights = [numpy_helper.to_array(one) for one in onnx.load(int8).graph.initializer if one.name.endswith("3.weight")]
    assert [one.dtype for one in weights] == [np.int8]
    _, summary = bscc.compile(int8, folder / "plan", bscc.Options(compare_dense=False))
    assert summary["macs_kept"] < 0.6 * summary["macs"]


def test_a_layer_is_named_by_its_node_or_its_module(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, name in enumerate(("features.3", "features_3")):
        assert called(folder, "--epochs", "1", "--exclude", name, "--json", output=f"named{number}.onnx") == 0
        assert json.loads(capsys.readouterr().out)["layers"]["features_3"]["dense"] == "it was excluded"


def test_a_resumed_run_says_what_differs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called(folder, "-q", output="resumed.onnx") == 0
    assert called(folder, "--lr", "0.01", "--ratio", "0.25", output="resumed.onnx") == 2
    err = capsys.readouterr().err
    assert "another recipe and another sparsifier" in err
    notes = [line for line in err.splitlines() if line.startswith("  note")]
    assert notes == ["  note: lr is 0.01, was 0.02", "  note: budget.ratio is 0.25, was 0.5"]
    assert called(folder, output="resumed.onnx") == 0
    assert "all 32 steps are done already" in capsys.readouterr().err


def test_another_model_by_the_same_name_does_not_go_on(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(5)
    for code in (0, 2):
        export(VGG(1, 3, ((32, 32),)), folder / "changed.onnx")
        assert called(folder, "--epochs", "1", model="changed.onnx", output="of_changed.onnx") == code
    assert "began with other weights" in capsys.readouterr().err


def test_two_do_not_train_in_one_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with checkpoint.locked(folder / "busy"):
        assert called(folder, "--run", str(folder / "busy"), output="busy.onnx") == 2
    assert "error[run-busy]: another process is training in this folder" in capsys.readouterr().err
    assert called(folder, "-q", "--epochs", "1", "--run", str(folder / "busy"), output="busy.onnx") == 0


def test_two_processes_write_one_model_and_talk_once(folder: Path) -> None:
    """As torchrun starts them, by the environment."""
    place = {
        **os.environ,
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "29517",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "compiler.cli.sparsify"]
    command += words(folder, ["--batch", "64", "--macs", "0.6", "--epochs", "1"], "both.onnx")
    made = [
        subprocess.Popen(command, env={**place, "RANK": str(one), "LOCAL_RANK": str(one)}, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for one in range(2)
    ]  # fmt: skip
    (out, err), second = (one.communicate(timeout=120) for one in made)
    assert [one.returncode for one in made] == [0, 0], err
    assert second == ("", "")
    assert out.count("accuracy") == 1 and err.count("epoch 1/1") == 1
    assert (folder / "both.onnx").exists() and SIDE == 8
