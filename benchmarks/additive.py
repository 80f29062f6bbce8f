"""How well the times of single layers in a cost file add up: layers of different densities, predicted and compiled.

    bscc resnet50_int8.onnx --costs resnet50.json
    python benchmarks/additive.py resnet50_int8.onnx resnet50.json --draws 4

Each layer gets a density of its own: one of the file's (`listed`), any between its least and 1 (`between`), or from
one to the other along the network (`falling`, `rising`).  Its time is read from the file, between two densities on a
straight line; what is fixed is read at the share of all blocks that stays.  The model of that very assignment is then
compiled and simulated.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from compiler.driver import Costing, Options
from compiler.pruning import Prune

Row = Mapping[str, Any]


def at(costs: Row, us: list[float], density: float) -> float:
    """Microseconds at a density, on a straight line between those of the file."""
    return float(np.interp(density, costs["densities"][::-1], us[::-1]))


def drawn(rng: np.random.Generator, costs: Row, kind: str, names: list[str]) -> dict[str, float]:
    """A density for each layer."""
    listed, count = costs["densities"], len(names)
    values = np.linspace(1.0, listed[-1], count)
    if kind == "listed":
        values = rng.choice(np.array(listed), count)
    elif kind == "between":
        values = rng.uniform(listed[-1], 1.0, count)
    elif kind == "rising":
        values = values[::-1]
    return dict(zip(names, map(float, values), strict=True))


def compared(costing: Costing, costs: Row, densities: Mapping[str, float]) -> tuple[float, float, list[float]]:
    """Microseconds that the file says and that the simulator says, and the errors of layers as shares of the latter."""
    rows = [one for one in costs["layers"] if one["prunable"]]
    found = costing.measure(densities)
    us = costing.target.microseconds
    own = [at(costs, one["us"], densities[one["name"]]) for one in rows]
    blocks = [one["blocks_kept"][0] for one in rows]
    share = float(np.average([densities[one["name"]] for one in rows], weights=blocks))
    predicted = sum(own) + at(costs, costs["fixed_us"], share)
    errors = [mine / us(found.layers[one["name"]]) - 1 for one, mine in zip(rows, own, strict=True)]
    return predicted, us(found.cycles), errors


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("costs", type=Path)
    parser.add_argument("--draws", type=int, default=4, metavar="N", help="assignments of the first two kinds (4)")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    costs = json.loads(given.costs.read_bytes())
    prune = Prune(0.0, costs["scheme"], costs["block"] == "8x8xK")
    costing = Costing.of(given.model, Options(target=costs["target"]), prune)
    names = [one["name"] for one in costs["layers"] if one["prunable"]]
    rng = np.random.default_rng(given.seed)
    print("| model | densities | predicted us | simulated us | error | layers: median | 95th percentile |")
    print("|---|---|---|---|---|---|---|")
    for kind, draws in {"listed": given.draws, "between": given.draws, "falling": 1, "rising": 1}.items():
        for _ in range(draws):
            predicted, simulated, errors = compared(costing, costs, drawn(rng, costs, kind, names))
            median, most = np.percentile(np.abs(errors), [50, 95])
            cells = (f"{predicted:,.1f}", f"{simulated:,.1f}", f"{predicted / simulated - 1:+.1%}")
            print(f"| {given.model.stem} | {kind} | {' | '.join(cells)} | {median:.1%} | {most:.1%} |", flush=True)


if __name__ == "__main__":
    main()
