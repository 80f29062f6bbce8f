"""`bscc-sim` on a plan of parts: the same options, part by part."""

from __future__ import annotations

import argparse
import sys
from pathlib import PurePath
from typing import Any

from compiler.cli.files import STREAM, write_files
from compiler.cli.instructions import ALL, Feeds, Found, look, said
from compiler.errors import BsccError, Diagnostic, UsageError, nearest
from compiler.plan import LAYERS, ArrayPart, PartedPlan, json_bytes
from runtime_sim.parts import PlanRun, Session
from runtime_sim.report import layer_table
from runtime_sim.session import Session as ArraySession
from runtime_sim.trace import trace_json

HOST_NOTE = "the host's parts are not in these times"


def array_parts(plan: PartedPlan) -> dict[str, ArrayPart]:
    """The parts that the simulator runs, by their paths."""
    return {one.path: one for one in plan.parts if isinstance(one, ArrayPart)}


def layers_of(part: ArrayPart) -> list[str]:
    """The names of a part's layers."""
    return layer_table(part.plan.json(LAYERS), str(part.plan.path / LAYERS))


def run_parts(plan: PartedPlan, feeds: Feeds | None, what: str | None) -> tuple[PlanRun, dict[str, Found]]:
    """Run all parts; those that `--instructions` names at both levels, on what they read in this run."""
    session = Session(plan)
    if feeds is None:
        return session.clock(), {}
    done = session.execute(feeds)
    if what is None:
        return done, {}
    parts = array_parts(plan)
    paths = list(parts) if what == ALL else [_part_of(parts, what)]
    read = {one.path: one.feeds for one in done.parts}
    return done, {path: look(ArraySession(parts[path].plan), read[path], what) for path in paths}


def _part_of(parts: dict[str, ArrayPart], what: str) -> str:
    """The part that has the layer."""
    names = {path: layers_of(part) for path, part in parts.items()}
    for path, known in names.items():
        if what in known or what.rpartition(":")[0] in known:
            return path
    every = [name for known in names.values() for name in known]
    raise UsageError(Diagnostic("unknown-layer", f"the plan has no layer '{what}'", help=nearest(what, every)))


def refuse(found: dict[str, Found]) -> None:
    """Raise the differences of the two levels, of all parts in one error of the first kind."""
    errors: list[BsccError] = []
    for one in found.values():
        try:
            one.refuse()
        except BsccError as error:
            errors.append(error)
    if errors:
        raise type(errors[0])(*(diagnostic for error in errors for diagnostic in error.diagnostics))


def timing_dict(done: PlanRun, *, with_data: bool) -> dict[str, Any]:
    """The timing of a run: the array's parts, and what the host took here if it ran."""
    timings = done.timings
    return {
        "schema": 1,
        "kind": "simulated",
        "notes": [HOST_NOTE],
        "cycles": sum(one.cycles for _, one in timings),
        "us": sum(one.us for _, one in timings),
        "parts": [{"path": path, **one.to_dict()} for path, one in timings],
        "host_us": done.host_us if with_data else None,
        "host_kind": "measured on this computer" if with_data else None,
    }


def timing_table(done: PlanRun, *, with_data: bool) -> str:
    """The tables of all array parts, and their sum."""
    lines = [f"{path}\n{timing.table()}" for path, timing in done.timings]
    us, cycles = sum(one.us for _, one in done.timings), sum(one.cycles for _, one in done.timings)
    lines.append(f"all parts of the array: {us:,.2f} us, {cycles} cycles; {HOST_NOTE}\n")
    if with_data:
        of_last = " for the last image" * (done.images > 1)
        lines.append(f"host: {done.host_us:,.1f} us by onnxruntime{of_last}, measured on this computer\n")
    return "\n".join(lines) + images_line(done.images, us)


def images_line(images: int, us: float) -> str:
    """What the time of several images is, all being alike on the array; nothing of one."""
    return f"images: {images}, one after the other, {images * us:,.1f} us in all\n" * (images > 1)


def check_files(options: argparse.Namespace, plan: PartedPlan) -> None:
    """Refuse a place that cannot hold what each part makes of its own."""
    if options.trace == STREAM and len(array_parts(plan)) > 1:
        text = f"--trace writes a file for each of {len(array_parts(plan))} parts: it needs a name"
        raise UsageError(Diagnostic("usage", text))


def beside(path: str, part: str, *, alone: bool) -> str:
    """The file of a part: `trace.json` is `trace.2.json` for `array/2` if there are several."""
    place = PurePath(path)
    return path if alone else str(place.with_name(f"{place.stem}.{PurePath(part).name}{place.suffix}"))


def report(
    options: argparse.Namespace, plan: PartedPlan, done: PlanRun, found: dict[str, Found], outputs: bytes
) -> None:
    """Write the files that were asked for, then say the rest."""
    with_data = options.input is not None
    timing = json_bytes(timing_dict(done, with_data=with_data))
    parts = array_parts(plan)
    results: list[tuple[str, bytes]] = []
    if options.output is not None:
        results.append((options.output, outputs))
    if options.timing is not None:
        results.append((options.timing, timing))
    if options.trace is not None:
        for one in done.parts:
            if one.array is not None:
                trace = trace_json(one.array.result, plan.target, layers_of(parts[one.path]))
                results.append((beside(options.trace, one.path, alone=len(parts) == 1), trace.encode()))
    if options.listing is not None:
        results += [(options.listing, one.listing.encode()) for one in found.values()]
    write_files(results)
    if options.json:
        sys.stdout.write(timing.decode())
    elif not options.quiet and STREAM not in (options.timing, options.trace, options.listing):
        texts = [f"{path}\n{said(one, headed=options.listing is None)}" for path, one in found.items()]
        sys.stdout.write("\n".join(texts) or timing_table(done, with_data=with_data))
