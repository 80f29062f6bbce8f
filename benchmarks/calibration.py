"""Published measurements against the simulator: a Markdown table of every row, with its error.

    python benchmarks/calibration.py [--rows FILE.csv]

A row is a prediction, an input (a parameter of the target is this very number), a fit, of another kernel than ours, or
not modelled; the last line counts them.  Without --rows the rows are those of benchmarks/measurements.csv;
docs/calibration.md explains them.
"""

from __future__ import annotations

import argparse
import csv
import re
import statistics
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import calls, experiments, programs
from benchmarks.experiments import SIZES, Run, Values
from compiler.encoding.tiles import Direction
from compiler.target import Target

ROWS = Path(__file__).with_name("measurements.csv")
HEADER = ("row", "setup", "MHz", "measured", "predicted", "unit", "error %", "role")


class Role(Enum):
    """What an error of a row says: only that of a prediction judges the simulator."""

    PREDICTION = "prediction"
    INPUT = "input"
    FIT = "fit"
    ANOTHER_KERNEL = "another kernel"
    NOT_MODELLED = "not modelled"


@dataclass(frozen=True)
class Experiment:
    """How a row is repeated; `about` names the parameters that are taken from it, or why it cannot be repeated."""

    role: Role
    run: Run | None
    about: str = ""


@dataclass(frozen=True)
class Row:
    """A measurement; several numbers where the row has several."""

    id: str
    kind: str
    setup: str
    measured: Values
    unit: str
    device: str


@dataclass(frozen=True)
class Outcome:
    """A row beside what the simulator says."""

    row: Row
    role: Role
    about: str
    clock_mhz: float
    predicted: Values

    @property
    def errors(self) -> Values:
        """Signed, in per cent, one for each number."""
        pairs = zip(self.row.measured, self.predicted, strict=True) if self.predicted else ()
        return tuple(100 * (ours / theirs - 1) for theirs, ours in pairs)

    @property
    def error(self) -> float:
        """The median of the absolute errors, in per cent."""
        return statistics.median(map(abs, self.errors))

    @property
    def worst(self) -> float:
        """The largest absolute error, in per cent."""
        return max(map(abs, self.errors))


def _predicts(run: Run) -> Experiment:
    return Experiment(Role.PREDICTION, run)


def _inputs(run: Run, about: str) -> Experiment:
    return Experiment(Role.INPUT, run, about)


def _ours(run: Run, about: str) -> Experiment:
    return Experiment(Role.ANOTHER_KERNEL, run, about)


STRIDES = (1, 4, 16, 64)
EXPERIMENTS: Mapping[str, Experiment] = {
    "D29": _predicts(experiments.memory_tile_to_core(8192)),
    "D31": _inputs(experiments.memory_tile_to_core(16384, 16), "mm2s_start_cycles, bd_switch_cycles"),
    "D32": _predicts(experiments.core_to_memory_tile(256)),
    "D33": _predicts(experiments.all_of(*(experiments.memory_tile_to_core(256, 1, step) for step in STRIDES))),
    "D34": _inputs(experiments.single_tasks(Direction.MM2S), "shim_mm2s_first_ns"),
    "D35": _inputs(experiments.single_tasks(Direction.S2MM), "shim_s2mm_start_ns, write_channel_bytes_per_cycle"),
    "D36": Experiment(Role.FIT, experiments.chain(Direction.MM2S), "shim_mm2s_start_ns, on the last four"),
    "D37": _predicts(experiments.chain(Direction.S2MM)),
    "C38": _inputs(experiments.task_pauses, "task_interval_cycles"),
    "C39": _inputs(experiments.operations, "write_cycles, block_word_cycles, mask_write_cycles"),
    "C47": _predicts(experiments.block_writes),
    "C47b": _inputs(experiments.empty_stream, "stream_us"),
    "B42": _inputs(experiments.bandwidth, "read_channel_bytes_per_cycle, from the first"),
    "B43": _predicts(experiments.copy_64_mib),
    "B44": _inputs(experiments.fills, "read_gb_per_s"),
    "E1": _predicts(experiments.task_in_a_crowd),
    "E2": _predicts(experiments.two_reads_and_a_write),
    "E3": _inputs(experiments.two_tasks, "patch_cycles"),
}
"""Rows about data and control, by id."""

