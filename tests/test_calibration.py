"""Published measurements that the simulator must meet, the page that lists them, what each timing parameter does."""

from __future__ import annotations

import statistics
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from benchmarks.calibration import (
    CORE_EXPERIMENTS,
    EXPERIMENTS,
    ROWS,
    Outcome,
    Role,
    main,
    outcome,
    read_rows,
    summary,
    table,
)
from compiler.encoding.descriptors import ShimBd
from compiler.encoding.transaction import MaskWrite, Noop
from compiler.target import Control, Ddr, Target, Timing, target_names
from runtime_sim.record import Result
from tests.sim_streams import MEMTILE, MM2S, S2MM, SHIM, Script, memtile_bd

DOCS = Path(__file__).parents[1] / "docs"
TARGET = Target.load("aie2-2x2")


@cache
def outcomes() -> tuple[Outcome, ...]:
    return tuple(outcome(row) for row in read_rows(ROWS))


def of(*roles: Role) -> list[Outcome]:
    return [one for one in outcomes() if one.role in roles]


def test_every_row_is_repeated_or_says_why_not() -> None:
    rows = read_rows(ROWS)
    assert len({row.id for row in rows}) == len(rows)
    assert {row.id for row in rows if row.kind != "kernel"} <= {*EXPERIMENTS, *CORE_EXPERIMENTS}
    assert all(one.about for one in of(Role.NOT_MODELLED, Role.INPUT, Role.FIT, Role.ANOTHER_KERNEL))
    assert {one.row.kind for one in of(Role.NOT_MODELLED, Role.ANOTHER_KERNEL)} == {"kernel"}


def test_predictions_are_near_what_was_measured() -> None:
    errors = {one.row.id: one.error for one in of(Role.PREDICTION)}
    assert len(errors) >= 8
    assert statistics.median(errors.values()) < 5
    assert max(errors.values()) < 10, errors


def test_inputs_come_out_as_they_went_in() -> None:
    assert max(one.worst for one in of(Role.INPUT)) < 2


def test_the_page_shows_this_very_table() -> None:
    """After a change: `python benchmarks/calibration.py`, into docs/calibration.md."""
    page = (DOCS / "calibration.md").read_text(encoding="utf-8")
    assert "\n".join([*table(outcomes()), "", summary(outcomes())]) in page


def test_the_page_names_every_parameter() -> None:
    page = (DOCS / "calibration.md").read_text(encoding="utf-8")
    assert not [name for group in (Ddr, Timing, Control) for name in group.__annotations__ if f"`{name}`" not in page]


def test_an_unknown_row_is_printed_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = tmp_path / "rows.csv"
    header = ROWS.read_text(encoding="utf-8").splitlines()[0]
    rows.write_text(f"{header}\nX1,dma,something,1;2,cycles,NPU1,trace,nobody\n", encoding="utf-8")
    assert main(["--rows", str(rows)]) == 0
    said = capsys.readouterr().out
    assert "not modelled: no experiment has this id" in said
    assert "1 rows: 0 prediction, 0 input, 0 fit, 0 another kernel, 1 not modelled." in said


def run(script: Script, target: Target) -> Result:
    arguments = {number: np.zeros(1 << 16 if number in (1, 2) else 0, np.uint8) for number in range(4)}
    return script.run(target, arguments, compute=False)


def reads(tasks: int, token: bool = False) -> Script:
    """Shim reads of 64 words into the memory tile."""
    script = Script()
    script.column_routes()
    script.bd(MEMTILE, 0, memtile_bd(0, 64, use_next_bd=True, next_bd=0))
    script.push(MEMTILE, S2MM, 4, 0)
    for bd in range(tasks):
        script.shim_bd(bd, 1, 0, ShimBd(length=64))
        script.push(SHIM, MM2S, 0, bd, token=token)
    return script


def controlled(**costs: float) -> Target:
    """A target whose controller runs at the array's clock."""
    return replace(TARGET, control=replace(TARGET.control, mhz=TARGET.clock_mhz, **costs))


def starts(result: Result) -> list[int]:
    return [event.start for event in result.events if event.lane == "shim(0,0) mm2s0"]


def test_paper_targets_charge_neither_control_nor_ddr_latency() -> None:
    for name in target_names():
        target = Target.load(name)
        free = not any(replace(target.control, mhz=0.0).__dict__.values())
        assert free == name.startswith("aie2-")
        assert (target.timing.shim_mm2s_first_ns == 0) == free


def test_operations_cost_what_their_kind_costs() -> None:
    target = controlled(write_cycles=10, block_word_cycles=2, mask_write_cycles=7, patch_cycles=100, stream_us=1)
    script = Script()
    script.op(Noop())
    script.op(MaskWrite(address=MEMTILE.address(0xC0000), value=1, mask=1))
    assert run(script, target).control_cycles == 1000 + 7
    one, two = (run(reads(tasks), target).control_cycles for tasks in (1, 2))
    assert two - one == (10 + 2 * 8) + 100 + 10


def test_the_controller_has_a_clock_of_its_own() -> None:
    half = replace(TARGET, control=replace(TARGET.control, mhz=TARGET.clock_mhz / 2, mask_write_cycles=10))
    script = Script()
    script.op(MaskWrite(address=MEMTILE.address(0xC0000), value=1, mask=1))
    assert run(script, half).control_cycles == 20


def test_pushes_to_one_channel_keep_their_distance() -> None:
    result = run(reads(3), controlled(task_interval_cycles=500))
    first, second, third = starts(result)
    assert (second - first, third - second) == (500, 500)
    assert result.control_cycles == 1000


def test_a_token_takes_its_time() -> None:
    script = reads(1, token=True)
    script.sync(SHIM, MM2S, 0)
    early, late = (run(script, controlled(token_cycles=cycles)).sync_wait_cycles for cycles in (0, 300))
    assert late - early == 300


def test_the_first_task_of_a_shim_channel_starts_latest() -> None:
    target = replace(
        controlled(task_interval_cycles=1000),
        timing=replace(TARGET.timing, shim_mm2s_first_ns=200.0, shim_mm2s_start_ns=100.0),
    )
    events = [event for event in run(reads(3), target).events if event.lane == "shim(0,0) mm2s0"]
    assert [event.end - event.start for event in events] == [200 + 64, 100 + 64, 100 + 64]


def test_what_a_memory_tile_received_is_given_on_later() -> None:
    script = Script()
    script.column_routes()
    script.bd(MEMTILE, 0, memtile_bd(0, 64, release=(1, 1)))
    script.bd(MEMTILE, 24, memtile_bd(0, 64, acquire=(1, 1)))
    script.push(MEMTILE, S2MM, 4, 0)
    script.push(MEMTILE, MM2S, 5, 24)
    for bd, (direction, argument) in enumerate(((MM2S, 1), (S2MM, 2))):
        script.shim_bd(bd, argument, 0, ShimBd(length=64))
        script.push(SHIM, direction, 0, bd)
    slow = replace(TARGET, timing=replace(TARGET.timing, memory_tile_release_cycles=63))
    assert run(script, slow).cycles - run(script, TARGET).cycles == 63


@pytest.mark.parametrize(("limit", "slower"), [("read", True), ("write", False), ("total", True)])
def test_a_rate_of_all_channels_binds_its_direction(limit: str, slower: bool) -> None:
    ddr = replace(TARGET.ddr, **{f"{limit}_gb_per_s": TARGET.clock_mhz / 1000})
    free, bound = (run(reads(1), target).cycles for target in (TARGET, replace(TARGET, ddr=ddr)))
    assert (bound >= 256 > free) if slower else bound == free
