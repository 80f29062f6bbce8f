"""`bscc --costs FILE`: what each layer of a model takes at several densities of blocks; no plan is written."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from typing import Any

from compiler.cli import CommandParser
from compiler.cli.calibration import block_of, numbers, scheme_of
from compiler.cli.check import refuse_options
from compiler.cli.files import STREAM, check_apart, check_writable, write_text
from compiler.driver import DENSITIES, Options, costs
from compiler.errors import Diagnostic, UsageError
from compiler.plan import json_bytes
from compiler.pruning import Prune


def add_costs_options(parser: CommandParser) -> None:
    """Where the costs go, and at which densities."""
    add = parser.add_argument
    add(
        "--costs",
        metavar="FILE",
        help="write what each layer takes at several densities of blocks, to a file or to stdout for '-', and no plan",
    )
    add(
        "--costs-densities",
        type=numbers,
        metavar="1,3/4,...",
        help="shares of a layer's blocks that stay, from 1 down (1,7/8,...,1/8)",
    )


def check_costs(given: argparse.Namespace) -> None:
    """Refuse options that mean a plan, and a place that the command reads."""
    if given.costs is None:
        if given.costs_densities is not None:
            raise UsageError(Diagnostic("usage", "--costs-densities is given without --costs"))
        return
    alone = {
        "--check": given.check,
        "--explain-mapping": given.explain_mapping is not None,
        "-o": given.output_dir,
        "--mapping-out": given.mapping_out,
        "--json": given.json,
        "--prune": given.prune is not None,
        "--prune-per-layer": given.prune_per_layer,
    }
    refuse_options(alone, "{} is not for --costs, which writes the costs of layers and no plan")
    check_apart(
        "--costs", given.costs, {"the model itself": given.model, "the data of --calibration": given.calibration}
    )
    check_writable([given.costs])


def write_costs(given: argparse.Namespace, options: Options, progress: Callable[[str], None]) -> None:
    """Write the file and say the totals."""
    prune = Prune(0.0, scheme_of(given), block_of(given))
    try:
        found = costs(given.model, options, given.costs_densities or DENSITIES, prune, progress)
    finally:
        if not given.verbose:
            progress("")
    write_text(given.costs, json_bytes(found).decode())
    if not given.quiet and given.costs != STREAM:
        sys.stdout.write(table(found))


def table(found: Mapping[str, Any]) -> str:
    """The totals, and what of them is of layers that can be pruned."""
    count = sum(one["prunable"] for one in found["layers"])
    lines = [f"{count} of {len(found['layers'])} layers with weights can be pruned, on {found['target']}"]
    lines.append(f"{'density':>8}{'us':>12}{'of them':>12}{'the rest':>12}")
    for density, total, rest in zip(found["densities"], found["total_us"], found["fixed_us"], strict=True):
        lines.append(f"{density:8g}{total:12,.2f}{total - rest:12,.2f}{rest:12,.2f}")
    return "\n".join(lines) + "\n"
