"""Networks of the examples: small enough for a CPU, and wide enough, 64 channels and more, for 8x8 blocks."""

from training.nets.resnet import ResNet, resnet8
from training.nets.vgg import VGG, vgg7

__all__ = ["VGG", "ResNet", "resnet8", "vgg7"]
