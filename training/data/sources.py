"""A set by what a user writes: a known name, a file, a folder, a function."""

from __future__ import annotations

import importlib
import re
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from compiler.errors import Diagnostic, UsageError, nearest
from compiler.images import Preprocess
from training.data.arrays import of_arrays, of_npz
from training.data.cifar import cifar10_jpeg
from training.data.folders import of_folder
from training.data.idx import FOLDER, fashion_mnist
from training.data.sets import LabelledImages, Splits, misused, unreadable

FASHION, CIFAR = "fashion-mnist", "cifar10-jpeg"
FORMS = (f"{FASHION}[:FOLDER]", f"{CIFAR}:PATH", "a folder", "an .npz file", "package.module:function")
_FUNCTION = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def load(text: str, cache: Path | None = None, preprocess: Preprocess | None = None) -> Splits:
    """The set that one of FORMS says; `cache` is where decoded images are kept, `preprocess` sizes those of a folder.

    Fails with UsageError (exit code 2) where there is no such set or a package is missing, and with UnreadableInput
    (3) where what lies there are no labelled images.
    """
    head, colon, rest = text.partition(":")
    path = Path(text)
    folder = head not in (FASHION, CIFAR) and path.is_dir()
    how = preprocess or Preprocess()
    if not folder and (how.resize or how.size or how.crop or how.bgr):
        raise misused("sizes and the order of colours are for folders of images", text)
    if head == FASHION:
        return fashion_mnist(Path(rest) if colon else FOLDER)
    if head == CIFAR:
        if not rest:
            raise misused(f"{CIFAR} needs a path", text, f"{CIFAR}:PATH of the .tar.xz or of the unpacked folder")
        return cifar10_jpeg(Path(rest), cache)
    if folder:
        return of_folder(path, how)
    if path.is_file() or path.suffix == ".npz":
        return of_npz(path)
    if _FUNCTION.fullmatch(text):
        return imported(text)
    raise misused("there is no such data", text, f"known: {', '.join(FORMS)}")


def imported(text: str) -> Splits:
    """What `package.module:function` gives when called: Splits, or (train, test).

    Each of the two has LabelledImages' methods, or is (images, labels), two arrays as an .npz file may hold them.
    Modules are looked for where Python looks; the current folder is among these with PYTHONPATH=. only.
    """
    module_name, _, name = text.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        help = "PYTHONPATH=. lets Python look in this folder" if isinstance(error, ModuleNotFoundError) else ""
        raise _failed(f"cannot import {module_name}", error, text, help) from error
    function = getattr(module, name, None)
    if not callable(function):
        known = [one for one, value in vars(module).items() if callable(value) and not one.startswith("_")]
        raise misused(f"there is no function '{name}' in {module_name}", text, nearest(name, known))
    try:
        made = function()
    except Exception as error:
        raise _failed("the function failed", error, text) from error
    return made if isinstance(made, Splits) else _splits(made, text)


def _failed(what: str, error: Exception, place: str, help: str = "") -> UsageError:
    """Somebody else's exception: its words, and where it was raised."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    notes = (f"raised in {last.filename}:{last.lineno}",)
    text = f"{what}: {type(error).__name__}: {error}"
    return UsageError(Diagnostic("training-data", text, place, notes, help))


def _splits(made: Any, place: str) -> Splits:
    pair = tuple(made) if isinstance(made, tuple | list) else ()
    if len(pair) == 2 and all(isinstance(one, LabelledImages) for one in pair):
        train, test = (_tried(one, place) for one in pair)
        return Splits(train, test, place)
    if len(pair) == 2 and all(isinstance(one, tuple | list) and len(one) == 2 for one in pair):
        (x_train, y_train), (x_test, y_test) = (map(np.asarray, one) for one in pair)
        found = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
        return of_arrays(found, place, place)
    kinds = ", ".join(type(one).__name__ for one in pair) or type(made).__name__
    text = f"it gives {f'({kinds})' if pair else kinds}, expected (train, test)"
    raise unreadable(text, place, "each with shape, classes, len and batch, or (images, labels)")


def _tried(images: LabelledImages, place: str) -> LabelledImages:
    """A set of somebody else's, when its first and last image are what it says."""
    count, classes = len(images), len(images.classes)
    if not count or classes < 2:
        raise unreadable(f"it has {count} images in {classes} classes, expected 1 or more in 2 or more", place)
    pixels, labels = images.batch([0, count - 1])
    if pixels.dtype != np.uint8 or pixels.shape != (2, *images.shape):
        found = f"{pixels.dtype} {list(pixels.shape)}"
        raise unreadable(f"a batch of 2 images is {found}, expected uint8 {[2, *images.shape]}", place)
    if labels.shape != (2,) or labels.dtype != np.int64 or labels.min() < 0 or labels.max() >= classes:
        text = f"labels of 2 images are {labels.dtype} {labels.tolist()}, expected int64, 0 to {classes - 1}"
        raise unreadable(text, place)
    return images
