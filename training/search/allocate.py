"""A ratio for each layer, so that the network meets a cost and loses least: a choice of one candidate for each layer.

What layers lose is taken to add up (`training.search.sensitivity` measures it layer by layer); then the best choice is
a multiple-choice knapsack, which is solved by dynamic programming over the cost in small steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compiler.errors import Diagnostic, UsageError
from training.search.costs import Costs

STEPS = 20_000
"""Into how many parts the cost is cut; each layer is rounded up to whole parts, so the target is kept."""


@dataclass(frozen=True)
class Allocation:
    """The chosen ratio of each layer, what the network costs with them and dense, and what it is thought to lose."""

    ratios: Mapping[str, float]
    cost: float
    dense: float
    loss: float
    unit: str


def allocate(costs: Costs, candidates: Sequence[float], losses: Mapping[str, Sequence[float]], target: float,
             most: Mapping[str, float] | None = None) -> Allocation:  # fmt: skip
    """The candidates that cost at most `target` together and lose least.

    `losses` has a number for each layer and candidate; `most` is the largest ratio that a layer may have.
    """
    names = list(costs.layers)
    table = np.array([[costs.layers[name].at(ratio) for ratio in candidates] for name in names])
    lost = np.array([losses[name] for name in names], np.float64)
    for row, name in enumerate(names):
        if most is not None:
            lost[row, np.array(candidates) > most[name] + 1e-9] = np.inf
    picked = _picked(costs, candidates, table, lost, target)
    ratios = {name: float(candidates[one]) for name, one in zip(names, picked, strict=True)}
    total = float(sum(lost[row, one] for row, one in enumerate(picked)))
    return Allocation(ratios, costs.total(ratios), costs.total({}), total, costs.unit)


def _picked(costs: Costs, candidates: Sequence[float], table: NDArray[np.float64], lost: NDArray[np.float64],
            target: float) -> list[int]:  # fmt: skip
    """The best choice.

    What is fixed depends a little on the mean ratio: each value that it may have is set aside in turn, and of the
    choices that fit with what is then really fixed the best is taken.
    """
    fitting = []
    for fixed in costs.fixed.costs:
        found = _knapsack(table, lost, target - fixed)
        if found is not None:
            ratios = {name: candidates[one] for name, one in zip(costs.layers, found, strict=True)}
            if costs.total(ratios) <= target + 1e-9:
                fitting.append(found)
    if not fitting:
        raise _unreachable(costs, np.where(np.isfinite(lost), table, np.inf), target)
    return min(fitting, key=lambda found: _loss(lost, found))


def _unreachable(costs: Costs, allowed: NDArray[np.float64], target: float) -> UsageError:
    fixed = min(costs.fixed.costs)
    least = float(allowed.min(axis=1).sum()) + fixed
    text = f"the network cannot cost {target:,.6g} {costs.unit}: dense it costs {costs.total({}):,.6g}"
    note = f"with the most zero blocks it costs {least:,.6g}; {fixed:,.6g} of that no zero block makes less"
    return UsageError(Diagnostic("unreachable-target", text, costs.source, (note,), "ask for a larger cost"))


def _loss(lost: NDArray[np.float64], picked: Sequence[int]) -> float:
    return float(sum(lost[row, one] for row, one in enumerate(picked)))


def _knapsack(table: NDArray[np.float64], lost: NDArray[np.float64], room: float) -> list[int] | None:
    """One candidate for each row: costs within the room, least loss; None if none fits.

    Of equal ones the dearest: more zeros than were asked for may cost what was not measured.
    """
    if room <= 0:
        return None
    parts = np.ceil(table / room * STEPS - 1e-9).astype(np.int64)
    best = np.full(STEPS + 1, np.inf)
    best[0] = 0.0
    choices = np.zeros((len(table), STEPS + 1), np.int16)
    for row in range(len(table)):
        found = np.full(STEPS + 1, np.inf)
        for column in range(table.shape[1]):
            need = int(parts[row, column])
            if need > STEPS or not np.isfinite(lost[row, column]):
                continue
            moved = np.full(STEPS + 1, np.inf)
            moved[need:] = best[: STEPS + 1 - need] + lost[row, column]
            better = moved < found
            found[better] = moved[better]
            choices[row, better] = column
        best = found
    if not np.isfinite(best).any():
        return None
    place = STEPS - int(best[::-1].argmin())
    picked: list[int] = []
    for row in range(len(table) - 1, -1, -1):
        column = int(choices[row, place])
        picked.append(column)
        place -= int(parts[row, column])
    return picked[::-1]
