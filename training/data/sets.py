"""What a set of labelled images is; sets in memory, in files, and parts of sets."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from compiler.errors import Diagnostic, UnreadableInput, UsageError

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]
Shape = tuple[int, int, int]
Indices = Sequence[int] | NDArray[np.int64]

TEST_SHARE, TEST_SEED = 0.2, 0
"""Of a set that comes whole, this share is to test on, drawn by this seed."""


@runtime_checkable
class LabelledImages(Protocol):
    """Images of one shape, (channels, height, width), each of one of `classes`."""

    @property
    def shape(self) -> Shape: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    def __len__(self) -> int: ...

    def batch(self, indices: Indices) -> tuple[Pixels, Labels]:
        """Raw pixels [N, channels, height, width], 0 to 255, and the numbers of the classes, [N]."""


def unreadable(message: str, place: str = "", help: str = "") -> UnreadableInput:
    """Exit code 3: what lies there are no labelled images."""
    return UnreadableInput(Diagnostic("training-data", message, place, help=help))


def misused(message: str, place: str = "", help: str = "") -> UsageError:
    """Exit code 2: what was asked for cannot be had."""
    return UsageError(Diagnostic("training-data", message, place, help=help))


def seeds(*numbers: int) -> np.random.SeedSequence:
    """What generators start from: several numbers, none of them negative, so that near ones share nothing."""
    if min(numbers) < 0:
        raise misused(f"a generator cannot start from {min(numbers)}", help="seeds, epochs and steps are 0 or more")
    return np.random.SeedSequence(numbers)


@dataclass(frozen=True)
class Arrays:
    """Images in memory: [N, channels, height, width]; `place` is where they come from, for messages."""

    images: Pixels
    labels: Labels
    classes: tuple[str, ...]
    place: str = ""

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.dtype != np.uint8:
            found = f"{self.images.dtype} {list(self.images.shape)}"
            raise unreadable(f"images are {found}, expected uint8 [N, channels, height, width]", self.place)
        check_labels(self.labels, len(self.images), self.classes, self.place)

    @property
    def shape(self) -> Shape:
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, indices: Indices) -> tuple[Pixels, Labels]:
        where = np.asarray(indices, np.int64)
        return self.images[where], self.labels[where]


def check_labels(labels: Labels, count: int, classes: tuple[str, ...], place: str) -> None:
    """Refuse sets that nothing can be learnt from: no image, one class, labels that are no classes."""
    if not count:
        raise unreadable("there are no images in it", place)
    if len(classes) < 2:
        text = f"it has {len(classes)} class{'es' * (len(classes) != 1)}, training needs 2 or more"
        raise unreadable(text, place)
    if labels.shape != (count,):
        raise unreadable(f"labels are {list(labels.shape)}, expected [{count}], one for each image", place)
    wrong = (labels < 0) | (labels >= len(classes))
    if wrong.any():
        first = int(np.argmax(wrong))
        text = f"image {first} is labelled {labels[first]}, the {len(classes)} classes are 0 to {len(classes) - 1}"
        raise unreadable(text, place)


def _workers() -> int:
    return min(16, os.cpu_count() or 1)


@dataclass(frozen=True)
class Lazy:
    """Images that are read when they are asked for, by `workers` threads, in the order in which they are asked for.

    `read` gives image number i, [channels, height, width]; Pillow's decoders run without Python's lock.
    """

    read: Callable[[int], Pixels]
    labels: Labels
    classes: tuple[str, ...]
    shape: Shape
    place: str = ""
    workers: int = field(default_factory=_workers)

    def __post_init__(self) -> None:
        check_labels(self.labels, len(self.labels), self.classes, self.place)

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, indices: Indices) -> tuple[Pixels, Labels]:
        where = np.asarray(indices, np.int64)
        images = np.empty((len(where), *self.shape), np.uint8)

        def fill(place: int) -> None:
            images[place] = self.read(int(where[place]))

        with ThreadPoolExecutor(self.workers) as pool:
            for _ in pool.map(fill, range(len(where))):
                pass  # raises what went wrong, of several the first
        return images, self.labels[where]

    def in_memory(self) -> Arrays:
        """All of it, read once."""
        return Arrays(*self.batch(range(len(self))), self.classes, self.place)


@dataclass(frozen=True)
class Subset:
    """Some images of a set, in the order of `indices`."""

    whole: LabelledImages
    indices: NDArray[np.int64]

    @property
    def shape(self) -> Shape:
        return self.whole.shape

    @property
    def classes(self) -> tuple[str, ...]:
        return self.whole.classes

    def __len__(self) -> int:
        return len(self.indices)

    def batch(self, indices: Indices) -> tuple[Pixels, Labels]:
        return self.whole.batch(self.indices[np.asarray(indices, np.int64)])


@dataclass(frozen=True)
class Splits:
    """What a network learns from, and what it is tested on; `name` is for reports."""

    train: LabelledImages
    test: LabelledImages
    name: str

    def __post_init__(self) -> None:
        shapes = ["x".join(map(str, one.shape)) for one in (self.train, self.test)]
        if shapes[0] != shapes[1]:
            raise unreadable(f"images to train on are {shapes[0]}, those to test on {shapes[1]}", self.name)
        if self.train.classes != self.test.classes:
            counts = f"{len(self.train.classes)} classes to train on, {len(self.test.classes)} to test on"
            pairs = zip((*self.train.classes, "none"), (*self.test.classes, "none"), strict=False)
            first = next(" and ".join(pair) for pair in pairs if pair[0] != pair[1])
            raise unreadable(f"{counts}; the first that differ: {first}", self.name)

    @classmethod
    def drawn(cls, images: LabelledImages, name: str) -> Splits:
        """Of a set that comes whole, what to test on is drawn, the same at each call."""
        return cls(images, images, name).held_out(TEST_SHARE, TEST_SEED)

    def held_out(self, share: float, seed: int) -> Splits:
        """The training images alone, of which a share drawn by `seed` is to test on: the test set stays unseen."""
        count = len(self.train)
        held = round(share * count) if 0.0 < share < 1.0 else 0
        if not 0 < held < count:
            text = f"a share of {share:g} of {count} images to train on cannot be held out"
            raise misused(text, self.name, "at least one image must be in the share, and one outside")
        order = np.random.default_rng(seeds(seed)).permutation(count)
        rest, part = np.sort(order[held:]), np.sort(order[:held])
        name = f"{self.name}, {held} of {count} training images held out"
        return Splits(Subset(self.train, rest), Subset(self.train, part), name)
