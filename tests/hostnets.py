"""Networks with operators that the array does not have, by the model builder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.netbuilder import Array, Attributes, Floats, Style, Tensor, make_model, run_float
from tests.netlayers import Layers

PAD1 = (1, 1, 1, 1)


class HostLayers(Layers):
    """`Layers` with operators for the host, and with outputs that are neither floats nor images."""

    def with_constants(
        self, kind: str, x: Tensor, constants: Sequence[Floats], attributes: Attributes | None = None, domain: str = ""
    ) -> Tensor:
        """A float operator on a tensor and constants; `domain` is not run in calibration, x stands for its result."""
        names = [self.const(one, "parameter") for one in constants]
        name = self.emit(kind, [self.read(x), *names], attributes)
        if domain:
            self.nodes[-1].domain = domain
            return Tensor(x.value, float_name=name)
        value = run_float(kind, [x.value, *constants], attributes or {}, self.style.opset)
        return Tensor(value, float_name=name)

    def instance_norm(self, x: Tensor) -> Tensor:
        ones = np.ones(x.channels, np.float32)
        return self.with_constants("InstanceNormalization", x, [ones, 0 * ones])

    def layer_norm(self, x: Tensor) -> Tensor:
        """Over the last axis."""
        ones = np.ones(x.shape[-1], np.float32)
        return self.with_constants("LayerNormalization", x, [ones, 0 * ones], {"axis": -1})

    def softmax(self, x: Tensor) -> Tensor:
        return self.pointwise("Softmax", x, attributes={"axis": -1})

    def model(self, outputs: Sequence[onnx.ValueInfoProto], *, unused: Sequence[str] = ()) -> onnx.ModelProto:
        """A model of any outputs; `unused` are inputs that nothing reads."""
        inputs = [*self.inputs, *(helper.make_tensor_value_info(one, TensorProto.FLOAT, (1, 3)) for one in unused)]
        graph = helper.make_graph(self.nodes, "host", inputs, list(outputs), self.constants)
        model = make_model(graph, self.style.opset)
        for domain in dict.fromkeys(node.domain for node in self.nodes if node.domain):
            model.opset_import.append(helper.make_opsetid(domain, 1))
        return model

    def info(self, x: Tensor) -> onnx.ValueInfoProto:
        """A float or an integer tensor as an output."""
        kind = TensorProto.FLOAT if x.float_name else getattr(TensorProto, self.style.dtype.upper())
        return helper.make_tensor_value_info(x.float_name or x.int_name, kind, x.shape)

    def block(self, x: Tensor, out: int, strides: tuple[int, int] = (1, 1)) -> Tensor:
        return self.quant(self.relu(self.conv(x, out, strides=strides, pads=PAD1)))


def begun(pow2: bool, shape: tuple[int, int, int] = (8, 10, 10), seed: int = 3) -> HostLayers:
    return HostLayers(seed, shape, Style(dtype="int8", pow2=pow2))


def classifier(pow2: bool) -> onnx.ModelProto:
    """Convolutions, a mean, a dense layer, and Softmax at the end."""
    net = begun(pow2)
    x = net.quant(net.global_average_pool(net.block(net.block(net.x, 16), 32, (2, 2))))
    x = net.quant(net.gemm(net.flatten(x), 10))
    return net.model([net.info(net.softmax(x))])


def norm_between(pow2: bool) -> onnx.ModelProto:
    """InstanceNormalization and Relu between two convolutions, and a residual across both."""
    net = begun(pow2)
    before = net.block(net.x, 16)
    x = net.quant(net.relu(net.instance_norm(before)))
    x = net.quant(net.add(net.quant(net.conv(x, 16, pads=PAD1)), before))
    return net.model([net.info(net.block(x, 8))])


def layer_norms(pow2: bool) -> onnx.ModelProto:
    """LayerNormalization in the middle and at the end; the last output is float."""
    net = begun(pow2)
    x = net.quant(net.layer_norm(net.block(net.x, 16)))
    return net.model([net.info(net.layer_norm(net.block(x, 16)))])


def top_k(pow2: bool) -> onnx.ModelProto:
    """Values and indices of the three largest logits: a tail with an output of integers."""
    net = begun(pow2)
    x = net.quant(net.gemm(net.flatten(net.block(net.x, 8, (2, 2))), 10))
    net.nodes.append(
        helper.make_node("TopK", [net.read(x), net.const(np.array([3], np.int64), "k")], ["values", "at"], "top")
    )
    infos = [("values", TensorProto.FLOAT), ("at", TensorProto.INT64)]
    return net.model([helper.make_tensor_value_info(name, kind, (1, 3)) for name, kind in infos])


def two_heads(pow2: bool) -> onnx.ModelProto:
    """A head of the array, a head of the host, and the tensor between them, which is an output too."""
    net = begun(pow2)
    body = net.block(net.x, 16)
    one = net.quant(net.conv(body, 8))
    other = net.softmax(net.quant(net.gemm(net.flatten(net.block(body, 8, (2, 2))), 5)))
    return net.model([net.info(one), net.info(other), net.info(body)])


def foreign(pow2: bool) -> onnx.ModelProto:
    """onnxruntime's own Gelu between convolutions; an input that nothing reads."""
    net = begun(pow2)
    x = net.quant(net.with_constants("QuickGelu", net.block(net.x, 16), [], domain="com.microsoft"))
    return net.model([net.info(net.block(x, 8))], unused=["extra"])


