"""Samples as a network wants them: which files they come from, and the way from pixels to the input's numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.corpus.networks import Feed

Array = NDArray[Any]


@dataclass(frozen=True)
class Samples:
    """Pictures of one file; `package` is '' for an archive of --data, whose name `path` then is.

    `tool` is what pictures.py is told behind the two paths.
    """

    package: str
    path: str
    tool: tuple[str, ...]
    what: str


SAMPLES: Mapping[str, Samples] = {
    "photos": Samples("foolbox", "foolbox/data", ("files", "imagenet", "512"), "20 photos with ImageNet's labels"),
    "cifar10": Samples("foolbox", "foolbox/data", ("files", "cifar10", "32"), "20 images of CIFAR-10"),
    "mnist20": Samples("foolbox", "foolbox/data", ("files", "mnist", "28"), "20 images of MNIST"),
    "mnist": Samples("mnist", "package/src/digits", ("digits", "100"), "1,000 images of MNIST's training set"),
    "cifar10_jpeg": Samples("", "cifar10_jpeg.tar.xz", ("classes", "1000"), "10,000 test images of CIFAR-10 as JPEG"),
    "kws": Samples("", "kws01.tar.xz", ("maps", "49", "10", "1"), "1,000 feature maps of MLPerf Tiny's kws01"),
    "text": Samples("foolbox", "foolbox/attacks", ("bytes", "2048"), "Python files, first and last 1,024 bytes"),
}


def fed(samples: Array, feed: Feed) -> list[Array]:
    """Each sample as an array of the input's shape and type."""
    return [one_fed(sample, feed) for sample in samples]


def one_fed(sample: Array, feed: Feed) -> Array:
    """A sample in the input's shape and type; what is no picture has that shape already."""
    if sample.shape == feed.shape[1:] and sample.dtype != np.uint8:
        return sample[None].astype(feed.type)
    channels_first = feed.shape[1] in (1, 3)
    height, width = feed.shape[2:4] if channels_first else feed.shape[1:3]
    image = scaled(cropped(sample.astype(np.float64), feed.crop), height, width)
    if image.shape[2] > (feed.shape[1] if channels_first else feed.shape[3]):
        image = image[:, :, :1]  # gray in three equal channels
    pixels = feed.pixels
    values = ((image[:, :, ::-1] if pixels.bgr else image) - np.array(pixels.mean)) / np.array(pixels.std)
    if feed.type != "float32":
        values = np.rint(values)
    return np.ascontiguousarray(values.transpose(2, 0, 1) if channels_first else values)[None].astype(feed.type)


def cropped(image: Array, share: float) -> Array:
    """The middle of a picture."""
    height, width = (round(size * share) for size in image.shape[:2])
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return image[top : top + height, left : left + width]


def scaled(image: Array, height: int, width: int) -> Array:
    """A picture in another size: linear between pixels, and a mean over those that one pixel covers."""
    rows, columns = weights(image.shape[0], height), weights(image.shape[1], width)
    return np.asarray(np.rint(np.einsum("yh,xw,hwc->yxc", rows, columns, image, optimize=True)))


def weights(size: int, wanted: int) -> Array:
    """A triangle around the middle of each new pixel, as wide as the scale where that shrinks."""
    scale = size / wanted
    reach = max(scale, 1.0)
    middles = (np.arange(wanted) + 0.5) * scale
    distance = np.abs(middles[:, None] - (np.arange(size) + 0.5)) / reach
    found = np.maximum(1.0 - distance, 0.0)
    return np.asarray(found / found.sum(axis=1, keepdims=True))
