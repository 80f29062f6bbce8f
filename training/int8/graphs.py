"""Exported programs as quantisation looks at them: operators by name, what they read, tensors by their path."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensor
from torch.fx import GraphModule, Node

CONVOLUTIONS = ("conv1d", "conv2d")
TRANSPOSED = ("conv_transpose1d", "conv_transpose2d")
WEIGHTED = (*CONVOLUTIONS, *TRANSPOSED, "linear")
NOTHING = ("dropout", "feature_dropout", "alias", "detach", "identity")
"""What is not there when the network runs."""


def args_of(node: Node) -> tuple[Any, ...]:
    """The arguments of a node, whose types are its operator's business."""
    return node.args


def is_constant(node: Any) -> bool:
    """Whether a node is a parameter or a buffer."""
    return isinstance(node, Node) and node.op == "get_attr"


def op_name(node: Any) -> str:
    """`conv2d` for aten::conv2d and aten::conv2d_; empty for what is no operator."""
    if not isinstance(node, Node) or node.op != "call_function":
        return ""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return str(getattr(node.target, "__name__", ""))
    name = str(schema.name).rpartition("::")[2]
    return name[:-1] if name.endswith("_") else name


def value_of(module: GraphModule, source: Any) -> Tensor | None:
    """The tensor that a node gets by its name; None for no node."""
    if not isinstance(source, Node):
        return None
    owner, _, attribute = str(source.target).rpartition(".")
    found: Tensor = getattr(module.get_submodule(owner), attribute)
    return found


def is_float(node: Any) -> bool:
    """Whether a node is a tensor of floats."""
    value = node.meta.get("val") if isinstance(node, Node) else None
    return isinstance(value, FakeTensor) and value.dtype.is_floating_point


def sources(node: Node) -> list[Node]:
    """The activations that a node reads, in order: neither weights nor constants."""
    if op_name(node) in (*WEIGHTED, "batch_norm"):
        return [node.all_input_nodes[0]]
    return [one for one in node.all_input_nodes if one.op != "get_attr" and "val" in one.meta]


def any_batch(model: nn.Module, inputs: int) -> tuple[Any, ...]:
    """What `torch.export` is told of the inputs' shapes: the first axis of each is any number of images.

    Inputs that a model takes as `*images` are one argument to it.
    """
    batch = torch.export.Dim("batch", min=1)
    kinds = {one.kind for one in inspect.signature(model.forward).parameters.values()}
    each = tuple({0: batch} for _ in range(inputs))
    return (each,) if inspect.Parameter.VAR_POSITIONAL in kinds else each
