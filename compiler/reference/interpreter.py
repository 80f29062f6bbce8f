"""Run a module op by op."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.blocks import channels_in
from compiler.errors import Diagnostic, InternalError, Location, UsageError, nearest
from compiler.ir import IntArray, Module, Op, ReturnOp, TensorType, Type, Value
from compiler.reference import bsp_ops, nn_ops
from compiler.reference.kernels import Array
from dialects import bsp, nn
from dialects.quant import Quant

Inputs = Mapping[str, NDArray[Any]]
Compute = Callable[[Any, list[Array], Module], Array]

_COMPUTE: dict[type[Op], Compute] = {
    nn.QConv2dOp: nn_ops.conv,
    nn.QAddOp: nn_ops.add,
    nn.QMulOp: nn_ops.multiply,
    nn.MaxPoolOp: nn_ops.max_pool,
    nn.QAveragePoolOp: nn_ops.average_pool,
    nn.RequantizeOp: nn_ops.requantize,
    nn.LookupOp: nn_ops.lookup,
    nn.ConcatOp: nn_ops.concat,
    nn.PadOp: nn_ops.pad,
    nn.ChannelsOp: nn_ops.channels,
    nn.InterleaveOp: nn_ops.interleave,
    nn.ConstantOp: nn_ops.constant,
    bsp.WeightOp: bsp_ops.weight,
    bsp.ConstantOp: nn_ops.constant,
    bsp.Conv2dOp: bsp_ops.conv,
    bsp.DepthwiseOp: bsp_ops.depthwise,
    bsp.AddOp: bsp_ops.add,
    bsp.MulOp: bsp_ops.multiply,
    bsp.MaxPoolOp: bsp_ops.max_pool,
    bsp.AvgPoolOp: bsp_ops.average_pool,
    bsp.RequantizeOp: bsp_ops.requantize,
    bsp.LookupOp: nn_ops.lookup,
    bsp.ConcatOp: nn_ops.concat,
    bsp.RowsOp: bsp_ops.rows,
    bsp.StackOp: bsp_ops.stack,
    bsp.BlocksOp: bsp_ops.blocks,
    bsp.InterleaveOp: nn_ops.interleave,
}


@dataclass
class Trace:
    """Every activation of a run, in `places` in program order and in the model's order of channels; outputs by name."""

    values: dict[Value[Type], Array] = field(default_factory=dict)
    places: list[tuple[Location, Op, Array]] = field(default_factory=list)
    outputs: dict[str, Array] = field(default_factory=dict)


def computable(module: Module) -> bool:
    """Whether every operation is one that the reference knows."""
    known = (*_COMPUTE, nn.InputOp, nn.OutputOp, ReturnOp)
    return all(isinstance(op, known) for one in module.functions for op in one.body.ops) and all(
        isinstance(op.type.encoding, Quant) for op in module.walk(nn.InputOp)
    )


def run(module: Module, inputs: Inputs) -> dict[str, Array]:
    """The outputs of a module by ONNX name, as quantised NHWC arrays; `inputs` are the same."""
    return run_traced(module, inputs).outputs


def run_traced(module: Module, inputs: Inputs) -> Trace:
    """The outputs and every activation on the way."""
    trace = Trace()
    for op in module.function("main").body.ops:
        if isinstance(op, ReturnOp):
            break
        if isinstance(op, nn.OutputOp):
            trace.outputs[op.onnx_name] = trace.values[op.x]
            continue
        if isinstance(op, nn.InputOp):
            value = given(op, inputs)
        elif type(op) in _COMPUTE:
            value = _COMPUTE[type(op)](op, [trace.values[one] for one in op.operands], module)
        else:
            raise InternalError(Diagnostic("reference", f"the numpy reference does not know '{op.name}'", op.loc))
        trace.values[op.results[0]] = value
        if isinstance(op.results[0].type, TensorType) and isinstance(op.results[0].type.encoding, Quant):
            trace.places.append((op.loc, op, in_model_order(op, value)))
    return trace


def in_model_order(op: Op, array: Array) -> Array:
    """A result with its channels where the model has them, if a pass noted that they are elsewhere."""
    order = op.notes.get(bsp.BLOCK_ORDER)
    if not isinstance(order, IntArray):
        return array
    back = np.argsort(np.array(order.values))
    return np.asarray(array[..., channels_in(back, array.shape[-1])])


def given(op: nn.InputOp, inputs: Inputs) -> Array:
    """The array that the caller gives for an input, checked; its rows may be broken elsewhere (`wrap-rows`)."""
    if op.onnx_name not in inputs:
        help = nearest(op.onnx_name, inputs)
        raise UsageError(Diagnostic("no-input", f"no array is given for input '{op.onnx_name}'", help=help))
    array = np.asarray(inputs[op.onnx_name])
    dtype = nn_ops.quant(op.y).dtype
    if same_pixels(array.shape, op.type.shape):
        array = array.reshape(op.type.shape)
    if array.shape != op.type.shape or array.dtype != dtype:
        wanted, got = f"{dtype} {op.type.shape}", f"{array.dtype} {array.shape}"
        raise UsageError(Diagnostic("input-shape", f"input '{op.onnx_name}' expects {wanted}, got {got}"))
    return array


def same_pixels(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether images of these shapes [1, H, W, C] may have the same pixels in the same order."""
    return len(one) == len(other) and math.prod(one) == math.prod(other) and (one[0], one[-1]) == (other[0], other[-1])
