"""Generated int8 CNNs for tests: `random_qdq_model`, `qlinear_model`, `named_cases`; `feeds` makes inputs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper

from tests.model_cases import Case, named_cases
from tests.netbuilder import Attributes, Style, Tensor
from tests.netlayers import Layers

__all__ = ["Case", "feeds", "named_cases", "qlinear_model", "random_qdq_model"]

KERNELS = ((1, 1), (3, 3), (3, 3), (5, 5), (7, 7), (1, 7), (7, 1), (1, 3), (2, 2))
CHANNELS = (3, 5, 8, 12, 16, 20, 24, 32, 40)
SPARSITIES = (0.0, 0.0, 0.25, 0.5, 0.5, 0.75, 0.9)
OPSETS = (13, 15, 17, 19, 21)
MAX_MACS = 4_000_000

Rng = np.random.Generator


def feeds(model: onnx.ModelProto, seed: int) -> dict[str, npt.NDArray[np.generic]]:
    """Random inputs as the graph declares them: Gaussian, one value in 20 far out, to saturate inputs."""
    rng = np.random.default_rng([seed, 1])
    result: dict[str, npt.NDArray[np.generic]] = {}
    for info in model.graph.input:
        shape = [d.dim_value for d in info.type.tensor_type.shape.dim]
        value = rng.standard_normal(shape) * np.where(rng.random(shape) < 0.05, 5.0, 1.0)
        kind = helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type)
        if kind == np.float32:
            result[info.name] = value.astype(np.float32)
        else:
            limits = np.iinfo(kind)
            middle = (limits.min + limits.max + 1) // 2
            result[info.name] = np.clip(np.rint(value * 36) + middle, limits.min, limits.max).astype(kind)
    return result


def draw_style(rng: Rng, pow2: bool) -> Style:
    symmetric = bool(rng.random() < 0.3)
    return Style(
        dtype=str(rng.choice(["int8", "uint8"])),
        symmetric=symmetric,
        pow2=pow2,
        per_channel=bool(rng.random() < 0.6),
        float_io=bool(rng.random() < 0.6),
        opset=int(rng.choice(OPSETS)),
    )


def draw_window(
    rng: Rng, size: Sequence[int], kernels: Sequence[tuple[int, int]], *, dilate: bool
) -> dict[str, tuple[int, ...]]:
    """Kernel, strides, pads (often asymmetric) and dilations whose window fits into the padded input."""
    while True:
        kernel = kernels[int(rng.integers(len(kernels)))]
        dilation = int(rng.choice([1, 1, 2])) if dilate else 1
        reach = [dilation * (k - 1) + 1 for k in kernel]
        style = rng.choice(["none", "same", "any"])
        before = [0 if style == "none" else r // 2 if style == "same" else int(rng.integers(r)) for r in reach]
        after = [(r - 1) // 2 if style == "same" else b for r, b in zip(reach, before, strict=True)]
        if style == "any":
            after = [int(rng.integers(r)) for r in reach]
        padded = [s + b + a for s, b, a in zip(size, before, after, strict=True)]
        if all(p >= r for p, r in zip(padded, reach, strict=True)):
            break
    strides = tuple(int(s) for s in rng.choice([1, 1, 1, 2, 3], 2))
    window: dict[str, tuple[int, ...]] = {
        "kernel_shape": kernel,
        "strides": strides,
        "pads": (*before, *after),
    }
    return {**window, "dilations": (dilation, dilation)} if dilate else window


def pair(values: Sequence[int]) -> tuple[int, int]:
    return (values[0], values[1])


def random_conv(net: Layers, rng: Rng, x: Tensor) -> Tensor:
    """A convolution whose cost is bounded; its result is not quantised yet."""
    size = x.shape[2:]
    while True:
        window = draw_window(rng, size, KERNELS, dilate=True)
        out, kernel = int(rng.choice(CHANNELS)), pair(window["kernel_shape"])
        if out * x.channels * kernel[0] * kernel[1] * size[0] * size[1] <= MAX_MACS:
            break
    top, left, bottom, right = window["pads"]
    return net.conv(
        x,
        out,
        kernel,
        strides=pair(window["strides"]),
        pads=(top, left, bottom, right),
        dilations=pair(window["dilations"]),
        bias=bool(rng.random() < 0.8),
        sparsity=float(rng.choice(SPARSITIES)),
        gain=float(rng.choice([1.0, 2.0])),
    )


def activate(net: Layers, rng: Rng, x: Tensor) -> Tensor:
    """Quantised result of a float tensor: through nothing, Relu, Clip, or Q, DQ and then Relu."""
    choice = rng.choice(["none", "relu", "relu", "clip", "late"])
    if choice == "late":
        return net.quant(net.relu(net.quant(x)))
    if choice == "clip":
        return net.quant(net.clip(x, 0.0, float(rng.choice([1.5, 6.0]))))
    return net.quant(net.relu(x) if choice == "relu" else x)


def step_conv(net: Layers, rng: Rng, x: Tensor) -> Tensor:
    return activate(net, rng, random_conv(net, rng, x))


def step_residual(net: Layers, rng: Rng, x: Tensor) -> Tensor:
    """x + branch(x), sometimes with a branch that is zero but for its bias."""
    inner = activate(net, rng, net.conv(x, int(rng.choice([5, 8, 16])), (1, 1)))
    sparsity = float(rng.choice([0.0, 0.5, 1.0]))
    branch = net.quant(net.conv(inner, x.channels, pads=(1, 1, 1, 1), sparsity=sparsity))
    y = net.add(x, branch) if rng.random() < 0.5 else net.add(branch, x)
    return net.quant(net.relu(y) if rng.random() < 0.5 else y)


def step_concat(net: Layers, rng: Rng, x: Tensor) -> Tensor:
    widths = [int(v) for v in rng.choice([3, 5, 8, 12], int(rng.integers(2, 4)))]
    branches = [net.conv(x, width, (1, 1), gain=float(rng.choice([0.5, 1.0, 2.0]))) for width in widths]
    if rng.random() < 0.5:
        return net.concat_equal(*branches)
    inputs = [activate(net, rng, branch) for branch in branches]
    return net.quant(net.concat(*inputs, x) if rng.random() < 0.3 else net.concat(*inputs))


def ceil_is_safe(size: Sequence[int], window: dict[str, tuple[int, ...]]) -> bool:
    """Whether rounding up adds no window that begins in the padding behind (versions of ONNX differ)."""
    for axis in range(2):
        kernel, stride = window["kernel_shape"][axis], window["strides"][axis]
        before, after = window["pads"][axis], window["pads"][axis + 2]
        last = -(-(size[axis] + before + after - kernel) // stride) * stride
        if last >= size[axis] + before:
            return False
    return True


def step_max_pool(net: Layers, rng: Rng, x: Tensor) -> Tensor:
    window = draw_window(rng, x.shape[2:], ((2, 2), (3, 3), (3, 2), (1, 1)), dilate=False)
    ceil = int(ceil_is_safe(x.shape[2:], window) and rng.random() < 0.5)
    attributes: Attributes = {**window, "ceil_mode": ceil}
    return net.max_pool(x, attributes, bare=bool(rng.random() < 0.3))


def step_average_pool(net: Layers, rng: Rng, x: Tensor) -> Tensor:
    window = draw_window(rng, x.shape[2:], ((2, 2), (3, 3), (5, 3)), dilate=False)
    attributes: Attributes = {**window, "count_include_pad": int(rng.integers(2))}
    y = net.average_pool(x, attributes)
    return net.quant(y, like=x) if rng.random() < 0.3 else net.quant(y)


def step_copy(net: Layers, rng: Rng, x: Tensor) -> Tensor:
    return net.move(str(rng.choice(["Identity", "Dropout"])), x, bare=False)


STEPS: tuple[Callable[[Layers, Rng, Tensor], Tensor], ...] = (
    step_conv,
    step_conv,
    step_conv,
    step_residual,
    step_concat,
    step_max_pool,
    step_average_pool,
    step_copy,
)


def random_head(net: Layers, rng: Rng, x: Tensor) -> Tensor:
    """A dense end in half of the models: pooled or not, Flatten or Reshape, Gemm or MatMul."""
    if rng.random() < 0.5:
        return x
    if rng.random() < 0.5:
        x = net.quant(net.global_average_pool(x))
    x = net.flatten(x) if rng.random() < 0.5 else net.reshape(x)
    out, sparsity = int(rng.choice([3, 7, 10, 16, 33])), float(rng.choice(SPARSITIES))
    kind = rng.choice(["gemm", "gemm_t", "matmul"])
    if kind == "matmul":
        y = net.matmul(x, out, sparsity=sparsity, bias=str(rng.choice(["", "int32", "int8"])))
    else:
        y = net.gemm(x, out, trans_b=kind == "gemm_t", bias=bool(rng.random() < 0.8), sparsity=sparsity)
    return net.quant(net.gemm(net.quant(net.relu(y)), 10) if rng.random() < 0.3 else y)


def is_lively(net: Layers, x: Tensor) -> bool:
    """Whether a quarter of the integers of `x` differ between calibration samples, and 8 values occur."""
    integers = np.rint(x.value / net.constant(x.scale).astype(np.float32))
    varied = float(np.mean(np.ptp(integers, axis=0) > 0))
    return varied >= 0.25 and len(np.unique(integers)) >= 8


def random_qdq_model(seed: int, *, pow2: bool = False, layers: int = 5) -> onnx.ModelProto:
    """A QDQ network of up to `layers` random layers and a head; the same seed gives the same model."""
    for attempt in itertools.count():
        net, x = draw_network(np.random.default_rng([seed, 2, attempt]), pow2, layers)
        if is_lively(net, x):
            return net.finish(x, name=f"random_{seed}")
    raise AssertionError("unreachable")


def draw_network(rng: Rng, pow2: bool, layers: int) -> tuple[Layers, Tensor]:
    style = draw_style(rng, pow2)
    entry = str(rng.choice(["", "", "", "float" if style.float_io else "int", "int", "bare"]))
    height, width = (int(v) for v in (rng.integers(1, 41, 2) if rng.random() < 0.5 else rng.integers(1, 14, 2)))
    shape = (int(rng.choice([1, 3, 5, 8, 16])), height, width)
    net = Layers(int(rng.integers(1 << 31)), shape, style, nhwc=entry)
    x = step_conv(net, rng, net.x)
    for _ in range(int(rng.integers(layers))):
        x = STEPS[int(rng.integers(len(STEPS)))](net, rng, x)
    return net, random_head(net, rng, x)


def qlinear_model(seed: int, *, pow2: bool = False) -> onnx.ModelProto:
    """QLinearConv, integer MaxPool, sometimes a residual Add through DQ and Q, and QLinearMatMul."""
    rng = np.random.default_rng([seed, 3])
    style = draw_style(rng, pow2)
    height, width = (int(v) for v in rng.integers(4, 21, 2))
    net = Layers(seed, (int(rng.choice([1, 3, 8])), height, width), style)
    x = net.qlinear_conv(net.x, int(rng.choice([5, 8, 16])), (3, 3), pads=(1, 1, 1, 1), relu=True)
    if rng.random() < 0.5:
        x = net.max_pool(x, {"kernel_shape": (2, 2), "strides": (2, 2)}, bare=True)
    if rng.random() < 0.5:
        x = net.quant(net.add(x, net.qlinear_conv(x, x.channels, (1, 1), sparsity=0.5)))
    out, stride = int(rng.choice([8, 12, 24])), int(rng.integers(1, 3))
    x = net.qlinear_conv(
        x,
        out,
        (3, 3),
        strides=(stride, stride),
        pads=(0, 0, 1, 1),
        bias=bool(rng.random() < 0.7),
        sparsity=0.5,
    )
    if rng.random() < 0.7:
        x = net.qlinear_matmul(net.flatten(x, bare=True), int(rng.choice([7, 10, 16])), sparsity=0.5)
    return net.finish(x, name=f"qlinear_{seed}")
