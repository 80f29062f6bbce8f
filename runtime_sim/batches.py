"""Several images for a plan of one: they are run one after the other, which the plan's `batch` allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.errors import Diagnostic, UsageError
from compiler.plan import Plan
from runtime_sim.machine import CoreMaker

Array = NDArray[Any]


def shape_of(plan: Plan, shape: Sequence[int] | None) -> list[int] | None:
    """The shape of an input or output as the user sees it: with all images that the model takes."""
    if shape is None:
        return None
    return [plan.batch, *shape[1:]] if plan.batch > 1 else list(shape)


def arrays_of(feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Feeds as arrays; what is no mapping, or cannot be an array, is a `UsageError`."""
    if not isinstance(feeds, Mapping):
        text = f"the feeds are a {type(feeds).__name__}, expected an array for each input by its name"
        raise UsageError(Diagnostic("feeds", text))
    found = {}
    for name, value in feeds.items():
        try:
            found[name] = np.asarray(value)
        except ValueError as error:  # numpy's, of lists of different lengths
            raise UsageError(Diagnostic("feeds", f"input '{name}' is no array: {error}")) from None
    return found


def images_of(plan: Plan, feeds: Mapping[str, Array]) -> list[dict[str, Array]]:
    """What to feed for each image; feeds that are no batch come back as they are, to be checked as such.

    Raises `UsageError` (code `batch`) for inputs of different batch sizes and for another number than the model's.
    """
    arrays = arrays_of(feeds)
    shapes = {one.name: one.onnx_shape for one in (*plan.inputs, *plan.unused) if one.onnx_shape is not None}
    fits = all(name in shapes and one.shape[1:] == shapes[name][1:] and one.ndim for name, one in arrays.items())
    if plan.batch == 1 or not fits or not arrays:
        return [arrays]
    counts = {name: len(one) for name, one in arrays.items()}
    count = next(iter(counts.values()))
    for name, other in counts.items():
        if other != count:
            text = f"input '{name}' holds {other} images, input '{next(iter(counts))}' holds {count}"
            raise UsageError(Diagnostic("batch", text))
    if count < 1 or (plan.batch and count != plan.batch):
        text = f"the inputs hold {count} image{'s' * (count != 1)}, the model takes {plan.batch or 'one or more'}"
        raise UsageError(Diagnostic("batch", text))
    return [{name: one[index : index + 1] for name, one in arrays.items()} for index in range(count)]


def single_images(plan: Plan, feeds: Mapping[str, Array], core: CoreMaker | None) -> list[dict[str, Array]]:
    """The same; several are refused where `core` makes other cores than the usual ones."""
    images = images_of(plan, feeds)
    if core is not None and len(images) > 1:
        text = f"the inputs hold {len(images)} images, the instruction level is compared on one"
        raise UsageError(Diagnostic("batch", text))
    return images


def joined(results: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """The outputs of all images, along the first axis."""
    if len(results) == 1:
        return dict(results[0])
    return {name: np.concatenate([one[name] for one in results]) for name in results[0]}
