"""ResNet-50 (He et al., arXiv 1512.03385) as torchvision builds it."""

from __future__ import annotations

from benchmarks.nets.builder import Builder, Network


def resnet50(net: Builder, x: str) -> str:
    """torchvision's resnet50: bottleneck v1.5, the stride of a stage is in its first 3x3 convolution."""
    x = net.relu(net.conv_bn(x, "conv1", 3, 64, 7, 2))
    x = net.pool("MaxPool", x, "maxpool", 3, 2, 1)
    c_in = 64
    for stage, (blocks, width, stride) in enumerate(((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2)), 1):
        for index in range(blocks):
            x = _bottleneck(net, x, f"layer{stage}.{index}", c_in, width, stride if index == 0 else 1)
            c_in = 4 * width
    x = net.op("Flatten", [net.op("GlobalAveragePool", [x], "avgpool")], "flatten", axis=1)
    return net.dense(x, "fc", c_in, 1000)


def _bottleneck(net: Builder, x: str, name: str, c_in: int, width: int, stride: int) -> str:
    """1x1, 3x3, 1x1 beside a shortcut; a last gain of 0.4 keeps the sum of six branches in range."""
    y = net.relu(net.conv_bn(x, f"{name}.conv1", c_in, width, 1))
    y = net.relu(net.conv_bn(y, f"{name}.conv2", width, width, 3, stride))
    y = net.conv_bn(y, f"{name}.conv3", width, 4 * width, 1, gain=0.4)
    if c_in != 4 * width or stride != 1:
        x = net.conv_bn(x, f"{name}.downsample", c_in, 4 * width, 1, stride)
    return net.relu(net.op("Add", [y, x], f"{name}.add"))


RESNET50 = Network((1, 3, 224, 224), resnet50, (1000,))
