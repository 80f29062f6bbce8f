"""The host's packing of arrays, byte by byte, and the calls of a session."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from compiler.errors import UsageError
from compiler.plan import PlanTensor
from runtime_sim.host import pack, unpack
from runtime_sim.session import Session
from tests.plans import STORAGE, small_plan, tensor

SHAPES = {"NCHW": [1, 11, 2, 3], "NHWC": [1, 2, 3, 11]}


def layout(name: str, **changes: Any) -> PlanTensor:
    held = STORAGE | {"channels": 11}
    entry = tensor("x", layout=name, onnx_shape=SHAPES[name], host_type="int8", storage=held) | changes
    return PlanTensor.from_dict(entry, "test")


@pytest.mark.parametrize("name", SHAPES)
def test_every_byte_has_its_place(name: str) -> None:
    one = layout(name)
    array = np.arange(-33, 33, dtype=np.int8).reshape(one.onnx_shape)
    stored = pack(one, array).reshape(3, 2, 7, 8)
    for row, block, column, lane in np.ndindex(stored.shape):
        h, w, c = row - 1, column - 1, 8 * block + lane
        expected = 7
        if 0 <= h < 2 and 0 <= w < 3 and c < 11:
            expected = int(array[0, c, h, w] if name == "NCHW" else array[0, h, w, c]) & 0xFF
        assert stored[row, block, column, lane] == expected


@pytest.mark.parametrize("name", SHAPES)
def test_unpack_is_the_way_back(name: str) -> None:
    one = layout(name)
    array = np.arange(-33, 33, dtype=np.int8).reshape(one.onnx_shape)
    np.testing.assert_array_equal(unpack(one, pack(one, array)), array, strict=True)


def test_flat() -> None:
    held = {"rows": 1, "width": 1, "channels": 10, **dict.fromkeys(("top", "bottom", "left", "right", "slack"), 0)}
    held["pad"] = -1
    entry = tensor("y", layout="FLAT", onnx_shape=[1, 10], host_type="uint8", type="uint8", storage=held)
    one = PlanTensor.from_dict(entry, "test")
    array = np.arange(200, 210, dtype=np.uint8).reshape(1, 10)
    stored = pack(one, array)
    assert stored.tolist() == [*range(200, 210), *[255] * 6]
    np.testing.assert_array_equal(unpack(one, stored), array, strict=True)


@pytest.mark.parametrize(("kind", "zero"), [("int8", -5), ("uint8", 130)])
def test_floats_as_onnxruntime_quantizes_them(kind: str, zero: int) -> None:
    scale = 0.0371
    rng = np.random.default_rng(0)
    values = (rng.standard_normal(SHAPES["NCHW"]) * 4).astype(np.float32)
    values.flat[:3] = [1e30, -1e30, np.float32(scale) * np.float32(2.5)]
    numbers = [
        onnx.helper.make_tensor("s", onnx.TensorProto.FLOAT, [], [scale]),
        onnx.numpy_helper.from_array(np.array(zero, kind), "z"),
    ]
    make = onnx.helper.make_tensor_value_info
    code = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    nodes = [
        onnx.helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        onnx.helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    ends = make("q", code, values.shape), make("y", onnx.TensorProto.FLOAT, values.shape)
    start = make("x", onnx.TensorProto.FLOAT, values.shape)
    graph = onnx.helper.make_graph(nodes, "g", [start], list(ends), numbers)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    quantized, back = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": values})
    one = layout("NCHW", host_type="float32", type=kind, scale=scale, zero=zero)
    stored = pack(one, values)
    raw = layout("NCHW", host_type=kind, type=kind)
    np.testing.assert_array_equal(unpack(raw, stored), quantized, strict=True)
    np.testing.assert_array_equal(unpack(one, stored), back, strict=True)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(small_plan(tmp_path / "plan"))


def test_a_session_describes_itself(session: Session) -> None:
    (given,), (wanted,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape, given.type) == ("x", [1, 3, 2, 3], "tensor(float)")
    assert wanted.name == "y"


IMAGE = np.zeros((1, 3, 2, 3), np.float32)


def test_a_session_runs(session: Session) -> None:
    (y,) = session.run(None, {"x": IMAGE})
    assert y.shape == (1, 3, 2, 3)
    assert y.dtype == np.float32
    assert len(session.run([], {"x": IMAGE})) == 1  # as onnxruntime has it: no names are all names


@pytest.mark.parametrize(
    ("code", "names", "feeds"),
    [
        ("unknown-output", ["z"], {"x": IMAGE}),
        ("unknown-input", None, {"xx": IMAGE}),
        ("unknown-input", None, {"x": IMAGE, "w": IMAGE}),
        ("input-missing", None, {}),
        ("input-shape", None, {"x": IMAGE[0]}),
        ("input-type", None, {"x": IMAGE.astype(np.float64)}),
    ],
)
def test_wrong_feeds(session: Session, code: str, names: list[str] | None, feeds: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        session.run(names, feeds)
    assert caught.value.diagnostic.code == code
