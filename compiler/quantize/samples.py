"""Calibration data: folders of images, arrays in .npz and .npy files, or synthetic numbers."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from compiler.errors import Diagnostic, UnreadableInput, UsageError
from compiler.images import SUFFIXES, Preprocess, entries, image_files, pillow, read_image, target_of
from compiler.quantize.network import Array

LABELS = "labels"
"""The array of an .npz file that holds the class of each sample."""

SYNTHETIC, SEED = 4, 0
"""How many synthetic samples there are, and the seed of their generator."""

Feeds = Mapping[str, Array]


@dataclass(frozen=True)
class Samples:
    """Samples for a model, read one by one when they are needed.

    `labels` are classes from 0; if folders give them, `folders` is how many there are. `place` is the file or folder.
    """

    count: int
    read: Callable[[int], Feeds]
    text: str
    labels: NDArray[np.int64] | None = None
    preprocess: Preprocess | None = None

    kinds: Mapping[str, np.dtype[Any]] = field(default_factory=dict)
    synthetic: bool = False
    folders: int = 0
    place: str = ""

    def __iter__(self) -> Iterator[Feeds]:
        for index in range(self.count):
            yield {name: _cast(one, self.kinds[name]) for name, one in self.read(index).items()}

    def some(self, most: int) -> Samples:
        """At most so many, spread evenly over all, so that each class of a folder has its share."""
        if most >= self.count:
            return self
        places = [index * self.count // most for index in range(most)]
        labels = None if self.labels is None else self.labels[places]
        return replace(self, count=most, read=lambda index: self.read(places[index]), labels=labels)

    def json(self) -> dict[str, Any]:
        """As the manifest and the report have it."""
        found: dict[str, Any] = {"data": self.text, "synthetic": self.synthetic}
        if self.preprocess is not None:
            found["preprocessing"] = self.preprocess.json()
        return found


def samples_of(path: str, model: onnx.ModelProto, preprocess: Preprocess | None) -> Samples:
    """The samples in a folder or a file; `preprocess` is for images, none means the defaults."""
    kinds = {one.name: _kind(one) for one in model.graph.input}
    found = _found(path, {one.name: _shape(one) for one in model.graph.input}, preprocess)
    return replace(found, kinds=kinds, place=path)


def _found(path: str, inputs: Mapping[str, tuple[int, ...]], preprocess: Preprocess | None) -> Samples:
    place = Path(path)
    try:
        is_folder = place.is_dir()
        if not is_folder:
            place.stat()
    except OSError as error:
        raise _unreadable(f"cannot read it: {error.strerror or error}", path) from None
    if is_folder:
        return _of_images(place, inputs, preprocess or Preprocess())
    if preprocess is not None:
        text = "arrays are given to the model as they are: preprocessing is for folders of images"
        raise UsageError(Diagnostic("preprocessing", text, path))
    return _of_arrays(place, inputs)


def synthetic(model: onnx.ModelProto) -> Samples:
    """Independent standard normal numbers for every input: ranges that are not empty, and nothing more."""
    inputs = {one.name: _shape(one) for one in model.graph.input}

    def read(index: int) -> Feeds:
        rng = np.random.default_rng((SEED, index))
        return {name: rng.standard_normal(shape, np.float32) for name, shape in inputs.items()}

    text = f"synthetic: standard normal numbers, seed {SEED}"
    return Samples(SYNTHETIC, read, text, kinds={one.name: _kind(one) for one in model.graph.input}, synthetic=True)


def _cast(values: Array, kind: np.dtype[Any]) -> Array:
    """Numbers of the input's own type; those of integers are rounded."""
    if kind.kind == "f":
        return values.astype(kind)
    limits = np.iinfo(kind)
    return np.clip(np.rint(values), limits.min, limits.max).astype(kind)


def _kind(info: onnx.ValueInfoProto) -> np.dtype[Any]:
    return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type))


def _shape(info: onnx.ValueInfoProto) -> tuple[int, ...]:
    return tuple(one.dim_value for one in info.type.tensor_type.shape.dim)


def _unreadable(message: str, place: str, help: str = "") -> UnreadableInput:
    return UnreadableInput(Diagnostic("calibration", message, place, help=help))


