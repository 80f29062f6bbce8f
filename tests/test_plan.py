"""Plan directories: written whole or not at all, read only if every byte is what the manifest says."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compiler.errors import UnreadableInput, UsageError
from compiler.plan import COSTS as COSTS_FILE
from compiler.plan import PROGRAM, SCHEMA, ArrayPlan, Plan, json_bytes, write_plan
from tests.plans import COSTS, STORAGE, edit_manifest, parts, small_plan, tensor


def files_below(place: Path) -> dict[str, bytes]:
    return {str(one.relative_to(place)): one.read_bytes() for one in place.rglob("*") if one.is_file()}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    files, manifest = parts()
    plan = ArrayPlan.of(Plan.load(small_plan(tmp_path / "plan")))
    assert dict(plan.files) == files
    assert plan.target.to_dict() | {"notes": None} == manifest["target"] | {"notes": None}
    assert plan.arguments == (64, 256, 256, 0)
    assert plan.inputs[0].name == "x"
    assert plan.inputs[0].storage.bytes == 3 * 1 * 7 * 8
    assert plan.costs == COSTS


def test_the_same_bytes_whatever_the_order(tmp_path: Path) -> None:
    files, manifest = parts()
    write_plan(tmp_path / "a", files, manifest)
    write_plan(tmp_path / "b", dict(reversed(files.items())), dict(reversed(manifest.items())))
    assert files_below(tmp_path / "a") == files_below(tmp_path / "b")


def test_a_plan_is_replaced_whole(tmp_path: Path) -> None:
    place = small_plan(tmp_path / "plan")
    files, manifest = parts()
    del files["ir/nn.mlir"]
    write_plan(place, files, manifest)
    names = ["control.bin", COSTS_FILE, PROGRAM, "layers.json", "manifest.json", "weights.bin"]
    assert sorted(files_below(place)) == names
    assert os.listdir(tmp_path) == ["plan"]


def test_an_empty_directory_is_used(tmp_path: Path) -> None:
    (tmp_path / "plan").mkdir()
    Plan.load(small_plan(tmp_path / "plan"))


def a_file(place: Path) -> None:
    place.write_text("mine")


def a_directory(place: Path) -> None:
    place.mkdir()
    (place / "mine.txt").write_text("mine")


def a_plan_and_more(place: Path) -> None:
    small_plan(place)
    (place / "mine.txt").write_text("mine")


def a_link(place: Path) -> None:
    place.symlink_to(small_plan(place.parent / "elsewhere"))


@pytest.mark.parametrize("make", [a_file, a_directory, a_plan_and_more, a_link])
def test_what_is_no_plan_is_not_replaced(make: Callable[[Path], None], tmp_path: Path) -> None:
    place = tmp_path / "plan"
    make(place)
    before = files_below(tmp_path)
    with pytest.raises(UsageError, match=r"error\[not-a-plan\]"):
        write_plan(place, *parts())
    assert files_below(tmp_path) == before


def test_no_parent_no_plan(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"error\[unwritable\]"):
        write_plan(tmp_path / "no" / "plan", *parts())


def test_a_failed_write_leaves_the_old_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = small_plan(tmp_path / "plan")
    before = files_below(place)
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(UsageError, match="No space left"):
        small_plan(place)
    assert files_below(place) == before
    assert os.listdir(tmp_path) == ["plan"]


def flip_a_bit(place: Path) -> None:
    data = bytearray((place / "control.bin").read_bytes())
    data[3] ^= 1
    (place / "control.bin").write_bytes(data)


def cut(place: Path) -> None:
    (place / "weights.bin").write_bytes((place / "weights.bin").read_bytes()[:-1])


def unlist(place: Path) -> None:
    files = json.loads((place / "manifest.json").read_text())["files"]
    edit_manifest(place, files={name: digest for name, digest in files.items() if name != "control.bin"})


def lead_out(place: Path) -> None:
    shutil.copy(place / "weights.bin", place.parent / "outside")
    files = json.loads((place / "manifest.json").read_text())["files"]
    edit_manifest(place, files=files | {"../outside": files["weights.bin"]})


def costing(**changes: int) -> Callable[[Path], None]:
    """Other costs, with the digest they have."""

    def write(place: Path) -> None:
        data = json_bytes(COSTS.to_dict() | changes)
        (place / COSTS_FILE).write_bytes(data)
        files = json.loads((place / "manifest.json").read_text())["files"]
        edit_manifest(place, files=files | {COSTS_FILE: hashlib.sha256(data).hexdigest()})

    return write


def edited(**entries: Any) -> Callable[[Path], None]:
    return lambda place: edit_manifest(place, **entries)


def storage(**changes: Any) -> Callable[[Path], None]:
    return edited(inputs=[tensor("x", storage=STORAGE | changes)])


def target(**changes: Any) -> Callable[[Path], None]:
    return edited(target=parts()[1]["target"] | changes)


DAMAGE: dict[str, tuple[str, Callable[[Path], object]]] = {
    "bit": ("plan-digest", flip_a_bit),
    "cut": ("plan-digest", cut),
    "file gone": ("plan-file", lambda place: (place / "ir/nn.mlir").unlink()),
    "manifest gone": ("plan-file", lambda place: (place / "manifest.json").unlink()),
    "all gone": ("plan-directory", shutil.rmtree),
    "not JSON": ("plan-json", lambda place: (place / "manifest.json").write_text("{")),
    "not text": ("plan-json", lambda place: (place / "manifest.json").write_bytes(b"\xff\xfe\x00")),
    "a list": ("plan-manifest", lambda place: (place / "manifest.json").write_text("[]")),
    "deep": ("plan-json", lambda place: (place / "manifest.json").write_text("[" * 100_000)),
    "newer schema": ("plan-schema", edited(schema=SCHEMA + 1)),
    "schema true": ("plan-manifest", edited(schema=True)),
    "unlisted": ("plan-file", unlist),
    "leads out": ("plan-path", lead_out),
    "files no object": ("plan-manifest", edited(files=[])),
    "digest no text": ("plan-manifest", edited(files={"a": 1})),
    "few arguments": ("plan-arguments", edited(arguments=[64, 256])),
    "negative argument": ("plan-arguments", edited(arguments=[64, 256, -1, 0])),
    "huge argument": ("plan-size", edited(arguments=[64, 256, 256, 1 << 50])),
    "other weights": ("plan-arguments", edited(arguments=[65, 256, 256, 0])),
    "input outside": ("plan-arguments", edited(inputs=[tensor("x", offset=200)])),
    "input before": ("plan-arguments", edited(inputs=[tensor("x", offset=-8)])),
    "no inputs": ("plan-manifest", edited(inputs=None)),
    "input no object": ("plan-manifest", edited(inputs=[1])),
    "layout": ("plan-tensor", edited(inputs=[tensor("x", layout="NCWH")])),
    "flat image": ("plan-tensor", edited(inputs=[tensor("x", layout="FLAT")])),
    "type": ("plan-tensor", edited(inputs=[tensor("x", host_type="uint8")])),
    "shape": ("plan-tensor", edited(inputs=[tensor("x", onnx_shape=[1, 3, 2, 4])])),
    "shape text": ("plan-tensor", edited(inputs=[tensor("x", onnx_shape=["N"])])),
    "scale": ("plan-tensor", edited(inputs=[tensor("x", scale=float("nan"))])),
    "no rows": ("plan-tensor", storage(rows=0)),
    "pad": ("plan-tensor", storage(pad=256)),
    "pad text": ("plan-manifest", storage(pad="7")),
    "cost unknown": ("plan-costs", costing(sine=1)),
    "cost below 0": ("plan-costs", costing(packet=-1)),
    "cost too much": ("plan-costs", costing(packet=1 << 16)),
    "target entry": ("target-entries", target(speed=1)),
    "target text": ("target-value", target(columns="4")),
    "target still": ("target-value", target(clock_mhz=0)),
    "target size": ("target-size", target(columns=9)),
    "target memory tiles": ("target-size", target(memory_tile={"bytes": 524288, "rows": 3})),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_refused(kind: str, tmp_path: Path) -> None:
    code, damage = DAMAGE[kind]
    place = small_plan(tmp_path / "plan")
    damage(place)
    with pytest.raises(UnreadableInput) as caught:
        Plan.load(place)
    assert caught.value.diagnostic.code == code
    assert str(tmp_path) in str(caught.value)
