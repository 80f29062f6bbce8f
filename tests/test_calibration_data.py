"""Calibration data: images, arrays, what is wrong with them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from compiler.errors import BsccError, UnreadableInput, UsageError
from compiler.images import Preprocess
from compiler.quantize.accuracy import compare
from compiler.quantize.samples import Samples, samples_of, synthetic
from tests.floatnets import DIGIT_IMAGES, Array, FloatNet


def model(*shape: int) -> onnx.ModelProto:
    net = FloatNet(shape or (1, 3, 4, 6))
    return net.finish(net.add("Relu", net.x))


def image(path: Path, height: int, width: int, colour: tuple[int, int, int] = (255, 51, 0)) -> Path:
    """A PNG of one colour, whose right half is black."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2] = colour
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def first(samples: Samples) -> Array:
    return next(iter(samples))["x"]


# Images.


def test_pixels_become_numbers(tmp_path: Path) -> None:
    image(tmp_path / "a.png", 4, 6)
    plain = first(samples_of(str(tmp_path), model(), None))
    assert plain.shape == (1, 3, 4, 6) and plain.dtype == np.float32
    np.testing.assert_allclose(plain[0, :, 0, 0], [1, 0.2, 0], atol=1e-6)
    assert not plain[..., 3:].any()
    how = Preprocess(scale=1.0, mean=(100.0, 50.0, 25.0), std=(2.0, 4.0, 5.0), bgr=True)
    np.testing.assert_allclose(first(samples_of(str(tmp_path), model(), how))[0, :, 0, 0], [-50, 0.25, 46], atol=1e-5)


def test_channels_may_come_last(tmp_path: Path) -> None:
    image(tmp_path / "a.png", 4, 6)
    last = first(samples_of(str(tmp_path), model(1, 4, 6, 3), None))
    np.testing.assert_allclose(last[0, 0, 0], [1, 0.2, 0], atol=1e-6)
    forced = samples_of(str(tmp_path), model(1, 3, 4, 3), Preprocess(layout="nhwc"))
    assert first(forced).shape == (1, 3, 4, 3)
    assert forced.json()["preprocessing"]["layout"] == "nhwc"


def test_one_channel_is_grey() -> None:
    digits = samples_of(str(DIGIT_IMAGES), model(1, 1, 28, 28), None)
    assert first(digits).shape == (1, 1, 28, 28)
    assert 0 <= first(digits).min() < 0.1 < 0.9 < first(digits).max() <= 1


@pytest.mark.parametrize(
    ("how", "half"),
    [
        (Preprocess(), 3),
        (Preprocess(size=(4, 6)), 3),
        (Preprocess(resize=4, crop=(4, 6)), 3),
        (Preprocess(resize=8, size=(8, 12), crop=(4, 6)), 3),
    ],
    ids=["stretched", "size", "resize and crop", "all three"],
)
def test_sizes(tmp_path: Path, how: Preprocess, half: int) -> None:
    image(tmp_path / "a.png", 20, 40)
    array = first(samples_of(str(tmp_path), model(), how))[0, 0]
    assert array.shape == (4, 6)
    assert array[:, : half - 1].min() > 0.9 and array[:, half + 1 :].max() < 0.1


def test_class_folders_are_numbered_by_their_names(tmp_path: Path) -> None:
    for name, count in (("cat", 2), ("ant", 3), ("bee", 1)):
        for index in range(count):
            image(tmp_path / name / f"{index}.png", 4, 6)
    (tmp_path / "ant" / "notes.txt").write_text("no image")
    found = samples_of(str(tmp_path), model(), None)
    assert found.labels is not None
    assert found.labels.tolist() == [0, 0, 0, 1, 2, 2]
    some = found.some(3)
    assert some.labels is not None
    assert (some.count, some.labels.tolist()) == (3, [0, 0, 2])


