"""VGG-16 (Simonyan and Zisserman, arXiv 1409.1556), whole and without its fully connected layers.

Batch norms, as in torchvision's vgg16_bn, are folded: what is left are VGG-16's own convolutions.
"""

from __future__ import annotations

from benchmarks.nets.builder import Builder, Network

STAGES = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
"""Convolutions and channels of each stage; a pool halves the image behind it."""

DENSE_STD = 0.01
"""torchvision's weights of fully connected layers."""


def vgg16_conv(net: Builder, x: str) -> str:
    """The 13 convolutions and 5 pools."""
    c_in = 3
    for stage, (count, channels) in enumerate(STAGES, 1):
        for index in range(1, count + 1):
            x = net.relu(net.conv_bn(x, f"conv{stage}_{index}", c_in, channels, 3))
            c_in = channels
        x = net.pool("MaxPool", x, f"pool{stage}", 2, 2)
    return x


def vgg16(net: Builder, x: str) -> str:
    """The same with three fully connected layers on all 7 x 7 x 512 numbers."""
    x = net.op("Flatten", [vgg16_conv(net, x)], "flatten", axis=1)
    x = net.relu(net.dense(x, "fc6", 512 * 7 * 7, 4096, DENSE_STD))
    x = net.relu(net.dense(x, "fc7", 4096, 4096, DENSE_STD))
    return net.dense(x, "fc8", 4096, 1000, DENSE_STD)


_SHAPE = (1, 3, 224, 224)
VGG16 = Network(_SHAPE, vgg16, (1000,))
VGG16_CONV = Network(_SHAPE, vgg16_conv, (512, 7, 7))
