"""Fashion-MNIST in its IDX files.

70,000 grey images of 28x28 (Xiao, Rasul, Vollgraf, "Fashion-MNIST", arXiv:1708.07747, 2017).  The format is told on
Y. LeCun's MNIST page: two zero bytes, the type (8: unsigned bytes), the number of dimensions, each dimension in four
bytes, the most significant first, then the numbers.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from training.data.sets import Arrays, Pixels, Splits, unreadable

FOLDER = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist puts the files."""

CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)

_HELP = (
    "apt-get install dataset-fashion-mnist; or give the folder of its four .gz files, "
    "from https://github.com/zalandoresearch/fashion-mnist, as fashion-mnist:FOLDER"
)


def fashion_mnist(folder: Path = FOLDER) -> Splits:
    """60,000 images to train on, 10,000 to test on, as the authors split them."""
    train, test = (_part(folder, word) for word in ("train", "t10k"))
    return Splits(train, test, "Fashion-MNIST")


def _part(folder: Path, word: str) -> Arrays:
    images = read_idx(folder / f"{word}-images-idx3-ubyte.gz", 3)
    labels = read_idx(folder / f"{word}-labels-idx1-ubyte.gz", 1)
    return Arrays(images[:, None], labels.astype(np.int64), CLASSES, str(folder / word))


def read_idx(path: Path, dimensions: int) -> Pixels:
    """The array of bytes in a gzipped IDX file, which has so many dimensions."""
    try:
        with gzip.open(path) as file:
            content = file.read()
    except (OSError, EOFError, zlib.error) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise unreadable(f"cannot read it: {said}", str(path), _HELP) from None
    head = 4 + 4 * dimensions
    if content[:4] != bytes((0, 0, 8, dimensions)) or len(content) < head:
        text = (
            f"it starts with {content[:4].hex(' ')}, an IDX file of {dimensions} dimensions with 00 00 08 0{dimensions}"
        )
        raise unreadable(text, str(path), _HELP)
    shape = [int(one) for one in np.frombuffer(content, ">u4", dimensions, 4)]
    if len(content) - head != math.prod(shape):
        by = "x".join(map(str, shape))
        text = f"it holds {len(content) - head} numbers, its head says {by} = {math.prod(shape)}"
        raise unreadable(text, str(path), _HELP)
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape)
