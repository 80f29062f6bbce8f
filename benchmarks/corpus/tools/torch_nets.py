"""Networks of PyTorch weights as ONNX, batch 1, NCHW; runs in the environment of the tools.

    python torch_nets.py efficientnet_lite0 weights.pth OUT.onnx
    python torch_nets.py hed_vgg16          weights.h5  OUT.onnx      stored by Keras, drawn in torch
    python torch_nets.py digits             weights.pth OUT.onnx
    python torch_nets.py mtcnn_pnet         pnet.pt     OUT.onnx
    python torch_nets.py random:resnet50    -           OUT.onnx      torchvision's, seeded weights

Weights are read with `weights_only`; no code of a package of weights runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import torch
from torch import Tensor, nn
from torch.nn import functional as F

OPSET = 13
WITHOUT_TRACKING = "num_batches_tracked"


def efficientnet_lite0(source: Path) -> nn.Module:
    """timm's network with the package's tensors, which have other names and the same order."""
    import_torchvision()
    import timm

    network: nn.Module = timm.create_model("tf_efficientnet_lite0", exportable=True)
    stored = [v for k, v in load(source).items() if not k.endswith(WITHOUT_TRACKING)]
    names = [name for name in network.state_dict() if not name.endswith(WITHOUT_TRACKING)]
    network.load_state_dict(dict(zip(names, stored, strict=True)), strict=False)
    return network


def import_torchvision() -> Any:
    """torchvision beside a torch without its compiled operators: two that it asks for by name are declared."""
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
    import torchvision

    return torchvision, library  # the operators live as long as the library


def load(source: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint."""
    return dict(torch.load(source, weights_only=True, map_location="cpu"))


class Hed(nn.Module):
    """Holistically-nested edge detection (Xie and Tu, ICCV 2015): a VGG-16 trunk and a head behind each block."""

    def __init__(self, stored: Mapping[str, Any], side: int) -> None:
        super().__init__()
        self.side = side
        blocks = [[conv for one in layers(stored, f"block{n}") for conv in (one, nn.ReLU())] for n in range(1, 6)]
        self.blocks = nn.ModuleList([nn.Sequential(*one) for one in blocks])
        self.heads = nn.ModuleList([layers(stored, f"dsn{n}")[0] for n in range(1, 6)])
        self.fuse = layers(stored, "fuse")[0]

    def forward(self, x: Tensor) -> Tensor:
        """The edges, between 0 and 1."""
        sides = []
        for index, (block, head) in enumerate(zip(self.blocks, self.heads, strict=True)):
            x = block(F.max_pool2d(x, 2) if index else x)
            side = head(x)
            if index:
                side = F.interpolate(side, size=(self.side, self.side), mode="bilinear", align_corners=False)
            sides.append(side)
        return torch.sigmoid(self.fuse(torch.cat(sides, 1)))


