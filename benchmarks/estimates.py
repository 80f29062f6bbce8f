"""How well the search knows the simulator: estimated and simulated cycles of each layer.

    python benchmarks/estimates.py resnet50_int8.onnx resnet50_half.onnx [--targets aie2-4x4 aie2-8x8] [--layers]

A layer lasts from the end of the one before, its stores included, to its own.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from compiler.driver import Options, compile_in_memory, settled


@dataclass(frozen=True)
class Compared:
    """A layer by both."""

    name: str
    estimated: float
    simulated: float

    @property
    def error(self) -> float:
        """Of the estimate, as a share of what was simulated."""
        return self.estimated / self.simulated - 1


def compared(model: Path, target: str) -> list[Compared]:
    """All layers of a plan."""
    options = Options(target=target, compare_dense=False)
    planner = settled(model, options)
    layers = compile_in_memory(model, options).timing.layers
    known = planner.estimates()
    return [Compared(one.name, known[one.index], one.cycles) for one in layers if one.cycles]


def rows(model: Path, target: str, every: bool) -> Iterator[str]:
    """The percentiles of a plan, and its layers if they are asked for."""
    found = compared(model, target)
    errors = np.abs([one.error for one in found])
    half, most = np.percentile(errors, [50, 95])
    within = np.count_nonzero(errors <= 0.05)
    worst = max(found, key=lambda one: abs(one.error))
    whole = sum(one.estimated for one in found) / sum(one.simulated for one in found) - 1
    cells = (
        model.stem,
        target,
        f"{len(found)}",
        f"{half:.1%}",
        f"{most:.1%}",
        f"{within}",
        f"{worst.name.split(' + ')[0]} {worst.error:+.1%}",
        f"{whole:+.1%}",
    )
    yield f"| {' | '.join(cells)} |"
    if every:
        for one in found:
            yield f"  {one.name[:40]:40} {one.estimated:12,.0f} {one.simulated:12,.0f} {one.error:+7.1%}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--targets", nargs="+", default=["aie2-4x4", "aie2-8x8"])
    parser.add_argument("--layers", action="store_true", help="list each layer, too")
    options = parser.parse_args()
    print("| model | target | layers | median | 95th percentile | within 5 % | worst | total |")
    print("|---|---|---|---|---|---|---|---|")
    for target in options.targets:
        for model in options.models:
            for line in rows(model, target, options.layers):
                print(line, flush=True)


if __name__ == "__main__":
    main()
