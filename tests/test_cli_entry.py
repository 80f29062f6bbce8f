"""Console scripts: what setup.cfg names is there, light to import, and answers ctrl-C before the command is."""

from __future__ import annotations

import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from compiler.cli import INTERRUPTED

ROOT = Path(__file__).parents[1]
SETUP = ConfigParser()
SETUP.read(ROOT / "setup.cfg", encoding="utf-8")
SCRIPTS = dict(line.split(" = ") for line in SETUP["options.entry_points"]["console_scripts"].split("\n") if line)

BEGIN = "import importlib, os, signal, sys; module, name = sys.argv.pop(1).split(':'); "
RUN = "sys.exit(getattr(importlib.import_module(module), name)())"
# ctrl-C comes when the command is asked for, or numpy if that is earlier.
WAIT = """
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "numpy" or (name.startswith("compiler.cli.") and name != "compiler.cli.entry"):
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
"""


def process(script: str, *words: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """A console script as the installed one calls it, in a process of its own."""
    code = f"{BEGIN}\n{before}\n{RUN}"
    given = [sys.executable, "-c", code, SCRIPTS[script], *words]
    return subprocess.run(given, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_run(script: str) -> None:
    done = process(script, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: {script} ")


@pytest.mark.parametrize("script", SCRIPTS)
def test_an_interrupt_while_a_command_is_imported(script: str) -> None:
    done = process(script, "--help", before=WAIT)
    assert (done.returncode, done.stdout, done.stderr) == (INTERRUPTED, "", "interrupted\n")


def test_an_interrupt_that_is_ignored_stays_so() -> None:
    done = process("bscc", "--help", before="signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + WAIT)
    assert (done.returncode, done.stderr) == (0, "")


def test_behind_the_imports_commands_are_interrupted_as_ever() -> None:
    held = "import atexit; atexit.register(lambda: print(signal.getsignal(signal.SIGINT).__name__))"
    assert process("bscc", "--help", before=held).stdout.endswith("\ndefault_int_handler\n")


@pytest.mark.parametrize("module", ["resnet8", "vgg7", "chain"])
def test_examples_without_pytorch_say_so_in_one_line(module: str) -> None:
    code = (
        "import importlib.util, runpy, sys; importlib.util.find_spec = lambda *_: None; runpy.run_module(sys.argv[1])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, f"training.examples.{module}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 2 and found.stderr.startswith("error[no-torch]: training needs PyTorch")
    assert "Traceback" not in found.stderr
    found = process(
        "bscc-sparsify", "--help", before="import importlib.util; importlib.util.find_spec = lambda *_: None"
    )
    assert found.returncode == 2 and found.stderr.startswith("error[no-torch]") and not found.stdout
