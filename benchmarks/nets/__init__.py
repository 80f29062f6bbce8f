"""The benchmark networks, one file each; `benchmarks/models.py` makes int8 models of them."""

from collections.abc import Mapping

from benchmarks.nets.builder import Network
from benchmarks.nets.inception3 import INCEPTION3
from benchmarks.nets.resnet50 import RESNET50
from benchmarks.nets.vgg16 import VGG16, VGG16_CONV

NETWORKS: Mapping[str, Network] = {
    "inception3": INCEPTION3,
    "resnet50": RESNET50,
    "vgg16": VGG16,
    "vgg16conv": VGG16_CONV,
}
