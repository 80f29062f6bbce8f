"""`bscc-sparsify`: a dense model becomes a block-sparse one, by training with blocks of its weights at zero."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
import torch

from compiler.blocks import BLOCK
from compiler.cli import CommandParser, guarded, say
from compiler.cli.compile import shapes_of
from compiler.cli.files import write_files
from compiler.cli.sparsify_options import (
    add_options,
    check,
    goal_of,
    images_of,
    normalise_of,
    recipe_of,
    rounding_recipe_of,
    run_folder,
    settings_of,
)
from compiler.errors import Diagnostic, UsageError
from compiler.frontend import placed
from compiler.frontend.load import load_model
from compiler.images import Preprocess, Target, channels_last, target_of
from compiler.plan import json_bytes
from training.data.sets import Splits
from training.data.transforms import Normalise
from training.export import qdq_bytes
from training.job import Job, Sparse
from training.layer_weights import layers_of_model, layers_of_onnx
from training.loop.outputs import give_probabilities
from training.loop.processes import processes
from training.onnx_reader import OnnxModule, read_module, write_weights
from training.talk import hush_libraries
from training.zeros import count_zeros

if TYPE_CHECKING:
    from training.int8.rounding import Rounded

Write = Callable[[Sparse], bytes]
"""From what came of it to the bytes of the float model."""


def sparsify(given: argparse.Namespace, model: torch.nn.Module, splits: Splits, normalise: Normalise, write: Write,
             names: Mapping[str, str] | None = None, softmax: bool = False) -> int:  # fmt: skip
    """Do it, write the model, print the report; `names` are what a cost file calls the layers.

    `softmax` says that the model ends with a LogSoftmax in place of its Softmax.
    """
    with processes() as where:
        talk = say if where.first and not given.quiet else lambda _: None
        block = given.block
        if block.rows % BLOCK or block.columns % BLOCK:
            talk(f"note: the array skips {BLOCK}x{BLOCK} blocks: zero blocks of {block} need not save any time")
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
            given.norms,
        )
        found = job.run()
        rounded = None
        if given.int8:
            from training.int8.rounding import train_rounded  # torchao, which it needs, takes a second to import

            talk("training with rounding, for int8")
            rounded = train_rounded(
                found.model,
                found.masks,
                splits,
                normalise,
                rounding_recipe_of(given),
                run_folder(given) / "int8",
                where,
                talk,
                give_probabilities if softmax else lambda _: None,
            )
        if not where.first:
            return 0
        files = [(given.output_file, write(found))]
        report = {"data": splits.name, **found.json()}
        if rounded is not None:
            example = torch.zeros(1, *splits.train.shape)
            data = qdq_bytes(rounded.model, (example,))
            files.append((given.int8, data))
            report["accuracy"]["int8"] = rounded.accuracy
            zeros = count_zeros(layers_of_onnx(data, layers_of_model(found.model, example)), found.masks, given.int8)
            report["int8"] = {"zero_blocks": sum(one.zero for one in zeros.layers), "epochs": rounded.outcome.epochs}
        write_files(files)
        if given.json:
            sys.stdout.write(json_bytes(report).decode())
        elif not given.quiet:
            sys.stdout.write(report_lines(found, splits, rounded))
    return 0


def report_lines(found: Sparse, splits: Splits, rounded: Rounded | None = None) -> str:
    """The report as a table."""
    width = max(len(one.name) for one in found.layers)
    lines = [f"{'layer':{width}}  {'MACs':>13}  zero blocks"]
    for one in found.layers:
        zero, blocks = found.zeros.get(one.name, (0, 0))
        what = f"dense: {one.reason}" if one.reason else f"{zero:,} of {blocks:,} ({zero / blocks:.1%})"
        lines.append(f"{one.name:{width}}  {one.macs:13,}  {what}")
    lines += [f"{'zero':12} {text}" for text in shares_text(found)]
    images = f"{len(splits.test):,} images of {splits.name}"
    lines.append(f"{'accuracy':12} {found.outcome.accuracy:.2%}, dense {found.dense_accuracy:.2%}, on {images}")
    if rounded is not None:
        lines.append(f"{'int8':12} {rounded.accuracy:.2%}, its zero blocks are those of the float model or more")
    lines.append(f"{'training':12} {found.outcome.epochs} epochs, {found.outcome.minutes:.1f} minutes")
    return "\n".join(lines) + "\n"


def shares_text(found: Sparse) -> list[str]:
    """What "half is zero" may mean, four ways; only zeros in whole 8x8 blocks count, as only these save work."""
    zeros = found.count
    macs = "" if zeros.of_macs is None else f", {zeros.of_macs:.1%} of all MACs"
    return [
        f"{zeros.of_blocks:.1%} of the 8x8 blocks of pruned layers, {zeros.of_eligible_weights:.1%} of their weights,",
        f"{zeros.of_weights:.1%} of all weights{macs}",
    ]


def command() -> CommandParser:
    """The command line."""
    parser = CommandParser(
        "bscc-sparsify",
        "Train a float ONNX CNN until blocks of its weights are zero and it is as good as it was.\n\n"
        "  bscc-sparsify model.onnx --ratio 0.5 --data images/ -o sparse.onnx\n\n"
        "exit codes: 0 ok, 1 internal error, 2 usage, 3 unreadable input, 4 unsupported model, 8 training failed,\n"
        "  130 interrupted: the same command goes on at the last checkpoint",
    )
    parser.add_argument("model", help="the ONNX file, float")
    add_options(parser)
    return parser


def run(argv: Sequence[str] | None) -> int:
    """The command, without its guard."""
    parser = command()
    parser.add_argument("--shape", action="append", default=[], metavar="NAME=1x3x224x224", help="of an open input")
    given = parser.parse(argv)
    check(given, {"the model itself": given.model, "the data": given.data, "the cost file": given.costs})
    shapes = shapes_of(given.shape)
    with placed(given.model):
        proto = load_model(Path(given.model))
        model = read_module(proto, shapes)
        target = image_target(proto, shapes)
    given.include, given.exclude = (paths_of(model, names) for names in (given.include, given.exclude))
    softmax = model.give_logits()
    if target.channels_last:
        if given.int8:
            text = "the model has its channels last: training with rounding is for models that have them first"
            raise UsageError(
                Diagnostic("int8-layout", text, given.model, help="bscc-quantize quantises the sparse model")
            )
        # Batches have their channels first.
        model.register_forward_pre_hook(lambda _, given: (given[0].permute(0, 2, 3, 1),))
    splits = images_of(given, (target.height, target.width))
    if splits.train.shape != (target.channels, target.height, target.width):
        found = "x".join(map(str, splits.train.shape))
        text = f"the images are {found}, the model takes {target.channels}x{target.height}x{target.width}"
        raise UsageError(Diagnostic("image-size", text, given.data, help="--size stretches the images of a folder"))

    def write(_: Sparse) -> bytes:
        data: bytes = write_weights(proto, model).SerializeToString(deterministic=True)
        return data

    return sparsify(given, model, splits, normalise_of(given), write, model.node_of, softmax)


def paths_of(model: OnnxModule, names: Sequence[str]) -> list[str]:
    """Layers that are named by their nodes, as reports of the compiler name them, by their modules' names."""
    modules = {node: module for module, node in model.node_of.items()}
    return [modules.get(name, name) for name in names]


