"""A hundred graphs or so from one seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.check import Outcome, examined
from tests.fuzz.graphs import Drawn, graphs

BATCH = 100
"""Graphs of one call of hypothesis, and so of one seed."""

REDUCED = 60
"""Graphs that are looked at to reduce a finding: hypothesis by itself takes minutes for the last few per cent."""


def batch(
    number: int, count: int, folder: str, examine: Callable[[Drawn], Outcome] = examined
) -> tuple[Counter[str], Counter[str], str]:
    """Outcomes of a batch, reasons of refusals, and what went wrong; a reduced model goes to the folder."""
    words: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    last: list[Drawn] = []
    failures: dict[bytes, Exception] = {}
    looked = 0

    @seed(number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(graphs())
    def one(drawn: Drawn) -> None:
        nonlocal looked
        last[:] = [drawn]
        key = f"{drawn!r}".encode() + drawn.model.SerializeToString()
        if key in failures:
            raise failures[key]
        looked += bool(failures)
        if looked > REDUCED:
            return
        try:
            outcome = examine(drawn)
        except Exception as error:
            failures[key] = error
            raise
        if failures:
            return
        words[outcome.word] += 1
        words["with host nodes"] += bool(outcome.hosted)
        if outcome.text:
            reasons[outcome.text] += 1

    try:
        one()
    except Exception as error:  # a fault of any kind is a finding; hypothesis ran the least graph last
        place = Path(folder) / f"batch{number}.onnx"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(last[0].model.SerializeToString())
        return words, reasons, f"batch {number}: {last[0]!r}\n  {type(error).__name__}: {str(error)[:600]}\n  {place}"
    return words, reasons, ""
