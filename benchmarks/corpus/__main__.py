"""The command line: each network in a process of its own, its results as a JSON file; what is there is left alone."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import benchmarks.corpus
from benchmarks.corpus import table
from benchmarks.corpus.convert import Places, whole
from benchmarks.corpus.networks import NETWORKS

ROOT = Path(__file__).resolve().parents[2]


def command() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.corpus",
        description=benchmarks.corpus.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--folder", type=Path, required=True, help="where everything is kept: packages, models, results")
    add("--tools", type=Path, help="where the environment of the converters is made (FOLDER/tools)")
    add("--files", type=Path, help="ONNX files of public repositories")
    add("--data", type=Path, help="archives of samples: cifar10_jpeg.tar.xz, kws01.tar.xz")
    add("--only", nargs="+", choices=tuple(NETWORKS), metavar="NAME", default=tuple(NETWORKS))
    add("--target", default="aie2-4x4")
    add("--limit", type=int, default=3600, help="seconds for a network")
    add("--again", action="store_true", help="measure networks anew that are there")
    add("--prepare", action="store_true", help="fetch, convert and quantise, measure nothing")
    add("--table", action="store_true", help="print what was measured")
    add("--here", action="store_true", help=argparse.SUPPRESS)
    return parser


def places_of(given: argparse.Namespace) -> Places:
    """Where things lie."""
    paths = (given.folder, given.tools or given.folder / "tools", given.files, given.data)
    return Places(*(path and path.resolve() for path in paths))


def in_process(name: str, given: argparse.Namespace, words: Sequence[str]) -> dict[str, Any]:
    """The row of a network, measured in a process of its own, which may run out of memory or time."""
    row: dict[str, Any] = {"network": name, "what": NETWORKS[name].what, "target": given.target}
    call = [sys.executable, "-m", "benchmarks.corpus", *words, "--here", "--only", name]
    path = os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", "")))
    try:
        done = subprocess.run(
            call, capture_output=True, text=True, timeout=given.limit, env={**os.environ, "PYTHONPATH": path}
        )
    except subprocess.TimeoutExpired:
        return row | {"failure": {"step": "run", "text": f"took more than {given.limit} s"}}
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["nothing was said"]
        return row | {"failure": {"step": "run", "text": f"exit {done.returncode}: {last[0]}"}}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def keep(path: Path, row: dict[str, Any]) -> None:
    """Write a row to its file."""
    whole(path, lambda part: part.write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8"))


def main(arguments: Sequence[str] | None = None) -> int:
    """1 if a step of a network that was asked for failed."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    given = command().parse_args(words)
    places = places_of(given)
    if given.here:
        from benchmarks.corpus.measure import PREPARING, STEPS, measure

        (name,) = given.only
        print(json.dumps(measure(name, NETWORKS[name], places, given.target, PREPARING if given.prepare else STEPS)))
        return 0
    folder = places.folder / ("prepared" if given.prepare else f"results/{given.target}")
    results = {name: folder / f"{name}.json" for name in given.only}
    for name, path in results.items():
        if not given.table and (given.again or not path.exists()):
            row = in_process(name, given, words)
            keep(path, row)
            print(f"{name}: {table.flat(row['failure']['text']) if 'failure' in row else 'done'}", file=sys.stderr)
    rows = [json.loads(path.read_text(encoding="utf-8")) for path in results.values() if path.exists()]
    if not given.table:
        (places.folder / "LIST.txt").write_text("\n".join(table.listing()) + "\n", encoding="utf-8")
    print("\n".join(table.table(rows)))
    return int(any("failure" in row for row in rows))


if __name__ == "__main__":
    sys.exit(main())
