"""Which layers have blocks to prune, and why the others have none; the work of each."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from compiler.errors import UsageError
from tests.training_nets import residual
from training.blocks import Block
from training.layers import Layer, Rules, find, prunable

torch.set_num_threads(1)


class Kinds(nn.Module):
    """A layer of each kind; `spare` is not used."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(32, 10)
        self.first = nn.Conv2d(3, 32, 3, padding=1)
        self.spare = nn.Conv2d(32, 32, 1)
        self.depthwise = nn.Conv2d(32, 32, 3, padding=1, groups=32)
        self.grouped = nn.Conv2d(32, 64, 3, 2, 1, groups=2)
        self.small = nn.Conv2d(64, 8, 1)
        self.up = nn.ConvTranspose2d(8, 32, 2, 2)
        self.wide = nn.Conv2d(32, 16, (1, 3), padding=(0, 1))
        self.flatten = nn.Flatten()
        self.image = nn.Linear(16 * 64, 32)
        self.dense = nn.Linear(32, 32)

    def forward(self, x: Tensor) -> Tensor:
        x = self.grouped(self.depthwise(self.first(x)))
        x = self.wide(self.up(self.small(x)))
        return self.last(self.dense(self.image(self.flatten(x))))  # type: ignore[no-any-return]


def kinds(**rules: object) -> dict[str, Layer]:
    found = find(Kinds(), torch.zeros(2, 3, 8, 8), Block(), Rules(**rules))  # type: ignore[arg-type]
    return {one.name: one for one in found}


def test_layers_come_as_they_run_with_reasons() -> None:
    found = kinds()
    order = "first depthwise grouped small up wide image dense last spare"
    assert " ".join(found) == order
    words = {
        "first": "first layer", "depthwise": "depthwise", "last": "last layer", "spare": "does not use it",
        "small": "64 input and 8 output channels: fewer than 16",
        "up": "8 input and 32 output channels: fewer than 16",
    }  # fmt: skip
    for name, layer in found.items():
        assert (words[name] in layer.reason) if name in words else not layer.reason
    assert "each of 2 groups: fewer than 17" in kinds(min_channels=17)["grouped"].reason


def test_rules_change_what_is_left_out() -> None:
    assert not kinds(first=True, min_channels=3)["first"].reason and not kinds(last=True, min_channels=8)["last"].reason
    assert not kinds(include=("small",))["small"].reason
    assert not kinds(include=("first", "depthwise"))["depthwise"].reason
    assert kinds(exclude=("dense",))["dense"].reason == "it was excluded"
    with pytest.raises(UsageError, match=r"no layer 'grouppd' with weights\n.*did you mean 'grouped'"):
        kinds(exclude=("grouppd",))


def test_multiplications_are_those_of_loops() -> None:
    """By hand, and by what a layer of ones makes of an image of ones where there are no borders."""
    found = kinds()
    assert {name: one.macs for name, one in found.items()} == {
        "first": 32 * 3 * 9 * 64, "depthwise": 32 * 9 * 64, "grouped": 64 * 16 * 9 * 16, "small": 8 * 64 * 16,
        "up": 8 * 32 * 4 * 16, "wide": 16 * 32 * 3 * 64, "image": 32 * 1024, "dense": 1024, "last": 320, "spare": 0,
    }  # fmt: skip
    for layer in (nn.Conv2d(8, 16, 3, groups=2), nn.ConvTranspose2d(8, 16, 3, 2, groups=4), nn.ConvTranspose1d(4, 6, 2),
                  nn.Linear(8, 5), nn.Conv1d(8, 8, 3)):  # fmt: skip
        nn.init.ones_(layer.weight)
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        shape = {nn.Linear: (1, 8), nn.Conv1d: (1, 8, 7), nn.ConvTranspose1d: (1, 4, 7)}.get(type(layer), (1, 8, 6, 7))
        (one,) = find(layer, torch.ones(shape))
        assert one.macs == int(layer(torch.ones(shape)).sum())


