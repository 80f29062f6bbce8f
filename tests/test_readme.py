"""The README's tour: its commands are run, and what it shows of them is what they print.

`--update-golden` writes what they print into the page.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests import pages
from tests.floatnets import FloatNet

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "README.md"
BLOCK = re.compile(r"^```\n(\$ .*?)^```$", re.DOTALL | re.MULTILINE)
PLACE = "/tmp"
"""Where the page's commands write."""

COMMANDS = {
    "bscc": "compile",
    "bscc-sim": "simulate",
    "bscc-opt": "opt",
    "bscc-asm": "assemble",
    "bscc-quantize": "quantize",
}


class Shell:
    """Runs commands of the page in an empty directory, with this interpreter and this copy of the project."""

    def __init__(self, place: Path) -> None:
        self.files, self.work = place / "files", place / "work"
        tools = place / "tools"
        for one in (self.files, self.work, tools):
            one.mkdir()
        python = shlex.quote(sys.executable)
        modules = {name: f"-m compiler.cli.{module} " for name, module in COMMANDS.items()}
        for name, module in ({"python": ""} | modules).items():
            (tools / name).write_text(f'#!/bin/sh\nexec {python} {module}"$@"\n')
            (tools / name).chmod(0o755)
        path = f"{tools}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
        (self.work / "examples").symlink_to(ROOT / "examples")
        net = FloatNet((1, 3, 32, 32))
        x = net.add("Relu", net.conv(net.x, 64))
        x = net.add("Relu", net.add("Add", x, net.conv(net.add("Relu", net.norm(net.conv(x, 64))), 64)))
        model = net.finish(net.gemm(net.add("GlobalAveragePool", x), 64, 10))
        (self.work / "float.onnx").write_bytes(model.SerializeToString())
        np.savez(self.work / "samples.npz", x=np.concatenate([one["x"] for one in net.samples(20)]))

    def __call__(self, command: str) -> str:
        """What the command prints, stderr too."""
        here = command.replace(f"{PLACE}/", f"{self.files}/")
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", here],
            cwd=self.work,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
            timeout=300,
        )
        assert "Traceback" not in done.stdout, done.stdout
        assert done.returncode in (0, 141), f"{command}: exit {done.returncode}\n{done.stdout}"
        return done.stdout.replace(f"{self.files}/", f"{PLACE}/")


@pytest.mark.slow
def test_the_tour_shows_what_the_commands_print(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    text = PAGE.read_text(encoding="utf-8")
    shell = Shell(tmp_path)

    def played(block: re.Match[str]) -> str:
        commands = [line for line in block[1].splitlines() if line.startswith("$ ")]
        return "```\n" + "".join(f"{line}\n{shell(line[2:])}" for line in commands) + "```"

    actual = BLOCK.sub(played, text)
    assert len(BLOCK.findall(text)) == 1
    pages.check(PAGE, actual, request)


def test_times_are_in_the_tour_only() -> None:
    """A time in the prose would grow old unseen."""
    prose = BLOCK.sub("", PAGE.read_text(encoding="utf-8"))
    assert not re.findall(r"[0-9][0-9.,]*\s*us\b", prose)
