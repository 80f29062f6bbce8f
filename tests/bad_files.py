"""Files that are no model: of other bytes, absent, too large, or without the data that they name."""

from __future__ import annotations

import gzip
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import onnx
from onnx import TensorProto

from tests.bad_models import Bad, changed, good_model, stored


def of_bytes(name: str, error_code: str, data: Callable[[bytes], bytes], says: str = "") -> Bad:
    """A file of other bytes than those of the good model."""

    def write(directory: Path) -> Path:
        path = directory / "model.onnx"
        path.write_bytes(data(good_model().SerializeToString()))
        return path

    return Bad(name, 3, error_code, write, says)


def missing(directory: Path) -> Path:
    return directory / "absent.onnx"


def a_directory(directory: Path) -> Path:
    return directory


def zipped(directory: Path) -> Path:
    path = directory / "model.onnx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", b"x")
    return path


def huge(directory: Path) -> Path:
    """A sparse file of 3 GB."""
    path = directory / "model.onnx"
    with path.open("wb") as file:
        os.truncate(file.fileno(), 3 << 30)
    return path


def outside(directory: Path) -> Path:
    """External data in the parent directory of the model's."""
    inner = directory / "inner"
    inner.mkdir()
    model = good_model()
    weight = next(one for one in model.graph.initializer if one.name.startswith("weight"))
    (directory / "secret.bin").write_bytes(weight.raw_data)
    external(weight, "../secret.bin", len(weight.raw_data))
    path = inner / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def lfs(data: bytes) -> bytes:
    return b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n"


def external(tensor: TensorProto, location: str, length: int) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(length))):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value


def external_absent(model: onnx.ModelProto) -> None:
    tensor = stored(model, "weight")
    external(tensor, "absent.bin", len(tensor.raw_data))


def file_cases() -> tuple[Bad, ...]:
    """What is wrong with the file."""
    return (
        Bad("missing_file", 3, "unreadable", missing, "No such file"),
        Bad("directory", 3, "unreadable", a_directory, "directory"),
        of_bytes("empty_file", "not-onnx", lambda data: b"", "empty"),
        of_bytes("truncated", "not-onnx", lambda data: data[: len(data) // 2], "truncated"),
        of_bytes("one_byte_short", "not-onnx", lambda data: data[:-1], "truncated"),
        of_bytes("lfs_pointer", "not-onnx", lfs, "git-LFS"),
        of_bytes("html_page", "not-onnx", lambda data: b"<!DOCTYPE html><html></html>", "HTML"),
        of_bytes("gzip", "not-onnx", lambda data: gzip.compress(data), "gzip"),
        of_bytes("zeros", "not-onnx", lambda data: bytes(100), "zeros"),
        of_bytes("text_form", "not-onnx", lambda data: b"ir_version: 8\n", "text form"),
        of_bytes("two_models", "defined-twice", lambda data: data + data),
        Bad("zip", 3, "not-onnx", zipped, "zip"),
        Bad("three_gigabytes", 4, "too-large", huge, str(3 << 30)),
        Bad("external_outside", 3, "external-data", outside),
        changed("external_absent", 3, "external-data", external_absent),
    )
