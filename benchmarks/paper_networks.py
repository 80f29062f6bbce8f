"""ResNet-50, Inception-v3 and VGG-16 as lists of layers, from the definitions of torchvision, up to the last pooling.

They are what the paper's compiler was given: no fully connected layer, convolutions with their normalisation and
activation folded in, strides of ResNet-50 in its 3x3 convolutions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from compiler.paper import Layer, Network, View

VGG16 = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)
"""Output channels of the 3x3 convolutions; 0 is a 2x2 pooling."""

RESNET50 = ((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2))
"""Blocks, inner channels and first stride of each stage."""


class Builder:
    """Adds layers to a network; all but the first convolution have this density."""

    def __init__(self, size: int, density: float) -> None:
        self.network = Network()
        self.density = density
        self.image = self.network.tensor(size, size, 3)
        self.network.images.append(self.image.tensor)

    def _window(
        self,
        name: str,
        kind: str,
        x: View,
        channels: int,
        kernel: tuple[int, int],
        stride: int,
        pad: tuple[int, int],
    ) -> View:
        source = self.network.tensors[x.tensor]
        height, width = (
            (size + 2 * pad[axis] - kernel[axis]) // stride + 1
            for axis, size in enumerate((source.height, source.width))
        )
        y = self.network.tensor(height, width, channels)
        density = self.density if kind == "conv" and x is not self.image else 1.0
        pads = (pad[0], pad[1], pad[0], pad[1])
        self.network.layers.append(Layer(name, kind, (x,), y, kernel, (stride, stride), pads, density))
        return y

    def conv(
        self,
        name: str,
        x: View,
        channels: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        pad: int | tuple[int, int] | None = None,
    ) -> View:
        """A convolution; without `pad` the size stays for stride 1."""
        size = (kernel, kernel) if isinstance(kernel, int) else kernel
        around = (size[0] // 2, size[1] // 2) if pad is None else (pad, pad) if isinstance(pad, int) else pad
        return self._window(name, "conv", x, channels, size, stride, around)

    def pool(self, name: str, kind: str, x: View, kernel: int, stride: int, pad: int = 0) -> View:
        """A pooling: max_pool or avg_pool."""
        return self._window(name, kind, x, x.channels, (kernel, kernel), stride, (pad, pad))

    def add(self, name: str, a: View, b: View) -> View:
        """A sum."""
        shape = self.network.tensors[a.tensor]
        y = self.network.tensor(shape.height, shape.width, a.channels)
        self.network.layers.append(Layer(name, "add", (a, b), y))
        return y

    def concat(self, parts: Sequence[View]) -> View:
        """A concatenation."""
        return self.network.joined(parts)

    def done(self, y: View) -> Network:
        """The network that ends in `y`."""
        self.network.outputs.append(y.tensor)
        return self.network


def vgg16(density: float = 1.0) -> Network:
    """VGG-16 of Simonyan and Zisserman (configuration D), with torchvision's last pooling from 7x7 to 7x7."""
    b = Builder(224, density)
    x = b.image
    for at, channels in enumerate(VGG16):
        x = b.conv(f"conv{at}", x, channels, 3) if channels else b.pool(f"pool{at}", "max_pool", x, 2, 2)
    return b.done(b.pool("avgpool", "avg_pool", x, 1, 1))


def resnet50(density: float = 1.0) -> Network:
    """ResNet-50 of He et al., torchvision's version 1.5."""
    b = Builder(224, density)
    x = b.pool("maxpool", "max_pool", b.conv("conv1", b.image, 64, 7, 2), 3, 2, 1)
    for stage, (blocks, inner, stride) in enumerate(RESNET50, 1):
        for block in range(blocks):
            name, step = f"layer{stage}.{block}", stride if block == 0 else 1
            short = b.conv(f"{name}.downsample", x, 4 * inner, 1, step) if block == 0 else x
            y = b.conv(f"{name}.conv2", b.conv(f"{name}.conv1", x, inner, 1), inner, 3, step)
            x = b.add(f"{name}.add", b.conv(f"{name}.conv3", y, 4 * inner, 1), short)
    return b.done(b.pool("avgpool", "avg_pool", x, 7, 7))


Steps = tuple[tuple[int, int | tuple[int, int]], ...]
"""Output channels and kernel of convolutions one after another."""