def _of_images(folder: Path, inputs: Mapping[str, tuple[int, ...]], preprocess: Preprocess) -> Samples:
    """Images in the folder itself, or in one folder for each class, which are numbered by their sorted names."""
    if len(inputs) != 1:
        text = f"the model has {len(inputs)} inputs: images go to one; give arrays by the inputs' names"
        raise UsageError(Diagnostic("calibration-shape", text, str(folder)))
    ((name, shape),) = inputs.items()
    target = target_of(shape, preprocess)
    pillow()
    found = _entries(folder)
    classes = [one for one in found if one.is_dir()]
    files = image_files(found)
    labels: NDArray[np.int64] | None = None
    if not files:
        by_class = [image_files(_entries(one)) for one in classes]
        files = [file for part in by_class for file in part]
        labels = np.repeat(np.arange(len(classes)), [len(part) for part in by_class])
    if not files:
        text = "there are no images in it" + f", nor in {_counted(len(classes), 'folder')} in it" * bool(classes)
        raise _unreadable(text, str(folder), "images end in " + ", ".join(SUFFIXES))
    batch = shape[0]
    if len(files) < batch:
        raise _unreadable(f"it has {len(files)} images, the model takes {batch} at a time", str(folder))

    def read(index: int) -> Feeds:
        part = files[index * batch : (index + 1) * batch]
        return {name: np.stack([read_image(file, target, preprocess) for file in part])}

    what = _counted(len(files), "image")
    if labels is not None:
        what += f" in {_counted(len(classes), 'class')}"
    held = replace(preprocess, layout="nhwc" if target.channels_last else "nchw")
    known = labels if batch == 1 else None
    count = 0 if known is None else len(classes)
    return Samples(len(files) // batch, read, f"{folder.resolve().name}: {what}", known, held, folders=count)


def _entries(folder: Path) -> list[Path]:
    try:
        return entries(folder)
    except OSError as error:
        raise _unreadable(f"cannot read it: {error.strerror or error}", str(folder)) from None


def _counted(count: int, word: str) -> str:
    """`1 class`, `2 classes`, `3 folders`"""
    return f"{count} {word}{'' if count == 1 else 'es' if word.endswith('s') else 's'}"


def _of_arrays(path: Path, inputs: Mapping[str, tuple[int, ...]]) -> Samples:
    """One array for each input, by its name; of a model with one input any name does."""
    arrays = _loaded(path)
    labels = arrays.pop(LABELS, None)
    if not arrays:
        raise _unreadable("there are no arrays in it", str(path), f"one for each input: {', '.join(inputs)}")
    if len(inputs) == 1 and len(arrays) == 1:
        arrays = dict(zip(inputs, arrays.values(), strict=True))
    missing = [name for name in inputs if name not in arrays]
    if missing:
        text = f"there is no array for input '{missing[0]}': it has {', '.join(arrays)}"
        raise _unreadable(text, str(path))
    held = {name: _checked(arrays[name], name, shape, path) for name, shape in inputs.items()}
    counts = {name: len(array) for name, array in held.items()}
    count = min(counts.values())
    if max(counts.values()) != count:
        raise _unreadable(f"its arrays have different numbers of samples: {counts}", str(path))
    if labels is not None and (labels.shape != (count,) or labels.dtype.kind not in "iu"):
        text = f"'{LABELS}' is {labels.dtype} {labels.shape}, expected {count} integers"
        raise _unreadable(text, str(path))
    numbers = None if labels is None else labels.astype(np.int64)
    return Samples(
        count,
        lambda index: {name: array[index] for name, array in held.items()},
        f"{path.name}: {count} samples",
        numbers,
    )


def _loaded(path: Path) -> dict[str, Array]:
    """The arrays of a file; a .npy file has one."""
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return {"": loaded}
            return {name: loaded[name] for name in loaded.files}
    except OSError as error:
        raise _unreadable(f"cannot read it: {error.strerror or error}", str(path)) from None
    except (ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error):
        # numpy's own words speak of pickles, which a user never meant
        text, help = "it is no .npz or .npy file of plain arrays", "give such a file, or a folder of images"
        raise _unreadable(text, str(path), help) from None


def _checked(array: Array, name: str, shape: tuple[int, ...], path: Path) -> Array:
    """[samples, *shape of the input]; the batch dimension of a sample may be left out if it is 1."""
    if array.dtype.kind not in "fiu":
        raise _unreadable(f"the array for input '{name}' is {array.dtype}, not numbers", str(path))
    if array.shape[1:] == shape[1:] and shape[:1] == (1,):
        array = array[:, None]
    if array.ndim != len(shape) + 1 or array.shape[1:] != shape:
        wanted, found = (_by(one) for one in (shape, array.shape[1:]))
        text = f"the array for input '{name}' holds samples of {found}, the model takes {wanted}"
        raise UsageError(Diagnostic("calibration-shape", text, str(path)))
    if not len(array):
        raise _unreadable(f"the array for input '{name}' holds no samples", str(path))
    array = array.astype(np.float32)
    finite = np.isfinite(array).reshape(len(array), -1).all(axis=1)
    if not finite.all():
        text = f"sample {int(np.argmin(finite))} of the array for input '{name}' is not finite"
        raise _unreadable(text, str(path))
    return array


def _by(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "one number"
