"""Small ONNX models, and what onnxruntime and the trainable module make of them."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import TensorProto, helper, numpy_helper

from training.onnx_reader import OnnxModule, read_module

Array = np.ndarray[Any, np.dtype[Any]]
IMAGE = (1, 4, 9, 7)
TOLERANCE = 1e-4  # of the largest element


def numbers(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng([seed, *shape]).uniform(-1, 1, shape).astype(np.float32)


def model_of(
    nodes: Sequence[onnx.NodeProto],
    stored: dict[str, Array] | None = None,
    shape: Sequence[int | str] = IMAGE,
    opset: int = 17,
    outputs: Sequence[str] = ("y",),
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in (stored or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def node(op: str, *inputs: str, out: str = "y", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, list(inputs), [out], name=f"{op}/{out}", **attributes)


def runtime(model: onnx.ModelProto, image: Array) -> list[Array]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    results: list[Array] = ort.InferenceSession(model.SerializeToString(), options).run(None, {"x": image})
    return results


def computed(module: OnnxModule, image: Array) -> list[Array]:
    with torch.no_grad():
        found = module.eval()(torch.from_numpy(image))
    return [one.numpy() for one in ([found] if isinstance(found, torch.Tensor) else found)]


def close(found: Array, expected: Array) -> bool:
    scale = max(float(np.abs(expected).max()), 1e-6)
    return found.shape == expected.shape and float(np.abs(found - expected).max()) < TOLERANCE * scale


def check(model: onnx.ModelProto, shape: Sequence[int] = IMAGE) -> OnnxModule:
    """One image is what onnxruntime makes of it; three at once are what each is by itself."""
    module = read_module(model)
    images = [numbers(*shape, seed=seed) for seed in range(3)]
    alone = [computed(module, image) for image in images]
    for found, expected in zip(alone[0], runtime(model, images[0]), strict=True):
        assert close(found, expected)
    for at, together in enumerate(computed(module, np.concatenate(images))):
        assert close(together, np.concatenate([one[at] for one in alone]))
    # Whatever it computes with moves with it to another device; a copy goes through a file.
    moved = pickle.loads(pickle.dumps(module)).to("meta")
    moved(torch.empty(2 * shape[0], *shape[1:], device="meta"))
    return module


def constants(**values: Any) -> dict[str, Array]:
    return {name: np.array(value, np.float32 if "f" in name else np.int64) for name, value in values.items()}