def image_target(proto: onnx.ModelProto, shapes: Mapping[str, Sequence[int]]) -> Target:
    """What images the model's only input takes; `shapes` are those of inputs that the file leaves open."""
    stored = {one.name for one in proto.graph.initializer}
    inputs = [one for one in proto.graph.input if one.name not in stored]
    if len(inputs) != 1:
        text = f"the model has {len(inputs)} inputs, training by labelled images needs 1"
        raise UsageError(Diagnostic("image-input", text, help="define such a model in PyTorch and use BlockSparsifier"))
    shape = tuple(one.dim_value for one in inputs[0].type.tensor_type.shape.dim)
    shape = tuple(shapes.get(inputs[0].name, shape))
    last = len(shape) == 4 and channels_last(shape)
    if len(shape) != 4 or shape[3 if last else 1] not in (1, 3):
        text = f"the model's input is {'x'.join(map(str, shape))}, images are Nx1xHxW, Nx3xHxW, or have channels last"
        raise UsageError(Diagnostic("image-input", text, help="define such a model in PyTorch and use BlockSparsifier"))
    return target_of(shape, Preprocess())


def main(argv: Sequence[str] | None = None) -> int:
    """The command `bscc-sparsify`."""
    hush_libraries()
    return guarded(lambda: run(argv))


if __name__ == "__main__":
    sys.exit(main())
