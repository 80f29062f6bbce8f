"""Read an ONNX file; what is not one is named for what it is.

External data is read by `onnx.load` alone, which refuses to leave the directory of the model.
"""

from __future__ import annotations

import math
import stat
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from compiler.errors import Diagnostic, Limit, Reason, UnreadableInput, UnsupportedModel

MAX_BYTES = 2 << 30
_SNIFFS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "a git-LFS pointer and not the file itself: run 'git lfs pull'"),
    (b"PK\x03\x04", "a zip archive (a PyTorch checkpoint or a Keras model, perhaps)"),
    (b"\x1f\x8b", "gzip-compressed: unpack it first"),
    (b"\x89HDF", "an HDF5 file (Keras): convert it to ONNX"),
    (b"\x80\x02", "a Python pickle"),
    (b"<", "HTML or XML: a web page that was saved instead of the file, perhaps"),
    (b"{", "JSON"),
    (b"ir_version:", "ONNX in text form: only the binary form is read"),
    (b"<ir_version", "ONNX in text form: only the binary form is read"),
    (b"ORTM", "an ORT-format model: give the ONNX file"),
)


def unreadable(message: str, code: str = "unreadable", help: str = "") -> UnreadableInput:
    """An error about the file."""
    return UnreadableInput(Diagnostic(code, message, help=help))


def load_model(path: Path) -> onnx.ModelProto:
    """The model with all of its data."""
    check_file(path)
    try:
        model = onnx.load(path, format="protobuf", load_external_data=False)
    except DecodeError:
        raise unreadable(f"it is not an ONNX model: {_what(path)}", "not-onnx") from None
    except OSError as error:
        raise unreadable(f"cannot read the file: {error.strerror or error}") from None
    if not any(one.data_location == onnx.TensorProto.EXTERNAL for one in model.graph.initializer):
        return model
    total = sum(math.prod(max(size, 0) for size in one.dims) for one in model.graph.initializer)
    if total > MAX_BYTES:
        message = f"its tensors hold {total} numbers, at most {MAX_BYTES} bytes are read"
        limit = Limit("number of stored numbers", f"at most {MAX_BYTES}", str(total))
        raise UnsupportedModel(Reason("too-large", message, limit=limit))
    try:
        return onnx.load(path, format="protobuf")
    except (onnx.checker.ValidationError, ValueError, OSError, DecodeError) as error:
        raise unreadable(f"cannot read its external data: {first_line(error)}", "external-data") from None


def check_file(path: Path) -> None:
    """Look at the file before it is read."""
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise unreadable(f"cannot read the file: {reason}") from None
    if stat.S_ISDIR(found.st_mode):
        raise unreadable("it is a directory", help="give the .onnx file in it")
    if not stat.S_ISREG(found.st_mode):
        raise unreadable("it is not a regular file")
    if found.st_size == 0:
        raise unreadable("the file is empty", "not-onnx")
    if found.st_size > MAX_BYTES:
        message = f"the file has {found.st_size} bytes, at most {MAX_BYTES} are read"
        limit = Limit("number of bytes", f"at most {MAX_BYTES}", str(found.st_size))
        raise UnsupportedModel(Reason("too-large", message, limit=limit))


def _what(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(256)
    for start, what in _SNIFFS:
        if head.lstrip().startswith(start):
            return f"it is {what}"
    if head[4:8] == b"TFL3":
        return "it is a TensorFlow Lite model: convert it to ONNX"
    if not head.strip(b"\0"):
        return "it begins with zeros"
    return "it is truncated, damaged or of another format"


def first_line(error: Exception) -> str:
    """What a library says, without its stack."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