def test_a_dense_layer_on_tokens_works_on_each() -> None:
    (one,) = find(nn.Linear(8, 5), torch.ones(2, 7, 8))
    assert one.macs == 7 * 40 and not one.view.flattened


def test_which_dense_layers_read_an_image() -> None:
    assert {name: one.view.flattened for name, one in kinds().items() if one.view.flattened} == {"image": 16}
    # The second has as many inputs as the image had numbers, and reads none.
    plain = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.Flatten(), nn.Linear(256, 256), nn.ReLU(),
                          nn.Linear(256, 4))  # fmt: skip
    assert [one.view.flattened for one in find(plain, torch.zeros(1, 1, 4, 4))] == [0, 16, 0]


class Heads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.one, self.two = nn.Conv2d(1, 16, 1), nn.Linear(256, 4), nn.Linear(256, 4)

    def forward(self, x: Tensor) -> Tensor:
        flat = self.conv(x).flatten(1)
        return self.one(flat) + self.two(flat)  # type: ignore[no-any-return]


def test_two_heads_on_one_image() -> None:
    assert [one.view.flattened for one in find(Heads(), torch.zeros(1, 1, 4, 4))] == [0, 16, 16]


def test_looking_changes_nothing() -> None:
    model = residual()
    model.train()
    model.bn1.eval()
    before = {name: one.clone() for name, one in model.state_dict().items()}
    find(model, torch.randn(2, 1, 8, 8))
    assert all(torch.equal(one, before[name]) for name, one in model.state_dict().items())
    assert model.training and model.bn2.training and not model.bn1.training
    assert not any(one._forward_hooks for one in model.modules())


def test_without_an_example_layers_come_as_declared() -> None:
    found = find(Kinds())
    assert [one.name for one in found][:2] == ["last", "first"] and "first layer" in found[0].reason
    assert not any(one.macs for one in found)


def test_nothing_to_prune() -> None:
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3))
    with pytest.raises(UsageError, match=r"nothing-to-prune(?s:.*)'0' \(8, 1, 3, 3\): it is the first layer"):
        prunable(find(model))


class Between(nn.Module):
    """What flattens and pools is in no module; `how` is what happens between the convolution and the dense layers."""

    def __init__(self, how: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.how = how
        self.conv, self.one, self.two = nn.Conv2d(1, 16, 3, padding=1), nn.Linear(64, 64), nn.Linear(64, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.two(torch.relu(self.one(self.how(self.conv(x)))))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("channels", "how"),
    [
        (16, lambda x: functional.max_pool2d(torch.relu(x), 2).flatten(1)),
        (16, lambda x: functional.adaptive_avg_pool2d(x, 2).reshape(len(x), -1)),
        (16, lambda x: functional.dropout(x[:, :, ::2, ::2].contiguous().view(x.shape[0], 64).clamp(min=0))),
        (16, lambda x: (x + x)[..., :2, :2].flatten(2).flatten(1)),
        (16, lambda x: torch.cat([x[:, :8], x[:, 8:]], 1)[..., 1:3, 1:3].flatten(start_dim=1) * 2),
        (16, lambda x: functional.max_pool2d(x, 2).permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2).flatten(1)),
        # Pixel by pixel, the channels of each together: blocks of 8 numbers are blocks of 8 channels as they are.
        (0, lambda x: functional.max_pool2d(x, 2).permute(0, 2, 3, 1).flatten(1)),
        (0, lambda x: functional.max_pool2d(x, 2).movedim(1, -1).relu().reshape(len(x), -1)),
        (0, lambda x: x.mean((2, 3)).repeat(1, 4)),
    ],
)
def test_what_was_flattened_is_known_without_modules(channels: int, how: Callable[[Tensor], Tensor]) -> None:
    assert [one.view.flattened for one in find(Between(how), torch.zeros(1, 1, 4, 4))] == [0, channels, 0]
