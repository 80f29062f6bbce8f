"""The options of `bscc-sparsify` and of the examples, and what they make of them."""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from compiler import VERSION
from compiler.cli import CommandParser
from compiler.cli.calibration import number, numbers, positive, sides
from compiler.cli.files import STREAM, check_apart, check_writable
from compiler.errors import Diagnostic, UsageError
from compiler.images import Preprocess
from training.blocks import Block
from training.choose import Budget, Scope
from training.data.sets import Splits
from training.data.sources import FORMS, load
from training.data.transforms import Normalise
from training.importance import MEASURES
from training.job import Goal, Kind
from training.layers import Rules
from training.loop.logs import no_tensorboard
from training.loop.recipe import Recipe
from training.schedule import RATES, LearningRate
from training.schemes import SCHEMES, scheme_named
from training.sparsifier import Settings

MOST_THREADS = 1024
"""More than any one process gains by; the system may refuse to start as many as are asked for."""
RUN = ".run"
"""What the folder with checkpoints and the log is called behind the output's name."""


def add_options(parser: CommandParser) -> None:
    """What `bscc-sparsify` and the examples have in common."""
    add = parser.add_argument
    add("-o", "--output-file", metavar="FILE", required=True, help="the sparse model, ONNX, float")
    add("--data", required=True, metavar="DATA", help=f"labelled images: {'; '.join(FORMS)}")
    goal = parser.add_mutually_exclusive_group()
    goal.add_argument("--ratio", type=number, metavar="SHARE", help="zero this share of blocks (0.5)")
    goal.add_argument("--blocks", type=number, metavar="SHARE", help="keep this share of all blocks, by sensitivity")
    goal.add_argument("--macs", type=number, metavar="SHARE", help="keep this share of multiplications, by sensitivity")
    goal.add_argument(
        "--time", type=number, metavar="SHARE", help="take this share of the dense model's predicted time"
    )
    add("--costs", metavar="FILE", help="predicted times, for --time: written by bscc MODEL --costs FILE")
    add("--scheme", choices=tuple(SCHEMES), default="incremental", help="how blocks become zero (incremental)")
    add("--measure", choices=tuple(MEASURES), help="what makes a block weak (l2)")
    add(
        "--block",
        type=Block.read,
        default=Block(),
        metavar="8x8xK",
        help="8x8xK: all kernel taps; 8x8: each tap (8x8xK)",
    )
    add("--scope", default="layer", metavar="layer|network|row|cores=N",
        help="within what the ratio holds; of each core's share of rows, cores are balanced (layer)")  # fmt: skip
    add("--include", action="append", default=[], metavar="LAYER", help="prune this layer, too; may be repeated")
    add("--exclude", action="append", default=[], metavar="LAYER", help="leave this layer dense; may be repeated")
    add("--epochs", type=positive, default=10, metavar="N", help="how long to train (10)")
    add("--batch", type=positive, default=128, metavar="N", help="images a step and process (128)")
    add("--lr", type=number, default=0.02, help="the largest learning rate (0.02)")
    add("--schedule", choices=tuple(RATES), default="cosine", help="how the learning rate falls (cosine)")
    add("--rewind", type=number, default=0.0, metavar="SHARE", help="begin the schedule at this share of it (0)")
    add("--warmup", type=int, default=50, metavar="STEPS", help="steps in which the learning rate grows (50)")
    add("--weight-decay", type=number, default=5e-4, help="of weights (5e-4)")
    add("--clip", type=number, default=0.0, metavar="NORM", help="make gradients no longer than this (0: they stay)")
    add("--no-norms", dest="norms", action="store_false", help="do not train a model without batch norms with some")
    add("--distill", type=number, default=0.0, metavar="SHARE", help="share of the loss taught by the dense model (0)")
    add("--no-flip", dest="flip", action="store_false", help="do not mirror images: for digits, letters, signs")
    add("--padding", type=int, default=4, metavar="N", help="pixels by which crops may move (4)")
    add("--precision", choices=("fp32", "bf16", "fp16"), default="fp32", help="of forward and backward pass (fp32)")
    add("--seed", type=int, default=0, help="of all draws (0)")
    add("--scale", type=number, default=1 / 255, metavar="FACTOR", help="(pixel * FACTOR - mean) / std (1/255)")
    add("--mean", type=numbers, default=(0.0,), metavar="R,G,B", help="one number or one for each channel (0)")
    add("--std", type=numbers, default=(1.0,), metavar="R,G,B", help="one number or one for each channel (1)")
    add("--size", type=sides, metavar="HxW", help="stretch the images of a folder to this size (the model's)")
    add(
        "--run",
        "--run-dir",  # torchrun takes the shorter one for its own --run-path
        metavar="DIR",
        help=f"checkpoints and log.csv; a stopped run goes on there (the output's name and {RUN})",
    )
    add("--checkpoint-every", type=positive, default=0, metavar="STEPS", help="(each epoch)")
    add("--tensorboard", action="store_true", help="TensorBoard events, too")
    add("--int8", metavar="FILE", help="an int8 QDQ model, too: trained on with rounding, zero blocks held at zero")
    add("--int8-epochs", type=positive, metavar="N", help="how long that is trained (2)")
    add("--int8-lr", type=number, help="its largest learning rate (0.002)")
    add("--threads", type=positive, metavar="N", help="threads of PyTorch (its own choice)")
    add("--json", action="store_true", help="print the report as JSON")
    add("-q", "--quiet", action="store_true", help="print nothing but errors")
    add("--version", action="version", version=f"bscc {VERSION}")


