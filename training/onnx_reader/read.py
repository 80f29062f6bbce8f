"""Read a float ONNX model into a module that can be trained.

The nodes are walked once, in order.  What does not depend on the images is computed (`constants`), shapes included: the
walk runs every step without numbers, at the batch of the file and at twice that.  So a literal batch is told from other
sizes, and a node that mixes images is found before it is trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from compiler.errors import Limit, NodeLocation, Reason, UnsupportedModel
from training.onnx_reader import functions, layers, resize, shapes, windows
from training.onnx_reader.graph import fold, inputs_of, node_name, opset_of, refuse_quantised
from training.onnx_reader.module import Function, OnnxModule, Step, put_numbers
from training.onnx_reader.node import Constant, Node, Operation, Reader, Refusal, Source, Traced

READERS: dict[str, Reader] = {
    **functions.READERS,
    **layers.READERS,
    **resize.READERS,
    **shapes.READERS,
    **windows.READERS,
}
_TORCH_ERRORS = (RuntimeError, ValueError, IndexError, KeyError, TypeError)


def read_module(model: onnx.ModelProto, input_shapes: Mapping[str, Sequence[int]] | None = None) -> OnnxModule:
    """The model as a module in training mode; `input_shapes` are those of inputs whose size the file leaves open.

    `UnsupportedModel` lists every node that cannot be trained; `UsageError` asks for shapes.
    """
    refuse_quantised(model)
    return _Walk(model, input_shapes or {}).module()


class _Walk:
    """The state of one reading: what is known of each tensor so far, and the module as far as it is built."""

    def __init__(self, model: onnx.ModelProto, input_shapes: Mapping[str, Sequence[int]]) -> None:
        self.graph = model.graph
        self.opset = opset_of(model)
        self.fake = FakeTensorMode(allow_non_fake_inputs=True)
        with self.fake:
            inputs = inputs_of(model, input_shapes)
        self.images = next((one.shape[0] for one in inputs.values()), 1)
        self.known: dict[str, Constant | Traced] = dict(inputs)
        for one in self.graph.initializer:
            self.known[one.name] = Constant(one.name, numpy_helper.to_array(one))
        self.refused: dict[str, None] = {}  # what nodes make that are refused, or that read such
        self.reasons: list[Reason] = []
        self.layers: dict[tuple[object, ...], str] = {}
        self.absorbed: dict[int, None] = {}
        self.result = OnnxModule(tuple(inputs), tuple(one.name for one in self.graph.output))
        self.readers: dict[str, list[int]] = {}
        for index, node in enumerate(self.graph.node):
            for name in node.input:
                self.readers.setdefault(name, []).append(index)

    def module(self) -> OnnxModule:
        """Walk the graph and build."""
        steps: list[Step] = []
        self._fold_all()
        for index, node in enumerate(self.graph.node):
            if index in self.absorbed or all(isinstance(self.known.get(one), Constant) for one in node.output if one):
                continue
            try:
                steps += self._step(index, node)
            except Refusal as refusal:
                self.refused.update(dict.fromkeys(node.output))
                place = NodeLocation(node_name(node, index), node.op_type)
                self.reasons.append(
                    Reason("untrainable", str(refusal.limit), place, help=refusal.help, limit=refusal.limit)
                )
        if self.reasons:
            raise UnsupportedModel(*self.reasons)
        for name in self.result.outputs:
            if name not in self.known:
                limit = Limit("output", "a tensor that is computed in training, too", f"'{name}'")
                raise UnsupportedModel(Reason("untrainable", str(limit), limit=limit))
            self._keep(name)
        self.result.steps = _with_last_uses(steps, self.result)
        return self.result.train()

    def _fold_all(self) -> None:
        """Compute what depends on no input at all; what cannot be computed is refused when the walk gets there."""
        for node in self.graph.node:
            if self._is_constant(node):
                with suppress(Refusal):
                    self._fold(node)

    def _fold(self, node: onnx.NodeProto) -> None:
        given = {name: self.known[name] for name in node.input if name}
        constants = {name: one for name, one in given.items() if isinstance(one, Constant)}
        self.known.update(fold(node, self.opset, constants))

    def _is_constant(self, node: onnx.NodeProto) -> bool:
        """Whether all that a node reads is constant; one that reads nothing may draw random numbers."""
        if not node.input:
            return bool(node.op_type == "Constant")
        return all(isinstance(self.known.get(one), Constant) for one in node.input if one)

    def _step(self, index: int, node: onnx.NodeProto) -> list[Step]:
        """Read one node; none if its results turn out to be constants."""
        known = all(one in self.known for one in node.input if one)
        if known and self._is_constant(node):
            self._fold(node)
            return []
        if (node.op_type not in READERS and node.op_type != "Shape") or node.domain not in ("", "ai.onnx"):
            name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            help = "export the model without it, or train it where it was made"
            raise Refusal("operator", "one that can be trained", name, help)
        if not known:
            if lost := [one for one in node.input if one and one not in self.known and one not in self.refused]:
                raise Refusal("input", "a tensor that the graph holds or computes before it", f"'{lost[0]}'")
            self.refused.update(dict.fromkeys(node.output))
            return []
        inputs = tuple(self.known[one] if one else None for one in node.input)
        attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        if node.op_type == "Shape":
            taken = slice(attributes.get("start", 0), attributes.get("end"))
            shape = inputs[0].shape if isinstance(inputs[0], Traced) else ()
            self.known[node.output[0]] = Constant(node.output[0], np.array(shape[taken], np.int64))
            return []
        view = Node(
            *(
                index,
                node_name(node, index),
                node.op_type,
                self.opset,
                self.images,
                attributes,
                inputs,
                tuple(node.output),
            )
        )
        try:
            operation = READERS[node.op_type](view)
            return [self._built(view, node, operation)]
        except _TORCH_ERRORS as error:
            raise Refusal("computation", "one that PyTorch does", str(error).splitlines()[0] or repr(error)) from error

    def _built(self, view: Node, node: onnx.NodeProto, operation: Operation) -> Step:
        """The step of an operation, run without numbers to see the shapes of its results."""
        outputs = view.outputs
        if isinstance(operation.call, nn.Linear) and operation.call.bias is None:
            operation, outputs = self._with_bias(view, operation)
        layer = self._layer(view, node, operation)
        operands = [node.input[position] for position in operation.operands]
        for name in operands:
            self._keep(name)
        for number, table in enumerate(operation.tables):
            operands.append(f"{view.index}:table {number}")  # no tensor of the graph: it would have to hold this text
            self.result.add_constant(operands[-1], table)
        step = Step(layer, tuple(operands), outputs, operation.before, operation.after)
        return self._traced(step)

    def _layer(self, view: Node, node: onnx.NodeProto, operation: Operation) -> str:
        """The child that a layer became; one that is applied twice, with the same weights, is one child."""
        made, sources = operation.call, operation.weights
        if not isinstance(made, nn.Module):
            made = Function(made)
        attributes = tuple(one.SerializeToString(deterministic=True) for one in node.attribute)
        key = (node.op_type, attributes, *((name, one.tensor) for name, one in sources.items()))
        shared = len(sources) > 0 and len(sources["weight"].shape) > 1
        name = self.layers.get(key, "") if shared else ""
        if not name:
            for parameter, source in sources.items():
                constant = self.known[source.tensor]
                assert isinstance(constant, Constant)
                put_numbers(made, parameter, source, constant.value)
            if isinstance(made, nn.modules.batchnorm._BatchNorm):
                made.num_batches_tracked = torch.tensor(0)
            name = self.result.add_layer(view.name, made.eval())
            if shared:
                self.layers[key] = name
        for parameter, source in sources.items():
            path = f"{name}.{parameter}"
            self.result.sources[path] = (*self.result.sources.get(path, ()), source)
        return name

    def _with_bias(self, view: Node, operation: Operation) -> tuple[Operation, tuple[str, ...]]:
        """MatMul and the Add of a constant vector behind it, which is its bias, if nobody else reads the product."""
        product = view.outputs[0]
        readers = self.readers.get(product, [])
        if len(readers) != 1 or product in self.result.outputs:
            return operation, view.outputs
        add = self.graph.node[readers[0]]
        position = 1 - list(add.input).index(product)
        bias = self.known.get(add.input[position]) if add.op_type == "Add" else None
        made = operation.call
        assert isinstance(made, nn.Linear)
        if not isinstance(bias, Constant) or bias.value.shape != (made.out_features,) or bias.value.dtype != np.float32:
            return operation, view.outputs
        self.absorbed[readers[0]] = None
        source = Source(readers[0], position, bias.name, bias.value.shape)
        layer = nn.Linear(made.in_features, made.out_features, device=layers.META)
        weights = {**operation.weights, "bias": source}
        return replace(operation, call=layer, weights=weights), tuple(add.output)

    def _keep(self, name: str) -> None:
        """Make a constant that a step reads a buffer of the module."""
        one = self.known[name]
        if isinstance(one, Constant):
            self.result.add_constant(name, torch.from_numpy(np.array(one.value)))

    def _traced(self, step: Step) -> Step:
        """The step with the outputs that it has, after it ran on tensors without numbers."""
        found: list[dict[str, torch.Tensor]] = []
        for batch in ("once", "twice"):
            values: dict[str, object] = dict(self.result.constant_values())
            for name in step.operands:
                one = self.known.get(name)
                if isinstance(one, Traced):
                    values[name] = getattr(one, batch)
            with torch.no_grad(), self.fake:
                step.run(self.result._modules, values)
            found.append({name: value for name in step.outputs if isinstance(value := values.get(name), torch.Tensor)})
        for name, once in found[0].items():
            traced = Traced(once, found[1][name])
            traced.check_batch()
            self.known[name] = traced
        return replace(step, outputs=tuple(name if name in found[0] else "" for name in step.outputs))


def _with_last_uses(steps: Sequence[Step], module: OnnxModule) -> tuple[Step, ...]:
    """The steps that say which tensors nobody reads behind them."""
    held = {*module.outputs, *module.constants}
    result = []
    for step in reversed(steps):
        names = dict.fromkeys((*step.operands, *(one for one in step.outputs if one)))
        result.append(replace(step, last=tuple(name for name in names if name not in held)))
        held.update(names)
    return tuple(reversed(result))
