"""CIFAR-10 as JPEG files.

60,000 colour images of 32x32 (A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009), which
somebody has written as JPEG: compressed with loss, so that accuracies are not those of the original.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from compiler.images import SUFFIXES, Preprocess, Target, image_size, read_pixels
from training.data.arrays import of_npz
from training.data.sets import Pixels, Splits, misused, unreadable

NAME = "CIFAR-10 (JPEG re-encoded)"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_SIDE = 32
_TARGET = Target(_SIDE, _SIDE, 3, channels_last=False)
_HELP = f"expected train/CLASS/NAME.jpg and test/CLASS/NAME.jpg, classes: {', '.join(CLASSES)}"


def cifar10_jpeg(path: Path, cache: Path | None = None) -> Splits:
    """The set in a .tar file of any compression, or in a folder: train/CLASS/NAME.jpg and test/CLASS/NAME.jpg.

    Images are decoded once and kept as .npz in the folder `cache`, else beside `path`, by the digest of what was read.
    """
    kept = (cache or path.resolve().parent) / f"cifar10-jpeg-{_digest(path)[:16]}.npz"
    if not kept.is_file():
        _write(kept, _decoded(path))
    return replace(of_npz(kept), name=NAME)


def _digest(path: Path) -> str:
    """Of the file, or of the names and contents of all files of the folder."""
    if path.is_dir():
        found = hashlib.sha256()
        for name, content in _in_folder(path):
            found.update(f"{len(name)} {name} {len(content)} ".encode() + content)
        return found.hexdigest()
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(f"cannot read it: {error.strerror or error}", str(path), _HELP) from None


def _in_folder(path: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents, in the order of the names."""
    try:
        for file in sorted(one for one in path.rglob("*") if one.is_file()):
            yield file.relative_to(path).as_posix(), file.read_bytes()
    except OSError as error:
        raise unreadable(f"cannot read it: {error.strerror or error}", str(error.filename or path)) from None


def _in_archive(path: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents, in the order of the archive; nothing is unpacked to disk."""
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isfile() else None
                if file is not None:
                    yield member.name, file.read()
            # Checksums of compressed files come last, behind the end of the archive.
            while archive.fileobj is not None and archive.fileobj.read(1 << 20):
                pass
    except (OSError, EOFError, tarfile.TarError, lzma.LZMAError, zlib.error) as error:
        text = f"cannot read the archive: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        raise unreadable(text, str(path), _HELP) from None


def _decoded(path: Path) -> dict[str, np.ndarray]:
    """All arrays of the set; within a part, class by class and by name."""
    parts: dict[str, list[tuple[int, str, Pixels]]] = {"train": [], "test": []}
    for name, content in _in_folder(path) if path.is_dir() else _in_archive(path):
        part, word, file = ("", "", *PurePosixPath(name).parts)[-3:]
        if part in parts and word in CLASSES and PurePosixPath(file).suffix.lower() in SUFFIXES:
            parts[part].append((CLASSES.index(word), file, _image(path / name, content)))
    found: dict[str, np.ndarray] = {"classes": np.array(CLASSES)}
    for part, images in parts.items():
        images.sort(key=lambda one: one[:2])
        missing = [word for number, word in enumerate(CLASSES) if all(one[0] != number for one in images)]
        if missing:
            raise unreadable(f"there are no images of '{missing[0]}' in {part}/", str(path), _HELP)
        found[f"x_{part}"] = np.stack([pixels for _, _, pixels in images])
        found[f"y_{part}"] = np.array([number for number, _, _ in images], np.int64)
    return found


def _image(path: Path, content: bytes) -> Pixels:
    _, *size = image_size(path, content)
    if size != [_SIDE, _SIDE]:
        raise unreadable(f"it is {size[0]}x{size[1]}, images of CIFAR-10 are {_SIDE}x{_SIDE}", str(path))
    return np.ascontiguousarray(read_pixels(path, _TARGET, Preprocess(), content).transpose(2, 0, 1))


def _write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """The file, whole or not at all: several processes may start at once, each with a name of its own until then."""
    half = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with half.open("wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
            half.replace(path)
        finally:
            half.unlink(missing_ok=True)
    except OSError as error:
        text = f"cannot keep the decoded images: {error.strerror or error}"
        raise misused(text, str(path), "give another folder to keep them in") from None
