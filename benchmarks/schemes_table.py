"""The table of `benchmarks.schemes`: accuracy of every run that is done, float and int8, and its predicted time.

    python -m benchmarks.schemes_table RUNS --data fashion=fashion-mnist --data cifar10=cifar10-jpeg:cifar10.tar.xz

Each network is exported, quantised and compiled once (`deployed.json` in its folder); Markdown goes to stdout.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import mean
from typing import Any

import torch

from benchmarks.schemes import Case, network
from training.data.sets import Splits
from training.data.sources import load
from training.data.transforms import Normalise
from training.examples.deploy import deploy
from training.loop import checkpoint
from training.loop.trainer import CHECKPOINT
from training.masks import squash

TARGET = "aie2-4x4"


def deployed(case: Case, folder: Path, splits: Splits) -> dict[str, Any]:
    """What `training.examples.deploy` says of a run, computed once."""
    path = folder / "deployed.json"
    if not path.exists():
        model = network(case, splits)
        sparsifier = case.sparsifier()
        if sparsifier is not None:
            example = torch.zeros(1, *splits.train.shape)
            steps = json.loads((folder / "outcome.json").read_text(encoding="utf-8"))["outcome"]["steps"]
            sparsifier.prepare(model, steps, example)
        state = checkpoint.load(folder / CHECKPOINT)
        model.load_state_dict(state["model"])
        if sparsifier is not None:
            sparsifier.load_state_dict(state["scheme"])
        found = deploy(squash(model), splits, Normalise.measured(splits.train), folder / "deployed", TARGET)
        path.write_text(json.dumps(asdict(found), indent=1) + "\n", encoding="utf-8")
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read


def runs_of(runs: Path) -> Iterator[tuple[Case, dict[str, Any], Path]]:
    """The runs that are done."""
    for path in sorted(runs.glob("*/outcome.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        yield Case(**found["case"]), found["outcome"], path.parent


def rows(runs: Path, sources: dict[str, Splits]) -> list[str]:
    """A line for each case, the seeds together."""
    groups: dict[Case, list[tuple[dict[str, Any], dict[str, Any]]]] = {}
    for case, outcome, folder in runs_of(runs):
        if case.data in sources:
            key = replace(case, seed=0)
            groups.setdefault(key, []).append((outcome, deployed(case, folder, sources[case.data])))
            print(f"{case.name} done", file=sys.stderr, flush=True)
    order = sorted(
        groups, key=lambda one: (one.data, one.net, one.ratio, one.block, one.epochs, one.scheme, one.measure)
    )
    return [_row(case, groups[case], groups.get(replace(case.dense, seed=0), [])) for case in order]


def _row(case: Case, found: Sequence[tuple[dict[str, Any], dict[str, Any]]],
         dense: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> str:  # fmt: skip
    float_accuracy = 100 * mean(one["float_accuracy"] for _, one in found)
    int8_accuracy = 100 * mean(one["int8_accuracy"] for _, one in found)
    loss = f"{int8_accuracy - 100 * mean(one['float_accuracy'] for _, one in dense):+.2f}" if dense else ""
    minutes = mean(outcome["minutes"] for outcome, _ in found)
    us = mean(one["time_us"] for _, one in found)
    block = case.block if case.ratio else ""
    return (
        f"| {case.net} | {case.data} | {label(case)} | {block} | {case.ratio:.0%} | {case.epochs} | {minutes:.0f} "
        f"| {len(found)} | {float_accuracy:.2f} | {int8_accuracy:.2f} | {loss} | {us:.1f} |"
    )


def label(case: Case) -> str:
    """The scheme as the table calls it."""
    words = {"dense": "dense", "again": "dense, trained on"}
    if case.scheme in words:
        return words[case.scheme]
    notes = [case.measure] * (case.scheme == "predetermined")
    notes += [f"per {case.scope}"] * (case.scope != "layer") + ["distilled"] * bool(case.distill)
    return case.scheme + f" ({', '.join(notes)})" * bool(notes)


HEAD = """
| network | data | scheme | block | zero | epochs | minutes | seeds | float % | int8 % | int8 - dense float | us |
|---|---|---|---|---|---|---|---|---|---|---|---|"""


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--data", action="append", required=True, metavar="NAME=SOURCE")
    given = parser.parse_args()
    pairs = [word.partition("=") for word in given.data]
    print("\n".join([HEAD.strip(), *rows(given.runs, {name: load(source, given.runs) for name, _, source in pairs})]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
