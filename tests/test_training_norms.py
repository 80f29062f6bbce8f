"""Batch norms that are put in for the time of a training."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from training import norms
from training.layers import find


class Net(nn.Module):
    """Convolutions of many kinds; the first runs twice, one has no bias."""

    def __init__(self) -> None:
        super().__init__()
        self.same = nn.Conv2d(4, 4, 3, padding=1)
        self.grouped = nn.Conv2d(4, 16, 3, groups=2)
        self.bare = nn.Conv2d(16, 16, 1, bias=False)
        self.up = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.row = nn.Conv1d(8, 8, 3)
        self.last = nn.Conv1d(8, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[N, 4, H, W] to [N, 3]."""
        x = self.bare(self.grouped(self.same(self.same(x)).relu()).relu())
        return self.last(self.row(self.up(x).flatten(2)).relu()).mean(2)  # type: ignore[no-any-return]


def made() -> tuple[Net, Tensor]:
    """A network with zero weights, and images whose channels differ in size and place."""
    torch.manual_seed(3)
    net = Net()
    with torch.no_grad():
        net.grouped.weight[:8] = 0.0
        net.state_dict()["grouped.bias"][:8] = 1.0
    return net, torch.randn(24, 4, 6, 6) * torch.tensor([1.0, 10.0, 0.1, 3.0]).reshape(4, 1, 1) + 2.0


def put_in(net: Net, images: Tensor) -> list[norms.Inserted]:
    """Norms behind all that take them."""
    places = norms.places(find(net, images[:1]))
    assert {id(one) for one in places} == {id(one) for one in (net.same, net.grouped, net.row)}
    return norms.insert(net, places, torch.split(images, 8))


def test_who_misses_norms() -> None:
    assert norms.missing(Net())
    assert not norms.missing(nn.Sequential(nn.Conv2d(3, 8, 1), nn.GroupNorm(2, 8)))
    assert not norms.missing(nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8)))
    assert not norms.missing(nn.Linear(3, 8))


def test_the_network_computes_what_it_did() -> None:
    net, images = made()
    before = net.eval()(images)
    inserted = put_in(net, images)
    torch.testing.assert_close(net(images), before)
    assert "grouped.norm" in dict(net.named_modules()) and not net.training
    twin = copy.deepcopy(net)
    twin.state_dict()["grouped.norm.bias"] += 1.0  # a copy has norms of its own
    torch.testing.assert_close(net(images), before)
    norms.fold(inserted)
    torch.testing.assert_close(net(images), before)
    assert set(net.state_dict()) == set(Net().state_dict())
    assert not torch.equal(twin(images), before)


def test_what_training_made_is_folded_and_zeros_stay() -> None:
    net, images = made()
    inserted = put_in(net, images)
    net.train()
    optimizer = torch.optim.SGD([one for name, one in net.named_parameters() if "grouped.weight" not in name], 0.05)
    for _ in range(5):
        optimizer.zero_grad()
        net(images).square().mean().backward()
        optimizer.step()
    with torch.no_grad():
        net.state_dict()["grouped.norm.weight"][0] = -1.0
    trained = net.eval()(images)
    norms.fold(inserted)
    torch.testing.assert_close(net(images), trained, rtol=1e-4, atol=1e-4)
    zeros = net.grouped.weight[:8]
    assert not zeros.any() and not zeros.signbit().any()


def test_activations_stay_in_bounds_while_training() -> None:
    """What they are for: weights that grow tenfold leave the results of a layer where they were."""
    net, images = made()
    put_in(net, images)
    seen: list[Tensor] = []
    net.get_submodule("row.norm").register_forward_hook(lambda _, __, result: seen.append(result.detach()))
    net.train()(images)
    with torch.no_grad():
        net.same.weight *= 10.0
    net(images)
    assert seen[1].std() < 1.5 * seen[0].std()
