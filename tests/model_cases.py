"""Small models by name: each covers one thing, all together cover what the front end accepts."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import onnx

from tests.netbuilder import Attributes, Style, Tensor
from tests.netlayers import Layers

Draw = Callable[[Layers, Tensor], Tensor]
Shape = tuple[int, ...]

PAD1 = (1, 1, 1, 1)
UINT8 = Style()
INT8 = Style(dtype="int8")
SYMMETRIC = Style(dtype="int8", symmetric=True)
PER_TENSOR = Style(per_channel=False)


@dataclass(frozen=True)
class Case:
    """A model that is always the same: its name seeds its numbers."""

    name: str
    draw: Draw
    shape: Shape = (16, 9, 9)
    style: Style = UINT8
    nhwc: str = ""

    def build(self, *, pow2: bool = False) -> onnx.ModelProto:
        net = Layers(zlib.crc32(self.name.encode()), self.shape, replace(self.style, pow2=pow2), nhwc=self.nhwc)
        return net.finish(self.draw(net, net.x), name=self.name)


def residual(net: Layers, x: Tensor, *, relu: bool = False, sparsity: float = 0.0) -> Tensor:
    inner = net.quant(net.relu(net.conv(x, 24, (1, 1))))
    y = net.add(net.quant(net.conv(inner, x.channels, pads=PAD1, sparsity=sparsity)), x)
    return net.quant(net.relu(y) if relu else y)


def bottleneck(net: Layers, x: Tensor) -> Tensor:
    """ResNet's stride-2 block: 1x1, 3x3/2, 1x1, a projection beside it, half of the blocks zero."""
    y = net.quant(net.relu(net.conv(x, 16, (1, 1), sparsity=0.5)))
    y = net.quant(net.relu(net.conv(y, 16, strides=(2, 2), pads=PAD1, sparsity=0.5)))
    y = net.quant(net.conv(y, 64, (1, 1), sparsity=0.5))
    shortcut = net.quant(net.conv(x, 64, (1, 1), strides=(2, 2), sparsity=0.5))
    return net.quant(net.relu(net.add(y, shortcut)))


def inception(net: Layers, x: Tensor) -> Tensor:
    """1x1; 1x1, 1x7, 7x1; average pool, 1x1; concatenated at unequal scales."""
    a = net.quant(net.relu(net.conv(x, 12, (1, 1))))
    b = net.quant(net.relu(net.conv(x, 8, (1, 1))))
    b = net.quant(net.relu(net.conv(b, 8, (1, 7), pads=(0, 3, 0, 3))))
    b = net.quant(net.relu(net.conv(b, 20, (7, 1), pads=(3, 0, 3, 0))))
    pool = net.average_pool(x, {"kernel_shape": (3, 3), "pads": PAD1, "count_include_pad": 0})
    c = net.quant(net.relu(net.conv(net.quant(pool), 5, (1, 1))))
    return net.quant(net.concat(a, b, c))


def lenet(net: Layers, x: Tensor) -> Tensor:
    """Two convolutions with pools, two dense layers: a whole small classifier."""
    x = net.quant(net.relu(net.conv(x, 16, (5, 5), pads=(2, 2, 2, 2))))
    x = net.max_pool(x, {"kernel_shape": (2, 2), "strides": (2, 2)})
    x = net.quant(net.relu(net.conv(x, 32, sparsity=0.5)))
    x = net.flatten(net.max_pool(x, {"kernel_shape": (2, 2), "strides": (2, 2)}))
    return net.quant(net.gemm(net.quant(net.relu(net.gemm(x, 40, sparsity=0.5))), 10))


def chain(net: Layers, x: Tensor) -> Tensor:
    """Six convolutions of different width in a row."""
    for out in (8, 24, 12, 32, 5, 16):
        x = net.quant(net.relu(net.conv(x, out, pads=PAD1, sparsity=0.5)))
    return x


def max_pool(
    kernel: int, stride: int, pads: tuple[int, ...] = (0, 0, 0, 0), *, ceil: int = 0, bare: bool = False
) -> Draw:
    window: Attributes = {
        "kernel_shape": (kernel, kernel),
        "strides": (stride, stride),
        "pads": pads,
        "ceil_mode": ceil,
    }
    return lambda net, x: net.max_pool(x, window, bare=bare)


def average_pool(include: int, *, same_scale: bool = False) -> Draw:
    window: Attributes = {
        "kernel_shape": (3, 3),
        "strides": (2, 2),
        "pads": (1, 0, 1, 1),
        "count_include_pad": include,
    }
    return lambda net, x: net.quant(net.average_pool(x, window), like=x if same_scale else None)


