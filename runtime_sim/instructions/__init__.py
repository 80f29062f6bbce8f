"""AIE2 machine code, run: what instructions mean, and a core that executes them cycle by cycle.

`meaning` says what each opcode computes (with `multiply`, `rounding`, `permute` and `address`), `core` is the
reference interpreter, `fast` the same machine compiled by numba, `run` the way in.
"""

from runtime_sim.instructions.run import open_core, run_program
from runtime_sim.instructions.state import CoreMemory, CoreState, Locks, Result, Settings, Status

__all__ = ["CoreMemory", "CoreState", "Locks", "Result", "Settings", "Status", "open_core", "run_program"]
