"""From an ONNX file to a plan directory: the passes, the checks, the bytes, the clock."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from compiler import VERSION
from compiler.backend import emit_control, static_check
from compiler.backend.memory import buffers_of, memory_json, with_packets
from compiler.backend.memory_check import check_memory
from compiler.encoding.costs import KernelCosts
from compiler.errors import Diagnostic, UsageError, nearest
from compiler.frontend import import_onnx
from compiler.ir import Module, print_module
from compiler.mapping.explain import explanation
from compiler.mapping.forced import mapping_json
from compiler.mapping.lowering import CONSTANTS
from compiler.mapping.planner import Planner
from compiler.mapping.search import Effort
from compiler.paper import Network, estimate, network_of, paper_json
from compiler.pass_manager import Check, DumpIR, Instrument, Pass, PassManager, PassPipeline
from compiler.pipeline import DEFAULT_PIPELINE, PASSES
from compiler.plan import (
    CONTROL,
    COSTS,
    LAYERS,
    PAPER,
    PROGRAM,
    PROGRAM_LISTING,
    SCHEMA,
    WEIGHTS,
    Plan,
    check_replaceable,
    json_bytes,
    write_plan,
)
from compiler.reference.check import ValueCheck, random_inputs
from compiler.summary import (
    LayerInfo,
    asked_batch,
    batch_of,
    bounds_json,
    bounds_of,
    imbalance_of,
    layers_json,
    layers_of,
    remarks_of,
    rows_of,
    sparsity_json,
)
from compiler.target import Target
from dialects import bsp, tile
from passes.block_compaction import BlockCompaction, Mode
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

COST_MODELS = ("simulator", "paper")
"""`paper` sets the paper's own estimate beside the simulated time, for comparison."""

MAPPING = "mapping.json"
"""The file of a plan that `--mapping` takes."""


@dataclass(frozen=True)
class Options:
    """What a compilation was asked for; the text form goes into the manifest."""

    target: str = "aie2-4x4"
    pipeline: str = DEFAULT_PIPELINE
    sparsity: str = "auto"
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    verify_each: bool = False
    dump_ir: Path | None = None
    compare_dense: bool = True
    cost_model: str = "simulator"
    search: str = ""
    mapping: str = ""
    batch: int = 0


@dataclass(frozen=True)
class Compiled:
    """A plan in memory: its files, its manifest and the numbers of its reports."""

    files: Mapping[str, bytes]
    manifest: Mapping[str, Any]
    summary: Mapping[str, Any]
    timing: Timing


def full_pipeline(options: Options) -> PassPipeline:
    """The pipeline, with what options ask of single passes; it must lead to the array's registers."""
    pipeline = PassPipeline.parse(options.pipeline, PASSES)
    last = PASSES[-1].name
    if [one.name for one in pipeline][-1:] != [last]:
        text = f"the pipeline does not end in '{last}', so that no plan comes of it"
        raise UsageError(Diagnostic("pipeline-end", text, help="bscc-opt runs any part of it, text to text"))
    return PassPipeline(tuple(_with_options(one, options) for one in pipeline))


def _with_options(one: Pass, options: Options) -> Pass:
    if isinstance(one, BlockCompaction) and options.sparsity != "auto":
        return replace(one, mode=Mode(_one_of(options.sparsity, [mode.value for mode in Mode], "sparsity")))
    if isinstance(one, ChooseTiles):
        words = [effort.value for effort in Effort]
        effort = Effort(_one_of(options.search, words, "search")) if options.search else one.search
        return replace(one, search=effort, load=options.mapping or one.load)
    return one


def _one_of(word: str, words: Sequence[str], option: str) -> str:
    """A word of an option; others are a `UsageError`."""
    if word not in words:
        raise UsageError(Diagnostic("usage", f"{option} is '{word}'", help=nearest(word, words)))
    return word


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
    model: Path, options: Options, target: Target, progress: Callable[[str], None] = lambda _: None
) -> tuple[Module, _Recorder, str]:
    """Import a model and run the pipeline on it."""
    pipeline = full_pipeline(options)
    progress("import")
    module = import_onnx(model, options.shapes, options.outputs)
    recorder = _Recorder(target, options.cost_model)
    checks: list[Instrument] = [Check(lambda name, _: progress(name)), Check(recorder)]
    if options.verify_each:
        checks.append(Check(ValueCheck(module, random_inputs(module))))
    if options.dump_ir is not None:
        checks.append(DumpIR(options.dump_ir))
    PassManager(pipeline, target, tuple(checks)).run(module)
    return module, recorder, pipeline.text(every=True)


