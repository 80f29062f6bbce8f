"""Nodes that work element by element, as functions of torch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce

import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.onnx_reader.node import Call, Node, Operation, Reader, Refusal


def same(x: Tensor) -> Tensor:
    """The tensor itself."""
    return x


def _unary(call: Call) -> Reader:
    return lambda node: Operation(call)


def _binary(call: Call) -> Reader:
    return lambda node: Operation(call, (0, 1))


def _several(call: Callable[[Tensor, Tensor], Tensor]) -> Reader:
    return lambda node: Operation(partial(_fold, call), tuple(range(len(node.inputs))))


def _fold(call: Callable[[Tensor, Tensor], Tensor], *tensors: Tensor) -> Tensor:
    return reduce(call, tensors)


def _divide(x: Tensor, y: Tensor) -> Tensor:
    return x / y if x.is_floating_point() else torch.div(x, y, rounding_mode="trunc")


def _hard_sigmoid(x: Tensor, *, alpha: float, beta: float) -> Tensor:
    return torch.clamp(x * alpha + beta, 0, 1)


def hard_sigmoid(node: Node) -> Operation:
    """max(0, min(1, alpha x + beta))."""
    return Operation(partial(_hard_sigmoid, alpha=node.number("alpha", 0.2), beta=node.number("beta", 0.5)))


def clip(node: Node) -> Operation:
    """Clip, whose bounds are attributes before operator set 11."""
    low, high = node.number("min", float("-inf"), 1), node.number("max", float("inf"), 2)
    return Operation(partial(torch.clamp, min=low, max=high))


def softmax(call: Call, node: Node) -> Operation:
    """Softmax; before operator set 13 it ran over all axes from `axis` on."""
    axis = node.axis(-1 if node.opset >= 13 else 1)
    if node.opset < 13 and any(size != 1 for size in node.shape()[axis + 1 :]):
        return Operation(partial(_softmax_of_rest, call, axis))
    return Operation(partial(call, dim=axis))


def _softmax_of_rest(call: Call, axis: int, x: Tensor) -> Tensor:
    result: Tensor = call(x.flatten(axis), dim=axis)
    return result.reshape(x.shape)


def gelu(node: Node) -> Operation:
    """Gelu."""
    return Operation(partial(functional.gelu, approximate=node.word("approximate", "none")))


def cast(node: Node) -> Operation:
    """Cast."""
    to = node.integer("to", onnx.TensorProto.FLOAT)
    if to not in _TYPES:
        raise Refusal("type", "a type of PyTorch", onnx.TensorProto.DataType.Name(to))
    return Operation(partial(torch.Tensor.to, dtype=_TYPES[to]))


_TYPES: dict[int, torch.dtype] = {
    onnx.TensorProto.FLOAT: torch.float32,
    onnx.TensorProto.DOUBLE: torch.float64,
    onnx.TensorProto.FLOAT16: torch.float16,
    onnx.TensorProto.INT8: torch.int8,
    onnx.TensorProto.UINT8: torch.uint8,
    onnx.TensorProto.INT32: torch.int32,
    onnx.TensorProto.INT64: torch.int64,
    onnx.TensorProto.BOOL: torch.bool,
}


READERS: dict[str, Reader] = {
    "Abs": _unary(torch.abs),
    "Add": _binary(torch.add),
    "And": _binary(torch.logical_and),
    "Cast": cast,
    "Ceil": _unary(torch.ceil),
    "Clip": clip,
    "Div": _binary(_divide),
    "Elu": lambda node: Operation(partial(functional.elu, alpha=node.number("alpha", 1.0))),
    "Equal": _binary(torch.eq),
    "Erf": _unary(torch.erf),
    "Exp": _unary(torch.exp),
    "Floor": _unary(torch.floor),
    "Gelu": gelu,
    "Greater": _binary(torch.gt),
    "HardSigmoid": hard_sigmoid,
    "HardSwish": _unary(functional.hardswish),
    "Identity": _unary(same),
    "LeakyRelu": lambda node: Operation(partial(functional.leaky_relu, negative_slope=node.number("alpha", 0.01))),
    "Less": _binary(torch.lt),
    "Log": _unary(torch.log),
    "LogSoftmax": partial(softmax, torch.log_softmax),
    "Max": _several(torch.maximum),
    "Min": _several(torch.minimum),
    "Mish": _unary(functional.mish),
    "Mul": _binary(torch.mul),
    "Neg": _unary(torch.neg),
    "Not": _unary(torch.logical_not),
    "Or": _binary(torch.logical_or),
    "Pow": _binary(torch.pow),
    "Reciprocal": _unary(torch.reciprocal),
    "Relu": lambda node: Operation(nn.ReLU()),
    "Selu": _unary(functional.selu),
    "Sigmoid": _unary(torch.sigmoid),
    "Softmax": partial(softmax, torch.softmax),
    "Softplus": _unary(functional.softplus),
    "Softsign": _unary(functional.softsign),
    "Sqrt": _unary(torch.sqrt),
    "Sub": _binary(torch.sub),
    "Sum": _several(torch.add),
    "Tanh": _unary(torch.tanh),
    "Where": lambda node: Operation(torch.where, (0, 1, 2)),
}
