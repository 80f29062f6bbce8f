"""Sets in .npz files."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.images import channels_last
from training.data.sets import Arrays, Pixels, Splits, unreadable

NAMES = (("x_train", "y_train"), ("x_test", "y_test"))
WHOLE = ("images", "labels")
_HELP = "expected the arrays x_train, y_train, x_test, y_test, or images and labels; `classes` may name the classes"

Array = NDArray[Any]


def of_npz(path: Path) -> Splits:
    """The set in a file, by the names of its arrays, as `of_arrays` takes them."""
    return of_arrays(_loaded(path), str(path), path.name)


def of_arrays(found: Mapping[str, Array], place: str, name: str) -> Splits:
    """Images, uint8 [N, H, W], [N, C, H, W] or [N, H, W, C] with 1 or 3 channels, and labels from 0, [N] or [N, 1].

    With `images` and `labels` alone a fifth is drawn to test on.
    """
    names = (WHOLE,) if all(one in found for one in WHOLE) else NAMES
    missing = [one for pair in names for one in pair if one not in found]
    if missing:
        raise unreadable(f"there is no array '{missing[0]}': it has {', '.join(found) or 'none'}", place, _HELP)
    labels = [_labels(found[one], f"{place}: {one}") for _, one in names]
    classes = _classes(found, labels[0], place)
    parts = [
        Arrays(_images(found[image], f"{place}: {image}"), numbers, classes, f"{place}: {label}")
        for (image, label), numbers in zip(names, labels, strict=True)
    ]
    return Splits(parts[0], parts[1], name) if len(parts) == 2 else Splits.drawn(parts[0], name)


def _loaded(path: Path) -> Mapping[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except OSError as error:
        raise unreadable(f"cannot read it: {error.strerror or error}", str(path)) from None
    except MemoryError:
        raise unreadable("its arrays do not fit into memory", str(path), "give a folder of images instead") from None
    except (ValueError, TypeError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error):
        # A single array is no context manager (TypeError), zip files of other kinds are RuntimeErrors; and numpy's own
        # words speak of pickles, which a user never meant.
        raise unreadable("it is no .npz file of plain arrays", str(path), _HELP) from None


def _images(array: Array, place: str) -> Pixels:
    if array.ndim == 3:
        array = array[:, None]
    if array.dtype != np.uint8 or array.ndim != 4:
        text = f"images are {array.dtype} {list(array.shape)}, expected uint8 of 3 or 4 dimensions"
        raise unreadable(text, place, "pixels are 0 to 255")
    if channels_last(array.shape):
        return np.ascontiguousarray(array.transpose(0, 3, 1, 2))
    if array.shape[1] not in (1, 3):
        raise unreadable(f"images are {list(array.shape)}: neither the second nor the last is 1 or 3 channels", place)
    return array


def _labels(array: Array, place: str) -> NDArray[np.int64]:
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise unreadable(f"labels are {array.dtype} {list(array.shape)}, expected integers [N]", place)
    return array.astype(np.int64)


def _classes(found: Mapping[str, Array], labels: NDArray[np.int64], place: str) -> tuple[str, ...]:
    """The names in `classes`, or the numbers themselves, of which none below the largest may be missing."""
    if "classes" in found:
        names = found["classes"]
        if names.dtype.kind != "U" or names.ndim != 1:
            text = f"it is {names.dtype} {list(names.shape)}, expected a list of names"
            raise unreadable(text, f"{place}: classes")
        return tuple(names.tolist())
    seen = np.unique(labels)
    gaps = [number for number, label in enumerate(seen.tolist()) if number != label]
    if gaps and seen[0] >= 0:
        text = f"labels are {seen[0]} to {seen[-1]}, and no image is labelled {gaps[0]}"
        raise unreadable(text, place, "classes are numbered from 0; an array `classes` of names allows empty ones")
    return tuple(map(str, range(len(seen))))
