"""ReLU without a phase of its own, and additions by narrow factors: which plans have them, and that they are right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from compiler.driver import Options, compile_model
from compiler.errors import Diagnostic, DoesNotFit, Reason
from compiler.kernels.programs.combine_narrow import READ_AHEAD
from compiler.kernels.programs.resident import Feature
from compiler.kernels.programs.scale import SCRATCH_AHEAD
from compiler.mapping import planner
from compiler.mapping.cores import core_layouts
from compiler.mapping.features import features_of
from compiler.mapping.planner import Planner
from compiler.reference import run
from compiler.target import Target
from passes.fold_quantization import FoldQuantization
from runtime_sim.instruction_core import InstructionCore
from runtime_sim.session import Session
from tests.cores import MEMORY_BYTES
from tests.model_cases import Draw
from tests.models import Case, feeds
from tests.netbuilder import Style, Tensor
from tests.netlayers import Layers
from tests.reference_tools import PASSES, imported, onnxruntime_outputs, run_passes, to_device, to_host
from tests.test_instruction_level import checked, same

SYMMETRIC = Style("int8", symmetric=True)
WAYS = {Feature.DIRECT, Feature.CLIPPED, Feature.COMBINE, Feature.COMBINE_NARROW}
TARGETS = ("aie2-2x2", "aie2-4x4", "aie2-8x8")


def residual(net: Layers, x: Tensor) -> Tensor:
    """ReLU behind a convolution, behind an addition in another's epilogue, and behind one by itself."""
    y = net.quant(net.relu(net.conv(x, 16, (1, 1))))
    y = net.quant(net.relu(net.add(net.quant(net.conv(y, 16, pads=(1, 1, 1, 1))), y)))
    return net.quant(net.relu(net.add(net.quant(net.relu(net.conv(y, 16, (1, 1)))), y)))


def wide(net: Layers, x: Tensor) -> Tensor:
    """The same behind sums that several calls make, and tensors of other scales joined."""
    y = net.quant(net.relu(net.conv(net.quant(net.conv(x, 600, (1, 1))), 16, (3, 3))))
    z = net.quant(net.relu(net.conv(y, 9, (1, 1))))
    return net.quant(net.concat(z, net.quant(net.max_pool(y, {"kernel_shape": (1, 1)}))))


def planned(case: Case, place: Path, *, pow2: bool = False) -> Planner:
    target = Target.load("aie2-2x2")
    module = run_passes(imported(case.build(pow2=pow2), place), *PASSES)
    return Planner(module, target, core_layouts(target)[0], 1 << 17, 1 << 16)


CASE = Case("residual", residual, (16, 9, 9), SYMMETRIC)


def ways(plan: Planner) -> set[Feature]:
    """How results are clamped and combined, whether sums take one call or several."""
    plan.choose()
    return set(features_of(plan.nodes) & WAYS)


@pytest.mark.parametrize("pow2", [False, True])
def test_a_bound_at_the_zero_point_needs_no_phase(pow2: bool, tmp_path: Path) -> None:
    plan = planned(CASE, tmp_path, pow2=pow2)
    assert ways(plan) == {Feature.CLIPPED, Feature.COMBINE_NARROW}
    layers = [node.layer for node in plan.nodes]
    assert [(one.kernel, one.clips, one.combines) for one in layers] == [
        ("conv", True, False),
        ("conv", False, True),
        ("conv", True, False),
        ("add", False, True),
    ]
    assert all(one.combine_narrow == one.combines for one in layers)


@pytest.mark.parametrize("style", [Style("uint8"), Style("int8")], ids=str)
def test_bounds_of_the_type_are_no_clamps(style: Style, tmp_path: Path) -> None:
    assert ways(planned(replace(CASE, style=style), tmp_path)) == {Feature.COMBINE_NARROW}


def test_beside_uint8_clamps_come_behind(tmp_path: Path) -> None:
    """The code that clips makes int8 only."""
    plan = planned(CASE, tmp_path)
    plan.nodes[2].layer = replace(plan.nodes[2].layer, y_signed=False, clips=False, out=(0, 0, 255))
    assert ways(plan) == {Feature.COMBINE_NARROW}
    first = plan.nodes[0].layer
    assert first.clamps and first.combine_narrow and not first.clips


@pytest.mark.parametrize(
    ("large", "left"),
    [
        ({Feature.COMBINE, Feature.COMBINE_NARROW}, {Feature.CLIPPED, Feature.COMBINE}),
        ({Feature.CLIPPED}, {Feature.COMBINE_NARROW}),
    ],
)
def test_what_has_no_room_is_done_by_other_code(
    large: set[Feature], left: set[Feature], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def small(features: frozenset[Feature]) -> None:
        if large <= features:
            raise DoesNotFit(Reason.of(Diagnostic("program-memory", "too large")))

    plan = planned(CASE, tmp_path)
    if Feature.COMBINE in large:
        plan.nodes[3].layer = replace(plan.nodes[3].layer, add=(1 << 20, 1 << 20, 20), combine_narrow=False)
    monkeypatch.setattr(planner, "resident", small)
    assert ways(plan) == left


def test_reads_ahead_stay_within_the_memory_of_a_core() -> None:
    for target in map(Target.load, TARGETS):
        for layout in core_layouts(target):
            ends = [start + layout.act_bytes for start in layout.act] + [
                start + layout.out_bytes for start in layout.out
            ]
            assert max(ends) + READ_AHEAD <= MEMORY_BYTES
            assert layout.acc + layout.acc_bytes + SCRATCH_AHEAD <= MEMORY_BYTES


@pytest.mark.parametrize("pow2", [False, True])
@pytest.mark.parametrize("draw", [residual, wide], ids=["residual", "wide"])
def test_networks_on_machine_code(draw: Draw, pow2: bool, tmp_path: Path) -> None:
    """Bytes of the reference at both levels of simulation; for powers of two they are onnxruntime's."""
    model = Case("clips", draw, (16, 9, 9), SYMMETRIC).build(pow2=pow2)
    module = run_passes(imported(model, tmp_path), FoldQuantization())
    plan, _ = compile_model(tmp_path / "model.onnx", tmp_path / "plan", Options(target="aie2-2x2", compare_dense=False))
    session, fed = Session(plan), feeds(model, 5)
    costs = session.plan.costs
    assert costs.combine_narrow_pair and costs.mac_call_narrow and not costs.combine_group
    fine = session.execute(fed, InstructionCore).outputs
    assert same(fine, session.execute(fed).outputs)
    results = to_host(module, run(module, to_device(module, fed)))
    assert same(fine, {name: result.array for name, result in results.items()})
    assert not pow2 or same(fine, onnxruntime_outputs(model, fed))
    assert checked(session, fed) > 0
