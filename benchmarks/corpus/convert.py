"""Weights to ONNX and pictures to arrays, by the scripts in tools/, which run in an environment of their own."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.corpus.fetch import Failure, call, unpacked
from benchmarks.corpus.networks import Network
from benchmarks.corpus.samples import Samples

TOOLS = Path(__file__).parent / "tools"


@dataclass(frozen=True)
class Places:
    """Where things lie: what is made, the environment of the tools, files and archives that the user has."""

    folder: Path
    tools: Path
    files: Path | None = None
    data: Path | None = None

    def python(self) -> str:
        """The interpreter of the tools' environment, which is made on first use."""
        python = self.tools / "env/bin/python"
        ready = self.tools / "ready"
        if not ready.exists():
            self.tools.mkdir(parents=True, exist_ok=True)
            call([sys.executable, "-m", "venv", str(self.tools / "env")])
            call([str(python), "-m", "pip", "install", "--quiet", "-r", str(TOOLS / "requirements.txt")])
            ready.touch()
        return str(python)

    def source(self, package: str, path: str, own: Path | None, option: str) -> Path:
        """A file of a package, or one of the user's."""
        if package:
            return unpacked(package, self.folder / "fetched") / path
        if own is None or not (own / path).exists():
            raise Failure(f"{path} is a file of a public repository: {option} DIR says where it lies")
        return own / path


def model_of(name: str, network: Network, places: Places) -> Path:
    """The network's ONNX file, made if it is missing."""
    out = places.folder / f"models/{name}.onnx"
    if not out.exists():
        seeded = network.package == "-"
        given = Path("-") if seeded else places.source(network.package, network.path, places.files, "--files")
        whole(out, lambda part: convert(network.tool.split(), given, part, places))
    return out


def convert(tool: list[str], source: Path, out: Path, places: Places) -> None:
    """Write the model that a tool makes, or a copy of what is ONNX."""
    if not tool:
        shutil.copyfile(source, out)
    elif tool == ["bundle"]:
        with tempfile.TemporaryDirectory() as beside:
            call(["node", str(TOOLS / "bundle.js"), str(source), beside])
            call([places.python(), str(TOOLS / "keras_nets.py"), "tfjs", beside, str(out)])
    else:
        call([places.python(), str(TOOLS / f"{tool[0]}_nets.py"), *tool[1:], str(source), str(out)])


def samples_of(name: str, samples: Samples, places: Places) -> Path:
    """The samples' .npz file, made if it is missing."""
    out = places.folder / f"data/{name}.npz"
    if not out.exists():
        given = places.source(samples.package, samples.path, places.data, "--data")
        kind, *words = samples.tool
        script = [places.python(), str(TOOLS / "pictures.py"), kind]
        whole(out, lambda part: call([*script, str(given), str(part), *words]))
    return out


def whole(out: Path, write: Callable[[Path], object]) -> None:
    """Let a file appear when it is whole."""
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f"part_{out.name}")
    write(part)
    part.rename(out)