def layers(stored: Mapping[str, Any], prefix: str) -> list[nn.Conv2d]:
    """The convolutions below a name, in order; Keras has kernels as height, width, inputs, outputs."""
    roots = {name.rsplit("/vars/", 1)[0] for name in stored if name.startswith(f"{prefix}/") and name.endswith("/1")}
    found = []
    for root in sorted(roots, key=lambda one: (len(one), one)):
        kernel, bias = (torch.tensor(stored[f"{root}/vars/{index}"]) for index in (0, 1))
        height, width, inputs, outputs = kernel.shape
        conv = nn.Conv2d(inputs, outputs, (height, width), padding=height // 2)
        conv.weight.data = kernel.permute(3, 2, 0, 1).contiguous()
        conv.bias = nn.Parameter(bias)
        found.append(conv)
    return found


def hed_vgg16(source: Path) -> nn.Module:
    """The network of an .h5 file of Keras 3's weights."""
    stored: dict[str, Any] = {}

    def keep(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            stored[name] = item[()]

    h5py.File(source).visititems(keep)
    return Hed(stored, SHAPES["hed_vgg16"][1])


def digits(source: Path) -> nn.Module:
    """Three convolutions with pooling and two dense layers."""
    network = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 128, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(1152, 256), nn.ReLU(), nn.Linear(256, 10),
    )  # fmt: skip
    network.load_state_dict(dict(zip(network.state_dict(), load(source).values(), strict=True)))
    return network


class Mtcnn(nn.Module):
    """One of the three networks of MTCNN (Zhang et al., 2016): a trunk with PReLU, a class and a box head, and more."""

    def __init__(self, trunk: nn.Sequential, *heads: nn.Module) -> None:
        super().__init__()
        self.trunk, self.heads = trunk, nn.ModuleList(heads)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Probabilities of a face, then the other heads."""
        x = self.trunk(x)
        return tuple(F.softmax(head(x), 1) if not index else head(x) for index, head in enumerate(self.heads))


class Columns(nn.Module):
    """Flatten column by column, as the networks were trained."""

    def forward(self, x: Tensor) -> Tensor:
        """Width, height, channels."""
        return x.permute(0, 3, 2, 1).flatten(1)


def mtcnn(plan: Callable[[], Mtcnn]) -> Callable[[Path], nn.Module]:
    """A reader of one of the networks, whose tensors have other names and the same order."""

    def read(source: Path) -> nn.Module:
        network = plan()
        stored = load(source)
        heads = [name for name in stored if "_" in name.split(".")[0]]
        ordered = [*(name for name in stored if name not in heads), *heads]
        network.load_state_dict(dict(zip(network.state_dict(), (stored[name] for name in ordered), strict=True)))
        return network

    return read


def conv(inputs: int, outputs: int, kernel: int) -> tuple[nn.Module, nn.Module]:
    """A convolution without padding and its PReLU."""
    return nn.Conv2d(inputs, outputs, kernel), nn.PReLU(outputs)


def pool(kernel: int) -> nn.Module:
    """A maximum with stride 2 that keeps a last part of a window."""
    return nn.MaxPool2d(kernel, 2, ceil_mode=True)


def pnet() -> Mtcnn:
    """Proposals, convolutional."""
    trunk = nn.Sequential(*conv(3, 10, 3), pool(2), *conv(10, 16, 3), *conv(16, 32, 3))
    return Mtcnn(trunk, nn.Conv2d(32, 2, 1), nn.Conv2d(32, 4, 1))


def rnet() -> Mtcnn:
    """Refinement of 24 x 24 crops."""
    parts = (*conv(3, 28, 3), pool(3), *conv(28, 48, 3), pool(3), *conv(48, 64, 2), Columns())
    return Mtcnn(nn.Sequential(*parts, nn.Linear(576, 128), nn.PReLU(128)), nn.Linear(128, 2), nn.Linear(128, 4))


def onet() -> Mtcnn:
    """Faces and their landmarks in 48 x 48 crops."""
    convs = (*conv(3, 32, 3), pool(3), *conv(32, 64, 3), pool(3), *conv(64, 64, 3), pool(2), *conv(64, 128, 2))
    trunk = nn.Sequential(*convs, Columns(), nn.Linear(1152, 256), nn.PReLU(256))
    return Mtcnn(trunk, nn.Linear(256, 2), nn.Linear(256, 4), nn.Linear(256, 10))


def random(name: str) -> nn.Module:
    """A network of torchvision with seeded weights, and statistics of batch norms measured on seeded noise."""
    torchvision, _library = import_torchvision()
    torch.manual_seed(0)
    network: nn.Module = getattr(torchvision.models, name)(weights=None)
    for norm in (one for one in network.modules() if isinstance(one, nn.BatchNorm2d)):
        norm.reset_running_stats()
        norm.momentum = None
    with torch.no_grad():
        network.train()(torch.randn(2, *SHAPES["random"]))
    return network


NETWORKS: Mapping[str, Callable[[Path], nn.Module]] = {
    "efficientnet_lite0": efficientnet_lite0,
    "hed_vgg16": hed_vgg16,
    "digits": digits,
    "mtcnn_pnet": mtcnn(pnet),
    "mtcnn_rnet": mtcnn(rnet),
    "mtcnn_onet": mtcnn(onet),
}
SHAPES: Mapping[str, tuple[int, int, int]] = {
    "efficientnet_lite0": (3, 224, 224),
    "hed_vgg16": (3, 224, 224),
    "digits": (1, 28, 28),
    "mtcnn_pnet": (3, 96, 96),
    "mtcnn_rnet": (3, 24, 24),
    "mtcnn_onet": (3, 48, 48),
    "random": (3, 224, 224),
}


def main(name: str, source: Path, out: Path) -> None:
    """Convert one network."""
    kind, _, which = name.partition(":")
    network = random(which) if which else NETWORKS[kind](source)
    shape = (1, *SHAPES[kind])
    torch.onnx.export(
        network.eval(), (torch.zeros(shape),), str(out), opset_version=OPSET, input_names=["input"], dynamo=False
    )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
