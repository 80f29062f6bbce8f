"""Build the benchmark networks as int8 QDQ ONNX: real architectures, seeded random weights.

    python benchmarks/models.py resnet50 --sparsity 0.5 -o resnet50_half.onnx

The networks are those of benchmarks/nets.

No weights are downloaded.  Convolutions are He-normal, batch norms have seeded gains and shifts, and their
running statistics are *measured* on two synthetic images before they are folded, as training would have done:
activations stay alive and the output depends on the input.  What such a model says about shapes, memory and
cycles is true; about accuracy it says nothing.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.nets import NETWORKS
from benchmarks.nets.builder import Builder, Floats, Network

OPSET = 17


def synthetic_images(shape: Sequence[int], count: int, seed: int) -> list[Floats]:
    """Smooth random fields at three scales with a little noise, each channel near mean 0 and deviation 1."""
    rng, (_, channels, height, width) = np.random.default_rng(seed), shape
    images = []
    for _ in range(count):
        image = rng.normal(0.0, 0.15, (channels, height, width)) + rng.normal(0.0, 0.4, (channels, 1, 1))
        for cells, amplitude in ((4, 0.8), (14, 0.5), (56, 0.3)):
            coarse = rng.normal(0.0, amplitude, (channels, cells, cells))
            rows = np.arange(height) * cells // height
            columns = np.arange(width) * cells // width
            image += coarse[:, rows][:, :, columns]
        images.append(image[None].astype(np.float32))
    return images


def _graph(net: Builder, name: str, network: Network, batch: int) -> onnx.ModelProto:
    output = network.draw(net, "input")
    shape = [batch, *network.shape[1:]]
    graph = helper.make_graph(
        net.nodes,
        name,
        [helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, [batch, *network.output])],
        net.weights,
    )
    graph.output.extend(helper.make_tensor_value_info(s, onnx.TensorProto.FLOAT, [None] * 4) for s in net.statistics)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="bscc-benchmarks")
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model


def build_float(name: str, sparsity: float = 0.0, seed: int = 0, *, skewed: bool = False) -> onnx.ModelProto:
    """The float model, batch norms folded; measuring and folding draw the same weights from the seed."""
    network = NETWORKS[name]
    probe = Builder(np.random.default_rng(seed), None, sparsity, skewed)
    model = _graph(probe, name, network, batch=2)
    session = ort.InferenceSession(model.SerializeToString(), session_options(), ["CPUExecutionProvider"])
    images = np.concatenate(synthetic_images(network.shape, 2, seed))
    values = session.run(probe.statistics, {"input": images})
    measured = {key: np.asarray(value) for key, value in zip(probe.statistics, values, strict=True)}
    return _graph(Builder(np.random.default_rng(seed), measured, sparsity, skewed), name, network, batch=1)


def session_options(threads: int = 1) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return options


class Images(CalibrationDataReader):  # type: ignore[misc]
    """Calibration data for onnxruntime from a list of arrays."""

    def __init__(self, images: Sequence[Floats], name: str) -> None:
        self._feeds: Iterator[dict[str, Floats]] = iter([{name: image} for image in images])

    def get_next(self) -> dict[str, Floats] | None:
        return next(self._feeds, None)


def quantise(
    model: onnx.ModelProto,
    images: Sequence[Floats],
    *,
    activations: str = "int8",
    per_channel: bool = True,
    pow2: bool = False,
    input_name: str = "input",
) -> onnx.ModelProto:
    """QDQ by onnxruntime's quantize_static: symmetric int8 or asymmetric uint8 activations, int8 weights."""
    symmetric = activations == "int8"
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, source)  # quantize_static changes a model that it is given in memory
        quantize_static(
            source,
            target,
            Images(images, input_name),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QInt8 if symmetric else QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=per_channel,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={"ActivationSymmetric": symmetric, "WeightSymmetric": True},
        )
        result = onnx.load(target)
    if symmetric:
        join_relu(result)
    if pow2:
        power_of_two_scales(result, model)
    onnx.checker.check_model(result, full_check=True)
    return result


def join_relu(model: onnx.ModelProto) -> None:
    """x -> Q -> DQ -> Relu becomes x -> Relu: quantize_static rounds twice there if symmetric."""
    made_by = {output: node for node in model.graph.node for output in node.output}
    for node in model.graph.node:
        dequantise = made_by.get(node.input[0]) if node.op_type == "Relu" else None
        quantise_node = made_by.get(dequantise.input[0]) if dequantise is not None else None
        if quantise_node is not None and quantise_node.op_type == "QuantizeLinear":
            node.input[0] = quantise_node.input[0]
    outputs = {output.name for output in model.graph.output}
    for _ in range(2):  # first the DequantizeLinear that nobody reads, then its QuantizeLinear
        read = {name for node in model.graph.node for name in node.input} | outputs
        for node in [n for n in model.graph.node if not read.intersection(n.output)]:
            model.graph.node.remove(node)
    _drop_unread_constants(model)


