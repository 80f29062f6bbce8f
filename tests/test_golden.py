"""Run every `golden/**/*.mlir`: text, a line `// -----`, and the text or error that must come out.

The first line names the passes, `// bscc: a,b{x=1}`, or gives options of bscc-opt, `// bscc: --target npu1`.
Weights lie beside the file as `.npz`.  `pytest --update-golden` writes what comes out.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from xdsl.context import Context as XdslContext
from xdsl.dialects.builtin import Builtin
from xdsl.dialects.func import Func
from xdsl.parser import Parser

from compiler import pipeline
from compiler.cli.opt import Opt
from compiler.errors import BsccError
from tests import toy, toy_passes

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path.relative_to(GOLDEN) for path in GOLDEN.rglob("*.mlir"))
MLIR_OPT = [
    "mlir-opt-19",
    "--allow-unregistered-dialect",
    "--mlir-print-op-generic",
    "--mlir-print-local-scope",
]
MARK = "// -----\n"


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let golden files of the IR use the toy dialect."""
    monkeypatch.setattr(pipeline, "DIALECTS", (*pipeline.DIALECTS, toy.DIALECT))
    monkeypatch.setattr(pipeline, "PASSES", (*pipeline.PASSES, *toy_passes.PASSES))


def arguments(header: str, case: Path) -> list[str]:
    """The command line that the first line of a golden file means."""
    text = header.removeprefix("// bscc:").strip()
    words = shlex.split(text) if text.startswith("-") else ["--pass-pipeline", text]
    weights = (GOLDEN / case).with_suffix(".npz")
    return [*words, "--weights", str(weights)] if weights.exists() else words


def outcome(given: str, case: Path) -> str:
    """What comes out; an error is text too."""
    header = given.partition("\n")[0]
    assert header.startswith("// bscc:"), f"the first line of {case} must be '// bscc: passes'"
    try:
        return Opt.of(arguments(header, case)).transform(given, case.name)
    except BsccError as error:
        return f"{error}\n"


def actual_of(case: Path) -> str:
    return outcome((GOLDEN / case).read_text(encoding="utf-8").partition(MARK)[0], case)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_golden(case: Path, request: pytest.FixtureRequest) -> None:
    given, _, expected = (GOLDEN / case).read_text(encoding="utf-8").partition(MARK)
    actual = actual_of(case)
    if request.config.getoption("--update-golden"):
        (GOLDEN / case).write_text(f"{given}{MARK}{actual}", encoding="utf-8")
        return
    assert actual == expected


@pytest.mark.skipif(shutil.which(MLIR_OPT[0]) is None, reason="mlir-opt-19 is not installed")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_mlir_writes_the_same_bytes(case: Path) -> None:
    actual = actual_of(case)
    if not actual.startswith('"builtin.module"'):
        return
    located = "--print-debuginfo" in (GOLDEN / case).read_text(encoding="utf-8").partition("\n")[0]
    command = [*MLIR_OPT, "--mlir-print-debuginfo"] if located else MLIR_OPT
    mlir = subprocess.run(command, input=actual, capture_output=True, text=True)
    assert mlir.stderr == ""
    assert mlir.stdout.strip() == actual.strip()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_xdsl_reads_it(case: Path) -> None:
    actual = actual_of(case)
    if actual.startswith('"builtin.module"'):
        context = XdslContext(allow_unregistered=True)
        context.load_dialect(Builtin)
        context.load_dialect(Func)
        Parser(context, actual).parse_module().verify()
