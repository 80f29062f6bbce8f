"""The yardstick: networks, dense and with half of their 8x8 blocks zero, on the paper's arrays of 2x2 to 8x8 cores.

    python benchmarks/networks.py -o results.jsonl                          # 42 cells, hours
    python benchmarks/networks.py --networks resnet50 --sizes 4 --targets npu1 -o results.jsonl
    python benchmarks/networks.py --table-only -o results.jsonl

A cell compiles, simulates and compares with the reference (`benchmarks/cell.py`).  It is a line of the results; cells
that are there are left alone unless --again.  Models come from --models, and are made there if they are missing.
Prints Markdown tables with the paper's own estimates (arXiv 2407.09453, its table of execution times of 50 % sparse
networks) beside ours; a gap there is a cell in which the paper's compiler failed.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import exp, log
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.models import save
from benchmarks.nets import NETWORKS

ROOT = Path(__file__).resolve().parents[1]
PAPER = ROOT / "benchmarks/paper.csv"
"""Execution times of arXiv 2407.09453 in seconds: its compiler's estimates, batch 1, half of the 8x8 blocks zero."""

PAPER_NETWORKS = ("resnet50", "inception3", "vgg16conv")
SIZES = tuple(range(2, 9))
DENSITIES: Mapping[str, tuple[str, float]] = {"dense": ("int8", 0.0), "half": ("half", 0.5)}
"""How a model's file is called behind its name, and its share of zero blocks."""
ERROR_LETTERS = 300


class Cell(NamedTuple):
    """What is measured; `target` is a built-in target or a TOML file."""

    network: str
    density: str
    target: str


Row = Mapping[str, Any]
Rows = Mapping[Cell, Row]


@dataclass(frozen=True)
class Runner:
    """Measures cells and adds their lines to the results."""

    models: Path
    results: Path
    verify: bool

    def model(self, network: str, density: str) -> Path:
        """The model's file, made if it is missing."""
        suffix, sparsity = DENSITIES[density]
        path = self.models / f"{network}_{suffix}.onnx"
        if not path.exists():
            if network not in NETWORKS:
                raise SystemExit(f"{path} is missing, and '{network}' is none of {', '.join(NETWORKS)}")
            path.parent.mkdir(parents=True, exist_ok=True)
            save(path, network, sparsity=sparsity)
        return path

    def measure(self, cell: Cell, model: Path) -> Row:
        """Run a cell in a process of its own and write its line at once."""
        words = [str(ROOT / "benchmarks/cell.py"), str(model), cell.target, *([] if self.verify else ["--no-verify"])]
        done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
        row: dict[str, Any] = {**cell._asdict(), "model": digest(model), "code": revision()}
        if done.returncode:
            row["failure"] = {"exit": done.returncode, "text": done.stderr.strip()[-ERROR_LETTERS:]}
        else:
            row |= json.loads(done.stdout)
        with self.results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        said = " ".join(row["failure"]["text"].split()) if "failure" in row else f"{row['us']:,.1f} us"
        print(f"{' '.join(cell)}: {said}", file=sys.stderr, flush=True)
        return row


