"""Depth-wise tiling on against off: the time by the simulator's clock, and bytes to and from DDR.

    python benchmarks/depthwise.py vgg16.onnx vgg16_half.onnx --target aie2-3x3 --slower 16 --output pool3
    python benchmarks/depthwise.py vgg16.onnx resnet50.onnx --target aie2-4x4 --size 512

The models are int8 QDQ ONNX as benchmarks/models.py makes them.  The first line repeats the experiment of D'Alberto et
al., "Weight Block Sparsity" (2024): VGG-16 on 3x3 cores, DDR 16 times slower, only the layers that spill.  `--size`
gives the input another height and width, which a model without dense layers behind its last pixels does not mind.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import onnx

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import bscc
from compiler.target import Target

MODES = ("off", "auto")


@dataclass(frozen=True)
class Row:
    """One compilation: microseconds by the simulator, bytes to and from DDR, seconds to compile."""

    us: float
    read_bytes: int
    written_bytes: int
    layers: int
    seconds: float


def toml_of(values: dict[str, Any]) -> str:
    """A target's plain data as TOML."""
    plain = [f"{key} = {json.dumps(value)}" for key, value in values.items() if not isinstance(value, dict)]
    for name, group in values.items():
        if isinstance(group, dict):
            plain += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in group.items())]
    return "\n".join(plain) + "\n"


def slower(name: str, times: float, folder: Path) -> str:
    """The path of a target whose DDR channels are so many times slower; for once the target itself."""
    if times == 1:
        return name
    target = Target.load(name)
    ddr = replace(
        target.ddr,
        read_channel_bytes_per_cycle=target.ddr.read_channel_bytes_per_cycle / times,
        write_channel_bytes_per_cycle=target.ddr.write_channel_bytes_per_cycle / times,
    )
    path = folder / f"{name}-slower.toml"
    path.write_text(toml_of(asdict(replace(target, ddr=ddr))), encoding="utf-8")
    return str(path)


def resized(path: Path, size: int, folder: Path) -> Path:
    """The model with another height and width of its input; the model itself for size 0."""
    if not size:
        return path
    model = onnx.load(path)
    for axis in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = size
    del model.graph.value_info[:]
    for output in model.graph.output:
        kind = output.type.tensor_type.elem_type
        output.CopyFrom(onnx.helper.make_tensor_value_info(output.name, kind, None))
    model = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    found = folder / f"{path.stem}_{size}.onnx"
    onnx.save(model, found)
    return found


def compiled(model: Path, target: str, mode: str, outputs: tuple[str, ...]) -> Row:
    """Compile with depth-wise tiling in a mode, and read what the clock says."""
    pipeline = bscc.DEFAULT_PIPELINE.replace("depthwise-tiling", f"depthwise-tiling{{{mode}}}")
    options = bscc.Options(target=target, pipeline=pipeline, outputs=outputs, compare_dense=False)
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        bscc.compile(model, Path(folder) / "plan", options)
        seconds = time.perf_counter() - begin
        timing = json.loads((Path(folder) / "plan/timing.json").read_text(encoding="utf-8"))
    return Row(
        timing["us"], timing["ddr_read_bytes"], timing["ddr_written_bytes"], len(timing["layers"]), round(seconds, 1)
    )


def main() -> int:
    """Print a Markdown table, one row for each model and mode."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--target", default="aie2-4x4")
    parser.add_argument("--slower", type=float, default=1, help="divide the rate of each DDR channel")
    parser.add_argument("--size", type=int, default=0, help="height and width of the input")
    parser.add_argument("--output", action="append", default=[], help="compile up to this tensor")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--max-strips", type=int, nargs="*", default=[], help="more rows, with so many strips at most")
    given = parser.parse_args()
    print("| model | tiling | us | DDR MB read | DDR MB written | layers | compile s |")
    print("|---|---|---|---|---|---|---|", flush=True)
    modes = [*(f"mode={mode}" for mode in given.modes), *(f"max-strips={count}" for count in given.max_strips)]
    with tempfile.TemporaryDirectory() as name:
        target = slower(given.target, given.slower, Path(name))
        for path in given.models:
            model = resized(path, given.size, Path(name))
            for mode in modes:
                row = compiled(model, target, mode, tuple(given.output))
                moved = f"{row.read_bytes / 1e6:.2f} | {row.written_bytes / 1e6:.2f}"
                print(f"| {model.stem} | {mode} | {row.us:.1f} | {moved} | {row.layers} | {row.seconds} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
