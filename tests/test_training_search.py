"""Ratios of layers: what they cost, what they lose, and the best choice."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from compiler.errors import UnreadableInput, UsageError
from training.choose import Budget, kept_blocks
from training.data.sets import Arrays
from training.data.transforms import Normalise
from training.importance import as_scores, importance
from training.layers import Layer, find, prunable
from training.search.allocate import allocate
from training.search.costs import NOTHING, Costs, Curve, block_costs, mac_costs, read_costs
from training.search.sensitivity import losses, most_ratio

CANDIDATES = (0.0, 0.25, 0.5, 0.75)


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Conv2d(32, 16, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 3),
    )


def layers() -> list[Layer]:
    return find(net(), torch.zeros(1, 1, 8, 8))


table = st.lists(st.integers(1, 50), min_size=4, max_size=4)
rows = st.lists(st.tuples(table, table), min_size=1, max_size=4)


@given(rows, st.integers(4, 250), st.lists(st.integers(0, 10), min_size=4, max_size=4))
def test_the_best_choice_is_found(numbers: list[tuple[list[int], list[int]]], target: int, fixed: list[int]) -> None:
    """Against all choices: none that fits loses less, but for what rounding to parts of the cost may hide."""
    curves = {f"l{row}": Curve(CANDIDATES, tuple(map(float, costs))) for row, (costs, _) in enumerate(numbers)}
    lost = {f"l{row}": [float(one) for one in losses] for row, (_, losses) in enumerate(numbers)}
    costs = Costs("us", curves, Curve((0.0,), (float(fixed[0]),)), dict.fromkeys(curves, 1))
    fitting = [
        sum(lost[name][one] for name, one in zip(lost, picked, strict=True))
        for picked in itertools.product(range(4), repeat=len(numbers))
        if costs.total({name: CANDIDATES[one] for name, one in zip(curves, picked, strict=True)})
        <= fixed[0] + (target - fixed[0]) * (1 - len(numbers) / 20_000)
    ]
    if target <= fixed[0] or not fitting:
        try:
            found = allocate(costs, CANDIDATES, lost, target)
        except UsageError as error:
            assert error.diagnostic.code == "unreachable-target"
        else:
            assert found.cost <= target + 1e-9
        return
    found = allocate(costs, CANDIDATES, lost, target)
    assert found.cost <= target + 1e-9
    assert found.loss <= min(fitting)


def test_a_layer_keeps_below_its_largest_ratio() -> None:
    curves = {"a": Curve((0.0, 1.0), (10.0, 0.0)), "b": Curve((0.0, 1.0), (10.0, 0.0))}
    lost = {"a": [0.0, 0.0, 0.0, 0.0], "b": [0.0, 1.0, 2.0, 3.0]}
    found = allocate(Costs("us", curves, NOTHING, {"a": 1, "b": 1}), CANDIDATES, lost, 13.0, {"a": 0.5, "b": 0.75})
    assert found.ratios == {"a": 0.5, "b": 0.25}


def test_an_unreachable_target_says_both_numbers() -> None:
    chosen = prunable(layers())
    costs = mac_costs(chosen, [one for one in layers() if one.reason])
    with pytest.raises(UsageError) as caught:
        allocate(costs, CANDIDATES, {one.name: [0.0] * 4 for one in chosen}, 1000.0)
    said = str(caught.value)
    assert "1,000 MACs" in said
    assert f"{costs.total({}):,.6g}" in said
    assert f"{costs.total(dict.fromkeys(costs.layers, 0.75)):,.6g}" in said


def test_costs_in_blocks_and_multiplications() -> None:
    found = layers()
    chosen = prunable(found)
    assert [one.name for one in chosen] == ["2", "5"]
    assert block_costs(chosen).total({}) == pytest.approx(1.0)
    assert block_costs(chosen).total({"2": 0.5}) == pytest.approx(1.0 - 0.5 * 8 / 16)
    macs = mac_costs(chosen, [one for one in found if one.reason])
    assert macs.total({}) == 16 * 9 * 64 + 32 * 16 * 9 * 64 + 16 * 32 * 64 + 16 * 3
    assert macs.total({"5": 0.25}) == macs.total({}) - 0.25 * 16 * 32 * 64


def document(**changes: Any) -> dict[str, Any]:
    found = {
        "schema": "bscc-costs/1",
        "target": "aie2-4x4",
        "densities": [1.0, 0.5],
        "fixed_us": [3.0, 2.0],
        "layers": [
            {"name": "2", "prunable": True, "us": [8.0, 5.0]},
            {"name": "5", "prunable": True, "us": [4.0, 3.0]},
            {"name": "other", "prunable": True, "us": [1.5, 1.0]},
        ],
    }
    return {**found, **changes}


def written(folder: Path, found: object) -> Path:
    path = folder / "costs.json"
    path.write_text(json.dumps(found), encoding="utf-8")
    return path


def test_a_cost_file_gives_times(tmp_path: Path) -> None:
    costs = read_costs(written(tmp_path, document()), prunable(layers()))
    assert costs.total({}) == pytest.approx(8 + 4 + 3 + 1.5)  # a layer that is dense here costs what it does dense
    assert costs.total({"2": 0.5, "5": 0.5}) == pytest.approx(5 + 3 + 2 + 1.5)
    assert costs.total({"2": 0.25}) == pytest.approx(6.5 + 4 + (3 - 2 * 0.25 * 0.5) + 1.5)  # each has 8 blocks


@pytest.mark.parametrize(
    ("found", "kind", "words"),
    [
        (document(schema="bscc-costs/9"), UnreadableInput, "bscc-costs/9"),
        ([1], UnreadableInput, "schema"),
        (document(densities=[1.0, "x"]), UnreadableInput, "fall from 1"),
        (document(densities=5), UnreadableInput, "fall from 1"),
        (document(layers=3), UnreadableInput, "no list of objects"),
        (document(layers=[{"prunable": True}]), UsageError, "has no layer"),
        (document(fixed_us=[math.nan, 1.0]), UnreadableInput, "expected 2 numbers"),
        (document(densities=[0.5, 1.0]), UnreadableInput, "fall from 1"),
        (document(fixed_us=[1.0]), UnreadableInput, "expected 2 numbers"),
        (document(layers=[{"name": "2", "us": [1.0, 1.0]}]), UsageError, "no layer '5'"),
        (
            document(layers=[{"name": one, "prunable": True, "us": ["a", 1]} for one in ("2", "5")]),
            UnreadableInput,
            "2 numbers",
        ),
    ],
)
def test_other_files_are_refused(tmp_path: Path, found: object, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        read_costs(written(tmp_path, found), prunable(layers()))


def test_a_layer_that_the_compiler_left_dense_costs_the_same_at_each_ratio(tmp_path: Path) -> None:
    found = document()
    found["layers"][0].update(prunable=False, us=[8.0, 8.0])
    found["fixed_us"] = [11.0, 10.0]
    costs = read_costs(written(tmp_path, found), prunable(layers()))
    assert costs.total({}) == costs.total({"2": 0.5, "5": 0.0}) + 0.5 == pytest.approx(8 + 3 + 4 + 1.5)


def test_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput, match="No such file"):
        read_costs(tmp_path / "none.json", prunable(layers()))
    (tmp_path / "text").write_text("no json", encoding="utf-8")
    with pytest.raises(UnreadableInput, match="it is no JSON"):
        read_costs(tmp_path / "text", prunable(layers()))


def test_sensitivity_is_what_pruning_one_layer_loses() -> None:
    torch.set_num_threads(1)
    model = net()
    rng = np.random.default_rng(0)
    images = Arrays(rng.integers(0, 256, (96, 1, 8, 8), np.uint8), rng.integers(0, 3, 96), ("a", "b", "c"))
    normalise = Normalise((0.5,), (0.25,))
    before = {name: one.clone() for name, one in model.state_dict().items()}
    chosen = prunable(find(model, torch.zeros(1, 1, 8, 8)))
    found = losses(model, chosen, images, normalise, candidates=CANDIDATES, samples=96)
    assert all(torch.equal(one, before[name]) for name, one in model.state_dict().items())
    assert all(row[0] == 0.0 and row == sorted(row) for row in found.values())
    # the same by hand for the layer without a batch norm behind it: half of its blocks zeroed
    x, labels = normalise(torch.from_numpy(images.images)), torch.from_numpy(images.labels)
    torch.optim.swa_utils.update_bn([x], model)
    model.eval()
    with torch.no_grad():
        dense = float(nn.functional.cross_entropy(model(x), labels))
        layer = chosen[1]
        (kept,) = kept_blocks([as_scores(importance("l2", layer.view).scores(layer.weight))], Budget(0.25))
        layer.weight.mul_(layer.view.expand(torch.from_numpy(kept)))
        lost = float(nn.functional.cross_entropy(model(x), labels)) - dense
    assert found["5"][1] == pytest.approx(max(0.0, lost), abs=1e-5)


def test_sensitivity_by_a_measure_of_gradients_is_by_l2() -> None:
    """Before a training such a measure has seen nothing, and ranks nothing."""
    rng = np.random.default_rng(2)
    images = Arrays(rng.integers(0, 255, (16, 1, 8, 8), np.uint8), np.arange(16) % 3, tuple("abc"))
    found = [losses(net(), prunable(layers()), images, Normalise(), candidates=(0.0, 0.5), measure=one)
             for one in ("l2", "fisher", "random")]  # fmt: skip
    assert found[0] == found[1] != found[2]


def test_ratios_that_would_empty_a_row_are_out_of_reach() -> None:
    layer = prunable(layers())[1]  # 2 x 4 blocks: 4 must stay
    assert most_ratio(layer) == 0.5
    rng = np.random.default_rng(0)
    images = Arrays(rng.integers(0, 256, (16, 1, 8, 8), np.uint8), np.arange(16) % 3, ("a", "b", "c"))
    found = losses(net(), [layer], images, Normalise(), candidates=CANDIDATES)
    assert np.isfinite(found["5"][:3]).all()
    assert np.isinf(found["5"][3])
