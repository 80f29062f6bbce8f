"""Sets of labelled images: where they come from, and what is wrong with them."""

from __future__ import annotations

import errno
import gzip
import io
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from PIL import Image

from compiler.errors import BsccError, UnreadableInput, UsageError
from compiler.images import Preprocess
from training.data import cifar
from training.data.folders import of_folder
from training.data.sets import Arrays, Lazy, Pixels, Splits
from training.data.sources import load


def pixels(height: int, width: int, seed: int = 0, channels: int = 3) -> Pixels:
    drawn = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    return drawn if channels == 3 else drawn[..., 0]


def image(path: Path, content: Pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(content).save(path)


def folder(path: Path, classes: str = "ant bee", count: int = 2, size: tuple[int, int] = (4, 6)) -> Path:
    """`count` images of each class, drawn by their number within the folder."""
    for number, name in enumerate(classes.split()):
        for index in range(count):
            image(path / name / f"{index}.png", pixels(*size, seed=10 * number + index))
    return path


def whole(data: Splits) -> tuple[Pixels, list[int]]:
    """All images and labels of both parts, those to train on first."""
    parts = [one.batch(range(len(one))) for one in (data.train, data.test)]
    return np.concatenate([one[0] for one in parts]), [label for one in parts for label in one[1].tolist()]


# Folders.


def test_train_and_test_folders(tmp_path: Path) -> None:
    folder(tmp_path / "train", "cat ant", 3)
    folder(tmp_path / "val", "cat ant", 1)
    (tmp_path / "train/ant/notes.txt").write_text("no image")
    found = load(str(tmp_path))
    assert (found.train.shape, found.train.classes, len(found.train), len(found.test)) == (
        (3, 4, 6),
        ("ant", "cat"),
        6,
        2,
    )
    images, labels = found.train.batch([4, 0])
    assert labels.tolist() == [1, 0] and images.dtype == np.uint8 and labels.dtype == np.int64
    assert np.array_equal(images[0], pixels(4, 6, seed=1).transpose(2, 0, 1))
    assert np.array_equal(images[1], pixels(4, 6, seed=10).transpose(2, 0, 1))


def test_test_wins_over_val(tmp_path: Path) -> None:
    for part, count in (("train", 3), ("val", 2), ("test", 1)):
        folder(tmp_path / part, count=count)
    assert len(of_folder(tmp_path).test) == 2


def test_a_plain_folder_is_split_always_alike(tmp_path: Path) -> None:
    found = load(str(folder(tmp_path, count=10)))
    assert (len(found.train), len(found.test)) == (16, 4) and "4 of 20 training images held out" in found.name
    images, labels = whole(found)
    assert len(np.unique(images, axis=0)) == 20 and sorted(labels) == [0] * 10 + [1] * 10
    assert np.array_equal(images, whole(load(str(tmp_path)))[0])


def test_read_lazily_it_is_the_same(tmp_path: Path) -> None:
    folder(tmp_path, count=5)
    held, read = of_folder(tmp_path), of_folder(tmp_path, most_bytes=10 * 3 * 4 * 6 - 1)
    assert isinstance(held.train.whole, Arrays) and isinstance(read.train.whole, Lazy)  # type: ignore[attr-defined]
    assert np.array_equal(whole(held)[0], whole(read)[0]) and whole(held)[1] == whole(read)[1]
    (tmp_path / "ant/3.png").write_bytes(b"")
    with pytest.raises(UnreadableInput, match=r"3\.png: error\[unreadable-image\]"):
        whole(read)


def test_sizes_and_colours(tmp_path: Path) -> None:
    folder(tmp_path, count=2, size=(8, 12))
    image(tmp_path / "ant/9.png", pixels(20, 40))
    with pytest.raises(UsageError, match=r"9\.png: error\[image-size\]: it is 20x40, .*0\.png is 8x12"):
        load(str(tmp_path))
    assert load(str(tmp_path), preprocess=Preprocess(size=(4, 6))).train.shape == (3, 4, 6)
    cut = Preprocess(resize=8, crop=(8, 8), bgr=True)
    found = of_folder(tmp_path, cut).train.whole.batch([0])[0][0]  # type: ignore[attr-defined]
    assert np.array_equal(found, pixels(8, 12)[:, 2:10, ::-1].transpose(2, 0, 1))
    with pytest.raises(UsageError, match="shorter sides become 8"):
        of_folder(tmp_path, Preprocess(resize=8))


def test_without_colour_there_is_one_channel(tmp_path: Path) -> None:
    for name in ("a", "b"):
        for index in range(3):
            image(tmp_path / name / f"{index}.png", pixels(5, 5, index, 1))
    assert load(str(tmp_path)).train.shape == (1, 5, 5)
    image(tmp_path / "b/colour.png", pixels(5, 5))
    assert load(str(tmp_path)).train.shape == (3, 5, 5)


def broken(path: Path) -> None:
    (folder(path) / "bee/1.png").write_bytes(b"no image")


def half(path: Path) -> None:
    content = (folder(path) / "bee/1.png").read_bytes()
    (path / "bee/1.png").write_bytes(content[: len(content) // 2])


def empty_class(path: Path) -> None:
    (folder(path) / "cat").mkdir()


def loose(path: Path) -> None:
    image(path / "a.png", pixels(4, 6))


def one_class(path: Path) -> None:
    folder(path, "ant")


def other_classes(path: Path) -> None:
    folder(path / "train", "ant bee")
    folder(path / "test", "ant cat dog")


def other_sizes(path: Path) -> None:
    folder(path / "train")
    folder(path / "test", size=(5, 6))


BAD_FOLDERS: list[tuple[Callable[[Path], None], type[BsccError], str]] = [
    (broken, UnreadableInput, r"bee/1\.png: error\[unreadable-image\]"),
    (half, UnreadableInput, r"bee/1\.png: error\[unreadable-image\]"),
    (empty_class, UnreadableInput, r"/cat: error.*no images in it"),
    (loose, UnreadableInput, "no folders in it, and 1 image\n"),
    (one_class, UnreadableInput, "it has 1 class, training needs 2"),
    (other_classes, UnreadableInput, "2 classes to train on, 3 to test on; the first that differ: bee and cat"),
    (other_sizes, UsageError, "it is 5x6, .* is 4x6"),
]


@pytest.mark.parametrize(("make", "error", "says"), BAD_FOLDERS, ids=[one[0].__name__ for one in BAD_FOLDERS])
def test_bad_folders(tmp_path: Path, make: Callable[[Path], None], error: type[BsccError], says: str) -> None:
    make(tmp_path)
    with pytest.raises(error, match=says):
        load(str(tmp_path))


def test_without_pillow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder(tmp_path)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(UsageError, match=r"bscc\[images\]"):
        load(str(tmp_path))


# Arrays.

TEN = np.random.default_rng(1).integers(0, 256, (10, 3, 4, 6), np.uint8)
LABELS = np.arange(10) % 3


def saved(path: Path, **arrays: np.ndarray) -> str:
    np.savez(path / "x.npz", **arrays)  # type: ignore[arg-type]
    return str(path / "x.npz")


@pytest.mark.parametrize(
    ("images", "labels"),
    [(TEN, LABELS), (TEN.transpose(0, 2, 3, 1), LABELS.astype(np.uint8)[:, None]), (TEN[:, 0], LABELS)],
    ids=["channels first", "channels last", "grey"],
)
def test_arrays_with_a_split(tmp_path: Path, images: Pixels, labels: np.ndarray) -> None:
    found = load(saved(tmp_path, x_train=images[:7], y_train=labels[:7], x_test=images[7:], y_test=labels[7:]))
    expected = TEN[:, :1] if images.ndim == 3 else TEN
    assert np.array_equal(whole(found)[0], expected) and whole(found)[1] == LABELS.tolist()
    assert found.train.shape == expected.shape[1:] and found.test.classes == ("0", "1", "2")


def test_arrays_that_come_whole(tmp_path: Path) -> None:
    found = load(saved(tmp_path, images=TEN, labels=LABELS, classes=np.array(["a", "b", "c", "d"])))
    assert (len(found.train), len(found.test), found.train.classes) == (8, 2, ("a", "b", "c", "d"))


BAD_ARRAYS: list[tuple[dict[str, np.ndarray], str]] = [
    ({"images": TEN}, "no array 'x_train': it has images"),
    ({"images": TEN.astype(np.float32), "labels": LABELS}, "images are float32 .*expected uint8"),
    ({"images": TEN.transpose(0, 2, 1, 3), "labels": LABELS}, "neither the second nor the last"),
    ({"images": TEN, "labels": LABELS[:9]}, r"labels are \[9\], expected \[10\]"),
    ({"images": TEN, "labels": LABELS * 0.5}, "labels are float64"),
    ({"images": TEN, "labels": LABELS - 1}, "image 0 is labelled -1"),
    ({"images": TEN, "labels": LABELS + 1}, "labels are 1 to 3, and no image is labelled 0"),
    ({"images": TEN, "labels": LABELS * 0}, "it has 1 class,"),
    ({"images": TEN[:0], "labels": LABELS[:0]}, "there are no images"),
    ({"images": TEN, "labels": LABELS, "classes": np.array(["a", "b"])}, "image 2 is labelled 2, the 2 classes"),
    ({"images": TEN, "labels": LABELS, "classes": np.arange(3)}, "expected a list of names"),
    ({"x_train": TEN, "y_train": LABELS, "x_test": TEN, "y_test": LABELS + 1}, "y_test: .*image 2 is labelled 3"),
    ({"x_train": TEN, "y_train": LABELS, "x_test": TEN[:, :, 1:], "y_test": LABELS}, "train on are 3x4x6, .* 3x3x6"),
]


@pytest.mark.parametrize(("arrays", "says"), BAD_ARRAYS, ids=[one[1][:30] for one in BAD_ARRAYS])
def test_bad_arrays(tmp_path: Path, arrays: dict[str, np.ndarray], says: str) -> None:
    with pytest.raises(UnreadableInput, match=says):
        load(saved(tmp_path, **arrays))


def test_files_that_are_no_arrays(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with pytest.raises(UnreadableInput, match="No such file"):
        load(str(path))
    np.save(tmp_path / "x.npy", TEN)
    for content in (b"", b"hello", b"PK\x03\x04broken", (tmp_path / "x.npy").read_bytes()):
        path.write_bytes(content)
        with pytest.raises(UnreadableInput, match=r"no \.npz file of plain arrays"):
            load(str(path))


@pytest.mark.parametrize("place", [4, 8, 80], ids=["version", "method", "content"])
def test_a_compressed_file_that_is_broken(tmp_path: Path, place: int) -> None:
    path = tmp_path / "x.npz"
    np.savez_compressed(path, images=TEN, labels=LABELS)
    content = bytearray(path.read_bytes())
    if place == 80:
        content[place : place + 40] = b"\xff" * 40
    else:
        # The directory at the end has what the head of a file has, two bytes later.
        content[place] = content[content.index(b"PK\x01\x02") + place + 2] = 0xFF
    path.write_bytes(content)
    with pytest.raises(UnreadableInput, match=r"no \.npz file of plain arrays"):
        load(str(path))


def test_sets_that_are_held_out() -> None:
    data = Splits(Arrays(TEN, LABELS, ("a", "b", "c")), Arrays(TEN[:2], LABELS[:2], ("a", "b", "c")), "ten")
    held = data.held_out(0.3, 5)
    assert (len(held.train), len(held.test)) == (7, 3)
    images, labels = whole(held)
    assert sorted(map(bytes, images)) == sorted(map(bytes, TEN)) and sorted(labels) == sorted(LABELS.tolist())
    assert np.array_equal(images, whole(data.held_out(0.3, 5))[0])
    assert not np.array_equal(images, whole(data.held_out(0.3, 6))[0])
    for share in (0.0, 0.01, 0.99, 1.0, float("nan")):
        with pytest.raises(UsageError, match="of 10 images to train on cannot be held out"):
            data.held_out(share, 0)


# Fashion-MNIST.


def write_idx(path: Path, array: Pixels) -> None:
    head = bytes((0, 0, 8, array.ndim)) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    path.write_bytes(gzip.compress(head + array.tobytes()))


def fashion(path: Path) -> None:
    for word, count in (("train", 6), ("t10k", 3)):
        write_idx(path / f"{word}-images-idx3-ubyte.gz", TEN[:count, 0])
        write_idx(path / f"{word}-labels-idx1-ubyte.gz", (LABELS[:count] + 7).astype(np.uint8))


def test_fashion_mnist(tmp_path: Path) -> None:
    fashion(tmp_path)
    found = load(f"fashion-mnist:{tmp_path}")
    assert found.train.shape == (1, 4, 6) and found.train.classes[9] == "Ankle boot" and found.name == "Fashion-MNIST"
    assert np.array_equal(found.train.batch(range(6))[0], TEN[:6, :1])
    assert found.test.batch([2, 0])[1].tolist() == [9, 7]


def test_bad_idx_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "train-images-idx3-ubyte.gz"
    monkeypatch.setattr("training.data.sources.FOLDER", tmp_path)
    with pytest.raises(UnreadableInput, match=r"(?s)No such file.*apt-get install dataset-fashion-mnist"):
        load("fashion-mnist")
    fashion(tmp_path)
    good = path.read_bytes()
    plain = gzip.decompress(good)
    for content, says in (
        (b"hello", "cannot read it: Not a gzipped file"),
        (good[:-20], "cannot read it"),
        (gzip.compress(plain[:-1]), "holds 143 numbers, its head says 6x4x6 = 144"),
        (gzip.compress(b"\x00\x00\x0d\x03" + plain[4:]), "starts with 00 00 0d 03"),
        (gzip.compress(b""), "starts with"),
    ):
        path.write_bytes(content)
        with pytest.raises(UnreadableInput, match=says):
            load("fashion-mnist")


# CIFAR-10 as JPEG.


@pytest.fixture
def cifar_folder(tmp_path: Path) -> Path:
    for part, count in (("train", 2), ("test", 1)):
        for number, name in enumerate(cifar.CLASSES):
            for index in range(count):
                image(tmp_path / "set" / part / name / f"{index:04}.jpg", pixels(32, 32, 10 * number + index))
    return tmp_path / "set"


def packed(path: Path, to: Path) -> Path:
    """As an archive that has its files in no order."""
    with tarfile.open(to, "w:xz") as archive:
        for file in sorted(path.rglob("*.jpg"), key=lambda one: one.as_posix()[::-1]):
            archive.add(file, f"./{file.relative_to(path)}")
    return to


def test_cifar_is_decoded_once(cifar_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = packed(cifar_folder, tmp_path / "cifar.tar.xz")
    found = load(f"cifar10-jpeg:{archive}", tmp_path / "cache")
    assert (found.name, found.train.shape, len(found.train), len(found.test)) == (cifar.NAME, (3, 32, 32), 20, 10)
    with Image.open(cifar_folder / "train/automobile/0001.jpg") as file:
        expected = np.asarray(file).transpose(2, 0, 1)
    images, labels = found.train.batch([3])
    assert np.array_equal(images[0], expected) and labels.tolist() == [1] and found.train.classes[1] == "automobile"
    beside = load(f"cifar10-jpeg:{cifar_folder}")
    assert np.array_equal(whole(beside)[0], whole(found)[0]) and whole(beside)[1] == whole(found)[1]
    (kept,) = (tmp_path / "cache").iterdir()
    (other,) = tmp_path.glob("cifar10-jpeg-*.npz")
    assert kept.read_bytes() == other.read_bytes()

    def never(path: Path) -> dict[str, np.ndarray]:
        raise AssertionError("decoded again")

    with monkeypatch.context() as patch:
        patch.setattr(cifar, "_decoded", never)
        assert np.array_equal(whole(load(f"cifar10-jpeg:{archive}", tmp_path / "cache"))[0], whole(found)[0])
    image(cifar_folder / "test/frog/0000.jpg", pixels(32, 32, 99))
    assert not np.array_equal(whole(load(f"cifar10-jpeg:{cifar_folder}"))[0], whole(found)[0])


def test_a_full_disk_leaves_nothing(cifar_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: BinaryIO, **arrays: np.ndarray) -> None:
        file.write(b"some")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(UsageError, match="cannot keep the decoded images: No space left"):
        load(f"cifar10-jpeg:{cifar_folder}", tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_bad_cifar(cifar_folder: Path, tmp_path: Path) -> None:
    archive = packed(cifar_folder, tmp_path / "cifar.tar.xz")
    content = archive.read_bytes()
    for bad in (b"hello", content[: len(content) // 2]):
        archive.write_bytes(bad)
        with pytest.raises(UnreadableInput, match="cannot read the archive"):
            load(f"cifar10-jpeg:{archive}")
    with pytest.raises(UnreadableInput, match="No such file"):
        load(f"cifar10-jpeg:{tmp_path / 'none.tar.xz'}")
    with pytest.raises(UsageError, match="cannot keep the decoded images"):
        load(f"cifar10-jpeg:{cifar_folder}", archive)
    image(cifar_folder / "train/dog/0001.jpg", pixels(16, 32))
    with pytest.raises(UnreadableInput, match=r"train/dog/0001\.jpg: .*it is 16x32, images of CIFAR-10 are 32x32"):
        load(f"cifar10-jpeg:{cifar_folder}")
    (cifar_folder / "train/dog/0001.jpg").write_bytes(b"hello")
    with pytest.raises(UnreadableInput, match=r"train/dog/0001\.jpg: error\[unreadable-image\]"):
        load(f"cifar10-jpeg:{cifar_folder}")
    for file in (cifar_folder / "train/dog").iterdir():
        file.unlink()
    with pytest.raises(UnreadableInput, match="no images of 'dog' in train/"):
        load(f"cifar10-jpeg:{cifar_folder}")
    assert not list(tmp_path.glob("**/*.npz")) and not list(tmp_path.glob("**/.cifar*"))


# Functions.

SOURCE = """
import numpy as np
from training.data.sets import Arrays, Splits
IMAGES = np.arange(4 * 3 * 2 * 2, dtype=np.uint8).reshape(4, 3, 2, 2)
LABELS = np.array([0, 1, 1, 0])
SET = Arrays(IMAGES, LABELS, ("a", "b"))
def arrays(): return (IMAGES, LABELS), (IMAGES[:2], LABELS[:2])
def sets(): return SET, SET
def splits(): return Splits(SET, SET, "mine")
class Floats(Arrays):
    def batch(self, indices):
        images, labels = super().batch(indices)
        return images / 255, labels
def floats(): return Floats(IMAGES, LABELS, ("a", "b")), SET
class Wrong(Arrays):
    def batch(self, indices): return super().batch(indices)[0], np.array([0, 2])
def wrong(): return SET, Wrong(IMAGES, LABELS, ("a", "b"))
def one(): return SET
def three(): return SET, SET, 3
def fails(): return 1 / 0
"""


@pytest.fixture
def my_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "my_images.py").write_text(SOURCE)
    (tmp_path / "my_broken.py").write_text("import nothing_such\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "my_images"
    sys.modules.pop("my_images", None)


@pytest.mark.parametrize("function", ["arrays", "sets", "splits"])
def test_functions_give_sets(my_data: str, function: str) -> None:
    found = load(f"{my_data}:{function}")
    assert found.train.shape == (3, 2, 2) and found.train.batch([1, 2])[1].tolist() == [1, 1]
    assert found.name == ("mine" if function == "splits" else f"my_images:{function}")


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("my_images:floats", UnreadableInput, "a batch of 2 images is float64"),
        ("my_images:wrong", UnreadableInput, r"\[0, 2\], expected int64, 0 to 1"),
        ("my_images:one", UnreadableInput, r"it gives Arrays, expected \(train, test\)"),
        ("my_images:three", UnreadableInput, r"it gives \(Arrays, Arrays, int\), expected"),
        ("my_images:fails", UsageError, r"(?s)ZeroDivisionError.*raised in .*my_images.py:"),
        ("my_images:splots", UsageError, "(?s)no function 'splots'.*did you mean 'splits'"),
        ("my_images.more:sets", UsageError, "'my_images' is not a package"),
        ("my_broken:sets", UsageError, r"No module named 'nothing_such'(?s:.*)my_broken.py:1"),
        ("nothing_such:sets", UsageError, r"(?s)No module named 'nothing_such'.*PYTHONPATH=\."),
        ("nothing/such", UsageError, "(?s)no such data.*an .npz file"),
        ("cifar10-jpeg", UsageError, "needs a path"),
    ],
)
def test_what_is_no_set(my_data: str, text: str, error: type[BsccError], says: str) -> None:
    with pytest.raises(error, match=says):
        load(text)


def test_sizes_are_for_folders(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="for folders of images"):
        load(saved(tmp_path, images=TEN, labels=LABELS), preprocess=Preprocess(size=(2, 2)))
    # Numbers say nothing of sizes.
    load(saved(tmp_path, images=TEN, labels=LABELS), preprocess=Preprocess(mean=(0.5,)))


def test_checksums_of_archives_are_read(cifar_folder: Path, tmp_path: Path) -> None:
    """A pixel that fell over is not seen in the pixels."""
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(cifar_folder, ".")
    content = bytearray(gzip.compress((tmp_path / "a.tar").read_bytes()))
    content[-8] ^= 1
    (tmp_path / "a.tar.gz").write_bytes(content)
    with pytest.raises(UnreadableInput, match="cannot read the archive: CRC check failed"):
        load(f"cifar10-jpeg:{tmp_path / 'a.tar.gz'}")


def test_cache_is_a_folder_that_tar_cannot_leave(tmp_path: Path) -> None:
    """Names in an archive are looked at, and nothing is written by them."""
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        info = tarfile.TarInfo("../train/cat/0.jpg")
        info.size = 5
        archive.addfile(info, io.BytesIO(b"hello"))
    with pytest.raises(UnreadableInput, match="unreadable-image"):
        load(f"cifar10-jpeg:{tmp_path / 'a.tar'}")
    assert [one.name for one in tmp_path.rglob("*")] == ["a.tar"]
