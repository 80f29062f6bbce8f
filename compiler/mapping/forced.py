"""Mappings in a file: what a plan was given, in a form to read, change and force on another compilation."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from compiler.errors import Diagnostic, DoesNotFit, Limit, Reason, UnreadableInput, UsageError, nearest
from compiler.ir import Module
from compiler.mapping.cuts import finish_of, part_count
from compiler.mapping.features import FINISHES
from compiler.mapping.kept import Kept
from compiler.mapping.network import Node, Tensor
from compiler.mapping.program import shares_work
from compiler.mapping.search import Choice, Space, Weighed
from compiler.mapping.shapes import WAYS, CoreLayout, Mapping
from compiler.target import Target
from dialects import tile

SCHEMA = 1

LEVELS = ("mem", "ddr")

_SIZES = ("rows", "width", "out_blocks", "in_blocks", "window_rows", "passes")
_OWNER = re.compile(r"t[0-9]+")


@dataclass(frozen=True)
class Wanted:
    """The mapping that a layer is to get, and its passes; an `index` tells layers of one name apart."""

    name: str
    index: int | None
    mapping: Mapping
    passes: int


@dataclass(frozen=True)
class Forced:
    """What a file asks for: mappings of some layers or all, homes of some tensors or all, and the layout of cores."""

    place: str = ""
    layers: tuple[Wanted, ...] = ()
    homes: tuple[tuple[str, str], ...] = ()
    core: str = ""

    @classmethod
    def read(cls, path: str, target: Target) -> Forced:
        """Read a file; what is broken in it is an `UnreadableInput`, another target's name a `UsageError`."""
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:  # a number of very many digits is a plain ValueError
            why = error.strerror if isinstance(error, OSError) else error
            if isinstance(error, UnicodeDecodeError):
                why = f"it is not UTF-8 text, byte {error.start} is {error.object[error.start]:#04x}"
            raise UnreadableInput(Diagnostic("mapping-file", f"cannot be read: {why}", path)) from None
        entries = _entries(data, ("schema",), ("target", "core", "layers", "tensors"), "the file", path)
        if type(entries["schema"]) is not int or entries["schema"] != SCHEMA:
            raise _broken(f"schema is {entries['schema']!r}, this version reads {SCHEMA}", path)
        if entries.get("target", target.name) != target.name:
            text = f"the mappings are for {entries['target']!r}, this plan is for '{target.name}'"
            help = "without an entry 'target' they are tried all the same"
            raise UsageError(Diagnostic("mapping-target", text, path, help=help))
        layers, homes = entries.get("layers", []), entries.get("tensors", {})
        if not isinstance(layers, list) or not isinstance(homes, dict):
            raise _broken("'layers' must be a list and 'tensors' an object", path)
        for name, level in homes.items():
            _one_of(level, LEVELS, f"the home of '{name}'", path)
        core = _layout_text(entries["core"]) if "core" in entries else ""
        return cls(path, tuple(_wanted(one, path) for one in layers), tuple(homes.items()), core)

    def by_number(self, nodes: Sequence[Node]) -> dict[int, Wanted]:
        """What each layer is to get, by its number; a name that no layer has, or several, is a `UsageError`."""
        found: dict[int, Wanted] = {}
        for one in self.layers:
            alike = [node for node in nodes if node.title == one.name]
            if len(alike) > 1 and one.index is not None:
                alike = [node for node in alike if node.number == one.index]
            if len(alike) != 1:
                what = f"{len(alike)} layers are" if alike else "no layer is"
                help = "'index' tells them apart" if alike else nearest(one.name, (node.title for node in nodes))
                raise UsageError(Diagnostic("mapping-layer", f"{what} called '{one.name}'", self.place, help=help))
            if alike[0].number in found:
                raise UsageError(Diagnostic("mapping-layer", f"layer '{one.name}' is there twice", self.place))
            found[alike[0].number] = one
        return found

    def by_tensor(self, tensors: Sequence[Tensor]) -> dict[int, str]:
        """The home of each tensor that is named, by its number."""
        known = {one.owner: one.number for one in tensors}
        for name, _ in self.homes:
            if name not in known:
                text, help = f"no tensor is called '{name}'", nearest(name, known)
                raise UsageError(Diagnostic("mapping-tensor", text, self.place, help=help))
        return {known[name]: level for name, level in self.homes}

    def layouts(self, known: Sequence[CoreLayout]) -> Sequence[CoreLayout]:
        """The layouts of cores that may be tried."""
        texts = [_layout_text(asdict(one)) for one in known]
        if not self.core:
            return known
        if self.core not in texts:
            notes = tuple(f"a layout of this target: {one}" for one in texts)
            raise UsageError(Diagnostic("mapping-core", f"cores cannot be laid out as {self.core}", self.place, notes))
        return (known[texts.index(self.core)],)

    def choice(self, node: Node, wanted: Wanted, space: Space, kept: Kept, most_passes: int) -> Choice:
        """The mapping of a layer as if it had been found; one that cannot be is a `DoesNotFit` that says why."""
        reasons = out_of_range(node, wanted, most_passes)
        whole = part_count(node.layer, wanted.mapping) == 1
        finish = finish_of(node.layer, whole, space.facts.direct)
        # A factor does what a shift does, and does so where the program of other layers has no shift.
        if wanted.mapping.finish not in ("", finish, finish.replace("direct", "narrow")):
            reasons.append(f"its sums end by '{finish}', not by '{wanted.mapping.finish}'")
        shared = shares_work(node.layer, wanted.mapping.columns_by, wanted.mapping.rows_by, space.target)
        mapping = replace(wanted.mapping, finish=wanted.mapping.finish or finish, shared=shared)
        if not reasons:
            weighed = Weighed.of(space.trial(mapping), kept)
            reasons = weighed.excess(0, space.core)
            if not reasons:
                return weighed.choice(0)
        text = f"the mapping forced on this layer does not fit: {'; '.join(reasons)}"
        limit = Limit("mapping", "one that fits", "; ".join(reasons))
        raise DoesNotFit(Reason("mapping-fit", text, f"{self.place}: {node.title}", limit=limit))

    def check_homes(self, tensors: Sequence[Tensor]) -> None:
        """Refuse a plan in which a tensor lives elsewhere than it was to."""
        homes = self.by_tensor(tensors)
        for tensor in tensors:
            wanted = homes.get(tensor.number, tensor.level)
            if tensor.level != wanted:
                text = f"'{tensor.owner}' is to live in '{wanted}', but has to go to '{tensor.level}'"
                note = (
                    "it is an end of the model, or a layer that touches it divides by channels or needs rows from afar"
                )
                limit = Limit("home", f"'{tensor.level}'", f"'{wanted}'")
                raise DoesNotFit(Reason("mapping-home", text, self.place, notes=(note,), limit=limit))


