"""The network that an ONNX model became: steps in the order of its nodes, its layers as children."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from training.onnx_reader.functions import same
from training.onnx_reader.node import Call, Source


class Function(nn.Module):
    """A node without parameters: a child like the layers, so that hooks may look at every tensor of the network."""

    def __init__(self, call: Call) -> None:
        super().__init__()
        self.call = call

    def forward(self, *tensors: Tensor) -> Any:
        """Compute the node."""
        return self.call(*tensors)

    def extra_repr(self) -> str:
        """The function and what is fixed of its arguments."""
        plain = self.call.func if isinstance(self.call, partial) else self.call
        fixed = self.call.keywords if isinstance(self.call, partial) else {}
        return ", ".join(
            [getattr(plain, "__name__", str(plain)), *(f"{name}={value}" for name, value in fixed.items())]
        )


@dataclass(frozen=True)
class Step:
    """One node: the child that computes it, and the tensors that it reads and makes, by their names in the graph.

    `last` are the tensors that nobody reads after it, so that their memory can be given back.
    """

    layer: str
    operands: tuple[str, ...]
    outputs: tuple[str, ...]
    before: Call | None = None
    after: Call | None = None
    last: tuple[str, ...] = ()

    def run(self, layers: Mapping[str, nn.Module | None], values: dict[str, Any]) -> None:
        """Compute the outputs from the values of the operands."""
        first, *others = (values[name] for name in self.operands)
        layer = layers[self.layer]
        assert layer is not None
        result = layer(first if self.before is None else self.before(first), *others)
        if isinstance(result, tuple | list):
            values.update((name, one) for name, one in zip(self.outputs, result, strict=True) if name)
        else:
            values[self.outputs[0]] = result if self.after is None else self.after(result)


class OnnxModule(nn.Module):
    """A float ONNX model that can be trained; it takes and gives the model's inputs and outputs, of any batch.

    One output is a tensor, several are a tuple.  Each node is a child named like it, a plain layer (`nn.Conv2d`,
    `nn.Linear`, `nn.BatchNorm2d`, ...) or a `Function`; `node_of` has the name of the node of each.  Constants of the
    graph that no layer has for a parameter (what is added or multiplied) stay as they are.
    """

    def __init__(self, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> None:
        super().__init__()
        self.inputs = inputs
        self.outputs = outputs
        self.steps: tuple[Step, ...] = ()
        self.node_of: dict[str, str] = {}
        self.sources: dict[str, tuple[Source, ...]] = {}
        """Where each parameter, and each buffer that training changes, stands in the graph: all nodes that read it."""
        self.constants: dict[str, str] = {}
        """The buffer of each constant that a step reads."""

    def give_logits(self) -> bool:
        """Make a Softmax at the end a LogSoftmax, which cross entropy takes as it takes what the Softmax reads.

        Gives whether there was one.  Weights stay where they are in the graph.
        """
        makers = {name: step for step in self.steps for name in step.outputs}
        name = self.outputs[0]
        while name in makers:
            child = self._modules[makers[name].layer]
            call = child.call if isinstance(child, Function) else None
            if isinstance(child, Function) and isinstance(call, partial) and call.func is torch.softmax:
                child.call = partial(torch.log_softmax, **call.keywords)
                return True
            if call is not same:
                return False
            name = makers[name].operands[0]
        return False

    def add_layer(self, node: str, layer: nn.Module) -> str:
        """Make a layer a child that is named like its node; a name that is taken is numbered."""
        plain = "".join(char if char.isascii() and (char.isalnum() or char == "_") else "_" for char in node).strip("_")
        name, number = plain or "layer", 1
        while hasattr(self, name):
            name, number = f"{plain or 'layer'}_{number}", number + 1
        self.add_module(name, layer)
        self.node_of[name] = node
        return name

    def add_constant(self, tensor: str, value: Tensor) -> None:
        """Keep a constant that a step reads; it moves with the module and is not part of its state."""
        if tensor not in self.constants:
            self.constants[tensor] = f"constant_{len(self.constants)}"
            self.register_buffer(self.constants[tensor], value, persistent=False)

    def constant_values(self) -> dict[str, Any]:
        """The constants by the names of their tensors."""
        return {tensor: self._buffers[buffer] for tensor, buffer in self.constants.items()}

    def forward(self, *images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Compute the outputs; the first axis of each input counts the images."""
        if len(images) != len(self.inputs):
            raise TypeError(f"the model takes {len(self.inputs)} inputs ({', '.join(self.inputs)}), got {len(images)}")
        values = self.constant_values()
        values.update(zip(self.inputs, images, strict=True))
        for step in self.steps:
            step.run(self._modules, values)
            for name in step.last:
                del values[name]
        results = tuple(values[name] for name in self.outputs)
        return results[0] if len(results) == 1 else results


def put_numbers(layer: nn.Module, name: str, source: Source, value: Any) -> None:
    """Give a layer the numbers of one of its parameters or buffers, in the layer's shape."""
    tensor = torch.from_numpy(value.copy())
    tensor = (tensor.T if source.transposed else tensor).contiguous().reshape(getattr(layer, name).shape)
    if name in layer._parameters:
        setattr(layer, name, nn.Parameter(tensor))
    else:
        setattr(layer, name, tensor)
