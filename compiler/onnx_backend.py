"""bscc as a backend of ONNX's own interface, `onnx.backend.base`: compile a model, run it on the simulated array.

    outputs = bscc.backend.run_model(onnx.load("net.onnx"), [image])

Inputs are given in the order of the model's inputs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.backend.base import Backend, BackendRep

from compiler.driver import Options, compile_model
from compiler.errors import Diagnostic, UsageError
from compiler.plan import Plan
from compiler.target import target_names
from runtime_sim.parts import Session

Array = NDArray[Any]


class BsccRep(BackendRep):
    """A compiled model."""

    def __init__(self, plan: Plan, summary: Mapping[str, Any]) -> None:
        self.plan, self.summary = plan, summary
        self.session = Session(plan)

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """The outputs in the model's order; `inputs` are arrays in order, or one array, or a mapping by name."""
        names = [one.name for one in self.session.get_inputs()]
        if isinstance(inputs, Mapping):
            feeds = dict(inputs)
        else:
            arrays: Sequence[Any] = [inputs] if isinstance(inputs, np.ndarray) else list(inputs)
            if len(arrays) != len(names):
                text = f"{len(arrays)} arrays are given, the model has {len(names)} inputs: {', '.join(names)}"
                raise UsageError(Diagnostic("feeds", text))
            feeds = dict(zip(names, arrays, strict=True))
        return tuple(self.session.run(None, feeds))


class BsccBackend(Backend):
    """Compiles for the simulated array; a device's name is a target's, `CPU` the default one."""

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> BsccRep:
        """Compile; errors are `BsccError`.  `options` are those of `bscc.compile`."""
        options: Options = kwargs.get("options") or Options(compare_dense=False)
        if device != "CPU":
            options = replace(options, target=device)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            path.write_bytes(model.SerializeToString())
            return BsccRep(*compile_model(path, Path(folder) / "plan", options))

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Every target is a device, and simulated on the CPU."""
        return device == "CPU" or device in target_names()
