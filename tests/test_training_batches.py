"""Batches for training: which images, in which order, as which numbers."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from compiler.errors import UsageError
from compiler.images import Preprocess, Target, read_image
from training.data.batches import batches, steps_of
from training.data.sets import Arrays, Labels, Lazy, Pixels, Shape
from training.data.transforms import Augment, Normalise

COUNT = 23
DATA = Arrays(
    np.arange(COUNT, dtype=np.uint8).repeat(3 * 4 * 4).reshape(COUNT, 3, 4, 4),
    np.arange(COUNT) % 5,
    tuple("abcde"),
)


def numbers(*args: int, **more: int | bool) -> list[tuple[int, list[int]]]:
    """Which images come at which step: each is filled with its own number."""
    found = []
    for step, images, labels in batches(DATA, *args, **more):  # type: ignore[arg-type]
        assert images.dtype == torch.uint8 and images.shape[1:] == (3, 4, 4) and labels.dtype == torch.int64
        which = images[:, 0, 0, 0].tolist()
        assert labels.tolist() == [one % 5 for one in which]
        found.append((step, which))
    return found


def test_an_epoch_has_each_image_once() -> None:
    found = numbers(4, 7, 0, drop_last=False)
    assert [step for step, _ in found] == list(range(6)) and [len(which) for _, which in found] == [4] * 5 + [3]
    assert sorted(one for _, which in found for one in which) == list(range(COUNT))
    assert numbers(4, 7, 0) == found[:5]
    assert steps_of(COUNT, 4) == 5 and steps_of(COUNT, 4, drop_last=False) == 6


def test_the_order_is_of_seed_and_epoch() -> None:
    first = numbers(4, 7, 0)
    assert first == numbers(4, 7, 0)
    assert first != numbers(4, 7, 1) and first != numbers(4, 8, 0) and numbers(4, 7, 8) != numbers(4, 8, 7)
    assert numbers(4, 7, 3, shuffle=False) == [(step, list(range(4 * step, 4 * step + 4))) for step in range(5)]


@pytest.mark.parametrize("start", range(6))
def test_it_goes_on_where_it_stopped(start: int) -> None:
    assert numbers(4, 7, 2, start_step=start) == numbers(4, 7, 2)[start:]


@pytest.mark.parametrize("drop_last", [True, False])
def test_processes_see_together_what_one_sees(drop_last: bool) -> None:
    alone = numbers(6, 7, 1, drop_last=drop_last)
    ranks = [dict(numbers(2, 7, 1, rank=rank, world=3, drop_last=drop_last)) for rank in range(3)]
    for step, which in alone:
        assert [rank.get(step, []) for rank in ranks] == [which[number::3] for number in range(3)]
    assert steps_of(COUNT, 2, 3, drop_last) == len(alone)


def test_a_process_for_which_nothing_is_left() -> None:
    ends = [len(numbers(4, 0, 0, rank=rank, world=2, drop_last=False)) for rank in range(2)]
    assert ends == [3, 3]
    ends = [len(numbers(11, 0, 0, rank=rank, world=2, drop_last=False)) for rank in range(2)]
    assert ends == [2, 1]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"batch_size": 24}, "batches of 24 in 1 processes cannot be had of 23 images"),
        ({"batch_size": 12, "world": 2}, "batches of 12 in 2 processes"),
        ({"batch_size": 0}, "batches of 0"),
        ({"rank": 2, "world": 2}, "process 2 is none of 0 to 1"),
        ({"start_step": 6}, "step 6 is none of an epoch of 5"),
        ({"seed": -1}, "cannot start from -1"),
    ],
)
def test_batches_that_cannot_be(more: dict[str, int], says: str) -> None:
    """Said at once, and not when the first batch is taken."""
    with pytest.raises(UsageError, match=says):
        batches(DATA, **{"batch_size": 4, "seed": 0, "epoch": 0} | more)  # type: ignore[arg-type]


class Watched:
    """A set that notes which batches are asked for, and in which thread."""

    shape: Shape = (1, 2, 2)
    classes = ("a", "b")

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.threads: list[int] = []
        self.came = threading.Event()

    def __len__(self) -> int:
        return 6

    def batch(self, indices: Sequence[int] | Labels) -> tuple[Pixels, Labels]:
        where = np.asarray(indices, np.int64)
        self.asked.append(where.tolist())
        self.threads.append(threading.get_ident())
        if len(self.asked) == 2:
            self.came.set()
        if 5 in self.asked[-1]:
            raise OSError("the disk is gone")
        return np.zeros((len(where), *self.shape), np.uint8), where % 2


def test_the_next_batch_is_read_meanwhile() -> None:
    watched = Watched()
    stream = batches(watched, 2, 0, 0, shuffle=False)
    assert not watched.asked
    next(stream)
    assert watched.came.wait(10), "the second batch was not asked for while the first was used"
    next(stream)
    with pytest.raises(OSError, match="the disk is gone"):
        next(stream)
    assert watched.asked == [[0, 1], [2, 3], [4, 5]] and threading.get_ident() not in watched.threads


def test_a_stream_may_be_left() -> None:
    before = threading.active_count()
    stream = batches(Watched(), 1, 0, 0, shuffle=False)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


@pytest.mark.parametrize("workers", [1, 5])
def test_lazy_sets_keep_the_order(workers: int) -> None:
    lazy = Lazy(lambda index: DATA.images[index], DATA.labels, DATA.classes, DATA.shape, workers=workers)
    for mine, other in zip(batches(lazy, 4, 3, 1), batches(DATA, 4, 3, 1), strict=True):
        assert torch.equal(mine[1], other[1]) and torch.equal(mine[2], other[2])


# Pixels to numbers.


@pytest.mark.parametrize("channels", [1, 3])
def test_numbers_are_those_of_calibration(tmp_path: Path, channels: int) -> None:
    """Bit for bit what `bscc-quantize --mean --std` makes of the file."""
    drawn = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    drawn[0, 0], drawn[0, 1] = 0, 255
    Image.fromarray(drawn if channels == 3 else drawn[..., 0]).save(tmp_path / "a.png")
    mean, std = (0.4914, 0.4822, 0.4465)[:channels], (0.247, 0.2435, 0.2616)[:channels]
    expected = read_image(tmp_path / "a.png", Target(5, 7, channels, False), Preprocess(mean=mean, std=std))
    found = Normalise(mean, std)(torch.from_numpy(drawn[..., :channels].transpose(2, 0, 1).copy())[None])
    assert found.dtype == torch.float32
    assert found[0].numpy().tobytes() == expected.tobytes()


def test_measured_numbers() -> None:
    images = np.random.default_rng(0).integers(0, 200, (1003, 3, 4, 5), np.uint8)
    found = Normalise.measured(Arrays(images, np.arange(1003) % 2, ("a", "b")))
    scaled = images.astype(np.float64) / 255
    np.testing.assert_allclose(found.mean, scaled.mean((0, 2, 3)), atol=5.1e-5)
    np.testing.assert_allclose(found.std, scaled.std((0, 2, 3)), atol=5.1e-5)
    assert Normalise((0.5,), (0.25, 0.5)).options() == [f"--scale={1 / 255!r}", "--mean=0.5", "--std=0.25,0.5"]


def test_numbers_that_do_not_fit() -> None:
    with pytest.raises(UsageError, match="--mean has 3 numbers, the input has 1 channels"):
        Normalise((0.1, 0.2, 0.3))(torch.zeros(1, 1, 2, 2, dtype=torch.uint8))
    with pytest.raises(UsageError, match="is no preprocessing"):
        Normalise(std=(0.0,))


# Crops and flips.

BATCH = torch.from_numpy(np.random.default_rng(0).integers(1, 256, (64, 3, 8, 6), np.uint8))


def test_each_image_is_a_crop_of_itself() -> None:
    batch = Augment(2, True, 1)(BATCH, 0, 0)
    assert batch.shape == BATCH.shape and batch.dtype == BATCH.dtype and batch.is_contiguous()
    places: list[tuple[int, int, bool]] = []
    for image, mine in zip(BATCH, batch, strict=True):
        padded = torch.nn.functional.pad(image, (2, 2, 2, 2))
        crops = {(top, left): padded[:, top : top + 8, left : left + 6] for top in range(5) for left in range(5)}
        found = [(*place, False) for place, crop in crops.items() if torch.equal(crop, mine)]
        found += [(*place, True) for place, crop in crops.items() if torch.equal(crop.flip(2), mine)]
        assert len(found) == 1
        places += found
    for axis, count in ((0, 5), (1, 5), (2, 2)):
        assert len({place[axis] for place in places}) == count
    assert 20 <= sum(place[2] for place in places) <= 44


def test_it_can_be_left_out() -> None:
    assert torch.equal(Augment(0, False)(BATCH, 3, 4), BATCH)
    flipped = Augment(0, True)(BATCH, 3, 4)
    assert all(torch.equal(a, b) or torch.equal(a.flip(2), b) for a, b in zip(BATCH, flipped, strict=True))
    with pytest.raises(UsageError, match="-1 pixels"):
        Augment(-1)


def test_what_is_drawn_depends_on_its_numbers_alone() -> None:
    augment = Augment(2, True, 1)
    first = augment(BATCH, 2, 3)
    torch.manual_seed(5)
    augment(BATCH, 9, 9)
    assert torch.equal(augment(BATCH, 2, 3), first)
    assert torch.equal(augment(BATCH.to(torch.float32), 2, 3), first.to(torch.float32))
    for other in (augment(BATCH, 3, 2), augment(BATCH, 2, 3, 1), Augment(2, True, 2)(BATCH, 2, 3)):
        assert not torch.equal(other, first)
