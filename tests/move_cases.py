"""Small networks with operators that move numbers: resized, transposed, cut, padded, shuffled."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import onnx

from tests.netbuilder import Attributes, Style, Tensor
from tests.netmoves import Moves, integers

Draw = Callable[[Moves, Tensor], Tensor]
PAD1 = (1, 1, 1, 1)
POW2 = Style(pow2=True)
INT8 = Style(dtype="int8", pow2=True)


@dataclass(frozen=True)
class Case:
    """A model that is always the same: its name seeds its numbers."""

    name: str
    draw: Draw
    shape: tuple[int, int, int] = (16, 9, 7)
    style: Style = POW2
    layers: int | None = None
    """How many layers the plan has, where that is the point."""

    def build(self) -> onnx.ModelProto:
        net = Moves(zlib.crc32(self.name.encode()), self.shape, self.style)
        return net.finish(self.draw(net, net.x), name=self.name)


def conv(net: Moves, x: Tensor, out: int = 16, kernel: int = 1) -> Tensor:
    side = kernel // 2
    return net.quant(net.relu(net.conv(x, out, (kernel, kernel), pads=(side,) * 4)))


def transposed(out: int, kernel: tuple[int, int], **more: object) -> Draw:
    return lambda n, x: n.quant(n.conv_transpose(x, out, kernel, **more))  # type: ignore[arg-type]


def u_shape(net: Moves, x: Tensor, *, resize: bool) -> Tensor:
    """Down, up again, joined with what was before: a small U-Net."""
    skip = conv(net, x, 16, 3)
    low = conv(net, net.max_pool(skip, {"kernel_shape": (2, 2), "strides": (2, 2)}), 32, 3)
    up = net.upsample(low) if resize else net.quant(net.conv_transpose(low, 16))
    return net.quant(net.conv(net.quant(net.concat(up, skip)), 8, (3, 3), pads=PAD1))


def c2f(net: Moves, x: Tensor) -> Tensor:
    """YOLOv8's block: half of the channels pass, the other half goes through a bottleneck, too; all are joined."""
    first, second = net.split(conv(net, x, 32), 16, 16)
    inner = conv(net, conv(net, second, 16, 3), 16, 3)
    last = net.quant(net.add(inner, second), like=second)
    return conv(net, net.quant(net.concat(first, second, last), like=second), 24)


def option_a(net: Moves, x: Tensor) -> Tensor:
    """The shortcut of CIFAR ResNets: every second pixel, zeros for the channels that are new."""
    y = net.quant(net.relu(net.conv(x, 16, strides=(2, 2), pads=PAD1)))
    y = net.quant(net.conv(y, 32, pads=PAD1))
    half = net.moved("Slice", x, integers(0, 0), integers(99, 99), integers(2, 3), integers(2, 2))[0]
    wide = net.moved("Pad", half, integers(0, 8, 0, 0, 0, 8, 0, 0))[0]
    return net.quant(net.relu(net.add(y, net.quant(wide, like=x))))


