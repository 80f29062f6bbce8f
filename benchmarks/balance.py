"""What an order of channels with even work gains: imbalance and time of plans without it and with it.

    python benchmarks/balance.py resnet50_half.onnx resnet50_skewed.onnx --targets aie2-4x4 aie2-8x8

Imbalance is kept multiplications of a layer's busiest core over the mean of all cores: of all layers, each weighed by
its multiplications, and of the layer where it is largest; `equal` is what it would be if blocks were equal work.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from compiler.driver import Options, compile_in_memory
from compiler.pipeline import DEFAULT_PIPELINE

MODES = ("off", "auto")


def measure(model: Path, target: str, mode: str) -> str:
    """One row of the table."""
    pipeline = DEFAULT_PIPELINE.replace("balance-channels", f"balance-channels{{mode={mode}}}")
    compiled = compile_in_memory(model, Options(target, pipeline, compare_dense=False))
    layers = json.loads(compiled.files["sparsity.json"])
    kept = [one["macs_kept"] for one in compiled.summary["layers"] if one["kind"] == "conv"]
    equal = sum(one["equal_imbalance"] * macs for one, macs in zip(layers, kept, strict=True)) / sum(kept)
    busy = [sum(one.busy[unit] for one in compiled.timing.layers) for unit in ("core", "memory_tile")]
    cells = (
        model.stem,
        target,
        mode,
        f"{compiled.summary['imbalance']:.3f}",
        f"{equal:.3f}",
        f"{max(one['imbalance'] for one in layers):.2f}",
        *(f"{one / 1000:,.0f}" for one in busy),
        f"{compiled.summary['time_us']:,.0f}",
    )
    return f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--targets", nargs="+", default=["aie2-4x4", "aie2-8x8"])
    options = parser.parse_args(arguments)
    print("| model | target | mode | imbalance | equal | largest | core, kcycles | memory tile, kcycles | us |")
    print("|---|---|---|---|---|---|---|---|---|")
    for model in options.models:
        for target in options.targets:
            for mode in MODES:
                print(measure(model, target, mode), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
