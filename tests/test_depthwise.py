"""Layers in strips: the same bytes through the whole simulator, ranges as the projection says, and never a loss."""

from __future__ import annotations

from pathlib import Path

import pytest

from compiler.driver import Options, compile_model
from compiler.pipeline import DEFAULT_PIPELINE
from compiler.reference import run
from runtime_sim.session import Session
from tests.model_cases import PAD1, bottleneck, inception, residual
from tests.models import Case, feeds, random_qdq_model
from tests.netbuilder import Tensor
from tests.netlayers import Layers
from tests.reference_tools import PASSES, imported, run_passes, to_device, to_host


def pyramid(net: Layers, x: Tensor) -> Tensor:
    """Windows, strides, pads that differ above and below, a dilation, pools with and without padding."""
    y = net.quant(net.relu(net.conv(x, 16, (5, 5), strides=(2, 2), pads=(2, 1, 1, 2))))
    y = net.max_pool(y, {"kernel_shape": (3, 3), "strides": (2, 2), "pads": PAD1})
    y = net.quant(net.conv(y, 8, (3, 3), pads=(2, 2, 2, 2), dilations=(2, 2)))
    mean = net.average_pool(y, {"kernel_shape": (3, 3), "pads": PAD1, "count_include_pad": 0})
    mean = net.average_pool(net.quant(mean), {"kernel_shape": (3, 3), "pads": PAD1, "count_include_pad": 1})
    return net.quant(net.conv(net.quant(mean), 12, (3, 1), pads=(0, 0, 1, 0)))


def two_ends(net: Layers, x: Tensor) -> Tensor:
    """A residual whose branches need unlike rows, and a concatenation behind it."""
    y = residual(net, bottleneck(net, x), relu=True)
    return inception(net, y)


CASES = (
    Case("strip_pyramid", pyramid, (8, 37, 21)),
    Case("strip_ends", two_ends, (16, 30, 12)),
    Case("strip_bottleneck", bottleneck, (16, 18, 18)),
    Case("strip_inception", inception, (16, 13, 11)),
)


def pipeline(strips: int) -> str:
    return DEFAULT_PIPELINE.replace("depthwise-tiling", f"depthwise-tiling{{strips={strips}}}")


def agrees(model: object, target: str, strips: int, seed: int, directory: Path) -> None:
    """The simulator gives every byte of the reference, and the reference the same after each pass."""
    import onnx

    assert isinstance(model, onnx.ModelProto)
    module = run_passes(imported(model, directory), PASSES[0])
    options = Options(target, pipeline(strips), verify_each=True, compare_dense=False)
    plan, _ = compile_model(directory / "model.onnx", directory / "plan", options)
    fed = feeds(model, seed)
    simulated = Session(plan).execute(fed).outputs
    for name, result in to_host(module, run(module, to_device(module, fed))).items():
        assert simulated[name].dtype == result.array.dtype
        assert simulated[name].tobytes() == result.array.tobytes(), name


@pytest.mark.parametrize("target", ["aie2-2x2", "aie2-3x3", "aie2-4x4", "aie2-6x6"])
@pytest.mark.parametrize("strips", [2, 3])
@pytest.mark.parametrize("case", CASES, ids=lambda one: one.name)
def test_named_models(case: Case, strips: int, target: str, tmp_path: Path) -> None:
    agrees(case.build(), target, strips, 5, tmp_path)


@pytest.mark.parametrize("seed", range(24))
def test_random_models(seed: int, tmp_path: Path) -> None:
    agrees(
        random_qdq_model(seed, pow2=seed % 3 == 0), f"aie2-{2 + seed % 4}x{2 + seed % 4}", 2 + seed % 2, seed, tmp_path
    )
