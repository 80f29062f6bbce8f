"""Timing tables that add up, traces that say their unit, and the command that writes both."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from compiler.cli.simulate import main
from compiler.errors import UnreadableInput
from compiler.target import Target
from runtime_sim.record import Event, KernelRecord, Result
from runtime_sim.report import layer_of_operation, timing_of
from runtime_sim.trace import trace_json
from runtime_sim.usage import RESOURCES, binding
from tests.plans import small_plan

TARGET = replace(Target.load("aie2-2x2"), clock_mhz=500)
NAMES = ["first", "second"]


def result() -> Result:
    """Two layers: the first fills 100..400, the second is fetched from 200 and ends at 900."""
    run = Result(cycles=1000, control_cycles=0, sync_wait_cycles=200, ddr_read=2400)
    run.event(Event(100, 300, "shim(0,0)", "shim(0,0) mm2s0", "bd 0", 0, 400))
    run.event(Event(200, 400, "core(0,2)", "core(0,2)", "conv", 0, 64))
    run.event(Event(200, 700, "shim(0,0)", "shim(0,0) mm2s1", "bd 1", 1, 2000))
    run.event(Event(500, 900, "memtile(0,1)", "memtile(0,1) mm2s0", "bd 2", 1, 1200))
    run.event(Event(0, 200, "control", "control", "sync", -1, 0))
    run.calls += [KernelRecord((0, 2), 0, 1, 200, 400, 180, 0), KernelRecord((0, 3), 1, 1, 650, 660, 10, 0)]
    return run


def test_layers_and_gaps_are_the_total() -> None:
    timing = timing_of(result(), TARGET, NAMES)
    first, second = timing.layers
    assert (first.name, first.start, first.end, first.cycles) == ("first", 100, 400, 300)
    assert (second.start, second.end, second.begins, second.cycles) == (200, 900, 400, 500)
    assert timing.gap_cycles == 200
    assert first.cycles + second.cycles + timing.gap_cycles == timing.cycles == 1000
    assert timing.us == 2.0


def test_what_binds_a_layer() -> None:
    first, second = timing_of(result(), TARGET, NAMES).layers
    # The second shim channel moves 2000 bytes in 200..700 at 4 B a cycle, 800 of them by cycle 400.
    assert first.busy == {"compute": 180, "core_streams": 0, "memory_tile": 0, "ddr": 200, "control": 0}
    assert second.busy == {"compute": 10, "core_streams": 0, "memory_tile": 300, "ddr": 300, "control": 0}
    assert first.binds == "ddr"
    assert second.binds == "ddr", "the memory tile has the other end of its stream"


def test_streams_of_cores_are_no_kernel_calls() -> None:
    run = result()
    run.event(Event(450, 850, "core(0,2)", "core(0,2) s2mm0", "bd 0", 1, 1190))
    _, second = timing_of(run, TARGET, NAMES).layers
    assert second.busy["core_streams"] == 298
    assert second.binds == "core_streams", "the memory tile's 300 cycles are the same words and a header"


@pytest.mark.parametrize(
    ("busy", "binds"),
    [
        ({"compute": 51, "ddr": 40}, "compute"),
        ({"compute": 96, "memory_tile": 100}, "compute"),
        ({"compute": 90, "memory_tile": 100}, "memory_tile"),
        ({"control": 80}, "control"),
        ({"compute": 50, "ddr": 50}, "waiting"),
        ({}, "waiting"),
    ],
)
def test_waiting_binds_where_nothing_works_half_of_the_time(busy: dict[str, int], binds: str) -> None:
    assert binding({kind: busy.get(kind, 0) for kind in RESOURCES}, 100) == binds


def test_control_is_busy_where_it_does_not_wait() -> None:
    run = result()
    run.control_cycles = 700
    timing = timing_of(run, TARGET, NAMES)
    assert timing.busy["control"] == 700
    assert [one.busy["control"] for one in timing.layers] == [200, 500]


def test_a_shared_ddr_binds_too() -> None:
    slow = replace(TARGET, ddr=replace(TARGET.ddr, total_gb_per_s=1.0))
    assert timing_of(result(), slow, NAMES).busy["ddr"] == 1200


def test_each_direction_of_the_ddr_has_its_rate() -> None:
    alone = timing_of(result(), TARGET, NAMES).busy["ddr"]
    for limit, busy in (("read_gb_per_s", 1200), ("write_gb_per_s", alone)):
        slow = replace(TARGET, ddr=replace(TARGET.ddr, **{limit: 1.0}))
        assert timing_of(result(), slow, NAMES).busy["ddr"] == busy


def test_the_dictionary_adds_up_too() -> None:
    data = timing_of(result(), TARGET, NAMES).to_dict()
    assert sum(one["us"] for one in data["layers"]) + data["gap_us"] == pytest.approx(data["us"])
    assert json.loads(json.dumps(data)) == data


def test_the_table_adds_up() -> None:
    lines = timing_of(result(), TARGET, NAMES).table().splitlines()
    assert [line.split()[:2] for line in lines[1:5]] == [
        ["first", "0.60"],
        ["second", "1.00"],
        ["gaps", "0.40"],
        ["total", "2.00"],
    ]


def test_a_trace_names_its_unit_and_its_lanes() -> None:
    trace = json.loads(trace_json(result(), TARGET, NAMES))
    assert trace["displayTimeUnit"] == "ns"
    assert "microseconds" in trace["otherData"]["unit"]
    assert trace["otherData"]["clock_mhz"] == 500
    bars = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    (conv,) = [bar for bar in bars if bar["name"] == "conv"]
    assert (conv["ts"], conv["dur"]) == (0.4, 0.4)
    assert conv["args"] == {"cycle": 200, "cycles": 200, "bytes": 64, "layer": "first"}
    named = {(e["pid"], e["tid"]) for e in trace["traceEvents"] if e["name"] == "thread_name"}
    assert {(bar["pid"], bar["tid"]) for bar in bars} == named
    processes = {e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "process_name"}
    assert processes == {"layers", "control", "core(0,2)", "memtile(0,1)", "shim(0,0)"}


def test_an_empty_run() -> None:
    assert timing_of(Result(), TARGET, []).to_dict()["cycles"] == 0
    assert json.loads(trace_json(Result(), TARGET, []))["traceEvents"]


def test_operations_belong_to_layers() -> None:
    layers = [
        {"name": "a", "control": [[3, 5], [7, 8]]},
        {"name": "b", "control": [[5, 7]]},
        {"name": "c", "control": []},
    ]
    layer = layer_of_operation(layers, "test", 8)
    assert [layer(op) for op in (0, 2, 3, 4, 5, 6, 7, 8)] == [-1, -1, 0, 0, 1, 1, 0, -1]


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ({}, "not a list"),
        ([1], "layer 0 has no name"),
        ([{"name": "a"}], "has no stretches"),
        ([{"name": "a", "control": [5]}], "has no stretches"),
        ([{"name": "a", "control": [5, 8]}], "has no stretches"),
        ([{"name": "a", "control": [[5, 5]]}], "has no stretches"),
        ([{"name": "a", "control": [[-1, 8]]}], "has no stretches"),
        (
            [{"name": "a", "control": [[5, 7]]}, {"name": "b", "control": [[6, 8]]}],
            "6 belongs to layer 0 and to layer 1",
        ),
        ([{"name": "a", "control": [[4, 5], [7, 8]]}, {"name": "b", "control": [[5, 6]]}], "6 belongs to no layer"),
        ([{"name": "a", "control": [[5, 7]]}], "up to 6, the stream up to 7"),
        ([{"name": "a", "control": [[5, 9]]}], "up to 8, the stream up to 7"),
    ],
)
def test_bad_layers_are_refused(layers: object, message: str) -> None:
    with pytest.raises(UnreadableInput, match="plan-layers") as caught:
        layer_of_operation(layers, "test", 8)
    assert message in str(caught.value)


def test_the_command_writes_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = small_plan(tmp_path / "plan")
    given, wanted = tmp_path / "x.npz", tmp_path / "y.npz"
    np.savez(given, x=np.zeros((1, 3, 2, 3), np.float32))
    files = [
        "--output",
        str(wanted),
        "--timing",
        str(tmp_path / "t.json"),
        "--trace",
        str(tmp_path / "tr.json"),
    ]
    assert main([str(plan), "--input", str(given), *files]) == 0
    with np.load(wanted) as outputs:
        assert outputs["y"].shape == (1, 3, 2, 3)
    assert json.loads((tmp_path / "t.json").read_text())["cycles"] == 0
    assert json.loads((tmp_path / "tr.json").read_text())["displayTimeUnit"] == "ns"
    out, err = capsys.readouterr()
    assert out.startswith("layer")
    assert not err


def test_json_and_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = str(small_plan(tmp_path / "plan"))
    assert main([plan, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["clock_mhz"] == 1000
    assert main([plan, "-q"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("exit_code", "words"),
    [
        (2, []),
        (2, ["plan", "--output", "y.npz"]),
        (2, ["plan", "--json", "--trace", "-"]),
        (2, ["plan", "--inptu", "x"]),
        (2, ["plan", "--timing", "no/where.json"]),
        (3, ["nothing"]),
        (3, ["plan", "--input", "nothing.npz"]),
        (3, ["plan", "--input", "text.npz"]),
        (3, ["plan", "--input", "one.npy"]),
        (2, ["plan", "--input", "other.npz"]),
    ],
)
def test_mistakes(
    exit_code: int,
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    small_plan(tmp_path / "plan")
    (tmp_path / "text.npz").write_text("text")
    np.save(tmp_path / "one.npy", np.zeros(3))
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    monkeypatch.chdir(tmp_path)
    assert main(words) == exit_code
    out, err = capsys.readouterr()
    assert not out
    assert "error[" in err
    assert "Traceback" not in err
