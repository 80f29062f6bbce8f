"""bscc: a block-sparse CNN compiler for AMD AIE2 arrays, as a library.

plan, summary = bscc.compile("model.onnx", "plan/", bscc.Options(target="aie2-4x4"))
outputs = bscc.Session(plan).run(None, {"image": array})
"""

from compiler import VERSION as __version__
from compiler.driver import Checked, Options, costs
from compiler.driver import check_model as check
from compiler.driver import compile_model as compile
from compiler.errors import BsccError, Diagnostic
from compiler.ir import Context, parse_module, print_module
from compiler.onnx_backend import BsccBackend as backend
from compiler.pass_manager import Pass, PassManager, PassPipeline
from compiler.pipeline import DEFAULT_PIPELINE, DIALECTS, PASSES
from compiler.plan import ArrayPlan, PartedPlan, Plan
from compiler.prepare import Preparation
from compiler.pruning import Prune
from compiler.target import Target, target_names
from runtime_sim.parts import Session
from runtime_sim.session import clock

__all__ = [
    "DEFAULT_PIPELINE",
    "DIALECTS",
    "PASSES",
    "ArrayPlan",
    "BsccError",
    "Checked",
    "Context",
    "Diagnostic",
    "Options",
    "PartedPlan",
    "Pass",
    "PassManager",
    "PassPipeline",
    "Plan",
    "Preparation",
    "Prune",
    "Session",
    "Target",
    "__version__",
    "backend",
    "check",
    "clock",
    "compile",
    "costs",
    "parse_module",
    "print_module",
    "target_names",
]
