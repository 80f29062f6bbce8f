"""Training in several processes, as `torchrun` starts them: one process for each GPU, or several on a CPU."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import distributed, nn


@dataclass(frozen=True)
class Processes:
    """This process among all; the first one writes files and talks."""

    rank: int = 0
    world: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def first(self) -> bool:
        """Whether it is the one that writes."""
        return self.rank == 0

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model with gradients averaged over all processes; itself if there is one process."""
        if self.world == 1:
            return model
        ids = [self.device.index] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(model, device_ids=ids)

    def agree(self, model: nn.Module) -> None:
        """All take the weights of the first, before anything is decided by them."""
        if self.world > 1:
            for tensor in model.state_dict().values():
                whole = tensor.contiguous()  # gloo takes no other strides
                distributed.broadcast(whole, 0)
                tensor.copy_(whole)

    def wait(self) -> None:
        """Until all processes are here."""
        if self.world > 1:
            distributed.barrier()


@contextmanager
def processes() -> Iterator[Processes]:
    """What the environment says: WORLD_SIZE, RANK and LOCAL_RANK of torchrun; a GPU where there is one."""
    world, rank, local = (int(os.environ.get(name, default)) for name, default in
                          (("WORLD_SIZE", "1"), ("RANK", "0"), ("LOCAL_RANK", "0")))  # fmt: skip
    gpu = torch.cuda.is_available()
    device = torch.device("cuda", local) if gpu else torch.device("cpu")
    if gpu:
        torch.cuda.set_device(device)  # where NCCL's own tensors, as of a barrier, are
    if world == 1:
        yield Processes(0, 1, device)
        return
    distributed.init_process_group("nccl" if gpu else "gloo")
    try:
        yield Processes(rank, world, device)
    finally:
        distributed.destroy_process_group()
