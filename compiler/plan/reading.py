"""Reading a plan directory: nothing is used before its digest is checked."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Self

from compiler.encoding.costs import KernelCosts
from compiler.plan.names import (
    ARGUMENT_LIMIT_BYTES,
    CONSTANTS,
    COSTS,
    INPUTS,
    MANIFEST,
    MANIFEST_LIMIT_BYTES,
    OUTPUTS,
    REQUIRED,
    SCHEMA,
    SCRATCH,
    WEIGHTS,
    Json,
    damaged,
    entry,
)
from compiler.plan.tensors import PlanTensor
from compiler.target import Target


@dataclass(frozen=True)
class Plan:
    """A whole plan whose files are what its manifest says."""

    path: Path
    manifest: Json
    target: Target
    arguments: tuple[int, ...]
    inputs: tuple[PlanTensor, ...]
    outputs: tuple[PlanTensor, ...]
    costs: KernelCosts
    files: Mapping[str, bytes]
    batch: int = 1  # images that the model takes, 0 for any number; the plan computes one

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a plan directory; one that is damaged or of another schema is an `UnreadableInput`."""
        root = Path(path)
        place = str(root / MANIFEST)
        manifest = manifest_of(root)
        files = {name: verified(root, name, digest) for name, digest in sorted(digests_of(manifest, place))}
        for name in REQUIRED:
            if name not in files:
                raise damaged("plan-file", f"the plan has no {name}", place)
        tensors = {
            key: tuple(PlanTensor.from_dict(one, f"{place}: {key}") for one in entry(manifest, key, list, place))
            for key in ("inputs", "outputs")
        }
        arguments = _arguments(manifest, tensors, len(files[WEIGHTS]), place)
        target = Target.from_dict(entry(manifest, "target", dict, place), f"{place}: target")
        costs = KernelCosts.from_dict(parsed(files[COSTS], str(root / COSTS)), str(root / COSTS))
        return cls(
            root,
            manifest,
            target,
            arguments,
            tensors["inputs"],
            tensors["outputs"],
            costs,
            files,
            _batch(manifest, place),
        )

    def json(self, name: str) -> Any:
        """The content of a JSON file of the plan."""
        return parsed(self.files[name], str(self.path / name))


def _batch(manifest: Json, place: str) -> int:
    """The manifest's `batch`; a plan without it is of one image."""
    if "batch" not in manifest:
        return 1
    batch = int(entry(manifest, "batch", int, place))
    if batch < 0:
        raise damaged("plan-batch", f"batch is {batch}, expected the number of images, 0 for any", place)
    return batch


def manifest_of(root: Path) -> Json:
    """The manifest of a plan directory, if its schema is known; nothing else is checked."""
    file = root / MANIFEST
    if not root.is_dir():
        text = "not a directory" if root.exists() else "no such directory"
        raise damaged("plan-directory", text, str(root))
    data = parsed(read(file, MANIFEST_LIMIT_BYTES), str(file))
    schema = data.get("schema") if isinstance(data, dict) else None
    if type(schema) is not int:
        raise damaged("plan-manifest", "not the manifest of a plan: it has no schema number", str(file))
    if schema != SCHEMA:
        raise damaged("plan-schema", f"schema is {schema}, this version reads {SCHEMA}", str(file))
    return dict(data)


def parsed(data: bytes, place: str) -> Any:
    """JSON as data."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise damaged("plan-json", f"not JSON: {error}", place) from None


def read(file: Path, limit: int = ARGUMENT_LIMIT_BYTES) -> bytes:
    """A file of at most so many bytes."""
    try:
        if not file.is_file():
            raise damaged("plan-file", "the file is missing", str(file))
        if file.stat().st_size > limit:
            raise damaged("plan-size", f"the file has {file.stat().st_size} bytes, at most {limit}", str(file))
        return file.read_bytes()
    except OSError as error:
        raise damaged("plan-file", f"cannot be read: {error.strerror}", str(file)) from error


def digests_of(manifest: Json, place: str) -> list[tuple[str, str]]:
    """Names and digests of the files; a name that leads out of the plan is refused."""
    files = entry(manifest, "files", dict, place)
    for name, digest in files.items():
        if not inside(name) or name == MANIFEST:
            raise damaged("plan-path", f"{name!r} is no name for a file of a plan", place)
        if not isinstance(digest, str):
            raise damaged("plan-manifest", f"the digest of {name} is no text", place)
    return list(files.items())


def inside(name: str) -> bool:
    """Whether a file name stays in its plan."""
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith("/") and ".." not in parts and "\0" not in name


def verified(root: Path, name: str, digest: str) -> bytes:
    """A file that has the digest."""
    data = read(root / name)
    actual = hashlib.sha256(data).hexdigest()
    if actual != digest:
        text = f"the file is damaged: sha256 is {actual}, the manifest says {digest}"
        raise damaged("plan-digest", text, str(root / name))
    return data


def _arguments(
    manifest: Json, tensors: Mapping[str, tuple[PlanTensor, ...]], constants: int, place: str
) -> tuple[int, ...]:
    """Bytes of each DDR argument; constants fill theirs, inputs and outputs fit in theirs."""
    sizes = entry(manifest, "arguments", list, place)
    if len(sizes) != SCRATCH + 1 or not all(type(size) is int and size >= 0 for size in sizes):
        raise damaged("plan-arguments", f"arguments are {sizes}, expected {SCRATCH + 1} sizes in bytes", place)
    if sum(sizes) > ARGUMENT_LIMIT_BYTES:
        text = f"the arguments have {sum(sizes)} bytes, at most {ARGUMENT_LIMIT_BYTES}"
        raise damaged("plan-size", text, place)
    if sizes[CONSTANTS] != constants:
        text = f"{WEIGHTS} has {constants} bytes, argument {CONSTANTS} has {sizes[CONSTANTS]}"
        raise damaged("plan-arguments", text, place)
    for key, argument in (("inputs", INPUTS), ("outputs", OUTPUTS)):
        for tensor in tensors[key]:
            end = tensor.offset + tensor.storage.bytes
            if tensor.offset < 0 or end > sizes[argument]:
                text = f"'{tensor.name}' lies in bytes {tensor.offset}..{end - 1} of {sizes[argument]}"
                raise damaged("plan-arguments", f"{key}: {text}", place)
    return tuple(sizes)
