"""From a graph to the files of a plan for the array: the passes, the checks, the bytes, the clock."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from compiler.backend import emit_control, static_check
from compiler.backend.memory import buffers_of, memory_json, with_packets
from compiler.backend.memory_check import check_memory
from compiler.driver.manifest import array_entries, heading, with_files
from compiler.driver.options import Options, full_pipeline
from compiler.encoding.costs import KernelCosts
from compiler.errors import Diagnostic, UsageError
from compiler.frontend import Graph, import_graph, placed
from compiler.ir import Module, print_module
from compiler.mapping.forced import mapping_json
from compiler.mapping.lowering import CONSTANTS
from compiler.mapping.planner import Planner
from compiler.paper import Network, estimate, network_of, paper_json
from compiler.pass_manager import Check, DumpIR, Instrument, PassManager, PassPipeline
from compiler.pipeline import PASSES
from compiler.plan import (
    CONTROL,
    COSTS,
    LAYERS,
    PAPER,
    PROGRAM,
    PROGRAM_LISTING,
    WEIGHTS,
    json_bytes,
)
from compiler.reference.check import ValueCheck, random_inputs
from compiler.summary import (
    LayerInfo,
    bounds_json,
    bounds_of,
    imbalance_of,
    layers_json,
    layers_of,
    rows_of,
    sparsity_json,
)
from compiler.target import Target
from dialects import bsp, tile
from passes.block_compaction import BlockCompaction
from passes.choose_tiles import ChooseTiles
from runtime_sim.machine import simulate
from runtime_sim.report import Timing, layer_by_stretches, timing_of
from runtime_sim.trace import trace_json

STAGE_FILES = {
    "canonicalize": "nn",
    "assign-layout": "bsp",
    "balance-channels": "bsp",
    "memory-planning": "tile",
    "route-streams": "aie2",
}
"""The module is kept in `ir/` after these passes, of a name after the last."""

MAPPING = "mapping.json"
"""The file of a plan that `--mapping` takes."""


@dataclass(frozen=True)
class Source:
    """What is compiled for the array: a graph, and the file of the model that it is, or is a part of.

    The report says what was done to the model before; the manifest and the summary have it, too.
    """

    graph: Graph
    model: Path
    report: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Compiled:
    """A plan in memory: its files, its manifest and the numbers of its reports."""

    files: Mapping[str, bytes]
    manifest: Mapping[str, Any]
    summary: dict[str, Any]
    timing: Timing
    layers: tuple[LayerInfo, ...]


@dataclass
class _Recorder:
    """Keeps what reports need from the module while passes run."""

    target: Target
    cost_model: str
    ir: dict[str, str] = field(default_factory=dict)
    layers: list[LayerInfo] = field(default_factory=list)
    reasons: dict[str, tuple[bool, str]] = field(default_factory=dict)
    mapping: dict[str, Any] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    buffers: Any = None
    network: Network = field(default_factory=Network)

    def __call__(self, pass_name: str, module: Module) -> None:
        if pass_name in STAGE_FILES:
            self.ir[f"ir/{STAGE_FILES[pass_name]}.mlir"] = print_module(module)
        if pass_name == BlockCompaction.name and self.cost_model == "paper":
            self.network = network_of(module)
        if STAGE_FILES.get(pass_name) == "bsp":
            self.reasons = {one.symbol: (one.dense, one.reason) for one in module.walk(bsp.WeightOp)}
            self.rows = rows_of(module)
        if pass_name == "choose-tiles":
            self.mapping = mapping_json(module, self.target)
        if pass_name == "memory-planning":
            self.layers = layers_of(module, self.target)
            self.buffers = buffers_of(module, self.target)


def lower(
    source: Source, options: Options, target: Target, progress: Callable[[str], None] = lambda _: None
) -> tuple[Module, _Recorder, str]:
    """Translate a graph and run the pipeline on it."""
    pipeline = full_pipeline(options)
    progress("import")
    module = import_graph(source.graph, str(source.model))
    recorder = _Recorder(target, options.cost_model)
    checks: list[Instrument] = [Check(lambda name, _: progress(name)), Check(recorder)]
    if options.verify_each:
        checks.append(Check(ValueCheck(module, random_inputs(module))))
    if options.dump_ir is not None:
        checks.append(DumpIR(options.dump_ir))
    with placed(source.model):
        PassManager(pipeline, target, tuple(checks)).run(module)
    return module, recorder, pipeline.text(every=True)


def planner_of(
    source: Source, options: Options, target: Target, progress: Callable[[str], None] = lambda _: None
) -> Planner:
    """The decisions of `choose-tiles` on a graph, before anything is made of them."""
    pipeline = full_pipeline(options)
    last = next((i for i, one in enumerate(pipeline) if isinstance(one, ChooseTiles)), None)
    if last is None:
        raise UsageError(Diagnostic("pipeline-end", "the pipeline chooses no mappings: it has no 'choose-tiles'"))
    module = import_graph(source.graph, str(source.model))
    with placed(source.model):
        PassManager(PassPipeline(pipeline.passes[:last]), target, (Check(lambda name, _: progress(name)),)).run(module)
    chooser = pipeline.passes[last]
    assert isinstance(chooser, ChooseTiles)
    progress(chooser.name)
    return chooser.planner(module, target)


def compile_array(
    source: Source, options: Options, target: Target, progress: Callable[[str], None] = lambda _: None
) -> Compiled:
    """Compile a graph, prove the memory plan and the hardware limits, run the clock."""
    module, recorder, pipeline = lower(source, options, target, progress)
    progress("check")
    sizes = _argument_bytes(module)
    static_check(module, target, sizes)
    buffers = with_packets(recorder.buffers, sizes[0])
    check_memory(buffers, module, target, sizes)
    progress("emit")
    control, listing, ranges = emit_control(module, target)
    progress("clock")
    timing, trace = _clock(control, module, target, sizes, ranges, [one.name for one in recorder.layers])
    memory = memory_json(buffers, target)
    files = {
        CONTROL: control,
        "control.asm": listing.encode(),
        WEIGHTS: module.store[CONSTANTS].tobytes(),
        **{name: module.store[name].tobytes() for name in (COSTS, PROGRAM, PROGRAM_LISTING)},
        LAYERS: json_bytes(layers_json(recorder.layers, ranges)),
        "bounds.json": json_bytes(bounds_json(recorder.layers, recorder.rows, target)),
        "sparsity.json": json_bytes(sparsity_json(recorder.layers, recorder.reasons)),
        MAPPING: json_bytes(recorder.mapping),
        "memory.json": json_bytes(memory),
        "timing.json": json_bytes(timing.to_dict()),
        "trace.json": trace.encode(),
        **{name: text.encode() for name, text in recorder.ir.items()},
    }
    summary = {**_summary(recorder, memory, timing), **source.report}
    if options.cost_model == "paper":
        times: dict[str, float] = {}
        for one in summary["layers"]:  # strips of a layer have its name, each its own time
            times[one["name"]] = times.get(one["name"], 0.0) + one["us"]
        summary["paper"] = paper_json(estimate(recorder.network, target), times, timing.us)
        files[PAPER] = json_bytes(summary["paper"])
    if options.compare_dense:
        summary["dense_us"] = _dense_us(source, options, recorder.layers, timing)
        summary["speed_up"] = summary["dense_us"] / summary["time_us"]
    head = heading(source.model, options, target, pipeline, source.graph.batch)
    manifest = {**head, **source.report, **array_entries(module, sizes)}
    return Compiled(files, with_files(manifest, files), summary, timing, tuple(recorder.layers))


def _dense_us(source: Source, options: Options, layers: Sequence[LayerInfo], timing: Timing) -> float:
    """The time of the same graph with all zero blocks kept."""
    if all(one.blocks_kept == one.blocks for one in layers):
        return timing.us
    dense = replace(
        options,
        pipeline=_unforced(options.pipeline),
        sparsity="off",
        cost_model="simulator",
        verify_each=False,
        dump_ir=None,
        mapping="",
    )
    target = timing.target
    module, recorder, _ = lower(source, dense, target)
    control, _, ranges = emit_control(module, target)
    names = [one.name for one in recorder.layers]
    return _clock(control, module, target, _argument_bytes(module), ranges, names)[0].us


def _unforced(pipeline: str) -> str:
    """The pipeline without a file of mappings: what was forced on sparse layers need not fit dense ones."""
    passes = PassPipeline.parse(pipeline, PASSES)
    free = [replace(one, load="") if isinstance(one, ChooseTiles) else one for one in passes]
    return PassPipeline(tuple(free)).text(every=True)


def _clock(
    control: bytes,
    module: Module,
    target: Target,
    sizes: Sequence[int],
    ranges: Sequence[Sequence[tuple[int, int]]],
    names: Sequence[str],
) -> tuple[Timing, str]:
    """Run the simulator without data."""
    arguments = {number: np.zeros(size, np.uint8) for number, size in enumerate(sizes)}
    arguments[0][...] = module.store[CONSTANTS]
    result = simulate(
        control,
        target,
        arguments,
        KernelCosts.from_dict(json.loads(module.store[COSTS].tobytes()), COSTS),
        compute=False,
        layer_of_op=layer_by_stretches(ranges),
        program=hashlib.sha256(module.store[PROGRAM].tobytes()).hexdigest(),
    )
    return timing_of(result, target, names), trace_json(result, target, names)


def _argument_bytes(module: Module) -> list[int]:
    """Bytes of each DDR argument."""
    sizes = [0, 0, 0, 0]
    for alloc in module.walk(tile.AllocOp):
        if alloc.type.level == "ddr":
            sizes[alloc.argument] = max(sizes[alloc.argument], alloc.offset + alloc.type.bytes)
    sizes[0] = module.store[CONSTANTS].size
    return sizes


def _summary(recorder: _Recorder, memory: Mapping[str, Any], timing: Timing) -> dict[str, Any]:
    """The numbers of the final table and of `--json`."""
    layers, target = recorder.layers, recorder.target
    return {
        "schema": 1,
        "target": target.name,
        "time_us": timing.us,
        "time_kind": "simulated",
        "macs": sum(one.macs for one in layers),
        "macs_kept": sum(one.macs_kept for one in layers),
        "weight_bytes": sum(one.weight_bytes for one in layers),
        "packed_bytes": sum(one.packed_bytes for one in layers),
        "imbalance": imbalance_of(layers),
        "memory": memory["levels"],
        "bounds": bounds_of(layers, recorder.rows, target),
        "layers": [
            {
                "name": one.name,
                "kind": one.layer.kernel,
                "macs": one.macs,
                "macs_kept": one.macs_kept,
                "us": target.microseconds(times.cycles),
                "compute_us": one.compute_us(target),
                "ddr_us": one.ddr_us(target),
                "binds": times.binds,
            }
            for one, times in zip(layers, timing.layers, strict=True)
        ],
        "notes": list(target.notes),
    }
