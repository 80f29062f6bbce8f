"""The cost file: times are those of timing.json, shares are exact, layers have the names of the model in the file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import bscc
from benchmarks import additive
from compiler.blocks import nonzero_blocks
from compiler.cli.compile import main
from compiler.driver import Costing, Host, Options, compile_in_memory
from compiler.driver.costs import ON_HOST, Measured
from compiler.errors import DoesNotFit, UsageError
from compiler.pipeline import DEFAULT_PIPELINE
from compiler.prepare import Preparation
from compiler.pruning import Prune, Scheme
from compiler.quantize import Settings, quantise, set_densities
from compiler.quantize.network import Network
from compiler.quantize.weights import layers
from tests.floatnets import DIGITS, FloatNet
from tests.hostnets import norm_between, too_large
from tests.models import qlinear_model

SMALL = Options(target="aie2-2x2", compare_dense=False)
SHARES = (1, 0.5, 0.125)


def chain() -> FloatNet:
    """Convolutions with a batch norm, a sum and a dense layer."""
    net = FloatNet((1, 8, 8, 8))
    x = net.conv(net.x, 24)
    y = net.add("Relu", net.norm(net.conv(x, 24)))
    x = net.add("Add", net.conv(y, 24, 1), x)
    x = net.add("Flatten", net.add("GlobalAveragePool", x))
    x = net.add("MatMul", x, net.store(net.rng.normal(0, 0.2, (24, 32)).astype(np.float32), "fc.weight"))
    net.add("Add", x, net.store(np.ones(32, np.float32)))
    return net


def saved(model: onnx.ModelProto, folder: Path, name: str = "net.onnx") -> Path:
    onnx.save(model, folder / name)
    return folder / name


def cycles(us: float | None) -> int:
    """Of targets of 1 GHz."""
    assert us is not None and abs(us * 1000 - round(us * 1000)) < 1e-6
    return round(us * 1000)


def adds_up(found: Mapping[str, Any]) -> None:
    for at in range(len(found["densities"])):
        own = sum(cycles(one["us"][at]) for one in found["layers"] if one["prunable"])
        assert own + cycles(found["fixed_us"][at]) == cycles(found["total_us"][at])


@pytest.fixture(scope="module")
def float_costs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    net = chain()
    path = saved(net.finish(net.nodes[-1].output[0]), tmp_path_factory.mktemp("costs"))
    return bscc.costs(path, SMALL, SHARES)


def test_layers_of_a_float_model(float_costs: dict[str, Any]) -> None:
    """By its own names, though a batch norm is folded, a sum fused, and a MatMul with its Add made a Gemm."""
    adds_up(float_costs)
    assert float_costs["schema"] == "bscc-costs/1" and float_costs["inputs"] == {"x": [1, 8, 8, 8]}
    rows = {one["name"]: one for one in float_costs["layers"]}
    assert list(rows) == ["conv0", "conv1", "conv4", "matmul8"]
    assert [one["reason"] for one in rows.values()] == ["it is the first layer", "", "", ""]
    assert all(us > 0 for one in rows.values() for us in one["us"])
    assert rows["matmul8"]["weight"] == "fc.weight" and rows["matmul8"]["op"] == "MatMul"
    assert rows["matmul8"]["shape"] == [32, 1, 1, 24] and rows["matmul8"]["macs"] == 24 * 32
    assert (rows["conv1"]["rows"], rows["conv1"]["columns"]) == (3, 3)
    assert rows["conv1"]["macs"] == 64 * 9 * 24 * 24
    assert rows["conv1"]["us"][0] > rows["conv1"]["us"][2]


def test_shares_are_exact_in_each_layer(float_costs: dict[str, Any]) -> None:
    for one in float_costs["layers"]:
        blocks = one["rows"] * one["columns"]
        wanted = [blocks - min(int((1 - share) * blocks + 0.5), blocks - 1) for share in SHARES]
        assert one["blocks_kept"] == (wanted if one["prunable"] else [blocks] * len(SHARES))


def test_times_are_those_of_a_plan_of_that_density(tmp_path: Path) -> None:
    """The layers of timing.json, when the model is pruned and compiled by itself."""
    found = bscc.costs(DIGITS, SMALL, (1, 0.5))
    adds_up(found)
    prune = Prune(0.5, per_layer=True)
    alone = compile_in_memory(
        DIGITS, Options(target="aie2-2x2", compare_dense=False, preparation=Preparation(prune=prune))
    )
    timing = json.loads(alone.files["timing.json"])
    times = {one["name"]: one["us"] for one in timing["layers"]}
    assert found["total_us"][1] == timing["us"]
    assert {one["name"]: one["us"][1] for one in found["layers"]} == {
        one["name"]: times[one["name"]] for one in found["layers"]
    }


def test_zero_blocks_of_the_model_do_not_count(tmp_path: Path) -> None:
    """Density 1 is every block, of a model with zero blocks too: as long as its dense twin takes."""
    half = DIGITS.with_name("digits_int8_half.onnx")
    found = bscc.costs(half, SMALL, (1, 0.5))
    dense = compile_in_memory(half, Options(target="aie2-2x2", compare_dense=False, sparsity="off"))
    assert found["total_us"][0] == dense.timing.us > found["total_us"][1]


def test_strips_of_a_layer_are_summed(tmp_path: Path) -> None:
    net = chain()
    path = saved(net.finish(net.nodes[-1].output[0]), tmp_path)
    pipeline = DEFAULT_PIPELINE.replace("depthwise-tiling", "depthwise-tiling{strips=2}")
    options = Options(target="aie2-2x2", pipeline=pipeline, compare_dense=False)
    plan = compile_in_memory(path, options)
    names = [one.nodes[0] for one in plan.layers]
    assert names.count("conv1") == 2
    found = bscc.costs(path, options, (1, 0.5))
    adds_up(found)
    us = {one["name"]: one["us"][0] for one in found["layers"]}
    times = [one.cycles for one in sorted(plan.timing.layers, key=lambda one: one.index)]
    assert cycles(us["conv1"]) == sum(t for name, t in zip(names, times, strict=True) if name == "conv1")


def test_weights_that_two_nodes_read_are_one_layer(tmp_path: Path) -> None:
    net = FloatNet((1, 16, 6, 6))
    x = net.conv(net.conv(net.x, 16), 16)
    again = net.add("Conv", x, *net.nodes[-1].input[1:], kernel_shape=[3, 3], pads=[1] * 4)
    found = bscc.costs(saved(net.finish(again), tmp_path), SMALL, (1, 0.25))
    adds_up(found)
    _, shared = found["layers"]
    assert shared["nodes"] == ["conv1", "conv2"] and shared["name"] == "conv1"
    assert shared["macs"] == 2 * 36 * 9 * 16 * 16 and shared["blocks_kept"] == [4, 1]
    assert cycles(found["fixed_us"][0]) + cycles(shared["us"][0]) == cycles(found["total_us"][0])
    assert cycles(shared["us"][0]) > cycles(found["fixed_us"][0])


def test_names_of_operators_with_quantisation_inside(tmp_path: Path) -> None:
    model = qlinear_model(2)
    found = bscc.costs(saved(model, tmp_path), SMALL, (1, 0.5))
    adds_up(found)
    nodes = {node.name: node for node in model.graph.node}
    for one in found["layers"]:
        assert one["us"][0] > 0 and nodes[one["name"]].op_type == f"QLinear{one['op']}"
        assert one["weight"] == nodes[one["name"]].input[3]


def test_times_of_the_array_alone_where_the_host_has_a_part(tmp_path: Path) -> None:
    path = saved(norm_between(False), tmp_path)
    found = bscc.costs(path, SMALL, (1, 0.5))
    adds_up(found)
    parts = bscc.compile(path, tmp_path / "plan", SMALL)[0]
    assert isinstance(parts, bscc.PartedPlan)
    timing = json.loads((tmp_path / "plan/timing.json").read_text())
    assert timing["us"] == found["total_us"][0]
    assert [one["prunable"] for one in found["layers"]].count(True) == 1


def test_layers_of_the_host_have_no_times(tmp_path: Path) -> None:
    """A convolution that the array does not do."""
    net = FloatNet((1, 16, 6, 6))
    x = net.conv(net.conv(net.x, 16), 16)
    odd = net.store(net.rng.normal(0, 1, (16, 16, 3, 3)).astype(np.float32))
    y = net.add("Conv", x, odd, kernel_shape=[3, 3], pads=[1] * 4)
    options = Options(target="aie2-2x2", preparation=Preparation(settings=Settings(exclude=(y,))))
    found = bscc.costs(saved(net.finish(y), tmp_path), options, (1, 0.5))
    adds_up(found)
    last = found["layers"][-1]
    assert (last["name"], last["prunable"], last["reason"]) == (y, False, ON_HOST)
    assert last["us"] == [None, None] and last["blocks_kept"] == [4, 4]


def test_nodes_that_go_to_the_host_at_some_density(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(self: Costing, densities: Mapping[str, float]) -> Measured:
        names = dict.fromkeys(densities, 1)
        return Measured(10, names, names, ("conv3",) if 1.0 in densities.values() else ())

    monkeypatch.setattr(Costing, "measure", measure)
    with pytest.raises(DoesNotFit, match=r"'conv3': on the host at density 1 and not at 0\.5"):
        bscc.costs(DIGITS, SMALL, (1, 0.5))


def test_what_does_not_fit_says_at_which_density(tmp_path: Path) -> None:
    net = FloatNet((1, 16, 64, 64))
    pool = net.add("MaxPool", net.conv(net.conv(net.x, 16), 16), kernel_shape=[64, 64])
    options = Options(target="aie2-2x2", host=Host.OFF)
    with pytest.raises(DoesNotFit, match="with 1 of the blocks of each layer that can be pruned"):
        bscc.costs(saved(net.finish(pool), tmp_path), options, (1, 0.5))


def test_nothing_to_prune(tmp_path: Path) -> None:
    path = saved(too_large(False), tmp_path)
    with pytest.raises(UsageError, match=r"(?s)error\[nothing-to-prune\].*it is the first layer"):
        bscc.costs(path, SMALL)


@pytest.mark.parametrize("densities", [(), (1,), (0.5, 0.25), (1, 1), (1, 0.25, 0.5), (1, 0), (1, float("nan"))])
def test_densities_that_do_not_descend_from_1(densities: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match=r"error\[costs-densities\]"):
        bscc.costs(DIGITS, SMALL, densities)


@pytest.mark.parametrize(("kind", "zero"), [(np.int8, 0), (np.uint8, 128), (np.uint8, 255)])
@pytest.mark.parametrize("all_taps", [False, True])
@pytest.mark.parametrize("scheme", list(Scheme))
def test_blocks_that_stay_are_not_zero(kind: type[np.generic], zero: int, all_taps: bool, scheme: Scheme) -> None:
    """Whatever they held, and blocks at the edge that are cut off, too."""
    net = FloatNet((1, 20, 6, 6))
    x = net.conv(net.x, 20)
    model = quantise(net.finish(net.conv(x, 28)), net.samples(), Settings()).model
    last = list(layers(Network(model)))[-1]
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if tensor.name == last.tensor:
            array = np.full(array.shape, zero, kind)
            array[:8, :8, 1] = zero - 1
        elif tensor.name == last.zero:
            array = np.full(array.shape, zero, kind)
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    for share in SHARES:
        kept = set_densities(model, {last.name: share}, Prune(0.0, scheme, all_taps))
        found = list(layers(Network(model)))[-1].nonzero(Network(model))
        blocks = found.any(axis=(2, 3)) if all_taps else found
        assert int(blocks.sum()) == kept[last.name] == blocks.size - int((1 - share) * blocks.size + 0.5)
        assert not all_taps or int(found.sum()) == 9 * kept[last.name]
    assert nonzero_blocks(np.ones((28, 3, 3, 20))).size == found.size


def test_layers_of_one_density_add_up_to_the_file(tmp_path: Path) -> None:
    """What benchmarks/additive.py predicts is then what it compiles, and it is not when layers differ."""
    costs = bscc.costs(DIGITS, SMALL, (1, 0.5))
    costing, names = Costing.of(DIGITS, SMALL), [one["name"] for one in costs["layers"] if one["prunable"]]
    predicted, simulated, errors = additive.compared(costing, costs, dict.fromkeys(names, 0.5))
    assert predicted == pytest.approx(simulated) and max(map(abs, errors)) < 1e-9
    drawn = additive.drawn(np.random.default_rng(0), costs, "rising", names)
    assert list(drawn.values()) == [0.5, 0.75, 1.0]
    _, simulated, errors = additive.compared(costing, costs, drawn)
    assert costs["total_us"][1] < simulated < costs["total_us"][0] and len(errors) == 3


def command(*words: str) -> int:
    return main([str(DIGITS), "--target", "aie2-2x2", *words])


def test_the_file_and_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "costs.json"
    assert command("--costs", str(place), "--costs-densities", "1,1/2", "--prune-scheme", "random") == 0
    said = capsys.readouterr().out
    assert said.startswith("3 of 5 layers with weights can be pruned, on aie2-2x2\n") and said.count("\n") == 4
    assert command("--costs", "-", "--costs-densities", "1,1/2", "--prune-scheme", "random") == 0
    assert capsys.readouterr().out.encode() == place.read_bytes()
    found = json.loads(place.read_bytes())
    assert (found["scheme"], found["block"], found["densities"]) == ("random", "8x8xK", [1.0, 0.5])
    assert [one.name for one in tmp_path.iterdir()] == ["costs.json"]


@pytest.mark.parametrize(
    "words",
    [
        *(("-o", "plan"), ("--check",), ("--explain-mapping", "conv2"), ("--mapping-out", "m.json"), ("--json",)),
        *(("--prune", "0.5"), ("--prune-per-layer",), ("--sparsity", "off"), ("--mapping", "m.json"), ("--batch", "2")),
        *(("--cost-model", "paper"), ("--verify-each",), ("--dump-ir", "ir"), ("--costs-densities", "1")),
    ],
)
def test_options_of_one_plan(words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "costs.json"
    assert command("--costs", str(place), *words) == 2
    said = capsys.readouterr().err
    assert said.count("error[") == 1 and words[0] in said.replace("densities 1 ", "--costs-densities")
    assert not place.exists()


@pytest.mark.parametrize("words", [("--costs", str(DIGITS)), ("--costs-densities", "1,0.5"), ("--costs", "/no/where")])
def test_no_place_for_costs(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert command(*words) == 2
    assert capsys.readouterr().err.count("error[") == 1
