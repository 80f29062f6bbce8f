"""Put trained weights back into the ONNX model that they were read from: the same graph with other numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper

from compiler.errors import Diagnostic, UsageError
from training.onnx_reader.graph import fold, opset_of
from training.onnx_reader.module import OnnxModule
from training.onnx_reader.node import Array, Constant, Source


@dataclass(frozen=True)
class _Written:
    """One place of the graph that gets numbers."""

    source: Source
    value: Array


def write_weights(model: onnx.ModelProto, module: OnnxModule) -> onnx.ModelProto:
    """A copy of the model with the module's weights, exact to the bit; `module` was read from this very model.

    Names, nodes and metadata stay.  Only what cannot hold the numbers changes: a weight that was computed from others
    becomes an initializer of its name, and of nodes that shared one, and now differ, the later ones get their own.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    by_tensor: dict[str, list[_Written]] = {}
    for path, sources in module.sources.items():
        layer, _, name = path.rpartition(".")
        value = getattr(module.get_submodule(layer), name).detach().cpu().numpy()
        for source in sources:
            _check(result.graph, source)
            placed = np.ascontiguousarray(value.T if source.transposed else value).reshape(source.shape)
            by_tensor.setdefault(source.tensor, []).append(_Written(source, placed))
    graph = _Graph(result)
    for tensor, places in by_tensor.items():
        graph.write(tensor, places)
    graph.drop_replaced()
    return result


def _check(graph: onnx.GraphProto, source: Source) -> None:
    fits = source.index < len(graph.node) and list(graph.node[source.index].input)[source.position :][:1] == [
        source.tensor
    ]
    if not fits:
        message = f"node {source.index} does not read tensor '{source.tensor}': the weights are of another model"
        raise UsageError(Diagnostic("other-model", message, help="give the model that was read"))


class _Graph:
    """A graph whose constants are replaced."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.graph = graph = model.graph
        self.version = model.ir_version
        self.opset = opset_of(model)
        self.outputs = {one.name for one in graph.output}
        self.stored: dict[str, onnx.TensorProto] = {one.name: one for one in graph.initializer}
        self.makers = {name: node for node in graph.node for name in node.output if name}
        self.readers: dict[str, list[tuple[int, int]]] = {}
        for index, node in enumerate(graph.node):
            for position, name in enumerate(node.input):
                self.readers.setdefault(name, []).append((index, position))
        self.taken = {*self.stored, *self.makers, *(one.name for one in graph.input)}
        self.replaced: list[str] = []

    def write(self, tensor: str, places: Sequence[_Written]) -> None:
        """Give a tensor its numbers; nodes that shared it, and now differ, read a tensor of their own."""
        groups: list[list[_Written]] = []
        for place in sorted(places, key=lambda one: (one.source.index, one.source.position)):
            same = next((group for group in groups if _equal(group[0].value, place.value)), None)
            if same is None:
                groups.append([place])
            else:
                same.append(place)
        old = self._value(tensor).value
        changed = [group for group in groups if not _equal(old, group[0].value)]
        # Whoever reads the tensor and is not trained must go on reading the numbers of the file.
        read = sum(len(group) for group in changed) < len(self.readers[tensor]) or tensor in self.outputs
        if changed and not read:
            self._replace(tensor, changed.pop(0)[0].value)
        for group in changed:
            name = self._add(self._new_name(tensor, group[0].source), group[0].value)
            for place in group:
                self.graph.node[place.source.index].input[place.source.position] = name

    def _add(self, name: str, value: Array) -> str:
        """A new initializer; before version 4 of the format each is an input, too."""
        self.graph.initializer.append(numpy_helper.from_array(value, name))
        if self.version < 4:
            self.graph.input.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, value.shape))
        return name

    def _stored(self, tensor: str) -> onnx.TensorProto | None:
        """The place in the file that holds the numbers of a tensor; None if they are computed."""
        if tensor in self.stored:
            return self.stored[tensor]
        maker = self.makers[tensor]
        held = (one.t for one in maker.attribute if maker.op_type == "Constant" and one.name == "value")
        found: onnx.TensorProto | None = next(held, None)
        return found

    def _value(self, tensor: str) -> Constant:
        """The numbers of a tensor as the file has them, computed if need be."""
        stored = self._stored(tensor)
        if stored is not None:
            return Constant(tensor, numpy_helper.to_array(stored))
        maker = self.makers[tensor]
        return fold(maker, self.opset, {name: self._value(name) for name in maker.input if name})[tensor]

    def _replace(self, tensor: str, value: Array) -> None:
        stored = self._stored(tensor)
        if stored is None:
            self.replaced.append(tensor)
            self._add(tensor, value)
            return
        for name in ("float_data", "external_data", "data_location"):
            stored.ClearField(name)
        stored.raw_data = value.astype("<f4").tobytes()

    def _new_name(self, tensor: str, source: Source) -> str:
        name, number = f"{tensor}_{source.index}", 1
        while name in self.taken:
            name, number = f"{tensor}_{source.index}_{number}", number + 1
        self.taken.add(name)
        return name

    def drop_replaced(self) -> None:
        """Remove the nodes that computed what is an initializer now, and what only they read."""
        gone: dict[int, None] = {}
        waiting = [self.makers[name] for name in self.replaced]
        numbers = {name: index for index, node in enumerate(self.graph.node) for name in node.output if name}
        while waiting:
            node = waiting.pop()
            gone[numbers[next(name for name in node.output if name)]] = None
            for name in node.input:
                unread = name not in self.outputs and all(index in gone for index, _ in self.readers[name])
                if unread and name in self.makers:
                    waiting.append(self.makers[name])
                elif unread and name in self.stored:
                    self.graph.initializer.remove(self.stored.pop(name))
                    for info in [one for one in self.graph.input if one.name == name]:
                        self.graph.input.remove(info)
        for index in sorted(gone, reverse=True):
            del self.graph.node[index]


def _equal(one: Array, other: Array) -> bool:
    """Whether two arrays have the same bits: -0 is not 0 here."""
    return one.shape == other.shape and one.dtype == other.dtype and one.tobytes() == other.tobytes()