MIXED_5: tuple[Steps, ...] = (((64, 1),), ((48, 1), (64, 5)), ((64, 1), (96, 3), (96, 3)))


def _mixed_6(inner: int) -> tuple[Steps, ...]:
    across, down = (1, 7), (7, 1)
    return (
        ((192, 1),),
        ((inner, 1), (inner, across), (192, down)),
        ((inner, 1), (inner, down), (inner, across), (inner, down), (192, across)),
    )


def inception_v3(density: float = 1.0) -> Network:
    """Inception-v3 of Szegedy et al., after torchvision, without the auxiliary classifier."""
    b = Builder(299, density)

    def branch(name: str, x: View, steps: Steps) -> View:
        for at, (channels, kernel) in enumerate(steps):
            x = b.conv(f"{name}.{at}", x, channels, kernel)
        return x

    def mixed(name: str, x: View, branches: Sequence[Steps], pooled: int) -> View:
        parts = [branch(f"{name}.branch{at}", x, steps) for at, steps in enumerate(branches)]
        y = b.pool(f"{name}.pool", "avg_pool", x, 3, 1, 1)
        return b.concat([*parts, b.conv(f"{name}.branch_pool", y, pooled, 1)])

    def reduced(name: str, x: View, *branches: Callable[[], View]) -> View:
        return b.concat([*(one() for one in branches), b.pool(f"{name}.pool", "max_pool", x, 3, 2)])

    def shrunk(name: str, x: View, steps: Steps, channels: int) -> Callable[[], View]:
        return lambda: b.conv(f"{name}.last", branch(name, x, steps), channels, 3, 2, 0)

    x = b.conv("Conv2d_1a_3x3", b.image, 32, 3, 2, 0)
    x = b.conv("Conv2d_2b_3x3", b.conv("Conv2d_2a_3x3", x, 32, 3, 1, 0), 64, 3)
    x = b.conv("Conv2d_3b_1x1", b.pool("maxpool1", "max_pool", x, 3, 2), 80, 1)
    x = b.pool("maxpool2", "max_pool", b.conv("Conv2d_4a_3x3", x, 192, 3, 1, 0), 3, 2)
    for name, pooled in (("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)):
        x = mixed(name, x, MIXED_5, pooled)
    name = "Mixed_6a"
    x = reduced(name, x, shrunk(f"{name}.0", x, (), 384), shrunk(f"{name}.1", x, ((64, 1), (96, 3)), 96))
    for letter, inner in (("b", 128), ("c", 160), ("d", 160), ("e", 192)):
        x = mixed(f"Mixed_6{letter}", x, _mixed_6(inner), 192)
    name = "Mixed_7a"
    steps: Steps = ((192, 1), (192, (1, 7)), (192, (7, 1)))
    x = reduced(name, x, shrunk(f"{name}.0", x, ((192, 1),), 320), shrunk(f"{name}.1", x, steps, 192))
    for name in ("Mixed_7b", "Mixed_7c"):
        x = _mixed_7(b, name, x)
    return b.done(b.pool("avgpool", "avg_pool", x, 8, 8))


def _mixed_7(b: Builder, name: str, x: View) -> View:
    """The last kind of module; of its branches in two, the second is joined by itself before (as in the logs)."""
    parts = [b.conv(f"{name}.branch0", x, 320, 1)]
    y = b.conv(f"{name}.branch1.0", x, 384, 1)
    parts += [b.conv(f"{name}.branch1.{at}", y, 384, kernel) for at, kernel in (("a", (1, 3)), ("b", (3, 1)))]
    y = b.conv(f"{name}.branch2.1", b.conv(f"{name}.branch2.0", x, 448, 1), 384, 3)
    pair = [b.conv(f"{name}.branch2.{at}", y, 384, kernel) for at, kernel in (("a", (1, 3)), ("b", (3, 1)))]
    parts.append(b.concat(pair))
    y = b.pool(f"{name}.pool", "avg_pool", x, 3, 1, 1)
    return b.concat([*parts, b.conv(f"{name}.branch_pool", y, 192, 1)])


NETWORKS: dict[str, Callable[[float], Network]] = {
    "ResNet50": resnet50,
    "InceptionV3": inception_v3,
    "VGG16": vgg16,
}
"""By the names of the paper's logs."""
