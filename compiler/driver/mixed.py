"""A plan of several parts from what came of each: its files, its manifest, its summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from compiler.driver.array import Compiled, Source
from compiler.driver.host import causes_of, host_model, host_rows
from compiler.driver.manifest import heading, tensors_of, unused_entries, with_files
from compiler.driver.options import Options, full_pipeline
from compiler.driver.settle import Settled
from compiler.errors import Diagnostic, UsageError
from compiler.plan import HOST, MANIFEST, TIMING, json_bytes
from compiler.target import Target

NO_HOST_TIME = "times are of the array alone: what the host's nodes take depends on the computer that runs them"

_SUMS = ("time_us", "macs", "macs_kept", "weight_bytes", "packed_bytes")


def path_of(number: int, *, host: bool) -> str:
    """Where a part lies in its plan."""
    return f"host/{number}.onnx" if host else f"array/{number}"


def mixed_files(
    source: Source, options: Options, target: Target, settled: Settled[Compiled]
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Files and manifest of a plan of parts."""
    files: dict[str, bytes] = {}
    parts = []
    for number, part in enumerate(settled.parts):
        path = path_of(number, host=part.host)
        if part.host:
            files[path] = host_model(part, path, causes_of(part, settled.reasons))
        else:
            compiled = settled.results[number]
            files.update({f"{path}/{name}": data for name, data in compiled.files.items()})
            files[f"{path}/{MANIFEST}"] = json_bytes(compiled.manifest)
        parts.append(
            {
                "kind": "host" if part.host else "array",
                "path": path,
                "inputs": tensors_of(part.graph, part.graph.inputs),
                "outputs": tensors_of(part.graph, part.graph.outputs),
            }
        )
    files[HOST] = json_bytes(host_rows(settled))
    files[TIMING] = json_bytes(timing_json(target, settled))
    unused = unused_entries(source.graph)
    left_out = {one["name"] for one in unused.get("unused", ())}
    pipeline = full_pipeline(options).text(every=True)
    manifest = {
        **heading(source.model, options, target, pipeline, source.graph.batch),
        **source.report,
        "inputs": tensors_of(source.graph, [one for one in source.graph.inputs if one not in left_out]),
        "outputs": tensors_of(source.graph, source.graph.outputs),
        "parts": parts,
        **unused,
    }
    return files, with_files(manifest, files)


def timing_json(target: Target, settled: Settled[Compiled]) -> dict[str, Any]:
    """The content of the timing.json above the parts: sums over the array's parts."""
    rows = [
        {"path": path_of(number, host=False), "cycles": one.timing.cycles, "us": one.timing.us}
        for number, one in sorted(settled.results.items())
    ]
    cycles = sum(one.timing.cycles for one in settled.results.values())
    return {
        "schema": 1,
        "kind": "simulated",
        "unit": "cycles of the array clock",
        "target": target.name,
        "clock_mhz": target.clock_mhz,
        "notes": [*target.notes, NO_HOST_TIME],
        "cycles": cycles,
        "us": target.microseconds(cycles),
        "parts": rows,
        "host_us": None,
    }


def mixed_summary(settled: Settled[Compiled]) -> dict[str, Any]:
    """The summary of all array parts: sums, and of each level of memory the part that fills it most."""
    ones = [settled.results[number].summary for number in sorted(settled.results)]
    first = ones[0]
    found = {**first, **{key: sum(one[key] for one in ones) for key in _SUMS}}
    found["imbalance"] = _mean([(one["imbalance"], one["macs_kept"]) for one in ones])
    found["memory"] = {level: max((one["memory"][level] for one in ones), key=_size) for level in first["memory"]}
    found["bounds"] = {key: sum(one["bounds"][key] for one in ones) for key in first["bounds"]}
    found["layers"] = [layer for one in ones for layer in one["layers"]]
    if "dense_us" in first:
        found["dense_us"] = sum(one["dense_us"] for one in ones)
        found["speed_up"] = found["dense_us"] / found["time_us"]
    found["notes"] = [*first["notes"], NO_HOST_TIME]
    return found


def _mean(pairs: Sequence[tuple[float, int]]) -> float:
    total = sum(weight for _, weight in pairs)
    return sum(value * weight for value, weight in pairs) / total if total else 1.0


def _size(one: Mapping[str, Any]) -> int:
    return int(one["size"])


def check_single(options: Options, count: int, more: Sequence[str]) -> None:
    """Refuse options, and `more` of them by name, that mean one part for the array where there are several."""
    asked = {"--mapping": options.mapping, "--cost-model paper": options.cost_model == "paper"}
    for option in (*(one for one, value in asked.items() if value), *more):
        if count > 1:
            text = f"{option} is for a model with one part for the array, this one has {count}"
            help = "compile the parts by themselves: --output TENSOR ends a model"
            raise UsageError(Diagnostic("several-parts", text, help=help))
