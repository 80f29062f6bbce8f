"""Images as a network takes them; Pillow reads them (`pip install 'bscc[images]'`)."""

from __future__ import annotations

import importlib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.errors import Diagnostic, UnreadableInput, UsageError

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")

GREY = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "F")
"""Pillow's modes of images without colour."""


@dataclass(frozen=True)
class Preprocess:
    """From a file to numbers, in this order: resize, size, crop, then (pixel * scale - mean) / std.

    `resize` is the length of the shorter side; `size` and `crop` are (height, width).  Pixels are 0 to 255; `mean`
    and `std` have one number or one for each channel, in the order in which the network takes them.  Without any
    of the first three an image of another size is stretched to the network's.
    """

    resize: int = 0
    size: tuple[int, int] | None = None
    crop: tuple[int, int] | None = None
    scale: float = 1.0 / 255.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    layout: str = ""
    bgr: bool = False

    def __post_init__(self) -> None:
        numbers = (self.scale, *self.mean, *self.std)
        if not np.isfinite(numbers).all() or not all(self.std) or not self.scale:
            mean, std = (",".join(f"{one:g}" for one in numbers) for numbers in (self.mean, self.std))
            text = f"(pixel * {self.scale:g} - {mean}) / {std} is no preprocessing"
            raise UsageError(Diagnostic("preprocessing", text, help="--scale and --std must be finite and not zero"))

    def check_channels(self, channels: int) -> None:
        """Refuse numbers of mean or std that are neither one nor one for each channel."""
        for name, numbers in (("--mean", self.mean), ("--std", self.std)):
            if len(numbers) not in (1, channels):
                text = f"{name} has {len(numbers)} numbers, the input has {channels} channels"
                raise UsageError(Diagnostic("preprocessing", text))

    def json(self) -> dict[str, Any]:
        """As the manifest and the report have it."""
        return {
            "resize": self.resize,
            "size": list(self.size or ()),
            "crop": list(self.crop or ()),
            "scale": self.scale,
            "mean": list(self.mean),
            "std": list(self.std),
            "channels": "BGR" if self.bgr else "RGB",
            "layout": self.layout,
        }


@dataclass(frozen=True)
class Target:
    """What a network takes: one image of this size, channels first or last."""

    height: int
    width: int
    channels: int
    channels_last: bool


def target_of(shape: tuple[int, ...], preprocess: Preprocess) -> Target:
    """The image that an input of this shape holds; the layout is seen by the channel count, 1 or 3."""
    if len(shape) != 4:
        raise _input_error(shape, "an input of 4 dimensions")
    last = preprocess.layout == "nhwc" or (not preprocess.layout and channels_last(shape))
    height, width, channels = shape[1:] if last else (shape[2], shape[3], shape[1])
    if channels not in (1, 3):
        raise _input_error(shape, f"1 or 3 channels, not {channels}")
    preprocess.check_channels(channels)
    return Target(height, width, channels, last)


def channels_last(shape: Sequence[int]) -> bool:
    """Whether four dimensions are [N, H, W, C], as only their last can be channels, which are 1 or 3."""
    return shape[1] not in (1, 3) and shape[3] in (1, 3)


def _input_error(shape: tuple[int, ...], needed: str) -> UsageError:
    text = f"images need {needed}: the model's input is {'x'.join(map(str, shape))}"
    return UsageError(
        Diagnostic("calibration-shape", text, help="--layout says where its channels are; or give arrays")
    )


def pillow() -> Any:
    """Pillow's Image module, which is an extra of bscc."""
    try:
        return importlib.import_module("PIL.Image")
    except ImportError:
        text = "reading images needs Pillow, which is not installed"
        raise UsageError(
            Diagnostic("no-pillow", text, help="pip install 'bscc[images]', or give arrays (.npz)")
        ) from None


def entries(folder: Path) -> list[Path]:
    """What lies in a folder, by name, but for what is hidden; fails with an OSError."""
    return sorted(one for one in folder.iterdir() if not one.name.startswith("."))


def image_files(paths: Sequence[Path]) -> list[Path]:
    """Those paths that are files with the suffix of an image."""
    return [one for one in paths if one.suffix.lower() in SUFFIXES and one.is_file()]


def read_image(path: Path, target: Target, preprocess: Preprocess) -> NDArray[np.float32]:
    """One image without its batch dimension, in the network's layout."""
    pixels = read_pixels(path, target, preprocess).astype(np.float32)
    mean, std = np.array(preprocess.mean, np.float32), np.array(preprocess.std, np.float32)
    values = (pixels * np.float32(preprocess.scale) - mean) / std
    return np.ascontiguousarray(values if target.channels_last else values.transpose(2, 0, 1), np.float32)


def read_pixels(path: Path, target: Target, preprocess: Preprocess, content: bytes | None = None) -> NDArray[np.uint8]:
    """One image before scale, mean and std: [height, width, channels], 0 to 255, channels in the network's order.

    `content` is what the file holds, for one in an archive, which `path` only names.
    """
    with _opened(path, content) as file:
        image = file.convert("L" if target.channels == 1 else "RGB")
    pixels = np.asarray(_sized(pillow(), image, target, preprocess, path), np.uint8)
    pixels = pixels.reshape(target.height, target.width, target.channels)
    return pixels[..., ::-1] if preprocess.bgr else pixels


def image_size(path: Path, content: bytes | None = None) -> tuple[int, int, int]:
    """Channels (1 without colour, else 3), height and width, from the head of the file; `content` as above."""
    with _opened(path, content) as file:
        return 1 if file.mode in GREY else 3, file.height, file.width


@contextmanager
def _opened(path: Path, content: bytes | None) -> Iterator[Any]:
    """Pillow's image; whatever it fails in meanwhile names the file."""
    module = pillow()
    try:
        with module.open(path if content is None else io.BytesIO(content)) as file:
            yield file
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError and errors of their own
        said = getattr(error, "strerror", None) or str(error)
        text = f"cannot read the image: {said.splitlines()[0] if said else type(error).__name__}"
        raise UnreadableInput(Diagnostic("unreadable-image", text, str(path))) from None


def _sized(module: Any, image: Any, target: Target, preprocess: Preprocess, path: Path) -> Any:
    """Resized and cropped; Pillow's bilinear filter."""
    bilinear = module.Resampling.BILINEAR
    if preprocess.resize:
        factor = preprocess.resize / min(image.size)
        image = image.resize(tuple(max(1, round(side * factor)) for side in image.size), bilinear)
    if preprocess.size:
        image = image.resize(preprocess.size[::-1], bilinear)
    if preprocess.crop:
        height, width = preprocess.crop
        if width > image.width or height > image.height:
            text = f"it is {image.height}x{image.width}, too small to crop {height}x{width} from it"
            raise UsageError(Diagnostic("image-size", text, str(path)))
        left, top = (image.width - width) // 2, (image.height - height) // 2
        image = image.crop((left, top, left + width, top + height))
    if not (preprocess.resize or preprocess.size or preprocess.crop):
        return image.resize((target.width, target.height), bilinear)
    if image.size != (target.width, target.height):
        text = f"it is {image.height}x{image.width} when preprocessed, the model takes {target.height}x{target.width}"
        raise UsageError(Diagnostic("image-size", text, str(path), help="--size or --crop must give the model's size"))
    return image
