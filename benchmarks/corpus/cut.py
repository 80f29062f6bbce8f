"""What is refused of a model, and where it can end so that nothing of that is left in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import onnx

from compiler.errors import BsccError, FusedLocation, Location, NodeLocation
from compiler.frontend.check import text


def refused(error: BsccError) -> list[str]:
    """The ONNX nodes that an error is about, by name."""
    return list(dict.fromkeys(name for one in error.diagnostics for name in _nodes(one.place)))


def reasons(error: BsccError) -> list[str]:
    """What an error says, each message once with its kind of node and how many there are."""
    found: Counter[str] = Counter()
    for one in error.diagnostics:
        kind = f"{one.place.op_type}: " if isinstance(one.place, NodeLocation) else ""
        found[f"{kind}{one.message}"] += 1
    return [f"{what} ({count} nodes)" if count > 1 else what for what, count in found.items()]


def _nodes(place: str | Location) -> Iterator[str]:
    if isinstance(place, NodeLocation):
        yield place.name
    elif isinstance(place, FusedLocation):
        for part in place.parts:
            yield from _nodes(part)


def before(path: Path, outputs: Sequence[str], error: BsccError) -> tuple[str, ...]:
    """The tensors that nodes behind the refused ones read from the others; nothing if there is no such tensor.

    `outputs` are those that the model was cut at before.
    """
    graph = onnx.load(path, load_external_data=False).graph
    names = set(refused(error))
    made = {output: node for node in graph.node for output in node.output}
    needed = needed_by(made, outputs or [one.name for one in graph.output])
    behind: set[str] = set()  # tensors that depend on a refused node
    found: dict[str, None] = {}
    constant = _constants(graph)
    for node in graph.node:
        if node.output[0] not in needed or set(node.output) <= constant:
            continue
        if text(node.name) in names or behind.intersection(node.input):
            behind.update(node.output)
            found.update(dict.fromkeys(one for one in node.input if one in made and one not in constant))
    ends = [name for name in found if name not in behind]
    kept = [name for name in outputs if name not in behind]
    return tuple(dict.fromkeys((*kept, *ends))) if behind else ()


def needed_by(made: dict[str, onnx.NodeProto], outputs: Sequence[str]) -> set[str]:
    """Tensors that these depend on, with themselves."""
    found: set[str] = set()
    rest = list(outputs)
    while rest:
        name = rest.pop()
        if name not in found:
            found.add(name)
            rest += made[name].input if name in made else ()
    return found


def _constants(graph: onnx.GraphProto) -> set[str]:
    """Initializers and what is computed from them alone; nodes are in order."""
    found = {one.name for one in graph.initializer} | {""}
    for node in graph.node:
        if found.issuperset(node.input):
            found.update(node.output)
    return found
