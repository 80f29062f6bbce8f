"""Mappings in a file: what one plan was given another is given, what is no mapping is refused with both numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from compiler.driver import MAPPING, Compiled, Options, compile_in_memory
from compiler.driver.options import full_pipeline
from compiler.errors import BsccError, UsageError
from compiler.pipeline import DEFAULT_PIPELINE
from tests.model_cases import PAD1, Case
from tests.netbuilder import Tensor
from tests.netlayers import Layers

Change = Callable[[dict[str, Any]], object]


def net(layers: Layers, x: Tensor) -> Tensor:
    """A convolution beside which a sum is, a pool, and a dense layer whose channels columns divide."""
    y = layers.quant(layers.add(layers.quant(layers.conv(x, 24, pads=PAD1, sparsity=0.5)), x))
    y = layers.max_pool(y, {"kernel_shape": (2, 2), "strides": (2, 2)})
    return layers.quant(layers.gemm(layers.flatten(y), 40))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("forced") / "model.onnx"
    onnx.save(Case("forced", net, (24, 12, 12)).build(), path)
    return path


@pytest.fixture(scope="module")
def plan(model: Path) -> Compiled:
    return compiled(model)


def compiled(model: Path, mapping: str = "", target: str = "aie2-2x2") -> Compiled:
    return compile_in_memory(model, Options(target=target, compare_dense=False, mapping=mapping))


def found_in(plan: Compiled) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(plan.files[MAPPING])
    return data


def written(data: object, directory: Path) -> str:
    path = directory / "mapping.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return str(path)


def test_a_plan_made_again_from_its_mapping(model: Path, plan: Compiled, tmp_path: Path) -> None:
    data = found_in(plan)
    assert {one["columns_by"] for one in data["layers"]} == {"rows", "channels"}
    assert set(data["tensors"].values()) == {"mem", "ddr"}
    again = compiled(model, written(data, tmp_path))
    assert again.files == plan.files


def test_layers_that_are_not_named_are_chosen(model: Path, plan: Compiled, tmp_path: Path) -> None:
    """One layer is cut smaller; the others keep the mapping that was the best for them."""
    data = found_in(plan)
    own = {**data["layers"][0], "rows": 1, "out_blocks": 1}
    assert own != data["layers"][0]
    changed = compiled(model, written({"schema": 1, "layers": [own]}, tmp_path))
    after = found_in(changed)["layers"]
    assert after == [own, *data["layers"][1:]]
    assert changed.timing.us > plan.timing.us


def test_a_tensor_is_sent_away(model: Path, plan: Compiled, tmp_path: Path) -> None:
    homes = found_in(plan)["tensors"]
    name = next(one for one, level in homes.items() if level == "mem")
    changed = compiled(model, written({"schema": 1, "tensors": {name: "ddr"}}, tmp_path))
    assert found_in(changed)["tensors"][name] == "ddr"


def set_layer(**sizes: object) -> Change:
    return lambda data: data["layers"][0].update(sizes)


REFUSED: dict[str, tuple[Change, int, str, str]] = {
    "schema": (lambda data: data.update(schema=2), 3, "mapping-file", "schema is 2, this version reads 1"),
    "schema of another type": (lambda data: data.update(schema=True), 3, "mapping-file", "schema is True, this"),
    "no schema": (lambda data: data.pop("schema"), 3, "mapping-file", "has no schema"),
    "unknown entry": (lambda data: data.update(layer=[]), 3, "mapping-file", "unknown layer"),
    "layers": (lambda data: data.update(layers={}), 3, "mapping-file", "'layers' must be a list"),
    "no object": (lambda data: data.update(layers=[1]), 3, "mapping-file", "a layer is no JSON object"),
    "no rows": (lambda data: data["layers"][0].pop("rows"), 3, "mapping-file", "has no rows"),
    "text": (set_layer(rows="4"), 3, "mapping-file", "rows of layer"),
    "zero": (set_layer(width=0), 3, "mapping-file", "is 0, expected a number from 1"),
    "way": (set_layer(rows_by="pixels"), 3, "mapping-file", "'pixels', expected 'rows' or 'channels'"),
    "finish": (set_layer(finish="fast"), 3, "mapping-file", "'fast', expected"),
    "home": (lambda data: data["tensors"].update(t1="core"), 3, "mapping-file", "'core', expected 'mem' or 'ddr'"),
    "target": (lambda data: data.update(target="npu1"), 2, "mapping-target", "'npu1', this plan is for 'aie2-2x2'"),
    "name": (set_layer(name="conv_99"), 2, "mapping-layer", "no layer is called 'conv_99'"),
    "twice": (lambda data: data["layers"].append(data["layers"][0]), 2, "mapping-layer", "is there twice"),
    "tensor": (lambda data: data["tensors"].update(t99="mem"), 2, "mapping-tensor", "no tensor is called 't99'"),
    "core": (lambda data: data["core"].update(act_bytes=64), 2, "mapping-core", "cores cannot be laid out"),
    "rows": (set_layer(rows=13), 5, "mapping-fit", "rows is 13, at most 12 is possible"),
    "width": (set_layer(width=6), 5, "mapping-fit", "width is 6, neither a multiple of 4 nor the 12 pixels"),
    "blocks": (set_layer(in_blocks=4), 5, "mapping-fit", "in_blocks is 4, at most 3 is possible"),
    "passes": (set_layer(passes=7), 5, "mapping-fit", "passes is 7, at most 6 is possible"),
    "end": (set_layer(finish="mean"), 5, "mapping-fit", "not by 'mean'"),
    "port": (lambda data: data["tensors"].update(t0="mem"), 5, "mapping-home", "'t0' is to live in 'mem'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_mapping(name: str, model: Path, plan: Compiled, tmp_path: Path) -> None:
    change, exit_code, code, says = REFUSED[name]
    data = found_in(plan)
    change(data)
    with pytest.raises(BsccError) as caught:
        compiled(model, written(data, tmp_path))
    text = str(caught.value)
    assert (caught.value.exit_code, caught.value.diagnostic.code) == (exit_code, code), text
    assert says in text and "mapping.json" in text


@pytest.mark.parametrize("text", ["", "[", "[]", "\x00", '{"schema": 1e400}', "9" * 5000, "[" * 100_000])
def test_what_is_no_file_of_mappings(text: str, model: Path, tmp_path: Path) -> None:
    with pytest.raises(BsccError) as caught:
        compiled(model, written(text, tmp_path))
    assert (caught.value.exit_code, caught.value.diagnostic.code) == (3, "mapping-file")


def test_bytes_that_are_no_text(model: Path, tmp_path: Path) -> None:
    (tmp_path / "own.json").write_bytes(b'{"schema": "\xff"}')
    with pytest.raises(BsccError, match=r"error\[mapping-file\].*it is not UTF-8 text, byte 12 is 0xff"):
        compiled(model, str(tmp_path / "own.json"))


def test_a_file_that_is_not_there(model: Path, tmp_path: Path) -> None:
    with pytest.raises(BsccError, match="No such file") as caught:
        compiled(model, str(tmp_path / "absent.json"))
    assert caught.value.exit_code == 3


WRONG = {"best": Options(search="best"), "some": Options(sparsity="some"), "mine": Options(cost_model="mine")}


@pytest.mark.parametrize("word", WRONG)
def test_words_of_options_that_there_are_not(word: str, model: Path) -> None:
    """The library says what the command line says."""
    with pytest.raises(UsageError, match=f"'{word}'"):
        compile_in_memory(model, WRONG[word])


def test_options_go_before_the_pipeline() -> None:
    """As the help says; what an option leaves open is as the pipeline has it."""
    said = {"fold-quantization": "requantize=fast", "block-compaction": "mode=off", "choose-tiles": "search=full"}
    pipeline = ",".join(f"{name}{{{said[name]}}}" if name in said else name for name in DEFAULT_PIPELINE.split(","))
    found = full_pipeline(Options(pipeline=pipeline, requantize="exact", sparsity="require")).text(every=True)
    assert "requantize=exact" in found and "mode=require" in found and "search=full" in found
    assert "search=fast" in full_pipeline(Options(pipeline=pipeline, search="fast")).text(every=True)


@pytest.mark.parametrize("count", [0, -3])
def test_no_candidates(count: int, model: Path) -> None:
    pipeline = DEFAULT_PIPELINE.replace("choose-tiles", f"choose-tiles{{candidates={count}}}")
    with pytest.raises(UsageError, match=f"candidates is {count}, expected at least 1"):
        compile_in_memory(model, Options(target="aie2-2x2", compare_dense=False, pipeline=pipeline))


def test_a_tile_too_large_for_a_core(tmp_path: Path) -> None:
    """Which limit it is, and both numbers."""
    path = tmp_path / "model.onnx"
    onnx.save(Case("large", lambda n, x: n.quant(n.conv(x, 64, pads=PAD1)), (64, 32, 32)).build(), path)
    sizes = {"rows": 16, "width": 32, "out_blocks": 8, "in_blocks": 8, "window_rows": 3}
    layer = {**found_in(compiled(path))["layers"][0], "columns_by": "rows", "rows_by": "rows", **sizes}
    del layer["finish"]
    with pytest.raises(BsccError) as caught:
        compiled(path, written({"schema": 1, "layers": [layer]}, tmp_path))
    assert caught.value.diagnostic.code == "mapping-fit"
    text = str(caught.value)
    assert "activation tile 46,080 > 8,192 bytes" in text and "result tile" in text and "work packet" in text
