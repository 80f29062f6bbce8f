"""Cuts of graphs into parts: what holds for every cut, and what becomes of single nodes."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.errors import Limit, Reason, UnsupportedModel
from compiler.frontend.graph import Graph, Node
from compiler.frontend.partition import BORDER, ISLAND, Split, partition
from compiler.frontend.work import macs_of

WHY = Reason("unsupported-op", "the array has none", limit=Limit("operator", "another", "Odd"))


def random_graph(rng: np.random.Generator, size: int) -> Graph:
    """Convolutions, sums, unknown operators, each between DequantizeLinear and QuantizeLinear; some floats cross."""
    scale, weights = np.array(0.5, np.float32), np.ones((8, 8, 1, 1), np.int8)
    graph = Graph([], ["x"], [], 17, {"x": (1, 8, 4, 4)}, {"x": "int8"}, {"s": scale, "w": weights})
    graph.shapes["w"] = graph.shapes["wf"] = weights.shape
    graph.nodes.append(Node("dqw", "DequantizeLinear", ("w", "s"), ("wf",), {}))
    integers: list[str] = ["x"]
    floats: list[str] = []
    for number in range(size):
        kind = str(rng.choice(["Conv", "Add", "Odd", "MaxPool"]))
        reads = [str(rng.choice(integers)) for _ in range(2 if kind == "Add" else 1)]
        inputs = []
        for place, name in enumerate(reads):
            if floats and rng.random() < 0.15:
                inputs.append(str(rng.choice(floats)))
                continue
            inputs.append(f"f{number}_{place}")
            graph.nodes.append(Node(inputs[-1], "DequantizeLinear", (name, "s"), (inputs[-1],), {}))
        inputs += ["wf"] if kind == "Conv" else []
        graph.nodes.append(Node(f"n{number}", kind, tuple(inputs), (f"y{number}",), {}))
        graph.nodes.append(Node(f"q{number}", "QuantizeLinear", (f"y{number}", "s"), (f"z{number}",), {}))
        integers.append(f"z{number}")
        floats.append(f"y{number}")
    for node in graph.nodes:
        for name in node.outputs:
            graph.shapes[name] = graph.shapes.get(name, (1, 8, 4, 4))
            graph.dtypes[name] = "int8" if name.startswith("z") else "float32"
    made = {name for node in graph.nodes for name in node.inputs}
    ends = [name for node in graph.nodes for name in node.outputs if name not in made]
    some = [node.outputs[0] for node in graph.nodes if rng.random() < 0.05 and node.name != "dqw"]
    graph.outputs = list(dict.fromkeys([*ends, *some]))
    return graph


def check_split(graph: Graph, split: Split) -> None:
    """What holds for every cut."""
    known = set(graph.inputs)
    homes: list[int] = []
    for part in split.parts:
        assert set(part.graph.inputs) <= known, "what a part reads is there"
        assert [graph.nodes[n] for n in part.numbers] == part.graph.nodes
        made = {name for node in part.graph.nodes for name in node.outputs}
        assert set(part.graph.outputs) <= made
        assert not known & set(part.graph.outputs), "each tensor crosses once"
        read = {name for node in part.graph.nodes for name in node.inputs if name}
        assert read <= made | set(part.graph.inputs) | set(part.graph.constants)
        known.update(part.graph.outputs)
        homes += part.own
        for number in part.own:
            assert (number in split.reasons) <= part.host
        if not part.host:
            assert not any(graph.dtypes[name] == "float32" for name in part.graph.inputs), "integers cross"
    assert len(homes) == len(set(homes))
    movers = {n for n, node in enumerate(graph.nodes) if node.op_type == "DequantizeLinear"}
    assert set(homes) | movers == set(range(len(graph.nodes)))
    assert set(graph.outputs) <= known
    copies = [n for part in split.parts for n in part.numbers if n not in part.own]
    assert set(copies) <= movers, "nothing is computed twice but DequantizeLinear"


@pytest.mark.parametrize("seed", range(40))
def test_every_cut_is_whole(seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, int(rng.integers(3, 25)))
    odd = {n: WHY for n, node in enumerate(graph.nodes) if node.op_type == "Odd"}
    split = partition(graph, odd)
    assert set(odd) <= set(split.reasons)
    check_split(graph, split)
    assert partition(graph, odd) == split


def test_a_graph_without_reasons_stays_itself() -> None:
    graph = random_graph(np.random.default_rng(1), 5)
    (part,) = partition(graph, {}).parts
    assert part.graph is graph and not part.host


def chain(*kinds: str) -> Graph:
    """Operators one after another, each between DequantizeLinear and QuantizeLinear; "~" before a name leaves out
    the pair before it."""
    graph = random_graph(np.random.default_rng(0), 0)
    last, number = "x", 0
    for kind in kinds:
        if kind.startswith("~"):
            graph.nodes.pop()
            last = f"y{number - 1}"
        else:
            graph.nodes.append(Node(f"d{number}", "DequantizeLinear", (last, "s"), (f"f{number}",), {}))
            last = f"f{number}"
        inputs = (last, "wf") if kind == "Conv" else (last,)
        graph.nodes.append(Node(kind.strip("~"), kind.strip("~"), inputs, (f"y{number}",), {}))
        graph.nodes.append(Node(f"q{number}", "QuantizeLinear", (f"y{number}", "s"), (f"z{number}",), {}))
        last, number = f"z{number}", number + 1
    for node in graph.nodes:
        graph.shapes.setdefault(node.outputs[0], (1, 8, 4, 4))
        graph.dtypes[node.outputs[0]] = "int8" if node.op_type == "QuantizeLinear" else "float32"
    graph.outputs = [last]
    return graph


def cut(graph: Graph) -> tuple[list[str], dict[str, str]]:
    """The operators of each part without conversions, and the codes of those on the host."""
    odd = {n: WHY for n, node in enumerate(graph.nodes) if node.op_type == "Odd"}
    split = partition(graph, odd)
    check_split(graph, split)
    shown = [
        ("host " if part.host else "array ")
        + " ".join(node.op_type for node in part.graph.nodes if "Linear" not in node.op_type)
        for part in split.parts
    ]
    return shown, {graph.nodes[n].name: one.code for n, one in split.reasons.items()}


def test_integers_cross() -> None:
    """The host quantises what it makes; each side dequantises what it reads."""
    parts, codes = cut(chain("Conv", "Odd", "Conv"))
    assert parts == ["array Conv", "host Odd", "array Conv"]
    assert codes == {"Odd": "unsupported-op", "q1": BORDER}


def test_floats_of_the_host_stay_there() -> None:
    parts, codes = cut(chain("Conv", "Odd", "~Relu", "~MaxPool", "Conv"))
    assert parts == ["array Conv", "host Odd Relu MaxPool", "array Conv"]
    assert codes["Relu"] == codes["MaxPool"] == BORDER


def test_an_island_without_work_goes_to_the_host() -> None:
    parts, codes = cut(chain("Conv", "Odd", "MaxPool", "Relu", "Odd", "Conv"))
    assert parts == ["array Conv", "host Odd MaxPool Relu Odd", "array Conv"]
    assert codes["MaxPool"] == codes["Relu"] == ISLAND


def test_an_island_with_work_stays() -> None:
    assert cut(chain("Conv", "Odd", "Conv", "Odd", "Conv"))[0] == [
        "array Conv",
        "host Odd",
        "array Conv",
        "host Odd",
        "array Conv",
    ]


def test_an_island_of_little_work_goes_to_the_host() -> None:
    """1/129 of the multiplications are less than a hundredth."""
    graph = chain("Conv", "Odd", "Conv")
    graph.shapes["y0"] = (1, 8, 4, 4 * 128)
    parts, codes = cut(graph)
    assert parts == ["array Conv", "host Odd Conv"] and codes["Conv"] == ISLAND
    graph.shapes["y0"] = (1, 8, 4, 4 * 64)
    assert len(cut(graph)[0]) == 3


def test_nothing_for_the_array() -> None:
    assert cut(chain("Odd", "Relu"))[0] == ["host Odd Relu"]


def test_an_output_without_input_is_refused() -> None:
    graph = chain("Conv")
    graph.outputs = ["w"]
    with pytest.raises(UnsupportedModel, match="nothing to compile"):
        partition(graph, {0: WHY})


@pytest.mark.parametrize(
    ("node", "shapes", "macs"),
    [
        (Node("c", "Conv", ("x", "w"), ("y",), {}), {"x": (1, 8, 9, 9), "w": (16, 8, 3, 3), "y": (1, 16, 7, 7)}, 56448),
        (Node("c", "Conv", ("x", "w"), ("y",), {}), {"x": (1, 8, 9, 9), "w": (8, 1, 3, 3), "y": (1, 8, 7, 7)}, 3528),
        (
            Node("c", "ConvTranspose", ("x", "w"), ("y",), {}),
            {"x": (1, 8, 4, 4), "w": (8, 16, 2, 2), "y": (1, 16, 8, 8)},
            8192,
        ),
        (Node("g", "Gemm", ("x", "w"), ("y",), {"transA": 1}), {"x": (7, 1), "w": (7, 5), "y": (1, 5)}, 35),
        (Node("m", "MatMul", ("x", "w"), ("y",), {}), {"x": (2, 3, 7), "w": (7, 5), "y": (2, 3, 5)}, 210),
        (Node("r", "Relu", ("x",), ("y",), {}), {"x": (9,), "y": (9,)}, 0),
        (Node("m", "MatMul", ("x", "w"), ("y",), {}), {"x": (2, 3, 7), "w": (7, 5)}, 0),
    ],
)
def test_macs(node: Node, shapes: dict[str, tuple[int, ...]], macs: int) -> None:
    assert macs_of(Graph([node], [], [], 17, shapes, {}), node) == macs


def test_what_follows_names_its_cause() -> None:
    """Along a chain of floats, and on an island, the help names the node that has a reason of its own."""
    graph = chain("Conv", "Odd", "~Relu", "~MaxPool", "Relu", "Odd", "Conv")
    odd = {n: WHY for n, node in enumerate(graph.nodes) if node.op_type == "Odd"}
    reasons = {(graph.nodes[n].name, one.code): one for n, one in partition(graph, odd).reasons.items()}
    assert "node 'Odd' (Odd)" in reasons["MaxPool", BORDER].help
    assert reasons["MaxPool", BORDER].limit.found == "float32"
    island = reasons["Relu", ISLAND]
    assert "node 'Odd' (Odd)" in island.help and "MaxPool" not in island.help
    assert island.limit.found == "0" and island.limit.allowed.startswith("at least ")