def island(pow2: bool) -> onnx.ModelProto:
    """A pool without multiplications between two operators of the host: not worth two borders."""
    net = begun(pow2)
    x = net.quant(net.instance_norm(net.block(net.x, 16)))
    x = net.max_pool(x, {"kernel_shape": (2, 2), "strides": (2, 2)})
    x = net.quant(net.layer_norm(x))
    return net.model([net.info(net.block(x, 8))])


def both_forms(pow2: bool) -> onnx.ModelProto:
    """A tensor that is an output as floats, and that the array and the host both read."""
    net = begun(pow2)
    body = net.block(net.x, 16)
    floats = Tensor(body.value, float_name=net.read(body))
    other = net.quant(net.instance_norm(body))
    last = net.quant(net.conv(net.quant(net.add(other, body)), 8))
    return net.model([net.info(floats), net.info(last)])


def first_on_host(pow2: bool) -> onnx.ModelProto:
    """The model's input, as floats, goes to the host first."""
    net = HostLayers(4, (8, 10, 10), Style(dtype="int8", pow2=pow2))
    image = Tensor(net.x.value, float_name="input")
    return net.model([net.info(net.block(net.quant(net.instance_norm(image)), 8))])


def depthwise(pow2: bool) -> onnx.ModelProto:
    """A small MobileNet: two depthwise-separable blocks, a mean, a dense layer, Softmax."""
    net = begun(pow2)
    x = net.block(net.x, 16, (2, 2))
    for out in (24, 32):
        weight = net.draw_weight((x.channels, 1, 3, 3), 0.0)
        window: Attributes = {"group": x.channels, "pads": PAD1}
        x = net.quant(net.clip(net._dense("Conv", x, weight, window, True, 0, None)))
        x = net.quant(net.clip(net.conv(x, out, (1, 1))))
    x = net.quant(net.gemm(net.flatten(net.quant(net.global_average_pool(x))), 10))
    return net.model([net.info(net.softmax(x))])


def too_large(pow2: bool) -> onnx.ModelProto:
    """A pool of which one pixel reads more than a core holds, behind a convolution: only choose-tiles sees it."""
    net = begun(pow2, (8, 64, 64))
    x = net.block(net.x, 8)
    return net.model([net.info(net.max_pool(x, {"kernel_shape": (64, 64)}))])


class LoudLayers(HostLayers):
    """Biases so large that sums may leave 32 bits."""

    def bias(self, value: Floats, x: Tensor, scale: Floats, split: bool) -> tuple[str, str, str]:
        """Integers near the end of int32, of either sign."""
        step = (self.constant(x.scale).astype(np.float32) * scale).astype(np.float32)
        integers = np.where(value < 0, -(1 << 31) + 1000, (1 << 31) - 1000).astype(np.int32)
        return self.const(integers, "bias"), self.const(step, "scale"), self.const(np.zeros(step.shape, np.int32), "z")


