"""The paper's account of a module beside the simulated time, as data and as text; each says what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from compiler.paper.estimate import LABEL, TERMS, Estimate

_SHOWN = ("name", *(f"{one}_us" for one in TERMS), "total_us", "mac_us", "simulated_us")


def simulated_times(estimates: Sequence[Estimate], simulated: Mapping[str, float]) -> list[float | None]:
    """For each layer of the paper the simulated time of the layer that does its work; None where a line above has it.

    `simulated` goes by the titles of the plan's layers, which name all nodes that were fused into them.
    """
    owner = {part: title for title in simulated for part in title.split(" + ")}
    found: list[float | None] = []
    seen: set[str] = set()
    for one in estimates:
        title = next((owner[part] for part in one.name.split(" + ") if part in owner), None)
        found.append(None if title is None or title in seen else simulated[title])
        seen |= {title} if title else set()
    return found


def paper_json(estimates: Sequence[Estimate], simulated: Mapping[str, float], simulated_us: float) -> dict[str, Any]:
    """The content of paper.json.

    `total_us` = `mac_us`, the kept multiplications on all cores at full rate, + `comp_excess_us`, what COMP counts
    beyond them, + `not_hidden_us`, the transfers that COMP does not hide.
    """
    rows = [one.to_dict() for one in estimates]
    times = simulated_times(estimates, simulated)
    sums = ("total_us", "mac_us", "comp_excess_us", "not_hidden_us", *(f"{one}_us" for one in TERMS))
    return {
        "label": LABEL,
        **{name: sum(row[name] for row in rows) for name in sums},
        "simulated_us": simulated_us,
        "layers": [row | {"simulated_us": time} for row, time in zip(rows, times, strict=True)],
    }


def paper_table(report: Mapping[str, Any]) -> str:
    """The report as a table in microseconds, a line a layer."""
    names = [name.removesuffix("_us") for name in _SHOWN]
    rows = [names, *([_cell(row[name]) for name in _SHOWN] for row in report["layers"])]
    rows.append([LABEL if name == "name" else _cell(report[name]) for name in _SHOWN])
    widths = [max(len(row[at]) for row in rows) for at in range(len(names))]
    lines = []
    for row in rows:
        cells = [cell.rjust(size) for cell, size in zip(row, widths, strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *cells[1:]]) + "\n")
    return "".join(lines)


def _cell(value: str | float | None) -> str:
    return "" if value is None else value if isinstance(value, str) else f"{value:,.1f}"
