"""What a module computes, in numpy on whole tensors: the judge of the passes and of the simulator.

    outputs = run(module, {"input": integers_nhwc})

Modules of `nn` behind `fold-quantization` and modules of `bsp` can be run.
"""

from compiler.reference.check import ValueCheck
from compiler.reference.interpreter import Trace, run, run_traced

__all__ = ["Trace", "ValueCheck", "run", "run_traced"]
