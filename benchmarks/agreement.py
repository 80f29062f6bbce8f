"""How far a plan's outputs are from onnxruntime's: share and size of the differences, in steps of the output scale.

    python benchmarks/agreement.py MODEL.onnx [--output TENSOR] [--target aie2-4x4] [--runs 3]

Inputs are random and seeded.  onnxruntime runs its nodes unfused (ORT_DISABLE_ALL), as the ONNX text defines them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import bscc
from compiler.plan import ArrayPlan, PlanTensor


def reference(model: Path, outputs: list[str]) -> onnxruntime.InferenceSession:
    """onnxruntime's session, ending at these tensors if any are named."""
    graph = onnx.load(model)
    if outputs:
        inferred = onnx.shape_inference.infer_shapes(graph)
        known = {one.name: one for one in inferred.graph.value_info}
        del graph.graph.output[:]
        graph.graph.output.extend(known[name] for name in outputs)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])


def random_feed(tensor: PlanTensor, rng: np.random.Generator) -> NDArray[Any]:
    """An array of a model input: all integers of its type, or their real values."""
    low, high = (0, 256) if tensor.type == "uint8" else (-128, 128)
    integers = rng.integers(low, high, tensor.onnx_shape)
    real: NDArray[Any] = ((integers - tensor.zero) * np.float32(tensor.scale)).astype(np.float32)
    return real if tensor.host_type == "float32" else integers.astype(np.dtype(tensor.type))


def main() -> int:
    """Print one line of a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--output", action="append", default=[])
    parser.add_argument("--target", default="aie2-4x4")
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    options = bscc.Options(target=given.target, outputs=tuple(given.output), compare_dense=False)
    with tempfile.TemporaryDirectory() as beside:
        compiled, summary = bscc.compile(given.model, Path(beside) / "plan", options)
        plan = ArrayPlan.of(compiled)
        session, rng = reference(given.model, given.output), np.random.default_rng(0)
        count = differing = largest = 0
        for _ in range(given.runs):
            feeds = {one.name: random_feed(one, rng) for one in plan.inputs}
            expected = session.run([one.name for one in plan.outputs], feeds)
            for tensor, theirs, ours in zip(plan.outputs, expected, bscc.Session(plan).run(None, feeds), strict=True):
                unit = tensor.scale if tensor.host_type == "float32" else 1
                steps = np.rint((theirs.astype(np.float64) - ours.astype(np.float64)) / unit)
                count += steps.size
                differing += int((steps != 0).sum())
                largest = max(largest, int(np.abs(steps).max()))
    share = f"{differing} of {count} ({differing / count:.2%})"
    print(f"| {given.model.name} | {given.target} | {share} | {largest} | {summary['time_us']:.1f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
