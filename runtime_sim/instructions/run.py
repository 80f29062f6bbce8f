"""The way in: run a program on a core, by the reference interpreter or by the compiled one."""

from __future__ import annotations

from typing import Protocol

from runtime_sim.instructions.control import fetcher
from runtime_sim.instructions.core import ReferenceCore
from runtime_sim.instructions.lanes import Bytes
from runtime_sim.instructions.state import CoreMemory, CoreState, Locks, Result, Settings

MAX_CYCLES = 10_000_000


class Core(Protocol):
    """A core that can be run on and on; `max_cycles` counts from its start."""

    @property
    def state(self) -> CoreState:
        """The registers."""

    @property
    def cycles(self) -> int:
        """Cycles that went by since its start, stalls included."""

    def run(self, max_cycles: int = MAX_CYCLES) -> Result:
        """Go on until done, blocked or out of cycles."""


def open_core(
    program: bytes,
    memory: CoreMemory,
    *,
    pc: int = 0,
    fast: bool = True,
    locks: Locks | None = None,
    settings: Settings | None = None,
    state: CoreState | None = None,
) -> Core:
    """A core at its first bundle.  Traces and the check for undefined registers are the reference's alone."""
    chosen = settings or Settings()
    if fast and not chosen.trace and not chosen.check_undefined:
        from runtime_sim.instructions.fast import FastCore  # numba takes a second to import

        return FastCore(program, memory, pc, locks, chosen, state)
    return ReferenceCore(fetcher(program), memory, pc, locks, chosen, state)


def run_program(
    program: bytes,
    memory: Bytes | CoreMemory,
    pc: int = 0,
    fast: bool = True,
    max_cycles: int = MAX_CYCLES,
    locks: Locks | None = None,
    settings: Settings | None = None,
    state: CoreState | None = None,
) -> Result:
    """Run a program until it is done, blocked or out of cycles; `memory` is the core's own or all that it sees."""
    seen = memory if isinstance(memory, CoreMemory) else CoreMemory.of(memory)
    core = open_core(program, seen, pc=pc, fast=fast, locks=locks, settings=settings, state=state)
    return core.run(max_cycles)
