"""Operators that move numbers, from ONNX bytes to the simulator's outputs: the same as onnxruntime, byte for byte."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from compiler.cli.simulate import main as bscc_sim
from compiler.driver import Options, compile_model
from compiler.errors import UsageError
from compiler.pipeline import DEFAULT_PIPELINE
from runtime_sim.session import Session
from tests.models import feeds
from tests.move_cases import (
    CASES,
    CHANNELS,
    NETWORKS,
    PADS,
    RESIZES,
    SQUARES,
    TRANSPOSED,
    Case,
    conv,
)
from tests.netbuilder import Attributes, Style
from tests.netmoves import Moves, integers
from tests.reference_tools import onnxruntime_outputs
from tests.test_end_to_end import outputs_of, same

TARGETS = ("aie2-2x2", "aie2-3x3", "npu1", "aie2-2x2", "ve2802-2x4")


def simulate(
    model: onnx.ModelProto, target: str, directory: Path, layers: int | None = None, pipeline: str = DEFAULT_PIPELINE
) -> None:
    """Compile with a check of all values after each pass, run, and compare with onnxruntime."""
    path = directory / "model.onnx"
    path.write_bytes(model.SerializeToString())
    options = Options(target=target, pipeline=pipeline, compare_dense=False, verify_each=True)
    plan, _ = compile_model(path, directory / "plan", options)
    if layers is not None:
        assert len(json.loads((directory / "plan" / "layers.json").read_text())) == layers
    fed = feeds(model, 7)
    simulated = Session(plan).execute(fed).outputs
    for name, array in onnxruntime_outputs(model, fed).items():
        same(simulated[name], array, name)


@pytest.mark.parametrize(
    ("case", "target"),
    [pytest.param(one, TARGETS[number % len(TARGETS)], id=one.name) for number, one in enumerate(CASES)],
)
def test_moves(case: Case, target: str, tmp_path: Path) -> None:
    simulate(case.build(), target, tmp_path, case.layers)


def random_moves(seed: int) -> onnx.ModelProto:
    """A chain of some operators that move numbers, with a convolution between them now and then."""
    rng = np.random.default_rng(seed)
    shape = (int(rng.choice([3, 8, 12, 16, 24])), int(rng.integers(3, 12)), int(rng.integers(3, 12)))
    net = Moves(seed, shape, Style(dtype=str(rng.choice(["int8", "uint8"])), pow2=True))
    x = kept = net.x
    for _ in range(int(rng.integers(3, 7))):
        _, channels, height, width = x.shape
        kinds = ["conv", "slice", "split", "pad", "gather", "save"]
        kinds += ["up", "transposed"] if height * width < 150 else []
        kinds += ["squares"] if channels % 4 == 0 and height * width < 150 else []
        kinds += ["down"] if height % 2 == width % 2 == 0 else []
        kinds += ["join"] if kept.shape[2:] == x.shape[2:] and channels < 64 else []
        kind = str(rng.choice(kinds))
        if kind == "conv":
            x = conv(net, x, int(rng.choice([5, 8, 16, 32])), int(rng.choice([1, 3])))
        elif kind == "slice":
            start = [int(rng.integers(0, one)) for one in (channels, height, width)]
            x = net.slice(x, start, [99] * 3, [1, 2, 3], [1, *rng.integers(1, 3, 2).tolist()])
        elif kind == "split":
            first = int(rng.integers(0, channels // 8 + 1)) * 8 or channels // 2
            x = net.split(x, first, channels - first)[int(rng.integers(0, 2))] if 0 < first < channels else x
        elif kind == "pad":
            x = net.same("Pad", x, integers(0, *rng.integers(0, 3, 3).tolist(), 0, *rng.integers(0, 3, 3).tolist()))
        elif kind == "gather":
            index = integers(*rng.integers(0, channels, int(rng.integers(1, 20))).tolist())
            x = net.same("Gather", x, index, attributes={"axis": 1})
        elif kind == "up":
            x = net.upsample(x, *rng.integers(1, 4, 2).tolist())
        elif kind == "transposed":
            sides, pads = rng.integers(1, 5, 2).tolist(), rng.integers(0, 2, 4).tolist()
            out, strides = int(rng.choice([4, 8, 16])), rng.integers(2, 4, 2).tolist()
            x = net.quant(net.conv_transpose(x, out, tuple(sides), strides=tuple(strides), pads=tuple(pads)))
        elif kind == "squares":
            attributes: Attributes = {"blocksize": 2, "mode": str(rng.choice(["DCR", "CRD"]))}
            x = net.same("DepthToSpace", x, attributes=attributes)
        elif kind == "down":
            x = net.same("SpaceToDepth", x, attributes={"blocksize": 2})
        elif kind == "join":
            x = net.quant(net.concat(x, kept), like=x if rng.random() < 0.5 else None)
        kept = x if kind == "save" else kept
    return net.finish(x if x.int_name != "" and x is not net.x else conv(net, x))


@pytest.mark.parametrize("seed", range(16))
def test_random_moves(seed: int, tmp_path: Path) -> None:
    simulate(random_moves(seed), TARGETS[seed % len(TARGETS)], tmp_path)


ORDINARY = (*TRANSPOSED[1:3], *CHANNELS[:3], CHANNELS[-1], SQUARES[2], PADS[2], *NETWORKS)


@pytest.mark.parametrize("case", [pytest.param(one, id=one.name) for one in ORDINARY])
def test_moves_of_ordinary_scales(case: Case, tmp_path: Path) -> None:
    """The bytes of the reference; onnxruntime's numbers but for some steps."""
    model = replace(case, style=Style(dtype="int8")).build()
    outputs = outputs_of(model, "aie2-2x2", 5, tmp_path)
    outputs.check_bytes()
    outputs.check_onnxruntime(exact=False)


