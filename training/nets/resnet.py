"""A residual network of basic blocks (K. He et al., "Deep residual learning for image recognition", 2015)."""

from __future__ import annotations

from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, which is a 1x1 convolution where the shape changes."""

    def __init__(self, inp: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inp, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU()
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inp != out:
            self.shortcut = nn.Sequential(nn.Conv2d(inp, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + self.shortcut(x))  # type: ignore[no-any-return]


class ResNet(nn.Module):
    """A 3x3 stem of stride 2, one stage for each width, global average, one dense layer.

    Input [N, channels, H, W], output [N, classes].
    """

    def __init__(self, channels: int, classes: int, widths: tuple[int, ...], blocks: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, widths[0], 3, 2, 1, bias=False)
        self.bn = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU()
        stages, inp = [], widths[0]
        for stage, width in enumerate(widths):
            for place in range(blocks):
                stages.append(BasicBlock(inp, width, 2 if stage and not place else 1))
                inp = width
        self.blocks = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(inp, classes)

    def forward(self, x: Tensor) -> Tensor:
        y = self.blocks(self.relu(self.bn(self.stem(x))))
        return self.classifier(self.flatten(self.pool(y)))  # type: ignore[no-any-return]


def resnet8(channels: int, classes: int) -> ResNet:
    """Three basic blocks of 64, 128 and 256 channels: 1.2 million weights."""
    return ResNet(channels, classes, (64, 128, 256), 1)
