"""What moves numbers, piece by piece: ONNX's rules of resizing, phases of transposed convolutions, places of parts."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from compiler.errors import UnsupportedModel
from compiler.frontend.graph import Graph, Node
from compiler.frontend.reasons import Refusal
from compiler.frontend.resize import places, sources
from compiler.frontend.transposed import phase_of
from compiler.frontend.values import Build
from compiler.ir import FuncOp, Module, Rewriter
from compiler.mapping.patterns import Task
from compiler.mapping.places import Spread, clipped, part_storage, spread_tasks
from compiler.mapping.program import columns_of
from compiler.mapping.shapes import Storage
from tests.netbuilder import Style, Tensor, make_model, session
from tests.netmoves import Moves, integers
from tests.reference_tools import imported

COORDINATES = ("asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners")
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")


def of_resize(
    size: int, result: int, rule: str, rounding: str, mode: str = "nearest"
) -> tuple[Build, Node, onnx.ModelProto]:
    """A Resize of one row, as the front end and as onnxruntime have it."""
    attributes = {"mode": mode, "coordinate_transformation_mode": rule, "nearest_mode": rounding}
    node = Node("resize", "Resize", ("x", "", "", "sizes"), ("y",), attributes)
    graph = Graph([node], ["x"], ["y"], 19, {}, {})
    build = Build(graph, Module(), Rewriter.at_end(FuncOp.make("main", (), ()).body.block), {})
    proto = helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], **attributes)
    sizes = numpy_helper.from_array(integers(1, 1, 1, result), "sizes")
    info = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 1, 1, size))
    made = helper.make_graph([proto], "one", [info], [helper.make_empty_tensor_value_info("y")], [sizes])
    return build, node, make_model(made, 19)


@pytest.mark.parametrize(("rule", "rounding"), list(itertools.product(COORDINATES, ROUNDINGS)))
def test_nearest_pixels_are_those_of_onnxruntime(rule: str, rounding: str) -> None:
    for size, result in ((4, 8), (5, 15), (8, 4), (9, 3), (6, 7), (7, 1), (1, 4)):
        build, node, model = of_resize(size, result, rule, rounding)
        found = session(model).run(None, {"x": np.arange(size, dtype=np.float32).reshape(1, 1, 1, -1)})[0]
        index = sources(build, node, size, result, result / size)
        assert index.tolist() == found.reshape(-1).astype(int).tolist(), (size, result)


@pytest.mark.parametrize("rule", COORDINATES)
def test_means_of_copies_are_onnxruntimes_linear_pixels(rule: str) -> None:
    """Where the front end does not refuse them, which it does for no factor of 2 or 4 but of align_corners."""
    done = []
    for size, result in itertools.product((1, 2, 3, 4, 5, 7), (1, 2, 4, 5, 6, 8, 12, 16, 20, 28)):
        build, node, model = of_resize(size, result, rule, "floor", "linear")
        try:
            one = places(build, node, size, result, result / size)
        except Refusal:
            continue
        x = np.random.default_rng(size).integers(-128, 128, size).astype(np.float32)
        expected = session(model).run(None, {"x": x.reshape(1, 1, 1, -1)})[0].reshape(-1)
        first = (one.first + one.step * at for at in range(result))
        copies = np.repeat(x, one.copies)
        means = [copies[max(at, 0) : at + one.window].mean() for at in first]
        assert np.array_equal(means, expected), (size, result)
        done.append((size, result))
    assert {(1, 5), (2, 2), (3, 5), (5, 5)} <= {*done} if rule == "align_corners" else {(2, 4), (7, 28)} <= {*done}


@pytest.mark.parametrize(
    ("rule", "size", "result", "reason"),
    [
        ("half_pixel", 4, 6, "expected each at halves"),
        ("half_pixel", 4, 2, "a linear Resize may not shrink"),
        ("align_corners", 8, 16, "expected each at halves"),
        ("tf_crop_and_resize", 4, 8, "tf_crop_and_resize"),
    ],
)
def test_other_linear_resizes_are_refused(rule: str, size: int, result: int, reason: str) -> None:
    build, node, _ = of_resize(size, result, rule, "floor", "linear")
    with pytest.raises(Refusal, match=reason):
        places(build, node, size, result, result / size)


def test_upsample_repeats_pixels() -> None:
    """It is of opsets without QuantizeLinear, so no quantised model shows it."""
    build, _, _ = of_resize(3, 6, "half_pixel", "floor")
    node = Node("up", "Upsample", ("x", "scales"), ("y",), {})
    assert sources(build, node, 3, 6, 2.0).tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_phases_make_a_transposed_convolution(stride: int) -> None:
    """Along one axis, against the sum that ONNX says: y[s * i + k - p] += x[i] * w[k]."""
    rng = np.random.default_rng(stride)
    for size, kernel, before in itertools.product((1, 2, 5), (1, 2, 3, 4, 5, 7), (0, 1, 2, 4)):
        x, w = rng.integers(-9, 9, size), rng.integers(-9, 9, kernel)
        full = np.zeros(stride * (size - 1) + kernel + before + 3 * stride, np.int64)
        for i in range(size):
            full[stride * i : stride * i + kernel] += x[i] * w
        for count in (1, 2, size, size + 1):
            for number in range(stride):
                phase = phase_of(size, count, kernel, stride, before, number)
                taps = np.array([0 if one < 0 else w[one] for one in phase.taps])
                padded = np.pad(x, phase.pads)
                made = [int(taps @ padded[at : at + len(taps)]) for at in range(len(padded) - len(taps) + 1)]
                wanted = full[number + before :: stride][:count]
                assert made == [*wanted.tolist(), *[0] * (count - len(wanted))], (size, kernel, before, number, count)


@pytest.mark.parametrize("steps", [(2, 2), (1, 2), (3, 1), (2, 3)])
@pytest.mark.parametrize("frame", [(0, 0, 0, 0, 0), (1, 1, 1, 1, 2), (3, 2, 2, 3, 1), (0, 5, 0, 0, 3)])
def test_parts_fill_the_whole(steps: tuple[int, int], frame: tuple[int, ...]) -> None:
    """Every byte of the whole, its border and slack among it, is written once; pixels by those of the part there."""
    top, left, bottom, right, slack = frame
    down, across = steps
    whole = Storage(4 * down, 5 * across, 24, top, bottom, left, right, slack, 0, True)
    memory = np.full(whole.bytes // 4, -1, np.int64)
    for phase in itertools.product(range(down), range(across)):
        spread = Spread(steps, phase)
        part = part_storage(whole, (spread,), 16)
        share = columns_of((0, part.rows), (0, 2), 0, part.pitch)
        region = clipped(part, whole, share, spread)
        first = list(walk(spread_tasks(part, whole, region, 1, spread, 0)))
        assert len(first) == region.bytes // 4 and (memory[first] == -1).all()
        memory[first] = phase[0] * across + phase[1]
    shaped = memory.reshape(whole.rows, whole.blocks, whole.pitch, 2)
    assert (shaped[:, 0] == -1).all() and (shaped[:, 1:] >= 0).all()
    rows, pixels = np.arange(whole.rows) - top, np.arange(whole.pitch) - left
    numbers = rows[:, None] % down * across + pixels % across
    assert (shaped[:, 1:] == numbers[:, None, :, None]).all()


def walk(tasks: Sequence[Task]) -> Iterator[int]:
    """The word addresses that descriptors touch, in order."""
    for task in tasks:
        for turn in range(task.repeat):
            for spec in task.chain:
                step, wrap, current = spec.iteration or (0, 1, 0)
                base = spec.address + (turn + current) % wrap * step
                for number in range(spec.length):
                    address, left = base, number
                    for stride, count in itertools.zip_longest(spec.steps, spec.wraps):
                        address += (left if count is None else left % count) * stride
                        left = 0 if count is None else left // count
                    yield address


Draw = Callable[[Moves, Tensor], Tensor]


def nearest(net: Moves, x: Tensor, *sizes: int, **rules: str) -> Tensor:
    return net.same("Resize", x, None, None, integers(1, 16, *sizes), attributes={"mode": "nearest", **rules})


def padded(net: Moves, x: Tensor, value: float = 0.0, mode: str = "constant") -> Tensor:
    pads = integers(0, 0, 1, 1, 0, 0, 1, 1)
    return net.same("Pad", x, pads, np.array(value, np.float32), attributes={"mode": mode})


REFUSED: dict[str, tuple[Draw, str]] = {
    "cubic": (
        lambda n, x: n.same("Resize", x, None, None, integers(1, 16, 18, 14), attributes={"mode": "cubic"}),
        "its mode is cubic, expected nearest or linear",
    ),
    "linear_thirds": (
        lambda n, x: n.same("Resize", x, None, None, integers(1, 16, 27, 14), attributes={"mode": "linear"}),
        "its pixels are 27 made of 9, expected each at halves",
    ),
    "linear_corners": (
        lambda n, x: n.same(
            "Resize",
            x,
            None,
            None,
            integers(1, 16, 36, 28),
            attributes={"mode": "linear", "coordinate_transformation_mode": "asymmetric"},
        ),
        "its size of means is 1 to 16",
    ),
    "odd_size": (lambda n, x: nearest(n, x, 13, 14), "its rows are 13 made of 9"),
    "shifted": (lambda n, x: nearest(n, x, 18, 14, nearest_mode="floor"), "its rows are 18 made of 9"),
    "half_pixel_symmetric": (
        lambda n, x: nearest(n, x, 18, 14, coordinate_transformation_mode="half_pixel_symmetric"),
        "its coordinate_transformation_mode is half_pixel_symmetric",
    ),
    "channels_resized": (
        lambda n, x: n.same("Resize", x, None, None, integers(1, 32, 9, 7), attributes={"mode": "nearest"}),
        "its result shape is [1, 32, 9, 7], expected [1, 16, H, W]",
    ),
    "transposed_groups": (
        lambda n, x: n.quant(n.conv_transpose(x, 16, group=16, bias=False)),
        "its group is 16, expected 1",
    ),
    "transposed_dilations": (
        lambda n, x: n.quant(n.conv_transpose(x, 16, extra={"dilations": (2, 1)})),
        "its dilations are [2, 1]",
    ),
    "pad_edge": (lambda n, x: padded(n, x, mode="edge"), "its mode is edge, expected constant"),
    "pad_reflect": (lambda n, x: padded(n, x, mode="reflect"), "its mode is reflect"),
    "pad_with_one": (lambda n, x: padded(n, x, 1.0), "its pad value is 1, expected 0"),
    "rows_turned": (lambda n, x: n.slice(x, [-1], [-99], [2], [-1]), "its step along axis 2 is -1"),
    "gather_rows": (
        lambda n, x: n.same("Gather", x, integers(3, 1), attributes={"axis": 2}),
        "its axis is 2, expected 1, the channels",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_moved_is_refused_at_its_node(name: str, tmp_path: Path) -> None:
    draw, says = REFUSED[name]
    net = Moves(3, (16, 9, 7), Style(opset=19))
    model = net.finish(draw(net, net.x))
    moves = ("Resize", "ConvTranspose", "Pad", "Slice", "Gather")
    kind = next(node.op_type for node in model.graph.node if node.op_type in moves)
    with pytest.raises(UnsupportedModel) as error:
        imported(model, tmp_path)
    found = error.value.diagnostics
    assert len(found) == 1 and says in found[0].message
    assert f"({kind})" in str(found[0])
