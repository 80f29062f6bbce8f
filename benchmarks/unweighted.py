"""Layers without weights: means over images, as squeeze-and-excitation takes them, and functions of a byte, as SiLU.

    python -m benchmarks.unweighted [--target aie2-4x4] [--only mean_56]

Prints a table: what each network takes, and what its slowest layer of the kind takes that it stands for.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from compiler.driver import Options, compile_model
from tests.model_cases import PAD1, Case
from tests.netbuilder import Tensor
from tests.netlayers import Layers
from tests.pointwise_cases import silu


def excited(net: Layers, y: Tensor) -> Tensor:
    """Squeeze and excitation: each channel times a number that two small layers make of all channels' means."""
    channels = y.channels
    mean = net.quant(net.global_average_pool(y))
    few = net.quant(net.relu(net.conv(mean, max(8, channels // 4), (1, 1))))
    gate = net.quant(net.pointwise("Sigmoid", net.quant(net.conv(few, channels, (1, 1)))))
    return net.quant(net.pointwise("Mul", y, gate))


def se_network(net: Layers, x: Tensor) -> Tensor:
    """A residual network with squeeze and excitation: four stages of 56, 28, 14 and 7 pixels."""
    y = net.quant(net.relu(net.conv(x, 64, pads=PAD1)))
    for stage, channels in enumerate((64, 128, 256, 512)):
        if stage:
            y = net.quant(net.relu(net.conv(y, channels, strides=(2, 2), pads=PAD1)))
        inner = excited(net, net.quant(net.conv(y, channels, pads=PAD1)))
        y = net.quant(net.relu(net.add(inner, y)))
    return net.quant(net.global_average_pool(y))


def silu_network(net: Layers, x: Tensor) -> Tensor:
    """Convolutions of 56, 28 and 14 pixels, each with a SiLU behind it."""
    y = silu(net, net.conv(x, 32, pads=PAD1))
    for channels in (64, 128):
        y = silu(net, net.conv(y, channels, strides=(2, 2), pads=PAD1))
        y = silu(net, net.conv(y, channels, pads=PAD1))
    return y


def _mean(net: Layers, x: Tensor) -> Tensor:
    return net.quant(net.global_average_pool(x))


CASES = (
    Case("mean_7", _mean, (512, 7, 7)),
    Case("mean_14", _mean, (256, 14, 14)),
    Case("mean_28", _mean, (128, 28, 28)),
    Case("mean_56", _mean, (64, 56, 56)),
    Case("mean_112", _mean, (32, 112, 112)),
    Case("se_network", se_network, (16, 56, 56)),
    Case("silu_56", lambda net, x: silu(net, net.conv(x, 32, pads=PAD1)), (32, 56, 56)),
    Case("silu_network", silu_network, (16, 56, 56)),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compile, and print the simulated times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default="aie2-4x4")
    parser.add_argument("--only", nargs="*", choices=[case.name for case in CASES])
    options = parser.parse_args(arguments)
    print("| network | us | means us | functions us |\n|---|---|---|---|")
    for case in CASES:
        if options.only and case.name not in options.only:
            continue
        with tempfile.TemporaryDirectory() as folder:
            model, plan = Path(folder, "model.onnx"), Path(folder, "plan")
            model.write_bytes(case.build(pow2=False).SerializeToString())
            compile_model(model, plan, Options(target=options.target, compare_dense=False))
            timing = json.loads((plan / "timing.json").read_text())
        kinds = {"globalaveragepool": 0.0, "sigmoid": 0.0}
        for layer in timing["layers"]:
            for kind in kinds:
                kinds[kind] += layer["us"] * (kind in layer["name"])
        print(f"| {case.name} | {timing['us']:,.1f} | " + " | ".join(f"{one:,.1f}" for one in kinds.values()) + " |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
