"""Program memories of cores: what the control stream wrote, and whether it is what the plan says."""

from __future__ import annotations

from hashlib import sha256

import numpy as np

from runtime_sim.array import TileState
from runtime_sim.faults import sim_fault
from runtime_sim.memory import WORD


def program_of(state: TileState) -> bytes:
    """A core's program: its memory from the start up to the first word that nobody wrote."""
    memory = state.program
    assert memory is not None and memory.shadow is not None, "only cores have program memory"
    words = memory.size if memory.shadow.all() else int(np.argmin(memory.shadow))
    return memory.bytes[: words * WORD].tobytes()


def check_program(state: TileState, digest: str) -> None:
    """Refuse to start a core without a program, or with another than the one of this sha256 (empty: any)."""
    program = program_of(state)
    if not program:
        text = "the core is enabled, but nobody wrote its program memory"
        raise sim_fault("core-program", text, state.name, help="a core's program is written before it is enabled")
    found = sha256(program).hexdigest()
    if digest and found != digest:
        text = f"program memory holds {len(program)} bytes of sha256 {found}, the plan's program has {digest}"
        raise sim_fault("core-program", text, state.name, help="the plan's files do not belong together; compile again")