RESIZES = (
    Case("upsample_2x2", lambda n, x: n.upsample(conv(n, x)), layers=1),
    Case("upsample_twice", lambda n, x: n.upsample(n.upsample(conv(n, x, 8), 1, 3)), (8, 5, 3), layers=1),
    Case("depth_to_space_upsampled", lambda n, x: n.upsample(n.same("DepthToSpace", conv(n, x, 32),
         attributes={"blocksize": 2}), 1, 2), layers=4),
    Case("upsample_of_input", lambda n, x: n.upsample(x, 3, 2)),
    Case("upsample_rows", lambda n, x: n.upsample(conv(n, x, 24), 4, 1), style=INT8),
    Case("upsample_read_twice", lambda n, x: n.quant(n.concat(n.upsample(y := conv(n, x, 8)), n.upsample(y)))),
    Case("upsample_then_3x3", lambda n, x: conv(n, n.upsample(conv(n, x)), 8, 3), (16, 10, 12)),
    Case("upsample_then_7x7", lambda n, x: conv(n, n.upsample(conv(n, x, 20)), 8, 7), (5, 6, 6)),
    Case("upsample_wide", lambda n, x: n.upsample(conv(n, x, 40)), (8, 33, 70)),
    Case("upsample_half_pixel", lambda n, x: n.upsample(
        x, coordinate_transformation_mode="half_pixel", nearest_mode="round_prefer_floor")),
    Case("downsample", lambda n, x: n.same("Resize", x, None, np.array([1, 1, 0.5, 0.25], np.float32), attributes={
        "mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}), (16, 8, 8)),
    Case("upsample_relu_behind", lambda n, x: n.quant(n.relu(n.moved("Resize", x, None, None, integers(1, 16, 18, 14),
        attributes={"mode": "nearest"})[0]))),
)  # fmt: skip


def linear(rule: str, rows: float, columns: float, before: int = 0) -> Draw:
    """A linear Resize of the input, or of a convolution of so many channels between others."""

    def draw(net: Moves, x: Tensor) -> Tensor:
        attributes: Attributes = {"mode": "linear", "coordinate_transformation_mode": rule}
        scales = np.array([1, 1, rows, columns], np.float32)
        y = net.same("Resize", conv(net, x, before) if before else x, None, scales, attributes=attributes)
        return conv(net, y, 8, 3) if before else y

    return draw


def corners(net: Moves, x: Tensor) -> Tensor:
    """A linear Resize to a size with a scale of its own behind it, as a U-Net of PyTorch has it."""
    attributes: Attributes = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
    return net.quant(net.moved("Resize", conv(net, x), None, None, integers(1, 16, 5, 9), attributes=attributes)[0])


LINEAR = (
    Case("linear_2x2", linear("half_pixel", 2, 2), (16, 5, 7)),
    Case("linear_4x4", linear("pytorch_half_pixel", 4, 4), (8, 4, 3), INT8),
    Case("linear_asymmetric", linear("asymmetric", 2, 2), (16, 5, 7)),
    Case("linear_columns", linear("half_pixel", 1, 2), (12, 4, 9)),
    Case("linear_of_a_pixel", linear("half_pixel", 5, 7), (16, 1, 1)),
    Case("linear_of_a_row", linear("align_corners", 4, 1, 16), (8, 1, 6)),
    Case("linear_between", linear("half_pixel", 2, 2, 16), (8, 6, 5), INT8),
    Case("linear_corners", corners, (8, 3, 5)),
)

TRANSPOSED = (
    Case("transposed_2x2", transposed(8, (2, 2))),
    Case("transposed_2x2_relu", lambda n, x: n.quant(n.relu(n.conv_transpose(conv(n, x), 16)))),
    Case("transposed_3x3_pads", transposed(16, (3, 3), pads=PAD1, more=(1, 1))),
    Case("transposed_3x3_odd", transposed(16, (3, 3), pads=PAD1)),
    Case("transposed_3x3_no_pads", transposed(8, (3, 3), bias=False), (8, 5, 6), INT8),
    Case("transposed_4x4", transposed(24, (4, 4), pads=PAD1), (24, 6, 5)),
    Case("transposed_4x4_then_3x3", lambda n, x: conv(n, n.quant(n.conv_transpose(x, 16, (4, 4), pads=PAD1)), 8, 3)),
    Case("transposed_stride1", transposed(8, (3, 3), strides=(1, 1), pads=PAD1)),
    Case("transposed_stride3_2", transposed(8, (3, 5), strides=(3, 2), pads=(0, 2, 1, 1))),
    Case("transposed_gaps", transposed(8, (1, 1), strides=(2, 2), more=(1, 1))),
    Case("transposed_large_pads", transposed(8, (5, 5), pads=(3, 4, 4, 3), more=(1, 1))),
    Case("transposed_same_upper", transposed(8, (3, 3), extra={"auto_pad": "SAME_UPPER"})),
    Case("transposed_shape", transposed(8, (3, 3), extra={"output_shape": (18, 14)})),
)

CHANNELS = (
    Case("split_halves", lambda n, x: n.quant(n.concat(*(conv(n, one, 8) for one in n.split(conv(n, x), 8, 8)))),
         layers=4),
    Case("split_between_blocks", lambda n, x: conv(n, n.split(n.max_pool(x, {"kernel_shape": (2, 2)}), 5, 4, 7)[1])),
    Case("split_of_conv_between_blocks",
         lambda n, x: n.quant(n.concat(*(conv(n, one, 8) for one in n.split(conv(n, x, 20), 12, 8))))),
    Case("slice_channels", lambda n, x: n.slice(x, [8], [16], [1])),
    Case("slice_channels_backwards", lambda n, x: n.slice(x, [-1], [-99], [1], [-3])),
    Case("global_max_pool", lambda n, x: n.same("GlobalMaxPool", conv(n, x, 24)), (8, 7, 9)),
    Case("global_max_pool_of_input", lambda n, x: conv(n, n.same("GlobalMaxPool", x), 8), style=INT8),
    Case("gather", lambda n, x: n.same("Gather", x, integers(3, -1, 3, 0), attributes={"axis": 1})),
    Case("slice_crop", lambda n, x: conv(n, n.slice(conv(n, x), [2, 1], [8, -2], [2, 3]), 8, 3)),
    Case("slice_strided", lambda n, x: n.slice(x, [1, 0], [99, 99], [2, 3], [3, 2])),
    Case("slice_one_row", lambda n, x: n.slice(x, [8], [9], [2])),
    Case("split_rows", lambda n, x: n.quant(n.add(*n.split(x, 4, 4, axis=2))), (16, 8, 7)),
    Case("option_a", option_a, (16, 8, 8), Style(symmetric=True, dtype="int8", pow2=True)),
    Case("c2f", c2f, layers=4),
)  # fmt: skip

SQUARES = (
    Case("depth_to_space", lambda n, x: n.same("DepthToSpace", conv(n, x, 32), attributes={"blocksize": 2})),
    Case("depth_to_space_of_input", lambda n, x: n.same("DepthToSpace", x, attributes={"blocksize": 2}), (32, 5, 6)),
    Case("depth_to_space_crd", lambda n, x: n.same("DepthToSpace", conv(n, x, 32),
         attributes={"blocksize": 2, "mode": "CRD"}), layers=4),
    Case("depth_to_space_3_channels", lambda n, x: n.same("DepthToSpace", conv(n, x, 27, 3),
         attributes={"blocksize": 3, "mode": "CRD"})),
    Case("space_to_depth", lambda n, x: conv(n, n.same("SpaceToDepth", x, attributes={"blocksize": 2}), 8),
         (8, 8, 6)),
    Case("space_to_depth_3_channels", lambda n, x: n.same("SpaceToDepth", x, attributes={"blocksize": 2}), (3, 8, 6)),
)  # fmt: skip


def pad(net: Moves, x: Tensor, *pads: int) -> Tensor:
    return net.same("Pad", x, integers(*pads))


PADS = (
    Case("pad_conv", lambda n, x: n.quant(n.conv(pad(n, x, 0, 0, 1, 2, 0, 0, 1, 0), 8)), layers=1),
    Case("pad_alone", lambda n, x: pad(n, conv(n, x), 0, 0, 1, 2, 0, 0, 3, 0), style=INT8),
    Case("pad_channels", lambda n, x: pad(n, x, 0, 3, 1, 0, 0, 5, 0, 1)),
    Case("pad_negative", lambda n, x: pad(n, x, 0, -3, -1, 1, 0, 2, 2, -1)),
    Case("pad_average", lambda n, x: n.quant(n.average_pool(
        pad(n, x, 0, 0, 1, 1, 0, 0, 1, 1), {"kernel_shape": (3, 3), "strides": (2, 2)})), layers=1),
    Case("pad_max", lambda n, x: n.max_pool(pad(n, x, 0, 0, 1, 1, 0, 0, 1, 1), {"kernel_shape": (3, 3)})),
    Case("pad_max_of_relu", lambda n, x: n.max_pool(pad(n, conv(n, x), 0, 0, 1, 1, 0, 0, 1, 1),
         {"kernel_shape": (3, 3), "strides": (2, 2)}), layers=2),
)  # fmt: skip

NETWORKS = (
    Case("u_transposed", lambda n, x: u_shape(n, x, resize=False), (3, 16, 12)),
    Case("u_resize", lambda n, x: u_shape(n, x, resize=True), (3, 16, 12)),
)


def old_attributes(net: Moves, x: Tensor) -> Tensor:
    """Split and Pad as they were in opset 10, their sizes attributes."""
    y = net.moved("Pad", x, attributes={"pads": (0, 0, 1, 1, 0, 0, 1, 1), "mode": "constant"})[0]
    first, second = net.moved("Split", y, attributes={"axis": 1, "split": (8, 8)}, outputs=2)
    return net.quant(net.add(net.quant(first, like=x), net.quant(second, like=x)))


def of_integers(net: Moves, x: Tensor) -> Tensor:
    """Operators that take uint8 as they are, without DQ and Q around them."""
    made = net.emit("Slice", [x.int_name, net.const(integers(1), "from"), net.const(integers(8), "to"),
                              net.const(integers(2), "axes")])  # fmt: skip
    made = net.emit("Pad", [made, net.const(integers(0, 0, 0, 1, 0, 0, 0, 0), "pads"), x.zero])
    y = replace(x, value=np.pad(x.value[:, :, 1:8], ((0, 0), (0, 0), (0, 0), (1, 0))), int_name=made, float_name="")
    return net.quant(net.conv(y, 8, (3, 3)))


def shuffle(net: Moves, x: Tensor) -> Tensor:
    """ShuffleNet's change of channels between groups: Reshape, Transpose, Reshape."""
    y = net.reshape(conv(net, x, 24), (1, 3, 8, *x.shape[2:]))
    y = replace(y, value=y.value.reshape(-1, 3, 8, *x.shape[2:]))
    y = net.reshape(net.move("Transpose", y, {"perm": (0, 2, 1, 3, 4)}), (1, 24, *x.shape[2:]))
    return conv(net, replace(y, value=y.value.reshape(-1, 24, *x.shape[2:])), 8)


def cut(cuts: tuple[int, ...], perm: tuple[int, ...], shape: tuple[int, int, int]) -> Draw:
    """Reshape, Transpose, Reshape of 12 channels, behind a convolution and before another."""

    def draw(net: Moves, x: Tensor) -> Tensor:
        y = conv(net, x, 12)
        y = replace(net.reshape(y, (1, *cuts)), value=y.value.reshape(-1, *cuts))
        y = net.move("Transpose", y, {"perm": perm})
        return conv(net, replace(net.reshape(y, (1, *shape)), value=y.value.reshape(-1, *shape)), 8)

    return draw


def attention(kernel: int, **more: int) -> Draw:
    """ECA-Net's: a convolution along the channels of the mean pixel, whose result is expanded to the image's size."""

    def draw(net: Moves, x: Tensor) -> Tensor:
        mean = net.quant(net.global_average_pool(x))
        y = replace(net.reshape(mean, (1, 1, x.channels)), value=mean.value.reshape(-1, 1, x.channels))
        y = net.quant(net.conv_row(y, 1, kernel, pads=(kernel // 2,) * 2, **more))
        count = y.shape[2]
        y = replace(net.reshape(y, (1, count, 1, 1)), value=y.value.reshape(-1, count, 1, 1))
        return conv(net, net.same("Expand", y, integers(1, count, *x.shape[2:])), 8)

    return draw


def last_axis(net: Moves, x: Tensor) -> Tensor:
    """Channels that come last, as TensorFlow has them."""
    y = net.move("Transpose", conv(net, x), {"perm": (0, 2, 3, 1)})
    y = net.slice(y, [0, 8], [99, 16], [1, 3], [2, 1])
    y = net.same("Pad", y, integers(0, 0, 1, 0, 0, 1, 0, 0))
    return net.move("Transpose", y, {"perm": (0, 3, 1, 2)})


def one_row(net: Moves, x: Tensor) -> Tensor:
    """Three dimensions: what a causal convolution has too much is cut off, steps are padded and split."""
    y = net.reshape(conv(net, x), (1, 16, 24))
    y = net.slice(replace(y, value=y.value.reshape(-1, 16, 24)), [2, 3], [14, -2], [1, 2], [1, 2])
    y = net.same("Pad", y, integers(0, 2, 1, 0, 2, 3))
    first, second = net.split(y, 7, 7, axis=2)
    y = net.reshape(net.quant(net.add(first, second)), (1, 16, 1, 7))
    return conv(net, replace(y, value=y.value.reshape(-1, 16, 1, 7)), 8)


FORMS = (
    Case("one_row", one_row, (16, 1, 24)),
    Case("old_attributes", old_attributes, style=Style(pow2=True, opset=10, per_channel=False)),
    Case("opset_10", lambda n, x: n.quant(n.moved("Resize", conv(n, x), np.array([1, 1, 2, 3], np.float32))[0]),
         style=Style(pow2=True, opset=10, per_channel=False)),
    Case("integers", of_integers),
    Case("last_axis", last_axis),
    Case("shuffle", shuffle),
    Case("attention", attention(3), (24, 5, 6)),
    Case("attention_stride", attention(5, stride=2), (19, 3, 4), INT8),
    Case("expand_rows", lambda n, x: n.same("Expand", conv(n, x), integers(1, 16, 4, 6)), (8, 1, 6)),
    Case("cut_unshuffle", cut((12, 4, 2, 2, 3), (0, 1, 3, 5, 2, 4), (72, 4, 2)), (8, 8, 6)),
    Case("cut_squares", cut((12, 4, 2, 3, 2), (0, 3, 5, 1, 2, 4), (48, 4, 3)), (8, 8, 6)),
    Case("cut_shuffle", cut((2, 3, 2, 5, 4), (0, 1, 4, 2, 5, 3), (2, 15, 8)), (8, 5, 4)),
    Case("cut_shuffle_inner", cut((2, 3, 2, 5, 4), (0, 3, 4, 1, 5, 2), (2, 10, 12)), (8, 5, 4)),
)  # fmt: skip

CASES = (*RESIZES, *LINEAR, *TRANSPOSED, *CHANNELS, *SQUARES, *PADS, *FORMS, *NETWORKS)
