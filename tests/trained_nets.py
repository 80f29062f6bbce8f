"""Small networks with zero blocks, for tests of training; what they compute means nothing."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.layers import find, prunable


class Block(nn.Module):
    """Two convolutions and what goes past them."""

    def __init__(self, inp: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inp, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out, eps=1e-3, momentum=0.2)
        self.conv2, self.bn2 = nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out)
        self.down = (
            nn.Sequential(nn.Conv2d(inp, out, 1, stride, bias=False), nn.BatchNorm2d(out)) if inp != out else None
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + (x if self.down is None else self.down(x)))


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.layer1, self.layer2 = nn.Sequential(Block(16, 16, 1)), nn.Sequential(Block(16, 32, 2))
        self.pool, self.drop, self.fc = nn.AdaptiveAvgPool2d(1), nn.Dropout(0.2), nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer2(self.layer1(torch.relu(self.norm(self.stem(x)))))
        result: Tensor = self.fc(self.drop(torch.flatten(self.pool(x), 1)))
        return result


class Joined(nn.Module):
    """Branches of unlike ranges that are concatenated, one of them an average, and ReLU6."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.left, self.right = nn.Conv2d(16, 16, 1), nn.Conv2d(16, 24, 3, padding=1, bias=False)
        self.norm, self.average = nn.BatchNorm2d(24), nn.AvgPool2d(3, 1, 1)
        self.join, self.fc = nn.Conv2d(56, 32, 1), nn.Linear(32, 16)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu6(self.stem(x))
        parts = [self.left(x), torch.relu(self.norm(self.right(x))), self.average(x)]
        result: Tensor = self.fc(torch.relu(self.join(torch.cat(parts, 1))).mean((2, 3)))
        return result


class Vgg(nn.Module):
    """A convolution in groups, and a matrix behind an image of 2x2 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
            *(nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 20, 3, padding=1, groups=2), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
        )
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(80, 32), nn.ReLU(), nn.Dropout(), nn.Linear(32, 10))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.classifier(self.features(x))
        return result


NETS: dict[str, type[nn.Module]] = {"residual": Residual, "joined": Joined, "vgg": Vgg}


def images(count: int, seed: int = 0, size: int = 16) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def sparse(kind: str, seed: int = 0) -> tuple[nn.Module, dict[str, Tensor]]:
    """A net with batch norms that have seen images, some of negative factors, and half of its 8x8xK blocks zero."""
    torch.manual_seed(seed)
    net = NETS[kind]()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, -1.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    for step in range(3):
        net(images(16, step))
    masks = {}
    for layer in prunable(find(net, images(1))):
        kept = torch.rand(layer.view.grid) < 0.5
        kept[:, 0, 0], kept[:, -1, -1] = True, False
        masks[f"{layer.name}.weight"] = layer.view.expand(kept).clone()
        layer.weight.data.masked_fill_(~masks[f"{layer.name}.weight"], 0.0)
    return net.eval(), masks
