"""docs/onnx_coverage.md: what becomes of each of ONNX's node tests.  `python -m tests.onnx_coverage` writes it anew."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import onnx
import onnxruntime

from tests.onnx_nodes import ALLOWED_STEPS, OPERATORS, TARGET, Outcome, cases, tried

PAGE = Path(__file__).parents[1] / "docs" / "onnx_coverage.md"
COLUMNS = ("array", "host", "refused", "wrong")
HEAD = """# ONNX's node tests

`python -m tests.onnx_coverage` writes this page; `tests/test_onnx_nodes.py` keeps it true. It is about the tests of
single nodes that come with onnx {onnx}, of the operators below, compiled for `{target}`.

A test is one float operator with data. It is compiled as its int8 twin: QuantizeLinear and DequantizeLinear around the
operator, in scales that are powers of two and hold the test's data; weights, shapes and other parameters, which the
tests feed, are constants. Simulated results must be those of onnxruntime {onnxruntime} on the twin (optimisations off),
or at most {steps} integer away where [numerics.md](numerics.md) allows that. How far they are from the float results of
the test, in steps of the output, is shown: half a step is the rounding of the output itself, the rest comes from
rounding inputs and weights.

A model of which nothing is left for the array is refused, and some tests are just that: the node is for the host
([host.md](host.md)). Such a test is compiled once more with a convolution before its first input, which multiplies
by 1. `host` counts the tests whose operator then runs on the host, behind the convolution on the array.

Of {tests} tests {array} run on the array, {host} on the host, {refused} are refused; {wrong} give wrong
results. {equal} of the {done} that run give onnxruntime's bytes.

| operator | tests | array | host | refused | equal bytes | most steps from float |
|---|---|---|---|---|---|---|
"""


def page(found: Sequence[Outcome]) -> str:
    """The page, in Markdown."""
    done = [one for one in found if one.where in ("array", "host")]
    numbers = {where: sum(one.where == where for one in found) for where in COLUMNS}
    versions = {"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__, "target": TARGET}
    equal = sum(one.steps == 0 for one in done)
    head = HEAD.format(tests=len(found), done=len(done), equal=equal, steps=ALLOWED_STEPS, **numbers, **versions)
    lines = [_row(name, [one for one in found if one.operator == name]) for name in OPERATORS.split()]
    for title, places in (("Host", ("host",)), ("Refused", ("refused", "wrong"))):
        lines += ["", f"## {title}", ""]
        for name in OPERATORS.split():
            lines += _reasons(name, [one for one in found if one.operator == name and one.where in places])
    return head + "\n".join(lines) + "\n"


def _row(name: str, found: Sequence[Outcome]) -> str:
    done = [one for one in found if one.where in ("array", "host")]
    counts = [sum(one.where == where for one in found) for where in COLUMNS[:3]]
    far = f"{max(one.float_steps for one in done):.2f}" if done else ""
    cells = (name, len(found), *counts, sum(one.steps == 0 for one in done), far)
    return f"| {' | '.join(map(str, cells))} |"


def _reasons(name: str, found: Sequence[Outcome]) -> Iterable[str]:
    """One line for each reason, with the tests that have it."""
    reasons: dict[str, list[str]] = {}
    for one in found:
        reasons.setdefault(one.reason, []).append(one.name.removeprefix("test_"))
    for reason, names in reasons.items():
        yield f"- **{name}**: {reason.replace('|', '&#124;')} ({len(names)}: {', '.join(names)})"


def main() -> None:
    PAGE.write_text(page([tried(one) for one in cases()]), encoding="utf-8")


if __name__ == "__main__":
    main()