def overflow(pow2: bool) -> onnx.ModelProto:
    """A convolution whose sums may leave 32 bits behind one whose sums do not: only choose-tiles sees it."""
    net = LoudLayers(3, (8, 10, 10), Style(dtype="int8", pow2=pow2))
    x = net.quant(net.relu(net.conv(net.x, 16, bias=False)))
    return net.model([net.info(net.quant(net.relu(net.conv(x, 8))))])


def float_conv(pow2: bool) -> onnx.ModelProto:
    """A convolution whose weights are floats, behind one of integers."""
    net = begun(pow2)
    x = net.block(net.x, 16)
    weight = net.draw_weight((8, 16, 3, 3), 0.0)
    return net.model([net.info(net.quant(net.with_constants("Conv", x, [weight])))])


def pixel_products(pow2: bool, *, matrix: bool = True) -> onnx.ModelProto:
    """ConvNeXt's block twice: a norm of each pixel, two dense layers, a residual, channels last.

    As `matrix` the pixels of an image are the rows of a matrix meanwhile, as onnxruntime's optimiser has them.
    """
    net = begun(pow2)
    x = net.quant(net.layer_norm(net.move("Transpose", net.block(net.x, 16), {"perm": (0, 2, 3, 1)})))
    for _ in range(2):
        image = net.move("Transpose", x, {"perm": (0, 3, 1, 2)})
        y = net.quant(net.conv(image, 16, pads=PAD1, group=16))
        y = net.layer_norm(net.move("Transpose", y, {"perm": (0, 2, 3, 1)}))
        shape = y.value.shape
        if matrix:
            rows = y.value.reshape(-1, 16)
            y = replace(net.reshape(y, (100, 16)), value=rows)
            y = net.quant(net.gemm(net.quant(net.relu(net.gemm(net.quant(y), 32))), 16))
            y = net.reshape(y, (1, 10, 10, 16))
            y = replace(y, value=y.value.reshape(shape))
        else:
            y = net.quant(net.matmul(net.quant(net.relu(net.matmul(net.quant(y), 32, bias="int32"))), 16, bias="int8"))
        x = net.quant(net.add(y, x))
    return net.model([net.info(net.block(net.move("Transpose", x, {"perm": (0, 3, 1, 2)}), 8))])


NETS: Mapping[str, Callable[[bool], onnx.ModelProto]] = {
    "pixel_products": pixel_products,
    "pixel_products_without_matrix": partial(pixel_products, matrix=False),
    "float_conv": float_conv,
    "overflow": overflow,
    "both_forms": both_forms,
    "depthwise": depthwise,
    "first_on_host": first_on_host,
    "too_large": too_large,
    "classifier": classifier,
    "norm_between": norm_between,
    "layer_norms": layer_norms,
    "top_k": top_k,
    "two_heads": two_heads,
    "foreign": foreign,
    "island": island,
}


def with_host_nodes(model: onnx.ModelProto, rng: np.random.Generator, share: float = 0.25) -> onnx.ModelProto:
    """The model with an LpNormalization behind some DequantizeLinear, most between a pair of Q and DQ of their own."""
    makers = {name: node.op_type for node in model.graph.node for name in node.output}
    nodes: list[onnx.NodeProto] = []
    for number, node in enumerate(model.graph.node):
        nodes.append(node)
        if node.op_type != "DequantizeLinear" or makers.get(node.input[0]) is None or rng.random() >= share:
            continue
        last, parameters = node.output[0], list(node.input[1:])
        node.output[0] = f"host{number}_raw"
        pair = rng.random() < 0.7
        made = f"host{number}_made" if pair else last
        nodes.append(helper.make_node("LpNormalization", [node.output[0]], [made], f"host{number}", axis=-1, p=2))
        if pair:
            nodes.append(
                helper.make_node("QuantizeLinear", [made, *parameters], [f"host{number}_int"], f"hostq{number}")
            )
            nodes.append(
                helper.make_node("DequantizeLinear", [f"host{number}_int", *parameters], [last], f"hostd{number}")
            )
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


__all__ = ["NETS", "Array", "HostLayers", "begun", "island", "with_host_nodes"]
