"""Inception-v3 (Szegedy et al., arXiv 1512.00567) as torchvision builds it, without the auxiliary classifier."""

from __future__ import annotations

from benchmarks.nets.builder import Builder, Network

ROW, COLUMN = (1, 7), (7, 1)
"""The long windows of the 17 x 17 stage."""


def inception3(net: Builder, x: str) -> str:
    """299 x 299 pixels; blocks are called as in torchvision."""
    x = _conv(net, x, "Conv2d_1a_3x3", 3, 32, 3, 2, (0, 0))
    x = _conv(net, x, "Conv2d_2a_3x3", 32, 32, 3, 1, (0, 0))
    x = _conv(net, x, "Conv2d_2b_3x3", 32, 64, 3)
    x = net.pool("MaxPool", x, "maxpool1", 3, 2)
    x = _conv(net, x, "Conv2d_3b_1x1", 64, 80, 1)
    x = _conv(net, x, "Conv2d_4a_3x3", 80, 192, 3, 1, (0, 0))
    x = net.pool("MaxPool", x, "maxpool2", 3, 2)
    for name, c_in, pooled in (("Mixed_5b", 192, 32), ("Mixed_5c", 256, 64), ("Mixed_5d", 288, 64)):
        x = _block_a(net, x, name, c_in, pooled)
    x = _block_b(net, x, "Mixed_6a", 288)
    for name, width in (("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)):
        x = _block_c(net, x, name, width)
    x = _block_d(net, x, "Mixed_7a", 768)
    x = _block_e(net, x, "Mixed_7b", 1280)
    x = _block_e(net, x, "Mixed_7c", 2048)
    x = net.op("Flatten", [net.op("GlobalAveragePool", [x], "avgpool")], "flatten", axis=1)
    return net.dense(x, "fc", 2048, 1000)


def _conv(
    net: Builder,
    x: str,
    name: str,
    c_in: int,
    c_out: int,
    kernel: int | tuple[int, int],
    stride: int = 1,
    pads: tuple[int, int] | None = None,
) -> str:
    return net.relu(net.conv_bn(x, name, c_in, c_out, kernel, stride, pads=pads))


def _joined(net: Builder, name: str, *branches: str) -> str:
    return net.op("Concat", branches, f"{name}.concat", axis=1)


def _pooled(net: Builder, x: str, name: str, c_in: int, c_out: int) -> str:
    """An average over 3x3 pixels and a 1x1 convolution; zeros of the border count, as torch has it."""
    y = net.pool("AveragePool", x, f"{name}.pool", 3, 1, 1, count_include_pad=1)
    return _conv(net, y, f"{name}.branch_pool", c_in, c_out, 1)


def _block_a(net: Builder, x: str, name: str, c_in: int, pooled: int) -> str:
    """35 x 35 pixels: 1x1, 5x5 and two 3x3 convolutions beside a pool."""
    one = _conv(net, x, f"{name}.branch1x1", c_in, 64, 1)
    five = _conv(net, x, f"{name}.branch5x5_1", c_in, 48, 1)
    five = _conv(net, five, f"{name}.branch5x5_2", 48, 64, 5)
    three = _conv(net, x, f"{name}.branch3x3dbl_1", c_in, 64, 1)
    three = _conv(net, three, f"{name}.branch3x3dbl_2", 64, 96, 3)
    three = _conv(net, three, f"{name}.branch3x3dbl_3", 96, 96, 3)
    return _joined(net, name, one, five, three, _pooled(net, x, name, c_in, pooled))


def _block_b(net: Builder, x: str, name: str, c_in: int) -> str:
    """35 x 35 to 17 x 17 pixels."""
    one = _conv(net, x, f"{name}.branch3x3", c_in, 384, 3, 2, (0, 0))
    two = _conv(net, x, f"{name}.branch3x3dbl_1", c_in, 64, 1)
    two = _conv(net, two, f"{name}.branch3x3dbl_2", 64, 96, 3)
    two = _conv(net, two, f"{name}.branch3x3dbl_3", 96, 96, 3, 2, (0, 0))
    return _joined(net, name, one, two, net.pool("MaxPool", x, f"{name}.pool", 3, 2))


def _block_c(net: Builder, x: str, name: str, width: int) -> str:
    """17 x 17 pixels: 7x7 windows as rows and columns of 7."""
    one = _conv(net, x, f"{name}.branch1x1", 768, 192, 1)
    two = _conv(net, x, f"{name}.branch7x7_1", 768, width, 1)
    two = _conv(net, two, f"{name}.branch7x7_2", width, width, ROW)
    two = _conv(net, two, f"{name}.branch7x7_3", width, 192, COLUMN)
    three = _conv(net, x, f"{name}.branch7x7dbl_1", 768, width, 1)
    for place, kernel in ((2, COLUMN), (3, ROW), (4, COLUMN)):
        three = _conv(net, three, f"{name}.branch7x7dbl_{place}", width, width, kernel)
    three = _conv(net, three, f"{name}.branch7x7dbl_5", width, 192, ROW)
    return _joined(net, name, one, two, three, _pooled(net, x, name, 768, 192))


def _block_d(net: Builder, x: str, name: str, c_in: int) -> str:
    """17 x 17 to 8 x 8 pixels."""
    one = _conv(net, x, f"{name}.branch3x3_1", c_in, 192, 1)
    one = _conv(net, one, f"{name}.branch3x3_2", 192, 320, 3, 2, (0, 0))
    two = _conv(net, x, f"{name}.branch7x7x3_1", c_in, 192, 1)
    two = _conv(net, two, f"{name}.branch7x7x3_2", 192, 192, ROW)
    two = _conv(net, two, f"{name}.branch7x7x3_3", 192, 192, COLUMN)
    two = _conv(net, two, f"{name}.branch7x7x3_4", 192, 192, 3, 2, (0, 0))
    return _joined(net, name, one, two, net.pool("MaxPool", x, f"{name}.pool", 3, 2))


def _block_e(net: Builder, x: str, name: str, c_in: int) -> str:
    """8 x 8 pixels: 3x3 windows as a row and a column side by side."""
    one = _conv(net, x, f"{name}.branch1x1", c_in, 320, 1)
    two = _conv(net, x, f"{name}.branch3x3_1", c_in, 384, 1)
    two = _spread(net, two, f"{name}.branch3x3_2")
    three = _conv(net, x, f"{name}.branch3x3dbl_1", c_in, 448, 1)
    three = _conv(net, three, f"{name}.branch3x3dbl_2", 448, 384, 3)
    three = _spread(net, three, f"{name}.branch3x3dbl_3")
    return _joined(net, name, one, two, three, _pooled(net, x, name, c_in, 192))


def _spread(net: Builder, x: str, name: str) -> str:
    """A row and a column of 3, joined."""
    row = _conv(net, x, f"{name}a", 384, 384, (1, 3))
    return _joined(net, name, row, _conv(net, x, f"{name}b", 384, 384, (3, 1)))


INCEPTION3 = Network((1, 3, 299, 299), inception3, (1000,))