def digest(path: Path) -> str:
    """The first digits of a file's sha256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def revision() -> str:
    """The commit that the code is at, with a mark if it was changed since."""
    words = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    return subprocess.run(words, capture_output=True, text=True).stdout.strip() or "unknown"


def read(results: Path) -> dict[Cell, Row]:
    """The lines of the results, the last of each cell."""
    if not results.exists():
        return {}
    rows = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines() if line]
    return {Cell(row["network"], row["density"], row["target"]): row for row in rows}


def paper() -> dict[tuple[str, str, str], float]:
    """Microseconds of the paper by network, density and target."""
    found = {}
    with PAPER.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            for density in DENSITIES:
                if row[f"{density}_s"]:
                    target = f"aie2-{row['array']}x{row['array']}"
                    found[row["network"], density, target] = 1e6 * float(row[f"{density}_s"])
    return found


def mean(values: Iterable[float]) -> float | None:
    """The geometric mean, None of nothing."""
    logs = [log(value) for value in values]
    return exp(sum(logs) / len(logs)) if logs else None


def number(value: float | None, digits: int = 0) -> str:
    """A number for a table, a dash for none."""
    return "-" if value is None else f"{value:,.{digits}f}"


def us(rows: Rows, cell: Cell) -> float | None:
    """The time of a cell that did not fail."""
    found: float | None = rows.get(cell, {}).get("us")
    return found


def ratio(over: float | None, under: float | None) -> float | None:
    """A quotient, None if a part is missing."""
    return None if over is None or under is None else over / under


_TITLES = (
    "target", "dense us", "half us", "dense / half", "layer bound dense", "half", "us / bound dense", "half",
    "paper dense us", "half us", "dense / half", "paper / ours dense", "half", "compile s", "peak MB", "differ",
)  # fmt: skip


def tables(rows: Rows) -> Iterator[str]:
    """A table for each network, then the geometric means and what failed."""
    published = paper()
    for network in dict.fromkeys(cell.network for cell in rows):
        yield f"**{network}**\n"
        yield from line(_TITLES)
        yield from line(["---"] * len(_TITLES))
        for target in sorted({cell.target for cell in rows if cell.network == network}):
            yield from line(_cells(rows, published, network, target))
        yield ""
    yield from _means(rows, published)
    yield from _failures(rows)
    codes = sorted({str(row["code"]) for row in rows.values()})
    yield f"Code: {', '.join(codes)}." + (" These cells are not of one version." if len(codes) > 1 else "")


def line(columns: Sequence[str]) -> Iterator[str]:
    """A row of Markdown."""
    yield f"| {' | '.join(columns)} |"


def _cells(rows: Rows, published: Mapping[tuple[str, str, str], float], network: str, target: str) -> list[str]:
    both = [Cell(network, density, target) for density in DENSITIES]
    ours, theirs = [us(rows, cell) for cell in both], [published.get(cell) for cell in both]
    found = [rows.get(cell, {}) for cell in both]
    bounds = [row.get("layer_us") for row in found]
    return [
        target,
        *(number(time) if "failure" not in row else "failed" for time, row in zip(ours, found, strict=True)),
        number(ratio(*ours), 2),
        *(number(bound) for bound in bounds),
        *(number(ratio(time, bound), 2) for time, bound in zip(ours, bounds, strict=True)),
        *(number(time) for time in theirs),
        number(ratio(*theirs), 2),
        *(number(ratio(their, our), 2) for their, our in zip(theirs, ours, strict=True)),
        *(
            ", ".join(number(row.get(key), digits) for row in found)
            for key, digits in (("compile_s", 0), ("peak_mb", 0))
        ),
        ", ".join(number(row.get("differ")) for row in found),
    ]


def _means(rows: Rows, published: Mapping[tuple[str, str, str], float]) -> Iterator[str]:
    """Geometric means over all cells that have both parts of a quotient."""
    good = {cell: row for cell, row in rows.items() if "failure" not in row}
    both = [(cell, Cell(cell.network, "half", cell.target)) for cell in good if cell.density == "dense"]
    pairs = [(dense, half) for dense, half in both if half in good]
    quotients: dict[str, list[float]] = {
        "us / layer bound, dense": [row["us"] / row["layer_us"] for c, row in good.items() if c.density == "dense"],
        "us / layer bound, half": [row["us"] / row["layer_us"] for c, row in good.items() if c.density == "half"],
        "dense / half": [good[dense]["us"] / good[half]["us"] for dense, half in pairs],
        "dense / half, paper": [published[d] / published[h] for d, h in pairs if {d, h} <= published.keys()],
        "paper / ours": [published[cell] / row["us"] for cell, row in good.items() if cell in published],
    }
    yield from line(("geometric mean of", "cells", "is"))
    yield from line(["---"] * 3)
    for name, values in quotients.items():
        yield from line((name, str(len(values)), number(mean(values), 2)))
    yield ""


def _failures(rows: Rows) -> Iterator[str]:
    for cell, row in rows.items():
        if "failure" in row:
            yield f"* {' '.join(cell)}: exit {row['failure']['exit']}: {' '.join(row['failure']['text'].split())}"
        elif row.get("differ"):
            yield f"* {' '.join(cell)}: {row['differ']} bytes differ from the reference"


def command() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("-o", "--output", type=Path, required=True, metavar="RESULTS", help="JSON lines, added to")
    add("--networks", nargs="+", default=PAPER_NETWORKS, metavar="NAME", help=f"of {', '.join(NETWORKS)}, or a model's")
    add("--sizes", nargs="*", type=int, default=SIZES, metavar="N", help="aie2-NxN targets")
    add("--targets", nargs="*", default=(), help="other targets, by name or TOML file")
    add("--densities", nargs="+", default=tuple(DENSITIES), choices=tuple(DENSITIES))
    add("--models", type=Path, default=Path("models"), help="where NAME_int8.onnx and NAME_half.onnx lie")
    add("--jobs", type=int, default=1, help="cells at a time")
    add("--verify", action=argparse.BooleanOptionalAction, default=True, help="compare outputs with the reference")
    add("--again", action="store_true", help="measure cells anew that are there")
    add("--table-only", action="store_true", help="measure nothing")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """1 if a cell of those that were asked for failed or has other outputs than the reference."""
    given = command().parse_args(arguments)
    targets = [*(f"aie2-{size}x{size}" for size in given.sizes), *given.targets]
    wanted = [Cell(n, d, t) for n in given.networks for t in targets for d in given.densities]
    runner = Runner(given.models, given.output, given.verify)
    known = read(given.output)
    if not given.table_only:
        todo = [cell for cell in wanted if given.again or cell not in known]
        files = {cell: runner.model(cell.network, cell.density) for cell in todo}
        with ThreadPoolExecutor(given.jobs) as pool:
            list(pool.map(lambda cell: runner.measure(cell, files[cell]), todo))
    rows = {cell: row for cell, row in read(given.output).items() if cell in wanted}
    print("\n".join(tables(rows)))
    return int(any("failure" in row or row.get("differ") for row in rows.values()))


if __name__ == "__main__":
    sys.exit(main())
