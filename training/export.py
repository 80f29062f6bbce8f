"""ONNX files of trained networks: float, or int8 with Q and DQ, which name the layers as the model does.

A node with weights has the path of its module as its name, `layer1.0.conv1`, and its weights are
`layer1.0.conv1.weight`: so reports of the compiler, mask files and training speak of the same layer.
"""

from __future__ import annotations

import errno
import io
import os
import secrets
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.fx import GraphModule
from torch.nn.utils import parametrize

from compiler.errors import Diagnostic, UsageError
from training.int8.graphs import any_batch

OPSET = 21
LARGEST_BYTES = 2**31 - 1
"""Of a file of ONNX, which is one protobuf message."""

WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def to_onnx(
    model: nn.Module, example: Sequence[Tensor], path: str | Path, *, opset: int = OPSET, batch: int | None = 1
) -> None:
    """Write what `model_bytes` gives as a file, whole or not at all."""
    _write(model_bytes(model, example, opset=opset, batch=batch), path)


def to_qdq(
    converted: GraphModule, example: Sequence[Tensor], path: str | Path, *, opset: int = OPSET, batch: int | None = 1
) -> None:
    """Write what `qdq_bytes` gives as a file, whole or not at all."""
    _write(qdq_bytes(converted, example, opset=opset, batch=batch), path)


def model_bytes(model: nn.Module, example: Sequence[Tensor], *, opset: int = OPSET, batch: int | None = 1) -> bytes:
    """A float model whose masks are squashed as ONNX, as it is in eval mode; the model stays as it is.

    The file is for `batch` images, None for any number; `example` are inputs, [N, ...] each, of that many or more.
    Batch norms behind convolutions are folded by the exporter: a factor times zero is zero.
    """
    masked = [name for name, module in model.named_modules() if parametrize.is_parametrized(module)]
    if masked:
        help = "squash the masks first: else the file has products by masks, and no batch norm is folded"
        text = f"{len(masked)} modules still have parametrizations, '{masked[0]}' the first of them"
        raise UsageError(Diagnostic("export-parametrized", text, help=help))
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        return _serialised(_exported(model, example, opset, batch))
    finally:
        for module, training in modes:
            module.training = training


def qdq_bytes(converted: GraphModule, example: Sequence[Tensor], *, opset: int = OPSET, batch: int | None = 1) -> bytes:
    """What `QatModel.convert` gives as ONNX with Q and DQ; weights are int8 with zero points of 0."""
    proto = _exported(converted, example, opset, batch)
    _check_integers(proto)
    return _serialised(proto)


def _serialised(proto: onnx.ModelProto) -> bytes:
    if proto.ByteSize() > LARGEST_BYTES:
        text = f"the model has {proto.ByteSize()} bytes, an ONNX file at most {LARGEST_BYTES}"
        raise UsageError(Diagnostic("export-size", text, help="the array has no room for so many weights either"))
    data: bytes = proto.SerializeToString(deterministic=True)
    return data


def _exported(model: nn.Module, example: Sequence[Tensor], opset: int, batch: int | None) -> onnx.ModelProto:
    """The model by PyTorch's exporter, named by its layers, without places in the files of whoever exported."""
    if any(len(one) < max(2 if batch is None else 1, batch or 1) for one in example):
        wanted = "2 or more, as any number is asked for" if batch is None else f"{batch} or more"
        text = f"the example has {min(len(one) for one in example)} images, expected {wanted}"
        raise UsageError(Diagnostic("export-example", text))
    inputs = tuple(one if batch is None else one[:batch] for one in example)
    shapes = None if batch is not None else any_batch(model, len(inputs))
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said), torch.no_grad():
        program = torch.onnx.export(
            model, inputs, dynamo=True, opset_version=opset, dynamic_shapes=shapes, external_data=False, verbose=False
        )
    assert program is not None
    proto: onnx.ModelProto = program.model_proto
    name_layers(proto)
    plain_zeros(proto)
    bare(proto)
    return proto


def name_layers(proto: onnx.ModelProto) -> None:
    """Give each node with weights the path of its module, which the name of its weights begins with.

    A module that runs more than once gives `path`, `path_1`, `path_2`, ...
    """
    constants = {one.name for one in proto.graph.initializer}
    maker = {name: node for node in proto.graph.node for name in node.output}
    count: dict[str, int] = {}
    for node in proto.graph.node:
        source = _origin(node.input[1], maker) if node.op_type in WEIGHTED else ""
        if source not in constants or not source.endswith(".weight"):
            continue
        path = source.removesuffix(".weight")
        again = count.get(path, 0)
        node.name = f"{path}_{again}" if again else path
        count[path] = again + 1


def _origin(name: str, maker: Mapping[str, onnx.NodeProto]) -> str:
    """What a tensor is before it is quantised."""
    while name in maker and maker[name].op_type in ("DequantizeLinear", "QuantizeLinear"):
        name = maker[name].input[0]
    return name


def plain_zeros(proto: onnx.ModelProto) -> None:
    """Write -0.0, which a negative factor of a batch norm makes of zeros, as +0.0."""
    for one in proto.graph.initializer:
        if one.data_type == onnx.TensorProto.FLOAT:
            values = numpy_helper.to_array(one)
            if (np.signbit(values) & (values == 0)).any():
                one.CopyFrom(numpy_helper.from_array(values + np.float32(0), one.name))


def bare(proto: onnx.ModelProto) -> None:
    """Drop notes that differ from place to place, so that the same model gives the same bytes."""
    graph = proto.graph
    for node in graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for one in (*graph.input, *graph.output, *graph.initializer):
        del one.metadata_props[:]
    del graph.metadata_props[:], proto.metadata_props[:], graph.value_info[:]
    proto.doc_string = graph.doc_string = ""


def _check_integers(proto: onnx.ModelProto) -> None:
    """Refuse weights that are not int8 around 0: they would not be zero where training zeroed them."""
    constants = {one.name: one for one in proto.graph.initializer}
    maker = {name: node for node in proto.graph.node for name in node.output}
    for node in proto.graph.node:
        if node.op_type not in WEIGHTED or (
            node.op_type == "MatMul" and _origin(node.input[1], maker) not in constants
        ):
            continue  # a product of two activations has no weights
        source = maker.get(node.input[1])
        if source is None or source.op_type != "DequantizeLinear" or source.input[0] not in constants:
            text = f"the weights of '{node.name}' are not constant integers behind a DequantizeLinear"
            raise UsageError(Diagnostic("export-weights", text, help="export what QatModel.convert gives"))
        kind = onnx.TensorProto.DataType.Name(constants[source.input[0]].data_type)
        shifted = any(numpy_helper.to_array(constants[name]).any() for name in source.input[2:])
        if kind != "INT8" or shifted:
            text = f"the weights of '{node.name}' are {kind}{' with zero points other than 0' * shifted}"
            raise UsageError(Diagnostic("export-weights", f"{text}, expected INT8 with zero points of 0"))


def _write(data: bytes, path: str | Path) -> None:
    """Write a whole file or none."""
    target = Path(os.path.realpath(path))
    beside = target.with_name(f".bscc-{secrets.token_hex(8)}")
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if target.exists() and not target.is_file():  # a pipe or a device, which nothing may take the place of
            target.write_bytes(data)
            return
        try:
            beside.write_bytes(data)
            os.replace(beside, target)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        message = f"cannot write the file: {error.strerror}"
        raise UsageError(Diagnostic("unwritable", message, str(path))) from error
