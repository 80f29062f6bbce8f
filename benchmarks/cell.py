"""One model on one target: compile, check, simulate, compare with the reference; a JSON object on stdout.

    python benchmarks/cell.py MODEL.onnx TARGET [--no-verify]

`benchmarks/networks.py` runs it for each cell in a process of its own, so that peaks of memory are its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import bscc
from compiler.cli import guarded
from compiler.frontend import import_onnx
from compiler.plan import ArrayPlan, PlanTensor
from compiler.reference import run as run_reference
from compiler.reference.check import random_inputs
from runtime_sim.report import Timing
from runtime_sim.session import Session

Array = NDArray[Any]

SEED = 1
EARLY = "fold-quantization,canonicalize"
"""The passes that decide on the numbers; the reference runs what they leave."""


def measure(model: Path, target: str, verify: bool) -> dict[str, Any]:
    """Times in seconds on this machine, or in microseconds by the simulator; `differ` counts bytes of the outputs."""
    with tempfile.TemporaryDirectory() as beside:
        begin = time.perf_counter()
        plan, summary = bscc.compile(model, Path(beside) / "plan", bscc.Options(target=target, compare_dense=False))
        compiled = time.perf_counter()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        bounds = plan.json("bounds.json")
        found: dict[str, Any] = {
            "us": summary["time_us"],
            **{name: bounds[name] for name in ("compute_us", "ddr_us", "layer_us", "network_us")},
            "macs": summary["macs"],
            "macs_kept": summary["macs_kept"],
            "compile_s": round(compiled - begin, 1),
            "peak_mb": peak,
        }
        if verify:
            timing, differ, simulated = compare(ArrayPlan.of(plan), model)
            found |= {"differ": differ, "simulate_s": round(simulated, 1)}
            assert timing.us == summary["time_us"], "the clock with data is the clock without"
    return found | {"binds_us": binds(summary)}


def binds(summary: Mapping[str, Any]) -> dict[str, float]:
    """Microseconds of the layers that each kind of resource binds."""
    times: Counter[str] = Counter()
    for one in summary["layers"]:
        times[one["binds"]] += one["us"]
    return {kind: round(us, 1) for kind, us in sorted(times.items())}


def compare(plan: ArrayPlan, model: Path) -> tuple[Timing, int, float]:
    """Timing, bytes that differ from the reference's, seconds of the simulation, on one seeded input."""
    module = import_onnx(model)
    bscc.PassManager(bscc.PassPipeline.parse(EARLY, bscc.PASSES), plan.target).run(module)
    given = random_inputs(module, seed=SEED)
    expected = run_reference(module, given)
    feeds = {tensor.name: fed(tensor, given[tensor.name]) for tensor in plan.inputs}
    begin = time.perf_counter()
    done = Session(plan).execute(feeds)
    seconds = time.perf_counter() - begin
    differ = 0
    for tensor in plan.outputs:
        ours = done.outputs[tensor.name]
        if tensor.host_type == "float32":
            ours = np.rint(ours / np.float32(tensor.scale)).astype(np.int32) + tensor.zero
        differ += int((ours != as_onnx(tensor, expected[tensor.name])).sum())
    return done.timing, differ, seconds


def fed(tensor: PlanTensor, pixels: Array) -> Array:
    """What the host feeds so that the array gets these integers."""
    integers = as_onnx(tensor, pixels)
    if tensor.host_type != "float32":
        return integers
    real: Array = ((integers.astype(np.int32) - tensor.zero) * np.float32(tensor.scale)).astype(np.float32)
    return real


def as_onnx(tensor: PlanTensor, pixels: Array) -> Array:
    """[1, H, W, C] in the order and shape that ONNX has."""
    moved = pixels.transpose(0, 3, 1, 2) if tensor.layout == "NCHW" else pixels
    return moved.reshape(tensor.onnx_shape)


def main() -> int:
    """Print the object; errors end as those of `bscc`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("target")
    parser.add_argument("--verify", action=argparse.BooleanOptionalAction, default=True)
    given = parser.parse_args()

    def run() -> int:
        print(json.dumps(measure(given.model, given.target, given.verify)))
        return 0

    return guarded(run)


if __name__ == "__main__":
    sys.exit(main())
