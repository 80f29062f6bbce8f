"""What each layer of a model takes at several densities of its blocks: the cost file, told in docs/costs.md."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from compiler import VERSION
from compiler.blocks import blocks_of
from compiler.driver.array import Compiled, Source, compile_array
from compiler.driver.options import COST_MODELS, DEFAULTS, Options
from compiler.driver.settle import Settled, settle
from compiler.errors import Diagnostic, DoesNotFit, Limit, Reason, RefusedModel, UsageError
from compiler.frontend.work import macs_of
from compiler.prepare import Prepared, changed, named_model, prepare
from compiler.pruning import Prune
from compiler.quantize import nothing_to_prune, set_densities
from compiler.quantize.network import Network
from compiler.quantize.weights import Layer, layers
from compiler.target import Target

SCHEMA = "bscc-costs/1"

DENSITIES = tuple(eighths / 8 for eighths in range(8, 0, -1))
"""Shares of the blocks of a layer that stay, if nobody says which."""

ON_HOST = "it runs on the host"
GONE = "nothing of it is left in the int8 model: it is computed beforehand, or merged with another"

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Measured:
    """A compilation: cycles of all that runs, and of each layer by the name of its first node.

    `blocks` are those that stay, as a scheme zeroes them; `host` the nodes that run on the host.
    """

    cycles: int
    layers: Mapping[str, int]
    blocks: Mapping[str, int]
    host: tuple[str, ...]


@dataclass(frozen=True)
class Costing:
    """A model of integers whose layers can be given densities, as often as is asked."""

    model: Path
    prepared: Prepared
    options: Options
    target: Target
    prune: Prune
    progress: Progress = lambda _: None

    @classmethod
    def of(
        cls,
        model: str | Path,
        options: Options = DEFAULTS,
        prune: Prune | None = None,
        progress: Progress = lambda _: None,
    ) -> Costing:
        """Read a model and quantise it if it is float; what `prune` says of ratio and scope does not count."""
        options.check()
        _check_options(options)
        options = replace(options, compare_dense=False)
        progress("read")
        prepared = prepare(Path(model), options.shapes, options.outputs, options.preparation, progress)
        return cls(Path(model), prepared, options, Target.load(options.target), prune or Prune(0.0), progress)

    def layers(self) -> list[Layer]:
        """The layers with weights of the model in the file, in order, by the names that nodes have there."""
        return list(layers(Network(named_model(self.prepared.given))))

    def measure(self, densities: Mapping[str, float]) -> Measured:
        """Compile and simulate the model with these densities, by the names of layers; others stay as they are."""
        owners = {node: one.name for one in self.layers() for node in one.nodes}
        model = named_model(self.prepared.graph)
        asked = {
            one.name: densities[owners[one.name]] for one in layers(Network(model)) if owners.get(one.name) in densities
        }
        blocks = set_densities(model, asked, self.prune)
        graph = changed(self.model, self.prepared.graph, model)
        source = Source(graph, self.model, self.prepared.report)
        found = settle(source, self.options, self._compile)
        cycles = dict.fromkeys(owners.values(), 0)
        for name, count in _cycles(found, owners):
            cycles[name] += count
        return Measured(
            sum(one.timing.cycles for one in found.results.values()),
            cycles,
            {owners[name]: count for name, count in blocks.items()},
            tuple(graph.nodes[number].name for part in found.parts if part.host for number in part.own),
        )

    def _compile(self, part: Source, _: int) -> Compiled:
        return compile_array(part, self.options, self.target, self.progress)


def _cycles(found: Settled[Compiled], owners: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """The cycles of what runs with weights, as timing.json has them, by the layer of the model that it is, or is of."""
    for compiled in found.results.values():
        times = {one.index: one.cycles for one in compiled.timing.layers}
        for layer in compiled.layers:
            known = [owners[node] for node in layer.nodes if node in owners]
            if layer.layer.weighted and known:
                yield known[0], times.get(layer.index, 0)


def costs(
    model: str | Path,
    options: Options = DEFAULTS,
    densities: Sequence[float] = DENSITIES,
    prune: Prune | None = None,
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """The content of a cost file: microseconds of each layer at each density of blocks, one compilation for each.

    `prune` says what makes a block weak and whether one has all taps of a kernel; its ratio and scope do not count.
    """
    densities = [float(one) for one in densities]
    _check_densities(densities)
    costing = Costing.of(model, options, prune, progress)
    all_layers = costing.layers()
    free = [one.name for one in all_layers if not one.reason]
    found: list[Measured] = []
    for density in densities if free else ():
        progress(f"density {density:g}")
        with_note = f"with {density:g} of the blocks of each layer that can be pruned"
        try:
            found.append(costing.measure(dict.fromkeys(free, density)))
        except RefusedModel as error:
            first, *others = error.diagnostics
            raise type(error)(replace(first, notes=(*first.notes, with_note)), *others) from error
        _check_host(found[0].host, found[-1].host, densities[0], density)
    reasons = {one.name: _reason(one, found) for one in all_layers}
    if all(reasons.values()):
        raise nothing_to_prune(reasons)
    us, free = costing.target.microseconds, [name for name in free if not reasons[name]]
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "target": costing.target.name,
        "clock_mhz": costing.target.clock_mhz,
        "model": costing.model.name,
        "sha256": hashlib.sha256(costing.model.read_bytes()).hexdigest(),
        "inputs": {name: list(costing.prepared.given.shapes[name]) for name in costing.prepared.given.inputs},
        "block": costing.prune.block,
        "scheme": costing.prune.scheme.value,
        "densities": list(densities),
        "total_us": [us(one.cycles) for one in found],
        "fixed_us": [us(one.cycles - sum(one.layers[name] for name in free)) for one in found],
        "layers": list(_rows(costing, all_layers, reasons, found)),
    }


def _rows(
    costing: Costing, all_layers: Sequence[Layer], reasons: Mapping[str, str], found: Sequence[Measured]
) -> Iterator[dict[str, Any]]:
    given = named_model(costing.prepared.given)
    network = Network(given)
    nodes = {proto.name: node for proto, node in zip(given.graph.node, costing.prepared.given.nodes, strict=True)}
    for one in all_layers:
        reason = reasons[one.name]
        shape = [one.split[axis] for axis in one.axes]
        times: list[float | None] = [costing.target.microseconds(at.layers[one.name]) for at in found]
        there = one.nonzero(network)
        kept = int((there.any(axis=(2, 3)) if costing.prune.all_taps else there).sum())
        yield {
            "name": one.name,
            "nodes": list(one.nodes),
            "op": one.op_type,
            "weight": one.tensor,
            "shape": shape,
            "groups": one.groups,
            "macs": sum(macs_of(costing.prepared.given, nodes[name]) for name in one.nodes),
            "rows": blocks_of(shape[0]),
            "columns": blocks_of(shape[3]),
            "prunable": not reason,
            "reason": reason,
            "us": [None] * len(found) if reason == ON_HOST else times,
            "blocks_kept": [kept] * len(found) if reason else [at.blocks[one.name] for at in found],
        }


def _reason(one: Layer, found: Sequence[Measured]) -> str:
    """Why a layer cannot be pruned, empty if it can."""
    if found and one.nodes and all(node in found[0].host for node in one.nodes):
        return ON_HOST
    return one.reason or (GONE if found and one.name not in found[0].blocks else "")


def _check_options(options: Options) -> None:
    """Refuse options that mean one plan, or that say which blocks stay."""
    asked = {
        "--sparsity": options.sparsity != DEFAULTS.sparsity,
        "--prune": options.preparation.prune is not None,
        "--mapping": options.mapping,
        "--batch": options.batch,
        "--cost-model": options.cost_model != COST_MODELS[0],
        "--verify-each": options.verify_each,
        "--dump-ir": options.dump_ir,
    }
    for option, value in asked.items():
        if value:
            text = f"{option} is for one plan; costs are of a plan for each density, all compiled alike"
            raise UsageError(Diagnostic("usage", text, help=f"leave {option} out"))


def _check_densities(densities: Sequence[float]) -> None:
    """Refuse what is no list of shares that descend from 1."""
    falls = all(one > other > 0 for one, other in pairwise(densities))
    if len(densities) < 2 or densities[0] != 1 or not falls:
        given = ", ".join(f"{one:g}" for one in densities)
        help = "give two or more shares of the blocks that stay, as 1,3/4,1/2,1/4"
        raise UsageError(
            Diagnostic("costs-densities", f"densities {given} do not descend from 1 to above 0", help=help)
        )


def _check_host(first: Sequence[str], now: Sequence[str], density: float, at: float) -> None:
    """Refuse a model of which other nodes run on the host at another density: nobody knows the host's time."""
    moved = [*(name for name in first if name not in now), *(name for name in now if name not in first)]
    if moved:
        names = ", ".join(f"'{name}'" for name in moved[:3]) + f" and {len(moved) - 3} more" * (len(moved) > 3)
        text = f"{names}: on the host at density {density if moved[0] in first else at:g} and not at"
        text += f" {at if moved[0] in first else density:g}, so that times do not compare"
        limit = Limit("number of host nodes", f"{len(first)} at each density", f"{len(now)} at {at:g}")
        help = "leave densities out at which other nodes fit, or compile for a larger target"
        raise DoesNotFit(Reason("costs-host", text, help=help, limit=limit))
