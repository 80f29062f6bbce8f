"""`bscc-quantize`, and float models in `bscc`: files, reports, exit codes, and the same bytes from the same input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from PIL import Image

from compiler.cli.compile import main as bscc
from compiler.cli.quantize import main as bscc_quantize
from compiler.driver import Options, compile_model
from compiler.errors import BsccError
from compiler.images import Preprocess
from compiler.prepare import Preparation, prepare
from compiler.pruning import Prune
from runtime_sim.session import Session
from tests.bad_models import good_model
from tests.floatnets import DIGIT_IMAGES, DIGITS, ROOT, FloatNet, float_digits

NORMAL = ("--mean", "0.1307", "--std", "0.3081")


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """The digit CNN in float."""
    path = tmp_path / "digits.onnx"
    path.write_bytes(float_digits().SerializeToString())
    return path


@pytest.fixture
def arrays(tmp_path: Path) -> Path:
    """Its ten images with labels."""
    held = np.load(DIGIT_IMAGES / "digits.npz")
    path = tmp_path / "digits.npz"
    np.savez(path, image=held["x"], labels=held["labels"])
    return path


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Three convolutions in float, the second of 16 channels on both sides."""
    net = FloatNet((1, 3, 8, 8))
    path = tmp_path / "small.onnx"
    path.write_bytes(net.finish(net.conv(net.add("Relu", net.conv(net.conv(net.x, 16), 32)), 8)).SerializeToString())
    return path


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    path = tmp_path / "samples.npy"
    np.save(path, np.random.default_rng(0).standard_normal((5, 3, 8, 8), np.float32))
    return path


def report(capsys: pytest.CaptureFixture[str], *options: object) -> dict[str, dict[str, object]]:
    """What the command says as JSON."""
    assert bscc_quantize([*map(str, options), "--json"]) == 0
    found: dict[str, dict[str, object]] = json.loads(capsys.readouterr().out)
    return found


