"""The arithmetic of the model builder: ops return floats that `quant` rounds; QLinear ops return integers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tests.netbuilder import Attributes, Floats, Net, Tensor, drop_blocks


class Layers(Net):
    """`Net` with the layers of a CNN; weights are drawn so that values keep their size on the way."""

    def draw_weight(self, shape: Sequence[int], sparsity: float, gain: float = 1.0) -> Floats:
        """Gaussian [out, in, taps...] with deviation 1 / sqrt(kept inputs), and zero blocks."""
        fan_in = float(np.prod(shape[1:])) * max(1.0 - sparsity, 0.1)
        weight = (self.rng.standard_normal(tuple(shape)) * gain / np.sqrt(fan_in)).astype(np.float32)
        return drop_blocks(self.rng, weight, sparsity)

    def draw_bias(self, channels: int) -> Floats:
        return (0.3 * self.rng.standard_normal(channels)).astype(np.float32)

    def conv(
        self,
        x: Tensor,
        out: int,
        kernel: tuple[int, int] = (3, 3),
        *,
        strides: tuple[int, int] = (1, 1),
        pads: tuple[int, int, int, int] = (0, 0, 0, 0),
        dilations: tuple[int, int] = (1, 1),
        group: int = 1,
        bias: bool = True,
        sparsity: float = 0.0,
        gain: float = 1.0,
        per_channel: bool | None = None,
    ) -> Tensor:
        """Convolution of a quantised tensor; `pads` in ONNX's order: top, left, bottom, right."""
        attributes: Attributes = {
            "kernel_shape": kernel,
            "strides": strides,
            "pads": pads,
            "dilations": dilations,
            "group": group,
        }
        weight = self.draw_weight((out, x.channels // group, *kernel), sparsity, gain)
        return self._dense("Conv", x, weight, attributes, bias, 0, per_channel)

    def conv_row(
        self, x: Tensor, out: int, kernel: int, *, stride: int = 1, pads: tuple[int, int] = (0, 0), group: int = 1
    ) -> Tensor:
        """Convolution of a quantised tensor [1, C, W]."""
        attributes: Attributes = {"kernel_shape": (kernel,), "strides": (stride,), "pads": pads, "group": group}
        weight = self.draw_weight((out, x.channels // group, kernel), 0.0)
        return self._dense("Conv", x, weight, attributes, True, 0, None)

    def gemm(self, x: Tensor, out: int, *, trans_b: bool = True, bias: bool = True, sparsity: float = 0.0) -> Tensor:
        weight = self.draw_weight((out, x.channels), sparsity)
        if trans_b:
            return self._dense("Gemm", x, weight, {"transB": 1}, bias, 0, None)
        return self._dense("Gemm", x, np.ascontiguousarray(weight.T), {}, bias, 1, None)

    def matmul(self, x: Tensor, out: int, *, sparsity: float = 0.0, bias: str = "") -> Tensor:
        """x @ W; `bias` adds a constant: "int32" in the accumulator's scale, "int8" after a Q and a DQ."""
        weight = np.ascontiguousarray(self.draw_weight((out, x.shape[-1]), sparsity).T)
        y = self._dense("MatMul", x, weight, {}, False, 1, None)
        if not bias:
            return y
        value = self.draw_bias(out)
        if bias == "int32":
            split = self.style.per_channel
            scale = self._last_weight_scale
            names, axis = self.bias(value, x, scale, split), 0 if split else None
        else:
            y = self.quant(y)
            integers, scale_name, zero, _ = self.weight(value, 0, per_channel=False)
            names, axis = (integers, scale_name, zero), None
        name = self.emit("Add", [self.read(y), self.dequantised(names, axis)])
        return Tensor(y.value + value, float_name=name)

    def _dense(
        self,
        kind: str,
        x: Tensor,
        weight: Floats,
        attributes: Attributes,
        bias: bool,
        axis: int,
        per_channel: bool | None,
    ) -> Tensor:
        """Conv, Gemm or MatMul; `axis` is where the weight has its output channels."""
        split = self.style.per_channel if per_channel is None else per_channel
        *names, scale = self.weight(weight, axis, split)
        self._last_weight_scale = scale
        floats = [x.value, weight]
        inputs = [self.read(x), self.dequantised((names[0], names[1], names[2]), axis if split else None)]
        if bias:
            value = self.draw_bias(weight.shape[axis])
            floats.append(value)
            inputs.append(self.dequantised(self.bias(value, x, scale, split), 0 if split else None))
        y = self.evaluate(kind, floats, attributes)
        return Tensor(y, float_name=self.emit(kind, inputs, attributes))

    def pointwise(self, kind: str, *xs: Tensor, attributes: Attributes | None = None) -> Tensor:
        """Relu, Add, Concat, AveragePool, GlobalAveragePool: floats in, floats out."""
        value = self.evaluate(kind, [x.value for x in xs], attributes)
        return Tensor(value, float_name=self.emit(kind, [self.read(x) for x in xs], attributes))

    def relu(self, x: Tensor) -> Tensor:
        return self.pointwise("Relu", x)

    def clip(self, x: Tensor, low: float = 0.0, high: float = 6.0) -> Tensor:
        bounds = [self.const(np.array(v, np.float32), "bound") for v in (low, high)]
        return Tensor(np.clip(x.value, low, high), float_name=self.emit("Clip", [self.read(x), *bounds]))

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        return self.pointwise("Add", x, y)

    def concat(self, *xs: Tensor) -> Tensor:
        return self.pointwise("Concat", *xs, attributes={"axis": 1})

    def concat_equal(self, *xs: Tensor) -> Tensor:
        """Float tensors that get one common scale, and so does their concatenation."""
        scale, zero = self.parameters([x.value for x in xs])
        like = Tensor(xs[0].value, scale=scale, zero=zero)
        return self.quant(self.concat(*(self.quant(x, like) for x in xs)), like)

    def average_pool(self, x: Tensor, attributes: Attributes) -> Tensor:
        return self.pointwise("AveragePool", x, attributes=attributes)

    def global_average_pool(self, x: Tensor) -> Tensor:
        return self.pointwise("GlobalAveragePool", x)

    # operators on integers, their quantisation inside

    def qlinear_conv(
        self,
        x: Tensor,
        out: int,
        kernel: tuple[int, int],
        *,
        strides: tuple[int, int] = (1, 1),
        pads: tuple[int, int, int, int] = (0, 0, 0, 0),
        group: int = 1,
        bias: bool = True,
        relu: bool = False,
        sparsity: float = 0.0,
    ) -> Tensor:
        """`relu` lets the output's range end at 0: the ReLU is then the saturation."""
        attributes: Attributes = {"kernel_shape": kernel, "strides": strides, "pads": pads, "group": group}
        weight = self.draw_weight((out, x.channels // group, *kernel), sparsity)
        *names, scale = self.weight(weight, 0)
        floats, extra = [x.value, weight], []
        if bias:
            floats.append(self.draw_bias(out))
            extra.append(self.bias(floats[2], x, scale, self.style.per_channel)[0])
        value = self.evaluate("Conv", floats, attributes)
        value = np.maximum(value, 0.0).astype(np.float32) if relu else value
        target = self.parameters([value])
        inputs = [x.int_name, x.scale, x.zero, *names, *target, *extra]
        name = self.emit("QLinearConv", inputs, attributes)
        return Tensor(value, int_name=name, scale=target[0], zero=target[1])

    def qlinear_matmul(self, x: Tensor, out: int, *, sparsity: float = 0.0) -> Tensor:
        weight = np.ascontiguousarray(self.draw_weight((out, x.shape[-1]), sparsity).T)
        *names, _ = self.weight(weight, 1)
        value = x.value @ weight
        target = self.parameters([value])
        name = self.emit("QLinearMatMul", [x.int_name, x.scale, x.zero, *names, *target])
        return Tensor(value, int_name=name, scale=target[0], zero=target[1])
