"""A float model becomes an int8 QDQ model, by onnxruntime's QDQQuantizer with scales chosen here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationMethod, QDQQuantizer, QuantType
from onnxruntime.quantization.calibrate import TensorsData

from compiler.errors import Diagnostic, UsageError, nearest
from compiler.pruning import Prune
from compiler.quantize.fold import folded
from compiler.quantize.network import Array, Network, attribute
from compiler.quantize.prune import Pruned, prune_model
from compiler.quantize.ranges import Seen, watch
from compiler.quantize.regions import STAND_IN, collapse, expand
from compiler.quantize.scales import Activations, Step, of_activation, of_weights
from compiler.quantize.slopes import split_slopes
from compiler.quantize.weights import count_blocks

WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators with a stored second operand that is quantised as weights."""

MOVING = (
    *("DepthToSpace", "Flatten", "Gather", "Identity", "MaxPool", "Pad", "Reshape", "Resize", "Slice", "SpaceToDepth"),
    *("Split", "Squeeze", "Transpose", "Unsqueeze"),
)
"""Operators that leave numbers as they are: not worth a Q if what they read stays float."""

KINDS = (
    *WEIGHTED,
    *MOVING,
    *("Add", "Sub", "Mul", "Concat", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean", STAND_IN),
)
"""Operators that are quantised; all others stay float."""

SHARING = (
    "AveragePool",
    "Flatten",
    "Gather",
    "MaxPool",
    "Reshape",
    "Resize",
    "Slice",
    "Split",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
)
"""Operators whose result onnxruntime's quantiser gives the scale of what they read."""


@dataclass(frozen=True)
class Settings:
    """What is asked of the quantiser."""

    activations: Activations = field(default_factory=Activations)
    per_channel: bool = True
    exclude: tuple[str, ...] = ()

    def json(self) -> dict[str, Any]:
        """As the manifest and the report have it."""
        how = self.activations
        method = how.method.value
        return {
            "method": f"percentile {how.percentile:g}" if method == "percentile" else method,
            "activations": "int8" if how.signed else "uint8",
            "weights": "int8, per channel" if self.per_channel else "int8, per tensor",
            "scales": "powers of two, by least squared error" if how.power_of_two else "any",
            "exclude": list(self.exclude),
        }


@dataclass(frozen=True)
class Quantised:
    """An int8 model, the float model that it was made of (folded and pruned), and what happened on the way."""

    model: onnx.ModelProto
    source: onnx.ModelProto
    settings: Settings
    samples: int
    blocks: tuple[int, int, int]
    unfolded: tuple[str, ...]
    left_float: tuple[tuple[str, str], ...]
    pruned: Pruned | None = None

    def json(self) -> dict[str, Any]:
        """As the manifest and the report have it."""
        total, before, after = self.blocks
        return {
            **self.settings.json(),
            "samples": self.samples,
            "blocks": {"all": total, "zero_before": before, "zero_after": after},
            "batch_norms_left": list(self.unfolded),
            "left_float": [f"{name} ({kind})" for name, kind in self.left_float],
        }


@dataclass
class _Counted:
    """Samples that count themselves as they go by."""

    samples: Iterable[Mapping[str, Array]]
    count: int = field(default=0)

    def __iter__(self) -> Iterator[Mapping[str, Array]]:
        for one in self.samples:
            self.count += 1
            yield one


def quantise(
    model: onnx.ModelProto,
    samples: Iterable[Mapping[str, Array]],
    settings: Settings,
    prune: Prune | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Quantised:
    """Fold batch norms, prune if asked, watch the samples, quantise; the model's shapes are static."""
    progress("fold")
    source = folded(model)
    _check_excluded(settings.exclude, model, source)
    split_slopes(source, settings.exclude)
    unfolded = tuple(node.name for node in source.graph.node if node.op_type == "BatchNormalization")
    pruned = prune_model(source, prune) if prune is not None else None
    total, before = count_blocks(Network(source))
    result = onnx.ModelProto.FromString(source.SerializeToString())
    collapsed = collapse(result, settings.exclude)
    network = Network(result)
    floats = [*settings.exclude, *_after_floats(network, settings.exclude)]
    tensors = _activations(network)
    left = tuple((node.name, node.op_type) for node in result.graph.node if node.op_type not in KINDS)
    progress("calibrate")
    counted = _Counted(samples)
    seen = watch(source, tensors, counted, counted=settings.activations.need_counts)
    progress("quantise")
    steps = _steps(network, seen, settings)
    overrides = {name: [_step(one, settings)] for name, one in steps.items()}
    overrides.update(_weight_overrides(network, steps, settings, floats))
    made = _run(result, seen, settings, floats, overrides)
    expand(made, collapsed)
    made.producer_name, made.producer_version = "bscc-quantize", ""
    after = count_blocks(Network(made))[1]
    onnx.checker.check_model(made)
    return Quantised(made, source, settings, counted.count, (total, before, after), unfolded, left, pruned)


def _check_excluded(names: Sequence[str], model: onnx.ModelProto, source: onnx.ModelProto) -> None:
    """Every node that is to stay float is there, before and after folding."""
    known, left = ([node.name for node in one.graph.node] for one in (model, source))
    for name in names:
        if name not in known:
            text = f"--exclude: there is no node '{name}'"
            raise UsageError(Diagnostic("usage", text, help=nearest(name, known)))
        if name not in left:
            text = f"--exclude: onnxruntime's optimiser has folded '{name}' into another node"
            raise UsageError(Diagnostic("usage", text, help="exclude the node that it went into"))


def _activations(network: Network) -> list[str]:
    """Every float activation, in order."""
    names = [one.name for one in network.graph.input]
    names += [name for node in network.graph.node for name in node.output if name]
    return [name for name in dict.fromkeys(names) if network.is_float(name)]


def _after_floats(network: Network, exclude: Sequence[str]) -> list[str]:
    """Moving nodes of stored tables, and behind nodes that stay float, which stay float, too."""
    floats: dict[str, None] = {}
    for node in network.graph.node:
        if node.op_type not in MOVING or not node.input:
            continue
        maker = network.makers.get(node.input[0])
        behind = maker and (maker.op_type not in KINDS or maker.name in exclude or maker.name in floats)
        if behind or node.input[0] in network.stored:
            floats[node.name] = None
    return list(floats)


def _steps(network: Network, seen: Mapping[str, Seen], settings: Settings) -> dict[str, Step]:
    """The step of each activation, and of each constant that is added or multiplied."""
    how = settings.activations
    steps = {name: of_activation(one, how) for name, one in seen.items()}
    for node in network.graph.node:
        if node.op_type in SHARING and node.input[0] in steps:
            steps.update({name: steps[node.input[0]] for name in node.output if name in steps})
    for node in network.graph.node:
        for name in node.input if node.op_type in ("Add", "Sub", "Mul", "Concat") else ():
            array = network.constant(name)
            if array is not None and array.dtype == np.float32:
                numbers = Seen()
                numbers.add(array)
                steps[name] = of_activation(numbers, how)
    return steps


def _step(step: Step, settings: Settings) -> dict[str, Any]:
    kind = np.int8 if settings.activations.signed else np.uint8
    return {"scale": np.array(step.scale, np.float32), "zero_point": np.array(step.zero, kind)}


def _weight_overrides(
    network: Network, steps: Mapping[str, Step], settings: Settings, floats: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    """The scales of all weights, by tensor; the first node that reads a tensor decides."""
    found: dict[str, list[dict[str, Any]]] = {}
    for node in network.graph.node:
        if node.op_type not in WEIGHTED or node.name in floats or node.input[1] in found:
            continue
        weight = network.constant(node.input[1])
        if weight is None or weight.dtype != np.float32 or weight.ndim < 2:
            continue
        axis = _output_axis(node, weight.ndim)
        bias = network.constant(node.input[2]) if len(node.input) > 2 else None
        rows = np.moveaxis(weight, axis, 0)
        # A transposed convolution in groups has fewer rows of weights than outputs; so may a bias broadcast.
        fits = bias is not None and bias.size in (1, len(rows))
        spread = np.broadcast_to(bias.reshape(-1), len(rows)) if bias is not None and fits else None
        x_scale = steps[node.input[0]].scale if node.input[0] in steps else 1.0
        per_channel = settings.per_channel and axis < weight.ndim
        scales = of_weights(rows, spread, x_scale, per_channel, settings.activations.power_of_two)
        zero = np.array(0, np.int8)
        entries = [
            {"scale": np.array(one, np.float32), "zero_point": zero, "quant_type": QuantType.QInt8} for one in scales
        ]
        if per_channel:
            entries[0]["axis"] = axis
        found[node.input[1]] = entries
    return found


def _output_axis(node: onnx.NodeProto, rank: int) -> int:
    """The axis of a weight that counts output channels."""
    if node.op_type == "Conv":
        return 0
    if node.op_type == "Gemm":
        return 0 if attribute(node, "transB", 0) else 1
    return 1 if node.op_type == "ConvTranspose" else rank - 1


def _run(
    model: onnx.ModelProto,
    seen: Mapping[str, Seen],
    settings: Settings,
    floats: Sequence[str],
    overrides: Mapping[str, list[dict[str, Any]]],
) -> onnx.ModelProto:
    """onnxruntime's quantiser, told every scale."""
    kind = QuantType.QInt8 if settings.activations.signed else QuantType.QUInt8
    ranges = {name: (np.float32(one.low), np.float32(one.high)) for name, one in seen.items()}
    with _quiet():
        quantiser = QDQQuantizer(
            model,
            settings.per_channel,
            False,
            QuantType.QInt8,
            kind,
            TensorsData(CalibrationMethod.MinMax, ranges),
            [],
            list(floats),
            list(KINDS),
            {
                "ActivationSymmetric": False,
                "WeightSymmetric": True,
                "ForceQuantizeNoInputCheck": True,
                "MatMulConstBOnly": True,
                "QDQDisableWeightAdjustForInt32Bias": True,
                "TensorQuantOverrides": dict(overrides),
            },
        )
        quantiser.quantize_model()
        quantiser.model.topological_sort()
    made: onnx.ModelProto = quantiser.model.model
    return made


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the quantiser logs of tensors that it leaves alone."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