CORE_EXPERIMENTS: Mapping[str, Experiment] = {
    "K13": _ours(calls.matmul, "ours, to int8"),
    "K12": _ours(calls.matmul, "ours, to int8"),
    "K22": _ours(calls.conv_512, "ours multiplies 16 pixels at a time, in 16 calls"),
    "K24": _ours(calls.conv_32, "ours multiplies 16 pixels at a time"),
    "L2": _inputs(programs.nine_bundles, "a bundle a cycle"),
    "L3": _inputs(programs.two_bundles, "a bundle a cycle"),
    "L4": _inputs(programs.bank_conflict, "a bank conflict costs a cycle"),
}
"""Rows about cores, by id."""

# The machines of the measurements as (array MHz, controller MHz); others are taken to run as npu1 does.
# 7840U: xdna-emu findings 2026-08-04.  VE2802: Vitis-AI DPUCV2DX8G README; it has no such controller.
_CLOCKS = {"Ryzen 7 7840U": (1028.0, 600.0), "VE2802": (1250.0, 847.0)}


def machine(device: str) -> Target:
    """The target `npu1` at the clocks of a device."""
    target = Target.load("npu1")
    array, controller = _CLOCKS.get(device, (target.clock_mhz, target.control.mhz))
    return replace(target, clock_mhz=array, control=replace(target.control, mhz=controller))


def read_rows(path: Path) -> list[Row]:
    """The rows of a table with the columns of measurements.csv."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Row(one["id"], one["kind"], one["setup"], _values(one["measured"]), one["unit"], one["device"])
            for one in csv.DictReader(file)
        ]


def _values(text: str) -> Values:
    """`a;b`, `a-b` or the line `a+bN`, which stands for its values at the sizes of the experiments."""
    line = re.fullmatch(r"([\d.]+)\+([\d.]+)N", text)
    if line:
        return tuple(float(line[1]) + float(line[2]) * size for size in SIZES)
    return tuple(float(part) for part in re.split("[;-]", text))


def outcome(row: Row) -> Outcome:
    """Repeat the experiment of a row."""
    reason = "the kernel's code is not at hand" if row.kind == "kernel" else "no experiment has this id"
    missing = Experiment(Role.NOT_MODELLED, None, reason)
    experiment = {**EXPERIMENTS, **CORE_EXPERIMENTS}.get(row.id, missing)
    target = machine(row.device)
    predicted = experiment.run(target) if experiment.run else ()
    return Outcome(row, experiment.role, experiment.about, target.clock_mhz, predicted)


def table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """The lines of a Markdown table."""
    yield "| " + " | ".join(HEADER) + " |"
    yield "|" + "---|" * len(HEADER)
    for one in outcomes:
        role = one.role.value + (f": {one.about}" if one.about else "")
        numbers = [_list(one.row.measured), _list(one.predicted)]
        errors = "; ".join(f"{error:+.1f}" for error in one.errors) or "-"
        cells = (one.row.id, one.row.setup, f"{one.clock_mhz:g}", *numbers, one.row.unit, errors, role)
        yield "| " + " | ".join(cells) + " |"


def _list(values: Values) -> str:
    return "; ".join(f"{value:.6g}" for value in values) or "-"


def summary(outcomes: Sequence[Outcome]) -> str:
    """Counts, and how far the predictions are off."""
    counts = Counter(one.role for one in outcomes)
    text = ", ".join(f"{counts[role]} {role.value}" for role in Role)
    judged = [one for one in outcomes if one.role is Role.PREDICTION]
    if not judged:
        return f"{len(outcomes)} rows: {text}."
    worst = max(judged, key=lambda one: one.worst)
    median = statistics.median(one.error for one in judged)
    return (
        f"{len(outcomes)} rows: {text}. Predictions: median error {median:.1f} %, "
        f"largest {worst.worst:.1f} % (one of {worst.row.id})."
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table and the summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, default=ROWS, help="a CSV file (default: benchmarks/measurements.csv)")
    outcomes = [outcome(row) for row in read_rows(parser.parse_args(arguments).rows)]
    print("\n".join([*table(outcomes), "", summary(outcomes)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
