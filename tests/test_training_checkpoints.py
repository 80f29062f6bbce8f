"""Files of a run: whole or as they were before, and read without running what is in them."""

from __future__ import annotations

import errno
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from compiler.errors import UnreadableInput, UsageError
from tests.training_nets import trainer
from training.loop import checkpoint
from training.loop.trainer import CHECKPOINT

torch.set_num_threads(1)


def stray(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir() if one.name not in (CHECKPOINT, "log.csv"))


def test_a_checkpoint_comes_back(tmp_path: Path) -> None:
    path = tmp_path / CHECKPOINT
    checkpoint.save(path, {"step": 3, "model": {"w": torch.arange(6.0).reshape(2, 3)}})
    found = checkpoint.load(path)
    assert found.keys() == {"step", "model"} and torch.equal(found["model"]["w"], torch.arange(6.0).reshape(2, 3))
    assert not stray(tmp_path)


class Full:
    """torch.save on a disk that is full after some bytes."""

    def __init__(self, after: int) -> None:
        self.after, self.save = after, torch.save

    def __call__(self, state: object, file: Any) -> None:
        disk, left = file, self.after

        class Writer:
            def write(self, data: bytes) -> int:
                nonlocal left
                left -= len(data)
                if left < 0:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return int(disk.write(data))

            def flush(self) -> None:
                disk.flush()

        self.save(state, Writer())  # type: ignore[arg-type]


@pytest.mark.parametrize("after", [0, 100, 5000])
def test_a_full_disk_leaves_the_last_checkpoint(after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer(tmp_path / "whole").run()
    trainer(tmp_path / "cut").run(5)
    before = (tmp_path / "cut" / CHECKPOINT).read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", Full(after))
        with pytest.raises(UsageError, match=r"cannot write the checkpoint: .*last good checkpoint is kept"):
            trainer(tmp_path / "cut").run()
        with pytest.raises(UsageError, match="there is none yet"):
            trainer(tmp_path / "none").run()
    assert (tmp_path / "cut" / CHECKPOINT).read_bytes() == before
    assert not stray(tmp_path / "cut") and not stray(tmp_path / "none")
    trainer(tmp_path / "cut").run()
    one, other = (checkpoint.load(tmp_path / name / CHECKPOINT)["model"] for name in ("cut", "whole"))
    assert all(torch.equal(one[name], other[name]) for name in other)


LIMITED = """
import resource, sys, torch
from pathlib import Path
from compiler.errors import UsageError
from training.loop import checkpoint
path = Path(sys.argv[1])
for limit in (10, 4096, 300_000, 1_000_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    before = path.read_bytes()
    try:
        checkpoint.save(path, {"model": torch.zeros(100_000)})
    except UsageError as error:
        print(error.diagnostic.code, path.read_bytes() == before, [one.name for one in path.parent.iterdir()])
    else:
        print("saved", checkpoint.load(path)["model"].shape)
"""


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    """The system itself stops the file: torch then fails in its own way, at any place of the archive."""
    path = tmp_path / CHECKPOINT
    checkpoint.save(path, {"step": 1})
    done = subprocess.run([sys.executable, "-c", LIMITED, str(path)], text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    refused = f"checkpoint-unwritable True ['{CHECKPOINT}']"
    assert done.stdout.splitlines() == [refused] * 3 + ["saved torch.Size([100000])"]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is none yet"):
        checkpoint.save(tmp_path / "missing" / CHECKPOINT, {"step": 1})
    (tmp_path / CHECKPOINT).mkdir()
    with pytest.raises(UsageError, match="checkpoint-unwritable"):
        checkpoint.save(tmp_path / CHECKPOINT, {"step": 1})
    assert not stray(tmp_path)


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, ...]]:
        return os.mkdir, (str(self.path),)


def broken(path: Path, kind: str) -> None:
    """What may lie where a checkpoint should."""
    checkpoint.save(path, {"step": 1, "model": {"w": torch.zeros(1000)}})
    whole = path.read_bytes()
    match kind:
        case "empty":
            path.write_bytes(b"")
        case "truncated":
            path.write_bytes(whole[: len(whole) // 2])
        case "without its end":
            path.write_bytes(whole[:-30])
        case "text":
            path.write_text("step,loss\n1,2\n")
        case "another zip":
            with zipfile.ZipFile(path, "w") as file:
                file.writestr("hello", "there")
        case "a list":
            torch.save([1, 2], path)
        case "a state":
            torch.save({"w": torch.zeros(3)}, path)
        case "another schema":
            torch.save({"schema": "bscc-checkpoint/99", "step": 1}, path)
        case "a whole module":
            torch.save(torch.nn.Linear(2, 2), path)
        case "a pickle":
            path.write_bytes(pickle.dumps({"schema": checkpoint.SCHEMA, "bomb": Bomb(path.with_name("bombed"))}))
        case "a bomb":
            torch.save({"schema": checkpoint.SCHEMA, "bomb": Bomb(path.with_name("bombed"))}, path)
        case "a folder":
            path.unlink()
            path.mkdir()


@pytest.mark.parametrize(
    "kind",
    ["empty", "truncated", "without its end", "text", "another zip", "a list", "a state", "another schema",
     "a whole module", "a pickle", "a bomb", "a folder"],
)  # fmt: skip
def test_what_is_no_checkpoint_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / CHECKPOINT
    broken(path, kind)
    with pytest.raises(UnreadableInput, match=r"error\[checkpoint\]") as found:
        trainer(tmp_path).run()
    assert found.value.exit_code == 3 and str(path) in str(found.value) and str(found.value).count("\n") <= 1
    assert not stray(tmp_path)


@pytest.mark.parametrize("name", ["recipe", "model", "optimizer", "random", "loss", "step"])
def test_a_checkpoint_that_lacks_something(name: str, tmp_path: Path) -> None:
    trainer(tmp_path).run(2)
    state = checkpoint.load(tmp_path / CHECKPOINT)
    del state[name]
    checkpoint.save(tmp_path / CHECKPOINT, state)
    with pytest.raises(UnreadableInput, match=f"the checkpoint has no '{name}'"):
        trainer(tmp_path).run()


def test_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "log.csv").mkdir()
    with pytest.raises((UnreadableInput, UsageError), match=r"log"):
        trainer(tmp_path).run()


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    trainer(tmp_path).run()
    same = trainer(seed=3).model
    checkpoint.load_weights(same, tmp_path / CHECKPOINT)
    saved = checkpoint.load(tmp_path / CHECKPOINT)["model"]
    assert all(torch.equal(one, saved[name]) for name, one in same.state_dict().items())
    with pytest.raises(UsageError, match="of another network"):
        checkpoint.load_weights(torch.nn.Linear(2, 2), tmp_path / CHECKPOINT)