def out_of_range(node: Node, wanted: Wanted, most_passes: int) -> list[str]:
    """Why sizes are none that this layer can be cut into."""
    layer, one = node.layer, wanted.mapping
    whole = one.out_blocks if not layer.is_conv else layer.in_blocks
    limits = (
        ("rows", one.rows, layer.out_height),
        ("width", one.width, layer.out_width),
        ("out_blocks", one.out_blocks, layer.out_blocks),
        ("in_blocks", one.in_blocks, whole),
        ("window_rows", one.window_rows, layer.window[0]),
        ("passes", wanted.passes, most_passes),
    )
    found = [f"{name} is {size:,}, at most {most:,} is possible" for name, size, most in limits if size > most]
    if one.width % 4 and one.width != layer.out_width:
        found.append(f"width is {one.width}, neither a multiple of 4 nor the {layer.out_width} pixels of a row")
    if not layer.is_conv and one.in_blocks < one.out_blocks:
        found.append(f"in_blocks is {one.in_blocks}, but this layer works on its {one.out_blocks} out_blocks alone")
    if not layer.sums and one.window_rows < layer.window[0]:
        found.append(f"window_rows is {one.window_rows}, but only sums can be cut by their {layer.window[0]} rows")
    return found


def mapping_json(module: Module, target: Target) -> dict[str, Any]:
    """What a module of `tile` ops was given, as `Forced.read` takes it."""
    runs = list(module.walk(tile.RunOp))
    passes: dict[int, int] = {}
    for run in runs:
        passes[run.layer_index] = passes.get(run.layer_index, 0) + 1
    first = {run.layer_index: run for run in reversed(runs)}
    homes = {one.owner: one.type.level for one in module.walk(tile.AllocOp) if _OWNER.fullmatch(one.owner)}
    layers = [
        {"index": index, "name": run.title, **asked(run.mapping), "passes": passes[index]}
        for index, run in sorted(first.items())
    ]
    core = {"core": asdict(runs[0].core)} if runs else {}
    return {"schema": SCHEMA, "target": target.name, **core, "layers": layers, "tensors": homes}


def asked(mapping: Mapping) -> dict[str, Any]:
    """What of a mapping can be asked for: whether work is shared follows from the rest."""
    found = asdict(mapping)
    del found["shared"]
    return found


def _wanted(data: Any, place: str) -> Wanted:
    entries = _entries(
        data, ("name", "columns_by", "rows_by", *_SIZES[:-1]), ("index", "finish", "passes"), "a layer", place
    )
    name = entries["name"]
    if not isinstance(name, str):
        raise _broken(f"the name of a layer is {name!r}, expected text", place)
    what = f"of layer '{name}'"
    sizes = {"passes": 1, **{key: entries[key] for key in _SIZES if key in entries}}
    for key, size in sizes.items():
        if type(size) is not int or size < 1:
            raise _broken(f"{key} {what} is {size!r}, expected a number from 1", place)
    index, finish = entries.get("index"), entries.get("finish", "")
    if index is not None and type(index) is not int:
        raise _broken(f"index {what} is {index!r}, expected a number", place)
    _one_of(finish, ("", *FINISHES), f"finish {what}", place)
    columns_by, rows_by = (_one_of(entries[key], WAYS, f"{key} {what}", place) for key in ("columns_by", "rows_by"))
    passes = sizes.pop("passes")
    return Wanted(name, index, Mapping(columns_by, rows_by, **sizes, finish=finish), passes)


def _layout_text(core: Any) -> str:
    """A layout of cores in the form in which two are compared."""
    return json.dumps(core, sort_keys=True)


def _entries(data: Any, needed: Sequence[str], other: Sequence[str], what: str, place: str) -> dict[str, Any]:
    """The object, if it has all that is needed and nothing unknown."""
    if not isinstance(data, dict):
        raise _broken(f"{what} is no JSON object", place)
    missing = [name for name in needed if name not in data]
    unknown = [name for name in data if name not in (*needed, *other)]
    if missing or unknown:
        raise _broken(
            f"{what} has no {', '.join(missing)}" if missing else f"{what} has unknown {', '.join(unknown)}", place
        )
    return data


def _one_of(value: Any, words: Sequence[str], what: str, place: str) -> str:
    if not isinstance(value, str) or value not in words:
        raise _broken(f"{what} is {value!r}, expected {' or '.join(repr(word) for word in words)}", place)
    return value


def _broken(text: str, place: str) -> UnreadableInput:
    return UnreadableInput(Diagnostic("mapping-file", text, place))


FREE = Forced()
"""Nothing is asked for."""