def predictions(model: Path, images: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> list[int]:
    runner = ort.InferenceSession(model.read_bytes(), providers=["CPUExecutionProvider"])
    return [int(runner.run(None, {"image": one[None]})[0].argmax()) for one in images]


@pytest.mark.parametrize(
    "options", [(), ("--power-of-two", "--activation", "int8"), ("--method", "entropy"), ("--per-tensor",)]
)
def test_a_trained_network_stays_right(
    digits: Path, arrays: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    out = tmp_path / "int8.onnx"
    found = report(capsys, digits, "--calibration", arrays, "-o", out, *options)
    assert found["accuracy"]["float"] == found["accuracy"]["int8"] == {"top1": 1.0, "top5": 1.0}
    assert found["accuracy"]["agree_top1"] == 1.0
    held = np.load(arrays)
    assert predictions(out, held["image"]) == held["labels"].tolist()
    assert found["quantisation"]["samples"] == 10


def test_images_give_what_arrays_give(digits: Path, arrays: Path, tmp_path: Path) -> None:
    """The PNG files, normalised by options, are the arrays."""
    from_images, from_arrays = tmp_path / "a.onnx", tmp_path / "b.onnx"
    assert bscc_quantize([str(digits), "--calibration", str(DIGIT_IMAGES), *NORMAL, "-o", str(from_images), "-q"]) == 0
    assert bscc_quantize([str(digits), "--calibration", str(arrays), "-o", str(from_arrays), "-q"]) == 0
    first, second = (onnx.load(path) for path in (from_images, from_arrays))
    scales = [
        {t.name: onnx.numpy_helper.to_array(t) for t in one.graph.initializer if t.name.endswith("_scale")}
        for one in (first, second)
    ]
    assert list(scales[0]) == list(scales[1])
    for name, scale in scales[0].items():
        np.testing.assert_allclose(scale, scales[1][name], rtol=1e-5)


def test_powers_of_two_are_bit_exact_on_the_array(digits: Path, arrays: Path, tmp_path: Path) -> None:
    out = tmp_path / "pow2.onnx"
    assert bscc_quantize([str(digits), "--calibration", str(arrays), "-o", str(out), "--power-of-two", "-q"]) == 0
    for one in onnx.load(out).graph.initializer:
        if one.name.endswith("_scale"):
            assert not (np.log2(onnx.numpy_helper.to_array(one)) % 1).any(), one.name
    plan, _ = compile_model(out, tmp_path / "plan", Options(target="aie2-2x2", compare_dense=False, verify_each=True))
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    other = ort.InferenceSession(str(out), options, ["CPUExecutionProvider"])
    for image in np.load(arrays)["image"][:3]:
        feeds = {"image": image[None]}
        np.testing.assert_array_equal(Session(plan).run(None, feeds)[0], other.run(None, feeds)[0])


def test_bscc_takes_a_float_model_with_calibration(digits: Path, arrays: Path, tmp_path: Path) -> None:
    asked = Options(target="aie2-2x2", compare_dense=False, preparation=Preparation(calibration=str(arrays)))
    plan, summary = compile_model(digits, tmp_path / "plan", asked)
    held = np.load(arrays)
    answers = [int(Session(plan).run(None, {"image": one[None]})[0].argmax()) for one in held["image"]]
    assert answers == held["labels"].tolist()
    manifest = json.loads((tmp_path / "plan" / "manifest.json").read_text())
    assert manifest["quantisation"] == json.loads(json.dumps(summary["quantisation"]))
    assert manifest["quantisation"]["data"] == "digits.npz: 10 samples"
    assert not manifest["quantisation"]["synthetic"]


def test_options_of_data_need_data(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--samples", "5"], ["--mean", "0.5"]):
        assert bscc([str(small), "-o", str(tmp_path / "plan"), *words]) == 2
        assert f"error[usage]: {words[0]} is given without --calibration\n" in capsys.readouterr().err
    assert not (tmp_path / "plan").exists()


def test_bscc_takes_a_float_model_without_samples_and_warns(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = tmp_path / "plan"
    command = [str(small), "-o", str(plan), "--target", "aie2-2x2"]
    assert bscc(command) == 0
    said = capsys.readouterr()
    assert "warning: the model is float and was quantised with synthetic samples" in said.err
    assert "quantised    uint8 activations, minmax over 4 samples (synthetic" in said.out
    first = {path.name: path.read_bytes() for path in sorted(plan.rglob("*")) if path.is_file()}
    assert bscc([*command, "-q"]) == 0
    assert not capsys.readouterr().err
    assert first == {path.name: path.read_bytes() for path in sorted(plan.rglob("*")) if path.is_file()}


def test_the_same_bytes_whatever_the_hash_seed(small: Path, samples: Path, tmp_path: Path) -> None:
    outputs = []
    for seed in ("1", "2"):
        out = tmp_path / f"{seed}.onnx"
        command = [
            sys.executable,
            "-m",
            "compiler.cli.quantize",
            str(small),
            "--calibration",
            str(samples),
            "-o",
            str(out),
            "-q",
        ]
        subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed})
        outputs.append(out.read_bytes())
    assert outputs[0] == outputs[1]


# What-if sparsity.


@pytest.mark.parametrize("form", ["float", "int8"])
def test_pruning_shows_what_is_gained(form: str, digits: Path, tmp_path: Path) -> None:
    model = digits if form == "float" else DIGITS
    asked = Options(target="aie2-2x2", preparation=Preparation(prune=Prune(0.5)))
    _, summary = compile_model(model, tmp_path / "plan", asked)
    found = summary["pruning"]
    assert found["zeroed"] * 2 == found["blocks"]
    assert summary["macs_kept"] < 0.8 * summary["macs"]
    assert summary["time_us"] < summary["dense_us"]
    assert json.loads((tmp_path / "plan" / "manifest.json").read_text())["pruning"]["ratio"] == 0.5


def test_pruning_options(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = ["-o", str(tmp_path / "plan"), "--target", "aie2-2x2", "--no-compare-dense", "--json"]
    blocks = {}
    for options in (
        ["--prune-block", "8x8"],
        ["--prune-scheme", "random"],
        ["--prune-scheme", "variance", "--prune-per-layer"],
    ):
        assert bscc([str(small), *plan, "--prune", "1/4", *options]) == 0
        blocks[tuple(options)] = json.loads(capsys.readouterr().out)["pruning"]
    assert [one["zeroed"] for one in blocks.values()] == [18, 2, 2]
    assert [one["scope"] for one in blocks.values()] == ["network", "network", "layer"]
    assert [one["scheme"] for one in blocks.values()] == ["l1", "random", "variance"]


def test_what_is_said_of_images_needs_images(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "plan"
    assert bscc([str(small), "-o", str(out), "--mean", "0.5"]) == 2
    assert "error[usage]: --mean is given without --calibration" in capsys.readouterr().err
    assert not out.exists()


def test_quantize_prunes_too(small: Path, samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = report(capsys, small, "--calibration", samples, "-o", tmp_path / "a.onnx", "--prune", "0.5")
    assert found["blocks"] == {"all": 18 + 72 + 36, "zero_before": 36, "zero_after": 36}
    assert found["pruning"]["zeroed"] == 4


def test_require_needs_a_zero_block(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [str(small), "-o", str(tmp_path / "plan"), "--target", "aie2-2x2", "-q", "--sparsity", "require"]
    assert bscc(command) == 4
    assert "error[no-zero-blocks]: zero blocks are required, and none of the 126 blocks" in capsys.readouterr().err
    assert bscc([*command, "--prune", "0.5"]) == 0


# Mistakes.


def test_quantised_models_are_left_alone(tmp_path: Path, samples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "int8.onnx"
    path.write_bytes(good_model().SerializeToString())
    for run, options in ((bscc, ["-o", str(tmp_path / "plan")]), (bscc_quantize, ["-o", str(tmp_path / "out.onnx")])):
        assert run([str(path), "--calibration", str(samples), *options]) == 2
        assert "error[quantised]: the model is quantised already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        ([], 2, "--calibration DATA says it"),
        (["--calibration", "absent.npz"], 3, "absent.npz: error[calibration]: cannot read it"),
        (["--calibration", "SAMPLES", "--method", "percentile=10"], 2, "percentile of 10"),
        (["--calibration", "SAMPLES", "--method", "minmax=3"], 2, "is not minmax, entropy or percentile"),
        (["--calibration", "SAMPLES", "--samples", "0"], 2, "no number above 0"),
        (["--calibration", "SAMPLES", "--evaluate-samples", "2"], 2, "--evaluate-samples is given without --evaluate"),
        (["--calibration", "SAMPLES", "--mean", "1,a"], 2, "'a' is no number"),
        (["--calibration", "SAMPLES", "--crop", "0x3"], 2, "not HEIGHTxWIDTH"),
        (["--calibration", "SAMPLES", "--bgr"], 2, "preprocessing is for folders of images"),
        (["--calibration", "SAMPLES", "--exclude", "conv9"], 2, "there is no node 'conv9'"),
        (["--calibration", "SAMPLES", "--prune", "1.5"], 2, "1.5 of the blocks cannot be zeroed"),
        (["--calibration", "SAMPLES", "--prune-per-layer"], 2, "--prune-per-layer is given without --prune"),
        (["--calibration", "SAMPLES", "--evaluate", "absent"], 3, "absent: error[calibration]"),
        (["--calibration", "SAMPLES", "--rgb", "--bgr"], 2, "not allowed with"),
    ],
)  # fmt: skip
def test_mistakes(
    options: list[str],
    code: int,
    says: str,
    small: Path,
    samples: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out.onnx"
    given = [str(samples) if one == "SAMPLES" else one for one in options]
    assert bscc_quantize([str(small), "-o", str(out), *given]) == code
    said = capsys.readouterr().err
    assert says in said and "Traceback" not in said
    assert not out.exists()


def test_damaged_models_never_crash(tmp_path: Path) -> None:
    """Any bytes are quantised or give one of our errors."""
    rng = np.random.default_rng(0)
    net = FloatNet((1, 3, 8, 8))
    gate = net.add("Sigmoid", net.conv(net.x, 16))
    data = net.finish(net.gemm(net.add("Mul", net.conv(gate, 16), gate), 16 * 64, 10)).SerializeToString()
    path, codes = tmp_path / "model.onnx", Counter[str]()
    for number in range(100):
        damaged = bytearray(data)
        for place in rng.integers(0, len(data), int(rng.integers(1, 5))):
            damaged[place] = int(rng.integers(256))
        if number % 4 == 0:
            damaged[damaged.find(b"Conv")] = int(rng.integers(256))  # an operator unknown, or no UTF-8
        path.write_bytes(bytes(damaged))
        try:
            prepare(path, {}, (), Preparation(prune=Prune(0.5)))
            codes["none"] += 1
        except BsccError as error:
            assert error.exit_code in (2, 3, 4)
            assert str(path) in str(error)
            codes[error.diagnostic.code] += 1
    assert len(codes) >= 4 and codes["none"] > 20, codes


def test_samples_to_compare_on_are_looked_for_before_the_calibration(
    small: Path, samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which may take long."""
    words = [str(small), "--calibration", str(samples), "-o", str(tmp_path / "a.onnx"), "-v"]
    assert bscc_quantize([*words, "--evaluate", str(tmp_path / "absent.npz")]) == 3
    said = capsys.readouterr().err
    assert "absent.npz: error[calibration]: cannot read it" in said and "bscc-quantize: calibrate" not in said


def test_the_model_is_not_overwritten(small: Path, samples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bscc_quantize([str(small), "--calibration", str(samples), "-o", str(small)]) == 2
    assert "is the model itself" in capsys.readouterr().err


def test_an_output_may_be_named_as_the_int8_model_names_it(small: Path, tmp_path: Path) -> None:
    places = [tmp_path / "a", tmp_path / "b"]
    for place, name in zip(places, ("relu2", "relu2_DequantizeLinear_Output"), strict=True):
        assert bscc([str(small), "-o", str(place), "--target", "aie2-2x2", "-q", "--output", name]) == 0
    assert (places[0] / "control.bin").read_bytes() == (places[1] / "control.bin").read_bytes()


def test_the_report_as_text(small: Path, samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [
        str(small),
        "--calibration",
        str(samples),
        "-o",
        str(tmp_path / "a.onnx"),
        "--samples",
        "3",
        "--prune",
        "0.5",
    ]
    assert bscc_quantize([*command, "--method", "percentile=99"]) == 0
    lines = capsys.readouterr().out.splitlines()
    words = Counter(line.split()[0] for line in lines)
    assert words == Counter(["calibration", "activations", "weights", "scales", "blocks", "pruned", "SQNR"])
    assert lines[0] == "calibration  3 samples of samples.npy: 5 samples"
    assert "uint8, ranges by percentile 99" in lines[1]


def test_preprocessing_is_in_the_manifest(small: Path, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    Image.new("RGB", (8, 8), (10, 20, 30)).save(folder / "a.png")
    how = Preparation(calibration=str(folder), preprocess=Preprocess(scale=2.0))
    _, summary = compile_model(
        small, tmp_path / "plan", Options(target="aie2-2x2", compare_dense=False, preparation=how)
    )
    assert summary["quantisation"]["preprocessing"]["scale"] == 2.0
