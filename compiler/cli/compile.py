"""`bscc`: compile an ONNX model, int8 or float, into a plan for the array and, where it needs one, the host."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from compiler import VERSION
from compiler.cli import CommandParser, guarded
from compiler.cli.calibration import (
    add_data_options,
    add_prune_options,
    preprocess_of,
    prune_of,
    pruning_text,
    samples_of,
)
from compiler.cli.check import by_text, check, check_alone, counted, refuse_undone
from compiler.cli.costs import add_costs_options, check_costs, write_costs
from compiler.cli.files import STREAM, check_apart, check_writable, write_text
from compiler.driver import COST_MODELS, MAPPING, Host, Options, compile_model, explain_mapping
from compiler.errors import Diagnostic, UsageError
from compiler.mapping.search import Effort
from compiler.paper import paper_table
from compiler.pipeline import DEFAULT_PIPELINE
from compiler.plan import Plan, json_bytes
from compiler.prepare import Preparation
from passes.fold_quantization import Requantize
from runtime_sim.report import shortened

PAPER_PARTS = {
    "mac_us": "the kept MACs at full rate",
    "comp_excess_us": "its count of MACs beyond them",
    "not_hidden_us": "transfers not hidden",
}
SYNTHETIC_WARNING = (
    "the model is float and was quantised with synthetic samples: times are meant, accuracy is not; "
    "--calibration takes real ones"
)

_SIZE = re.compile(r"[0-9]{1,9}")


def command() -> CommandParser:
    """The command line."""
    parser = CommandParser(
        "bscc",
        "Compile an ONNX CNN for an AIE2 array, leaving out its zero 8x8 weight blocks.\n"
        "What the array does not do runs on the host, by onnxruntime.\n\n"
        "  bscc model.onnx -o plan/\n"
        "  bscc --check model.onnx\n\n"
        "exit codes: 0 ok, 1 internal error, 2 usage, 3 unreadable input, 4 unsupported model, "
        "5 does not fit, 6 numerical mismatch, 7 simulation fault",
    )
    add = parser.add_argument
    add("model", help="the ONNX file: int8 (QDQ or QLinear operators), or float, which is quantised")
    add(
        "-o",
        "--output-dir",
        metavar="PLAN",
        help="the directory to write; a plan there is replaced",
    )
    add(
        "--target",
        default="aie2-4x4",
        help="a .toml file, or one of aie2-2x2 ... aie2-8x8 (default aie2-4x4), npu1, ve2802-2x4, ve2802-2x8",
    )
    add(
        "--pass-pipeline",
        default=DEFAULT_PIPELINE,
        metavar="PASSES",
        help="passes to run, as bscc-opt takes them; --sparsity, --requantize, --search and --mapping go before it",
    )
    add(
        "--sparsity",
        choices=("auto", "off", "require"),
        default="auto",
        help="whether zero blocks are left out; require refuses a model without any",
    )
    add_data_options(parser)
    add_prune_options(parser)
    add(
        "--requantize",
        choices=[one.value for one in Requantize],
        help="how sums become int8: fast by 15-bit factors, now and then a step off; exact as onnxruntime does (fast)",
    )
    add("--search", choices=[one.value for one in Effort], help="how hard to look for mappings (fast)")
    add("--mapping", metavar="FILE", help="force the mappings of a file like a plan's mapping.json")
    add("--mapping-out", metavar="FILE", help="write the mappings to a file, or to stdout for '-'")
    add(
        "--cost-model",
        choices=COST_MODELS,
        default=COST_MODELS[0],
        help="paper: show the paper's own estimate beside the simulated time, with -v layer by layer; no prediction",
    )
    add(
        "--shape",
        action="append",
        default=[],
        metavar="NAME=1x3x224x224",
        help="bind a dynamic input's shape",
    )
    add("--batch", metavar="N", default=0, type=count_of, help="report the time of N images, run one after the other")
    add(
        "--output",
        action="append",
        default=[],
        metavar="TENSOR",
        help="compile up to this tensor; may be repeated",
    )
    add("--no-host", action="store_true", help="refuse a model of which anything would run on the host")
    add("--check", action="store_true", help="list problems and host nodes of the model, and compile nothing")
    add("--explain-mapping", metavar="LAYER", help="say why a layer gets its mapping, and compile nothing")
    add_costs_options(parser)
    add("--verify-each", action="store_true", help="compare all values before and after every pass")
    add("--dump-ir", type=Path, metavar="DIR", help="write the module after every pass")
    add("--no-compare-dense", action="store_true", help="do not compile the dense twin for the speed-up")
    add("--json", action="store_true", help="print the summary as JSON instead of a table")
    add("-q", "--quiet", action="store_true", help="print nothing but errors")
    add("-v", "--verbose", action="store_true", help="say each step on stderr, and of each layer what binds it")
    add("--version", action="version", version=f"bscc {VERSION}")
    return parser


def shape_of(text: str) -> tuple[str, tuple[int, ...]]:
    """`name=1x3x224x224` as a name and a shape."""
    name, _, sizes = text.rpartition("=")
    shape = tuple(int(size) if _SIZE.fullmatch(size) else 0 for size in sizes.split("x"))
    if not name or min(shape) < 1:
        raise UsageError(Diagnostic("usage", f"--shape {text} is not NAME=1x3x224x224"))
    return name, shape


def shapes_of(texts: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """The shapes that `--shape` gives, one for an input."""
    found: dict[str, tuple[int, ...]] = {}
    for text in texts:
        name, shape = shape_of(text)
        if found.setdefault(name, shape) != shape:
            both = ", ".join("x".join(map(str, one)) for one in (found[name], shape))
            raise UsageError(Diagnostic("usage", f"--shape gives input '{name}' two shapes: {both}"))
    return found


def count_of(text: str) -> int:
    """A number of images, 1 or more."""
    if not _SIZE.fullmatch(text) or int(text) < 1:
        raise UsageError(Diagnostic("usage", f"--batch {text} is not a number of images"))
    return int(text)


def _progress(options: argparse.Namespace) -> Callable[[str], None]:
    """Steps as lines with -v, as one changing line on a terminal, else nothing."""
    if options.verbose:
        return lambda step: print(f"bscc: {step}", file=sys.stderr)
    if options.quiet or not sys.stderr.isatty():
        return lambda step: None

    def show(step: str) -> None:
        sys.stderr.write(f"\r\x1b[Kbscc: {step}" if step else "\r\x1b[K")
        sys.stderr.flush()

    return show


def table(summary: Mapping[str, Any]) -> str:
    """The short table that ends a compilation."""
    kept = summary["macs_kept"] / max(1, summary["macs"])
    packed, weights = summary["packed_bytes"], summary["weight_bytes"]
    bounds = summary["bounds"]
    rows = [
        ("layers", f"{len(summary['layers'])}"),
        ("MACs", f"{summary['macs']:,} dense, {summary['macs_kept']:,} kept ({kept:.0%})"),
        ("weights", f"{weights:,} bytes dense, {packed:,} packed with index and scales"),
        ("imbalance", f"{summary['imbalance']:.2f}: kept work of a layer's busiest core over the mean of all cores"),
    ]
    for name, one in summary["memory"].items():
        share = one["gap"] / one["size"] if one["size"] else 0.0
        rows.append((name, f"{one['size']:,} bytes, lower bound {one['bound']:,}, gap {share:.1%}"))
    ratio = summary["time_us"] / bounds["layer_us"] if bounds["layer_us"] else 0.0
    rows.append(("time", f"{summary['time_us']:,.1f} us simulated, {ratio:.2f} times the layer bound"))
    if summary["batch"] > 1:
        images, total = summary["batch"], summary["batch"] * summary["time_us"]
        rows.append(("batch", f"{images} images one after the other: {images} times that, {total:,.1f} us"))
    named = ", ".join(f"{name} {bounds[f'{name}_us']:,.1f}" for name in ("compute", "ddr", "layer", "network"))
    rows.append(("bounds", f"{named} us"))
    host = summary["host"]
    if host["nodes"]:
        share = host["array_macs_share"]
        macs = f"; {share:.1%} of the model's MACs on the array" if share is not None else ""
        rows.append(("host", f"{counted(host)}{macs}"))
    if "speed_up" in summary:
        rows.append(("dense", f"{summary['dense_us']:,.1f} us: {summary['speed_up']:.2f} times as long"))
    if "paper" in summary:
        one = summary["paper"]
        rows.append(("paper", f"{one['total_us']:,.1f} us: {one['label']}"))
        parts = ", ".join(f"{one[key]:,.1f} us {text}" for key, text in PAPER_PARTS.items())
        rows.append(("", f"  = {parts}"))
    if "quantisation" in summary:
        found = summary["quantisation"]
        text = f"{found['activations']} activations, {found['method']} over {found['samples']} samples"
        rows.append(("quantised", f"{text} ({found['data']})"))
    if "pruning" in summary:
        rows.append(("pruned", pruning_text(summary["pruning"])))
    lines = [f"{name:12} {text}" for name, text in (("target", summary["target"]), *rows)]
    return (
        "\n".join(
            [
                *lines,
                *(f"host: {line}" for line in by_text(summary["host"]["reasons"], "reason")),
                *(f"note: {note}" for note in summary["notes"]),
            ]
        )
        + "\n"
    )


def layer_lines(summary: Mapping[str, Any]) -> str:
    """A line for each layer: its time, its bounds, and what binds it."""
    names = [shortened(one["name"]) for one in summary["layers"]]
    wide = max([len("layer"), *map(len, names)])
    lines = [f"{'layer':{wide}}{'us':>12}{'compute us':>12}{'DDR us':>12}  binds"]
    for name, one in zip(names, summary["layers"], strict=True):
        numbers = "".join(f"{one[key]:12.2f}" for key in ("us", "compute_us", "ddr_us"))
        lines.append(f"{name:{wide}}{numbers}  {one['binds']}")
    return "\n".join(lines) + "\n"


def _check_explained(given: argparse.Namespace) -> None:
    """Refuse what would stay undone because nothing is compiled."""
    refuse_undone("--explain-mapping", given, {"--json": given.json})


def _check_apart(given: argparse.Namespace) -> None:
    """Refuse a place for the mappings where they would spoil the plan, the model or what goes to stdout."""
    if given.mapping_out == STREAM:
        if given.json:
            raise UsageError(Diagnostic("usage", "--json and --mapping-out both write to stdout"))
        return
    read = {"the model itself": given.model, "the data of --calibration": given.calibration}
    check_apart("--mapping-out", given.mapping_out, read, given.output_dir)


def _mapping_of(plan: Plan) -> str:
    """The mappings of a plan that has one part for the array."""
    (found,) = (data for name, data in plan.files.items() if name.rpartition("/")[2] == MAPPING)
    return found.decode()


def run(argv: Sequence[str] | None) -> int:
    """Do what the command line says; errors are raised."""
    given = command().parse(argv)
    _check_work(given)
    options = _options_of(given)
    if given.check:
        return check(given.model, options, json=given.json, quiet=given.quiet)
    if given.costs is not None:
        write_costs(given, options, _progress(given))
        return 0
    if given.dump_ir is not None:
        check_apart("--dump-ir", str(given.dump_ir), {}, given.output_dir)
    if given.mapping_out:
        _check_apart(given)
        check_writable([given.mapping_out])
    progress, single = _progress(given), ["--mapping-out"] if given.mapping_out else []
    try:
        if given.explain_mapping is not None:
            text = explain_mapping(given.model, given.explain_mapping, options, progress)
        else:
            plan, summary = compile_model(given.model, given.output_dir, options, progress, single)
    finally:
        if not given.verbose:
            progress("")
    if given.explain_mapping is not None:
        sys.stdout.write(text)
        return 0
    if given.mapping_out:
        write_text(given.mapping_out, _mapping_of(plan))
    if not given.quiet and summary.get("quantisation", {}).get("synthetic"):
        print(f"bscc: warning: {SYNTHETIC_WARNING}", file=sys.stderr)
    if given.json:
        sys.stdout.write(json_bytes(summary).decode())
    elif not given.quiet and given.mapping_out != STREAM:
        if given.verbose:
            sys.stdout.write(layer_lines(summary))
            if "paper" in summary:
                sys.stdout.write("\n" + paper_table(summary["paper"]) + "\n")
        sys.stdout.write(table(summary))
    return 0


def _check_work(given: argparse.Namespace) -> None:
    """Refuse options that do not go with what is to be done: a check, an explanation, costs or a plan."""
    check_costs(given)
    if given.costs is not None:
        return
    if given.check:
        check_alone(given)
    elif given.explain_mapping is not None:
        _check_explained(given)
    elif given.output_dir is None:
        raise UsageError(Diagnostic("usage", "where should the plan go? -o PLAN says it"))
    elif given.output_dir == STREAM:
        raise UsageError(Diagnostic("usage", "-o - means stdout, a plan is a directory", help="-o ./- is one"))


def _options_of(given: argparse.Namespace) -> Options:
    """What is asked of a compilation."""
    prune = prune_of(given) if given.costs is None else None
    return Options(
        target=given.target,
        pipeline=given.pass_pipeline,
        sparsity=given.sparsity,
        shapes=shapes_of(given.shape),
        outputs=tuple(given.output),
        verify_each=given.verify_each,
        dump_ir=given.dump_ir,
        compare_dense=not given.no_compare_dense,
        cost_model=given.cost_model,
        requantize=given.requantize or "",
        search=given.search or "",
        mapping=given.mapping or "",
        preparation=Preparation(given.calibration or "", samples_of(given), preprocess_of(given), prune=prune),
        host=Host.OFF if given.no_host else Host.AUTO,
        batch=given.batch,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """The command `bscc`."""
    return guarded(lambda: run(argv))


if __name__ == "__main__":
    sys.exit(main())
