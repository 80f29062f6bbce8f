"""From an ONNX model to arrays: the passes up to `bsp`, the host's part, and onnxruntime beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
from numpy.typing import NDArray

from compiler.frontend import import_onnx
from compiler.ir import Module, clone_module, verify
from compiler.numerics import dequantize_output, quantize_input
from compiler.pass_manager import Pass
from compiler.target import Target
from dialects import nn
from dialects.nn import Layout
from dialects.quant import Quant
from passes.block_compaction import BlockCompaction
from passes.canonicalize import Canonicalize
from passes.fold_quantization import FoldQuantization
from passes.fuse_epilogue import FuseEpilogue
from tests.netbuilder import session

Array = NDArray[Any]
PASSES: tuple[Pass, ...] = (FoldQuantization(), Canonicalize(), BlockCompaction(), FuseEpilogue())


def imported(model: onnx.ModelProto, directory: Path) -> Module:
    """The module of a model that lies in no file yet."""
    path = directory / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return import_onnx(path)


def run_passes(module: Module, *passes: Pass) -> Module:
    """The module after passes, verified after each; these passes ask nothing of a target."""
    for one in passes:
        one.requires.check(module)
        one.run(module, cast(Target, None))
        verify(module)
        one.ensures.check(module)
    return module


def copied(module: Module) -> Module:
    """A copy with a store of its own."""
    copy = clone_module(module)
    copy.store = module.store.copy()
    return copy


def quant_of(encoding: object) -> Quant:
    assert isinstance(encoding, Quant)
    return encoding


def to_device(module: Module, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """What the host makes of the user's arrays."""
    arrays = {}
    for op in module.walk(nn.InputOp):
        array, (_, height, width, channels) = feeds[op.onnx_name], op.type.shape
        if op.layout is Layout.NCHW:
            array = array.reshape(1, channels, height, width).transpose(0, 2, 3, 1)
        array = np.ascontiguousarray(array.reshape(op.type.shape))
        quant = quant_of(op.type.encoding)
        if op.host_type == "float32":
            array = quantize_input(array, quant.scale, quant.zero, quant.dtype)
        arrays[op.onnx_name] = array
    return arrays


@dataclass(frozen=True)
class Result:
    """One output as the user gets it, and the step of its integers."""

    array: Array
    step: float


def to_host(module: Module, outputs: Mapping[str, Array]) -> dict[str, Result]:
    """What the host makes of the device's outputs."""
    results = {}
    for op in module.walk(nn.OutputOp):
        array, quant = outputs[op.onnx_name], quant_of(op.x.type.encoding)
        if op.layout is Layout.NCHW:
            array = array.transpose(0, 3, 1, 2)
        array = array.reshape(op.onnx_shape)
        floats = op.host_type == "float32"
        if floats:
            array = dequantize_output(array, quant.scale, quant.zero)
        results[op.onnx_name] = Result(array, quant.scale if floats else 1.0)
    return results


def onnxruntime_outputs(model: onnx.ModelProto, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """The same outputs by onnxruntime, its nodes run as written."""
    names = [one.name for one in model.graph.output]
    return dict(zip(names, session(model).run(names, dict(feeds)), strict=True))


def steps_apart(result: Result, other: Array) -> Array:
    """How many integers apart two outputs are."""
    difference = result.array.astype(np.float64) - np.asarray(other).astype(np.float64)
    return np.rint(np.abs(difference) / result.step)
