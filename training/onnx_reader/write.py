"""Put trained weights back into the ONNX model that they were read from: the same graph with other numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

from compiler.errors import Diagnostic, UsageError
from training.onnx_reader.module import OnnxModule
from training.onnx_reader.node import Array, Source


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
    graph = _Graph(result.graph)
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

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.graph = graph
        self.stored = {one.name: one for one in graph.initializer}
        self.makers = {name: node for node in graph.node for name in node.output if name}
        self.readers: dict[str, list[tuple[int, int]]] = {}
        for index, node in enumerate(graph.node):
            for position, name in enumerate(node.input):
                self.readers.setdefault(name, []).append((index, position))
        self.taken = {*self.stored, *self.makers, *(one.name for one in graph.input)}
        self.replaced: list[str] = []

    def write(self, tensor: str, places: Sequence[_Written]) -> None:
        """Give a tensor its numbers; places with numbers of their own get tensors of their own."""
        places = sorted(places, key=lambda one: (one.source.index, one.source.position))
        trained = {(one.source.index, one.source.position) for one in places}
        first = places[0].value
        # Whoever reads the tensor and is not trained must go on reading the numbers of the file.
        others = any(place not in trained for place in self.readers[tensor])
        others = others or any(one.name == tensor for one in self.graph.output)
        own = [one for one in places if others or not _equal(one.value, first)]
        if not others:
            self._replace(tensor, first)
        for one in own:
            if others and self._unchanged(tensor, one.value):
                continue
            name = self._new_name(tensor, one.source)
            self.graph.initializer.append(numpy_helper.from_array(one.value, name))
            self.graph.node[one.source.index].input[one.source.position] = name

    def _unchanged(self, tensor: str, value: Array) -> bool:
        stored = self._stored(tensor)
        return stored is not None and _equal(numpy_helper.to_array(stored), value)

    def _stored(self, tensor: str) -> onnx.TensorProto | None:
        """The place in the file that holds the numbers of a tensor; None if they are computed."""
        if tensor in self.stored:
            return self.stored[tensor]
        maker = self.makers[tensor]
        values: list[onnx.TensorProto] = (
            [one.t for one in maker.attribute if one.name == "value"] if maker.op_type == "Constant" else []
        )
        return values[0] if values else None

    def _replace(self, tensor: str, value: Array) -> None:
        stored = self._stored(tensor)
        if stored is None:
            self.replaced.append(tensor)
            self.graph.initializer.append(numpy_helper.from_array(value, tensor))
        elif not _equal(numpy_helper.to_array(stored), value):
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
        outputs = {one.name for one in self.graph.output}
        numbers = {name: index for index, node in enumerate(self.graph.node) for name in node.output if name}
        while waiting:
            node = waiting.pop()
            gone[numbers[next(name for name in node.output if name)]] = None
            for name in node.input:
                unread = name not in outputs and all(index in gone for index, _ in self.readers[name])
                if unread and name in self.makers:
                    waiting.append(self.makers[name])
                elif unread and name in self.stored:
                    self.graph.initializer.remove(self.stored.pop(name))
        for index in sorted(gone, reverse=True):
            del self.graph.node[index]


def _equal(one: Array, other: Array) -> bool:
    """Whether two arrays have the same bits: -0 is not 0 here."""
    return one.shape == other.shape and one.dtype == other.dtype and one.tobytes() == other.tobytes()
