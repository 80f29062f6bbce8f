"""What layers cost at each ratio of zero blocks: in blocks, in multiplications, or in time on an array.

Times come from a file that `bscc model.onnx --costs costs.json` writes, so that training needs no compiler; layers are
matched by name, which is the module path in an ONNX file that `training.export` wrote.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from compiler.errors import Diagnostic, UnreadableInput, UsageError, nearest
from training.layers import Layer

SCHEMA = "bscc-costs/1"


@dataclass(frozen=True)
class Curve:
    """A layer's cost at ratios of zero blocks, ascending from 0; between them it is a straight line."""

    ratios: tuple[float, ...]
    costs: tuple[float, ...]

    def at(self, ratio: float) -> float:
        """The cost at a ratio; beyond the last one, that of the last."""
        return float(np.interp(ratio, self.ratios, self.costs))


@dataclass(frozen=True)
class Costs:
    """What the layers of a model cost, in `unit`.

    `fixed` is the cost of all else, by the ratio of all blocks together, of which each layer has `blocks`.
    """

    unit: str
    layers: Mapping[str, Curve]
    fixed: Curve
    blocks: Mapping[str, int]
    source: str = ""

    def total(self, ratios: Mapping[str, float]) -> float:
        """The network's cost with these ratios; a layer without one is dense."""
        zero = sum(ratios.get(name, 0.0) * count for name, count in self.blocks.items())
        own = sum(one.at(ratios.get(name, 0.0)) for name, one in self.layers.items())
        return self.fixed.at(zero / sum(self.blocks.values())) + own


NOTHING = Curve((0.0,), (0.0,))


def block_costs(layers: Sequence[Layer]) -> Costs:
    """The share of blocks that are kept."""
    blocks = _blocks(layers)
    total = sum(blocks.values())
    curves = {name: Curve((0.0, 1.0), (count / total, 0.0)) for name, count in blocks.items()}
    return Costs("of blocks", curves, NOTHING, blocks)


def _blocks(layers: Sequence[Layer]) -> dict[str, int]:
    return {one.name: math.prod(one.view.grid) for one in layers}


def mac_costs(layers: Sequence[Layer], dense: Sequence[Layer]) -> Costs:
    """Multiplications for one sample, those of `dense` layers being fixed."""
    curves = {one.name: Curve((0.0, 1.0), (float(one.macs), 0.0)) for one in layers}
    return Costs("MACs", curves, Curve((0.0,), (float(sum(one.macs for one in dense)),)), _blocks(layers))


def read_costs(path: Path, layers: Sequence[Layer], names: Mapping[str, str] | None = None) -> Costs:
    """Predicted microseconds, of a cost file, of the layers that are to be pruned.

    `names` are what the file calls layers, where that is not their module path.
    """
    found = _document(path)
    given = found["densities"]
    usable = isinstance(given, list) and all(isinstance(one, int | float) for one in given)
    ratios = tuple(1.0 - one for one in given) if usable else ()
    if not ratios or ratios[0] != 0.0 or list(ratios) != sorted(set(ratios)):
        raise _unreadable(path, f"densities are {found['densities']}, expected numbers that fall from 1")
    if not isinstance(found["layers"], list) or not all(isinstance(one, dict) for one in found["layers"]):
        raise _unreadable(path, "'layers' is no list of objects")
    by_name = {str(one.get("name")): one for one in found["layers"]}
    curves: dict[str, Curve] = {}
    seen = set()
    for layer in layers:
        name = (names or {}).get(layer.name, layer.name)
        seen.add(name)
        if name not in by_name:
            text = f"it has no layer '{name}', which is to be pruned"
            help = f"write it anew from this model's own ONNX file; {nearest(name, by_name)}"
            raise UsageError(Diagnostic("costs-layer", text, str(path), help=help))
        one = by_name[name]
        # The time of a layer that the compiler did not prune is part of what is fixed.
        numbers = _numbers(path, name, one.get("us"), len(ratios)) if one.get("prunable") else (0.0,) * len(ratios)
        curves[layer.name] = Curve(ratios, numbers)
    rest = np.array(_numbers(path, "fixed_us", found["fixed_us"], len(ratios)))
    for name, one in by_name.items():
        if name not in seen and one.get("prunable"):
            # Pruned when the file was written and dense now: it costs what it did dense.
            rest += _numbers(path, name, one.get("us"), len(ratios))[0]
    fixed = Curve(ratios, tuple(float(one) for one in rest))
    return Costs("us", curves, fixed, _blocks(layers), f"{found['target']}, {path.name}")


def _document(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise _unreadable(path, f"cannot read it: {error.strerror or error}") from None
    except ValueError as error:
        raise _unreadable(path, f"it is no JSON: {error}") from None
    schema = found.get("schema") if isinstance(found, dict) else None
    if schema != SCHEMA:
        raise _unreadable(path, f"its schema is {schema!r}, expected '{SCHEMA}'")
    for name in ("densities", "layers", "fixed_us", "target"):
        if name not in found:
            raise _unreadable(path, f"it has no '{name}'")
    return dict(found)


def _numbers(path: Path, what: str, values: Any, count: int) -> tuple[float, ...]:
    usable = (
        isinstance(values, list)
        and len(values) == count
        and all(isinstance(one, int | float) and math.isfinite(one) for one in values)
    )
    if not usable:
        raise _unreadable(path, f"'{what}' has {values!r}, expected {count} numbers")
    return tuple(float(one) for one in values)


def _unreadable(path: Path, text: str) -> UnreadableInput:
    help = "write it with: bscc model.onnx --costs costs.json --target TARGET"
    return UnreadableInput(Diagnostic("costs", text, str(path), help=help))