def test_folders_are_named_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the path says no name; what is hidden, as tools leave it, is no class."""
    image(tmp_path / "photos/cat/a.png", 4, 6)
    image(tmp_path / "photos/.cache/b.png", 4, 6)
    monkeypatch.chdir(tmp_path / "photos")
    assert samples_of(".", model(), None).text == "photos: 1 image in 1 class"


def test_folders_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    def refuse(folder: Path) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(UnreadableInput, match="cannot read it: Permission denied"):
        samples_of(str(tmp_path), model(), None)


def test_without_pillow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image(tmp_path / "a.png", 4, 6)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(UsageError, match=r"bscc\[images\]"):
        samples_of(str(tmp_path), model(), None)


def broken(folder: Path) -> None:
    image(folder / "a.png", 4, 6)
    data = (folder / "a.png").read_bytes()
    (folder / "a.png").write_bytes(data[: len(data) // 2])


def no_image(folder: Path) -> None:
    (folder / "a.jpg").write_text("not an image")


def empty(folder: Path) -> None:
    (folder / "class").mkdir()


def good(folder: Path) -> None:
    image(folder / "a.png", 20, 40)


BAD_IMAGES: list[tuple[str, Callable[[Path], None], tuple[int, ...], Preprocess | None, type[BsccError], str]] = [
    ("broken", broken, (), None, UnreadableInput, r"a\.png: error\[unreadable-image\]"),
    ("no image", no_image, (), None, UnreadableInput, r"a\.jpg: error\[unreadable-image\]"),
    ("empty", empty, (), None, UnreadableInput, "no images in it, nor in 1 folder in it"),
    ("4 channels", good, (1, 4, 6, 8), None, UsageError, "1 or 3 channels, not 4.*1x4x6x8"),
    ("flat input", good, (1, 10), None, UsageError, "4 dimensions.*1x10"),
    ("batch", good, (2, 3, 4, 6), None, UnreadableInput, "1 images, the model takes 2 at a time"),
    ("mean", good, (), Preprocess(mean=(1.0, 2.0)), UsageError, "--mean has 2 numbers, the input has 3 channels"),
    ("crop", good, (), Preprocess(crop=(30, 6)), UsageError, "20x40, too small to crop 30x6"),
    ("size", good, (), Preprocess(size=(5, 6)), UsageError, "5x6 when preprocessed, the model takes 4x6"),
]


@pytest.mark.parametrize(
    ("make", "shape", "how", "error", "says"), [one[1:] for one in BAD_IMAGES], ids=[one[0] for one in BAD_IMAGES]
)
def test_bad_images(
    tmp_path: Path,
    make: Callable[[Path], None],
    shape: tuple[int, ...],
    how: Preprocess | None,
    error: type[BsccError],
    says: str,
) -> None:
    make(tmp_path)
    with pytest.raises(error, match=f"(?s){says}"):
        list(samples_of(str(tmp_path), model(*shape), how))


@pytest.mark.parametrize("how", [{"std": (0.0,)}, {"scale": float("nan")}, {"scale": 0.0}])
def test_preprocessing_that_loses_everything(how: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=r"error\[preprocessing\]"):
        Preprocess(**how)  # type: ignore[arg-type]


# Arrays.


def saved(folder: Path, **arrays: Array) -> str:
    path = folder / "x.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return str(path)


IMAGES = np.arange(2 * 72, dtype=np.float32).reshape(2, 3, 4, 6)


@pytest.mark.parametrize("array", [IMAGES, IMAGES[:, None], IMAGES.astype(np.int64)])
def test_arrays_are_taken_as_they_are(tmp_path: Path, array: Array) -> None:
    found = samples_of(saved(tmp_path, any=array, labels=np.array([4, 2])), model(), None)
    assert [one["x"].tolist() for one in found] == [[part.tolist()] for part in IMAGES]
    assert found.labels is not None and found.labels.tolist() == [4, 2]


def test_npy_files_hold_the_one_array(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", IMAGES)
    assert samples_of(str(tmp_path / "x.npy"), model(), None).count == 2


def test_integer_inputs_get_integers() -> None:
    made = model()
    made.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.UINT8
    assert next(iter(synthetic(made)))["x"].dtype == np.uint8


def with_nan() -> Array:
    array = IMAGES.copy()
    array[1, 0, 0, 0] = np.nan
    return array


BAD_ARRAYS: list[tuple[str, dict[str, Array], type[BsccError], str]] = [
    ("none", {}, UnreadableInput, "there are no arrays in it"),
    ("labels only", {"labels": np.zeros(2, np.int64)}, UnreadableInput, "there are no arrays in it"),
    ("other names", {"a": IMAGES, "b": IMAGES}, UnreadableInput, "no array for input 'x': it has a, b"),
    ("channels", {"x": IMAGES[:, :1]}, UsageError, "samples of 1x4x6, the model takes 1x3x4x6"),
    ("not a number", {"x": with_nan()}, UnreadableInput, "sample 1 of the array for input 'x' is not finite"),
    ("words", {"x": np.array(["a"])}, UnreadableInput, "not numbers"),
    ("no samples", {"x": IMAGES[:0]}, UnreadableInput, "holds no samples"),
    ("few labels", {"x": IMAGES, "labels": np.zeros(1, np.int64)}, UnreadableInput, "expected 2 integers"),
    ("float labels", {"x": IMAGES, "labels": np.zeros(2)}, UnreadableInput, "expected 2 integers"),
]


@pytest.mark.parametrize(
    ("arrays", "error", "says"), [one[1:] for one in BAD_ARRAYS], ids=[one[0] for one in BAD_ARRAYS]
)
def test_bad_arrays(tmp_path: Path, arrays: dict[str, Array], error: type[BsccError], says: str) -> None:
    with pytest.raises(error, match=says):
        samples_of(saved(tmp_path, **arrays), model(), None)


def test_files_that_are_no_arrays(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with pytest.raises(UnreadableInput, match="No such file"):
        samples_of(str(path), model(), None)
    for data in (b"", b"hello", b"PK\x03\x04broken"):
        path.write_bytes(data)
        with pytest.raises(UnreadableInput, match="of plain arrays"):
            samples_of(str(path), model(), None)
    with pytest.raises(UsageError, match="for folders of images"):
        samples_of(saved(tmp_path, x=IMAGES), model(), Preprocess())


def test_a_compressed_file_that_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez_compressed(path, x=IMAGES)
    content = bytearray(path.read_bytes())
    content[80:120] = b"\xff" * 40
    path.write_bytes(content)
    with pytest.raises(UnreadableInput, match="of plain arrays"):
        samples_of(str(path), model(), None)


def test_objects_are_not_unpickled(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput, match="of plain arrays"):
        samples_of(saved(tmp_path, x=np.array([{"a": 1}], object)), model(), None)


# What the comparison makes of labels.


def classifier() -> tuple[onnx.ModelProto, FloatNet]:
    net = FloatNet((1, 3, 4, 4))
    return net.finish(net.gemm(net.x, 48, 7)), net


def test_labels_that_are_no_classes() -> None:
    made, net = classifier()
    feeds = net.samples(2)
    kinds = {"x": np.dtype(np.float32)}
    wrong = Samples(2, lambda index: feeds[index], "", np.array([0, 7]), kinds=kinds, place="a.npz")
    with pytest.raises(UsageError, match=r"^a.npz: error\[labels\]: a sample is labelled 7, the model has 7 classes"):
        compare(made, made, wrong)
    folders = Samples(2, lambda index: feeds[index], "", np.array([0, 1]), kinds=kinds, folders=2)
    found = compare(made, made, folders).json()
    assert "there are 2, it has 7" in found["note"] and "float" not in found
    assert found["agree_top1"] == 1.0 and list(found["sqnr_db"].values()) == [None]


def test_tops_are_counted() -> None:
    made, net = classifier()
    feeds = net.samples(20)
    kinds = {"x": np.dtype(np.float32)}
    labels = np.arange(20) % 7
    found = compare(made, made, Samples(20, lambda index: feeds[index], "", labels, kinds=kinds)).json()
    assert found["float"] == found["int8"]
    assert found["float"]["top1"] < found["float"]["top5"] <= 1
