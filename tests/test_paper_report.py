"""The paper's estimate of a model: read from its module, shown by `bscc`, kept in a plan, and labelled everywhere."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest

import bscc
from benchmarks import paper_account
from benchmarks.paper_account import COLUMNS, account
from compiler.cli.compile import main as command
from compiler.frontend import import_onnx
from compiler.paper import LABEL, TERMS, Network, View, estimate, network_of
from compiler.paper.report import simulated_times
from tests.models import random_qdq_model
from tests.netbuilder import Style
from tests.netlayers import Layers
from tests.test_cli import DIGITS

TARGET = bscc.Target.load("aie2-4x4")


def network_at(path: Path) -> Network:
    """The network of a model, as a compilation meets it."""
    module = import_onnx(path)
    names = [one.strip() for one in bscc.DEFAULT_PIPELINE.split(",")]
    early = names[: 1 + next(at for at, one in enumerate(names) if one.startswith("block-compaction"))]
    bscc.PassManager(bscc.PassPipeline.parse(",".join(early), bscc.PASSES), TARGET).run(module)
    return network_of(module)


def test_a_model_is_read(tmp_path: Path) -> None:
    net = Layers(7, (8, 12, 10), Style())
    x = net.quant(net.conv(net.x, 16, pads=(1, 1, 1, 1), sparsity=0.5))
    a = net.relu(net.conv(x, 24, (3, 5), pads=(2, 2, 2, 2), dilations=(2, 1)))
    b = net.max_pool(x, {"kernel_shape": (3, 3), "strides": (1, 1), "pads": (1, 1, 1, 1)})
    y = net.concat_equal(a, b)
    y = net.quant(net.add(y, net.quant(net.conv(y, 40, (1, 1)))))
    path = tmp_path / "model.onnx"
    path.write_bytes(net.finish(y).SerializeToString())
    network = network_at(path)
    kinds = [one.kind for one in network.layers]
    assert kinds == ["conv", "max_pool", "conv", "conv", "add"]
    first, pool, dilated, point, add = network.layers
    assert network.images == [first.inputs[0].tensor] and network.outputs == [add.output.tensor]
    assert first.density == 0.5 and first.pads == (1, 1, 1, 1)
    assert dilated.kernel == (5, 5) and dilated.density == pytest.approx(3 / 5)  # 3 of 5 rows of the window
    assert dilated.output == View(point.inputs[0].tensor, 24, 40) and pool.output == View(
        point.inputs[0].tensor, 16, 40
    )
    assert add.inputs[0] == point.inputs[0] == View(point.inputs[0].tensor, 40, 40)
    for one, found in zip(network.layers, estimate(network, TARGET), strict=True):
        assert found.name == one.name and found.total_us > 0


@pytest.mark.parametrize("seed", range(6))
def test_random_models_have_an_estimate(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(random_qdq_model(seed).SerializeToString())
    for size in (2, 7):
        for one in estimate(network_at(path), bscc.Target.load(f"aie2-{size}x{size}")):
            assert all(math.isfinite(getattr(one, f"{term}_us")) and getattr(one, f"{term}_us") >= 0 for term in TERMS)
            assert one.total_us >= max(one.comp_us, one.loadfm_us, one.writefm_us)


def test_bscc_shows_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = tmp_path / "plan"
    words = [str(DIGITS), "-o", str(plan), "--no-compare-dense", "--cost-model", "paper"]
    assert command([*words, "-v"]) == 0
    shown = capsys.readouterr().out
    _, table, summary = shown.split("\n\n")
    assert LABEL == "the paper's estimate, not a prediction"
    assert LABEL in table.splitlines()[-1] and LABEL in summary
    assert [line.split()[0] for line in table.splitlines()[1:-1]] == [
        one["name"] for one in json.loads((plan / "paper.json").read_text())["layers"]
    ]
    assert command([*words, "--json"]) == 0
    paper = json.loads(capsys.readouterr().out)["paper"]
    assert paper == json.loads((plan / "paper.json").read_text()) and paper["label"] == LABEL
    assert "paper.json" in bscc.Plan.load(plan).files


def test_parts_add_up(tmp_path: Path) -> None:
    plan, summary = bscc.compile(DIGITS, tmp_path / "plan", bscc.Options(cost_model="paper", compare_dense=False))
    paper = summary["paper"]
    assert plan.json("paper.json") == paper
    for name in (*(f"{one}_us" for one in TERMS), "total_us"):
        assert paper[name] == pytest.approx(sum(one[name] for one in paper["layers"]))
    parts = paper["mac_us"] + paper["comp_excess_us"] + paper["not_hidden_us"]
    assert parts == pytest.approx(paper["total_us"])
    assert paper["mac_us"] == pytest.approx(summary["bounds"]["compute_us"], rel=0.01)
    times = [one["simulated_us"] for one in paper["layers"] if one["simulated_us"] is not None]
    assert sum(times) == pytest.approx(sum(one["us"] for one in summary["layers"]))
    assert paper["simulated_us"] == summary["time_us"]


def test_nothing_of_it_without_asking(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = tmp_path / "plan"
    assert command([str(DIGITS), "-o", str(plan), "--no-compare-dense", "-v"]) == 0
    assert LABEL not in capsys.readouterr().out
    assert not (plan / "paper.json").exists()


def test_an_unknown_cost_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command([str(DIGITS), "-o", str(tmp_path / "plan"), "--cost-model", "papr"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error[usage]: argument --cost-model: invalid choice: 'papr' (choose from ")
    with pytest.raises(bscc.BsccError) as caught:
        bscc.compile(DIGITS, tmp_path / "plan", bscc.Options(cost_model="papr"))
    assert str(caught.value) == (
        "error[cost-model]: there is no cost model 'papr'\n  help: did you mean 'paper'? known: simulator, paper"
    )
    assert not (tmp_path / "plan").exists()


def test_fused_layers_show_their_time_once() -> None:
    found = list(account("ResNet50", 4, "dense"))[:4]
    names = [one.name for one in found]
    times = {f"{names[0]} + relu": 3.0, f"{names[2]} + {names[3]}": 5.0}
    assert simulated_times(found, times) == [3.0, None, 5.0, None]


def lines_of(network: str, size: int, weights: str) -> list[dict[str, str]]:
    """Lines as the benchmark reads them, as if the logs had printed the estimate."""
    lines = []
    for at, one in enumerate(account(network, size, weights), 1):
        volume = one.volume
        core = volume.weights
        line = {"network": network, "array": f"{size}x{size}", "weights": weights, "layer": str(at), "type": one.kind}
        line["W_cout_h_w_cin"] = f"{core.out_channels}x1x1x{core.in_channels}" if core else ""
        line["I_b_h_w_c"] = f"1x{volume.in_rows}x{volume.in_width}x{volume.in_channels}"
        line["O_b_h_w_c"] = f"1x{volume.out_rows}x{volume.out_width}x{volume.out_channels}"
        line |= {"span_us": str(one.total_us), **{term.upper(): str(getattr(one, f"{term}_us")) for term in TERMS}}
        lines.append(line)
    return lines


def test_the_benchmark_compares(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = lines_of("VGG16", 4, "sparse")
    lines[1]["COMP"] = str(2 * float(lines[1]["COMP"]))
    path = tmp_path / "layers.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, lines[0])
        writer.writeheader()
        writer.writerows(reversed(lines))
    monkeypatch.setattr("sys.argv", ["paper_account.py", str(path)])
    assert paper_account.main() == 0
    shown = capsys.readouterr().out
    assert "19 layers of 1 runs; sub-volumes as printed in 19 (100.0%)." in shown
    assert "| COMP | 19 | 0.00% | 5.0% | 94.7% | 0 |" in shown
    assert shown.count("| VGG16 |") == 11 and "36 cells: median" in shown and LABEL in shown


def test_the_benchmark_refuses_other_files(tmp_path: Path) -> None:
    path = tmp_path / "layers.csv"
    path.write_text(",".join(one for one in COLUMNS if one != "COMP") + "\n")
    with pytest.raises(SystemExit, match="no column COMP"):
        paper_account.read(path)


def test_strips_of_a_layer_count_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline = bscc.DEFAULT_PIPELINE.replace("depthwise-tiling", "depthwise-tiling{strips=2}")
    words = [str(DIGITS), "-o", str(tmp_path / "plan"), "--no-compare-dense", "--json", "--cost-model", "paper"]
    assert command([*words, "--pass-pipeline", pipeline]) == 0
    said = json.loads(capsys.readouterr().out)
    names = [one["name"] for one in said["layers"]]
    assert len(names) > len(set(names))
    times = [one["simulated_us"] for one in said["paper"]["layers"]]
    assert sum(one or 0.0 for one in times) == pytest.approx(sum(one["us"] for one in said["layers"]))
