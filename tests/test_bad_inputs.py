"""Bad inputs end in one documented error: its class, its code, its words; never in another exception."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from compiler.errors import BsccError, UnsupportedModel, UsageError
from compiler.frontend import import_onnx
from tests.bad_cases import bad_cases
from tests.bad_formats import format_cases
from tests.bad_models import Bad, good_model

CASES = (*bad_cases(), *format_cases())


@pytest.mark.parametrize("bad", CASES, ids=lambda bad: bad.name)
def test_bad_input(bad: Bad, tmp_path: Path) -> None:
    path = bad.write(tmp_path)
    with pytest.raises(BsccError) as caught:
        import_onnx(path)
    text = str(caught.value)
    assert (caught.value.exit_code, caught.value.diagnostic.code) == (bad.exit_code, bad.error_code), text
    assert bad.says in text
    assert str(path) in text
    assert "Traceback" not in text and "\n\n" not in text


def test_enough_kinds() -> None:
    assert len({bad.name for bad in CASES}) == len(CASES) >= 20


def test_every_unsupported_node_is_listed(tmp_path: Path) -> None:
    bad = next(one for one in CASES if one.name == "float_layers")
    with pytest.raises(UnsupportedModel) as caught:
        import_onnx(bad.write(tmp_path))
    assert [one.place.name for one in caught.value.diagnostics] == ["first", "second"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("shapes", "outputs", "code"),
    [
        ({"inptu": (1, 3, 8, 8)}, (), "shape"),
        ({"input": (1, 3, 9, 8)}, (), "shape"),
        ({"input": (3, 8, 8)}, (), "shape"),
        ({}, ("nothing",), "output"),
    ],
)
def test_bad_options(shapes: dict[str, tuple[int, ...]], outputs: tuple[str, ...], code: str, tmp_path: Path) -> None:
    path = tmp_path / "good.onnx"
    path.write_bytes(good_model().SerializeToString())
    with pytest.raises(UsageError) as caught:
        import_onnx(path, shapes, outputs)
    assert caught.value.diagnostic.code == code


def test_damaged_bytes_never_crash(tmp_path: Path) -> None:
    """Any bytes give a module or one of our errors."""
    rng = np.random.default_rng(0)
    data = good_model().SerializeToString()
    path = tmp_path / "model.onnx"
    refused = 0
    for _ in range(400):
        damaged = bytearray(data)
        for place in rng.integers(0, len(data), int(rng.integers(1, 5))):
            damaged[place] = int(rng.integers(256))
        path.write_bytes(bytes(damaged))
        try:
            import_onnx(path)
        except BsccError as error:
            assert error.exit_code in (2, 3, 4)
            refused += 1
    assert refused > 100