def separable(net: Layers, x: Tensor) -> Tensor:
    """MobileNet V2's blocks: 1x1 up, depthwise, 1x1 down without an activation, at stride 1 with a residual."""
    for out, stride in ((16, 2), (16, 1)):
        y = net.quant(net.clip(net.conv(x, 6 * x.channels, (1, 1))))
        y = net.quant(net.clip(net.conv(y, y.channels, strides=(stride, stride), pads=PAD1, group=y.channels)))
        y = net.quant(net.conv(y, out, (1, 1)))
        x = net.quant(net.add(y, x)) if stride == 1 else y
    return x


def row(net: Layers, x: Tensor) -> Tensor:
    """Convolutions and pools of one dimension, and a dense end."""
    y = net.quant(net.relu(net.conv_row(x, 24, 5, stride=2, pads=(2, 1))))
    y = net.quant(net.conv_row(y, 24, 3, pads=(1, 1), group=24))
    y = net.max_pool(y, {"kernel_shape": (3,), "strides": (2,), "pads": (1, 1)})
    y = net.quant(net.average_pool(y, {"kernel_shape": (2,), "strides": (1,)}))
    return net.quant(net.gemm(net.flatten(net.quant(net.conv_row(y, 12, 1))), 10))


def depthwise(kernel: tuple[int, int] = (3, 3), **given: Any) -> Draw:
    """A depthwise convolution; `given` as of `Layers.conv`."""
    return lambda net, x: net.quant(net.conv(x, x.channels, kernel, group=x.channels, **given))


CONVOLUTIONS = (
    Case("conv_1x1", lambda n, x: n.quant(n.conv(x, 24, (1, 1)))),
    Case("conv_3x3_same", lambda n, x: n.quant(n.conv(x, 16, pads=PAD1))),
    Case("conv_5x5", lambda n, x: n.quant(n.conv(x, 8, (5, 5)))),
    Case(
        "conv_7x7_stride2_3_channels",
        lambda n, x: n.quant(n.relu(n.conv(x, 16, (7, 7), strides=(2, 2), pads=(3, 3, 3, 3)))),
        (3, 23, 23),
    ),
    Case("conv_1x7", lambda n, x: n.quant(n.conv(x, 8, (1, 7), pads=(0, 3, 0, 3)))),
    Case("conv_7x1", lambda n, x: n.quant(n.conv(x, 8, (7, 1), pads=(3, 0, 3, 0)))),
    Case("conv_strides_3_and_2", lambda n, x: n.quant(n.conv(x, 8, strides=(3, 2))), (8, 14, 11)),
    Case("conv_asymmetric_pads", lambda n, x: n.quant(n.conv(x, 8, strides=(2, 2), pads=(0, 0, 1, 1)))),
    Case("conv_dilation2", lambda n, x: n.quant(n.conv(x, 8, dilations=(2, 2), pads=(2, 2, 2, 2)))),
    Case("conv_no_bias", lambda n, x: n.quant(n.conv(x, 16, pads=PAD1, bias=False)), style=SYMMETRIC),
    Case("conv_per_tensor", lambda n, x: n.quant(n.conv(x, 16, pads=PAD1)), style=PER_TENSOR),
    Case("conv_channels_3_to_5", lambda n, x: n.quant(n.conv(x, 5, pads=PAD1)), (3, 7, 6)),
    Case("conv_channels_20_to_12_to_1", lambda n, x: n.quant(n.conv(n.quant(n.conv(x, 12)), 1)), (20, 8, 8)),
    Case("conv_input_1x1", lambda n, x: n.quant(n.conv(x, 24, pads=PAD1)), (12, 1, 1)),
    Case("conv_input_40x37", lambda n, x: n.quant(n.conv(x, 8, pads=PAD1)), (8, 40, 37)),
    Case("conv_input_1x40", lambda n, x: n.quant(n.conv(x, 8, (1, 3))), (8, 1, 40)),
    Case("conv_wide_channels", lambda n, x: n.quant(n.conv(x, 128, (1, 1), sparsity=0.5)), (160, 4, 4)),
    Case("conv_relu", lambda n, x: n.quant(n.relu(n.conv(x, 16)))),
    Case("conv_relu6", lambda n, x: n.quant(n.clip(n.conv(x, 16, gain=4.0)))),
    Case("conv_clip_both_sides", lambda n, x: n.quant(n.clip(n.conv(x, 16), -0.75, 1.25)), style=INT8),
    Case("conv_requantise_relu", lambda n, x: n.quant(n.relu(n.quant(n.conv(x, 16)))), style=SYMMETRIC),
    Case("sparse_half", lambda n, x: n.quant(n.conv(x, 32, pads=PAD1, sparsity=0.5)), (32, 6, 6)),
    Case("sparse_one_block", lambda n, x: n.quant(n.conv(x, 24, pads=PAD1, sparsity=0.999)), (24, 6, 6)),
    Case("sparse_all", lambda n, x: residual(n, x, sparsity=1.0)),
    Case("sparse_odd_channels", lambda n, x: n.quant(n.conv(x, 20, pads=PAD1, sparsity=0.7)), (12, 6, 6)),
    Case("chain_of_six", chain, (3, 12, 10), INT8),
)