def settled(
    model: str | Path, options: Options = Options(), progress: Callable[[str], None] = lambda _: None
) -> Planner:
    """The decisions of `choose-tiles` on a model, before anything is made of them."""
    target = Target.load(options.target)
    pipeline = full_pipeline(options)
    last = next((i for i, one in enumerate(pipeline) if isinstance(one, ChooseTiles)), None)
    if last is None:
        raise UsageError(Diagnostic("pipeline-end", "the pipeline chooses no mappings: it has no 'choose-tiles'"))
    module = import_onnx(Path(model), options.shapes, options.outputs)
    PassManager(PassPipeline(pipeline.passes[:last]), target, (Check(lambda name, _: progress(name)),)).run(module)
    chooser = pipeline.passes[last]
    assert isinstance(chooser, ChooseTiles)
    progress(chooser.name)
    return chooser.planner(module, target)


def explain_mapping(
    model: str | Path, layer: str, options: Options = Options(), progress: Callable[[str], None] = lambda _: None
) -> str:
    """Why a layer of a model gets the mapping that it gets, as text; nothing is compiled."""
    return explanation(settled(model, options, progress), layer)


def compile_in_memory(model: Path, options: Options, progress: Callable[[str], None] = lambda _: None) -> Compiled:
    """Compile, prove the memory plan and the hardware limits, run the clock."""
    if options.cost_model not in COST_MODELS:
        text = f"there is no cost model '{options.cost_model}'"
        raise UsageError(Diagnostic("cost-model", text, help=nearest(options.cost_model, COST_MODELS)))
    target = Target.load(options.target)
    module, recorder, pipeline = lower(model, options, target, progress)
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
    summary = _summary(recorder, memory, timing)
    summary["notes"] += remarks_of(module)
    images = batch_of(module)
    summary["batch"] = asked_batch(options.batch, images)
    if options.cost_model == "paper":
        times: dict[str, float] = {}
        for one in summary["layers"]:  # strips of a layer have its name, each its own time
            times[one["name"]] = times.get(one["name"], 0.0) + one["us"]
        summary["paper"] = paper_json(estimate(recorder.network, target), times, timing.us)
        files[PAPER] = json_bytes(summary["paper"])
    if options.compare_dense:
        summary["dense_us"] = _dense_us(model, options, recorder.layers, timing)
        summary["speed_up"] = summary["dense_us"] / summary["time_us"]
    manifest = _manifest(model, options, target, pipeline, module, files, sizes)
    return Compiled(files, manifest, summary, timing)


def compile_model(
    model: str | Path,
    out: str | Path,
    options: Options = Options(),
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[Plan, Mapping[str, Any]]:
    """Compile a model into a plan directory, which appears when it is whole; gives the plan and its summary."""
    check_replaceable(Path(out))
    compiled = compile_in_memory(Path(model), options, progress)
    write_plan(Path(out), compiled.files, dict(compiled.manifest))
    return Plan.load(out), compiled.summary


def _dense_us(model: Path, options: Options, layers: Sequence[LayerInfo], timing: Timing) -> float:
    """The time of the same model with all zero blocks kept."""
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
    module, recorder, _ = lower(model, dense, target)
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


def _manifest(
    model: Path,
    options: Options,
    target: Target,
    pipeline: str,
    module: Module,
    files: Mapping[str, bytes],
    sizes: Sequence[int],
) -> dict[str, Any]:
    ports = list(module.walk(tile.PortOp))
    return {
        "schema": SCHEMA,
        "tool": {"name": "bscc", "version": VERSION},
        "target": target.to_dict(),
        "options": {
            "target": options.target,
            "sparsity": options.sparsity,
            "cost_model": options.cost_model,
            "shapes": {name: list(shape) for name, shape in options.shapes.items()},
            "outputs": list(options.outputs),
        },
        "pipeline": pipeline,
        "batch": batch_of(module),
        "model": {"name": model.name, "sha256": hashlib.sha256(model.read_bytes()).hexdigest()},
        "arguments": list(sizes),
        "inputs": [_port(one) for one in ports if one.direction == "input"],
        "outputs": [_port(one) for one in ports if one.direction == "output"],
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }


def _port(port: tile.PortOp) -> dict[str, Any]:
    alloc = port.buffer.op
    assert isinstance(alloc, tile.AllocOp)
    held = alloc.storage
    return {
        "name": port.onnx_name,
        "onnx_shape": list(port.onnx_shape),
        "layout": port.layout.value.upper(),
        "host_type": port.host_type,
        "type": port.quant.dtype,
        "scale": port.quant.scale,
        "zero": port.quant.zero,
        "offset": alloc.offset,
        "storage": {
            "rows": held.height,
            "width": held.width,
            "channels": held.channels,
            "top": held.top,
            "bottom": held.bottom,
            "left": held.left,
            "right": held.right,
            "slack": held.slack,
            "pad": held.pad,
        },
    }
