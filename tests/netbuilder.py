"""A builder of small quantised CNNs in ONNX: every op is also run in float, so that scales fit what flows.

Methods take and return `Tensor`.  Arithmetic (netlayers.py) returns floats without parameters, `quant`
gives it a scale and a zero point, and ops that only move data (`max_pool`, `flatten`, ...) keep both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

Array = npt.NDArray[np.generic]
Floats = npt.NDArray[np.float32]
Attributes = Mapping[str, int | str | Sequence[int] | Sequence[float]]


@dataclass(frozen=True)
class Style:
    """How a whole model is quantised."""

    dtype: str = "uint8"
    symmetric: bool = False
    pow2: bool = False
    per_channel: bool = True
    float_io: bool = True
    opset: int = 17


@dataclass(frozen=True)
class Tensor:
    """A value under its float name or its integer name, with what it held in calibration."""

    value: Floats
    float_name: str = ""
    int_name: str = ""
    scale: str = ""
    zero: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """With batch 1, whatever the number of calibration samples."""
        return (1, *self.value.shape[1:])

    @property
    def channels(self) -> int:
        return self.shape[1]


def run_float(kind: str, inputs: Sequence[Floats], attributes: Attributes, opset: int) -> Floats:
    """The value of one float node, by onnxruntime."""
    names = [f"i{n}" for n in range(len(inputs))]
    node = make_node(kind, names, "o", "", attributes)
    fed = dict(zip(names, inputs, strict=True))
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, v.shape) for n, v in fed.items()]
    output = helper.make_empty_tensor_value_info("o")
    graph = helper.make_graph([node], "one", infos, [output])
    return np.asarray(session(make_model(graph, opset)).run(None, fed)[0])


def make_node(kind: str, inputs: Sequence[str], output: str, name: str, attributes: Attributes) -> onnx.NodeProto:
    node = helper.make_node(kind, list(inputs), [output], name)
    node.attribute.extend(helper.make_attribute(key, attributes[key]) for key in sorted(attributes))
    return node


def make_model(graph: onnx.GraphProto, opset: int) -> onnx.ModelProto:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="bscc-tests")
    model.ir_version = 8 if opset < 19 else 9 if opset < 21 else 10
    return model


def session(model: onnx.ModelProto, *, optimise: bool = False) -> ort.InferenceSession:
    """onnxruntime on one thread, the nodes run as written.

    Optimised, it fuses DQ, Add, Q (and AveragePool) into kernels whose ties go another way than ONNX's
    QuantizeLinear says, and with scales that are powers of two ties are common.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if not optimise:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])