GROUPS = (
    Case("depthwise_3x3", depthwise(pads=PAD1)),
    Case("depthwise_5x5_stride2", depthwise((5, 5), strides=(2, 2), pads=(1, 2, 2, 1)), (24, 15, 13)),
    Case("depthwise_1x1", depthwise((1, 1)), (12, 5, 6)),
    Case("conv_dilation_beyond", lambda n, x: n.quant(n.conv(x, 8, dilations=(9, 4), pads=(9, 4, 9, 4))), (16, 4, 6)),
    Case("depthwise_dilation_beyond", depthwise(dilations=(6, 12), pads=(6, 12, 6, 12)), (20, 8, 9), INT8),
    Case("depthwise_dilation2", depthwise(dilations=(2, 2), pads=(2, 2, 2, 2)), (20, 8, 9), INT8),
    Case("depthwise_7x1", depthwise((7, 1), pads=(3, 0, 3, 0), bias=False), (8, 9, 21), SYMMETRIC),
    Case("depthwise_1x9", depthwise((1, 9)), (8, 1, 40), PER_TENSOR),
    Case("depthwise_relu6", lambda n, x: n.quant(n.clip(n.conv(x, 16, pads=PAD1, group=16, gain=4.0)))),
    Case("depthwise_many_channels", depthwise(pads=PAD1), (328, 6, 6)),
    Case("depthwise_whole_image", depthwise((24, 24)), (40, 24, 24)),
    Case("separable", separable, (16, 12, 12), INT8),
    Case("groups_of_8", lambda n, x: n.quant(n.relu(n.conv(x, 48, pads=PAD1, group=4))), (32, 7, 7)),
    Case("groups_of_3_to_5", lambda n, x: n.quant(n.conv(x, 20, pads=PAD1, group=4)), (12, 7, 7), INT8),
    Case("groups_of_16_sparse", lambda n, x: n.quant(n.conv(x, 64, pads=PAD1, group=2, sparsity=0.5)), (32, 6, 6)),
    Case("groups_multiply_channels", lambda n, x: n.quant(n.conv(x, 24, pads=PAD1, group=12)), (12, 7, 7)),
    Case("qlinear_conv_depthwise", lambda n, x: n.qlinear_conv(x, 16, (3, 3), pads=PAD1, group=16, relu=True)),
    Case("qlinear_conv_groups", lambda n, x: n.qlinear_conv(x, 24, (3, 3), pads=PAD1, group=2)),
)

ROWS = (
    Case("conv_of_a_row", lambda n, x: n.quant(n.conv_row(x, 20, 3, pads=(1, 1))), (12, 30)),
    Case("row", row, (9, 50), INT8),
    Case("row_to_its_mean", lambda n, x: n.quant(n.global_average_pool(n.quant(n.conv_row(x, 16, 4)))), (8, 21)),
)

DENSE = (
    Case("gemm_transposed", lambda n, x: n.quant(n.gemm(n.flatten(x), 10)), (8, 3, 3)),
    Case("gemm_plain", lambda n, x: n.quant(n.gemm(n.flatten(x), 10, trans_b=False)), (8, 3, 3), INT8),
    Case("gemm_no_bias", lambda n, x: n.quant(n.gemm(n.flatten(x), 33, bias=False)), (5, 3, 2)),
    Case("gemm_sparse", lambda n, x: n.quant(n.gemm(n.flatten(x), 64, sparsity=0.5)), (64, 1, 1)),
    Case("matmul", lambda n, x: n.quant(n.matmul(n.reshape(x), 12)), (8, 3, 3)),
    Case("matmul_bias_int32", lambda n, x: n.quant(n.matmul(n.flatten(x), 12, bias="int32")), (8, 3, 3)),
    Case("matmul_bias_int8", lambda n, x: n.quant(n.matmul(n.flatten(x), 12, bias="int8")), (8, 3, 3), INT8),
    Case("lenet", lenet, (1, 20, 20)),
)

