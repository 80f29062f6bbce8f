"""A hundred graphs or so from one seed."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from compiler.errors import BsccError
from tests.fuzz.check import Outcome, examined, without_numbers
from tests.fuzz.graphs import Drawn, graphs

BATCH = 100
"""Graphs of one call of hypothesis, and so of one seed."""

REDUCED = 60
"""Graphs that are looked at to reduce a finding: hypothesis by itself takes minutes for the last few per cent."""


def batch(
    number: int, count: int, folder: str, examine: Callable[[Drawn], Outcome] = examined
) -> tuple[Counter[str], Counter[str], str]:
    """Outcomes of a batch, reasons of refusals, and what went wrong.

    To the folder go the reduced model, unless it was drawing that failed, and the traceback.
    """
    words: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    last: list[Drawn] = []
    failures: dict[bytes, Exception] = {}
    kinds: list[str] = []
    looked = 0

    def same_kind(error: Exception) -> bool:
        """Whether this is the fault that was found first: while it is reduced, others do not count."""
        if not kinds:
            kinds.append(kind_of(error))
        return kind_of(error) == kinds[0]

    @seed(number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(st.data())
    def one(data: st.DataObject) -> None:
        nonlocal looked
        last.clear()
        try:
            drawn = data.draw(graphs())
        except Exception as error:
            if same_kind(error):
                raise
            return
        last.append(drawn)
        key = f"{drawn!r}".encode() + drawn.model.SerializeToString()
        if key in failures:
            raise failures[key]
        looked += bool(kinds)
        if looked > REDUCED:
            return
        try:
            outcome = examine(drawn)
        except Exception as error:
            if not same_kind(error):
                return
            failures[key] = error
            raise
        if kinds:
            return
        words[outcome.word] += 1
        words["with host nodes"] += bool(outcome.hosted)
        if outcome.text:
            reasons[outcome.text] += 1

    try:
        one()
    except Exception as error:  # a fault of any kind is a finding; hypothesis ran the least graph last
        return words, reasons, _report(number, error, last, Path(folder))
    return words, reasons, ""


def kind_of(error: Exception) -> str:
    """What a fault is told from others by: its type, its message without numbers, and the line that raised it.

    Of the compiler's own errors the place and the notes do not count: they name the file and every node.
    """
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    own = error.diagnostic if isinstance(error, BsccError) else None
    text = f"{own.code}: {own.message}" if own else str(error)
    return f"{type(error).__name__}: {without_numbers(text)}: {place}"


def _report(number: int, error: Exception, last: list[Drawn], folder: Path) -> str:
    """The text of a finding; its model, if it got as far, and its traceback are written."""
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"batch{number}.txt"
    place.write_text("".join(traceback.format_exception(error)))
    if last:
        place = folder / f"batch{number}.onnx"
        place.write_bytes(last[0].model.SerializeToString())
    what = repr(last[0]) if last else "a graph cannot be drawn"
    return f"batch {number}: {what}\n  {type(error).__name__}: {str(error)[:600]}\n  {place}"
