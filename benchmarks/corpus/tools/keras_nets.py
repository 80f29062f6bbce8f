"""Keras and TensorFlow Lite networks as ONNX with a static batch of one; runs in the environment of the tools.

    python keras_nets.py h5     model.h5       OUT.onnx
    python keras_nets.py tfjs   FOLDER         OUT.onnx     model.json and its shards (bundle.js)
    python keras_nets.py tflite model.tflite   OUT.onnx

Images are NCHW in what comes out, but for TensorFlow Lite, whose input stays NHWC.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["TF_USE_LEGACY_KERAS"] = "1"

import h5py
import numpy as np
import tensorflow as tf
import tf2onnx
import tf_keras

OPSET = 13


def saved(source: Path) -> Any:
    """A model of an .h5 file of Keras 2; one with code in it is refused."""
    config = h5py.File(source).attrs["model_config"]
    if '"Lambda"' in (config if isinstance(config, str) else config.decode()):
        raise SystemExit(f"{source} has a Lambda layer: stored code is not run")
    return tf_keras.models.load_model(source, compile=False)


def javascript(folder: Path) -> Any:
    """A layers model of TensorFlow.js; weights that are stored as uint8 become floats by their scale and minimum."""
    model = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    weights = dict(one for group in model["weightsManifest"] for one in stored(folder, group).items())
    topology = model["modelTopology"]
    network = tf_keras.models.model_from_json(json.dumps(topology.get("model_config", topology)))
    for layer in network.layers:
        names = [weight.name.split(":")[0] for weight in layer.weights]
        layer.set_weights([weights.pop(named(name, weights)) for name in names])
    if weights:
        raise SystemExit(f"{folder}: no layer takes {', '.join(weights)}")
    return network


def named(name: str, weights: Mapping[str, Any]) -> str:
    """The stored name of a weight, which may have a prefix."""
    return name if name in weights else next(one for one in weights if one.endswith(name))


def stored(folder: Path, group: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays of a group of shards by name."""
    data = b"".join((folder / Path(one).name).read_bytes() for one in group["paths"])
    found, start = {}, 0
    for weight in group["weights"]:
        packed = weight.get("quantization", {})
        kind = np.dtype(packed.get("dtype", weight["dtype"]))
        count = int(np.prod(weight["shape"]))
        array = np.frombuffer(data, kind, count, start).astype(np.float32)
        start += count * kind.itemsize
        if "scale" in packed:
            array = array * np.float32(packed["scale"]) + np.float32(packed["min"])
        found[weight["name"]] = array.reshape(weight["shape"])
    if start != len(data):
        raise SystemExit(f"{folder}: the shards hold {len(data)} bytes, the weights take {start}")
    return found


def export(network: Any, out: Path) -> None:
    """Write a Keras model of one input."""
    shape = (1, *network.input_shape[1:])
    signature = [tf.TensorSpec(shape, tf.float32, name="input")]
    compute = tf.function(lambda x: network(x, training=False), input_signature=signature)
    tf2onnx.convert.from_function(
        compute, input_signature=signature, opset=OPSET, inputs_as_nchw=["input"], output_path=str(out)
    )


def main(kind: str, source: Path, out: Path) -> None:
    """Convert one network."""
    if kind == "tflite":
        tf2onnx.convert.from_tflite(str(source), opset=OPSET, output_path=str(out))
    else:
        export({"h5": saved, "tfjs": javascript}[kind](source), out)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
