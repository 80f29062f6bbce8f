"""Which nodes of a graph cannot be translated: all of them, by one pass over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from compiler.errors import Reason
from compiler.frontend import pointwise
from compiler.frontend.advice import unknown_operator
from compiler.frontend.check import text
from compiler.frontend.graph import Graph, Node
from compiler.frontend.translate import HANDLERS, add_input, add_output, begin, guarded
from compiler.frontend.values import Build, Constant, unknown_shape

NOTHING: Mapping[int, Reason] = {}


def refusals(graph: Graph, host: Mapping[int, Reason] = NOTHING) -> dict[int, Reason]:
    """Why nodes cannot be translated, by their numbers in the graph; those of `host` are not tried.

    What a refused node computes is an input to those behind it, so that each is judged by itself. A node of
    constants that is refused takes its readers with it, as they cannot do without the numbers.
    """
    build = begin(graph)
    found = dict(host)
    blocked: dict[str, Reason] = {}
    constants = set(graph.constants)
    for name in graph.inputs:
        _open(build, name, blocked, f"input '{text(name)}' of the model")
    functions = pointwise.functions(graph)
    numbers = {name: number for number, node in enumerate(graph.nodes) for name in node.outputs}
    for node in functions.nodes:
        region = functions.regions.get(node.outputs[0])
        there = host.get(numbers[node.outputs[0]])
        refused = there or _attempt(build, node, functions, blocked)
        if refused is None:
            constants.update(name for name in node.outputs if isinstance(build.env.get(name), Constant))
            continue
        of_constants = not there and bool(node.inputs) and all(not name or name in constants for name in node.inputs)
        if of_constants:
            constants.update(node.outputs)
        elif not there:
            found.update((numbers[one.outputs[0]], refused) for one in (region.nodes if region else (node,)))
        for name in filter(None, node.outputs):
            build.env.pop(name, None)
            if of_constants:
                blocked[name] = _reading(refused, name, f"'{text(name)}', of {refused.place}")
            else:
                _open(build, name, blocked, f"'{text(name)}', a result of {refused.place}")
    for name in graph.outputs:
        maker = next((n for n, one in enumerate(graph.nodes) if name in one.outputs), None)
        wrong: dict[str, Reason] = {}
        guarded(wrong, name, "output", lambda name=name: add_output(build, name))  # type: ignore[misc]
        if maker is not None and maker not in found:
            found.update((maker, one) for one in wrong.values())
    return dict(sorted(found.items()))


def _attempt(build: Build, node: Node, functions: pointwise.Functions, blocked: dict[str, Reason]) -> Reason | None:
    """Translate a node, or the region that it ends, or say why not."""
    region = functions.regions.get(node.outputs[0])
    if region is None and (node.domain or node.op_type not in HANDLERS):
        return unknown_operator(build.graph, node, functions)
    for name in (region.source,) if region else node.inputs:
        if name in blocked:
            return replace(blocked[name], place=node.loc)
    wrong: dict[str, Reason] = {}
    if region is not None:
        guarded(wrong, node.name, node.op_type, lambda: pointwise.lookup(build, region))
    else:
        guarded(wrong, node.name, node.op_type, lambda: HANDLERS[node.op_type](build, node))
    return next(iter(wrong.values()), None)


def _open(build: Build, name: str, blocked: dict[str, Reason], what: str) -> None:
    """Let a tensor that the host has be an input, or say why the array cannot read it."""
    if name not in build.readers:
        return

    def opened() -> None:
        if name not in build.graph.shapes:
            raise unknown_shape()
        add_input(build, name)

    wrong: dict[str, Reason] = {}
    guarded(wrong, name, "input", opened)
    blocked.update((name, _reading(one, name, what)) for one in wrong.values())


def _reading(refused: Reason, name: str, what: str) -> Reason:
    """Why a node cannot read a tensor that is refused: the facts are those of the tensor."""
    limit = replace(refused.limit, attribute=f"{refused.limit.attribute} of '{text(name)}'")
    return replace(refused, message=f"it reads {what}: {refused.message}", limit=limit)
