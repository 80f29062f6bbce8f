"""The paper's estimator as bscc has it, against what the paper's compiler printed and what the paper published.

    python benchmarks/paper_account.py LAYERS.csv

LAYERS.csv has a line for each layer and run of the logs (paolodalberto/BlockSparsityyTraning, BlockSparse/Experiments):
network, array, weights (dense or sparse), layer, type, W_cout_h_w_cin, I_b_h_w_c, O_b_h_w_c, span_us, LOAD, LOADW,
LOADWM, LOADFM, COMP, WRITEFM, WRITE in microseconds.  Nothing of it goes into the estimates.  Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.paper_networks import NETWORKS
from compiler.paper import LABEL, TERMS, Estimate, estimate
from compiler.target import Target

DENSITY = {"dense": 1.0, "sparse": 0.5}

PUBLISHED: dict[str, tuple[tuple[float | None, float | None], ...]] = {
    "ResNet50": (
        (24.92347, 15.82626),
        (12.69543, 8.661490),
        (10.77318, 7.064918),
        (None, 4.303485),
        (5.712521, 4.490127),
        (4.205991, 3.212234),
        (6.376768, 4.602027),
    ),
    "InceptionV3": (
        (42.83837, 24.40544),
        (23.86600, 14.22390),
        (17.40967, 10.12540),
        (9.690552, None),
        (10.63962, 6.439692),
        (8.727651, None),
        (9.093276, 5.666152),
    ),
    "VGG16": (
        (44.76212, 26.08593),
        (None, 10.02015),
        (13.71000, 8.852128),
        (None, 4.336479),
        (None, 5.770197),
        (7.455440, 5.288551),
        (9.203393, 6.502333),
    ),
}
"""Milliseconds of the paper's table of execution times: arrays from 2x2 to 8x8, dense and sparse; None is failed."""

Row = dict[str, str]
Key = tuple[str, int, str]
COLUMNS = ("network", "array", "weights", "layer", "span_us", *(one.upper() for one in TERMS))


def read(path: Path) -> dict[Key, list[Row]]:
    """The lines of each run, in order of their layers."""
    runs: dict[Key, list[Row]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise SystemExit(f"{path}: no column {', '.join(missing)}")
        for row in reader:
            key = row["network"], int(row["array"].partition("x")[0]), row["weights"]
            runs.setdefault(key, []).append(row)
    for rows in runs.values():
        rows.sort(key=lambda row: int(row["layer"]))
    return runs


def account(network: str, size: int, weights: str) -> list[Estimate]:
    """The estimate of a network on an array of the paper."""
    return estimate(NETWORKS[network](DENSITY[weights]), Target.load(f"aie2-{size}x{size}"))


def same_volume(one: Estimate, row: Row) -> bool:
    """Whether the printed sub-volumes are those of the estimate."""
    volume = one.volume
    found = [
        f"1x{volume.in_rows}x{volume.in_width}x{volume.in_channels}",
        f"1x{volume.out_rows}x{volume.out_width}x{volume.out_channels}",
    ]
    printed = [row["I_b_h_w_c"], row["O_b_h_w_c"]]
    if volume.weights is not None:
        cout, _, _, cin = row["W_cout_h_w_cin"].split("x")
        found.append(f"{volume.weights.out_channels}x{volume.weights.in_channels}")
        printed.append(f"{cout}x{cin}")
    return found == printed


def layer_table(runs: dict[Key, list[Row]]) -> list[str]:
    """Relative errors of each kind of event, over all layers where it was printed."""
    errors: dict[str, list[float]] = {one: [] for one in (*TERMS, "total")}
    extra: dict[str, int] = dict.fromkeys(errors, 0)
    volumes = layers = 0
    for (network, size, weights), rows in runs.items():
        found = account(network, size, weights)
        if len(found) != len(rows):
            raise SystemExit(f"{network} {size}x{size} {weights}: {len(rows)} layers, {len(found)} are estimated")
        for one, row in zip(found, rows, strict=True):
            layers += 1
            volumes += same_volume(one, row)
            for term in errors:
                printed = float(row["span_us" if term == "total" else term.upper()])
                mine = getattr(one, f"{term}_us")
                if printed:
                    errors[term].append(abs(mine / printed - 1))
                elif mine:
                    extra[term] += 1
    lines = [f"{layers} layers of {len(runs)} runs; sub-volumes as printed in {volumes} ({volumes / layers:.1%}).", ""]
    lines += ["| event | layers | median | 95th percentile | within 1 % | not printed, but estimated |"]
    lines += ["|---|---|---|---|---|---|"]
    for term, values in errors.items():
        middle, high = np.percentile(values, [50, 95])
        near = np.mean(np.array(values) <= 0.01)
        name = term if term == "total" else term.upper()
        lines.append(f"| {name} | {len(values)} | {middle:.2%} | {high:.1%} | {near:.1%} | {extra[term]} |")
    return lines


def total_table(runs: dict[Key, list[Row]]) -> list[str]:
    """Totals against the published table, and what the estimate consists of."""
    lines = [
        f"ms; all columns but *published*: {LABEL}.",
        "",
        "| network | array | weights | published | estimate | error | kept MACs at full rate | COMP beyond them "
        "| transfers not hidden | layers printed |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    errors: dict[bool, list[float]] = {True: [], False: []}
    for network, cells in PUBLISHED.items():
        for size, pair in enumerate(cells, 2):
            for weights, published in zip(DENSITY, pair, strict=True):
                if published is None:
                    continue
                found = account(network, size, weights)
                total, comp, mac = (
                    sum(getattr(x, f"{one}_us") for x in found) / 1e3 for one in ("total", "comp", "mac")
                )
                error, logged = total / published - 1, (network, size, weights) in runs
                errors[logged].append(abs(error))
                cells_of = (f"{one:.3f}" for one in (mac, comp - mac, total - comp))
                lines.append(
                    f"| {network} | {size}x{size} | {weights} | {published:.3f} | {total:.3f} | {error:+.1%} | "
                    f"{' | '.join(cells_of)} | {'yes' if logged else 'no'} |"
                )
    both = errors[True] + errors[False]
    lines.append("")
    for values, which in ((both, ""), (errors[False], " without printed layers")):
        if values:
            lines.append(f"{len(values)} cells{which}: median {np.median(values):.2%}, largest {max(values):.1%}.")
    return lines


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("layers", type=Path, metavar="LAYERS.csv")
    given = parser.parse_args()
    runs = read(given.layers)
    print("\n".join([*total_table(runs), "", *layer_table(runs)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
