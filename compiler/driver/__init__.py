"""A whole compilation: from an ONNX file to a plan directory.

options   what is asked for
settle    which nodes the array does, and which the host
array     a graph for the array: the passes, the checks, the bytes, the clock
host      models and reasons of host parts
mixed     a plan of several parts
manifest  the manifest of a plan
check     what `bscc --check` says
costs     what each layer takes at several densities of blocks
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from compiler.driver.array import MAPPING, Compiled, Source, compile_array, planner_of
from compiler.driver.check import Checked, check_source, refused
from compiler.driver.costs import DENSITIES, Costing, costs
from compiler.driver.host import host_summary
from compiler.driver.manifest import unused_entries
from compiler.driver.mixed import check_single, mixed_files, mixed_summary, path_of
from compiler.driver.options import COST_MODELS, DEFAULTS, Host, Options, full_pipeline
from compiler.driver.settle import Settled, settle
from compiler.errors import UnsupportedModel
from compiler.mapping.explain import explanation
from compiler.mapping.planner import Planner
from compiler.plan import Plan, check_replaceable, write_plan
from compiler.prepare import prepare
from compiler.summary import asked_batch, check_some_zero
from compiler.target import Target
from passes.block_compaction import Mode

__all__ = [
    "COST_MODELS",
    "DENSITIES",
    "MAPPING",
    "Checked",
    "Compiled",
    "Costing",
    "Host",
    "Options",
    "check_model",
    "compile_in_memory",
    "compile_model",
    "costs",
    "explain_mapping",
    "full_pipeline",
    "settled",
]

Progress = Callable[[str], None]


def compile_model(
    model: str | Path,
    out: str | Path,
    options: Options = DEFAULTS,
    progress: Progress = lambda _: None,
    single: Sequence[str] = (),
) -> tuple[Plan, Mapping[str, Any]]:
    """Compile a model into a plan directory, which appears when it is whole; gives the plan and its summary.

    `single` names what the caller can do only with one part for the array: more parts are then a `UsageError`.
    """
    check_replaceable(Path(out))
    options.check()
    target = Target.load(options.target)
    source = _source(model, options, progress)
    found = _settle(source, options, target, progress)
    if options.sparsity == Mode.REQUIRE.value:
        check_some_zero([layer for one in found.results.values() for layer in one.layers])
    if found.mixed:
        check_single(options, len(found.results), single)
        files, manifest = mixed_files(source, options, target, found)
        summary = mixed_summary(found)
    else:
        (compiled,) = found.results.values()
        files, manifest, summary = dict(compiled.files), dict(compiled.manifest), compiled.summary
        manifest.update(unused_entries(source.graph))
    batch = asked_batch(options.batch, source.graph.batch)
    summary = {**summary, "batch": batch, "host": host_summary(found)}
    summary["notes"] = [*summary["notes"], *source.graph.remarks, *_unused_notes(source)]
    write_plan(Path(out), files, manifest)
    return Plan.load(out), summary


def compile_in_memory(model: Path, options: Options, progress: Progress = lambda _: None) -> Compiled:
    """Compile a model that runs wholly on the array; what the array cannot do is an error."""
    options.check()
    return compile_array(_source(model, options, progress), options, Target.load(options.target), progress)


def check_model(model: str | Path, options: Options = DEFAULTS, progress: Progress = lambda _: None) -> Checked:
    """What is wrong with a model, and what of it would run on the host, by the passes that take little time."""
    options.check()
    target = Target.load(options.target)
    try:
        source = _source(model, options, progress)
    except UnsupportedModel as error:
        return refused(model, error, options)
    return check_source(source, options, target, progress)


def explain_mapping(
    model: str | Path, layer: str, options: Options = DEFAULTS, progress: Progress = lambda _: None
) -> str:
    """Why a layer of a model gets the mapping that it gets, as text; nothing is compiled."""
    options.check()
    target, source = Target.load(options.target), _source(model, options, progress)
    found = settle(source, options, lambda part, _: planner_of(part, options, target, progress))
    return explanation(list(found.results.values()), layer)


def settled(model: str | Path, options: Options = DEFAULTS, progress: Progress = lambda _: None) -> Planner:
    """The decisions of `choose-tiles` on a model that runs wholly on the array, before anything is made of them."""
    return planner_of(_source(model, options, progress), options, Target.load(options.target), progress)


def _source(model: str | Path, options: Options, progress: Progress) -> Source:
    """The graph that is compiled, prepared as asked."""
    progress("read")
    prepared = prepare(Path(model), options.shapes, options.outputs, options.preparation, progress)
    asked_batch(options.batch, prepared.graph.batch)  # refused before any work is done
    return Source(prepared.graph, Path(model), prepared.report)


def _settle(source: Source, options: Options, target: Target, progress: Progress) -> Settled[Compiled]:
    def attempt(part: Source, number: int) -> Compiled:
        own = options
        if options.dump_ir is not None and part.graph is not source.graph:
            own = replace(options, dump_ir=options.dump_ir / path_of(number, host=False))
        return compile_array(part, own, target, progress)

    return settle(source, options, attempt)


def _unused_notes(source: Source) -> list[str]:
    unused = unused_entries(source.graph).get("unused", [])
    return [f"the model never reads its input '{one['name']}': a session takes it and ignores it" for one in unused]