def _drop_unread_constants(model: onnx.ModelProto) -> None:
    read = {name for node in model.graph.node for name in node.input}
    for tensor in [t for t in model.graph.initializer if t.name not in read]:
        model.graph.initializer.remove(tensor)


def power_of_two_scales(model: onnx.ModelProto, source: onnx.ModelProto) -> None:
    """Round every scale up to a power of two and requantise weights and biases of `source` with it."""
    constant = {tensor.name: tensor for tensor in model.graph.initializer}
    floats = {tensor.name: numpy_helper.to_array(tensor) for tensor in source.graph.initializer}
    dequantised = {n.output[0]: n for n in model.graph.node if n.op_type == "DequantizeLinear"}

    def value(name: str) -> npt.NDArray[np.generic]:
        return numpy_helper.to_array(constant[name])

    def store(name: str, array: npt.NDArray[np.generic]) -> None:
        constant[name].CopyFrom(numpy_helper.from_array(array, name))

    layers = [n for n in model.graph.node if n.op_type in ("Conv", "Gemm")]
    biases = [dequantised[n.input[2]] for n in layers if len(n.input) > 2]
    quantisers = [n for n in model.graph.node if n.op_type in ("QuantizeLinear", "DequantizeLinear")]
    for name in {n.input[1] for n in quantisers} - {n.input[1] for n in biases}:
        store(name, np.exp2(np.ceil(np.log2(value(name).astype(np.float64)))).astype(np.float32))
    for node in layers:
        x, w = dequantised[node.input[0]], dequantised[node.input[1]]
        weight, scale = floats[w.input[0].removesuffix("_quantized")], value(w.input[1]).astype(np.float32)
        spread = scale.reshape(-1, *[1] * (weight.ndim - 1))  # output channels come first
        store(w.input[0], np.clip(np.rint(weight / spread), -127, 127).astype(np.int8))
        if len(node.input) > 2:
            b = dequantised[node.input[2]]
            step = (value(x.input[1]).astype(np.float32) * scale).reshape(value(b.input[1]).shape)
            store(b.input[1], step)
            store(b.input[0], np.rint(floats[b.input[0].removesuffix("_quantized")] / step).astype(np.int32))


def build(
    name: str,
    *,
    sparsity: float = 0.0,
    pow2: bool = False,
    activations: str = "int8",
    per_channel: bool = True,
    seed: int = 0,
    skewed: bool = False,
) -> onnx.ModelProto:
    """The whole way from architecture to int8 model."""
    model = build_float(name, sparsity, seed, skewed=skewed)
    images = synthetic_images(NETWORKS[name].shape, 2, seed)
    return quantise(model, images, activations=activations, per_channel=per_channel, pow2=pow2)


def save(path: Path, name: str, **choices: Any) -> None:
    """Build a model, with the choices of `build`, into a file that appears when it is whole."""
    logging.getLogger().setLevel(
        logging.ERROR
    )  # quantize_static advises preprocessing, which would change nothing here
    part = path.with_suffix(".part")
    onnx.save(build(name, **choices), part)
    part.replace(path)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("network", choices=sorted(NETWORKS))
    parser.add_argument("--sparsity", type=float, default=0.0, help="share of 8x8 blocks set to zero")
    parser.add_argument("--skewed", action="store_true", help="another share in each row of blocks, by chance")
    parser.add_argument("--pow2", action="store_true", help="make every scale a power of two")
    parser.add_argument("--activations", choices=("int8", "uint8"), default="int8", help="int8 is symmetric")
    parser.add_argument("--per-tensor", action="store_true", help="one weight scale per tensor")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args(arguments)
    if not 0.0 <= options.sparsity < 1.0:
        parser.error("--sparsity is a share: at least 0, below 1")
    if options.skewed and not options.sparsity:
        parser.error("--skewed needs a --sparsity above 0")
    if options.pow2 and options.activations != "int8":
        parser.error("--pow2 needs --activations int8")
    start = time.perf_counter()
    save(
        options.output,
        options.network,
        sparsity=options.sparsity,
        pow2=options.pow2,
        activations=options.activations,
        per_channel=not options.per_tensor,
        seed=options.seed,
        skewed=options.skewed,
    )
    print(f"{options.output}: {options.output.stat().st_size} bytes in {time.perf_counter() - start:.1f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
