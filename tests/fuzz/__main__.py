"""The fuzzer as a command; see the package."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from tests.fuzz.batch import BATCH, batch


def main() -> int:
    """Run batches until the count is reached; 1 if there was a finding."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--graphs", type=int, default=1000, help="how many (1000)")
    parser.add_argument("--seed", type=int, default=0, help="number of the first batch (0)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (1)")
    parser.add_argument("-o", default="failures", metavar="DIR", help="where reduced models go (failures)")
    given = parser.parse_args()
    numbers = range(given.seed, given.seed + -(-given.graphs // BATCH))
    words: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    findings = []
    with ProcessPoolExecutor(given.jobs, max_tasks_per_child=4) as pool:
        counts = [min(BATCH, given.graphs - BATCH * index) for index in range(len(numbers))]
        for found, why, finding in pool.map(batch, numbers, counts, [given.o] * len(numbers)):
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
