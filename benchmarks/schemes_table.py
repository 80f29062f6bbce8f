"""The table of `benchmarks.schemes`: accuracy of every run that is done, float and int8, and its predicted time.

    python -m benchmarks.schemes_table RUNS --data fashion=fashion-mnist --data cifar10=cifar10-jpeg:cifar10.tar.xz

Each network is exported, quantised and compiled once (`deployed.json` in its folder).  What was found goes into the
records, `benchmarks/schemes.csv`, a line for each run, which those of other days and machines share; the table of all
of them goes to stdout as Markdown.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
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
RECORDS = Path(__file__).with_name("schemes.csv")


@dataclass(frozen=True)
class Record:
    """What a run came to: `training.examples.deploy.Deployed`, and the minutes of its training."""

    minutes: float
    float_accuracy: float
    int8_accuracy: float
    time_us: float
    blocks: int
    zero_blocks: int
    agree: int


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


def read_records(path: Path) -> dict[Case, Record]:
    """The runs in a file of records; none if there is no file."""
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return dict(_parsed(line) for line in csv.DictReader(file))


def _parsed(line: dict[str, str]) -> tuple[Case, Record]:
    kinds = {"str": str, "int": int, "float": float}
    case, record = (
        kind(**{one.name: kinds[str(one.type)](line[one.name]) for one in fields(kind)}) for kind in (Case, Record)
    )
    assert isinstance(case, Case) and isinstance(record, Record)
    return case, record


def write_records(path: Path, records: dict[Case, Record]) -> None:
    """The file of records, sorted."""
    names = [one.name for kind in (Case, Record) for one in fields(kind)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        for case in sorted(records, key=_order):
            writer.writerow(asdict(case) | asdict(records[case]))


def measured(runs: Path, sources: dict[str, Splits]) -> Iterator[tuple[Case, Record]]:
    """What the runs that are done came to."""
    for case, outcome, folder in runs_of(runs):
        if case.data in sources:
            found = deployed(case, folder, sources[case.data])
            numbers = {one.name: found[one.name] for one in fields(Record) if one.name in found}
            yield case, Record(minutes=round(outcome["minutes"], 1), **numbers)
            print(f"{case.name} done", file=sys.stderr, flush=True)


def rows(records: dict[Case, Record]) -> list[str]:
    """A line for each case, the seeds together."""
    groups: dict[Case, list[Record]] = {}
    for case in sorted(records, key=_order):
        groups.setdefault(replace(case, seed=0), []).append(records[case])
    return [_row(case, found, groups.get(case.dense, [])) for case, found in groups.items()]


def _order(case: Case) -> tuple[Any, ...]:
    return (
        case.data, case.net, case.ratio, case.block, case.epochs, case.scheme, case.measure, case.scope, case.distill,
        case.seed,
    )  # fmt: skip


def _row(case: Case, found: Sequence[Record], dense: Sequence[Record]) -> str:
    float_accuracy = 100 * mean(one.float_accuracy for one in found)
    int8_accuracy = 100 * mean(one.int8_accuracy for one in found)
    loss = f"{int8_accuracy - 100 * mean(one.float_accuracy for one in dense):+.2f}" if dense else ""
    minutes, us = (mean(getattr(one, name) for one in found) for name in ("minutes", "time_us"))
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
    parser.add_argument("--records", type=Path, default=RECORDS, metavar="FILE", help="(benchmarks/schemes.csv)")
    given = parser.parse_args()
    pairs = [word.partition("=") for word in given.data]
    sources = {name: load(source, given.runs) for name, _, source in pairs}
    records = read_records(given.records) | dict(measured(given.runs, sources))
    write_records(given.records, records)
    print("\n".join([HEAD.strip(), *rows(records)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
