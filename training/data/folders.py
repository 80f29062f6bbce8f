"""Folders of images, one for each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from compiler.errors import Diagnostic, UsageError
from compiler.images import SUFFIXES, Preprocess, Target, entries, image_files, image_size, read_pixels
from training.data.sets import LabelledImages, Lazy, Pixels, Shape, Splits, misused, unreadable

MOST_BYTES = 2 << 30
"""Sets of so many bytes of pixels are kept in memory."""


def of_folder(path: Path, preprocess: Preprocess | None = None, most_bytes: int = MOST_BYTES) -> Splits:
    """One folder for each class, numbered by their sorted names, or `train` and `test` (else `val`) of such folders.

    Without `test` or `val` a fifth of the images is drawn to test on.  `preprocess` says which size images get
    (resize, size, crop) and the order of colours; without a size all must have one.  Images have 1 channel if none has
    colour, else 3.  Sets of more than `most_bytes` are not kept in memory, but read again each time.
    """
    how = preprocess or Preprocess()
    names = [one.name for one in _folders(path)]
    second = next((name for name in ("test", "val") if name in names), "")
    if "train" not in names or not second:
        return Splits.drawn(_kept([_files_of(path)], how, most_bytes)[0], path.resolve().name)
    found = [_files_of(path / name) for name in ("train", second)]
    train, test = _kept(found, how, most_bytes)
    return Splits(train, test, path.resolve().name)


@dataclass(frozen=True)
class _Files:
    """The images of a folder, class by class."""

    folder: Path
    classes: tuple[str, ...]
    files: tuple[Path, ...]
    labels: tuple[int, ...]


def _files_of(folder: Path) -> _Files:
    classes = _folders(folder)
    if not classes:
        loose = len(image_files(_entries(folder)))
        text = f"there are no folders in it, and {loose} image{'s' * (loose != 1)}"
        raise unreadable(text, str(folder), "images go into one folder for each class")
    parts = [image_files(_entries(one)) for one in classes]
    for one, part in zip(classes, parts, strict=True):
        if not part:
            help = "each folder is a class; images end in " + ", ".join(SUFFIXES)
            raise unreadable("there are no images in it", str(one), help)
    labels = [number for number, part in enumerate(parts) for _ in part]
    files = [file for part in parts for file in part]
    return _Files(folder, tuple(one.name for one in classes), tuple(files), tuple(labels))


def _folders(folder: Path) -> list[Path]:
    return [one for one in _entries(folder) if one.is_dir()]


def _entries(folder: Path) -> list[Path]:
    try:
        return entries(folder)
    except OSError as error:
        raise unreadable(f"cannot read it: {error.strerror or error}", str(folder)) from None


def _kept(parts: Sequence[_Files], how: Preprocess, most_bytes: int) -> list[LabelledImages]:
    """The sets of all parts, of one shape; in memory if all of them fit there together."""
    shape = _shape([file for part in parts for file in part.files], how)
    sets = [_lazy(part, shape, how) for part in parts]
    if sum(map(len, sets)) * int(np.prod(shape)) > most_bytes:
        return [*sets]
    return [one.in_memory() for one in sets]


def _lazy(part: _Files, shape: Shape, how: Preprocess) -> Lazy:
    channels, height, width = shape
    target = Target(height, width, channels, channels_last=False)

    def read(index: int) -> Pixels:
        return read_pixels(part.files[index], target, how).transpose(2, 0, 1)

    # With no size said nothing is stretched: all images have this one.
    how = how if how.resize or how.size or how.crop else replace(how, size=(height, width))
    return Lazy(read, np.array(part.labels, np.int64), part.classes, shape, str(part.folder))


def _shape(files: Sequence[Path], how: Preprocess) -> Shape:
    """(channels, height, width) of all images as they are read; looks at the head of each file."""
    said = how.crop or how.size
    if how.resize and not said:
        text = f"the shorter sides become {how.resize}, which says nothing of the longer ones"
        raise misused(text, str(files[0].parent), "say the size to stretch to, or to cut out, too")
    channels, *first = image_size(files[0])
    for file in files[1:]:
        more, *size = image_size(file)
        channels = max(channels, more)
        if not said and size != first:
            text = f"it is {size[0]}x{size[1]}, {files[0]} is {first[0]}x{first[1]}"
            help = "images differ: say the size to stretch them to, or to cut out"
            raise UsageError(Diagnostic("image-size", text, str(file), help=help))
    height, width = said or first
    return channels, height, width