POOLS = (
    Case("max_pool_2x2", max_pool(2, 2), (8, 8, 8)),
    Case("max_pool_pads", max_pool(3, 2, (1, 1, 1, 1)), (12, 9, 9)),
    Case("max_pool_ceil", max_pool(3, 2, (0, 0, 0, 0), ceil=1), (8, 10, 8), INT8),
    Case("max_pool_on_integers", max_pool(3, 1, (1, 0, 0, 1), bare=True), (5, 7, 7)),
    Case("average_pool_exclude_pads", average_pool(0)),
    Case("average_pool_include_pads", average_pool(1), style=INT8),
    Case("average_pool_same_scale", average_pool(0, same_scale=True)),
    Case("global_average_pool", lambda n, x: n.quant(n.global_average_pool(n.quant(n.relu(n.conv(x, 20)))))),
)

JOINS = (
    Case("add_residual", residual),
    Case("add_residual_relu", lambda n, x: residual(n, x, relu=True), style=SYMMETRIC),
    Case("add_to_itself", lambda n, x: n.quant(n.add(x, x))),
    Case(
        "add_unequal_scales",
        lambda n, x: n.quant(n.add(n.quant(n.conv(x, 12, gain=0.1)), n.quant(n.conv(x, 12)))),
    ),
    Case("bottleneck_half", bottleneck, (32, 10, 10)),
    Case("concat_equal_scales", lambda n, x: n.concat_equal(n.conv(x, 8, (1, 1)), n.conv(x, 16, (1, 1)))),
    Case("concat_unequal_scales", lambda n, x: n.quant(n.concat(x, n.quant(n.conv(x, 8, (1, 1), gain=3.0))))),
    Case(
        "concat_odd_channels",
        lambda n, x: n.quant(n.concat(n.quant(n.conv(x, 3, (1, 1))), n.quant(n.conv(x, 5, (1, 1))), x)),
        (7, 5, 5),
    ),
    Case("inception", inception, (16, 9, 8)),
)

FORMS = (
    Case("flatten_on_integers", lambda n, x: n.quant(n.gemm(n.flatten(x, bare=True), 10)), (8, 3, 3)),
    Case(
        "flatten_not_requantised",
        lambda n, x: n.quant(n.gemm(n.move("Flatten", x, requantise=False), 10)),
        (8, 3, 3),
    ),
    Case("reshape_copies_batch", lambda n, x: n.quant(n.gemm(n.reshape(x, (0, -1)), 10)), (8, 3, 3)),
    Case("identity_and_dropout", lambda n, x: n.quant(n.conv(n.move("Dropout", n.move("Identity", x)), 8))),
    Case("nhwc_float_input", lambda n, x: n.quant(n.conv(x, 8)), (3, 8, 9), nhwc="float"),
    Case("nhwc_quantised_input", lambda n, x: n.quant(n.conv(x, 8)), (3, 8, 9), nhwc="int"),
    Case(
        "nhwc_int8_input",
        lambda n, x: n.quant(n.conv(x, 8)),
        (3, 8, 9),
        Style("int8", float_io=False),
        "bare",
    ),
    Case("int8_in_and_out", lambda n, x: n.quant(n.relu(n.conv(x, 8))), style=Style("int8", float_io=False)),
    Case("uint8_in_and_out", lambda n, x: n.quant(n.conv(x, 8)), style=Style(float_io=False)),
    Case("opset_13", bottleneck, (16, 6, 6), Style(opset=13)),
    Case("opset_21", bottleneck, (16, 6, 6), Style(dtype="int8", opset=21)),
    Case("qlinear_conv", lambda n, x: n.qlinear_conv(x, 12, (3, 3), pads=PAD1, relu=True, sparsity=0.5)),
    Case(
        "qlinear_conv_no_bias",
        lambda n, x: n.qlinear_conv(x, 8, (5, 5), strides=(2, 2), bias=False),
        style=INT8,
    ),
    Case("qlinear_matmul", lambda n, x: n.qlinear_matmul(n.flatten(x, bare=True), 10), (8, 3, 3)),
)


def named_cases() -> tuple[Case, ...]:
    return CONVOLUTIONS + GROUPS + ROWS + DENSE + POOLS + JOINS + FORMS
