"""Batches of a set in an order that a seed and the epoch decide, for one process or several, from any step on."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

from compiler.errors import Diagnostic, UsageError
from training.data.sets import Indices, LabelledImages, seeds

Batch = tuple[int, torch.Tensor, torch.Tensor]


def steps_of(count: int, batch_size: int, world: int = 1, drop_last: bool = True) -> int:
    """Steps of an epoch over `count` images, `batch_size` in each of `world` processes."""
    share = batch_size * world
    return count // share if drop_last else -(-count // share)


def batches(
    data: LabelledImages,
    batch_size: int,
    seed: int,
    epoch: int,
    rank: int = 0,
    world: int = 1,
    start_step: int = 0,
    shuffle: bool = True,
    drop_last: bool = True,
) -> Iterator[Batch]:
    """(step, images uint8 [N, channels, height, width], labels int64 [N]), from `start_step` to the epoch's end.

    The permutation depends on `seed` and `epoch` only.  Step s takes its next batch_size * world images, of which this
    process has every world-th from `rank` on: so all processes together see what one with the larger batch sees.
    Without `drop_last` the last batch is smaller; a process for which nothing is left has one step less.
    The next batch is read in a thread while this one is used.
    """
    count = len(data)
    steps = steps_of(count, batch_size, world, drop_last) if batch_size > 0 and world > 0 else 0
    if not steps:
        text = f"batches of {batch_size} in {world} processes cannot be had of {count} images"
        raise _misused(text, "take smaller batches, or keep the last one though it is not full")
    if not 0 <= rank < world:
        raise _misused(f"process {rank} is none of 0 to {world - 1}", "")
    if not 0 <= start_step <= steps:
        raise _misused(f"step {start_step} is none of an epoch of {steps}", "were the batches of another size before?")
    order = np.random.default_rng(seeds(seed, epoch)).permutation(count) if shuffle else np.arange(count)
    share = batch_size * world
    parts = [(step, order[step * share : (step + 1) * share][rank::world]) for step in range(start_step, steps)]
    return _read_ahead(data, [part for part in parts if len(part[1])])


def _misused(text: str, help: str) -> UsageError:
    return UsageError(Diagnostic("batches", text, help=help))


def _read_ahead(data: LabelledImages, parts: list[tuple[int, NDArray[np.int64]]]) -> Iterator[Batch]:
    with ThreadPoolExecutor(1) as reader:
        coming = [reader.submit(_tensors, data, part) for _, part in parts[:1]]
        for number, (step, _) in enumerate(parts):
            images, labels = coming.pop().result()
            coming += [reader.submit(_tensors, data, part) for _, part in parts[number + 1 : number + 2]]
            yield step, images, labels


def _tensors(data: LabelledImages, indices: Indices) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = (np.require(one, requirements=("C", "W")) for one in data.batch(indices))
    return torch.from_numpy(images), torch.from_numpy(labels)
