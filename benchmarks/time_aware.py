"""Ratios that a cost file chooses against one ratio for all layers, at the same predicted time.

    python -m benchmarks.time_aware RUNS --data fashion=fashion-mnist --net vgg7

needs the dense and the incremental runs of `benchmarks.schemes` in RUNS.  For each of their ratios the dense network is
sparsified again by the same recipe, with the ratios of layers chosen for the time that the uniform one is predicted to
take.  Markdown goes to stdout; a stopped run goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

import bscc
from benchmarks.schemes import Case, network
from benchmarks.schemes_table import TARGET, deployed
from training.data.sets import Splits
from training.data.sources import load
from training.data.transforms import Normalise
from training.examples.deploy import deploy
from training.export import to_onnx
from training.job import Goal, Job, Kind
from training.layers import find, prunable
from training.loop import checkpoint
from training.loop.trainer import CHECKPOINT
from training.search.costs import read_costs

RATIOS = (0.25, 0.5, 0.75)


def costs_of(dense: Case, runs: Path, splits: Splits) -> Path:
    """The cost file of the dense network, written once."""
    folder = runs / dense.name
    path = folder / "costs.json"
    if not path.exists():
        model = network(dense, splits)
        model.load_state_dict(checkpoint.load(folder / CHECKPOINT)["model"])
        to_onnx(model, (torch.zeros(1, *splits.train.shape),), folder / "costs.onnx")
        found = bscc.costs(folder / "costs.onnx", bscc.Options(target=TARGET))
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return path


def aware(uniform: Case, runs: Path, splits: Splits) -> dict[str, Any]:
    """Time and accuracy of the same training with the ratios that the cost file gives for the same time."""
    folder = runs / f"{uniform.name}-time"
    done = folder / "deployed.json"
    if not done.exists():
        model = network(uniform, splits)
        model.load_state_dict(checkpoint.load(runs / uniform.dense.name / CHECKPOINT)["model"])
        costs = costs_of(uniform.dense, runs, splits)
        example = torch.zeros(1, *splits.train.shape)
        table = read_costs(costs, prunable(find(model, example)))
        share = table.total(dict.fromkeys(table.layers, uniform.ratio)) / table.total({})
        sparsifier = uniform.sparsifier()
        assert sparsifier is not None
        normalise = Normalise.measured(splits.train)
        job = Job(
            model, splits, normalise, sparsifier.settings, Goal(Kind.TIME, share, costs), uniform.recipe(), folder,
            say=lambda text: print(f"{folder.name}: {text}", file=sys.stderr, flush=True),
        )  # fmt: skip
        found = job.run()
        assert found.allocation is not None
        result = asdict(deploy(found.model, splits, normalise, folder / "deployed", TARGET))
        result["ratios"] = dict(found.allocation.ratios)
        done.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    read: dict[str, Any] = json.loads(done.read_text(encoding="utf-8"))
    return read


def line(name: str, found: dict[str, Any]) -> str:
    """A row of the table."""
    zero = found["zero_blocks"] / found["blocks"]
    return f"| {name} | {zero:.1%} | {100 * found['int8_accuracy']:.2f} | {found['time_us']:.2f} |"


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--data", required=True, metavar="NAME=SOURCE")
    parser.add_argument("--net", required=True)
    given = parser.parse_args()
    name, _, source = given.data.partition("=")
    splits = load(source, given.runs)
    dense = Case(given.net, name).dense
    lines = ["| ratios | zero blocks | int8 % | us |", "|---|---|---|---|"]
    lines.append(line("dense", deployed(dense, given.runs / dense.name, splits)))
    for ratio in RATIOS:
        uniform = Case(given.net, name, "incremental", ratio=ratio)
        lines.append(line(f"{ratio:g} of each layer", deployed(uniform, given.runs / uniform.name, splits)))
        lines.append(line("by predicted time", aware(uniform, given.runs, splits)))
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
