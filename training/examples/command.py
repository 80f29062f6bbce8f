"""What the examples' commands do: train a network dense if no checkpoint of it is given, sparsify it, export it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from compiler.cli import CommandParser, guarded, say
from compiler.cli.calibration import number, positive
from compiler.cli.sparsify import sparsify
from compiler.cli.sparsify_options import add_options, check, images_of, normalise_of, run_folder
from training.data.sets import Splits
from training.data.transforms import Normalise
from training.export import model_bytes
from training.loop import checkpoint
from training.loop.processes import processes
from training.loop.recipe import Recipe
from training.loop.trainer import Trainer
from training.schedule import LearningRate

Make = Callable[[int, int], nn.Module]
"""From channels and classes to a network."""


def main(make: Make) -> int:
    """The command of one network."""
    return guarded(lambda: _run(make))


def _run(make: Make) -> int:
    parser = CommandParser(
        f"python -m training.examples.{make.__name__}",
        f"{make.__doc__}\n\nTrained dense, then with blocks of its weights at zero; written as ONNX.",
    )
    add_options(parser)
    add = parser.add_argument
    add("--dense", metavar="FILE", help="a checkpoint of the dense network (none: it is trained first)")
    add("--dense-epochs", type=positive, default=12, metavar="N", help="how long it is trained dense (12)")
    add("--dense-lr", type=number, default=0.1, help="the largest learning rate of that (0.1)")
    parser.set_defaults(mean=None)
    given = parser.parse(None)
    check(given, {"the data": given.data, "the dense checkpoint": given.dense, "the cost file": given.costs})
    splits = images_of(given, None)
    normalise = normalise_of(given) if given.mean else Normalise.measured(splits.train)
    torch.manual_seed(given.seed)
    model = make(splits.train.shape[0], len(splits.train.classes))
    if given.dense:
        checkpoint.load_weights(model, Path(given.dense))
    else:
        recipe = Recipe(
            epochs=given.dense_epochs,
            batch=given.batch,
            lr=given.dense_lr,
            rate=LearningRate(warmup=200),
            flip=given.flip,
            padding=given.padding,
            precision=given.precision,
            seed=given.seed,
            checkpoint_every=given.checkpoint_every,
        )
        _train_dense(model, splits, normalise, recipe, run_folder(given) / "dense", quiet=given.quiet)
    example = torch.zeros(1, *splits.train.shape)
    return sparsify(given, model, splits, normalise, lambda found: model_bytes(found.model.cpu(), (example,)))


def _train_dense(
    model: nn.Module, splits: Splits, normalise: Normalise, recipe: Recipe, folder: Path, *, quiet: bool
) -> None:
    with processes() as where:
        talk = say if where.first and not quiet else lambda _: None
        talk("training dense")
        Trainer(model, splits, normalise, recipe, folder, where=where, say=talk).run()
