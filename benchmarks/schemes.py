"""Every scheme of block sparsity on two networks and two sets of images: dense, pruned, trained on; to be resumed.

    python -m benchmarks.schemes RUNS --data fashion=fashion-mnist --data cifar10=cifar10-jpeg:cifar10.tar.xz

trains what is not trained yet, in the order of the cases, one folder for each below RUNS; a run that was stopped goes
on at its last checkpoint.  `benchmarks.schemes_table` makes the table of docs/training.md of what is there.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from training.blocks import Block
from training.data.sets import Splits
from training.data.sources import load
from training.data.transforms import Normalise
from training.loop import checkpoint
from training.loop.recipe import Recipe
from training.loop.trainer import CHECKPOINT, Trainer
from training.nets import resnet8, vgg7
from training.schedule import LearningRate
from training.schemes import SCHEMES
from training.sparsifier import BlockSparsifier

NETS = {"resnet8": resnet8, "vgg7": vgg7}
MEASURES = ("l1", "variance", "random", "fisher", "taylor")
"""Measures of the predetermined scheme beside its own, l2."""

DENSE_EPOCHS, EPOCHS, LONG = 12, 3, 10


@dataclass(frozen=True)
class Case:
    """One training: what from, with which blocks zero, how long."""

    net: str
    data: str
    scheme: str = "dense"
    measure: str = "l2"
    block: str = "8x8xK"
    ratio: float = 0.0
    scope: str = "layer"
    seed: int = 0
    epochs: int = EPOCHS
    distill: float = 0.0

    @property
    def name(self) -> str:
        """The folder's name."""
        what = self.scheme if self.scheme in ("dense", "again") else f"{self.scheme}-{self.measure}-{self.block}"
        more = "" if self.scope == "layer" else f"-{self.scope}"
        more += f"-distill{self.distill:g}" if self.distill else ""
        return f"{self.net}-{self.data}-{what}-{round(100 * self.ratio)}{more}-e{self.epochs}-s{self.seed}"

    @property
    def dense(self) -> Case:
        """The training that it begins from."""
        return Case(self.net, self.data, epochs=DENSE_EPOCHS, seed=self.seed)

    def recipe(self) -> Recipe:
        """Dense from the start with a warm-up; what follows begins at half the rate."""
        first = self.scheme == "dense"
        return Recipe(
            epochs=self.epochs,
            lr=0.1 if first else 0.05,
            rate=LearningRate("cosine", 200 if first else 50),
            precision="bf16",
            seed=self.seed + (0 if first else 1000),
            flip=True,
            distill=self.distill,
            checkpoint_every=100,
        )

    def sparsifier(self) -> BlockSparsifier | None:
        """None for dense ones."""
        if self.scheme in ("dense", "again"):
            return None
        return BlockSparsifier(
            self.scheme,
            self.ratio,
            block=Block.read(self.block),
            measure=self.measure,
            scope=self.scope,
            seed=self.seed,
        )


def cases(net: str, data: str, seed: int) -> Iterator[Case]:
    """All of one network on one set of images, what matters most first."""
    yield Case(net, data, epochs=DENSE_EPOCHS, seed=seed)
    yield Case(net, data, "again", seed=seed)
    for scheme in (
        "predetermined",
        "incremental",
        *(one for one in SCHEMES if one not in ("predetermined", "incremental")),
    ):
        yield Case(net, data, scheme, ratio=0.5, seed=seed)
    yield Case(net, data, "incremental", ratio=0.5, seed=seed, epochs=LONG)
    for ratio in (0.25, 0.75):
        for scheme in ("incremental", "predetermined"):
            yield Case(net, data, scheme, ratio=ratio, seed=seed)
    for ratio in (0.5, 0.25, 0.75):
        yield Case(net, data, "incremental", block="1x1", ratio=ratio, seed=seed)
    yield Case(net, data, "again", seed=seed, epochs=LONG)
    for ratio in (0.25, 0.75):
        yield Case(net, data, "incremental", ratio=ratio, seed=seed, epochs=LONG)
    for measure in MEASURES:
        yield Case(net, data, "predetermined", measure, ratio=0.5, seed=seed)
    yield Case(net, data, "incremental", block="8x8", ratio=0.5, seed=seed)
    yield Case(net, data, "incremental", ratio=0.5, scope="row", seed=seed)
    yield Case(net, data, "incremental", ratio=0.5, scope="network", seed=seed)
    yield Case(net, data, "incremental", ratio=0.5, seed=seed, distill=0.5)


def network(case: Case, splits: Splits) -> nn.Module:
    """The case's network, seeded, with the weights that it begins from."""
    torch.manual_seed(case.seed)
    made: nn.Module = NETS[case.net](splits.train.shape[0], len(splits.train.classes))
    return made


def run(case: Case, runs: Path, splits: Splits, normalise: Normalise) -> None:
    """Train a case, or go on; its outcome appears when it is done."""
    folder = runs / case.name
    outcome = folder / "outcome.json"
    if outcome.exists():
        return
    model = network(case, splits)
    if case.scheme != "dense":
        start = runs / case.dense.name / CHECKPOINT
        if not start.exists() or not (start.parent / "outcome.json").exists():
            return
        model.load_state_dict(checkpoint.load(start)["model"])
    teacher = None
    if case.distill:
        teacher = network(case, splits)
        teacher.load_state_dict(model.state_dict())
    folder.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(
        model, splits, normalise, case.recipe(), folder, case.sparsifier(), teacher,
        say=lambda text: print(f"{case.name}: {text}", flush=True),
    )  # fmt: skip
    found = trainer.run()
    text = json.dumps({"case": asdict(case), "outcome": asdict(found)}, indent=1)
    beside = outcome.with_suffix(".part")
    beside.write_text(text + "\n", encoding="utf-8")
    beside.replace(outcome)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--data", action="append", required=True, metavar="NAME=SOURCE")
    parser.add_argument("--net", action="append", choices=tuple(NETS))
    parser.add_argument("--seed", type=int, action="append")
    parser.add_argument(
        "--part", default="1/1", metavar="I/N", help="every N-th case from the I-th: for several machines"
    )
    given = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    place, parts = map(int, given.part.split("/"))
    for seed in given.seed or [0]:
        for word in given.data:
            name, _, source = word.partition("=")
            splits = load(source, given.runs)
            normalise = Normalise.measured(splits.train)
            for net in given.net or NETS:
                for index, case in enumerate(cases(net, name, seed)):
                    if case.scheme == "dense" or index % parts == place - 1:
                        run(case, given.runs, splits, normalise)
    return 0


if __name__ == "__main__":
    sys.exit(main())
