"""Several processes: masks and weights are the same in all of them, and gradients are averaged."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch import distributed
from torch.multiprocessing.spawn import spawn

from tests.training_nets import splits, trainer
from training.loop import checkpoint
from training.loop.processes import Processes, processes
from training.loop.trainer import CHECKPOINT
from training.schedule import Ramp
from training.schemes import SCHEMES
from training.sparsifier import BlockSparsifier

torch.set_num_threads(1)

WORLD = 2


def work(rank: int, folder: str, schemes: tuple[str, ...]) -> None:
    """One of two processes: trains with each scheme, and keeps what it ends with."""
    torch.set_num_threads(1)
    os.environ |= {"WORLD_SIZE": str(WORLD), "RANK": str(rank), "LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1"}
    distributed.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=WORLD)
    where = Processes(rank, WORLD, torch.device("cpu"))
    for scheme in schemes:
        sparsifier = BlockSparsifier(scheme, 0.5, ramp=Ramp(end=0.6, updates=4))
        # The second process begins with other weights: those of the first count.
        one = trainer(Path(folder) / scheme, sparsifier, seed=rank, batch=8)
        one.where = where
        one.run()
        state = {name: part.contiguous() for name, part in one.model.state_dict().items()}
        torch.save(state, Path(folder) / f"{scheme}{rank}.pt")
    plain = trainer(Path(folder) / "plain", batch=8, flip=False, padding=0, bn_batches=0, epochs=1)
    plain.where = where
    plain.model.eval()
    plain.wrapped = plain.model
    plain.run(1)
    torch.save({name: part.detach() for name, part in plain.model.named_parameters()}, f"{folder}/plain{rank}.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("processes")
    spawn(work, (str(path), tuple(SCHEMES)), nprocs=WORLD)  # type: ignore[no-untyped-call]
    return path


@pytest.mark.parametrize("scheme", SCHEMES)
def test_processes_end_alike(scheme: str, folder: Path) -> None:
    first, second = (torch.load(folder / f"{scheme}{rank}.pt", weights_only=True) for rank in range(WORLD))
    assert first.keys() == second.keys()
    for name, one in first.items():
        # Each process estimates batch norms on its own images; those of the first are saved, and sent at each step.
        if "running" not in name:
            assert torch.equal(one, second[name]), name
    masks = [one for name, one in first.items() if name.endswith(".mask")]
    assert len(masks) == 2 and sum(int((~one).sum()) for one in masks) == 27
    saved = checkpoint.load(folder / scheme / CHECKPOINT)
    assert saved["step"] == 12 and all(torch.equal(one, first[name]) for name, one in saved["model"].items())
    assert (folder / scheme / "log.csv").read_text().count("\n") == 1 + 12 + 3


def test_gradients_are_averaged(folder: Path) -> None:
    """Two processes of 8 images move the last layer's bias as their mean gradient says."""
    first, second = (torch.load(folder / f"plain{rank}.pt", weights_only=True) for rank in range(WORLD))
    assert all(torch.equal(first[name], second[name]) for name in first)
    one = trainer(batch=16, flip=False, padding=0, epochs=1)
    start = one.model.get_parameter("classifier.bias").detach().clone()
    halves = []
    for rank in range(WORLD):
        part = trainer(batch=8, flip=False, padding=0, epochs=1)
        part.where = Solo(rank, WORLD, torch.device("cpu"))
        part.run(1)
        halves.append(part.model.get_parameter("classifier.bias").detach() - start)
    assert not torch.equal(halves[0], halves[1])
    assert torch.allclose(first["classifier.bias"] - start, (halves[0] + halves[1]) / 2, atol=1e-6)


class Solo(Processes):
    """A process among several that the others do not hear of."""

    def wrap(self, model: torch.nn.Module) -> torch.nn.Module:
        return model

    def wait(self) -> None:
        return

    def agree(self, model: torch.nn.Module) -> None:
        return


def test_one_process_needs_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    with processes() as where:
        assert (where.rank, where.world, where.first) == (0, 1, True)
        model = torch.nn.Linear(2, 2)
        assert where.wrap(model) is model
        where.wait()


def test_a_step_takes_a_batch_in_each_process() -> None:
    one = trainer(data=splits(20), batch=16)
    one.where = Solo(0, WORLD, torch.device("cpu"))
    with pytest.raises(Exception, match="a step takes 32 images, there are 20"):
        one.run()
