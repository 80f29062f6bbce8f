"""The fuzzer as a command; see the package."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.fuzz.batch import BATCH, batch

Task = tuple[int, int, str]
"""Number, graphs, and folder for findings, of a batch."""
Result = tuple[Counter[str], Counter[str], str]

BATCHES_OF_A_PROCESS = 4
"""Then processes are started anew, as onnxruntime does not give back all memory."""


def results(tasks: Sequence[Task], jobs: int) -> Iterator[Result]:
    """What batches give, in their order.

    Not by `max_tasks_per_child`, with which CPython 3.11 waits for ever (github.com/python/cpython/issues/115634).
    """
    at_once = BATCHES_OF_A_PROCESS * jobs
    for first in range(0, len(tasks), at_once):
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            yield from pool.map(batch, *zip(*tasks[first : first + at_once], strict=True))


def main() -> int:
    """Run batches until the count is reached; 1 if there was a finding."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--graphs", type=int, default=1000, help="how many (1000)")
    parser.add_argument("--seed", type=int, default=0, help="number of the first batch (0)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (1)")
    parser.add_argument("-o", default="failures", metavar="DIR", help="where reduced models go (failures)")
    given = parser.parse_args()
    starts = range(0, given.graphs, BATCH)
    tasks = [(given.seed + index, min(BATCH, given.graphs - start), given.o) for index, start in enumerate(starts)]
    words: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    findings = []
    for found, why, finding in results(tasks, given.jobs):
        words, reasons = words + found, reasons + why
        print(dict(words), flush=True)
        if finding:
            findings.append(finding)
            print(finding, flush=True)
    print("\n".join(f"{count:6} {text}" for text, count in reasons.most_common(40)))
    print(f"{sum(words.values()) - words['with host nodes']} graphs, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
