"""Reading a plan directory: nothing is used before its digest is checked."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Self

from compiler.encoding.costs import KernelCosts
from compiler.errors import Diagnostic, UsageError
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
from compiler.plan.tensors import PlanTensor, Port
from compiler.target import Target


@dataclass(frozen=True)
class Plan:
    """A whole plan whose files are what its manifest says: of one part for the array, or of several by turns."""

    path: Path
    manifest: Json
    target: Target
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    unused: tuple[Port, ...]
    files: Mapping[str, bytes]
    batch: int  # images that the model takes, 0 for any number; the plan computes one

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Plan:
        """Read a plan directory; one that is damaged or of another schema is an `UnreadableInput`."""
        root = Path(path)
        place = str(root / MANIFEST)
        manifest = manifest_of(root)
        files = {name: verified(root, name, digest) for name, digest in sorted(digests_of(manifest, place))}
        kind = PartedPlan if "parts" in manifest else ArrayPlan
        return kind.build(root, manifest, files)

    def json(self, name: str) -> Any:
        """The content of a JSON file of the plan."""
        return parsed(self.files[name], str(self.path / name))


@dataclass(frozen=True)
class ArrayPlan(Plan):
    """A plan that runs wholly on the array."""

    inputs: tuple[PlanTensor, ...]
    outputs: tuple[PlanTensor, ...]
    arguments: tuple[int, ...]
    costs: KernelCosts

    @staticmethod
    def of(plan: Plan) -> ArrayPlan:
        """A plan that has no parts, or an error."""
        if not isinstance(plan, ArrayPlan):
            text = "the plan has parts for the host, which the array cannot run"
            raise UsageError(Diagnostic("plan-parts", text, str(plan.path), help="bscc.Session runs any plan"))
        return plan

    @classmethod
    def build(cls, root: Path, manifest: Json, files: Mapping[str, bytes]) -> Self:
        """Make sense of a manifest and of files whose digests are right."""
        place = str(root / MANIFEST)
        for name in REQUIRED:
            if name not in files:
                raise damaged("plan-file", f"the plan has no {name}", place)
        tensors = {
            key: tuple(PlanTensor.from_dict(one, f"{place}: {key}") for one in entry(manifest, key, list, place))
            for key in ("inputs", "outputs")
        }
        return cls(
            path=root,
            manifest=manifest,
            target=Target.from_dict(entry(manifest, "target", dict, place), f"{place}: target"),
            arguments=_arguments(manifest, tensors, len(files[WEIGHTS]), place),
            unused=_ports(manifest, "unused", place) if "unused" in manifest else (),
            costs=KernelCosts.from_dict(parsed(files[COSTS], str(root / COSTS)), str(root / COSTS)),
            files=files,
            batch=_batch(manifest, place),
            **tensors,
        )


@dataclass(frozen=True)
class HostPart:
    """What onnxruntime runs: a model, and the tensors that it reads and writes."""

    path: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    model: bytes


@dataclass(frozen=True)
class ArrayPart:
    """What the array runs: a plan of its own."""

    path: str
    plan: ArrayPlan

    @property
    def inputs(self) -> tuple[Port, ...]:
        return self.plan.inputs

    @property
    def outputs(self) -> tuple[Port, ...]:
        return self.plan.outputs


@dataclass(frozen=True)
class PartedPlan(Plan):
    """A plan of parts that run one after another, on the array and on the host by turns."""

    parts: tuple[ArrayPart | HostPart, ...]

    @classmethod
    def build(cls, root: Path, manifest: Json, files: Mapping[str, bytes]) -> Self:
        """Make sense of a manifest and of files whose digests are right."""
        place = str(root / MANIFEST)
        target = Target.from_dict(entry(manifest, "target", dict, place), f"{place}: target")
        parts = tuple(_part(root, one, files, place) for one in entry(manifest, "parts", list, place))
        ports = {key: _ports(manifest, key, place) for key in ("inputs", "outputs")}
        unused = _ports(manifest, "unused", place) if "unused" in manifest else ()
        for one in parts:
            if isinstance(one, ArrayPart) and one.plan.target != target:
                raise damaged("plan-parts", f"part {one.path} is for another target than the plan", place)
        _check_flow(ports["inputs"], parts, ports["outputs"], place)
        batch = _batch(manifest, place)
        return cls(root, manifest, target, ports["inputs"], ports["outputs"], unused, files, batch, parts)


def _ports(data: Any, key: str, place: str) -> tuple[Port, ...]:
    return tuple(Port.of(one, f"{place}: {key}") for one in entry(data, key, list, place))


def _part(root: Path, data: Any, files: Mapping[str, bytes], place: str) -> ArrayPart | HostPart:
    """One entry of `parts`; what it says of its tensors must be what its own files say."""
    kind, path = entry(data, "kind", str, place), entry(data, "path", str, place)
    inputs, outputs = _ports(data, "inputs", place), _ports(data, "outputs", place)
    if kind == "host":
        if path not in files:
            raise damaged("plan-file", f"the plan has no {path}", place)
        return HostPart(path, inputs, outputs, files[path])
    if kind != "array":
        raise damaged("plan-parts", f"part {path} is of the kind {kind!r}, known: array, host", place)
    inner = f"{path}/{MANIFEST}"
    if inner not in files:
        raise damaged("plan-file", f"the plan has no {inner}", place)
    manifest = _known_schema(parsed(files[inner], str(root / inner)), str(root / inner))
    own = {}
    for name, digest in digests_of(manifest, str(root / inner)):
        data_ = files.get(f"{path}/{name}")
        if data_ is None or hashlib.sha256(data_).hexdigest() != digest:
            raise damaged(
                "plan-digest", f"{path}/{name} is not the file that the part was made with", str(root / inner)
            )
        own[name] = data_
    plan = ArrayPlan.build(root / path, manifest, own)
    for key, ours, theirs in (("inputs", inputs, plan.inputs), ("outputs", outputs, plan.outputs)):
        if sorted(map(_seen, ours)) != sorted(map(_seen, theirs)):
            raise damaged("plan-parts", f"the {key} of part {path} are not those of its own manifest", place)
    return ArrayPart(path, plan)


def _seen(port: Port) -> str:
    return repr((port.name, port.onnx_shape, port.host_type))


def _check_flow(
    inputs: Sequence[Port], parts: Sequence[ArrayPart | HostPart], outputs: Sequence[Port], place: str
) -> None:
    """Each tensor is made once, before it is read, and everywhere of the same shape and type."""
    if not parts:
        raise damaged("plan-parts", "the plan has no parts", place)
    known = {one.name: _seen(one) for one in inputs}
    for part in parts:
        for one in part.inputs:
            _check_known(known, one, f"part {part.path} reads", place)
        for one in part.outputs:
            if one.name in known:
                raise damaged("plan-parts", f"part {part.path} makes '{one.name}', which is there already", place)
            known[one.name] = _seen(one)
    for one in outputs:
        _check_known(known, one, "the model gives", place)


def _check_known(known: Mapping[str, str], port: Port, what: str, place: str) -> None:
    if port.name not in known:
        raise damaged("plan-parts", f"{what} '{port.name}', which no part before it makes", place)
    if known[port.name] != _seen(port):
        raise damaged("plan-parts", f"{what} {_seen(port)}, made as {known[port.name]}", place)


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
    return _known_schema(parsed(read(file, MANIFEST_LIMIT_BYTES), str(file)), str(file))


def _known_schema(data: Any, place: str) -> Json:
    schema = data.get("schema") if isinstance(data, dict) else None
    if type(schema) is not int:
        raise damaged("plan-manifest", "not the manifest of a plan: it has no schema number", place)
    if schema != SCHEMA:
        raise damaged("plan-schema", f"schema is {schema}, this version reads {SCHEMA}", place)
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
