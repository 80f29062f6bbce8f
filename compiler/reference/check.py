"""`ValueCheck`: values before and after every pass, compared; it stops at the first that differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from compiler.errors import UNKNOWN, Diagnostic, Location, NumericalMismatch
from compiler.ir import Module
from compiler.reference.interpreter import Trace, computable, run_traced, same_pixels
from compiler.reference.kernels import Array
from dialects import nn
from dialects.quant import Quant


def random_inputs(module: Module, seed: int = 0) -> dict[str, Array]:
    """An array of any integers for each input of a quantised module."""
    rng = np.random.default_rng(seed)
    arrays: dict[str, Array] = {}
    for op in module.walk(nn.InputOp):
        if isinstance(op.type.encoding, Quant):
            low, high = op.type.encoding.limits
            arrays[op.onnx_name] = rng.integers(low, high + 1, op.type.shape).astype(op.type.encoding.dtype)
    return arrays


@dataclass
class ValueCheck:
    """Call it with a pass's name and the module after it; floats, and what is lowered further, are passed.

    Compared are all outputs, and those activations whose place and type are in both modules.  Inputs that are not
    given, as they were floats at first, get `random_inputs`.
    """

    module: Module
    inputs: Mapping[str, NDArray[np.generic]]
    before: Trace | None = field(init=False)

    def __post_init__(self) -> None:
        self.before = run_traced(self.module, self.inputs) if computable(self.module) else None

    def __call__(self, pass_name: str, module: Module) -> None:
        if not computable(module):
            return
        after = run_traced(module, {**random_inputs(module), **self.inputs})
        if self.before is not None:
            compare(pass_name, self.before, after)
        self.before = after


def compare(pass_name: str, before: Trace, after: Trace) -> None:
    """Raise an error for the first activation, in program order, that differs."""
    known = unique_places(before)
    for key, array in unique_places(after).items():
        if key in known:
            same_or_raise(pass_name, key[0], "the result", known[key], array)
    for name, array in before.outputs.items():
        if name not in after.outputs:
            raise NumericalMismatch(
                Diagnostic("values-differ", f"output '{name}' is gone after the pass '{pass_name}'")
            )
        same_or_raise(pass_name, UNKNOWN, f"output '{name}'", array, after.outputs[name])


Key = tuple[Location, str]


def unique_places(trace: Trace) -> dict[Key, Array]:
    """Activations by place and type, those left out whose place and type two operations share."""
    found: dict[Key, Array] = {}
    repeated: set[Key] = set()
    for place, op, array in trace.places:
        key = (place, op.results[0].type.text)
        if place == UNKNOWN or key in found:
            repeated.add(key)
        found[key] = array
    return {key: array for key, array in found.items() if key not in repeated}


def same_or_raise(pass_name: str, place: Location, what: str, before: Array, after: Array) -> None:
    """Equal in type, shape and every number; rows may be broken elsewhere (`wrap-rows`)."""
    if same_pixels(before.shape, after.shape):
        after = after.reshape(before.shape)
    if before.shape != after.shape or before.dtype != after.dtype:
        kinds = [f"{one.dtype} {'x'.join(map(str, one.shape))}" for one in (before, after)]
        message = f"{what} was {kinds[0]} before the pass '{pass_name}' and is {kinds[1]}"
        raise NumericalMismatch(Diagnostic("values-differ", message, place))
    if np.array_equal(before, after):
        return
    wrong = np.argwhere(before != after)
    index = tuple(int(one) for one in wrong[0])
    message = f"{what} at {index} was {before[index]} before the pass '{pass_name}' and is {after[index]}"
    share = f"{len(wrong)} of {before.size} numbers differ"
    raise NumericalMismatch(Diagnostic("values-differ", message, place, notes=(share,)))
