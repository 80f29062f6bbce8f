"""docs/kernels.md shows schedules and costs as the code makes them; `--update-golden` writes them anew."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

import pytest

from compiler.kernels.cost import typical
from compiler.kernels.programs import mac, weave
from compiler.kernels.programs.resident import Feature, resident
from compiler.kernels.schedule.report import loop_report, rows_report

PAGE = Path(__file__).parents[1] / "docs" / "kernels.md"
MARK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def _fenced(text: str) -> str:
    return f"```\n{text}\n```\n"


def _costs() -> str:
    shown = [f"| `{name}` | {cycles} |\n" for name, cycles in asdict(typical()).items()]
    return "| cost | cycles |\n|---|---|\n" + "".join(shown)


def _sizes() -> str:
    sizes = [f"| {one.name} | {one.value} | {len(resident({one}).program.bytes)} |\n" for one in Feature]
    return "| feature | what it does | bytes of a program with it alone |\n|---|---|---|\n" + "".join(sizes)


def generated(name: str) -> str:
    """A part of the page."""
    if name == "period":
        return _fenced(loop_report(mac.period()))
    if name == "boundary":
        return _fenced(rows_report(weave.boundary(mac.DIRECT, "mac_direct", "mac_direct_leave").rows))
    return {"costs": _costs, "sizes": _sizes}[name]()


def test_the_page_shows_what_the_code_gives(request: pytest.FixtureRequest) -> None:
    text = PAGE.read_text(encoding="utf-8")
    actual = MARK.sub(lambda found: found[1] + generated(found[2]) + found[3], text)
    if request.config.getoption("--update-golden"):
        PAGE.write_text(actual, encoding="utf-8")
        return
    assert {found[1] for found in MARK.findall(text)} == {"period", "boundary", "costs", "sizes"}
    assert actual == text, "pytest tests/test_programs_page.py --update-golden writes the tables anew"
