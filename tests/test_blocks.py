"""What convolutions multiply by: when a shift alone makes the result, and when a sum may leave 32 bits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from compiler.encoding.records import RECORD_BYTES, BlockRecords
from compiler.encoding.work import SCRATCH_OFFSET
from compiler.errors import Diagnostic, DoesNotFit, Reason, UnsupportedModel
from compiler.kernels.blocks import ACC_LIMIT, SUM_LIMIT, Blocks
from compiler.kernels.programs.resident import Feature
from compiler.kernels.sections import records_of, sections_of
from compiler.mapping import planner
from compiler.mapping.cores import core_layouts
from compiler.mapping.planner import Planner
from compiler.mapping.shapes import Layer
from compiler.pass_manager import Pass
from compiler.target import Target
from passes.fold_quantization import FoldQuantization, Requantize
from tests.models import Case
from tests.netbuilder import Style, Tensor
from tests.netlayers import Layers
from tests.reference_tools import PASSES, imported, run_passes

LAYER = Layer(
    kernel="conv", channels=8, out_height=4, out_width=4, out_channels=12, window=(1, 1), strides=(1, 1),
    pads=(0, 0, 0, 0), dilations=(1, 1), x_signed=True, y_signed=True, r_signed=True, x_zero=-3, r_zero=0,
    mid=(0, 0, 0), out=(-5, -128, 127), add=(0, 0, 0), operands=1, weight="w", params="w", scale=(), kept_blocks=2,
    counted_pads=(0, 0, 0, 0), exact=True,
)  # fmt: skip
WHOLE = (0, 2)


def passes(*, exact: bool) -> tuple[Pass, ...]:
    """From ONNX to `bsp`."""
    return (FoldQuantization(Requantize.EXACT), *PASSES[1:]) if exact else PASSES


def blocks(layer: Layer = LAYER, *, multiplier: int = 4, shift: int = 9, bias: int = 100) -> Blocks:
    """Two output blocks of ones, the second half empty; 4 channels of padding with factors of 0."""
    ones = np.ones((2, 8, 8), np.int8)
    ones[1, :, 4:] = 0
    index = np.array([[0, 0, 0, 0], [1, 0, 0, 0]], np.int32)
    tables = [np.zeros(16, np.int32) for _ in range(3)]
    for table, number in zip(tables, (bias, multiplier, shift), strict=True):
        table[:12] = number
    return Blocks.of(layer, ones, index, *tables)


def records(made: Blocks, layer: Layer = LAYER, *, finish: str) -> BlockRecords:
    return made.records(layer, WHOLE, np.array([5, 7]), finish)


def test_a_power_of_two_is_a_shift() -> None:
    made = blocks()
    assert made.direct(LAYER, WHOLE)
    found = records(made, finish="direct")
    assert found.shift.tolist() == [7, 7] and found.periods.tolist() == [5, 7]
    # The sum of 8 ones times -x_zero, and the zero point of the result.
    assert found.bias[0].tolist() == [100 + 24 - 5 * 128] * 8
    assert found.bias[1, 4:].tolist() == [-5 * 128] * 4


def test_other_sums_wait_in_the_scratch() -> None:
    made = blocks(multiplier=5)
    assert not made.direct(LAYER, WHOLE)
    found = records(made, finish="scale")
    assert found.bias[0].tolist() == [100 + 24 + SCRATCH_OFFSET] * 8
    assert found.shift.tolist() == [9, 9] and (found.multiplier == 5).all()


@pytest.mark.parametrize(
    ("layer", "numbers"),
    [
        (replace(LAYER, out=(-5, -5, 127)), {}),
        (replace(LAYER, y_signed=False), {}),
        (LAYER, {"multiplier": 1024, "shift": 9}),
        (LAYER, {"multiplier": 1, "shift": 32}),
        (LAYER, {"multiplier": 0, "shift": 0}),
        (replace(LAYER, out=(-128, -128, 127)), {"multiplier": 1, "shift": 25}),
    ],
    ids=["bounds", "type", "grows", "long", "nothing", "room"],
)
def test_what_a_shift_cannot_do(layer: Layer, numbers: dict[str, int]) -> None:
    assert not blocks(layer, **numbers).direct(layer, WHOLE)


FAST = replace(LAYER, exact=False)


def fast_blocks(layer: Layer = FAST, *, multiplier: int, shift: int, first: int) -> Blocks:
    """The same with narrow factors."""
    made = blocks(layer, multiplier=multiplier, shift=shift)
    return replace(made, first=np.full(2, first), net_shift=np.full(2, first if (multiplier, shift) == (1, 0) else -1))


def test_narrow_factors_need_no_offset() -> None:
    made = fast_blocks(multiplier=5, shift=9, first=3)
    assert not made.direct(FAST, WHOLE)
    for finish in ("narrow", "staged"):
        found = records(made, FAST, finish=finish)
        assert found.bias[0].tolist() == [100 + 24] * 8
        assert found.second_shift is not None
        assert found.shift.tolist() == [3, 3] and found.second_shift.tolist() == [9, 9]


def test_a_first_shift_alone_is_a_shift() -> None:
    made = fast_blocks(multiplier=1, shift=0, first=7)
    assert made.direct(FAST, WHOLE)
    found = records(made, FAST, finish="direct")
    assert found.shift.tolist() == [7, 7] and found.second_shift is None
    assert found.bias[0].tolist() == [100 + 24 - 5 * 128] * 8


def test_a_clamp_within_the_type_comes_behind() -> None:
    """Narrow results saturate as their type does; a combination with nothing clamps them further."""
    clamped = replace(FAST, out=(-5, -5, 127))
    assert clamped.clamps and clamped.combines and clamped.first_stage == (-5, -128, 127)
    assert fast_blocks(clamped, multiplier=1, shift=0, first=7).direct(clamped, WHOLE)
    assert not FAST.combines and not replace(clamped, exact=True).combines


def test_the_bound_holds_for_every_partial_sum() -> None:
    assert blocks().bound[0].tolist() == [128 * 8 + 124] * 8
    assert blocks(replace(LAYER, x_signed=False)).bound[1].tolist() == [255 * 8 + 124] * 4 + [0] * 4


@pytest.mark.parametrize(("room", "fits"), [(1, True), (0, False)])
@pytest.mark.parametrize("exact", [False, True])
def test_sums_that_may_leave_32_bits_are_refused(room: int, fits: bool, exact: bool, tmp_path: Path) -> None:
    case = Case("conv", lambda net, x: net.quant(net.conv(x, 8)), (8, 6, 6))
    module = run_passes(imported(case.build(pow2=True), tmp_path), *passes(exact=exact))
    limit = SUM_LIMIT if exact else ACC_LIMIT
    target = Target.load("aie2-2x2")
    plan = Planner(module, target, core_layouts(target)[0], 1 << 17, 1 << 16)
    layer = plan.nodes[0].layer
    column = module.store["layer0.blocks"][..., 0].astype(np.int64)
    most = np.abs(column).sum() * (128 if layer.x_signed else 255)
    bias = module.store["layer0.bias"].copy()
    bias[0] = limit - room - most + layer.x_zero * column.sum()
    del module.store["layer0.bias"]
    module.store["layer0.bias"] = bias
    if fits:
        plan.choose()
        return
    with pytest.raises(UnsupportedModel) as caught:
        plan.choose()
    assert caught.value.diagnostic.code == "accumulator"
    assert str(limit) in caught.value.diagnostic.message


@pytest.mark.parametrize(("exact", "without"), [(False, "narrow"), (True, "scale")])
def test_factors_do_what_shifts_have_no_room_for(
    exact: bool, without: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that can shift and do all else may be larger than program memory."""

    def small(features: frozenset[Feature]) -> None:
        if Feature.DIRECT in features:
            raise DoesNotFit(Reason.of(Diagnostic("program-memory", "too large")))

    case = Case("conv", lambda net, x: net.quant(net.conv(x, 8)), (8, 6, 6), Style(per_channel=False))
    target = Target.load("aie2-2x2")
    found = []
    for has_room in (True, False):
        module = run_passes(imported(case.build(pow2=True), tmp_path), *passes(exact=exact))
        plan = Planner(module, target, core_layouts(target)[0], 1 << 17, 1 << 16)
        if not has_room:
            monkeypatch.setattr(planner, "resident", small)
        plan.choose()
        assert plan.nodes[0].mapping is not None
        found.append(plan.nodes[0].mapping.finish)
    assert found == ["direct", without]


