"""A run as a trace that Perfetto and chrome://tracing open: one process per tile, one thread per lane."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from compiler.target import Target
from runtime_sim.record import Event, Result

LAYERS_PROCESS = "layers"
_LAYERS_PID = 1


def trace_json(result: Result, target: Target, names: Sequence[str]) -> str:
    """The trace as text, one event a line; `ts` and `dur` are microseconds of the array clock."""
    heading = {
        "unit": "microseconds (ts, dur); args hold cycles of the array clock",
        "clock_mhz": target.clock_mhz,
        "target": target.name,
        "cycles": result.cycles,
        "kind": "simulated",
    }
    lines = ",\n".join(json.dumps(event, ensure_ascii=False) for event in _events(result, target, names))
    top = json.dumps(heading, ensure_ascii=False)
    return f'{{"displayTimeUnit": "ns", "otherData": {top}, "traceEvents": [\n{lines}\n]}}\n'


def _events(result: Result, target: Target, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Names of processes and threads, then the bars."""
    threads = sorted({(event.tile, event.lane) for event in result.events})
    tiles = sorted({tile for tile, _ in threads})
    pids = {tile: number for number, tile in enumerate(tiles, _LAYERS_PID + 1)}
    tids: dict[tuple[str, str], int] = {}
    yield _name("process_name", _LAYERS_PID, 0, LAYERS_PROCESS)
    for tile in tiles:
        yield _name("process_name", pids[tile], 0, tile)
    for tile, lane in threads:
        tids[tile, lane] = len(tids) + 1
        short = lane.removeprefix(tile).strip() or lane
        yield _name("thread_name", pids[tile], tids[tile, lane], short)
    for index, (start, end) in sorted(result.layers.items()):
        # Layers overlap, so each has a thread of its own.
        name = _layer_name(index, names)
        yield _name("thread_name", _LAYERS_PID, index + 1, name)
        yield _bar(name, _LAYERS_PID, index + 1, start, end, target, {"layer": index})
    for event in result.events:
        place = event.tile, event.lane
        yield _bar(event.name, pids[event.tile], tids[place], event.start, event.end, target, _args(event, names))


def _args(event: Event, names: Sequence[str]) -> dict[str, Any]:
    args: dict[str, Any] = {"bytes": event.bytes} if event.bytes else {}
    if event.layer >= 0:
        args["layer"] = _layer_name(event.layer, names)
    return args


def _layer_name(index: int, names: Sequence[str]) -> str:
    return names[index] if 0 <= index < len(names) else f"layer {index}"


def _name(what: str, pid: int, tid: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": pid, "tid": tid, "args": {"name": name}}


def _bar(name: str, pid: int, tid: int, start: int, end: int, target: Target, args: dict[str, Any]) -> dict[str, Any]:
    return {
        "ph": "X",
        "name": name,
        "pid": pid,
        "tid": tid,
        "ts": target.microseconds(start),
        "dur": target.microseconds(end - start),
        "args": {"cycle": start, "cycles": end - start, **args},
    }
