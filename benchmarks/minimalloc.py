"""Places the instances of MiniMalloc's benchmark, each within its capacity.

    python benchmarks/minimalloc.py DIR [--nodes N] [--seconds N]

The instances come with https://github.com/google/minimalloc.  A file NAME.CAPACITY.csv has a line `id,lower,upper,size`
for each buffer, alive from `lower` to `upper - 1`.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from compiler.mapping.exact import Placement, smallest
from compiler.mapping.memory import Request, lower_bound, place

NODES = 100_000_000

FRAGMENTED = [
    Request(name, size, first, last)
    for name, size, first, last in [("a", 3, 2, 3), ("b", 1, 3, 5), ("c", 3, 3, 6), ("d", 2, 4, 4), ("e", 2, 4, 7)]
]
"""Needs a search: greedy placements take 9 bytes, 8 do."""


def read(file: Path) -> tuple[list[Request], int]:
    """The buffers of an instance and its capacity."""
    with file.open(newline="", encoding="utf-8") as rows:
        found = [
            Request(row["id"], int(row["size"]), int(row["lower"]), int(row["upper"]) - 1)
            for row in csv.DictReader(rows)
        ]
    return found, int(file.name.split(".")[-2])


def is_sound(requests: Sequence[Request], placement: Placement) -> bool:
    """Whether nothing overlaps, and the peak is what it is said to be."""
    ends = [at + one.bytes for one, at in zip(requests, placement.offsets, strict=True)]
    return max(ends, default=0) == placement.peak and not any(
        requests[i].first <= requests[j].last
        and requests[j].first <= requests[i].last
        and placement.offsets[i] < ends[j]
        and placement.offsets[j] < ends[i]
        for i in range(len(requests))
        for j in range(i)
    )


def table(files: Sequence[Path], nodes: int, seconds: float) -> Iterator[str]:
    """Markdown, a row for each instance."""
    yield "| instance | buffers | live bound | greedy peak | placed | seconds | nodes |"
    yield "|---|---|---|---|---|---|---|"
    for file in files:
        requests, capacity = read(file)
        start = time.perf_counter()
        found = smallest(requests, capacity=capacity, align=1, nodes=nodes, seconds=seconds)
        spent = time.perf_counter() - start
        if not is_sound(requests, found):
            raise SystemExit(f"{file}: the placement is wrong")
        numbers = lower_bound(requests, 1)[0], place(requests, 1)[1]
        placed = "yes" if found.peak <= capacity else "no"
        cells = (
            file.name.split(".")[0],
            len(requests),
            *(f"{one:,}" for one in numbers),
            placed,
            f"{spent:.2f}",
            f"{found.nodes:,}",
        )
        yield f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nodes", type=int, default=NODES)
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    # Compiled code is loaded or made before the clock runs.
    smallest(FRAGMENTED, align=1)
    for line in table(sorted(given.folder.glob("*.csv")), given.nodes, given.seconds):
        print(line, flush=True)


if __name__ == "__main__":
    main()