def settings_of(given: argparse.Namespace) -> Settings:
    """What the options say of zero blocks."""
    scope, _, cores = given.scope.partition("=")
    words = [one.value for one in Scope]
    if scope not in words or (scope == Scope.CORES.value) != bool(cores) or (cores and not cores.isdecimal()):
        text = f"--scope {given.scope} is not layer, network, row or cores=N"
        raise UsageError(Diagnostic("usage", text))
    ratio = 0.5 if given.ratio is None else given.ratio
    searched = goal_of(given).kind is not Kind.RATIO
    if given.measure and not searched and not scheme_named(given.scheme).ranks:
        text = f"--measure {given.measure} has no effect: scheme '{given.scheme}' does not rank blocks by a measure"
        raise UsageError(Diagnostic("usage", text, help="leave it out, or take another --scheme"))
    if searched and scope == Scope.NETWORK.value:
        text = "--scope network has no effect: the search gives each layer a ratio of its own"
        raise UsageError(Diagnostic("usage", text, help="leave it out, or give --ratio"))
    return Settings(
        given.scheme,
        Budget(ratio, Scope(scope), int(cores or 1)),
        given.block,
        given.measure or "l2",
        rules=Rules(include=tuple(given.include), exclude=tuple(given.exclude)),
        seed=given.seed,
    )


def goal_of(given: argparse.Namespace) -> Goal:
    """What is to be reached."""
    for kind in (Kind.BLOCKS, Kind.MACS, Kind.TIME):
        share = getattr(given, kind.value)
        if share is not None:
            return Goal(kind, share, Path(given.costs) if given.costs else None)
    if given.costs:
        raise UsageError(Diagnostic("usage", "--costs is given without --time", help="--time 0.6 asks for six tenths"))
    return Goal(Kind.RATIO, 0.5 if given.ratio is None else given.ratio)


def recipe_of(given: argparse.Namespace) -> Recipe:
    """How it is trained."""
    return Recipe(
        epochs=given.epochs,
        batch=given.batch,
        lr=given.lr,
        weight_decay=given.weight_decay,
        rate=LearningRate(given.schedule, given.warmup, given.rewind),
        clip=given.clip,
        distill=given.distill,
        padding=given.padding,
        flip=given.flip,
        precision=given.precision,
        seed=given.seed,
        checkpoint_every=given.checkpoint_every,
    )


def rounding_recipe_of(given: argparse.Namespace) -> Recipe:
    """How it is trained with rounding, in float32: rounding is what is to be felt."""
    epochs = 2 if given.int8_epochs is None else given.int8_epochs
    lr = 0.002 if given.int8_lr is None else given.int8_lr
    return replace(recipe_of(given), epochs=epochs, lr=lr, rate=LearningRate(), distill=0.0, precision="fp32")


def check(given: argparse.Namespace, read: Mapping[str, str | None]) -> None:
    """Refuse, before anything is read, what can be seen to go wrong by the options alone; sets PyTorch's threads.

    `read` are the files that the command reads, by what they are to the user.
    """
    outputs = {"-o": given.output_file, "--int8": given.int8}
    for option, path in outputs.items():
        if path == STREAM:
            raise UsageError(Diagnostic("usage", f"{option} - is no file: a model goes to a file", help="give a name"))
        if path is not None:
            check_apart(option, path, {**read, "what -o writes": given.output_file if option == "--int8" else None})
    for option in ("--int8-epochs", "--int8-lr"):
        if given.int8 is None and getattr(given, option[2:].replace("-", "_")) is not None:
            raise UsageError(
                Diagnostic("usage", f"{option} is given without --int8", help="--int8 FILE names the model")
            )
    if given.size and not Path(given.data).is_dir():
        text = f"--size is for folders of images, '{given.data}' is none"
        raise UsageError(Diagnostic("usage", text, help="bring the arrays to the model's size"))
    check_writable(path for path in outputs.values() if path is not None)
    if given.tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise no_tensorboard()
    # These raise what is wrong with a number; the second and third training begin long after the first.
    settings_of(given), recipe_of(given), rounding_recipe_of(given)
    if given.mean is not None:
        normalise_of(given)
    if given.threads:
        if given.threads > MOST_THREADS:
            raise UsageError(Diagnostic("usage", f"--threads {given.threads} is more than {MOST_THREADS}"))
        torch.set_num_threads(given.threads)


def images_of(given: argparse.Namespace, size: tuple[int, int] | None) -> Splits:
    """The images; those of a folder in the size that was asked for, or in the model's."""
    wanted = given.size or size
    folder = Path(given.data).is_dir()
    return load(given.data, preprocess=Preprocess(size=wanted) if wanted and folder else None)


def run_folder(given: argparse.Namespace) -> Path:
    """Where checkpoints go."""
    return Path(given.run) if given.run else Path(f"{given.output_file}{RUN}")


def normalise_of(given: argparse.Namespace) -> Normalise:
    """What makes numbers of pixels."""
    return Normalise(given.mean, given.std, given.scale)
