"""bscc: a block-sparse CNN compiler for AMD AIE2 arrays, as a library.

plan, summary = bscc.compile("model.onnx", "plan/", bscc.Options(target="aie2-4x4"))
outputs = bscc.Session(plan).run(None, {"image": array})
"""

from compiler import VERSION as __version__
from compiler.driver import Options
from compiler.driver import compile_model as compile
from compiler.errors import BsccError, Diagnostic
from compiler.ir import Context, parse_module, print_module
from compiler.pass_manager import Pass, PassManager, PassPipeline
from compiler.pipeline import DEFAULT_PIPELINE, DIALECTS, PASSES
from compiler.plan import Plan
from compiler.prepare import Preparation
from compiler.pruning import Prune
from compiler.target import Target, target_names
from runtime_sim.session import Session, clock

__all__ = [
    "DEFAULT_PIPELINE",
    "DIALECTS",
    "PASSES",
    "BsccError",
    "Context",
    "Diagnostic",
    "Options",
    "Pass",
    "PassManager",
    "PassPipeline",
    "Plan",
    "Preparation",
    "Prune",
    "Session",
    "Target",
    "__version__",
    "clock",
    "compile",
    "parse_module",
    "print_module",
    "target_names",
]
