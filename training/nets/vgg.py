"""A plain network (K. Simonyan, A. Zisserman, "Very deep convolutional networks", 2014) with batch norms."""

from __future__ import annotations

from torch import Tensor, nn


class VGG(nn.Module):
    """3x3 convolutions, a maximum of 2x2 before each new width, global average, one dense layer.

    The first convolution has stride 2.  Input [N, channels, H, W], output [N, classes].
    """

    def __init__(self, channels: int, classes: int, widths: tuple[tuple[int, ...], ...]) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        inp = channels
        for stage, group in enumerate(widths):
            if stage:
                parts.append(nn.MaxPool2d(2))
            for out in group:
                parts.append(nn.Conv2d(inp, out, 3, 1 if parts else 2, 1, bias=False))
                parts += [nn.BatchNorm2d(out), nn.ReLU()]
                inp = out
        self.features = nn.Sequential(*parts)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(inp, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.flatten(self.pool(self.features(x))))  # type: ignore[no-any-return]


def vgg7(channels: int, classes: int) -> VGG:
    """Six convolutions of 64, 128 and 256 channels and a dense layer: 1.1 million weights."""
    return VGG(channels, classes, ((64, 64), (128, 128), (256, 256)))
