"""ResNet-50 on every paper target, dense and half sparse: compile, check, simulate, compare with the reference.

    python benchmarks/resnet50.py DENSE.onnx HALF.onnx [--targets aie2-2x2 ...]

The models come from benchmarks/models.py.  Prints a Markdown table: seconds on this machine, times by the simulator.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import bscc
from compiler.frontend import import_onnx
from compiler.reference import run as run_reference
from compiler.reference.check import random_inputs

TARGETS = tuple(f"aie2-{n}x{n}" for n in range(2, 9))


def one(model: Path, target: str) -> str:
    """A row of the table: seconds and megabytes to compile, seconds to simulate, microseconds, differing bytes."""
    with tempfile.TemporaryDirectory() as beside:
        begin = time.perf_counter()
        plan, summary = bscc.compile(model, Path(beside) / "plan", bscc.Options(target=target, compare_dense=False))
        compiled = time.perf_counter() - begin
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        module = import_onnx(model)
        early = bscc.PassPipeline.parse("fold-quantization,canonicalize", bscc.PASSES)
        bscc.PassManager(early, bscc.Target.load(target)).run(module)
        given = random_inputs(module, seed=1)
        expected = run_reference(module, given)
        feeds = {}
        for tensor in plan.inputs:
            pixels = given[tensor.name][0].transpose(2, 0, 1).reshape(tensor.onnx_shape).astype(np.int32)
            feeds[tensor.name] = ((pixels - tensor.zero) * np.float32(tensor.scale)).astype(np.float32)
        begin = time.perf_counter()
        done = bscc.Session(plan).execute(feeds)
        simulated = time.perf_counter() - begin
        wrong = 0
        for tensor in plan.outputs:
            integers = np.rint(done.outputs[tensor.name] / np.float32(tensor.scale)).astype(int) + tensor.zero
            wrong += int((integers.reshape(-1) != expected[tensor.name].reshape(-1)).sum())
    layer_us = summary["bounds"]["layer_us"]
    return (
        f"| {model.stem} | {target} | {compiled:.1f} | {peak:.0f} | {simulated:.1f} | {done.timing.us:.1f} "
        f"| {layer_us:.1f} | {done.timing.us / layer_us:.2f} | {wrong} |"
    )


def main() -> int:
    """Each row in a process of its own, so that peaks of memory are its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--targets", nargs="+", default=TARGETS)
    parser.add_argument("--row", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.row:
        print(one(given.models[0], given.targets[0]))
        return 0
    print("| model | target | compile s | peak MB | simulate s | us | layer bound us | ratio | bytes that differ |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    status = 0
    for target in given.targets:
        for model in given.models:
            command = [sys.executable, __file__, str(model), "--targets", target, "--row"]
            row = subprocess.run(command, capture_output=True, text=True)
            print(
                row.stdout.strip() or f"| {model.stem} | {target} | failed: {row.stderr.strip()[-300:]} |",
                flush=True,
            )
            status = status or row.returncode
    return status


if __name__ == "__main__":
    sys.exit(main())