def test_one_narrow_layer_makes_all_narrow(tmp_path: Path) -> None:
    """The program that narrow factors need does shifts as well."""

    def draw(net: Layers, x: Tensor) -> Tensor:
        return net.quant(net.conv(net.quant(net.conv(x, 8)), 8))

    found = []
    target = Target.load("aie2-2x2")
    for factor in (1, 3):
        module = run_passes(imported(Case("two", draw, (8, 9, 9)).build(pow2=True), tmp_path), *PASSES)
        multiplier = module.store["layer1.multiplier"] * factor
        del module.store["layer1.multiplier"]
        module.store["layer1.multiplier"] = multiplier
        plan = Planner(module, target, core_layouts(target)[0], 1 << 17, 1 << 16)
        plan.choose()
        found.append([node.mapping.finish for node in plan.nodes if node.mapping is not None])
    assert found == [["direct", "direct"], ["narrow", "narrow"]]


@pytest.mark.parametrize(
    ("starts", "factored", "records"), [(True, True, 4), (True, False, 2), (False, True, 2), (False, False, 0)]
)
def test_a_packet_has_what_its_calls_read(starts: bool, factored: bool, records: int) -> None:
    """Of a tile summed up by several packets only the first has biases and only the last factors; all have a chain."""
    each = records_of("staged", starts=starts, ends=factored)
    found = sections_of(FAST, 1, 4, 14, 2, 9, 12, 0, each)
    assert (found.records, found.chain) == (records, 3)
    assert found.offsets["jumps"] == found.offsets["chain"] + 4 * 3
    made = fast_blocks(multiplier=5, shift=9, first=3).records(FAST, WHOLE, np.array([5, 7]), "staged")
    stored = made.encode(bias=starts, factors=factored, by_turns=False)
    assert stored.size == RECORD_BYTES * records == dict(found.sizes)["records"]