def drop_blocks(rng: np.random.Generator, weight: Floats, share: float) -> Floats:
    """Zero a random share of the 8x8 blocks of [out, in, taps...]; one block is left unless share is 1."""
    out, inp = weight.shape[:2]
    rows, columns, taps = -(-out // 8), -(-inp // 8), int(np.prod(weight.shape[2:]))
    count = rows * columns * taps
    dropped = count if share >= 1.0 else min(round(share * count), count - 1)
    keep = np.ones(count, np.float32)
    keep[rng.permutation(count)[:dropped]] = 0.0
    mask = keep.reshape(rows, columns, taps).repeat(8, axis=0).repeat(8, axis=1)[:out, :inp]
    return weight * mask.reshape(weight.shape)


class Net:
    """One model under construction."""

    def __init__(self, seed: int, shape: Sequence[int], style: Style, *, nhwc: str = "") -> None:
        """`shape` is (C, H, W); `nhwc` begins with a Transpose of floats, of "int" as DQ and Q, or "bare"."""
        self.rng = np.random.default_rng(seed)
        self.style = style
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._floats: dict[str, str] = {}
        samples = int(np.clip(4096 // np.prod(shape), 4, 32))
        value = (self.rng.standard_normal((samples, *shape)) + self.rng.uniform(-0.5, 0.5)).astype(np.float32)
        if nhwc:
            value = np.ascontiguousarray(value.transpose(0, 2, 3, 1))
        self.x = self._input(value, quantise=nhwc != "float")
        if nhwc:
            self.x = self.move("Transpose", self.x, {"perm": [0, 3, 1, 2]}, bare=nhwc == "bare")
        if nhwc == "float":
            self.x = self.quant(self.x)

    def _input(self, value: Floats, quantise: bool) -> Tensor:
        kind = TensorProto.FLOAT if self.style.float_io else getattr(TensorProto, self.style.dtype.upper())
        self.inputs = [helper.make_tensor_value_info("input", kind, (1, *value.shape[1:]))]
        if self.style.float_io:
            tensor = Tensor(value, float_name="input")
            return self.quant(tensor) if quantise else tensor
        scale, zero = self.parameters([value])
        return Tensor(value, int_name="input", scale=scale, zero=zero)

    # names, constants, nodes

    def name(self, kind: str) -> str:
        return f"{kind.lower()}_{len(self.nodes)}"

    def const(self, value: Array, hint: str) -> str:
        name = f"{hint}_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def emit(self, kind: str, inputs: Sequence[str], attributes: Attributes | None = None) -> str:
        name = self.name(kind)
        self.nodes.append(make_node(kind, inputs, f"{name}_out", name, attributes or {}))
        return f"{name}_out"

    def evaluate(self, kind: str, inputs: Sequence[Floats], attributes: Attributes | None = None) -> Floats:
        return run_float(kind, inputs, attributes or {}, self.style.opset)

    # quantisation

    def parameters(self, values: Sequence[Floats]) -> tuple[str, str]:
        """A scale and a zero point that hold all the values, rounded to be the same on every machine."""
        low = min(0.0, min(float(v.min()) for v in values))
        high = max(0.0, max(float(v.max()) for v in values))
        signed = self.style.dtype == "int8"
        if self.style.symmetric:
            high = max(high, -low)
            low = -high
        scale = self.round_scale(max(high - low, 1e-3) / 255)
        first, last = (-128, 127) if signed else (0, 255)
        zero = int(np.clip(round(first - low / scale), first, last))
        if self.style.symmetric:
            zero = (first + last + 1) // 2
        kind = np.int8 if signed else np.uint8
        return self.const(np.array(scale, np.float32), "scale"), self.const(np.array(zero, kind), "zero")

    def round_scale(self, scale: float) -> float:
        """Four digits, or the next power of two."""
        return float(2.0 ** np.ceil(np.log2(scale))) if self.style.pow2 else float(f"{scale:.4g}")

    def quant(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        scale, zero = (like.scale, like.zero) if like else self.parameters([x.value])
        name = self.emit("QuantizeLinear", [self.read(x), scale, zero])
        return Tensor(x.value, int_name=name, scale=scale, zero=zero)

    def read(self, x: Tensor) -> str:
        """The float name of a tensor; an integer tensor is dequantised once, by whoever reads it first."""
        if x.float_name:
            return x.float_name
        if x.int_name not in self._floats:
            self._floats[x.int_name] = self.emit("DequantizeLinear", [x.int_name, x.scale, x.zero])
        return self._floats[x.int_name]

    def constant(self, name: str) -> Array:
        return numpy_helper.to_array(next(t for t in self.constants if t.name == name))

    def weight(self, value: Floats, axis: int, per_channel: bool | None = None) -> tuple[str, str, str, Floats]:
        """Integer weights, their scale, their zero point, and the float scales spread along `axis`."""
        split = self.style.per_channel if per_channel is None else per_channel
        others = tuple(a for a in range(value.ndim) if a != axis) if split else None
        largest = np.atleast_1d(np.abs(value).max(axis=others))
        if self.style.pow2:
            # One power for the 8 channels of a block: so much a narrow factor does exactly.
            blocks = [largest[start : start + 8] for start in range(0, len(largest), 8)]
            largest = np.concatenate([np.full(len(one), one.max()) for one in blocks])
        scale = np.array([self.round_scale(v / 127) if v else 1.0 for v in largest.tolist()], np.float32)
        shape = [1] * value.ndim
        shape[axis] = -1
        integers = np.clip(np.rint(value / scale.reshape(shape)), -127, 127).astype(np.int8)
        kept = scale if split else scale[0]
        zero = np.zeros(np.shape(kept), np.int8)
        return self.const(integers, "weight"), self.const(kept, "scale"), self.const(zero, "zero"), scale

    def bias(self, value: Floats, x: Tensor, scale: Floats, split: bool) -> tuple[str, str, str]:
        """int32 with the scale of the accumulator."""
        step = (self.constant(x.scale).astype(np.float32) * scale).astype(np.float32)
        integers = np.rint(value / step).astype(np.int32)
        kept = step if split else step[0]
        zero = np.zeros(np.shape(kept), np.int32)
        return self.const(integers, "bias"), self.const(kept, "scale"), self.const(zero, "zero")

    def dequantised(self, names: tuple[str, str, str], axis: int | None) -> str:
        return self.emit("DequantizeLinear", names, {} if axis is None else {"axis": axis})

    # ops that move data: scale and zero point stay

    def move(
        self,
        kind: str,
        x: Tensor,
        attributes: Attributes | None = None,
        *,
        extra: Sequence[str] = (),
        bare: bool = False,
        requantise: bool = True,
    ) -> Tensor:
        """DQ, the op, Q with the same parameters; `bare` applies the op to the integers, as ONNX allows."""
        flat = kind == "Reshape"
        value = x.value.reshape(len(x.value), -1) if flat else self.evaluate(kind, [x.value], attributes)
        if bare and x.int_name:
            name = self.emit(kind, [x.int_name, *extra], attributes)
            return replace(x, value=value, int_name=name, float_name="")
        name = self.emit(kind, [self.read(x), *extra], attributes)
        y = Tensor(value, float_name=name, scale=x.scale, zero=x.zero)
        return self.quant(y, like=x) if x.int_name and requantise else y

    def max_pool(self, x: Tensor, attributes: Attributes, *, bare: bool = False) -> Tensor:
        return self.move("MaxPool", x, attributes, bare=bare)

    def flatten(self, x: Tensor, *, bare: bool = False) -> Tensor:
        return self.move("Flatten", x, bare=bare)

    def reshape(self, x: Tensor, shape: Sequence[int] = (1, -1), *, bare: bool = False) -> Tensor:
        return self.move("Reshape", x, extra=[self.const(np.array(shape, np.int64), "shape")], bare=bare)

    def finish(self, *outputs: Tensor, name: str = "test") -> onnx.ModelProto:
        """The model, its outputs as the style says: floats behind a DequantizeLinear, or integers."""
        infos = []
        for x in outputs:
            floats = self.style.float_io
            kind = TensorProto.FLOAT if floats else getattr(TensorProto, self.style.dtype.upper())
            infos.append(helper.make_tensor_value_info(self.read(x) if floats else x.int_name, kind, x.shape))
        graph = helper.make_graph(self.nodes, name, self.inputs, infos, self.constants)
        model = make_model(graph, self.style.opset)
        onnx.checker.check_model(model, full_check=True)
        return model
