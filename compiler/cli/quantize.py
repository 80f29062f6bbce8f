"""`bscc-quantize`: a float ONNX model becomes an int8 one, and a report says what that costs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from compiler import VERSION
from compiler.cli import CommandParser, guarded
from compiler.cli.calibration import (
    add_data_options,
    add_image_options,
    add_prune_options,
    number,
    positive,
    preprocess_of,
    prune_of,
    pruning_text,
    samples_of,
)
from compiler.cli.compile import shapes_of
from compiler.cli.files import STREAM, check_apart, check_writable, write_files
from compiler.errors import Diagnostic, UsageError
from compiler.plan import json_bytes
from compiler.prepare import Preparation, quantise_file
from compiler.quantize import Settings
from compiler.quantize.accuracy import compare
from compiler.quantize.ranges import Method
from compiler.quantize.scales import Activations

EVALUATED = 1000
"""How many samples of `--evaluate` are compared if nobody says."""


def command() -> CommandParser:
    """The command line."""
    parser = CommandParser(
        "bscc-quantize",
        "Quantise a float ONNX CNN to int8, by calibration on samples.\n\n"
        "  bscc-quantize model.onnx --calibration images/ -o model.int8.onnx\n\n"
        "exit codes: 0 ok, 1 internal error, 2 usage, 3 unreadable input, 4 unsupported model",
    )
    add = parser.add_argument
    add("model", help="the ONNX file, float")
    add("-o", "--output-file", metavar="FILE", required=True, help="the int8 model, or '-' for stdout")
    add_data_options(parser)
    add_image_options(parser)
    add("--method", type=method_of, default=(Method.MINMAX, 99.99), metavar="minmax|entropy|percentile[=99.99]",
        help="how the range of an activation is chosen (minmax)")  # fmt: skip
    channel = parser.add_mutually_exclusive_group()
    channel.add_argument("--per-channel", dest="per_channel", action="store_true", default=True,
                         help="a scale for each output channel of weights (the default)")  # fmt: skip
    channel.add_argument("--per-tensor", dest="per_channel", action="store_false", help="one scale for a weight tensor")
    add(
        "--power-of-two",
        action="store_true",
        help="scales that are powers of two, by least squared error: exact on the array",
    )
    add("--activation", choices=("uint8", "int8"), default="uint8", help="the type of activations (uint8)")
    add("--exclude", action="append", default=[], metavar="NODE", help="leave this node float; may be repeated")
    add("--shape", action="append", default=[], metavar="NAME=1x3x224x224", help="bind a dynamic input's shape")
    add_prune_options(parser)
    add("--evaluate", metavar="DATA", help="samples to compare float and int8 on (those of the calibration)")
    add("--evaluate-samples", type=positive, metavar="N", help=f"at most so many ({EVALUATED})")
    add("--json", action="store_true", help="print the report as JSON")
    add("-q", "--quiet", action="store_true", help="print nothing but errors")
    add("-v", "--verbose", action="store_true", help="say each step on stderr")
    add("--version", action="version", version=f"bscc-quantize {VERSION}")
    return parser


def method_of(text: str) -> tuple[Method, float]:
    """`minmax`, `entropy`, `percentile` or `percentile=99.9`."""
    word, _, share = text.partition("=")
    if word not in [one.value for one in Method] or (share and word != Method.PERCENTILE.value):
        raise argparse.ArgumentTypeError(f"'{text}' is not minmax, entropy or percentile[=99.99]")
    percent = number(share) if share else 99.99
    if not 50.0 < percent <= 100.0:
        raise argparse.ArgumentTypeError(f"a percentile of {percent:g} is not above 50 and up to 100")
    return Method(word), percent


def report_lines(report: Mapping[str, Any]) -> str:
    """The report as a short table."""
    quantisation, accuracy, blocks = (report[key] for key in ("quantisation", "accuracy", "blocks"))
    rows = [
        ("calibration", f"{quantisation['samples']} samples of {quantisation['data']}"),
        ("activations", f"{quantisation['activations']}, ranges by {quantisation['method']}"),
        ("weights", quantisation["weights"]),
        ("scales", quantisation["scales"]),
    ]
    if "preprocessing" in quantisation:
        rows.insert(1, ("images", preprocessing_text(quantisation["preprocessing"])))
    rows.append(
        ("blocks", f"{blocks['zero_before']:,} of {blocks['all']:,} zero before, {blocks['zero_after']:,} after")
    )
    if "pruning" in report:
        rows.append(("pruned", pruning_text(report["pruning"])))
    if quantisation["left_float"]:
        rows.append(("left float", ", ".join(quantisation["left_float"])))
    for kind in ("float", "int8"):
        if kind in accuracy:
            rows.append((kind, f"top-1 {accuracy[kind]['top1']:.2%}, top-5 {accuracy[kind]['top5']:.2%}"))
    if "agree_top1" in accuracy:
        rows.append(
            (
                "agreement",
                f"{accuracy['agree_top1']:.2%} of top-1 on {accuracy['samples']} samples of {accuracy['data']}",
            )
        )
    if "note" in accuracy:
        rows.append(("labels", accuracy["note"]))
    for name, one in accuracy["sqnr_db"].items():
        rows.append(
            ("SQNR", f"{'equal' if one is None else f'{one:.1f} dB'} on '{name}', {accuracy['samples']} samples")
        )
    return "".join(f"{name:12} {text}\n" for name, text in rows)


def preprocessing_text(found: Mapping[str, Any]) -> str:
    """What happens to images, in order."""
    steps = [
        f"{name} {'x'.join(map(str, value)) if isinstance(value, list) else value}"
        for name in ("resize", "size", "crop")
        if (value := found[name])
    ]
    mean, std = (",".join(f"{one:g}" for one in found[key]) for key in ("mean", "std"))
    return ", ".join([*steps, f"(pixel * {found['scale']:.6g} - {mean}) / {std}", found["channels"], found["layout"]])


def _progress(given: argparse.Namespace) -> Callable[[str], None]:
    if given.verbose:
        return lambda step: print(f"bscc-quantize: {step}", file=sys.stderr)
    return lambda step: None


def run(argv: Sequence[str] | None) -> int:
    """Do what the command line says; errors are raised."""
    given = command().parse(argv)
    if given.calibration is None:
        help = "bscc itself takes a float model without any, for times only"
        raise UsageError(Diagnostic("usage", "what should be calibrated with? --calibration DATA says it", help=help))
    if given.evaluate_samples is not None and given.evaluate is None:
        help = "it says how many of those samples are compared"
        raise UsageError(Diagnostic("usage", "--evaluate-samples is given without --evaluate", help=help))
    if given.output_file == STREAM and given.json:
        raise UsageError(Diagnostic("usage", "--json and -o - both write to stdout"))
    read = {
        "the model itself": given.model,
        "the data of --calibration": given.calibration,
        "the data of --evaluate": given.evaluate,
    }
    check_apart("-o", given.output_file, read)
    check_writable([given.output_file])
    method, percentile = given.method
    activations = Activations(given.activation == "int8", given.power_of_two, method, percentile)
    settings = Settings(activations, given.per_channel, tuple(given.exclude))
    asked = Preparation(given.calibration, samples_of(given), preprocess_of(given), settings, prune_of(given))
    progress = _progress(given)
    shapes = shapes_of(given.shape)
    compared = None
    if given.evaluate:
        compared = replace(asked, calibration=given.evaluate, samples=given.evaluate_samples or EVALUATED)
    quantised, calibrated, samples = quantise_file(Path(given.model), shapes, asked, progress, compared)
    progress("compare")
    accuracy = compare(quantised.source, quantised.model, samples)
    found = {**calibrated.json(), **quantised.json()}
    report = {
        "blocks": found.pop("blocks"),
        "quantisation": found,
        "accuracy": {"data": samples.text, **accuracy.json()},
    }
    if quantised.pruned is not None:
        report["pruning"] = quantised.pruned.json()
    write_files([(given.output_file, quantised.model.SerializeToString(deterministic=True))])
    if given.json:
        sys.stdout.write(json_bytes(report).decode())
    elif not given.quiet and given.output_file != STREAM:
        sys.stdout.write(report_lines(report))
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command `bscc-quantize`."""
    return guarded(lambda: run(argv))


if __name__ == "__main__":
    sys.exit(main())
