"""`bscc-sparsify`: a dense model becomes a block-sparse one, by training with blocks of its weights at zero."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import onnx
import torch

from compiler import VERSION
from compiler.cli import CommandParser, guarded, say
from compiler.cli.calibration import number, numbers, positive, sides
from compiler.cli.files import check_apart, check_writable, write_files
from compiler.errors import Diagnostic, UsageError
from compiler.frontend import placed
from compiler.frontend.load import load_model
from compiler.images import Preprocess, Target, target_of
from compiler.plan import json_bytes
from training.blocks import Block
from training.choose import Budget, Scope
from training.data.sets import Splits
from training.data.sources import FORMS, load
from training.data.transforms import Normalise
from training.importance import MEASURES
from training.job import Goal, Job, Kind, Sparse
from training.layers import Rules
from training.onnx_reader import read_module, write_weights
from training.processes import processes
from training.recipe import Recipe
from training.schedule import RATES, LearningRate
from training.schemes import SCHEMES
from training.sparsifier import Settings

RUN = ".run"
"""What the folder with checkpoints and the log is called behind the output's name."""

Write = Callable[[Sparse], None]


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
    add("--measure", choices=tuple(MEASURES), default="l2", help="what makes a block weak (l2)")
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
        metavar="DIR",
        help=f"checkpoints and log.csv; a stopped run goes on there (the output's name and {RUN})",
    )
    add("--checkpoint-every", type=positive, default=0, metavar="STEPS", help="(each epoch)")
    add("--tensorboard", action="store_true", help="TensorBoard events, too")
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
    return Settings(
        given.scheme,
        Budget(ratio, Scope(scope), int(cores or 1)),
        given.block,
        given.measure,
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
        distill=given.distill,
        padding=given.padding,
        flip=given.flip,
        precision=given.precision,
        seed=given.seed,
        checkpoint_every=given.checkpoint_every,
    )


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


def sparsify(given: argparse.Namespace, model: torch.nn.Module, splits: Splits, normalise: Normalise, write: Write,
             names: Mapping[str, str] | None = None) -> int:  # fmt: skip
    """Do it, write the model, print the report; `names` are what a cost file calls the layers."""
    with processes() as where:
        talk = say if where.first and not given.quiet else lambda _: None
        job = Job(
            model,
            splits,
            normalise,
            settings_of(given),
            goal_of(given),
            recipe_of(given),
            run_folder(given),
            where,
            given.distill > 0,
            given.tensorboard,
            talk,
            names or {},
        )
        found = job.run()
        if not where.first:
            return 0
        write(found)
        report = {"data": splits.name, **found.json()}
        if given.json:
            sys.stdout.write(json_bytes(report).decode())
        elif not given.quiet:
            sys.stdout.write(report_lines(found, splits))
    return 0


def report_lines(found: Sparse, splits: Splits) -> str:
    """The report as a table."""
    width = max(len(one.name) for one in found.layers)
    lines = [f"{'layer':{width}}  {'MACs':>13}  zero blocks"]
    for one in found.layers:
        zero, blocks = found.zeros.get(one.name, (0, 0))
        what = f"dense: {one.reason}" if one.reason else f"{zero:,} of {blocks:,} ({zero / blocks:.1%})"
        lines.append(f"{one.name:{width}}  {one.macs:13,}  {what}")
    lines += [f"{name:12} {share:.1%} zero" for name, share in shares(found).items()]
    images = f"{len(splits.test):,} images of {splits.name}"
    lines.append(f"{'accuracy':12} {found.outcome.accuracy:.2%}, dense {found.dense_accuracy:.2%}, on {images}")
    lines.append(f"{'training':12} {found.outcome.epochs} epochs, {found.outcome.minutes:.1f} minutes")
    return "\n".join(lines) + "\n"


def shares(found: Sparse) -> dict[str, float]:
    """What "half is zero" may mean: of blocks to choose from, of their layers' weights, of all weights, of all MACs."""
    zero = {one.name: 0 for one in found.layers}
    for name, kept in found.masks.items():
        zero[name.removesuffix(".weight")] = int((~kept).sum())
    chosen = [one for one in found.layers if not one.reason]
    blocks = [sum(one[place] for one in found.zeros.values()) for place in (0, 1)]
    gone = sum(zero[one.name] for one in chosen)
    macs = sum(one.macs for one in found.layers)
    return {
        "blocks": blocks[0] / blocks[1],
        "their weights": gone / sum(one.weights for one in chosen),
        "all weights": gone / sum(one.weights for one in found.layers),
        "all MACs": sum(zero[one.name] * one.macs / one.weights for one in chosen) / macs if macs else 0.0,
    }


def command() -> CommandParser:
    """The command line."""
    parser = CommandParser(
        "bscc-sparsify",
        "Train a float ONNX CNN until blocks of its weights are zero and it is as good as it was.\n\n"
        "  bscc-sparsify model.onnx --ratio 0.5 --data images/ -o sparse.onnx\n\n"
        "exit codes: 0 ok, 1 internal error, 2 usage, 3 unreadable input, 4 unsupported model, 8 training failed",
    )
    parser.add_argument("model", help="the ONNX file, float")
    add_options(parser)
    return parser


def run(argv: Sequence[str] | None) -> int:
    """The command, without its guard."""
    given = command().parse(argv)
    check_apart("-o", given.output_file, {"the model itself": given.model, "the data": given.data})
    check_writable([given.output_file])
    if given.threads:
        torch.set_num_threads(given.threads)
    with placed(given.model):
        proto = load_model(Path(given.model))
        model = read_module(proto)
        target = image_target(proto)
    if target.channels_last:
        # Batches have their channels first.
        model.register_forward_pre_hook(lambda _, given: (given[0].permute(0, 2, 3, 1),))
    splits = images_of(given, (target.height, target.width))
    if splits.train.shape != (target.channels, target.height, target.width):
        found = "x".join(map(str, splits.train.shape))
        text = f"the images are {found}, the model takes {target.channels}x{target.height}x{target.width}"
        raise UsageError(Diagnostic("image-size", text, given.data, help="--size stretches the images of a folder"))

    def write(_: Sparse) -> None:
        data = write_weights(proto, model).SerializeToString(deterministic=True)
        write_files([(given.output_file, data)])

    return sparsify(given, model, splits, normalise_of(given), write, model.node_of)


def image_target(proto: onnx.ModelProto) -> Target:
    """What images the model's only input takes."""
    stored = {one.name for one in proto.graph.initializer}
    inputs = [one for one in proto.graph.input if one.name not in stored]
    if len(inputs) != 1:
        text = f"the model has {len(inputs)} inputs, training by labelled images needs 1"
        raise UsageError(Diagnostic("image-input", text, help="define such a model in PyTorch and use BlockSparsifier"))
    shape = tuple(one.dim_value for one in inputs[0].type.tensor_type.shape.dim)
    return target_of(shape, Preprocess())


def main(argv: Sequence[str] | None = None) -> int:
    """The command `bscc-sparsify`."""
    return guarded(lambda: run(argv))


if __name__ == "__main__":
    sys.exit(main())