CROPPED = tuple(one for one in CHANNELS if one.name in ("slice_crop", "slice_strided"))


@pytest.mark.parametrize("case", [pytest.param(one, id=one.name) for one in (*NETWORKS, *CROPPED, CHANNELS[-1])])
def test_moves_beside_groups(case: Case, tmp_path: Path) -> None:
    """Layers in strips before and behind what is interleaved, or viewed, which itself is in no group."""
    pipeline = DEFAULT_PIPELINE.replace("depthwise-tiling", "depthwise-tiling{strips=2}")
    simulate(case.build(), "aie2-2x2", tmp_path, pipeline=pipeline)


@pytest.mark.slow
def test_moves_at_instruction_level(tmp_path: Path) -> None:
    """A core that executes its program gives the same bytes in the same cycles."""
    for number, one in enumerate((CROPPED[0], NETWORKS[0])):
        directory = tmp_path / str(number)
        directory.mkdir()
        simulate(one.build(), "aie2-2x2", directory)
        np.savez(directory / "x.npz", **feeds(one.build(), 7))  # type: ignore[arg-type]
        words = [str(directory / "plan"), "--input", str(directory / "x.npz"), "--instructions", "all", "-q"]
        assert bscc_sim(words) == 0


def test_a_plan_with_parts_can_be_forced(tmp_path: Path) -> None:
    """The mappings and homes of a plan give the same plan again."""
    path = tmp_path / "model.onnx"
    path.write_bytes(NETWORKS[1].build().SerializeToString())
    plans = []
    for name, mapping in (("free", ""), ("forced", str(tmp_path / "free" / "mapping.json"))):
        compile_model(path, tmp_path / name, Options("aie2-2x2", compare_dense=False, mapping=mapping))
        plans.append((tmp_path / name / "control.bin").read_bytes())
    assert plans[0] == plans[1]


def test_the_papers_estimate_knows_no_interleaving(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(RESIZES[0].build().SerializeToString())
    with pytest.raises(UsageError, match="several layers write in turn"):
        compile_model(path, tmp_path / "plan", Options("aie2-2x2", compare_dense=False, cost_model="paper"))
