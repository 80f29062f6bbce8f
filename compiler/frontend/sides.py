"""Which nodes the front end leaves to the host, when it is known what else will be there.

A node is judged by how its input lies in the array's memory, as its makers leave it.  Where these end up on the host,
for too little work or for a border, the array gets the tensor from there, as the model has it, and may well read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from compiler.errors import Reason
from compiler.frontend.graph import Graph
from compiler.frontend.partition import DERIVED, partition
from compiler.frontend.refusals import refusals
from compiler.frontend.work import macs_of


def host_nodes(graph: Graph) -> dict[int, Reason]:
    """Reasons of nodes, by their numbers, to run on the host; what follows from them is for `partition`.

    Refused nodes with work are judged again with what is around them on the host, and what they need there stays
    there, as long as the array gets more multiplications by it.
    """
    found = refusals(graph)
    while heavy := [number for number in found if macs_of(graph, graph.nodes[number])]:
        whole = partition(graph, found).reasons
        derived = {number: one for number, one in whole.items() if one.code in DERIVED}
        again = refusals(graph, derived)
        before = _makers(graph, [number for number in heavy if number not in again])
        other = refusals(graph, {number: one for number, one in derived.items() if number in before})
        if _work(graph, partition(graph, other).reasons) >= _work(graph, whole):
            break
        found = other
    return found


def _work(graph: Graph, host: Iterable[int]) -> int:
    """Multiplications of nodes."""
    return sum(macs_of(graph, graph.nodes[number]) for number in host)


def _makers(graph: Graph, numbers: Iterable[int]) -> Mapping[int, None]:
    """All nodes that these depend on."""
    makers = {name: number for number, node in enumerate(graph.nodes) for name in node.outputs if name}
    found: dict[int, None] = {}
    left = list(numbers)
    while left:
        near = dict.fromkeys(makers[name] for name in graph.nodes[left.pop()].inputs if name in makers)
        left += [one for one in near if one not in found]
        found.update(near)
    return found
