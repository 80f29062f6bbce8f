"""Models of one function of bytes: an integer tensor, its DequantizeLinear, some nodes from `f` to `g`, a
QuantizeLinear."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import parser

from tests.reference_tools import Array

QUANT = {"int8": (-11, 7), "uint8": (120, 140)}
"""Zero points of input and output."""

ERF_GELU = """
    root = Constant<value = float {1.4142135}> ()  one = Constant<value = float {1.0}> ()
    half = Constant<value = float {0.5}> ()
    a = Div(f, root)  b = Erf(a)  c = Add(b, one)  d = Mul(f, c)  g = Mul(d, half)
"""
WRITTEN_HARD_SWISH = """
    three = Constant<value = float {3.0}> ()  six = Constant<value = float {6.0}> ()
    none = Constant<value = float {0.0}> ()
    a = Add(f, three)  b = Clip(a, none, six)  c = Mul(f, b)  g = Div(c, six)
"""
QUANTISED_SILU = """
    s2 = Constant<value = float {0.004}> ()  z2 = Constant<value = uint8 {3}> ()
    a = Sigmoid(f)  b = QuantizeLinear(a, s2, z2)  c = DequantizeLinear(b, s2, z2)  g = Mul(f, c)
"""
SCALAR_IN_INTEGERS = """
    i = Constant<value = int8 {57}> ()  s2 = Constant<value = float {0.011}> ()
    c = DequantizeLinear(i, s2)  a = Mul(f, c)  g = Tanh(a)
"""
CHOSEN = """
    none = Constant<value = float {0.0}> ()  a = Greater(f, none)  b = Exp(f)  c = Cast<to = 1> (a)
    d = Where(a, f, b)  g = Add(c, d)
"""
ONE = {
    "sigmoid": "Sigmoid",
    "hard_sigmoid": "HardSigmoid<alpha = 0.16667>",
    "hard_swish": "HardSwish",
    "tanh": "Tanh",
    "erf": "Erf",
    "gelu": "Gelu",
    "gelu_by_tanh": 'Gelu<approximate = "tanh">',
    "elu": "Elu<alpha = 0.7>",
    "selu": "Selu",
    "celu": "Celu<alpha = 1.3>",
    "softplus": "Softplus",
    "softsign": "Softsign",
    "mish": "Mish",
    "leaky_relu": "LeakyRelu<alpha = 0.1>",
    "thresholded_relu": "ThresholdedRelu<alpha = 0.4>",
    "exp": "Exp",
    "log": "Log",
    "sqrt": "Sqrt",
    "reciprocal": "Reciprocal",
    "neg": "Neg",
    "abs": "Abs",
    "floor": "Floor",
    "ceil": "Ceil",
    "round": "Round",
    "sign": "Sign",
    "sin": "Sin",
}
WITH_A_NUMBER = {
    "add": ("Add(f, c)", 0.37),
    "sub": ("Sub(c, f)", 0.37),
    "mul": ("Mul(f, c)", -1.7),
    "div": ("Div(c, f)", 1.9),
    "min": ("Min(f, c)", 0.5),
    "max": ("Max(c, f)", -0.25),
    "pow": ("Pow(f, c)", 3.0),
    "root_of_negative_numbers": ("Pow(f, c)", 0.5),
    "exponential": ("Pow(c, f)", 2.0),
    "prelu": ("PRelu(f, c)", 0.3),
}
BODIES = {
    **{name: f"g = {one} (f)" for name, one in ONE.items()},
    **{
        name: f"c = Constant<value = float[1,1,1] {{{value}}}> () g = {one}"
        for name, (one, value) in WITH_A_NUMBER.items()
    },
    "silu": "a = Sigmoid(f) g = Mul(f, a)",
    "quantised_silu": QUANTISED_SILU,
    "gelu_by_erf": ERF_GELU,
    "written_hard_swish": WRITTEN_HARD_SWISH,
    "scalar_in_integers": SCALAR_IN_INTEGERS,
    "square": "g = Mul(f, f)",
    "clip_of_sum": "c = Constant<value = float {1.0}> () a = Sum(f, c, f) g = Clip(a, , c)",
    "chosen": CHOSEN,
}


def byte_model(
    body: str,
    dtype: str = "int8",
    scales: tuple[float, float] = (0.031, 0.029),
    shape: tuple[int, ...] = (1, 1, 16, 16),
) -> onnx.ModelProto:
    """The model of a body of nodes from the float tensor `f` to the float tensor `g`."""
    (first, last), size = QUANT[dtype], ",".join(map(str, shape))
    # The text form has no negative numbers of these types.
    zeros = [np.array(one, dtype) for one in (first, last)]
    model = parser.parse_model(f"""
        <ir_version: 9, opset_import: ["" : 20]>
        main ({dtype}[{size}] x) => ({dtype}[{size}] y) <float s0 = {{{scales[0]}}}, float s1 = {{{scales[1]}}}> {{
            f = DequantizeLinear(x, s0, z0)
            {body}
            y = QuantizeLinear(g, s1, z1)
        }}""")
    stored = [onnx.numpy_helper.from_array(one, f"z{number}") for number, one in enumerate(zeros)]
    model.graph.initializer.extend(stored)
    return model


def every_byte(dtype: str, shape: tuple[int, ...] = (1, 1, 16, 16)) -> Array:
    """All 256 values in turn."""
    count = int(np.prod(shape))
    return np.resize(np.arange(256, dtype=np.uint8), count).view(dtype).reshape(shape)
