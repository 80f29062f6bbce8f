"""Read a float ONNX model into a module that can be trained.

The nodes are walked once, in order.  What does not depend on the images is computed (`constants`), shapes included: the
walk runs every step without numbers, at the batch of the file and at twice that.  So a literal batch is told from other
sizes, and a node that mixes images is found before it is trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from compiler.errors import Diagnostic, Limit, NodeLocation, Reason, UnsupportedModel, UsageError, nearest
from training.onnx_reader import functions, layers, resize, shapes, windows
from training.onnx_reader.module import OnnxModule, Step, put_numbers
from training.onnx_reader.node import Call, Constant, Node, Operation, Reader, Refusal, Source, Traced

READERS: dict[str, Reader] = {
    **functions.READERS,
    **layers.READERS,
    **resize.READERS,
    **shapes.READERS,
    **windows.READERS,
}
OLDEST_OPSET = 7
"""Before it, the operators broadcast in another way."""
_TORCH_ERRORS = (RuntimeError, ValueError, IndexError, KeyError, TypeError)


def read_module(model: onnx.ModelProto, input_shapes: Mapping[str, Sequence[int]] | None = None) -> OnnxModule:
    """The model as a module in training mode; `input_shapes` are those of inputs whose size the file leaves open.

    `UnsupportedModel` lists every node that cannot be trained; `UsageError` asks for shapes.
    """
    _refuse_quantised(model)
    return _Walk(model, input_shapes or {}).module()


def node_name(node: onnx.NodeProto, index: int) -> str:
    """The node's name as all of bscc's messages and reports have it."""
    return node.name or f"{node.op_type}_{index}"


def _refuse_quantised(model: onnx.ModelProto) -> None:
    integer = [
        (index, node)
        for index, node in enumerate(model.graph.node)
        if node.op_type in ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear")
        or node.op_type.startswith("QLinear")
        or node.op_type.endswith("Integer")
    ]
    if integer:
        index, first = integer[0]
        place = NodeLocation(node_name(first, index), first.op_type)
        message = f"the model is quantised: {len(integer)} of its nodes compute with integers that stand for floats"
        help = "give the float model: it is trained first, then quantised (bscc-quantize)"
        limit = Limit("number of quantised nodes", "0", str(len(integer)))
        raise UnsupportedModel(Reason("quantised", message, place, help=help, limit=limit))


class _Walk:
    """The state of one reading: what is known of each tensor so far, and the module as far as it is built."""

    def __init__(self, model: onnx.ModelProto, input_shapes: Mapping[str, Sequence[int]]) -> None:
        self.graph = model.graph
        self.opset = next((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), 1)
        self.fake = FakeTensorMode(allow_non_fake_inputs=True)
        self.known: dict[str, Constant | Traced] = {}
        self.reasons: list[Reason] = []
        self.layers: dict[tuple[object, ...], str] = {}
        self.absorbed: set[int] = set()
        stored = {one.name for one in self.graph.initializer}
        inputs = [one for one in self.graph.input if one.name not in stored]
        if unknown := [name for name in input_shapes if name not in [one.name for one in inputs]]:
            message = f"the model has no input '{unknown[0]}'"
            raise UsageError(Diagnostic("shape", message, help=nearest(unknown[0], [one.name for one in inputs])))
        for one in self.graph.initializer:
            self.known[one.name] = Constant(one.name, numpy_helper.to_array(one))
        for one in inputs:
            self.known[one.name] = self._input(one, input_shapes.get(one.name))
        outputs = tuple(one.name for one in self.graph.output)
        first = self.known[inputs[0].name] if inputs else None
        self.images = first.shape[0] if isinstance(first, Traced) else 1
        self.result = OnnxModule(tuple(one.name for one in inputs), outputs)
        self.readers: dict[str, list[int]] = {}
        for index, node in enumerate(self.graph.node):
            for name in node.input:
                self.readers.setdefault(name, []).append(index)

    def _input(self, info: onnx.ValueInfoProto, given: Sequence[int] | None) -> Traced:
        kind = info.type.tensor_type
        sizes = [one.dim_value for one in kind.shape.dim]
        if given is not None:
            sizes = list(given)
        elif sizes and sizes[0] < 1:
            sizes[0] = 1
        if not sizes or min(sizes) < 1:
            open_sizes = [one.dim_param or one.dim_value or "?" for one in kind.shape.dim]
            message = f"the size of input '{info.name}' is open: {open_sizes}"
            raise UsageError(Diagnostic("shape", message, help=f"give it, as in --shape {info.name}=1x3x224x224"))
        dtype = torch.from_numpy(np.empty(0, helper.tensor_dtype_to_np_dtype(kind.elem_type))).dtype
        with self.fake:
            once = torch.empty(sizes, dtype=dtype)
            return Traced(once, torch.empty([2 * sizes[0], *sizes[1:]], dtype=dtype))

    def module(self) -> OnnxModule:
        """Walk the graph and build."""
        if self.opset < OLDEST_OPSET:
            limit = Limit("operator set", f"{OLDEST_OPSET} or newer", str(self.opset))
            help = "convert it (onnx.version_converter) or export it again"
            raise UnsupportedModel(Reason("opset", str(limit), help=help, limit=limit))
        steps: list[Step] = []
        self._fold_all()
        for index, node in enumerate(self.graph.node):
            if index in self.absorbed or all(isinstance(self.known.get(one), Constant) for one in node.output if one):
                continue
            try:
                steps += self._step(index, node)
            except Refusal as refusal:
                self._refuse(index, node, refusal)
        if self.reasons:
            raise UnsupportedModel(*self.reasons)
        for name in self.result.outputs:
            self._keep(name)
        self.result.steps = _with_last_uses(steps, self.result)
        return self.result.train()

    def _refuse(self, index: int, node: onnx.NodeProto, refusal: Refusal) -> None:
        place = NodeLocation(node_name(node, index), node.op_type)
        limit = refusal.limit
        self.reasons.append(Reason("untrainable", str(limit), place, help=refusal.help, limit=limit))

    def _fold_all(self) -> None:
        """Compute what depends on no input at all."""
        for index, node in enumerate(self.graph.node):
            if self._is_constant(node):
                try:
                    self._fold(node)
                except Refusal as refusal:
                    self._refuse(index, node, refusal)

    def _is_constant(self, node: onnx.NodeProto) -> bool:
        """Whether all that a node reads is constant; one that reads nothing may draw random numbers."""
        if not node.input:
            return bool(node.op_type == "Constant")
        return all(isinstance(self.known.get(one), Constant) for one in node.input if one)

    def _fold(self, node: onnx.NodeProto) -> None:
        """Compute a node of constants."""
        given = {one: self.known[one] for one in node.input if one}
        try:
            evaluator = ReferenceEvaluator(node, opsets={"": self.opset})
            results = evaluator.run(None, {name: one.value for name, one in given.items() if isinstance(one, Constant)})
        except Exception as error:  # whatever onnx's evaluator raises
            raise Refusal("operator", "one that onnx can compute from constants", f"{node.op_type}: {error}") from error
        for name, value in zip(node.output, results, strict=False):
            if name:
                self.known[name] = Constant(name, np.asarray(value))

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
            return []  # what it reads was refused already
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
        call: Call | None = operation.call
        layer = ""
        if isinstance(call, nn.Module):
            if isinstance(call, nn.Linear) and call.bias is None:
                operation, outputs = self._with_bias(view, operation)
            layer, call = self._layer(view, node, operation), None
        operands = [node.input[position] for position in operation.operands]
        for name in operands:
            self._keep(name)
        for number, table in enumerate(operation.tables):
            operands.append(f"{view.index}:table {number}")  # no tensor of the graph: it would have to hold this text
            self.result.add_constant(operands[-1], table)
        step = Step(call, layer, tuple(operands), outputs, operation.before, operation.after)
        self._trace(step)
        return step

    def _layer(self, view: Node, node: onnx.NodeProto, operation: Operation) -> str:
        """The child that a layer became; one that is applied twice, with the same weights, is one child."""
        made, sources = operation.call, operation.weights
        assert isinstance(made, nn.Module)
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
        self.absorbed.add(readers[0])
        source = Source(readers[0], position, bias.name, bias.value.shape)
        layer = nn.Linear(made.in_features, made.out_features, device=layers.META)
        weights = {**operation.weights, "bias": source}
        return replace(operation, call=layer, weights=weights), tuple(add.output)

    def _keep(self, name: str) -> None:
        """Make a constant that a step reads a buffer of the module."""
        one = self.known[name]
        if isinstance(one, Constant):
            self.result.add_constant(name, torch.from_numpy(np.array(one.value)))

    def _trace(self, step: Step) -> None:
        """Run a step on tensors without numbers."""
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
            if name:
                traced = Traced(once, found[1][name])
                traced.check_batch()
                self.known[name] = traced


def _with_last_uses(steps: Sequence[Step], module: OnnxModule) -> tuple[Step, ...]:
    """The steps that say which tensors nobody reads behind them."""
    held = {*module.outputs, *module.constants}
    result = []
    for step in reversed(steps):
        names = dict.fromkeys((*step.operands, *(one for one in step.outputs if one)))
        result.append(replace(step, last=tuple(name for name in names if name not in held)))
        held.update(names)
    return tuple(reversed(result))
