"""The whole chain in one command: trained, sparse, int8, compiled, simulated, drawn."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from compiler.cli import guarded
from tests.striped import stripes
from training.examples.chain import RATIOS, picture, run


@pytest.mark.slow
def test_the_chain_from_images_to_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.set_num_threads(1)
    x_train, y_train = stripes(640, 0)
    x_test, y_test = stripes(120, 1)
    np.savez(tmp_path / "data.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    words = ["--data", str(tmp_path / "data.npz"), "-o", str(tmp_path / "chain"), "--net", "vgg7", "--batch", "32"]
    words += ["--dense-epochs", "3", "--epochs", "2", "--ratios", "0.75"]
    assert guarded(lambda: run(words)) == 0
    said = capsys.readouterr().out
    found = json.loads((tmp_path / "chain/chain.json").read_text(encoding="utf-8"))
    dense, sparse = found["points"]
    assert (dense["ratio"], sparse["ratio"]) == (0.0, 0.75)
    assert sparse["int8_accuracy"] > 0.8
    assert sparse["time_us"] < dense["time_us"]
    assert dense["zero_blocks"] == 0
    assert 0.7 < sparse["zero_blocks"] / sparse["blocks"] < 0.76
    assert dense["agree"] == sparse["agree"] == 8
    assert f"{sparse['time_us']:.2f}" in said
    ElementTree.parse(tmp_path / "chain/chain.svg")
    for place in ("dense", "ratio0.75"):
        assert (tmp_path / "chain" / place / "plan/manifest.json").exists()
    again = guarded(lambda: run(words))  # all is there: nothing is trained again
    assert again == 0
    assert json.loads((tmp_path / "chain/chain.json").read_text(encoding="utf-8")) == found


def test_the_picture_has_a_point_for_each_ratio_and_the_same_bytes() -> None:
    points = [
        {"ratio": ratio, "float_accuracy": 0.9 - ratio / 10, "int8_accuracy": 0.89, "time_us": 50 - 20 * ratio}
        for ratio in (0.0, *RATIOS)
    ]
    found = {"network": "resnet8", "data": "images", "target": "aie2-4x4", "points": points}
    assert picture(found) == picture(found)
    drawn = ElementTree.fromstring(picture(found))
    assert len(list(drawn.iter("{http://www.w3.org/2000/svg}use"))) >= 2 * len(points)
