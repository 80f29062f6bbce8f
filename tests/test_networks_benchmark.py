"""benchmarks/networks.py: cells are measured once, failures are lines too, tables say what the lines say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from benchmarks import networks
from benchmarks.networks import Cell

DIGITS = Path(__file__).parents[1] / "examples/models"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    shutil.copy(DIGITS / "digits_int8.onnx", folder / "digits_int8.onnx")
    (folder / "digits_half.onnx").write_bytes(b"no model")
    return folder


def lines(results: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in results.read_text().splitlines()]


def test_cells_are_measured_once(models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "results.jsonl"
    words = ["--networks", "digits", "--sizes", "2", "--models", str(models), "-o", str(results)]
    assert networks.main([*words, "--densities", "dense"]) == 0
    (dense,) = lines(results)
    assert (dense["network"], dense["density"], dense["target"]) == ("digits", "dense", "aie2-2x2")
    assert dense["differ"] == 0
    assert dense["us"] > dense["layer_us"] >= dense["network_us"] == max(dense["compute_us"], dense["ddr_us"]) > 0
    assert sum(dense["binds_us"].values()) == pytest.approx(dense["us"], rel=0.05)

    assert networks.main(words) == 1, "the other model cannot be read"
    assert lines(results)[0] == dense
    (failed,) = lines(results)[1:]
    assert (failed["density"], failed["failure"]["exit"]) == ("half", 3)
    capsys.readouterr()

    assert networks.main(words) == 1
    assert len(lines(results)) == 2
    table = capsys.readouterr().out
    assert f"| aie2-2x2 | {dense['us']:,.0f} | failed | - |" in table
    assert "* digits half aie2-2x2: exit 3: " in table

    assert networks.main([*words, "--densities", "dense", "--again", "--no-verify"]) == 0
    again = lines(results)[2]
    assert "differ" not in again
    assert again["us"] == dense["us"]


def test_a_model_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"nothing_int8\.onnx"):
        networks.main(["--networks", "nothing", "--models", str(tmp_path), "-o", str(tmp_path / "results")])


def test_the_tables_compare_with_the_paper() -> None:
    row = {"code": "1", "layer_us": 1000.0, "compile_s": 60.0, "peak_mb": 700, "differ": 0}
    rows = {
        Cell("resnet50", "dense", "aie2-4x4"): {**row, "us": 4000.0},
        Cell("resnet50", "half", "aie2-4x4"): {**row, "us": 2000.0, "differ": 3},
        Cell("resnet50", "dense", "aie2-5x5"): {**row, "us": 3000.0},
    }
    text = list(networks.tables(rows))
    four, five = [line for line in text if line.startswith("| aie2")]
    assert four == (
        "| aie2-4x4 | 4,000 | 2,000 | 2.00 | 1,000 | 1,000 | 4.00 | 2.00 "
        "| 10,773 | 7,065 | 1.52 | 2.69 | 3.53 | 60, 60 | 700, 700 | 0, 3 |"
    )
    assert five.startswith("| aie2-5x5 | 3,000 | - | - | 1,000 | - | 3.00 | - | - | 4,303 | - |")
    assert "| us / layer bound, dense | 2 | 3.46 |" in text
    assert "| dense / half | 1 | 2.00 |" in text
    assert "| dense / half, paper | 1 | 1.52 |" in text
    assert "* resnet50 half aie2-4x4: 3 bytes differ from the reference" in text
    assert text[-1] == "Code: 1."


def test_the_paper_has_all_cells_but_those_that_failed_there() -> None:
    published = networks.paper()
    sizes = [f"aie2-{size}x{size}" for size in networks.SIZES]
    all_cells = {(n, d, t) for n in networks.PAPER_NETWORKS for d in networks.DENSITIES for t in sizes}
    assert published.keys() < all_cells
    missing = all_cells - published.keys()
    assert len(missing) == 5
    assert ("resnet50", "dense", "aie2-5x5") in missing
    for network, density, target in published:
        if density == "half" and (network, "dense", target) in published:
            assert 1.2 < published[network, "dense", target] / published[network, density, target] < 2.6
