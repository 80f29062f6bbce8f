"""Pages with parts that come from the code: compared with what the code gives, or written anew by `--update-golden`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

MARK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def check(page: Path, actual: str, request: pytest.FixtureRequest) -> None:
    """The page must be `actual`, or becomes it."""
    if request.config.getoption("--update-golden"):
        page.write_text(actual, encoding="utf-8")
        return
    hint = f"python -m pytest {request.node.nodeid} --update-golden writes {page.name} anew"
    assert actual == page.read_text(encoding="utf-8"), hint


def with_parts(text: str, part: Callable[[str], str]) -> str:
    """A page with its generated parts filled by name."""
    return MARK.sub(lambda found: found[1] + part(found[2]) + found[3], text)
