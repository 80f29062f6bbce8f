"""Compile a real int8 CNN, simulate it on ten images, compare with onnxruntime, and say where the time goes.

    python examples/digits.py [target]

The target is aie2-4x4 unless one is given, as `bscc --target` takes it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime

import bscc

HERE = Path(__file__).parent
MODEL = HERE / "models" / "digits_int8_half.onnx"
IMAGES = HERE / "images" / "digits.npz"


def onnxruntime_session() -> onnxruntime.InferenceSession:
    """onnxruntime that runs the nodes as they are written, on one thread."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(MODEL), options, ["CPUExecutionProvider"])


def main(target: str = "aie2-4x4") -> int:
    """The whole example; 0 when all predictions are those of onnxruntime."""
    images = np.load(IMAGES)
    with tempfile.TemporaryDirectory() as place:
        plan, summary = bscc.compile(MODEL, Path(place) / "plan", bscc.Options(target=target))
        session, other = bscc.Session(plan), onnxruntime_session()
        step = bscc.ArrayPlan.of(plan).outputs[0].scale

        print(f"{MODEL.name} on {target}, simulated\n")
        print("image  label  bscc  onnxruntime  logits that differ, largest difference in steps")
        agree = 0
        for number, label in enumerate(images["labels"]):
            feeds = {"image": images["x"][number : number + 1]}
            (ours,), (theirs,) = session.run(None, feeds), other.run(None, feeds)
            steps = np.rint(np.abs(ours - theirs) / step).astype(int)
            agree += int(ours.argmax() == theirs.argmax())
            print(
                f"{number:5}  {label:5}  {ours.argmax():4}  {theirs.argmax():11}  "
                f"{np.count_nonzero(steps)} of {steps.size}, {steps.max()}"
            )

        print(f"\n{agree} of {len(images['labels'])} predictions are those of onnxruntime\n")
        print(bscc.clock(plan).table())
    kept = summary["macs_kept"] / summary["macs"]
    print(
        f"{summary['macs_kept']:,} of {summary['macs']:,} MACs kept ({kept:.0%}); "
        f"with every zero block kept {summary['dense_us']:.1f} us, {summary['speed_up']:.2f} times as long"
    )
    return 0 if agree == len(images["labels"]) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
