"""What is done to a model before it is compiled: a float one is quantised, blocks are zeroed if that is asked.

A model counts as quantised if any of its operators computes with integers that stand for floats (QuantizeLinear,
DequantizeLinear, QLinear..., ...Integer), or if it has no floats at all.  Whoever made it chose what stays float: it is
compiled as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import onnx

from compiler.errors import Diagnostic, UsageError
from compiler.frontend import placed, read_graph, read_onnx
from compiler.frontend.graph import Graph
from compiler.images import Preprocess
from compiler.pruning import Prune
from compiler.quantize import Quantised, Settings, is_quantised, prune_model, quantise
from compiler.quantize.samples import Samples, samples_of, synthetic

MOST_SAMPLES = 100
"""How many samples a calibration takes if nobody says."""

LINEAR = ("QuantizeLinear", "DequantizeLinear")


@dataclass(frozen=True)
class Preparation:
    """What is asked: calibration data (none means synthetic), how to quantise, what to zero."""

    calibration: str = ""
    samples: int = MOST_SAMPLES
    preprocess: Preprocess | None = None
    settings: Settings = field(default_factory=Settings)
    prune: Prune | None = None


@dataclass(frozen=True)
class Prepared:
    """The graph that is compiled, of one image, and the one in the file; the report says what was done to that."""

    graph: Graph
    given: Graph
    report: Mapping[str, Any] = field(default_factory=dict)


def named_model(graph: Graph) -> onnx.ModelProto:
    """The graph as a model whose nodes have names, each its own.

    Of several with one name, as an operator with its quantisation inside becomes, that one keeps it which computes.
    """
    model = graph.model()
    taken: dict[str, None] = {}
    for index in sorted(range(len(graph.nodes)), key=lambda one: graph.nodes[one].op_type in LINEAR):
        name = graph.nodes[index].name
        while name in taken:
            name = f"{name}_{index}"
        model.graph.node[index].name = name
        taken[name] = None
    return model


def calibration_data(model: onnx.ModelProto, asked: Preparation) -> Samples:
    """The samples that were asked for."""
    if asked.samples < 1:
        raise UsageError(Diagnostic("usage", f"--samples {asked.samples}: at least one sample is needed"))
    if not asked.calibration:
        return synthetic(model)
    return samples_of(asked.calibration, model, asked.preprocess).some(asked.samples)


def quantise_file(
    path: Path,
    shapes: Mapping[str, tuple[int, ...]],
    asked: Preparation,
    progress: Callable[[str], None] = lambda _: None,
    compared: Preparation | None = None,
) -> tuple[Quantised, Samples, Samples]:
    """The int8 model of a float model file, the samples that it was calibrated with, and those to compare it on.

    The latter are those of `compared`, found before the calibration, which may take long; none means the same.
    """
    graph = _float_graph(path, shapes, ())
    if graph is None:
        text = "the model is quantised already: some of its operators compute with integers"
        raise UsageError(Diagnostic("quantised", text, str(path), help="give the float model, or leave it as it is"))
    progress("import")
    others = calibration_data(named_model(graph), compared) if compared is not None else None
    quantised, samples = _quantised(path, graph, asked, progress)
    return quantised, samples, samples if others is None else others


def _quantised(
    path: Path, graph: Graph, asked: Preparation, progress: Callable[[str], None]
) -> tuple[Quantised, Samples]:
    """The int8 model of a float graph, and the samples that it was calibrated with."""
    model = named_model(graph)
    samples = calibration_data(model, asked)
    with placed(path):
        return quantise(model, samples, asked.settings, asked.prune, progress), samples


def _float_graph(path: Path, shapes: Mapping[str, tuple[int, ...]], outputs: Sequence[str]) -> Graph | None:
    """The graph of a float model; None if the model is quantised, or if no tensor that it is given or computes holds
    floats, which all are float32 once it is read."""
    if is_quantised(read_onnx(path)):
        return None
    graph = read_graph(path, shapes, [_of_float(one) for one in outputs])
    tensors = [*graph.inputs, *(name for node in graph.nodes for name in node.outputs)]
    return graph if any(graph.dtypes.get(name) == "float32" for name in tensors) else None


def _of_float(tensor: str) -> str:
    """The float model's name of a tensor: messages about the int8 model name what its DequantizeLinear makes."""
    return tensor.removesuffix("_DequantizeLinear_Output")


def prepare(
    path: Path,
    shapes: Mapping[str, tuple[int, ...]],
    outputs: Sequence[str],
    asked: Preparation,
    progress: Callable[[str], None] = lambda _: None,
) -> Prepared:
    """The graph of a model: quantised if it was float, pruned if that is asked."""
    graph = _float_graph(path, shapes, outputs)
    if graph is not None:
        progress("import")
        quantised, samples = _quantised(path, graph, asked, progress)
        report: dict[str, Any] = {"quantisation": {**samples.json(), **quantised.json()}}
        if quantised.pruned is not None:
            report["pruning"] = quantised.pruned.json()
        return Prepared(changed(path, graph, quantised.model), graph, report)
    if asked.calibration:
        text = "the model is quantised already: there is nothing to calibrate"
        raise UsageError(Diagnostic("quantised", text, str(path), help="leave --calibration out"))
    graph = read_graph(path, shapes, outputs)
    if asked.prune is None:
        return Prepared(graph, graph)
    progress("prune")
    model = named_model(graph)
    with placed(path):
        report = {"pruning": prune_model(model, asked.prune).json()}
    return Prepared(changed(path, graph, model), graph, report)


def changed(path: Path, graph: Graph, model: onnx.ModelProto) -> Graph:
    """The graph of what a model was made; its batch and the remarks on it are those of the file."""
    return replace(read_graph(path, model=model), batch=graph.batch, remarks=graph.remarks)
